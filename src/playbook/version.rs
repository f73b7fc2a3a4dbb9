//! How versions compare in conditions and templates.

use std::cmp::Ordering;
use std::str::FromStr;

use pep440_rs::Version;

/// What may stand between two versions.
const OPERATORS: [&str; 16] =
    ["==", "=", "eq", "!=", "<>", "ne", "<", "lt", "<=", "le", ">", "gt", ">=", "ge", "is", "is not"];

/// Whether `a operator b` holds.
///
/// # Errors
/// When there is no such operator, or one of the two is empty.
pub(super) fn compare(a: &str, operator: &str, b: &str) -> Result<bool, String> {
    if a.trim().is_empty() || b.trim().is_empty() {
        return Err("one of the versions to compare is empty".to_owned());
    }
    let order = order(a.trim(), b.trim());
    match operator {
        "==" | "=" | "eq" | "is" => Ok(order.is_eq()),
        "!=" | "<>" | "ne" | "is not" => Ok(order.is_ne()),
        "<" | "lt" => Ok(order.is_lt()),
        "<=" | "le" => Ok(order.is_le()),
        ">" | "gt" => Ok(order.is_gt()),
        ">=" | "ge" => Ok(order.is_ge()),
        other => Err(format!("`{other}` doesn't compare versions; write one of {}", OPERATORS.join(" "))),
    }
}

/// As PEP 440 orders them where both are such versions, and else number by number and word by word.
fn order(a: &str, b: &str) -> Ordering {
    match (Version::from_str(a), Version::from_str(b)) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_) | Err(_), _) => parts(a).cmp(&parts(b)),
    }
}

/// A word comes before a number.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Word(String),
    /// Without leading zeros, the longer is the greater.
    Number(usize, String),
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digit = first.is_ascii_digit();
        let same = |c: char| c.is_alphanumeric() && c.is_ascii_digit() == digit;
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        if end == 0 {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let part = &rest[..end];
        let bare = part.trim_start_matches('0');
        parts.push(if digit { Part::Number(bare.len(), bare.to_owned()) } else { Part::Word(part.to_owned()) });
        rest = &rest[end..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_versions() {
        for (a, operator, b) in [
            ("25.6.10", ">", "25.6.9"),
            ("25.6", "==", "25.6.0"),
            ("25.6.0rc1", "<", "25.6.0"),
            ("v1.2", "ge", "1.2"),
            ("12", ">=", "9.9"),
            ("1.2-5ubuntu3", "<", "1.2-10ubuntu1"),
            ("6.1.0-13-amd64", "lt", "6.1.0-21-amd64"),
            ("99999999999999999999999.x", ">", "3.x"),
            ("a", "!=", "b"),
        ] {
            assert_eq!(compare(a, operator, b), Ok(true), "{a} {operator} {b}");
        }
        assert!(compare("1", "~>", "2").unwrap_err().contains("`~>`"));
        assert!(compare("", "<", "2").is_err());
    }
}
