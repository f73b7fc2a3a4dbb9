//! Published releases by train, as text and JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::style::{HEAD, Styled};
use crate::facts::{Published, Told};
use crate::model::{HostName, Timestamp, printable};
use crate::release::{PublishedRelease, Train};

/// The releases of one package.
#[derive(Debug, Clone, Copy)]
pub struct PackageReleases<'a> {
    /// The package.
    pub package: &'a str,
    /// The hosts that it is so for; none where it is the controller that asked.
    pub hosts: &'a BTreeSet<HostName>,
    /// What is published.
    pub published: &'a Published,
}

/// How long ago a time is: `3 h ago`, in the largest unit that it fills.
#[must_use]
pub fn age_text(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.0.saturating_sub(at.0);
    match seconds {
        ..0 => "in the future, by this machine's clock".to_owned(),
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// A line a train: final releases, with the Python of the newest; then what was withdrawn.
#[must_use]
pub fn releases_text(packages: &[PackageReleases<'_>], now: Timestamp) -> String {
    let mut text = String::new();
    for PackageReleases { package, hosts, published } in packages {
        let trains = by_train(&published.releases);
        let head = format!("{package}: {} releases in {} trains", published.releases.len(), trains.len());
        let _ = writeln!(text, "{}", Styled(HEAD, printable(head)));
        if !hosts.is_empty() {
            let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "  on {}", names.join(", "));
        }
        let at = published.asked_at.map_or_else(|| "just now".to_owned(), |at| age_text(at, now));
        let _ = writeln!(text, "  from {}, asked {at}", printable(published.sources.join(", ")));
        if published.told == Told::Versions {
            text.push_str("  nothing was told of withdrawn releases and of the Python that each is for\n");
        }
        for (train, releases) in &trains {
            text.push_str(&train_text(*train, releases));
        }
    }
    text
}

fn train_text(train: Train, releases: &[&PublishedRelease]) -> String {
    let standing = |one: &&&PublishedRelease| one.yanked.is_none();
    let finals: Vec<String> = releases
        .iter()
        .filter(standing)
        .filter(|one| one.release.is_final())
        .map(|one| one.release.to_string())
        .collect();
    let others = releases.iter().filter(standing).count() - finals.len();
    let python = releases.iter().rev().find(standing).and_then(|one| one.requires_python.as_deref());
    let mut line = format!("  {:<6}", train.to_string());
    if finals.is_empty() {
        line.push_str(" no final release");
    }
    for release in &finals {
        let _ = write!(line, " {release}");
    }
    if others > 0 {
        let _ = write!(line, " (and {others} not final)");
    }
    if let Some(python) = python {
        let _ = write!(line, "  [Python {python}]");
    }
    let mut text = printable(line) + "\n";
    for one in releases.iter().filter(|one| one.yanked.is_some()) {
        let reason = one.yanked.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("no reason given");
        let _ = writeln!(text, "         {}", printable(format!("withdrawn: {}: {reason}", one.release)));
    }
    text
}

fn by_train(releases: &[PublishedRelease]) -> BTreeMap<Train, Vec<&PublishedRelease>> {
    let mut trains: BTreeMap<Train, Vec<&PublishedRelease>> = BTreeMap::new();
    for one in releases {
        trains.entry(one.release.train()).or_default().push(one);
    }
    trains
}

#[derive(Serialize)]
struct Package<'a> {
    package: &'a str,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    hosts: &'a BTreeSet<HostName>,
    sources: &'a [String],
    /// RFC 3339; absent where it was asked just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_at: Option<String>,
    told: Told,
    trains: Vec<TrainReleases<'a>>,
}

#[derive(Serialize)]
struct TrainReleases<'a> {
    train: String,
    releases: Vec<&'a PublishedRelease>,
}

/// The same for programs: a list of packages, each with its trains.
#[must_use]
pub fn releases_json(packages: &[PackageReleases<'_>]) -> String {
    let packages: Vec<Package<'_>> = packages
        .iter()
        .map(|PackageReleases { package, hosts, published }| Package {
            package,
            hosts,
            sources: &published.sources,
            asked_at: published.asked_at.map(|at| at.to_string()),
            told: published.told,
            trains: by_train(&published.releases)
                .into_iter()
                .map(|(train, releases)| TrainReleases { train: train.to_string(), releases })
                .collect(),
        })
        .collect();
    // Texts, numbers and lists: there is nothing in it that JSON can't hold.
    serde_json::to_string_pretty(&packages).map(|text| text + "\n").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Release;

    fn published() -> Published {
        let release = |text: &str| PublishedRelease {
            requires_python: Some(">=3.13".into()),
            ..PublishedRelease::plain(Release::parse(text).unwrap())
        };
        let mut releases: Vec<_> =
            ["25.6.0rc1", "25.6.1", "25.6.2", "25.6.4", "25.7.0"].into_iter().map(release).collect();
        releases[2].yanked = Some("broken\u{1b}[2J".into());
        Published {
            sources: vec!["https://pypi.org/simple".into()],
            asked_at: Some(Timestamp(0)),
            ..Published::new(releases)
        }
    }

    #[test]
    fn releases_are_listed_by_train() {
        let (published, hosts) = (published(), BTreeSet::new());
        let package = PackageReleases { package: "backend.ai-manager", hosts: &hosts, published: &published };
        let text = anstream::adapter::strip_str(&releases_text(&[package], Timestamp(7200))).to_string();
        assert!(!text.contains('\u{1b}'));
        insta::assert_snapshot!(text, @"
        backend.ai-manager: 5 releases in 2 trains
          from https://pypi.org/simple, asked 2 h ago
          25.6   25.6.1 25.6.4 (and 1 not final)  [Python >=3.13]
                 withdrawn: 25.6.2: broken\\x1b[2J
          25.7   25.7.0  [Python >=3.13]
        ");
        let json: serde_json::Value = serde_json::from_str(&releases_json(&[package])).unwrap();
        assert_eq!(json[0]["trains"][0]["train"], "25.6");
        assert_eq!(json[0]["trains"][0]["releases"][1]["release"], "25.6.1");
        assert_eq!(json[0]["asked_at"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn ages_are_told_in_the_largest_unit() {
        let told = |seconds| age_text(Timestamp(0), Timestamp(seconds));
        assert_eq!(
            [-5, 5, 120, 7_300, 200_000].map(told),
            ["in the future, by this machine's clock", "just now", "2 min ago", "2 h ago", "2 days ago"]
        );
    }
}
