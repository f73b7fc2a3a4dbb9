//! `converge preflight`: the rules alone. Nothing is planned for execution, nothing is changed.

use super::error::CliError;
use super::exit::Exit;
use super::options::{Format, Options, PreflightArguments};
use super::survey::survey;
use super::{context, output, run};
use crate::gather::Sessions;
use crate::report::{PreflightReport, preflight_text};

pub(super) async fn run(options: &Options, arguments: &PreflightArguments) -> Result<Exit, CliError> {
    let context = context::load(options).await?;
    let fleet = context::fleet(options, context.targets.clone(), Sessions::Closed)?;
    let seen = survey(&fleet, &context.subject(options)).await?;
    let report = PreflightReport::new(&seen.findings, &seen.expired, &seen.plan);
    match arguments.output {
        Format::Text => output::answer(&preflight_text(&report))?,
        Format::Json => output::answer_json(&report)?,
    }
    Ok(if report.refused { run::exit_of_findings(&seen) } else { Exit::Ok })
}
