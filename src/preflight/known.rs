//! What the catalogue knows of the hops of an instance, as far as it concerns this cluster.

use super::rule::Breach;
use super::subject::Subject;
use crate::facts::{DatabaseKind, Observed, PathsQuery, normalize_name};
use crate::release::{KnownHop, Predicate, Product, Risk};
use crate::resource::component::PlannedHop;

/// A manual step or a risk, with the hop that it belongs to.
pub(super) struct Known {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) source: String,
    /// `23.9.10 → 24.3.0`.
    pub(super) hop: String,
}

/// A breach for each entry that the hops of `subject` meet, said once for the cluster: `what` it is, and what to do
/// `when` it is dealt with.
pub(super) fn acknowledged(
    subject: &Subject<'_>,
    known_of: fn(&Subject<'_>, &Product, &Subject<'_>) -> Vec<Known>,
    code: &str,
    what: &str,
    when: &str,
) -> Vec<Breach> {
    let Some(product) = subject.product else { return Vec::new() };
    let meets = |other: &Subject<'_>, id: &str| known_of(other, product, subject).iter().any(|known| known.id == id);
    known_of(subject, product, subject)
        .into_iter()
        .filter(|known| subject.is_first(|other| meets(other, &known.id)))
        .map(|known| {
            Breach::of_release(
                format!("{what} {}: {} ({})", known.hop, known.text, known.source),
                format!("{when} --waive '{code}@{}=REASON'", known.id),
            )
            .about(known.id)
        })
        .collect()
}

/// The manual steps of the hops of `of`, where their conditions hold in the cluster that `cluster` is one of.
pub(super) fn steps_of_hops(of: &Subject<'_>, product: &Product, cluster: &Subject<'_>) -> Vec<Known> {
    let mut found: Vec<Known> = Vec::new();
    for (hop, known) in known_hops(of, product) {
        for step in known.steps.iter().filter(|step| all_hold(cluster, &step.when)) {
            push(&mut found, &step.id, &step.text, &step.source, &hop);
        }
    }
    found
}

/// The risks of the hops of `of`: of entering a train, and of leaving a release whatever follows.
pub(super) fn risks_of_hops(of: &Subject<'_>, product: &Product, cluster: &Subject<'_>) -> Vec<Known> {
    let package = normalize_name(&of.instance.component.package);
    let concerns = |risk: &&Risk| {
        let named = risk.packages.is_empty() || risk.packages.iter().any(|one| normalize_name(one) == package);
        named && all_hold(cluster, &risk.when)
    };
    let mut found: Vec<Known> = Vec::new();
    for (hop, known) in known_hops(of, product) {
        for risk in known.risks.iter().filter(concerns) {
            push(&mut found, &risk.id, &risk.text, &risk.source, &hop);
        }
    }
    for hop in of.reach() {
        let Some(from) = &hop.from else { continue };
        for risk in product.risks_of_leaving(from).filter(concerns) {
            push(&mut found, &risk.id, &risk.text, &risk.source, hop);
        }
    }
    found
}

fn known_hops<'p>(of: &Subject<'_>, product: &'p Product) -> Vec<(PlannedHop, &'p KnownHop)> {
    let mut known = Vec::new();
    for hop in of.reach().iter().filter(|hop| hop.major) {
        let Some(from) = &hop.from else { continue };
        let (from, to) = (product.scheme.train_of(from), product.scheme.train_of(&hop.to));
        known.extend(product.hops_within(from, to).map(|known| (hop.clone(), known)));
    }
    known
}

fn push(found: &mut Vec<Known>, id: &str, text: &str, source: &str, hop: &PlannedHop) {
    if found.iter().any(|known| known.id == id) {
        return;
    }
    let from = hop.from.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
    found.push(Known {
        id: id.to_owned(),
        text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        source: source.to_owned(),
        hop: format!("{from} → {}", hop.to),
    });
}

fn all_hold(cluster: &Subject<'_>, predicates: &[Predicate]) -> bool {
    predicates.iter().all(|predicate| holds(cluster, predicate))
}

/// Whether a condition holds anywhere in the cluster. What isn't known holds.
fn holds(cluster: &Subject<'_>, predicate: &Predicate) -> bool {
    let mut moving = cluster.family().filter(|other| other.moves());
    match predicate {
        Predicate::Package(name) => {
            let name = normalize_name(name);
            let declared = cluster.others.iter().map(|other| other.instance).chain(cluster.input.out_of_scope);
            let installed = cluster.family().any(|other| has_distribution(other, &name, false));
            installed || declared.into_iter().any(|other| normalize_name(&other.component.package) == name)
        }
        Predicate::Distribution(name) => moving.any(|other| has_distribution(other, &normalize_name(name), true)),
        Predicate::PythonBelow(x, y) => moving.any(|other| match other.instance.component.venv_fact(&other.facts) {
            Observed::Known(venv) => version_pair(&venv.python).is_none_or(|python| python < (*x, *y)),
            Observed::Absent | Observed::Unknown(_) => true,
        }),
        Predicate::PostgresqlBelow(major) => {
            cluster.family().any(|other| match other.instance.component.schema_fact(&other.facts) {
                Some(Observed::Known(schema)) => {
                    schema.database.kind == DatabaseKind::Postgresql && schema.server.is_none_or(|s| s < *major)
                }
                Some(Observed::Unknown(_)) => true,
                Some(Observed::Absent) | None => false,
            })
        }
        Predicate::File(pattern) => {
            let query = PathsQuery { pattern: pattern.clone() };
            cluster.family().any(|other| !matches!(other.facts.paths(&query), Observed::Absent))
        }
        Predicate::StopSignal(signal) => {
            moving.any(|other| other.instance.component.process.stop_signal.to_string() == *signal)
        }
    }
}

fn has_distribution(subject: &Subject<'_>, name: &str, if_unknown: bool) -> bool {
    match subject.instance.component.venv_fact(&subject.facts) {
        Observed::Known(venv) => venv.distributions.contains_key(name),
        Observed::Absent => false,
        Observed::Unknown(_) => if_unknown,
    }
}

/// The first two numbers of `3.11.7`.
fn version_pair(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(x)), Some(Ok(y))) => Some((x, y)),
        _ => None,
    }
}
