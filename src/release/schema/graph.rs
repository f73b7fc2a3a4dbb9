//! Graphs of schema revisions as alembic keeps them, and where a database stands in one.
//!
//! A graph is read from the revision files of a package, installed (by the probe, edges only) or not yet (from its
//! wheel, with messages and risks); the rows come from the database by SQL. Comparing them needs neither the
//! application nor alembic.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::risk::RevisionRisk;

/// A revision's identifier, as in `revision = "75ea2b136830"`.
pub type RevisionId = String;

/// Revisions with the revisions that each comes after.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RevisionGraph {
    /// Each revision with its `down_revision`s; a base has none.
    pub revisions: BTreeMap<RevisionId, BTreeSet<RevisionId>>,
    /// The revisions that `depends_on` names beside them, where they are known and there are any. They run before,
    /// too, but a revision that others depend on may still be a head.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub depends_on: BTreeMap<RevisionId, BTreeSet<RevisionId>>,
    /// What else the files say; empty where only the edges were read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<RevisionId, RevisionDetails>,
}

/// What a revision file says beside its edges.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RevisionDetails {
    /// The first line of its docstring; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What deserves a look before it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<RevisionRisk>,
    /// Of a merge: its `down_revision`s as written, because alembic runs the branches in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merges: Vec<RevisionId>,
}

/// Where a database stands relative to the graph of an installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum SchemaState {
    /// One row, equal to the package's one head.
    AtHead {
        /// The head.
        head: RevisionId,
    },
    /// One row, known to the package, with revisions still to come.
    Behind {
        /// The database's row.
        current: RevisionId,
        /// The package's head.
        head: RevisionId,
        /// How many revisions `upgrade head` would run.
        pending: usize,
    },
    /// One row, equal to the package's one head, and yet some of its revisions never ran: a backport put them below the
    /// row, and the migration that would have brought them in has not succeeded.
    Incomplete {
        /// The head.
        head: RevisionId,
        /// The revisions, in the order in which they have to run.
        skipped: Vec<RevisionId>,
    },
    /// The database holds no revision: it was never initialised.
    Empty,
    /// Several rows in `alembic_version`: a half-done repair, which `alembic current` hides.
    SeveralRows {
        /// All of them.
        rows: BTreeSet<RevisionId>,
    },
    /// A row that the package doesn't know: the database is ahead of it, or of another lineage.
    UnknownRevision {
        /// The row.
        current: RevisionId,
    },
    /// The package has several heads, so `upgrade head` has no meaning.
    SeveralHeads {
        /// All of them.
        heads: BTreeSet<RevisionId>,
    },
    /// The package carries no migrations at all.
    NoMigrations,
}

impl RevisionGraph {
    /// A graph of which only the edges are known.
    #[must_use]
    pub fn of_edges(revisions: BTreeMap<RevisionId, BTreeSet<RevisionId>>) -> Self {
        Self { revisions, ..Self::default() }
    }

    /// What comes directly before `revision`: what it follows and what it depends on, in the order in which alembic
    /// looks at them.
    #[must_use]
    pub fn before(&self, revision: &str) -> Vec<&RevisionId> {
        let written = self.details.get(revision).map(|details| details.merges.iter()).unwrap_or_default();
        let downs = self.revisions.get(revision).into_iter().flatten();
        let depends_on = self.depends_on.get(revision).into_iter().flatten();
        let mut before: Vec<&RevisionId> = Vec::new();
        for one in written.chain(downs).chain(depends_on) {
            if !before.contains(&one) {
                before.push(one);
            }
        }
        before
    }

    /// Revisions that no other revision comes after.
    #[must_use]
    pub fn heads(&self) -> BTreeSet<RevisionId> {
        let downs: BTreeSet<&RevisionId> = self.revisions.values().flatten().collect();
        self.revisions.keys().filter(|revision| !downs.contains(revision)).cloned().collect()
    }

    /// `revision` and everything that comes before it, as far as the graph knows it.
    #[must_use]
    pub fn ancestors(&self, revision: &str) -> BTreeSet<RevisionId> {
        let mut seen = BTreeSet::new();
        let mut open = vec![revision.to_owned()];
        while let Some(next) = open.pop() {
            if self.revisions.contains_key(&next) && !seen.contains(&next) {
                open.extend(self.before(&next).into_iter().cloned());
                seen.insert(next);
            }
        }
        seen
    }

    /// Everything in [`Self::ancestors`] of any of `revisions`.
    #[must_use]
    pub fn ancestors_of_all<'a>(&self, revisions: impl IntoIterator<Item = &'a RevisionId>) -> BTreeSet<RevisionId> {
        revisions.into_iter().flat_map(|revision| self.ancestors(revision)).collect()
    }

    /// Says where a database with `rows` in `alembic_version` stands.
    #[must_use]
    pub fn locate(&self, rows: &BTreeSet<RevisionId>) -> SchemaState {
        if self.revisions.is_empty() {
            return SchemaState::NoMigrations;
        }
        let heads = self.heads();
        let mut heads_in_order = heads.iter();
        let (Some(head), None) = (heads_in_order.next(), heads_in_order.next()) else {
            return SchemaState::SeveralHeads { heads };
        };
        let mut rows_in_order = rows.iter();
        let current = match (rows_in_order.next(), rows_in_order.next()) {
            (None, _) => return SchemaState::Empty,
            (Some(_), Some(_)) => return SchemaState::SeveralRows { rows: rows.clone() },
            (Some(current), None) => current,
        };
        if current == head {
            SchemaState::AtHead { head: head.clone() }
        } else if self.revisions.contains_key(current) {
            let pending = self.ancestors(head).difference(&self.ancestors(current)).count();
            SchemaState::Behind { current: current.clone(), head: head.clone(), pending }
        } else {
            SchemaState::UnknownRevision { current: current.clone() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> RevisionGraph {
        RevisionGraph::of_edges(
            edges
                .iter()
                .map(|(revision, downs)| ((*revision).to_owned(), downs.iter().map(|d| (*d).to_owned()).collect()))
                .collect(),
        )
    }

    fn rows(rows: &[&str]) -> BTreeSet<RevisionId> {
        rows.iter().map(|row| (*row).to_owned()).collect()
    }

    #[test]
    fn a_database_is_located_in_the_graph() {
        let chain = graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
        assert_eq!(chain.locate(&rows(&["c"])), SchemaState::AtHead { head: "c".into() });
        assert_eq!(
            chain.locate(&rows(&["a"])),
            SchemaState::Behind { current: "a".into(), head: "c".into(), pending: 2 }
        );
        assert_eq!(chain.locate(&rows(&[])), SchemaState::Empty);
        assert_eq!(chain.locate(&rows(&["zz"])), SchemaState::UnknownRevision { current: "zz".into() });
        assert_eq!(chain.locate(&rows(&["a", "c"])), SchemaState::SeveralRows { rows: rows(&["a", "c"]) });
    }

    #[test]
    fn merges_count_each_pending_revision_once() {
        let merged = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
        assert_eq!(
            merged.locate(&rows(&["b"])),
            SchemaState::Behind { current: "b".into(), head: "d".into(), pending: 2 }
        );
    }

    #[test]
    fn packages_without_migrations_or_with_several_heads_are_named() {
        assert_eq!(graph(&[]).locate(&rows(&["a"])), SchemaState::NoMigrations);
        let forked = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a"])]);
        assert_eq!(forked.locate(&rows(&["a"])), SchemaState::SeveralHeads { heads: rows(&["b", "c"]) });
    }

    #[test]
    fn a_cycle_in_a_hostile_package_does_not_hang() {
        let cycle = graph(&[("a", &["b"]), ("b", &["a"]), ("c", &["b"])]);
        assert_eq!(cycle.ancestors("c"), rows(&["a", "b", "c"]));
        let apart = graph(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]);
        assert!(matches!(apart.locate(&rows(&["a"])), SchemaState::Behind { pending: 1, .. }));
    }

    #[test]
    fn what_a_revision_depends_on_runs_before_it() {
        let mut graph = graph(&[("a", &[]), ("b", &["a"]), ("x", &["a"])]);
        graph.depends_on.insert("x".into(), rows(&["b"]));
        assert_eq!(graph.ancestors("x"), rows(&["a", "b", "x"]));
        assert_eq!(graph.heads(), rows(&["b", "x"]));
    }

    #[test]
    fn the_probe_writes_only_edges() {
        let written = serde_json::to_string(&graph(&[("a", &[]), ("b", &["a"])])).unwrap();
        assert_eq!(written, r#"{"revisions":{"a":[],"b":["a"]}}"#);
        assert_eq!(serde_json::from_str::<RevisionGraph>(&written).unwrap().heads(), rows(&["b"]));
    }
}
