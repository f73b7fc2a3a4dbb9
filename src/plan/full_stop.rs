//! A major upgrade: everything of the product stops, changes, and starts again, a barrier after each step.
//!
//! What can fail without stopping anything comes first: the new environments are built and checked, and the migration is
//! rehearsed. Up to the migration, a failure takes the cluster back to where it was; from there on only a restore does,
//! which the plan names.

use std::collections::BTreeMap;

use super::action::{Action, Recovery, Stage, StageKind};
use super::acts::{self, Move, Store};
use super::databases::Databases;
use super::member::Member;
use super::planner::{Input, Made, Round, carry_on, ids, names, stage, starting};
use crate::desired::InstanceId;
use crate::facts::{CommandQuery, WorkQuery, facts_of};
use crate::model::HostName;
use crate::release::Release;
use crate::resource::component::{Rehearsal, work_query};

/// Plans one, and carries the members' state on.
pub(super) fn full_stop<'a>(
    release: &Release,
    round: &Round,
    members: &mut [Member<'a>],
    databases: &mut Databases<'a>,
    input: &Input<'_>,
    made: &mut Made,
) {
    let touched = round.affected.clone();
    let starting = starting(release, &touched, round, members);
    let (before, after) = {
        let major = Major { release, round, members, databases, input };
        let first = made.recoveries.len();
        made.recoveries.push(major.way_back());
        made.recoveries.push(major.restore());
        let before = major.until_migration().into_iter().map(|stage| recovered(stage, first));
        let after = major.once_migrating(&starting).into_iter().map(|stage| recovered(stage, first + 1));
        let mut stages: Vec<Stage> = major.preparation();
        stages.extend(before);
        if let Some(first) = stages.first_mut() {
            first.notes.extend(input.manual_steps.iter().map(|step| format!("by hand: {step}")));
        }
        let mut after: Vec<Stage> = after.collect();
        if let (Some(first), false) = (after.first_mut(), round.migrations.is_empty()) {
            first.notes.push(
                "POINT OF NO RETURN: until here a failure takes the cluster back to where it was; from here on only \
                 a restore of the backup does"
                    .to_owned(),
            );
        }
        after.extend(major.tidy());
        (stages, after)
    };
    made.stages.extend(before);
    made.stages.extend(after);
    carry_on(release, &touched, &starting, round, members, databases);
    for number in touched {
        members[number].frozen = false;
    }
}

fn recovered(stage: Stage, recovery: usize) -> Stage {
    Stage { recovery: Some(recovery), ..stage }
}

/// One major upgrade, before any of it.
struct Major<'m, 'a> {
    release: &'m Release,
    round: &'m Round,
    members: &'m [Member<'a>],
    databases: &'m Databases<'a>,
    input: &'m Input<'m>,
}

impl<'m, 'a> Major<'m, 'a> {
    fn stage(&self, title: &str, actions: Vec<Action>) -> Option<Stage> {
        let title = format!("{}: {title}", self.release);
        (!actions.is_empty()).then(|| stage(title, StageKind::Major, actions))
    }

    fn moves(&self) -> Vec<Move<'m, 'a>> {
        self.round.moves(self.release, self.members, self.databases)
    }

    fn stores(&self) -> Vec<Store<'m, 'a>> {
        self.round.stores(self.release, self.members, self.databases, self.input)
    }

    /// What is done while everything runs: a failure here leaves nothing behind that matters.
    fn preparation(&self) -> Vec<Stage> {
        let moves = self.moves();
        let built = moves.iter().filter_map(|moved| acts::stage(self.release, moved)).collect();
        let mut stages: Vec<Stage> = self.stage("build the new environments", built).into_iter().collect();
        let mut tried = Vec::new();
        for store in self.stores() {
            let wanted = matches!(store.schema.rehearsal, Rehearsal::Always | Rehearsal::Major);
            if let (true, Some(venv)) = (wanted, store.member.staged(self.release)) {
                tried.extend(store.rehearsal(self.release, &venv));
            }
        }
        stages.extend(self.stage("rehearse the migration on a copy", tried));
        stages
    }

    /// From the freeze to the switch.
    fn until_migration(&self) -> Vec<Stage> {
        let (release, members) = (self.release, self.members);
        let mut stages = Vec::new();
        let frozen = self.freezers().into_iter().map(|member| acts::freeze(release, member)).collect();
        stages.extend(self.stage("freeze the cluster", frozen));
        stages.extend(self.stage("wait until no work runs", self.drain().into_iter().collect()));
        for numbers in self.plays(&self.round.affected).into_values().rev() {
            let running: Vec<usize> = numbers.into_iter().filter(|n| members[*n].running).collect();
            let why = |n: &usize| match self.round.installs.contains(n) {
                true => format!("{release} is to be installed"),
                false => format!("the whole cluster stops for {release}"),
            };
            let stops = running.iter().map(|n| acts::stop(release, &members[*n], why(n))).collect();
            stages.extend(self.stage(&format!("stop {}", names(&running, members)), stops));
        }
        let all = ids(&self.round.affected, members);
        let backups = self.stores().iter().flat_map(|store| store.backups(release, &all)).collect();
        stages.extend(self.stage("back up", backups));
        let copying = self.stores().iter().flat_map(|store| store.copying(release)).collect();
        stages.extend(self.stage("copy the backups", copying));
        let switches = self.moves().iter().filter_map(|moved| acts::switch(release, &whole(moved, &all))).collect();
        stages.extend(self.stage("switch every environment", switches));
        stages
    }

    /// From the migration to the end.
    fn once_migrating(&self, starting: &[usize]) -> Vec<Stage> {
        let (release, members) = (self.release, self.members);
        let all = ids(&self.round.affected, members);
        let mut stages = Vec::new();
        let migrations = self.stores().iter().map(|store| store.migrate(release, &all)).collect();
        stages.extend(self.stage("migrate", migrations));
        for numbers in self.plays(starting).into_values() {
            let moved = |n: &usize| self.round.installs.contains(n);
            let starts = numbers.iter().map(|n| acts::start(release, &members[*n], moved(n))).collect();
            stages.extend(self.stage(&format!("start {}", names(&numbers, members)), starts));
        }
        let why = format!("the cluster runs {release}");
        stages.extend(self.unfreeze("unfreeze", &why));
        stages
    }

    /// What is left over when all is well.
    fn tidy(&self) -> Option<Stage> {
        let pruned = self.moves().iter().filter_map(|moved| acts::prune(self.release, moved)).collect();
        self.stage("tidy up", pruned)
    }

    fn unfreeze(&self, verb: &str, why: &str) -> Option<Stage> {
        let thawed =
            self.freezers().into_iter().map(|m| acts::unfreeze(self.release, m, verb, why.to_owned())).collect();
        self.stage("unfreeze the cluster", thawed)
    }

    /// Back to what ran before, as long as no schema has changed.
    fn way_back(&self) -> Recovery {
        let (release, members) = (self.release, self.members);
        let mut stages = Vec::new();
        // Whoever goes back needs nobody else to be stopped: a host that can't be reached must not keep the rest.
        let switches = self.moves().iter().filter_map(|moved| acts::switch_back(release, moved)).collect();
        stages.extend(self.stage("switch every environment back", switches));
        let ran: Vec<usize> = self.round.affected.iter().copied().filter(|n| members[*n].running).collect();
        for numbers in self.plays(&ran).into_values() {
            let start = |n: &usize| {
                let member = &members[*n];
                Some(acts::start_back(release, member, member.installed.clone()?))
            };
            let starts = numbers.iter().filter_map(start).collect();
            stages.extend(self.stage(&format!("start {} again", names(&numbers, members)), starts));
        }
        stages.extend(self.unfreeze("unfreeze-back", "the upgrade is given up"));
        let from = self.round.installs.first().and_then(|n| members[*n].installed.clone());
        let title = from.map_or_else(|| "back to where it was".to_owned(), |from| format!("back to {from}"));
        Recovery { title, takes_back: true, stages, advice: Vec::new() }
    }

    /// What only people can decide: forward, or back by the restore.
    fn restore(&self) -> Recovery {
        let (release, members) = (self.release, self.members);
        let stores = self.stores();
        let forward = match stores.iter().any(|store| store.migration.upstream.is_some()) {
            false => format!(
                "forward: mend the cause, then run converge --major again: it goes on to {release} from what is there"
            ),
            true => format!(
                "forward: only where the output says \"rolled back\" or \"refused\": declare `left_out: converge`, then run \
                 converge --major again: it goes on to {release} from what is there"
            ),
        };
        let mut advice = vec![forward];
        for store in stores {
            let host = &store.member.instance.host;
            advice.extend(store.access().map(|access| format!("back, on {host}: first {access}")));
            advice.push(format!("back, on {host}: {}", store.restore(release)));
            advice.extend(store.copy_advice(release));
        }
        for moved in self.moves() {
            let Some(member) = moved.moving.first() else { continue };
            let (host, venv) = (&member.instance.host, &member.instance.component.venv);
            advice.push(format!("back, on {host}: ln -sfn {} {venv}", member.way_back()));
        }
        let from = self.round.installs.first().and_then(|n| members[*n].installed.clone());
        if let Some(from) = from {
            advice.push(format!("then declare \"{from}\" again, and converge starts what is stopped"));
        }
        let stages = self.unfreeze("unfreeze-after", "a failed upgrade leaves nothing frozen").into_iter().collect();
        Recovery { title: "unfreeze; the way back is a restore".to_owned(), takes_back: false, stages, advice }
    }

    /// One member of each component that can freeze: the state that it sets is the cluster's.
    fn freezers(&self) -> Vec<&'m Member<'a>> {
        let mut found: Vec<&'m Member<'a>> = Vec::new();
        for number in &self.round.affected {
            let member = &self.members[*number];
            let component = &member.instance.component;
            let known = found.iter().any(|other| other.instance.component.name == component.name);
            if component.freeze.is_some() && (!known || member.frozen) {
                found.push(member);
            }
        }
        found
    }

    fn drain(&self) -> Option<Action> {
        let timeout = self.input.drain_timeout?;
        let mut counts: Vec<(HostName, WorkQuery)> = Vec::new();
        let mut lists: Vec<(HostName, CommandQuery)> = Vec::new();
        for number in &self.round.affected {
            let instance = self.members[*number].instance;
            let facts = facts_of(self.input.facts, &instance.host);
            if facts.unreachable.is_none() {
                // One witness that counts is enough: all managers look at one table.
                let count = work_query(&instance.component, self.input.catalogue).filter(|_| counts.is_empty());
                counts.extend(count.map(|query| (instance.host.clone(), query)));
                lists.extend(instance.component.workloads_query().map(|query| (instance.host.clone(), query)));
            }
        }
        let host = counts.first().map(|(host, _)| host).or(lists.first().map(|(host, _)| host))?;
        let waiting = self.round.affected.iter().map(|n| &self.members[*n]).find(|m| m.instance.host == *host)?;
        Some(acts::drain(self.release, waiting, counts, lists, timeout))
    }

    /// Members by play, in the order of plays.
    fn plays(&self, numbers: &[usize]) -> BTreeMap<usize, Vec<usize>> {
        let mut plays: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for number in numbers {
            plays.entry(self.members[*number].instance.play).or_default().push(*number);
        }
        plays
    }
}

/// A move for which not only what runs from the environment has to be stopped, but everything.
fn whole<'m, 'a>(moved: &Move<'m, 'a>, all: &[InstanceId]) -> Move<'m, 'a> {
    Move {
        moving: moved.moving.clone(),
        stopped: all.to_vec(),
        keeps_schema: moved.keeps_schema,
        migrates: moved.migrates,
    }
}
