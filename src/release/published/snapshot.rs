//! A snapshot of what was published: a file that stands in for every package index.
//!
//! ```json
//! {"format": 1, "written_by": "converge 0.1.0", "taken_at": "2026-11-23T09:00:00Z",
//!  "packages": {"backend-ai-manager": {"source": "https://pypi.org/simple",
//!   "releases": [{"release": "25.6.4", "requires_python": ">=3.13"}]}}}
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::filename::normalize_name;
use super::release::PublishedRelease;
use crate::model::{Timestamp, printable};

/// The format that this version writes, and the only one there has been.
const FORMAT: u64 = 1;

/// What was published at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which program wrote it.
    pub written_by: String,
    /// When it was taken.
    pub taken_at: Timestamp,
    packages: BTreeMap<String, SnapshotPackage>,
}

/// One package of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotPackage {
    /// Where the list comes from, without credentials.
    pub source: String,
    /// The releases, oldest first.
    pub releases: Vec<PublishedRelease>,
}

/// A snapshot that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It can't be read.
    #[error(
        "line {line}, column {column}: {reason}\n  {shown}\nnext: write it anew with `converge releases --save FILE`"
    )]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
        /// The line itself.
        shown: String,
    },
    /// Another format.
    #[error(
        "it has format {found}, and this converge reads format {FORMAT}; next: use the converge that wrote it ({written_by})"
    )]
    Format {
        /// The format that it says it has.
        found: u64,
        /// Who wrote it.
        written_by: String,
    },
    /// Its time is none.
    #[error("taken_at is {found:?}, which is no time in RFC 3339 (as in 2026-11-23T09:00:00Z)")]
    TakenAt {
        /// What stands there.
        found: String,
    },
    /// Two spellings of one name.
    #[error("{name} stands in it twice, in two spellings")]
    Twice {
        /// The normalised name.
        name: String,
    },
}

#[derive(Deserialize)]
struct Head {
    format: u64,
    #[serde(default)]
    written_by: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u64,
    written_by: String,
    taken_at: String,
    packages: BTreeMap<String, SnapshotPackage>,
}

impl Snapshot {
    /// An empty snapshot.
    #[must_use]
    pub fn new(written_by: &str, taken_at: Timestamp) -> Self {
        Self { written_by: written_by.to_owned(), taken_at, packages: BTreeMap::new() }
    }

    /// Takes a package in; one of the same name is replaced. Releases are kept oldest first.
    pub fn insert(&mut self, package: &str, mut kept: SnapshotPackage) {
        kept.releases.sort_by(|one, other| one.release.cmp(&other.release));
        self.packages.insert(normalize_name(package), kept);
    }

    /// A package, however its name is spelled.
    #[must_use]
    pub fn package(&self, name: &str) -> Option<&SnapshotPackage> {
        self.packages.get(&normalize_name(name))
    }

    /// The normalised names of all packages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.packages.keys().map(String::as_str)
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// When it is malformed, of another format, or ambiguous.
    pub fn parse(text: &str) -> Result<Self, SnapshotError> {
        // The format first: another one may have other fields.
        let head: Head = serde_json::from_str(text).map_err(|error| malformed(text, &error))?;
        if head.format != FORMAT {
            return Err(SnapshotError::Format { found: head.format, written_by: printable(head.written_by) });
        }
        let written: Written = serde_json::from_str(text).map_err(|error| malformed(text, &error))?;
        let Some(taken_at) = Timestamp::parse(&written.taken_at) else {
            return Err(SnapshotError::TakenAt { found: written.taken_at });
        };
        let mut snapshot = Self::new(&written.written_by, taken_at);
        for (name, package) in written.packages {
            let name = normalize_name(&name);
            if snapshot.packages.contains_key(&name) {
                return Err(SnapshotError::Twice { name: printable(name) });
            }
            snapshot.insert(&name, package);
        }
        Ok(snapshot)
    }

    /// The snapshot as text, equal for equal snapshots.
    #[must_use]
    pub fn to_text(&self) -> String {
        let written = Written {
            format: FORMAT,
            written_by: self.written_by.clone(),
            taken_at: self.taken_at.to_string(),
            packages: self.packages.clone(),
        };
        // Texts, numbers and lists under text keys: there is nothing in it that JSON can't hold.
        serde_json::to_string_pretty(&written).map(|text| text + "\n").unwrap_or_default()
    }
}

fn malformed(text: &str, error: &serde_json::Error) -> SnapshotError {
    let shown = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    SnapshotError::Malformed {
        line: error.line(),
        column: error.column(),
        reason: printable(error.to_string().split(" at line ").next().unwrap_or_default()),
        shown: printable(shown.chars().take(120).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::release::Release;

    fn snapshot(releases: &[(u32, u32)]) -> Snapshot {
        let mut snapshot = Snapshot::new("converge 0.1.0", Timestamp(1_700_000_000));
        let releases = releases
            .iter()
            .map(|(y, z)| PublishedRelease {
                yanked: (z % 3 == 0).then(String::new),
                requires_python: (y % 2 == 0).then(|| ">=3.12".to_owned()),
                ..PublishedRelease::plain(Release::parse(&format!("25.{y}.{z}")).unwrap())
            })
            .collect();
        snapshot.insert("Backend.AI_manager", SnapshotPackage { source: "https://pypi.org/simple".into(), releases });
        snapshot
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(releases in proptest::collection::vec((0u32..20, 0u32..20), 0..9)) {
            let snapshot = snapshot(&releases);
            let text = snapshot.to_text();
            let read = Snapshot::parse(&text).unwrap();
            prop_assert_eq!(&read.to_text(), &text);
            prop_assert_eq!(read, snapshot);
        }
    }

    #[test]
    fn a_snapshot_as_it_is_written() {
        let text = snapshot(&[(6, 3), (6, 1)]).to_text();
        assert!(Snapshot::parse(&text).unwrap().package("backend.ai-manager").is_some());
        insta::assert_snapshot!(text, @r#"
        {
          "format": 1,
          "written_by": "converge 0.1.0",
          "taken_at": "2023-11-14T22:13:20Z",
          "packages": {
            "backend-ai-manager": {
              "source": "https://pypi.org/simple",
              "releases": [
                {
                  "release": "25.6.1",
                  "requires_python": ">=3.12"
                },
                {
                  "release": "25.6.3",
                  "yanked": "",
                  "requires_python": ">=3.12"
                }
              ]
            }
          }
        }
        "#);
    }

    #[test]
    fn what_can_t_be_used_says_why_and_where() {
        let whole = snapshot(&[(6, 1)]).to_text();
        for (from, to, expected) in [
            ("\"format\": 1", "\"format\": 2", "it has format 2, and this converge reads format 1"),
            ("\"25.6.1\"", "\"latest\"", "line 10, column "),
            ("\"25.6.1\"", "\"latest\"", "            \"release\": \"latest\","),
            ("2023-11-14T22:13:20Z", "yesterday", "taken_at is \"yesterday\""),
            ("\"source\"", "\"sauce\"", "unknown field `sauce`"),
            ("}\n", "", "EOF while parsing an object"),
        ] {
            let damaged = match from {
                "}\n" => whole.trim_end().trim_end_matches('}').to_owned(),
                _ => whole.replacen(from, to, 1),
            };
            let error = Snapshot::parse(&damaged).unwrap_err().to_string();
            assert!(error.contains(expected), "{from}: {error}");
        }
        let twice = whole.replacen(
            "\"packages\": {",
            "\"packages\": {\"backend.ai-manager\": {\"source\": \"\", \"releases\": []},",
            1,
        );
        assert!(matches!(Snapshot::parse(&twice), Err(SnapshotError::Twice { .. })));
    }
}
