//! A project's `releases.yaml`: each `error-*.yaml` of tests/cases/releases and all of its mistakes, and products that
//! are declared from nothing.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use converge::document::Source;
use converge::release::{Catalogue, PathRequest, PublishedRelease, Release, find_path, resolve_target};
use rstest::rstest;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/releases")
}

#[test]
fn mistakes_are_all_shown_with_their_places() {
    let mut seen = 0;
    for entry in fs::read_dir(cases()).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("error-") || !name.ends_with(".yaml") {
            continue;
        }
        seen += 1;
        let source = Source::new(name.clone(), fs::read_to_string(&file).unwrap());
        let shown = Catalogue::extended(&[source]).unwrap_err().to_string();
        let expected = fs::read_to_string(file.with_extension("expected")).unwrap_or_default();
        assert_eq!(shown.trim_end(), expected.trim_end(), "{name}, found:\n{shown}");
    }
    assert!(seen >= 1, "no cases were found");
}

/// The two products of docs/releases.md.
#[rstest]
#[case("shop", "shop-api", &["1.4.0", "1.4.1", "1.5.0", "2.0.0rc1", "2.0.0", "2.0.1", "3.0.0"], "1.4.0", "3.0.0",
    &["1.4.1", "1.5.0", "2.0.1", "3.0.0"])]
#[case("billing", "billing", &["24.1.0", "24.1.1", "24.2.0", "24.4.0", "24.4.1"], "24.01.0", "24.04.1",
    &["24.1.1", "24.2.0", "24.4.0", "24.4.1"])]
fn another_product_is_declared_from_nothing(
    #[case] name: &str,
    #[case] package: &str,
    #[case] published: &[&str],
    #[case] from: &str,
    #[case] to: &str,
    #[case] expected: &[&str],
) {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/releases.md")).unwrap();
    // The example is what the document shows, so that it can't go stale.
    let text = docs
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .find(|text| text.contains(&format!("\n  {name}:\n")))
        .unwrap_or_else(|| panic!("docs/releases.md has no example of {name}"));
    let catalogue = Catalogue::extended(&[Source::new("releases.yaml", text)]).unwrap();
    let product = catalogue.product_of(package).unwrap();
    assert_eq!(product.name, name);
    let published: Vec<PublishedRelease> =
        published.iter().map(|text| PublishedRelease::plain(Release::parse(text).unwrap())).collect();
    let from = product.read_release(from).unwrap();
    let to = resolve_target(to, Some(product), &from, &published).unwrap();
    let request = PathRequest { product: Some(product), package: None, from: &from, to: &to, published: &published };
    let stops: Vec<String> = find_path(&request).unwrap().hops.iter().map(|hop| hop.to.normalized()).collect();
    assert_eq!(stops, expected);
}
