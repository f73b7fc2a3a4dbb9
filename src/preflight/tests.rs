//! For each rule a case in which it fires, and one beside it in which it doesn't.

mod skips;

use std::collections::BTreeSet;
use std::slice::from_ref;

use super::*;
use crate::desired::fixture::{Seen, agent, manager, release, world};
use crate::facts::{
    CommandAnswer, DatabaseKind, Disk, Effects, Fact, HostFacts, Jobs, Observed, Paths, Pins, Query, RevisionEffects,
    UnfinishedJob, Work,
};
use crate::model::RunId;
use crate::release::{Locked, LockedEnvironment, LockedSet, Release, Wheel};
use crate::resource::component::{BackupHost, Layout, work_query};

/// A run to be checked.
struct Case<'a> {
    instances: &'a [Instance],
    out_of_scope: &'a [Instance],
    facts: BTreeMap<HostName, HostFacts>,
    catalogue: Catalogue,
    request: Request,
    now: Timestamp,
}

impl<'a> Case<'a> {
    /// Of a product that nobody knows anything about.
    fn new(instances: &'a [Instance], seen: &[Seen]) -> Self {
        Self {
            instances,
            out_of_scope: &[],
            facts: world(instances.iter().zip(seen.iter().cloned())),
            catalogue: Catalogue::default(),
            request: Request::default(),
            now: Timestamp(3_000),
        }
    }

    /// Of Backend.AI as the bundled catalogue knows it.
    fn known(self) -> Self {
        Self { catalogue: Catalogue::bundled(), ..self }
    }

    fn major(mut self) -> Self {
        self.request.major = true;
        self
    }

    fn answer(mut self, instance: &Instance, query: Query, fact: Fact) -> Self {
        self.facts.get_mut(&instance.host).unwrap().answers.insert(query, fact);
        self
    }

    fn findings(&self) -> Vec<Finding> {
        check(&Input {
            instances: self.instances,
            resources: &[],
            out_of_scope: self.out_of_scope,
            facts: &self.facts,
            catalogue: &self.catalogue,
            request: &self.request,
            now: self.now,
        })
    }

    /// What was observed against a rule.
    fn of(&self, code: &str) -> Vec<String> {
        assert!(rule(code).is_some(), "{code}");
        self.findings().into_iter().filter(|finding| finding.code == code).map(|finding| finding.observed).collect()
    }
}

/// The codes that are found, with what was observed.
fn found(instances: &[Instance], seen: &[Seen], out_of_scope: &[Instance]) -> Vec<(String, String)> {
    let case = Case { out_of_scope, ..Case::new(instances, seen) };
    case.findings().into_iter().map(|finding| (finding.code, finding.observed)).collect()
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
fn a_job_of_an_earlier_run_is_waited_for_and_one_that_is_lost_is_not() {
    let job = |alive| UnfinishedJob {
        run: RunId::parse("20261125T033000Z-7f3a9c").unwrap(),
        action: "25.6.2/m/manager/migrate".into(),
        since: Some(Timestamp(0)),
        limit: 600,
        alive,
    };
    let instances = [manager("m", "25.6.4")];
    let found = |answer: Option<Observed<Jobs>>| {
        let mut case = Case::new(&instances, &[Seen::default()]);
        let answers = &mut case.facts.get_mut(&instances[0].host).unwrap().answers;
        answers.remove(&Query::Jobs);
        answers.extend(answer.map(|answer| (Query::Jobs, Fact::Jobs(answer))));
        case.of("job-running")
    };
    let known = |jobs: Vec<UnfinishedJob>| Some(Observed::Known(Jobs { unfinished: jobs }));
    assert_eq!(
        found(known(vec![job(true), job(false)])),
        ["25.6.2/m/manager/migrate of run 20261125T033000Z-7f3a9c is at work on m since 1970-01-01T00:00:00Z"]
    );
    assert_eq!(found(known(vec![job(false)])), [""; 0]);
    // What can't be told is no pass, and neither is what nobody asked.
    assert_eq!(found(Some(Observed::Unknown("a link".into()))), ["whether a job is at work on m is not known: a link"]);
    assert!(found(None)[0].contains("it was not asked"));
}

#[test]
fn codes_are_unique_and_stable() {
    let codes: Vec<&str> = rules().iter().map(|rule| rule.code).collect();
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    // Documented and relied on: a code that goes away breaks waivers and monitors.
    insta::assert_snapshot!(
        rules().map(|rule| format!("{} {}", rule.code, rule.severity)).join("\n"),
        @"
    host-unreachable mandatory
    job-running mandatory
    unknown-fact mandatory
    in-the-way mandatory
    assertion mandatory
    downgrade mandatory
    major-unasked mandatory
    major-rolling mandatory
    skipped-train mandatory
    not-last-patch mandatory
    not-published mandatory
    yanked-release mandatory
    broken-release mandatory
    wrong-python mandatory
    not-locked mandatory
    schema-unsound mandatory
    schema-target mandatory
    schema-skips mandatory
    schema-unmendable mandatory
    shared-database mandatory
    database-moving mandatory
    no-backup mandatory
    no-backup-host mandatory
    work-running mandatory
    shared-environment mandatory
    quorum mandatory
    no-space mandatory
    no-access mandatory
    unit-unusable mandatory
    stop-signal mandatory
    major-in-place mandatory
    work-running-patch waivable
    mixed-releases waivable
    running-differs waivable
    missing-module waivable
    unknown-train waivable
    agent-state waivable
    manual-step waivable
    known-risk waivable
    change-log waivable
    users-not-notified waivable
    outside-window waivable
    "
    );
    let severities: Vec<Severity> = rules().iter().map(|rule| rule.severity).collect();
    assert!(severities.is_sorted(), "the worst come first");
    for rule in rules() {
        assert!(rule.explanation.len() > 100 && !rule.source.is_empty(), "{}", rule.code);
    }
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
    let mut case = Case::new(&instances[1..], &[Seen::default()]);
    case.instances = &instances;
    case.facts.insert(instances[0].host.clone(), HostFacts::unreachable(instances[0].host.clone(), "timed out".into()));
    let findings = case.findings();
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((finding.code.as_str(), finding.host.as_str()), ("host-unreachable", "m"));
    assert!(finding.observed.contains("timed out") && finding.observed_at.is_none());
    // A host that was never asked counts the same.
    case.facts.remove(&instances[0].host);
    assert_eq!(case.findings()[0].code, "host-unreachable");
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
    fires(manager("m", "25.6.3"), Seen::default(), "not-published", "backend.ai-manager 25.6.3 is not published");
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
fn hosts_that_see_one_database_differently_stop_the_run() {
    let both = [manager("m1", "25.6.1"), manager("m2", "25.6.1")];
    let behind = Seen { rows: &["a1"], ..Seen::default() };
    let said = Case::new(&both, &[behind.clone(), Seen::default()]).of("database-moving");
    assert_eq!(said, ["the database stands at a1 as m1/manager sees it, and at b2 as m2/manager does"]);
    assert_eq!(Case::new(&both, &[behind.clone(), behind]).of("database-moving"), [""; 0]);
    let empty = Seen { rows: &[], ..Seen::default() };
    assert!(Case::new(&both, &[empty, Seen::default()]).of("database-moving")[0].contains("no revision"));
}

#[test]
fn no_migration_without_a_place_and_a_tool_for_the_backup() {
    let fires = |seen: Seen, observed: &str| fires(manager("m", "25.6.2"), seen, "no-backup", observed);
    fires(Seen { dump_tool: None, ..Seen::default() }, "no pg_dump");
    fires(Seen { dump_tool: Some(15), ..Seen::default() }, "pg_dump 15 can't dump a PostgreSQL 16");
    let full = found(&[manager("m", "25.6.2")], &[Seen { available_kib: 1024, ..Seen::default() }], &[]);
    assert!(full.iter().any(|(code, observed)| code == "no-backup" && observed.contains("the database has 1024 KiB")));
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
fn a_host_for_backups_can_take_them_before_anything_stops() {
    let mut instance = manager("m", "25.6.2");
    let declared = BackupHost { name: HostName::parse("bak").unwrap(), directory: Some("/srv/copies".into()) };
    instance.component.schema.as_mut().unwrap().backup_host = Some(declared);
    let instances = [instance];
    let copies = instances[0].component.backup_copies(&instances[0].host).unwrap();
    let disk = |available_kib, writable| {
        let (mounted_on, existing) = ("/".into(), "/srv".into());
        Observed::Known(Disk { available_kib, mounted_on, existing, writable })
    };
    let tools = |status, output: &str| Observed::Known(CommandAnswer { status, output: output.into() });
    let found = |declared: &[Instance], answers: Vec<(Query, Fact)>, unreachable: Option<&str>| {
        let mut case = Case::new(declared, &[Seen::default()]);
        let bak = HostFacts {
            host: copies.host.clone(),
            observed_at: Timestamp(0),
            unreachable: unreachable.map(str::to_owned),
            answers: answers.into_iter().collect(),
        };
        case.facts.insert(copies.host.clone(), bak);
        let findings = case.findings();
        findings.into_iter().map(|finding| (finding.code, finding.observed)).collect::<Vec<_>>()
    };
    let with = |tools: Observed<CommandAnswer>, disk: Observed<Disk>| {
        let tools = (Query::Command(copies.tools_query()), Fact::Command(tools));
        let disk = (Query::Disk(copies.disk_query()), Fact::Disk(disk));
        found(&instances, vec![tools, disk], None)
    };
    assert_eq!(with(tools(0, ""), disk(2048, true)), []);
    for (observed, expected) in [
        (with(tools(1, "it has no sha256sum"), disk(2048, true)), "bak: it has no sha256sum"),
        (with(Observed::Unknown("x".into()), disk(2048, true)), "bak: which programs it has is unknown: x"),
        (with(tools(0, ""), disk(2048, false)), "bak: /srv is no directory that can be written to"),
        (with(tools(0, ""), disk(1024, true)), "bak: /srv/copies has 1024 KiB free, the database has 1024 KiB"),
        (with(tools(0, ""), Observed::Unknown("x".into())), "bak: free space of /srv/copies is unknown: x"),
        (found(&instances, vec![], None), "bak: which programs it has is unknown: it was not asked"),
        (found(&instances, vec![], Some("no route")), "bak: the host for backups can't be asked: no route"),
    ] {
        assert_eq!(observed, [("no-backup-host".to_owned(), expected.to_owned())]);
    }
    // Nothing is wanted of it where nothing moves, and where it is the very host that makes them.
    let mut still = instances.clone();
    still[0].component.release = release("25.6.1");
    assert_eq!(found(&still, vec![], Some("no route")), []);
    let mut own = instances.clone();
    own[0].component.schema.as_mut().unwrap().backup_host.as_mut().unwrap().name = own[0].host.clone();
    assert_eq!(found(&own, vec![], Some("no route")), []);
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
    fires(stranger.clone(), "process 4711 belongs to user 1000, and the session is user 1001's");
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
    let shown = Case::new(&[instance], &[Seen::default()]).findings()[0].to_string();
    insta::assert_snapshot!(shown, @r#"
    m/manager: [not-published] mandatory
      observed: backend.ai-manager 25.6.3 is not published where the host gets its packages, the nearest are 25.6.2 and 25.6.4 (25.6.1 is installed) (at 1970-01-01T00:50:00Z)
      rule:     the declared release is published where the host gets its packages (upgrade document, "Upgrade Sequentially")
      asked by: inventories/prod.yaml:4:14: release: "25.6.3"
      next:     declare "25.6.2" (to see it first: converge plan -e release=25.6.2), or declare "25.6.4" (to see it first: converge plan -e release=25.6.4); or publish it, or mend the host's package index
    "#);
}

/// A manager of 23.9.10 beside what is really published in its neighbourhood, on a database that is at its head.
fn at_23_9_10() -> Seen {
    Seen {
        installed: Observed::Known("23.9.10"),
        running: Some("23.9.10"),
        published: Observed::Known(&[
            "23.3.12", "23.9.0", "23.9.8", "23.9.10", "24.3.0", "24.3.2", "24.3.11", "24.9.0", "24.9.1", "24.9.13",
            "24.9.14",
        ]),
        ..Seen::default()
    }
}

#[test]
fn a_major_upgrade_is_asked_for_and_starts_from_the_last_patch_and_goes_one_train() {
    let of = |declared: &str, installed: &'static str, major: bool, code: &str| {
        let instances = [manager("m", declared)];
        let seen = Seen { installed: Observed::Known(installed), running: Some(installed), ..at_23_9_10() };
        let case = Case::new(&instances, &[seen]);
        (if major { case.major() } else { case }).of(code)
    };
    assert!(of("24.3.0", "23.9.10", false, "major-unasked")[0].contains("--major was not given"));
    assert_eq!(of("24.3.0", "23.9.10", true, "major-unasked"), [""; 0]);
    assert_eq!(of("23.9.10", "23.9.8", false, "major-unasked"), [""; 0]);
    let observed = of("24.3.0", "23.9.8", true, "not-last-patch");
    assert!(observed[0].contains("the last published patch before the major upgrade is 23.9.10"), "{observed:?}");
    assert_eq!(of("24.3.2", "23.9.10", true, "not-last-patch"), [""; 0]);
    let observed = of("24.9.0", "23.9.10", true, "skipped-train");
    assert!(observed[0].contains("entered at 24.3.0"), "{observed:?}");
    assert_eq!(of("24.3.11", "23.9.10", true, "skipped-train"), [""; 0]);
}

#[test]
fn manual_steps_can_be_acknowledged_where_nothing_else_stops_the_run() {
    let instances = [manager("m", "24.3.0")];
    let case = Case::new(&instances, &[at_23_9_10()]).known().major();
    let findings = case.findings();
    // Other rules stop it as well: whoever is asked for steps then would be asked in vain.
    assert!(findings.iter().any(|finding| finding.code == "manual-step" && finding.refuses()));
    assert!(to_acknowledge(&findings).is_empty());
    let steps: Vec<Finding> = findings.into_iter().filter(|finding| finding.code == "manual-step").collect();
    let asked = to_acknowledge(&steps);
    assert_eq!(asked.len(), steps.len());
    let waiver = acknowledgement(asked[0]);
    assert_eq!((waiver.rule.as_str(), &waiver.about), ("manual-step", &steps[0].about));
    assert!(to_acknowledge(&[]).is_empty());
}

#[test]
fn a_major_upgrade_needs_a_way_back_and_no_work_or_time_to_wait_for_it() {
    for (layout, broken) in [(Layout::Auto, 0), (Layout::Staged, 0), (Layout::InPlace, 1)] {
        let mut instances = [manager("m", "24.3.0")];
        instances[0].component.environments.layout = layout;
        let case = Case::new(&instances, &[at_23_9_10()]).major();
        assert_eq!(case.of("major-in-place").len(), broken, "{layout:?}");
        // A patch may be made in place.
        instances[0].component.release = Release::parse("23.9.10").unwrap();
        let seen = Seen { installed: Observed::Known("23.9.8"), running: Some("23.9.8"), ..at_23_9_10() };
        assert_eq!(Case::new(&instances, &[seen]).of("major-in-place"), [""; 0]);
    }
}

#[test]
fn a_finding_names_the_nearest_way() {
    let instances = [manager("m", "24.9.0")];
    let case = Case::new(&instances, &[at_23_9_10()]).major();
    let next = |case: &Case<'_>, code: &str| case.findings().into_iter().find(|f| f.code == code).unwrap().next;
    assert!(next(&case, "skipped-train").contains("declare \"24.3.11\""), "{}", next(&case, "skipped-train"));
    let instances = [manager("m", "24.3.0")];
    let seen = Seen { installed: Observed::Known("23.9.8"), running: Some("23.9.8"), ..at_23_9_10() };
    let case = Case::new(&instances, &[seen]).major();
    assert!(next(&case, "not-last-patch").contains("first declare \"23.9.10\""), "{}", next(&case, "not-last-patch"));
}

#[test]
fn a_major_upgrade_takes_the_whole_cluster() {
    let declared = [manager("m", "24.3.0"), agent("a", "24.3.0")];
    let seen = [at_23_9_10(), at_23_9_10()];
    let whole = Case::new(&declared, &seen).known().major();
    assert_eq!(whole.of("major-rolling"), [""; 0]);
    let part = Case { out_of_scope: &declared[1..], ..Case::new(&declared[..1], &seen).known().major() };
    assert!(part.of("major-rolling")[0].contains("leaves out a/agent"), "{:?}", part.of("major-rolling"));
    let mixed = [manager("m", "24.3.0"), agent("a", "23.9.10")];
    let left = Case::new(&mixed, &seen).known().major();
    assert!(left.of("major-rolling")[0].contains("a/agent (23.9.10)"), "{:?}", left.of("major-rolling"));
}

#[test]
fn a_quorum_leaves_something_over() {
    let with = |host: &str, quorum: &str| {
        let mut instance = agent(host, "25.6.2");
        instance.component.quorum = Some(crate::model::Share::parse(quorum).unwrap());
        instance
    };
    let three = |quorum: &str| ["a", "b", "c"].map(|host| with(host, quorum));
    let observed = |instances: &[Instance], seen: &[Seen]| Case::new(instances, seen).of("quorum");
    let up = || Seen::default();
    let down = |installed: &'static str| Seen { installed: Observed::Known(installed), running: None, ..up() };
    assert_eq!(observed(&three("2"), &[up(), up(), up()]), [""; 0]);
    assert_eq!(
        observed(&three("100%"), &[up(), up(), up()]),
        ["`quorum: 100%` of agent is 3 of 3: none may ever be down"]
    );
    // One that is down changes first, so it serves before another one stops.
    assert_eq!(observed(&three("2"), &[up(), down("25.6.1"), up()]), [""; 0]);
    // Nobody gets to where this one stands before it would be started.
    let mut ahead = three("2");
    ahead.iter_mut().for_each(|instance| instance.component.release = Release::parse("25.6.4").unwrap());
    let late = observed(&ahead, &[up(), down("25.6.4"), up()]);
    assert_eq!(late, ["2 of 3 agent must serve, and none may stop besides those that are down: b"]);
    // What the limit leaves out counts, and counts as serving.
    let (one, others) = ([with("a", "2")], [with("b", "2"), with("c", "2")]);
    let limited = |others| Case { out_of_scope: others, ..Case::new(&one, &[up()]) }.of("quorum");
    assert_eq!(limited(&others), [""; 0]);
    assert_eq!(limited(&others[..1]).len(), 1);
    // Where nothing stops nothing is asked.
    let mut done = three("100%");
    done.iter_mut().for_each(|instance| instance.component.release = Release::parse("25.6.1").unwrap());
    assert_eq!(observed(&done, &[up(), up(), up()]), [""; 0]);
}

#[test]
fn a_major_upgrade_has_no_batches() {
    let mut instance = manager("m", "24.3.0");
    let sizes = vec![crate::model::Share::Count(2)];
    instance.rolling.serial = Some(crate::desired::Serial { sizes, declared_at: "site.yaml:3:11".into() });
    let instances = [instance];
    let observed = Case::new(&instances, &[at_23_9_10()]).known().major().of("major-rolling");
    assert!(observed[0].contains("`serial: 2` at site.yaml:3:11"), "{observed:?}");
    let mut patch = [manager("m", "25.6.4")];
    patch[0].rolling.clone_from(&instances[0].rolling);
    assert_eq!(Case::new(&patch, &[Seen::default()]).of("major-rolling"), [""; 0]);
}

#[test]
fn withdrawn_and_broken_releases_are_not_gone_to() {
    let instances = [manager("m", "25.6.2")];
    let mut case = Case::new(&instances, &[Seen::default()]);
    let query = Query::Published(instances[0].component.published_query());
    let Some(Fact::Published(Observed::Known(published))) =
        case.facts.get_mut(&instances[0].host).unwrap().answers.get_mut(&query)
    else {
        panic!()
    };
    for one in &mut published.releases {
        if one.release == Release::parse("25.6.2").unwrap() {
            one.yanked = Some("invalid distribution name".into());
        }
    }
    assert!(case.of("yanked-release")[0].contains("invalid distribution name"), "{:?}", case.of("yanked-release"));
    assert_eq!(Case::new(&instances, &[Seen::default()]).of("yanked-release"), [""; 0]);
    // The manager of 24.9.14 lacks a module; its agent does not.
    let seen = Seen { installed: Observed::Known("24.9.13"), running: Some("24.9.13"), ..at_23_9_10() };
    let broken = [manager("m", "24.9.14")];
    assert_eq!(Case::new(&broken, std::slice::from_ref(&seen)).known().of("broken-release").len(), 1);
    let sound = [agent("a", "24.9.14")];
    assert_eq!(Case::new(&sound, &[seen]).known().of("broken-release"), [""; 0]);
}

#[test]
fn the_interpreter_must_run_what_comes() {
    // The fixture's environments have Python 3.11.2; 24.3 wants 3.12, as the catalogue knows.
    let instances = [manager("m", "24.3.0")];
    let observed = Case::new(&instances, &[at_23_9_10()]).known().of("wrong-python");
    assert!(observed[0].contains("24.3.0 needs Python") && observed[0].contains("is Python 3.11.2"), "{observed:?}");
    // In place there is but the one of the environment; with one of its own, whatever the host has.
    let mut in_place = instances.clone();
    in_place[0].component.environments.layout = Layout::InPlace;
    let both = Seen { interpreters: Observed::Known(&["3.11.2", "3.12.1"]), ..at_23_9_10() };
    let observed = Case::new(&in_place, std::slice::from_ref(&both)).known().of("wrong-python");
    assert!(observed[0].contains("has Python 3.11.2") && observed[0].contains("24.3.0 requires"), "{observed:?}");
    assert_eq!(Case::new(&instances, &[both]).known().of("wrong-python"), [""; 0]);
    let unknown = Seen { interpreters: Observed::Unknown("no answer".into()), ..at_23_9_10() };
    let observed = Case::new(&instances, &[unknown]).known().of("wrong-python");
    assert!(observed[0].contains("which interpreters there are is unknown: no answer"), "{observed:?}");
    let instances = [manager("m", "23.9.10")];
    let seen = Seen { installed: Observed::Known("23.9.8"), running: Some("23.9.8"), ..at_23_9_10() };
    assert_eq!(Case::new(&instances, &[seen]).known().of("wrong-python"), [""; 0]);
}

#[test]
fn what_is_not_locked_is_not_installed() {
    let mut instances = [manager("m", "25.6.4")];
    assert_eq!(Case::new(&instances, &[Seen::default()]).of("not-locked"), [""; 0]);
    let set = LockedSet::default();
    let locked = |release: &str, python: &str| LockedEnvironment {
        package: "backend-ai-manager".into(),
        release: Release::parse(release).unwrap(),
        python: python.into(),
        machines: Vec::new(),
        set: set.clone(),
    };
    let file = "converge.lock".to_owned();
    let environments = vec![locked("25.6.2", "3.11"), locked("25.6.4", "3.12")];
    instances[0].component.environments.locked = Some(Locked { file: file.clone(), environments });
    let observed = Case::new(&instances, &[Seen::default()]).of("not-locked");
    assert_eq!(observed, ["backend.ai-manager 25.6.4 on Python 3.11 is not in converge.lock"]);
    // With an environment of its own, the Python is the one that this is made with.
    instances[0].component.environments.layout = Layout::Staged;
    let seen = Seen { interpreters: Observed::Known(&["3.12.1"]), ..Seen::default() };
    let observed = Case::new(&instances, &[seen]).of("not-locked");
    assert_eq!(observed, ["backend.ai-manager 25.6.2 on Python 3.12 is not in converge.lock"]);
    instances[0].component.environments.layout = Layout::InPlace;
    let environments = vec![locked("25.6.2", "3.11"), locked("25.6.4", "3.11")];
    instances[0].component.environments.locked = Some(Locked { file, environments });
    assert_eq!(Case::new(&instances, &[Seen::default()]).of("not-locked"), [""; 0]);
}

#[test]
fn running_work_stops_a_major_upgrade_and_asks_about_a_patch() {
    let counted = |count: u64| {
        Fact::Work(Observed::Known(Work {
            by_status: [("RUNNING".to_owned(), count)].into_iter().filter(|(_, n)| *n > 0).collect(),
        }))
    };
    let look = |declared: &str, fact: Fact, code: &str| {
        let instances = [manager("m", declared)];
        let seen = if declared.starts_with("24") {
            at_23_9_10()
        } else {
            Seen { installed: Observed::Known("23.9.8"), ..at_23_9_10() }
        };
        let case = Case::new(&instances, &[seen]).known().major();
        let query = crate::resource::component::work_query(&instances[0].component, &case.catalogue).unwrap();
        case.answer(&instances[0], Query::Work(query), fact).of(code)
    };
    assert!(look("24.3.0", counted(3), "work-running")[0].contains("3 of sessions run: 3 RUNNING"));
    assert_eq!(look("24.3.0", counted(3), "work-running-patch"), [""; 0]);
    assert_eq!(look("24.3.0", counted(0), "work-running"), [""; 0]);
    assert!(look("24.3.0", Fact::Work(Observed::Unknown("no psql".into())), "work-running")[0].contains("no psql"));
    assert_eq!(look("23.9.10", counted(1), "work-running-patch").len(), 1);
    assert_eq!(look("23.9.10", counted(1), "work-running"), [""; 0]);
    assert_eq!(look("23.9.10", counted(0), "work-running-patch"), [""; 0]);
}

#[test]
fn a_major_upgrade_that_waits_for_work_is_not_refused_for_it() {
    let counted = |work: Observed<Work>, declared: &str, installed: &'static str, waits: Option<u32>, code: &str| {
        let instances = [manager("m", declared)];
        let seen = Seen { installed: Observed::Known(installed), running: Some(installed), ..at_23_9_10() };
        let mut case = Case::new(&instances, &[seen]).known().major();
        case.request.drain_timeout = waits;
        let query = crate::resource::component::work_query(&instances[0].component, &case.catalogue).unwrap();
        case.answer(&instances[0], Query::Work(query), Fact::Work(work)).of(code)
    };
    let runs = || Observed::Known(Work { by_status: [("RUNNING".to_owned(), 3)].into() });
    assert_eq!(counted(runs(), "24.3.0", "23.9.10", None, "work-running").len(), 1);
    assert_eq!(counted(runs(), "24.3.0", "23.9.10", Some(60), "work-running"), [""; 0]);
    // It is counted anew behind the freeze, so that what can't be counted now is waited for as well.
    let unknown = || Observed::Unknown("no psql".into());
    assert_eq!(counted(unknown(), "24.3.0", "23.9.10", None, "work-running").len(), 1);
    assert_eq!(counted(unknown(), "24.3.0", "23.9.10", Some(60), "work-running"), [""; 0]);
    // A patch doesn't wait for anything.
    assert_eq!(counted(runs(), "23.9.10", "23.9.8", Some(60), "work-running-patch").len(), 1);
}

#[test]
fn the_operators_own_count_of_work_counts_too() {
    let mut instance = manager("m", "25.6.4");
    instance.component.precautions.workloads = Some("docker ps -q".into());
    let query = Query::Command(instance.component.workloads_query().unwrap());
    let instances = [instance];
    let look = |status: u8, output: &str| {
        let answer = Fact::Command(Observed::Known(CommandAnswer { status, output: output.into() }));
        Case::new(&instances, &[Seen::default()]).answer(&instances[0], query.clone(), answer).of("work-running-patch")
    };
    assert!(look(0, "c0ffee")[0].contains("lists: c0ffee"));
    assert!(look(1, "no docker")[0].contains("exits with 1: no docker"));
    assert_eq!(look(0, ""), [""; 0]);
    // Not asked is not known.
    assert_eq!(Case::new(&instances, &[Seen::default()]).of("work-running-patch").len(), 1);
}

#[test]
fn work_that_nobody_can_count_is_told() {
    let (manager, agent) = ([manager("m", "25.6.4")], [agent("a", "25.6.4")]);
    let case = Case { out_of_scope: &manager, ..Case::new(&agent, &[Seen::default()]).known() };
    assert!(case.of("work-running-patch")[0].contains("m/manager is left out"), "{:?}", case.of("work-running-patch"));
    // Where nothing moves, nobody asks.
    let still = [crate::desired::fixture::agent("a", "25.6.1")];
    assert_eq!(Case::new(&still, &[Seen::default()]).known().of("work-running-patch"), [""; 0]);
}

#[test]
fn what_pins_the_old_release_would_break() {
    let instances = [agent("a", "25.6.4")];
    let pins = |on: &[(&str, &str, &str)]| {
        let mut pins = Pins::default();
        for (from, on, release) in on {
            let release = Release::parse(release).unwrap();
            pins.pins.entry((*from).into()).or_default().insert((*on).into(), release);
        }
        let query = Query::Pins(instances[0].component.pins_query());
        Case::new(&instances, &[Seen::default()])
            .answer(&instances[0], query, Fact::Pins(Observed::Known(pins)))
            .of("shared-environment")
    };
    let agent = "backend-ai-agent";
    let breaks =
        pins(&[(agent, "backend-ai-common", "25.6.1"), ("backend-ai-webserver", "backend-ai-common", "25.6.1")]);
    assert!(breaks[0].contains("backend-ai-webserver (it pins backend-ai-common 25.6.1)"), "{breaks:?}");
    // What goes along, and what shares an ordinary library, doesn't.
    let along = [
        (agent, "backend-ai-common", "25.6.1"),
        ("backend-ai-common", "backend-ai-logging", "25.6.1"),
        ("backend-ai-logging", "yarl", "1.8.2"),
    ];
    assert_eq!(pins(&along), [""; 0]);
    assert_eq!(pins(&[(agent, "yarl", "1.8.2"), ("aiohttp", "yarl", "1.8.2")]), [""; 0]);
}

#[test]
fn packages_and_backups_need_room() {
    let seen = Seen { available_kib: 200 * 1024, ..Seen::default() };
    let moving = [agent("a", "25.6.4")];
    assert!(Case::new(&moving, std::slice::from_ref(&seen)).of("no-space")[0].contains("204800 KiB free"));
    let still = [agent("a", "25.6.1")];
    assert_eq!(Case::new(&still, &[seen]).of("no-space"), [""; 0]);
    assert_eq!(Case::new(&moving, &[Seen::default()]).of("no-space"), [""; 0]);
}

#[test]
fn a_mixture_of_releases_is_answered_for() {
    let instances = [manager("m", "25.6.4"), agent("a", "25.6.4"), agent("b", "25.6.4")];
    let older = Seen { installed: Observed::Known("25.6.2"), running: Some("25.6.2"), ..Seen::default() };
    let mixed = Case::new(&instances, &[Seen::default(), older, Seen::default()]).known();
    let observed = mixed.of("mixed-releases");
    assert_eq!(observed, ["2 releases are installed: 25.6.1 on m/manager, b/agent; 25.6.2 on a/agent"]);
    assert_eq!(
        Case::new(&instances, &[Seen::default(), Seen::default(), Seen::default()]).known().of("mixed-releases"),
        [""; 0]
    );
}

#[test]
fn a_stale_process_is_told_before_its_package_moves_on() {
    let stale = Seen { running: Some("25.6.0"), ..Seen::default() };
    let moving = [manager("m", "25.6.4")];
    assert!(Case::new(&moving, std::slice::from_ref(&stale)).of("running-differs")[0].contains("25.6.0"));
    // Where only the restart is missing, the run is the cure.
    let still = [manager("m", "25.6.1")];
    assert_eq!(Case::new(&still, &[stale]).of("running-differs"), [""; 0]);
}

#[test]
fn a_train_that_nobody_described_is_answered_for() {
    let published: &[&str] = &["26.9.6", "26.9.7", "27.1.0"];
    let seen = Seen {
        installed: Observed::Known("26.9.6"),
        running: Some("26.9.6"),
        published: Observed::Known(published),
        ..Seen::default()
    };
    let ahead = [manager("m", "27.1.0")];
    assert!(Case::new(&ahead, std::slice::from_ref(&seen)).known().of("unknown-train")[0].contains("27.1"));
    let within = [manager("m", "26.9.7")];
    assert_eq!(Case::new(&within, &[seen]).known().of("unknown-train"), [""; 0]);
}

#[test]
fn state_on_disk_is_looked_for_before_a_major_upgrade() {
    let mut instance = agent("a", "24.3.0");
    instance.component.precautions.state_files = vec!["/var/lib/backend.ai/last_registry.*.dat".into()];
    let query = Query::Paths(instance.component.state_queries().remove(0));
    let instances = [instance];
    let there = Fact::Paths(Observed::Known(Paths { paths: vec!["/var/lib/backend.ai/last_registry.i-a.dat".into()] }));
    let look = |fact: Fact| {
        Case::new(&instances, &[at_23_9_10()]).answer(&instances[0], query.clone(), fact).of("agent-state")
    };
    assert!(look(there)[0].contains("last_registry.i-a.dat is there"));
    assert_eq!(look(Fact::Paths(Observed::Unknown("can't be listed".into()))).len(), 1);
    assert_eq!(look(Fact::Paths(Observed::Absent)), [""; 0]);
}

#[test]
fn manual_steps_and_risks_are_named_where_they_concern_the_cluster() {
    // The fixture's server is PostgreSQL 16: the step that replaces 15 doesn't concern it.
    let instances = [manager("m", "24.9.1")];
    let seen = Seen { installed: Observed::Known("24.3.11"), running: Some("24.3.11"), ..at_23_9_10() };
    let steps = |case: Case<'_>| -> Vec<String> {
        case.findings().into_iter().filter(|f| f.code == "manual-step").filter_map(|f| f.about).collect()
    };
    let sixteen = steps(Case::new(&instances, std::slice::from_ref(&seen)).known());
    let mut older = Case::new(&instances, std::slice::from_ref(&seen)).known();
    let query = Query::Schema(instances[0].component.schema_query().unwrap());
    let Some(Fact::Schema(Observed::Known(schema))) =
        older.facts.get_mut(&instances[0].host).unwrap().answers.get_mut(&query)
    else {
        panic!()
    };
    schema.server = Some(15);
    let fifteen = steps(older);
    assert_eq!(fifteen.len(), sixteen.len() + 1, "{fifteen:?} {sixteen:?}");
    // A patch has no such steps.
    let patch = [manager("m", "23.9.10")];
    let seen = Seen { installed: Observed::Known("23.9.8"), running: Some("23.9.8"), ..at_23_9_10() };
    assert_eq!(steps(Case::new(&patch, &[seen]).known()), [""; 0]);
    // The agent's pickle across Pythons is a risk that the catalogue knows.
    let agents = [agent("a", "24.3.0")];
    assert!(!Case::new(&agents, &[at_23_9_10()]).known().of("known-risk").is_empty());
    // An agent that is stopped by SIGINT, as the fixture's, keeps its containers; by SIGTERM it destroys them.
    let mut patch = [agent("a", "25.6.4")];
    assert_eq!(Case::new(&patch, &[Seen::default()]).known().of("known-risk"), [""; 0]);
    patch[0].component.process.stop_signal = crate::resource::component::Signal::Term;
    assert!(Case::new(&patch, &[Seen::default()]).known().of("known-risk")[0].contains("SIGTERM"));
}

#[test]
fn each_change_log_on_the_way_is_acknowledged_once() {
    let instances = [manager("m", "25.6.4"), agent("a", "25.6.4")];
    let mut case = Case::new(&instances, &[Seen::default(), Seen::default()]).known();
    let about = |case: &Case<'_>| -> Vec<String> {
        case.findings().into_iter().filter(|f| f.code == "change-log" && f.refuses()).filter_map(|f| f.about).collect()
    };
    // 25.6.2 of the fixture is published and not broken: one hop each.
    assert_eq!(about(&case), ["25.6.2", "25.6.4"]);
    case.request.waivers = vec![parse_waiver("change-log@25.6.2=read").unwrap()];
    assert_eq!(about(&case), ["25.6.4"]);
    case.request.waivers = vec![parse_waiver("change-log=read").unwrap()];
    assert_eq!(about(&case), [""; 0]);
    assert_eq!(Case::new(&instances, &[Seen::default(), Seen::default()]).of("change-log"), [""; 0]);
}

#[test]
fn users_are_notified_of_a_major_upgrade() {
    let mut instance = manager("m", "24.3.0");
    let silent = [instance.clone()];
    assert!(Case::new(&silent, &[at_23_9_10()]).of("users-not-notified")[0].contains("no `notice` command"));
    instance.component.precautions.notice = Some("/srv/told".into());
    let query = Query::Command(instance.component.notice_query().unwrap());
    let instances = [instance];
    let look = |status: u8| {
        let answer = Fact::Command(Observed::Known(CommandAnswer { status, output: "nobody".into() }));
        Case::new(&instances, &[at_23_9_10()]).answer(&instances[0], query.clone(), answer).of("users-not-notified")
    };
    assert!(look(1)[0].contains("exits with 1: nobody"));
    assert_eq!(look(0), [""; 0]);
    let patch = [manager("m", "25.6.4")];
    assert_eq!(Case::new(&patch, &[Seen::default()]).of("users-not-notified"), [""; 0]);
}

#[test]
fn the_maintenance_window_is_the_controllers_to_keep() {
    let mut instance = agent("a", "25.6.4");
    instance.component.precautions.window = Some(crate::model::Window::parse("Thu 01:00-02:00 UTC").unwrap());
    let instances = [instance];
    // 1970-01-01 was a Thursday; the clock of a case stands at 00:50.
    let mut case = Case::new(&instances, &[Seen::default()]);
    assert!(case.of("outside-window")[0].contains("the window is Thu 01:00-02:00 UTC"));
    case.now = Timestamp(3_600);
    assert_eq!(case.of("outside-window"), [""; 0]);
}

#[test]
fn findings_are_ordered_from_the_worst_to_the_waived() {
    let mut instance = manager("m", "25.6.4");
    instance.component.precautions.window = Some(crate::model::Window::parse("Fri 01:00-02:00 UTC").unwrap());
    let instances = [instance];
    let seen = Seen { dump_tool: None, running: Some("25.6.0"), ..Seen::default() };
    let mut case = Case::new(&instances, &[seen]);
    case.request.waivers = vec![parse_waiver("running-differs=seen").unwrap()];
    let codes: Vec<String> = case.findings().into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["no-backup", "outside-window", "running-differs"]);
    assert!(refused(&case.findings()));
}

/// A case whose manager would take the hop to 25.6.2 with these revisions in its package.
fn with_package<'a>(instances: &'a [Instance], revisions: &[(&str, &[&str])]) -> Case<'a> {
    let mut case =
        Case::new(instances, &[Seen { published: Observed::Known(&["25.6.1", "25.6.2"]), ..Seen::default() }]);
    let edges = revisions.iter().map(|(id, down)| ((*id).to_owned(), down.iter().map(|d| (*d).to_owned()).collect()));
    let graph = crate::release::RevisionGraph::of_edges(edges.collect());
    wheel_of(&mut case).migrations = crate::release::Migrations::Known { directory: "alembic".into(), graph };
    case
}

/// What is known of the package that the first instance is to get.
fn wheel_fact<'c>(case: &'c mut Case<'_>) -> &'c mut Observed<Wheel> {
    let component = &case.instances[0].component;
    let query = Query::Wheel(component.wheel_query(&component.release).unwrap());
    match case.facts.get_mut(&case.instances[0].host).unwrap().answers.get_mut(&query) {
        Some(Fact::Wheel(fact)) => fact,
        other => panic!("{other:?}"),
    }
}

fn wheel_of<'c>(case: &'c mut Case<'_>) -> &'c mut Wheel {
    match wheel_fact(case) {
        Observed::Known(wheel) => wheel,
        other => panic!("{other:?}"),
    }
}

#[test]
fn packages_that_the_database_cannot_follow_are_told_before_anything_stops() {
    let instances = [manager("m", "25.6.2")];
    let of = |revisions: &[(&str, &[&str])], code: &str| with_package(&instances, revisions).of(code);
    // The database stands at b2, which comes after a1.
    assert!(of(&[], "schema-target")[0].contains("carries no migrations"));
    assert!(of(&[("a1", &[])], "schema-target")[0].contains("will stand at b2"));
    assert!(of(&[("a1", &[]), ("b2", &["a1"]), ("c3", &["a1"])], "schema-target")[0].contains("2 heads: b2, c3"));
    let sound: &[(&str, &[&str])] = &[("a1", &[]), ("b2", &["a1"]), ("c3", &["b2"])];
    assert_eq!(of(sound, "schema-target"), [""; 0]);
    assert_eq!(of(sound, "schema-skips"), [""; 0]);
    // A backport below the database's revision never runs.
    let spliced: &[(&str, &[&str])] = &[("a1", &[]), ("x9", &["a1"]), ("b2", &["x9"]), ("c3", &["b2"])];
    assert!(of(spliced, "schema-skips")[0].contains("silently skip 1 revision(s): x9"));
    assert_eq!(of(spliced, "schema-target"), [""; 0]);
}

/// A manager at 25.6.1 and its database at the head, of whose revisions so much is there: `ID:EXPECTED:MISSING`.
fn to_mend<'a>(instances: &'a [Instance], seen: Seen, told: &str) -> Case<'a> {
    let mut effects = Effects::default();
    for word in told.split_whitespace() {
        let [id, expected, missing] = word.split(':').collect::<Vec<_>>().try_into().unwrap();
        let (expected, missing) = (expected.parse().unwrap(), missing.parse().unwrap());
        let told = RevisionEffects { expected, missing, ..RevisionEffects::default() };
        effects.revisions.insert(id.into(), told);
    }
    let query = Query::Effects(instances[0].component.whole_schema_query().unwrap());
    let mut case = Case::new(instances, &[seen]).answer(&instances[0], query, Fact::Effects(Observed::Known(effects)));
    case.request.mend = true;
    case
}

#[test]
fn a_database_is_mended_only_where_that_completes_it() {
    let instances = [manager("m", "25.6.1")];
    let of = |seen: Seen, told: &str| to_mend(&instances, seen, told).of("schema-unmendable");
    for (told, passes) in [("a1:2:2 b2:1:0", true), ("a1:2:0 b2:1:0", true), ("a1:2:1 b2:1:0", false)] {
        let found = of(Seen::default(), told);
        assert_eq!(found.is_empty(), passes, "{told}: {found:?}");
    }
    let found = of(Seen::default(), "a1:2:1 b2:1:1");
    assert!(found.len() == 1 && found[0].contains("lacks what a1 brings, and it must not be run: 1 of the 2 things"));
    let behind = Seen { rows: &["a1"], ..Seen::default() };
    assert!(of(behind, "a1:1:1")[0].contains("not at the package's head"));

    // What can't be seen is never mended, and what isn't whole tells nothing.
    let mut unseen = Case::new(&instances, &[Seen::default()]);
    unseen.request.mend = true;
    assert!(unseen.of("schema-unmendable")[0].contains("what the database lacks is unknown: it was not asked"));
    let nothing = Seen { installed: Observed::Known("25.6.1"), ..Seen::default() };
    let mut torn = to_mend(&instances, nothing, "a1:2:2 b2:1:0");
    let query = Query::Venv(instances[0].component.venv_query());
    let Some(Fact::Venv(Observed::Known(venv))) =
        torn.facts.get_mut(&instances[0].host).unwrap().answers.get_mut(&query)
    else {
        panic!()
    };
    venv.moved_aside.push(("iohttp".into(), "3.8".into()));
    assert!(torn.of("schema-unmendable")[0].contains("is not installed whole"));

    // Nobody who upgrades is asked for it.
    let mut upgrade = to_mend(&instances, Seen::default(), "a1:2:1 b2:1:0");
    upgrade.request.mend = false;
    assert_eq!(upgrade.of("schema-unmendable"), [""; 0]);
}

#[test]
fn a_mending_needs_what_a_migration_needs() {
    let [instance, other] = [manager("m", "25.6.1"), manager("n", "25.6.1")];
    let instances = [instance];
    let codes = |seen: Seen, told: &str, left_out: &[Instance]| -> Vec<String> {
        let case = Case { out_of_scope: left_out, ..to_mend(&instances, seen, told) };
        case.findings().into_iter().map(|finding| finding.code).collect()
    };
    let lacking = "a1:2:2 b2:1:0";
    assert_eq!(codes(Seen::default(), lacking, &[]), [""; 0]);
    let unwritable = || Seen { writable: false, ..Seen::default() };
    assert_eq!(codes(unwritable(), lacking, &[]), ["no-backup"]);
    assert_eq!(codes(Seen::default(), lacking, from_ref(&other)), ["shared-database"]);
    let busy = |told: &str| {
        let case = to_mend(&instances, Seen::default(), told).known();
        let query = work_query(&instances[0].component, &case.catalogue).unwrap();
        let work = Work { by_status: BTreeMap::from([("RUNNING".to_owned(), 3)]) };
        let case = case.answer(&instances[0], Query::Work(query), Fact::Work(Observed::Known(work)));
        case.of("work-running-patch")
    };
    assert!(busy(lacking)[0].starts_with("3 of sessions run"), "{:?}", busy(lacking));
    // Where nothing is to be mended, nothing has to hold for it.
    assert_eq!(codes(unwritable(), "a1:2:0 b2:1:0", from_ref(&other)), [""; 0]);
    assert_eq!(busy("a1:2:0 b2:1:0"), [""; 0]);
}

#[test]
fn a_package_that_could_not_be_read_blocks() {
    let instances = [manager("m", "25.6.2")];
    let query = Query::Wheel(instances[0].component.wheel_query(&instances[0].component.release).unwrap());
    let unread = Fact::Wheel(Observed::Unknown("no matching distribution".into()));
    let case = Case::new(&instances, &[Seen::default()]).answer(&instances[0], query, unread);
    assert!(case.of("unknown-fact")[0].contains("no matching distribution"), "{:?}", case.of("unknown-fact"));
}

#[test]
fn a_package_that_lacks_what_it_imports_is_told() {
    let instances = [manager("m", "25.6.2")];
    let mut case = Case::new(&instances, &[Seen::default()]);
    wheel_of(&mut case)
        .missing_modules
        .insert("ai.backend.manager.errors".into(), "ai/backend/manager/server.py".into());
    assert!(case.of("missing-module")[0].contains("imports ai.backend.manager.errors"));
    assert_eq!(Case::new(&instances, &[Seen::default()]).of("missing-module"), [""; 0]);
}
