//! A major upgrade of a part of the cluster.

use crate::desired::Instance;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::Release;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "major-rolling",
    severity: Severity::Mandatory,
    demands: "a major upgrade takes the whole cluster at once: no --limit, no batches, no host left behind",
    source: "upgrade document, \"Do not perform rolling upgrades under any circumstances\"",
    explanation: "Components have no handshake of versions: a manager of one train and an agent of another meet as errors at run \
                  time. The rule fires when a major hop is planned while --limit leaves out a component of the same product, or while \
                  another component of it is declared at a release of another train, or where its play has `serial`. Widen the limit, and declare one release for all.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    if subject.major().is_none() {
        return Vec::new();
    }
    let catalogue = subject.input.catalogue;
    let product = |package: &str| catalogue.product_of(package).map(|product| &product.name);
    let of_family = |other: &Instance| match product(&subject.instance.component.package) {
        Some(name) => product(&other.component.package) == Some(name),
        None => other.component.package == subject.instance.component.package,
    };
    let left_out: Vec<String> = subject
        .input
        .out_of_scope
        .iter()
        .filter(|other| of_family(other))
        .map(|other| other.id().to_string())
        .collect();
    let declared = &subject.instance.component.release;
    let train = |release: &Release| subject.train_of(release);
    let behind: Vec<String> = subject
        .others
        .iter()
        .map(|other| other.instance)
        .filter(|other| of_family(other) && train(&other.component.release) != train(declared))
        .map(|other| format!("{} ({})", other.id(), other.component.release))
        .collect();
    let mut breaches = Vec::new();
    if !left_out.is_empty() {
        breaches.push(Breach::of_release(
            format!("{declared} is a major upgrade, and the run leaves out {}", listed(&left_out)),
            "run without --limit, and with every host in the inventory",
        ));
    }
    let is_first = || subject.is_first(|other| other.instance.rolling.serial.is_some());
    if let Some(serial) = subject.instance.rolling.serial.as_ref().filter(|_| is_first()) {
        breaches.push(Breach::of_release(
            format!("{declared} is a major upgrade, and `serial: {serial}` at {} asks for batches", serial.declared_at),
            format!("remove `serial` at {}, or name a playbook without it", serial.declared_at),
        ));
    }
    if !behind.is_empty() {
        breaches.push(Breach::of_release(
            format!("{declared} is a major upgrade, and other trains are declared for {}", listed(&behind)),
            format!("declare \"{declared}\" for all of them"),
        ));
    }
    breaches
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 5;
    match names.len() {
        0..=MOST => names.join(", "),
        all => format!("{} and {} more", names[..MOST].join(", "), all - MOST),
    }
}
