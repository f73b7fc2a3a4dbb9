//! The planner.
//!
//! Releases are taken in order, and each is complete on all hosts before the next begins. Within a
//! release, plays go in their order; instances that share an environment or a database move together
//! at the place of the first of them. Only what differs is done. What the pre-flight would refuse is
//! not planned: the caller runs it first.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, ActionKind, PackageMove, Plan, Stage, StageKind, Track, Undo};
use super::group::group;
use super::judge::state_of;
use crate::desired::{Instance, InstanceId};
use crate::facts::{Database, DatabaseKind, HostFacts, Observed, facts_of, normalize_name};
use crate::model::{HostName, Timestamp};
use crate::release::{Catalogue, Release, SchemaState};
use crate::resource::component::{
    Assessment, Cause, Installed, PlannedPath, Running, SchemaStep, assess, path_of, schema_steps,
};

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Everything declared within the run's limits, in the order of plays and hosts.
    pub instances: &'a [Instance],
    /// What was observed.
    pub facts: &'a BTreeMap<HostName, HostFacts>,
    /// What is known of products and their releases.
    pub catalogue: &'a Catalogue,
}

/// What the planner knows of an instance while it goes through the releases.
struct Member<'a> {
    instance: &'a Instance,
    assessment: Assessment,
    hops: Vec<Release>,
    /// What they do to the schema, as far as their packages were read.
    schema_steps: Vec<SchemaStep>,
    database: Option<Database>,
    /// Whether something of it runs at this point of the plan.
    running: bool,
    /// The release that is installed at this point of the plan.
    installed: Option<Release>,
    /// Whether its package is whole at this point of the plan; only then can it be started.
    whole: bool,
    /// Whether the database is behind what is installed at this point of the plan.
    behind: bool,
    /// Whether an earlier hop of the plan has migrated its database, so that the observed rows no longer hold.
    migrated: bool,
    /// Whether its process must be restarted or started for a reason of its own.
    restart: Option<String>,
}

impl Member<'_> {
    fn schema_step(&self, release: &Release) -> Option<&SchemaStep> {
        self.schema_steps.iter().find(|step| step.to == *release)
    }

    /// Whether it is known that `release` leaves the schema as it is.
    fn keeps_schema(&self, release: &Release) -> bool {
        self.schema_step(release).is_some_and(SchemaStep::changes_nothing)
    }

    /// What alembic will run at `release`, in its order, with the first line of each revision.
    fn pending(&self, release: &Release) -> String {
        let known = self.schema_step(release).and_then(|step| step.preview.known());
        let (behind, pending) =
            (self.behind && self.installed.as_ref() == Some(release), known.map(|seen| &seen.pending));
        match (behind, pending) {
            (false, Some(pending)) if !pending.is_empty() => {
                let listed: Vec<String> = pending.iter().map(ToString::to_string).collect();
                format!("{} revision(s) are pending: {}", pending.len(), listed.join("; "))
            }
            (true, _) => "the database is behind the installed package".to_owned(),
            (false, _) => format!("the package's head at {release} may be ahead of the database"),
        }
    }
}

/// Makes the plan.
#[must_use]
pub fn plan(input: &Input<'_>) -> Plan {
    let mut members: Vec<Member<'_>> = input.instances.iter().map(|instance| member(instance, input)).collect();
    let databases: Vec<Option<Database>> = members.iter().map(|member| member.database.clone()).collect();
    let groups = group(input.instances, &databases);
    let basis = members
        .iter()
        .map(|m| (m.instance.id(), state_of(m.instance, &facts_of(input.facts, &m.instance.host))))
        .collect();
    let mut stages = Vec::new();
    for release in releases(&members) {
        let mut rounds: Vec<Round> = groups
            .iter()
            .filter_map(|group| round(&release, group, &members))
            .flat_map(|r| r.rolled(&members))
            .collect();
        rounds.sort_by_key(|round| round.play);
        stages.extend(stages_of(&release, &rounds, &mut members, input));
    }
    Plan { instances: input.instances.to_vec(), basis, stages }
}

fn member<'a>(instance: &'a Instance, input: &Input<'_>) -> Member<'a> {
    let facts = facts_of(input.facts, &instance.host);
    let assessment = assess(&instance.component, &facts);
    let planned = match path_of(&instance.component, &assessment, &facts, input.catalogue) {
        PlannedPath::Hops(hops) => hops,
        PlannedPath::Refused(_) | PlannedPath::Unknown(_) => Vec::new(),
    };
    let schema_steps = schema_steps(&instance.component, &planned, &facts);
    let hops = planned.into_iter().map(|hop| hop.to).collect();
    let schema = instance.component.schema_fact(&facts);
    let database = schema.and_then(|fact| fact.known().map(|known| known.database.clone()));
    let behind = matches!(assessment.schema, Some(Observed::Known(SchemaState::Behind { .. })));
    let whole = match &assessment.installed {
        Installed::Release(_) => true,
        Installed::Interrupted { whole, .. } => whole.is_some(),
        Installed::Nothing | Installed::NoVenv | Installed::Unknown(_) => false,
    };
    let process_reasons: Vec<String> = assessment
        .differences
        .iter()
        .filter(|difference| match difference.cause() {
            Cause::Package | Cause::Schema => false,
            Cause::ProcessStopped | Cause::ProcessStale | Cause::ProcessForeign | Cause::Health => true,
        })
        .map(ToString::to_string)
        .collect();
    Member {
        instance,
        hops,
        schema_steps,
        database,
        running: !assessment.running.is_stopped(),
        installed: assessment.installed.start_of_path().cloned(),
        whole,
        behind: behind && whole,
        migrated: false,
        restart: (!process_reasons.is_empty()).then(|| process_reasons.join("; ")),
        assessment,
    }
}

/// Every release at which something is to be done, in order.
fn releases(members: &[Member<'_>]) -> BTreeSet<Release> {
    let mut releases = BTreeSet::new();
    for member in members {
        // As the operator wrote it, where it is the declared one: a set keeps what it has.
        if member.restart.is_some() || member.hops.contains(&member.instance.component.release) {
            releases.insert(member.instance.component.release.clone());
        }
    }
    for member in members {
        releases.extend(member.hops.iter().cloned());
        if member.behind {
            releases.extend(member.installed.clone());
        }
    }
    releases
}

/// What one group does at one release.
struct Round {
    play: usize,
    /// Members whose package moves.
    installs: Vec<usize>,
    /// Databases to migrate, each with the member that does it.
    migrations: Vec<(Database, usize)>,
    /// Members that must be stopped: they share an environment or a database with what changes.
    affected: Vec<usize>,
    /// Members that are only started or restarted.
    restarts: Vec<usize>,
    /// Whether it is one of several that take turns, so that something of the component always runs.
    takes_turns: bool,
}

impl Round {
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
            })
            .collect()
    }
}

fn round(release: &Release, group: &[usize], members: &[Member<'_>]) -> Option<Round> {
    let of_group = || group.iter().copied();
    let installs: Vec<usize> = of_group().filter(|n| members[*n].hops.contains(release)).collect();
    let behind = |n: usize| members[n].behind && members[n].installed.as_ref() == Some(release);
    let moving = |n: usize| behind(n) || (installs.contains(&n) && !members[n].keeps_schema(release));
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
    let affected: Vec<usize> = of_group().filter(|n| shares_venv(*n) || shares_database(*n)).collect();
    let restarts: Vec<usize> = of_group()
        .filter(|n| !affected.contains(n))
        .filter(|n| members[*n].restart.is_some() && members[*n].instance.component.release == *release)
        .collect();
    let play = affected.iter().chain(&restarts).map(|n| members[*n].instance.play).min()?;
    Some(Round { play, installs, migrations, affected, restarts, takes_turns: false })
}

/// Turns the rounds of one release into stages and carries the members' state on.
fn stages_of(release: &Release, rounds: &[Round], members: &mut [Member<'_>], input: &Input<'_>) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut plays: BTreeMap<usize, Vec<&Round>> = BTreeMap::new();
    for round in rounds {
        plays.entry(round.play).or_default().push(round);
    }
    for rounds in plays.into_values() {
        let mut independent: Vec<Track> = Vec::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        for round in rounds {
            let steps = steps_of(release, round, members, input);
            let hosts: BTreeSet<&HostName> =
                steps.iter().flat_map(|step| &step.actions).map(|action| &action.host).collect();
            if hosts.len() > 1 {
                stages.extend(steps.into_iter().map(|step| Stage {
                    title: format!("{release}: {}", step.title),
                    kind: StageKind::FullStop,
                    tracks: tracks_of(step.actions),
                }));
            } else if round.takes_turns {
                let actions: Vec<Action> = steps.into_iter().flat_map(|step| step.actions).collect();
                stages.push(in_turn(release, actions));
            } else {
                names.extend(steps.iter().flat_map(|step| &step.actions).map(|action| action.component.clone()));
                independent = tracks_of(
                    independent
                        .into_iter()
                        .flat_map(|track| track.actions)
                        .chain(steps.into_iter().flat_map(|step| step.actions))
                        .collect(),
                );
            }
        }
        let names: Vec<String> = names.into_iter().collect();
        stages.extend(batches(format!("{release}: {}", names.join(", ")), independent, members));
    }
    stages
}

/// The stages of hosts that don't depend on each other: as many at a time as the play of the first of them says.
fn batches(title: String, mut tracks: Vec<Track>, members: &[Member<'_>]) -> Vec<Stage> {
    let Some(first) = tracks.first().and_then(|track| track.actions.first()) else { return Vec::new() };
    let member = members.iter().find(|member| member.instance.id() == first.instance());
    let at_a_time = member.and_then(|member| member.instance.batch.as_ref()).map(|batch| batch.hosts.get());
    let size = at_a_time.and_then(|hosts| usize::try_from(hosts).ok()).unwrap_or(tracks.len());
    let count = tracks.len().div_ceil(size);
    let mut stages = Vec::with_capacity(count);
    for number in 1..=count {
        let rest = tracks.split_off(size.min(tracks.len()));
        let title = if count == 1 { title.clone() } else { format!("{title} ({number} of {count})") };
        stages.push(Stage { title, kind: StageKind::Independent, tracks: std::mem::replace(&mut tracks, rest) });
    }
    stages
}

/// A stage of one host, whose turn it is.
fn in_turn(release: &Release, actions: Vec<Action>) -> Stage {
    let names: BTreeSet<&str> = actions.iter().map(|action| action.component.as_str()).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let host = actions.first().map(|action| action.host.to_string()).unwrap_or_default();
    Stage { title: format!("{release}: {names} on {host}"), kind: StageKind::Independent, tracks: tracks_of(actions) }
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

fn steps_of(release: &Release, round: &Round, members: &mut [Member<'_>], input: &Input<'_>) -> Vec<Step> {
    let touched: Vec<usize> = round.affected.iter().chain(&round.restarts).copied().collect();
    let mut steps = Vec::new();
    let mut push = |title: String, actions: Vec<Action>| {
        if !actions.is_empty() {
            steps.push(Step { title, actions });
        }
    };
    let names = |numbers: &[usize], members: &[Member<'_>]| {
        let names: BTreeSet<String> = numbers.iter().map(|n| members[*n].instance.component.name.clone()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };

    // Later plays depend on earlier ones, so they stop first.
    let mut stopping: Vec<usize> = touched.iter().copied().filter(|n| members[*n].running).collect();
    stopping.sort_by_key(|n| std::cmp::Reverse(members[*n].instance.play));
    let stops = stopping.iter().map(|n| stop(release, &members[*n], round, round.installs.contains(n))).collect();
    push(format!("stop {}", names(&stopping, members)), stops);

    let mut venvs: Vec<(HostName, String)> = Vec::new();
    for number in &round.installs {
        let instance = members[*number].instance;
        let venv = (instance.host.clone(), instance.component.venv.clone());
        if !venvs.contains(&venv) {
            venvs.push(venv);
        }
    }
    let installs = venvs.iter().map(|(host, venv)| install(release, host, venv, round, members)).collect();
    push(format!("install {}", names(&round.installs, members)), installs);

    for (database, number) in &round.migrations {
        let users: Vec<InstanceId> = members
            .iter()
            .filter(|member| member.database.as_ref() == Some(database))
            .map(|member| member.instance.id())
            .collect();
        let actions = migrate(release, &members[*number], database, users, input);
        push(format!("migrate the database of {}", members[*number].instance.component.name), actions);
    }

    // A member that is ahead of this release waits: its database isn't there yet. It is touched again at its own.
    let starting: Vec<usize> = touched
        .iter()
        .copied()
        .filter(|n| {
            let member = &members[*n];
            round.installs.contains(n) || (member.whole && member.installed.as_ref().is_some_and(|i| i <= release))
        })
        .collect();
    let mut plays: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in &starting {
        plays.entry(members[*number].instance.play).or_default().push(*number);
    }
    for numbers in plays.into_values() {
        let starts = numbers.iter().map(|n| start(release, &members[*n], round.installs.contains(n))).collect();
        push(format!("start {}", names(&numbers, members)), starts);
    }

    for number in touched {
        let member = &mut members[number];
        member.migrated |= member.database.as_ref().is_some_and(|d| round.migrations.iter().any(|(m, _)| m == d));
        member.running = starting.contains(&number);
        if !member.running {
            continue;
        }
        member.behind = false;
        member.restart = None;
        if round.installs.contains(&number) {
            member.installed = Some(release.clone());
            member.whole = true;
        }
    }
    steps
}

fn id(release: &Release, member: &Member<'_>, verb: &str) -> String {
    format!("{release}/{}/{}/{verb}", member.instance.host, member.instance.component.name)
}

fn stop(release: &Release, member: &Member<'_>, round: &Round, moves: bool) -> Action {
    let process = &member.instance.component.process;
    let why = match &member.restart {
        _ if moves => format!("{release} is to be installed"),
        _ if !round.installs.is_empty() => format!("its environment or database moves to {release}"),
        _ if !round.migrations.is_empty() => "its database is behind the installed package".to_owned(),
        Some(reason) => reason.clone(),
        None => "it shares an environment or a database with what changes".to_owned(),
    };
    Action {
        id: id(release, member, "stop"),
        host: member.instance.host.clone(),
        component: member.instance.component.name.clone(),
        kind: ActionKind::Stop,
        why,
        ensures: "no process of it is left".into(),
        undo: Undo::By("start it".into()),
        // The wait is bounded on the host; half a minute more covers what surrounds it.
        limit_seconds: process.stop_timeout + 30,
        if_interrupted: "it is stopped or still running; the next run looks".into(),
    }
}

/// Downloading and unpacking 400 MB of wheels over a slow line takes minutes; half an hour is a hang.
const INSTALL_SECONDS: u32 = 1800;

fn install(release: &Release, host: &HostName, venv: &str, round: &Round, members: &[Member<'_>]) -> Action {
    let here = |n: &&usize| {
        let instance = members[**n].instance;
        instance.host == *host && instance.component.venv == venv
    };
    let moving: Vec<&Member<'_>> = round.installs.iter().filter(here).map(|n| &members[*n]).collect();
    let mut packages: Vec<PackageMove> = Vec::new();
    for member in &moving {
        let package = &member.instance.component.package;
        if !packages.iter().any(|known| normalize_name(&known.package) == normalize_name(package)) {
            let from = member.installed.clone().filter(|_| member.whole);
            packages.push(PackageMove { package: package.clone(), from, to: release.clone() });
        }
    }
    let stopped = round.affected.iter().filter(here).map(|n| members[*n].instance.id()).collect();
    let first = moving.first().map_or("?", |member| member.instance.component.name.as_str());
    let last_hop = moving.iter().all(|member| member.instance.component.release == *release);
    let mut why = if last_hop {
        format!("{release} is declared")
    } else {
        format!("{release} lies between what is installed and what is declared, and no patch is skipped")
    };
    if moving.iter().any(|member| member.keeps_schema(release)) {
        why.push_str("; its package brings no revision: the schema stays as it is");
    }
    Action {
        id: format!("{release}/{host}/{first}/install"),
        host: host.clone(),
        component: first.to_owned(),
        kind: ActionKind::Install { venv: venv.to_owned(), packages, stopped },
        why,
        ensures: "the release is installed whole, and pip check finds nothing broken".into(),
        undo: Undo::By("install the release before".into()),
        limit_seconds: INSTALL_SECONDS,
        if_interrupted: "a half-done install, which the next run recognises and completes".into(),
    }
}

fn migrate(
    release: &Release,
    member: &Member<'_>,
    database: &Database,
    users: Vec<InstanceId>,
    input: &Input<'_>,
) -> Vec<Action> {
    let component = &member.instance.component;
    let facts = facts_of(input.facts, &member.instance.host);
    let (Some(schema), Some(Observed::Known(fact))) = (&component.schema, component.schema_fact(&facts)) else {
        return Vec::new();
    };
    let extension = match database.kind {
        DatabaseKind::Postgresql => "dump",
        DatabaseKind::Sqlite => "sqlite",
    };
    let directory = schema.backup.as_deref().unwrap_or("/nonexistent");
    let file = format!("{directory}/{}-before-{release}-{}.{extension}", fact.name, compact(facts.observed_at));
    let restore = match database.kind {
        DatabaseKind::Postgresql => format!("pg_restore --clean --if-exists --dbname={} {file}", fact.name),
        DatabaseKind::Sqlite => format!("cp {file} over the database file"),
    };
    let rows = (!member.migrated).then(|| fact.rows.clone());
    let action = |verb: &str, kind, why: String, ensures: &str, undo, interrupted: &str| Action {
        id: id(release, member, verb),
        host: member.instance.host.clone(),
        component: component.name.clone(),
        kind,
        why,
        ensures: ensures.into(),
        undo,
        limit_seconds: schema.timeout,
        if_interrupted: interrupted.into(),
    };
    vec![
        action(
            "backup",
            ActionKind::Backup { database: database.clone(), file: file.clone(), rows, stopped: users.clone() },
            "no schema changes without a backup".into(),
            "the backup is there and can be read",
            Undo::Nothing,
            "an unfinished file that ends in .part and is never taken for a backup",
        ),
        action(
            "migrate",
            ActionKind::Migrate { database: database.clone(), backup: file, stopped: users },
            member.pending(release),
            "the database holds one revision, the package's head",
            Undo::Restore(restore),
            "alembic runs a migration in a transaction: the old schema, or the new one",
        ),
    ]
}

/// `20261122T172006Z`: sorts by time, and names a file on any system.
fn compact(time: Timestamp) -> String {
    time.to_string().chars().filter(|c| c.is_ascii_alphanumeric()).collect()
}

fn start(release: &Release, member: &Member<'_>, moved: bool) -> Action {
    let component = &member.instance.component;
    let running = if moved { release.clone() } else { member.installed.clone().unwrap_or_else(|| release.clone()) };
    let why = match (&member.restart, &member.assessment.running) {
        _ if moved => format!("{release} was installed"),
        (Some(reason), Running::Stopped { .. } | Running::Running { .. } | Running::Unknown(_)) => reason.clone(),
        (None, Running::Stopped { .. } | Running::Running { .. } | Running::Unknown(_)) => {
            "it was stopped for what it shares with others".into()
        }
    };
    Action {
        id: id(release, member, "start"),
        host: member.instance.host.clone(),
        component: component.name.clone(),
        kind: ActionKind::Start { release: running },
        why,
        ensures: "it runs, answers with the release, and its schema is at the package's head".into(),
        undo: Undo::By("stop it".into()),
        // Starting takes moments, pip check seconds; waiting for health is bounded by start_timeout alone.
        limit_seconds: component.process.start_timeout + 60,
        if_interrupted: "it is stopped, starting or running; the next run looks".into(),
    }
}
