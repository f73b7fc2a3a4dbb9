//! The product of the simulation: its releases, their revisions, their wheels.

use std::collections::{BTreeMap, BTreeSet};

use converge::model::Digest;
use converge::release::{CatchUp, Migrations, Release, RevisionGraph, Wheel};

fn patch_of(release: &Release) -> u64 {
    release.normalized().rsplit('.').next().and_then(|z| z.parse().ok()).expect("a patch number")
}

/// Whether it belongs to the train after 25.6.
fn is_next_train(release: &Release) -> bool {
    release.normalized().starts_with("25.7.")
}

/// The revision that is the head of a release: every release brings one, the odd ones the same as before.
pub fn head_of(release: &Release) -> String {
    match (is_next_train(release), patch_of(release) / 2) {
        (false, number) => format!("rev{number:02}"),
        // It brings nothing but what it puts below the head of the train before.
        (true, 0) => "rev04".to_owned(),
        (true, number) => format!("next{number:02}"),
    }
}

/// The next train puts two revisions below the one that databases of 25.6.4 and later stand at; its first releases bring
/// nothing else, so that only a comparison of packages shows it.
pub fn graph_of(release: &Release) -> RevisionGraph {
    let mut chain: Vec<String> = Vec::new();
    match is_next_train(release) {
        false => chain.extend((0..=patch_of(release) / 2).map(|n| format!("rev{n:02}"))),
        true => {
            chain.extend(["rev00", "rev01", "spliced1", "spliced2", "rev02", "rev03", "rev04"].map(str::to_owned));
            chain.extend((1..=patch_of(release) / 2).map(|n| format!("next{n:02}")));
        }
    }
    let before = std::iter::once(BTreeSet::new()).chain(chain.iter().map(|one| BTreeSet::from([one.clone()])));
    RevisionGraph::of_edges(chain.iter().cloned().zip(before).collect())
}

pub(super) fn wheel_of(package: &str, release: &Release) -> Wheel {
    Wheel {
        package: package.into(),
        release: release.clone(),
        file: format!("{package}-{release}-py3-none-any.whl"),
        bytes: 1 << 20,
        sha256: Digest::of(release.normalized().as_bytes()),
        requires_python: None,
        pins: BTreeMap::new(),
        migrations: Migrations::Known { directory: "alembic".into(), graph: graph_of(release) },
        missing_modules: BTreeMap::new(),
        catch_up: CatchUp::default(),
        problems: vec![],
    }
}
