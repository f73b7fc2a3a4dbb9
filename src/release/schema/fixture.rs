//! Random revision graphs for property tests.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::graph::{RevisionGraph, RevisionId};

/// Graphs without circles of 1 to `most` revisions; some are merges, some depend on others.
pub(super) fn graphs(most: usize) -> impl Strategy<Value = RevisionGraph> {
    prop::collection::vec((any::<[prop::sample::Index; 3]>(), 0..10u8), 1..=most).prop_map(|choices| {
        let mut graph = RevisionGraph::default();
        for (number, (picks, kind)) in choices.into_iter().enumerate() {
            let id = format!("r{number:02}");
            let earlier = |pick: prop::sample::Index| format!("r{:02}", pick.index(number));
            let mut downs: Vec<RevisionId> = Vec::new();
            if number > 0 {
                downs.push(if kind < 6 { format!("r{:02}", number - 1) } else { earlier(picks[0]) });
            }
            if number > 0 && kind >= 8 && !downs.contains(&earlier(picks[1])) {
                downs.push(earlier(picks[1]));
            }
            if number > 0 && kind == 7 {
                graph.depends_on.insert(id.clone(), BTreeSet::from([earlier(picks[2])]));
            }
            graph.revisions.insert(id.clone(), downs.iter().cloned().collect());
            if downs.len() > 1 {
                graph.details.entry(id).or_default().merges = downs;
            }
        }
        graph
    })
}
