//! Runs as their journals tell them: a line each, and one in full. Everything in a journal may come from a host or from
//! whoever changed the file, so all of it is made printable.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::style::{BAD, CHANGED, GOOD, HEAD, Styled};
use crate::event::{ActionResult, Handled};
use crate::journal::{Doubt, Ending, Entry, Journal, Reach, Record, RunStarted, WhyInDoubt};
use crate::model::{HostName, RunId, Timestamp, printable};

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// Its name.
    pub run: RunId,
    /// When it started.
    pub started: Timestamp,
    /// Its file.
    pub file: String,
    /// How it stands: `going-on`, `converged`, `failed`, `stopped`, `left`, `cut-off`, `unreadable`.
    pub state: &'static str,
    /// The exit code, where it ended.
    pub exit_code: Option<u8>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Who started it.
    pub who: String,
    /// The words of its command line.
    pub command: Vec<String>,
    /// The plan's digest.
    pub plan: String,
    /// How many actions it planned.
    pub planned: usize,
    /// How many of them ended well.
    pub done: usize,
    /// Hosts on which something was begun, or planned.
    pub hosts: Vec<HostName>,
    /// Actions in doubt.
    pub in_doubt: usize,
    /// What is wrong with the file, or why it can't be read.
    pub faults: Vec<String>,
}

impl RunSummary {
    /// A run whose file can't be read.
    #[must_use]
    pub fn unreadable(run: RunId, file: String, reason: String) -> Self {
        Self {
            started: run.start(),
            run,
            file,
            state: "unreadable",
            exit_code: None,
            ended: None,
            who: String::new(),
            command: Vec::new(),
            plan: String::new(),
            planned: 0,
            done: 0,
            hosts: Vec::new(),
            in_doubt: 0,
            faults: vec![reason],
        }
    }

    /// A run as its journal tells it.
    #[must_use]
    pub fn of(run: RunId, file: String, reach: Reach, journal: &Journal, doubts: &[Doubt]) -> Self {
        let start = journal.start();
        let end = journal.entries.iter().rev().find_map(|entry| match entry.record {
            Record::RunEnded { how, exit_code } => Some((how, exit_code, entry.at)),
            _ => None,
        });
        let state = match (reach, end) {
            (Reach::Live, _) => "going-on",
            (Reach::Over, None) => "cut-off",
            (Reach::Over, Some((how, ..))) => ending(how),
        };
        let ended_well = |entry: &Entry| match &entry.record {
            Record::ActionEnded { id, how: ActionResult::Done { .. } | ActionResult::AlreadyDone { .. }, .. } => {
                Some(id.clone())
            }
            _ => None,
        };
        let well: BTreeSet<String> = journal.entries.iter().filter_map(ended_well).collect();
        let planned = start.map(|start| start.actions.as_slice()).unwrap_or_default();
        let hosts: BTreeSet<HostName> = planned.iter().map(|action| action.host.clone()).collect();
        Self {
            started: run.start(),
            run,
            file,
            state,
            exit_code: end.map(|(_, code, _)| code),
            ended: end.map(|(_, _, at)| at),
            who: start.map(|start| start.who.clone()).unwrap_or_default(),
            command: start.map(|start| start.command.clone()).unwrap_or_default(),
            plan: start.map(|start| start.plan.to_string()).unwrap_or_default(),
            planned: planned.len(),
            done: planned.iter().filter(|action| well.iter().any(|id| is_of(id, &action.id))).count(),
            hosts: hosts.into_iter().collect(),
            in_doubt: doubts.len(),
            faults: journal.all_faults().map(|fault| format!("line {}: {}", fault.line, fault.what)).collect(),
        }
    }
}

/// Whether `id` is that of an action, or of one of its further attempts: `ID/2`.
fn is_of(id: &str, action: &str) -> bool {
    id.strip_prefix(action).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn ending(how: Ending) -> &'static str {
    match how {
        Ending::Converged => "converged",
        Ending::Failed => "failed",
        Ending::Stopped => "stopped",
        Ending::Left => "left",
    }
}

/// How a run stands, in words.
fn state_in_words(state: &str) -> &str {
    match state {
        "going-on" => "still going on",
        "cut-off" => "cut off: no end is recorded",
        "left" => "left at once, as asked",
        "stopped" => "stopped, as asked",
        other => other,
    }
}

/// Runs, a line each, newest first.
#[must_use]
pub fn history_text(runs: &[RunSummary]) -> String {
    if runs.is_empty() {
        return "No run is recorded here.\n".into();
    }
    let mut text = String::new();
    for run in runs {
        let RunSummary { who, plan, planned, done, hosts, in_doubt, faults, .. } = run;
        let style = match run.state {
            "converged" => GOOD,
            "going-on" | "stopped" => CHANGED,
            _ => BAD,
        };
        let state = Styled(style, state_in_words(run.state));
        if run.state == "unreadable" {
            let _ = writeln!(text, "{}  {state}", run.run);
        } else {
            let code = run.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
            let short = plan.get(..12).unwrap_or(plan);
            let _ = writeln!(
                text,
                "{}  {}  plan {}  {done} of {planned} done on {}  {state}{code}",
                run.run,
                printable(who),
                printable(short),
                hosts_in_words(hosts),
            );
        }
        if *in_doubt > 0 {
            let _ = writeln!(text, "  {in_doubt} in doubt; next: converge resume {}", run.run);
        }
        for fault in faults {
            let _ = writeln!(text, "  {}", Styled(BAD, printable(fault)));
        }
    }
    text
}

fn hosts_in_words(hosts: &[HostName]) -> String {
    let few: Vec<&str> = hosts.iter().take(3).map(HostName::as_str).collect();
    match hosts.len() {
        0 => "no host".into(),
        count if count > few.len() => format!("{} and {} more", few.join(", "), count - few.len()),
        _ => few.join(", "),
    }
}

/// A run in full, or what concerns one host of it.
#[must_use]
pub fn run_text(summary: &RunSummary, journal: &Journal, doubts: &[Doubt], host: Option<&HostName>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", Styled(HEAD, format!("RUN {}", summary.run)));
    if let Some(start) = journal.start() {
        head(&mut text, start);
    }
    let state = state_in_words(summary.state);
    let code = summary.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
    let _ = writeln!(text, "  ended:     {state}{code}");
    let _ = writeln!(text, "  file:      {}", printable(&summary.file));
    for fault in &summary.faults {
        let _ = writeln!(text, "  {}", Styled(BAD, printable(fault)));
    }
    text.push('\n');
    let concerns = |entry: &&Entry| host.is_none() || entry.record.host() == host;
    let mut shown = 0;
    for entry in journal.entries.iter().filter(concerns) {
        if let Some(line) = entry_line(&entry.record) {
            let _ = writeln!(text, "{}  {line}", entry.at);
            shown += 1;
        }
    }
    if let (Some(host), 0) = (host, shown) {
        let _ = writeln!(text, "Nothing is recorded about {host}.");
    }
    let doubts: Vec<&Doubt> = doubts.iter().filter(|doubt| host.is_none_or(|host| doubt.host == *host)).collect();
    if !doubts.is_empty() {
        let _ = writeln!(text, "\n{}", Styled(HEAD, "IN DOUBT"));
        for doubt in doubts {
            let why = why_in_words(doubt);
            let _ = writeln!(text, "  {}: {}: {why}", doubt.host, printable(&doubt.text));
        }
        let _ = writeln!(text, "next: converge resume {}", summary.run);
    }
    text
}

fn why_in_words(doubt: &Doubt) -> String {
    match doubt.why {
        WhyInDoubt::NoEnd => format!("announced at {}, and no end is recorded", doubt.since),
        WhyInDoubt::Unreachable => format!("announced at {}, then its host was out of reach", doubt.since),
        WhyInDoubt::Damaged => "the journal is damaged, so it may have been begun".into(),
    }
}

fn head(text: &mut String, start: &RunStarted) {
    let RunStarted {
        format: _,
        written_by,
        run,
        who,
        pid,
        directory,
        command,
        inventory: _,
        cluster: _,
        hosts,
        plan,
        actions,
        waived,
        resumes,
    } = start;
    let by = format!("{} by {who} (process {pid}), {written_by}", run.start());
    let _ = writeln!(text, "  started:   {}", printable(by));
    let _ = writeln!(text, "  in:        {}", printable(directory));
    let words: Vec<String> = command.iter().map(|word| crate::model::shell_quote(word)).collect();
    let _ = writeln!(text, "  command:   {}", printable(format!("converge {}", words.join(" "))));
    if let Some(resumes) = resumes {
        let _ = writeln!(text, "  resumes:   {resumes}");
    }
    let _ = writeln!(text, "  plan:      {}, {} action(s)", plan.short(), actions.len());
    for (host, address) in hosts {
        let _ = writeln!(text, "  host:      {host} ({})", printable(address));
    }
    for waiver in waived {
        let owner = waiver.owner.as_ref().map_or_else(String::new, |owner| format!(" ({owner})"));
        let line = format!("[{}] {}: {}{owner}", waiver.rule, waiver.observed, waiver.reason);
        let _ = writeln!(text, "  waived:    {}", printable(line));
    }
}

fn entry_line(record: &Record) -> Option<String> {
    Some(match record {
        Record::RunStarted(_) => return None,
        Record::StageStarted { number, of, title, hosts: _ } => printable(format!("stage {number}/{of}: {title}")),
        Record::ActionIntended { host, id: _, text } => printable(format!("{host}: begins: {text}")),
        Record::ActionEnded { host, id: _, text, how, took_ms } => ended_line(host, text, how, *took_ms),
        Record::StageEnded { number, failed } => format!("stage {number} ended, {failed} failed"),
        Record::RecoveryStarted { title } => printable(format!("recovery: {title}")),
        Record::RecoveryEnded { title, failed } => printable(format!("recovery ended, {failed} failed: {title}")),
        Record::Stopping => "asked to stop".into(),
        Record::RunEnded { how, exit_code } => format!("run ended: {}, exit code {exit_code}", ending(*how)),
        Record::TakenUp { by, who, torn } => {
            let torn = torn.as_ref().map_or_else(String::new, |torn| format!("; a torn record was cut off: {torn}"));
            printable(format!("taken up by {who}, run {by}{torn}"))
        }
        Record::Found { host, id, found } => printable(format!("{host}: {id}: {found}")),
    })
}

fn ended_line(host: &HostName, text: &str, how: &ActionResult, took_ms: u64) -> String {
    let took = format!("({}.{} s)", took_ms / 1000, took_ms % 1000 / 100);
    match how {
        ActionResult::Done { evidence } => printable(format!("{host}: done: {text}: {evidence} {took}")),
        ActionResult::AlreadyDone { evidence } => printable(format!("{host}: already so: {text}: {evidence}")),
        ActionResult::Failed(failure) => {
            let how = match failure.handled {
                None => "FAILED",
                Some(Handled::Ignored) => "FAILED, ignored",
                Some(Handled::Rescued) => "FAILED, rescued",
                Some(Handled::Retried { .. }) => "FAILED, tried again",
            };
            let mut lines = printable(format!("{host}: {how}: {text}: {} {took}", failure.observed));
            let left = failure.left.iter().map(|line| format!("left as: {line}"));
            let said = failure.output.iter().map(|line| format!("| {line}"));
            for line in left.chain(said).chain([format!("next: {}", failure.next)]) {
                let _ = write!(lines, "\n    {}", printable(line));
            }
            lines
        }
    }
}

/// What was found in checking journals: every fault with its file and line, and how much is sound.
#[must_use]
pub fn verified_text(faults: &BTreeMap<String, Vec<String>>, notes: &[String], runs: usize, records: usize) -> String {
    let mut text = String::new();
    for (file, of_file) in faults {
        for fault in of_file {
            let _ = writeln!(text, "{}: {}", printable(file), Styled(BAD, printable(fault)));
        }
    }
    for note in notes {
        let _ = writeln!(text, "note: {}", printable(note));
    }
    let _ = match faults.len() {
        0 => writeln!(text, "{runs} journal(s) with {records} record(s): every digest fits."),
        count => writeln!(
            text,
            "{count} of {runs} journal(s) can't be relied on. Nothing is ever replayed from a journal: the next run asks the \
             hosts and plans from what is there."
        ),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Failure;
    use crate::journal::{Chain, FORMAT, Found, PlannedAction, in_doubt, read};
    use crate::model::Digest;

    fn journal(records: &[Record]) -> Journal {
        let mut chain = Chain::default();
        let file: String =
            records.iter().map(|record| chain.append(Timestamp(1_795_577_401), record).unwrap()).collect();
        read(file.as_bytes()).unwrap()
    }

    fn records(hostile: &str) -> Vec<Record> {
        let host = HostName::parse("m1").unwrap();
        let (id, text) = (format!("25.6.4/m1/{hostile}/stop"), format!("stop {hostile}"));
        let started = RunStarted {
            format: FORMAT,
            written_by: hostile.into(),
            run: RunId::parse("20261125T033000Z-7f3a9c").unwrap(),
            who: hostile.into(),
            pid: 1,
            directory: hostile.into(),
            command: vec!["--limit".into(), hostile.into()],
            inventory: None,
            cluster: Digest::of(b""),
            hosts: BTreeMap::from([(host.clone(), hostile.into())]),
            plan: Digest::of(b"plan"),
            actions: vec![PlannedAction { host: host.clone(), id: id.clone(), text: text.clone() }],
            waived: Vec::new(),
            resumes: None,
        };
        let failure = Failure {
            host: host.clone(),
            tried: hostile.into(),
            expected: hostile.into(),
            observed: hostile.into(),
            output: vec![hostile.into()],
            left: vec![hostile.into()],
            next: hostile.into(),
            unreachable: true,
            handled: None,
        };
        vec![
            Record::RunStarted(Box::new(started)),
            Record::StageStarted { number: 1, of: 1, title: hostile.into(), hosts: vec![host.clone()] },
            Record::ActionIntended { host: host.clone(), id: id.clone(), text: text.clone() },
            Record::ActionEnded {
                host: host.clone(),
                id: id.clone(),
                text,
                how: ActionResult::Failed(failure),
                took_ms: 1234,
            },
            Record::TakenUp {
                by: RunId::parse("20261125T040000Z-000000").unwrap(),
                who: hostile.into(),
                torn: Some(hostile.into()),
            },
            Record::Found { host, id, found: Found::NotAsked { why: hostile.into() } },
        ]
    }

    fn shown(records: &[Record], host: Option<&str>) -> String {
        let journal = journal(records);
        let doubts = in_doubt(&journal);
        let run = RunId::parse("20261125T033000Z-7f3a9c").unwrap();
        let summary = RunSummary::of(run, "/j/run.jsonl".into(), Reach::Over, &journal, &doubts);
        let host = host.map(|host| HostName::parse(host).unwrap());
        let line = history_text(std::slice::from_ref(&summary));
        line + "--\n" + &run_text(&summary, &journal, &doubts, host.as_ref())
    }

    #[test]
    fn a_run_reads_like_this() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&shown(&records("manager"), None)).to_string());
    }

    #[test]
    fn one_host_can_be_picked_out() {
        let text = shown(&records("manager"), Some("m2"));
        assert!(text.contains("Nothing is recorded about m2.") && !text.contains("IN DOUBT\n"), "{text}");
        assert!(shown(&records("manager"), Some("m1")).contains("m1: begins: stop manager"));
    }

    #[test]
    fn nothing_in_a_journal_steers_the_terminal() {
        let text = anstream::adapter::strip_str(&shown(&records("x\u{1b}]0;evil\u{7}\u{202e}\r"), None)).to_string();
        // What is stripped is only what the report itself puts there.
        assert!(text.contains("\\x1b]0;evil\\x07\\u{202e}\\r"), "{text}");
        let all = shown(&records("x\u{1b}]0;evil\u{7}"), None);
        assert!(!all.contains('\u{7}') && !all.contains("\u{1b}]"), "{all:?}");
    }
}
