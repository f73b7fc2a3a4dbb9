//! A quorum that can't be kept.

use std::collections::BTreeSet;

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::Release;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "quorum",
    severity: Severity::Mandatory,
    demands: "a component that declares a quorum can change one instance after the other and keep it",
    source: "declared: `quorum` of the component",
    explanation: "While hosts take turns, as many instances as the quorum says keep serving; a batch is never larger than what is \
                  left over. The rule fires where nothing is left over: the quorum is all instances there are, or so many don't \
                  serve already that no other may stop. What doesn't serve and changes first is no hindrance, because it is started before anything \
                  else stops. Hosts that --limit leaves out aren't looked at and count as serving. A major upgrade and a full stop \
                  for a shared database take everything down by design; no quorum holds for them.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let component = &subject.instance.component;
    let Some(share) = component.quorum else { return Vec::new() };
    let rolls = |other: &Subject<'_>| other.would_stop() && other.major().is_none();
    let named = || subject.others.iter().filter(|other| other.instance.component.name == component.name);
    // It is true of all instances, and said by the first that would stop.
    if named().find(|other| rolls(other)).is_none_or(|first| first.instance.id() != subject.instance.id()) {
        return Vec::new();
    }
    let out = subject.input.out_of_scope.iter().filter(|other| other.component.name == component.name).count();
    let of = named().count() + out;
    let (serving, name) = (share.at_least(of), &component.name);
    if serving >= of {
        let observed = format!("`quorum: {share}` of {name} is {serving} of {of}: none may ever be down");
        return vec![Breach::new(observed, "declare a lower `quorum`, or more instances")];
    }
    let begins = named().filter(|other| rolls(other)).map(first_release).min();
    let late =
        |other: &&Subject<'_>| other.assessment.running.is_stopped() && begins.as_ref() < Some(&next_release(other));
    let down: BTreeSet<String> = named().filter(late).map(|other| other.instance.host.to_string()).collect();
    if down.len() < of - serving {
        return Vec::new();
    }
    let hosts = down.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let observed =
        format!("{serving} of {of} {name} must serve, and none may stop besides those that are down: {hosts}");
    vec![Breach::new(observed, format!("start them first: converge --limit '{}'", hosts.replace(", ", ":")))]
}

/// The release at which an instance first changes.
fn first_release(subject: &Subject<'_>) -> Release {
    subject.hops().first().map_or_else(|| subject.instance.component.release.clone(), |hop| hop.to.clone())
}

/// The release at which one that is down comes up again, at the latest: where it stands, if others get there.
fn next_release(subject: &Subject<'_>) -> Release {
    let next = first_release(subject);
    match subject.installed() {
        Some(installed) if *installed < next => installed.clone(),
        Some(_) | None => next,
    }
}
