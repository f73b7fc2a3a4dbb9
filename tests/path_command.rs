//! `converge path`, as it is typed. Needs neither a network nor a host.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

/// A directory with a snapshot of what PyPI had.
fn project() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/releases");
    let releases = fs::read_to_string(cases.join("backend.ai-manager.json")).unwrap();
    let snapshot = format!(
        r#"{{"format":1,"written_by":"a test","taken_at":"2026-11-23T21:56:00Z","packages":{{
           "backend.ai-manager":{{"source":"https://pypi.org/simple/","releases":{releases}}},
           "shop":{{"source":"x","releases":[{{"release":"1.4.0"}},{{"release":"1.5.0"}},{{"release":"2.0.0"}}]}}}}}}"#
    );
    fs::write(directory.path().join("snapshot.json"), snapshot).unwrap();
    directory
}

/// Standard output, standard error and the exit code of `converge path …`.
fn path(project: &TempDir, words: &str) -> (String, String, i32) {
    let output = Command::cargo_bin("converge")
        .unwrap()
        .arg("path")
        .args(words.split_whitespace())
        .current_dir(project.path())
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    // The age of the snapshot is said each time, and grows.
    let (note, said): (Vec<String>, Vec<String>) =
        text(output.stderr).split_inclusive('\n').map(str::to_owned).partition(|line| line.starts_with("note: "));
    assert!(note.iter().all(|line| line.contains("snapshot.json was taken ")), "{note:?}");
    (text(output.stdout), said.concat(), output.status.code().unwrap())
}

#[test]
fn a_path_is_the_answer_and_ends_well() {
    let project = project();
    let (text, said, code) = path(&project, "23.09.8 24.03.0 --offline snapshot.json");
    assert_eq!((said.as_str(), code), ("", 0), "{text}");
    assert!(text.starts_with("PATH of backend.ai from 23.09.8 to 24.03.0: 2 hop(s), 1 of them major\n"), "{text}");
    assert!(text.contains("  2. 23.9.10 -> 24.03.0  major: everything is stopped\n"), "{text}");
    let (same, _, code) = path(&project, "--offline snapshot.json 23.09.8 --to latest-patch");
    assert_eq!(code, 0);
    assert!(same.contains("from 23.09.8 to 23.9.10: 1 hop(s), 0 of them major"), "{same}");
    let (diagram, _, code) = path(&project, "23.09.8 24.03.0 --offline snapshot.json --output mermaid");
    assert!(code == 0 && diagram.starts_with("flowchart LR\n"), "{diagram}");
    let (nothing, _, code) = path(&project, "23.09.8 23.9.8 --offline snapshot.json");
    assert_eq!((nothing.as_str(), code), ("Nothing to do: backend.ai is at 23.09.8 already.\n", 0));
}

#[test]
fn a_refusal_ends_with_3_also_as_json() {
    let project = project();
    let (text, said, code) = path(&project, "24.9.3 25.1.1 --offline snapshot.json");
    assert_eq!((text.as_str(), code), ("", 3));
    assert!(said.contains("25.1 can't be entered from 24.9.6"), "{said}");
    assert!(said.contains("next: ask for 24.9.6 or 25.2.0, which can be reached"), "{said}");
    let (text, said, code) = path(&project, "24.9.3 25.1.1 --offline snapshot.json --output json");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((said.as_str(), code), ("", 3));
    assert_eq!(json["format_version"], "1.1");
    assert_eq!((json.get("schema_start"), json.get("schema_of_jump")), (None, None));
    assert_eq!((&json["allowed"], &json["refusal"]["code"]), (&false.into(), &"cant-be-entered".into()));
    assert_eq!(json["refusal"]["nearest"]["above"], "25.2.0");
    let (text, _, _) = path(&project, "24.9.5 25.2.0 --offline snapshot.json --output json");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["hops"][1]["kind"], "major");
    assert_eq!(json["passed_over"][0]["train"], "24.12");
    assert_eq!(json["avoided"][0]["because"], "yanked");
}

#[test]
fn mistakes_on_the_command_line_end_with_64() {
    let project = project();
    for (words, part) in [
        ("23.9.8 --offline snapshot.json", "TO"),
        ("23.9.8 23.9.10 --to 23.9.10 --offline snapshot.json", "--to"),
        ("23.9.8 23.9.10 --offline snapshot.json --index https://x/simple", "--index would not be looked in"),
        ("23.9.8 23.9.10 --index https://x/simple --wheelhouse x", "--wheelhouse"),
        ("23.9.8 23.9.10 --schema --offline snapshot.json", "backend.ai-manager 23.9.10 is neither kept nor"),
        ("23.9.8 newest --offline snapshot.json", "a target is a release, a train, or latest-patch"),
        ("installed 23.9.8 --offline snapshot.json", "FROM: \"installed\" is not a release"),
        ("23.9.8 23.9.10 --product backend.ia --offline snapshot.json", "did you mean `backend.ai`?"),
        ("1.4.0 2.0.0 --product backend.ai --package shop --offline snapshot.json", "shop is no package of backend.ai"),
    ] {
        let (text, said, code) = path(&project, words);
        assert_eq!((text.as_str(), code), ("", 64), "{words}: {said}");
        assert!(said.contains(part), "{words}: {said}");
    }
}

#[test]
fn files_that_cant_be_used_end_with_1() {
    let project = project();
    let (_, said, code) = path(&project, "1.0 2.0 --offline nowhere.json");
    assert_eq!(code, 1);
    assert!(said.contains("can't read nowhere.json"), "{said}");
    let (_, said, code) = path(&project, "1.0.0 2.0.0 --package stop --offline snapshot.json");
    assert_eq!(code, 1);
    assert!(said.contains("snapshot.json holds nothing about stop, only backend-ai-manager, shop"), "{said}");
    fs::write(project.path().join("releases.yaml"), "products: {shop: {scheme: semver}}").unwrap();
    let (_, said, code) = path(&project, "1.4.0 2.0.0 --package shop --offline snapshot.json");
    assert_eq!(code, 1);
    assert!(said.starts_with("releases.yaml:1:19: product shop lacks `main-package`"), "{said}");
}

#[test]
fn a_project_s_catalogue_counts() {
    let project = project();
    // Without it, 1.5 is a train of its own.
    let (text, _, _) = path(&project, "1.4.0 2.0.0 --package shop --offline snapshot.json");
    assert!(text.contains("2 hop(s), 2 of them major"), "{text}");
    let yaml = "products: {shop: {scheme: semver, main-package: shop, trains: [{train: 2, source: us}]}}";
    fs::write(project.path().join("releases.yaml"), yaml).unwrap();
    let (text, _, _) = path(&project, "1.4.0 2 --product shop --offline snapshot.json");
    assert!(text.contains("PATH of shop from 1.4.0 to 2.0.0: 2 hop(s), 1 of them major"), "{text}");
    fs::rename(project.path().join("releases.yaml"), project.path().join("ours.yaml")).unwrap();
    let (named, _, _) = path(&project, "1.4.0 2 --product shop --offline snapshot.json --releases ours.yaml");
    assert_eq!(named, text);
}
