//! What actions do to the cluster, and what an interruption of them leaves.

use std::collections::BTreeMap;

use converge::plan::{Action, ActionKind, Plan};

use super::{Cluster, SimVenv, graph_of, head_of};

impl Cluster {
    /// The whole effect of an action.
    pub(super) fn carry_out(&mut self, plan: &Plan, action: &Action) {
        let component = plan.instance(&action.instance()).expect("an instance of the plan").component.clone();
        match &action.kind {
            ActionKind::Stop => {
                self.hosts.get_mut(&action.host).expect("host").processes.remove(&component.name);
            }
            ActionKind::Install { venv, packages, .. } => {
                let now = self.now;
                let venv = self.hosts.get_mut(&action.host).expect("host").venv_mut(venv).expect("venv");
                for moved in packages {
                    venv.installed.insert(moved.package.clone(), moved.to.clone());
                    venv.interrupted.remove(&moved.package);
                }
                venv.installed_at = now;
            }
            ActionKind::Stage { venv, target, packages, .. } => {
                let host = self.hosts.get_mut(&action.host).expect("host");
                let from = host.links.get(venv).unwrap_or(venv).clone();
                let installed = packages.iter().map(|moved| (moved.package.clone(), moved.to.clone())).collect();
                let installed_at = self.now;
                let built = SimVenv {
                    installed,
                    installed_at,
                    built_from: Some(from),
                    noted: false,
                    interrupted: BTreeMap::new(),
                };
                host.venvs.insert(target.clone(), built);
            }
            ActionKind::Switch { venv, target, packages, migrates, .. } => {
                let host = self.hosts.get_mut(&action.host).expect("host");
                if let Some(directory) = host.venvs.remove(venv) {
                    // It is moved aside under the name of what it holds.
                    let from = packages.iter().find_map(|moved| moved.from.clone()).expect("a release");
                    let aside = format!("{venv}-{}", from.normalized());
                    if let Some(new) = host.venvs.get_mut(target) {
                        new.built_from = Some(aside.clone());
                    }
                    host.venvs.insert(aside, directory);
                }
                host.venvs.get_mut(target).expect("an environment").noted |= migrates;
                host.links.insert(venv.clone(), target.clone());
            }
            ActionKind::Prune { .. } | ActionKind::Drain { .. } | ActionKind::Rehearse { .. } => {}
            ActionKind::Settle { .. } | ActionKind::Apply { .. } => {}
            ActionKind::Freeze => {
                self.frozen = true;
                let marker = component.freeze.expect("a freeze").marker;
                self.hosts.get_mut(&action.host).expect("host").files.insert(marker);
            }
            ActionKind::Unfreeze => {
                self.frozen = false;
                let marker = component.freeze.expect("a freeze").marker;
                self.hosts.get_mut(&action.host).expect("host").files.remove(&marker);
            }
            ActionKind::Snapshot { file, .. } => {
                self.hosts.get_mut(&action.host).expect("host").files.insert(file.clone());
            }
            ActionKind::Backup { file, stopped, .. } if stopped.is_empty() => {
                self.hosts.get_mut(&action.host).expect("host").files.insert(file.clone());
            }
            ActionKind::Backup { file, .. } => {
                self.hosts.get_mut(&action.host).expect("host").files.insert(file.clone());
                let database = self.uses[&action.instance()].clone();
                self.copied.remove(&database);
                if self.users_of(&database).iter().all(|id| !self.running(id)) {
                    self.backed_up.insert(database);
                }
            }
            ActionKind::Copy { to, keep, .. } => {
                self.hosts.get_mut(&action.host).expect("host").files.insert(to.clone());
                if keep.is_some() {
                    self.copied.insert(self.uses[&action.instance()].clone());
                }
            }
            ActionKind::Migrate { migration, .. } => {
                let database = self.uses[&action.instance()].clone();
                let installed = self.installed(&action.instance()).expect("an installed release");
                self.backed_up.remove(&database);
                self.copied.remove(&database);
                let applied = self.applied.entry(database.clone()).or_default();
                if let Some(twice) = migration.skipped.iter().chain(&migration.pending).find(|id| applied.contains(*id))
                {
                    self.violations.push(format!("{}: {twice} runs twice", action.id));
                }
                applied.extend(migration.skipped.iter().chain(&migration.pending).cloned());
                let head = head_of(&installed);
                let missing: Vec<String> = graph_of(&installed).ancestors(&head).difference(applied).cloned().collect();
                if !missing.is_empty() || migration.head != head {
                    self.violations.push(format!("{}: the schema lacks {missing:?}", action.id));
                }
                self.databases.insert(database, head);
                let host = self.hosts.get_mut(&action.host).expect("host");
                host.venv_mut(&component.venv).expect("an environment").noted = false;
            }
            ActionKind::Start { .. } if self.waiting.contains(&action.id) => {}
            ActionKind::Start { .. } => {
                let number = self.instances.iter().position(|i| i.id() == action.instance()).expect("an instance");
                self.start(number, None);
                // Whoever runs may write: what was saved is no longer all there is.
                if let Some(database) = self.uses.get(&action.instance()) {
                    self.backed_up.remove(database);
                    self.copied.remove(database);
                }
            }
        }
    }

    /// What an interruption leaves behind.
    pub(super) fn carry_out_half(&mut self, action: &Action) {
        match &action.kind {
            // Signals are sent at once or not at all; a transaction is rolled back; a part of a backup is no backup.
            ActionKind::Stop | ActionKind::Backup { .. } | ActionKind::Migrate { .. } | ActionKind::Start { .. } => {}
            ActionKind::Switch { .. }
            | ActionKind::Prune { .. }
            | ActionKind::Drain { .. }
            | ActionKind::Apply { .. }
            | ActionKind::Settle { .. } => {}
            // A part of a copy is no copy.
            ActionKind::Rehearse { .. } | ActionKind::Snapshot { .. } | ActionKind::Copy { .. } => {}
            ActionKind::Stage { target, .. } => {
                let host = self.hosts.get_mut(&action.host).expect("host");
                host.venvs.insert(target.clone(), SimVenv::default());
            }
            ActionKind::Freeze => {
                let instance = self.instances.iter().find(|i| i.id() == action.instance()).expect("an instance");
                let marker = instance.component.freeze.as_ref().expect("a freeze").marker.clone();
                self.hosts.get_mut(&action.host).expect("host").files.insert(marker);
            }
            ActionKind::Unfreeze => self.frozen = false,
            ActionKind::Install { venv, packages, .. } => {
                let venv = self.hosts.get_mut(&action.host).expect("host").venv_mut(venv).expect("venv");
                for moved in packages {
                    let before = venv.installed.remove(&moved.package);
                    let before = before.or_else(|| venv.interrupted.get(&moved.package).cloned().flatten());
                    venv.interrupted.insert(moved.package.clone(), before);
                }
            }
        }
    }
}
