//! What `ssh -G` prints: a keyword and its value a line. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Keywords in lower case, each with its values in the order of their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dump(BTreeMap<String, Vec<String>>);

impl Dump {
    /// Reads what was printed. A line without a value is a keyword whose value is empty.
    pub(super) fn parse(text: &str) -> Self {
        let mut dump = Self::default();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
            dump.add(keyword, value);
        }
        dump
    }

    pub(super) fn add(&mut self, keyword: &str, value: &str) {
        self.0.entry(keyword.to_lowercase()).or_default().push(value.to_owned());
    }

    /// The first value of a keyword.
    pub(super) fn get(&self, keyword: &str) -> Option<&str> {
        self.all(keyword).first().map(String::as_str)
    }

    /// All values of a keyword.
    pub(super) fn all(&self, keyword: &str) -> &[String] {
        self.0.get(keyword).map_or(&[], Vec::as_slice)
    }

    /// The keywords that are there.
    pub(super) fn keywords(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The same answer for another host of which it is known that all else is equal.
    pub(super) fn for_host(&self, name: &str) -> Self {
        let mut dump = self.clone();
        for keyword in ["host", "hostname"] {
            if let Some(values) = dump.0.get_mut(keyword) {
                *values = vec![name.to_owned()];
            }
        }
        dump
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_keywords_and_values() {
        let dump = Dump::parse("host GPU07\nhostname gpu07\nidentityfile a\nidentityfile b c\nrekeyLimit 0 0\nempty\n");
        assert_eq!((dump.get("hostname"), dump.get("rekeylimit")), (Some("gpu07"), Some("0 0")));
        assert_eq!((dump.get("empty"), dump.get("none")), (Some(""), None));
        assert_eq!(dump.all("identityfile"), ["a", "b c"]);
        assert_eq!(dump.for_host("gpu08").get("hostname"), Some("gpu08"));
    }
}
