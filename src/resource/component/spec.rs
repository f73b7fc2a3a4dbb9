//! What a `component` declares, and the questions that follow from it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::backup_host::BackupHost;
use super::environment::EnvironmentSpec;
use super::freeze::FreezeSpec;
use crate::facts::{
    CommandQuery, DiskQuery, HealthQuery, HostFacts, Observed, PackageSourceQuery, PathsQuery, PinsQuery, ProcessQuery,
    PublishedQuery, Query, SchemaFact, SchemaQuery, UnitQuery, Venv, VenvQuery,
};
use crate::model::{Share, Window};
use crate::release::Release;

/// One component on one host, as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Its name, such as `manager`: what people call it and what tells two components of a host apart.
    pub name: String,
    /// The distribution that carries it.
    pub package: String,
    /// The release that should run.
    pub release: Release,
    /// The virtual environment that it runs in.
    pub venv: String,
    /// Further words for `pip install`.
    pub pip_args: Vec<String>,
    /// Its virtual environments: how they lie and what makes them.
    #[serde(default)]
    pub environments: EnvironmentSpec,
    /// Its process.
    pub process: ProcessSpec,
    /// Its database, if it has one.
    pub schema: Option<SchemaSpec>,
    /// Its health endpoint, if it has one.
    pub health: Option<HealthSpec>,
    /// How many instances of it must keep serving in the cluster while others change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Share>,
    /// How users are kept out while the whole cluster is stopped, where this component is the one to do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<FreezeSpec>,
    /// What must hold before it moves, as far as its operators say.
    pub precautions: Precautions,
    /// `file:line:column` of the task that declares it.
    pub declared_at: String,
    /// Where its release was written, with that line.
    pub release_at: Asked,
}

/// A place in a file of the project, with the line itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Asked {
    /// `file:line:column`.
    pub place: String,
    /// The line, without the blanks around it.
    pub line: String,
}

/// What operators ask to be looked at before a component moves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Precautions {
    /// A command that lists running work, one piece a line; no output means that none runs.
    pub workloads: Option<String>,
    /// A command that exits with 0 when the users have been notified.
    pub notice: Option<String>,
    /// The maintenance window.
    pub window: Option<Window>,
    /// Patterns of files with the component's state, which another release or Python may not be able to read.
    pub state_files: Vec<String>,
}

/// How the component's process is run and recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Who starts and stops it.
    pub supervisor: Supervisor,
    /// POSIX extended regular expression over the command line of its processes.
    pub title: Option<String>,
    /// The user that its processes belong to.
    pub user: Option<String>,
    /// A file that holds its main process's number.
    pub pid_file: Option<String>,
    /// The signal that stops it without harm.
    pub stop_signal: Signal,
    /// Seconds that a stop may take until nothing of it is left.
    pub stop_timeout: u32,
    /// Seconds that a start may take until it is healthy.
    pub start_timeout: u32,
}

/// Who starts and stops a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supervisor {
    /// A systemd unit.
    Systemd {
        /// Its name.
        unit: String,
    },
    /// Nobody: a shell command starts it in the background, a signal stops it.
    Command {
        /// The command, run by `/bin/sh`.
        command: String,
        /// The directory to start it in.
        chdir: Option<String>,
        /// Where its standard output and error go.
        log: String,
    },
}

/// A signal that stops a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// The usual one.
    #[serde(rename = "SIGTERM")]
    Term,
    /// For Backend.AI agents, which take SIGTERM as an order to destroy their containers.
    #[serde(rename = "SIGINT")]
    Int,
    /// For programs that use it for a graceful stop.
    #[serde(rename = "SIGQUIT")]
    Quit,
}

impl Signal {
    /// The signal of this name, with or without `SIG`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("SIG").unwrap_or(text) {
            "TERM" => Some(Signal::Term),
            "INT" => Some(Signal::Int),
            "QUIT" => Some(Signal::Quit),
            _ => None,
        }
    }

    /// Its number on Linux (signal(7)).
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Signal::Term => 15,
            Signal::Int => 2,
            Signal::Quit => 3,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Term => "SIGTERM",
            Signal::Int => "SIGINT",
            Signal::Quit => "SIGQUIT",
        })
    }
}

/// The component's database under alembic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaSpec {
    /// The operator's `alembic.ini` on the host.
    pub ini: String,
    /// The directory to run alembic in.
    pub chdir: String,
    /// The directory on the host that backups go to.
    pub backup: Option<String>,
    /// Another host that each backup before a migration is copied to as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_host: Option<BackupHost>,
    /// Seconds that a migration may take. A long one is not a failed one.
    pub timeout: u32,
    /// How many backups of the database are kept, the newest ones; older ones that converge made are removed.
    pub keep_backups: u32,
    /// State beside the database that a migration may change, such as etcd's: for each a name and a command that prints
    /// it. It is saved beside the backup.
    pub snapshots: BTreeMap<String, String>,
    /// Who brings in what alembic would leave out.
    #[serde(default)]
    pub left_out: LeftOut,
    /// Before which hops the migration is tried on a copy.
    pub rehearsal: Rehearsal,
    /// The database that the copy is made in; `None` stands for the name of the real one and `_rehearsal`.
    pub scratch: Option<String>,
}

/// Who brings in revisions that `alembic upgrade head` would leave out on a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOut {
    /// converge, in one transaction with the upgrade.
    #[default]
    Converge,
    /// The package's own `apply-missing-revisions`, instead of the upgrade. It isn't atomic.
    Upstream,
}

/// Before which hops a migration is tried on a copy of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rehearsal {
    /// Before each that migrates.
    Always,
    /// Before major ones.
    Major,
    /// Before none.
    Never,
}

/// The component's health endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSpec {
    /// Its URL as the host reaches it.
    pub http: String,
    /// JSON pointer to the running release in the answer.
    pub version: Option<String>,
}

impl Component {
    /// The question about its virtual environment.
    #[must_use]
    pub fn venv_query(&self) -> VenvQuery {
        VenvQuery { path: self.venv.clone(), package: self.package.clone() }
    }

    /// The question about processes by title or pid file; `None` where only systemd knows them.
    #[must_use]
    pub fn process_query(&self) -> Option<ProcessQuery> {
        let process = &self.process;
        (process.title.is_some() || process.pid_file.is_some()).then(|| ProcessQuery {
            title: process.title.clone(),
            user: process.user.clone(),
            pid_file: process.pid_file.clone(),
        })
    }

    /// The question about its unit, where systemd supervises it.
    #[must_use]
    pub fn unit_query(&self) -> Option<UnitQuery> {
        match &self.process.supervisor {
            Supervisor::Systemd { unit } => Some(UnitQuery { name: unit.clone() }),
            Supervisor::Command { .. } => None,
        }
    }

    /// The question about its health.
    #[must_use]
    pub fn health_query(&self) -> Option<HealthQuery> {
        self.health.as_ref().map(|health| HealthQuery {
            url: health.http.clone(),
            version: health.version.clone(),
            venv: self.venv.clone(),
        })
    }

    /// The question about its schema.
    #[must_use]
    pub fn schema_query(&self) -> Option<SchemaQuery> {
        self.schema.as_ref().map(|schema| SchemaQuery {
            ini: schema.ini.clone(),
            chdir: schema.chdir.clone(),
            venv: self.venv.clone(),
        })
    }

    /// The question about room for packages.
    #[must_use]
    pub fn venv_disk_query(&self) -> DiskQuery {
        DiskQuery { path: self.venv.clone() }
    }

    /// The question about room for backups.
    #[must_use]
    pub fn backup_disk_query(&self) -> Option<DiskQuery> {
        let path = self.schema.as_ref()?.backup.clone()?;
        Some(DiskQuery { path })
    }

    /// The question about published releases, asked only where a path is needed.
    #[must_use]
    pub fn published_query(&self) -> PublishedQuery {
        PublishedQuery::new(&self.venv, &self.package, &self.pip_args)
    }

    /// The question whether work runs, as the operator asks it.
    #[must_use]
    pub fn workloads_query(&self) -> Option<CommandQuery> {
        self.precautions.workloads.clone().map(CommandQuery::of)
    }

    /// The question whether users have been notified.
    #[must_use]
    pub fn notice_query(&self) -> Option<CommandQuery> {
        self.precautions.notice.clone().map(CommandQuery::of)
    }

    /// The questions for files with its state.
    #[must_use]
    pub fn state_queries(&self) -> Vec<PathsQuery> {
        self.precautions.state_files.iter().map(|pattern| PathsQuery { pattern: pattern.clone() }).collect()
    }

    /// The question about exact pins in its environment.
    #[must_use]
    pub fn pins_query(&self) -> PinsQuery {
        PinsQuery { venv: self.venv.clone() }
    }

    /// Everything that is asked only before it moves, of what is declared for it.
    #[must_use]
    pub fn queries_before_a_move(&self) -> Vec<Query> {
        let mut queries = vec![Query::Pins(self.pins_query())];
        queries.extend(self.workloads_query().map(Query::Command));
        queries.extend(self.notice_query().map(Query::Command));
        queries.extend(self.state_queries().into_iter().map(Query::Paths));
        queries.extend(self.interpreters_before_a_move());
        queries
    }

    /// The question about where packages come from, asked before what is published.
    #[must_use]
    pub fn package_source_query(&self) -> PackageSourceQuery {
        PackageSourceQuery { venv: self.venv.clone() }
    }

    /// Every question that a drift check of this component asks.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        let mut queries = vec![Query::Venv(self.venv_query()), Query::Disk(self.venv_disk_query())];
        queries.extend(self.process_query().map(Query::Process));
        queries.extend(self.unit_query().map(Query::Unit));
        queries.extend(self.health_query().map(Query::Health));
        queries.extend(self.schema_query().map(Query::Schema));
        queries.extend(self.backup_disk_query().map(Query::Disk));
        queries.extend(self.freeze.as_ref().map(|freeze| Query::File(freeze.marker_query())));
        queries
    }

    /// What is known of its virtual environment.
    #[must_use]
    pub fn venv_fact<'a>(&self, facts: &'a HostFacts) -> Observed<&'a Venv> {
        facts.venv(&self.venv_query())
    }

    /// What is known of its schema; `None` where it has none.
    #[must_use]
    pub fn schema_fact<'a>(&self, facts: &'a HostFacts) -> Option<Observed<&'a SchemaFact>> {
        self.schema_query().map(|query| facts.schema(&query))
    }
}
