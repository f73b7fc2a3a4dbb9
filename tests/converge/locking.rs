//! Lock files: written from what the hosts' own pips resolve, held by every install, and fetched into a wheelhouse.

use std::fs;

use crate::bench::Bench;
use crate::rehearsal::Component;

#[test]
fn only_what_is_locked_is_installed() {
    let bench = Bench::of(&[("web1", Component::Webserver)], "25.6.4");
    let wheelhouse = bench.cluster.wheelhouse();
    let ran = bench.looks(&["lock"]).exits(0);
    ran.says(&["25.6.2 on Python 3.", "25.6.4 on Python 3.", "of web1: 2 distributions", "holds 2 environments"]);
    let file = bench.cluster.operator_directory().join("converge.lock");
    let whole = fs::read_to_string(&file).unwrap();

    // A release that isn't in it.
    let mut changed: serde_json::Value = serde_json::from_str(&whole).unwrap();
    changed["environments"].as_array_mut().unwrap().pop();
    fs::write(&file, changed.to_string()).unwrap();
    let refused = bench.refuses(&[], "not-locked");
    refused.says(&["25.6.4 on Python 3.", "is not in converge.lock", "converge lock -o converge.lock"]);
    // A file that can't be used; writing it anew doesn't need it.
    fs::write(&file, whole.replace("\"files\"", "\"flies\"")).unwrap();
    bench.looks(&["plan"]).exits(1).says(&["converge.lock: line ", "unknown field `flies`", "converge lock"]);
    bench.looks(&["lock"]).exits(0);
    let locked_at = |text: &str| text.lines().filter(|line| !line.contains("locked_at")).collect::<Vec<_>>().join("\n");
    assert_eq!(locked_at(&fs::read_to_string(&file).unwrap()), locked_at(&whole));

    // The same release with other contents is another file.
    let wheel = fs::read_dir(&wheelhouse).unwrap().map(|entry| entry.unwrap().path());
    let wheel = wheel.into_iter().find(|path| path.to_str().unwrap().contains("rehearsal_webserver-25.6.2-")).unwrap();
    let sound = fs::read(&wheel).unwrap();
    let directory = bench.cluster.operator_directory().join("fetched");
    let (fetched, source) = (directory.to_str().unwrap(), wheelhouse.to_str().unwrap());
    fs::write(&wheel, [&sound[..], b"\0"].concat()).unwrap();
    let ran = bench.converge(&["fetch", fetched, "--wheelhouse", source]).exits(1);
    ran.says(&["a file can't be had", "rehearsal_webserver-25.6.2-", "has the SHA-256", "3 fetched, 0 there before"]);
    let ran = bench.converge(&[]);
    assert_ne!(ran.exit, Some(0), "{ran}");
    ran.says(&["DO NOT MATCH THE HASHES"]);
    fs::write(&wheel, sound).unwrap();

    let ran = bench.converge(&["fetch", fetched, "--wheelhouse", source]).exits(0);
    ran.says(&["1 fetched, 3 there before"]);
    let mut names: Vec<String> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let expected = ["common-25.6.2", "common-25.6.4", "webserver-25.6.2", "webserver-25.6.4"];
    assert_eq!(names, expected.map(|stem| format!("rehearsal_{stem}-py3-none-any.whl")));
    bench.converge(&["fetch", fetched, "--wheelhouse", source]).exits(0).says(&["0 fetched, 4 there before"]);
    bench.converge(&[]).exits(0);
    bench.is_converged();
}
