//! An independent checker: goes over a plan before it may run, action by action, and knows nothing of
//! how the planner came to it. Each rule is a sentence of "what must always hold".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::action::{Action, ActionKind, CopyAt, Migration, PackageMove, Plan, Quorum, Stage, StageKind};
use crate::desired::{Instance, InstanceId, Phase};
use crate::facts::{Database, HostFacts, Observed, SchemaFact};
use crate::model::HostName;
use crate::release::{Release, RevisionId};
use crate::resource::component::{Assessment, Installed, LeftOut, assess};

/// A rule that a plan breaks: a defect of the planner, never of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The action or stage.
    pub place: String,
    /// What is wrong with it.
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.rule)
    }
}

/// Instances whose package leaves its train.
fn crossing(plan: &Plan) -> BTreeSet<InstanceId> {
    let mut found = BTreeSet::new();
    for action in plan.actions() {
        let ActionKind::Switch { venv, packages, .. } = &action.kind else { continue };
        let crosses = |p: &&PackageMove| p.from.as_ref().is_some_and(|from| from.train() != p.to.train());
        for moved in packages.iter().filter(crosses) {
            let of = |i: &&Instance| {
                i.host == action.host && i.component.venv == *venv && i.component.package == moved.package
            };
            found.extend(plan.instances.iter().filter(of).map(Instance::id));
        }
    }
    found
}

struct State {
    running: BTreeMap<InstanceId, bool>,
    installed: BTreeMap<InstanceId, Option<Release>>,
    users: BTreeMap<Database, BTreeSet<InstanceId>>,
    /// Databases with a backup that no migration has used yet.
    backed_up: BTreeSet<Database>,
    migrated: BTreeSet<(Database, Release)>,
    /// What was saved with everything stopped, by who saved it.
    saved: BTreeSet<(InstanceId, String)>,
    /// What of it was copied, and to where.
    copied: BTreeSet<(InstanceId, String, CopyAt)>,
    /// Where each database stands.
    rows: BTreeMap<Database, BTreeSet<RevisionId>>,
    /// Environments that were built, by host and path.
    staged: BTreeSet<(HostName, String)>,
    /// Declared environments that were switched.
    switched: BTreeSet<(HostName, String)>,
    /// Instances whose package leaves its train in this plan.
    crossing: BTreeSet<InstanceId>,
    frozen: BTreeSet<InstanceId>,
    /// Migrations that were tried on a copy.
    rehearsed: BTreeMap<InstanceId, Migration>,
    blocked: BTreeMap<InstanceId, String>,
    stopped_by_us: BTreeSet<InstanceId>,
    /// Started, and not watched since, although its play says that it has to settle.
    unsettled: BTreeSet<InstanceId>,
    violations: Vec<Violation>,
    /// Blocks that something is done in, by host.
    endangered: BTreeSet<(HostName, usize)>,
    /// The last resource that each host got to.
    applied: BTreeMap<HostName, (Phase, usize, Option<usize>)>,
    /// How far the plan is: a component's action counts as past what comes before the components.
    phase: Option<Phase>,
}

/// Checks `plan` against the facts that it was made from. An empty answer means that it may run.
#[must_use]
pub fn check(plan: &Plan, facts: &BTreeMap<HostName, HostFacts>) -> Vec<Violation> {
    let mut state = State::new(plan, facts);
    let mut ids = BTreeSet::new();
    for action in plan.actions() {
        if !ids.insert(&action.id) {
            state.violate(&action.id, "two actions have this name");
        }
    }
    let mut last: Option<Release> = None;
    for stage in &plan.stages {
        let release = stage.release();
        if let (Some(before), Some(now)) = (&last, &release)
            && now < before
        {
            state.violate(&stage.title, "a release comes after a newer one: each is complete before the next begins");
        }
        last = release.or(last);
        state.check_stage(plan, stage);
    }
    state.check_unmigrated(plan, facts);
    state.check_recoveries(plan);
    for id in state.frozen.clone() {
        state.violate(&id.to_string(), "the cluster is frozen through it and never unfrozen");
    }
    for id in state.unsettled.clone() {
        state.violate(&id.to_string(), "it is started and has no time to settle, which its play declares");
    }
    for id in state.stopped_by_us.clone() {
        state.violate(&id.to_string(), "it is stopped and never started again");
    }
    for instance in &plan.instances {
        let id = instance.id();
        let touched = plan.actions().any(|action| {
            action.instance() == id && matches!(action.kind, ActionKind::Install { .. } | ActionKind::Start { .. })
        });
        let end = state.installed.get(&id).cloned().flatten();
        if touched && end.as_ref() != Some(&instance.component.release) {
            let end = end.map_or("nothing".to_owned(), |release| release.to_string());
            state.violate(&id.to_string(), &format!("the plan ends with {end} installed, not what is declared"));
        }
    }
    state.violations
}

impl State {
    fn new(plan: &Plan, facts: &BTreeMap<HostName, HostFacts>) -> Self {
        let mut state = Self {
            running: BTreeMap::new(),
            installed: BTreeMap::new(),
            users: BTreeMap::new(),
            backed_up: BTreeSet::new(),
            migrated: BTreeSet::new(),
            saved: BTreeSet::new(),
            copied: BTreeSet::new(),
            rows: BTreeMap::new(),
            staged: BTreeSet::new(),
            switched: BTreeSet::new(),
            crossing: crossing(plan),
            frozen: BTreeSet::new(),
            endangered: BTreeSet::new(),
            applied: BTreeMap::new(),
            phase: None,
            rehearsed: BTreeMap::new(),
            blocked: BTreeMap::new(),
            stopped_by_us: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            violations: Vec::new(),
        };
        for instance in &plan.instances {
            let id = instance.id();
            let Some(facts) = facts.get(&instance.host) else {
                state.blocked.insert(id, "its host was never asked".into());
                continue;
            };
            let Assessment { installed, running, unknown, .. } = assess(&instance.component, facts);
            if let Some(reason) = unknown.first() {
                state.blocked.insert(id.clone(), reason.clone());
            }
            if let Some(Observed::Known(schema)) = instance.component.schema_fact(facts) {
                state.users.entry(schema.database.clone()).or_default().insert(id.clone());
                state.rows.insert(schema.database.clone(), schema.rows.clone());
            }
            state.running.insert(id.clone(), !running.is_stopped());
            state.installed.insert(
                id,
                match installed {
                    Installed::Release(release) => Some(release),
                    Installed::Interrupted { whole, .. } => whole,
                    Installed::Nothing | Installed::NoVenv | Installed::Unknown(_) => None,
                },
            );
        }
        state
    }

    /// Each resource in its own turn: those of a host in their order, before all components or behind them.
    fn check_apply(&mut self, plan: &Plan, action: &Action, own: &InstanceId) {
        let Some(resource) = plan.resource(action) else {
            return self.violate(&action.id, "nothing of this name is declared");
        };
        let number = plan.resources.iter().position(|other| other == resource);
        let turn = (resource.phase, resource.play, number);
        if self.applied.get(&own.host).is_some_and(|last| *last > turn) {
            self.violate(&action.id, "it comes behind what its host's tasks declare later");
        }
        self.applied.insert(own.host.clone(), turn);
        let of = |block: usize| (own.host.clone(), block);
        if !resource.manner.rescues().all(|block| self.endangered.contains(&of(block))) {
            self.violate(&action.id, "it is a rescue of what the plan doesn't do");
        }
        self.endangered.extend(resource.manner.endangers().map(of));
        let misplaced = match resource.phase {
            Phase::Before => self.phase > Some(Phase::Before),
            Phase::Between => true,
            Phase::After => false,
        };
        if misplaced {
            self.violate(&action.id, "it comes on the wrong side of the components");
        }
        self.phase = self.phase.max(Some(resource.phase));
    }

    fn violate(&mut self, place: &str, rule: &str) {
        self.violations.push(Violation { place: place.to_owned(), rule: rule.to_owned() });
    }

    fn check_stage(&mut self, plan: &Plan, stage: &Stage) {
        let hosts: BTreeSet<&HostName> = stage.tracks.iter().map(|track| &track.host).collect();
        if hosts.len() != stage.tracks.len() {
            self.violate(&stage.title, "a host has two tracks in one stage");
        }
        match stage.kind {
            StageKind::Independent => {
                self.check_quorums(plan, stage);
                self.check_settled(plan, stage);
            }
            // A full stop is one: nothing of it serves meanwhile.
            StageKind::FullStop => {}
            // Nothing rolls in a major upgrade.
            StageKind::Major => self.unsettled.clear(),
        }
        // Tracks of a stage go on side by side, so what one host relies on may not change on another.
        for track in &stage.tracks {
            for action in &track.actions {
                if action.host != track.host {
                    self.violate(&action.id, "it lies in the track of another host");
                }
                let elsewhere =
                    stage.tracks.iter().filter(|other| other.host != track.host).flat_map(|other| &other.actions);
                for id in action.must_be_stopped().iter().filter(|id| id.host != track.host) {
                    let moves = |other: &Action| matches!(other.kind, ActionKind::Start { .. } | ActionKind::Stop);
                    if elsewhere.clone().any(|other| other.instance() == *id && moves(other)) {
                        self.violate(&action.id, &format!("it relies on {id}, which the same stage changes"));
                    }
                }
                let saves = |other: &Action| {
                    matches!(other.kind, ActionKind::Backup { .. } | ActionKind::Snapshot { .. })
                        || matches!(other.kind, ActionKind::Migrate { .. })
                };
                if let ActionKind::Copy { .. } = action.kind
                    && stage.actions().any(|other| other.instance() == action.instance() && saves(other))
                {
                    self.violate(&action.id, "it copies in the stage in which is saved or migrated");
                }
            }
        }
        for action in stage.tracks.iter().flat_map(|track| &track.actions) {
            self.check_action(plan, action);
        }
    }

    /// However its tracks interleave, as many serve as must.
    fn check_quorums(&mut self, plan: &Plan, stage: &Stage) {
        for instance in plan.instances.iter().filter(|instance| instance.component.quorum.is_some()) {
            if !plan.quorums.contains_key(&instance.component.name) {
                self.violate(&instance.id().to_string(), "it declares a quorum that the plan doesn't know");
            }
        }
        for (name, quorum) in &plan.quorums {
            let named: Vec<InstanceId> =
                plan.instances.iter().map(Instance::id).filter(|id| id.component == *name).collect();
            let stops = |id: &InstanceId| stage.actions().any(|a| a.kind == ActionKind::Stop && a.instance() == *id);
            let down = named.iter().filter(|id| self.running.get(*id) != Some(&true) || stops(id)).count();
            if named.iter().any(stops) && down > quorum.spare() {
                let Quorum { serving, of } = quorum;
                self.violate(
                    &stage.title,
                    &format!("{down} of {of} {name} may be down at a time, and {serving} must serve"),
                );
            }
        }
    }

    /// What was started in an earlier stage has settled before anything else of its play stops.
    fn check_settled(&mut self, plan: &Plan, stage: &Stage) {
        let play = |id: &InstanceId| plan.instance(id).map(|instance| instance.play);
        let waiting: Vec<InstanceId> = self.unsettled.iter().cloned().collect();
        for action in stage.actions().filter(|action| action.kind == ActionKind::Stop) {
            for id in waiting.iter().filter(|id| play(id) == play(&action.instance())) {
                self.violate(&action.id, &format!("it begins before {id} has settled"));
            }
        }
    }

    fn check_action(&mut self, plan: &Plan, action: &Action) {
        let own = action.instance();
        if !matches!(action.kind, ActionKind::Apply { .. }) {
            if self.phase == Some(Phase::After) {
                self.violate(&action.id, "it comes behind what is to come behind all components");
            }
            self.phase = Some(Phase::Between);
        }
        if plan.instance(&own).is_none() && plan.resource(action).is_none() {
            self.violate(&action.id, "it is about an instance that the plan doesn't have");
        }
        self.check_mending(plan, action);
        self.check_upstream(plan, action);
        if let Some(reason) = self.blocked.get(&own).cloned() {
            self.violate(&action.id, &format!("it depends on something unknown: {reason}"));
        }
        for id in action.must_be_stopped() {
            if self.running.get(id) != Some(&false) {
                self.violate(&action.id, &format!("{id} may run while its package or schema changes"));
            }
        }
        match &action.kind {
            ActionKind::Stop => {
                self.running.insert(own.clone(), false);
                self.stopped_by_us.insert(own);
            }
            ActionKind::Install { venv, packages, .. } => {
                for moved in packages {
                    if moved.from.as_ref().is_some_and(|from| from.train() != moved.to.train()) {
                        self.violate(
                            &action.id,
                            &format!("{} crosses trains in place: there is no way back", moved.to),
                        );
                    }
                }
                self.check_move(plan, action, venv, packages);
            }
            ActionKind::Stage { venv, target, .. } => {
                if target == venv {
                    self.violate(&action.id, "it builds over the environment that is used");
                }
                self.staged.insert((action.host.clone(), target.clone()));
            }
            ActionKind::Switch { venv, target, packages, .. } => {
                if !self.staged.contains(&(action.host.clone(), target.clone())) {
                    self.violate(&action.id, "the environment that it switches to was never built and checked");
                }
                let leaves = packages.iter().any(|p| p.from.as_ref().is_some_and(|from| from.train() != p.to.train()));
                for id in self.crossing.clone().into_iter().filter(|_| leaves) {
                    if self.running.get(&id) != Some(&false) {
                        self.violate(
                            &action.id,
                            &format!("{id} may run during a major upgrade, which is never rolling"),
                        );
                    }
                }
                self.switched.insert((action.host.clone(), venv.clone()));
                self.check_move(plan, action, venv, packages);
            }
            ActionKind::Prune { venv, .. } => {
                if !self.switched.contains(&(action.host.clone(), venv.clone())) {
                    self.violate(&action.id, "it removes environments before the new one is used");
                }
            }
            ActionKind::Freeze => {
                self.frozen.insert(own);
            }
            ActionKind::Unfreeze => {
                self.frozen.remove(&own);
            }
            ActionKind::Rehearse { migration, .. } => {
                self.rehearsed.insert(own, migration.clone());
            }
            ActionKind::Drain { .. } => {}
            ActionKind::Snapshot { file, .. } => {
                self.saved.insert((own, file.clone()));
            }
            ActionKind::Copy { file, to, .. } => {
                if !self.saved.contains(&(own.clone(), file.clone())) {
                    self.violate(&action.id, "it copies what was not saved before");
                }
                self.copied.insert((own, file.clone(), CopyAt { host: action.host.clone(), file: to.clone() }));
            }
            ActionKind::Apply { .. } => self.check_apply(plan, action, &own),
            ActionKind::Settle { watched, .. } => {
                for (component, release) in watched {
                    let id = InstanceId { host: action.host.clone(), component: component.clone() };
                    if self.running.get(&id) != Some(&true) || self.installed.get(&id) != Some(&Some(release.clone())) {
                        self.violate(&action.id, &format!("it watches {id}, which does not run {release} by then"));
                    }
                    self.unsettled.remove(&id);
                }
            }
            // One that is taken while everything runs is there to rehearse with.
            ActionKind::Backup { stopped, .. } if stopped.is_empty() => {}
            ActionKind::Backup { database, file, .. } => {
                self.check_users(action, database);
                self.saved.insert((own, file.clone()));
                self.backed_up.insert(database.clone());
            }
            ActionKind::Migrate { database, backup, copy, migration, .. } => {
                self.check_copies(plan, action, backup, copy.as_ref());
                self.check_users(action, database);
                if self.rows.get(database).is_some_and(|rows| *rows != migration.rows) {
                    self.violate(&action.id, "it expects the database elsewhere than where it stands by then");
                }
                self.rows.insert(database.clone(), BTreeSet::from([migration.head.clone()]));
                if self.rehearsed.remove(&own).is_some_and(|rehearsed| rehearsed != *migration) {
                    self.violate(&action.id, "another migration was rehearsed than the one that is made");
                }
                if !self.backed_up.remove(database) {
                    self.violate(&action.id, "no backup was made before this migration");
                }
                let release = Release::parse(action.id.split('/').next().unwrap_or_default()).ok();
                if let Some(release) = release
                    && !self.migrated.insert((database.clone(), release))
                {
                    self.violate(&action.id, "the database is migrated twice at one release");
                }
            }
            ActionKind::Start { release } => {
                if self.installed.get(&own).cloned().flatten().as_ref() != Some(release) {
                    self.violate(&action.id, "it expects another release than the one that is installed by then");
                }
                self.running.insert(own.clone(), true);
                self.stopped_by_us.remove(&own);
                // Who mends a database starts what ran before, and rolls nothing.
                let settles = |instance: &Instance| instance.rolling.settle.is_some() && !plan.mends;
                if plan.instance(&own).is_some_and(settles) {
                    self.unsettled.insert(own);
                }
            }
        }
    }

    /// Where a host for backups is declared, all that was saved is there before the schema changes.
    fn check_copies(&mut self, plan: &Plan, action: &Action, backup: &str, named: Option<&CopyAt>) {
        let own = action.instance();
        let declared = plan.instance(&own).and_then(|instance| instance.component.backup_copies(&instance.host));
        let Some(declared) = declared else { return };
        let (host, directory) = (declared.host.clone(), declared.directory.to_owned());
        let copy_of = |file: &str| {
            let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
            CopyAt { host: host.clone(), file: format!("{directory}/{name}") }
        };
        if named != Some(&copy_of(backup)) {
            self.violate(&action.id, &format!("it doesn't ask for the copy of its backup on {host}"));
        }
        let saved: Vec<String> = self.saved.iter().filter(|(id, _)| *id == own).map(|(_, file)| file.clone()).collect();
        for file in saved {
            let copy = copy_of(&file);
            if !self.copied.contains(&(own.clone(), file.clone(), copy)) {
                self.violate(&action.id, &format!("{file} is not copied to {host} before this migration"));
            }
        }
    }

    /// Whoever mends a database leaves packages and rows alone; and every migration runs something.
    fn check_mending(&mut self, plan: &Plan, action: &Action) {
        match &action.kind {
            ActionKind::Migrate { migration, .. } => {
                let moves = !migration.pending.is_empty() || !migration.rows.iter().eq([&migration.head]);
                if plan.mends && moves {
                    self.violate(&action.id, "a database is mended at its head, and this moves it");
                }
                if migration.skipped.is_empty() && migration.pending.is_empty() {
                    self.violate(&action.id, "it runs no revision");
                }
            }
            ActionKind::Stop
            | ActionKind::Rehearse { .. }
            | ActionKind::Snapshot { .. }
            | ActionKind::Backup { .. }
            | ActionKind::Copy { .. }
            | ActionKind::Start { .. } => {}
            ActionKind::Install { .. }
            | ActionKind::Stage { .. }
            | ActionKind::Switch { .. }
            | ActionKind::Prune { .. }
            | ActionKind::Freeze
            | ActionKind::Unfreeze
            | ActionKind::Drain { .. }
            | ActionKind::Apply { .. }
            | ActionKind::Settle { .. } => {
                if plan.mends {
                    self.violate(&action.id, "who mends a database does nothing else");
                }
            }
        }
    }

    /// Upstream's own command runs what would be left out where that is declared, and nowhere else; never on a copy.
    fn check_upstream(&mut self, plan: &Plan, action: &Action) {
        let (ActionKind::Migrate { migration, .. } | ActionKind::Rehearse { migration, .. }) = &action.kind else {
            return;
        };
        let schema = plan.instance(&action.instance()).and_then(|instance| instance.component.schema.as_ref());
        let declared = schema.is_some_and(|schema| schema.left_out == LeftOut::Upstream);
        let wanted = declared && !plan.mends && !migration.skipped.is_empty();
        if migration.upstream.is_some() != wanted {
            self.violate(&action.id, "who runs what alembic would leave out is not who was declared for it");
        }
        if migration.upstream.is_some() && matches!(action.kind, ActionKind::Rehearse { .. }) {
            self.violate(&action.id, "upstream's own command would run on the real database, not on the copy");
        }
    }

    /// A package that moves without a migration must be known to bring no revision that was not there before.
    fn check_unmigrated(&mut self, plan: &Plan, facts: &BTreeMap<HostName, HostFacts>) {
        let mut known: BTreeMap<InstanceId, BTreeSet<String>> = BTreeMap::new();
        for action in plan.actions() {
            let (ActionKind::Install { venv, packages, .. } | ActionKind::Switch { venv, packages, .. }) = &action.kind
            else {
                continue;
            };
            for instance in plan.instances.iter().filter(|i| i.host == action.host && i.component.venv == *venv) {
                let Some(moved) = packages.iter().find(|moved| moved.package == instance.component.package) else {
                    continue;
                };
                let Some(facts) = facts.get(&instance.host) else { continue };
                let Some(Observed::Known(schema)) = instance.component.schema_fact(facts) else { continue };
                let before = known.entry(instance.id()).or_insert_with(|| {
                    schema.graph.known().map(|graph| graph.revisions.keys().cloned().collect()).unwrap_or_default()
                });
                let wheel = instance.component.wheel_query(&moved.to).map(|query| facts.wheel(&query));
                let graph = match wheel {
                    Some(Observed::Known(wheel)) => wheel.revisions().ok(),
                    Some(Observed::Absent | Observed::Unknown(_)) | None => None,
                };
                let after: Option<BTreeSet<String>> = graph.map(|graph| graph.revisions.keys().cloned().collect());
                // After an interrupted install nobody knows what the package before brought; where the database stands does.
                let there = before.is_empty() && graph.is_some_and(|graph| graph.heads() == schema.rows);
                let migrated = self.migrated.contains(&(schema.database.clone(), moved.to.clone()));
                self.check_nothing_left_out(plan, action, &schema.database, moved, before, after.as_ref());
                let same =
                    there || after.as_ref().is_some_and(|after| after.is_subset(before) || self.ahead(schema, after));
                if !migrated && !same {
                    self.violations.push(Violation {
                        place: action.id.clone(),
                        rule: "its package may change the schema, and no migration follows".into(),
                    });
                }
                before.extend(after.into_iter().flatten());
            }
        }
    }

    /// Every revision that only the new package has is run by the migration that follows.
    fn check_nothing_left_out(
        &mut self,
        plan: &Plan,
        action: &Action,
        of: &Database,
        moved: &PackageMove,
        before: &BTreeSet<RevisionId>,
        after: Option<&BTreeSet<RevisionId>>,
    ) {
        let release = moved.to.to_string();
        let migration = plan.actions().find_map(|other| match &other.kind {
            ActionKind::Migrate { database, migration, .. } if database == of => {
                other.id.starts_with(&format!("{release}/")).then_some(migration)
            }
            _ => None,
        });
        let (Some(migration), Some(after)) = (migration, after) else { return };
        // A database that another host's package has brought forward is ahead of what is installed here.
        if !migration.rows.is_subset(before) {
            return;
        }
        let run = |id: &&RevisionId| migration.skipped.contains(id) || migration.pending.contains(id);
        if let Some(left) = after.difference(before).find(|id| !run(id)) {
            self.violate(&action.id, &format!("revision {left} comes with it, and no migration runs it"));
        }
    }

    /// A way back takes back all that was done, changes no schema, and leaves nothing frozen.
    fn check_recoveries(&mut self, plan: &Plan) {
        for (number, recovery) in plan.recoveries.iter().enumerate() {
            let covered = || plan.stages.iter().filter(|stage| stage.recovery == Some(number)).flat_map(Stage::actions);
            let taken: Vec<&Action> = recovery.stages.iter().flat_map(Stage::actions).collect();
            let has = |id: &InstanceId, verb: &str| taken.iter().any(|a| a.instance() == *id && a.verb() == verb);
            for action in covered() {
                let own = action.instance();
                let missing = match &action.kind {
                    ActionKind::Freeze => (!has(&own, "unfreeze")).then_some("unfreezes"),
                    ActionKind::Stop if recovery.takes_back => (!has(&own, "start")).then_some("starts"),
                    ActionKind::Switch { .. } if recovery.takes_back => (!has(&own, "switch")).then_some("switches"),
                    ActionKind::Migrate { .. } if recovery.takes_back => Some("could take back"),
                    ActionKind::Migrate { .. } if recovery.advice.is_empty() => Some("names the restore of"),
                    _ => None,
                };
                if let Some(missing) = missing {
                    self.violate(&action.id, &format!("its recovery never {missing} what it did"));
                }
            }
            if taken.iter().any(|a| !matches!(a.verb(), "start" | "switch" | "unfreeze")) {
                self.violate(&recovery.title, "a recovery does more than to take back");
            }
        }
    }

    /// Whether the database already stands at the last of these revisions: the package of another host brought it there.
    fn ahead(&self, schema: &SchemaFact, after: &BTreeSet<String>) -> bool {
        !schema.rows.is_empty()
            && schema.rows.is_subset(after)
            && schema
                .graph
                .known()
                .is_some_and(|graph| !schema.rows.iter().all(|row| graph.revisions.contains_key(row)))
    }

    /// Every instance that uses `database` must be on the action's list.
    fn check_users(&mut self, action: &Action, database: &Database) {
        let users = self.users.get(database).cloned().unwrap_or_default();
        for id in users {
            if !action.must_be_stopped().contains(&id) {
                self.violate(&action.id, &format!("{id} uses the database and isn't among those that must be stopped"));
            }
        }
    }

    fn check_move(&mut self, plan: &Plan, action: &Action, venv: &str, packages: &[PackageMove]) {
        let sharing: Vec<_> =
            plan.instances.iter().filter(|i| i.host == action.host && i.component.venv == venv).collect();
        for instance in sharing {
            let id = instance.id();
            if !action.must_be_stopped().contains(&id) {
                self.violate(
                    &action.id,
                    &format!("{id} runs from this environment and isn't among those that must be stopped"),
                );
            }
            let Some(moved) = packages.iter().find(|moved| moved.package == instance.component.package) else {
                continue;
            };
            let before = self.installed.get(&id).cloned().flatten();
            if let Some(before) = before {
                if moved.to < before {
                    self.violate(&action.id, &format!("{before} -> {} is a downgrade", moved.to));
                }
                if moved.to.train() != before.train()
                    && moved.from.as_ref().is_none_or(|f| f.train() == moved.to.train())
                {
                    self.violate(&action.id, &format!("{before} -> {} crosses trains as if it were a patch", moved.to));
                }
            }
            if moved.to > instance.component.release {
                self.violate(&action.id, &format!("{} is newer than what {id} declares", moved.to));
            }
            self.installed.insert(id, Some(moved.to.clone()));
        }
    }
}
