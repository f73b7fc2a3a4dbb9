//! Walking: from a release to the next one, train by train.

use std::collections::BTreeMap;

use super::{Avoided, Hop, HopKind, Obstacle, PassedOver, UpgradePath, WhyAvoided, WhyPassedOver};
use crate::release::catalogue::{Product, Unusable};
use crate::release::{PublishedRelease, Release, Scheme, Train};

/// What is published, by train, beside what is known.
pub(super) struct Releases<'a> {
    pub(super) product: Option<&'a Product>,
    pub(super) scheme: Scheme,
    /// Everything, in order; where a release stands twice, the first one counts.
    all: BTreeMap<&'a Release, &'a PublishedRelease>,
    /// The final releases of each train, in order. A train that is known and not published is there with none.
    trains: BTreeMap<Train, Vec<&'a PublishedRelease>>,
}

/// The train that comes directly after a release, and those before it that aren't entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// The next train that must not be skipped; `None` after the last one.
    pub train: Option<Train>,
    /// Trains in between, with why they are passed over.
    pub passed_over: Vec<PassedOver>,
}

/// Whether a train can be gone through from where the path stands.
enum Entrance<'a> {
    /// At its first usable release that can be installed from there.
    Open(&'a Release),
    /// Not at all, and it may be passed over.
    Shut(WhyPassedOver),
}

impl<'a> Releases<'a> {
    /// Releases of another epoch than `epoch` aren't on any path.
    pub(super) fn of(product: Option<&'a Product>, published: &'a [PublishedRelease], epoch: u64) -> Self {
        let scheme = product.map(|product| product.scheme).unwrap_or_default();
        let mut all: BTreeMap<&Release, &PublishedRelease> = BTreeMap::new();
        for one in published {
            all.entry(&one.release).or_insert(one);
        }
        let mut trains: BTreeMap<Train, Vec<&PublishedRelease>> = BTreeMap::new();
        for known in product.map(|product| product.trains.as_slice()).unwrap_or_default() {
            trains.insert(known.train, Vec::new());
        }
        for one in all.values().filter(|one| one.release.is_final() && one.release.epoch() == epoch) {
            trains.entry(scheme.train_of(&one.release)).or_default().push(one);
        }
        Self { product, scheme, all, trains }
    }

    pub(super) fn train_of(&self, release: &Release) -> Train {
        self.scheme.train_of(release)
    }

    /// Why a published release can't be used by `package`, or by any package; `None` where it can.
    fn flaw(&self, package: Option<&str>, one: &PublishedRelease) -> Option<WhyAvoided> {
        if let Some(reason) = &one.yanked {
            return Some(WhyAvoided::Yanked { reason: reason.trim().to_owned() });
        }
        let broken = self.product?.broken(package, &one.release)?;
        Some(WhyAvoided::Broken {
            reason: broken.reason.clone(),
            source: broken.source.clone(),
            packages: broken.packages.clone(),
        })
    }

    /// The releases of a train that may be stops of a path, in order.
    pub(super) fn usable(&self, train: Train) -> impl DoubleEndedIterator<Item = &'a Release> {
        let published = self.trains.get(&train).map(Vec::as_slice).unwrap_or_default();
        published.iter().filter(|one| self.flaw(None, one).is_none()).map(|one| &one.release)
    }

    /// All releases that may be stops of a path, in order of trains.
    pub(super) fn all_usable(&self) -> impl DoubleEndedIterator<Item = &'a Release> {
        self.trains.keys().flat_map(|train| self.usable(*train))
    }

    /// The published final releases next to one that isn't, below and above.
    fn neighbours(&self, release: &Release) -> Vec<Release> {
        let finals = || self.all.keys().filter(|one| one.is_final());
        let below = finals().rfind(|one| **one < release);
        let above = finals().find(|one| **one > release);
        below.into_iter().chain(above).map(|one| (*one).clone()).collect()
    }

    /// Whether the target may be one at all.
    pub(super) fn admit(&self, package: Option<&str>, from: &Release, to: &Release) -> Result<(), Obstacle> {
        if from == to {
            return Ok(());
        }
        if from.epoch() != to.epoch() {
            return Err(Obstacle::OtherEpoch);
        }
        if to < from {
            return Err(Obstacle::Downgrade);
        }
        let Some(published) = self.all.get(to) else {
            let newest = self.usable(self.train_of(to)).next_back().cloned();
            return Err(Obstacle::NotPublished { newest, neighbours: self.neighbours(to) });
        };
        match self.flaw(package, published) {
            None => Ok(()),
            Some(WhyAvoided::Yanked { reason }) => Err(Obstacle::Yanked { reason }),
            Some(WhyAvoided::Broken { reason, source, packages }) => Err(Obstacle::Broken { reason, source, packages }),
            Some(WhyAvoided::CantBeEntered { from: at, reason, source }) => {
                Err(Obstacle::CantBeEntered { at, train: self.train_of(to), reason, source })
            }
        }
    }

    /// The path to an admitted target.
    pub(super) fn walk(&self, from: &Release, to: &Release) -> Result<UpgradePath, Obstacle> {
        let mut path = UpgradePath {
            from: from.clone(),
            to: to.clone(),
            hops: Vec::new(),
            avoided: Vec::new(),
            passed_over: Vec::new(),
        };
        if from == to {
            return Ok(path);
        }
        let mut at = from.clone();
        // Each turn leaves a train for a later one, so there are no more turns than trains.
        while self.train_of(&at) < self.train_of(to) {
            at = self.patches(&mut path, at, None);
            at = self.enter_next(&mut path, at, to)?;
        }
        self.patches(&mut path, at, Some(to));
        mark_stops(&mut path.hops);
        Ok(path)
    }

    /// Goes from `at` through the patches of its train: to its last one, or to the target. Gives where that ends.
    fn patches(&self, path: &mut UpgradePath, mut at: Release, target: Option<&Release>) -> Release {
        let start = at.clone();
        let within = |release: &Release| *release > start && target.is_none_or(|target| release < target);
        for one in self.trains.get(&self.train_of(&start)).into_iter().flatten().filter(|one| within(&one.release)) {
            match self.flaw(None, one) {
                None => at = hop(path, at, &one.release, HopKind::Patch),
                Some(because) => path.avoided.push(Avoided { release: one.release.clone(), because }),
            }
        }
        match target {
            Some(target) if *target != at => hop(path, at, target, HopKind::Patch),
            Some(_) | None => at,
        }
    }

    /// Goes from the last patch of a train into the next train that isn't passed over.
    fn enter_next(&self, path: &mut UpgradePath, at: Release, to: &Release) -> Result<Release, Obstacle> {
        let last = self.train_of(to);
        let between: Vec<Train> = self.trains.keys().copied().filter(|train| *train > self.train_of(&at)).collect();
        for train in between.into_iter().filter(|train| *train < last) {
            match self.entrance(&at, train)? {
                Entrance::Open(first) => {
                    self.avoid_before(path, &at, train, first);
                    return Ok(hop(path, at, first, HopKind::Major));
                }
                Entrance::Shut(because) => path.passed_over.push(PassedOver { train, because }),
            }
        }
        let first = self.usable(last).find(|first| *first < to && self.bar(&at, first).is_none()).unwrap_or(to).clone();
        if let Some(unusable) = self.bar(&at, &first) {
            let (reason, source) = (unusable.reason.clone(), unusable.source.clone());
            return Err(Obstacle::CantBeEntered { at, train: last, reason, source });
        }
        self.avoid_before(path, &at, last, &first);
        Ok(hop(path, at, &first, HopKind::Major))
    }

    /// Notes the releases of a train that come before the one at which it is entered from `at`.
    fn avoid_before(&self, path: &mut UpgradePath, at: &Release, train: Train, first: &Release) {
        let before = self.trains.get(&train).into_iter().flatten().filter(|one| one.release < *first);
        path.avoided.extend(before.filter_map(|one| {
            let barred = || {
                let Unusable { reason, source, .. } = self.bar(at, &one.release)?.clone();
                Some(WhyAvoided::CantBeEntered { from: at.clone(), reason, source })
            };
            Some(Avoided { because: self.flaw(None, one).or_else(barred)?, release: one.release.clone() })
        }));
    }

    fn avoided(&self, one: &PublishedRelease) -> Option<Avoided> {
        Some(Avoided { because: self.flaw(None, one)?, release: one.release.clone() })
    }

    /// What the catalogue knows of entering the train of `first` from `at` by that release, if it can't be.
    fn bar(&self, at: &Release, first: &Release) -> Option<&'a Unusable> {
        let unusable = self.product?.hop(self.train_of(at), self.train_of(first))?.unusable.as_ref()?;
        (unusable.from.contains(at) && unusable.to.as_ref().is_none_or(|to| to.contains(first))).then_some(unusable)
    }

    /// What the catalogue knows of entering `train` from `at`, if no release of it can be entered, published or not.
    fn closed(&self, at: &Release, train: Train) -> Option<&'a Unusable> {
        let unusable = self.product?.hop(self.train_of(at), train)?.unusable.as_ref()?;
        (unusable.to.is_none() && unusable.from.contains(at)).then_some(unusable)
    }

    /// Whether a path that stands at `at` goes through `train`.
    fn entrance(&self, at: &Release, train: Train) -> Result<Entrance<'a>, Obstacle> {
        if let Some(first) = self.usable(train).find(|first| self.bar(at, first).is_none()) {
            return Ok(Entrance::Open(first));
        }
        if let Some(Unusable { reason, source, .. }) = self.closed(at, train).cloned() {
            return Ok(Entrance::Shut(WhyPassedOver::CantBeEntered { from: at.clone(), reason, source }));
        }
        // Other releases of the train would do: the source lacks them, and that is no reason to skip a train.
        if let Some(Unusable { reason, source, .. }) = self.usable(train).find_map(|first| self.bar(at, first)).cloned()
        {
            return Err(Obstacle::CantBeEntered { at: at.clone(), train, reason, source });
        }
        let releases: Vec<Avoided> =
            self.trains.get(&train).into_iter().flatten().filter_map(|one| self.avoided(one)).collect();
        if !releases.is_empty() {
            return Ok(Entrance::Shut(WhyPassedOver::NothingUsable { releases }));
        }
        let known = self.product.and_then(|product| product.train(train));
        match known.and_then(|known| known.empty.clone()) {
            Some(empty) => Ok(Entrance::Shut(WhyPassedOver::Empty { reason: empty.reason, source: empty.source })),
            None => {
                let source = known.map(|known| known.source.clone()).unwrap_or_default();
                Err(Obstacle::TrainNotPublished { train, source })
            }
        }
    }

    /// The train that comes directly after `at`.
    pub(super) fn succession(&self, at: &Release) -> Result<Succession, Obstacle> {
        let mut passed_over = Vec::new();
        for train in self.trains.keys().copied().filter(|train| *train > self.train_of(at)) {
            match self.entrance(at, train)? {
                Entrance::Open(_) => return Ok(Succession { train: Some(train), passed_over }),
                Entrance::Shut(because) => passed_over.push(PassedOver { train, because }),
            }
        }
        Ok(Succession { train: None, passed_over })
    }
}

fn hop(path: &mut UpgradePath, from: Release, to: &Release, kind: HopKind) -> Release {
    path.hops.push(Hop { from, to: to.clone(), kind, required_stop: false });
    to.clone()
}

/// A hop ends at a required stop where the next one leaves the train, and at the end.
fn mark_stops(hops: &mut [Hop]) {
    for index in 0..hops.len() {
        hops[index].required_stop = hops.get(index + 1).is_none_or(|next| next.kind == HopKind::Major);
    }
}
