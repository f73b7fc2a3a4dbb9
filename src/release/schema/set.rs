//! The revision files of one package together: files → graph. Pure.
//!
//! What alembic itself would refuse, or would only warn about while it leaves something out, is an error here.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{RevisionFile, parse_revision_file};
use super::graph::{RevisionDetails, RevisionGraph, RevisionId};
use crate::model::printable;

/// What the files of a `versions` directory come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionSet {
    /// The graph, or everything that hinders making one.
    pub graph: Result<RevisionGraph, Vec<String>>,
    /// Files that declare no revision. alembic refuses to run while there is one (`__init__.py` apart).
    pub without_revision: Vec<String>,
}

/// Reads the files (name and bytes) of one `versions` directory.
#[must_use]
pub fn read_revisions<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> RevisionSet {
    let (mut read, mut without_revision, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (name, bytes) in files {
        if !is_looked_at(name) {
            continue;
        }
        match parse_revision_file(name, bytes) {
            Ok(Some(file)) => read.push((name, file)),
            Ok(None) => without_revision.push(printable(name)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let mut files: BTreeMap<RevisionId, (&str, RevisionFile)> = BTreeMap::new();
    for (name, file) in read {
        if let Some((other, _)) = files.get(&file.id) {
            problems.push(format!("{} and {} both are revision {}", printable(other), printable(name), file.id));
        }
        files.insert(file.id.clone(), (name, file));
    }
    let graph = graph_of(&files, &mut problems);
    RevisionSet { graph: if problems.is_empty() { Ok(graph) } else { Err(problems) }, without_revision }
}

/// The files that alembic looks at: `(?!\.\#|__init__)(.*\.py)$` in its `script/base.py`.
fn is_looked_at(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.ends_with(".py") && !file.starts_with(".#") && !file.starts_with("__init__")
}

fn graph_of(files: &BTreeMap<RevisionId, (&str, RevisionFile)>, problems: &mut Vec<String>) -> RevisionGraph {
    let mut graph = RevisionGraph::default();
    let labels: BTreeMap<&str, &RevisionId> = files
        .values()
        .flat_map(|(_, file)| file.branch_labels.iter().map(|label| (label.as_str(), &file.id)))
        .collect();
    for (id, (name, file)) in files {
        let missing = |what: &str, wanted: &str| {
            format!("{}: revision {id} {what} {wanted}, which no file of the package declares", printable(name))
        };
        problems
            .extend(file.down.iter().filter(|down| !files.contains_key(*down)).map(|down| missing("follows", down)));
        let mut depends_on = BTreeSet::new();
        for wanted in &file.depends_on {
            match files.get_key_value(wanted).map(|(id, _)| id).or_else(|| labels.get(wanted.as_str()).copied()) {
                Some(known) => {
                    depends_on.insert(known.clone());
                }
                None => problems.push(missing("depends on", wanted)),
            }
        }
        if !depends_on.is_empty() {
            graph.depends_on.insert(id.clone(), depends_on);
        }
        graph.revisions.insert(id.clone(), file.down.iter().cloned().collect());
        let merges = if file.down.len() > 1 { file.down.clone() } else { Vec::new() };
        let details = RevisionDetails { message: file.message.clone(), risks: file.risks.clone(), merges };
        graph.details.insert(id.clone(), details);
    }
    if problems.is_empty() {
        let in_a_circle = graph.in_a_circle();
        if !in_a_circle.is_empty() {
            let all = in_a_circle.into_iter().collect::<Vec<_>>().join(", ");
            problems.push(format!("these revisions follow each other in a circle: {all}"));
        }
    }
    graph
}
