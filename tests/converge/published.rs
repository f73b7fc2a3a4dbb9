//! What is published decides the way: the hosts' own wheelhouse, and a snapshot in its place.

use std::fs;

use crate::bench::Bench;
use crate::rehearsal::Component;

#[test]
fn a_snapshot_takes_the_place_of_the_hosts_wheelhouse() {
    let bench = Bench::of(&[("web1", Component::Webserver)], "25.6.4");
    bench.looks(&["plan"]).exits(2).says(&["25.6.1 -> 25.6.2", "25.6.2 -> 25.6.4"]);
    bench.looks(&["releases", "--save", "all.json"]).exits(0).says(&["25.6.1 25.6.2 25.6.4", "on web1", "wheelhouse"]);

    let file = bench.cluster.operator_directory().join("all.json");
    let whole: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let withdrawn = |index: usize| {
        let mut changed = whole.clone();
        let package = changed["packages"].as_object_mut().unwrap().values_mut().next().unwrap();
        package["releases"][index]["yanked"] = "bad build".into();
        fs::write(&file, changed.to_string()).unwrap();
    };
    // A patch that was withdrawn is no step of the way; as a goal it is refused.
    withdrawn(1);
    bench.looks(&["plan", "--offline", "all.json"]).exits(2).says(&["25.6.1 -> 25.6.4", "all.json was taken"]);
    withdrawn(2);
    let refused = bench.refuses(&["--offline", "all.json"], "yanked-release");
    refused.says(&["was withdrawn: bad build", "declare \"25.6.2\""]);
    // For another Python.
    let mut changed = whole.clone();
    let package = changed["packages"].as_object_mut().unwrap().values_mut().next().unwrap();
    package["releases"][2]["requires_python"] = ">=4".into();
    fs::write(&file, changed.to_string()).unwrap();
    bench.refuses(&["--offline", "all.json"], "wrong-python").says(&["25.6.4 requires >=4"]);
    // What isn't in it is unknown.
    let mut changed = whole.clone();
    changed["packages"] = serde_json::json!({});
    fs::write(&file, changed.to_string()).unwrap();
    bench.refuses(&["--offline", "all.json"], "unknown-fact").says(&["all.json holds nothing about "]);
    fs::write(&file, "{").unwrap();
    bench.looks(&["plan", "--offline", "all.json"]).exits(1).says(&["all.json: line 1, column 1"]);
    fs::write(&file, whole.to_string()).unwrap();
    let ran = bench.converge(&["--offline", "all.json"]).exits(0);
    assert_eq!(ran.err.matches("all.json was taken").count(), 1, "{ran}");
    bench.is_converged();
}

/// A package index of the wheelhouse's files, on a port of its own for as long as it lives.
struct Index {
    server: std::process::Child,
    address: String,
    wheels: std::path::PathBuf,
}

impl Index {
    fn of(bench: &Bench) -> Self {
        let root = bench.cluster.root().join("index");
        let wheels = root.join("wheels");
        fs::create_dir_all(&wheels).unwrap();
        let mut pages: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
        for entry in fs::read_dir(bench.cluster.wheelhouse()).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            let digest = converge::model::Digest::of(&fs::read(&path).unwrap());
            fs::copy(&path, wheels.join(&file)).unwrap();
            let package = converge::release::normalize_name(file.split('-').next().unwrap());
            let link = format!("<a href=\"../../wheels/{file}#sha256={}\">{file}</a>\n", digest.as_str());
            pages.entry(package).or_default().push_str(&link);
        }
        for (package, page) in pages {
            let directory = root.join("simple").join(package);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("index.html"), page).unwrap();
        }
        let program = "import functools, http.server as h; \
                       s = h.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(h.SimpleHTTPRequestHandler)); \
                       print(s.server_port, flush=True); s.serve_forever()";
        let mut server = std::process::Command::new("python3")
            .args(["-c", program])
            .current_dir(&root)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(server.stdout.take().unwrap()), &mut port).unwrap();
        Self { server, address: format!("http://127.0.0.1:{}/simple/", port.trim()), wheels }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn a_wheel_that_its_index_vouches_for_is_fetched_once() {
    let bench = Bench::of(&[("mgr1", Component::Manager)], "25.6.4");
    let index = Index::of(&bench);
    let source = format!("pip_args='--index-url {} --trusted-host 127.0.0.1'", index.address);
    let pending = ["25.6.1 -> 25.6.2", "25.6.2 -> 25.6.4", "revision(s) are pending: "];
    bench.looks(&["plan", "-e", &source]).exits(2).says(&pending);
    // The wheels are gone, their digests still stand on the index's page: what was read of them serves again.
    for entry in fs::read_dir(&index.wheels).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    bench.looks(&["plan", "-e", &source]).exits(2).says(&pending);
    // Another wheel under the same name is another wheel.
    let page = index.wheels.with_file_name("simple/rehearsal-manager/index.html");
    let text = fs::read_to_string(&page).unwrap();
    let changed: String = text
        .lines()
        .map(|line| match line.split_once("#sha256=") {
            Some((link, rest)) => format!("{link}#sha256={}{}\n", "0".repeat(64), &rest[64..]),
            None => format!("{line}\n"),
        })
        .collect();
    fs::write(&page, changed).unwrap();
    bench.looks(&["plan", "-e", &source, "--max-age", "0"]).exits(3).says(&["[unknown-fact]", "25.6.2"]);
}
