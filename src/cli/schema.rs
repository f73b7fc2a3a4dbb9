//! `converge schema check`: whether every database has all that its revisions bring. Nothing is changed.

use std::collections::BTreeMap;

use super::error::CliError;
use super::exit::Exit;
use super::options::{Format, Options, SchemaCheckArguments};
use super::{context, output};
use crate::facts::Query;
use crate::gather::Sessions;
use crate::model::HostName;
use crate::report::{SchemaReport, effects_query, schema_text};

pub(super) async fn check(options: &Options, arguments: &SchemaCheckArguments) -> Result<Exit, CliError> {
    let context = context::load(options)?;
    let fleet = context::fleet(options, context.targets.clone(), Sessions::Closed)?;
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for instance in &context.instances {
        let asked = [instance.component.schema_query().map(Query::Schema), effects_query(instance).map(Query::Effects)];
        let asked: Vec<Query> = asked.into_iter().flatten().collect();
        if !asked.is_empty() {
            questions.entry(instance.host.clone()).or_default().extend(asked);
        }
    }
    let facts = fleet.gather(questions).await;
    let report = SchemaReport::new(&context.instances, &facts, &context.catalogue);
    match arguments.output {
        Format::Text => output::answer(&schema_text(&report))?,
        Format::Json => output::answer_json(&report)?,
    }
    Ok(exit_of(&report))
}

/// The exit code, from the very object that was printed: what was not seen weighs more than what is missing.
fn exit_of(report: &SchemaReport) -> Exit {
    if report.complete {
        Exit::Ok
    } else if !report.unreachable.is_empty() {
        Exit::Unreachable
    } else if report.has_unknown() {
        Exit::Refused
    } else {
        Exit::Drift
    }
}
