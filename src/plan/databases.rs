//! Where each database stands while the planner goes through the releases.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Migration;
use super::member::Member;
use crate::facts::{Database, Observed};
use crate::release::{PreviewState, Release, RevisionGraph, RevisionId, SchemaPreview, preview};

/// A database at one point of the plan.
struct State<'a> {
    rows: BTreeSet<RevisionId>,
    /// The package that brought it there; `None` where that isn't known, and then nothing counts as left out.
    graph: Option<&'a RevisionGraph>,
}

/// All databases at one point of the plan.
pub(super) struct Databases<'a> {
    states: BTreeMap<Database, State<'a>>,
}

impl<'a> Databases<'a> {
    pub(super) fn new(members: &[Member<'a>]) -> Self {
        let mut states: BTreeMap<Database, State<'a>> = BTreeMap::new();
        for member in members {
            let (Some(database), Some(schema)) = (&member.database, member.schema()) else { continue };
            if states.contains_key(database) {
                continue;
            }
            let sharing: Vec<&Member<'a>> =
                members.iter().filter(|other| other.database.as_ref() == Some(database)).collect();
            states.insert(
                database.clone(),
                State { rows: schema.rows.clone(), graph: brought_by(&sharing, &schema.rows) },
            );
        }
        Self { states }
    }

    /// What comes with `release` for the database of `member`; `None` where its package was not read.
    pub(super) fn preview(&self, member: &Member<'a>, release: &Release) -> Option<SchemaPreview> {
        let state = self.states.get(member.database.as_ref()?)?;
        let new = member.graph_at(release)?;
        Some(preview(state.graph.unwrap_or(new), new, &state.rows))
    }

    /// Whether it is known that `release` leaves the schema as it is.
    pub(super) fn keeps(&self, member: &Member<'a>, release: &Release) -> bool {
        self.preview(member, release).is_some_and(|seen| seen.modifies_schema() == Some(false))
    }

    /// How the database of `member` comes to `release`; `None` where that isn't known or can't be.
    pub(super) fn migration(&self, member: &Member<'a>, release: &Release) -> Option<Migration> {
        let preview = self.preview(member, release)?;
        let mut heads = preview.to_heads.iter();
        let (Some(head), None, PreviewState::Sound) = (heads.next(), heads.next(), &preview.state) else { return None };
        let ids = |revisions: &[crate::release::PendingRevision]| revisions.iter().map(|one| one.id.clone()).collect();
        Some(Migration {
            rows: preview.rows.clone(),
            skipped: ids(&preview.skipped),
            pending: ids(&preview.pending),
            head: head.clone(),
            upstream: None,
        })
    }

    /// Carries on that the database of `member` was brought to `release`.
    pub(super) fn brought(&mut self, member: &Member<'a>, release: &Release) {
        let Some(graph) = member.graph_at(release) else { return };
        if let Some(state) = member.database.as_ref().and_then(|database| self.states.get_mut(database)) {
            *state = State { rows: graph.heads(), graph: Some(graph) };
        }
    }
}

/// The package that brought a database to `rows`: that in an environment which was switched away from and whose successor
/// has not migrated yet; or else one that has them as its head; or else the oldest that knows them.
fn brought_by<'a>(members: &[&Member<'a>], rows: &BTreeSet<RevisionId>) -> Option<&'a RevisionGraph> {
    let knows = |graph: &&RevisionGraph| rows.iter().all(|row| graph.revisions.contains_key(row));
    let whole = || members.iter().filter(|member| member.whole);
    let installed = |member: &&Member<'a>| match &member.schema()?.graph {
        Observed::Known(graph) => Some(graph),
        Observed::Absent | Observed::Unknown(_) => None,
    };
    // A switch was made, and its migration did not succeed: what lay there before tells.
    let noted = whole().filter_map(|m| m.schema()?.previous.as_ref()).find(knows);
    if let Some(graph) = noted {
        return Some(graph);
    }
    if let Some(graph) = whole().filter_map(installed).find(|graph| graph.heads() == *rows) {
        return Some(graph);
    }
    let mut candidates: Vec<(&Option<Release>, &'a RevisionGraph)> =
        whole().filter_map(|member| Some((&member.installed, installed(member).filter(knows)?))).collect();
    candidates.sort_by(|a, b| a.0.cmp(b.0));
    candidates.first().map(|(_, graph)| *graph)
}
