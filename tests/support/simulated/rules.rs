//! The rules of "what must always hold", looked at when an action reaches a host.

use std::collections::BTreeSet;

use converge::desired::{Instance, InstanceId};
use converge::plan::{Action, ActionKind, PackageMove};
use converge::release::Release;

use super::{Cluster, head_of};

impl Cluster {
    /// The rules of "what must always hold", looked at when an action reaches a host.
    pub(super) fn check_before(&mut self, action: &Action) {
        match &action.kind {
            ActionKind::Stop => {}
            ActionKind::Install { venv, packages, .. } => {
                let sharing: Vec<InstanceId> = self
                    .instances
                    .iter()
                    .filter(|i| i.host == action.host && i.component.venv == *venv)
                    .map(Instance::id)
                    .collect();
                for id in sharing {
                    if self.running(&id) {
                        self.violate(action, &format!("{id} runs while its package changes"));
                    }
                }
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
            ActionKind::Freeze | ActionKind::Unfreeze | ActionKind::Drain { .. } => {}
            ActionKind::Backup { stopped, .. } if stopped.is_empty() => {}
            ActionKind::Backup { .. } | ActionKind::Migrate { .. } => {
                let database = self.uses[&action.instance()].clone();
                let users: Vec<InstanceId> =
                    self.uses.iter().filter(|(_, used)| **used == database).map(|(id, _)| id.clone()).collect();
                for id in users {
                    if self.running(&id) {
                        self.violate(action, &format!("{id} runs while its database is at work"));
                    }
                }
                if let ActionKind::Migrate { migration, .. } = &action.kind {
                    if migration.rows != BTreeSet::from([self.databases[&database].clone()]) {
                        self.violate(action, "a migration from elsewhere than where the database stands");
                    }
                    if !self.backed_up.contains(&database) {
                        self.violate(action, "a migration without a backup");
                    }
                    let installed = self.installed(&action.instance());
                    let at_head = installed.is_some_and(|release| head_of(&release) == self.databases[&database]);
                    if at_head && migration.skipped.is_empty() {
                        self.violate(action, "a migration of a database that is at head");
                    }
                }
            }
            ActionKind::Start { .. } => {
                if self.running(&action.instance()) {
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
