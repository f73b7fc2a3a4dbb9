//! The schema job against a real PostgreSQL (and SQLite) with real alembic: a package whose new release has revisions spliced in
//! below the database's row. What it leaves is compared with a twin: the same database, brought to the same head by
//! the new package alone.

#[path = "support/schema_job/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use converge::facts::{DatabaseKind, Effects, EffectsQuery, Observed, Probe, Query, SchemaQuery, read_answers};
use converge::model::HostName;
use converge::plan::{BUSY, SchemaJob, migrate, rehearse};
use converge::release::{RevisionGraph, RevisionPresence, mendable};

use support::{Ended, Packages, Running, Server, act, run, said, venv};

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
}

impl Job {
    /// `rows`, then what is skipped, then what is pending; the last of those is the head.
    fn new(ini: &str, chdir: &Path, kind: DatabaseKind, rows: &str, skipped: &str, pending: &str) -> Self {
        let (rows, pending): (BTreeSet<String>, _) = (ids(rows).into_iter().collect(), ids(pending));
        let head = pending.last().or(rows.first()).unwrap().clone();
        let chdir = chdir.to_str().unwrap().to_owned();
        Self { ini: ini.into(), chdir, kind, rows, skipped: ids(skipped), pending, head }
    }

    fn with<T>(&self, then: impl FnOnce(&SchemaJob<'_>) -> T) -> T {
        then(&SchemaJob {
            venv: venv().to_str().unwrap(),
            ini: &self.ini,
            chdir: &self.chdir,
            kind: self.kind,
            rows: &self.rows,
            skipped: &self.skipped,
            pending: &self.pending,
            head: &self.head,
        })
    }

    fn migration(&self) -> String {
        self.with(migrate)
    }

    fn migrate(&self) -> Ended {
        act(&self.migration(), &[])
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
