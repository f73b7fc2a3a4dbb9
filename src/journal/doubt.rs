//! What a run may have begun without anybody knowing how it ended. Pure.

use std::collections::BTreeMap;

use super::line::Journal;
use super::record::Record;
use crate::event::ActionResult;
use crate::model::{HostName, RunId, Timestamp};

/// An action of which nobody knows how it ended. Only its host can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The run.
    pub run: RunId,
    /// Where.
    pub host: HostName,
    /// Its name in the plan.
    pub id: String,
    /// What it does.
    pub text: String,
    /// When it was announced, by the controller's clock; when the run started where no announcement could be read.
    pub since: Timestamp,
    /// Why.
    pub why: WhyInDoubt,
}

/// Why an action is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyInDoubt {
    /// It was announced, and no end was recorded.
    NoEnd,
    /// It was announced, and then its host was out of reach.
    Unreachable,
    /// The journal is damaged, so it may have been announced.
    Damaged,
}

/// What is in doubt, in the order in which it was announced: what has an intent and no end, however the run ended. An end
/// that says that the host was out of reach tells nothing of what it began. In a damaged journal whatever was planned and
/// has no end may have been begun. What a host has said since then settles it.
#[must_use]
pub fn in_doubt(journal: &Journal) -> Vec<Doubt> {
    let Some(started) = journal.start() else { return Vec::new() };
    // By name, each with its place in the order of announcement.
    let mut open: BTreeMap<&str, (usize, Doubt)> = BTreeMap::new();
    let planned = started.actions.iter().filter(|_| !journal.faults.is_empty());
    for (place, action) in planned.enumerate() {
        let (run, since) = (started.run.clone(), started.run.start());
        let (host, id, text) = (action.host.clone(), action.id.clone(), action.text.clone());
        open.insert(&action.id, (place, Doubt { run, host, id, text, since, why: WhyInDoubt::Damaged }));
    }
    for (index, entry) in journal.entries.iter().enumerate() {
        match &entry.record {
            Record::ActionIntended { host, id, text } => {
                let place = started.actions.len() + index;
                let (run, since) = (started.run.clone(), entry.at);
                let (host, text) = (host.clone(), text.clone());
                open.insert(id, (place, Doubt { run, host, id: id.clone(), text, since, why: WhyInDoubt::NoEnd }));
            }
            Record::ActionEnded { id, how: ActionResult::Failed(failure), .. } if failure.unreachable => {
                if let Some((_, doubt)) = open.get_mut(id.as_str()) {
                    doubt.why = WhyInDoubt::Unreachable;
                }
            }
            Record::ActionEnded { id, .. } => {
                open.remove(id.as_str());
            }
            Record::Found { id, found, .. } if found.settles() => {
                open.remove(id.as_str());
            }
            Record::RunStarted(_)
            | Record::StageStarted { .. }
            | Record::StageEnded { .. }
            | Record::RecoveryStarted { .. }
            | Record::RecoveryEnded { .. }
            | Record::Stopping
            | Record::RunEnded { .. }
            | Record::TakenUp { .. }
            | Record::Found { .. } => {}
        }
    }
    let mut doubts: Vec<(usize, Doubt)> = open.into_values().collect();
    doubts.sort_by_key(|(place, _)| *place);
    doubts.into_iter().map(|(_, doubt)| doubt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::fixture::{done, failed, file, first, host, id, intended};
    use crate::journal::{Ending, Found, Record, read};

    fn doubts(records: &[Record]) -> Vec<(String, WhyInDoubt)> {
        doubts_of(&file(records))
    }

    fn doubts_of(text: &str) -> Vec<(String, WhyInDoubt)> {
        in_doubt(&read(text.as_bytes()).unwrap()).into_iter().map(|doubt| (doubt.text, doubt.why)).collect()
    }

    fn found(verb: &str, found: Found) -> Record {
        Record::Found { host: host("m1"), id: id(verb), found }
    }

    #[test]
    fn what_was_announced_and_has_no_end_is_in_doubt() {
        assert_eq!(doubts(&[first()]), []);
        assert_eq!(doubts(&[first(), intended("stop"), done("stop")]), []);
        let cut = [first(), intended("stop"), done("stop"), intended("install")];
        assert_eq!(doubts(&cut), [("install manager".into(), WhyInDoubt::NoEnd)]);
        // However the run ended.
        for how in [Ending::Left, Ending::Failed, Ending::Stopped, Ending::Converged] {
            let ended = [&cut[..], &[Record::RunEnded { how, exit_code: 130 }]].concat();
            assert_eq!(doubts(&ended), [("install manager".into(), WhyInDoubt::NoEnd)]);
        }
        assert_eq!(doubts(&[first(), intended("stop"), failed("stop", false)]), []);
        // Already so: there was nothing to announce.
        assert_eq!(doubts(&[first(), done("stop")]), []);
    }

    #[test]
    fn a_host_out_of_reach_has_told_nothing() {
        let lost = [first(), intended("stop"), failed("stop", true)];
        assert_eq!(doubts(&lost), [("stop manager".into(), WhyInDoubt::Unreachable)]);
        assert_eq!(doubts(&[first(), failed("stop", true)]), [], "it was never announced");
    }

    #[test]
    fn only_an_answer_that_can_not_change_any_more_settles_it() {
        let asked = |answer| doubts(&[first(), intended("stop"), intended("install"), found("stop", answer)]);
        let install = ("install manager".to_owned(), WhyInDoubt::NoEnd);
        for answer in [Found::Finished { status: 3 }, Found::NeverStarted, Found::Lost { why: "rebooted".into() }] {
            assert_eq!(asked(answer), std::slice::from_ref(&install));
        }
        for answer in [Found::Running, Found::NotAsked { why: "no route to host".into() }] {
            assert_eq!(asked(answer), [("stop manager".into(), WhyInDoubt::NoEnd), install.clone()]);
        }
    }

    #[test]
    fn in_a_damaged_file_whatever_was_planned_may_have_been_begun() {
        let text = file(&[first(), intended("stop"), done("stop"), intended("install"), done("install")]);
        let damaged =
            text.replace("\"record\":\"action-intended\",\"host\":\"m1\",\"id\":\"25.6.4/m1/manager/install\"", "lost");
        assert_ne!(text, damaged);
        assert_eq!(doubts_of(&damaged), [("start manager".into(), WhyInDoubt::Damaged)]);
        let cut: String = text.split_inclusive('\n').take(3).chain(["garbage\n"]).collect();
        let both = [("install manager".into(), WhyInDoubt::Damaged), ("start manager".into(), WhyInDoubt::Damaged)];
        assert_eq!(doubts_of(&cut), both);
        // A torn end is no damage: what it announces was not durable, and so was not begun.
        let torn = &text[..text.len() - 300];
        assert!(!torn.ends_with('\n'));
        assert!(doubts_of(torn).iter().all(|(_, why)| *why == WhyInDoubt::NoEnd));
    }
}
