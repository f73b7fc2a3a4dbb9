//! A declared release more than one train ahead.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::{NoPath, Obstacle, Release};
use crate::resource::component::PlannedHop;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "skipped-train",
    severity: Severity::Mandatory,
    demands: "trains are taken one after the other: the declared release belongs to the installed train or to its direct successor",
    source: "upgrade document, \"Do Not Skip Intermediate Major Versions\"",
    explanation: "Each train migrates the database and its configuration from the one right before it; nobody tests the way across two. \
                  One run makes at most one major upgrade, so that each is looked at before the next begins. The rule names the trains in \
                  between. A train that the catalogue knows and that isn't published where the host gets its packages has to be brought \
                  there; one of which every release is withdrawn or known broken is passed over, and `converge path` says why.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    match subject.no_path() {
        Some(refused) => not_enterable(subject, refused).into_iter().collect(),
        None => too_far(subject),
    }
}

/// A train in between that the host can't get, or that can't be entered from where the way stands.
fn not_enterable(subject: &Subject<'_>, refused: &NoPath) -> Option<Breach> {
    let NoPath { from, to, obstacle, .. } = refused;
    let why = match obstacle {
        Obstacle::TrainNotPublished { train, .. } => {
            format!(
                "the train {train} lies in between, and nothing of it is published where the host gets its packages"
            )
        }
        Obstacle::CantBeEntered { at, train, reason, source } => {
            format!("the train {train} can't be entered from {at}: {reason} ({source})")
        }
        Obstacle::Downgrade
        | Obstacle::OtherEpoch
        | Obstacle::NotPublished { .. }
        | Obstacle::Yanked { .. }
        | Obstacle::Broken { .. } => return None,
    };
    Some(Breach::of_release(
        format!("{from} is installed, {to} is declared: {why}"),
        subject.nearest(refused, &format!("`converge path {from} {to}` says more")),
    ))
}

fn too_far(subject: &Subject<'_>) -> Vec<Breach> {
    let declared = &subject.instance.component.release;
    let majors: Vec<&PlannedHop> = subject.hops().iter().filter(|hop| hop.major).collect();
    let (Some(from), [first, .., last]) = (subject.installed(), &majors[..]) else { return Vec::new() };
    let between: Vec<String> = majors[..majors.len() - 1].iter().map(|hop| hop.to.to_string()).collect();
    let nearest = nearest_target(subject, first, last);
    vec![Breach::of_release(
        format!(
            "{from} is installed, {declared} is declared: {} trains lie in between, entered at {}",
            between.len(),
            between.join(", ")
        ),
        format!(
            "go train by train: {}; `converge path {from} {declared}` shows the whole way",
            Subject::declare(&nearest)
        ),
    )]
}

/// The furthest release that one run may go to from here: the last one before the second train is entered, where the
/// installed one is the last of its train, else the last of its own.
fn nearest_target(subject: &Subject<'_>, first: &PlannedHop, second: &PlannedHop) -> Release {
    let hops = subject.hops();
    let before = |major: &PlannedHop| hops.iter().take_while(|hop| hop.to != major.to).last().map(|hop| hop.to.clone());
    match before(first) {
        Some(last_patch) => last_patch,
        None => hops
            .iter()
            .filter(|hop| hop.to < second.to)
            .map(|hop| &hop.to)
            .rfind(|to| subject.train_of(to) == subject.train_of(&first.to))
            .unwrap_or(&first.to)
            .clone(),
    }
}
