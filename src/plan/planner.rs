//! The planner.
//!
//! Releases are taken in order, and each is complete on all hosts before the next begins. Within a
//! release, plays go in their order; instances that share an environment or a database move together
//! at the place of the first of them. Only what differs is done. What the pre-flight would refuse is
//! not planned: the caller runs it first.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, Plan, Quorum, Recovery, Stage, StageKind, Track};
use super::acts::{self, Move, Store};
use super::databases::Databases;
use super::full_stop::full_stop;
use super::group::group;
use super::judge::state_of;
use super::member::Member;
use super::resources::{self, resource_state};
use super::rolling::{batches, quorums, settling};
use crate::desired::{Instance, InstanceId, Phase, Resource, turns, waiting};
use crate::facts::{Database, HostFacts, facts_of};
use crate::model::HostName;
use crate::release::{Catalogue, Release};
use crate::resource::component::Rehearsal;

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Everything declared within the run's limits, in the order of plays and hosts.
    pub instances: &'a [Instance],
    /// Everything else that is declared within the run's limits, in the order of plays, tasks and hosts.
    pub resources: &'a [Resource],
    /// What was observed.
    pub facts: &'a BTreeMap<HostName, HostFacts>,
    /// What is known of products and their releases.
    pub catalogue: &'a Catalogue,
    /// Seconds that a major upgrade waits until no work runs; `None`: none may run when it begins.
    pub drain_timeout: Option<u32>,
    /// What people have to do by hand on the way of a major upgrade, as the pre-flight has found.
    pub manual_steps: &'a [String],
    /// What the run's limits leave out: it isn't looked at, and counts as serving.
    pub others: &'a [Instance],
}

impl<'a> Input<'a> {
    /// A plan of what differs, with nothing asked for beside it.
    #[must_use]
    pub fn new(instances: &'a [Instance], facts: &'a BTreeMap<HostName, HostFacts>, catalogue: &'a Catalogue) -> Self {
        Self { instances, resources: &[], facts, catalogue, drain_timeout: None, manual_steps: &[], others: &[] }
    }
}

/// Makes the plan.
#[must_use]
pub fn plan(input: &Input<'_>) -> Plan {
    let mut members: Vec<Member<'_>> = input.instances.iter().map(|instance| Member::new(instance, input)).collect();
    let used: Vec<Option<Database>> = members.iter().map(|member| member.database.clone()).collect();
    let groups = group(input.instances, &used);
    let mut databases = Databases::new(&members);
    let mut basis: BTreeMap<InstanceId, String> = members
        .iter()
        .map(|m| (m.instance.id(), state_of(m.instance, &facts_of(input.facts, &m.instance.host))))
        .collect();
    let of_resource = |one: &Resource| (one.id(), resource_state(one, &facts_of(input.facts, &one.host)));
    basis.extend(input.resources.iter().map(of_resource));
    let quorums = quorums(input);
    let turns = turns(input.resources, input.facts);
    let stages = resources::stages(Phase::Before, input.resources, &turns);
    let waiting = waiting(input.instances, input.resources, &turns, input.facts);
    if !waiting.is_empty() {
        let (instances, resources) = (input.instances.to_vec(), input.resources.to_vec());
        return Plan { instances, resources, basis, quorums, waiting, stages, recoveries: Vec::new(), mends: false };
    }
    let mut made = Made { stages, ..Made::default() };
    for release in releases(&members) {
        let rounds: Vec<Round> =
            groups.iter().filter_map(|group| round(&release, group, &members, &databases)).collect();
        let left: BTreeSet<Option<&str>> =
            rounds.iter().filter(|round| round.is_major).map(|round| round.product(&members)).collect();
        // Of a product that leaves its train, everything takes part: also what a killed run has brought there before.
        let (major, rounds): (Vec<Round>, Vec<Round>) = rounds.into_iter().partition(|round| {
            let product = round.product(&members);
            round.is_major || (product.is_some() && left.contains(&product))
        });
        for round in by_product(major, &members) {
            full_stop(&release, &round, &mut members, &mut databases, input, &mut made);
        }
        let mut rounds: Vec<Round> = rounds.into_iter().flat_map(|r| r.rolled(&members)).collect();
        rounds.sort_by_key(|round| round.play);
        let stages = stages_of(&release, &rounds, &mut members, &mut databases, input, &quorums);
        made.stages.extend(stages);
    }
    if let Some(stage) = thaw(&members) {
        made.stages.push(stage);
    }
    made.stages.extend(resources::stages(Phase::After, input.resources, &turns));
    let (instances, recoveries) = (input.instances.to_vec(), made.recoveries);
    let resources = input.resources.to_vec();
    Plan { instances, resources, basis, quorums, waiting, stages: made.stages, recoveries, mends: false }
}

/// What has been planned so far.
#[derive(Default)]
pub(super) struct Made {
    pub(super) stages: Vec<Stage>,
    pub(super) recoveries: Vec<Recovery>,
}

/// Every release at which something is to be done, in order.
fn releases(members: &[Member<'_>]) -> BTreeSet<Release> {
    let mut releases = BTreeSet::new();
    for member in members {
        // As the operator wrote it, where it is the declared one: a set keeps what it has.
        let declared = &member.instance.component.release;
        if member.restart.is_some() || member.hop(declared).is_some() {
            releases.insert(declared.clone());
        }
    }
    for member in members {
        releases.extend(member.targets().cloned());
        if member.behind {
            releases.extend(member.installed.clone());
        }
    }
    releases
}

/// What members that move together do at one release.
pub(super) struct Round {
    pub(super) play: usize,
    /// Members whose package moves.
    pub(super) installs: Vec<usize>,
    /// Databases to migrate, each with the member that does it.
    pub(super) migrations: Vec<(Database, usize)>,
    /// Members that must be stopped: they share an environment or a database with what changes.
    pub(super) affected: Vec<usize>,
    /// Members that are only started or restarted.
    pub(super) restarts: Vec<usize>,
    /// Whether it is one of several that take turns, so that something of the component always runs.
    takes_turns: bool,
    /// Whether it leaves the train.
    pub(super) is_major: bool,
}

impl Round {
    /// The product that it is about; one round has one, because its members share an environment or a database.
    fn product<'a>(&self, members: &[Member<'a>]) -> Option<&'a str> {
        self.affected.iter().chain(&self.restarts).find_map(|n| members[*n].product)
    }

    /// Where no database changes, the hosts of a round need not stop together: they take turns.
    fn rolled(self, members: &[Member<'_>]) -> Vec<Round> {
        let touched = || self.affected.iter().chain(&self.restarts).copied();
        let hosts: Vec<&HostName> = touched().map(|n| &members[n].instance.host).fold(Vec::new(), |mut hosts, host| {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
            hosts
        });
        if hosts.len() < 2 || !self.migrations.is_empty() {
            return vec![self];
        }
        let of_host = |numbers: &[usize], host: &HostName| -> Vec<usize> {
            numbers.iter().copied().filter(|n| members[*n].instance.host == *host).collect()
        };
        hosts
            .into_iter()
            .map(|host| Round {
                play: self.play,
                installs: of_host(&self.installs, host),
                migrations: Vec::new(),
                affected: of_host(&self.affected, host),
                restarts: of_host(&self.restarts, host),
                takes_turns: true,
                is_major: self.is_major,
            })
            .collect()
    }

    /// The environments that move, in the order of their first member.
    pub(super) fn moves<'m, 'a>(
        &self,
        release: &Release,
        members: &'m [Member<'a>],
        databases: &Databases<'a>,
    ) -> Vec<Move<'m, 'a>> {
        let mut venvs: Vec<(&HostName, &str)> = Vec::new();
        for number in &self.installs {
            let instance = members[*number].instance;
            let venv = (&instance.host, instance.component.venv.as_str());
            if !venvs.contains(&venv) {
                venvs.push(venv);
            }
        }
        let of = |numbers: &[usize], (host, venv): (&HostName, &str)| -> Vec<&'m Member<'a>> {
            let here = |m: &&Member<'_>| m.instance.host == *host && m.instance.component.venv == venv;
            numbers.iter().map(|n| &members[*n]).filter(here).collect()
        };
        let ids = |members: Vec<&Member<'_>>| members.iter().map(|member| member.instance.id()).collect();
        venvs
            .into_iter()
            .map(|venv| {
                let moving = of(&self.installs, venv);
                let keeps_schema = moving.iter().any(|member| databases.keeps(member, release));
                let here: Vec<usize> = self.migrations.iter().map(|(_, number)| *number).collect();
                let migrates = !of(&here, venv).is_empty();
                Move { moving, stopped: ids(of(&self.affected, venv)), keeps_schema, migrates }
            })
            .collect()
    }

    /// The databases that change, each with the member that migrates it; those of which too little is known lack.
    pub(super) fn stores<'m, 'a>(
        &'m self,
        release: &Release,
        members: &'m [Member<'a>],
        databases: &Databases<'a>,
        input: &Input<'_>,
    ) -> Vec<Store<'m, 'a>> {
        let store = |(database, number): &'m (Database, usize)| {
            let users = members.iter().filter(|member| member.database.as_ref() == Some(database));
            let users = users.map(|member| member.instance.id()).collect();
            let member = &members[*number];
            let facts = facts_of(input.facts, &member.instance.host);
            Store::of(release, member, database, users, &facts, databases)
        };
        self.migrations.iter().filter_map(store).collect()
    }
}

fn round<'a>(release: &Release, group: &[usize], members: &[Member<'a>], databases: &Databases<'a>) -> Option<Round> {
    let of_group = || group.iter().copied();
    let installs: Vec<usize> = of_group().filter(|n| members[*n].hop(release).is_some()).collect();
    let waits = |n: usize| members[n].is_behind_at(release);
    let moving = |n: usize| (waits(n) || installs.contains(&n)) && !databases.keeps(&members[n], release);
    let mut migrations: Vec<(Database, usize)> = Vec::new();
    for number in of_group().filter(|n| moving(*n)) {
        if let Some(database) = &members[number].database
            && !migrations.iter().any(|(known, _)| known == database)
        {
            migrations.push((database.clone(), number));
        }
    }
    let shares_venv = |n: usize| {
        let this = members[n].instance;
        installs
            .iter()
            .map(|i| members[*i].instance)
            .any(|i| i.host == this.host && i.component.venv == this.component.venv)
    };
    let shares_database = |n: usize| {
        members[n].database.as_ref().is_some_and(|mine| migrations.iter().any(|(database, _)| database == mine))
    };
    let affected: Vec<usize> = of_group().filter(|n| shares_venv(*n) || shares_database(*n) || waits(*n)).collect();
    let restarts: Vec<usize> = of_group()
        .filter(|n| !affected.contains(n))
        .filter(|n| members[*n].restart.is_some())
        .filter(|n| members[*n].instance.component.release == *release || members[*n].is_missed_at(release))
        .collect();
    let play = affected.iter().chain(&restarts).map(|n| members[*n].instance.play).min()?;
    let is_major = installs.iter().any(|n| members[*n].is_major(release));
    Some(Round { play, installs, migrations, affected, restarts, takes_turns: false, is_major })
}

/// Joins the rounds of each product, which a major upgrade stops as a whole: also what doesn't move itself.
fn by_product(rounds: Vec<Round>, members: &[Member<'_>]) -> Vec<Round> {
    let product_of = |round: &Round| round.product(members);
    let mut joined: Vec<Round> = Vec::new();
    for round in rounds {
        match joined.iter_mut().find(|other| product_of(other).is_some() && product_of(other) == product_of(&round)) {
            None => joined.push(round),
            Some(other) => {
                other.play = other.play.min(round.play);
                other.installs.extend(round.installs);
                for (database, number) in round.migrations {
                    if !other.migrations.iter().any(|(known, _)| *known == database) {
                        other.migrations.push((database, number));
                    }
                }
                other.affected.extend(round.affected);
                other.restarts.extend(round.restarts);
            }
        }
    }
    for round in &mut joined {
        let product = product_of(round);
        let family = (0..members.len()).filter(|n| product.is_some() && members[*n].product == product);
        let all: BTreeSet<usize> = round.affected.iter().chain(&round.restarts).copied().chain(family).collect();
        round.affected = all.into_iter().collect();
        round.restarts.clear();
        round.installs.sort_unstable();
    }
    joined
}

/// A freeze that a killed run left behind is undone when nothing else is to be done any more.
fn thaw(members: &[Member<'_>]) -> Option<Stage> {
    let frozen: Vec<&Member<'_>> = members.iter().filter(|member| member.frozen).collect();
    let release = frozen.iter().map(|member| member.instance.component.release.clone()).max()?;
    let why = "an earlier run left it frozen";
    let actions = frozen.iter().map(|m| acts::unfreeze(&release, m, "unfreeze", why.into())).collect();
    Some(stage(format!("{release}: unfreeze the cluster"), StageKind::Independent, actions))
}

/// A stage that nothing follows when it fails.
pub(super) fn stage(title: String, kind: StageKind, actions: Vec<Action>) -> Stage {
    Stage { title, kind, tracks: tracks_of(actions), notes: Vec::new(), recovery: None }
}

/// Turns the rounds of one release into stages and carries the members' state on.
fn stages_of<'a>(
    release: &Release,
    rounds: &[Round],
    members: &mut [Member<'a>],
    databases: &mut Databases<'a>,
    input: &Input<'_>,
    quorums: &BTreeMap<String, Quorum>,
) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut plays: BTreeMap<usize, Vec<&Round>> = BTreeMap::new();
    for round in rounds {
        plays.entry(round.play).or_default().push(round);
    }
    for rounds in plays.into_values() {
        let mut independent: Vec<Action> = Vec::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        for round in rounds {
            let steps = steps_of(release, round, members, databases, input);
            let actions = || steps.iter().flat_map(|step| &step.actions);
            let hosts: BTreeSet<HostName> = actions().map(|action| action.instance().host).collect();
            let copies = actions().any(|action| !hosts.contains(&action.host));
            if hosts.len() > 1 || copies {
                // What one host's components do while another takes copies is no step of several hosts.
                let kind = if hosts.len() > 1 { StageKind::FullStop } else { StageKind::Independent };
                let titled = |step: Step| (format!("{release}: {}", step.title), step.actions);
                let together = steps.into_iter().map(titled);
                let together: Vec<Stage> = together.map(|(title, actions)| stage(title, kind, actions)).collect();
                let all = together.iter().flat_map(|stage| &stage.tracks);
                let settling = settling(release, &format!("{release}: all"), kind, all, members);
                stages.extend(together);
                stages.extend(settling);
            } else if round.takes_turns {
                let actions: Vec<Action> = steps.into_iter().flat_map(|step| step.actions).collect();
                let stage = in_turn(release, actions);
                let settling = settling(release, &stage.title, stage.kind, &stage.tracks, members);
                stages.push(stage);
                stages.extend(settling);
            } else {
                names.extend(steps.iter().flat_map(|step| &step.actions).map(|action| action.component.clone()));
                independent.extend(steps.into_iter().flat_map(|step| step.actions));
            }
        }
        let names: Vec<String> = names.into_iter().collect();
        let title = format!("{release}: {}", names.join(", "));
        stages.extend(batches(release, &title, tracks_of(independent), members, quorums));
    }
    stages
}

/// A stage of one host, whose turn it is.
fn in_turn(release: &Release, actions: Vec<Action>) -> Stage {
    let names: BTreeSet<&str> = actions.iter().map(|action| action.component.as_str()).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let host = actions.first().map(|action| action.host.to_string()).unwrap_or_default();
    stage(format!("{release}: {names} on {host}"), StageKind::Independent, actions)
}

fn tracks_of(actions: Vec<Action>) -> Vec<Track> {
    let mut tracks: Vec<Track> = Vec::new();
    for action in actions {
        match tracks.iter_mut().find(|track| track.host == action.host) {
            Some(track) => track.actions.push(action),
            None => tracks.push(Track { host: action.host.clone(), actions: vec![action] }),
        }
    }
    tracks
}

/// Actions of a round that may go on at the same time on different hosts.
struct Step {
    title: String,
    actions: Vec<Action>,
}

/// The names of components, each once.
pub(super) fn names(numbers: &[usize], members: &[Member<'_>]) -> String {
    let names: BTreeSet<&str> = numbers.iter().map(|n| members[*n].instance.component.name.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn steps_of<'a>(
    release: &Release,
    round: &Round,
    members: &mut [Member<'a>],
    databases: &mut Databases<'a>,
    input: &Input<'_>,
) -> Vec<Step> {
    let touched: Vec<usize> = round.affected.iter().chain(&round.restarts).copied().collect();
    let mut steps = Vec::new();
    let mut push = |title: String, actions: Vec<Action>| {
        if !actions.is_empty() {
            steps.push(Step { title, actions });
        }
    };
    let staged: Vec<usize> = round.installs.iter().copied().filter(|n| members[*n].staged(release).is_some()).collect();
    let moves = round.moves(release, members, databases);
    let (beside, in_place): (Vec<&Move<'_, '_>>, Vec<&Move<'_, '_>>) =
        moves.iter().partition(|moved| moved.moving.iter().any(|member| member.staged(release).is_some()));
    push(
        format!("build the environment of {}", names(&staged, members)),
        beside.iter().filter_map(|moved| acts::stage(release, moved)).collect(),
    );
    let stores = round.stores(release, members, databases, input);
    for store in stores.iter().filter(|store| store.schema.rehearsal == Rehearsal::Always) {
        let target = store.member.staged(release);
        let rehearsal = target.map(|venv| store.rehearsal(release, &venv)).unwrap_or_default();
        push(format!("rehearse the migration of {}", store.member.instance.component.name), rehearsal);
    }

    // Later plays depend on earlier ones, so they stop first.
    let mut stopping: Vec<usize> = touched.iter().copied().filter(|n| members[*n].running).collect();
    stopping.sort_by_key(|n| std::cmp::Reverse(members[*n].instance.play));
    let stops = stopping.iter().map(|n| acts::stop(release, &members[*n], why_stop(release, *n, round, members)));
    push(format!("stop {}", names(&stopping, members)), stops.collect());

    let changes = in_place.iter().filter_map(|moved| acts::install(release, moved));
    let changes = changes.chain(beside.iter().filter_map(|moved| acts::switch(release, moved)));
    push(format!("install {}", names(&round.installs, members)), changes.collect());

    for store in &stores {
        let name = &store.member.instance.component.name;
        let (mut actions, copying) = (store.backups(release, &store.users), store.copying(release));
        if !copying.is_empty() {
            push(format!("back up the database of {name}"), std::mem::take(&mut actions));
            push(format!("copy the backup of {name}"), copying);
        }
        actions.push(store.migrate(release, &store.users));
        push(format!("migrate the database of {name}"), actions);
    }

    let starting = starting(release, &touched, round, members);
    let mut plays: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in &starting {
        plays.entry(members[*number].instance.play).or_default().push(*number);
    }
    for numbers in plays.into_values() {
        let starts = numbers.iter().map(|n| acts::start(release, &members[*n], round.installs.contains(n))).collect();
        push(format!("start {}", names(&numbers, members)), starts);
    }
    push(
        format!("tidy up after {}", names(&staged, members)),
        beside.iter().filter_map(|moved| acts::prune(release, moved)).collect(),
    );
    carry_on(release, &touched, &starting, round, members, databases);
    steps
}

fn why_stop(release: &Release, number: usize, round: &Round, members: &[Member<'_>]) -> String {
    match &members[number].restart {
        _ if round.installs.contains(&number) => format!("{release} is to be installed"),
        _ if !round.installs.is_empty() => format!("its environment or database moves to {release}"),
        _ if !round.migrations.is_empty() => "its database is behind the installed package".to_owned(),
        Some(reason) => reason.clone(),
        None => "it shares an environment or a database with what changes".to_owned(),
    }
}

/// Those of `touched` that are started at `release`. A member that is ahead of it waits: its database isn't there yet, and
/// it is touched again at its own.
pub(super) fn starting(release: &Release, touched: &[usize], round: &Round, members: &[Member<'_>]) -> Vec<usize> {
    let is_ready = |n: &usize| {
        let member = &members[*n];
        round.installs.contains(n) || (member.whole && member.installed.as_ref().is_some_and(|i| i <= release))
    };
    touched.iter().copied().filter(is_ready).collect()
}

/// Carries the members' state on over a round.
pub(super) fn carry_on<'a>(
    release: &Release,
    touched: &[usize],
    starting: &[usize],
    round: &Round,
    members: &mut [Member<'a>],
    databases: &mut Databases<'a>,
) {
    for (_, number) in &round.migrations {
        databases.brought(&members[*number], release);
    }
    for number in touched {
        let member = &mut members[*number];
        member.running = starting.contains(number);
        if !member.running {
            continue;
        }
        member.behind = false;
        member.restart = None;
        if round.installs.contains(number) {
            if let Some(target) = member.staged(release) {
                member.switched_to(target);
            }
            member.installed = Some(release.clone());
            member.whole = true;
        }
    }
}

/// The instances of these members.
pub(super) fn ids(numbers: &[usize], members: &[Member<'_>]) -> Vec<InstanceId> {
    numbers.iter().map(|n| members[*n].instance.id()).collect()
}
