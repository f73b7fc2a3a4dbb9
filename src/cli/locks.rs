//! A run's locks, and `converge lock show` and `converge lock break`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::error::CliError;
use super::exit::Exit;
use super::options::{Format, LockBreakArguments, LockShowArguments, Options};
use super::survey::{Subject, backup_hosts, questions_of};
use super::{context, machine, output};
use crate::execute::{Lease, LockNotes, Locks as _, NotLocked};
use crate::facts::{Query, facts_of};
use crate::gather::{Fleet, Sessions};
use crate::model::{HostName, RunId};
use crate::plan::{Plan, resource_state, state_of};
use crate::remote::{Claim, LockAnswer, LockAsk, LockKind, LockRecord};
use crate::report::{LockLine, held_text, locks_text, taken_over_text};
use crate::transport::AnyConnector;

/// How often a lock that somebody has is asked for again: a run takes minutes, and asking costs each host some milliseconds.
const WAIT_INTERVAL: Duration = Duration::from_secs(2);

/// The locks of a run over real connections.
pub(super) type RunLease = Lease<Fleet<AnyConnector>>;

/// Hosts that the cluster's lock may lie on, the first one that answers: in one order for every controller, whatever its
/// --limit.
fn anchors(subject: &Subject<'_>) -> Vec<HostName> {
    let all = subject.instances.iter().chain(subject.out_of_scope).map(|instance| instance.host.clone());
    let others = subject.resources.iter().map(|resource| resource.host.clone());
    all.chain(others).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Gets the locks for `plan`, waiting for them as long as the operator allows. `Err` is how the command ends; all is said.
pub(super) async fn acquire(
    options: &Options,
    fleet: &Arc<Fleet<AnyConnector>>,
    run: &RunId,
    plan: &Plan,
    subject: &Subject<'_>,
) -> Result<RunLease, Exit> {
    let claim = Claim {
        run: run.clone(),
        holder: machine::operator(),
        pid: std::process::id(),
        process: machine::this_process(),
        since: run.start(),
        ttl: options.lock_ttl,
    };
    let hosts: Vec<HostName> = plan.hosts().into_iter().collect();
    let end = Instant::now() + options.lock_wait;
    let mut waited = false;
    loop {
        match Lease::acquire(fleet, claim.clone(), &anchors(subject), &hosts, &is_gone).await {
            Ok((lease, notes)) => {
                say(&notes);
                return Ok(lease);
            }
            Err(NotLocked::Held(held)) if Instant::now() < end => {
                if !waited {
                    output::say(&held_text(&held));
                    output::say(&format!("waiting for it, {} s at most\n", options.lock_wait.as_secs()));
                }
                waited = true;
                sleep(WAIT_INTERVAL.min(end.saturating_duration_since(Instant::now()))).await;
            }
            Err(NotLocked::Held(held)) => {
                output::say(&held_text(&held));
                return Err(Exit::Locked);
            }
            Err(NotLocked::Unreachable { host, reason }) => {
                output::say(&format!("\n{host}: its lock can't be asked for: {reason}\n  nothing was changed\n"));
                return Err(Exit::Unreachable);
            }
            Err(NotLocked::Refused { host, reason }) => {
                output::say(&format!("\n{host}: its lock can't be had: {reason}\n  nothing was changed\n"));
                return Err(Exit::Error);
            }
        }
    }
}

/// Whether the holder was a process of this machine that is no more. Of other machines nothing is known.
fn is_gone(record: &LockRecord) -> bool {
    machine::is_gone(&record.process)
}

/// Who has the lock of a host, where that is another run at work.
pub(super) async fn held_by(fleet: &Arc<Fleet<AnyConnector>>, host: &HostName) -> Option<LockRecord> {
    match fleet.ask_lock(host, LockKind::Host, LockAsk::Show).await {
        Ok(LockAnswer::Shown(Some(record))) if record.holds() && !is_gone(&record) => Some(record),
        Ok(_) | Err(_) => None,
    }
}

fn say(notes: &LockNotes) {
    let LockNotes { before, anchors_away, anchor } = notes;
    for had in before {
        output::say(&taken_over_text(had));
    }
    for (host, reason) in anchors_away {
        output::say(&format!("{host}: the cluster's lock should lie here, and this host can't be asked: {reason}\n"));
    }
    match anchor {
        Some(anchor) if !anchors_away.is_empty() => {
            output::say(&format!(
                "the cluster's lock lies on {anchor} instead; the hosts' own locks keep overlapping runs apart\n"
            ));
        }
        Some(_) => {}
        None => output::say("no host can hold the cluster's lock; the hosts' own locks keep overlapping runs apart\n"),
    }
}

/// Whether all is still as the plan found it, now that nobody else may change it: the plan was made without the locks.
pub(super) async fn still_holds(fleet: &Arc<Fleet<AnyConnector>>, plan: &Plan) -> bool {
    let mut questions = questions_of(&plan.instances, &plan.resources);
    // One that only takes copies has no state that was planned on.
    for host in plan.hosts() {
        questions.entry(host).or_insert_with(|| vec![Query::Jobs]);
    }
    let facts = fleet.gather(questions).await;
    let mut holds = true;
    for instance in &plan.instances {
        let seen = facts_of(&facts, &instance.host);
        let (id, now) = (instance.id(), state_of(instance, &seen));
        let planned = plan.basis.get(&id).cloned().unwrap_or_default();
        if planned != now {
            output::say(&format!("  {id}: planned on: {planned}\n  {id}: found now:  {now}\n"));
            holds = false;
        }
    }
    for resource in &plan.resources {
        let (id, now) = (resource.id(), resource_state(resource, &facts_of(&facts, &resource.host)));
        let planned = plan.basis.get(&id).cloned().unwrap_or_default();
        if planned != now {
            output::say(&format!("  {id}: planned on: {planned}\n  {id}: found now:  {now}\n"));
            holds = false;
        }
    }
    for (host, seen) in &facts {
        for job in seen.jobs().known().into_iter().flat_map(|jobs| jobs.at_work()) {
            output::say(&format!("  {host}: {} of run {} is at work\n", crate::model::printable(&job.action), job.run));
            holds = false;
        }
    }
    holds
}

/// Every lock that concerns the inventory: the hosts' own, and the cluster's where it may lie.
async fn all_locks(
    fleet: &Arc<Fleet<AnyConnector>>,
    hosts: &BTreeSet<HostName>,
    anchors: &[HostName],
) -> Vec<LockLine> {
    let of_hosts = hosts.iter().map(|host| (LockKind::Host, host));
    let of_cluster = anchors.iter().take(3).map(|host| (LockKind::Cluster, host));
    let mut asking = JoinSet::new();
    for (kind, host) in of_cluster.chain(of_hosts) {
        let (fleet, host) = (Arc::clone(fleet), host.clone());
        asking.spawn(async move {
            let answer = match fleet.ask_lock(&host, kind, LockAsk::Show).await {
                Ok(LockAnswer::Shown(record)) => Ok(record),
                Ok(LockAnswer::Refused(reason)) | Err(reason) => Err(reason),
                Ok(_) => Err("the host answered something else than it was asked".to_owned()),
            };
            (kind, LockLine::new(host, kind, answer))
        });
    }
    let mut lines = Vec::new();
    while let Some(joined) = asking.join_next().await {
        lines.extend(joined.ok());
    }
    lines.sort_by(|(a, one), (b, two)| (a, &one.host).cmp(&(b, &two.host)));
    // Only the first host that answers is the anchor; the others matter where it was away when the lock was taken.
    let mut found = false;
    lines.retain(|(kind, line)| {
        let matters = *kind == LockKind::Host || !found || line.state == "held";
        found |= *kind == LockKind::Cluster && line.reason.is_none();
        matters
    });
    lines.into_iter().map(|(_, line)| line).collect()
}

async fn look(options: &Options, only: Option<&str>) -> Result<(Arc<Fleet<AnyConnector>>, Vec<LockLine>), CliError> {
    let context = context::load(options).await?;
    let fleet = context::fleet(options, context.targets.clone(), Sessions::Kept)?;
    let subject = context.subject(options);
    let named = |host: &HostName| only.is_none_or(|only| host.as_str() == only);
    let hosts: BTreeSet<HostName> = context
        .instances
        .iter()
        .map(|i| i.host.clone())
        .chain(context.resources.iter().map(|resource| resource.host.clone()))
        .chain(backup_hosts(&context.instances))
        .filter(named)
        .collect();
    let anchors: Vec<HostName> = anchors(&subject).into_iter().filter(named).collect();
    if hosts.is_empty() {
        return Err(CliError::Usage(format!("no component is declared on a host {}", only.unwrap_or_default())));
    }
    let lines = all_locks(&fleet, &hosts, &anchors).await;
    Ok((fleet, lines))
}

/// `converge lock show`.
pub(super) async fn show(options: &Options, arguments: &LockShowArguments) -> Result<Exit, CliError> {
    let (_, lines) = look(options, None).await?;
    match arguments.output {
        Format::Text => output::answer(&locks_text(&lines))?,
        Format::Json => output::answer_json(&lines)?,
    }
    Ok(if lines.iter().any(|line| line.reason.is_some()) { Exit::Unreachable } else { Exit::Ok })
}

/// `converge lock break`.
pub(super) async fn break_locks(options: &Options, arguments: &LockBreakArguments) -> Result<Exit, CliError> {
    if arguments.reason.trim().is_empty() {
        return Err(CliError::Usage("a lock is broken for a reason: say it with --reason".into()));
    }
    let (fleet, lines) = look(options, arguments.host.as_deref()).await?;
    let taken: Vec<&LockLine> = lines.iter().filter(|line| matches!(line.state, "held" | "expired")).collect();
    if taken.is_empty() {
        output::say(&locks_text(&lines));
        output::say("no lock is taken: there is nothing to break\n");
        return Ok(if lines.iter().any(|line| line.reason.is_some()) { Exit::Unreachable } else { Exit::Ok });
    }
    output::say(&locks_text(&lines));
    output::say("A run whose lock is broken can't begin anything more on that host. What it has begun goes on.\n");
    if !options.yes && machine::is_interactive() && !machine::ask("Break what is taken?") {
        output::progress("Nothing was changed.");
        return Ok(Exit::Declined);
    }
    let by = format!("{} at {}: {}", machine::operator(), machine::now(), arguments.reason);
    let mut exit = Exit::Ok;
    for line in taken {
        let kind = if line.lock == "cluster" { LockKind::Cluster } else { LockKind::Host };
        let generation = line.record.as_ref().map_or(0, |record| record.generation);
        let said = match fleet.ask_lock(&line.host, kind, LockAsk::Break(&by, generation)).await {
            Ok(LockAnswer::Broke(_)) => "broken".to_owned(),
            Ok(LockAnswer::Free) if line.record.as_ref().is_some_and(|record| record.user.is_some()) => {
                exit = Exit::Locked;
                "belongs to another user of the host, who alone can break it (ansible_user, ansible_become_user)"
                    .to_owned()
            }
            Ok(LockAnswer::Free) => "has changed hands meanwhile, and was left alone".to_owned(),
            Ok(LockAnswer::Refused(reason)) | Err(reason) => {
                exit = Exit::Unreachable;
                format!("can't be broken: {reason}")
            }
            Ok(_) => "the host answered something else than it was asked".to_owned(),
        };
        output::say(&format!("{}: {} lock: {said}\n", line.host, line.lock));
    }
    Ok(exit)
}
