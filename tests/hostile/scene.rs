//! A hostile host beside an honest one, and what must hold whatever it does.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use converge::model::is_unsafe;

use crate::bench::Bench;
use crate::measured::{Measured, measured, python};
use crate::rehearsal::{Component, Options};

/// What is slipped into every field: title, screen, colours and clipboard by escape sequences (7-bit, 8-bit, and raw bytes), a
/// carriage return and backspaces that overwrite a line, marks that turn the reading direction around or hide text, and bytes that
/// are no UTF-8.
const ESCAPES: &[u8] = b"\x1b]0;evil\x07\x1b]52;c;ZXZpbA==\x1b\\\x1b[2J\x1b[31m\xc2\x9b1m\x9b1m\xc2\x9d0;x\xc2\x9c\rok: [web1]\x08\x08\
    \x7f\x00\xe2\x80\xaetxt.exe\xe2\x80\xac\xe2\x80\x8b\xe2\x81\xa6\xe2\x80\xa8\xef\xbb\xbf\xc2\xad\xf3\xa0\x81\x81\xff\xfe";

/// Which host lies. It comes first by name, so that the cluster's lock would lie on it.
pub(crate) const EVIL: &str = "mgr1";
/// Which host doesn't.
pub(crate) const HONEST: &str = "web1";

/// The cluster.
pub(crate) struct Scene {
    pub(crate) bench: Bench,
    before: BTreeMap<PathBuf, u64>,
}

impl Scene {
    /// A manager on a hostile host and a web server on an honest one.
    pub(crate) fn new() -> Self {
        let hosts = vec![(EVIL.to_owned(), Component::Manager), (HONEST.to_owned(), Component::Webserver)];
        let mut bench = Bench::make(Options { hosts, ..Options::default() });
        let place = bench.cluster.host(EVIL).directory().join("evil");
        fs::create_dir_all(place.join("bin")).unwrap();
        for (name, text) in [("host.py", include_str!("host.py")), ("bin/sudo", SUDO)] {
            fs::write(place.join(name), text).unwrap();
            fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(place.join("mode"), "honest").unwrap();
        let names = format!("/../../../../../../../../..{}/pwned", bench.cluster.root().display());
        fs::write(place.join("payload"), [ESCAPES, names.as_bytes()].concat()).unwrap();
        // In what is said before the login, the SSH library takes bytes that are no UTF-8 for the end of it.
        fs::write(place.join("banner"), String::from_utf8_lossy(ESCAPES).replace('\0', "")).unwrap();
        let lines =
            format!("ForceCommand {} {p}/host.py\nBanner {p}/banner\n", python().display(), p = place.display());
        bench.cluster.reconfigure(EVIL, &lines);
        let before = tree(&bench);
        Self { bench, before }
    }

    /// What the hostile host does from now on.
    pub(crate) fn mode(&self, mode: &str) {
        fs::write(self.bench.cluster.host(EVIL).directory().join("evil/mode"), mode).unwrap();
    }

    /// Runs converge on the whole cluster; whatever it says, and leaves, is harmless.
    #[track_caller]
    pub(crate) fn converge(&self, arguments: &[&str]) -> Measured {
        let words = [&["--inventory", "rehearsal.yaml"], arguments].concat();
        let ran = measured(self.bench.cluster.command(python()), &words);
        for (stream, bytes) in [("stdout", &ran.out), ("stderr", &ran.err)] {
            is_harmless(bytes, &format!("{arguments:?}: {stream}"));
        }
        assert!(!ran.shown().contains("panicked"), "{}", ran.shown());
        self.nothing_is_elsewhere(&format!("{arguments:?}"));
        ran
    }

    /// The same with JSON on standard output, in which nothing harmful is hidden by escapes either.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> (serde_json::Value, Option<i32>) {
        let ran = self.converge(&[arguments, &["--output", "json"]].concat());
        let json = serde_json::from_slice(&ran.out).unwrap_or_else(|error| panic!("{error}\n{}", ran.shown()));
        each_text(&json, &format!("{arguments:?}"));
        (json, ran.exit)
    }

    /// Beside the hosts and converge's own two directories, all files are as they were.
    #[track_caller]
    fn nothing_is_elsewhere(&self, by: &str) {
        let now = tree(&self.bench);
        let new: Vec<_> = now.iter().filter(|(path, size)| self.before.get(*path) != Some(*size)).collect();
        let gone: Vec<_> = self.before.keys().filter(|path| !now.contains_key(*path)).collect();
        assert!(new.is_empty() && gone.is_empty(), "by {by}: new or changed {new:?}, gone {gone:?}");
        assert!(!self.bench.cluster.root().join("pwned").exists(), "by {by}");
    }

    /// All that converge keeps: journals, locks, answers. Lines of JSON are looked into.
    #[track_caller]
    pub(crate) fn what_is_kept_is_harmless(&self) -> usize {
        let home = self.bench.cluster.operator_directory();
        let mut files = BTreeMap::new();
        own_places(&home).iter().for_each(|place| walk(place, &[], &mut files));
        for path in files.keys() {
            let bytes = fs::read(path).unwrap();
            is_harmless(&bytes, &path.display().to_string());
            // What was asked of ssh is our own, with NUL between its words.
            let is_asked = path.parent().is_some_and(|place| place.ends_with("converge/ssh"));
            for line in String::from_utf8_lossy(&bytes).lines().filter(|_| !is_asked) {
                if let Ok(json) = serde_json::from_str(line) {
                    each_text(&json, &path.display().to_string());
                }
            }
        }
        files.len()
    }
}

/// A sudo that only wants to be looked at.
const SUDO: &str = "#!/bin/sh\nread -r line\ncat \"${0%/bin/sudo}/payload\" >&2\necho >&2\nexit 1\n";

fn own_places(home: &Path) -> [PathBuf; 2] {
    [home.join(".local/state/converge"), home.join(".cache/converge")]
}

/// Every file that belongs to neither a host nor converge, with its size.
fn tree(bench: &Bench) -> BTreeMap<PathBuf, u64> {
    let mut left_out: Vec<PathBuf> = own_places(&bench.cluster.operator_directory()).to_vec();
    left_out.extend(bench.cluster.hosts().iter().map(|host| host.directory().to_owned()));
    let mut files = BTreeMap::new();
    walk(bench.cluster.root().parent().unwrap(), &left_out, &mut files);
    files
}

fn walk(directory: &Path, left_out: &[PathBuf], files: &mut BTreeMap<PathBuf, u64>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if left_out.contains(&path) {
            continue;
        }
        if metadata.is_dir() {
            walk(&path, left_out, files);
        } else {
            files.insert(path, metadata.len());
        }
    }
}

/// Text that goes to a terminal as it is.
#[track_caller]
pub(crate) fn is_harmless(bytes: &[u8], what: &str) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    if let Some((at, c)) = text.char_indices().find(|(_, c)| is_unsafe(*c) || *c == '\t') {
        let around: String = text.chars().skip(text[..at].chars().count().saturating_sub(60)).take(120).collect();
        panic!("{what}: {c:?} in {around:?}");
    }
}

#[track_caller]
fn each_text(json: &serde_json::Value, what: &str) {
    match json {
        serde_json::Value::String(text) => is_harmless(text.as_bytes(), what),
        serde_json::Value::Array(list) => list.iter().for_each(|one| each_text(one, what)),
        serde_json::Value::Object(map) => map.iter().for_each(|(key, one)| {
            is_harmless(key.as_bytes(), what);
            each_text(one, what);
        }),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}
