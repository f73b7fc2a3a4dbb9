//! What a path does to the schema, as lines of its text and notes of its diagram. Everything of a wheel is made printable.

use super::preview::{Listing, preview_text};
use super::style::{BAD, GOOD, Styled};
use crate::model::printable;
use crate::release::{HopSchema, PreviewState, SchemaPreview, SchemaStart, SchemaTold, WheelSeen};

/// What the previews rest on, in a line; `then` is what else is assumed.
pub(super) fn start_line(start: &SchemaStart, then: &str) -> String {
    let SchemaStart { package, release, rows, unknown, wheel: _ } = start;
    if let Some(reason) = unknown {
        let line = format!("schema of {package}: ERROR: where {release} leaves the database isn't known: {reason}");
        return Styled(BAD, printable(line)).to_string();
    }
    let heads = rows.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    printable(match rows.is_empty() {
        true => format!("schema of {package}: {release} keeps none"),
        false => format!("schema of {package}: the database is assumed to stand at {release}'s head {heads}{then}"),
    })
}

/// What a hop does, the first line beginning with `schema: `.
pub(super) fn hop_schema_lines(schema: &HopSchema, listing: Listing) -> Vec<String> {
    let HopSchema { told, wheel } = schema;
    let bad = |line: String| Styled(BAD, printable(line)).to_string();
    let mut lines = match told {
        SchemaTold::Preview(preview) => preview_text(preview, listing).lines().map(str::to_owned).collect(),
        SchemaTold::NoSchema => vec![format!("schema: {}", Styled(GOOD, "the package keeps none"))],
        SchemaTold::Failed { reason } => vec![format!("schema: {}", bad(format!("ERROR: {reason}")))],
        SchemaTold::NotKnown { reason } => vec![format!("schema: {}", bad(format!("not known: {reason}")))],
    };
    lines.extend(wheel.iter().flat_map(wheel_lines));
    lines
}

/// What a wheel lacks, a line each.
pub(super) fn wheel_lines(wheel: &WheelSeen) -> Vec<String> {
    let WheelSeen { file, sha256: _, missing_modules, problems } = wheel;
    let lacks = |(module, importer): (&String, &String)| {
        let line = format!("{file} lacks {module}, which {importer} imports: what needs that file fails");
        Styled(BAD, printable(line)).to_string()
    };
    let problem = |problem: &String| printable(format!("{file}: {problem}"));
    missing_modules.iter().map(lacks).chain(problems.iter().map(problem)).collect()
}

/// A hop in a few words, without anything that comes from a wheel.
pub(super) fn mermaid_note(schema: &HopSchema) -> String {
    let words = match &schema.told {
        SchemaTold::Preview(preview) => state_note(preview),
        SchemaTold::NoSchema => "none kept".to_owned(),
        SchemaTold::Failed { .. } => "error".to_owned(),
        SchemaTold::NotKnown { .. } => "not known".to_owned(),
    };
    let missing = schema.wheel.as_ref().map_or(0, |wheel| wheel.missing_modules.len());
    let lacks = if missing == 0 { String::new() } else { format!("; modules missing: {missing}") };
    format!("schema: {words}{lacks}")
}

fn state_note(preview: &SchemaPreview) -> String {
    let counts = format!("{} pending, {} skipped", preview.pending.len(), preview.skipped.len());
    match preview.state {
        PreviewState::Sound => counts,
        PreviewState::MergeAbove { .. } => format!("{counts}, below merges"),
        PreviewState::Empty => format!("{counts}, from nothing"),
        PreviewState::UnknownHead { .. } | PreviewState::UnknownToOld { .. } => "head unknown".to_owned(),
        PreviewState::SeveralRows => "several rows".to_owned(),
        PreviewState::SeveralHeads => "several heads".to_owned(),
        PreviewState::NoMigrations => "no migrations".to_owned(),
        PreviewState::Circle { .. } => "revisions in a circle".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::model::Digest;
    use crate::release::{Catalogue, PathRequest, PublishedRelease, Release, SchemaPath, find_path, preview};
    use crate::report::path::{PathReport, path_mermaid, path_report, path_text};

    fn release(text: &str) -> Release {
        Release::parse(text).unwrap()
    }

    fn graph(last: usize) -> crate::release::RevisionGraph {
        let before = |number: usize| if number == 0 { BTreeSet::new() } else { [format!("r{:02}", number - 1)].into() };
        crate::release::RevisionGraph::of_edges((0..=last).map(|n| (format!("r{n:02}"), before(n))).collect())
    }

    fn told(told: SchemaTold) -> HopSchema {
        HopSchema { told, wheel: None }
    }

    fn pending(count: usize) -> SchemaTold {
        SchemaTold::Preview(preview(&graph(0), &graph(count), &["r00".to_owned()].into()))
    }

    fn start() -> SchemaStart {
        SchemaStart {
            package: "backend.ai-manager".into(),
            release: release("23.9.8"),
            rows: ["r00".to_owned()].into(),
            unknown: None,
            wheel: None,
        }
    }

    fn lacking() -> WheelSeen {
        WheelSeen {
            file: "x.whl".into(),
            sha256: Digest::of(b""),
            missing_modules: BTreeMap::from([("a.b".into(), "a/c\u{1b}[2J.py".into())]),
            problems: vec!["x.py: line 3: what is this?".into()],
        }
    }

    fn report(to: &str, hops: Vec<HopSchema>) -> PathReport {
        let (catalogue, from, to) = (Catalogue::bundled(), release("23.9.8"), release(to));
        let published = ["23.9.8", "23.9.9", "23.9.10", "24.3.0"].map(|text| PublishedRelease::plain(release(text)));
        let product = catalogue.product("backend.ai");
        let request = PathRequest { product, package: None, from: &from, to: &to, published: &published };
        let report = path_report(&request, "backend.ai-manager", &find_path(&request));
        report.with_schema(SchemaPath { start: start(), hops })
    }

    fn text(report: &PathReport, listing: Listing) -> String {
        let all = anstream::adapter::strip_str(&path_text(report, listing)).to_string();
        let others = ["       risk", "       by hand", "       changes", "       Python"];
        let kept = |line: &&str| !others.iter().any(|other| line.starts_with(other));
        all.lines().filter(kept).fold(String::new(), |text, line| text + line + "\n")
    }

    #[test]
    fn each_hop_tells_what_it_does_and_what_isn_t_known() {
        let failed = told(SchemaTold::Failed { reason: "it burnt\u{1b}[2J".into() });
        let behind = told(SchemaTold::NotKnown { reason: "behind it".into() });
        let report = report("24.3.0", vec![HopSchema { wheel: Some(lacking()), ..told(pending(2)) }, failed, behind]);
        assert!(!report.schema_is_known());
        insta::assert_snapshot!("path_schema_text", text(&report, Listing::Short));
        let diagram = path_mermaid(&report);
        for note in ["schema: 2 pending, 0 skipped; modules missing: 1\"", "\"schema: error\"", "schema: not known\""] {
            assert!(diagram.contains(note), "{diagram}");
        }
    }

    #[test]
    fn many_revisions_are_listed_only_when_asked_for() {
        let report = report("23.9.9", vec![told(pending(13))]);
        assert!(report.schema_is_known());
        let (short, full) = (text(&report, Listing::Short), text(&report, Listing::Full));
        assert!(short.contains("schema: 13 pending, 0 skipped") && !short.contains("pending r05"), "{short}");
        assert!(full.contains("schema: 13 pending, 0 skipped") && full.contains("         pending r05"), "{full}");
    }

    #[test]
    fn beside_a_refusal_stands_the_jump_as_evidence() {
        let report = report("24.3.5", vec![told(pending(1))]);
        assert_eq!((report.allowed, report.hops.len(), report.schema_is_known()), (false, 0, true));
        let text = text(&report, Listing::Short);
        assert!(text.starts_with("REFUSED"), "{text}");
        let evidence = "\nWhat going straight from 23.9.8 to 24.3.5 would do to the schema (evidence, no path):\n  schema of \
                        backend.ai-manager: the database is assumed to stand at 23.9.8's head r00\n  schema: 1 pending, 0 \
                        skipped\n    pending r01\n";
        assert!(text.ends_with(evidence), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["schema_of_jump"]["told"], &json["format_version"]), (&"preview".into(), &"1.1".into()));
    }

    #[test]
    fn a_start_that_isn_t_known_says_why() {
        let unknown = SchemaStart { unknown: Some("it burnt".into()), rows: BTreeSet::new(), ..start() };
        let line = anstream::adapter::strip_str(&start_line(&unknown, "")).to_string();
        let expected = "schema of backend.ai-manager: ERROR: where 23.9.8 leaves the database isn't known: it burnt";
        assert_eq!(line, expected);
        let none = SchemaStart { rows: BTreeSet::new(), ..start() };
        assert_eq!(start_line(&none, ""), "schema of backend.ai-manager: 23.9.8 keeps none");
    }
}
