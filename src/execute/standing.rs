//! Where a run stands: which hosts it has lost, whether its failure budget is used up, and what is down. Pure: decisions
//! from what has happened so far.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::HostName;
use crate::plan::{Action, ActionKind, InstanceId, Plan, Stage, StageKind, Track};

/// Whether so many failed hosts of so many use up a budget of `percentage` of a hundred. It is *reached* at that share, where
/// Ansible's is only exceeded beyond it: 0 is used up by the first host that fails.
#[must_use]
pub(super) fn is_used_up(percentage: u32, failed: usize, hosts: usize) -> bool {
    let allowed = hosts.saturating_mul(usize::try_from(percentage).unwrap_or(100));
    failed > 0 && failed.saturating_mul(100) >= allowed
}

/// One play, as far as failures go.
#[derive(Debug, Default)]
struct Play {
    hosts: BTreeSet<HostName>,
    lost: BTreeSet<HostName>,
    /// `max_fail_percentage`; without one the first failure ends the run after its stage.
    percentage: Option<u32>,
}

/// Where a run stands.
#[derive(Debug)]
pub(super) struct Standing {
    plays: BTreeMap<usize, Play>,
    /// The budget of the run as a whole: nothing more begins once so many hosts have failed.
    pub(super) max_failures: Option<u32>,
    /// Hosts that failed within a budget: the run goes on without them.
    left_out: BTreeSet<HostName>,
    /// The release at which the first of them failed: no later one begins.
    incomplete: Option<String>,
    /// Why no later stage begins.
    over: Option<String>,
    /// Whether nothing of the present stage begins either.
    exhausted: bool,
    /// What doesn't serve.
    down: BTreeSet<InstanceId>,
}

impl Standing {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut plays: BTreeMap<usize, Play> = BTreeMap::new();
        for instance in &plan.instances {
            let play = plays.entry(instance.play).or_default();
            play.hosts.insert(instance.host.clone());
            play.percentage = play.percentage.or(instance.rolling.max_fail_percentage);
        }
        for resource in &plan.resources {
            let play = plays.entry(resource.play).or_default();
            play.hosts.insert(resource.host.clone());
            play.percentage = play.percentage.or(resource.rolling.max_fail_percentage);
        }
        // What is started before it is stopped was found down.
        let first = |id: &InstanceId| {
            let moves = |a: &&Action| matches!(a.kind, ActionKind::Stop | ActionKind::Start { .. });
            plan.actions().filter(moves).find(|action| action.instance() == *id).map(|action| action.kind.clone())
        };
        let ids = plan.instances.iter().map(|instance| instance.id());
        let down = ids.filter(|id| matches!(first(id), Some(ActionKind::Start { .. }))).collect();
        let (max_failures, left_out, incomplete, over, exhausted) = Default::default();
        Self { plays, max_failures, left_out, incomplete, over, exhausted, down }
    }

    /// Takes notice that `action` failed in `stage`, or that its host was lost.
    pub(super) fn lose(&mut self, plan: &Plan, stage: &Stage, action: &Action) {
        // What a copy is for can't go on either, whichever of its two hosts failed.
        let hosts = BTreeSet::from([action.host.clone(), action.instance().host]);
        for instance in plan.instances.iter().filter(|instance| hosts.contains(&instance.host)) {
            if let Some(play) = self.plays.get_mut(&instance.play) {
                play.lost.insert(instance.host.clone());
            }
            // How it is left nobody knows, so it isn't counted on.
            self.down.insert(instance.id());
        }
        for resource in plan.resources.iter().filter(|resource| hosts.contains(&resource.host)) {
            if let Some(play) = self.plays.get_mut(&resource.play) {
                play.lost.insert(resource.host.clone());
            }
        }
        let of = plan.instance(&action.instance()).map(|instance| instance.play);
        let of = of.or_else(|| plan.resource(action).map(|resource| resource.play));
        let budgeted = of.and_then(|play| self.plays.get(&play)).is_some_and(|play| play.percentage.is_some());
        if stage.kind != StageKind::Independent || !budgeted {
            self.over.get_or_insert_with(|| "no later stage starts after a failure".to_owned());
            return;
        }
        self.left_out.extend(hosts);
        self.incomplete = self.incomplete.take().or_else(|| stage.release().map(|release| release.to_string()));
        if let Some(why) = self.used_up() {
            self.exhausted = true;
            self.over = Some(why);
        }
    }

    /// Which budget is used up, in words.
    fn used_up(&self) -> Option<String> {
        let of_a_play = |play: &Play| {
            let (percentage, lost, hosts) = (play.percentage?, play.lost.len(), play.hosts.len());
            is_used_up(percentage, lost, hosts)
                .then(|| format!("{lost} of {hosts} hosts of a play failed, and max_fail_percentage is {percentage}"))
        };
        let of_the_run = |most: u32| {
            let lost = self.left_out.len();
            (lost >= usize::try_from(most).unwrap_or(usize::MAX))
                .then(|| format!("{lost} host(s) of the run failed, and --max-failures is {most}"))
        };
        self.plays.values().find_map(of_a_play).or_else(|| of_the_run(self.max_failures?))
    }

    /// Why `stage` may not begin. Once it may not, nothing later may.
    pub(super) fn bars(&mut self, stage: &Stage) -> Option<&str> {
        if self.over.is_none() && !self.left_out.is_empty() {
            self.over = self.barred(stage);
        }
        self.over.as_deref()
    }

    /// What was lost within the budget may still keep a stage from beginning.
    fn barred(&self, stage: &Stage) -> Option<String> {
        let names = || self.left_out.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ");
        if let (Some(release), Some(next)) = (&self.incomplete, stage.release())
            && next.to_string() != *release
        {
            return Some(format!("{release} is not complete on {}, and no later release begins before it is", names()));
        }
        let involved = |action: &Action| {
            let hosts = action.must_be_stopped().iter().map(|id| &id.host);
            hosts.chain([&action.host]).any(|host| self.left_out.contains(host))
        };
        let together = stage.kind != StageKind::Independent
            || stage.actions().any(|action| action.must_be_stopped().iter().any(|id| id.host != action.host));
        if together && stage.actions().any(involved) {
            return Some(format!("{} takes part in a step that all its hosts take together", names()));
        }
        None
    }

    /// Whether a track may begin: its host was not lost before, and the budget isn't used up.
    pub(super) fn admits(&self, track: &Track) -> bool {
        !self.exhausted && !self.left_out.contains(&track.host)
    }

    /// Takes notice that something is stopped, whatever that leaves.
    pub(super) fn goes_down(&mut self, id: InstanceId) {
        self.down.insert(id);
    }

    /// Takes notice that something serves.
    pub(super) fn serves(&mut self, id: &InstanceId) {
        self.down.remove(id);
    }

    /// Lets something be stopped if enough serves without it.
    ///
    /// # Errors
    /// What must serve, and what is down already.
    pub(super) fn take_down(&mut self, plan: &Plan, id: InstanceId) -> Result<(), (String, String)> {
        if let Some(quorum) = plan.quorums.get(&id.component) {
            let others: Vec<String> = self
                .down
                .iter()
                .filter(|other| other.component == id.component && **other != id)
                .map(|other| other.host.to_string())
                .collect();
            if others.len() + 1 > quorum.spare() {
                let expected = format!("{} of {} {} serving without it", quorum.serving, quorum.of, id.component);
                let observed = match others.as_slice() {
                    [] => "none may be down".to_owned(),
                    down => format!("down, failed or lost already: {}", down.join(", ")),
                };
                return Err((expected, observed));
            }
        }
        self.goes_down(id);
        Ok(())
    }

    /// Hosts that the run went on without.
    pub(super) fn left_out(&self) -> BTreeSet<HostName> {
        self.left_out.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_budget_is_reached_at_its_share() {
        for (percentage, failed, hosts, used_up) in [
            (0, 0, 10, false),
            (0, 1, 10, true),
            (30, 2, 10, false),
            // Ansible would go on at exactly 30.
            (30, 3, 10, true),
            (34, 1, 3, false),
            (33, 1, 3, true),
            (100, 2, 3, false),
            (100, 3, 3, true),
        ] {
            assert_eq!(is_used_up(percentage, failed, hosts), used_up, "{failed} of {hosts}, {percentage}");
        }
    }

    proptest! {
        #[test]
        fn a_budget_is_never_used_up_without_a_failure_and_always_when_all_fail(
            percentage in 0u32..=100, hosts in 1usize..2000, failed in 0usize..2000,
        ) {
            prop_assert!(!is_used_up(percentage, 0, hosts));
            prop_assert!(is_used_up(percentage, hosts, hosts));
            // More failures never give any of it back, and a smaller budget is never used up later.
            if is_used_up(percentage, failed, hosts) {
                prop_assert!(is_used_up(percentage, failed + 1, hosts));
                prop_assert!(is_used_up(percentage.saturating_sub(1), failed, hosts));
            }
        }
    }
}
