//! The journal of a run, from its name to its end.

use std::collections::BTreeMap;

use super::error::CliError;
use super::inventories::full_names;
use super::options::Options;
use super::words::words;
use super::{machine, output, secrets};
use crate::event::Event;
use crate::execute::{Recorder, Unrecorded};
use crate::journal::{Ending, FORMAT, Limits, PlannedAction, Record, RecordedWaiver, RunStarted, Store, Writer};
use crate::model::{BecomeUser, Digest, HostName, RunId, printable};
use crate::plan::Plan;
use crate::preflight::{Finding, Waiver};
use crate::transport::{Target, TargetKind};

/// A run that has a name, and has changed nothing yet.
pub(super) struct Begun {
    /// Its name.
    pub(super) id: RunId,
    /// Where journals are kept.
    pub(super) store: Store,
    /// The run that it goes on with, as the operator asked.
    pub(super) resumes: Option<RunId>,
    words: Vec<String>,
    /// The inventories' paths, in full.
    pub(super) inventory: Option<String>,
}

impl Begun {
    /// Names a run, and forgets old ones.
    pub(super) fn new(options: &Options, resumes: Option<RunId>) -> Result<Self, CliError> {
        let store = Store::below(&machine::state_directory(options)?);
        store.prune(machine::now(), Limits::default());
        Ok(Self {
            id: machine::new_run(),
            store,
            resumes,
            words: words(options),
            inventory: full_names(&options.inventory),
        })
    }

    /// Manual steps that somebody at the terminal has answered for belong to what the run was asked for.
    pub(super) fn acknowledge(&mut self, waivers: &[Waiver]) {
        for Waiver { rule, about, reason, .. } in waivers {
            let about = about.as_ref().map_or_else(String::new, |about| format!("@{about}"));
            self.words.extend(["--waive".to_owned(), format!("{rule}{about}={reason}")]);
        }
    }

    /// Begins to record. Where that can't be done, nothing may be carried out.
    pub(super) async fn record(
        &self,
        plan: &Plan,
        targets: &BTreeMap<HostName, Target>,
        findings: &[Finding],
    ) -> Result<Recording, CliError> {
        let concerned = plan.hosts();
        let known: Vec<(&HostName, String)> = targets.iter().map(|(host, target)| (host, address(target))).collect();
        let cluster: Vec<String> = known.iter().map(|(host, address)| format!("{host} {address}")).collect();
        let started = RunStarted {
            format: FORMAT,
            written_by: concat!("converge ", env!("CARGO_PKG_VERSION")).into(),
            run: self.id.clone(),
            who: machine::operator(),
            pid: std::process::id(),
            directory: machine::full_path(".".as_ref()),
            command: self.words.clone(),
            inventory: self.inventory.clone(),
            cluster: Digest::of(cluster.join("\n").as_bytes()),
            hosts: known
                .into_iter()
                .filter(|(host, _)| concerned.contains(*host))
                .map(|(host, _)| (host.clone(), targets.get(host).map(reached).unwrap_or_default()))
                .collect(),
            plan: plan.digest(),
            actions: plan
                .actions()
                .map(|action| PlannedAction {
                    host: action.host.clone(),
                    id: action.id.clone(),
                    text: action.to_string(),
                })
                .collect(),
            waived: findings.iter().filter_map(waived).collect(),
            resumes: self.resumes.clone(),
        };
        let started = secrets::cleaned_value(started).ok_or_else(|| {
            CliError::Environment("the beginning of the journal can't be written without showing a secret".into())
        })?;
        let writer = self.store.create(&self.id, Record::RunStarted(Box::new(started)), machine::now).await?;
        Ok(Recording { writer })
    }
}

fn waived(finding: &Finding) -> Option<RecordedWaiver> {
    let waived = finding.waived.as_ref()?;
    Some(RecordedWaiver {
        rule: finding.code.clone(),
        observed: format!("{}/{}: {}", finding.host, finding.component, finding.observed),
        reason: waived.reason.clone(),
        owner: waived.owner.clone(),
    })
}

/// How a host is reached and whom the session becomes there, in a line: what is kept on the host is that user's.
pub(super) fn reached(target: &Target) -> String {
    match &target.become_user {
        None => address(target),
        Some(BecomeUser { method, user, password: _ }) => format!("{}, as {user} by {method}", address(target)),
    }
}

fn address(target: &Target) -> String {
    match &target.kind {
        TargetKind::Local => "this machine".into(),
        TargetKind::Ssh(ssh) => {
            let user = ssh.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
            format!("{user}{}:{}", ssh.address, ssh.port.unwrap_or(22))
        }
    }
}

/// A run whose journal is being written.
pub(super) struct Recording {
    writer: Writer,
}

impl Recording {
    /// Notes that the run was asked to stop, or how it ended. Nothing depends on it, so what can't be written is only said.
    pub(super) async fn note(&self, record: Record) {
        if let Err(error) = self.writer.append(record).await {
            output::say(&format!("note: {}\n", printable(error.to_string())));
        }
    }

    /// Records how the run ended.
    pub(super) async fn end(&self, how: Ending, exit_code: u8) {
        self.note(Record::RunEnded { how, exit_code }).await;
    }
}

impl Recorder for Recording {
    async fn record(&self, event: &Event) -> Result<(), Unrecorded> {
        let Some(record) = Record::of(event) else { return Ok(()) };
        let unclean = || Unrecorded("it can't be written without showing a secret".into());
        let record = secrets::cleaned_value(record).ok_or_else(unclean)?;
        self.writer.append(record).await.map_err(|error| Unrecorded(error.to_string()))
    }
}
