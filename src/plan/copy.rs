//! Copies of backups on another host: what is judged of them, and the script that ends one.
//!
//! The bytes come through the controller and go to `FILE.part`; nothing counts before that has, on its own host, the size and
//! the sha256 that were noted when the backup was made. The sum is noted beside the copy too.

use std::fmt::Write as _;

use super::action::{Action, CopyAt};
use super::judge::{World, mismatch};
use super::{Confirmation, Readiness};
use crate::facts::{Observed, Sum, SumQuery, facts_of};
use crate::model::{HostName, directory_of, shell_quote as q};

const FINISH: &str = include_str!("copy.sh");

/// What is known of the copy `at` of what lies on `host` as `file`.
enum Copied {
    /// It is the same.
    Same(Sum),
    /// It isn't there, or is another file.
    Lacks(String),
    /// One of the two is not known.
    Unknown { expected: String, observed: String },
}

fn copied(host: &HostName, file: &str, at: &CopyAt, world: &World) -> Copied {
    let query = |path: &str| SumQuery { path: path.to_owned() };
    let here = facts_of(world, host);
    let original = match here.sum(&query(file)) {
        Observed::Known(sum) => sum.clone(),
        Observed::Absent => {
            return Copied::Unknown { expected: format!("{file} on {host}"), observed: "there is no such file".into() };
        }
        Observed::Unknown(observed) => {
            return Copied::Unknown { expected: format!("{file} on {host}, with its sha256"), observed };
        }
    };
    match facts_of(world, &at.host).sum(&query(&at.file)) {
        Observed::Known(sum) if *sum == original => Copied::Same(original),
        Observed::Known(sum) => Copied::Lacks(format!(
            "it has {} bytes and the sha256 {}, the original {} and {}",
            sum.bytes, sum.sha256, original.bytes, original.sha256
        )),
        Observed::Absent => Copied::Lacks("there is no such file".into()),
        Observed::Unknown(observed) => Copied::Unknown { expected: format!("to see the copy {at}"), observed },
    }
}

/// The evidence for a copy that is one.
fn evidence(sum: &Sum) -> String {
    format!("{} bytes are there too, with the same sha256 {}", sum.bytes, sum.sha256.short())
}

fn at(action: &Action, to: &str) -> CopyAt {
    CopyAt { host: action.host.clone(), file: to.to_owned() }
}

/// Whether a copy may be made.
pub(super) fn ready_to_copy(action: &Action, from: &HostName, file: &str, to: &str, world: &World) -> Readiness {
    match copied(from, file, &at(action, to), world) {
        Copied::Same(sum) => Readiness::AlreadyDone(evidence(&sum)),
        Copied::Lacks(_) => Readiness::Ready,
        Copied::Unknown { expected, observed } => mismatch(&expected, &observed),
    }
}

/// Whether a copy was made.
pub(super) fn confirm_copy(action: &Action, from: &HostName, file: &str, to: &str, world: &World) -> Confirmation {
    let at = at(action, to);
    match copied(from, file, &at, world) {
        Copied::Same(sum) => Confirmation::Done(evidence(&sum)),
        Copied::Lacks(observed) => Confirmation::NotYet { expected: format!("the same file as {at}"), observed },
        Copied::Unknown { expected, observed } => Confirmation::NotYet { expected, observed },
    }
}

/// What speaks against a migration whose backup must be at another host too.
pub(super) fn lacks_copy(host: &HostName, backup: &str, copy: &CopyAt, world: &World) -> Option<Readiness> {
    let expected = format!("the copy of the backup {copy}");
    match copied(host, backup, copy, world) {
        Copied::Same(_) => None,
        Copied::Lacks(observed) => Some(mismatch(&expected, &observed)),
        Copied::Unknown { observed, .. } => Some(mismatch(&expected, &observed)),
    }
}

/// The body of the script that ends a copy once all its bytes lie in `TO.part` (POSIX sh): it compares them with `B` bytes
/// and the sha256 `H`, which whoever runs it puts before it, gives the file its name, notes its sum, and removes what is too
/// old, where a number says how much is kept.
///
/// It prints `copied FILE BYTES`, then `removed FILE` for each old one that went.
#[must_use]
pub fn finish_copy(to: &str, keep: Option<u32>, snapshots: &[&str]) -> String {
    let (directory, name) = (directory_of(to), to.rsplit_once('/').map_or(to, |(_, name)| name));
    let mut text = format!("F={}; D={}; W={}\n", q(to), q(directory), q(name));
    let parts = name.rsplit_once("-before-").zip(name.rsplit_once('.'));
    match (keep, parts) {
        (Some(keep), Some(((stem, _), (_, extension)))) => {
            let beside: String = snapshots.iter().map(|name| format!(" {}", q(&format!(".{name}")))).collect();
            let _ = writeln!(
                text,
                "K={keep}; M={}; X={}\nbeside() {{ set -- \"$@\"{beside} \"$X\"; \"$@\"; }}",
                q(&format!("{stem}-before-")),
                q(&format!(".{extension}"))
            );
        }
        (Some(_) | None, _) => text.push_str("K=\n"),
    }
    text + FINISH
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::desired::Instance;
    use crate::desired::fixture::{Seen, before_a_major, frozen_manager, world};
    use crate::facts::{DatabaseKind, Fact, File, FileQuery, HostFacts, Query};
    use crate::model::{Digest, Timestamp};
    use crate::plan::{ActionKind, Input, Plan, check, confirm, plan, ready};
    use crate::release::Catalogue;
    use crate::resource::component::BackupHost;

    const BACKUP: &str = "/srv/backup/backend-before-25.7.0-19700101T005000Z";

    fn kept_elsewhere() -> Instance {
        let mut instance = frozen_manager("m", "25.7.0");
        let host = BackupHost { name: HostName::parse("bak").unwrap(), directory: Some("/srv/copies".into()) };
        instance.component.schema.as_mut().unwrap().backup_host = Some(host);
        instance.component.freeze = None;
        instance
    }

    fn planned(instance: &Instance) -> (Plan, World) {
        let world = world([(instance, before_a_major())]);
        let plan = plan(&Input::new(std::slice::from_ref(instance), &world, &Catalogue::default()));
        assert_eq!(check(&plan, &world), []);
        (plan, world)
    }

    fn sum(content: &str) -> Observed<Sum> {
        Observed::Known(Sum { bytes: content.len() as u64, sha256: Digest::of(content.as_bytes()) })
    }

    /// Everything stopped and switched, with these two sums.
    fn at_the_copy(instance: &Instance, here: Observed<Sum>, there: Observed<Sum>) -> World {
        let seen = Seen { running: None, ..before_a_major() };
        let mut all = world([(instance, seen)]);
        let answer = |path: String, sum| (Query::Sum(SumQuery { path: path.clone() }), Fact::Sum(sum));
        let (here, there) = (
            answer(format!("{BACKUP}.dump"), here),
            answer("/srv/copies/backend-before-25.7.0-19700101T005000Z.dump".into(), there),
        );
        let facts = all.get_mut(&instance.host).unwrap();
        let file = Observed::Known(File { bytes: 3, modified: Timestamp(0) });
        facts.answers.insert(Query::File(FileQuery { path: format!("{BACKUP}.dump") }), Fact::File(file));
        facts.answers.extend([here]);
        let host = HostName::parse("bak").unwrap();
        let answers: BTreeMap<Query, Fact> = [there].into();
        all.insert(host.clone(), HostFacts { host, observed_at: Timestamp(0), unreachable: None, answers });
        all
    }

    #[test]
    fn what_is_saved_is_copied_behind_a_barrier_and_named_in_the_plan_and_the_way_back() {
        let (plan, _) = planned(&kept_elsewhere());
        let of = |verb: &str| plan.actions().find(|action| action.id.ends_with(&format!("/{verb}"))).unwrap();
        let copy = of("copy");
        assert_eq!(
            (copy.id.as_str(), copy.host.as_str(), copy.instance().host.as_str()),
            ("25.7.0/m/manager/copy", "bak", "m")
        );
        assert_eq!(
            copy.to_string(),
            format!("copy {BACKUP}.dump here from m, to /srv/copies/backend-before-25.7.0-19700101T005000Z.dump")
        );
        assert!(of("copy-etcd").to_string().contains("/srv/copies/backend-before-25.7.0-19700101T005000Z.etcd"));
        assert!(matches!(of("backup").kind, ActionKind::Backup { sum: true, .. }));
        // What is only rehearsed with stays where it is.
        assert!(matches!(of("backup-live").kind, ActionKind::Backup { sum: false, .. }));
        let titles: Vec<&str> = plan.stages.iter().map(|stage| stage.title.as_str()).collect();
        let place = |title: &str| titles.iter().position(|one| *one == title).unwrap_or_else(|| panic!("{titles:?}"));
        assert_eq!(place("25.7.0: copy the backups"), place("25.7.0: back up") + 1);
        assert!(place("25.7.0: copy the backups") < place("25.7.0: migrate"));
        let advice = plan.recoveries[1].advice.join("\n");
        let named = "a copy of that backup is kept on bak: /srv/copies/backend-before-25.7.0-19700101T005000Z.dump; `cd /srv/copies && sha256sum -c ";
        assert!(advice.contains(named), "{advice}");
        assert!(plan.hosts().contains(&copy.host), "it is locked as every host that changes is");
        // On the host that makes them, they are there already.
        let mut own = kept_elsewhere();
        own.component.schema.as_mut().unwrap().backup_host.as_mut().unwrap().name = own.host.clone();
        assert!(planned(&own).0.actions().all(|action| action.verb() != "copy"));
    }

    #[test]
    fn a_copy_is_what_has_the_same_sum_and_no_migration_begins_without_it() {
        let instance = kept_elsewhere();
        let (plan, _) = planned(&instance);
        let of = |verb: &str| plan.actions().find(|action| action.verb() == verb).unwrap();
        let (copy, migrate) = (of("copy"), of("migrate"));
        let absent = || Observed::Absent;
        let unknown = || Observed::Unknown("no sha256 of it is noted beside it".to_owned());
        // Of the same length even.
        for (here, there, copied, may_copy) in [
            (sum("abc"), sum("abc"), true, true),
            (sum("abc"), sum("abd"), false, true),
            (sum("abc"), absent(), false, true),
            (sum("abc"), unknown(), false, false),
            (unknown(), sum("abc"), false, false),
            (absent(), sum("abc"), false, false),
            (unknown(), unknown(), false, false),
        ] {
            let world = at_the_copy(&instance, here.clone(), there.clone());
            let begins = ready(&plan, copy, &world);
            let case = format!("{here:?} {there:?}: {begins:?}");
            assert_eq!(matches!(begins, Readiness::AlreadyDone(_)), copied, "{case}");
            assert_eq!(!matches!(begins, Readiness::Mismatch { .. }), may_copy, "{case}");
            assert_eq!(matches!(confirm(&plan, copy, &world), Confirmation::Done(_)), copied, "{case}");
            assert_eq!(ready(&plan, migrate, &world) == Readiness::Ready, copied, "{case}");
        }
        let world = at_the_copy(&instance, sum("abc"), Observed::Absent);
        let Readiness::Mismatch { expected, observed } = ready(&plan, migrate, &world) else { panic!() };
        let there = "bak:/srv/copies/backend-before-25.7.0-19700101T005000Z.dump";
        assert_eq!((expected, observed.as_str()), (format!("the copy of the backup {there}"), "there is no such file"));
        // Either host may be the one that can't be seen.
        for host in ["m", "bak"] {
            let mut world = at_the_copy(&instance, sum("abc"), Observed::Absent);
            let host = HostName::parse(host).unwrap();
            world.insert(host.clone(), HostFacts::unreachable(host.clone(), "no route".into()));
            assert_eq!(ready(&plan, copy, &world), mismatch(&format!("to see {host}"), "no route"));
        }
    }

    #[test]
    fn where_nothing_was_saved_any_more_nothing_is_copied() {
        let instance = kept_elsewhere();
        let (plan, _) = planned(&instance);
        let copy = plan.actions().find(|action| action.verb() == "copy").unwrap();
        let ActionKind::Copy { head, .. } = &copy.kind else { panic!() };
        // Another migration has brought the database to its head meanwhile, so that the backup was not made.
        let mut world = at_the_copy(&instance, Observed::Absent, Observed::Absent);
        let facts = world.get_mut(&instance.host).unwrap();
        facts.answers.remove(&Query::File(FileQuery { path: format!("{BACKUP}.dump") }));
        assert!(matches!(ready(&plan, copy, &world), Readiness::Mismatch { .. }));
        let query = instance.component.schema_query().unwrap();
        let facts = world.get_mut(&instance.host).unwrap();
        let Some(Fact::Schema(Observed::Known(schema))) = facts.answers.get_mut(&Query::Schema(query)) else {
            panic!()
        };
        assert_eq!(schema.database.kind, DatabaseKind::Postgresql);
        schema.rows = [head.clone()].into();
        let done = format!("the database is at {head}: no migration, no copy needed");
        assert_eq!(ready(&plan, copy, &world), Readiness::AlreadyDone(done));
    }
}
