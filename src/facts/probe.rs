//! The probe: one POSIX-sh script per round trip that asks every question of a host, and the reader
//! of what comes back.
//!
//! The script defines one shell function per kind of fact in use, then calls them; the whole is a
//! function that is called by the last line, so a script cut short on its way runs nothing. Each
//! answer line is `NONCE <tab> QUESTION <tab> KEY <tab> VALUE`. Lines without the nonce (a banner, a
//! noisy shell start-up file) are not answers; a reply without its closing record is incomplete,
//! and every question in it is unknown.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::{HostName, Timestamp};

use super::{Fact, HostFacts, Observed, Query};
use super::{
    account, command, crontab, disk, effects, file, health, interpreters, jobs, listening, os_package, package_source,
    paths, pins, process, published, resolution, schema, started, stat, sum, system, unit, venv, wheel, work,
};

/// A probe ready to be sent: the questions and the script that asks them.
#[derive(Debug, Clone)]
pub struct Probe {
    nonce: String,
    queries: Vec<Query>,
    script: String,
}

/// A reply that can't be read as answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The closing record never came.
    #[error("the probe's answer broke off after {lines} lines (expected a closing record){}", last_words(stderr))]
    Incomplete {
        /// How many lines of answers arrived.
        lines: usize,
        /// What the host said on standard error.
        stderr: String,
    },
}

fn last_words(stderr: &str) -> String {
    match stderr.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("; the host said: {line}"),
        None => String::new(),
    }
}

/// One answer line, without its nonce and question number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

/// The records of one question, with the host's clocks, as its parser sees them.
pub(super) struct Answer<'a> {
    pub(super) records: Vec<Record<'a>>,
    pub(super) clock: Clock,
}

/// The host's clocks at the time of the probe.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    /// `date +%s`.
    pub(super) now: i64,
    /// `/proc/uptime`, in hundredths of a second.
    pub(super) uptime_ticks: i64,
}

impl<'a> Answer<'a> {
    /// The value of the first record with `key`.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.records.iter().find(|record| record.key == key).map(|record| record.value)
    }

    /// The values of all records with `key`, in order.
    pub(super) fn all<'b>(&'b self, key: &'b str) -> impl Iterator<Item = &'a str> + 'b {
        self.records.iter().filter(move |record| record.key == key).map(|record| record.value)
    }

    /// `Unknown` where the host said that it couldn't find out, by a record `unknown` with the reason.
    pub(super) fn unknown(&self) -> Option<String> {
        if self.records.is_empty() {
            return Some("the host gave no answer to this question".into());
        }
        self.get("unknown").map(str::to_owned)
    }
}

/// Common head: locale, the emitter `e KEY VALUE`, and the clocks by `k`. `$Q` is the number of the question.
/// Answers are collected in `$O` and written at once: each write of its own would be a packet of its own.
const HEAD: &str = r#"export LC_ALL=C
e() { O="$O$N	$Q	$1	$2
"; }
k() { e now "$(date +%s)"; read -r u </proc/uptime; e uptime "$u"; }
"#;

impl Probe {
    /// Writes the script that asks `queries`. `nonce` marks the answers; it must be fresh and hold
    /// only letters and digits.
    #[must_use]
    pub fn new(nonce: &str, queries: impl IntoIterator<Item = Query>) -> Self {
        let mut queries: Vec<Query> = queries.into_iter().collect();
        queries.sort();
        queries.dedup();
        let mut functions: Vec<Cow<'static, str>> = Vec::new();
        let mut calls = String::new();
        for (number, query) in queries.iter().enumerate() {
            let (function, call) = ask(query);
            for piece in function {
                if !functions.contains(&piece) {
                    functions.push(piece);
                }
            }
            let _ = writeln!(calls, "Q={number}; {call}");
        }
        let titles: Vec<(usize, &str)> =
            queries.iter().enumerate().filter_map(|(number, query)| Some((number, title_of(query)?))).collect();
        let mut script = String::from("probe() {\n");
        let _ = writeln!(script, "N={nonce}; Q=-; O=");
        script.push_str(HEAD);
        for function in functions {
            script.push_str(&function);
        }
        script.push_str(&process::scan(&titles));
        script.push_str(&calls);
        script.push_str("Q=-; e end ok; printf %s \"$O\"\n}\nprobe </dev/null\n");
        Self { nonce: nonce.to_owned(), queries, script }
    }

    /// The script, to be run by `/bin/sh` from standard input.
    #[must_use]
    pub fn script(&self) -> &str {
        &self.script
    }

    /// The questions, in the order of their numbers.
    #[must_use]
    pub fn queries(&self) -> &[Query] {
        &self.queries
    }
}

fn title_of(query: &Query) -> Option<&str> {
    match query {
        Query::Process(query) => query.title.as_deref(),
        Query::System
        | Query::Jobs
        | Query::Disk(_)
        | Query::File(_)
        | Query::Sum(_)
        | Query::Venv(_)
        | Query::Unit(_)
        | Query::Health(_)
        | Query::Schema(_)
        | Query::Published(_)
        | Query::Work(_)
        | Query::Command(_)
        | Query::Paths(_)
        | Query::Pins(_)
        | Query::PackageSource(_)
        | Query::Wheel(_)
        | Query::Interpreters(_)
        | Query::Stat(_)
        | Query::Account(_)
        | Query::OsPackage(_)
        | Query::Crontab(_)
        | Query::Listening(_)
        | Query::Started(_)
        | Query::Effects(_)
        | Query::Resolution(_) => None,
    }
}

/// The shell functions that a question needs, and its call.
fn ask(query: &Query) -> (Vec<Cow<'static, str>>, String) {
    match query {
        Query::System => (vec![system::FUNCTION.into()], "y".into()),
        Query::Jobs => (vec![jobs::function().into()], "jb".into()),
        Query::Disk(query) => (vec![disk::FUNCTION.into()], disk::call(query)),
        Query::File(query) => (vec![file::FUNCTION.into()], file::call(query)),
        Query::Sum(query) => (vec![sum::FUNCTION.into()], sum::call(query)),
        Query::Venv(query) => (vec![venv::FUNCTION.into()], venv::call(query)),
        Query::Process(query) => (vec![process::FUNCTION.into()], process::call(query)),
        Query::Unit(query) => (vec![process::FUNCTION.into(), unit::FUNCTION.into()], unit::call(query)),
        Query::Health(query) => (vec![health::FUNCTION.into()], health::call(query)),
        Query::Schema(query) => (vec![schema::function().into()], schema::call(query)),
        Query::Work(query) => (vec![work::function().into()], work::call(query)),
        Query::Command(query) => (vec![command::FUNCTION.into()], command::call(query)),
        Query::Paths(query) => (vec![paths::FUNCTION.into()], paths::call(query)),
        Query::Pins(query) => (vec![pins::FUNCTION.into()], pins::call(query)),
        Query::Published(query) => (vec![published::function().into()], published::call(query)),
        Query::PackageSource(query) => (vec![package_source::FUNCTION.into()], package_source::call(query)),
        Query::Wheel(query) => (vec![wheel::function().into()], wheel::call(query)),
        Query::Resolution(query) => (vec![resolution::function().into()], resolution::call(query)),
        Query::Interpreters(query) => (vec![interpreters::FUNCTION.into()], interpreters::call(query)),
        Query::Effects(query) => (vec![effects::function().into()], effects::call(query)),
        Query::Stat(query) => (vec![stat::function().into()], stat::call(query)),
        Query::Account(query) => (vec![account::FUNCTION.into()], account::call(query)),
        Query::OsPackage(query) => (vec![os_package::FUNCTION.into()], os_package::call(query)),
        Query::Crontab(query) => (vec![crontab::FUNCTION.into()], crontab::call(query)),
        Query::Listening(query) => (vec![listening::FUNCTION.into()], listening::call(query)),
        Query::Started(query) => (vec![started::FUNCTION.into()], started::call(query)),
    }
}

/// Reads a reply to `probe` into facts of `host`.
///
/// # Errors
/// When the closing record is missing: the probe died, was cut off, or never ran.
pub fn read_answers(probe: &Probe, host: &HostName, stdout: &[u8], stderr: &[u8]) -> Result<HostFacts, ProbeError> {
    // What a host says is data: nothing in it may steer a terminal later on.
    let stdout: String = String::from_utf8_lossy(stdout)
        .chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    let mut by_question: BTreeMap<usize, Vec<Record<'_>>> = BTreeMap::new();
    let mut clock = Clock::default();
    let (mut lines, mut complete) = (0, false);
    for line in stdout.lines() {
        let mut parts = line.splitn(4, '\t');
        let (Some(nonce), Some(question), Some(key), Some(value)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if nonce != probe.nonce {
            continue;
        }
        lines += 1;
        match (question, key) {
            ("-", "now") => clock.now = value.parse().unwrap_or_default(),
            ("-", "uptime") => clock.uptime_ticks = ticks(value),
            // What comes behind it, another copy of the answers for instance, is none of them.
            ("-", "end") => {
                complete = true;
                break;
            }
            ("-", _) => {}
            _ => {
                if let Ok(number) = question.parse() {
                    by_question.entry(number).or_default().push(Record { key, value });
                }
            }
        }
    }
    if !complete {
        return Err(ProbeError::Incomplete { lines, stderr: String::from_utf8_lossy(stderr).into_owned() });
    }
    let answers = probe
        .queries
        .iter()
        .enumerate()
        .map(|(number, query)| {
            let records = by_question.remove(&number).unwrap_or_default();
            (query.clone(), read_fact(query, &Answer { records, clock }))
        })
        .collect();
    Ok(HostFacts { host: host.clone(), observed_at: Timestamp(clock.now), unreachable: None, answers })
}

fn read_fact(query: &Query, answer: &Answer<'_>) -> Fact {
    macro_rules! known_or {
        ($variant:ident, $parsed:expr) => {
            Fact::$variant(match answer.unknown() {
                Some(reason) => Observed::Unknown(reason),
                None => $parsed,
            })
        };
    }
    match query {
        Query::System => known_or!(System, system::parse(answer)),
        Query::Jobs => known_or!(Jobs, jobs::parse(answer)),
        Query::Disk(_) => known_or!(Disk, disk::parse(answer)),
        Query::File(_) => known_or!(File, file::parse(answer)),
        Query::Sum(_) => known_or!(Sum, sum::parse(answer)),
        Query::Venv(query) => known_or!(Venv, venv::parse(query, answer)),
        Query::Process(query) => known_or!(Process, process::parse(query, answer)),
        Query::Unit(_) => known_or!(Unit, unit::parse(answer)),
        Query::Health(query) => known_or!(Health, health::parse(query, answer)),
        Query::Schema(_) => known_or!(Schema, schema::parse(answer)),
        Query::Published(_) => known_or!(Published, published::parse(answer)),
        Query::Work(_) => known_or!(Work, work::parse(answer)),
        Query::Command(_) => known_or!(Command, command::parse(answer)),
        Query::Paths(_) => known_or!(Paths, paths::parse(answer)),
        Query::Pins(_) => known_or!(Pins, pins::parse(answer)),
        Query::PackageSource(_) => known_or!(PackageSource, package_source::parse(answer)),
        Query::Wheel(query) => known_or!(Wheel, wheel::parse(query, answer)),
        Query::Resolution(_) => known_or!(Resolution, resolution::parse(answer)),
        Query::Interpreters(_) => known_or!(Interpreters, interpreters::parse(answer)),
        Query::Effects(_) => known_or!(Effects, effects::parse(answer)),
        Query::Stat(_) => known_or!(Stat, stat::parse(answer)),
        Query::Account(_) => known_or!(Account, account::parse(answer)),
        Query::OsPackage(_) => known_or!(OsPackage, os_package::parse(answer)),
        Query::Crontab(_) => known_or!(Crontab, crontab::parse(answer)),
        Query::Listening(_) => known_or!(Listening, listening::parse(answer)),
        Query::Started(_) => known_or!(Started, started::parse(answer)),
    }
}

/// `/proc/uptime` writes seconds with two decimals; process starts are in hundredths too.
fn ticks(uptime: &str) -> i64 {
    // Behind the first number may stand the second one of the file, the time spent idle.
    let uptime = uptime.split(' ').next().unwrap_or_default();
    let (seconds, hundredths) = uptime.split_once('.').unwrap_or((uptime, "0"));
    let seconds: i64 = seconds.parse().unwrap_or_default();
    seconds * 100 + format!("{hundredths:0<2}").get(..2).and_then(|h| h.parse::<i64>().ok()).unwrap_or_default()
}

/// Quotes a text as one word for sh.
#[must_use]
pub(super) fn quote(text: &str) -> String {
    crate::model::shell_quote(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_without_its_closing_record_is_incomplete() {
        let probe = Probe::new("n1", [Query::System]);
        let host = HostName::parse("mgr1").unwrap();
        let error = read_answers(&probe, &host, b"n1\t-\tnow\t5\n", b"sh: killed\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the probe's answer broke off after 1 lines (expected a closing record); the host said: sh: killed"
        );
    }

    #[test]
    fn lines_without_the_nonce_are_noise() {
        let probe = Probe::new("n1", [Query::System]);
        let host = HostName::parse("mgr1").unwrap();
        let reply = b"Welcome!\nn2\t0\tos\tforged\nn1\t-\tnow\t5\nn1\t0\tunknown\tnot today\nn1\t-\tend\tok\n";
        let facts = read_answers(&probe, &host, reply, b"").unwrap();
        assert_eq!(facts.observed_at, Timestamp(5));
        assert_eq!(facts.system(), Observed::Unknown("not today".into()));
    }

    #[test]
    fn a_reply_that_arrives_twice_counts_once_and_one_of_another_probe_never() {
        let query = super::super::PathsQuery { pattern: "/srv/*".into() };
        let probe = Probe::new("n2", [Query::Paths(query)]);
        let reply = |nonce: &str| {
            format!("{nonce}\t-\tnow\t5\n{nonce}\t0\tlooked\t1\n{nonce}\t0\tpath\t/srv/a\n{nonce}\t-\tend\tok\n")
        };
        let host = HostName::parse("mgr1").unwrap();
        let read = |text: String| read_answers(&probe, &host, text.as_bytes(), b"").unwrap();
        let once = read(reply("n2"));
        assert_eq!(read(reply("n2") + &reply("n2")), once);
        // An answer to an earlier question that comes late, before and behind.
        assert_eq!(read(reply("n1") + &reply("n2") + &reply("n1")), once);
        assert!(read_answers(&probe, &host, reply("n1").as_bytes(), b"").is_err());
    }

    #[test]
    fn a_question_without_an_answer_is_unknown() {
        let probe = Probe::new("n1", [Query::System]);
        let facts = read_answers(&probe, &HostName::parse("h").unwrap(), b"n1\t-\tend\tok\n", b"").unwrap();
        assert!(facts.system().unknown().is_some());
    }

    #[test]
    fn uptime_is_read_to_the_hundredth() {
        assert_eq!((ticks("12.34"), ticks("12.3"), ticks("12")), (1234, 1230, 1200));
    }
}
