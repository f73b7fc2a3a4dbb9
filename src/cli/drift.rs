//! `converge drift`: the plan without the execution.

use super::error::CliError;
use super::exit::Exit;
use super::options::{DriftArguments, Format, Options};
use super::survey::survey;
use super::{context, output};
use crate::gather::Sessions;
use crate::report::{Drift, drift_of, drift_text};

pub(super) async fn run(options: &Options, arguments: &DriftArguments) -> Result<Exit, CliError> {
    let context = context::load(options).await?;
    let fleet = context::fleet(options, context.targets.clone(), Sessions::Closed)?;
    let seen = survey(&fleet, &context.subject(options)).await?;
    let drift =
        drift_of(&context.instances, &context.resources, &seen.facts, &seen.findings, &seen.expired, &seen.plan);
    match arguments.output {
        Format::Text => output::answer(&drift_text(&drift))?,
        Format::Json => output::answer_json(&drift)?,
    }
    Ok(exit_of(&drift))
}

/// The exit code, from the very object that was printed: what was not seen weighs more than what differs.
fn exit_of(drift: &Drift) -> Exit {
    if drift.in_sync {
        Exit::Ok
    } else if drift.hosts.iter().any(|host| host.unreachable.is_some()) {
        Exit::Unreachable
    } else if drift.hosts.iter().flat_map(|host| &host.components).any(|component| !component.unknown.is_empty()) {
        Exit::Refused
    } else {
        Exit::Drift
    }
}
