//! A real Backend.AI cluster goes into the next train: two managers on one populated database, a storage proxy and a web
//! server, from 23.9.10 to 24.3.0, which needs another Python and skips revisions. Needs root, and `tests/lab/install`.

#[path = "support/lab.rs"]
mod lab;

use std::process::Stdio;
use std::time::{Duration, Instant};

use lab::Lab;

/// How the schema of 24.3.0 is meant to come about: 23.9.0 is the last release whose history both trains share.
const TWIN: &str = "23.9.0 24.3.0";

/// Where each component's environment is linked to.
const LINKS: [(&str, &str); 4] = [
    ("mgr1", "/home/bai/manager/.venv"),
    ("mgr2", "/home/bai/manager/.venv"),
    ("edge1", "/home/bai/storage-proxy/.venv"),
    ("edge1", "/home/bai/webserver/.venv"),
];

/// Who answers for what nobody but people can know.
const WAIVERS: &str = include_str!("lab/waivers-major.yaml");

/// What the environments' links say, in the order of [`LINKS`].
fn linked(lab: &Lab) -> Vec<String> {
    LINKS.iter().map(|(host, link)| lab.ssh(host, &format!("readlink {link}")).trim_end().to_owned()).collect()
}

/// What is in the tables of 24.3.0 when these rows were in those of 23.9.10: 308bcecec5c2, one of the skipped
/// revisions, makes a project `model-store` for the domain and takes all its users in. Nothing else may come or go.
fn migrated(rows: &[String]) -> Vec<String> {
    rows.iter()
        .map(|row| match row.as_str() {
            "groups|21" => "groups|22".to_owned(),
            "association_groups_users|201" => "association_groups_users|403".to_owned(),
            _ => row.clone(),
        })
        .collect()
}

#[test]
fn a_real_cluster_goes_into_the_next_train_with_its_schema_complete() {
    let lab = Lab::start("major");
    assert_eq!(lab.running(), ["23.09.10"; 5]);
    assert_eq!(lab.sql("select version_num from alembic_version"), ["75ea2b136830"]);
    assert_eq!(linked(&lab), [".venv-23.9.10"; 4]);
    // The measure can tell: of what the new train has, 24 lines are not there yet.
    assert_eq!(lab.twin(TWIN).len(), 24);
    let rows = lab.rows();
    assert!(rows.contains(&"kernels|2250".to_owned()), "{rows:?}");
    let ready = lab.sql("select count(*) from vfolders where status = 'ready'");

    // Nobody has asked for another train, nor answered for anything: refused, and nothing is touched.
    let before = lab.processes();
    let refused = lab.converge(&[]);
    assert_eq!(refused.code, 3);
    assert!(refused.text.contains("[major-unasked]"), "{}", refused.text);
    assert_eq!(lab.processes(), before);
    std::fs::write(lab.home().join("waivers.yaml"), WAIVERS).unwrap();

    let plan = lab.converge(&["--major", "--check"]);
    assert_eq!(plan.code, 2, "{}", plan.text);
    assert_eq!(lab.processes(), before);

    // The main job.
    let run = lab.converge(&["--major"]);
    assert_eq!(run.code, 0, "{}", run.text);
    assert!(run.text.contains("Converged: gathered and planned again"), "{}", run.text);
    assert_eq!(lab.running(), ["24.03.0"; 5]);
    assert_eq!(linked(&lab), [".venv-24.3.0"; 4]);
    for (host, link) in LINKS {
        let python = lab.ssh(host, &format!("{link}/bin/python -I -c 'import sys; print(*sys.version_info[:2])'"));
        assert_eq!(python.trim_end(), "3 12", "{host}:{link}");
        lab.ssh(host, &format!("test -x {link}-23.9.10/bin/python"));
    }
    // The schema is complete, and not just at its head; what was in the tables still is.
    assert_eq!(lab.sql("select version_num from alembic_version"), ["857b763b8618"]);
    assert_eq!(lab.twin(TWIN), [""; 0]);
    assert_eq!(lab.rows(), migrated(&rows));
    assert_eq!(lab.sql("select count(*) from vfolders where status = 'ready'"), ready);
    assert_eq!(lab.sql("select count(*) from vfolders where status = 'delete-ongoing'"), ["50"]);
    assert_eq!(lab.sql("select type, name from groups where type <> 'general'"), ["model-store|model-store"]);
    assert_eq!(lab.sql("select datname from pg_database where not datistemplate order by 1"), ["backend", "postgres"]);
    for said in [
        "rehearse the migration on a copy, backend_rehearsal: the same migration succeeds on a copy",
        "with 6 revision(s) that alembic would leave out",
        "freeze the cluster through manager: the cluster is frozen",
    ] {
        assert!(run.text.contains(said), "{said:?} is not in {}", run.text);
    }
    // One host made the backup that leads back.
    let listed = lab.ssh("mgr1", "pg_restore --list /var/backups/backend.ai/backend-before-24.3.0-*.dump");
    assert!(listed.contains("alembic_version"), "{listed}");
    // Beside it lies what no dump of the database holds.
    let etcd = lab.ssh("mgr1", "cat /var/backups/backend.ai/backend-before-24.3.0-*.etcd");
    assert!(etcd.contains("volume1"), "{etcd}");
    // What stood still is told for each component.
    let (_, downtime) = run.text.split_once("\nDOWNTIME, ").expect("downtimes are told");
    for component in ["edge1/webserver", "edge1/storage-proxy", "mgr1/manager", "mgr2/manager"] {
        assert!(downtime.contains(&format!("\n  {component}")), "{component}: {downtime}");
    }
    // An address below a prefix answers too: the constraints of the train held. Users are let in.
    assert_eq!(lab.get("mgr1", "http://127.0.0.1:8081/manager/status")["status"], "running");
    for (host, titles) in [("mgr1", 2), ("mgr2", 2), ("edge1", 5)] {
        assert_eq!(lab.titles(host).len(), titles, "{host}: {:?}", lab.titles(host));
    }

    // The second run does nothing.
    let after = lab.processes();
    let second = lab.converge(&["--major"]);
    assert_eq!(second.code, 0, "{}", second.text);
    assert!(second.text.contains("Nothing to do: 4 component(s) on 3 host(s) are as declared."), "{}", second.text);
    assert_eq!(lab.processes(), after);
    assert_eq!(lab.converge(&["drift"]).code, 0);
    let schema = lab.converge(&["schema", "check"]);
    assert_eq!(schema.code, 0, "{}", schema.text);
}

/// Lets every further revision that alters a table of the cluster's database do `what` (PL/pgSQL) first: nothing that a
/// look at the schema would tell beforehand.
fn hinder(lab: &Lab, what: &str) {
    lab.sql(&format!(
        "create or replace function hinder() returns event_trigger language plpgsql as 'begin {what}; end'"
    ));
    lab.sql("drop event trigger if exists hinder");
    lab.sql("create event trigger hinder on ddl_command_start when tag in ('ALTER TABLE') execute function hinder()");
}

/// Takes [`hinder`] back.
fn unhinder(lab: &Lab) {
    lab.sql("drop event trigger hinder");
    lab.sql("drop function hinder()");
}

/// The lines of a dump of a database on the lab's server, in order of the alphabet: equal means the same schema and
/// the same rows.
fn dumped(lab: &Lab, database: &str) -> Vec<String> {
    let dump = lab.ssh("db1", &format!("cd / && runuser -u postgres -- pg_dump --no-owner {database}"));
    // Newer versions of pg_dump print a key there that is another one each time.
    let mut lines: Vec<String> =
        dump.lines().filter(|line| !line.starts_with(['\\', '-'])).map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The cluster stands at 23.9.10, whole, as if nobody had touched it.
fn is_at_the_old_release(lab: &Lab) {
    assert_eq!(lab.running(), ["23.09.10"; 5]);
    assert_eq!(linked(lab), [".venv-23.9.10"; 4]);
    assert_eq!(lab.sql("select version_num from alembic_version"), ["75ea2b136830"]);
    is_not_frozen(lab);
}

fn is_not_frozen(lab: &Lab) {
    let status = lab.ssh("db1", "ETCDCTL_API=3 etcdctl get --print-value-only /sorna/local/manager/status");
    assert_eq!(status.trim_end(), "running");
    for host in ["mgr1", "mgr2"] {
        lab.ssh(host, "test ! -e /home/bai/manager/.venv.frozen");
    }
}

/// Begins a major upgrade, and kills converge without notice while the database is migrated; what it began on the host
/// is killed as well, as when the host's power fails.
fn killed_while_migrating(lab: &Lab) {
    let mut child = lab
        .command(&["--major", "-erehearsal=never"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("converge runs");
    let hindered = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    let deadline = Instant::now() + Duration::from_secs(120);
    while lab.sql(hindered) != ["1"] {
        assert!(Instant::now() < deadline, "no migration within two minutes");
        assert_eq!(child.try_wait().expect("its state can be asked"), None, "it ended before it migrated");
        std::thread::sleep(Duration::from_millis(200));
    }
    child.kill().expect("converge can be killed");
    let _ = child.wait();
    lab.ssh("mgr1", "pkill -KILL -f '^/home/bai/manager/[.]venv[^ ]*/bin/python'");
    while lab.sql(hindered) != ["0"] {
        // The server sees that nobody is there when it has slept.
        assert!(Instant::now() < deadline, "the killed migration goes on");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn faults_on_the_way_into_the_next_train_end_at_a_known_place() {
    let lab = Lab::start("major");
    std::fs::write(lab.home().join("waivers.yaml"), WAIVERS).unwrap();
    let rows = lab.rows();

    // Before the migration: the last environment of one host can't be switched, when all others have been.
    let hindrance = "/home/bai/webserver/.venv.converge-new";
    lab.ssh("edge1", &format!("echo not mine >{hindrance}"));
    let run = lab.converge(&["--major", "-erehearsal=never"]);
    assert_eq!(run.code, 5, "{}", run.text);
    assert!(run.text.contains(&format!("{hindrance} is in the way")), "{}", run.text);
    assert!(run.text.contains("Taken back to 23.9.10: nothing is changed"), "{}", run.text);
    is_at_the_old_release(&lab);
    assert_eq!(lab.ssh("edge1", &format!("cat {hindrance}")), "not mine\n");
    lab.ssh("edge1", &format!("rm {hindrance}"));

    // In the migration: what was done of it is rolled back, nothing is started, and the restore is named.
    hinder(&lab, "raise exception ''not today''");
    let before = dumped(&lab, "backend");
    let run = lab.converge(&["--major", "-erehearsal=never"]);
    assert_eq!(run.code, 5, "{}", run.text);
    assert!(run.text.contains("not today"), "{}", run.text);
    for host in ["mgr1", "mgr2", "edge1"] {
        assert_eq!(lab.titles(host), [""; 0], "{host}");
    }
    assert_eq!(dumped(&lab, "backend"), before);
    is_not_frozen(&lab);
    let (_, advice) = run.text.split_once("What to type is yours to choose:").expect("the ways on are told");
    let restore = advice.lines().find_map(|line| line.trim().strip_prefix("back, on mgr1: pg_restore "));
    let restore = restore.unwrap_or_else(|| panic!("no restore is named: {advice}"));
    assert!(advice.contains("first export PGHOST, PGPORT, PGUSER and PGPASSWORD as /home/bai/manager/alembic.ini"));
    // That very command, but into another database, so that the real one isn't dropped.
    lab.ssh("db1", "cd / && runuser -u postgres -- createdb restored");
    let (dropping, into) = ("--clean --if-exists --create ", "--dbname=postgres");
    assert!(restore.contains(dropping) && restore.contains(into), "{restore}");
    let elsewhere = restore.replace(dropping, "").replace(into, "--dbname=restored");
    lab.ssh("mgr1", &format!("PGHOST=db1 PGUSER=postgres PGPASSWORD=develove pg_restore {elsewhere}"));
    assert_eq!(dumped(&lab, "restored"), before);
    lab.ssh("db1", "cd / && runuser -u postgres -- dropdb restored");

    // Killed in the migration: neither the database's row nor the package that is installed tells that six revisions
    // were skipped; the note in the environment does.
    hinder(&lab, "perform pg_sleep(3)");
    killed_while_migrating(&lab);
    unhinder(&lab);
    assert_eq!(lab.sql("select version_num from alembic_version"), ["75ea2b136830"]);
    lab.ssh("mgr1", "test -f /home/bai/manager/.venv/migration-pending");

    let run = lab.converge(&["--major"]);
    assert_eq!(run.code, 0, "{}", run.text);
    assert_eq!(lab.running(), ["24.03.0"; 5]);
    assert_eq!(linked(&lab), [".venv-24.3.0"; 4]);
    assert_eq!(lab.twin(TWIN), [""; 0]);
    assert_eq!(lab.rows(), migrated(&rows));
    is_not_frozen(&lab);
    lab.ssh("mgr1", "test ! -e /home/bai/manager/.venv/migration-pending");
    let second = lab.converge(&["--major"]);
    assert!(second.code == 0 && second.text.contains("Nothing to do"), "{}", second.text);
}

/// Everything that the long way asks people for, answered at once.
const ALL_WAIVERS: &str = r#"
waivers:
  - { rule: change-log, reason: read, owner: kim@example.org, expires: 2099-12-31 }
  - { rule: manual-step, reason: done, owner: kim@example.org, expires: 2099-12-31 }
  - { rule: known-risk, reason: weighed, owner: kim@example.org, expires: 2099-12-31 }
  - { rule: users-not-notified, reason: nobody uses the lab, owner: kim@example.org, expires: 2099-12-31 }
"#;

#[test]
#[ignore = "takes long and fetches some thirty releases: tests/lab/majors"]
fn a_real_cluster_goes_through_three_majors_and_all_patches_between_them() {
    let lab = Lab::start("majors");
    assert_eq!(lab.running(), ["23.03.12"; 5]);
    std::fs::write(lab.home().join("waivers.yaml"), ALL_WAIVERS).unwrap();
    // Of groups, a release of 24.03 makes one more.
    let people = ["users", "keypairs", "domains", "vfolders", "sessions", "kernels"];
    let counts = |rows: Vec<String>| -> Vec<String> {
        rows.into_iter().filter(|row| people.iter().any(|table| row.starts_with(&format!("{table}|")))).collect()
    };
    let rows = counts(lab.rows());
    // Each release, how it is spelled where it runs, its head, and how its schema is meant to come about.
    let stations = [
        ("23.9.10", "23.09.10", "75ea2b136830", "23.3.12 23.9.10"),
        ("24.3.11", "24.03.11", "3596bc12ec09", "23.3.12 23.9.0 24.3.11"),
        ("24.9.6", "24.09.6", "ecc9f6322be4", "23.3.12 23.9.0 24.3.11@dddf9be580f5 24.9.6"),
    ];
    for (release, spelled, head, twin) in stations {
        let declared = format!("-erelease={release}");
        let run = lab.converge(&["--major", &declared]);
        assert_eq!(run.code, 0, "{}", run.text);
        assert_eq!(lab.running(), [spelled; 5]);
        assert_eq!(lab.sql("select version_num from alembic_version"), [head]);
        assert_eq!(lab.twin(twin), [""; 0], "{release}");
        assert_eq!(counts(lab.rows()), rows, "{release}");
        let second = lab.converge(&["--major", &declared]);
        assert!(second.code == 0 && second.text.contains("Nothing to do"), "{}", second.text);
    }
}
