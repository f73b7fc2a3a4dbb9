//! What each hop of a path does to a schema, as far as the wheels on the way can tell. Pure.
//!
//! The database is taken to stand at the first release's head, and each hop to be complete, with what alembic would have
//! skipped, before the next one. Behind a hop that can't be told, or that the database can't take, nothing is known.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::graph::{RevisionGraph, RevisionId};
use super::preview::{PreviewState, SchemaPreview, preview_path};
use crate::model::Digest;
use crate::release::Release;
use crate::release::{Migrations, Wheel};

/// A release with its wheel, or with the reason why there is none to look at.
pub type WheelOf<'a> = (&'a Release, Result<&'a Wheel, &'a str>);

/// What is known of the schema on a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaPath {
    /// Where it starts.
    pub start: SchemaStart,
    /// One for each hop.
    pub hops: Vec<HopSchema>,
}

/// The release that a path starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaStart {
    /// The package whose schema this is about.
    pub package: String,
    /// The release.
    pub release: Release,
    /// The rows of `alembic_version` that the database is assumed to hold: the heads of the release.
    pub rows: BTreeSet<RevisionId>,
    /// Why these aren't known, where they aren't.
    pub unknown: Option<String>,
    /// What else its wheel shows, where there is one.
    pub wheel: Option<WheelSeen>,
}

/// What a hop does to the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HopSchema {
    /// What can be told.
    #[serde(flatten)]
    pub told: SchemaTold,
    /// What else the target's wheel shows, where there is one.
    #[serde(flatten)]
    pub wheel: Option<WheelSeen>,
}

/// What can be told of a hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "told", rename_all = "kebab-case")]
pub enum SchemaTold {
    /// Both packages were read.
    Preview(SchemaPreview),
    /// The package keeps no schema: neither wheel has migrations, and none are known of.
    NoSchema,
    /// The target's wheel can't be had or read.
    Failed {
        /// Why.
        reason: String,
    },
    /// Something before it is missing.
    NotKnown {
        /// What.
        reason: String,
    },
}

/// What a wheel shows beside its migrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WheelSeen {
    /// The file's name.
    pub file: String,
    /// The file's SHA-256.
    pub sha256: Digest,
    /// Modules of its own that it imports and doesn't hold, each with a file that imports it. Whether it starts all the
    /// same depends on whether anything needs that file: in the manager 24.9.14 the server does, in 25.14.0 nothing does.
    pub missing_modules: BTreeMap<String, String>,
    /// What else is wrong with it.
    pub problems: Vec<String>,
}

impl HopSchema {
    /// Whether the question could be answered.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match self.told {
            SchemaTold::Preview(_) | SchemaTold::NoSchema => true,
            SchemaTold::Failed { .. } | SchemaTold::NotKnown { .. } => false,
        }
    }
}

impl WheelSeen {
    fn of(wheel: &Wheel) -> Self {
        Self {
            file: wheel.file.clone(),
            sha256: wheel.sha256.clone(),
            missing_modules: wheel.missing_modules.clone(),
            problems: wheel.problems.clone(),
        }
    }
}

/// Previews the hops between `wheels` of `package`, of which `start` is installed. `keeps_schema` says that the package
/// is known to bring migrations: a wheel without any is a broken one then.
#[must_use]
pub fn schema_of_path(package: &str, start: WheelOf<'_>, then: &[WheelOf<'_>], keeps_schema: bool) -> SchemaPath {
    let graph = start.1.map_err(str::to_owned).and_then(Wheel::revisions);
    let (rows, unknown) = match graph.map(RevisionGraph::heads) {
        Err(reason) => (BTreeSet::new(), Some(reason)),
        // Without a revision of its own it doesn't tell where the database stands.
        Ok(rows) if rows.is_empty() && keeps_schema => {
            (rows, Some(format!("the wheel of {} holds no revisions: it is broken", start.0)))
        }
        Ok(rows) => (rows, None),
    };
    let hops = match &unknown {
        None => hops_from(start, then, &rows, keeps_schema),
        Some(reason) => {
            let told = || behind(start.0, reason);
            then.iter().map(|target| hop(failure_of(*target).unwrap_or_else(told), *target)).collect()
        }
    };
    let wheel = start.1.ok().map(WheelSeen::of);
    SchemaPath {
        start: SchemaStart { package: package.to_owned(), release: start.0.clone(), rows, unknown, wheel },
        hops,
    }
}

fn hops_from(
    start: WheelOf<'_>,
    then: &[WheelOf<'_>],
    rows: &BTreeSet<RevisionId>,
    keeps_schema: bool,
) -> Vec<HopSchema> {
    let all = std::iter::once(start).chain(then.iter().copied());
    let graphs: Vec<&RevisionGraph> = all.map_while(|(_, wheel)| wheel.ok()?.revisions().ok()).collect();
    let mut previews = preview_path(&graphs, rows).into_iter();
    let mut hops = Vec::new();
    let mut ended: Option<SchemaTold> = None;
    let mut before = start;
    for target in then {
        let told = match (&ended, failure_of(*target)) {
            (_, Some(failed)) => {
                let reason = format!("{}'s wheel can't be read", target.0);
                ended.get_or_insert_with(|| behind(target.0, &reason));
                failed
            }
            (Some(behind), None) => behind.clone(),
            (None, None) if !keeps_schema && is_without(before) && is_without(*target) => {
                let _ = previews.next();
                SchemaTold::NoSchema
            }
            (None, None) => match previews.next() {
                Some(preview) => {
                    if !is_takeable(&preview.state) {
                        ended = Some(behind(target.0, &format!("{} can't take it over", target.0)));
                    }
                    SchemaTold::Preview(preview)
                }
                None => behind(target.0, "a wheel before it can't be read"),
            },
        };
        hops.push(hop(told, *target));
        before = *target;
    }
    hops
}

fn hop(told: SchemaTold, target: WheelOf<'_>) -> HopSchema {
    HopSchema { told, wheel: target.1.ok().map(WheelSeen::of) }
}

/// Why the target's migrations can't be looked at.
fn failure_of(target: WheelOf<'_>) -> Option<SchemaTold> {
    let reason = match target.1 {
        Err(reason) => reason.to_owned(),
        Ok(wheel) => wheel.revisions().err()?,
    };
    Some(SchemaTold::Failed { reason })
}

fn behind(release: &Release, reason: &str) -> SchemaTold {
    SchemaTold::NotKnown { reason: format!("where the database stands behind {release} isn't known ({reason})") }
}

fn is_without((_, wheel): WheelOf<'_>) -> bool {
    wheel.is_ok_and(|wheel| wheel.migrations == Migrations::None)
}

/// Whether the database can come to the target's head at all, so that the next hop starts from there.
fn is_takeable(state: &PreviewState) -> bool {
    match state {
        PreviewState::Sound | PreviewState::MergeAbove { .. } | PreviewState::Empty => true,
        PreviewState::UnknownHead { .. }
        | PreviewState::UnknownToOld { .. }
        | PreviewState::SeveralRows
        | PreviewState::SeveralHeads
        | PreviewState::NoMigrations
        | PreviewState::Circle { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a b:a` are revisions, `-` is a wheel without migrations, `?` one whose migrations can't be understood, `!` none.
    fn wheel(text: &str) -> Result<Wheel, String> {
        let revision = |word: &str| {
            let (id, downs) = word.split_once(':').unwrap_or((word, ""));
            (id.to_owned(), downs.split(',').filter(|down| !down.is_empty()).map(str::to_owned).collect())
        };
        let migrations = match text {
            "!" => return Err("it burnt".to_owned()),
            "-" => Migrations::None,
            "?" => Migrations::Unknown { reasons: vec!["line 3".to_owned()] },
            text => Migrations::Known {
                directory: "p/m".to_owned(),
                graph: RevisionGraph::of_edges(text.split_whitespace().map(revision).collect()),
            },
        };
        Ok(Wheel {
            package: "p".into(),
            release: Release::parse("1.0").unwrap(),
            file: "p.whl".into(),
            bytes: 1,
            sha256: Digest::of(b""),
            requires_python: None,
            pins: BTreeMap::new(),
            migrations,
            missing_modules: BTreeMap::from([("p.gone".into(), "p/a.py".into())]),
            catch_up: crate::release::CatchUp::default(),
            problems: Vec::new(),
        })
    }

    fn path(texts: &[&str], keeps_schema: bool) -> SchemaPath {
        let wheels: Vec<(Release, Result<Wheel, String>)> = texts
            .iter()
            .enumerate()
            .map(|(number, text)| (Release::parse(&format!("1.{number}")).unwrap(), wheel(text)))
            .collect();
        let of: Vec<WheelOf<'_>> =
            wheels.iter().map(|(release, wheel)| (release, wheel.as_ref().map_err(String::as_str))).collect();
        schema_of_path("p", of[0], &of[1..], keeps_schema)
    }

    /// A word a hop: pending+skipped, or what hinders.
    fn told(texts: &[&str], keeps_schema: bool) -> Vec<String> {
        let word = |hop: HopSchema| match hop.told {
            SchemaTold::Preview(SchemaPreview { state: PreviewState::Sound, pending, skipped, .. }) => {
                format!("{}+{}", pending.len(), skipped.len())
            }
            SchemaTold::Preview(preview) => format!("{:?}", preview.state),
            SchemaTold::NoSchema => "none".to_owned(),
            SchemaTold::Failed { reason } | SchemaTold::NotKnown { reason } => reason,
        };
        path(texts, keeps_schema).hops.into_iter().map(word).collect()
    }

    #[test]
    fn hops_follow_each_other() {
        assert_eq!(told(&["a", "a b:a", "a p:a b:p c:b"], true), ["1+0", "1+1"]);
        let path = path(&["a", "a b:a"], true);
        assert_eq!((path.start.rows, path.start.unknown), (BTreeSet::from(["a".to_owned()]), None));
        assert_eq!(path.hops[0].wheel.as_ref().unwrap().missing_modules["p.gone"], "p/a.py");
    }

    #[test]
    fn behind_what_can_t_be_read_nothing_is_known() {
        let behind = "where the database stands behind 1.1 isn't known (1.1's wheel can't be read)";
        assert_eq!(told(&["a", "!", "a b:a", "!"], true), ["it burnt", behind, "it burnt"]);
        let unread = told(&["a", "?", "a b:a"], true);
        assert_eq!(unread[0], "the migrations in p.whl can't be understood: line 3");
        assert_eq!(unread[1], behind);
        let start = path(&["!", "a"], true);
        assert_eq!(start.start.unknown.as_deref(), Some("it burnt"));
        assert!(!start.hops[0].is_known());
    }

    #[test]
    fn behind_a_hop_that_can_t_be_made_nothing_is_known() {
        let words = told(&["a b:a", "a", "a b:a c:b"], true);
        assert_eq!(words[0], "UnknownHead { current: \"b\" }");
        assert_eq!(words[1], "where the database stands behind 1.1 isn't known (1.1 can't take it over)");
        let broken = told(&["a", "-", "a b:a"], true);
        assert_eq!((broken[0].as_str(), broken.len()), ("NoMigrations", 2));
        assert!(broken[1].contains("1.1 can't take it over"));
    }

    #[test]
    fn a_package_without_migrations_keeps_no_schema_unless_it_is_known_to() {
        assert_eq!(told(&["-", "-", "-"], false), ["none", "none"]);
        // It comes to have one.
        assert_eq!(told(&["-", "-", "a"], false), ["none", "Empty"]);
        let broken = path(&["-", "a"], true);
        assert_eq!(broken.start.unknown.as_deref(), Some("the wheel of 1.0 holds no revisions: it is broken"));
        assert!(!broken.hops[0].is_known());
        // A directory for migrations without any is broken wherever it is.
        assert_eq!(told(&["a", ""], false), ["NoMigrations"]);
    }

    #[test]
    fn the_json_holds_the_preview_and_what_the_wheel_shows() {
        let json = |path: &SchemaPath| serde_json::to_value(&path.hops[0]).unwrap();
        let hop = json(&path(&["a", "a b:a"], true));
        assert_eq!((&hop["told"], &hop["state"]["state"]), (&"preview".into(), &"sound".into()));
        assert_eq!((&hop["pending"][0]["id"], &hop["missing_modules"]["p.gone"]), (&"b".into(), &"p/a.py".into()));
        let failed = json(&path(&["a", "!"], true));
        assert_eq!(failed, serde_json::json!({"told": "failed", "reason": "it burnt"}));
    }
}
