//! Revision files: every `tests/cases/revisions/NAME.py` against what `NAME.expected` says that is read from it, or why it
//! can't be. `CONVERGE_WRITE_EXPECTED=1 cargo test --test revisions` writes the expectations anew; read the difference
//! before committing it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use converge::release::{RevisionFile, parse_revision_file};

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/revisions");
    let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "py"));
    files.sort();
    files
}

fn describe(file: &RevisionFile) -> String {
    let RevisionFile { id, down, depends_on, branch_labels, message, risks } = file;
    let mut shown = format!("{id} after {down:?}\nmessage: {message:?}\n");
    for (name, values) in [("depends on", depends_on), ("labels", branch_labels)] {
        if !values.is_empty() {
            writeln!(shown, "{name} {values:?}").unwrap();
        }
    }
    for risk in risks {
        writeln!(shown, "line {}: {}: {}", risk.line, risk.kind, risk.evidence).unwrap();
    }
    shown
}

#[test]
fn revision_files_mean_what_is_expected_of_them() {
    let write = std::env::var_os("CONVERGE_WRITE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    let all = cases();
    assert!(all.len() >= 20, "the cases are gone: {all:?}");
    for path in all {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let read = parse_revision_file(&name, &fs::read(&path).unwrap());
        assert_eq!(read.is_err(), name.starts_with("error-"), "{name}: {read:?}");
        let shown = match read {
            Ok(Some(file)) => describe(&file),
            Ok(None) => "no revision\n".to_owned(),
            Err(error) => format!("{error}\n"),
        };
        let expected = path.with_extension("expected");
        if write {
            fs::write(&expected, &shown).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{name}:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}
