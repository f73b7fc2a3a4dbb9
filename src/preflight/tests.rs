//! For each rule a case in which it fires, and one beside it in which it doesn't.

use std::collections::BTreeSet;
use std::slice::from_ref;

use super::*;
use crate::desired::fixture::{Seen, agent, manager, world};
use crate::facts::{DatabaseKind, HostFacts, Observed};

/// The codes that are found, with what was observed.
fn found(instances: &[Instance], seen: &[Seen], out_of_scope: &[Instance]) -> Vec<(String, String)> {
    let facts = world(instances.iter().zip(seen.iter().cloned()));
    check(instances, &facts, out_of_scope).into_iter().map(|finding| (finding.code, finding.observed)).collect()
}

#[track_caller]
fn fires(instance: Instance, seen: Seen, code: &str, observed: &str) {
    let found = found(&[instance], &[seen], &[]);
    let [(found_code, found_observed)] = &found[..] else { panic!("not one finding: {found:?}") };
    assert_eq!(found_code, code, "{found_observed}");
    assert!(found_observed.contains(observed), "{found_observed}");
}

#[track_caller]
fn passes(instance: Instance, seen: Seen) {
    assert_eq!(found(&[instance], &[seen], &[]), []);
}

#[test]
fn codes_are_unique_and_stable() {
    let codes: Vec<&str> = rules().iter().map(|rule| rule.code).collect();
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    assert_eq!(
        codes,
        [
            "host-unreachable",
            "unknown-fact",
            "downgrade",
            "other-train",
            "not-published",
            "shared-environment",
            "schema-unsound",
            "no-backup",
            "shared-database",
            "no-access",
            "unit-unusable",
            "stop-signal"
        ]
    );
}

#[test]
fn a_patch_forward_and_what_is_there_already_are_allowed() {
    passes(manager("m", "25.6.4"), Seen::default());
    passes(manager("m", "25.6.1"), Seen::default());
    passes(agent("a", "25.6.4"), Seen::default());
}

#[test]
fn an_unreachable_host_is_found_once_and_by_its_own_rule_only() {
    let instances = [manager("m", "25.6.4"), agent("a", "25.6.4")];
    let mut facts = world([(&instances[1], Seen::default())]);
    facts.insert(instances[0].host.clone(), HostFacts::unreachable(instances[0].host.clone(), "timed out".into()));
    let findings = check(&instances, &facts, &[]);
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((finding.code.as_str(), finding.host.as_str()), ("host-unreachable", "m"));
    assert!(finding.observed.contains("timed out") && finding.observed_at.is_none());
    // A host that was never asked counts the same.
    facts.remove(&instances[0].host);
    assert_eq!(check(&instances, &facts, &[])[0].code, "host-unreachable");
}

#[test]
fn what_is_unknown_blocks() {
    fires(
        manager("m", "25.6.4"),
        Seen { installed: Observed::Unknown("permission denied".into()), ..Seen::default() },
        "unknown-fact",
        "permission denied",
    );
    fires(
        manager("m", "25.6.4"),
        Seen { installed: Observed::Absent, running: None, ..Seen::default() },
        "unknown-fact",
        "no virtual environment",
    );
    // What is published matters only where there is a way to go.
    let seen = Seen { published: Observed::Unknown("permission denied".into()), ..Seen::default() };
    fires(manager("m", "25.6.4"), seen.clone(), "unknown-fact", "permission denied");
    passes(manager("m", "25.6.1"), seen);
}

#[test]
fn no_way_but_forward_in_the_train_and_among_what_is_published() {
    fires(manager("m", "25.6.0"), Seen::default(), "downgrade", "25.6.1 is installed, the older 25.6.0 is declared");
    fires(manager("m", "25.7.0"), Seen::default(), "other-train", "25.7.0 is declared (train 25.7)");
    fires(manager("m", "25.6.3"), Seen::default(), "not-published", "pip finds no backend.ai-manager 25.6.3");
    // An older train is a downgrade before it is another train.
    fires(manager("m", "24.9.9"), Seen::default(), "downgrade", "24.9.9");
}

#[test]
fn components_of_one_environment_move_together() {
    let (first, mut second) = (agent("a", "25.6.2"), agent("a", "25.6.4"));
    second.component.name = "watcher".into();
    second.component.process.title = Some("^watcher ".into());
    let both = [first.clone(), second.clone()];
    let seen = [Seen::default(), Seen::default()];
    let codes: Vec<String> = found(&both, &seen, &[]).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["shared-environment", "shared-environment"]);
    // Also where the other one is left out of the run.
    assert_eq!(found(from_ref(&first), &seen[..1], from_ref(&second))[0].0, "shared-environment");
    // Not with one release, another environment, or another host.
    let mut same = second.clone();
    same.component.release = first.component.release.clone();
    assert_eq!(found(&[first.clone(), same], &seen, &[]), []);
    let mut apart = second.clone();
    apart.component.venv = "/srv/watcher/.venv".into();
    assert_eq!(found(&[first.clone(), apart], &seen, &[]), []);
    second.host = HostName::parse("b").unwrap();
    assert_eq!(found(&[first, second], &seen, &[]), []);
}

#[test]
fn a_database_that_alembic_would_make_worse_is_left_alone() {
    let fires = |seen: Seen, observed: &str| fires(manager("m", "25.6.1"), seen, "schema-unsound", observed);
    fires(Seen { rows: &["a1", "b2"], ..Seen::default() }, "alembic_version has 2 rows: a1, b2");
    fires(Seen { rows: &["zz"], ..Seen::default() }, "stands at zz, which the installed package doesn't know");
    fires(Seen { rows: &[], ..Seen::default() }, "holds no revision");
    fires(Seen { revisions: &[("a1", ""), ("b2", "a1"), ("c3", "a1")], ..Seen::default() }, "has 2 heads: b2, c3");
    fires(Seen { revisions: &[], ..Seen::default() }, "carries no migrations");
    passes(manager("m", "25.6.1"), Seen { rows: &["a1"], ..Seen::default() });
}

#[test]
fn a_revision_that_the_next_hop_knows_is_in_order() {
    // The other manager was moved first, and its package has migrated the database.
    let both = [manager("m1", "25.6.2"), manager("m2", "25.6.2")];
    let ahead = Seen {
        installed: Observed::Known("25.6.2"),
        running: Some("25.6.2"),
        rows: &["c3"],
        revisions: &[("a1", ""), ("b2", "a1"), ("c3", "b2")],
        ..Seen::default()
    };
    let behind = Seen { rows: &["c3"], ..Seen::default() };
    assert_eq!(found(&both, &[ahead.clone(), behind.clone()], &[]), []);
    let elsewhere = Seen { rows: &["dd"], ..behind };
    assert_eq!(found(&both, &[ahead, elsewhere], &[])[0].0, "schema-unsound");
}

#[test]
fn no_migration_without_a_place_and_a_tool_for_the_backup() {
    let fires = |seen: Seen, observed: &str| fires(manager("m", "25.6.2"), seen, "no-backup", observed);
    fires(Seen { dump_tool: None, ..Seen::default() }, "no pg_dump");
    fires(Seen { dump_tool: Some(15), ..Seen::default() }, "pg_dump 15 can't dump a PostgreSQL 16");
    fires(Seen { available_kib: 1024, ..Seen::default() }, "has 1024 KiB free, the database has 1024 KiB");
    fires(Seen { writable: false, ..Seen::default() }, "/srv/backup is no directory that can be written to");
    let mut nowhere = manager("m", "25.6.2");
    nowhere.component.schema.as_mut().unwrap().backup = None;
    self::fires(nowhere, Seen::default(), "no-backup", "no directory for backups is declared");
    // SQLite needs no tool; and nothing is needed where nothing moves.
    passes(manager("m", "25.6.2"), Seen { database: DatabaseKind::Sqlite, dump_tool: None, ..Seen::default() });
    passes(manager("m", "25.6.1"), Seen { dump_tool: None, writable: false, ..Seen::default() });
    // A database that is behind what is installed will be migrated, though no package moves.
    let behind = Seen { rows: &["a1"], writable: false, ..Seen::default() };
    self::fires(manager("m", "25.6.1"), behind, "no-backup", "/srv/backup");
}

#[test]
fn a_migration_concerns_every_component_of_the_database() {
    let (first, second) = (manager("m1", "25.6.2"), manager("m2", "25.6.2"));
    let found_with = |declared: &str, out: &[Instance]| found(&[manager("m1", declared)], &[Seen::default()], out);
    let with_second_out = found_with("25.6.2", from_ref(&second));
    assert_eq!(with_second_out[0].0, "shared-database");
    assert!(with_second_out[0].1.contains("m2/manager"), "{with_second_out:?}");
    assert_eq!(found_with("25.6.2", &[agent("a", "25.6.2")]), []);
    assert_eq!(found_with("25.6.1", from_ref(&second)), []);
    let seen = [Seen::default(), Seen::default()];
    assert_eq!(found(&[first.clone(), second], &seen, &[]), []);
    // Both move, and to one release.
    let codes: Vec<String> = found(&[first, manager("m2", "25.6.1")], &seen, &[]).into_iter().map(|f| f.0).collect();
    assert_eq!(codes, ["shared-database", "shared-database"]);
}

#[test]
fn what_the_login_cannot_change_is_found_before_anything_stops() {
    let fires = |seen: Seen, observed: &str| fires(manager("m", "25.6.2"), seen, "no-access", observed);
    let locked = Seen { venv_writable: false, ..Seen::default() };
    let stranger = Seen { uid: 1001, ..Seen::default() };
    fires(locked.clone(), "/srv/manager/.venv can't be written to");
    fires(stranger.clone(), "process 4711 belongs to user 1000, the login to user 1001");
    // Not where nothing is written or stopped, nor for root, nor where systemd is asked.
    passes(manager("m", "25.6.1"), locked);
    passes(manager("m", "25.6.1"), stranger.clone());
    passes(manager("m", "25.6.2"), Seen { running: None, ..stranger.clone() });
    passes(manager("m", "25.6.2"), Seen { uid: 0, ..Seen::default() });
    passes(agent("a", "25.6.2"), stranger);
}

#[test]
fn a_unit_must_start_again_and_stop_by_the_declared_signal() {
    let masked = Seen { load_state: "masked", ..Seen::default() };
    fires(agent("a", "25.6.2"), masked, "unit-unusable", "agent.service is masked");
    let terminated = Seen { kill_signal: 15, ..Seen::default() };
    fires(agent("a", "25.6.2"), terminated.clone(), "stop-signal", "stops by signal 15, SIGINT (2) is declared");
    // A signal that is not sent does no harm.
    passes(agent("a", "25.6.1"), terminated.clone());
    passes(agent("a", "25.6.2"), Seen { running: None, ..terminated });
}

#[test]
fn a_finding_carries_its_evidence_and_what_to_do() {
    let instance = manager("m", "25.6.3");
    let facts = world([(&instance, Seen::default())]);
    let shown = check(&[instance], &facts, &[])[0].to_string();
    insta::assert_snapshot!(shown, @r#"
    m/manager: [not-published]
      observed: pip finds no backend.ai-manager 25.6.3 for /srv/manager/.venv (25.6.1 is installed) (at 1970-01-01T00:50:00Z)
      rule:     the declared release is published where the host gets its packages, for the Python of its environment (upgrade document, "Upgrade Sequentially")
      asked by: roles/manager/tasks/main.yaml:3
      next:     declare "25.6.4", the newest that is published, or publish the other
    "#);
}
