//! A job: a command that a host carries out by itself, whoever is connected.
//!
//! `jobs/NAME/` holds `about`, `command`, `output`, `pid` (process, start in ticks since boot, boot), and at the end
//! `status`, by rename. Who makes the directory prepares the job; who links `pid` runs it: each happens once, however
//! often and from wherever it is launched, and no lock has to be held or cleaned up for that.

use std::fmt;
use std::time::Duration;

use super::PLACE;
use super::lock::READ;
use crate::model::{Digest, RunId, shell_quote as q};

const LAUNCH: &str = include_str!("launch.sh");
const RUNNER: &str = include_str!("runner.sh");

/// How much of a job's output is sent: pip and alembic print some hundred lines. What is beyond is counted.
pub const OUTPUT_LIMIT: usize = 1024 * 1024;
/// Of what is beyond, the end is sent as well: it says why a job failed.
const END_LIMIT: usize = 16 * 1024;
/// How much an honest host sends at most: one block may begin within the limit, then come the end and the records.
pub const REPLY_LIMIT: usize = OUTPUT_LIMIT + 2 * 65_536 + END_LIMIT;
/// What the host keeps of a job's output. An endless one is cut by its watchdog, which looks every five seconds.
const KEPT_LIMIT: usize = 64 * 1024 * 1024;
/// Seconds between asking a job to end and killing it: what rolls back gets a moment to do so.
const KILL_AFTER: u32 = 10;

/// What a job is called on its host. It follows from the run and the action, so that whoever knows both finds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobName(String);

impl JobName {
    /// The name of the job that carries out `action` in `run`: both to be read by people, and a digest that tells
    /// apart what reads alike.
    #[must_use]
    pub fn new(run: &RunId, action: &str) -> Self {
        let digest = Digest::of(format!("{run}\n{action}").as_bytes());
        let mut readable = String::new();
        for c in action.chars().take(80) {
            let plain = c.is_ascii_alphanumeric() || c == '.';
            if plain {
                readable.push(c);
            } else if !readable.ends_with('-') {
                readable.push('-');
            }
        }
        Self(format!("{run}.{}.{}", readable.trim_matches(|c| c == '-' || c == '.'), digest.short()))
    }

    /// The name as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is asked about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask<'a> {
    /// Start it where it was never started, then follow it to its end.
    Start {
        /// What it does: POSIX sh.
        command: &'a str,
        /// How long it may take by the host's clock; then it is ended there.
        limit: Duration,
    },
    /// Follow it to its end.
    Follow,
    /// Say how it stands.
    Look,
}

/// A script that starts a job, follows it, or asks about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch<'a> {
    /// Marks the answers; fresh, only letters and digits.
    pub nonce: &'a str,
    /// The run that it belongs to.
    pub run: &'a RunId,
    /// The action that it carries out.
    pub action: &'a str,
    /// What is asked.
    pub ask: Ask<'a>,
    /// The generation of the run's lock on the host: where it isn't the present one any more, nothing is started. `None`
    /// where nobody locks.
    pub fence: Option<u64>,
    /// How many bytes of its output are here already.
    pub have: usize,
}

impl Launch<'_> {
    /// Renders it for `/bin/sh`.
    #[must_use]
    pub fn script(&self) -> String {
        let Self { nonce, run, action, ask, fence, have } = self;
        let (word, command, limit) = match ask {
            Ask::Start { command, limit } => ("start", *command, limit.as_secs().max(1)),
            Ask::Follow => ("follow", "", 1),
            Ask::Look => ("look", "", 1),
        };
        let end = if command.ends_with('\n') || command.is_empty() { "" } else { "\n" };
        let launch = LAUNCH
            .replace("@RUNNER@", &format!("{PLACE}{RUNNER}"))
            .replace("@END@", &format!("CONVERGE_{nonce}"))
            .replace("@COMMAND@", &format!("{command}{end}"));
        format!(
            "N={nonce}; R={run}; J={}; X={}; A={word}; L={limit}; O={have}; B={}; E={END_LIMIT}; M={KEPT_LIMIT}; K={KILL_AFTER}; G={}\n{PLACE}{READ}{launch}",
            q(JobName::new(run, action).as_str()),
            q(&one_line(action)),
            OUTPUT_LIMIT.saturating_sub(*have),
            fence.map(|generation| generation.to_string()).unwrap_or_default(),
        )
    }

    /// How much longer than its command a job may take: to come up, and to be killed.
    #[must_use]
    pub fn margin() -> Duration {
        Duration::from_secs(u64::from(KILL_AFTER) + 50)
    }
}

/// An action's name is a line of the job's `about`.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunId {
        RunId::parse("20261125T033000Z-7f3a9c").unwrap()
    }

    #[test]
    fn a_name_follows_from_run_and_action_and_is_safe_as_a_file() {
        let name = JobName::new(&run(), "25.6.2/mgr1/manager/migrate");
        let text = name.as_str();
        assert!(text.starts_with("20261125T033000Z-7f3a9c.25.6.2-mgr1-manager-migrate."), "{text}");
        assert_eq!(name, JobName::new(&run(), "25.6.2/mgr1/manager/migrate"));
        assert_ne!(name, JobName::new(&run(), "25.6.2-mgr1/manager/migrate"), "it reads alike, and is another");
        for odd in ["../../etc/passwd", "a b;c\nd", "", "--", "\u{e9}\u{e9}", &"x/".repeat(400)] {
            let name = JobName::new(&run(), odd);
            assert!(name.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'), "{name}");
            assert!(name.as_str().len() < 200 && !name.as_str().starts_with('.'), "{name}");
        }
    }
}
