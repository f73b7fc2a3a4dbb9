//! The question to a host's own pip, against several real pips. Gets their wheels from PyPI.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use converge::facts::{
    HostFacts, Observed, PackageSource, PackageSourceQuery, Probe, Published, PublishedQuery, Query, Told, read_answers,
};
use converge::model::HostName;
use converge::release::Release;

use super::server::{Server, refused};

/// Those that come with the Pythons 3.10 to 3.13, Debian's, and the last of each line since.
const PIPS: [&str; 6] = ["22.3", "23.0.1", "24.0", "24.3.1", "25.0.1", "25.3"];

/// A virtual environment with this pip; the newest one without a version.
pub(crate) fn venv(directory: &Path, pip: Option<&str>) -> PathBuf {
    let venv = directory.join(format!("venv-{}", pip.unwrap_or("newest")));
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(&venv));
    let requirement = pip.map_or_else(|| "pip".to_owned(), |version| format!("pip=={version}"));
    let packages = glob_one(&venv.join("lib"), "python3").join("site-packages");
    let mut install = Command::new("python3");
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--target"]);
    run(install.arg(packages).arg(requirement));
    venv
}

fn glob_one(directory: &Path, prefix: &str) -> PathBuf {
    let mut entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.find(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).unwrap().path()
}

/// Asks as a session does, with these variables for an environment.
fn observe(variables: &[(&str, &str)], home: &Path, query: Query) -> HostFacts {
    let probe = Probe::new("n1", [query]);
    let mut shell = Command::new("/bin/sh");
    shell.arg("-s").env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home);
    shell.env("PIP_CONFIG_FILE", "/dev/null").envs(variables.iter().copied());
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    child.stdin.take().unwrap().write_all(probe.script().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    read_answers(&probe, &HostName::parse("here").unwrap(), &output.stdout, &output.stderr)
        .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn ask(venv: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Observed<Published> {
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    let query = PublishedQuery::new(venv.to_str().unwrap(), "demo", &arguments);
    let facts = observe(variables, venv, Query::Published(query.clone()));
    let shown = format!("{:?}", facts.published(&query));
    assert!(!shown.contains("hunter2"), "{shown}");
    match facts.published(&query) {
        Observed::Known(published) => Observed::Known(published.clone()),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason),
    }
}

fn usable(published: &Published) -> Vec<String> {
    published.usable().iter().map(Release::to_string).collect()
}

/// What every pip must answer.
fn check(venv: &Path, server: &Server) {
    let known = |observed: Observed<Published>| match observed {
        Observed::Known(published) => published,
        other => panic!("{}: {other:?}", venv.display()),
    };
    let found = known(ask(venv, &[], &["-i", &server.url_with_password("html")]));
    assert_eq!(found.told, Told::Files, "{}", venv.display());
    assert_eq!(found.releases.len(), 3);
    assert_eq!(found.releases[1].requires_python.as_deref(), Some(">=4"));
    assert_eq!(found.releases[2].yanked.as_deref(), Some("bad build"));
    assert_eq!(usable(&found), ["1.0"]);
    assert!(found.sources[0].starts_with("http://****@127.0.0.1"), "{found:?}");

    // A page that is not there: the index has no such package.
    let none = known(ask(venv, &[], &["-i", &server.url("404")]));
    assert_eq!(none.releases, []);
    let other = known(ask(venv, &[], &["-i", &server.url("404"), "--extra-index-url", &server.url("html")]));
    assert_eq!(usable(&other), ["1.0"]);

    // A directory of wheels that does answer doesn't make up for an index that doesn't.
    let wheels = venv.join("wheels");
    fs::create_dir_all(&wheels).unwrap();
    fs::write(wheels.join("demo-0.9.tar.gz"), "x").unwrap();
    let links = wheels.to_str().unwrap();
    let local = known(ask(venv, &[("PIP_NO_INDEX", "1")], &["--find-links", links]));
    assert_eq!((usable(&local), local.releases[0].bytes), (vec!["0.9".to_owned()], Some(1)));
    for (url, reasons) in [
        (server.url_with_password("500"), &["500"][..]),
        (server.url_with_password("401"), &["401"]),
        (server.url_with_password("portal"), &["no index page"]),
        (server.url_with_password("hang"), &["timed out", "didn't respond"]),
        (refused(), &["refused"]),
    ] {
        let observed = ask(venv, &[("PIP_TIMEOUT", "1")], &["-i", &url, "--find-links", links]);
        let text = observed.unknown().unwrap_or_else(|| panic!("{}: {url}: {observed:?}", venv.display()));
        let said = text.to_lowercase();
        assert!(reasons.iter().any(|reason| said.contains(reason)), "{}: {text}", venv.display());
    }
    let missing = ask(venv, &[], &["--no-index", "-f", links, "-f", "/nonexistent/wheels"]);
    assert!(missing.unknown().is_some_and(|text| text.contains("/nonexistent/wheels")), "{missing:?}");
    let insecure = ask(venv, &[], &["-i", "http://index.invalid/simple", "-f", links]);
    assert!(insecure.unknown().is_some_and(|text| text.contains("trusted-host")), "{insecure:?}");
}

#[test]
fn every_pip_tells_files_and_what_it_could_not_reach() {
    let (scratch, server) = (tempfile::tempdir().unwrap(), Server::start());
    for pip in PIPS.into_iter().map(Some).chain([None]) {
        check(&venv(scratch.path(), pip), &server);
    }
}

#[test]
fn the_section_of_installs_counts_and_so_does_the_metadata_of_wheels() {
    let (scratch, server) = (tempfile::tempdir().unwrap(), Server::start());
    let venv = venv(scratch.path(), Some("23.0.1"));
    let text = format!("[install]\nindex-url = {}\n", server.url("html"));
    fs::write(venv.join("pip.conf"), text).unwrap();
    // An empty file's name lets the environment's own configuration be read.
    let found = ask(&venv, &[("PIP_CONFIG_FILE", "")], &[]);
    assert_eq!(usable(found.known().unwrap()), ["1.0"]);
    let program = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as z: z.writestr('demo-3.0.dist-info/METADATA', 'Name: demo\\nRequires-Python: >=4\\n\\n')";
    let wheel = venv.join("demo-3.0-py3-none-any.whl");
    assert!(Command::new("python3").args(["-c", program]).arg(&wheel).status().unwrap().success());
    let links = ["--no-index", "-f", venv.to_str().unwrap()];
    let found = ask(&venv, &[], &links);
    assert_eq!(found.known().unwrap().releases[0].requires_python.as_deref(), Some(">=4"));
    fs::write(&wheel, "half").unwrap();
    assert!(ask(&venv, &[], &links).unknown().is_some_and(|text| text.contains("can't be read as a wheel")));
}

#[test]
fn a_pip_that_is_made_otherwise_tells_versions_alone() {
    let (scratch, server) = (tempfile::tempdir().unwrap(), Server::start());
    let venv = venv(scratch.path(), Some("24.0"));
    let packages = glob_one(&venv.join("lib"), "python3").join("site-packages");
    let collector = packages.join("pip/_internal/index/collector.py");
    let text = fs::read_to_string(&collector).unwrap().replace("_handle_get_simple_fail", "_otherwise");
    fs::write(&collector, text).unwrap();
    let found = ask(&venv, &[], &["-i", &server.url("html")]);
    let found = found.known().unwrap();
    assert_eq!((found.told, usable(found)), (Told::Versions, vec!["1.0".to_owned()]));
    let links = venv.join("wheels");
    fs::create_dir(&links).unwrap();
    fs::write(links.join("demo-0.9.tar.gz"), "x").unwrap();
    for path in ["500", "hang", "portal"] {
        let arguments = ["-i", &server.url_with_password(path), "-f", links.to_str().unwrap()];
        let observed = ask(&venv, &[("PIP_TIMEOUT", "1"), ("PIP_RETRIES", "0")], &arguments);
        let reason = observed.unknown().unwrap_or_else(|| panic!("{path}: {observed:?}"));
        assert!(reason.starts_with("pip could not get the whole list"), "{path}: {reason}");
    }
    fs::remove_dir_all(packages.join("pip")).unwrap();
    let gone = ask(&venv, &[], &[]);
    assert!(gone.unknown().is_some_and(|text| text.contains("No module named pip")), "{gone:?}");
}

fn source(directory: &Path, variables: &[(&str, &str)]) -> PackageSource {
    let query = PackageSourceQuery { venv: directory.to_str().unwrap().to_owned() };
    let facts = observe(variables, directory, Query::PackageSource(query.clone()));
    facts.package_source(&query).known().copied().cloned().unwrap_or_else(|| panic!("{facts:?}"))
}

#[test]
fn settings_are_told_apart_without_asking_anybody() {
    let scratch = tempfile::tempdir().unwrap();
    let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
    for venv in [&one, &two] {
        fs::create_dir_all(venv.join(".config/pip")).unwrap();
        fs::write(venv.join("pyvenv.cfg"), "home = /usr/bin\nversion = 3.12.4\n").unwrap();
    }
    let first = source(&one, &[]);
    assert_eq!((first.python.as_str(), first.local), ("3.12.4", false));
    assert_eq!(first, source(&two, &[]));
    for (text, local) in [
        ("[global]\nindex-url = https://a:hunter2@x/simple\n", false),
        ("[global]\nindex-url: https://a/b=c\ncert = /etc/ssl/x.pem\n# find-links = /srv\ncache-dir=/var/x\n", false),
        ("[global]\nfind-links =\n    https://x/y\n    /srv/catalog\n", true),
        ("[install]\nfind_links = wheels\n", true),
        ("[global]\nextra-index-url=file:///srv/cert/simple\n", true),
        ("[global]\nfind-links = ~/wheels\n", true),
    ] {
        fs::write(one.join(".config/pip/pip.conf"), text).unwrap();
        fs::write(two.join(".config/pip/pip.conf"), text).unwrap();
        let seen = source(&one, &[]);
        assert_eq!(seen.local, local, "{text}");
        assert_ne!(seen.digest, first.digest, "{text}");
        assert_eq!(seen.digest, source(&two, &[]).digest, "{text}");
    }
    fs::remove_file(one.join(".config/pip/pip.conf")).unwrap();
    assert!(source(&one, &[("PIP_FIND_LINKS", "/srv/wheels")]).local);
    assert!(!source(&one, &[("PIP_CERT", "/etc/x.pem"), ("PIP_INDEX_URL", "https://x/")]).local);
    assert_ne!(source(&one, &[("https_proxy", "http://p:1")]).digest, first.digest);

    // Milliseconds: it is asked of every host.
    let began = Instant::now();
    for _ in 0..10 {
        source(&one, &[]);
    }
    let each = began.elapsed() / 10;
    println!("{each:?} each");
    assert!(each < Duration::from_millis(500), "{each:?}");
}
