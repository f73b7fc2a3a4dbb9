//! The rehearsal cluster itself: it comes up, its parts are what they seem, and nothing of it stays behind.

#[path = "support/rehearsal/mod.rs"]
mod rehearsal;

use std::path::PathBuf;
use std::time::Instant;

use rehearsal::{Component, Fault, Options, Rehearsal, ServerKind, processes_under};

/// A directory for a cluster, gone with it.
fn scratch() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::Builder::new().prefix("rehearsal").tempdir().expect("a temporary directory");
    let directory = parent.path().canonicalize().expect("a path").join("cluster");
    (parent, directory)
}

#[test]
fn comes_up_and_leaves_nothing_behind() {
    let (_parent, directory) = scratch();
    let begun = Instant::now();
    let cluster = Rehearsal::start(&directory);
    eprintln!("up in {:.1} s", begun.elapsed().as_secs_f64());
    for component in [Component::Manager, Component::StorageProxy, Component::Webserver] {
        assert_eq!(cluster.installed(component).as_deref(), Some("25.6.1"));
        assert_eq!(cluster.running(component).as_deref(), Some("25.6.1"));
        assert!(cluster.is_running(component));
    }
    for host in cluster.hosts() {
        let output = host.run("echo \"$HOME\"; cat; exit 7");
        assert_eq!((output.status, output.stdout.trim()), (Some(7), host.directory().to_str().expect("UTF-8")));
    }
    assert_eq!(cluster.schema_rows(), ["8c24e6b0d913"]);
    assert_eq!(cluster.query("SELECT count(*) FROM users"), [["3"]]);
    assert!(!processes_under(&directory).is_empty());
    let begun = Instant::now();
    drop(cluster);
    eprintln!("down in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(processes_under(&directory), []);
    assert!(!directory.exists());
}
