//! Backups that are kept on another host: the whole way, and what goes wrong on it.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::process::Command;

use crate::bench::{Bench, Ran, wait_until};
use crate::rehearsal::{Component, Service, python, signal};

/// A manager whose backups are copied to the host of the web server, which takes no part in the run otherwise.
fn bench() -> Bench {
    let bench = Bench::of(&[("mgr1", Component::Manager), ("web1", Component::Webserver)], "25.6.2");
    declare(&bench, "web1", &format!("{}/copies", bench.cluster.host("web1").directory().display()));
    bench
}

fn declare(bench: &Bench, host: &str, directory: &str) {
    let variables = bench.cluster.operator_directory().join("group_vars");
    fs::create_dir_all(&variables).unwrap();
    let text = format!("backup_host: {host}\nbackup_host_directory: {directory}\n");
    fs::write(variables.join("manager.yaml"), text).unwrap();
}

fn copies(bench: &Bench) -> Vec<PathBuf> {
    let directory = bench.cluster.host("web1").directory().join("copies");
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn copies_ending(bench: &Bench, end: &str) -> Vec<PathBuf> {
    copies(bench).into_iter().filter(|file| file.to_str().unwrap().ends_with(end)).collect()
}

/// A file whose copying has begun, and that was not there before.
fn part(bench: &Bench, before: &[PathBuf]) -> Option<PathBuf> {
    let has_begun = |file: &PathBuf| fs::metadata(file).is_ok_and(|part| part.len() > 1 << 22);
    copies_ending(bench, ".sqlite.part").into_iter().find(|file| !before.contains(file) && has_begun(file))
}

/// What a query says of any SQLite database.
fn told(service: &Service, database: &std::path::Path, query: &str) -> String {
    let script = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())";
    python::run(Command::new(service.venv().join("bin/python")).args(["-c", script]).arg(database).arg(query))
}

/// So much in the database that its copy takes a while.
fn fill(bench: &Bench) {
    bench.sql("create table filling as select 1 as n, randomblob(96 << 20) as bytes");
}

fn begin(bench: &Bench, arguments: &[&str]) -> (std::process::Child, PathBuf) {
    let before = copies_ending(bench, ".part");
    let run = bench.start(arguments);
    wait_until("the copy has begun", || part(bench, &before).is_some());
    let part = part(bench, &before).unwrap();
    (run, part)
}

/// The next run converges, and so many copies are there then.
#[track_caller]
fn goes_on(bench: &Bench, copies: usize) -> Ran {
    let ran = bench.converges();
    assert_eq!(copies_ending(bench, ".sqlite").len(), copies, "{:?}", self::copies(bench));
    ran
}

#[test]
fn a_migration_waits_for_the_copy_and_the_copy_brings_everything_back() {
    let bench = bench();
    let manager = bench.on("mgr1").clone();
    bench.sql("insert into users (id, name) values (4711, 'before')");
    let planned = bench.looks(&["plan"]).exits(2);
    let there = bench.cluster.host("web1").directory().join("copies/manager.db-before-25.6.2-");
    planned.says(&[
        "web1: copy ",
        "backups/manager.db-before-25.6.2-",
        " here from mgr1, to ",
        there.to_str().unwrap(),
    ]);
    bench.looks(&["lock", "show"]).exits(0).says(&["web1"]);

    let ran = bench.converge(&["--limit", "mgr1"]).exits(0).says(&["with the same sha256"]);
    assert_eq!(
        ran.verbs(),
        ["mgr1 stop", "mgr1 install", "mgr1 back", "web1 copy", "mgr1 migrate", "mgr1 start"],
        "{ran}"
    );
    assert_eq!(ran.recap("web1"), "ok=1 changed=1 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0");
    // The two are one, and their sums are noted beside them.
    let [copy] = &copies_ending(&bench, ".sqlite")[..] else { panic!("{:?}", copies(&bench)) };
    let original = bench.cluster.host("mgr1").directory().join("backups").join(copy.file_name().unwrap());
    assert!(fs::read(copy).unwrap() == fs::read(&original).unwrap());
    assert_eq!(bench.backups("mgr1").len(), 2);
    assert_eq!(copies(&bench).len(), 2);

    // Its host is lost with all that lay on it: the copy alone makes a database of an empty file.
    fs::remove_file(&original).unwrap();
    let again = bench.cluster.root().join("again.db");
    fs::write(&again, "").unwrap();
    fs::copy(copy, &again).unwrap();
    assert_eq!(told(&manager, &again, "select version_num from alembic_version").trim(), "[('8c24e6b0d913',)]");
    assert_eq!(told(&manager, &again, "select name from users where id = 4711").trim(), "[('before',)]");
    assert_eq!(told(&manager, &again, "pragma integrity_check").trim(), "[('ok',)]");
    // Nothing is copied where nothing migrates.
    bench.sql("delete from users where id = 4711");
    assert_eq!(bench.converges().verbs(), ["web1 stop", "web1 install", "web1 start"]);
}

#[test]
fn a_host_for_backups_that_will_not_do_is_refused_before_anything_stops() {
    let mut bench = bench();
    let home = bench.cluster.host("web1").directory().to_owned();
    // None of the inventory: a mistake with its place.
    let ran = bench.looks(&["plan", "-e", "backup_host=web2"]).exits(1);
    ran.says(&["`backup_host` is a host of the inventory, and there is no web2", "did you mean `web1`?"]);
    bench.looks(&["plan", "-e", "backup_host="]).exits(1).says(&["none is declared"]);
    // No place to write to, or one that can't become a directory.
    let file = home.join("file");
    fs::write(&file, "").unwrap();
    let nowhere = format!("backup_host_directory={}/copies", file.display());
    bench.refuses(&["-e", &nowhere], "no-backup-host").says(&["web1: ", "is no directory that can be written to"]);
    // The manager's own host: there they are already.
    let ran = bench.looks(&["plan", "-e", "backup_host=mgr1"]).exits(2);
    ran.never_says(&["copy ", "no-backup-host"]);
    // One that doesn't answer, though the run itself leaves it out.
    bench.cluster.cut_off("web1");
    let ran = bench.refuses(&["--limit", "mgr1"], "no-backup-host");
    ran.says(&["web1: the host for backups can't be asked", "bring web1 back, or declare another `backup_host`"]);
    bench.cluster.bring_back("web1");
    goes_on(&bench, 1);
}

#[test]
fn a_copy_that_is_damaged_and_a_controller_that_is_killed_in_one_end_before_the_migration() {
    let mut bench = bench();
    fill(&bench);
    let (run, part) = begin(&bench, &[]);
    let mut file = fs::File::options().write(true).open(part).unwrap();
    file.seek(SeekFrom::Start(4711)).unwrap();
    file.write_all(b"!!!!").unwrap();
    drop(file);
    let ran = bench.finish(run).exits(5).says(&[
        "web1: FAILED",
        "it was damaged on the way, and was removed",
        "left as:  mgr1/manager: 25.6.2 installed, stopped, database at 8c24e6b0d913, behind b5907f1e2c6a",
        "next:     mend the way from mgr1 to web1, or make room there",
        "the backup itself is on mgr1: ",
    ]);
    assert!(!ran.verbs().contains(&"mgr1 migrate".to_owned()), "{ran}");
    assert_eq!((copies(&bench).len(), bench.cluster.schema_rows()), (0, vec!["8c24e6b0d913".to_owned()]));
    goes_on(&bench, 1);

    bench.cluster.declare("25.6.4");
    let (run, part) = begin(&bench, &[]);
    signal("KILL", [run.id()]);
    let ran = bench.finish(run);
    assert_eq!(ran.exit, None, "{ran}");
    assert!(part.exists() && copies_ending(&bench, ".sqlite").len() == 1);
    assert_eq!(bench.cluster.schema_rows(), ["b5907f1e2c6a"]);
    // The host that it went to is asked, and the copy is made anew.
    let ran = goes_on(&bench, 2).says(&["left 1 action(s) in doubt", "web1: copy ", "never started"]);
    assert!(ran.verbs().contains(&"web1 copy".to_owned()), "{ran}");
}

#[test]
fn a_line_that_is_lost_in_the_copy_stops_the_run_and_one_that_comes_back_does_not() {
    let mut bench = bench();
    fill(&bench);
    let (run, _) = begin(&bench, &["--reconnect", "1s"]);
    bench.cluster.cut_off("web1");
    bench.finish(run).exits(4).says(&[
        "web1: UNREACHABLE",
        "left as:  mgr1/manager: 25.6.2 installed, stopped",
        "next:     bring the host back, then run converge again",
    ]);
    assert_eq!(bench.cluster.schema_rows(), ["8c24e6b0d913"]);
    bench.cluster.bring_back("web1");
    goes_on(&bench, 1);

    bench.cluster.declare("25.6.4");
    let (run, _) = begin(&bench, &[]);
    bench.cluster.cut_off("web1");
    std::thread::sleep(std::time::Duration::from_secs(1));
    bench.cluster.bring_back("web1");
    bench.finish(run).exits(0).says(&["with the same sha256", "Converged"]);
    bench.is_converged();
    assert_eq!(copies_ending(&bench, ".sqlite").len(), 2);
}
