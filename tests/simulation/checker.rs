//! The independent checker, held against plans that break its rules.

use std::collections::BTreeMap;

use converge::facts::HostFacts;
use converge::model::HostName;
use converge::plan::{Action, ActionKind, Plan, check};

use crate::clusters::{at, before_a_major, cluster};
use crate::simulated::{Simulated, host, release};
use crate::turns::{Asked, plan_as, plan_of};

/// What is done to a sound plan.
type Breakage = fn(&mut Plan);

fn remove(plan: &mut Plan, verb: &str) {
    for track in plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks) {
        track.actions.retain(|action| action.verb() != verb);
    }
}

/// The plan is sound, and each breakage is told in words of its own.
fn each_is_noticed<const N: usize>(
    sound: &Plan,
    facts: &BTreeMap<HostName, HostFacts>,
    breakages: [(&str, Breakage); N],
) {
    assert_eq!(check(sound, facts), []);
    for (expected, breakage) in breakages {
        let mut broken = sound.clone();
        breakage(&mut broken);
        let violations: Vec<String> = check(&broken, facts).iter().map(ToString::to_string).collect();
        assert!(violations.iter().any(|rule| rule.contains(expected)), "{expected:?} is not in {violations:#?}");
    }
}

/// Each rule of the independent checker catches a plan that breaks it.
#[test]
fn the_checker_catches_broken_plans() {
    let breakages: [(&str, Breakage); 8] = [
        ("may run while its package or schema changes", |plan| remove(plan, "stop")),
        ("no backup was made", |plan| remove(plan, "backup")),
        ("is stopped and never started again", |plan| remove(plan, "start")),
        ("not what is declared", |plan| plan.stages.truncate(1)),
        ("after a newer one", |plan| plan.stages.reverse()),
        ("two actions have this name", |plan| {
            let track = &mut plan.stages[0].tracks[0];
            let twice = track.actions[0].clone();
            track.actions.insert(1, twice);
        }),
        ("is a downgrade", |plan| {
            for action in plan.stages.iter_mut().flat_map(|s| &mut s.tracks).flat_map(|t| &mut t.actions) {
                if let ActionKind::Install { packages, .. } = &mut action.kind {
                    packages.iter_mut().for_each(|moved| moved.to = release("25.6.0"));
                }
            }
        }),
        ("isn't among those that must be stopped", |plan| {
            for action in plan.stages.iter_mut().flat_map(|s| &mut s.tracks).flat_map(|t| &mut t.actions) {
                if let ActionKind::Install { stopped, .. } = &mut action.kind {
                    stopped.clear();
                }
            }
        }),
    ];
    let simulated = Simulated::new(at(cluster(1, 1, false, "25.6.4"), "25.6.1"));
    let sound = plan_of(&simulated);
    let facts = simulated.observe_all();
    each_is_noticed(&sound, &facts, breakages);
}

/// Where a host for backups is declared, the checker asks for it, whatever the planner thinks.
#[test]
fn a_backup_that_is_not_copied_is_noticed() {
    fn each(plan: &mut Plan, change: impl Fn(&mut Action)) {
        let tracks = plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks);
        tracks.flat_map(|track| &mut track.actions).for_each(change);
    }
    fn remove_beside(plan: &mut Plan) {
        for track in plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks) {
            track.actions.retain(|action| action.verb() != "copy" || action.id.ends_with("/copy"));
        }
    }
    let breakages: [(&str, Breakage); 6] = [
        ("is not copied to bak1 before this migration", |plan| {
            plan.stages.retain(|stage| !stage.title.contains("copy the backup"));
        }),
        // The snapshot alone.
        (".etcd is not copied to bak1", remove_beside),
        ("is not copied to bak1", |plan| {
            each(plan, |action| {
                if let ActionKind::Copy { to, .. } = &mut action.kind {
                    to.push('x');
                }
            });
        }),
        ("is not copied to bak1", |plan| {
            each(plan, |action| {
                if let ActionKind::Copy { .. } = action.kind {
                    action.host = host("mgr1");
                }
            });
        }),
        ("doesn't ask for the copy of its backup on bak1", |plan| {
            each(plan, |action| {
                if let ActionKind::Migrate { copy, .. } = &mut action.kind {
                    *copy = None;
                }
            });
        }),
        ("it copies what was not saved before", |plan| {
            let place = plan.stages.iter().position(|stage| stage.title.contains("copy the backup")).unwrap();
            plan.stages.swap(place - 1, place);
        }),
    ];
    let mut cluster = before_a_major(2, 1, false);
    cluster.keep_copies_on("bak1");
    let simulated = Simulated::new(cluster);
    let (sound, facts) = (plan_as(&Asked::major(), &simulated), simulated.observe_all());
    each_is_noticed(&sound, &facts, breakages);
    // On the host that makes it, a backup is there already.
    let mut cluster = before_a_major(2, 1, false);
    cluster.keep_copies_on("mgr1");
    let simulated = Simulated::new(cluster);
    let (sound, facts) = (plan_as(&Asked::major(), &simulated), simulated.observe_all());
    assert_eq!((check(&sound, &facts), sound.actions().any(|action| action.verb() == "copy")), (vec![], false));
}

/// A plan that leaves a migration out where a package may bring one is refused by the checker.
#[test]
fn a_migration_that_is_left_out_is_noticed() {
    let simulated = Simulated::new(at(cluster(1, 0, false, "25.6.7"), "25.6.5"));
    let (mut plan, facts) = (plan_of(&simulated), simulated.observe_all());
    assert_eq!(check(&plan, &facts), []);
    for track in plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks) {
        track.actions.retain(|action| !matches!(action.kind, ActionKind::Migrate { .. } | ActionKind::Backup { .. }));
    }
    let violations = check(&plan, &facts);
    assert!(violations.iter().any(|violation| violation.rule.contains("no migration follows")), "{violations:?}");
}

#[test]
fn the_checker_catches_broken_major_plans() {
    fn each(plan: &mut Plan, change: impl Fn(&mut ActionKind)) {
        let tracks = plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks);
        tracks.flat_map(|track| &mut track.actions).for_each(|action| change(&mut action.kind));
    }
    let breakages: [(&str, Breakage); 11] = [
        ("never built and checked", |plan| remove(plan, "stage")),
        ("may run during a major upgrade", |plan| {
            for track in plan.stages.iter_mut().flat_map(|stage| &mut stage.tracks) {
                track.actions.retain(|action| action.verb() != "stop" || action.component != "agent");
            }
        }),
        ("never unfrozen", |plan| remove(plan, "unfreeze")),
        ("no backup was made", |plan| remove(plan, "backup")),
        ("no migration runs it", |plan| {
            each(plan, |kind| {
                if let ActionKind::Migrate { migration, .. } = kind {
                    migration.skipped.clear();
                }
            });
        }),
        ("another migration was rehearsed", |plan| {
            each(plan, |kind| {
                if let ActionKind::Rehearse { migration, .. } = kind {
                    migration.skipped.clear();
                }
            });
        }),
        ("not who was declared for it", |plan| {
            each(plan, |kind| {
                if let ActionKind::Migrate { migration, .. } = kind {
                    migration.upstream = Some("25.6.8".to_owned());
                }
            });
        }),
        ("not on the copy", |plan| {
            each(plan, |kind| {
                if let ActionKind::Rehearse { migration, .. } = kind {
                    migration.upstream = Some("25.6.8".to_owned());
                }
            });
        }),
        ("elsewhere than where it stands", |plan| {
            each(plan, |kind| {
                if let ActionKind::Migrate { migration, .. } = kind {
                    migration.rows = ["rev03".to_owned()].into();
                }
            });
        }),
        ("its recovery never starts", |plan| {
            plan.recoveries[0].stages.retain(|stage| !stage.title.contains("start"));
        }),
        ("names the restore", |plan| plan.recoveries[1].advice.clear()),
    ];
    let simulated = Simulated::new(before_a_major(1, 1, false));
    let sound = plan_as(&Asked::major(), &simulated);
    let facts = simulated.observe_all();
    each_is_noticed(&sound, &facts, breakages);
}
