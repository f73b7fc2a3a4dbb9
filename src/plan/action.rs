//! Plans and what they are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::desired::{Instance, InstanceId, Resource, Waiting};
use crate::facts::{CommandQuery, Database, EffectsQuery, FileQuery, Query, SumQuery, VenvQuery, WorkQuery};
use crate::model::{Digest, HostName};
use crate::release::{Release, RevisionId};
use crate::resource::component::{Component, FreezeSpec};

/// A package that an install moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageMove {
    /// The distribution.
    pub package: String,
    /// The release before; `None` where nothing whole is installed.
    pub from: Option<Release>,
    /// The release after.
    pub to: Release,
}

/// How a database is brought from one revision to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// The rows that `alembic_version` must hold before, exactly.
    pub rows: BTreeSet<RevisionId>,
    /// Revisions that alembic would take for applied and that never were, in the order in which they must run. They run
    /// first, in the same transaction.
    pub skipped: Vec<RevisionId>,
    /// What `upgrade head` runs then, in its order.
    pub pending: Vec<RevisionId>,
    /// The one row that must be there afterwards.
    pub head: RevisionId,
    /// The release that is left, as its history in the package is called: then the package's own `apply-missing-revisions`
    /// runs all of it, instead of one transaction of converge's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
}

impl Migration {
    /// Everything that is run.
    #[must_use]
    pub fn revisions(&self) -> BTreeSet<RevisionId> {
        self.skipped.iter().chain(&self.pending).cloned().collect()
    }
}

/// A file on another host, the same as one that lies where its component is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CopyAt {
    /// The other host.
    pub host: HostName,
    /// The file there.
    pub file: String,
}

impl fmt::Display for CopyAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.file)
    }
}

/// What an action does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum ActionKind {
    /// Stop the component, and see that nothing of it is left.
    Stop,
    /// Install releases into a virtual environment, and check that its requirements hold.
    Install {
        /// The environment.
        venv: String,
        /// The packages, installed by one command.
        packages: Vec<PackageMove>,
        /// Components that run from this environment: all must be stopped.
        stopped: Vec<InstanceId>,
    },
    /// Build an environment beside the one that is used, and check all of it. Nothing is stopped for it.
    Stage {
        /// The environment as the component declares it.
        venv: String,
        /// The environment that is built.
        target: String,
        /// The interpreter that it is made with.
        interpreter: String,
        /// The interpreter's version, as `x.y.z`.
        python: String,
        /// The packages that it is for.
        packages: Vec<PackageMove>,
    },
    /// Make the declared path of an environment lead to another one, at once.
    Switch {
        /// The environment as the component declares it.
        venv: String,
        /// Where its path leads then.
        target: String,
        /// Where the environment that was used before lies then: one that lies at the path itself goes there.
        aside: String,
        /// Whether a migration of this host's follows. It is noted in the environment until it has succeeded, so that what
        /// comes after an interruption knows that the database may still stand where the old package left it.
        migrates: bool,
        /// What that changes.
        packages: Vec<PackageMove>,
        /// Components that run from this environment: all must be stopped.
        stopped: Vec<InstanceId>,
    },
    /// Remove environments that nothing leads to any more, but for the newest.
    Prune {
        /// The environment as the component declares it.
        venv: String,
        /// How many are kept.
        keep: u32,
    },
    /// Keep the users from beginning anything new.
    Freeze,
    /// Let the users in again.
    Unfreeze,
    /// Wait until no work runs.
    Drain {
        /// Where work is counted.
        counts: Vec<(HostName, WorkQuery)>,
        /// Commands that list it.
        lists: Vec<(HostName, CommandQuery)>,
        /// Seconds to wait at most.
        timeout: u32,
    },
    /// Try the migration on a copy of the database, restored from its backup.
    Rehearse {
        /// The backup.
        backup: String,
        /// The database that the copy is made in.
        scratch: String,
        /// The environment whose package migrates.
        venv: String,
        /// The same migration as the one that follows.
        migration: Migration,
        /// Revisions that reach outside of the database, which a rehearsal must not run.
        outside: BTreeSet<RevisionId>,
    },
    /// Save what a command prints beside the backups.
    Snapshot {
        /// The command.
        command: String,
        /// Where its output goes.
        file: String,
        /// Whether its sha256 is noted beside it, for a copy to be held against.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        sum: bool,
    },
    /// Back a database up, and verify the backup.
    Backup {
        /// The database.
        database: Database,
        /// Where the backup goes.
        file: String,
        /// The rows that the database must hold.
        rows: BTreeSet<RevisionId>,
        /// The row that it holds when the migration is done, so that no backup is needed any more.
        head: RevisionId,
        /// Components that use the database: all must be stopped. None where it is only to be rehearsed with.
        stopped: Vec<InstanceId>,
        /// How many older backups of the database are kept.
        keep: u32,
        /// Whether its sha256 is noted beside it, for a copy to be held against.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        sum: bool,
    },
    /// Copy what was saved to another host, which is the one that it is carried out on.
    Copy {
        /// The host that it was saved on, and that the component is on.
        from: HostName,
        /// The file there.
        file: String,
        /// The file that it becomes.
        to: String,
        /// How many older backups of the database are kept there; `None` for what lies beside a backup.
        keep: Option<u32>,
        /// The row that the database holds when the migration is done, so that no copy is needed any more.
        head: RevisionId,
    },
    /// Bring a database to the head of the installed package.
    Migrate {
        /// The database.
        database: Database,
        /// The backup that was made before.
        backup: String,
        /// Its copy, without which the migration doesn't begin; `None` where none is declared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        copy: Option<CopyAt>,
        /// What is run.
        migration: Migration,
        /// Components that use the database: all must be stopped.
        stopped: Vec<InstanceId>,
    },
    /// Look at what was started until the time is over: it must stay healthy.
    Settle {
        /// How long.
        seconds: u32,
        /// Components of the host, each with the release that it must answer as.
        watched: BTreeMap<String, Release>,
    },
    /// Make something so that a task of a plain kind declares.
    Apply {
        /// What changes, each in words.
        changes: Vec<String>,
        /// The change of a content, as a unified diff.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        preview: Option<String>,
        /// The state that it must be found in; `None` where earlier actions change that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        relies_on: Option<String>,
    },
    /// Start the component, and wait until it is healthy, answers with the release, and its schema is at head.
    Start {
        /// The release that must answer.
        release: Release,
    },
}

/// How an action can be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// By its opposite.
    By(String),
    /// There is nothing to take back.
    Nothing,
    /// Only by restoring the backup.
    Restore(String),
}

/// One step on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Unique in its plan: `RELEASE/HOST/COMPONENT/VERB`, or `PHASE/HOST/NUMBER/apply`.
    pub id: String,
    /// Where it is carried out. A copy is carried out where it goes, and its component is on the host that it comes from.
    pub host: HostName,
    /// The component that it is for, or the resource.
    pub component: String,
    /// What it does.
    #[serde(flatten)]
    pub kind: ActionKind,
    /// Why it is there.
    pub why: String,
    /// What must hold afterwards.
    pub ensures: String,
    /// How it can be taken back.
    pub undo: Undo,
    /// Seconds after which it counts as failed.
    pub limit_seconds: u32,
    /// What an interruption leaves behind.
    pub if_interrupted: String,
}

impl Action {
    /// The component that it is for, by name.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        let host = match &self.kind {
            ActionKind::Copy { from, .. } => from,
            ActionKind::Stop
            | ActionKind::Install { .. }
            | ActionKind::Stage { .. }
            | ActionKind::Switch { .. }
            | ActionKind::Prune { .. }
            | ActionKind::Freeze
            | ActionKind::Unfreeze
            | ActionKind::Drain { .. }
            | ActionKind::Rehearse { .. }
            | ActionKind::Snapshot { .. }
            | ActionKind::Backup { .. }
            | ActionKind::Migrate { .. }
            | ActionKind::Settle { .. }
            | ActionKind::Apply { .. }
            | ActionKind::Start { .. } => &self.host,
        };
        InstanceId { host: host.clone(), component: self.component.clone() }
    }

    /// Its verb.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match &self.kind {
            ActionKind::Stop => "stop",
            ActionKind::Install { .. } => "install",
            ActionKind::Stage { .. } => "stage",
            ActionKind::Switch { .. } => "switch",
            ActionKind::Prune { .. } => "prune",
            ActionKind::Freeze => "freeze",
            ActionKind::Unfreeze => "unfreeze",
            ActionKind::Drain { .. } => "drain",
            ActionKind::Rehearse { .. } => "rehearse",
            ActionKind::Snapshot { .. } => "snapshot",
            ActionKind::Backup { .. } => "backup",
            ActionKind::Copy { .. } => "copy",
            ActionKind::Migrate { .. } => "migrate",
            ActionKind::Settle { .. } => "settle",
            ActionKind::Apply { .. } => "apply",
            ActionKind::Start { .. } => "start",
        }
    }

    /// Components that must be stopped while it runs.
    #[must_use]
    pub fn must_be_stopped(&self) -> &[InstanceId] {
        match &self.kind {
            ActionKind::Stop
            | ActionKind::Start { .. }
            | ActionKind::Stage { .. }
            | ActionKind::Prune { .. }
            | ActionKind::Freeze
            | ActionKind::Unfreeze
            | ActionKind::Drain { .. }
            | ActionKind::Settle { .. }
            | ActionKind::Apply { .. }
            | ActionKind::Rehearse { .. }
            | ActionKind::Copy { .. }
            | ActionKind::Snapshot { .. } => &[],
            ActionKind::Install { stopped, .. }
            | ActionKind::Switch { stopped, .. }
            | ActionKind::Backup { stopped, .. }
            | ActionKind::Migrate { stopped, .. } => stopped,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ActionKind::Stop => write!(f, "stop {}", self.component),
            ActionKind::Install { venv, packages, .. } => write!(f, "install {} into {venv}", moves(packages)),
            ActionKind::Stage { target, packages, interpreter, .. } => {
                let new: Vec<String> = packages.iter().map(|p| format!("{} {}", p.package, p.to)).collect();
                write!(f, "build {target} with {} by {interpreter}", new.join(", "))
            }
            ActionKind::Switch { venv, target, packages, .. } => {
                write!(f, "switch {venv} to {target}: {}", moves(packages))
            }
            ActionKind::Prune { venv, keep } => write!(f, "remove old environments of {venv} but for {keep}"),
            ActionKind::Freeze => write!(f, "freeze the cluster through {}", self.component),
            ActionKind::Unfreeze => write!(f, "unfreeze the cluster through {}", self.component),
            ActionKind::Drain { timeout, .. } => write!(f, "wait until no work runs, {timeout} s at most"),
            ActionKind::Rehearse { scratch, .. } => write!(f, "rehearse the migration on a copy, {scratch}"),
            ActionKind::Snapshot { file, .. } => write!(f, "save the state beside the database to {file}"),
            ActionKind::Backup { file, .. } => write!(f, "back up the database of {} to {file}", self.component),
            ActionKind::Copy { from, file, to, .. } if file == to => write!(f, "copy {file} here from {from}"),
            ActionKind::Copy { from, file, to, .. } => write!(f, "copy {file} here from {from}, to {to}"),
            ActionKind::Migrate { migration, .. } => {
                write!(f, "migrate the database of {} to {}", self.component, migration.head)?;
                match migration.skipped.len() {
                    0 => {}
                    skipped => write!(f, ", with {skipped} revision(s) that alembic would leave out")?,
                }
                match &migration.upstream {
                    None => Ok(()),
                    Some(version) => write!(f, ", by upstream's own apply-missing-revisions {version}: not atomic"),
                }
            }
            ActionKind::Settle { seconds, watched } => {
                let names: Vec<&str> = watched.keys().map(String::as_str).collect();
                write!(f, "watch {} for {seconds} s", names.join(", "))
            }
            ActionKind::Apply { changes, .. } => write!(f, "{}: {}", self.component, changes.join(", ")),
            ActionKind::Start { release } => {
                write!(f, "start {} and wait until it answers as {release}", self.component)
            }
        }
    }
}

/// `backend.ai-manager 23.9.8 -> 23.9.10`, one after the other.
fn moves(packages: &[PackageMove]) -> String {
    let one = |moved: &PackageMove| match &moved.from {
        Some(from) => format!("{} {from} -> {}", moved.package, moved.to),
        None => format!("{} {}", moved.package, moved.to),
    };
    packages.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The actions of one host in one stage, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// The host.
    pub host: HostName,
    /// In order.
    pub actions: Vec<Action>,
}

/// Why a stage is a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// Its hosts don't depend on each other.
    Independent,
    /// A step of several hosts that share a database: each step ends on all of them before the next begins.
    FullStop,
    /// A step of a major upgrade: each ends on all hosts before the next begins, and nothing of the product runs in
    /// between.
    Major,
}

/// Actions that may go on at the same time, a track a host. A stage ends before the next begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The release that it leads to, and what it does.
    pub title: String,
    /// Why it is a stage.
    pub kind: StageKind,
    /// At most one a host, in inventory order.
    pub tracks: Vec<Track>,
    /// What people have to do or to know before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What is done when it fails: the number of one of the plan's recoveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<usize>,
}

impl Stage {
    /// The release that its actions lead to, from their names.
    #[must_use]
    pub fn release(&self) -> Option<Release> {
        let first = self.tracks.first()?.actions.first()?;
        Release::parse(first.id.split('/').next()?).ok()
    }

    /// Its actions, track by track.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.tracks.iter().flat_map(|track| &track.actions)
    }
}

/// What follows on a failure, so that the cluster isn't left as the failure left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// What it is, in words: `back to 23.9.10`.
    pub title: String,
    /// Whether it takes everything back to where the plan began. Otherwise only people can: see `advice`.
    pub takes_back: bool,
    /// What is done, in order. A recovery goes on after a failure of its own as far as it can.
    pub stages: Vec<Stage>,
    /// What to type where only a person can decide how to go on: the restore, exactly.
    pub advice: Vec<String>,
}

/// How many instances of a component must keep serving while others of it change. A full stop is no such change: there
/// everything is down by design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// So many must serve.
    pub serving: usize,
    /// Of so many, what the run's limits leave out among them.
    pub of: usize,
}

impl Quorum {
    /// How many may be down at a time.
    #[must_use]
    pub fn spare(self) -> usize {
        self.of.saturating_sub(self.serving)
    }
}

/// Everything that is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Every instance that the plan is about, also those that need nothing.
    pub instances: Vec<Instance>,
    /// Everything else that tasks declare, in the order of plays, tasks and hosts, also what needs nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// What was observed of each instance and resource, in one line: what the plan relies on.
    #[serde(with = "basis_as_map")]
    pub basis: BTreeMap<InstanceId, String>,
    /// How many instances of a component must keep serving, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quorums: BTreeMap<String, Quorum>,
    /// Components that can't be judged before these stages are done: all of them prepare, and what follows is planned then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
    /// The stages; none means that nothing is to be done.
    pub stages: Vec<Stage>,
    /// What follows on failures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<Recovery>,
    /// Whether it completes databases at the releases that are installed, and does nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mends: bool,
}

impl Plan {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// All actions in order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.stages.iter().flat_map(Stage::actions)
    }

    /// What people type to have it made and carried out anew.
    #[must_use]
    pub fn command(&self) -> &'static str {
        if self.mends { "converge schema mend" } else { "converge" }
    }

    /// The instance of this name.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> Option<&Instance> {
        self.instances.iter().find(|i| i.host == id.host && i.component.name == id.component)
    }

    /// The component of this name on a host.
    fn on(&self, host: &HostName, name: &str) -> Option<&Component> {
        self.instances.iter().find(|i| i.host == *host && i.component.name == name).map(|i| &i.component)
    }

    /// Hosts that the plan is about, in order of name: those of its instances, and those that copies of backups go to.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<HostName> {
        let of_instances = self.instances.iter().map(|instance| &instance.host);
        let of_resources = self.resources.iter().map(|resource| &resource.host);
        of_instances.chain(of_resources).chain(self.actions().map(|action| &action.host)).cloned().collect()
    }

    /// The digest of the plan's canonical JSON: equal plans have equal digests. What lies behind a veil isn't part of it: a
    /// digest of a secret could be tried with guesses.
    #[must_use]
    pub fn digest(&self) -> Digest {
        if self.resources.iter().all(|resource| resource.veil.is_none()) {
            return Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes());
        }
        let mut open = self.clone();
        open.resources.retain(|resource| resource.veil.is_none());
        Digest::of(serde_json::to_string(&open).unwrap_or_default().as_bytes())
    }

    /// What to look at before and after `action`: for each host concerned, its questions.
    #[must_use]
    pub fn questions(&self, action: &Action) -> BTreeMap<HostName, Vec<Query>> {
        let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
        let own = action.instance();
        for id in std::iter::once(&own).chain(action.must_be_stopped()) {
            if let Some(instance) = self.instance(id) {
                questions.entry(id.host.clone()).or_default().extend(instance.component.queries());
            }
        }
        let mut ask = |host: &HostName, query: Query| questions.entry(host.clone()).or_default().push(query);
        let component = self.instance(&own).map(|instance| &instance.component);
        if let (ActionKind::Migrate { migration, .. }, Some(database)) =
            (&action.kind, component.and_then(Component::schema_query))
            && !migration.revisions().is_empty()
        {
            ask(&action.host, Query::Effects(EffectsQuery { database, revisions: migration.revisions() }));
        }
        if let ActionKind::Migrate { backup, copy: Some(CopyAt { host, file }), .. } = &action.kind {
            ask(&action.host, Query::Sum(SumQuery { path: backup.clone() }));
            ask(host, Query::Sum(SumQuery { path: file.clone() }));
        }
        match &action.kind {
            ActionKind::Copy { from, file, to, .. } => {
                ask(from, Query::File(FileQuery { path: file.clone() }));
                ask(from, Query::Sum(SumQuery { path: file.clone() }));
                ask(&action.host, Query::Sum(SumQuery { path: to.clone() }));
            }
            ActionKind::Backup { file, .. }
            | ActionKind::Migrate { backup: file, .. }
            | ActionKind::Rehearse { backup: file, .. }
            | ActionKind::Snapshot { file, .. } => {
                ask(&action.host, Query::File(FileQuery { path: file.clone() }));
            }
            ActionKind::Stage { target, packages, .. } | ActionKind::Switch { target, packages, .. } => {
                for moved in packages {
                    let query = VenvQuery { path: target.clone(), package: moved.package.clone() };
                    ask(&action.host, Query::Venv(query));
                }
            }
            ActionKind::Drain { counts, lists, .. } => {
                counts.iter().for_each(|(host, query)| ask(host, Query::Work(query.clone())));
                lists.iter().for_each(|(host, query)| ask(host, Query::Command(query.clone())));
            }
            ActionKind::Freeze | ActionKind::Unfreeze => {
                let status = component.and_then(|component| component.freeze.as_ref()).map(FreezeSpec::status_query);
                status.into_iter().for_each(|query| ask(&action.host, Query::Command(query)));
            }
            ActionKind::Settle { watched, .. } => {
                let names = watched.keys().filter(|name| **name != action.component);
                for component in names.filter_map(|name| self.on(&action.host, name)) {
                    component.queries().into_iter().for_each(|query| ask(&action.host, query));
                }
            }
            ActionKind::Apply { .. } => {
                let queries = self.resource(action).map(|resource| resource.plain.queries());
                queries.into_iter().flatten().for_each(|query| ask(&action.host, query));
            }
            ActionKind::Stop | ActionKind::Start { .. } | ActionKind::Install { .. } | ActionKind::Prune { .. } => {}
        }
        questions
    }
}

/// JSON objects need text keys: `HOST/COMPONENT`.
mod basis_as_map {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{HostName, InstanceId};

    pub(super) fn serialize<S: Serializer>(
        basis: &BTreeMap<InstanceId, String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(basis.iter().map(|(id, text)| (id.to_string(), text)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<InstanceId, String>, D::Error> {
        let entry = |(key, text): (String, String)| {
            let (host, component) = key.split_once('/').ok_or_else(|| D::Error::custom("a basis is HOST/COMPONENT"))?;
            let host = HostName::parse(host).map_err(D::Error::custom)?;
            Ok((InstanceId { host, component: component.to_owned() }, text))
        };
        BTreeMap::<String, String>::deserialize(deserializer)?.into_iter().map(entry).collect()
    }
}
