//! Imports run one way. What a module may import is written here and in `docs/architecture.md`; the pure modules have
//! no clock, randomness, environment, files, processes, async or logging.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every module with what it may import, in the order of the pipeline. `cli` may import everything.
const MAY_IMPORT: [(&str, &[&str]); 21] = [
    ("model", &[]),
    ("vault", &["model"]),
    ("document", &["model"]),
    ("release", &["model", "document"]),
    ("inventory", &["model", "document"]),
    ("playbook", &["model", "document", "inventory"]),
    ("vocabulary", &["playbook"]),
    ("remote", &["model"]),
    ("facts", &["model", "release", "remote"]),
    ("resource", &["model", "document", "facts", "release"]),
    ("desired", &["model", "document", "release", "inventory", "playbook", "facts", "resource"]),
    ("lint", &["document", "inventory", "playbook", "resource", "vocabulary"]),
    ("preflight", &["model", "document", "facts", "release", "resource", "desired"]),
    ("plan", &["model", "facts", "release", "resource", "desired", "preflight"]),
    ("event", &["model"]),
    ("journal", &["model", "event"]),
    ("transport", &["model"]),
    ("packages", &["model", "facts", "release"]),
    ("gather", &["model", "facts", "transport"]),
    ("execute", &["model", "facts", "plan", "event", "transport", "gather", "remote"]),
    (
        "report",
        &[
            "model",
            "playbook",
            "facts",
            "release",
            "resource",
            "desired",
            "preflight",
            "plan",
            "event",
            "journal",
            "remote",
            "document",
            "inventory",
            "lint",
        ],
    ),
];

const PURE: [&str; 16] = [
    "model",
    "vault",
    "remote",
    "document",
    "release",
    "inventory",
    "playbook",
    "vocabulary",
    "facts",
    "resource",
    "desired",
    "lint",
    "preflight",
    "plan",
    "event",
    "report",
];

/// Words that only I/O modules may use.
const IMPURE: [&str; 13] = [
    "std::fs",
    "std::env::",
    "std::process",
    "std::net",
    "std::time::SystemTime",
    "std::time::Instant",
    "tokio::",
    "tracing::",
    "async fn",
    "async move",
    "println!",
    "RandomState",
    "std::thread",
];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_for_tests(&path) {
            found.push(path);
        }
    }
    found
}

/// Files of their own behind `#[cfg(test)]`.
fn is_for_tests(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs" || name == "fixture.rs")
}

/// The code of a file: without comments, and without what stands behind `#[cfg(test)]`.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn by_module() -> BTreeMap<String, Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in sources(&root) {
        let module = path.strip_prefix(&root).unwrap().components().next().unwrap().as_os_str().to_str().unwrap();
        modules.entry(module.trim_end_matches(".rs").to_owned()).or_default().push(path);
    }
    modules
}

#[test]
fn every_module_has_its_place() {
    let known: BTreeSet<String> = MAY_IMPORT
        .iter()
        .map(|(module, _)| (*module).to_owned())
        .chain(["cli", "lib", "main"].map(str::to_owned))
        .collect();
    let found: BTreeSet<String> = by_module().into_keys().collect();
    assert_eq!(found, known);
}

#[test]
fn imports_run_one_way() {
    let modules = by_module();
    let mut wrong = Vec::new();
    for (module, allowed) in MAY_IMPORT {
        for path in &modules[module] {
            for piece in code(path).split("crate::").skip(1) {
                let imported: String = piece.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if imported != module && !allowed.contains(&imported.as_str()) {
                    wrong.push(format!("{} imports {imported}", path.display()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_pure_part_is_pure() {
    let modules = by_module();
    let mut wrong = Vec::new();
    for module in PURE {
        for path in &modules[module] {
            let code = code(path);
            wrong.extend(
                IMPURE.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", path.display())),
            );
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// What is recorded, how a line is read and what is in doubt are decided without touching a file.
#[test]
fn all_of_the_journal_but_its_store_is_pure() {
    let impure = ["mod.rs", "store.rs", "writer.rs"];
    let is_pure = |path: &&PathBuf| !impure.iter().any(|name| path.ends_with(name));
    let modules = by_module();
    let pure: Vec<&PathBuf> = modules["journal"].iter().filter(is_pure).collect();
    assert!(pure.len() >= 3, "{pure:?}");
    for path in pure {
        let code = code(path);
        let word = IMPURE.iter().find(|word| code.contains(**word));
        assert_eq!(word, None, "{}", path.display());
    }
}

#[test]
fn the_executor_does_not_plan() {
    for path in &by_module()["execute"] {
        let code = code(path);
        assert!(!code.contains("plan::plan") && !code.contains("preflight"), "{}", path.display());
    }
}
