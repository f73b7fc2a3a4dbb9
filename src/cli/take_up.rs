//! What earlier runs left in doubt: their hosts are asked for those very jobs, and what they say is told and recorded.
//!
//! It is recorded in the journal of the run that left it, so that this one file says what came of each of its actions, also
//! where the run that asked finds nothing to do and has no journal of its own. Nothing is ever decided by these answers:
//! what is to be done follows from what is gathered.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::options::Options;
use super::recording::{Begun, reached};
use super::{machine, output};
use crate::execute::{JobEnd, JobState, Jobs};
use crate::gather::Fleet;
use crate::journal::{Doubt, Found, Journal, JournalError, Record, in_doubt};
use crate::model::{HostName, RunId, printable};
use crate::transport::{AnyConnector, Target};

/// Asks for all that concerns the hosts of this run.
pub(super) async fn ask_hosts(
    begun: &Begun,
    fleet: &Arc<Fleet<AnyConnector>>,
    targets: &BTreeMap<HostName, Target>,
    options: &Options,
) {
    let mut runs = match begun.store.runs() {
        Ok(runs) => runs,
        Err(error) => return note(&error.to_string()),
    };
    runs.reverse();
    for run in runs.into_iter().filter(|run| *run != begun.id) {
        let kept = begun.store.read(&run);
        let concerns = |doubt: &Doubt| concerns(doubt, kept.journal.as_ref().ok(), begun, targets);
        match kept.in_doubt() {
            Err(error) => note(&format!("{error}; what it left in doubt, if anything, is only known to the hosts")),
            Ok(doubts) if doubts.iter().any(concerns) => {
                if let Err(error) = take_up(&run, begun, fleet, targets, options).await {
                    note(&format!("what came of run {run} can't be recorded: {error}"));
                }
            }
            Ok(_) => {}
        }
    }
}

/// Whether a doubt is about a host of this run: one of the same inventory, or with the same address. The same name alone may be another
/// machine, in another cluster.
fn concerns(doubt: &Doubt, journal: Option<&Journal>, begun: &Begun, targets: &BTreeMap<HostName, Target>) -> bool {
    let Some(start) = journal.and_then(Journal::start) else { return false };
    let resumed = begun.resumes.as_ref() == Some(&doubt.run);
    let same_inventory = start.inventory.is_some() && start.inventory == begun.inventory;
    let same_address = targets
        .get(&doubt.host)
        .is_some_and(|target| start.hosts.get(&doubt.host).is_some_and(|recorded| *recorded == reached(target)));
    resumed || same_address || (same_inventory && targets.contains_key(&doubt.host))
}

async fn take_up(
    run: &RunId,
    begun: &Begun,
    fleet: &Arc<Fleet<AnyConnector>>,
    targets: &BTreeMap<HostName, Target>,
    options: &Options,
) -> Result<(), JournalError> {
    let (writer, journal) = match begun.store.take_up(run, machine::now) {
        // It was over a moment ago: somebody else asks just now.
        Err(JournalError::Live(_)) => return Ok(()),
        opened => opened?,
    };
    let all = in_doubt(&journal);
    let doubts: Vec<Doubt> = all.into_iter().filter(|doubt| concerns(doubt, Some(&journal), begun, targets)).collect();
    let who = journal.start().map(|start| start.who.clone()).unwrap_or_default();
    let torn = journal.torn.as_ref().map(|torn| format!("; its journal ends torn at line {}", torn.line));
    output::say(&format!(
        "Run {run} of {} left {} action(s) in doubt{}; their hosts say:\n",
        printable(who),
        doubts.len(),
        torn.unwrap_or_default()
    ));
    let (by, who) = (begun.id.clone(), machine::operator());
    writer.append(Record::TakenUp { by, who, torn: journal.torn_text }).await?;

    let answers = answers(&doubts, fleet, options).await;
    for (doubt, found) in doubts.into_iter().zip(answers) {
        let Doubt { host, id, text, .. } = doubt;
        output::say(&format!("  {host}: {}: {}\n", printable(text), printable(found.to_string())));
        writer.append(Record::Found { host, id, found }).await?;
    }
    Ok(())
}

/// What the hosts say, in the order of the doubts. All are asked side by side; the fleet bounds how many at once.
async fn answers(doubts: &[Doubt], fleet: &Arc<Fleet<AnyConnector>>, options: &Options) -> Vec<Found> {
    let mut asking = JoinSet::new();
    for (number, doubt) in doubts.iter().cloned().enumerate() {
        let jobs = Jobs::new(Arc::clone(fleet), doubt.run.clone(), options.reconnect);
        asking.spawn(async move { (number, found(jobs.look(&doubt.host, &doubt.run, &doubt.id).await)) });
    }
    let mut answers = BTreeMap::new();
    while let Some(answered) = asking.join_next().await {
        answers.extend(answered);
    }
    let silent = || Found::NotAsked { why: "asking it ended abnormally".into() };
    (0..doubts.len()).map(|number| answers.remove(&number).unwrap_or_else(silent)).collect()
}

fn found(state: JobState) -> Found {
    match state {
        JobState::Running => Found::Running,
        JobState::Finished(JobEnd::Exited(status)) => Found::Finished { status },
        JobState::Finished(JobEnd::TimedOut(after)) => Found::TimedOut { after },
        JobState::Finished(JobEnd::Fenced) | JobState::NeverStarted => Found::NeverStarted,
        JobState::Lost => Found::Lost { why: "it was killed, or its host was restarted".into() },
        JobState::NotTold(why) => Found::NotAsked { why },
    }
}

fn note(text: &str) {
    output::say(&format!("note: {}\n", printable(text)));
}
