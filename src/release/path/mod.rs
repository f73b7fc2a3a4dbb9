//! Paths: the releases to install in turn on the way from one release to another.
//!
//! Where the rules come from: the upgrade document. Inside a train "perform minor upgrades consecutively, version by
//! version", where consecutive means among *published* releases, as an index has gaps; into another train only from the
//! last patch of its direct predecessor, by its first patch that can be. What has been withdrawn, is known to be broken or can't be entered is left out,
//! and the path says so.
//!
//! 1. A path never goes back, and a path to itself is empty.
//! 2. No train that has usable releases is left out, unless it can't be entered from where the path stands.
//! 3. No usable published patch of a train on the path is left out.
//! 4. The tail of a path is the path from its middle: a run that was interrupted goes on as planned.

mod nearest;
mod target;
mod walk;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use nearest::NearestTargets;
pub use target::{TargetError, last_patch, resolve_target, successor};
pub use walk::Succession;

use super::catalogue::Product;
use super::{PublishedRelease, Release, Train};
use walk::Releases;

/// What a path is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PathRequest<'a> {
    /// What is known of the product; without it, all that counts is what is published, numbered by PEP 440.
    pub product: Option<&'a Product>,
    /// The package that is to be moved; `None` for all of the product. A target that is broken for another package
    /// only is a target all the same; on the way, what is broken for any is avoided, as siblings pin each other.
    pub package: Option<&'a str>,
    /// What is installed. It need not be published, nor sound.
    pub from: &'a Release,
    /// What shall be installed.
    pub to: &'a Release,
    /// What the source of packages has, in any order.
    pub published: &'a [PublishedRelease],
}

/// A way from one release to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpgradePath {
    /// What is installed.
    pub from: Release,
    /// The target.
    pub to: Release,
    /// The hops in order; none where the target is installed.
    pub hops: Vec<Hop>,
    /// Published final releases on the way that are not taken, in order.
    pub avoided: Vec<Avoided>,
    /// Trains on the way that are not entered, in order.
    pub passed_over: Vec<PassedOver>,
}

/// One release to install, after another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// What is installed before.
    pub from: Release,
    /// What is installed after.
    pub to: Release,
    /// Whether it leaves the train.
    pub kind: HopKind,
    /// Whether the next hop leaves the train, or the path ends here: everything must be complete on `to`, and proven,
    /// before anything goes on.
    pub required_stop: bool,
}

/// How far a hop goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopKind {
    /// Inside a train.
    Patch,
    /// Into another train: never rolled.
    Major,
}

/// A published release that a path doesn't take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Avoided {
    /// The release.
    pub release: Release,
    /// Why not.
    #[serde(flatten)]
    pub because: WhyAvoided,
}

/// Why a published release can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub enum WhyAvoided {
    /// It was withdrawn from the index (PEP 592).
    Yanked {
        /// As the index says; may be empty.
        reason: String,
    },
    /// The catalogue knows it to be broken.
    Broken {
        /// What is wrong.
        reason: String,
        /// Where this is known from.
        source: String,
        /// The packages; empty: all of the product.
        packages: Vec<String>,
    },
    /// Its train can't be entered by it from the release that the path stands at; a later one of the train will do.
    CantBeEntered {
        /// That release.
        from: Release,
        /// Why.
        reason: String,
        /// Where this is known from.
        source: String,
    },
}

/// A train that a path doesn't enter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// The train.
    pub train: Train,
    /// Why not.
    #[serde(flatten)]
    pub because: WhyPassedOver,
}

/// Why a train is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub enum WhyPassedOver {
    /// All that is published of it is withdrawn or broken.
    NothingUsable {
        /// Each of them.
        releases: Vec<Avoided>,
    },
    /// Nothing is published of it, and the catalogue knows that nothing could be used.
    Empty {
        /// Why.
        reason: String,
        /// Where this is known from.
        source: String,
    },
    /// It can't be entered from the release that the path stands at.
    CantBeEntered {
        /// That release.
        from: Release,
        /// Why.
        reason: String,
        /// Where this is known from.
        source: String,
    },
}

/// There is no path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoPath {
    /// What is installed.
    pub from: Release,
    /// The target.
    pub to: Release,
    /// What stands in the way.
    pub obstacle: Obstacle,
    /// Targets that there is a path to.
    pub nearest: NearestTargets,
}

/// What stands in the way of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "obstacle", rename_all = "kebab-case")]
pub enum Obstacle {
    /// The target is older than what is installed. Going back is never done by accident.
    Downgrade,
    /// The two are numbered by different epochs of PEP 440 (`1!2.0`): nothing tells what lies between.
    OtherEpoch,
    /// The target isn't where the packages come from.
    NotPublished {
        /// The newest usable release of the target's train.
        newest: Option<Release>,
        /// The published final releases just below and above it, usable or not.
        neighbours: Vec<Release>,
    },
    /// The target was withdrawn from the index.
    Yanked {
        /// As the index says; may be empty.
        reason: String,
    },
    /// The catalogue knows the target to be broken.
    Broken {
        /// What is wrong.
        reason: String,
        /// Where this is known from.
        source: String,
        /// The packages; empty: all of the product.
        packages: Vec<String>,
    },
    /// A train on the way is known, and the source of packages has nothing of it: it must be brought there.
    TrainNotPublished {
        /// The train.
        train: Train,
        /// What is known of it says.
        source: String,
    },
    /// A train can't be entered from where the path stands before it: the target's train, not at all or not by the
    /// target; or one on the way, of which the source has only releases that can't be installed from there.
    CantBeEntered {
        /// The release that the path stands at.
        at: Release,
        /// The train.
        train: Train,
        /// Why.
        reason: String,
        /// Where this is known from.
        source: String,
    },
}

/// Finds the way from `request.from` to `request.to`.
///
/// Pre-, post-, development and local releases are taken only as the target itself.
///
/// # Errors
/// When there is none; [`NoPath`] says why, and which targets there is a path to.
pub fn find_path(request: &PathRequest<'_>) -> Result<UpgradePath, Box<NoPath>> {
    let releases = Releases::of(request.product, request.published, request.from.epoch());
    let found = match releases.admit(request.package, request.from, request.to) {
        Ok(()) => releases.walk(request.from, request.to),
        Err(obstacle) => Err(obstacle),
    };
    found.map_err(|obstacle| {
        let nearest = nearest::nearest_targets(&releases, request.from, request.to);
        Box::new(NoPath { from: request.from.clone(), to: request.to.clone(), obstacle, nearest })
    })
}

impl UpgradePath {
    /// Whether it leaves the train.
    #[must_use]
    pub fn is_major(&self) -> bool {
        self.hops.iter().any(|hop| hop.kind == HopKind::Major)
    }
}

impl Obstacle {
    /// A stable name, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Obstacle::Downgrade => "downgrade",
            Obstacle::OtherEpoch => "other-epoch",
            Obstacle::NotPublished { .. } => "not-published",
            Obstacle::Yanked { .. } => "yanked",
            Obstacle::Broken { .. } => "broken",
            Obstacle::TrainNotPublished { .. } => "train-not-published",
            Obstacle::CantBeEntered { .. } => "cant-be-entered",
        }
    }
}

impl fmt::Display for HopKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            HopKind::Patch => "patch",
            HopKind::Major => "major",
        })
    }
}

impl fmt::Display for WhyAvoided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhyAvoided::Yanked { reason } => write_yanked(f, reason),
            WhyAvoided::Broken { reason, source, packages } => write_broken(f, reason, source, packages),
            WhyAvoided::CantBeEntered { from, reason, source } => {
                write!(f, "it can't be installed after {from}: {reason} (source: {source})")
            }
        }
    }
}

impl fmt::Display for WhyPassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhyPassedOver::NothingUsable { releases } => {
                f.write_str("no release of it can be used: ")?;
                for (index, Avoided { release, because }) in releases.iter().enumerate() {
                    write!(f, "{}{release} is {because}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            WhyPassedOver::Empty { reason, source } => write!(f, "{reason} (source: {source})"),
            WhyPassedOver::CantBeEntered { from, reason, source } => {
                write!(f, "it can't be entered from {from}: {reason} (source: {source})")
            }
        }
    }
}

impl fmt::Display for NoPath {
    /// What is wrong, in one line; what to do next is for who knows the command.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, obstacle, nearest: _ } = self;
        match obstacle {
            Obstacle::Downgrade => write!(f, "{to} is older than {from}, and nothing goes back by itself"),
            Obstacle::OtherEpoch => write!(f, "{from} and {to} are numbered by different epochs (N! in front)"),
            Obstacle::NotPublished { newest, neighbours } => {
                write!(f, "{to} isn't published where the packages come from")?;
                if let Some(newest) = newest {
                    write!(f, "; the newest usable release of its train is {newest}")?;
                }
                let neighbours: Vec<&str> = neighbours.iter().map(Release::as_written).collect();
                if neighbours.is_empty() { Ok(()) } else { write!(f, "; next to it are {}", neighbours.join(" and ")) }
            }
            Obstacle::Yanked { reason } => {
                write!(f, "{to} is ")?;
                write_yanked(f, reason)
            }
            Obstacle::Broken { reason, source, packages } => {
                write!(f, "{to} is ")?;
                write_broken(f, reason, source, packages)
            }
            Obstacle::TrainNotPublished { train, source } => write!(
                f,
                "the way to {to} leads through {train}, and nothing of it is published where the packages come from \
                 (known from: {source})"
            ),
            Obstacle::CantBeEntered { at, train, reason, source } => {
                write!(f, "{train} can't be entered from {at}: {reason} (source: {source})")
            }
        }
    }
}

fn write_yanked(f: &mut fmt::Formatter<'_>, reason: &str) -> fmt::Result {
    match reason.trim() {
        "" => f.write_str("withdrawn from the index, without a reason given"),
        reason => write!(f, "withdrawn from the index: {reason}"),
    }
}

fn write_broken(f: &mut fmt::Formatter<'_>, reason: &str, source: &str, packages: &[String]) -> fmt::Result {
    f.write_str("broken")?;
    if !packages.is_empty() {
        write!(f, " for {}", packages.join(", "))?;
    }
    write!(f, ": {reason} (source: {source})")
}
