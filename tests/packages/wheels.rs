//! `converge path … --schema` with wheels of our own: over HTTP with credentials, from directories, and without anybody
//! to ask.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use converge::model::Digest;

use super::controller::{Home, Ran};
use super::server::Server;

const RELEASES: [&str; 3] = ["1.0", "1.1", "1.2"];

fn file_name(release: &str) -> String {
    format!("demo-{release}-py3-none-any.whl")
}

/// A wheel whose chain has these revisions, one after another.
fn wheel(release: &str, revisions: &[&str]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let mut add = |name: &str, text: &str| {
        writer.start_file(name, options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    };
    add(
        &format!("demo-{release}.dist-info/METADATA"),
        &format!("Metadata-Version: 2.1\nName: demo\nVersion: {release}\n"),
    );
    add("demo/alembic/env.py", "");
    add("demo/alembic/script.py.mako", "");
    let mut before = "None".to_owned();
    for revision in revisions {
        let text = format!("\"\"\"add {revision}\"\"\"\nrevision = '{revision}'\ndown_revision = {before}\n");
        add(&format!("demo/alembic/versions/{revision}.py"), &text);
        before = format!("'{revision}'");
    }
    writer.finish().unwrap().into_inner()
}

/// 1.1 puts `p` below 1.0's head.
fn wheels() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("1.0", wheel("1.0", &["a", "b"])),
        ("1.1", wheel("1.1", &["a", "p", "b", "c"])),
        ("1.2", wheel("1.2", &["a", "p", "b", "c", "d"])),
    ])
}

/// A page below `root` and the files that it links to, each with what `digest` makes of its bytes.
fn site(root: &str, digest: impl Fn(&str, &[u8]) -> String) -> BTreeMap<String, Vec<u8>> {
    let (mut files, mut page) = (BTreeMap::new(), "<!DOCTYPE html><html><body>\n".to_owned());
    for (release, bytes) in wheels() {
        let name = file_name(release);
        writeln!(page, "<a href=\"../../files/{name}{}\">{name}</a>", digest(release, &bytes)).unwrap();
        files.insert(format!("{root}/files/{name}"), bytes);
    }
    files.insert(format!("{root}/simple/demo/"), page.into_bytes());
    files
}

fn sha256(_: &str, bytes: &[u8]) -> String {
    format!("#sha256={}", Digest::of(bytes))
}

fn path(home: &Home, more: &[&str]) -> Ran {
    home.converge(&[], &[&["path", "1.0", "1.2", "--package", "demo", "--schema"], more].concat())
}

const WHOLE: [&str; 5] = [
    "the database is assumed to stand at 1.0's head b",
    "schema: 1 pending, 1 skipped",
    "pending c add c",
    "skipped p add p",
    "schema: 1 pending, 0 skipped",
];

fn fetched(server: &Server) -> usize {
    server.requests().iter().filter(|head| head.contains("/files/")).count()
}

#[test]
fn the_index_s_credentials_go_along_to_its_wheels_and_each_is_fetched_once() {
    let (home, server) = (Home::new(), Server::with_files(site("/login", sha256)));
    path(&home, &["--index", &server.url_with_password("login/simple")]).ends(0, &WHOLE);
    assert_eq!(fetched(&server), 3);
    path(&home, &["--index", &server.url_with_password("login/simple")]).ends(0, &WHOLE);
    assert_eq!(fetched(&server), 3);
    // By pip's own settings, with the credentials in .netrc.
    fs::write(home.path().join(".netrc"), "machine 127.0.0.1 login bai password hunter2\n").unwrap();
    fs::remove_dir_all(home.path().join(".cache")).unwrap();
    let index = server.url("login/simple");
    let arguments = ["path", "1.0", "1.2", "--package", "demo", "--schema"];
    home.converge(&[("PIP_INDEX_URL", &*index)], &arguments).ends(0, &WHOLE);
    assert_eq!(fetched(&server), 6);
}

#[test]
fn a_page_that_tells_no_digests_will_do() {
    let (home, server) = (Home::new(), Server::with_files(site("/plain", |_, _| String::new())));
    path(&home, &["--index", &server.url("plain/simple")]).ends(0, &WHOLE);
    // As pip does with a page that find-links names.
    let links = server.url("plain/simple/demo/");
    let arguments = ["path", "1.0", "1.2", "--package", "demo", "--schema"];
    home.converge(&[("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", &*links)], &arguments).ends(0, &WHOLE);
}

#[test]
fn a_wheel_that_isn_t_what_the_list_says_is_an_error_of_its_hop() {
    let home = Home::new();
    let wrong = |release: &str, bytes: &[u8]| sha256(release, if release == "1.1" { b"another" } else { bytes });
    let server = Server::with_files(site("/wrong", wrong));
    let ran = path(&home, &["--index", &server.url("wrong/simple")]);
    let ran = ran.ends(1, &["schema: ERROR: http://127.0.0.1", "has the SHA-256", "(expected "]);
    assert!(ran.out.contains("schema: not known: where the database stands behind 1.1 isn't known"), "{}", ran.out);

    let mut gone = site("/gone", sha256);
    gone.remove(&format!("/gone/files/{}", file_name("1.2")));
    let (home, server) = (Home::new(), Server::with_files(gone));
    let ran = path(&home, &["--index", &server.url("gone/simple"), "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.ends(1, &[]).out).unwrap();
    assert_eq!(
        (&json["hops"][0]["schema"]["told"], &json["hops"][1]["schema"]["told"]),
        (&"preview".into(), &"failed".into())
    );
    let reason = json["hops"][1]["schema"]["reason"].as_str().unwrap();
    assert!(
        reason.ends_with("demo-1.2-py3-none-any.whl isn't there, although the list of the package names it"),
        "{reason}"
    );
}

fn fill(directory: &Path, releases: &[&str]) {
    fs::create_dir_all(directory).unwrap();
    for (release, bytes) in wheels().into_iter().filter(|(release, _)| releases.contains(release)) {
        fs::write(directory.join(file_name(release)), bytes).unwrap();
    }
}

#[test]
fn a_directory_of_wheels_will_do_also_offline() {
    let home = Home::new();
    fill(&home.path().join("all"), &RELEASES);
    fill(&home.path().join("two"), &RELEASES[..2]);
    path(&home, &["--wheelhouse", "all"]).ends(0, &WHOLE);
    fs::remove_dir_all(home.path().join(".cache")).unwrap();
    home.converge(&[], &["releases", "demo", "--wheelhouse", "all", "--save", "s.json"]).ends(0, &["saved"]);

    let offline = |more: &[&str]| path(&home, &[&["--offline", "s.json"], more].concat());
    let refused =
        offline(&["--wheelhouse", "two"]).ends(64, &["  demo 1.2 is neither kept nor in a directory of wheels\n"]);
    assert_eq!(refused.out, "");
    offline(&["--wheelhouse", "all"]).ends(0, &WHOLE);
    // What was read is kept now.
    offline(&["--wheelhouse", "two"]).ends(0, &WHOLE);
    offline(&[]).ends(0, &WHOLE);
    // Another build of the same release: which one would be installed?
    let rebuilt = wheel("1.2", &["a", "p", "b", "c", "e"]);
    fs::write(home.path().join("all").join(file_name("1.2")), rebuilt).unwrap();
    offline(&["--wheelhouse", "all"]).ends(0, &["pending e add e"]);
    offline(&[]).ends(64, &["  2 different wheels of demo 1.2 are kept, and which one"]);
}

#[test]
fn offline_nobody_is_asked_for_a_wheel() {
    let (home, server) = (Home::new(), Server::with_files(site("/plain", sha256)));
    let index = server.url("plain/simple");
    home.converge(&[], &["releases", "demo", "--index", &index, "--save", "s.json"]).ends(0, &["saved"]);
    let asked = server.requests().len();
    let arguments = ["path", "1.0", "1.2", "--package", "demo", "--schema", "--offline", "s.json"];
    home.converge(&[("PIP_INDEX_URL", &*index)], &arguments)
        .ends(64, &["demo 1.1 is neither kept", "demo 1.2 is neither kept"]);
    path(&home, &["--offline", "s.json", "--index", &index]).ends(64, &["--index would not be looked in"]);
    let without = ["path", "1.0", "1.2", "--package", "demo", "--offline", "s.json", "--wheelhouse", "x"];
    home.converge(&[], &without).ends(64, &["--wheelhouse would not be looked in"]);
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn a_damaged_wheel_is_an_error_of_its_hop_also_offline() {
    let home = Home::new();
    fill(&home.path().join("all"), &RELEASES);
    home.converge(&[], &["releases", "demo", "--wheelhouse", "all", "--save", "s.json"]).ends(0, &["saved"]);
    // A gap in the chain: the file is whole, and its migrations can't be told.
    fs::write(home.path().join("all").join(file_name("1.2")), wheel_with_gap()).unwrap();
    path(&home, &["--offline", "s.json", "--wheelhouse", "all"]).ends(
        1,
        &[
            "schema: 1 pending, 1 skipped",
            "schema: ERROR: the migrations in demo-1.2-py3-none-any.whl can't be understood",
        ],
    );
}

fn wheel_with_gap() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, text) in [
        ("demo-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.2\n"),
        ("demo/alembic/env.py", ""),
        ("demo/alembic/versions/d.py", "revision = 'd'\ndown_revision = 'nowhere'\n"),
    ] {
        writer.start_file(name, options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
