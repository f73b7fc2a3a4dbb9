//! What the revisions of a package bring, and whether the database has it: the proof that a schema is complete, where a row
//! in `alembic_version` only says that somebody wrote it there.
//!
//! `effects.py` parses the revision files on the host, follows each `upgrade()` as far as names can be told, keeps what
//! later revisions leave of it (tables, columns, indexes, labels of enums, and what must be gone), and compares that with
//! the catalogue of the live database. Nothing of the package runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use super::schema::{DATABASE_URL_PY, SchemaQuery};
use crate::release::{RevisionId, RevisionRisk, parse_revision_file};

/// Which revisions of which package against which database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectsQuery {
    /// The database, and the environment whose package is read.
    pub database: SchemaQuery,
    /// The revisions whose effects are asked for; empty: all that the database's rows take for applied. The whole chain
    /// is read either way, because later revisions take back what earlier ones bring.
    pub revisions: BTreeSet<RevisionId>,
}

/// What revisions bring, compared with a database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Effects {
    /// The revisions of which something can be told.
    pub revisions: BTreeMap<RevisionId, RevisionEffects>,
    /// Every thing that is not as a revision leaves it.
    pub missing: BTreeSet<Effect>,
    /// Revisions of which not everything can be told without running them, with why: those that change data alone, SQL
    /// that is not understood, computed names, conditions.
    pub untold: BTreeMap<RevisionId, String>,
}

/// What one revision brings, as far as it can be told and no later revision takes it back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RevisionEffects {
    /// The first line of its docstring; may be empty.
    pub message: String,
    /// How many things it leaves there or takes away.
    pub expected: usize,
    /// How many of them are not so.
    pub missing: usize,
    /// Applied revisions that rename or take back something that it brings: run late, it would bring that again.
    /// Told only where something is missing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overtaken: BTreeSet<RevisionId>,
    /// What of it deserves a look before it runs. Read only where all revisions were asked for and something of this one is
    /// missing; `None` elsewhere, and where its file could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risks: Option<Vec<RevisionRisk>>,
}

/// One thing that is not as a revision leaves it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Effect {
    /// The revision.
    pub revision: RevisionId,
    /// What kind of thing it is.
    pub kind: EffectKind,
    /// Its name: `TABLE`, `TABLE.COLUMN`, `INDEX`, `TYPE.LABEL`.
    pub name: String,
    /// Whether the revision takes it away, and it is still there.
    pub left: bool,
}

/// A kind of thing in a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKind {
    /// A table.
    Table,
    /// A column.
    Column,
    /// An index with a name of its own.
    Index,
    /// A label of an enumerated type.
    Label,
}

impl EffectKind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "table" => EffectKind::Table,
            "column" => EffectKind::Column,
            "index" => EffectKind::Index,
            "label" => EffectKind::Label,
            _ => return None,
        })
    }
}

impl Effects {
    /// How many things were looked for.
    #[must_use]
    pub fn expected(&self) -> usize {
        self.revisions.values().map(|revision| revision.expected).sum()
    }
}

impl fmt::Display for EffectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EffectKind::Table => "table",
            EffectKind::Column => "column",
            EffectKind::Index => "index",
            EffectKind::Label => "label",
        })
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)?;
        if self.left { f.write_str(" is still there") } else { Ok(()) }
    }
}

const PROGRAM: &str = include_str!("effects.py");

/// The shell function. `-S` keeps site-packages out: only the package's files are read.
pub(super) fn function() -> String {
    format!(
        "z() {{\n[ -f \"$1\" ] || {{ e absent 1; return; }}\ni=$1 d=$2 v=$3; shift 3\nfor p in \"$v/bin/python\" python3; do command -v \"$p\" >/dev/null && break; done\n\
         o=$(\"$p\" -I -S - \"$i\" \"$d\" \"$N\" \"$Q\" \"$v\" \"$@\" 2>&1 <<'P'\n{DATABASE_URL_PY}{PROGRAM}P\n)\nr=$?; O=\"$O$o\n\"\n\
         [ $r = 0 ] || e unknown \"$(printf '%s' \"$o\" | grep -av \"^$N\" | grep -a . | tail -n 1)\"\n}}\n"
    )
}

pub(super) fn call(query: &EffectsQuery) -> String {
    let SchemaQuery { ini, chdir, venv } = &query.database;
    let mut call = format!("z {} {} {}", quote(ini), quote(chdir), quote(venv));
    for revision in &query.revisions {
        call.push(' ');
        call.push_str(&quote(revision));
    }
    call
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Effects> {
    if answer.get("absent").is_some() {
        return Observed::Absent;
    }
    if answer.get("compared").is_none() {
        return Observed::Unknown("the comparison with the revisions was not finished".into());
    }
    let mut effects = Effects::default();
    for line in answer.all("revision") {
        let Some((id, revision)) = revision(line) else { return not_understood(line) };
        effects.revisions.insert(id, revision);
    }
    for line in answer.all("overtaken") {
        let mut words = line.split(' ');
        let Some(revision) = words.next().and_then(|id| effects.revisions.get_mut(id)) else {
            return not_understood(line);
        };
        revision.overtaken = words.map(str::to_owned).collect();
    }
    for line in answer.all("source") {
        let Some((id, packed)) = line.split_once(' ') else { return not_understood(line) };
        let Some(revision) = effects.revisions.get_mut(id) else { return not_understood(id) };
        // What can't be read is left untold, and whoever runs it supposes the worst.
        let text = STANDARD.decode(packed).ok();
        let file = text.and_then(|text| parse_revision_file(id, &text).ok().flatten());
        revision.risks = file.filter(|file| file.id == id).map(|file| file.risks);
    }
    for (key, left) in [("missing", false), ("left", true)] {
        for line in answer.all(key) {
            let Some(effect) = effect(line, left) else { return not_understood(line) };
            effects.missing.insert(effect);
        }
    }
    for line in answer.all("untold") {
        let (id, why) = line.split_once(' ').unwrap_or((line, ""));
        effects.untold.insert(id.to_owned(), why.to_owned());
    }
    // The counts and the list come by different ways; where they disagree, something was lost.
    let counted: usize = effects.revisions.values().map(|revision| revision.missing).sum();
    if counted != effects.missing.len() {
        let listed = effects.missing.len();
        return Observed::Unknown(format!("{counted} missing things were counted, and {listed} listed"));
    }
    Observed::Known(effects)
}

fn not_understood(line: &str) -> Observed<Effects> {
    Observed::Unknown(format!("{line:?} is no effect of a revision"))
}

/// Reads `ID EXPECTED MISSING MESSAGE`.
fn revision(line: &str) -> Option<(RevisionId, RevisionEffects)> {
    let mut words = line.splitn(4, ' ');
    let id = words.next()?.to_owned();
    let (expected, missing) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let message = words.next().unwrap_or_default().to_owned();
    Some((id, RevisionEffects { message, expected, missing, ..RevisionEffects::default() }))
}

/// Reads `ID KIND NAME`.
fn effect(line: &str, left: bool) -> Option<Effect> {
    let mut words = line.splitn(3, ' ');
    let revision = words.next()?.to_owned();
    Some(Effect { revision, kind: EffectKind::parse(words.next()?)?, name: words.next()?.to_owned(), left })
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    fn read(records: &[(&str, &str)]) -> Observed<Effects> {
        let records = records.iter().map(|(key, value)| Record { key, value }).collect();
        parse(&Answer { records, clock: Clock::default() })
    }

    #[test]
    fn what_is_missing_is_told_with_its_revision() {
        let read = read(&[
            ("revision", "a1 3 0"),
            ("revision", "b2 2 2 add a type"),
            ("missing", "b2 column groups.type"),
            ("left", "b2 column groups.old one"),
            ("overtaken", "b2 c3 d4"),
            ("source", "b2 cmV2aXNpb24gPSAiYjIiCmRvd25fcmV2aXNpb24gPSAiYTEiCmltcG9ydCBldGNkMwo="),
            ("untold", "c3 a block of SQL"),
            ("compared", "postgresql"),
        ]);
        let effects = read.known().unwrap();
        assert_eq!(effects.expected(), 5);
        assert_eq!(effects.revisions["b2"].message, "add a type");
        assert_eq!(effects.revisions["b2"].overtaken, BTreeSet::from(["c3".to_owned(), "d4".to_owned()]));
        assert_eq!(
            effects.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["column groups.old one is still there", "column groups.type"]
        );
        assert_eq!(effects.untold["c3"], "a block of SQL");
        let risks: Vec<String> =
            effects.revisions["b2"].risks.iter().flatten().map(|risk| risk.kind.to_string()).collect();
        assert_eq!((risks, &effects.revisions["a1"].risks), (vec!["uses etcd".to_owned()], &None));
    }

    #[test]
    fn a_source_that_is_another_revisions_or_none_tells_no_risks() {
        for source in ["b2 !", "b2 cHJpbnQoMSkK", "b2 cmV2aXNpb24gPSAiYTEiCmRvd25fcmV2aXNpb24gPSBOb25lCg=="] {
            let read =
                read(&[("revision", "b2 1 1"), ("source", source), ("missing", "b2 table t"), ("compared", "sqlite")]);
            assert_eq!(read.known().unwrap().revisions["b2"].risks, None, "{source}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_short_or_odd_is_unknown() {
        assert!(read(&[("revision", "a1 3 0")]).unknown().is_some());
        assert!(read(&[("revision", "a1 3 1"), ("compared", "sqlite")]).unknown().is_some());
        assert!(read(&[("revision", "a1 many 0"), ("compared", "sqlite")]).unknown().is_some());
        assert!(read(&[("missing", "a1 trigger t"), ("compared", "sqlite")]).unknown().is_some());
        assert_eq!(read(&[("absent", "1")]), Observed::Absent);
        assert_eq!(read(&[("compared", "sqlite")]).known().unwrap().expected(), 0);
    }
}
