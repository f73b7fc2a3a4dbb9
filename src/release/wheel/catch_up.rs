//! Upstream's own way to bring in what `alembic upgrade head` would leave out, as far as a package has it. Pure.
//!
//! Backend.AI's `mgr schema apply-missing-revisions VERSION` runs every revision of the package that the history of VERSION
//! lacks, a JSON file in the package's `revision_history`. The file's name is taken literally.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::release::Release;

/// The functions behind the command, in both spellings that upstream knows.
const FUNCTIONS: [&[u8]; 2] = [b"def apply_missing_revisions(", b"def apply_mission_revisions("];

/// What a package has of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CatchUp {
    /// Whether a source declares the command.
    pub command: bool,
    /// The releases whose histories it holds, as their files spell them.
    pub histories: BTreeSet<String>,
}

impl CatchUp {
    /// Looks for it among the names in a wheel with `migrations`, and in the sources that were read.
    pub(super) fn of<'a>(names: &[String], migrations: &[String], mut sources: impl Iterator<Item = &'a [u8]>) -> Self {
        let history = |name: &String| {
            let inside = migrations.iter().find_map(|directory| name.strip_prefix(directory.as_str()))?;
            let release = inside.strip_prefix("/revision_history/")?.strip_suffix(".json")?;
            (!release.contains('/')).then(|| release.to_owned())
        };
        Self { command: sources.any(declares), histories: names.iter().filter_map(history).collect() }
    }

    /// The spelling of `release` in the name of its history: releases are compared, not texts, since the files are padded
    /// (`23.09.10`) and the packages' own releases are not.
    #[must_use]
    pub fn history_of(&self, release: &Release) -> Option<&str> {
        let same = |spelled: &&String| Release::parse(spelled).is_ok_and(|known| known == *release);
        self.histories.iter().find(same).map(String::as_str)
    }
}

/// Whether a source declares the command.
pub(super) fn declares(source: &[u8]) -> bool {
    FUNCTIONS.iter().any(|function| source.windows(function.len()).any(|window| window == *function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_found_by_its_release_and_not_by_its_text() {
        let names =
            ["m/revision_history/23.09.10.json", "m/revision_history/README", "m/revision_history/a/24.03.11.json"];
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let found = CatchUp::of(&names, &["m".to_owned()], std::iter::empty());
        assert_eq!(found.histories, BTreeSet::from(["23.09.10".to_owned()]));
        assert_eq!(found.history_of(&Release::parse("23.9.10").unwrap()), Some("23.09.10"));
        for other in ["23.9.1", "23.9.11", "23.9.10rc1", "24.3.11"] {
            assert_eq!(found.history_of(&Release::parse(other).unwrap()), None, "{other}");
        }
        assert_eq!(CatchUp::of(&names, &["n".to_owned()], std::iter::empty()), CatchUp::default());
    }

    #[test]
    fn the_command_is_known_in_both_spellings() {
        for (source, found) in [
            ("@cli.command()\ndef apply_missing_revisions(\n    cli_ctx", true),
            ("def apply_mission_revisions(a)", true),
            ("apply_missing_revisions(1)", false),
            ("", false),
        ] {
            assert_eq!(CatchUp::of(&[], &[], [source.as_bytes()].into_iter()).command, found, "{source}");
        }
    }
}
