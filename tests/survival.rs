//! What can stop a run at three in the morning, on real hosts with real Backend.AI: two managers on one PostgreSQL
//! database, from 23.9.8 to 23.9.10, whose four revisions migrate it. After each fault a plain next run ends in the empty
//! plan, nothing ran twice, and nothing is lost. Needs root, and `tests/lab/install` once.
//!
//! The controller is killed at `CONVERGE_KILLS` random moments (default 2; `CONVERGE_SEED` repeats a choice).
//! `CONVERGE_FAULTS=cuts,power` injects only these, by the names of [`FAULTS`].

#[path = "support/lab.rs"]
mod lab;

use std::hash::{BuildHasher as _, Hasher as _};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use lab::{Ended, Lab};

const MANAGERS: [&str; 2] = ["mgr1", "mgr2"];

/// Where a manager's environment lies.
const VENV: &str = "/home/bai/manager/.venv";

/// What the database is at before, and afterwards.
const OLD_HEAD: &str = "8b2ec7e3d22a";
const NEW_HEAD: &str = "75ea2b136830";

/// Words of every run: only managers, and somebody has read the release notes.
const WORDS: [&str; 4] = ["--limit", "manager", "--waive", "change-log=read"];

/// Longer than any run here takes, faults and their time-outs included.
const PATIENCE: Duration = Duration::from_secs(300);

/// A cluster that can be set back to the old release again and again.
struct Site {
    lab: Lab,
    /// The old release's environment, as it was before anything ran.
    pristine: PathBuf,
    /// What the database's log of changes to its schema holds after a plain upgrade.
    changes: Vec<String>,
    rows: Vec<String>,
    /// How long a run takes that nothing disturbs.
    whole: Duration,
}

impl Site {
    fn start() -> Self {
        let lab = Lab::start("patch");
        let cache = std::env::var_os("CONVERGE_LAB_CACHE").unwrap_or_else(|| "/var/tmp/converge-lab".into());
        let pristine = PathBuf::from(cache).join("home/manager/home/bai/manager/.venv");
        assert!(pristine.is_dir(), "{} is missing", pristine.display());
        // Each committed statement of a migration leaves a row: one that ran twice would be seen.
        lab.sql("create table changes (id serial, what text)");
        lab.sql(
            "create or replace function note() returns event_trigger language plpgsql security definer as 'begin \
             insert into changes (what) select command_tag || chr(32) || object_identity from \
             pg_event_trigger_ddl_commands(); end'",
        );
        lab.sql("create event trigger note on ddl_command_end execute function note()");
        lab.ssh("db1", "cd / && runuser -u postgres -- pg_dump -Fc -f /var/lib/postgresql/old.dump backend");
        let (changes, rows) = (Vec::new(), Vec::new());
        let mut site = Self { lab, pristine, changes, rows, whole: Duration::ZERO };
        site.rows = site.rows_now();
        let begun = Instant::now();
        let plain = site.lab.converge(&WORDS);
        site.whole = begun.elapsed();
        assert_eq!(plain.code, 0, "{}", plain.text);
        site.changes = site.changes_now();
        assert!(site.changes.len() > 4, "{:?}", site.changes);
        site
    }

    /// Everything as it was before any run.
    fn set_back(&self) {
        for host in MANAGERS {
            self.lab.ssh(host, "rm -f /usr/local/bin/date; systemctl stop backendai-manager; pkill -KILL -u bai; true");
            let venv = self.lab.root(host).join(VENV.trim_start_matches('/'));
            let copied = Command::new("sh")
                .args(["-c", "rm -rf \"$1\" && cp -a \"$2\" \"$1\"", "sh"])
                .args([&venv, &self.pristine])
                .status();
            assert!(copied.is_ok_and(|status| status.success()), "{} can't be set back", venv.display());
        }
        self.lab.ssh(
            "db1",
            "cd / && runuser -u postgres -- sh -ec 'dropdb --force backend; createdb backend; \
             pg_restore -d backend /var/lib/postgresql/old.dump'",
        );
        for host in MANAGERS {
            self.lab.ssh(host, "systemctl start backendai-manager");
        }
        for host in MANAGERS {
            self.wait_until(host, "the old release to answer", |site| site.lab.ssh(host, ANSWER).contains("23.09.8"));
        }
        assert_eq!(self.revision(), OLD_HEAD);
    }

    fn wait_until(&self, host: &str, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{host}: waited {} s for {what}", PATIENCE.as_secs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn revision(&self) -> String {
        self.lab.sql("select version_num from alembic_version").join(",")
    }

    fn changes_now(&self) -> Vec<String> {
        self.lab.sql("select what from changes where what like 'ALTER TABLE%' order by id")
    }

    /// How many rows each table has, but for what a migration or this test writes.
    fn rows_now(&self) -> Vec<String> {
        self.lab.rows().into_iter().filter(|row| !row.starts_with("changes|")).collect()
    }

    /// Starts a run, and doesn't wait for it.
    fn begin(&self) -> Child {
        let log = std::fs::File::create(self.lab.home().join("run.log")).unwrap();
        let errors = log.try_clone().unwrap();
        self.lab.command(&WORDS).stdout(log).stderr(errors).spawn().expect("converge runs")
    }

    /// What the run that was begun has printed so far.
    fn said(&self) -> String {
        std::fs::read_to_string(self.lab.home().join("run.log")).unwrap_or_default()
    }

    /// Waits until the run that was begun has printed this.
    fn until_said(&self, child: &mut Child, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said().contains(text) {
            assert!(Instant::now() < deadline, "{text:?} was never said:\n{}", self.said());
            assert_eq!(child.try_wait().unwrap(), None, "it ended before {text:?}:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the run that was begun has ended, and returns its exit code.
    fn ended(&self, child: &mut Child) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                panic!("it doesn't end:\n{}", self.said());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The next run goes on from what is there; nothing ran twice and nothing is lost; the one after has nothing to do.
    fn goes_on(&self, after: &str) -> Ended {
        let mut run = self.lab.converge(&WORDS);
        if run.code == 3 {
            // One host has got its release, and on the other nothing had been touched yet: somebody has to see that.
            assert!(run.text.contains("--waive 'mixed-releases=REASON'"), "after {after}: {}", run.text);
            run = self.lab.converge(&[&WORDS[..], &["--waive", "mixed-releases=a run was stopped"]].concat());
        }
        assert_eq!(run.code, 0, "after {after}: {}", run.text);
        self.is_whole(after);
        run
    }

    fn is_whole(&self, after: &str) {
        assert_eq!(self.revision(), NEW_HEAD, "after {after}");
        assert_eq!(self.changes_now(), self.changes, "after {after}");
        assert_eq!(self.rows_now(), self.rows, "after {after}");
        for host in MANAGERS {
            assert!(self.lab.ssh(host, ANSWER).contains("23.09.10"), "after {after}: {host}");
            assert_eq!(self.lab.titles(host).len(), 2, "after {after}: {host}");
        }
        let empty = self.lab.converge(&WORDS);
        assert!(empty.code == 0 && empty.text.contains("Nothing to do"), "after {after}: {}", empty.text);
    }
}

/// Prints what a manager answers, or nothing.
const ANSWER: &str = "python3 -c 'import urllib.request as r; print(r.urlopen(\"http://127.0.0.1:8081/\", timeout=5).read().decode())' \
                      2>/dev/null || true";

/// A small generator: what it gives is repeated from its seed (splitmix64).
struct Moments(u64);

impl Moments {
    fn from_environment() -> Self {
        let seed = std::env::var("CONVERGE_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| std::collections::hash_map::RandomState::new().build_hasher().finish());
        println!("CONVERGE_SEED={seed}");
        Self(seed)
    }

    /// A moment before `end`.
    fn next(&mut self, end: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let thousandths = u32::try_from((z ^ (z >> 31)) % 1000).unwrap();
        end * thousandths / 1000
    }
}

fn kills_of_the_controller(site: &mut Site) {
    let kills: u32 = std::env::var("CONVERGE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let mut moments = Moments::from_environment();
    let whole = site.whole;
    for number in 1..=kills {
        site.set_back();
        let moment = moments.next(whole);
        let mut child = site.begin();
        std::thread::sleep(moment);
        // It may have ended just before.
        let _ = child.kill();
        let _ = child.wait();
        println!("kill {number} after {} ms of {}", moment.as_millis(), whole.as_millis());
        site.goes_on(&format!("a kill after {} ms, which left:\n{}", moment.as_millis(), site.said()));
    }
}

/// What runs on the host for an install, and for a migration.
const PIP: &str = "pgrep -f 'bin/python -m pip .*install' >/dev/null && echo yes || true";
const ALEMBIC: &str = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";

/// All hosts here share this machine's clock, which no test may touch: `date`, by which scripts tell the time, is one
/// that goes an hour late.
const SLOW_CLOCK: &str = "printf '#!/bin/sh\\nexec /usr/bin/date -d \"1 hour ago\" \"$@\"\\n' >/usr/local/bin/date && \
                          chmod 755 /usr/local/bin/date";

/// Gives a manager's files a disk of their own: that of a host is this machine's, and shared with the database.
const OWN_DISK: &str = "set -e; systemctl stop backendai-manager; mkdir -p /run/disk; mount -t tmpfs -o size=1g tmpfs /run/disk; \
                        cp -a /home/bai/manager/. /run/disk/; chown --reference=/home/bai/manager /run/disk; \
                        mount --bind /run/disk /home/bai/manager; systemctl start backendai-manager";

impl Site {
    /// Lets every statement of the migration take a second, so that it is met in it.
    fn slow_down(&self) {
        self.lab.sql(
            "create or replace function slow() returns event_trigger language plpgsql as 'begin perform pg_sleep(1); end'",
        );
        self.lab
            .sql("create event trigger slow on ddl_command_start when tag in ('ALTER TABLE') execute function slow()");
    }

    fn speed_up(&self) {
        self.lab.sql("drop event trigger slow");
        self.lab.sql("drop function slow()");
    }

    /// Waits until pip is at work in an environment; the survey before asks pips as well.
    fn until_pip(&self, child: &mut Child, host: &str) {
        self.until_said(child, &format!("at work: [{host}] install"));
        self.wait_until(host, "pip", |site| site.lab.ssh(host, PIP).contains("yes"));
    }

    fn until_alembic(&self) {
        self.wait_until("db1", "a migration", |site| site.lab.sql(ALEMBIC) == ["1"]);
    }
}

/// Cuts a host off from the network for a time, without a word to anybody.
fn cut(host: &str, seconds: u64) {
    let link = |state: &str| {
        let status = Command::new("ip").args(["link", "set", &format!("cvlab-{host}"), state]).status();
        assert!(status.is_ok_and(|status| status.success()), "the link of {host} can't be set {state}");
    };
    link("down");
    std::thread::sleep(Duration::from_secs(seconds));
    link("up");
}

fn cuts_of_the_network(site: &mut Site) {
    // A line that comes back in time is no reason to fail; what runs on the host doesn't end with it.
    for cuts in [&[1, 10][..], &[60]] {
        site.set_back();
        site.slow_down();
        let mut child = site.begin();
        site.until_alembic();
        for seconds in cuts {
            cut("mgr1", *seconds);
            std::thread::sleep(Duration::from_secs(1));
        }
        let code = site.ended(&mut child);
        site.speed_up();
        assert_eq!(code, 0, "cuts of {cuts:?} s: {}", site.said());
        site.is_whole(&format!("cuts of {cuts:?} s"));
    }
}

fn a_restart_of_sshd(site: &mut Site) {
    site.set_back();
    let mut child = site.begin();
    site.until_pip(&mut child, "mgr1");
    // Not only the server: every session of it ends.
    site.lab.ssh("mgr1", "systemd-run -q --on-active=0 sh -c 'pkill -KILL sshd; sleep 1; systemctl restart ssh'");
    assert_eq!(site.ended(&mut child), 0, "a restart of sshd: {}", site.said());
    site.is_whole("a restart of sshd");
    // Whoever kills all that has ever come out of sshd's unit kills the job as well, where no PAM gave it a scope of its own.
    site.set_back();
    let mut child = site.begin();
    site.until_pip(&mut child, "mgr1");
    site.lab
        .ssh("mgr1", "systemd-run -q --on-active=0 sh -c 'systemctl kill -s KILL ssh; sleep 1; systemctl restart ssh'");
    let code = site.ended(&mut child);
    assert_eq!(code, 5, "{}", site.said());
    assert!(site.said().contains("its job ended without a status: it was killed"), "{}", site.said());
    site.goes_on(&format!("the death of all that sshd had started:\n{}", site.said()));
}

fn a_loss_of_power(site: &mut Site) {
    for phase in ["pip", "alembic"] {
        site.set_back();
        site.slow_down();
        let mut child = site.begin();
        match phase {
            "pip" => site.until_pip(&mut child, "mgr1"),
            _ => site.until_alembic(),
        }
        site.lab.power_off("mgr1");
        let code = site.ended(&mut child);
        assert_ne!(code, 0, "{}", site.said());
        assert!(site.said().contains("mgr1"), "{}", site.said());
        site.lab.power_on("mgr1");
        site.speed_up();
        site.goes_on(&format!("a loss of power in {phase}, which ended with {code}:\n{}", site.said()));
    }
}

fn a_full_disk(site: &mut Site) {
    // The disk with a manager's environment is full when pip is at work in it.
    site.set_back();
    site.lab.ssh("mgr2", OWN_DISK);
    site.wait_until("mgr2", "the old release to answer", |site| site.lab.ssh("mgr2", ANSWER).contains("23.09.8"));
    let mut child = site.begin();
    site.until_said(&mut child, "STAGE 1");
    site.lab.ssh("mgr2", "cat /dev/zero >/home/bai/manager/.fill 2>/dev/null || true");
    let code = site.ended(&mut child);
    assert_eq!(code, 5, "{}", site.said());
    assert!(site.said().contains("No space left on device"), "{}", site.said());
    site.lab.ssh("mgr2", "rm /home/bai/manager/.fill");
    site.goes_on(&format!("a full disk, which ended with {code}:\n{}", site.said()));
    site.lab.ssh(
        "mgr2",
        "systemctl stop backendai-manager; pkill -KILL -u bai; sleep 0.5; umount /home/bai/manager /run/disk",
    );
}

fn a_second_controller(site: &mut Site) {
    // A colleague starts the same run: one of the two does it, and the other changes nothing.
    site.set_back();
    let mut child = site.begin();
    site.until_said(&mut child, "STAGE 1");
    let second = site.lab.converge(&WORDS);
    assert_ne!(second.code, 0, "{}", second.text);
    assert!(!second.text.contains("changed: "), "{}", second.text);
    assert_eq!(site.ended(&mut child), 0, "{}", site.said());
    site.is_whole("two controllers at once");
}

fn a_clock_that_is_set_back(site: &mut Site) {
    // The clocks of the hosts are set back by an hour in the middle of the run, and stay there.
    site.set_back();
    let mut child = site.begin();
    site.until_said(&mut child, "STAGE 2");
    for host in MANAGERS {
        site.lab.ssh(host, SLOW_CLOCK);
    }
    assert_eq!(site.ended(&mut child), 0, "{}", site.said());
    site.is_whole("a clock that was set back");
}

/// What stops a run, by its name.
type Fault = (&'static str, fn(&mut Site));

/// All of them, in the order in which they are injected.
const FAULTS: [Fault; 7] = [
    ("kills", kills_of_the_controller),
    ("cuts", cuts_of_the_network),
    ("sshd", a_restart_of_sshd),
    ("power", a_loss_of_power),
    ("disk", a_full_disk),
    ("second", a_second_controller),
    ("clock", a_clock_that_is_set_back),
];

#[test]
fn a_real_cluster_survives_whatever_stops_a_run() {
    let chosen = std::env::var("CONVERGE_FAULTS").unwrap_or_default();
    let mut site = Site::start();
    for (name, inject) in FAULTS {
        if chosen.is_empty() || chosen.split(',').any(|word| word == name) {
            println!("=== {name}");
            inject(&mut site);
        }
    }
}
