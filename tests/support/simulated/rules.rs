//! The rules of "what must always hold", looked at when an action reaches a host.

use std::collections::BTreeSet;

use converge::desired::{Instance, InstanceId};
use converge::facts::HostFacts;
use converge::plan::{Action, ActionKind, PackageMove, Plan, StageKind};
use converge::release::Release;

use super::{Cluster, SimVenv, head_of};

impl Cluster {
    /// Whether the order may reach a host at all.
    pub(super) fn check_permitted(&mut self, plan: &Plan, action: &Action, facts: &HostFacts) {
        let goes_back = action.id.ends_with("-back") || action.id.ends_with("-after");
        let stage = plan.stages.iter().position(|stage| stage.actions().any(|other| other.id == action.id));
        if self.taken_over {
            self.violate(action, "it begins after another run has taken over");
        }
        if !goes_back && self.lost.contains(&action.host) {
            self.violate(action, "its host has failed in this run");
        }
        if stage.zip(self.barred_from).is_some_and(|(stage, barred)| stage >= barred) {
            self.violate(action, "a later stage begins although a failure has ended the run");
        }
        if stage.is_some_and(|number| plan.stages[number].kind == StageKind::Independent) {
            self.check_quorum(action);
        }
        if self.stopping && !goes_back {
            self.violate(action, "it begins after the run was asked to stop");
        }
        if self.intended.as_ref().is_some_and(|intended| !intended.contains(&action.id)) {
            self.violate(action, "it begins without a durable record");
        }
        if facts.unreachable.is_some() {
            self.violate(action, "its host could not be seen, and is acted upon");
        }
        let text = serde_json::to_string(action).expect("JSON");
        if !self.approved.is_empty() && !self.approved.contains(&text) {
            self.violate(action, "it is in no plan that was checked");
        }
        if self.holds_already(action) {
            self.violate(action, "what it brings about is there already: it is done twice");
        }
    }

    /// A stop leaves as many as must serve.
    fn check_quorum(&mut self, action: &Action) {
        let named: Vec<&Instance> =
            self.instances.iter().filter(|instance| instance.component.name == action.component).collect();
        let quorum =
            named.iter().filter_map(|instance| instance.component.quorum).map(|share| share.at_least(named.len()));
        let Some(quorum) = quorum.max().filter(|_| action.kind == ActionKind::Stop) else { return };
        let stopping = |id: &InstanceId| {
            let mut others = self.under_way.iter().map(|(_, other)| other).chain([action]);
            others.any(|other| other.kind == ActionKind::Stop && other.instance() == *id)
        };
        let serving = named.iter().map(|instance| instance.id()).filter(|id| self.running(id) && !stopping(id)).count();
        if serving < quorum {
            self.violate(action, &format!("a quorum is broken: {serving} would serve, {quorum} must"));
        }
    }

    /// What follows from a failure that nobody can take for anything else.
    pub(super) fn note_failure(&mut self, plan: &Plan, action: &Action) {
        let Some(number) = plan.stages.iter().position(|stage| stage.actions().any(|other| other.id == action.id))
        else {
            return;
        };
        self.lost.extend([action.host.clone(), action.instance().host]);
        let Some(own) = plan.instance(&action.instance()) else { return };
        let hosts: BTreeSet<_> = plan.instances.iter().filter(|i| i.play == own.play).map(|i| &i.host).collect();
        let lost = hosts.iter().filter(|host| self.lost.contains(**host)).count();
        let used_up = |percentage: u32| lost * 100 >= usize::try_from(percentage).expect("small") * hosts.len();
        let ends = plan.stages[number].kind != StageKind::Independent;
        if ends || own.rolling.max_fail_percentage.is_none_or(used_up) {
            self.barred_from = self.barred_from.or(Some(number + 1));
        }
    }

    pub(super) fn holds_already(&self, action: &Action) -> bool {
        let host = &self.hosts[&action.host];
        let noted = || {
            let component = self.instances.iter().find(|i| i.id() == action.instance()).map(|i| &i.component);
            component.and_then(|component| component.freeze.as_ref()).is_some_and(|f| host.files.contains(&f.marker))
        };
        let holds = |venv: &SimVenv, packages: &[PackageMove]| {
            venv.interrupted.is_empty() && packages.iter().all(|p| venv.installed.get(&p.package) == Some(&p.to))
        };
        match &action.kind {
            ActionKind::Stop => !self.running(&action.instance()),
            ActionKind::Install { venv, packages, .. } => host.venv(venv).is_some_and(|venv| holds(venv, packages)),
            ActionKind::Stage { target, packages, .. } => {
                host.venvs.get(target).is_some_and(|venv| venv.built_from.is_some() && holds(venv, packages))
            }
            ActionKind::Switch { venv, target, .. } => host.links.get(venv) == Some(target),
            ActionKind::Copy { to, .. } => host.files.contains(to),
            ActionKind::Freeze => self.frozen && noted(),
            ActionKind::Unfreeze => !self.frozen && !noted(),
            // A process that runs, and a database that is at head, have rules of their own.
            ActionKind::Start { .. } | ActionKind::Migrate { .. } => false,
            // They look, or make something new each time.
            ActionKind::Backup { .. } | ActionKind::Rehearse { .. } | ActionKind::Snapshot { .. } => false,
            ActionKind::Prune { .. } | ActionKind::Drain { .. } | ActionKind::Settle { .. } => false,
            ActionKind::Apply { .. } => false,
        }
    }

    /// What must not run from the beginning to the end of an action.
    fn check_stopped(&mut self, action: &Action) {
        let (ids, what): (Vec<InstanceId>, &str) = match &action.kind {
            ActionKind::Install { venv, .. } => {
                let sharing = |i: &&Instance| i.host == action.host && i.component.venv == *venv;
                (self.instances.iter().filter(sharing).map(Instance::id).collect(), "its package changes")
            }
            ActionKind::Backup { stopped, .. } if stopped.is_empty() => return,
            ActionKind::Backup { .. } | ActionKind::Migrate { .. } => {
                let database = self.uses[&action.instance()].clone();
                (self.users_of(&database), "its database is at work")
            }
            ActionKind::Stop | ActionKind::Start { .. } | ActionKind::Stage { .. } | ActionKind::Switch { .. } => {
                return;
            }
            ActionKind::Prune { .. } | ActionKind::Freeze | ActionKind::Unfreeze | ActionKind::Drain { .. } => return,
            ActionKind::Rehearse { .. } | ActionKind::Snapshot { .. } | ActionKind::Settle { .. } => return,
            ActionKind::Copy { .. } | ActionKind::Apply { .. } => return,
        };
        for id in ids.into_iter().filter(|id| self.running(id)).collect::<Vec<_>>() {
            self.violate(action, &format!("{id} runs while {what}"));
        }
    }

    pub(super) fn users_of(&self, database: &str) -> Vec<InstanceId> {
        self.uses.iter().filter(|(_, used)| *used == database).map(|(id, _)| id.clone()).collect()
    }

    /// What must still hold when it ends.
    pub(super) fn check_at_end(&mut self, action: &Action) {
        self.check_stopped(action);
    }

    /// What goes on elsewhere at the same time, by this run or left over from one before.
    fn check_beside(&mut self, action: &Action) {
        let lingering = self.hosts.values().filter_map(|host| host.lingering.as_ref()).map(|left| &left.action);
        let others: Vec<Action> = self.under_way.iter().map(|(_, other)| other).chain(lingering).cloned().collect();
        for other in others.iter().filter(|other| other.id != action.id) {
            let used = |action: &Action| self.uses.get(&action.instance()).cloned();
            match (&action.kind, &other.kind) {
                (ActionKind::Migrate { .. } | ActionKind::Backup { .. }, ActionKind::Migrate { .. })
                    if used(action) == used(other) =>
                {
                    self.violate(action, "the database is being migrated at the same time");
                }
                (ActionKind::Start { .. }, ActionKind::Migrate { .. }) if used(action) == used(other) => {
                    self.violate(action, "it is started while its database is at work");
                }
                (ActionKind::Start { .. }, ActionKind::Install { venv, .. }) if other.host == action.host => {
                    let own = self.instances.iter().find(|i| i.id() == action.instance());
                    if own.is_some_and(|own| own.component.venv == *venv) {
                        self.violate(action, "it is started while its package changes");
                    }
                }
                _ => {}
            }
        }
    }

    /// The rules of "what must always hold", looked at when an action reaches a host.
    pub(super) fn check_before(&mut self, action: &Action) {
        self.check_beside(action);
        self.check_stopped(action);
        match &action.kind {
            ActionKind::Stop => {}
            ActionKind::Install { venv, packages, .. } => {
                for moved in packages {
                    let before =
                        self.hosts[&action.host].venv(venv).expect("venv").installed.get(&moved.package).cloned();
                    if let Some(before) = before {
                        if moved.to < before {
                            self.violate(action, "a downgrade");
                        }
                        if moved.to.train() != before.train() {
                            self.violate(action, "a major hop");
                        }
                        let skipped = self
                            .published
                            .iter()
                            .any(|r| *r > before && *r < moved.to && r.train() == moved.to.train());
                        if skipped {
                            self.violate(action, "a published patch is skipped");
                        }
                    }
                    self.check_order(action, &moved.to);
                }
            }
            ActionKind::Stage { target, .. } => {
                let used = self.hosts[&action.host].links.values().any(|used| used == target);
                if used {
                    self.violate(action, "it builds over an environment that is used");
                }
            }
            ActionKind::Switch { packages, target, .. } => self.check_switch(action, packages, target),
            ActionKind::Prune { .. } | ActionKind::Rehearse { .. } | ActionKind::Snapshot { .. } => {}
            ActionKind::Copy { from, file, .. } => {
                if !self.hosts[from].files.contains(file) {
                    self.violate(action, "it copies what isn't there");
                }
            }
            ActionKind::Freeze | ActionKind::Unfreeze | ActionKind::Drain { .. } => {}
            ActionKind::Settle { .. } | ActionKind::Apply { .. } => {}
            ActionKind::Backup { stopped, .. } if stopped.is_empty() => {}
            ActionKind::Backup { .. } | ActionKind::Migrate { .. } => {
                let database = self.uses[&action.instance()].clone();
                if let ActionKind::Migrate { migration, .. } = &action.kind {
                    if migration.rows != BTreeSet::from([self.databases[&database].clone()]) {
                        self.violate(action, "a migration from elsewhere than where the database stands");
                    }
                    if !self.backed_up.contains(&database) {
                        self.violate(action, "a migration without a backup");
                    }
                    let own = self.instances.iter().find(|i| i.id() == action.instance());
                    let elsewhere = own.is_some_and(|own| own.component.backup_copies(&own.host).is_some());
                    if elsewhere && !self.copied.contains(&database) {
                        self.violate(action, "a migration whose backup was not copied");
                    }
                    let installed = self.installed(&action.instance());
                    let at_head = installed.is_some_and(|release| head_of(&release) == self.databases[&database]);
                    if at_head && migration.skipped.is_empty() {
                        self.violate(action, "a migration of a database that is at head");
                    }
                }
            }
            ActionKind::Start { .. } => {
                if self.running(&action.instance()) && !self.waiting.contains(&action.id) {
                    self.violate(action, "it is started while it runs");
                }
                if let (Some(database), Some(installed)) =
                    (self.uses.get(&action.instance()).cloned(), self.installed(&action.instance()))
                    && head_of(&installed) != self.databases[&database]
                {
                    self.violate(action, "it is started beside a schema that is not its own");
                }
            }
        }
    }

    /// Nothing of the cluster runs while a train is left, and only from its last patch, with no work.
    fn check_switch(&mut self, action: &Action, packages: &[PackageMove], target: &str) {
        let host = &self.hosts[&action.host];
        let built = host.venvs.get(target).cloned();
        let back = action.id.ends_with("-back");
        for moved in packages {
            if built.as_ref().and_then(|venv| venv.installed.get(&moved.package)) != Some(&moved.to) {
                self.violate(action, "what it switches to is not built");
            }
            let Some(from) = moved.from.clone() else { continue };
            if moved.to < from && !back {
                self.violate(action, "a downgrade");
            }
            if moved.to.train() == from.train() {
                self.check_order(action, &moved.to);
                continue;
            }
            let ids: Vec<InstanceId> = self.instances.iter().map(Instance::id).collect();
            let running: Vec<InstanceId> = ids.into_iter().filter(|id| self.running(id)).collect();
            for id in running {
                self.violate(action, &format!("{id} runs during a major upgrade"));
            }
            if self.sessions > 0 && !back {
                self.violate(action, "work runs during a major upgrade");
            }
            let last = self.published.iter().filter(|r| r.train() == from.train()).max();
            if !back && last != Some(&from) {
                self.violate(action, "a major upgrade from something else than the last patch");
            }
        }
    }

    /// A release is complete on all hosts before the next begins.
    fn check_order(&mut self, action: &Action, to: &Release) {
        let before = self.published.iter().filter(|r| *r < to && r.train() == to.train()).max().cloned();
        let Some(before) = before else { return };
        let late: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|i| i.component.release >= *to)
            .filter(|i| self.installed(&i.id()).is_some_and(|installed| installed < before))
            .map(Instance::id)
            .collect();
        for id in late {
            self.violate(action, &format!("{id} has not reached {before} yet"));
        }
    }
}
