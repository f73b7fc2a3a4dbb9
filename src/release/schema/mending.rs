//! Which revisions of a database that is incomplete at its head may be run late. Pure.
//!
//! A migration is one transaction, so a revision whose every trace is missing has never run, and running it now is what
//! should have happened: after a plain `alembic upgrade head` over backports this gave the same schema as the sound way
//! did (docs/backend-ai.md). One that is partly there was changed by hand, or made from models, and running it would fail
//! or do half of it twice.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::graph::{RevisionGraph, RevisionId};

/// What is there of one revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RevisionPresence {
    /// How many things it leaves in a schema or takes away.
    pub expected: usize,
    /// How many of them are not so.
    pub missing: usize,
    /// Applied revisions that rename or take back something that it brings.
    pub overtaken: BTreeSet<RevisionId>,
}

/// How an incomplete database can be completed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mending {
    /// Revisions that have never run and may run now, in the order in which they have to.
    pub sound: Vec<RevisionId>,
    /// Revisions that are not wholly there either, and must not be run, with why.
    pub unsound: Vec<(RevisionId, String)>,
}

impl Mending {
    /// Whether running the sound revisions completes the schema, as far as can be told.
    #[must_use]
    pub fn completes(&self) -> bool {
        !self.sound.is_empty() && self.unsound.is_empty()
    }
}

/// Decides for every revision of `presence` that something is missing of. `rows` are the database's.
///
/// Nothing can be said of revisions that change data alone: they leave no trace in a schema. Whoever knows the package
/// that was left has [`super::preview`], which names them.
#[must_use]
pub fn mendable(
    graph: &RevisionGraph,
    rows: &BTreeSet<RevisionId>,
    presence: &BTreeMap<RevisionId, RevisionPresence>,
) -> Mending {
    let applied = graph.ancestors_of_all(rows);
    let heads = graph.heads();
    let incomplete: BTreeSet<RevisionId> =
        presence.iter().filter(|(_, one)| one.missing > 0).map(|(id, _)| id.clone()).collect();
    let never_ran = never_ran(presence);
    let mut mending = Mending::default();
    for id in graph.in_order(&incomplete.intersection(&applied).cloned().collect()) {
        let RevisionPresence { expected, missing, overtaken } = &presence[&id];
        if *rows != heads {
            mending.unsound.push((id, "the database is not at the package's head: upgrade first".into()));
        } else if missing < expected {
            let there = expected - missing;
            let why = format!("{there} of the {expected} things that it brings are there: it would do those twice");
            mending.unsound.push((id, why));
        } else if never_ran.contains(&id) {
            mending.sound.push(id);
        } else {
            let by: Vec<&str> = overtaken.iter().filter(|one| !never_ran.contains(*one)).map(String::as_str).collect();
            let why = format!("{} came after it and takes back or renames something that it brings", by.join(", "));
            mending.unsound.push((id, why));
        }
    }
    for id in incomplete.difference(&applied) {
        mending.unsound.push((id.clone(), "it is not below the database's row: upgrade first".into()));
    }
    mending
}

/// Revisions of which every trace is missing, and that nothing has overtaken that ran: what overtakes one of them and
/// never ran either will run after it, as it should have.
fn never_ran(presence: &BTreeMap<RevisionId, RevisionPresence>) -> BTreeSet<RevisionId> {
    let absent = |one: &RevisionPresence| one.missing > 0 && one.missing == one.expected;
    let mut left: BTreeSet<RevisionId> =
        presence.iter().filter(|(_, one)| absent(one)).map(|(id, _)| id.clone()).collect();
    loop {
        let kept: BTreeSet<RevisionId> =
            left.iter().filter(|id| presence[*id].overtaken.is_subset(&left)).cloned().collect();
        if kept == left {
            return kept;
        }
        left = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(ids: &str) -> RevisionGraph {
        let mut before = None;
        let mut graph = RevisionGraph::default();
        for id in ids.split_whitespace() {
            graph.revisions.insert(id.into(), before.replace(id.to_owned()).into_iter().collect());
        }
        graph
    }

    fn rows(row: &str) -> BTreeSet<RevisionId> {
        BTreeSet::from([row.to_owned()])
    }

    fn presence(text: &str) -> BTreeMap<RevisionId, RevisionPresence> {
        let read = |word: &str| {
            let mut parts = word.split(':');
            let id = parts.next().unwrap().to_owned();
            let number = |part: Option<&str>| part.unwrap().parse().unwrap();
            let (expected, missing) = (number(parts.next()), number(parts.next()));
            let overtaken = parts.map(str::to_owned).collect();
            (id, RevisionPresence { expected, missing, overtaken })
        };
        text.split_whitespace().map(read).collect()
    }

    #[test]
    fn what_never_ran_may_run_now_in_the_order_of_the_chain() {
        let mending = mendable(&chain("z y x w"), &rows("w"), &presence("x:2:2 y:1:1 z:3:0"));
        assert_eq!(mending, Mending { sound: vec!["y".into(), "x".into()], unsound: vec![] });
        assert!(mending.completes());
    }

    #[test]
    fn what_is_partly_there_or_overtaken_may_not() {
        let mending = mendable(&chain("a b c d"), &rows("d"), &presence("a:2:1 b:1:1:c c:1:1"));
        assert_eq!(mending.sound, ["c"]);
        assert_eq!(mending.unsound.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(mending.unsound[0].1.starts_with("1 of the 2 things"), "{:?}", mending.unsound);
        assert!(!mending.completes());
    }

    #[test]
    fn what_overtakes_it_and_never_ran_either_runs_after_it() {
        let mending = mendable(&chain("a b c d"), &rows("d"), &presence("a:1:1:b b:2:2 c:1:1:d d:1:0"));
        assert_eq!(mending.sound, ["a", "b"]);
        assert_eq!(mending.unsound.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["c"]);
        let chained = mendable(&chain("a b c"), &rows("c"), &presence("a:1:1:b b:1:1:c c:1:0"));
        assert!(chained.sound.is_empty() && chained.unsound[0].1.starts_with("b came after it"), "{chained:?}");
    }

    #[test]
    fn below_the_head_or_above_the_row_nothing_is_mended() {
        let behind = mendable(&chain("a b c"), &rows("b"), &presence("a:1:1 c:1:1"));
        assert_eq!((behind.sound.len(), behind.unsound.len()), (0, 2));
        assert!(behind.unsound[0].1.contains("not at the package's head") && behind.unsound[1].1.contains("not below"));
    }

    #[test]
    fn a_complete_schema_needs_nothing() {
        assert_eq!(mendable(&chain("a b"), &rows("b"), &presence("a:5:0 b:1:0")), Mending::default());
    }
}
