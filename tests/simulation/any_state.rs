//! From any state, with any faults on the way, to the empty plan; what fails is shrunk to the smallest case.

use proptest::prelude::*;

use crate::clusters::{PATCHES, before_a_major, cluster};
use crate::simulated::{Fault, Simulated, head_of, release};
use crate::turns::{Asked, converge, converge_as};

/// `PROPTEST_CASES`, or as many as take some seconds.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::FailsAtOnce),
        Just(Fault::FailsHalfWay),
        Just(Fault::AnswerLost),
        Just(Fault::OrderLost),
        Just(Fault::ControllerDiesHalfWay),
        Just(Fault::ControllerDiesAfter),
        Just(Fault::HostGoesAway),
    ]
}

/// How an instance is found: which patch is installed, and whether nothing, the installed or an older release runs.
#[derive(Debug, Clone)]
struct Found {
    patch: usize,
    process: u8,
}

fn found() -> impl Strategy<Value = Found> {
    (0..PATCHES.len(), 0u8..4).prop_map(|(patch, process)| Found { patch, process })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// From any state that the pre-flight lets pass, with any faults on the way, runs lead to the empty plan, and no
    /// action breaks a rule.
    #[test]
    fn runs_converge_whatever_happens_on_the_way(
        managers in 0usize..3, agents in 0usize..4, web in any::<bool>(),
        found in prop::collection::vec(found(), 8), schema in 0usize..PATCHES.len(),
        faults in prop::collection::btree_map(0usize..40, fault(), 0..4),
    ) {
        let (web, agents) = (web && managers > 0, if managers == 0 { agents.max(1) } else { agents });
        let mut cluster = cluster(managers, agents, web, PATCHES[PATCHES.len() - 1]);
        let mut oldest_manager = PATCHES.len() - 1;
        let instances = cluster.instances.len();
        for (number, Found { patch, process }) in found.into_iter().enumerate().take(instances) {
            cluster.install(number, &release(PATCHES[patch]));
            match process {
                0 => {}
                1 => cluster.start(number, Some(&release(PATCHES[patch.saturating_sub(1)]))),
                _ => cluster.start(number, None),
            }
            if cluster.instances[number].component.schema.is_some() {
                oldest_manager = oldest_manager.min(patch);
            }
        }
        // A database that an older package doesn't know is refused; that has a test of its own.
        cluster.databases.insert("main".into(), head_of(&release(PATCHES[schema.min(oldest_manager)])));
        cluster.faults = faults;
        let simulated = Simulated::new(cluster);
        converge(&simulated);
        let cluster = simulated.lock();
        prop_assert_eq!(&cluster.violations, &Vec::<String>::new(), "{:#?}", cluster.log);
        let declared = release(PATCHES[PATCHES.len() - 1]);
        for instance in &cluster.instances {
            prop_assert_eq!(cluster.installed(&instance.id()), Some(declared.clone()));
        }
        if managers > 0 {
            prop_assert_eq!(&cluster.databases["main"], &head_of(&declared));
        }
    }
}

proptest! {
    // A way of three releases is some sixty actions: a case costs four times what one of the patches does.
    #![proptest_config(ProptestConfig { cases: cases() / 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same over a major upgrade and the patches after it: whatever fails or dies, turns lead to the empty plan, nothing
    /// runs twice, nothing is left out, nothing stays frozen.
    #[test]
    fn major_upgrades_converge_whatever_happens_on_the_way(
        managers in 1usize..3, agents in 0usize..3, web in any::<bool>(), sessions in 0u64..4, brings in any::<bool>(),
        faults in prop::collection::btree_map(0usize..60, fault(), 0..4),
    ) {
        let mut cluster = before_a_major(managers, agents, web);
        cluster.sessions = sessions;
        cluster.faults = faults;
        if brings {
            // The train is entered at a release that also brings a revision above the head.
            cluster.published.retain(|published| !["25.7.0", "25.7.1"].contains(&published.to_string().as_str()));
        }
        let simulated = Simulated::new(cluster);
        converge_as(&Asked::major(), &simulated);
        let cluster = simulated.lock();
        prop_assert_eq!(&cluster.violations, &Vec::<String>::new(), "{:#?}", cluster.log);
        for instance in &cluster.instances {
            prop_assert_eq!(cluster.installed(&instance.id()), Some(release("25.7.2")));
        }
        prop_assert!(!cluster.frozen);
        prop_assert_eq!(cluster.databases["main"].as_str(), "next01");
        prop_assert!(cluster.applied["main"].contains("spliced1") && cluster.applied["main"].contains("spliced2"));
    }
}
