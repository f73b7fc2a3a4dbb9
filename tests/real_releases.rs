//! What is known of Backend.AI's releases, checked against the wheels themselves, from PyPI: the revision graphs between
//! the releases, the chain of major upgrades, and the broken wheels.
//!
//! This test uses the network: the places that pip's settings on this machine name, else PyPI. What was read of the wheels
//! is kept in the build directory, so that only the first run takes long (about 130 MB). Of the rows that the upgrade
//! guide's tables have, some start from releases that were only tagged and never published (23.09.11, 24.12.0): for
//! these stands the nearest published release, as each says.

#[path = "support/wheels.rs"]
mod wheels;

use std::collections::{BTreeMap, BTreeSet};

use converge::release::{
    Migrations, PreviewState, Release, RevisionGraph, RiskKind, SchemaPreview, preview, preview_path,
};

use wheels::{MANAGERS, fetch, manager, store};

const MANAGER: &str = "backend.ai-manager";

/// Components without a database, and those with one of their own.
const OTHERS: [(&str, &str); 8] = [
    ("backend.ai-agent", "24.9.14"),
    ("backend.ai-storage-proxy", "24.3.11"),
    ("backend.ai-storage-proxy", "26.9.6"),
    ("backend.ai-common", "26.9.6"),
    ("backend.ai-appproxy-coordinator", "25.15.12"),
    ("backend.ai-appproxy-coordinator", "26.9.6"),
    ("backend.ai-appproxy-worker", "26.9.6"),
    ("backend.ai-account-manager", "25.15.12"),
];

fn release(text: &str) -> Release {
    Release::parse(text).unwrap()
}

fn graph(text: &str) -> &'static RevisionGraph {
    manager(text).revisions().unwrap()
}

/// The hop of a database that is at the head of `from`.
fn hop(from: &str, to: &str) -> SchemaPreview {
    preview(graph(from), graph(to), &graph(from).heads())
}

fn ids(revisions: &[converge::release::PendingRevision]) -> Vec<&str> {
    revisions.iter().map(|revision| revision.id.as_str()).collect()
}

fn one(revisions: &BTreeSet<String>) -> &str {
    assert_eq!(revisions.len(), 1, "{revisions:?}");
    revisions.first().unwrap()
}

#[test]
fn every_wheel_is_read_whole() {
    for (release, wheel) in MANAGERS.iter() {
        assert_eq!(wheel.problems, Vec::<String>::new(), "{release}");
        let graph = wheel.revisions().unwrap_or_else(|reason| panic!("{release}: {reason}"));
        let Migrations::Known { directory, .. } = &wheel.migrations else { panic!("{release}") };
        assert_eq!(directory, "ai/backend/manager/models/alembic");
        assert_eq!(wheel.pins["backend-ai-common"], *release);
        assert!(wheel.requires_python.is_some());
        if release.to_string() != "26.1.0" {
            assert!(graph.revisions.len() > 120, "{release}: {}", graph.revisions.len());
            one(&graph.heads());
        }
    }
    assert_eq!(graph("24.9.6").revisions.len(), 173);
    assert_eq!(graph("25.2.0").revisions.len(), 180);
}

/// The table "The graphs": hop, last common revision, old revisions above it, skipped, pending.
#[test]
fn the_graphs_are_as_the_experiment_found_them() {
    for (from, to, common, above, skipped, pending) in [
        ("23.9.10", "24.3.11", "85615e005fa3", 8, 6, 10),
        ("24.3.11", "24.9.6", "dddf9be580f5", 8, 4, 6),
        ("24.3.11", "24.9.0", "dddf9be580f5", 8, 4, 3),
        ("24.9.6", "25.5.2", "e9e574a6e22d", 2, 7, 6),
    ] {
        let preview = hop(from, to);
        assert_eq!(preview.state, PreviewState::Sound, "{from} → {to}");
        assert_eq!(one(&preview.common), common, "{from} → {to}");
        let counts = (preview.old_above_common, preview.skipped.len(), preview.pending.len());
        assert_eq!(counts, (above, skipped, pending), "{from} → {to}");
    }
    assert!(matches!(hop("24.9.6", "25.1.1").state, PreviewState::UnknownHead { .. }));
    assert!(hop("24.9.0", "25.1.1").upgrade_is_complete());
}

/// What `left_out: upstream` needs, where a path of today leaves something out: docs/backend-ai.md.
#[test]
fn no_hop_of_a_path_holds_the_history_that_upstreams_command_needs() {
    for (from, to) in [
        ("23.9.10", "24.3.0"),
        ("24.3.11", "24.9.0"),
        ("24.9.6", "25.2.0"),
        ("26.3.3", "26.4.0"),
        ("26.7.0", "26.8.1"),
        ("26.8.3", "26.9.0"),
    ] {
        assert!(!hop(from, to).skipped.is_empty(), "{from} → {to}");
        assert_eq!(manager(to).catch_up.history_of(&release(from)), None, "{from} → {to}");
    }
    assert!(!manager("24.3.0").catch_up.command);
    for (to, from, history) in [("24.3.11", "23.9.10", "23.09.10"), ("24.9.5", "24.3.11", "24.03.11")] {
        let found = &manager(to).catch_up;
        assert!(found.command, "{to}");
        assert_eq!(found.history_of(&release(from)), Some(history), "{to}");
    }
}

#[derive(Debug, PartialEq)]
enum Row {
    Clean,
    Skipped(usize),
    /// Skipped, with merges above the common revision: what is skipped is known, but no strategy is proven.
    SkippedBelowMerges(usize),
    UnknownHead,
}

fn row(from: &str, to: &str) -> Row {
    let preview = hop(from, to);
    match preview.state {
        PreviewState::Sound if preview.skipped.is_empty() => Row::Clean,
        PreviewState::Sound => Row::Skipped(preview.skipped.len()),
        PreviewState::MergeAbove { .. } => Row::SkippedBelowMerges(preview.skipped.len()),
        PreviewState::UnknownHead { .. } => Row::UnknownHead,
        other => panic!("{from} → {to}: {other:?}"),
    }
}

/// The table of the migration graph.
#[test]
fn every_hop_between_trains_is_as_the_packages_say() {
    for (from, to, expected) in [
        // Of 23.09.11 there is only a tag: 23.9.10 is the last of its train that was published.
        ("23.9.10", "24.3.0", Row::Skipped(6)),
        ("23.9.10", "24.3.11", Row::Skipped(6)),
        ("24.3.11", "24.9.0", Row::Skipped(4)),
        ("24.3.11", "24.9.6", Row::Skipped(4)),
        ("24.3.11", "24.9.14", Row::Skipped(4)),
        // 24.12.0 was never published, and 24.12.1 was withdrawn; its file is still there.
        ("24.9.6", "24.12.1", Row::UnknownHead),
        ("24.9.6", "25.1.1", Row::UnknownHead),
        ("24.9.14", "24.12.1", Row::UnknownHead),
        ("24.9.14", "25.1.1", Row::UnknownHead),
        ("24.9.5", "24.12.1", Row::Clean),
        ("24.9.5", "25.1.1", Row::Clean),
        ("24.9.14", "25.2.0", Row::Skipped(7)),
        ("24.9.14", "25.5.2", Row::Skipped(7)),
        ("24.9.14", "25.6.0", Row::Skipped(7)),
        ("25.1.1", "25.6.17", Row::Clean),
        ("25.6.17", "25.15.12", Row::Clean),
        ("25.15.12", "26.4.0", Row::Clean),
        ("25.15.12", "26.4.16", Row::Clean),
        ("25.15.12", "26.9.6", Row::Clean),
        ("26.4.0", "26.9.0", Row::Clean),
        ("26.4.10", "26.9.6", Row::Clean),
        ("26.4.16", "26.9.0", Row::Clean),
        ("26.4.16", "26.9.6", Row::Clean),
        ("26.3.3", "26.4.0", Row::SkippedBelowMerges(1)),
        ("26.4.8", "26.7.0", Row::UnknownHead),
        ("26.4.16", "26.7.0", Row::UnknownHead),
        ("26.4.10", "26.8.1", Row::Clean),
        ("26.4.11", "26.8.3", Row::UnknownHead),
        ("26.4.16", "26.8.3", Row::UnknownHead),
        ("26.4.11", "26.9.0", Row::Clean),
        ("26.7.0", "26.8.1", Row::SkippedBelowMerges(3)),
        ("26.8.3", "26.9.0", Row::SkippedBelowMerges(1)),
        ("26.8.3", "26.9.6", Row::SkippedBelowMerges(1)),
    ] {
        assert_eq!(row(from, to), expected, "{from} → {to}");
    }
    assert_eq!(ids(&hop("26.3.3", "26.4.0").skipped), ["1cc9b47e0a8e"]);
    let unknown = PreviewState::UnknownHead { current: "e1b7f3d20a94".into() };
    assert_eq!(hop("26.4.11", "26.8.3").state, unknown);
    // The revision that repeats what is skipped runs after it.
    assert!(ids(&hop("26.8.3", "26.9.0").pending).contains(&"f4a2b7c9e105"));
}

#[test]
fn one_head_may_stand_for_different_schemas() {
    for release in ["24.9.6", "24.9.14", "25.2.0"] {
        assert_eq!(one(&graph(release).heads()), "ecc9f6322be4", "{release}");
    }
    let missing = hop("24.9.14", "25.2.0");
    assert_eq!((missing.pending.len(), missing.skipped.len()), (0, 7));
    assert_eq!(missing.modifies_schema(), Some(true));
}

/// The chain of major upgrades on an empty database: head, and how many revisions ran.
#[test]
fn the_chain_of_major_upgrades_runs_what_was_seen_to_run() {
    for (release, head) in [
        ("23.3.12", "ae7d4cd92aa7"),
        ("23.9.0", "85615e005fa3"),
        ("23.9.8", "8b2ec7e3d22a"),
        ("23.9.10", "75ea2b136830"),
        ("24.3.0", "857b763b8618"),
        ("24.3.11", "3596bc12ec09"),
        ("24.9.0", "7c8501cec07b"),
        ("24.9.14", "ecc9f6322be4"),
        ("25.1.1", "fb89f5d7817b"),
        ("25.5.2", "683ca0a32f41"),
        ("25.6.0", "c7fedaca4883"),
        ("25.6.1", "c7fedaca4883"),
        ("25.19.2", "d0a3c0716970"),
        ("26.9.6", "d1117da8d8bd"),
    ] {
        assert_eq!(one(&graph(release).heads()), head, "{release}");
    }
    let chain = ["23.3.12", "23.9.0", "23.9.10", "24.3.0", "24.3.11", "24.9.0", "24.9.14"].map(graph);
    let path = preview_path(&chain, &graph("23.3.12").heads());
    let counts: Vec<(usize, usize)> = path.iter().map(|hop| (hop.pending.len(), hop.skipped.len())).collect();
    assert_eq!(counts, [(8, 0), (8, 0), (1, 6), (9, 0), (3, 4), (3, 0)]);
    assert_eq!(hop("23.9.8", "23.9.10").pending.len(), 4);

    // 25.1.1 can't follow 24.9.14; the database stayed where it was, and went on to 25.5.2.
    assert_eq!(row("24.9.14", "25.1.1"), Row::UnknownHead);
    let on = hop("24.9.14", "25.5.2");
    assert_eq!((on.pending.len(), on.skipped.len()), (6, 7));
    assert_eq!(hop("25.5.2", "25.6.0").pending.len(), 3);
    assert_eq!(hop("25.6.0", "25.6.1").modifies_schema(), Some(false));
    assert_eq!(hop("25.6.0", "25.19.2").pending.len(), 56);
}

#[test]
fn broken_wheels_are_told_before_they_are_installed() {
    assert_eq!(hop("25.19.2", "26.1.0").state, PreviewState::NoMigrations);
    for (release, wheel) in MANAGERS.iter() {
        let missing: Vec<(&str, &str)> =
            wheel.missing_modules.iter().map(|(module, file)| (module.as_str(), file.as_str())).collect();
        if release.to_string() == "24.9.14" {
            assert_eq!(missing, [("ai.backend.manager.errors.common", "ai/backend/manager/api/scaling_group.py")]);
        } else {
            assert_eq!(missing, [], "{release}");
        }
    }
}

#[test]
fn risks_are_seen_in_the_revisions_that_are_known_for_them() {
    let of = |release: &str, revision: &str| -> Vec<RiskKind> {
        graph(release).details[revision].risks.iter().map(|risk| risk.kind).collect()
    };
    // It moves registries out of etcd, outside of the transaction, by the service's own configuration.
    let etcd = of("24.9.0", "1d42c726d8a3");
    assert!(etcd.contains(&RiskKind::Etcd) && etcd.contains(&RiskKind::Configuration), "{etcd:?}");
    // It asks which way to go unless a variable of the environment says.
    let asks = of("26.9.6", "f8a71c3bffa2");
    assert!(asks.contains(&RiskKind::AsksForInput) && asks.contains(&RiskKind::Configuration), "{asks:?}");
    // Adding a column is no risk, and most revisions have none.
    assert_eq!(of("24.9.6", "ecc9f6322be4"), []);
    let all = graph("26.9.6").details.values();
    let (risky, plain): (Vec<_>, Vec<_>) = all.partition(|details| !details.risks.is_empty());
    println!("26.9.6: {} revisions with risks, {} without", risky.len(), plain.len());
    assert!(risky.len() * 3 < plain.len());
}

#[test]
fn components_have_their_own_chains_or_none() {
    for (package, text) in OTHERS {
        let wheels = fetch(package, &[release(text)]);
        let wheel = &wheels[&release(text)];
        assert_eq!(wheel.missing_modules, BTreeMap::new(), "{package} {text}");
        let graph = wheel.revisions().unwrap_or_else(|reason| panic!("{package} {text}: {reason}"));
        match package {
            "backend.ai-appproxy-coordinator" | "backend.ai-account-manager" => {
                one(&graph.heads());
            }
            _ => assert_eq!(wheel.migrations, Migrations::None, "{package} {text}"),
        }
    }
}

#[test]
fn what_is_not_published_is_said() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let read = runtime.block_on(store().wheels_for(MANAGER, &[release("23.9.11")], None));
    let reason = read[&release("23.9.11")].as_ref().unwrap_err().to_string();
    assert!(reason.starts_with("backend.ai-manager 23.9.11 is not published in http"), "{reason}");
    let read = runtime.block_on(store().wheels_for("backend.ai-no-such-component", &[release("1.0")], None));
    assert!(read[&release("1.0")].as_ref().unwrap_err().to_string().contains("is not published in"), "{read:?}");
}
