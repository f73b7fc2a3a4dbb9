//! Components in one environment whose declared releases differ.

use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use std::collections::BTreeSet;

use crate::facts::{Observed, Pins, normalize_name};
use crate::preflight::subject::Subject;
use crate::release::Release;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "shared-environment",
    severity: Severity::Mandatory,
    demands: "components that share a virtual environment move together: their packages pin each other exactly",
    source: "measured: pip exits 0 when it breaks the pins of a sibling",
    explanation: "Packages of one product pin each other exactly. `pip install -U` of one exits 0 and leaves the others broken until \
                  their next start, and only `pip check` shows it. The rule fires where two components of one environment are declared at \
                  different releases or one of them is left out of the run, and where a distribution that no declared component moves pins \
                  what would move. Declare all components of the environment at one release, or give each its own environment.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let this = &subject.instance.component;
    let mut breaches: Vec<Breach> = subject
        .others
        .iter()
        .map(|other| other.instance)
        .chain(subject.input.out_of_scope)
        .filter(|other| other.host == subject.instance.host && other.component.venv == this.venv)
        .filter(|other| other.component.name != this.name && other.component.release != this.release)
        .map(|other| {
            Breach::of_release(
                format!(
                    "{} is declared here, {} for {}, and both live in {}",
                    this.release, other.component.release, other.component.name, this.venv
                ),
                "declare one release for both, or give each its own environment",
            )
        })
        .collect();
    breaches.extend(broken_pins(subject));
    breaches
}

/// Distributions that nobody moves and that pin what would move: what both pin goes to the new release.
fn broken_pins(subject: &Subject<'_>) -> Option<Breach> {
    let this = &subject.instance.component;
    if !subject.moves() {
        return None;
    }
    let pins = match subject.facts.pins(&this.pins_query()) {
        Observed::Known(pins) => pins,
        Observed::Absent => return None,
        Observed::Unknown(reason) => {
            return Some(Breach::new(
                format!("what is pinned in {} is unknown: {reason}", this.venv),
                "make it observable; `converge facts` shows the environment",
            ));
        }
    };
    let installed = subject.installed()?;
    let declared = subject
        .others
        .iter()
        .map(|other| other.instance)
        .filter(|other| other.host == subject.instance.host && other.component.venv == this.venv)
        .map(|other| normalize_name(&other.component.package));
    let along = going_along(pins, declared, installed);
    let victims: Vec<String> = pins
        .pins
        .iter()
        .filter(|(from, _)| !along.contains(*from))
        .filter_map(|(from, on)| {
            let (name, release) = on.iter().find(|(name, release)| along.contains(*name) && *release == installed)?;
            Some(format!("{from} (it pins {name} {release})"))
        })
        .collect();
    (!victims.is_empty()).then(|| {
        Breach::new(
            format!("{} holds what nobody moves and what would break: {}", this.venv, victims.join(", ")),
            "declare a component for each at the same release, or give this one its own environment",
        )
    })
}

/// What goes to the new release with the packages that are declared: what they pin at the product's own release, and so
/// on. A library that is pinned at a release of its own stays where it is.
fn going_along(pins: &Pins, declared: impl Iterator<Item = String>, installed: &Release) -> BTreeSet<String> {
    let mut along = BTreeSet::new();
    let mut open: Vec<String> = declared.collect();
    while let Some(name) = open.pop() {
        let on = pins.pins.get(&name).into_iter().flatten();
        open.extend(on.filter(|(on, release)| *release == installed && !along.contains(*on)).map(|(on, _)| on.clone()));
        along.insert(name);
    }
    along
}
