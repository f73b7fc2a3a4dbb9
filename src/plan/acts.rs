//! Single actions, made from what the planner knows of a member.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, ActionKind, CopyAt, Migration, PackageMove, Undo};
use super::backup::restore_command;
use super::databases::Databases;
use super::member::Member;
use crate::desired::InstanceId;
use crate::facts::{CommandQuery, Database, DatabaseKind, HostFacts, Observed, WorkQuery, normalize_name};
use crate::model::{HostName, Timestamp, directory_of, shell_quote as q};
use crate::release::{Catalogue, PendingRevision, Release, RevisionId, SchemaPreview};
use crate::resource::component::{BackupCopies, Component, Running, SchemaSpec, mending_of, upstream_version};

/// Downloading and unpacking 400 MB of wheels over a slow line takes minutes; half an hour is a hang.
const INSTALL_SECONDS: u32 = 1800;
/// A link is replaced, or a directory renamed: moments, but for what is read before and after.
const SWITCH_SECONDS: u32 = 120;
/// Removing some hundred thousand small files takes seconds, on a slow disk minutes.
const PRUNE_SECONDS: u32 = 600;
/// A command of the operator, which starts a Python program and speaks with a server.
const COMMAND_SECONDS: u32 = 300;

/// `RELEASE/HOST/COMPONENT/VERB`.
fn id(release: &Release, member: &Member<'_>, verb: &str) -> String {
    format!("{release}/{}/{}/{verb}", member.instance.host, member.instance.component.name)
}

fn action(release: &Release, member: &Member<'_>, verb: &str, kind: ActionKind) -> Action {
    Action {
        id: id(release, member, verb),
        host: member.instance.host.clone(),
        component: member.instance.component.name.clone(),
        kind,
        why: String::new(),
        ensures: String::new(),
        undo: Undo::Nothing,
        limit_seconds: COMMAND_SECONDS,
        if_interrupted: "nothing; the next run looks".into(),
    }
}

pub(super) fn stop(release: &Release, member: &Member<'_>, why: String) -> Action {
    Action {
        why,
        ensures: "no process of it is left".into(),
        undo: Undo::By("start it".into()),
        // The wait is bounded on the host; half a minute more covers what surrounds it.
        limit_seconds: member.instance.component.process.stop_timeout + 30,
        if_interrupted: "it is stopped or still running; the next run looks".into(),
        ..action(release, member, "stop", ActionKind::Stop)
    }
}

/// What moves in one environment on one host.
pub(super) struct Move<'m, 'a> {
    /// The members whose packages move.
    pub(super) moving: Vec<&'m Member<'a>>,
    /// Everything that runs from the environment.
    pub(super) stopped: Vec<InstanceId>,
    /// Whether the packages are known to leave a schema as it is.
    pub(super) keeps_schema: bool,
    /// Whether one of its members migrates its database then.
    pub(super) migrates: bool,
}

impl Move<'_, '_> {
    /// The packages, each once.
    fn packages(&self, release: &Release) -> Vec<PackageMove> {
        let mut packages: Vec<PackageMove> = Vec::new();
        for member in &self.moving {
            let package = &member.instance.component.package;
            if !packages.iter().any(|known| normalize_name(&known.package) == normalize_name(package)) {
                let from = member.installed.clone().filter(|_| member.whole);
                packages.push(PackageMove { package: package.clone(), from, to: release.clone() });
            }
        }
        packages
    }

    fn why(&self, release: &Release) -> String {
        let last_hop = self.moving.iter().all(|member| member.instance.component.release == *release);
        let mut why = if last_hop {
            format!("{release} is declared")
        } else {
            format!("{release} lies between what is installed and what is declared, and no patch is skipped")
        };
        if self.keeps_schema {
            why.push_str("; its package brings no revision: the schema stays as it is");
        }
        why
    }
}

pub(super) fn install(release: &Release, moved: &Move<'_, '_>) -> Option<Action> {
    let first = moved.moving.first()?;
    let venv = first.instance.component.venv.clone();
    let kind = ActionKind::Install { venv, packages: moved.packages(release), stopped: moved.stopped.clone() };
    Some(Action {
        why: moved.why(release),
        ensures: "the release is installed whole, and pip check finds nothing broken".into(),
        undo: Undo::By("install the release before".into()),
        limit_seconds: INSTALL_SECONDS,
        if_interrupted: "a half-done install, which the next run recognises and completes".into(),
        ..action(release, first, "install", kind)
    })
}

pub(super) fn stage(release: &Release, moved: &Move<'_, '_>) -> Option<Action> {
    let first = moved.moving.first()?;
    let kind = ActionKind::Stage {
        venv: first.instance.component.venv.clone(),
        target: first.staged(release)?,
        interpreter: first.interpreter(release)?.path.clone(),
        python: first.interpreter(release)?.version.clone(),
        packages: moved.packages(release),
    };
    Some(Action {
        why: moved.why(release),
        ensures: "the environment is whole, its requirements hold, and its modules and commands load".into(),
        undo: Undo::By("remove it".into()),
        limit_seconds: INSTALL_SECONDS,
        if_interrupted: "a half-built environment that nothing uses, which the next run builds anew".into(),
        ..action(release, first, "stage", kind)
    })
}

pub(super) fn switch(release: &Release, moved: &Move<'_, '_>) -> Option<Action> {
    let first = moved.moving.first()?;
    let kind = ActionKind::Switch {
        venv: first.instance.component.venv.clone(),
        target: first.staged(release)?,
        aside: first.way_back(),
        migrates: moved.migrates,
        packages: moved.packages(release),
        stopped: moved.stopped.clone(),
    };
    Some(Action {
        why: "the new environment was built and checked while the old one ran".into(),
        ensures: "the declared path leads to the new environment".into(),
        undo: Undo::By(format!("switch back to {}", first.way_back())),
        limit_seconds: SWITCH_SECONDS,
        if_interrupted: "the path leads to the one or the other; the next run looks".into(),
        ..action(release, first, "switch", kind)
    })
}

/// Takes [`switch`] back.
pub(super) fn switch_back(release: &Release, moved: &Move<'_, '_>) -> Option<Action> {
    let first = moved.moving.first()?;
    let turned = |package: PackageMove| {
        let to = package.from?;
        Some(PackageMove { from: Some(package.to), to, package: package.package })
    };
    let kind = ActionKind::Switch {
        venv: first.instance.component.venv.clone(),
        target: first.way_back(),
        aside: first.way_back(),
        migrates: false,
        packages: moved.packages(release).into_iter().filter_map(turned).collect(),
        stopped: moved.stopped.clone(),
    };
    Some(Action {
        why: format!("the way to {release} is given up before its migration"),
        ensures: "the declared path leads to the old environment".into(),
        undo: Undo::By("switch again".into()),
        limit_seconds: SWITCH_SECONDS,
        if_interrupted: "the path leads to the one or the other; the next run looks".into(),
        ..action(release, first, "switch-back", kind)
    })
}

pub(super) fn prune(release: &Release, moved: &Move<'_, '_>) -> Option<Action> {
    let first = moved.moving.first()?;
    let component = &first.instance.component;
    let kind = ActionKind::Prune { venv: component.venv.clone(), keep: component.environments.keep };
    Some(Action {
        why: format!("{release} runs, and old environments cost room"),
        ensures: "no more than these are left".into(),
        limit_seconds: PRUNE_SECONDS,
        if_interrupted: "an old environment that is removed in part, and that nothing uses".into(),
        ..action(release, first, "prune", kind)
    })
}

/// The database of a member, with what is needed to change it.
pub(super) struct Store<'m, 'a> {
    pub(super) member: &'m Member<'a>,
    pub(super) schema: &'m SchemaSpec,
    pub(super) database: &'m Database,
    pub(super) migration: Migration,
    /// Everything that uses it.
    pub(super) users: Vec<InstanceId>,
    /// What is run, in words.
    why: String,
    /// Revisions of it that reach outside of the database.
    outside: BTreeSet<RevisionId>,
    name: String,
    seen_at: Timestamp,
}

impl<'m, 'a> Store<'m, 'a> {
    /// `None` where what is needed isn't known; then the pre-flight refuses.
    pub(super) fn of(
        release: &Release,
        member: &'m Member<'a>,
        database: &'m Database,
        users: Vec<InstanceId>,
        facts: &HostFacts,
        databases: &Databases<'a>,
    ) -> Option<Self> {
        let component: &Component = &member.instance.component;
        let schema = component.schema.as_ref()?;
        let Some(Observed::Known(fact)) = component.schema_fact(facts) else { return None };
        let mut migration = databases.migration(member, release)?;
        if !migration.skipped.is_empty() {
            let from = member.installed.as_ref().filter(|_| member.whole);
            migration.upstream = upstream_version(component, from, release, facts).transpose().ok()?;
        }
        let preview = databases.preview(member, release)?;
        let why = waiting(&preview);
        let reaches = |one: &&PendingRevision| one.risks.iter().any(|risk| risk.kind.reaches_outside());
        let outside =
            preview.skipped.iter().chain(&preview.pending).filter(reaches).map(|one| one.id.clone()).collect();
        let name = fact.name.clone();
        Some(Self { member, schema, database, migration, users, why, outside, name, seen_at: facts.observed_at })
    }

    /// The same for a database that is completed where it stands. `None` where it can't be, or lacks nothing.
    pub(super) fn mending(
        member: &'m Member<'a>,
        database: &'m Database,
        users: Vec<InstanceId>,
        facts: &HostFacts,
        catalogue: &Catalogue,
    ) -> Option<Self> {
        let component: &Component = &member.instance.component;
        let schema = component.schema.as_ref()?;
        let Some(Observed::Known(fact)) = component.schema_fact(facts) else { return None };
        let Observed::Known(mending) = mending_of(component, facts, catalogue)? else { return None };
        let Observed::Known(effects) = facts.effects(&component.whole_schema_query()?) else { return None };
        let (mut rows, true) = (fact.rows.iter(), mending.completes()) else { return None };
        let (head, None) = (rows.next()?.clone(), rows.next()) else { return None };
        let (rows, skipped) = (fact.rows.clone(), mending.sound);
        let migration = Migration { rows, skipped, pending: Vec::new(), head, upstream: None };
        let told = |id: &RevisionId| PendingRevision {
            id: id.clone(),
            message: effects.revisions.get(id).map(|told| told.message.clone()).unwrap_or_default(),
            risks: Vec::new(),
        };
        let run: Vec<String> = migration.skipped.iter().map(|id| told(id).to_string()).collect();
        let why = format!("{} revision(s) never ran, although the row is above them: {}", run.len(), run.join("; "));
        // One of which nothing is known may do anything.
        let reaches = |id: &&RevisionId| {
            let risks = effects.revisions.get(*id).and_then(|told| told.risks.as_ref());
            risks.is_none_or(|risks| risks.iter().any(|risk| risk.kind.reaches_outside()))
        };
        let outside = migration.skipped.iter().filter(reaches).cloned().collect();
        let name = fact.name.clone();
        Some(Self { member, schema, database, migration, users, why, outside, name, seen_at: facts.observed_at })
    }

    /// A file beside the backups: `DIRECTORY/NAME-WHEN-RELEASE-TIME.EXTENSION`.
    fn file(&self, when: &str, release: &Release, extension: &str) -> String {
        let directory = self.schema.backup.as_deref().unwrap_or("/nonexistent");
        format!("{directory}/{}-{when}-{release}-{}.{extension}", self.name, compact(self.seen_at))
    }

    fn extension(&self) -> &'static str {
        match self.database.kind {
            DatabaseKind::Postgresql => "dump",
            DatabaseKind::Sqlite => "sqlite",
        }
    }

    /// The backup that the migration to `release` is preceded by.
    pub(super) fn backup_file(&self, release: &Release) -> String {
        self.file("before", release, self.extension())
    }

    /// What brings the backup back, to be typed on the member's host.
    pub(super) fn restore(&self, release: &Release) -> String {
        restore_command(self.database.kind, &self.backup_file(release))
    }

    /// What [`Self::restore`] needs to reach the server, where there is one; the address and the password stand on no
    /// command line.
    pub(super) fn access(&self) -> Option<String> {
        let ini = &self.schema.ini;
        match self.database.kind {
            DatabaseKind::Postgresql => Some(format!("export PGHOST, PGPORT, PGUSER and PGPASSWORD as {ini} has them")),
            DatabaseKind::Sqlite => None,
        }
    }

    fn act(&self, release: &Release, verb: &str, kind: ActionKind) -> Action {
        Action { limit_seconds: self.schema.timeout, ..action(release, self.member, verb, kind) }
    }

    /// The backup with everything stopped, and what lies beside the database.
    pub(super) fn backups(&self, release: &Release, stopped: &[InstanceId]) -> Vec<Action> {
        let copied = self.copies().is_some();
        let backup = Action {
            why: "no schema changes without a backup".into(),
            ensures: "the backup is there and can be read".into(),
            if_interrupted: "an unfinished file that ends in .part and is never taken for a backup".into(),
            ..self.act(
                release,
                "backup",
                ActionKind::Backup {
                    database: self.database.clone(),
                    file: self.backup_file(release),
                    rows: self.migration.rows.clone(),
                    head: self.migration.head.clone(),
                    stopped: stopped.to_vec(),
                    keep: self.schema.keep_backups,
                    sum: copied,
                },
            )
        };
        let snapshots = self.schema.snapshots.iter().map(|(name, command)| {
            let kind = ActionKind::Snapshot {
                command: command.clone(),
                file: self.file("before", release, name),
                sum: copied,
            };
            Action {
                why: format!("a migration may change {name}, and no transaction takes that back"),
                ensures: "what the command prints is saved".into(),
                if_interrupted: "an unfinished file that ends in .part".into(),
                ..self.act(release, &format!("snapshot-{name}"), kind)
            }
        });
        std::iter::once(backup).chain(snapshots).collect()
    }

    fn copies(&self) -> Option<BackupCopies<'_>> {
        self.member.instance.component.backup_copies(&self.member.instance.host)
    }

    /// Where the copy of a file beside the backups lies.
    fn copy_of(&self, file: &str) -> Option<CopyAt> {
        let copies = self.copies()?;
        let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
        Some(CopyAt { host: copies.host.clone(), file: format!("{}/{name}", copies.directory) })
    }

    /// The copy of the backup that the migration to `release` is preceded by.
    pub(super) fn copy(&self, release: &Release) -> Option<CopyAt> {
        self.copy_of(&self.backup_file(release))
    }

    /// The copies of all that [`Self::backups`] saves, where they are declared.
    pub(super) fn copying(&self, release: &Release) -> Vec<Action> {
        let backup = (self.backup_file(release), "copy".to_owned(), Some(self.schema.keep_backups));
        let beside = |name: &String| (self.file("before", release, name), format!("copy-{name}"), None);
        let all = std::iter::once(backup).chain(self.schema.snapshots.keys().map(beside));
        let copying = |(file, verb, keep): (String, String, Option<u32>)| {
            let CopyAt { host, file: to } = self.copy_of(&file)?;
            let kind = ActionKind::Copy {
                from: self.member.instance.host.clone(),
                file,
                to,
                keep,
                head: self.migration.head.clone(),
            };
            Some(Action {
                host,
                why: "a backup that lies beside its database is lost with it".into(),
                ensures: "the same is there, by its sha256".into(),
                if_interrupted: "an unfinished file that ends in .part and is never taken for a copy".into(),
                ..self.act(release, &verb, kind)
            })
        };
        all.filter_map(copying).collect()
    }

    /// What to type where the backup itself is lost and its copy has to stand in.
    pub(super) fn copy_advice(&self, release: &Release) -> Option<String> {
        let CopyAt { host, file } = self.copy(release)?;
        let sum = q(&format!("{file}.sha256"));
        Some(format!(
            "a copy of that backup is kept on {host}: {file}; `cd {} && sha256sum -c {sum}` there tells whether it is whole",
            q(directory_of(&file))
        ))
    }

    /// A backup taken while everything runs, and the migration tried on a copy that is restored from it.
    pub(super) fn rehearsal(&self, release: &Release, venv: &str) -> Vec<Action> {
        let file = self.file("rehearsal", release, self.extension());
        let scratch = match (&self.schema.scratch, self.database.kind) {
            (Some(scratch), _) => scratch.clone(),
            (None, DatabaseKind::Postgresql) => format!("{}_rehearsal", self.name),
            (None, DatabaseKind::Sqlite) => self.file("rehearsal", release, "copy.sqlite"),
        };
        vec![
            Action {
                why: "the migration is rehearsed on it".into(),
                ensures: "the backup is there and can be read".into(),
                if_interrupted: "an unfinished file that ends in .part and is never taken for a backup".into(),
                ..self.act(
                    release,
                    "backup-live",
                    ActionKind::Backup {
                        database: self.database.clone(),
                        file: file.clone(),
                        rows: self.migration.rows.clone(),
                        head: self.migration.head.clone(),
                        stopped: Vec::new(),
                        keep: self.schema.keep_backups,
                        // It is there to be rehearsed with, and stays where it is.
                        sum: false,
                    },
                )
            },
            Action {
                why: "a migration that fails is to fail here, before anything stops".into(),
                ensures: "the same migration succeeds on a copy of the database".into(),
                if_interrupted: "a copy of the database, which the next rehearsal removes".into(),
                ..self.act(
                    release,
                    "rehearse",
                    ActionKind::Rehearse {
                        backup: file,
                        scratch,
                        venv: venv.to_owned(),
                        migration: self.migration.clone(),
                        outside: self.outside.clone(),
                    },
                )
            },
        ]
    }

    pub(super) fn migrate(&self, release: &Release, stopped: &[InstanceId]) -> Action {
        let (mut why, mut left) =
            (self.why.clone(), "a migration runs in one transaction: the old schema, or the new one".to_owned());
        if let Some(version) = &self.migration.upstream {
            why.push_str(&format!(
                ". As declared, the package's own `apply-missing-revisions {version}` runs all of them instead of `upgrade \
                 head`, and the head is stamped when it has succeeded"
            ));
            left =
                "anything between the old schema and the new one: it isn't atomic, and only the restore takes it back"
                    .to_owned();
        }
        Action {
            why,
            ensures: "the database holds one revision, the package's head".into(),
            undo: Undo::Restore(self.restore(release)),
            if_interrupted: left,
            ..self.act(
                release,
                "migrate",
                ActionKind::Migrate {
                    database: self.database.clone(),
                    backup: self.backup_file(release),
                    copy: self.copy(release),
                    migration: self.migration.clone(),
                    stopped: stopped.to_vec(),
                },
            )
        }
    }
}

/// What runs, in its order, with the first line of each revision.
fn waiting(preview: &SchemaPreview) -> String {
    let listed =
        |revisions: &[PendingRevision]| revisions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let mut parts = Vec::new();
    if !preview.skipped.is_empty() {
        let (count, names) = (preview.skipped.len(), listed(&preview.skipped));
        parts.push(format!("{count} revision(s) come first that alembic would take for applied: {names}"));
    }
    if !preview.pending.is_empty() {
        parts.push(format!("{} revision(s) are pending: {}", preview.pending.len(), listed(&preview.pending)));
    }
    parts.join(". ")
}

/// `20261122T172006Z`: sorts by time, and names a file on any system.
fn compact(time: Timestamp) -> String {
    time.to_string().chars().filter(|c| c.is_ascii_alphanumeric()).collect()
}

pub(super) fn start(release: &Release, member: &Member<'_>, moved: bool) -> Action {
    let running = if moved { release.clone() } else { member.installed.clone().unwrap_or_else(|| release.clone()) };
    let why = match (&member.restart, &member.assessment.running) {
        _ if moved => format!("{release} was installed"),
        (Some(reason), Running::Stopped { .. } | Running::Running { .. } | Running::Unknown(_)) => reason.clone(),
        (None, Running::Stopped { .. } | Running::Running { .. } | Running::Unknown(_)) => {
            "it was stopped for what it shares with others".into()
        }
    };
    start_as(release, member, "start", running, why)
}

/// Starts what was there before, after a switch that was taken back.
pub(super) fn start_back(release: &Release, member: &Member<'_>, running: Release) -> Action {
    start_as(release, member, "start-back", running, format!("the way to {release} is given up before its migration"))
}

fn start_as(release: &Release, member: &Member<'_>, verb: &str, running: Release, why: String) -> Action {
    Action {
        why,
        ensures: "it runs, answers with the release, and its schema is at the package's head".into(),
        undo: Undo::By("stop it".into()),
        // Starting takes moments, pip check seconds; waiting for health is bounded by start_timeout alone.
        limit_seconds: member.instance.component.process.start_timeout + 60,
        if_interrupted: "it is stopped, starting or running; the next run looks".into(),
        ..action(release, member, verb, ActionKind::Start { release: running })
    }
}

pub(super) fn settle(
    release: &Release,
    member: &Member<'_>,
    watched: BTreeMap<String, Release>,
    seconds: u32,
) -> Action {
    Action {
        why: "its play says that what was started has to prove itself before anything else begins".into(),
        ensures: format!("it stays healthy for {seconds} s"),
        limit_seconds: seconds.saturating_add(60),
        if_interrupted: "nothing: it only looks".into(),
        ..action(release, member, "settle", ActionKind::Settle { seconds, watched })
    }
}

/// Starts what was stopped, at the release that it had.
pub(super) fn start_again(release: &Release, member: &Member<'_>, verb: &str, why: &str) -> Action {
    start_as(release, member, verb, release.clone(), why.to_owned())
}

pub(super) fn freeze(release: &Release, member: &Member<'_>) -> Action {
    Action {
        why: format!("{release} stops the whole cluster: nothing new may begin"),
        ensures: "the cluster says that it is frozen".into(),
        undo: Undo::By("unfreeze it".into()),
        if_interrupted: "a frozen cluster and a file that says so; the next run unfreezes it".into(),
        ..action(release, member, "freeze", ActionKind::Freeze)
    }
}

pub(super) fn unfreeze(release: &Release, member: &Member<'_>, verb: &str, why: String) -> Action {
    Action {
        why,
        ensures: "the cluster says that it is not frozen".into(),
        if_interrupted: "a cluster that is frozen or not, and a file that says so; the next run looks".into(),
        ..action(release, member, verb, ActionKind::Unfreeze)
    }
}

pub(super) fn drain(
    release: &Release,
    member: &Member<'_>,
    counts: Vec<(HostName, WorkQuery)>,
    lists: Vec<(HostName, CommandQuery)>,
    timeout: u32,
) -> Action {
    Action {
        why: "sessions of the old release are not taken over by the new one".into(),
        ensures: "no work runs".into(),
        limit_seconds: timeout.saturating_add(60),
        if_interrupted: "nothing: it only looks".into(),
        ..action(release, member, "drain", ActionKind::Drain { counts, lists, timeout })
    }
}
