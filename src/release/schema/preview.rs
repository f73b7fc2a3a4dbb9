//! What a target package would do to a database, told before anything stops. Pure.
//!
//! alembic takes every ancestor of a database's row for applied. A package may have put revisions *below* the row
//! (backports into the middle of the chain): those never run, and `alembic upgrade head` says nothing of it. They are
//! `ancestors_new(row) − ancestors_old(row)`, and known only by comparing two packages.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::graph::{RevisionGraph, RevisionId};
use super::risk::RevisionRisk;

/// One revision of the target package that matters to a hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRevision {
    /// Its identifier.
    pub id: RevisionId,
    /// The first line of its docstring; may be empty.
    pub message: String,
    /// What deserves a look before it runs.
    pub risks: Vec<RevisionRisk>,
}

/// What a hop does to a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaPreview {
    /// The rows of `alembic_version` that the hop starts from.
    pub rows: BTreeSet<RevisionId>,
    /// The heads of the package that is left.
    pub from_heads: BTreeSet<RevisionId>,
    /// The heads of the target package. A sound one has one.
    pub to_heads: BTreeSet<RevisionId>,
    /// The last revisions up to which both packages have the same history.
    pub common: BTreeSet<RevisionId>,
    /// How many revisions of the old package lie above [`Self::common`], up to the rows.
    pub old_above_common: usize,
    /// What `alembic upgrade head` runs, in its order.
    pub pending: Vec<PendingRevision>,
    /// What it takes for applied although it never ran, in the order in which it would have to run.
    pub skipped: Vec<PendingRevision>,
    /// Whether the hop can be made.
    pub state: PreviewState,
}

/// Whether the target package can take the database over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum PreviewState {
    /// One row, known to both packages; the target has one head. There may still be skipped revisions.
    Sound,
    /// The database holds no revision: it was never initialised, and alembic would run every revision.
    Empty,
    /// The target doesn't know the database's row: alembic refuses with "Can't locate revision".
    UnknownHead {
        /// The row.
        current: RevisionId,
    },
    /// The package that is left doesn't know the row, so what was applied below it can't be told.
    UnknownToOld {
        /// The row.
        current: RevisionId,
    },
    /// The database has several rows: a half-done repair.
    SeveralRows,
    /// The target has several heads, so `upgrade head` has no meaning.
    SeveralHeads,
    /// The target holds no revisions at all.
    NoMigrations,
    /// Revisions are skipped, and above the common ones there are merges: no order is known that is proven sound.
    MergeAbove {
        /// The merges.
        merges: BTreeSet<RevisionId>,
    },
    /// Revisions follow each other in a circle.
    Circle {
        /// All that can never run.
        revisions: BTreeSet<RevisionId>,
    },
}

impl fmt::Display for PendingRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.is_empty() {
            true => f.write_str(&self.id),
            false => write!(f, "{} ({})", self.id, self.message),
        }
    }
}

impl SchemaPreview {
    /// Whether the upgrade modifies the schema, where that can be said.
    #[must_use]
    pub fn modifies_schema(&self) -> Option<bool> {
        match self.state {
            PreviewState::Sound | PreviewState::MergeAbove { .. } => {
                Some(!self.pending.is_empty() || !self.skipped.is_empty())
            }
            PreviewState::Empty
            | PreviewState::UnknownHead { .. }
            | PreviewState::UnknownToOld { .. }
            | PreviewState::SeveralRows
            | PreviewState::SeveralHeads
            | PreviewState::NoMigrations
            | PreviewState::Circle { .. } => None,
        }
    }

    /// Whether `alembic upgrade head` alone brings the whole schema.
    #[must_use]
    pub fn upgrade_is_complete(&self) -> bool {
        self.state == PreviewState::Sound && self.skipped.is_empty()
    }
}

/// Compares the package that is left (`old`) with the target (`new`) for a database with `rows`.
///
/// What can't be told in a state is empty: nothing is pending where alembic would refuse, and nothing is called
/// skipped where it isn't known what was applied.
#[must_use]
pub fn preview(old: &RevisionGraph, new: &RevisionGraph, rows: &BTreeSet<RevisionId>) -> SchemaPreview {
    let (from_heads, to_heads) = (old.heads(), new.heads());
    let state = state_of(old, new, rows, &to_heads);
    let mut preview = SchemaPreview {
        rows: rows.clone(),
        from_heads,
        to_heads,
        common: BTreeSet::new(),
        old_above_common: 0,
        pending: Vec::new(),
        skipped: Vec::new(),
        state,
    };
    if !matches!(preview.state, PreviewState::Sound | PreviewState::Empty | PreviewState::UnknownHead { .. }) {
        return preview;
    }
    let applied = old.ancestors_of_all(rows);
    preview.common = common(old, new, rows);
    preview.old_above_common = applied.difference(&old.ancestors_of_all(&preview.common)).count();
    if matches!(preview.state, PreviewState::UnknownHead { .. }) {
        return preview;
    }
    let taken_for_applied = new.ancestors_of_all(rows);
    let pending = new.ancestors_of_all(&preview.to_heads).difference(&taken_for_applied).cloned().collect();
    let skipped: BTreeSet<RevisionId> = taken_for_applied.difference(&applied).cloned().collect();
    preview.pending = details(new, &pending);
    preview.skipped = details(new, &skipped);
    if !skipped.is_empty() {
        let shared = new.ancestors_of_all(&preview.common);
        let merges: BTreeSet<RevisionId> =
            pending.union(&taken_for_applied).filter(|one| !shared.contains(*one)).cloned().collect();
        let merges: BTreeSet<RevisionId> = merges.into_iter().filter(|one| new.revisions[one].len() > 1).collect();
        if !merges.is_empty() {
            preview.state = PreviewState::MergeAbove { merges };
        }
    }
    preview
}

/// Previews a path: the rows of each hop are the heads of the package before it. `graphs` starts with the installed
/// package, whose rows are `rows`; there is one preview less than graphs.
#[must_use]
pub fn preview_path(graphs: &[&RevisionGraph], rows: &BTreeSet<RevisionId>) -> Vec<SchemaPreview> {
    let mut rows = rows.clone();
    let mut previews = Vec::new();
    for hop in graphs.windows(2) {
        let [old, new] = hop else { continue };
        previews.push(preview(old, new, &rows));
        rows = new.heads();
    }
    previews
}

fn state_of(
    old: &RevisionGraph,
    new: &RevisionGraph,
    rows: &BTreeSet<RevisionId>,
    to_heads: &BTreeSet<RevisionId>,
) -> PreviewState {
    if new.revisions.is_empty() {
        return PreviewState::NoMigrations;
    }
    let revisions: BTreeSet<RevisionId> = new.in_a_circle().union(&old.in_a_circle()).cloned().collect();
    if !revisions.is_empty() {
        return PreviewState::Circle { revisions };
    }
    if to_heads.len() > 1 {
        return PreviewState::SeveralHeads;
    }
    let mut in_order = rows.iter();
    match (in_order.next(), in_order.next()) {
        (None, _) => PreviewState::Empty,
        (Some(_), Some(_)) => PreviewState::SeveralRows,
        (Some(current), None) if !old.revisions.contains_key(current) => {
            PreviewState::UnknownToOld { current: current.clone() }
        }
        (Some(current), None) if !new.revisions.contains_key(current) => {
            PreviewState::UnknownHead { current: current.clone() }
        }
        (Some(_), None) => PreviewState::Sound,
    }
}

/// The last revisions at or below `rows` that have the same ancestors in both packages.
fn common(old: &RevisionGraph, new: &RevisionGraph, rows: &BTreeSet<RevisionId>) -> BTreeSet<RevisionId> {
    let (mut open, mut seen) = (rows.iter().cloned().collect::<Vec<_>>(), BTreeSet::new());
    let mut found: BTreeSet<RevisionId> = BTreeSet::new();
    while let Some(revision) = open.pop() {
        if !seen.insert(revision.clone()) {
            continue;
        }
        let below = old.ancestors(&revision);
        if new.revisions.contains_key(&revision) && new.ancestors(&revision) == below {
            found.insert(revision);
        } else {
            open.extend(old.before(&revision).into_iter().cloned());
        }
    }
    // Down two branches one may meet a revision that lies below another that was found.
    let below: BTreeSet<RevisionId> = found.iter().flat_map(|one| old.ancestors_of_all(old.before(one))).collect();
    found.difference(&below).cloned().collect()
}

fn details(graph: &RevisionGraph, revisions: &BTreeSet<RevisionId>) -> Vec<PendingRevision> {
    let detail = |id: RevisionId| {
        let details = graph.details.get(&id).cloned().unwrap_or_default();
        PendingRevision { id, message: details.message, risks: details.risks }
    };
    graph.in_order(revisions).into_iter().map(detail).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::graphs;
    use super::*;

    fn graph(text: &str) -> RevisionGraph {
        RevisionGraph::of_edges(
            text.split_whitespace()
                .map(|word| {
                    let (id, downs) = word.split_once(':').unwrap();
                    (id.to_owned(), downs.split(',').filter(|down| !down.is_empty()).map(str::to_owned).collect())
                })
                .collect(),
        )
    }

    fn rows(text: &str) -> BTreeSet<RevisionId> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn ids(revisions: &[PendingRevision]) -> Vec<&str> {
        revisions.iter().map(|revision| revision.id.as_str()).collect()
    }

    #[test]
    fn backports_below_the_row_are_skipped() {
        let old = graph("a: b:a z:b");
        let new = graph("a: b:a p:b q:p z:q y:z");
        let preview = preview(&old, &new, &rows("z"));
        assert_eq!((ids(&preview.pending), ids(&preview.skipped)), (vec!["y"], vec!["p", "q"]));
        assert_eq!((&preview.common, preview.old_above_common), (&rows("b"), 1));
        assert_eq!(preview.state, PreviewState::Sound);
        assert!(!preview.upgrade_is_complete());
        assert_eq!(preview.modifies_schema(), Some(true));
    }

    #[test]
    fn an_extension_of_the_chain_skips_nothing() {
        let (old, new) = (graph("a: b:a"), graph("a: b:a c:b"));
        let hop = preview(&old, &new, &rows("b"));
        assert!(hop.upgrade_is_complete());
        assert_eq!((ids(&hop.pending), hop.common), (vec!["c"], rows("b")));
        let none = preview(&new, &new, &rows("c"));
        assert_eq!(none.modifies_schema(), Some(false));
    }

    #[test]
    fn what_alembic_would_refuse_or_hide_is_named() {
        let chain = graph("a: b:a");
        let state = |old: &str, new: &str, at: &str| preview(&graph(old), &graph(new), &rows(at)).state;
        assert_eq!(state("a: b:a z:b", "a: b:a", "z"), PreviewState::UnknownHead { current: "z".into() });
        assert_eq!(state("a:", "a: b:a", "b"), PreviewState::UnknownToOld { current: "b".into() });
        assert_eq!(state("a: b:a", "", "b"), PreviewState::NoMigrations);
        assert_eq!(state("a: b:a", "a: b:a c:a", "b"), PreviewState::SeveralHeads);
        assert_eq!(state("a: b:a", "a: b:a", "a b"), PreviewState::SeveralRows);
        assert_eq!(state("a: b:a", "a: b:a", ""), PreviewState::Empty);
        assert_eq!(state("a: z:a", "a: p:a q:a m:p,q z:m", "z"), PreviewState::MergeAbove { merges: rows("m") });
        assert_eq!(state("a:", "a:b b:a c:", "a"), PreviewState::Circle { revisions: rows("a b") });
        assert_eq!(preview(&chain, &graph(""), &rows("b")).modifies_schema(), None);
    }

    #[test]
    fn a_merge_is_no_hindrance_where_nothing_is_skipped() {
        let preview = preview(&graph("a: b:a"), &graph("a: b:a p:b q:b m:p,q"), &rows("b"));
        assert_eq!((preview.state, preview.pending.len()), (PreviewState::Sound, 3));
    }

    #[test]
    fn each_hop_starts_from_the_heads_of_the_one_before() {
        let (one, two, three) = (graph("a:"), graph("a: b:a"), graph("a: x:a b:x c:b"));
        let path = preview_path(&[&one, &two, &three], &rows("a"));
        assert_eq!(path.len(), 2);
        assert_eq!((ids(&path[0].pending), ids(&path[0].skipped)), (vec!["b"], vec![]));
        assert_eq!((ids(&path[1].pending), ids(&path[1].skipped)), (vec!["c"], vec!["x"]));
    }

    /// The graph without some of its revisions: what came after one of those now comes after what was before it.
    fn without(graph: &RevisionGraph, removed: &BTreeSet<RevisionId>) -> RevisionGraph {
        let kept = |id: &RevisionId| {
            let (mut open, mut found, mut seen) = (graph.before(id), BTreeSet::new(), BTreeSet::new());
            while let Some(one) = open.pop() {
                if !removed.contains(one) {
                    found.insert(one.clone());
                } else if seen.insert(one) {
                    open.extend(graph.before(one));
                }
            }
            found
        };
        RevisionGraph::of_edges(
            graph.revisions.keys().filter(|id| !removed.contains(*id)).map(|id| (id.clone(), kept(id))).collect(),
        )
    }

    fn picked(graph: &RevisionGraph, choices: &[bool]) -> BTreeSet<RevisionId> {
        graph.revisions.keys().zip(choices).filter(|(_, chosen)| **chosen).map(|(id, _)| id.clone()).collect()
    }

    proptest! {
        #[test]
        fn every_ancestor_of_the_head_is_applied_skipped_or_pending(
            new in graphs(12), choices in prop::collection::vec(prop::bool::weighted(0.3), 12), pick in any::<prop::sample::Index>()
        ) {
            let old = without(&new, &picked(&new, &choices));
            prop_assume!(!old.revisions.is_empty());
            let row = old.revisions.keys().nth(pick.index(old.revisions.len())).unwrap().clone();
            let preview = preview(&old, &new, &BTreeSet::from([row.clone()]));
            let set = |revisions: &[PendingRevision]| revisions.iter().map(|one| one.id.clone()).collect::<BTreeSet<_>>();
            let (pending, skipped) = (set(&preview.pending), set(&preview.skipped));
            match preview.state {
                PreviewState::Sound | PreviewState::MergeAbove { .. } => {
                    prop_assert!(pending.is_disjoint(&skipped));
                    let applied = old.ancestors(&row);
                    prop_assert!(applied.is_disjoint(&skipped) && !skipped.contains(&row) && !pending.contains(&row));
                    let all: BTreeSet<_> = pending.union(&skipped).cloned().collect::<BTreeSet<_>>().union(&applied).cloned().collect();
                    prop_assert!(all.is_superset(&new.ancestors_of_all(&new.heads())));
                    // What is left out below the row is just what the old package hadn't.
                    let expected: BTreeSet<_> = new.ancestors(&row).difference(&applied).cloned().collect();
                    prop_assert_eq!(skipped, expected);
                    prop_assert!(old.ancestors_of_all(&preview.common).is_subset(&new.ancestors_of_all(&preview.common)));
                }
                PreviewState::SeveralHeads => prop_assert!(pending.is_empty() && skipped.is_empty()),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn an_extension_skips_nothing_wherever_the_database_is(old in graphs(10), more in 0..4usize, pick in any::<prop::sample::Index>()) {
            let mut new = old.clone();
            let mut last = old.heads();
            for number in 0..more {
                let id = format!("s{number}");
                new.revisions.insert(id.clone(), last);
                last = BTreeSet::from([id]);
            }
            let row = old.revisions.keys().nth(pick.index(old.revisions.len())).unwrap().clone();
            let preview = preview(&old, &new, &BTreeSet::from([row.clone()]));
            prop_assert!(preview.skipped.is_empty());
            if preview.state == PreviewState::Sound {
                prop_assert!(preview.upgrade_is_complete());
                prop_assert_eq!(&preview.common, &BTreeSet::from([row.clone()]));
                prop_assert_eq!(preview.pending.len(), new.revisions.len() - new.ancestors(&row).len());
            } else {
                prop_assert_eq!(&preview.state, &PreviewState::SeveralHeads);
            }
        }
    }
}
