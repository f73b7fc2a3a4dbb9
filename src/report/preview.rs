//! What a target package would do to a schema, as text. The JSON is the preview's own serialisation.

use std::fmt::Write as _;

use super::style::{BAD, CHANGED, GOOD, Styled};
use crate::model::printable;
use crate::release::{Migrations, PendingRevision, PreviewState, SchemaPreview, Wheel};

/// Most revisions of a hop that are listed without being asked for: more of a path would not fit a screen. The jump
/// 23.3.12 → 26.9.6 has 425.
const LISTED: usize = 12;

/// Which revisions are listed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// All of them.
    Full,
    /// All of them where they are few; counts alone where they are more than 12.
    Short,
}

/// A preview in a few lines; the first is `schema: …`.
#[must_use]
pub fn preview_text(preview: &SchemaPreview, listing: Listing) -> String {
    let SchemaPreview { rows, from_heads: _, to_heads, common, old_above_common, pending, skipped, state } = preview;
    let joined = |ids: &std::collections::BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut text = String::new();
    let counts = format!("{} pending, {} skipped", pending.len(), skipped.len());
    let bad = |words: String| Styled(BAD, printable(words)).to_string();
    let head = match state {
        PreviewState::Sound if pending.is_empty() && skipped.is_empty() => {
            Styled(GOOD, "no modifications".to_owned()).to_string()
        }
        PreviewState::Sound if skipped.is_empty() => Styled(CHANGED, counts).to_string(),
        PreviewState::Sound => bad(counts),
        PreviewState::MergeAbove { merges } => {
            bad(format!("{counts}, with merges above the common revision: {}", joined(merges)))
        }
        PreviewState::Empty => bad(format!("the database holds no revision; {} would run", pending.len())),
        PreviewState::UnknownHead { current } => {
            bad(format!("the target doesn't know the database's revision {current}"))
        }
        PreviewState::UnknownToOld { current } => {
            bad(format!("what is installed doesn't know the database's revision {current}"))
        }
        PreviewState::SeveralRows => bad(format!("the database has several revisions: {}", joined(rows))),
        PreviewState::SeveralHeads => bad(format!("the target has several heads: {}", joined(to_heads))),
        PreviewState::NoMigrations => bad("the target holds no revisions: its wheel is broken".to_owned()),
        PreviewState::Circle { revisions } => {
            bad(format!("revisions follow each other in a circle: {}", joined(revisions)))
        }
    };
    let _ = writeln!(text, "schema: {head}");
    if listing == Listing::Full || pending.len() + skipped.len() <= LISTED {
        list(&mut text, "pending", pending);
        list(&mut text, "skipped", skipped);
    } else {
        let risky = pending.iter().chain(skipped).filter(|revision| !revision.risks.is_empty()).count();
        let _ = writeln!(text, "  {risky} of these with risks; -v lists them");
    }
    if !skipped.is_empty() {
        let common = joined(common);
        let _ = writeln!(
            text,
            "  alembic would take the skipped revisions for applied: the packages share their history up to {} \
             ({old_above_common} of the old revisions lie above it)",
            if common.is_empty() { "no revision".to_owned() } else { printable(common) }
        );
    }
    text
}

fn list(text: &mut String, what: &str, revisions: &[PendingRevision]) {
    for PendingRevision { id, message, risks } in revisions {
        let line = format!("  {what} {} {}", printable(id), printable(message));
        let _ = writeln!(text, "{}", line.trim_end());
        for risk in risks {
            let _ = writeln!(text, "      line {}: {}: {}", risk.line, risk.kind, printable(&risk.evidence));
        }
    }
}

/// What a wheel brings and lacks, a line each.
pub(super) fn wheel_lines(wheel: &Wheel) -> Vec<String> {
    let mut lines = Vec::new();
    match &wheel.migrations {
        Migrations::None => {}
        Migrations::Known { directory, graph } => {
            let heads = graph.heads().into_iter().collect::<Vec<_>>().join(", ");
            lines.push(format!("{} revisions in {directory}, head {heads}", graph.revisions.len()));
        }
        Migrations::Unknown { reasons } => {
            lines.extend(reasons.iter().map(|reason| format!("migrations: UNKNOWN: {reason}")))
        }
    }
    lines.extend(wheel.missing_modules.iter().map(|(module, file)| format!("it lacks {module}, which {file} imports")));
    lines.extend(wheel.problems.iter().cloned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{RevisionDetails, RevisionGraph, RevisionRisk, RiskKind, preview};

    fn graph(text: &str) -> RevisionGraph {
        let mut graph = RevisionGraph::default();
        for word in text.split_whitespace() {
            let (id, downs) = word.split_once(':').unwrap();
            let downs = downs.split(',').filter(|down| !down.is_empty()).map(str::to_owned).collect();
            graph.revisions.insert(id.into(), downs);
            let message = format!("add {id}");
            graph.details.insert(id.into(), RevisionDetails { message, ..RevisionDetails::default() });
        }
        graph
    }

    fn text(old: &str, new: &str, row: &str) -> String {
        let shown = preview_text(&preview(&graph(old), &graph(new), &[row.to_owned()].into()), Listing::Short);
        anstream::adapter::strip_str(&shown).to_string()
    }

    #[test]
    fn a_clean_hop_is_told_in_a_line_a_revision() {
        assert_eq!(text("a: b:a", "a: b:a", "b"), "schema: no modifications\n");
        insta::assert_snapshot!(text("a: b:a", "a: b:a c:b d:c", "b"), @r"
        schema: 2 pending, 0 skipped
          pending c add c
          pending d add d
        ");
    }

    #[test]
    fn skipped_revisions_and_risks_are_shown() {
        let mut new = graph("a: p:a z:p");
        let risk = RevisionRisk { kind: RiskKind::Etcd, line: 7, evidence: "import etcd\u{1b}[2J".into() };
        new.details.get_mut("p").unwrap().risks.push(risk);
        let shown = preview_text(&preview(&graph("a: z:a"), &new, &["z".to_owned()].into()), Listing::Short);
        insta::assert_snapshot!(anstream::adapter::strip_str(&shown).to_string(), @r"
        schema: 0 pending, 1 skipped
          skipped p add p
              line 7: uses etcd: import etcd\x1b[2J
          alembic would take the skipped revisions for applied: the packages share their history up to a (1 of the old revisions lie above it)
        ");
    }

    #[test]
    fn what_hinders_is_the_first_line() {
        assert!(text("a: z:a", "a:", "z").contains("schema: the target doesn't know the database's revision z"));
        assert!(text("a:", "", "a").contains("its wheel is broken"));
        assert!(text("a:", "a: b:a c:a", "a").contains("several heads: b, c"));
    }

    #[test]
    fn many_revisions_are_counted_unless_they_are_asked_for() {
        let new = |last: usize| {
            let mut new =
                graph(&format!("r00: {}", (1..=last).map(|n| format!("r{n:02}:r{:02} ", n - 1)).collect::<String>()));
            let risk = RevisionRisk { kind: RiskKind::Etcd, line: 7, evidence: "import etcd".into() };
            new.details.get_mut("r07").unwrap().risks.push(risk);
            new
        };
        let shown = |last: usize, listing: Listing| {
            let shown = preview_text(&preview(&graph("r00:"), &new(last), &["r00".to_owned()].into()), listing);
            anstream::adapter::strip_str(&shown).to_string()
        };
        assert_eq!(
            shown(13, Listing::Short),
            "schema: 13 pending, 0 skipped\n  1 of these with risks; -v lists them\n"
        );
        let (short, full) = (shown(12, Listing::Short), shown(59, Listing::Full));
        assert_eq!((short.lines().count(), full.lines().count()), (1 + 12 + 1, 1 + 59 + 1));
        assert!(full.ends_with("  pending r59 add r59\n"), "{full}");
    }
}
