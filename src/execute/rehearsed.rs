//! What a rehearsal said of the schema that it left, and whether the migration behind it has left the same. Pure.
//!
//! Both end with a digest of the whole schema (`plan/schema_job.py`). What is looked for afterwards is what revisions bring;
//! the digest also sees what nobody has looked for.

use std::collections::BTreeMap;

use crate::event::ActionResult;
use crate::plan::{Action, ActionKind, InstanceId};

const ANOTHER: &str = "; WARNING: its schema is not the one that the rehearsal left. Somebody has changed it in between, or a \
                       revision depends on more than the database: compare it with the backup before users come back";

/// The digests of the rehearsals of a run.
#[derive(Debug, Default)]
pub(super) struct Rehearsed {
    digests: BTreeMap<InstanceId, String>,
}

impl Rehearsed {
    /// Adds to how the effect of a rehearsal or a migration shows what `said`, the end of its output, tells of the schema.
    ///
    /// Another schema than the rehearsed one is a warning: the revisions ran, and what they bring was found.
    pub(super) fn judged(&mut self, action: &Action, result: ActionResult, said: &[String]) -> ActionResult {
        let ActionResult::Done { evidence } = result else { return result };
        let after = |start: &str| said.iter().find_map(|line| line.strip_prefix(start));
        let more = if let ActionKind::Rehearse { .. } = action.kind {
            if let Some(digest) = after("schema ") {
                self.digests.insert(action.instance(), digest.to_owned());
            }
            let left_out = said.iter().find(|line| line.contains(" reaches outside of the database, "));
            left_out.map(|line| format!(", as far as it may run there: {line}"))
        } else if let ActionKind::Migrate { .. } = action.kind {
            match (self.digests.remove(&action.instance()), after("schema ")) {
                (Some(rehearsed), Some(digest)) if rehearsed == digest => {
                    Some("; its schema is the one that was rehearsed".to_owned())
                }
                (Some(_), Some(_)) => Some(ANOTHER.to_owned()),
                (None, _) | (_, None) => None,
            }
        } else {
            None
        };
        ActionResult::Done { evidence: evidence + &more.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::fixture::{before_a_major, manager, world};
    use crate::plan::{Input, plan};
    use crate::release::Catalogue;

    /// What is told of a rehearsal and the migration behind it, from what they print.
    fn told(rehearsal: &[&str], migration: &[&str]) -> [String; 2] {
        let instances = [manager("m", "25.7.0")];
        let facts = world([(&instances[0], before_a_major())]);
        let plan = plan(&Input::new(&instances, &facts, &Catalogue::bundled()));
        let mut rehearsed = Rehearsed::default();
        [("rehearse", rehearsal), ("migrate", migration)].map(|(verb, said)| {
            let action = plan.actions().find(|action| action.verb() == verb).expect(verb);
            let said: Vec<String> = said.iter().map(|line| (*line).to_owned()).collect();
            match rehearsed.judged(action, ActionResult::Done { evidence: "well".into() }, &said) {
                ActionResult::Done { evidence } => evidence,
                other => panic!("{other:?}"),
            }
        })
    }

    #[test]
    fn another_schema_than_the_rehearsed_one_is_a_warning() {
        let rehearsal = ["restored 0.1", "rehearsed ok 0.3", "schema abc"];
        assert_eq!(told(&rehearsal, &["schema abc"]), ["well", "well; its schema is the one that was rehearsed"]);
        let [_, migrated] = told(&rehearsal, &["schema abd"]);
        assert!(migrated.starts_with("well; WARNING: its schema is not the one"), "{migrated}");
        // What didn't say which schema it left can't be compared.
        assert_eq!(told(&rehearsal, &[]), ["well", "well"]);
        assert_eq!(told(&[], &["schema abc"]), ["well", "well"]);
    }

    #[test]
    fn a_rehearsal_of_a_part_says_so() {
        let line = "c3 (registries) reaches outside of the database, and was not run; 2 of 3 revisions were";
        let [rehearsed, migrated] = told(&[line, "rehearsed part 0.2"], &["schema abc"]);
        assert_eq!(rehearsed, format!("well, as far as it may run there: {line}"));
        assert_eq!(migrated, "well");
    }
}
