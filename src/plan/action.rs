//! Plans and what they are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::desired::{Instance, InstanceId};
use crate::facts::{Database, FileQuery, Query};
use crate::model::{Digest, HostName};
use crate::release::Release;

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
    /// Back a database up, and verify the backup.
    Backup {
        /// The database.
        database: Database,
        /// Where the backup goes.
        file: String,
        /// The rows that the database must hold; `None` where an earlier hop of the plan sets them.
        rows: Option<BTreeSet<String>>,
        /// Components that use the database: all must be stopped.
        stopped: Vec<InstanceId>,
    },
    /// Bring a database to the head of the installed package.
    Migrate {
        /// The database.
        database: Database,
        /// The backup that was made before.
        backup: String,
        /// Components that use the database: all must be stopped.
        stopped: Vec<InstanceId>,
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
    /// Unique in its plan: `RELEASE/HOST/COMPONENT/VERB`.
    pub id: String,
    /// Where it is carried out.
    pub host: HostName,
    /// The component that it is for.
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
        InstanceId { host: self.host.clone(), component: self.component.clone() }
    }

    /// Its verb.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match &self.kind {
            ActionKind::Stop => "stop",
            ActionKind::Install { .. } => "install",
            ActionKind::Backup { .. } => "backup",
            ActionKind::Migrate { .. } => "migrate",
            ActionKind::Start { .. } => "start",
        }
    }

    /// Components that must be stopped while it runs.
    #[must_use]
    pub fn must_be_stopped(&self) -> &[InstanceId] {
        match &self.kind {
            ActionKind::Stop | ActionKind::Start { .. } => &[],
            ActionKind::Install { stopped, .. }
            | ActionKind::Backup { stopped, .. }
            | ActionKind::Migrate { stopped, .. } => stopped,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ActionKind::Stop => write!(f, "stop {}", self.component),
            ActionKind::Install { venv, packages, .. } => {
                let moves: Vec<String> = packages
                    .iter()
                    .map(|p| match &p.from {
                        Some(from) => format!("{} {from} -> {}", p.package, p.to),
                        None => format!("{} {}", p.package, p.to),
                    })
                    .collect();
                write!(f, "install {} into {venv}", moves.join(", "))
            }
            ActionKind::Backup { file, .. } => write!(f, "back up the database of {} to {file}", self.component),
            ActionKind::Migrate { .. } => write!(f, "migrate the database of {} to the package's head", self.component),
            ActionKind::Start { release } => {
                write!(f, "start {} and wait until it answers as {release}", self.component)
            }
        }
    }
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
}

/// Everything that is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Every instance that the plan is about, also those that need nothing.
    pub instances: Vec<Instance>,
    /// What was observed of each instance, in one line: what the plan relies on.
    #[serde(with = "basis_as_map")]
    pub basis: BTreeMap<InstanceId, String>,
    /// The stages; none means that nothing is to be done.
    pub stages: Vec<Stage>,
}

impl Plan {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// All actions in order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.stages.iter().flat_map(|stage| &stage.tracks).flat_map(|track| &track.actions)
    }

    /// The instance of this name.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> Option<&Instance> {
        self.instances.iter().find(|i| i.host == id.host && i.component.name == id.component)
    }

    /// Hosts that the plan is about, in order of name.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<HostName> {
        self.instances.iter().map(|instance| instance.host.clone()).collect()
    }

    /// The digest of the plan's canonical JSON: equal plans have equal digests.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
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
        if let ActionKind::Backup { file, .. } | ActionKind::Migrate { backup: file, .. } = &action.kind {
            let query = Query::File(FileQuery { path: file.clone() });
            questions.entry(action.host.clone()).or_default().push(query);
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
