//! Pages of the documentation that are made from the code.

use std::path::Path;

use converge::preflight::{Severity, parse_waiver, rules};
use converge::report::rules_markdown;

#[test]
fn the_page_of_rules_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let made = rules_markdown();
    if std::env::var_os("CONVERGE_WRITE_EXPECTED").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == made, "docs/rules.md is not current: CONVERGE_WRITE_EXPECTED=1 cargo test --test documents");
}

#[test]
fn every_rule_is_explained_and_every_waivable_one_can_be_waived() {
    for rule in rules() {
        let waiver = parse_waiver(&format!("{}=a reason", rule.code));
        assert_eq!(waiver.is_ok(), rule.severity == Severity::Waivable, "{}", rule.code);
        assert!(!rule.demands.ends_with('.') && rule.explanation.ends_with('.'), "{}", rule.code);
    }
}
