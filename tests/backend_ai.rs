//! A real Backend.AI cluster: two managers on one database, a storage proxy and a web server, on four hosts that this
//! test starts and removes. Needs root, and `tests/lab/install` once.

#[path = "support/lab.rs"]
mod lab;

use lab::Lab;

/// Where each component tells the release that it runs: host, URL, JSON pointer.
const ENDPOINTS: [(&str, &str, &str); 5] = [
    ("mgr1", "http://127.0.0.1:8081/", "/manager"),
    ("mgr2", "http://127.0.0.1:8081/", "/manager"),
    ("edge1", "http://127.0.0.1:6021/", "/storage-proxy"),
    ("edge1", "http://127.0.0.1:6022/", "/storage-proxy"),
    ("edge1", "http://127.0.0.1:8090/func/ping", "/version"),
];

/// The releases that run, in the order of [`ENDPOINTS`].
fn running(lab: &Lab) -> Vec<String> {
    ENDPOINTS
        .iter()
        .map(|(host, url, pointer)| {
            let answer = lab.get(host, url);
            let release = answer.pointer(pointer).and_then(|value| value.as_str());
            release.unwrap_or_else(|| panic!("no {pointer} at {url} on {host}: {answer}")).to_owned()
        })
        .collect()
}

#[test]
fn the_cluster_runs_the_old_release() {
    let lab = Lab::start();

    assert_eq!(running(&lab), ["23.09.8"; 5]);
    assert_eq!(lab.sql("select version_num from alembic_version"), ["8b2ec7e3d22a"]);
    for manager in ["mgr1", "mgr2"] {
        assert_eq!(lab.titles(manager), ["backend.ai: manager local", "backend.ai: manager worker-0"]);
    }
    assert_eq!(
        lab.titles("edge1"),
        [
            "backend.ai: storage-proxy",
            "backend.ai: storage-proxy worker-0",
            "backend.ai: webserver 0.0.0.0:8090",
            "backend.ai: webserver worker-0",
            "backend.ai: webserver worker-1",
        ]
    );
    assert!(lab.inventory().is_file());
}
