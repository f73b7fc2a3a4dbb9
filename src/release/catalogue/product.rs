//! What is known of one product.

use std::collections::BTreeMap;

use super::predicate::Predicate;
use crate::release::{Release, ReleaseError, ReleaseRange, Scheme, Train, normalize_name};

/// A product: packages that are released together under one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its name, as operators write it.
    pub name: String,
    /// How its releases are numbered.
    pub scheme: Scheme,
    /// The package whose published releases stand for those of the product.
    pub main_package: String,
    /// Its packages; a `*` at the end stands for any rest. Names compare normalised ([`normalize_name`]).
    pub packages: Vec<String>,
    /// The known trains in order, none of them twice.
    pub trains: Vec<KnownTrain>,
    /// Releases that must not be installed, in order.
    pub broken: Vec<BrokenRelease>,
    /// What is known of upgrades from train to train, in order.
    pub hops: Vec<KnownHop>,
    /// What can go wrong on leaving certain releases, in the order of the catalogue.
    pub risks: Vec<ReleaseRisk>,
    /// Where the changes of a release are told; `{release}` in it stands for the release as the product spells it.
    pub change_log: Option<String>,
    /// How running work is counted.
    pub work: Option<WorkTable>,
    /// The packages that bring migrations, each with the directory of alembic inside its wheel.
    pub migrations: BTreeMap<String, String>,
    /// Where sound databases are not as revisions leave them.
    pub deviations: Vec<Deviation>,
}

/// One thing of a schema that is not as a revision leaves it in databases that are sound all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// The revision.
    pub revision: String,
    /// The thing, as `converge schema check` writes it.
    pub thing: String,
    /// Why that is well.
    pub reason: String,
    /// Where this is known from.
    pub source: String,
}

/// A train and what holds for all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTrain {
    /// The train.
    pub train: Train,
    /// As the product spells it: `24.09`.
    pub written: String,
    /// Whether it is maintained longer than the others.
    pub lts: bool,
    /// Whether it exists only to be gone through on the way to the next.
    pub stop_gap: bool,
    /// The Python that its releases run on, as PEP 440 specifiers.
    pub python: Option<String>,
    /// Why no release of it can be installed. Such a train is passed over, also where a source of packages lacks it;
    /// any other train that a source lacks has to be brought.
    pub empty: Option<Evidence>,
    /// Where this is known from.
    pub source: String,
}

/// A statement with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What is so.
    pub reason: String,
    /// Where it is known from.
    pub source: String,
}

/// A published release that must not be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRelease {
    /// The release.
    pub release: Release,
    /// The packages that are broken; empty: all of the product.
    pub packages: Vec<String>,
    /// What is wrong.
    pub reason: String,
    /// Where this is known from.
    pub source: String,
}

/// What is known of upgrades from one train to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHop {
    /// The train that is left.
    pub from: Train,
    /// The train that is entered.
    pub to: Train,
    /// What has to be done by hand.
    pub steps: Vec<ManualStep>,
    /// What can go wrong.
    pub risks: Vec<Risk>,
    /// From which releases on the target can't be entered, or only by some of its releases.
    pub unusable: Option<Unusable>,
}

/// Releases from which a train can't be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The releases that are installed before the hop.
    pub from: ReleaseRange,
    /// The releases of the target train that can't follow them; `None`: all of them, also those yet to come.
    pub to: Option<ReleaseRange>,
    /// Why not.
    pub reason: String,
    /// Where this is known from.
    pub source: String,
}

/// A step that an upgrade needs and that only a person can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualStep {
    /// Its name, unique within the hop; a person confirms it by this name.
    pub id: String,
    /// What to do.
    pub text: String,
    /// Where this is known from.
    pub source: String,
    /// It is needed where all of these hold; always, where there are none.
    pub when: Vec<Predicate>,
}

/// Something that can go wrong with an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// Its name, unique within the hop.
    pub id: String,
    /// What can happen, and what to do against it.
    pub text: String,
    /// The packages that it concerns; empty: all of the product.
    pub packages: Vec<String>,
    /// Where this is known from.
    pub source: String,
    /// It threatens where all of these hold; always, where there are none.
    pub when: Vec<Predicate>,
}

/// A risk that lies in the release that is left, whatever follows it: also patches meet it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRisk {
    /// The releases that have it: those in any of these ranges.
    pub leaving: Vec<ReleaseRange>,
    /// The risk; its name is unique within the product's risks of this kind.
    pub risk: Risk,
}

/// The table that tells running work. Work runs where the status is *not* one of the terminal ones: new statuses keep
/// coming, and one that nobody knows must count as running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkTable {
    /// The package whose database it is in.
    pub package: String,
    /// The table.
    pub table: String,
    /// The column with the status.
    pub column: String,
    /// The statuses in which work has ended.
    pub terminal: Vec<String>,
}

impl BrokenRelease {
    /// Whether `package` is broken; `None` asks whether any is.
    #[must_use]
    pub fn concerns(&self, package: Option<&str>) -> bool {
        let Some(package) = package.map(normalize_name) else { return true };
        self.packages.is_empty() || self.packages.iter().any(|one| normalize_name(one) == package)
    }
}

impl Product {
    /// Why `release` must not be installed, if it must not: for `package`, or for any package of the product.
    #[must_use]
    pub fn broken(&self, package: Option<&str>, release: &Release) -> Option<&BrokenRelease> {
        self.broken.iter().find(|broken| broken.release == *release && broken.concerns(package))
    }

    /// What is known of the upgrade from one train to another, where the catalogue has just these two.
    #[must_use]
    pub fn hop(&self, from: Train, to: Train) -> Option<&KnownHop> {
        self.hops.iter().find(|hop| hop.from == from && hop.to == to)
    }

    /// What is known of everything between two trains. An upgrade that passes a train over still needs what the hops
    /// to it and from it need: its changes come with the release that follows.
    pub fn hops_within(&self, from: Train, to: Train) -> impl Iterator<Item = &KnownHop> {
        self.hops.iter().filter(move |hop| hop.from >= from && hop.to <= to)
    }

    /// The risks of leaving `release`, whatever is installed next.
    pub fn risks_of_leaving<'a>(&'a self, release: &'a Release) -> impl Iterator<Item = &'a Risk> {
        let has = |risk: &&ReleaseRisk| risk.leaving.iter().any(|range| range.contains(release));
        self.risks.iter().filter(has).map(|known| &known.risk)
    }

    /// A train, if it is known.
    #[must_use]
    pub fn train(&self, train: Train) -> Option<&KnownTrain> {
        self.trains.iter().find(|known| known.train == train)
    }

    /// Reads a release as this product's people write it.
    ///
    /// # Errors
    /// As [`Scheme::parse`].
    pub fn read_release(&self, text: &str) -> Result<Release, ReleaseError> {
        self.scheme.parse(text)
    }

    /// A release as the product itself spells it, which is how its tags are named: the train as the catalogue writes
    /// it, then the rest (`24.09.14`, for what an index calls 24.9.14).
    #[must_use]
    pub fn spelling_of(&self, release: &Release) -> String {
        let normal = release.normalized();
        let train = self.scheme.train_of(release);
        match (self.train(train), normal.strip_prefix(&train.to_string())) {
            (Some(known), Some(rest)) => format!("{}{rest}", known.written),
            (Some(_) | None, Some(_) | None) => normal,
        }
    }

    /// Where the changes of `release` are told.
    #[must_use]
    pub fn change_log_of(&self, release: &Release) -> Option<String> {
        Some(self.change_log.as_ref()?.replace("{release}", &self.spelling_of(release)))
    }

    /// The directory of alembic inside the wheel of `package`, where that brings migrations.
    #[must_use]
    pub fn migrations_of(&self, package: &str) -> Option<&str> {
        let package = normalize_name(package);
        let found = self.migrations.iter().find(|(name, _)| normalize_name(name) == package);
        found.map(|(_, directory)| directory.as_str())
    }

    /// How well `package` fits the best of the product's patterns: the letters that fit, one more where there is no
    /// `*`; `None` where none fits.
    #[must_use]
    pub fn fit(&self, package: &str) -> Option<usize> {
        let package = normalize_name(package);
        let fit = |pattern: &String| match pattern.strip_suffix('*') {
            None => (normalize_name(pattern) == package).then_some(package.len() + 1),
            Some(start) => {
                let start = normalize_name(start);
                package.starts_with(&start).then_some(start.len())
            }
        };
        self.packages.iter().filter_map(fit).max()
    }
}
