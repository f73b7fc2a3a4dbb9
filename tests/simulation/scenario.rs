//! A seed makes a whole scenario: the cluster as it is found, what is asked for, and all that goes wrong on the way.

use converge::desired::{Instance, Rolling, Serial};
use converge::model::Share;
use converge::release::Release;

use crate::clusters::{PATCHES, at, before_a_major, cluster};
use crate::simulated::{Cluster, Fault, LookFault, Random, WriteFault, head_of, release};
use crate::turns::Asked;

/// Most actions of a run that something may go wrong with: a way of three releases is some sixty.
const ACTIONS: usize = 60;
/// Most looks of a run that something may go wrong with.
const LOOKS: usize = 250;

/// Most records of a run that can't be written: two for each action, and some for stages.
const WRITES: usize = 130;
/// Most looks at a host that something left over is at work for: a third of them outlives the executor's patience.
const LINGERS: usize = 60;

pub(crate) struct Scenario {
    pub(crate) asked: Asked,
    pub(crate) cluster: Cluster,
}

impl Scenario {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random::of(seed);
        let (asked, mut cluster) = match random.one_in(4) {
            true => (Asked::major(), major(&mut random)),
            false => (Asked::patches(), patches(&mut random)),
        };
        // Told by the number itself, so that what else a seed means stays as it was.
        if seed.is_multiple_of(3) {
            cluster.keep_copies_on("bak1");
        }
        afflict(&mut cluster, &mut random);
        Self { asked, cluster }
    }

    /// The same without anything that goes wrong.
    pub(crate) fn undisturbed(seed: u64) -> Self {
        let mut scenario = Self::of(seed);
        let cluster = &mut scenario.cluster;
        cluster.faults.clear();
        cluster.look_faults.clear();
        cluster.clock_jumps.clear();
        cluster.write_faults.clear();
        cluster.interrupts.clear();
        cluster.takeovers.clear();
        scenario
    }

    pub(crate) fn declared(&self) -> Release {
        self.cluster.instances[0].component.release.clone()
    }
}

/// Hosts anywhere on the way to the last patch, running what they hold, an older release, or nothing.
fn patches(random: &mut Random) -> Cluster {
    let last = PATCHES.len() - 1;
    let managers = random.below(3);
    let agents = random.below(4).max(usize::from(managers == 0));
    let web = managers > 0 && random.one_in(2);
    let mut cluster = cluster(managers, agents, web, PATCHES[last]);
    let mut oldest_manager = last;
    for number in 0..cluster.instances.len() {
        let patch = random.below(PATCHES.len());
        cluster.install(number, &release(PATCHES[patch]));
        match random.below(4) {
            0 => {}
            1 => cluster.start(number, Some(&release(PATCHES[patch.saturating_sub(1)]))),
            _ => cluster.start(number, None),
        }
        if cluster.instances[number].component.schema.is_some() {
            oldest_manager = oldest_manager.min(patch);
        }
    }
    // A database that an older package doesn't know is refused; that has a test of its own.
    let schema = random.below(PATCHES.len()).min(oldest_manager);
    cluster.databases.insert("main".into(), head_of(&release(PATCHES[schema])));
    if random.one_in(3) {
        // As most clusters are found: all alike, and up.
        cluster = at(cluster, PATCHES[random.below(last)]);
    }
    roll(&mut cluster, random);
    cluster
}

/// How the play of the agents goes over its hosts. A quorum only where all serve: where they don't, it may well be refused.
fn roll(cluster: &mut Cluster, random: &mut Random) {
    let serials = ["", "1", "2", "50%", "1 100%"];
    let sizes: Vec<Share> = random.pick(&serials).split(' ').filter_map(|text| Share::parse(text).ok()).collect();
    let serial = (!sizes.is_empty()).then(|| Serial { sizes, declared_at: "site.yaml:1:1".into() });
    let rolling = Rolling {
        serial,
        settle: random.one_in(3).then_some(10),
        max_fail_percentage: *random.pick(&[None, None, Some(0), Some(40), Some(100)]),
    };
    let quorum = *random.pick(&[None, Some(Share::Count(1)), Some(Share::Percent(50))]);
    let serves = |instance: &Instance| cluster.hosts[&instance.host].processes.contains_key(&instance.component.name);
    let agents = cluster.instances.iter().filter(|instance| instance.component.name == "agent");
    let quorum = quorum.filter(|_| agents.clone().count() > 1 && agents.clone().all(serves));
    for instance in cluster.instances.iter_mut().filter(|instance| instance.component.name == "agent") {
        instance.rolling = rolling.clone();
        instance.component.quorum = quorum;
    }
}

/// Everything at the last patch of its train; some of it with work that runs.
fn major(random: &mut Random) -> Cluster {
    let (managers, agents) = (1 + random.below(2), random.below(3));
    let mut cluster = before_a_major(managers, agents, random.one_in(2));
    cluster.sessions = u64::try_from(random.below(4)).expect("small");
    if random.one_in(2) {
        // The train is entered at a release that also brings a revision above the head.
        cluster.published.retain(|published| !["25.7.0", "25.7.1"].contains(&published.to_string().as_str()));
    }
    cluster
}

/// Some runs meet nothing at all, most meet a few things.
fn afflict(cluster: &mut Cluster, random: &mut Random) {
    for _ in 0..random.below(4) {
        let looks = u32::try_from(random.below(LINGERS)).expect("small");
        let faults = [
            Fault::FailsAtOnce,
            Fault::FailsHalfWay,
            Fault::AnswerLost,
            Fault::OrderLost,
            Fault::HostGoesAway,
            Fault::Hangs,
            Fault::Lies,
            Fault::RunsOn(looks),
            Fault::ControllerDiesHalfWay,
            Fault::ControllerDiesAfter,
            Fault::ControllerDiesRunsOn(looks),
        ];
        cluster.faults.insert(random.below(ACTIONS), *random.pick(&faults));
    }
    for _ in 0..random.below(3) {
        let faults = [LookFault::Garbage, LookFault::Hangs, LookFault::OneUnknown(random.below(12))];
        cluster.look_faults.insert(random.below(LOOKS), *random.pick(&faults));
    }
    if random.one_in(6) {
        let seconds = *random.pick(&[-86_400, -3600, -30, 30, 3600, 86_400]);
        cluster.clock_jumps.insert(random.below(ACTIONS), seconds);
    }
    if random.one_in(4) {
        let faults = [WriteFault::Full, WriteFault::DiesBefore, WriteFault::DiesAfter];
        cluster.write_faults.insert(random.below(WRITES), *random.pick(&faults));
    }
    if random.one_in(6) {
        cluster.interrupts.insert(random.below(ACTIONS));
    }
    cluster.pace = Some(Random::of(random.draw()));
    if random.one_in(6) {
        cluster.takeovers.insert(random.below(ACTIONS));
    }
}
