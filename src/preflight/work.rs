//! Running work, from every witness that there is.

use super::rule::Breach;
use super::subject::Subject;
use crate::facts::Observed;

const NEXT: &str = "terminate it, or wait until it has ended; `converge preflight` looks again";

/// What runs as far as this instance can tell; what it should be able to tell and can't is told the same.
pub(super) fn running_work(subject: &Subject<'_>) -> Vec<Breach> {
    [counted(subject), listed(subject), not_counted(subject)].into_iter().flatten().collect()
}

/// Rows in the product's own table.
fn counted(subject: &Subject<'_>) -> Option<Breach> {
    let query = subject.work_query()?;
    match subject.facts.work(&query) {
        Observed::Known(work) if work.count() == 0 => None,
        Observed::Known(work) => {
            let all: Vec<String> = work.by_status.iter().map(|(status, count)| format!("{count} {status}")).collect();
            Some(Breach::new(format!("{} of {} run: {}", work.count(), query.table, all.join(", ")), NEXT))
        }
        Observed::Absent => Some(Breach::new(format!("there is no {} to count", query.table), NEXT)),
        Observed::Unknown(reason) => Some(Breach::new(
            format!("how many {} run is unknown: {reason}", query.table),
            "make the database observable, or look by hand",
        )),
    }
}

/// What the operator's own command lists.
fn listed(subject: &Subject<'_>) -> Option<Breach> {
    let query = subject.instance.component.workloads_query()?;
    match subject.facts.command(&query) {
        Observed::Known(answer) if answer.status != 0 => Some(Breach::new(
            format!("the workloads command exits with {}: {}", answer.status, answer.output),
            "mend the command: it exits with 0 and lists what runs",
        )),
        Observed::Known(answer) if answer.output.is_empty() => None,
        Observed::Known(answer) => Some(Breach::new(format!("the workloads command lists: {}", answer.output), NEXT)),
        Observed::Absent => None,
        Observed::Unknown(reason) => {
            Some(Breach::new(format!("the workloads command: {reason}"), "mend the command, or look by hand"))
        }
    }
}

/// A product whose work could be counted, and no component in this run that could do it.
fn not_counted(subject: &Subject<'_>) -> Option<Breach> {
    let table = subject.product?.work.as_ref()?;
    let counts = subject
        .family()
        .any(|other| other.work_query().is_some() || other.instance.component.workloads_query().is_some());
    if counts || !subject.is_first(|_| true) {
        return None;
    }
    let left_out = subject.input.out_of_scope.iter().find(|other| {
        crate::facts::normalize_name(&other.component.package) == crate::facts::normalize_name(&table.package)
    });
    let (observed, next) = match left_out {
        Some(other) => (
            format!("{} of {} were not counted: {} is left out", table.table, table.package, other.id()),
            "widen --limit",
        ),
        None => (
            format!(
                "{} were not counted: no component with the database of {} is declared",
                table.table, table.package
            ),
            "declare it with its schema, or declare a `workloads` command",
        ),
    };
    Some(Breach::new(observed, next))
}
