//! Texts as people see them, and the objects behind them.

use crate::desired::fixture::{Seen, agent, before_a_major, facts, frozen_manager, manager, world};
use crate::desired::{Instance, InstanceId};
use crate::event::{ActionResult, Event, Failure};
use crate::facts::{Fact, HostFacts, Observed, Query};
use crate::model::HostName;
use crate::plan::{Input, Plan, SavedPlan, SavedPlanError, check, plan};
use crate::preflight;
use crate::release::{Catalogue, CatchUp, Migrations, RevisionGraph};
use crate::report::{
    Drift, RecapLine, downtime_text, drift_of, drift_text, facts_text, failures_text, findings_text, plan_text,
    progress_line, recap_text, recovery_text,
};
use crate::resource::component::{LeftOut, Rehearsal};

/// A text without its styles.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

/// The findings of a run without any further words, of a product that nobody knows anything about.
fn look(instances: &[Instance], facts: &std::collections::BTreeMap<HostName, HostFacts>) -> Vec<preflight::Finding> {
    preflight::check(&preflight::Input {
        instances,
        resources: &[],
        out_of_scope: &[],
        facts,
        catalogue: &Catalogue::default(),
        request: &preflight::Request::default(),
        now: crate::model::Timestamp(0),
    })
}

fn drift(all: &[(Instance, Seen)]) -> Drift {
    let instances: Vec<Instance> = all.iter().map(|(instance, _)| instance.clone()).collect();
    let facts = world(all.iter().map(|(instance, seen)| (instance, seen.clone())));
    let findings = look(&instances, &facts);
    drift_of(&instances, &[], &facts, &findings, &[], &plan(&Input::new(&instances, &facts, &Catalogue::default())))
}

#[test]
fn a_plan_says_what_where_and_why() {
    let instances = [manager("m", "25.6.2"), agent("a", "25.6.1")];
    let stopped = Seen { running: None, ..Seen::default() };
    let facts = world([(&instances[0], Seen::default()), (&instances[1], stopped)]);
    let text = plain(&plan_text(&plan(&Input::new(&instances, &facts, &Catalogue::default()))));
    let mut lines = text.lines();
    let head = lines.next().unwrap();
    assert!(head.starts_with("PLAN ") && head.ends_with(": 6 actions in 2 stages on 2 hosts"), "{head}");
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r#"
    1. 25.6.1: agent
      a: start agent and wait until it answers as 25.6.1
          because no process runs (agent.service is inactive (dead))

    2. 25.6.2: manager
      m: stop manager
          because 25.6.2 is to be installed
      m: install backend.ai-manager 25.6.1 -> 25.6.2 into /srv/manager/.venv
          because 25.6.2 is declared
      m: back up the database of manager to /srv/backup/backend-before-25.6.2-19700101T005000Z.dump
          because no schema changes without a backup
      m: migrate the database of manager to of-25.6.2
          because 1 revision(s) are pending: of-25.6.2
          only a restore takes it back: pg_restore --clean --if-exists --create --exit-on-error --dbname=postgres /srv/backup/backend-before-25.6.2-19700101T005000Z.dump
      m: start manager and wait until it answers as 25.6.2
          because 25.6.2 was installed
    "#);
}

/// The plan of a major upgrade of two managers, of which one can freeze the cluster, and an agent.
fn a_major() -> Plan {
    let mut instances = [frozen_manager("m", "25.7.0"), manager("n", "25.7.0"), agent("a", "25.7.0")];
    instances[2].play = 1;
    let facts = world(instances.iter().map(|instance| (instance, before_a_major())));
    let catalogue = Catalogue::bundled();
    let manual_steps = ["write the settings anew (acknowledged: done)".to_owned()];
    plan(&Input { drain_timeout: Some(60), manual_steps: &manual_steps, ..Input::new(&instances, &facts, &catalogue) })
}

#[test]
fn the_plan_of_a_major_upgrade_says_where_the_way_back_ends() {
    let text = plain(&plan_text(&a_major()));
    insta::assert_snapshot!(text.split_once('\n').unwrap().1.trim_start(), @r#"
    1. 25.7.0: build the new environments  (a barrier: all hosts)
      by hand: write the settings anew (acknowledged: done)
      m: build /srv/manager/.venv-25.7.0 with backend.ai-manager 25.7.0 by /opt/3.13.7/bin/python3
          because 25.7.0 is declared
      n: build /srv/manager/.venv-25.7.0 with backend.ai-manager 25.7.0 by /opt/3.13.7/bin/python3
          because 25.7.0 is declared
      a: build /srv/agent/.venv-25.7.0 with backend.ai-agent 25.7.0 by /opt/3.13.7/bin/python3
          because 25.7.0 is declared

    2. 25.7.0: rehearse the migration on a copy  (a barrier: all hosts)
      m: back up the database of manager to /srv/backup/backend-rehearsal-25.7.0-19700101T005000Z.dump
          because the migration is rehearsed on it
      m: rehearse the migration on a copy, backend_rehearsal
          because a migration that fails is to fail here, before anything stops

    3. 25.7.0: freeze the cluster  (a barrier: all hosts)
      m: freeze the cluster through manager
          because 25.7.0 stops the whole cluster: nothing new may begin

    4. 25.7.0: wait until no work runs  (a barrier: all hosts)
      m: wait until no work runs, 60 s at most
          because sessions of the old release are not taken over by the new one

    5. 25.7.0: stop agent  (a barrier: all hosts)
      a: stop agent
          because 25.7.0 is to be installed

    6. 25.7.0: stop manager  (a barrier: all hosts)
      m: stop manager
          because 25.7.0 is to be installed
      n: stop manager
          because 25.7.0 is to be installed

    7. 25.7.0: back up  (a barrier: all hosts)
      m: back up the database of manager to /srv/backup/backend-before-25.7.0-19700101T005000Z.dump
          because no schema changes without a backup
      m: save the state beside the database to /srv/backup/backend-before-25.7.0-19700101T005000Z.etcd
          because a migration may change etcd, and no transaction takes that back

    8. 25.7.0: switch every environment  (a barrier: all hosts)
      m: switch /srv/manager/.venv to /srv/manager/.venv-25.7.0: backend.ai-manager 25.6.4 -> 25.7.0
          because the new environment was built and checked while the old one ran
      n: switch /srv/manager/.venv to /srv/manager/.venv-25.7.0: backend.ai-manager 25.6.4 -> 25.7.0
          because the new environment was built and checked while the old one ran
      a: switch /srv/agent/.venv to /srv/agent/.venv-25.7.0: backend.ai-agent 25.6.4 -> 25.7.0
          because the new environment was built and checked while the old one ran

    9. 25.7.0: migrate  (a barrier: all hosts)
      POINT OF NO RETURN: until here a failure takes the cluster back to where it was; from here on only a restore of the backup does
      m: migrate the database of manager to of-25.7.0
          because 1 revision(s) are pending: of-25.7.0
          only a restore takes it back: pg_restore --clean --if-exists --create --exit-on-error --dbname=postgres /srv/backup/backend-before-25.7.0-19700101T005000Z.dump

    10. 25.7.0: start manager  (a barrier: all hosts)
      m: start manager and wait until it answers as 25.7.0
          because 25.7.0 was installed
      n: start manager and wait until it answers as 25.7.0
          because 25.7.0 was installed

    11. 25.7.0: start agent  (a barrier: all hosts)
      a: start agent and wait until it answers as 25.7.0
          because 25.7.0 was installed

    12. 25.7.0: unfreeze the cluster  (a barrier: all hosts)
      m: unfreeze the cluster through manager
          because the cluster runs 25.7.0

    13. 25.7.0: tidy up  (a barrier: all hosts)
      m: remove old environments of /srv/manager/.venv but for 1
          because 25.7.0 runs, and old environments cost room
      n: remove old environments of /srv/manager/.venv but for 1
          because 25.7.0 runs, and old environments cost room
      a: remove old environments of /srv/agent/.venv but for 1
          because 25.7.0 runs, and old environments cost room
    "#);
}

#[test]
fn the_ways_back_say_what_is_done_and_what_is_left_to_people() {
    let told: Vec<String> = a_major()
        .recoveries
        .iter()
        .map(|recovery| {
            let stages: Vec<String> = recovery.stages.iter().map(|stage| format!("  {}", stage.title)).collect();
            let advice: Vec<String> = recovery.advice.iter().map(|line| format!("  > {line}")).collect();
            format!("{} ({})\n{}", recovery.title, recovery.takes_back, [stages, advice].concat().join("\n"))
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    back to 25.6.4 (true)
      25.7.0: switch every environment back
      25.7.0: start manager again
      25.7.0: start agent again
      25.7.0: unfreeze the cluster
    unfreeze; the way back is a restore (false)
      25.7.0: unfreeze the cluster
      > forward: mend the cause, then run converge --major again: it goes on to 25.7.0 from what is there
      > back, on m: first export PGHOST, PGPORT, PGUSER and PGPASSWORD as /srv/manager dir/alembic.ini has them
      > back, on m: pg_restore --clean --if-exists --create --exit-on-error --dbname=postgres /srv/backup/backend-before-25.7.0-19700101T005000Z.dump
      > back, on m: ln -sfn /srv/manager/.venv-25.6.4 /srv/manager/.venv
      > back, on n: ln -sfn /srv/manager/.venv-25.6.4 /srv/manager/.venv
      > back, on a: ln -sfn /srv/agent/.venv-25.6.4 /srv/agent/.venv
      > then declare "25.6.4" again, and converge starts what is stopped
    "#);
}

/// The same of one manager, whose next package has a revision below the database's row, by upstream's own command.
fn by_upstream() -> Plan {
    let mut instances = [manager("m", "25.7.0")];
    let schema = instances[0].component.schema.as_mut().unwrap();
    (schema.left_out, schema.rehearsal) = (LeftOut::Upstream, Rehearsal::Never);
    let mut facts = world([(&instances[0], before_a_major())]);
    let query = Query::Wheel(instances[0].component.wheel_query(&instances[0].component.release).unwrap());
    let Some(Fact::Wheel(Observed::Known(wheel))) = facts.get_mut(&host("m")).unwrap().answers.get_mut(&query) else {
        panic!()
    };
    let edges = [("a1", ""), ("x9", "a1"), ("b2", "x9"), ("c3", "b2")];
    let down = |down: &str| down.split_whitespace().map(str::to_owned).collect();
    let graph = RevisionGraph::of_edges(edges.iter().map(|(id, below)| ((*id).to_owned(), down(below))).collect());
    wheel.migrations = Migrations::Known { directory: "alembic".into(), graph };
    wheel.catch_up = CatchUp { command: true, histories: ["25.06.4".to_owned()].into() };
    let plan = plan(&Input::new(&instances, &facts, &Catalogue::bundled()));
    assert_eq!(check(&plan, &facts), []);
    plan
}

#[test]
fn the_plan_says_where_upstreams_own_command_runs_and_that_it_is_not_atomic() {
    let plan = by_upstream();
    let migration = plan.actions().find(|action| action.verb() == "migrate").unwrap();
    insta::assert_snapshot!(format!("{migration}\nbecause {}\nif interrupted: {}", migration.why, migration.if_interrupted), @r#"
    migrate the database of manager to c3, with 1 revision(s) that alembic would leave out, by upstream's own apply-missing-revisions 25.06.4: not atomic
    because 1 revision(s) come first that alembic would take for applied: x9. 1 revision(s) are pending: c3. As declared, the package's own `apply-missing-revisions 25.06.4` runs all of them instead of `upgrade head`, and the head is stamped when it has succeeded
    if interrupted: anything between the old schema and the new one: it isn't atomic, and only the restore takes it back
    "#);
    assert!(plain(&plan_text(&plan)).contains("25.06.4: not atomic"), "{}", plain(&plan_text(&plan)));
    insta::assert_snapshot!(plan.recoveries.last().unwrap().advice.join("\n"), @r#"
    forward: only where the output says "rolled back" or "refused": declare `left_out: converge`, then run converge --major again: it goes on to 25.7.0 from what is there
    back, on m: first export PGHOST, PGPORT, PGUSER and PGPASSWORD as /srv/manager dir/alembic.ini has them
    back, on m: pg_restore --clean --if-exists --create --exit-on-error --dbname=postgres /srv/backup/backend-before-25.7.0-19700101T005000Z.dump
    back, on m: ln -sfn /srv/manager/.venv-25.6.4 /srv/manager/.venv
    then declare "25.6.4" again, and converge starts what is stopped
    "#);

    let targets = std::collections::BTreeMap::from([(host("m"), "ssh".to_owned())]);
    let saved = SavedPlan::new(plan, Vec::new(), targets, preflight::Request::default(), Vec::new());
    let read = SavedPlan::<String>::parse(&saved.to_text()).unwrap();
    assert_eq!((&read.plan, read.digest), (&saved.plan, saved.digest.clone()));
    // Nobody makes another way of it unseen.
    let error = SavedPlan::<String>::parse(&saved.to_text().replace("\"25.06.4\"", "null")).unwrap_err();
    assert!(matches!(error, SavedPlanError::Digest { .. }), "{error}");
}

#[test]
fn an_empty_plan_says_why() {
    let instances = [manager("m", "25.6.1")];
    let facts = world([(&instances[0], Seen::default())]);
    let text = plain(&plan_text(&plan(&Input::new(&instances, &facts, &Catalogue::default()))));
    insta::assert_snapshot!(text, @r#"
    Nothing to do: 1 component(s) on 1 host(s) are as declared.
      m/manager: 25.6.1 installed, running 25.6.1, database at head b2
    "#);
}

#[test]
fn drift_is_one_line_when_there_is_none() {
    let drift = drift(&[(manager("m", "25.6.1"), Seen::default()), (agent("a", "25.6.1"), Seen::default())]);
    assert!(drift.in_sync);
    assert_eq!(plain(&drift_text(&drift)), "In sync: 2 component(s) on 2 host(s) are as declared.\n");
}

#[test]
fn drift_names_each_difference_and_what_a_run_would_do() {
    let stale = Seen { running: Some("25.6.0"), ..Seen::default() };
    let drift =
        drift(&[(manager("m", "25.6.2"), Seen { rows: &["a1"], ..Seen::default() }), (agent("a", "25.6.1"), stale)]);
    assert!(!drift.in_sync && drift.findings.is_empty());
    let causes: Vec<String> = drift
        .hosts
        .iter()
        .flat_map(|h| &h.components)
        .flat_map(|c| &c.differences)
        .map(|d| d.cause.to_string())
        .collect();
    assert_eq!(causes, ["process-stale", "package", "schema"]);
    assert!(!drift.actions.is_empty());
    insta::assert_snapshot!(plain(&drift_text(&drift)), @r#"
    a/agent: process-stale: an older release runs: it answers as 25.6.0, 25.6.1 is installed (declared at roles/agent/tasks/main.yaml:3)
    m/manager: package: 25.6.1 is installed, 25.6.2 is declared (declared at roles/manager/tasks/main.yaml:3)
    m/manager: schema: the database stands at a1, 1 revision(s) behind the package's head b2 (declared at roles/manager/tasks/main.yaml:3)

    Drift: a run would carry out 11 action(s); `converge plan` shows them.
    "#);
    // What is printed as JSON is read again as the same object.
    let json = serde_json::to_string(&drift).unwrap();
    assert_eq!(serde_json::from_str::<Drift>(&json).unwrap(), drift);
}

#[test]
fn drift_that_a_run_would_not_mend_says_so_and_plans_nothing() {
    let drift = drift(&[(manager("m", "25.6.3"), Seen::default()), (agent("a", "25.6.2"), Seen::default())]);
    assert_eq!((drift.findings.len(), drift.actions.len()), (1, 0));
    let text = plain(&drift_text(&drift));
    assert!(text.ends_with("Drift: a run would be refused for 1 finding(s).\n"), "{text}");
}

#[test]
fn an_unreachable_host_is_told_once() {
    let instance = manager("m", "25.6.1");
    let lost = HostFacts::unreachable(host("m"), "connection refused".into());
    let facts = std::collections::BTreeMap::from([(host("m"), lost)]);
    let instances = [instance];
    let findings = look(&instances, &facts);
    let drift = drift_of(
        &instances,
        &[],
        &facts,
        &findings,
        &[],
        &plan(&Input::new(&instances, &facts, &Catalogue::default())),
    );
    assert!(!drift.in_sync);
    let text = plain(&drift_text(&drift));
    assert_eq!(text.matches("connection refused").count(), 1, "{text}");
    assert!(text.starts_with("m: unreachable: connection refused"), "{text}");
}

#[test]
fn findings_are_counted_and_shown_in_full() {
    let instances = [manager("m", "25.6.3"), manager("n", "25.6.3"), agent("a", "25.7.0")];
    let facts = world(instances.iter().map(|instance| (instance, Seen::default())));
    let text = plain(&findings_text(&look(&instances, &facts), &[]));
    assert!(text.starts_with("REFUSED: 5 findings of the pre-flight; nothing was changed\n"), "{text}");
    // What two hosts share is said once.
    assert_eq!(text.matches("[not-published] mandatory\n").count(), 1, "{text}");
    assert!(text.contains("  also:     n/manager\n"), "{text}");
    assert!(text.contains("a/agent: [major-unasked] mandatory\n"), "{text}");
}

#[test]
fn facts_show_every_answer_and_what_is_unknown() {
    let instance = manager("m", "25.6.1");
    let seen = Seen { published: Observed::Unknown("pip \u{1b}[31mfailed".into()), writable: false, ..Seen::default() };
    let text = plain(&facts_text(&facts(&instance, &seen)));
    // What a host says can't steer the terminal.
    assert!(!text.contains('\u{1b}'), "{text:?}");
    insta::assert_snapshot!(text, @r#"
    m at 1970-01-01T00:50:00Z
      system: Debian GNU/Linux 12, kernel 6.1, as user 1000
      jobs: 0 at work
      disk /srv/backup: 976 MiB free on /
          /srv/backup is no directory that can be written to
      disk /srv/manager/.venv: 976 MiB free on /
      venv /srv/manager/.venv: Python 3.11.2 of /usr/bin, 1 distributions; package installed 1970-01-01T00:16:40Z
          backend-ai-manager 25.6.1
      process titled "^manager ": 1 running
          4711 of user 1000 since 1970-01-01T00:33:20Z: manager main
      health http://127.0.0.1:1/: HTTP 200, running release 25.6.1
          {}
      schema /srv/manager dir/alembic.ini: backend (postgresql 7:16384), 1024 KiB, at b2
          package: 2 revisions, head b2
      published backend.ai-manager: UNKNOWN: pip \x1b[31mfailed
      pins /srv/manager/.venv: 0 distributions pin others
      interpreters for /srv/manager/.venv: 1 can be used
          /opt/3.11.2/bin/python3 is Python 3.11.2
    "#);
    let lost = HostFacts::unreachable(host("m"), "timed out".into());
    assert_eq!(plain(&facts_text(&lost)), "m: UNREACHABLE: timed out\n");
}

fn failure(unreachable: bool) -> Failure {
    Failure {
        host: host("m"),
        tried: "start manager".into(),
        expected: "manager running".into(),
        observed: "no process runs".into(),
        output: vec!["No module named x".into()],
        left: vec!["m/manager: 25.6.2 installed, stopped".into()],
        next: "look at its log".into(),
        unreachable,
        handled: None,
    }
}

#[test]
fn a_failure_is_told_with_all_that_is_known() {
    insta::assert_snapshot!(plain(&failures_text(&[failure(false)])), @r#"
    m: FAILED
      tried:    start manager
      expected: manager running
      observed: no process runs
      left as:  m/manager: 25.6.2 installed, stopped
      it said:
        | No module named x
      next:     look at its log
    "#);
    assert!(plain(&failures_text(&[failure(true)])).contains("m: UNREACHABLE\n"));
}

#[test]
fn what_was_done_about_a_failure_is_told() {
    let advice = ["forward: mend the cause".to_owned(), "back, on m: pg_restore x".to_owned()];
    assert_eq!(
        plain(&recovery_text("back to 25.6.4", true, &[], &[])),
        "\nTaken back to 25.6.4: nothing is changed but what was built beside it.\n"
    );
    insta::assert_snapshot!(plain(&recovery_text("back to 25.6.4", false, &[failure(true)], &[])).trim_start(), @r#"
    The recovery (back to 25.6.4) is not whole:

    m: UNREACHABLE
      tried:    start manager
      expected: manager running
      observed: no process runs
      left as:  m/manager: 25.6.2 installed, stopped
      it said:
        | No module named x
      next:     look at its log
    "#);
    insta::assert_snapshot!(plain(&recovery_text("unfreeze; the way back is a restore", false, &[], &advice)).trim_start(), @r#"
    The migration was begun, so nothing is taken back by itself. What to type is yours to choose:
      forward: mend the cause
      back, on m: pg_restore x
    "#);
    // What failed on the way comes before what is to be typed.
    let both = plain(&recovery_text("unfreeze; the way back is a restore", false, &[failure(false)], &advice));
    let (failed, typed) = (both.find("m: FAILED").unwrap(), both.find("forward: mend").unwrap());
    assert!(failed < typed, "{both}");
}

#[test]
fn downtime_is_listed_from_the_longest() {
    let id = |name: &str, component: &str| InstanceId { host: host(name), component: component.into() };
    let downtime = [(id("a", "agent"), 999), (id("b", "agent"), 61_049), (id("b", "web"), 61_049)].into();
    assert_eq!(
        plain(&downtime_text(&downtime)),
        "\nDOWNTIME, from the order to stop to the proof that it serves\n\
         \u{20} b/agent                    : 61.0 s\n\
         \u{20} b/web                      : 61.0 s\n\
         \u{20} a/agent                    : 0.9 s\n"
    );
    assert_eq!(downtime_text(&std::collections::BTreeMap::new()), "");
}

#[test]
fn progress_is_a_line_for_each_end_in_the_words_of_ansible() {
    let ended = |result: ActionResult| Event::ActionEnded {
        host: host("m"),
        id: "25.6.2/m/manager/start".into(),
        text: "start manager".into(),
        result,
        took_ms: 61_250,
    };
    let line = |event: &Event| progress_line(event, false).map(|line| plain(&line));
    let shown = [
        line(&ended(ActionResult::Done { evidence: "it answers as 25.6.2".into() })),
        line(&ended(ActionResult::AlreadyDone { evidence: "it answers as 25.6.2".into() })),
        line(&ended(ActionResult::Failed(failure(false)))),
        line(&ended(ActionResult::Failed(failure(true)))),
        line(&Event::StageEnded { number: 2, failed: 1, goes_on: false }),
    ];
    insta::assert_snapshot!(shown.map(Option::unwrap).join("\n"), @r#"
    changed: [m] start manager: it answers as 25.6.2 (61.2 s)
    ok: [m] start manager: already so, it answers as 25.6.2
    fatal: [m]: FAILED! start manager: no process runs (61.2 s)
    fatal: [m]: UNREACHABLE! start manager: no process runs (61.2 s)
    stage 2 ended with 1 failed host: no later stage starts
    "#);
    assert_eq!(line(&Event::StageEnded { number: 2, failed: 0, goes_on: true }), None);
    let output = Event::ActionOutput { host: host("m"), id: "x".into(), line: "Collecting".into() };
    assert_eq!((line(&output), progress_line(&output, true).is_some()), (None, true));
}

#[test]
fn the_recap_has_the_shape_of_ansible() {
    let lines = [
        (host("web-with-a-name-longer-than-usual"), RecapLine { ok: 1, ..RecapLine::default() }),
        (host("m"), RecapLine { ok: 10, changed: 10, unreachable: 0, failed: 1, skipped: 2, rescued: 0, ignored: 0 }),
    ];
    let text = plain(&recap_text(lines.iter().map(|(host, line)| (host, line.clone()))));
    insta::assert_snapshot!(text, @r#"
    PLAY RECAP *******************************************************************
    m                                 : ok=10   changed=10   unreachable=0    failed=1    skipped=2    rescued=0    ignored=0
    web-with-a-name-longer-than-usual : ok=1    changed=0    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
    "#);
}
