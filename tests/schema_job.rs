//! The schema job against a real PostgreSQL (and SQLite) with real alembic: a package whose new release has revisions
//! spliced in below the database's row. What it leaves is compared with a twin: the same database, brought to the same
//! head by the new package alone.

#[path = "support/schema_job/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use converge::facts::{DatabaseKind, Effects, EffectsQuery, Observed, Probe, Query, SchemaQuery, read_answers};
use converge::model::HostName;
use converge::plan::{BUSY, BackupJob, SchemaJob, backup, migrate, rehearse, restore_command};
use converge::release::{RevisionGraph, RevisionPresence, mendable};

use support::{Ended, Packages, Revision, Running, Server, act, run, said, venv};

fn ids(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A job, with what it borrows.
#[derive(Clone)]
struct Job {
    ini: String,
    chdir: String,
    kind: DatabaseKind,
    rows: BTreeSet<String>,
    skipped: Vec<String>,
    pending: Vec<String>,
    head: String,
    upstream: Option<String>,
    venv: PathBuf,
}

impl Job {
    /// `rows`, then what is skipped, then what is pending; the last of those is the head.
    fn new(ini: &str, chdir: &Path, kind: DatabaseKind, rows: &str, skipped: &str, pending: &str) -> Self {
        let (rows, pending): (BTreeSet<String>, _) = (ids(rows).into_iter().collect(), ids(pending));
        let head = pending.last().or(rows.first()).unwrap().clone();
        let chdir = chdir.to_str().unwrap().to_owned();
        Self {
            ini: ini.into(),
            chdir,
            kind,
            rows,
            skipped: ids(skipped),
            pending,
            head,
            upstream: None,
            venv: venv().into(),
        }
    }

    fn with<T>(&self, then: impl FnOnce(&SchemaJob<'_>) -> T) -> T {
        then(&SchemaJob {
            venv: self.venv.to_str().unwrap(),
            ini: &self.ini,
            chdir: &self.chdir,
            kind: self.kind,
            rows: &self.rows,
            skipped: &self.skipped,
            pending: &self.pending,
            head: &self.head,
            upstream: self.upstream.as_deref(),
        })
    }

    fn migration(&self) -> String {
        self.with(migrate)
    }

    fn migrate(&self) -> Ended {
        act(&self.migration(), &[])
    }

    /// A backup to `file`, of which `keep` older ones stay.
    fn backup(&self, file: &Path, keep: u32) -> Ended {
        let (venv, snapshots) = (venv().to_str().unwrap(), ["etcd"]);
        let (ini, chdir, file) = (&self.ini, &self.chdir, file.to_str().unwrap());
        act(
            &backup(&BackupJob { venv, ini, chdir, kind: self.kind, file, keep, snapshots: &snapshots, sum: false }),
            &[],
        )
    }

    fn rehearsal(&self, backup: &Path, scratch: &str, outside: &str) -> String {
        self.with(|job| rehearse(job, backup.to_str().unwrap(), scratch, &ids(outside).into_iter().collect()))
    }

    fn effects(&self) -> Effects {
        let (ini, chdir) = (self.ini.clone(), self.chdir.clone());
        let database = SchemaQuery { ini, chdir, venv: venv().to_str().unwrap().into() };
        let query = EffectsQuery { database, revisions: BTreeSet::new() };
        let probe = Probe::new("n1", [Query::Effects(query.clone())]);
        let output = Command::new("/bin/sh").args(["-c", probe.script()]).output().unwrap();
        let facts = read_answers(&probe, &HostName::parse("here").unwrap(), &output.stdout, &output.stderr).unwrap();
        match facts.effects(&query) {
            Observed::Known(effects) => effects.clone(),
            other => panic!("{other:?}: {}", said(&output)),
        }
    }
}

/// A server with databases of the shop, all as they are in the middle of their lives: `seed` at the last common
/// revision, `truth` brought from there to the new head by the new package, `shop` at the old package's head.
struct Shop {
    server: Server,
    packages: Packages,
}

impl Shop {
    fn open() -> Self {
        let shop = Self { server: Server::start(), packages: Packages::new() };
        shop.server.create("seed");
        assert_eq!(shop.job("old", "seed", "", "", "a1 b2").migrate().code, Some(0));
        shop.server.sql("postgres", "drop database seed");
        // Up to the common revision alone: from a package that ends there.
        fs::create_dir_all(shop.packages.path("common/versions")).unwrap();
        for file in ["env.py", "versions/a1.py"] {
            fs::copy(shop.packages.path("old").join(file), shop.packages.path("common").join(file)).unwrap();
        }
        shop.server.create("seed");
        assert_eq!(shop.job("common", "seed", "", "", "a1").migrate().code, Some(0));
        for copy in ["truth", "shop"] {
            shop.server.copy("seed", copy);
        }
        let ended = shop.job("new", "truth", "a1", "", "s1 s2 b2 c3").migrate();
        assert_eq!(ended.code, Some(0), "{}", ended.text);
        let ended = shop.job("old", "shop", "a1", "", "b2").migrate();
        assert_eq!(ended.code, Some(0), "{}", ended.text);
        shop
    }

    fn job(&self, package: &str, database: &str, rows: &str, skipped: &str, pending: &str) -> Job {
        let ini = self.packages.ini(package, database, &self.server.url(database));
        Job::new(&ini, self.packages.directory.path(), DatabaseKind::Postgresql, rows, skipped, pending)
    }

    /// The sound one from the old head to the new one.
    fn sound(&self, database: &str) -> Job {
        self.job("new", database, "b2", "s1 s2", "c3")
    }

    fn rows(&self, database: &str) -> Vec<String> {
        self.server.sql(database, "select version_num from alembic_version order by 1")
    }
}

#[test]
fn skipped_revisions_run_first_and_the_schema_is_the_twins() {
    let shop = Shop::open();
    shop.server.copy("shop", "plain");
    let ended = shop.sound("shop").migrate();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let told: Vec<&str> = ended.text.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(told[0], "[1/3] revision s1 add `users.kind`");
    assert!(told[1].starts_with("[1/3] revision s1 took ") && told[1].ends_with(" ms"), "{told:?}");
    assert_eq!(told.len(), 6);
    assert_eq!((shop.rows("shop"), shop.server.truth("shop")), (vec!["c3".into()], shop.server.truth("truth")));

    // What `alembic upgrade head` makes of it: the head, and a schema without the skipped revisions.
    let ended = shop.job("new", "plain", "b2", "", "c3").migrate();
    assert_eq!((ended.code, shop.rows("plain")), (Some(0), vec!["c3".into()]), "{}", ended.text);
    assert_ne!(shop.server.truth("plain"), shop.server.truth("truth"));
    let plain = shop.job("new", "plain", "c3", "", "");
    let digest = |ended: &Ended| ended.line("schema ").to_owned();
    let of_truth = shop.job("new", "truth", "c3", "", "").migrate();
    assert_eq!(digest(&shop.job("new", "shop", "c3", "", "").migrate()), digest(&of_truth));
    assert_ne!(digest(&plain.migrate()), digest(&of_truth));

    // The proof sees it, says what would mend it, and that mends it.
    assert_eq!(shop.job("new", "shop", "c3", "", "").effects().missing, BTreeSet::new());
    let effects = plain.effects();
    let missing: Vec<String> = effects.missing.iter().map(|one| format!("{} {one}", one.revision)).collect();
    assert_eq!(missing, ["s1 column users.kind", "s2 index ix_users_kind"]);
    let presence = effects.revisions.iter().map(|(id, told)| {
        let (expected, missing, overtaken) = (told.expected, told.missing, told.overtaken.clone());
        (id.clone(), RevisionPresence { expected, missing, overtaken })
    });
    let edges = [("a1", ""), ("s1", "a1"), ("s2", "s1"), ("b2", "s2"), ("c3", "b2")];
    let graph = RevisionGraph::of_edges(
        edges.iter().map(|(id, down)| ((*id).into(), ids(down).into_iter().collect())).collect(),
    );
    let mending = mendable(&graph, &plain.rows, &presence.collect());
    assert!(mending.completes());
    let ended = Job { skipped: mending.sound, ..plain.clone() }.migrate();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert_eq!(shop.server.truth("plain"), shop.server.truth("truth"));
    assert_eq!(plain.effects().missing, BTreeSet::new());
}

#[test]
fn what_the_plan_does_not_say_is_refused_and_a_failure_leaves_nothing() {
    let shop = Shop::open();
    let before = shop.server.truth("shop");
    let refusals = [
        (shop.job("new", "shop", "a1", "s1", "c3"), "alembic_version holds b2 (expected a1)"),
        (shop.job("new", "shop", "", "", "c3"), "alembic_version holds b2 (expected none)"),
        (shop.job("new", "shop", "b2", "", "d4 c3"), "alembic would run c3 (expected d4 c3)"),
        (Job { pending: vec![], ..shop.sound("shop") }, "alembic would run c3 (expected nothing)"),
        (Job { head: "b2".into(), ..shop.sound("shop") }, "the package's head is c3 (expected b2)"),
        (shop.job("new", "shop", "b2", "s9", "c3"), "the package has no revision s9"),
        (shop.job("new", "shop", "b2", "s2 s1", "c3"), "the skipped revision s2 comes after s1"),
        (shop.job("new", "shop", "b2", "s1 c3", "c3"), "the revision c3 is not below b2"),
        (Job { kind: DatabaseKind::Sqlite, ..shop.sound("shop") }, "of kind postgresql (expected sqlite)"),
    ];
    for (job, said) in refusals {
        let ended = job.migrate();
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        assert!(ended.line("refused before anything was changed").contains(said), "{said}:\n{}", ended.text);
        assert_eq!(shop.server.truth("shop"), before);
    }
    // An env.py that doesn't follow the ini could migrate anything.
    let text = fs::read_to_string(shop.packages.path("new/env.py")).unwrap();
    let elsewhere = format!("\nurl = {:?}\n", shop.server.url("truth").replace("%%", "%"));
    let changed = text.replacen("\n\n\ndef migrate", &format!("{elsewhere}\n\ndef migrate"), 1);
    fs::write(shop.packages.path("new/env.py"), changed).unwrap();
    let ended = shop.sound("shop").migrate();
    assert!(ended.text.contains("its env.py connects to truth (expected shop"), "{}", ended.text);
    fs::write(
        shop.packages.path("new/env.py"),
        text.replace("connection=connection)", "connection=connection, transaction_per_migration=True)"),
    )
    .unwrap();
    let ended = shop.sound("shop").migrate();
    assert!(ended.text.contains("asks for several transactions"), "{}", ended.text);
    fs::write(shop.packages.path("new/env.py"), text).unwrap();

    let ended = act(&shop.sound("shop").migration(), &[("SHOP_FAIL", "1")]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(ended.line("revision s2 (index users.kind) at ").contains("versions/s2.py:"), "{}", ended.text);
    assert_eq!(ended.line("rolled back"), "rolled back: alembic_version holds b2, and the schema is as it was before");
    assert_eq!(shop.server.truth("shop"), before);
}

#[test]
fn two_never_run_at_once_and_a_killed_one_can_be_run_again() {
    let shop = Shop::open();
    let before = shop.server.truth("shop");
    let mut slow = Running::start(&shop.sound("shop").migration(), &[("SHOP_SLEEP", "60")]);
    slow.until("revision s2 index");
    let second = shop.sound("shop").migrate();
    assert_eq!(second.code, Some(BUSY.cast_signed()), "{}", second.text);
    assert!(second.text.contains("another migration is still at work here"), "{}", second.text);
    // From another host there is no lock file, and the server's own lock keeps it out.
    let elsewhere = shop.packages.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let other = Job { chdir: elsewhere.to_str().unwrap().into(), ..shop.sound("shop") };
    let second = other.migrate();
    assert_eq!(second.code, Some(BUSY.cast_signed()), "{}", second.text);
    let lock = i64::from_be_bytes(*b"converge");
    assert!(second.text.contains(&format!("it holds the advisory lock {lock}")), "{}", second.text);

    slow.kill();
    let deadline = Instant::now() + Duration::from_secs(20);
    let busy = "select 1 from pg_stat_activity where datname = 'shop' and pid <> pg_backend_pid()";
    while !shop.server.sql("shop", busy).is_empty() {
        assert!(Instant::now() < deadline, "the server still works for a client that is gone");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(shop.server.truth("shop"), before);
    let again = other.migrate();
    assert_eq!(again.code, Some(0), "{}", again.text);
    assert_eq!(shop.server.truth("shop"), shop.server.truth("truth"));
}

#[test]
fn a_rehearsal_says_what_the_migration_will_do_and_leaves_nothing() {
    let shop = Shop::open();
    let (job, backup) = (shop.sound("shop"), shop.packages.path("shop.dump"));
    shop.server.dump("shop", &backup);
    let (before, databases) = (shop.server.truth("shop"), shop.server.databases());
    let untouched = |shop: &Shop| {
        assert_eq!(shop.server.truth("shop"), before);
        assert_eq!(shop.server.databases(), databases);
    };

    let ok = act(&job.rehearsal(&backup, "shop_rehearsal", ""), &[]);
    assert_eq!(ok.code, Some(0), "{}", ok.text);
    let seconds: f64 = ok.line("rehearsed ok ").rsplit(' ').next().unwrap().parse().unwrap();
    assert!(seconds > 0.0 && seconds < 60.0);
    assert!(ok.line("room: ").contains("MiB on the database server"), "{}", ok.text);
    untouched(&shop);

    // It stops where it would meet the real cluster.
    let part = act(&job.rehearsal(&backup, "shop_rehearsal", "c3"), &[]);
    assert_eq!(part.code, Some(0), "{}", part.text);
    assert!(part.line("rehearsed part ").len() > 15 && part.line("c3 (orders)").contains("2 of 3"), "{}", part.text);
    assert!(!part.text.lines().any(|line| line.starts_with("schema ")), "{}", part.text);
    untouched(&shop);

    let failed = act(&job.rehearsal(&backup, "shop_rehearsal", ""), &[("SHOP_FAIL", "1")]);
    assert_eq!(failed.code, Some(1), "{}", failed.text);
    assert!(failed.text.contains("the rehearsal failed; shop itself was not touched"), "{}", failed.text);
    untouched(&shop);

    let broken = shop.packages.path("broken.dump");
    fs::write(&broken, "no backup").unwrap();
    let failed = act(&job.rehearsal(&broken, "shop_rehearsal", ""), &[]);
    assert!(failed.code == Some(1) && failed.text.contains("restoring "), "{}", failed.text);
    untouched(&shop);

    // The real one gives what the rehearsal said.
    let ended = job.migrate();
    assert_eq!(ended.line("schema "), ok.line("schema "));
    assert_eq!(shop.server.truth("shop"), shop.server.truth("truth"));
}

#[test]
fn a_rehearsal_drops_what_another_one_left_and_nothing_else() {
    let shop = Shop::open();
    let (job, backup) = (shop.sound("shop"), shop.packages.path("shop.dump"));
    shop.server.dump("shop", &backup);
    let rehearsal = job.rehearsal(&backup, "shop_rehearsal", "");
    let is_left = || shop.server.databases().contains(&"shop_rehearsal".to_owned());

    let mut killed = Running::start(&rehearsal, &[("SHOP_SLEEP", "60")]);
    killed.until("revision s2 index");
    killed.kill();
    assert!(is_left());
    let next = act(&rehearsal, &[]);
    assert_eq!(next.code, Some(0), "{}", next.text);
    assert!(next.text.contains("dropping shop_rehearsal, which an earlier rehearsal left") && !is_left());

    // Stopped by a signal, it cleans up by itself.
    let mut stopped = Running::start(&rehearsal, &[("SHOP_SLEEP", "60")]);
    stopped.until("revision s2 index");
    stopped.signal("TERM");
    let stopped = stopped.end();
    // The shell may end a moment before the program in it.
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_left() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(stopped.code != Some(0) && !is_left(), "{}", stopped.text);

    // Killed between the creation and the mark.
    shop.server.sql("postgres", "create database shop_rehearsal owner shop connection limit 24862");
    let next = act(&rehearsal, &[]);
    assert_eq!(next.code, Some(0), "{}", next.text);

    for made in ["create database shop_rehearsal owner shop", "comment on database shop_rehearsal is 'of the accounts'"]
    {
        shop.server.sql("postgres", made);
        shop.server.sql("shop_rehearsal", "create table if not exists public.mine (id int)");
        let refused = act(&rehearsal, &[]);
        assert_eq!(refused.code, Some(1), "{}", refused.text);
        assert!(refused.text.contains("no rehearsal has made") && is_left(), "{}", refused.text);
        assert_eq!(shop.server.sql("shop_rehearsal", "select count(*) from mine"), ["0"]);
    }
    let itself = act(&job.rehearsal(&backup, "shop", ""), &[]);
    assert!(itself.code == Some(1) && itself.text.contains("is the database itself"), "{}", itself.text);
    assert_eq!(shop.rows("shop"), ["b2"]);
}

/// What upstream's command does, told by its own help under this name: everything that the history of the release lacks, in
/// one transaction. Like Backend.AI's, it looks at no row. It ends as `SHOP_ENDS` says when all is done.
fn backend_ai(name: &str) -> String {
    let python = venv().join("bin/python");
    format!(
        r#"#!{}
import json, os, sys
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
words = sys.argv[1:]
if words == ["mgr", "schema", "--help"]:
    print("Usage: backend.ai mgr schema [OPTIONS] COMMAND [ARGS]...\n\nCommands:\n  {name}  Compare ...\n  show  Show ...")
    os.kill(os.getpid(), 11)
assert words[:3] == ["mgr", "schema", "{name}"] and words[4] == "-f", words
config = Config(words[5])
script = ScriptDirectory.from_config(config)
with open(os.path.join(script.dir, "revision_history", words[3] + ".json")) as file:
    past = {{one["revision"] for one in json.load(file)["revisions"]}}
left = [one for one in script.walk_revisions() if one.revision not in past][::-1]
steps = [MigrationStep.upgrade_from_script(script.revision_map, one) for one in left]
with EnvironmentContext(config, script, fn=lambda rev, context: steps, destination_rev=left[-1].revision):
    script.run_env()
sys.exit(int(os.environ.get("SHOP_ENDS", "0")))
"#,
        python.display()
    )
}

impl Shop {
    /// The sound job, by upstream's command under this name, which takes the old package's history by `version`.
    fn by_upstream(&self, name: &str, version: &str, past: &str) -> Job {
        let environment = self.packages.path(&format!("environment-{name}"));
        let history = self.packages.path("new/revision_history");
        fs::create_dir_all(environment.join("bin")).unwrap();
        fs::create_dir_all(&history).unwrap();
        for link in ["pyvenv.cfg", "lib", "bin/python"] {
            let _ = std::os::unix::fs::symlink(venv().join(link), environment.join(link));
        }
        let program = environment.join("bin/backend.ai");
        fs::write(&program, backend_ai(name)).unwrap();
        run(Command::new("chmod").arg("755").arg(&program));
        let revisions: Vec<String> = ids(past).iter().map(|id| format!("{{\"revision\": \"{id}\"}}")).collect();
        let text = format!("{{\"manager_version\": \"1\", \"revisions\": [{}]}}", revisions.join(","));
        fs::write(history.join(format!("{version}.json")), text).unwrap();
        Job { upstream: Some(version.into()), venv: environment, ..self.sound("shop") }
    }
}

const MISSING: &str = "apply-missing-revisions";

#[test]
fn upstreams_own_command_brings_what_its_twin_has_and_leaves_one_row() {
    for name in [MISSING, "apply-mission-revisions"] {
        let shop = Shop::open();
        let job = shop.by_upstream(name, "1.00.2", "a1 b2");
        let mut first = Running::start(&job.migration(), &[("SHOP_SLEEP", "3")]);
        first.until(&format!("mgr schema {name} 1.00.2 -f "));
        // Its lock is held although it runs in a session of its own.
        let second = shop.job("new", "shop", "b2", "s1 s2", "c3");
        let elsewhere = Job { chdir: venv().to_str().unwrap().into(), ..second };
        let ended = elsewhere.migrate();
        assert_eq!(ended.code, Some(i32::try_from(BUSY).unwrap()), "{}", ended.text);
        let ended = first.end();
        assert_eq!(ended.code, Some(0), "{}", ended.text);
        assert_eq!((shop.rows("shop"), shop.server.truth("shop")), (vec!["c3".into()], shop.server.truth("truth")));
        assert_eq!(ended.line("schema "), shop.job("new", "truth", "c3", "", "").migrate().line("schema "));
        assert_eq!(shop.job("new", "shop", "c3", "", "").effects().missing, BTreeSet::new());
    }
}

#[test]
fn upstreams_own_command_runs_only_where_all_is_as_planned() {
    let shop = Shop::open();
    let before = shop.server.truth("shop");
    let sound = shop.by_upstream(MISSING, "1.2", "a1 b2");
    shop.by_upstream(MISSING, "older", "a1");
    shop.by_upstream(MISSING, "foreign", "a1 b2 z9");
    let other = shop.by_upstream("dump-history", "1.2", "a1 b2");
    let job = |upstream: &str| Job { upstream: Some(upstream.into()), ..sound.clone() };
    for (job, said) in [
        // Upstream's command would run on it and exit with 0.
        (Job { rows: BTreeSet::from(["a1".to_owned()]), ..sound.clone() }, "alembic_version holds b2 (expected a1)"),
        (Job { head: "b2".into(), ..sound.clone() }, "the package's head is c3 (expected b2)"),
        (Job { skipped: ids("s1"), ..sound.clone() }, "would run c3, s1, s2 (expected c3, s1)"),
        (job("1.02"), "1.02.json can't be read: FileNotFoundError"),
        (job("older"), "would run b2, c3, s1, s2 (expected c3, s1, s2)"),
        (job("foreign"), "names revisions that the package doesn't have: z9"),
        (other, "names no apply-missing-revisions; it says: Usage: backend.ai"),
        (Job { venv: venv().into(), ..sound.clone() }, "bin/backend.ai can't be asked for its commands"),
    ] {
        let ended = job.migrate();
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        assert!(ended.line("refused before anything was changed").contains(said), "{said}:\n{}", ended.text);
        assert!(!ended.text.contains("running "), "{}", ended.text);
        assert_eq!(shop.server.truth("shop"), before);
    }
    let file = shop.packages.path("shop.dump");
    assert_eq!(sound.backup(&file, 1).code, Some(0));
    let ended = act(&sound.rehearsal(&file, "shop_copy", ""), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(ended.text.contains("can't be tried on a copy"), "{}", ended.text);
}

#[test]
fn no_stamp_follows_a_failure_of_upstreams_own_command() {
    let shop = Shop::open();
    let before = shop.server.truth("shop");
    let job = shop.by_upstream(MISSING, "1.2", "a1 b2");
    let ended = act(&job.migration(), &[("SHOP_FAIL", "1")]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(ended.text.contains("apply-missing-revisions ended with 1; nothing was stamped"), "{}", ended.text);
    assert!(ended.line("rolled back: ").contains("alembic_version holds b2"), "{}", ended.text);
    assert_eq!(shop.server.truth("shop"), before);
    // Rows that an error quotes are told to whoever may read the manager's files, and to nobody else.
    let said = Path::new(&job.chdir).join("converge-upstream.log");
    assert!(ended.text.contains(&format!("is at the end of {}", said.display())), "{}", ended.text);
    assert!(fs::read_to_string(&said).unwrap().contains("Traceback "));
    let mode = std::os::unix::fs::PermissionsExt::mode(&said.metadata().unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "{mode:o}");

    // It has done its work, and says that it failed: nobody may take that for done.
    let ended = act(&job.migration(), &[("SHOP_ENDS", "3")]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(ended.text.contains("ended with 3; nothing was stamped"), "{}", ended.text);
    assert!(
        ended.line("NOT ROLLED BACK: ").contains("restore the backup before anything is started"),
        "{}",
        ended.text
    );
    assert!(!ended.text.contains(" stamp --purge"), "{}", ended.text);
    assert_eq!(shop.rows("shop"), ["c3", "s2"]);
    // What it has left is refused by the next one.
    assert_eq!(job.migrate().code, Some(1));
    assert_eq!(shop.rows("shop"), ["c3", "s2"]);
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

/// As if it had been written that many hours ago.
fn age(file: &Path, hours: u64) {
    fs::File::options()
        .append(true)
        .open(file)
        .unwrap()
        .set_modified(std::time::SystemTime::now() - Duration::from_secs(hours * 3600))
        .unwrap();
}

#[test]
fn backups_hold_everything_and_old_ones_go() {
    let shop = Shop::open();
    let (job, place) = (shop.sound("shop"), shop.packages.path("backups"));
    let name = |when: &str, day: u8| format!("shop-{when}-1.{day}-202601{day:02}T000000Z");
    // What a run made, with a snapshot beside it, and what nobody but its owner may remove.
    let first = job.backup(&place.join(name("before", 1) + ".dump"), 2);
    assert_eq!(first.code, Some(0), "{}", first.text);
    assert!(first.line("backup ").contains("shop-before-1.1-"), "{}", first.text);
    let others = [
        "shop-before-the-move.dump".to_owned(),
        "shop.dump".into(),
        name("before", 1) + ".dump.gpg",
        name("before", 1) + ".notes",
        "shop-before-2-before-1.1-20260101T000000Z.dump".into(),
        "shopping-before-1.1-20260101T000000Z.dump".into(),
        name("before", 9) + ".dump.part",
    ];
    for other in others.iter().chain(&[name("before", 1) + ".etcd", name("before", 8) + ".dump.part"]) {
        fs::write(place.join(other), "x").unwrap();
        age(&place.join(other), 1000);
    }
    age(&place.join(name("before", 9) + ".dump.part"), 23);

    for (when, day) in [("rehearsal", 2), ("before", 2), ("before", 3)] {
        let ended = job.backup(&place.join(name(when, day) + ".dump"), 2);
        assert_eq!(ended.code, Some(0), "{}", ended.text);
    }
    let mut expected = others.to_vec();
    // The newest two beside the one just made: those of one time in the order in which they were written.
    expected.extend([("before", 2), ("before", 3), ("rehearsal", 2)].map(|(when, day)| name(when, day) + ".dump"));
    expected.sort();
    assert_eq!(files(&place), expected);
    // Never the one just made, however old its name says that it is.
    let last = job.backup(&place.join(name("before", 0) + ".dump"), 1);
    let backups = || -> Vec<String> {
        files(&place).into_iter().filter(|file| file.ends_with(".dump") && !others.contains(file)).collect()
    };
    assert_eq!(last.code, Some(0), "{}", last.text);
    assert_eq!(backups(), [name("before", 0) + ".dump", name("before", 3) + ".dump"]);

    // It brings everything back.
    shop.server.create("again");
    let pg_restore = ["--exit-on-error", "--dbname=again"];
    shop.server.restore(&pg_restore, &place.join(name("before", 3) + ".dump"));
    // PostgreSQL writes the expression of a check anew when it is restored; the job's digest knows that.
    let truth = |database: &str| -> Vec<String> {
        shop.server.truth(database).into_iter().filter(|line| !line.contains("CONSTRAINT ck_role")).collect()
    };
    assert_eq!(truth("again"), truth("shop"));
    let digest = |database: &str| shop.job("old", database, "b2", "", "").migrate().line("schema ").to_owned();
    assert_eq!(digest("again"), digest("shop"));
}

#[test]
fn the_restore_that_is_named_brings_back_exactly_what_was() {
    let shop = Shop::open();
    let (job, file) = (shop.sound("shop"), shop.packages.path("it's a backup/shop-before-1.1-20260101T000000Z.dump"));
    assert_eq!(job.backup(&file, 1).code, Some(0));
    let before = shop.server.truth("shop");
    let ended = job.migrate();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    // A table that refers to older ones keeps them from being dropped; and the new release has served for a while.
    shop.server.sql("shop", "create table visits (visitor int references users)");
    shop.server.sql("shop", "delete from alembic_version");
    assert_ne!(shop.server.truth("shop"), before);
    shop.server.typed(&restore_command(DatabaseKind::Postgresql, file.to_str().unwrap()));
    // PostgreSQL writes the expression of a check anew when it is restored.
    let told = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().filter(|line| !line.contains("CONSTRAINT ck_role")).collect()
    };
    assert_eq!(told(shop.server.truth("shop")), told(before));
}

#[test]
fn a_backup_that_lacks_something_is_none() {
    let shop = Shop::open();
    let (job, place) = (shop.sound("shop"), shop.packages.path("backups"));
    let file = place.join("shop-before-1.1-20260101T000000Z.dump");
    let programs = shop.packages.path("programs");
    fs::create_dir(&programs).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let real = run(Command::new("sh").args(["-c", "command -v pg_dump"]));
    // A pg_dump that leaves out, does nothing, or breaks off.
    let breakages = [
        (format!("exec {} \"$@\" -T users", real.trim()), "the backup holds the rows of 1 tables, and there are 2"),
        (format!("exec {} \"$@\" -T alembic_version", real.trim()), "holds no rows of a table alembic_version"),
        (format!("{} \"$@\"; truncate -s 900 \"$4\"", real.trim()), "pg_restore ended with 1"),
        ("true".into(), "pg_restore ended with 1"),
        (format!("{} \"$@\"; touch -d yesterday \"$4\"", real.trim()), "the backup is older than this run"),
        ("echo 'no space left' >&2; exit 3".into(), "pg_dump ended with 3"),
    ];
    let script = |keep| {
        let (venv, ini, chdir) = (venv().to_str().unwrap(), &job.ini, &job.chdir);
        let file = file.to_str().unwrap();
        backup(&BackupJob { venv, ini, chdir, kind: job.kind, file, keep, snapshots: &[], sum: false })
    };
    for (body, said) in breakages {
        fs::write(programs.join("pg_dump"), format!("#!/bin/sh\n{body}\n")).unwrap();
        run(Command::new("chmod").arg("755").arg(programs.join("pg_dump")));
        let ended = act(&script(1), &[("PATH", &path)]);
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        assert!(ended.text.contains(said), "{said:?}:\n{}", ended.text);
        assert!(!file.exists());
    }
    // What they left is no hindrance.
    let ended = act(&script(1), &[]);
    assert_eq!((ended.code, files(&place).len()), (Some(0), 1), "{}", ended.text);
}

/// A project whose only component is the shop, with this machine as its host and one of the server's databases.
fn project(shop: &Shop, database: &str, venv: &Path, process: &str, schema: &str) -> PathBuf {
    let project = shop.packages.path(&format!("project-{database}"));
    fs::create_dir_all(&project).unwrap();
    let ini = shop.packages.ini("new", database, &shop.server.url(database));
    let venv = venv.display();
    fs::write(project.join("hosts.yaml"), "all:\n  vars: {ansible_connection: local}\n  hosts: {here: }\n").unwrap();
    let playbook = format!(
        "- name: Shop\n  hosts: all\n  tasks:\n    - name: The shop\n      component:\n        name: shop\n        \
         package: shop\n        release: \"1.0\"\n        venv: {venv}\n        process: {{{process}}}\n        \
         schema: {{alembic: {ini}, chdir: {}, {schema}}}\n",
        project.display()
    );
    fs::write(project.join("site.yaml"), playbook).unwrap();
    project
}

/// `converge …` in a project.
fn command(project: &Path, words: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_converge"));
    // A run is gone on with by its own arguments.
    let declared: &[&str] =
        if words.first() == Some(&"resume") { &[] } else { &["-i", "hosts.yaml", "-p", "site.yaml"] };
    command.args(declared).args(words).current_dir(project).stdin(Stdio::null());
    command.env("HOME", project).env_remove("SSH_AUTH_SOCK").envs(environment.iter().copied());
    command
}

/// How it ended, and what it said.
fn converge(project: &Path, words: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let output = command(project, words, environment).output().unwrap();
    let text = said(&output);
    assert!(!text.contains(support::PASSWORD) && !text.contains("hunter2@x"), "{text}");
    (output.status.code().unwrap(), text)
}

/// `converge schema check` on this machine as a host, about one database.
fn schema_check(shop: &Shop, database: &str, words: &[&str]) -> (i32, String) {
    let process = "command: sleep 9, title: ^shop, log: /dev/null";
    let project = project(shop, database, venv(), process, "backup: /tmp");
    converge(&project, &[&["schema", "check"], words].concat(), &[])
}

#[test]
fn the_command_tells_a_complete_schema_from_one_that_is_only_at_head() {
    let shop = Shop::open();
    let (code, text) = schema_check(&shop, "truth", &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("here/shop (truth): at head c3") && text.contains("all as they should be"), "{text}");

    // Behind, with the skipped ones seen already.
    let (code, text) = schema_check(&shop, "shop", &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("at b2, behind c3") && text.contains("column users.kind"), "{text}");
    assert!(text.contains("must not be run: s1: the database is not at the package's head"), "{text}");

    let ended = shop.job("new", "shop", "b2", "", "c3").migrate();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let (code, text) = schema_check(&shop, "shop", &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("s1 add `users.kind`\n    1 of 1: column users.kind"), "{text}");
    assert!(text.contains("never ran, and may run now, in this order: s1, s2"), "{text}");
    let (code, text) = schema_check(&shop, "shop", &["--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["complete"]), (2, &serde_json::json!(false)));
    assert_eq!(json["components"][0]["mending"]["sound"], serde_json::json!(["s1", "s2"]));

    // Somebody has put half of it there by hand.
    shop.server.sql("shop", "alter table users add kind text");
    let (code, text) = schema_check(&shop, "shop", &[]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("never ran, and may run now, in this order: s2") && !text.contains("1 of 1: column"),
        "{text}"
    );

    // What can't be seen is never complete.
    shop.server.sql("postgres", "alter database shop allow_connections false");
    let (code, text) = schema_check(&shop, "shop", &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("UNKNOWN: the schema:"), "{text}");
}

/// A service in an environment of its own, and a database on which somebody has typed `alembic upgrade head`.
struct Served {
    project: PathBuf,
    pid_file: PathBuf,
    backups: PathBuf,
}

impl Served {
    fn open(shop: &Shop, database: &str, schema: &str) -> Self {
        shop.server.copy("shop", database);
        let ini = shop.packages.ini("new", database, &shop.server.url(database));
        let place = shop.packages.directory.path();
        run(Command::new(venv().join("bin/alembic")).args(["-c", &ini, "upgrade", "head"]).current_dir(place));
        assert_eq!(shop.rows(database), ["c3"]);
        let project = project(
            shop,
            database,
            &Self::environment(shop, database),
            // The number tells it from other tests' and other databases' services.
            &format!(
                "command: sleep {0}, title: ^sleep {0}$, log: /dev/null, pid_file: {1}/pid",
                Self::seconds(database),
                shop.packages.path(&format!("project-{database}")).display()
            ),
            &format!("backup: {}, {schema}", place.join(format!("backups-{database}")).display()),
        );
        let (pid_file, backups) = (project.join("pid"), place.join(format!("backups-{database}")));
        let served = Self { project, pid_file, backups };
        let (code, text) = served.converge(&[], &[]);
        assert_eq!(code, 0, "{text}");
        served
    }

    fn seconds(database: &str) -> u64 {
        u64::from(std::process::id()) * 1000 + database.bytes().map(u64::from).sum::<u64>()
    }

    /// A package `shop`, with the alembic of the other tests.
    fn environment(shop: &Shop, database: &str) -> PathBuf {
        let own = shop.packages.path(&format!("venv-{database}"));
        run(Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(&own));
        let site_packages = |venv: &Path| {
            let python = fs::read_dir(venv.join("lib")).unwrap().next().unwrap().unwrap().path();
            python.join("site-packages")
        };
        fs::write(site_packages(&own).join("other.pth"), site_packages(venv()).to_str().unwrap()).unwrap();
        let distribution = site_packages(&own).join("shop-1.0.dist-info");
        fs::create_dir(&distribution).unwrap();
        fs::write(distribution.join("METADATA"), "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n").unwrap();
        fs::write(distribution.join("RECORD"), "").unwrap();
        own
    }

    fn command(&self, words: &[&str], environment: &[(&str, &str)]) -> Command {
        command(&self.project, words, environment)
    }

    fn converge(&self, words: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
        converge(&self.project, words, environment)
    }

    /// The process that serves, if one does.
    fn serves(&self) -> Option<String> {
        let pid = fs::read_to_string(&self.pid_file).ok()?.trim().to_owned();
        fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|line| line.starts_with(b"sleep")).map(|_| pid)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(pid) = self.serves() {
            let _ = Command::new("kill").arg(pid).status();
        }
    }
}

#[test]
fn a_careless_upgrade_is_mended_to_what_its_twin_is() {
    let shop = Shop::open();
    let served = Served::open(&shop, "careless", "rehearsal: major");
    let (before, databases) = (shop.server.truth("careless"), shop.server.databases());
    assert_ne!(before, shop.server.truth("truth"));
    let first = served.serves().unwrap();

    let (code, text) = served.converge(&["schema", "mend", "--check"], &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("1.0: rehearse the mending of shop") && text.contains("1.0: mend the database of shop"));
    assert!(text.contains("2 revision(s) never ran, although the row is above them: s1 (add `users.kind`); s2 (index"));
    assert!(text.contains("only a restore takes it back: pg_restore"), "{text}");
    assert_eq!((shop.server.truth("careless"), served.serves()), (before.clone(), Some(first.clone())));

    // A rehearsal that fails stops nothing.
    shop.server.create("careless_rehearsal");
    let (code, text) = served.converge(&["schema", "mend", "--yes"], &[]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("no rehearsal has made") && text.contains("nothing was stopped"), "{text}");
    assert_eq!((shop.server.truth("careless"), served.serves()), (before, Some(first.clone())));
    shop.server.sql("postgres", "drop database careless_rehearsal");

    let (code, text) = served.converge(&["schema", "mend", "--yes", "-v"], &[]);
    assert_eq!(code, 0, "{text}");
    // On a copy it stops before what would meet the real world: the revisions of the shop read their environment.
    let outside = "s2 (index users.kind) reaches outside of the database, and was not run; 1 of 2 revisions were";
    assert!(text.contains(outside), "{text}");
    assert!(text.contains(&format!("succeeds on a copy, as far as it may run there: {outside}")), "{text}");
    assert!(text.contains("all 2 things that its revisions leave were found"), "{text}");
    assert_eq!(shop.server.truth("careless"), shop.server.truth("truth"));
    assert_eq!((shop.rows("careless"), shop.server.databases()), (vec!["c3".to_owned()], databases));
    assert!(served.serves().is_some_and(|now| now != first));
    assert!(files(&served.backups).iter().any(|file| file.starts_with("careless-before-1.0-")));

    for words in [&["schema", "mend", "--yes"][..], &["schema", "check"], &[]] {
        let (code, text) = served.converge(words, &[]);
        assert_eq!(code, 0, "{words:?}: {text}");
    }
}

#[test]
fn a_mending_that_fails_or_would_not_be_sound_leaves_the_database_as_it_was() {
    let shop = Shop::open();
    let served = Served::open(&shop, "careless", "rehearsal: never");
    let before = shop.server.truth("careless");
    let (code, text) = served.converge(&["schema", "mend", "--yes"], &[("SHOP_FAIL", "1")]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("rolled back: alembic_version holds c3, and the schema is as it was before"), "{text}");
    assert!(text.contains("forward: mend the cause, then run converge schema mend again"), "{text}");
    let backup = files(&served.backups).into_iter().find(|file| file.starts_with("careless-before-1.0-")).unwrap();
    assert!(text.contains(&format!("--dbname=postgres {}/{backup}", served.backups.display())), "{text}");
    assert_eq!((shop.server.truth("careless"), served.serves()), (before.clone(), None));
    // Back is to start what is stopped, on the schema as it was.
    let (code, text) = served.converge(&["--yes"], &[]);
    assert!(code == 0 && served.serves().is_some(), "{text}");

    // A backup that can't be made stops nothing for longer.
    let programs = shop.packages.path("programs");
    fs::create_dir(&programs).unwrap();
    fs::write(programs.join("pg_dump"), "#!/bin/sh\n[ \"$1\" = --version ] && echo 'pg_dump 99.1'\n").unwrap();
    run(Command::new("chmod").arg("755").arg(programs.join("pg_dump")));
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let (code, text) = served.converge(&["schema", "mend", "--yes"], &[("PATH", &path)]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("Taken back to where it was") && served.serves().is_some(), "{text}");
    assert_eq!(shop.server.truth("careless"), before);

    // Half of what one of them brings is there.
    shop.server.sql("careless", "alter table orders drop column user_id");
    let (before, serves) = (shop.server.truth("careless"), served.serves());
    let (code, text) = served.converge(&["schema", "mend", "--yes"], &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("[schema-unmendable]") && text.contains("restore the backup from before"), "{text}");
    assert!(text.contains("the database lacks what c3 brings, and it must not be run: "), "{text}");
    assert_eq!((shop.server.truth("careless"), served.serves()), (before, serves));
}

#[test]
fn a_mending_whose_controller_was_killed_is_gone_on_with() {
    let shop = Shop::open();
    let served = Served::open(&shop, "careless", "rehearsal: never");
    let mut command = served.command(&["schema", "mend", "--yes"], &[("SHOP_SLEEP", "25")]);
    let mut killed = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The job holds its lock from its first look until its transaction ends.
    let locks = "select count(*) from pg_locks l join pg_database d on d.oid = l.database \
                 where locktype = 'advisory' and datname = 'careless'";
    let began = Instant::now();
    while shop.server.sql("postgres", locks) != ["1"] {
        assert!(began.elapsed() < Duration::from_secs(120), "the job has not begun");
        std::thread::sleep(Duration::from_millis(100));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();

    // Who only looks doesn't wait.
    let (code, text) = served.converge(&["schema", "mend", "--check"], &[]);
    assert!(code == 3 && text.contains("[job-running]"), "{code}: {text}");
    let (code, text) = served.converge(&["resume", "--yes"], &[]);
    assert_eq!(code, 0, "{text}");
    for said in ["schema mend (in ", "is still at work", "has ended with exit status 0", "start shop and wait"] {
        assert!(text.contains(said), "{said:?}: {text}");
    }
    // It ran once, and what it had stopped serves again.
    assert_eq!(shop.server.truth("careless"), shop.server.truth("truth"));
    assert!(served.serves().is_some() && !text.contains("mend the database of shop: "), "{text}");
    let (code, text) = served.converge(&["resume", "--yes"], &[]);
    assert!(code == 0 && text.contains("Nothing to mend"), "{text}");
}

/// Revisions written in the ways in which people write them; later ones take back what earlier ones bring.
const FORMS: [Revision; 8] = [
    (
        "f1",
        "tables by name, by loop and by SQL",
        "",
        r#"
    op.create_table("a", sa.Column("id", sa.Integer), sa.Column("gone", sa.Integer), sa.Column("typo", sa.Integer))
    for name in ("b", "c"):
        op.create_table(name, sa.Column("id", sa.Integer), sa.Column(f"{name}_old", sa.Integer))
    op.execute("create table if not exists D (id int) -- drop table a")
    op.execute("alter table d add column \"Mixed\" int;")
    op.create_index(op.f("ix_a_gone"), "a", ["gone"])
    op.create_index("ix_a_id", "a", ["id"], unique=True)
"#,
    ),
    (
        "f2",
        "drops and renames",
        "f1",
        r#"
    op.drop_column("a", "gone")
    op.alter_column("a", "typo", new_column_name="right")
    op.rename_table("b", "bee")
    op.execute("ALTER TABLE ONLY d RENAME COLUMN \"Mixed\" TO plain")
    op.execute(sa.text("ALTER INDEX ix_a_id RENAME TO ix_a_number"))
"#,
    ),
    (
        "f3",
        "conditions",
        "f2",
        r#"
    inspector = sa.inspect(op.get_bind())
    if "never" in inspector.get_table_names():
        op.add_column("a", sa.Column("never", sa.Integer))
    name = "one"
    if len(name) > 5:
        name = "other"
    op.add_column("a", sa.Column(name, sa.Integer))
    helper("bee")
    if not inspector.get_table_names():
        return
    op.add_column("a", sa.Column("late", sa.Integer))


def helper(table):
    op.add_column(table, sa.Column("helped", sa.Integer))
"#,
    ),
    (
        "f4",
        "names that are computed",
        "f3",
        r#"
    for column in inspect_columns():
        op.execute(f"ALTER TABLE c DROP COLUMN {column}")
    op.execute("ALTER TABLE c ADD COLUMN {} int".format("formatted"))


def inspect_columns():
    return [one["name"] for one in sa.inspect(op.get_bind()).get_columns("c") if one["name"].endswith("old")]
"#,
    ),
    (
        "f5",
        "types",
        "f4",
        r#"
    op.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
    op.add_column("a", sa.Column("mood", sa.Enum("sad", "ok", name="mood", create_type=False)))
"#,
    ),
    (
        "f6",
        "labels",
        "f5",
        r#"
    new = "happy"
    op.execute(f"ALTER TYPE mood ADD VALUE '{new}' BEFORE 'ok'")
    op.execute("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'")
"#,
    ),
    (
        "f7",
        "batches, and a table that comes again",
        "f6",
        r#"
    with op.batch_alter_table("a") as batch:
        batch.add_column(sa.Column("batched", sa.Integer))
        batch.create_index("ix_batched", ["batched"])
    op.drop_table("d")
    op.create_table("d", sa.Column("again", sa.Integer))
"#,
    ),
    ("f8", "data alone", "f7", "\n    op.execute(\"insert into a (id) values (1)\")\n"),
];

#[test]
fn however_revisions_are_written_a_sound_database_lacks_nothing() {
    let (server, packages) = (Server::start(), Packages::new());
    packages.package("forms", &FORMS);
    // An empty database stays one where a revision fails.
    server.create("empty");
    let ini = packages.ini("new", "empty", &server.url("empty"));
    let first = Job::new(&ini, packages.directory.path(), DatabaseKind::Postgresql, "", "", "a1 s1 s2 b2 c3");
    let failed = act(&first.migration(), &[("SHOP_FAIL", "1")]);
    assert!(failed.line("rolled back").contains("holds none"), "{}", failed.text);
    assert!(
        server.sql("empty", "select relname from pg_class where relname in ('users', 'alembic_version')").is_empty()
    );

    server.create("forms");
    let ini = packages.ini("forms", "forms", &server.url("forms"));
    let pending = FORMS.map(|one| one.0).join(" ");
    let place = packages.directory.path();
    let made = Job::new(&ini, place, DatabaseKind::Postgresql, "", "", &pending).migrate();
    assert_eq!(made.code, Some(0), "{}", made.text);
    let job = Job::new(&ini, place, DatabaseKind::Postgresql, "f8", "", "");
    let sound = job.effects();
    assert_eq!(sound.missing, BTreeSet::new());
    // What is under a condition, computed or data alone is not counted, and said.
    assert_eq!(sound.untold.keys().collect::<Vec<_>>(), ["f3", "f4", "f8"]);

    // Each change by hand is one thing that is not as a revision left it, and is told with that revision.
    let changes = [
        ("drop table bee", "f2 table bee, f1 column bee.b_old, f1 column bee.id, f3 column bee.helped"),
        ("alter table a drop \"right\"", "f2 column a.right"),
        ("alter table a add gone int", "f2 column a.gone is still there"),
        ("drop index ix_a_number", "f2 index ix_a_number"),
        ("alter table a rename batched to other", "f7 column a.batched"),
        ("alter table d add plain int", ""),
        (
            "alter table a drop mood; drop type mood; create type mood as enum ('blue', 'ok')",
            "f5 column a.mood, f6 label mood.happy",
        ),
    ];
    for (number, (change, expected)) in changes.into_iter().enumerate() {
        let copy = format!("changed{number}");
        server.copy("forms", &copy);
        server.sql(&copy, change);
        let ini = packages.ini("forms", &copy, &server.url(&copy));
        let effects = Job { ini, ..job.clone() }.effects();
        let found: BTreeSet<String> = effects.missing.iter().map(|one| format!("{} {one}", one.revision)).collect();
        let expected: BTreeSet<String> =
            expected.split(", ").filter(|one| !one.is_empty()).map(str::to_owned).collect();
        assert_eq!(found, expected, "{change}");
    }
}

/// Everything in an SQLite database.
fn sqlite_truth(file: &Path) -> Vec<String> {
    let program = "import sqlite3, sys\nfor l in sqlite3.connect(sys.argv[1]).iterdump(): print(l)";
    let mut lines: Vec<String> =
        run(Command::new("python3").args(["-c", program]).arg(file)).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn sqlite_is_migrated_in_one_transaction_as_well() {
    let packages = Packages::new();
    let place = packages.directory.path();
    let (file, backup) = (place.join("shop.db"), place.join("backup.db"));
    let job = |package: &str, rows: &str, skipped: &str, pending: &str| {
        let ini = packages.ini(package, "shop", &format!("sqlite:///{}", file.display()));
        Job::new(&ini, place, DatabaseKind::Sqlite, rows, skipped, pending)
    };
    let made = job("old", "", "", "a1 b2").migrate();
    assert_eq!(made.code, Some(0), "{}", made.text);
    fs::copy(&file, &backup).unwrap();
    let (before, sound) = (sqlite_truth(&file), job("new", "b2", "s1 s2", "c3"));

    let failed = act(&sound.migration(), &[("SHOP_FAIL", "1")]);
    assert!(failed.code == Some(1) && failed.text.contains("rolled back"), "{}", failed.text);
    assert_eq!(sqlite_truth(&file), before);
    let mut killed = Running::start(&sound.migration(), &[("SHOP_SLEEP", "60")]);
    killed.until("revision s2 index");
    let second = Job { chdir: "/tmp".into(), ..sound.clone() };
    assert_eq!(second.migrate().code, Some(BUSY.cast_signed()));
    killed.kill();
    assert_eq!(sqlite_truth(&file), before);

    let scratch = place.join("rehearsal.db");
    let rehearsal = sound.rehearsal(&backup, scratch.to_str().unwrap(), "");
    fs::write(&scratch, "somebody else's").unwrap();
    let refused = act(&rehearsal, &[]);
    assert!(refused.code == Some(1) && refused.text.contains("no rehearsal has made"), "{}", refused.text);
    assert_eq!(fs::read_to_string(&scratch).unwrap(), "somebody else's");
    fs::remove_file(&scratch).unwrap();
    let mut killed = Running::start(&rehearsal, &[("SHOP_SLEEP", "60")]);
    killed.until("revision s2 index");
    killed.kill();
    assert!(scratch.exists());
    let rehearsed = act(&rehearsal, &[]);
    assert_eq!(rehearsed.code, Some(0), "{}", rehearsed.text);
    assert!(!scratch.exists() && sqlite_truth(&file) == before);

    let ended = sound.migrate();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert_eq!(ended.line("schema "), rehearsed.line("schema "));
    let at_head = job("new", "c3", "", "");
    assert_eq!(at_head.effects().missing, BTreeSet::new());
    run(Command::new("python3")
        .args(["-c", "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute('drop index ix_users_kind')"])
        .arg(&file));
    let missing: Vec<String> = at_head.effects().missing.iter().map(ToString::to_string).collect();
    assert_eq!(missing, ["index ix_users_kind"]);
}
