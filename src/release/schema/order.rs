//! The order in which alembic runs revisions. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{RevisionGraph, RevisionId};

impl RevisionGraph {
    /// Revisions that can never run, because each of them comes after itself, or after one that does.
    #[must_use]
    pub fn in_a_circle(&self) -> BTreeSet<RevisionId> {
        let mut open: BTreeMap<&RevisionId, usize> = BTreeMap::new();
        let mut after: BTreeMap<&RevisionId, Vec<&RevisionId>> = BTreeMap::new();
        for revision in self.revisions.keys() {
            let before: Vec<&RevisionId> =
                self.before(revision).into_iter().filter(|one| self.revisions.contains_key(*one)).collect();
            open.insert(revision, before.len());
            for one in before {
                after.entry(one).or_default().push(revision);
            }
        }
        let mut ready: Vec<&RevisionId> = open.iter().filter(|(_, count)| **count == 0).map(|(one, _)| *one).collect();
        let mut stuck: BTreeSet<&RevisionId> = self.revisions.keys().collect();
        while let Some(revision) = ready.pop() {
            stuck.remove(revision);
            for next in after.get(revision).into_iter().flatten().copied() {
                if let Some(count) = open.get_mut(next) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(next);
                    }
                }
            }
        }
        stuck.into_iter().cloned().collect()
    }

    /// `todo` in the order in which `alembic upgrade` runs it: every revision after those that come before it.
    ///
    /// alembic walks down from the heads, one branch at a time, and turns the result round
    /// (`RevisionMap._topological_sort` in its `script/revision.py`); so does this. Revisions in a circle have no
    /// order and come last.
    #[must_use]
    pub fn in_order(&self, todo: &BTreeSet<RevisionId>) -> Vec<RevisionId> {
        let circle: BTreeSet<RevisionId> = self.in_a_circle().intersection(todo).cloned().collect();
        let mut left: BTreeSet<&RevisionId> = todo.difference(&circle).collect();
        let followed: BTreeSet<&RevisionId> =
            left.iter().flat_map(|one| self.before(one)).filter(|one| todo.contains(*one)).collect();
        // Each branch that is being walked: where it is, and everything below that place.
        let mut branches: Vec<(&RevisionId, BTreeSet<RevisionId>)> =
            left.iter().filter(|one| !followed.contains(**one)).map(|one| (*one, self.ancestors(one))).collect();
        let mut walked: Vec<RevisionId> = Vec::new();
        let mut at = 0;
        while let Some((here, _)) = branches.get(at) {
            let here = *here;
            let above = branches.iter().enumerate().position(|(other, (_, below))| other != at && below.contains(here));
            if let Some(above) = above {
                at = above;
                continue;
            }
            if left.remove(here) {
                walked.push(here.clone());
            }
            let next: Vec<&RevisionId> = self
                .before(here)
                .into_iter()
                .filter(|one| left.contains(one) && !branches.iter().any(|(other, _)| other == one))
                .collect();
            match next.split_first() {
                None => {
                    branches.remove(at);
                    at = at.saturating_sub(1);
                }
                Some((first, [])) if self.before(here).len() == 1 => {
                    branches[at].1.remove(here);
                    branches[at].0 = first;
                }
                Some((first, others)) => {
                    branches[at] = (first, self.ancestors(first));
                    branches.extend(others.iter().map(|one| (*one, self.ancestors(one))));
                }
            }
        }
        walked.reverse();
        walked.extend(left.into_iter().cloned());
        walked.extend(circle);
        walked
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(text: &str) -> Vec<RevisionId> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// `b:a c:a d:b,c`: each revision with what it follows, in that order.
    fn graph(text: &str) -> RevisionGraph {
        let mut graph = RevisionGraph::default();
        for word in text.split_whitespace() {
            let (id, downs) = word.split_once(':').unwrap();
            let downs: Vec<RevisionId> = downs.split(',').filter(|down| !down.is_empty()).map(str::to_owned).collect();
            graph.revisions.insert(id.into(), downs.iter().cloned().collect());
            graph.details.entry(id.into()).or_default().merges = downs;
        }
        graph
    }

    #[test]
    fn a_chain_runs_from_its_base() {
        let chain = graph("a: b:a c:b d:c");
        assert_eq!(chain.in_order(&ids("c b d").into_iter().collect()), ids("b c d"));
    }

    /// Expected orders as alembic 1.20.1 gives them for the same graphs.
    #[test]
    fn branches_run_as_the_merge_names_them() {
        let all = |graph: &RevisionGraph| graph.in_order(&graph.revisions.keys().cloned().collect());
        assert_eq!(all(&graph("a: b:a c:b x:a y:x m:c,y")), ids("a x y b c m"));
        assert_eq!(all(&graph("a: b:a c:b x:a y:x m:y,c")), ids("a b c x y m"));
    }

    #[test]
    fn a_circle_ends() {
        let circle = graph("a: b:a,d c:b d:c");
        assert_eq!(circle.in_a_circle().into_iter().collect::<Vec<_>>(), ids("b c d"));
        assert_eq!(circle.in_order(&circle.revisions.keys().cloned().collect()), ids("a b c d"));
    }

    proptest! {
        #[test]
        fn every_revision_runs_once_and_after_what_it_needs(graph in super::super::fixture::graphs(14)) {
            let todo: BTreeSet<RevisionId> = graph.revisions.keys().cloned().collect();
            let order = graph.in_order(&todo);
            prop_assert_eq!(order.iter().cloned().collect::<BTreeSet<_>>(), todo);
            prop_assert_eq!(order.len(), graph.revisions.len());
            for (at, revision) in order.iter().enumerate() {
                for before in graph.before(revision) {
                    prop_assert!(order[..at].contains(before), "{} before {} in {:?}", before, revision, order);
                }
            }
        }
    }
}
