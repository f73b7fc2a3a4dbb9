//! Pages of package indexes: each case is a page and the releases that are expected of it.
//!
//! The first line of an `.expected` file names the package; `UPDATE_CASES=1` writes the rest anew.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use converge::release::{PageKind, PublishedRelease, join_files, parse_index_page};

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/index");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end != "expected")).collect();
    cases.sort();
    cases
}

fn releases(path: &Path, package: &str) -> Vec<PublishedRelease> {
    let kind = match path.extension().and_then(|end| end.to_str()) {
        Some("json") => PageKind::Json,
        _ => PageKind::Html,
    };
    join_files(package, parse_index_page(kind, &fs::read_to_string(path).unwrap()).unwrap())
}

fn described(releases: &[PublishedRelease]) -> String {
    let mut text = String::new();
    for one in releases {
        let _ = write!(text, "{}", one.release);
        if let Some(python) = &one.requires_python {
            let _ = write!(text, " python {python}");
        }
        if let Some(bytes) = one.bytes {
            let _ = write!(text, " bytes {bytes}");
        }
        if let Some(reason) = &one.yanked {
            let _ = write!(text, " withdrawn {reason:?}");
        }
        text.push('\n');
    }
    text
}

#[test]
fn pages_give_the_releases_that_are_expected() {
    let cases = cases();
    assert!(cases.len() >= 4, "{cases:?}");
    for case in cases {
        let file = PathBuf::from(format!("{}.expected", case.display()));
        let expected = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let (package, expected) = expected.split_once('\n').unwrap();
        let found = described(&releases(&case, package));
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&file, format!("{package}\n{found}")).unwrap();
        } else {
            assert_eq!(found, expected, "{}", case.display());
        }
    }
}

/// The JSON page and the HTML page of one package are two spellings of one list, but for the sizes.
#[test]
fn both_pages_of_pypi_say_the_same() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/index");
    let of = |name: &str| -> Vec<PublishedRelease> {
        let releases = releases(&directory.join(name), "backend.ai-manager");
        releases.into_iter().map(|one| PublishedRelease { bytes: None, sha256: None, ..one }).collect()
    };
    assert!(of("pypi.json").len() >= 5);
    assert_eq!(of("pypi.json"), of("pypi.html"));
}
