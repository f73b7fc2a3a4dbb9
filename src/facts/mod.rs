//! Facts: what was observed on hosts. One file per fact holds what the probe asks, the parser of the
//! answer, and its type. Pure: running the probe is `gather`'s business.
//!
//! A fact is [`Observed::Known`], [`Observed::Absent`] or [`Observed::Unknown`] with the reason.
//! Unknown is never defaulted away: whatever depends on it is blocked.

mod account;
mod command;
mod crontab;
mod disk;
mod effects;
mod file;
mod health;
mod interpreters;
mod jobs;
mod listening;
mod os_package;
mod package_source;
mod paths;
mod pins;
mod probe;
mod process;
mod published;
mod resolution;
mod schema;
mod started;
mod stat;
mod sum;
mod system;
mod unit;
mod venv;
mod wheel;
mod work;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{HostName, Timestamp};
use crate::release::Wheel;

pub use account::{Account, AccountQuery};
pub use command::{CommandAnswer, CommandQuery};
pub use crontab::{Crontab, CrontabQuery};
pub use disk::{Disk, DiskQuery};
pub use effects::{Effect, EffectKind, Effects, EffectsQuery, RevisionEffects};
pub use file::{File, FileQuery};
pub use health::{Health, HealthQuery};
pub use interpreters::{Interpreter, Interpreters, InterpretersQuery, UnfitInterpreter};
pub use jobs::{Jobs, UnfinishedJob};
pub use listening::{Listening, ListeningQuery};
pub use os_package::{OsPackage, OsPackageQuery};
pub use package_source::{PackageSource, PackageSourceQuery};
pub use paths::{Paths, PathsQuery};
pub use pins::{Pins, PinsQuery};
pub use probe::{Probe, ProbeError, read_answers};
pub use process::{Process, ProcessQuery, Processes};
pub use published::{Published, PublishedQuery, Told};
pub use resolution::{Resolution, ResolutionQuery};
pub use schema::{DATABASE_URL_PY, Database, DatabaseKind, MIGRATION_NOTE, SchemaFact, SchemaQuery};
pub use started::Started;
pub use stat::{Contents, LONGEST as LONGEST_CONTENT, Stat, StatKind, StatQuery};
pub use sum::{Sum, SumQuery};
pub use system::System;
pub use unit::{Unit, UnitQuery};
pub use venv::{Distribution, Venv, VenvQuery};
pub use wheel::{MigrationsAt, WheelQuery};
pub use work::{Work, WorkQuery};

pub use crate::release::normalize_name;

/// What became of looking for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed<T> {
    /// It was seen.
    Known(T),
    /// It was looked for, and isn't there.
    Absent,
    /// It could not be found out, for this reason.
    Unknown(String),
}

impl<T> Observed<T> {
    /// The value, where it is known.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Observed::Known(value) => Some(value),
            Observed::Absent | Observed::Unknown(_) => None,
        }
    }

    /// The reason, where it is unknown.
    #[must_use]
    pub fn unknown(&self) -> Option<&str> {
        match self {
            Observed::Unknown(reason) => Some(reason),
            Observed::Known(_) | Observed::Absent => None,
        }
    }

    /// The same outcome by reference.
    #[must_use]
    pub fn as_ref(&self) -> Observed<&T> {
        match self {
            Observed::Known(value) => Observed::Known(value),
            Observed::Absent => Observed::Absent,
            Observed::Unknown(reason) => Observed::Unknown(reason.clone()),
        }
    }

    /// What follows from the value, where it is known.
    #[must_use]
    pub fn and_then<U>(self, then: impl FnOnce(T) -> Observed<U>) -> Observed<U> {
        match self {
            Observed::Known(value) => then(value),
            Observed::Absent => Observed::Absent,
            Observed::Unknown(reason) => Observed::Unknown(reason),
        }
    }
}

/// One question that the probe asks on a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Query {
    /// The operating system.
    System,
    /// Jobs of converge that are not over.
    Jobs,
    /// Free space under a path.
    Disk(DiskQuery),
    /// One file: size and time.
    File(FileQuery),
    /// One file with the sum noted beside it. Asked only about copies of backups.
    Sum(SumQuery),
    /// A virtual environment and its distributions.
    Venv(VenvQuery),
    /// Processes recognised by title or pid file.
    Process(ProcessQuery),
    /// A systemd unit with its processes.
    Unit(UnitQuery),
    /// A health endpoint.
    Health(HealthQuery),
    /// A database's alembic rows and the installed package's revision graph.
    Schema(SchemaQuery),
    /// The releases of a package that the host's pip can get. Slow: asked only where a path is needed.
    Published(PublishedQuery),
    /// Work that runs, counted in a database. Asked only before something moves.
    Work(WorkQuery),
    /// What a command of the operator says. Asked only before something moves.
    Command(CommandQuery),
    /// Which paths match a pattern. Asked only before something moves.
    Paths(PathsQuery),
    /// Which distributions pin which others. Asked only before something moves.
    Pins(PinsQuery),
    /// Where the host's pip gets packages from, told without asking anybody.
    PackageSource(PackageSourceQuery),
    /// A release's wheel, fetched and not installed. Slow: asked only where a release is about to be installed.
    Wheel(WheelQuery),
    /// Which interpreters a new environment could be made with. Asked only before something moves.
    Interpreters(InterpretersQuery),
    /// What revisions bring, compared with a database. Reads every revision file: asked only where it is needed.
    Effects(EffectsQuery),
    /// What would be installed for a release. Slow: asked only by `converge lock`.
    Resolution(ResolutionQuery),
    /// What lies at a path.
    Stat(StatQuery),
    /// A user or a group.
    Account(AccountQuery),
    /// A package of the operating system.
    OsPackage(OsPackageQuery),
    /// A crontab.
    Crontab(CrontabQuery),
    /// Whether something listens on a port.
    Listening(ListeningQuery),
    /// When a unit was started.
    Started(UnitQuery),
}

/// The answer to one [`Query`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// Answer to [`Query::System`].
    System(Observed<System>),
    /// Answer to [`Query::Jobs`].
    Jobs(Observed<Jobs>),
    /// Answer to [`Query::Disk`].
    Disk(Observed<Disk>),
    /// Answer to [`Query::File`].
    File(Observed<File>),
    /// Answer to [`Query::Sum`].
    Sum(Observed<Sum>),
    /// Answer to [`Query::Venv`].
    Venv(Observed<Venv>),
    /// Answer to [`Query::Process`].
    Process(Observed<Processes>),
    /// Answer to [`Query::Unit`].
    Unit(Observed<Unit>),
    /// Answer to [`Query::Health`].
    Health(Observed<Health>),
    /// Answer to [`Query::Schema`].
    Schema(Observed<SchemaFact>),
    /// Answer to [`Query::Published`].
    Published(Observed<Published>),
    /// Answer to [`Query::Work`].
    Work(Observed<Work>),
    /// Answer to [`Query::Command`].
    Command(Observed<CommandAnswer>),
    /// Answer to [`Query::Paths`].
    Paths(Observed<Paths>),
    /// Answer to [`Query::Pins`].
    Pins(Observed<Pins>),
    /// Answer to [`Query::PackageSource`].
    PackageSource(Observed<PackageSource>),
    /// Answer to [`Query::Wheel`].
    Wheel(Observed<Wheel>),
    /// Answer to [`Query::Interpreters`].
    Interpreters(Observed<Interpreters>),
    /// Answer to [`Query::Effects`].
    Effects(Observed<Effects>),
    /// Answer to [`Query::Resolution`].
    Resolution(Observed<Resolution>),
    /// Answer to [`Query::Stat`].
    Stat(Observed<Stat>),
    /// Answer to [`Query::Account`].
    Account(Observed<Account>),
    /// Answer to [`Query::OsPackage`].
    OsPackage(Observed<OsPackage>),
    /// Answer to [`Query::Crontab`].
    Crontab(Observed<Crontab>),
    /// Answer to [`Query::Listening`].
    Listening(Observed<Listening>),
    /// Answer to [`Query::Started`].
    Started(Observed<Started>),
}

/// Everything observed on one host in one round trip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// The host.
    pub host: HostName,
    /// When the host answered, by its own clock; the controller's epoch 0 where it never did.
    pub observed_at: Timestamp,
    /// Why the host could not be asked at all, if it couldn't.
    pub unreachable: Option<String>,
    /// The answers, by question.
    #[serde(with = "answers_as_list")]
    pub answers: BTreeMap<Query, Fact>,
}

macro_rules! accessor {
    ($(#[$doc:meta])* $name:ident, $query:ty, $variant:ident, $fact:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self, query: &$query) -> Observed<&$fact> {
            match self.answers.get(&Query::$variant(query.clone())) {
                Some(Fact::$variant(observed)) => observed.as_ref(),
                Some(_) => Observed::Unknown("the answer is of another kind than the question".into()),
                None => Observed::Unknown(self.unreachable.clone().unwrap_or_else(|| "it was not asked".into())),
            }
        }
    };
}

impl HostFacts {
    /// Facts of a host that could not be asked.
    #[must_use]
    pub fn unreachable(host: HostName, reason: String) -> Self {
        Self { host, observed_at: Timestamp(0), unreachable: Some(reason), answers: BTreeMap::new() }
    }

    accessor!(
        /// Free space under a path.
        disk, DiskQuery, Disk, Disk
    );
    accessor!(
        /// A file.
        file, FileQuery, File, File
    );
    accessor!(
        /// A file and its sum.
        sum, SumQuery, Sum, Sum
    );
    accessor!(
        /// A virtual environment.
        venv, VenvQuery, Venv, Venv
    );
    accessor!(
        /// Processes by title or pid file.
        processes, ProcessQuery, Process, Processes
    );
    accessor!(
        /// A systemd unit.
        unit, UnitQuery, Unit, Unit
    );
    accessor!(
        /// A health endpoint.
        health, HealthQuery, Health, Health
    );
    accessor!(
        /// A database and its package's revisions.
        schema, SchemaQuery, Schema, SchemaFact
    );
    accessor!(
        /// Published releases.
        published, PublishedQuery, Published, Published
    );
    accessor!(
        /// Running work.
        work, WorkQuery, Work, Work
    );
    accessor!(
        /// A command's answer.
        command, CommandQuery, Command, CommandAnswer
    );
    accessor!(
        /// Paths that match a pattern.
        paths, PathsQuery, Paths, Paths
    );
    accessor!(
        /// Exact pins of an environment.
        pins, PinsQuery, Pins, Pins
    );
    accessor!(
        /// Where packages come from.
        package_source, PackageSourceQuery, PackageSource, PackageSource
    );
    accessor!(
        /// A release's wheel.
        wheel, WheelQuery, Wheel, Wheel
    );
    accessor!(
        /// What would be installed for a release.
        resolution, ResolutionQuery, Resolution, Resolution
    );
    accessor!(
        /// Interpreters that a new environment could be made with.
        interpreters, InterpretersQuery, Interpreters, Interpreters
    );
    accessor!(
        /// What revisions bring, and whether it is there.
        effects, EffectsQuery, Effects, Effects
    );

    accessor!(
        /// What lies at a path.
        stat, StatQuery, Stat, Stat
    );
    accessor!(
        /// A user or a group.
        account, AccountQuery, Account, Account
    );
    accessor!(
        /// A package of the operating system.
        os_package, OsPackageQuery, OsPackage, OsPackage
    );
    accessor!(
        /// A crontab.
        crontab, CrontabQuery, Crontab, Crontab
    );
    accessor!(
        /// Whether something listens on a port.
        listening, ListeningQuery, Listening, Listening
    );
    accessor!(
        /// When a unit was started.
        started, UnitQuery, Started, Started
    );

    /// The operating system.
    #[must_use]
    pub fn system(&self) -> Observed<&System> {
        match self.answers.get(&Query::System) {
            Some(Fact::System(observed)) => observed.as_ref(),
            Some(_) | None => Observed::Unknown(self.unreachable.clone().unwrap_or_else(|| "it was not asked".into())),
        }
    }

    /// The jobs of converge that are not over.
    #[must_use]
    pub fn jobs(&self) -> Observed<&Jobs> {
        match self.answers.get(&Query::Jobs) {
            Some(Fact::Jobs(observed)) => observed.as_ref(),
            Some(_) | None => Observed::Unknown(self.unreachable.clone().unwrap_or_else(|| "it was not asked".into())),
        }
    }

    /// Takes over the answers of a later round trip; newer answers replace older ones.
    pub fn merge(&mut self, later: HostFacts) {
        if let Some(reason) = later.unreachable {
            self.unreachable = Some(reason);
            return;
        }
        self.observed_at = later.observed_at;
        self.answers.extend(later.answers);
    }
}

/// The facts of a host among those of many; a host without any counts as one that could not be asked.
#[must_use]
pub fn facts_of<'a>(all: &'a BTreeMap<HostName, HostFacts>, host: &HostName) -> Cow<'a, HostFacts> {
    all.get(host).map_or_else(
        || Cow::Owned(HostFacts::unreachable(host.clone(), "it was not asked".into())),
        // A host has hundreds of distributions and is looked up several times in a survey.
        Cow::Borrowed,
    )
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Query::System => f.write_str("system"),
            Query::Jobs => f.write_str("jobs"),
            Query::Disk(query) => write!(f, "disk {}", query.path),
            Query::File(query) => write!(f, "file {}", query.path),
            Query::Sum(query) => write!(f, "sum {}", query.path),
            Query::Venv(query) => write!(f, "venv {}", query.path),
            Query::Process(query) => write!(f, "process {query}"),
            Query::Unit(query) => write!(f, "unit {}", query.name),
            Query::Health(query) => write!(f, "health {}", query.url),
            Query::Schema(query) => write!(f, "schema {}", query.ini),
            Query::Published(query) => write!(f, "published {}", query.package),
            Query::Work(query) => write!(f, "work in {} of {}", query.table, query.database.ini),
            Query::Command(query) => write!(f, "command {}", query.command),
            Query::Paths(query) => write!(f, "paths {}", query.pattern),
            Query::Pins(query) => write!(f, "pins {}", query.venv),
            Query::PackageSource(query) => write!(f, "package source {}", query.venv),
            Query::Wheel(query) => write!(f, "wheel {query}"),
            Query::Resolution(query) => write!(f, "resolution of {query}"),
            Query::Interpreters(query) => write!(f, "interpreters for {}", query.venv),
            Query::Effects(query) => write!(f, "effects in {}", query.database.ini),
            Query::Stat(query) => write!(f, "path {}", query.path),
            Query::Account(AccountQuery::User(name)) => write!(f, "user {name}"),
            Query::Account(AccountQuery::Group(name)) => write!(f, "group {name}"),
            Query::OsPackage(query) => write!(f, "package {}", query.name),
            Query::Crontab(query) => write!(f, "crontab of {}", query.user.as_deref().unwrap_or("the session's user")),
            Query::Listening(query) => write!(f, "port {}", query.port),
            Query::Started(query) => write!(f, "start of {}", query.name),
        }
    }
}

/// JSON objects need text keys, and a query isn't one: answers are written as a list of pairs.
mod answers_as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Fact, Query};

    #[derive(Serialize)]
    struct Borrowed<'a> {
        query: &'a Query,
        answer: &'a Fact,
    }

    #[derive(Deserialize)]
    struct Owned {
        query: Query,
        answer: Fact,
    }

    pub(super) fn serialize<S: Serializer>(answers: &BTreeMap<Query, Fact>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(answers.iter().map(|(query, answer)| Borrowed { query, answer }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Query, Fact>, D::Error> {
        Ok(Vec::<Owned>::deserialize(deserializer)?.into_iter().map(|pair| (pair.query, pair.answer)).collect())
    }
}
