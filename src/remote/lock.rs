//! Locks on hosts: who changes a host or a cluster, told to every controller by the host itself.
//!
//! A lock is a directory of records, `1`, `2`, …: the newest is the present one, and its number is the *generation*. A record is
//! linked into place whole, so only one of two controllers gets a number, and no number is given twice. Beside it lie
//! `N.beat` (the holder's last sign of life), `N.released` and `N.broken`. Ages are measured by the host's uptime in
//! this boot, never by a clock that somebody can set.
//!
//! Each user of a host has locks of its own, since none can write to another's. So that two runs as two users meet all the
//! same, who gets a lock shows it to all others, in `/var/tmp/converge-UID/held-KIND`, and then looks whether another
//! user shows one that is alive: then it is given back. Two that come at the same moment both step back.
//! (`CONVERGE_COMMON` in the environment names another place, for several hosts on one machine.)
//!
//! `open-N/` is the fence: a job gets through by making a directory in it, and whoever takes the lock over moves it away
//! before doing anything else. A job of an earlier generation that was on its way can't begin after that.

use std::fmt::Write as _;
use std::time::Duration;

use super::PLACE;
use crate::model::{HostName, RunId, Timestamp, printable, shell_quote as q};

/// Reads records and judges whether the lock is still a run's own; launchers need it too.
pub(super) const READ: &str = include_str!("lock.sh");
const LOCKING: &str = include_str!("locking.sh");

/// Jobs that have ended stay on their host for this long, so that a run can be understood afterwards.
const JOBS_KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
/// And no more than this many of them: a major upgrade has some ten actions a host.
const MOST_JOBS: u32 = 200;

/// What a lock is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockKind {
    /// A whole cluster; it lies on one of its hosts, the anchor.
    Cluster,
    /// The host that it lies on.
    Host,
}

impl LockKind {
    const fn directory(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Host => "lock",
        }
    }
}

/// Who takes a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// Who started it: `kim@laptop`.
    pub holder: String,
    /// Its process there.
    pub pid: u32,
    /// What tells that process from all others, to whoever is on the same machine: see [`LockRecord::process`].
    pub process: String,
    /// When it started, by the controller's clock; for people, nothing is measured by it.
    pub since: Timestamp,
    /// How long after its last sign of life it may be taken over.
    pub ttl: Duration,
}

/// What is asked of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockAsk<'a> {
    /// To have it.
    Acquire(&'a Claim),
    /// To note that its holder lives.
    Renew(&'a RunId, u64),
    /// To give it back.
    Release(&'a RunId, u64),
    /// Who has it.
    Show,
    /// To take this generation of it from whoever has it: who does so, when and why, in one line.
    Break(&'a str, u64),
}

impl LockAsk<'_> {
    /// The script for `/bin/sh`; `nonce` marks its answers.
    #[must_use]
    pub fn script(&self, nonce: &str, kind: LockKind) -> String {
        let mut text = format!("N={nonce}; D={}; ", kind.directory());
        let _ = match self {
            Self::Acquire(Claim { run, holder, pid, process, since, ttl }) => {
                let cut = Timestamp(since.0.saturating_sub(i64::try_from(JOBS_KEPT.as_secs()).unwrap_or(i64::MAX)));
                let day: String = cut.to_string().chars().filter(char::is_ascii_digit).take(8).collect();
                writeln!(
                    text,
                    "A=acquire; R={run}; H={}; I={}; P={pid}; W={since}; V={}; Z={day}; Y={MOST_JOBS}; C={}",
                    q(&printable(holder)),
                    q(&printable(process)),
                    ttl.as_secs(),
                    q(&printable(holder.rsplit_once('@').map_or("", |(_, controller)| controller)))
                )
            }
            Self::Renew(run, generation) => writeln!(text, "A=renew; R={run}; G={generation}"),
            Self::Release(run, generation) => writeln!(text, "A=release; R={run}; G={generation}"),
            Self::Show => writeln!(text, "A=show"),
            Self::Break(by, generation) => {
                writeln!(text, "A=break_it; G={generation}; X={}", q(&printable(by)))
            }
        };
        format!("{text}{PLACE}{READ}{LOCKING}")
    }
}

/// A record as its host tells it; everything in it is printable.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct LockRecord {
    /// Its number.
    pub generation: u64,
    /// The run that has or had the lock.
    pub run: String,
    /// Who started that.
    pub holder: String,
    /// The machine that it runs on.
    pub controller: String,
    /// Its process there.
    pub pid: String,
    /// Boot, process namespace, number and start of the process: on that machine it can be told whether it is gone.
    pub process: String,
    /// When it started, by its controller's clock.
    pub since: String,
    /// Seconds since its last sign of life; where the host was restarted since, those since the restart.
    pub age: u64,
    /// Seconds after which it may be taken over.
    pub ttl: u64,
    /// Whether it was given back.
    pub released: bool,
    /// Who broke it, when and why.
    pub broken: Option<String>,
    /// The number of the user who has it there, where that isn't the one who was asked: only that user can break it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
}

impl LockRecord {
    /// Whether it keeps others out.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.released && self.broken.is_none() && self.age <= self.ttl
    }
}

/// Why a lock changed hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Where it lies.
    pub host: HostName,
    /// What it is about.
    pub kind: LockKind,
    /// The record that was there.
    pub record: LockRecord,
}

/// What the host answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockAnswer {
    /// The lock was got.
    Got {
        /// Its generation.
        generation: u64,
        /// The record of somebody who had it and neither used nor gave it back.
        before: Option<LockRecord>,
    },
    /// Somebody else has it.
    Held(LockRecord),
    /// The sign of life was noted.
    Renewed,
    /// It was given back.
    Released,
    /// It is not this run's any more, for this reason.
    Lost(String),
    /// It could not be had or written, for this reason.
    Refused(String),
    /// The newest record, if there is one.
    Shown(Option<LockRecord>),
    /// It was taken from this holder.
    Broke(LockRecord),
    /// There was nothing to break.
    Free,
}

/// Reads an answer; `None` where it is not whole.
#[must_use]
pub fn read_lock_answer(nonce: &str, stdout: &[u8]) -> Option<LockAnswer> {
    let text = String::from_utf8_lossy(stdout);
    let (mut record, mut expired) = (None::<LockRecord>, false);
    for line in text.lines() {
        let Some((key, value)) =
            line.strip_prefix(nonce).and_then(|l| l.strip_prefix('\t')).and_then(|l| l.split_once('\t'))
        else {
            continue;
        };
        let value = printable(value);
        match key {
            "got" => {
                let before = record.filter(|record| expired || record.broken.is_some());
                return Some(LockAnswer::Got { generation: value.parse().ok()?, before });
            }
            "held" => return record.map(LockAnswer::Held),
            "renewed" => return Some(LockAnswer::Renewed),
            "released" if value == "-" => return Some(LockAnswer::Released),
            "lost" => return Some(LockAnswer::Lost(value)),
            "refused" => return Some(LockAnswer::Refused(value)),
            "shown" => return Some(LockAnswer::Shown(record)),
            "broke" => return record.map(LockAnswer::Broke),
            "free" => return Some(LockAnswer::Free),
            "expired" => expired = true,
            "generation" => record = Some(LockRecord { generation: value.parse().ok()?, ..LockRecord::default() }),
            _ => set(record.as_mut()?, key, value)?,
        }
    }
    None
}

fn set(record: &mut LockRecord, key: &str, value: String) -> Option<()> {
    match key {
        "run" => record.run = value,
        "holder" => record.holder = value,
        "controller" => record.controller = value,
        "pid" => record.pid = value,
        "process" => record.process = value,
        "since" => record.since = value,
        "age" => record.age = value.parse().ok()?,
        "ttl" => record.ttl = value.parse().ok()?,
        "released" => record.released = true,
        "broken" => record.broken = Some(value),
        "user" => record.user = Some(value.parse().ok()?),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = "n\tgeneration\t4\nn\trun\tr\nn\tholder\tkim@laptop\nn\tcontroller\tlaptop\nn\tprocess\tb n 7 1\nn\tpid\t7\nn\tsince\ts\nn\tage\t9\nn\tttl\t8\n";

    fn read(rest: &str) -> Option<LockAnswer> {
        read_lock_answer("n", format!("noise\nm\tgot\t9\n{RECORD}{rest}").as_bytes())
    }

    #[test]
    fn answers_are_read_with_the_record_that_belongs_to_them() {
        let record = LockRecord {
            generation: 4,
            run: "r".into(),
            holder: "kim@laptop".into(),
            controller: "laptop".into(),
            pid: "7".into(),
            process: "b n 7 1".into(),
            since: "s".into(),
            age: 9,
            ttl: 8,
            released: false,
            broken: None,
            user: None,
        };
        assert!(!record.holds() && LockRecord { age: 8, ..record.clone() }.holds());
        assert_eq!(read("n\theld\t-\n"), Some(LockAnswer::Held(record.clone())));
        let got = |before| Some(LockAnswer::Got { generation: 5, before });
        assert_eq!(read("n\texpired\t-\nn\tgot\t5\n"), got(Some(record.clone())));
        // A lock that was given back is nobody's business any more; one that was broken is.
        assert_eq!(read("n\treleased\t1\nn\tgot\t5\n"), got(None));
        let broken = LockRecord { broken: Some("lee: gone home".into()), ..record.clone() };
        assert_eq!(read("n\tbroken\tlee: gone home\nn\tgot\t5\n"), got(Some(broken)));
        assert_eq!(read("n\tbroke\t-\n"), Some(LockAnswer::Broke(record.clone())));
        assert_eq!(read("n\tshown\t-\n"), Some(LockAnswer::Shown(Some(record))));
        assert_eq!(read_lock_answer("n", b"n\tshown\t-\n"), Some(LockAnswer::Shown(None)));
        assert_eq!(read_lock_answer("n", b"n\treleased\t-\n"), Some(LockAnswer::Released));
    }

    #[test]
    fn an_answer_without_its_end_or_with_nonsense_is_none() {
        for rest in ["", "n\tgot\tx\n", "n\tage\tlong\nn\theld\t-\n", "n\tnew-word\t1\nn\theld\t-\n"] {
            assert_eq!(read(rest), None, "{rest}");
        }
        assert_eq!(read_lock_answer("n", b"n\theld\t-\n"), None, "held by whom?");
        assert_eq!(read_lock_answer("n", b"n\tage\t1\n"), None);
    }
}
