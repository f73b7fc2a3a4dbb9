//! `converge releases` without an inventory: the controller's own pip settings, the cache, snapshots.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::{Server, refused};

/// A home, and a converge that knows nothing but it.
pub(crate) struct Home {
    pub(crate) directory: tempfile::TempDir,
}

/// How a command ended.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs converge in the home, with these variables of pip's.
    pub(crate) fn converge(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_converge"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path()).env("USER", "me");
        // The machine's own /etc/pip.conf must not matter.
        command.env("PIP_CONFIG_FILE", "/dev/null").envs(variables.iter().copied());
        let output = command.current_dir(self.path()).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { exit: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path().join(".cache/converge/published"));
        entries.map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    }

    /// Makes every kept answer older.
    fn age(&self, seconds: i64) {
        for file in self.kept() {
            let mut kept: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
            kept["asked_at"] = (kept["asked_at"].as_i64().unwrap() - seconds).into();
            fs::write(&file, kept.to_string()).unwrap();
        }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn ends(self, exit: i32, says: &[&str]) -> Self {
        let all = format!("exit {}\n{}{}", self.exit, self.out, self.err);
        assert_eq!(self.exit, exit, "{all}");
        for text in says {
            assert!(all.contains(text), "{text:?} is missing:\n{all}");
        }
        assert!(!all.contains("hunter2") && !all.contains("panicked"), "{all}");
        self
    }
}

#[test]
fn pages_are_read_in_json_and_html() {
    let (home, server) = (Home::new(), Server::start());
    let list = |path: &str| home.converge(&[], &["releases", "demo", "--index", &server.url(path)]);
    list("json").ends(0, &["demo: 1 releases in 1 trains", "2.0"]);
    list("html").ends(0, &["1.1    1.1  [Python >=4]", "withdrawn: 1.2: bad build"]);
    list("moved").ends(0, &["withdrawn: 1.2: bad build"]);
    let requests = server.requests();
    assert!(requests[0].starts_with("GET /json/demo/ "), "{requests:?}");
    assert!(requests[0].contains("application/vnd.pypi.simple.v1+json, "), "{requests:?}");
    let json = home.converge(&[], &["releases", "demo", "--index", &server.url("html"), "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.ends(0, &[]).out).unwrap();
    assert_eq!(json[0]["trains"][1]["releases"][0]["requires_python"], ">=4");
}

#[test]
fn an_index_that_gives_no_list_is_an_error() {
    let (home, server) = (Home::new(), Server::start());
    let variables = [("PIP_TIMEOUT", "1")];
    for (url, says) in [
        (server.url_with_password("500"), "answered HTTP 500"),
        (server.url_with_password("401"), "it wants credentials"),
        (server.url_with_password("hang"), "can't be reached: timeout"),
        (server.url_with_password("portal"), "application/octet-stream, which is no page of a package index"),
        (server.url_with_password("broken"), "missing field `api-version`"),
        (server.url_with_password("circle"), "more than 10 redirects"),
        (refused(), "can't be reached: "),
        ("http://index.example/simple".to_owned(), "is plain http"),
        ("ftp://bai:hunter2@x/simple".to_owned(), "is no URL of a package index"),
    ] {
        home.converge(&variables, &["releases", "demo", "--index", &url]).ends(1, &[says]);
        // Another place that does answer doesn't make up for it.
        let both = format!("{} {url}", server.url("html"));
        home.converge(
            &[("PIP_TIMEOUT", "1"), ("PIP_INDEX_URL", &url), ("PIP_EXTRA_INDEX_URL", &both)],
            &["releases", "demo"],
        )
        .ends(1, &[says]);
    }
    // 404 is an answer.
    home.converge(&[], &["releases", "demo", "--index", &server.url_with_password("404")])
        .ends(1, &["demo is not published in http://****@127.0.0.1"]);
    let variables = [("PIP_INDEX_URL", &*server.url("404")), ("PIP_EXTRA_INDEX_URL", &*server.url("html"))];
    home.converge(&variables, &["releases", "demo"]).ends(0, &["3 releases"]);
}

#[test]
fn credentials_come_from_the_url_or_netrc() {
    let (home, server) = (Home::new(), Server::start());
    home.converge(&[], &["releases", "demo", "--index", &server.url_with_password("login")]).ends(0, &["****@"]);
    home.converge(&[], &["releases", "demo", "--index", &server.url("login")]).ends(1, &["it wants credentials"]);
    fs::write(home.path().join(".netrc"), "machine 127.0.0.1 login bai password hunter2\n").unwrap();
    home.converge(&[], &["releases", "demo", "--index", &server.url("login")]).ends(0, &["3 releases"]);
    for file in home.kept() {
        assert!(!fs::read_to_string(file).unwrap().contains("hunter2"));
    }
}

#[test]
fn answers_are_kept_for_a_while() {
    let (home, server) = (Home::new(), Server::start());
    let index = server.url("html");
    let list = |more: &[&str]| home.converge(&[], &[&["releases", "demo", "--index", &index], more].concat());
    list(&[]).ends(0, &["asked just now"]);
    list(&[]).ends(0, &["3 releases"]);
    assert_eq!((server.requests().len(), home.kept().len()), (1, 1));
    list(&["--max-age", "0"]).ends(0, &[]);
    assert_eq!(server.requests().len(), 2);
    home.age(1800);
    list(&[]).ends(0, &["asked 30 min ago"]);
    assert_eq!(server.requests().len(), 2);
    list(&["--max-age", "20m"]).ends(0, &["asked just now"]);
    assert_eq!(server.requests().len(), 3);
    // What is damaged is asked again, and said.
    fs::write(&home.kept()[0], "{\"format\":1,").unwrap();
    let ran = list(&[]).ends(0, &["is damaged", "asked just now"]);
    assert!(ran.err.starts_with("note: "), "{}", ran.err);
    assert_eq!(server.requests().len(), 4);
    // Nowhere to keep anything.
    fs::remove_dir_all(home.path().join(".cache")).unwrap();
    fs::write(home.path().join(".cache"), "in the way").unwrap();
    let ran = list(&[]).ends(0, &["goes on without a cache", "3 releases"]);
    assert_eq!(ran.err.matches("note: ").count(), 1, "{}", ran.err);
}

#[test]
fn an_old_answer_stands_in_for_a_dead_index_only_within_its_limit() {
    let home = Home::new();
    // A server that answers once.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/simple", listener.local_addr().unwrap().port());
    let once = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let page = super::server::PAGE;
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}", page.len())
            .unwrap();
    });
    let list = |more: &[&str]| home.converge(&[], &[&["releases", "demo", "--index", &url], more].concat());
    list(&[]).ends(0, &["3 releases"]);
    once.join().unwrap();
    home.age(2 * 3600);
    list(&[]).ends(0, &["could not be asked (", "the answer of 2 h ago", "asked 2 h ago"]);
    list(&["--max-age", "0"]).ends(1, &["can't be reached"]);
    home.age(11 * 3600);
    list(&[]).ends(1, &["can't be reached"]);
}

#[test]
fn a_snapshot_stands_in_for_every_index() {
    let (home, server) = (Home::new(), Server::start());
    let index = server.url_with_password("html");
    home.converge(&[], &["releases", "demo", "--index", &index, "--save", "s.json"]).ends(0, &["saved"]);
    let text = fs::read_to_string(home.path().join("s.json")).unwrap();
    assert!(text.contains("http://****@127.0.0.1") && !text.contains("hunter2"), "{text}");
    let asked = server.requests().len();
    home.converge(&[], &["--offline", "s.json", "releases", "Demo"])
        .ends(0, &["1.1    1.1", "s.json was taken just now"]);
    assert_eq!(server.requests().len(), asked);
    home.converge(&[], &["releases", "other", "--offline", "s.json"])
        .ends(1, &["holds nothing about other, only demo"]);
    home.converge(&[], &["releases", "--offline", "s.json", "--save", "t.json"]).ends(1, &["an old list a new date"]);
    home.converge(&[], &["releases", "--offline", "none.json"]).ends(1, &["can't read none.json"]);
    fs::write(home.path().join("s.json"), text.replace("\"1.1\"", "\"one\"")).unwrap();
    home.converge(&[], &["releases", "--offline", "s.json"]).ends(1, &["s.json: line ", "\"release\": \"one\","]);
}

#[test]
fn a_directory_of_wheels_is_read_without_a_network() {
    let home = Home::new();
    fs::create_dir(home.path().join("wheels")).unwrap();
    fs::write(home.path().join("wheels/demo-1.5.tar.gz"), "x").unwrap();
    home.converge(&[], &["releases", "demo", "--wheelhouse", "wheels"]).ends(0, &["1.5", "from wheels"]);
    let variables = [("PIP_NO_INDEX", "yes"), ("PIP_FIND_LINKS", "wheels")];
    home.converge(&variables, &["releases", "demo"]).ends(0, &["1.5"]);
    assert!(home.kept().is_empty(), "what lies in a directory is not kept");
    home.converge(&variables[..1], &["releases", "demo"]).ends(1, &["name no place of packages"]);
    home.converge(&[], &["releases", "demo", "--wheelhouse", "none"]).ends(1, &["can't read none"]);
}
