//! A path, or why there is none, as an object, and that object as text, JSON and a Mermaid diagram.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::path_schema::{hop_schema_lines, mermaid_note, start_line, wheel_lines};
use super::preview::Listing;
use super::style::{BAD, CHANGED, GOOD, HEAD, Styled};
use crate::model::printable;
use crate::release::{
    Avoided, Hop, HopKind, HopSchema, KnownHop, ManualStep, NearestTargets, NoPath, PassedOver, PathRequest, Predicate,
    Product, PublishedRelease, Release, ReleaseRange, Risk, SchemaPath, SchemaStart, Scheme, UpgradePath,
};

/// The version of the JSON format: the first number changes when a reader of the old one would misread.
const FORMAT: &str = "1.1";

/// The answer to "how do I get from here to there?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathReport {
    /// The version of this format.
    pub format_version: String,
    /// The product, where one is known.
    pub product: Option<String>,
    /// The package whose published releases were looked at.
    pub package: String,
    /// What is installed.
    pub from: Release,
    /// The target.
    pub to: Release,
    /// Whether there is a path.
    pub allowed: bool,
    /// The hops in order; empty also where there is no path.
    pub hops: Vec<ReportedHop>,
    /// Published releases on the way that are not taken.
    pub avoided: Vec<Avoided>,
    /// Trains on the way that are not entered.
    pub passed_over: Vec<PassedOver>,
    /// Why there is no path.
    pub refusal: Option<PathRefused>,
    /// Where the schema starts, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_start: Option<SchemaStart>,
    /// Where there is no path and the schema was asked for: what going straight to the target would do to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_of_jump: Option<HopSchema>,
}

/// Why there is no path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathRefused {
    /// A stable name: `downgrade`, `not-published`, ….
    pub code: String,
    /// For people.
    pub text: String,
    /// Targets that there is a path to.
    pub nearest: NearestTargets,
}

/// One hop with what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedHop {
    /// The hop.
    #[serde(flatten)]
    pub hop: Hop,
    /// The Python that `to` runs on, as PEP 440 specifiers, where it is known.
    pub python: Option<String>,
    /// Whether that differs from what `from` runs on: another interpreter, and another virtual environment.
    pub python_changes: bool,
    /// Where the changes are told.
    pub change_log: Option<String>,
    /// What a person has to do.
    pub steps: Vec<ReportedStep>,
    /// What can go wrong.
    pub risks: Vec<ReportedRisk>,
    /// What it does to the schema, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<HopSchema>,
}

impl PathReport {
    /// Adds what is known of the schema: of each hop, or of the jump where there is no path.
    #[must_use]
    pub fn with_schema(mut self, schema: SchemaPath) -> Self {
        let SchemaPath { start, hops } = schema;
        self.schema_start = Some(start);
        let mut hops = hops.into_iter();
        match self.refusal {
            Some(_) => self.schema_of_jump = hops.next(),
            None => self.hops.iter_mut().for_each(|hop| hop.schema = hops.next()),
        }
        self
    }

    /// Whether everything that was asked for of the schema could be told.
    #[must_use]
    pub fn schema_is_known(&self) -> bool {
        let start = self.schema_start.as_ref().is_none_or(|start| start.unknown.is_none());
        let mut hops = self.hops.iter().filter_map(|hop| hop.schema.as_ref()).chain(&self.schema_of_jump);
        start && hops.all(HopSchema::is_known)
    }
}

/// A manual step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedStep {
    /// Its name.
    pub id: String,
    /// What to do.
    pub text: String,
    /// Where this is known from.
    pub source: String,
    /// When it is needed: all of these hold.
    pub when: Vec<Predicate>,
}

/// A risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedRisk {
    /// Its name.
    pub id: String,
    /// What can happen.
    pub text: String,
    /// The packages that it concerns; empty: all.
    pub packages: Vec<String>,
    /// Where this is known from.
    pub source: String,
    /// When it threatens: all of these hold.
    pub when: Vec<Predicate>,
}

/// Draws up the answer. `package` is the one whose published releases `request` holds.
#[must_use]
pub fn path_report(request: &PathRequest<'_>, package: &str, found: &Result<UpgradePath, Box<NoPath>>) -> PathReport {
    let mut report = PathReport {
        format_version: FORMAT.into(),
        product: request.product.map(|product| product.name.clone()),
        package: package.to_owned(),
        from: request.from.clone(),
        to: request.to.clone(),
        allowed: found.is_ok(),
        hops: Vec::new(),
        avoided: Vec::new(),
        passed_over: Vec::new(),
        refusal: None,
        schema_start: None,
        schema_of_jump: None,
    };
    match found {
        Ok(path) => {
            report.hops = path.hops.iter().map(|hop| reported_hop(request, hop)).collect();
            report.avoided.clone_from(&path.avoided);
            report.passed_over.clone_from(&path.passed_over);
        }
        Err(refusal) => {
            report.refusal = Some(PathRefused {
                code: refusal.obstacle.code().to_owned(),
                text: refusal.to_string(),
                nearest: refusal.nearest.clone(),
            });
        }
    }
    report
}

fn reported_hop(request: &PathRequest<'_>, hop: &Hop) -> ReportedHop {
    let product = request.product;
    let scheme = product.map(|product| product.scheme).unwrap_or_default();
    let known: Vec<&KnownHop> = match (product, hop.kind) {
        (Some(product), HopKind::Major) => {
            product.hops_within(scheme.train_of(&hop.from), scheme.train_of(&hop.to)).collect()
        }
        (Some(_), HopKind::Patch) | (None, _) => Vec::new(),
    };
    let of_release = product.into_iter().flat_map(|product| product.risks_of_leaving(&hop.from));
    let (before, after) = (python_of(request, scheme, &hop.from), python_of(request, scheme, &hop.to));
    ReportedHop {
        hop: hop.clone(),
        python_changes: differs(before.as_deref(), after.as_deref()),
        python: after,
        change_log: product.and_then(|product| product.change_log_of(&hop.to)),
        steps: known.iter().flat_map(|hop| &hop.steps).map(reported_step).collect(),
        risks: known.iter().flat_map(|hop| &hop.risks).chain(of_release).map(reported_risk).collect(),
        schema: None,
    }
}

fn reported_step(step: &ManualStep) -> ReportedStep {
    let ManualStep { id, text, source, when } = step.clone();
    ReportedStep { id, text, source, when }
}

fn reported_risk(risk: &Risk) -> ReportedRisk {
    let Risk { id, text, packages, source, when } = risk.clone();
    ReportedRisk { id, text, packages, source, when }
}

/// The Python that a release runs on: as its files say, or else as the catalogue says of its train.
fn python_of(request: &PathRequest<'_>, scheme: Scheme, release: &Release) -> Option<String> {
    let of_files = |one: &PublishedRelease| one.requires_python.clone();
    let published = request.published.iter().find(|one| one.release == *release).and_then(of_files);
    let known = |product: &Product| product.train(scheme.train_of(release))?.python.clone();
    published.or_else(|| request.product.and_then(known))
}

/// Whether two requirements name different bounds. Where one isn't known, nothing is said.
fn differs(before: Option<&str>, after: Option<&str>) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return false };
    match (ReleaseRange::parse(before), ReleaseRange::parse(after)) {
        (Ok(old), Ok(new)) => !old.has_bounds_of(&new),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => before != after,
    }
}

/// The answer for people. Everything in it may come from an index or a project's text, so it is made printable.
#[must_use]
pub fn path_text(report: &PathReport, listing: Listing) -> String {
    let mut text = String::new();
    let PathReport {
        format_version: _,
        product,
        package,
        from,
        to,
        allowed: _,
        hops,
        avoided,
        passed_over,
        refusal,
        schema_start,
        schema_of_jump,
    } = report;
    let name = printable(product.as_deref().unwrap_or(package));
    if let Some(refusal) = refusal {
        write_refusal(&mut text, &name, from, to, refusal);
        if let (Some(start), Some(jump)) = (schema_start, schema_of_jump) {
            write_jump(&mut text, start, to, jump, listing);
        }
        return text;
    }
    if hops.is_empty() {
        let line = format!("Nothing to do: {name} is at {from} already.");
        let _ = writeln!(text, "{}", Styled(GOOD, printable(&line)));
        return text;
    }
    let majors = hops.iter().filter(|hop| hop.hop.kind == HopKind::Major).count();
    let heading = format!("PATH of {name} from {from} to {to}: {} hop(s), {majors} of them major", hops.len());
    let _ = writeln!(text, "{}", Styled(HEAD, printable(&heading)));
    if let Some(start) = schema_start {
        write_start(&mut text, start, ", and each hop to be complete before the next");
    }
    text.push('\n');
    let mut told = BTreeSet::new();
    for (number, hop) in hops.iter().enumerate() {
        write_hop(&mut text, number + 1, hop, &mut told);
        for line in hop.schema.iter().flat_map(|schema| hop_schema_lines(schema, listing)) {
            let _ = writeln!(text, "       {line}");
        }
    }
    if !avoided.is_empty() {
        let _ = writeln!(text, "\n{}", Styled(HEAD, "Not taken"));
        for Avoided { release, because } in avoided {
            let _ = writeln!(text, "  {}", printable(format!("{release}: {because}")));
        }
    }
    if !passed_over.is_empty() {
        let _ = writeln!(text, "\n{}", Styled(HEAD, "Passed over"));
        for PassedOver { train, because } in passed_over {
            let _ = writeln!(text, "  {}", printable(format!("{train}: {because}")));
        }
    }
    text
}

fn write_refusal(text: &mut String, name: &str, from: &Release, to: &Release, refusal: &PathRefused) {
    let heading = format!("REFUSED: no path of {name} from {from} to {to}");
    let _ = writeln!(text, "{}", Styled(BAD, printable(&heading)));
    let _ = writeln!(text, "  {}", printable(&refusal.text));
    let nearest: Vec<&str> = refusal.nearest.all().into_iter().map(Release::as_written).collect();
    let next = match nearest.as_slice() {
        [] if refusal.code == "train-not-published" => {
            "next: bring the missing train to where the packages come from".to_owned()
        }
        [] => format!("next: stay at {from}; no newer release that can be used is published"),
        nearest => format!("next: ask for {}, which can be reached", nearest.join(" or ")),
    };
    let _ = writeln!(text, "  {}", printable(&next));
}

/// Evidence beside a refusal.
fn write_jump(text: &mut String, start: &SchemaStart, to: &Release, jump: &HopSchema, listing: Listing) {
    let from = &start.release;
    let heading = format!("What going straight from {from} to {to} would do to the schema (evidence, no path):");
    let _ = writeln!(text, "\n{}", Styled(HEAD, printable(&heading)));
    write_start(text, start, "");
    for line in hop_schema_lines(jump, listing) {
        let _ = writeln!(text, "  {line}");
    }
}

fn write_start(text: &mut String, start: &SchemaStart, then: &str) {
    let _ = writeln!(text, "  {}", start_line(start, then));
    for line in start.wheel.iter().flat_map(wheel_lines) {
        let _ = writeln!(text, "  {line}");
    }
}

/// `told` holds the risks that stand above in full: the same ones lie in each of a row of patches.
fn write_hop<'a>(text: &mut String, number: usize, reported: &'a ReportedHop, told: &mut BTreeSet<(&'a str, &'a str)>) {
    // The schema comes after it.
    let ReportedHop { hop, python, python_changes, change_log, steps, risks, schema: _ } = reported;
    let line = printable(format!("{number:>3}. {} -> {}", hop.from, hop.to));
    let _ = match hop.kind {
        HopKind::Patch => writeln!(text, "{line}"),
        HopKind::Major => writeln!(text, "{}", Styled(CHANGED, format!("{line}  major: everything is stopped"))),
    };
    let mut detail = |line: String| {
        let _ = writeln!(text, "       {}", printable(&line));
    };
    match (python, python_changes) {
        (Some(python), true) => detail(format!("needs another Python: {python}, and a new virtual environment")),
        (Some(python), false) if hop.kind == HopKind::Major => detail(format!("Python: {python}")),
        (Some(_) | None, _) => {}
    }
    if let Some(url) = change_log {
        detail(format!("changes: {url}"));
    }
    for ReportedStep { id, text, source, when } in steps {
        detail(format!("by hand: {id}: {text} ({}source: {source})", where_text(when)));
    }
    for ReportedRisk { id, text, packages, source, when } in risks {
        let of = if packages.is_empty() { String::new() } else { format!(" [{}]", packages.join(", ")) };
        if !told.insert((id, text)) {
            detail(format!("risk: {id}{of}: as above"));
            continue;
        }
        detail(format!("risk: {id}{of}: {text} ({}source: {source})", where_text(when)));
    }
}

fn where_text(when: &[Predicate]) -> String {
    let words: Vec<String> = when.iter().map(ToString::to_string).collect();
    if words.is_empty() { String::new() } else { format!("where {}; ", words.join(" and ")) }
}

/// The path as a Mermaid flowchart; empty where there is none.
#[must_use]
pub fn path_mermaid(report: &PathReport) -> String {
    if report.refusal.is_some() {
        return String::new();
    }
    // What is put between quotes is a release: letters, digits, dots and a few signs, none of them a quote.
    let mut text = String::from("flowchart LR\n");
    let _ = writeln!(text, "    r0([\"{}\"])", report.from);
    for (index, ReportedHop { hop, python, python_changes, steps, schema, .. }) in report.hops.iter().enumerate() {
        let (before, after) = (index, index + 1);
        let node = match hop.required_stop {
            true => format!("r{after}[[\"{}\"]]", hop.to),
            false => format!("r{after}[\"{}\"]", hop.to),
        };
        let mut notes: Vec<String> = Vec::new();
        if hop.kind == HopKind::Major {
            notes.push("major".to_owned());
        }
        if let (Some(python), true) = (python, python_changes) {
            notes.push(format!("Python {}", python.replace('<', "#lt;").replace('>', "#gt;").replace('"', "")));
        }
        notes.extend((!steps.is_empty()).then(|| format!("{} by hand", steps.len())));
        notes.extend(schema.as_ref().map(mermaid_note));
        let _ = match notes.is_empty() {
            true => writeln!(text, "    r{before} --> {node}"),
            false => writeln!(text, "    r{before} ==>|\"{}\"| {node}", printable(notes.join("; "))),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Catalogue, find_path};

    fn published() -> Vec<PublishedRelease> {
        let plain = |text: &str| PublishedRelease::plain(Release::parse(text).unwrap());
        let mut all: Vec<PublishedRelease> =
            ["23.9.8", "23.9.10", "24.3.0", "24.3.11", "24.9.0", "25.2.0"].map(plain).to_vec();
        all[1].requires_python = Some(">=3.11,<3.12".into());
        all[2].requires_python = Some("<3.13,>=3.12".into());
        all.push(PublishedRelease { yanked: Some("bad \u{1b}[31m wheel".into()), ..plain("24.3.1") });
        all
    }

    fn report(from: &str, to: &str) -> PathReport {
        let (catalogue, published) = (Catalogue::bundled(), published());
        let (from, to) = (Release::parse(from).unwrap(), Release::parse(to).unwrap());
        let product = catalogue.product("backend.ai");
        let request = PathRequest { product, package: None, from: &from, to: &to, published: &published };
        path_report(&request, "backend.ai-manager", &find_path(&request))
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_path_tells_hops_python_steps_risks_and_what_is_left_out() {
        let report = report("23.09.8", "24.3.11");
        assert_eq!(report.hops.len(), 3);
        assert!(report.hops[1].python_changes && report.hops[1].steps.iter().any(|step| step.id == "python-3.12"));
        assert!(!report.hops[2].python_changes && report.hops[2].steps.is_empty());
        let text = plain(&path_text(&report, Listing::Short));
        for part in [
            "PATH of backend.ai from 23.09.8 to 24.3.11: 3 hop(s), 1 of them major",
            "  1. 23.09.8 -> 23.9.10\n",
            "  2. 23.9.10 -> 24.3.0  major: everything is stopped",
            "needs another Python: <3.13,>=3.12, and a new virtual environment",
            "changes: https://github.com/lablup/backend.ai/releases/tag/24.03.0",
            "by hand: python-3.12: ",
            "(where Python is older than 3.12; source: ",
            "risk: agent-sigterm [backend.ai-agent]: SIGTERM",
            "risk: agent-sigterm [backend.ai-agent]: as above\n",
            "24.3.1: withdrawn from the index: bad \\x1b[31m wheel",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        insta::assert_snapshot!("path_text", text);
        insta::assert_snapshot!("path_json", serde_json::to_string_pretty(&report).unwrap());
    }

    #[test]
    fn a_refusal_says_what_to_ask_for() {
        let text = plain(&path_text(&report("24.9.0", "25.1.1"), Listing::Short));
        assert!(text.starts_with("REFUSED: no path of backend.ai from 24.9.0 to 25.1.1\n"), "{text}");
        assert!(text.contains("25.1.1 isn't published where the packages come from"), "{text}");
        let lacking = plain(&path_text(&report("24.9.0", "25.2.0"), Listing::Short));
        assert!(lacking.contains("leads through 25.1, and nothing of it is published"), "{lacking}");
        assert!(lacking.contains("next: bring the missing train"), "{lacking}");
        let back = report("24.9.0", "23.9.8");
        assert!(path_text(&back, Listing::Short).contains("older than 24.9.0, and nothing goes back by itself"));
        assert_eq!((back.allowed, back.refusal.unwrap().code.as_str()), (false, "downgrade"));
        assert!(
            plain(&path_text(&report("24.9.0", "24.9.0"), Listing::Short))
                .starts_with("Nothing to do: backend.ai is at 24.9.0")
        );
    }

    #[test]
    fn a_diagram_marks_majors_and_stops() {
        assert_eq!(
            path_mermaid(&report("23.9.8", "24.3.11")),
            "flowchart LR\n    r0([\"23.9.8\"])\n    r0 --> r1[[\"23.9.10\"]]\n    \
             r1 ==>|\"major; Python #lt;3.13,#gt;=3.12; 1 by hand\"| r2[\"24.3.0\"]\n    r2 --> r3[[\"24.3.11\"]]\n"
        );
        assert_eq!(path_mermaid(&report("24.9.0", "23.9.8")), "");
    }
}
