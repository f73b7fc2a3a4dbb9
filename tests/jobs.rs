//! Jobs on a real host: a real sshd on loopback, connections that are cut, real shells.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/sshd.rs"]
mod sshd;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use converge::execute::{Attempt, JobEnd, JobState, Jobs};
use converge::facts::Query;
use converge::gather::{Fleet, Limits, Sessions};
use converge::model::{HostName, RunId};
use converge::plan::Script;
use converge::remote::{Ask, JobName, Launch, Reply, Told};
use converge::transport::{AnyConnector, SshOptions, SshTarget, Target, TargetKind};
use sshd::{Sshd, SshdOptions, knowing, serve, user};

/// Far longer than anything here takes.
const PLENTY: Duration = Duration::from_secs(60);

fn host() -> HostName {
    HostName::parse("mgr1").unwrap()
}

fn run_id() -> RunId {
    RunId::parse("20261125T033000Z-7f3a9c").unwrap()
}

fn script(text: &str, limit: Duration) -> Script {
    Script { text: format!("act() {{\n{text}\n}}\nact </dev/null\n"), limit }
}

/// A host, and a run's way to it.
struct Bench {
    sshd: Sshd,
    options: SshOptions,
    key: PathBuf,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (key, sshd) = serve(dir.path(), "ed25519", &SshdOptions::default());
        let options = knowing(&user(), dir.path(), [&sshd]);
        Self { sshd, options, key, _dir: dir }
    }

    fn fleet(&self) -> Arc<Fleet<AnyConnector>> {
        let ssh = SshTarget {
            address: "127.0.0.1".into(),
            port: Some(self.sshd.port),
            identity_file: Some(self.key.clone()),
            ..SshTarget::default()
        };
        let target = Target { name: host(), kind: TargetKind::Ssh(ssh), become_user: None };
        let limits = Limits { forks: 4, probe: PLENTY };
        Fleet::new(AnyConnector::new(self.options.clone()), BTreeMap::from([(host(), target)]), limits, Sessions::Kept)
    }

    fn jobs(&self, reconnect: Duration) -> Jobs<AnyConnector> {
        Jobs::new(self.fleet(), run_id(), reconnect)
    }

    fn job_dir(&self, action: &str) -> PathBuf {
        self.sshd.home().join(".local/state/converge/jobs").join(JobName::new(&run_id(), action).as_str())
    }

    /// A path for a job to write to.
    fn file(&self, name: &str) -> PathBuf {
        self.sshd.home().join(name)
    }
}

async fn carry_out(jobs: &Jobs<AnyConnector>, action: &str, script: &Script) -> (Attempt, Vec<String>) {
    let mut lines = Vec::new();
    let attempt = jobs.carry_out(&host(), action, script, &mut |line| lines.push(line)).await;
    (attempt, lines)
}

fn wait_until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + PLENTY;
    while !so() {
        assert!(Instant::now() < end, "{what}: not so");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_job_runs_once_and_is_found_again_with_its_output_and_status() {
    let bench = Bench::new();
    let jobs = bench.jobs(PLENTY);
    let count = bench.file("count");
    let text = script(&format!("echo one; echo x >>{}; echo two >&2; umask; exit 3", count.display()), PLENTY);
    assert_eq!(jobs.look(&host(), &run_id(), "r/mgr1/a/stop").await, JobState::NeverStarted);
    assert!(!bench.file(".local").exists(), "looking leaves nothing behind");
    for _ in 0..2 {
        let (attempt, lines) = carry_out(&jobs, "r/mgr1/a/stop", &text).await;
        assert_eq!(attempt, Attempt::Failed { how: "exit status 3".into() });
        assert_eq!(lines[..2], ["one", "two"]);
        assert_ne!(lines[2], "0077", "the job gets the session's umask, not the launcher's");
    }
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    assert_eq!(jobs.look(&host(), &run_id(), "r/mgr1/a/stop").await, JobState::Finished(JobEnd::Exited(3)));
    // Nobody else reads what a job does and says.
    let state = bench.file(".local/state/converge");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&state).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let about = fs::read_to_string(bench.job_dir("r/mgr1/a/stop").join("about")).unwrap();
    assert!(about.starts_with("run 20261125T033000Z-7f3a9c\naction r/mgr1/a/stop\n"), "{about}");
}

#[tokio::test]
async fn launched_twice_at_once_it_runs_once() {
    let bench = Bench::new();
    let (one, two) = (bench.jobs(PLENTY), bench.jobs(PLENTY));
    let count = bench.file("count");
    let text = script(&format!("echo x >>{}; sleep 1; echo end", count.display()), PLENTY);
    for n in 0..3 {
        let action = format!("r/mgr1/a/{n}");
        let (a, b) = tokio::join!(carry_out(&one, &action, &text), carry_out(&two, &action, &text));
        assert_eq!((a, b), ((Attempt::Succeeded, vec!["end".into()]), (Attempt::Succeeded, vec!["end".into()])));
        assert_eq!(fs::read_to_string(&count).unwrap(), "x\n".repeat(n + 1));
    }
}

/// Prints numbered lines for about three seconds.
const COUNTING: &str = "n=0; while [ $n -lt 60 ]; do n=$((n + 1)); echo line $n; sleep 0.05; done";

fn counted() -> Vec<String> {
    (1..=60).map(|n| format!("line {n}")).collect()
}

#[tokio::test]
async fn a_connection_that_is_cut_is_taken_up_again_and_no_line_is_lost_or_told_twice() {
    let bench = Bench::new();
    let jobs = bench.jobs(PLENTY);
    let (text, seen) = (script(COUNTING, PLENTY), Mutex::new(Vec::new()));
    let mut note = |line| seen.lock().unwrap().push(line);
    let host = host();
    let work = jobs.carry_out(&host, "cut", &text, &mut note);
    let cuts = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            bench.sshd.kill_connections();
        }
    };
    let (attempt, ()) = tokio::join!(work, cuts);
    assert_eq!(attempt, Attempt::Succeeded);
    assert_eq!(*seen.lock().unwrap(), counted());
}

#[tokio::test]
async fn a_job_ends_while_nobody_is_connected() {
    let mut bench = Bench::new();
    let jobs = bench.jobs(PLENTY);
    let text = script(COUNTING, PLENTY);
    let status = bench.job_dir("away").join("status");
    let work = tokio::spawn(async move { carry_out(&jobs, "away", &text).await });
    tokio::time::sleep(Duration::from_millis(800)).await;
    bench.sshd.stop();
    assert!(!status.exists());
    wait_until("the job ends on its own", || status.exists());
    bench.sshd.start_again();
    assert_eq!(work.await.unwrap(), (Attempt::Succeeded, counted()));
}

#[tokio::test]
async fn a_host_that_does_not_come_back_is_given_up_and_its_job_goes_on() {
    let mut bench = Bench::new();
    let jobs = bench.jobs(Duration::from_secs(2));
    let text = script(COUNTING, PLENTY);
    let status = bench.job_dir("gone").join("status");
    let work = tokio::spawn(async move { carry_out(&jobs, "gone", &text).await });
    tokio::time::sleep(Duration::from_millis(800)).await;
    bench.sshd.stop();
    let (attempt, lines) = work.await.unwrap();
    let Attempt::Unknown { cause } = attempt else { panic!("{attempt:?}") };
    assert!(cause.contains("can't connect") && cause.contains("to take it up again"), "{cause}");
    assert_eq!(lines, counted()[..lines.len()]);
    wait_until("the job ends on its own", || status.exists());
    bench.sshd.start_again();
    let jobs = bench.jobs(Duration::from_secs(2));
    let mut seen = Vec::new();
    let state = jobs.follow(&host(), &run_id(), "gone", PLENTY, &mut |line| seen.push(line)).await;
    assert_eq!((state, seen), (JobState::Finished(JobEnd::Exited(0)), counted()));
}

#[tokio::test]
async fn a_host_that_can_not_be_reached_at_first_starts_nothing_and_costs_no_waiting() {
    let mut bench = Bench::new();
    let jobs = bench.jobs(PLENTY);
    bench.sshd.stop();
    let begun = Instant::now();
    let (attempt, _) = carry_out(&jobs, "x", &script("echo no", PLENTY)).await;
    assert!(matches!(attempt, Attempt::NotStarted { .. }), "{attempt:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_ended_by_its_host_also_when_it_ignores_the_request() {
    let bench = Bench::new();
    let jobs = bench.jobs(PLENTY);
    let (gentle, stubborn) = (bench.file("gentle"), bench.file("stubborn"));
    let text = script(
        &format!("trap 'echo rolled back >{}; exit 1' TERM; sleep 100 & wait", gentle.display()),
        Duration::from_secs(1),
    );
    let (attempt, _) = carry_out(&jobs, "gentle", &text).await;
    assert_eq!(attempt, Attempt::Failed { how: "it had not ended after 1 s, and was killed on the host".into() });
    assert_eq!(fs::read_to_string(&gentle).unwrap(), "rolled back\n");
    let text = script(
        &format!("trap '' TERM; echo $$ >{}; while :; do sleep 0.2; done", stubborn.display()),
        Duration::from_secs(1),
    );
    let (attempt, _) = carry_out(&jobs, "stubborn", &text).await;
    assert!(matches!(attempt, Attempt::Failed { .. }), "{attempt:?}");
    let pid = fs::read_to_string(&stubborn).unwrap();
    assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists(), "it is gone");
}

#[tokio::test]
async fn what_a_job_starts_survives_its_end_and_its_time_out_and_hears_every_signal() {
    let bench = Bench::new();
    let jobs = bench.jobs(PLENTY);
    for (name, after, limit) in [("end", "true", PLENTY), ("late", "sleep 100", Duration::from_secs(2))] {
        let note = bench.file(name);
        // The second holds the job's output open.
        let text = format!(
            "setsid -f /bin/sh -c 'echo $$ >{note}; exec sleep 60' >/dev/null 2>&1\nsetsid -f sleep 60\n{after}",
            note = note.display()
        );
        let begun = Instant::now();
        carry_out(&jobs, name, &script(&text, limit)).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "following it ends with the job");
        let pid = fs::read_to_string(&note).unwrap();
        let status = fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
        // SIGINT and SIGQUIT are bits 1 and 2.
        assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 0b110, 0, "{status}");
    }
}

#[tokio::test]
async fn a_job_without_a_status_after_a_restart_of_the_host_is_lost() {
    let bench = Bench::new();
    let jobs = bench.jobs(PLENTY);
    carry_out(&jobs, "x", &script("true", PLENTY)).await;
    let job = bench.job_dir("x");
    fs::remove_file(job.join("status")).unwrap();
    // The number is that of a living process, of another boot.
    fs::write(job.join("pid"), format!("{} 1 another-boot\n", std::process::id())).unwrap();
    assert_eq!(jobs.look(&host(), &run_id(), "x").await, JobState::Lost);
    let (attempt, _) = carry_out(&jobs, "x", &script("echo never >&2", PLENTY)).await;
    assert!(matches!(&attempt, Attempt::Unknown { cause } if cause.contains("restarted")), "{attempt:?}");
}

#[tokio::test]
async fn endless_output_is_cut_and_counted_and_its_end_is_told() {
    let bench = Bench::new();
    let jobs = bench.jobs(PLENTY);
    let text = script("head -c 3000000 /dev/zero | tr '\\0' a; echo; echo the end; exit 1", PLENTY);
    let (attempt, lines) = carry_out(&jobs, "x", &text).await;
    assert_eq!(attempt, Attempt::Failed { how: "exit status 1".into() });
    assert!(lines.iter().any(|line| line == "the end"), "{:?}", lines.last());
    assert!(lines.last().unwrap().contains("bytes of output are left out"), "{:?}", lines.last());
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!((1 << 20..1_300_000).contains(&bytes), "{bytes}");
}

/// Runs a launcher by `shell` on this machine, with this environment and nothing else.
fn locally(shell: &[&str], environment: &[(&str, &str)], text: &str, limit: Duration) -> (String, Option<Told>) {
    let launch = Launch {
        nonce: "n1",
        run: &run_id(),
        action: "x",
        ask: Ask::Start { command: text, limit },
        fence: None,
        have: 0,
    };
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).env_clear().envs(environment.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(launch.script().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (mut reply, mut seen) = (Reply::new("n1"), Vec::new());
    reply.take(&output.stdout, &mut |bytes| seen.extend_from_slice(bytes));
    let told = reply.finish(&mut |bytes| seen.extend_from_slice(bytes));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell:?}");
    (String::from_utf8(seen).unwrap().trim_end().to_owned(), told)
}

fn exited(status: u32) -> Option<Told> {
    Some(Told::Ended(JobEnd::Exited(status)))
}

#[test]
fn every_shell_will_do() {
    let path = std::env::var("PATH").unwrap();
    for shell in [&["sh"][..], &["dash"], &["bash"], &["bash", "--posix"], &["busybox", "sh"], &["ksh"]] {
        if !std::env::split_paths(&path).any(|directory| directory.join(shell[0]).is_file()) {
            continue;
        }
        let home = tempfile::tempdir().unwrap();
        let environment = [("PATH", path.as_str()), ("HOME", home.path().to_str().unwrap())];
        let text = "cat <<'END'\nit's $HOME\nEND\ncd /; exit 5\n";
        assert_eq!(locally(shell, &environment, text, PLENTY), ("it's $HOME".into(), exited(5)), "{shell:?}");
    }
}

#[test]
fn a_host_without_setsid_will_do() {
    let (home, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = std::env::var("PATH").unwrap();
    for program in ["mkdir", "rm", "mv", "ln", "cat", "dd", "tail", "wc", "sleep", "env", "kill"] {
        let found = std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file());
        std::os::unix::fs::symlink(found.unwrap(), programs.path().join(program)).unwrap();
    }
    let environment = [("PATH", programs.path().to_str().unwrap()), ("HOME", home.path().to_str().unwrap())];
    assert_eq!(locally(&["/bin/sh"], &environment, "echo hello; exit 4\n", PLENTY), ("hello".into(), exited(4)));
    let again = tempfile::tempdir().unwrap();
    let environment = [environment[0], ("HOME", again.path().to_str().unwrap())];
    let (_, told) = locally(&["/bin/sh"], &environment, "sleep 100\n", Duration::from_secs(1));
    assert_eq!(told, Some(Told::Ended(JobEnd::TimedOut(1))));
}

#[test]
fn state_that_is_somebody_elses_or_a_link_is_never_used() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = home.path().join(".local/state");
    fs::create_dir_all(&state).unwrap();
    let path = std::env::var("PATH").unwrap();
    let environment = [("PATH", path.as_str()), ("HOME", home.path().to_str().unwrap())];
    std::os::unix::fs::symlink(other.path(), state.join("converge")).unwrap();
    let (seen, told) = locally(&["sh"], &environment, "echo no\n", PLENTY);
    assert!(matches!(&told, Some(Told::Refused(why)) if why.contains("no directory of this user's own")), "{told:?}");
    assert_eq!((seen.as_str(), fs::read_dir(other.path()).unwrap().count()), ("", 0));
}

fn is_root() -> bool {
    user() == "root"
}

#[test]
fn a_user_without_a_home_has_a_directory_of_its_own_all_the_same() {
    let path = std::env::var("PATH").unwrap();
    // As root, somebody else is played, whose directory is surely not in use.
    let (shell, place): (&[&str], _) = if is_root() {
        (&["setpriv", "--reuid=64999", "--clear-groups", "sh"], PathBuf::from("/var/tmp/converge-64999"))
    } else {
        return;
    };
    let _ = fs::remove_dir_all(&place);
    let environment = [("PATH", path.as_str()), ("HOME", "/nonexistent")];
    let ran = locally(shell, &environment, "echo yes\n", PLENTY);
    let mode = fs::metadata(&place).map(|data| std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o777);
    let _ = fs::remove_dir_all(&place);
    assert_eq!(ran, ("yes".into(), exited(0)));
    assert_eq!(mode.unwrap(), 0o700);
}

#[tokio::test]
async fn a_full_disk_on_the_host_starts_nothing_and_is_said() {
    if !is_root() {
        return;
    }
    let bench = Bench::new();
    let state = bench.file(".local/state");
    fs::create_dir_all(&state).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&state).status().unwrap();
    if !mounted.success() {
        return;
    }
    let jobs = bench.jobs(PLENTY);
    let (fill, ran) = (state.join("fill"), bench.file("ran"));
    // Full while it is at work: its status still finds room.
    let (attempt, _) =
        carry_out(&jobs, "fills", &script(&format!("head -c 200000 /dev/zero >{}; exit 7", fill.display()), PLENTY))
            .await;
    let (refused, _) = carry_out(&jobs, "x", &script(&format!("echo x >{}", ran.display()), PLENTY)).await;
    let left = bench.job_dir("x").exists();
    Command::new("umount").arg("-l").arg(&state).status().unwrap();
    assert_eq!(attempt, Attempt::Failed { how: "exit status 7".into() });
    assert!(
        matches!(&refused, Attempt::NotStarted { reason } if reason.contains("is there room on the disk?")),
        "{refused:?}"
    );
    assert!(!ran.exists() && !left);
}

#[tokio::test]
async fn jobs_that_are_not_over_are_a_fact_of_their_host() {
    let bench = Bench::new();
    let (fleet, jobs) = (bench.fleet(), bench.jobs(PLENTY));
    let ask = async || {
        let facts = fleet.ask(host(), vec![Query::Jobs]).await;
        facts.jobs().known().map(|jobs| (*jobs).clone())
    };
    assert_eq!(ask().await.unwrap().unfinished, [], "there is no directory yet, and none is made");
    assert!(!bench.file(".local").exists());
    let action = "25.6.2/mgr1/it's $HOME/migrate";
    let pid = bench.job_dir(action).join("pid");
    let work =
        tokio::spawn(async move { carry_out(&jobs, action, &script("sleep 2", Duration::from_secs(60))).await.0 });
    while !pid.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let found = ask().await.unwrap().unfinished;
    let [job] = &found[..] else { panic!("{found:?}") };
    assert_eq!((job.action.as_str(), &job.run, job.limit, job.alive), (action, &run_id(), 60, true));
    let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert!((now - job.since.unwrap().0).abs() <= 5, "{job:?}");
    assert_eq!(work.await.unwrap(), Attempt::Succeeded);
    assert_eq!(ask().await.unwrap().unfinished, []);
    // Of another boot: lost, and at work no more.
    fs::remove_file(bench.job_dir(action).join("status")).unwrap();
    fs::write(&pid, format!("{} 1 another-boot\n", std::process::id())).unwrap();
    let found = ask().await.unwrap();
    assert_eq!((found.unfinished.len(), found.at_work().count(), found.unfinished[0].since), (1, 0, None));
    // What is no directory of this user's own tells nothing.
    let state = bench.file(".local/state/converge");
    fs::rename(&state, bench.file("elsewhere")).unwrap();
    std::os::unix::fs::symlink(bench.file("elsewhere"), &state).unwrap();
    assert!(
        fleet
            .ask(host(), vec![Query::Jobs])
            .await
            .jobs()
            .unknown()
            .unwrap()
            .contains("no directory of this user's own")
    );
}

/// What `docs/performance.md` tells: `cargo nextest run --release --test jobs --run-ignored only --no-capture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn what_a_job_costs_over_a_bare_script() {
    const TURNS: usize = 41;
    let bench = Bench::new();
    let (fleet, jobs) = (bench.fleet(), bench.jobs(PLENTY));
    let text = script("echo done", PLENTY);
    let bare = converge::transport::Command {
        script: text.text.clone().into_bytes(),
        input: Vec::new(),
        limit: PLENTY,
        output_limit: 1 << 20,
    };
    let (mut bare_ms, mut job_ms) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let begun = Instant::now();
        fleet.run(&host(), &bare, &mut |_| ()).await.unwrap();
        bare_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        assert_eq!(carry_out(&jobs, &format!("turn {turn}"), &text).await.0, Attempt::Succeeded);
        job_ms.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[times.len() / 10], times[times.len() * 9 / 10])
    };
    let (bare, job) = (median(&mut bare_ms), median(&mut job_ms));
    println!("bare {bare:.1?} ms, job {job:.1?} ms (median, 10%, 90%), ratio {:.1}", job.0 / bare.0);
    // An action takes seconds; what is around it must not.
    assert!(job.0 < 1000.0, "{job:?}");
}
