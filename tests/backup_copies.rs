//! Backups on another host: two real sshd, a real dump of a real PostgreSQL, lines that are cut, a file that is damaged on
//! its way, a disk that is full.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/schema_job/mod.rs"]
#[allow(dead_code, reason = "every test uses a part of it")]
mod database;
#[path = "support/sshd.rs"]
mod sshd;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use converge::execute::{Attempt, Jobs, Lease};
use converge::facts::{DatabaseKind, Observed, Query, SumQuery};
use converge::gather::{Fleet, Limits, Sessions};
use converge::model::{Digest, HostName, RunId, Timestamp};
use converge::plan::{BackupJob, Script, backup, finish_copy, restore_command};
use converge::remote::{Claim, LockAsk, LockKind, PIECE};
use converge::transport::{AnyConnector, SshOptions, SshTarget, Target, TargetKind};
use sshd::{Sshd, SshdOptions, keygen, knowing, public_key, user};

/// Far longer than anything here takes.
const PLENTY: Duration = Duration::from_secs(120);
const RUN: &str = "20261125T033000Z-7f3a9c";

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

/// A host that makes backups, and one that keeps copies of them, in a directory whose name needs quotes.
struct Site {
    servers: BTreeMap<HostName, Sshd>,
    options: SshOptions,
    key: PathBuf,
    _dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("id");
        keygen(&key, "ed25519", "");
        let servers = Sshd::start_many(dir.path(), 2, &public_key(&key), &SshdOptions::default());
        let servers: BTreeMap<HostName, Sshd> = [host("mgr1"), host("bak1")].into_iter().zip(servers).collect();
        let options = knowing(&user(), dir.path(), servers.values());
        Self { servers, options, key, _dir: dir }
    }

    fn fleet(&self) -> Arc<Fleet<AnyConnector>> {
        let target = |(name, server): (&HostName, &Sshd)| {
            let ssh = SshTarget {
                address: "127.0.0.1".into(),
                port: Some(server.port),
                identity_file: Some(self.key.clone()),
                ..SshTarget::default()
            };
            (name.clone(), Target { name: name.clone(), kind: TargetKind::Ssh(ssh), become_user: None })
        };
        let limits = Limits { forks: 4, probe: PLENTY };
        let targets = self.servers.iter().map(target).collect();
        Fleet::new(AnyConnector::new(self.options.clone()), targets, limits, Sessions::Kept)
    }

    fn jobs(&self, reconnect: Duration) -> Jobs<AnyConnector> {
        Jobs::new(self.fleet(), RunId::parse(RUN).unwrap(), reconnect)
    }

    /// Where backups lie on a host.
    fn place(&self, name: &str) -> PathBuf {
        self.servers[&host(name)].home().join("it's a place")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place(name).join(format!("shop-before-1.1-{TIME}.dump"))
    }

    fn part(&self) -> PathBuf {
        self.place("bak1").join(format!("shop-before-1.1-{TIME}.dump.part"))
    }

    /// A backup of so many bytes that look like nothing, with its sum.
    fn save(&self, bytes: u64) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap());
        while content.len() < usize::try_from(bytes).unwrap() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            content.extend_from_slice(&state.to_le_bytes());
        }
        content.truncate(usize::try_from(bytes).unwrap());
        fs::create_dir_all(self.place("mgr1")).unwrap();
        fs::write(self.file("mgr1"), &content).unwrap();
        let sum = format!("{}  shop-before-1.1-{TIME}.dump\n", Digest::of(&content));
        fs::write(sum_of(&self.file("mgr1")), sum).unwrap();
        content
    }

    async fn copy(&self, jobs: &Jobs<AnyConnector>, action: &str) -> (Attempt, Vec<String>) {
        let (file, to) = (self.file("mgr1"), self.file("bak1"));
        let (file, to) = (file.to_str().unwrap(), to.to_str().unwrap());
        let finish = finish(to, Some(2));
        let mut lines = Vec::new();
        let (from, host) = (host("mgr1"), host("bak1"));
        let attempt = jobs.copy([&from, &host], [file, to], action, &finish, &mut |line| lines.push(line)).await;
        (attempt, lines)
    }

    /// The copy is whole, known as such, and nobody else's to read; nothing else was left.
    #[track_caller]
    fn is_copied(&self, content: &[u8]) {
        let copy = self.file("bak1");
        assert!(fs::read(&copy).unwrap() == content, "the copy is another file");
        let checked = Command::new("sha256sum").arg("-c").arg(sum_of(&copy)).current_dir(self.place("bak1")).output();
        assert!(checked.unwrap().status.success());
        for file in [&copy, &sum_of(&copy)] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
        assert_eq!(files(&self.place("bak1")).len(), 2, "{:?}", files(&self.place("bak1")));
    }
}

const TIME: &str = "20260101T000000Z";

fn sum_of(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.sha256", file.display()))
}

fn finish(to: &str, keep: Option<u32>) -> Script {
    Script { text: format!("act() {{\n{}}}\nact </dev/null\n", finish_copy(to, keep, &["etcd"])), limit: PLENTY }
}

fn files(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn until(so: impl Fn() -> bool) {
    let end = Instant::now() + PLENTY;
    while !so() {
        assert!(Instant::now() < end, "it never was so");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len())
}

#[tokio::test]
async fn a_dump_is_copied_and_its_copy_brings_everything_back() {
    let (site, server, packages) = (Site::new(), database::Server::start(), database::Packages::new());
    server.create("shop");
    let ini = packages.ini("old", "shop", &server.url("shop"));
    let text = "set role shop; create table alembic_version (version_num text); \
                insert into alembic_version values ('b2'); \
                create table users as select n, repeat(md5(n::text), 20) as told from generate_series(1, 20000) n";
    server.sql("shop", text);
    let (venv, chdir) = (database::venv().to_str().unwrap(), packages.path("old"));
    let (from, file, kind) = (host("mgr1"), site.file("mgr1"), DatabaseKind::Postgresql);
    let job = BackupJob {
        venv,
        ini: &ini,
        chdir: chdir.to_str().unwrap(),
        kind,
        file: file.to_str().unwrap(),
        keep: 2,
        snapshots: &[],
        sum: true,
    };
    let script = Script { text: format!("act() {{\n{}}}\nact </dev/null\n", backup(&job)), limit: PLENTY };
    let jobs = site.jobs(PLENTY);
    let mut said = Vec::new();
    let made = jobs.carry_out(&from, "backup", &script, &mut |line| said.push(line)).await;
    assert_eq!(made, Attempt::Succeeded, "{said:?}");

    let (attempt, lines) = site.copy(&jobs, "copy").await;
    assert_eq!(attempt, Attempt::Succeeded, "{lines:?}");
    assert!(lines.last().unwrap().starts_with("copied "), "{lines:?}");
    site.is_copied(&fs::read(&file).unwrap());
    // Both hosts say the same of it, and a file that was touched since is not vouched for.
    let sum = async |name: &str| {
        let query = SumQuery { path: site.file(name).to_str().unwrap().to_owned() };
        let facts = site.fleet().ask(host(name), vec![Query::Sum(query.clone())]).await;
        facts.sum(&query).known().copied().cloned()
    };
    assert_eq!(sum("mgr1").await, sum("bak1").await);
    assert_eq!(sum("bak1").await.unwrap().bytes, length(&file));

    // The original is lost: the copy alone is there, and goes into an empty database.
    let before = server.truth("shop");
    fs::remove_file(&file).unwrap();
    server.create("again");
    server.restore(&["--exit-on-error", "--dbname=again"], &site.file("bak1"));
    assert_eq!(server.truth("again"), before);
    // And the restore that is named takes it as it takes the original.
    server.sql("shop", "drop table users");
    server.typed(&restore_command(kind, site.file("bak1").to_str().unwrap()));
    assert_eq!(server.truth("shop"), before);
}

#[tokio::test]
async fn files_of_any_size_arrive() {
    for bytes in [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 65_536] {
        let site = Site::new();
        let content = site.save(bytes);
        let (attempt, lines) = site.copy(&site.jobs(PLENTY), "copy").await;
        assert_eq!(attempt, Attempt::Succeeded, "{bytes} bytes: {lines:?}");
        site.is_copied(&content);
    }
}

#[tokio::test]
async fn lines_that_are_cut_are_taken_up_again() {
    let site = Site::new();
    let content = site.save(12 * PIECE);
    let jobs = site.jobs(PLENTY);
    let cuts = async {
        for (name, pieces) in [("bak1", 1), ("mgr1", 3), ("bak1", 6)] {
            until(|| length(&site.part()) >= pieces * PIECE).await;
            site.servers[&host(name)].kill_connections();
        }
    };
    let ((attempt, lines), ()) = tokio::join!(site.copy(&jobs, "copy"), cuts);
    assert_eq!(attempt, Attempt::Succeeded, "{lines:?}");
    site.is_copied(&content);
}

#[tokio::test]
async fn a_line_that_is_lost_ends_it_and_the_next_begins_anew() {
    let mut site = Site::new();
    let content = site.save(12 * PIECE);
    let (jobs, stop) = (site.jobs(Duration::from_secs(1)), site.servers.remove(&host("bak1")).unwrap());
    // What the site knows of its hosts is asked for while one of them is away.
    let part = stop.home().join("it's a place").join(format!("shop-before-1.1-{TIME}.dump.part"));
    let (file, to) = (site.file("mgr1"), part.with_extension(""));
    let mut stop = stop;
    let finish = finish(to.to_str().unwrap(), None);
    let (from, bak1) = (host("mgr1"), host("bak1"));
    let mut quiet = |_| {};
    let paths = [file.to_str().unwrap(), to.to_str().unwrap()];
    let copying = jobs.copy([&from, &bak1], paths, "copy", &finish, &mut quiet);
    let cut = async {
        until(|| length(&part) >= 2 * PIECE).await;
        stop.stop();
    };
    let (attempt, ()) = tokio::join!(copying, cut);
    let Attempt::Failed { how } = &attempt else { panic!("{attempt:?}") };
    assert!(how.starts_with("bak1: behind ") && how.contains("; tried for "), "{how}");
    assert!(part.exists() && !to.exists());
    stop.start_again();
    site.servers.insert(host("bak1"), stop);
    assert_eq!(site.copy(&site.jobs(PLENTY), "copy again").await.0, Attempt::Succeeded);
    site.is_copied(&content);
}

#[tokio::test]
async fn what_is_damaged_on_the_way_is_no_copy() {
    let site = Site::new();
    site.save(12 * PIECE);
    let jobs = site.jobs(PLENTY);
    let damage = async {
        until(|| length(&site.part()) >= 2 * PIECE).await;
        let mut part = fs::File::options().write(true).open(site.part()).unwrap();
        part.seek(SeekFrom::Start(4711)).unwrap();
        part.write_all(b"!!!!").unwrap();
    };
    let ((attempt, lines), ()) = tokio::join!(site.copy(&jobs, "copy"), damage);
    assert_eq!(attempt, Attempt::Failed { how: "exit status 1".into() });
    assert!(lines.last().unwrap().contains("it was damaged on the way, and was removed"), "{lines:?}");
    assert_eq!(files(&site.place("bak1")), [""; 0]);

    // As is what was damaged where it lay: its sum is from when it was written.
    let mut original = fs::File::options().append(true).open(site.file("mgr1")).unwrap();
    original.write_all(b"more").unwrap();
    let (attempt, _) = site.copy(&jobs, "copy of a changed one").await;
    let changed = "it was changed after its sha256 was noted";
    assert!(matches!(&attempt, Attempt::NotStarted { reason } if reason.contains(changed)), "{attempt:?}");
    // Cut short behind its sum's back.
    original.set_len(3 * PIECE).unwrap();
    original.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
    let sum = fs::read(sum_of(&site.file("mgr1"))).unwrap();
    fs::write(sum_of(&site.file("mgr1")), sum).unwrap();
    let (attempt, lines) = site.copy(&jobs, "copy of a short one").await;
    assert_eq!(attempt, Attempt::Failed { how: "exit status 1".into() }, "{lines:?}");
    assert_eq!(files(&site.place("bak1")), [""; 0]);
}

#[tokio::test]
async fn a_full_disk_is_said_and_emptied_again() {
    let site = Site::new();
    site.save(4 * PIECE);
    fs::create_dir(site.place("bak1")).unwrap();
    // A user who may not mount has no full disk to try it on.
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "none"]).arg(site.place("bak1")).status();
    if !mounted.unwrap().success() {
        return;
    }
    let (attempt, lines) = site.copy(&site.jobs(PLENTY), "copy").await;
    let left = files(&site.place("bak1"));
    Command::new("umount").arg("-l").arg(site.place("bak1")).status().unwrap();
    let Attempt::Failed { how } = &attempt else { panic!("{attempt:?} {lines:?}") };
    assert!(how.starts_with("bak1: behind 4194304 of 16777216 bytes: dd: ") && how.contains("No space left"), "{how}");
    assert_eq!(left, [""; 0]);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_to_is_said_before_anything_is_sent() {
    let site = Site::new();
    site.save(1);
    fs::write(site.place("bak1"), "no directory").unwrap();
    let (attempt, _) = site.copy(&site.jobs(PLENTY), "copy").await;
    assert!(matches!(&attempt, Attempt::NotStarted { reason } if reason.starts_with("bak1: mkdir: ")), "{attempt:?}");
}

/// Who lost the host's lock writes nothing more there, not a piece.
#[tokio::test]
async fn a_run_that_was_taken_over_copies_no_further() {
    let site = Site::new();
    let content = site.save(12 * PIECE);
    let claim = |name: &str| Claim {
        run: RunId::parse(name).unwrap(),
        holder: "kim@laptop".into(),
        pid: 4711,
        process: "another-boot pid:[1] 4711 99".into(),
        since: Timestamp(1_795_577_400),
        ttl: PLENTY,
    };
    let (fleet, bak1) = (site.fleet(), host("bak1"));
    let lease = async |name: &str| {
        let hosts = [host("bak1"), host("mgr1")];
        Lease::acquire(&fleet, claim(name), &hosts[..1], &hosts, &|_| false).await.ok().unwrap().0
    };
    let first = lease(RUN).await;
    let jobs = site.jobs(PLENTY).fenced(first.generations());
    let take_over = async {
        until(|| length(&site.part()) >= 2 * PIECE).await;
        use converge::execute::Locks as _;
        fleet.ask_lock(&bak1, LockKind::Host, LockAsk::Break("lee", first.generations()[&bak1])).await.unwrap();
    };
    let ((attempt, _), ()) = tokio::join!(site.copy(&jobs, "copy"), take_over);
    assert!(matches!(&attempt, Attempt::Fenced { reason } if reason.contains("lee")), "{attempt:?}");
    assert!(!site.file("bak1").exists());
    let reached = length(&site.part());
    assert!(reached < 12 * PIECE, "{reached}");
    // It doesn't begin anything either; whoever has the lock now does.
    assert!(matches!(site.copy(&jobs, "copy again").await.0, Attempt::Fenced { .. }));
    assert_eq!(length(&site.part()), reached);
    first.release().await;
    let name = "20261125T043000Z-8f3a9c";
    let second = Jobs::new(site.fleet(), RunId::parse(name).unwrap(), PLENTY).fenced(lease(name).await.generations());
    assert_eq!(site.copy(&second, "copy").await.0, Attempt::Succeeded);
    site.is_copied(&content);
    // Without a lock there nothing begins.
    let unlocked = site.jobs(PLENTY).fenced(BTreeMap::new());
    assert!(matches!(site.copy(&unlocked, "x").await.0, Attempt::NotStarted { .. }));
}

#[tokio::test]
async fn old_copies_go_and_nothing_else() {
    let site = Site::new();
    site.save(100);
    let place = site.place("bak1");
    fs::create_dir(&place).unwrap();
    let name = |day: u8| format!("shop-before-1.{day}-202501{day:02}T000000Z");
    for day in 1..=4 {
        for end in [".dump", ".dump.sha256", ".etcd", ".etcd.sha256"] {
            fs::write(place.join(name(day) + end), "x").unwrap();
        }
    }
    let others = [
        "shop-before-the-move.dump".to_owned(),
        "shop-before-1.1-20250101T00000Z.dump".into(),
        "shop.dump".into(),
        name(1) + ".dump.gpg",
        name(1) + ".notes",
        "shop-before-2-before-1.1-20250101T000000Z.dump".into(),
        "shop-before-2-before-1.1-20250101T000000Z.dump.part".into(),
        "shopping-before-1.1-20250101T000000Z.dump".into(),
        "shop-rehearsal-1.1-20250101T000000Z.dump".into(),
        name(9) + ".dump.part",
    ];
    let old = [name(8) + ".dump.part", name(8) + ".etcd.sha256.part"];
    for file in others.iter().chain(&old) {
        let made = fs::File::create(place.join(file)).unwrap();
        let hours = if *file == others[9] { 23 } else { 1000 };
        made.set_modified(std::time::SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", place.join("shop-before-1.0-20240101T000000Z.dump")).unwrap();

    let (attempt, lines) = site.copy(&site.jobs(PLENTY), "copy").await;
    assert_eq!(attempt, Attempt::Succeeded, "{lines:?}");
    let mut expected = others.to_vec();
    expected.push("shop-before-1.0-20240101T000000Z.dump".into());
    for (name, ends) in [(name(3), 4), (name(4), 4), (format!("shop-before-1.1-{TIME}"), 2)] {
        expected
            .extend([".dump", ".dump.sha256", ".etcd", ".etcd.sha256"][..ends].iter().map(|end| name.clone() + end));
    }
    expected.sort();
    assert_eq!(files(&place), expected);
    // The backup goes last: a run that is killed in between finds it again, and with it the rest.
    let removed: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("removed ")).collect();
    let ends = |line: &&str| line.ends_with(&(name(1) + ".dump"));
    let place_of = removed.iter().position(ends).unwrap();
    assert!(removed.iter().filter(|line| line.contains(&name(1))).count() == 4, "{removed:?}");
    assert!(removed[place_of + 1..].iter().all(|line| !line.contains(&name(1))), "{removed:?}");
}

#[tokio::test]
async fn a_sum_is_known_absent_or_unknown() {
    let site = Site::new();
    let content = site.save(100);
    let ask = async |path: PathBuf| {
        let query = SumQuery { path: path.to_str().unwrap().to_owned() };
        let facts = site.fleet().ask(host("mgr1"), vec![Query::Sum(query.clone())]).await;
        match facts.sum(&query) {
            Observed::Known(sum) => format!("{} {}", sum.bytes, sum.sha256),
            Observed::Absent => "absent".into(),
            Observed::Unknown(reason) => reason,
        }
    };
    let file = site.file("mgr1");
    assert_eq!(ask(file.clone()).await, format!("100 {}", Digest::of(&content)));
    assert_eq!(ask(site.place("mgr1").join("nothing")).await, "absent");
    assert!(ask(site.place("mgr1")).await.ends_with("is no regular file"));
    fs::write(sum_of(&file), "not a sum").unwrap();
    assert_eq!(ask(file.clone()).await, "what is noted beside it is no sha256");
    fs::remove_file(sum_of(&file)).unwrap();
    assert_eq!(ask(file).await, "no sha256 of it is noted beside it");
}
