//! `converge path … --schema`, as it is typed, against the wheels of Backend.AI: every row of the tables of the upgrade's
//! research that can be told without a database.
//!
//! This test uses the network: the places that pip's settings on this machine name, else PyPI. What was read of the
//! wheels is kept in the build directory. Some rows of the tables start from releases that were only tagged and never
//! published (23.09.11, 24.12.0): for these stands the nearest published release, as each says.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;

/// How many converges run at a time: each waits for the index most of the time.
const AT_ONCE: usize = 4;

/// What a command said, and how it ended.
struct Ran {
    out: String,
    err: String,
    exit: i32,
}

fn converge(directory: &Path, caches: &Path, words: &str) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_converge"))
        .args(words.split_whitespace())
        .current_dir(directory)
        .env("XDG_CACHE_HOME", caches)
        .env_remove("CONVERGE_LOG")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { out: text(&output.stdout), err: text(&output.stderr), exit: output.status.code().unwrap() }
}

fn kept() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The JSON of `converge path WORDS --schema`, and the exit code.
fn schema(directory: &TempDir, words: &str) -> (Value, i32) {
    let ran = converge(directory.path(), kept(), &format!("path {words} --schema --output json"));
    let json =
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{words}: {error}\n{}{}", ran.out, ran.err));
    (json, ran.exit)
}

fn empty() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A word for what a hop does: `PENDING+SKIPPED`, or what hinders.
fn word(schema: &Value) -> String {
    if schema["told"] != "preview" {
        return schema["told"].as_str().unwrap().to_owned();
    }
    let count = |key: &str| schema[key].as_array().unwrap().len();
    match schema["state"]["state"].as_str().unwrap() {
        "sound" => format!("{}+{}", count("pending"), count("skipped")),
        "merge-above" => format!("{}+{} below merges", count("pending"), count("skipped")),
        other => other.to_owned(),
    }
}

fn ids(list: &Value) -> Vec<&str> {
    // A revision with its details, or its identifier alone.
    list.as_array().unwrap().iter().map(|one| one.get("id").unwrap_or(one).as_str().unwrap()).collect()
}

/// Rows of two releases: what going straight from one to the other does. A project's catalogue that calls every target
/// broken makes each a refusal, with the jump as evidence.
const JUMPS: [(&str, &str, &str); 44] = [
    // The graphs.
    ("23.9.10", "24.3.11", "10+6"),
    ("24.3.11", "24.9.6", "6+4"),
    ("24.3.11", "24.9.0", "3+4"),
    ("24.9.6", "25.5.2", "6+7"),
    ("24.9.0", "25.1.1", "CLEAN"),
    // The migration graph. Of 23.09.11 there is only a tag: 23.9.10 is the last of its train that was published.
    ("23.9.10", "24.3.0", "1+6"),
    ("24.3.11", "24.9.14", "6+4"),
    // 24.12.0 was never published, and 24.12.1 was withdrawn; its file is still there.
    ("24.9.6", "24.12.1", "unknown-head"),
    ("24.9.14", "24.12.1", "unknown-head"),
    ("24.9.6", "25.1.1", "unknown-head"),
    ("24.9.14", "25.1.1", "unknown-head"),
    ("24.9.5", "24.12.1", "CLEAN"),
    ("24.9.5", "25.1.1", "CLEAN"),
    ("24.9.14", "25.2.0", "0+7"),
    ("24.9.14", "25.5.2", "6+7"),
    ("24.9.14", "25.6.0", "9+7"),
    ("25.1.1", "25.6.17", "CLEAN"),
    ("25.6.17", "25.15.12", "CLEAN"),
    ("25.15.12", "26.4.0", "CLEAN"),
    ("25.15.12", "26.4.16", "CLEAN"),
    ("25.15.12", "26.9.6", "CLEAN"),
    ("26.4.0", "26.9.0", "CLEAN"),
    ("26.4.10", "26.9.6", "CLEAN"),
    ("26.4.16", "26.9.6", "CLEAN"),
    ("26.3.3", "26.4.0", "1 BELOW MERGES"),
    ("26.4.8", "26.7.0", "unknown-head"),
    ("26.4.16", "26.7.0", "unknown-head"),
    ("26.4.10", "26.8.1", "CLEAN"),
    ("26.4.11", "26.8.3", "unknown-head"),
    ("26.4.16", "26.8.3", "unknown-head"),
    ("26.4.11", "26.9.0", "CLEAN"),
    ("26.7.0", "26.8.1", "3 BELOW MERGES"),
    ("26.8.3", "26.9.0", "1 BELOW MERGES"),
    ("26.8.3", "26.9.6", "1 BELOW MERGES"),
    // The chain of major upgrades, as far as alembic came with it.
    ("23.3.12", "23.9.0", "8+0"),
    ("23.9.0", "23.9.10", "8+0"),
    ("23.9.8", "23.9.10", "4+0"),
    ("24.3.0", "24.3.11", "9+0"),
    ("24.9.0", "24.9.14", "3+0"),
    ("25.5.2", "25.6.0", "3+0"),
    ("25.6.0", "25.6.1", "0+0"),
    ("25.6.0", "25.19.2", "56+0"),
    ("25.19.2", "26.1.0", "no-migrations"),
    ("25.19.2", "26.9.6", "CLEAN"),
];

/// `CLEAN` and `N BELOW MERGES` stand for words whose number of pending revisions no table tells.
fn fits(word: &str, expected: &str) -> bool {
    let skipped = word.split_once('+').map(|(_, skipped)| skipped);
    match expected.strip_suffix(" BELOW MERGES") {
        Some(number) => skipped == Some(&format!("{number} below merges")),
        None if expected == "CLEAN" => skipped == Some("0"),
        None => word == expected,
    }
}

/// Heads that the tables name.
const HEADS: [(&str, &str); 14] = [
    ("23.9.0", "85615e005fa3"),
    ("23.9.10", "75ea2b136830"),
    ("24.3.0", "857b763b8618"),
    ("24.3.11", "3596bc12ec09"),
    ("24.9.0", "7c8501cec07b"),
    ("24.9.6", "ecc9f6322be4"),
    ("24.9.14", "ecc9f6322be4"),
    ("25.1.1", "fb89f5d7817b"),
    ("25.2.0", "ecc9f6322be4"),
    ("25.5.2", "683ca0a32f41"),
    ("25.6.0", "c7fedaca4883"),
    ("25.6.1", "c7fedaca4883"),
    ("25.19.2", "d0a3c0716970"),
    ("26.9.6", "d1117da8d8bd"),
];

/// A project whose catalogue calls every target of [`JUMPS`] broken.
fn project_of_jumps() -> TempDir {
    let project = empty();
    let targets: BTreeSet<&str> = JUMPS.iter().map(|(_, to, _)| *to).collect();
    let mut yaml = "products:\n  backend.ai:\n    broken:\n".to_owned();
    for to in targets {
        let _ = writeln!(
            yaml,
            "      - {{release: \"{to}\", packages: [backend.ai-manager], reason: a test, source: the test}}"
        );
    }
    std::fs::write(project.path().join("releases.yaml"), yaml).unwrap();
    project
}

/// All jumps, some at a time, in the order of the table.
fn jumps() -> Vec<(Value, i32)> {
    let (project, next) = (project_of_jumps(), AtomicUsize::new(0));
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((from, to, _)) = JUMPS.get(number) else { return done };
            done.push((number, schema(&project, &format!("{from} {to}"))));
        }
    };
    let mut all: Vec<(usize, (Value, i32))> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, jump)| jump).collect()
}

#[test]
fn every_row_of_the_tables_is_what_the_command_shows() {
    let jumps = jumps();
    assert_eq!(jumps.len(), JUMPS.len());
    let mut wrong = Vec::new();
    for ((from, to, expected), (json, exit)) in JUMPS.iter().zip(&jumps) {
        let jump = &json["schema_of_jump"];
        let found = word(jump);
        let heads = HEADS.iter().find(|(release, _)| release == to);
        let head_fits = heads.is_none_or(|(_, head)| ids(&jump["to_heads"]) == [*head]);
        if *exit != 3 || json["allowed"] != false || !fits(&found, expected) || !head_fits {
            wrong.push(format!("{from} → {to}: exit {exit}, {found} (expected {expected}), {}", jump["to_heads"]));
        }
        // Where the database stands is what the old wheel's head is.
        assert_eq!(json["schema_start"]["rows"], jump["rows"], "{from} → {to}");
        assert_eq!(json["schema_start"]["unknown"], Value::Null, "{from} → {to}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let of = |from: &str, to: &str| {
        let number = JUMPS.iter().position(|row| (row.0, row.1) == (from, to)).unwrap();
        &jumps[number].0["schema_of_jump"]
    };
    for (from, to, common, above) in [
        ("23.9.10", "24.3.11", "85615e005fa3", 8),
        ("24.3.11", "24.9.6", "dddf9be580f5", 8),
        ("24.9.6", "25.5.2", "e9e574a6e22d", 2),
    ] {
        let jump = of(from, to);
        assert_eq!((ids(&jump["common"]), &jump["old_above_common"]), (vec![common], &above.into()), "{from} → {to}");
    }
    assert_eq!(of("26.4.11", "26.8.3")["state"]["current"], "e1b7f3d20a94");
    assert_eq!(ids(&of("26.3.3", "26.4.0")["skipped"]), ["1cc9b47e0a8e"]);
    // The revision that repeats what is skipped runs after it.
    assert!(ids(&of("26.8.3", "26.9.0")["pending"]).contains(&"f4a2b7c9e105"));
}

/// The releases behind each hop, with its word.
fn hops(json: &Value) -> Vec<(String, String)> {
    let hops = json["hops"].as_array().unwrap();
    hops.iter().map(|hop| (hop["to"].as_str().unwrap().to_owned(), word(&hop["schema"]))).collect()
}

/// How many revisions are pending and skipped up to `to`, from behind `from`.
fn sum(json: &Value, from: &str, to: &str) -> (usize, usize) {
    let hops = json["hops"].as_array().unwrap();
    let at = |release: &str| hops.iter().position(|hop| hop["to"] == release);
    let start = at(from).map_or(0, |position| position + 1);
    let end = at(to).unwrap_or_else(|| panic!("{to} is no hop"));
    let count = |key: &str| hops[start..=end].iter().map(|hop| hop["schema"][key].as_array().unwrap().len()).sum();
    (count("pending"), count("skipped"))
}

fn hop<'a>(json: &'a Value, to: &str) -> &'a Value {
    &json["hops"].as_array().unwrap().iter().find(|hop| hop["to"] == to).unwrap()["schema"]
}

/// The path patch by patch adds up to what the tables say of whole trains.
#[test]
fn the_paths_of_the_chain_add_up() {
    let project = empty();
    let (json, exit) = schema(&project, "23.3.12 24.9.6");
    assert_eq!((exit, &json["allowed"]), (0, &Value::Bool(true)));
    assert_eq!(ids(&json["schema_start"]["rows"]), ["ae7d4cd92aa7"]);
    for (from, to, head, counts) in [
        ("23.3.12", "23.9.0", "85615e005fa3", (8, 0)),
        ("23.9.0", "23.9.10", "75ea2b136830", (8, 0)),
        ("23.9.8", "23.9.10", "75ea2b136830", (4, 0)),
        ("23.9.10", "24.3.0", "857b763b8618", (1, 6)),
        ("24.3.0", "24.3.11", "3596bc12ec09", (9, 0)),
        ("23.9.10", "24.3.11", "3596bc12ec09", (10, 6)),
        // Not by 24.9.0, whose revisions were rewritten.
        ("24.3.11", "24.9.1", "e9e574a6e22d", (4, 4)),
        ("24.3.11", "24.9.6", "ecc9f6322be4", (6, 4)),
    ] {
        assert_eq!(sum(&json, from, to), counts, "{from} → {to}");
        assert_eq!(ids(&hop(&json, to)["to_heads"]), [head], "{to}");
    }
    for (to, common) in [("24.3.0", "85615e005fa3"), ("24.9.1", "dddf9be580f5")] {
        let hop = hop(&json, to);
        assert_eq!((ids(&hop["common"]), &hop["old_above_common"]), (vec![common], &8.into()), "{to}");
    }
    // What is skipped comes with its message, and what is risky with the line.
    let into = hop(&json, "24.3.0");
    assert_eq!(into["skipped"][2]["message"], "add `groups.type`");
    let etcd = hop(&json, "24.9.1")["pending"].as_array().unwrap().iter().find(|one| one["id"] == "1d42c726d8a3");
    assert!(etcd.unwrap()["risks"].as_array().unwrap().iter().any(|risk| risk["kind"] == "etcd"), "{etcd:?}");
}

#[test]
fn a_broken_release_may_be_left_and_what_it_lacks_is_said() {
    let project = empty();
    let (json, exit) = schema(&project, "24.9.14 25.6.1");
    assert_eq!(exit, 0, "{json}");
    let lacks = "ai.backend.manager.errors.common";
    assert_eq!(json["schema_start"]["wheel"]["missing_modules"][lacks], "ai/backend/manager/api/scaling_group.py");
    assert_eq!(word(hop(&json, "25.2.0")), "0+7");
    assert_eq!(ids(&hop(&json, "25.2.0")["common"]), ["e9e574a6e22d"]);
    assert_eq!(hop(&json, "25.2.0")["old_above_common"], 2);
    assert_eq!(sum(&json, "24.9.14", "25.5.2"), (6, 7));
    assert_eq!((word(hop(&json, "25.6.0")).as_str(), word(hop(&json, "25.6.1")).as_str()), ("3+0", "0+0"));
    assert_eq!(ids(&hop(&json, "25.6.1")["to_heads"]), ["c7fedaca4883"]);
}

/// Whether anything needs the file that fails isn't told from outside: it is shown, and no reason to refuse a path.
#[test]
fn what_a_wheel_lacks_is_shown_also_where_nobody_misses_it() {
    let (json, exit) = schema(&empty(), "25.14.0 25.14.1");
    assert_eq!((exit, hops(&json)), (0, vec![("25.14.1".to_owned(), "0+0".to_owned())]));
    let lacks = json["hops"][0]["schema"]["missing_modules"].as_object().unwrap();
    let importer = "ai/backend/manager/repositories/permission_controller/repository.py";
    assert!(lacks.len() == 2 && lacks.values().all(|file| file == importer), "{lacks:?}");
}

/// By what converge knows itself: no path, exit code 3, and the jump as evidence.
#[test]
fn known_refusals_keep_their_exit_code_and_show_the_jump() {
    let project = empty();
    for (from, to, code, told) in [
        ("24.9.6", "24.9.14", "broken", "0+0"),
        ("25.19.2", "26.1.0", "broken", "no-migrations"),
        ("24.9.6", "25.1.1", "cant-be-entered", "unknown-head"),
        ("26.4.11", "26.8.3", "cant-be-entered", "unknown-head"),
        ("24.9.6", "24.9.5", "downgrade", "unknown-head"),
        // Tagged, never published.
        ("24.9.5", "24.12.0", "not-published", "failed"),
    ] {
        let (json, exit) = schema(&project, &format!("{from} {to}"));
        let jump = &json["schema_of_jump"];
        assert_eq!((exit, word(jump).as_str()), (3, told), "{from} → {to}: {json}");
        assert_eq!(json["refusal"]["code"], code, "{from} → {to}");
        assert_eq!(jump["missing_modules"].as_object().map_or(0, |all| all.len()), usize::from(to == "24.9.14"));
        if told == "unknown-head" && to != "24.9.5" {
            let row = if from == "24.9.6" { "ecc9f6322be4" } else { "e1b7f3d20a94" };
            assert_eq!(jump["state"]["current"], row);
        }
    }
    let text = converge(project.path(), kept(), "path 25.19.2 26.1.0 --schema");
    assert_eq!((text.out.as_str(), text.exit), ("", 3));
    assert!(text.err.contains("What going straight from 25.19.2 to 26.1.0 would do to the schema (evidence, no path)"));
    assert!(text.err.contains("the target holds no revisions: its wheel is broken"), "{}", text.err);
}

#[test]
fn a_wheel_that_can_t_be_had_is_an_error_and_nothing_behind_it_is_known() {
    let project = empty();
    // Tagged, never published: it may be installed all the same, built by hand.
    let (json, exit) = schema(&project, "23.9.11 24.3.2");
    assert_eq!((exit, &json["allowed"]), (1, &Value::Bool(true)));
    let unknown = json["schema_start"]["unknown"].as_str().unwrap();
    assert!(unknown.starts_with("backend.ai-manager 23.9.11 is not published in "), "{unknown}");
    assert!(!hops(&json).is_empty() && hops(&json).iter().all(|(_, word)| word == "not-known"), "{json}");
    let text = converge(project.path(), kept(), "path 23.9.11 24.3.2 --schema");
    assert!(text.out.contains("ERROR: where 23.9.11 leaves the database isn't known: "), "{}", text.out);
}

#[test]
fn a_package_without_migrations_keeps_no_schema_and_others_have_chains_of_their_own() {
    let project = empty();
    let (agent, exit) = schema(&project, "24.9.5 24.9.6 --package backend.ai-agent");
    assert_eq!((exit, hops(&agent)), (0, vec![("24.9.6".to_owned(), "no-schema".to_owned())]));
    let text = converge(project.path(), kept(), "path 24.9.5 24.9.6 --schema --package backend.ai-agent");
    assert!(text.out.contains("schema: the package keeps none"), "{}", text.out);
    let (proxy, exit) = schema(&project, "25.15.11 25.15.12 --package backend.ai-appproxy-coordinator");
    assert_eq!((exit, hops(&proxy)), (0, vec![("25.15.12".to_owned(), "0+0".to_owned())]));
}

/// Without a network: what was read before stands in, and what wasn't is asked of nobody.
#[test]
fn offline_the_wheels_must_be_at_hand() {
    let project = empty();
    let online = converge(project.path(), kept(), "path 23.9.8 24.3.2 --schema");
    let saved = converge(project.path(), kept(), "releases backend.ai-manager --save s.json");
    assert_eq!((online.exit, saved.exit), (0, 0), "{}{}", online.err, saved.err);
    let offline = converge(project.path(), kept(), "path 23.9.8 24.3.2 --schema --offline s.json");
    assert_eq!((offline.out, offline.exit), (online.out, 0), "{}", offline.err);
    let nothing_kept = empty();
    let refused = converge(project.path(), nothing_kept.path(), "path 23.9.8 24.3.2 --schema --offline s.json");
    assert_eq!((refused.out.as_str(), refused.exit), ("", 64), "{}", refused.err);
    assert!(
        refused.err.contains("  backend.ai-manager 23.9.8 is neither kept nor in a directory of wheels\n"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("--wheelhouse DIR"), "{}", refused.err);
}
