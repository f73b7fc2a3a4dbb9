//! Plans for what tasks of the plain kinds declare: which actions, in which stages, and how each is judged.

use super::action::{Action, ActionKind, Plan, Stage, StageKind, Track, Undo};
use super::judge::{Confirmation, Readiness, World};
use super::planner::stage;
use crate::desired::{Phase, Resource, Turn};
use crate::facts::facts_of;
use crate::model::HostName;
use crate::resource::plain::Verdict;

/// The stages of one phase: play after play, and within a play batch by batch, each host going through its own tasks in
/// their order.
pub(super) fn stages(phase: Phase, resources: &[Resource], turns: &[Turn]) -> Vec<Stage> {
    let mut plays: Vec<usize> = resources.iter().map(|resource| resource.play).collect();
    plays.sort_unstable();
    plays.dedup();
    let mut stages = Vec::new();
    for play in plays {
        let of_play = || resources.iter().enumerate().filter(|(_, resource)| resource.play == play);
        let mut hosts: Vec<&HostName> = Vec::new();
        for (_, resource) in of_play() {
            if !hosts.contains(&&resource.host) {
                hosts.push(&resource.host);
            }
        }
        let mut tracks: Vec<Track> = Vec::new();
        for host in &hosts {
            let own = of_play().filter(|(_, resource)| resource.phase == phase && resource.host == **host);
            let actions: Vec<Action> =
                own.filter_map(|(number, resource)| action(number, resource, &turns[number])).collect();
            if !actions.is_empty() {
                tracks.push(Track { host: (*host).clone(), actions });
            }
        }
        let Some((_, first)) = of_play().next() else { continue };
        let sizes = match &first.rolling.serial {
            Some(serial) => serial.batches(tracks.len(), hosts.len()),
            None => vec![tracks.len()],
        };
        let count = sizes.len();
        for (number, size) in sizes.into_iter().enumerate() {
            let rest = tracks.split_off(size.min(tracks.len()));
            let batch = std::mem::replace(&mut tracks, rest);
            if batch.is_empty() {
                continue;
            }
            let part = if count == 1 { String::new() } else { format!(" ({} of {count})", number + 1) };
            let title = format!("{}: play {}{part}", word(phase), play + 1);
            stages.push(Stage { tracks: batch, ..stage(title, StageKind::Independent, Vec::new()) });
        }
    }
    stages
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Before => "prepare",
        Phase::Between => "components",
        Phase::After => "finish",
    }
}

fn action(number: usize, resource: &Resource, turn: &Turn) -> Option<Action> {
    let Turn::Act { changes, preview, relies_on } = turn else { return None };
    Some(Action {
        id: format!("{}/{}/{number}/apply", word(resource.phase), resource.host),
        host: resource.host.clone(),
        component: resource.name.clone(),
        why: why(resource),
        kind: ActionKind::Apply { changes: changes.clone(), preview: preview.clone(), relies_on: relies_on.clone() },
        ensures: "it is as declared".into(),
        undo: Undo::By("declare what was there before".into()),
        limit_seconds: resource.plain.limit_seconds(),
        if_interrupted: "it is as it was, or as declared; the next run looks".into(),
    })
}

fn why(resource: &Resource) -> String {
    let manner = &resource.manner;
    let tried = manner.retry.map(|retry| format!("tried up to {} times, {} s apart", retry.retries + 1, retry.delay));
    let ignored = manner.ignore_errors.then(|| "its failure is ignored".to_owned());
    let words: Vec<String> = tried.into_iter().chain(ignored).collect();
    let words = if words.is_empty() { String::new() } else { format!("; {}", words.join(", ")) };
    format!("{} (declared at {}{words})", resource.task, resource.declared_at)
}

/// Judges whether an `apply` may begin.
pub(super) fn ready(resource: &Resource, relies_on: Option<&str>, world: &World) -> Readiness {
    let mismatch = |expected: &str, observed: String| Readiness::Mismatch { expected: expected.to_owned(), observed };
    let facts = facts_of(world, &resource.host);
    if let Some(reason) = &facts.unreachable {
        return mismatch(&format!("to see {}", resource.host), reason.clone());
    }
    match resource.judge(&facts) {
        Verdict::InSync { state } => Readiness::AlreadyDone(state),
        Verdict::Differs(differs) => match relies_on {
            // Somebody else is at it: what would be replaced was never shown.
            Some(planned) if planned != differs.state => {
                mismatch(&format!("it as the plan found it: {planned}"), differs.state)
            }
            Some(_) | None => Readiness::Ready,
        },
        Verdict::Unknown(reason) => mismatch("to see what is there", reason),
        Verdict::Refused { observed, .. } => mismatch("something that converge may change", observed),
    }
}

/// Judges whether an `apply` has brought about what is declared.
pub(super) fn confirm(resource: &Resource, world: &World) -> Confirmation {
    let expected = format!("{} as declared", resource.name);
    match resource.judge(&facts_of(world, &resource.host)) {
        Verdict::InSync { state } => Confirmation::Done(state),
        Verdict::Differs(differs) => Confirmation::NotYet {
            expected,
            observed: format!("{}; still to change: {}", differs.state, differs.changes.join(", ")),
        },
        Verdict::Unknown(reason) => Confirmation::NotYet { expected, observed: format!("unknown: {reason}") },
        Verdict::Refused { observed, .. } => Confirmation::NotYet { expected, observed },
    }
}

/// The state of a resource in one line, as a plan relies on it.
#[must_use]
pub fn resource_state(resource: &Resource, facts: &crate::facts::HostFacts) -> String {
    resource.judge(facts).state()
}

impl Plan {
    /// What an action is about, where that is no component.
    #[must_use]
    pub fn resource(&self, action: &Action) -> Option<&Resource> {
        match action.kind {
            ActionKind::Apply { .. } => {
                self.resources.iter().find(|one| one.host == action.host && one.name == action.component)
            }
            _ => None,
        }
    }
}
