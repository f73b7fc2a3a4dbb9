//! `converge releases --inventory`: hosts of one source are asked once, and an index that can't be reached is unknown.

use std::fmt::Write as _;
use std::fs;

use super::controller::Home;
use super::pips::venv;
use super::server::{Server, refused};

/// An inventory of hosts that are this machine, all with one virtual environment but for the last, which has its own.
fn inventory(home: &Home, hosts: usize) {
    let mut text = "all:\n  vars: {ansible_connection: local}\n  hosts:\n".to_owned();
    for number in 1..=hosts {
        let venv = if number == hosts { "other" } else { "common" };
        let _ = writeln!(text, "    h{number}: {{venv: \"{}/{venv}\"}}", home.path().display());
    }
    fs::write(home.path().join("i.yaml"), text).unwrap();
    let playbook = "- name: Demo\n  hosts: all\n  tasks:\n    - name: demo\n      component:\n        package: demo\n        \
                    release: \"1.0\"\n        venv: \"{{venv}}\"\n        process: {command: \"sleep 1\", log: /tmp/demo.log, title: \"^no such process$\"}\n";
    fs::write(home.path().join("p.yaml"), playbook).unwrap();
}

fn prepared(hosts: usize) -> Home {
    let home = Home::new();
    for name in ["common", "other"] {
        let made = venv(home.path(), Some("24.0"));
        fs::rename(made, home.path().join(name)).unwrap();
    }
    inventory(&home, hosts);
    home
}

const LIST: [&str; 5] = ["releases", "-i", "i.yaml", "-p", "p.yaml"];

#[test]
fn hosts_of_one_source_are_asked_once() {
    let (home, server) = (prepared(4), Server::start());
    let index = server.url_with_password("html");
    let variables = [("PIP_INDEX_URL", index.as_str())];
    home.converge(&variables, &LIST).ends(0, &["on h1, h2, h3, h4", "withdrawn: 1.2"]);
    assert_eq!(server.requests().len(), 1, "{:?}", server.requests());
    // Kept by the controller: nobody is asked.
    home.converge(&variables, &[&LIST[..], &["--save", "s.json"]].concat()).ends(0, &["saved"]);
    assert_eq!(server.requests().len(), 1);
    // Other settings make another source: two are asked.
    fs::write(home.path().join("other/pip.conf"), "[global]\nretries = 2\n").unwrap();
    let ran = [&LIST[..], &["--max-age", "0"]].concat();
    let both = [("PIP_INDEX_URL", index.as_str()), ("PIP_CONFIG_FILE", "")];
    home.converge(&both, &ran).ends(0, &["on h1, h2, h3, h4"]);
    assert_eq!(server.requests().len(), 3);
    // Nobody at all.
    home.converge(&variables, &[&LIST[..], &["--offline", "s.json"]].concat()).ends(0, &["on h1, h2, h3, h4"]);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn an_index_that_can_t_be_reached_is_unknown_on_every_host() {
    let (home, index) = (prepared(6), refused());
    let ran = home.converge(&[("PIP_INDEX_URL", &index)], &LIST);
    let ran = ran.ends(1, &["no host could say what is published of demo", "h1: what is published of demo is unknown"]);
    assert!(
        ran.err.contains("h6: what is published of demo is unknown: 3 hosts with the same settings"),
        "{}",
        ran.err
    );
}
