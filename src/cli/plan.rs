//! `converge plan`: show what would be done, and save it.

use super::error::CliError;
use super::exit::Exit;
use super::options::{Format, Options, PlanArguments};
use super::survey::{backup_hosts, survey};
use super::{context, machine, output, run};
use crate::gather::Sessions;
use crate::plan::SavedPlan;
use crate::report::plan_text;

pub(super) async fn run(options: &Options, arguments: &PlanArguments) -> Result<Exit, CliError> {
    let context = context::load(options).await?;
    let fleet = context::fleet(options, context.targets.clone(), Sessions::Closed)?;
    let seen = survey(&fleet, &context.subject(options)).await?;
    if seen.refused() {
        return Ok(run::refused(&seen));
    }
    run::say_waived(&seen);
    let exit = if seen.plan.is_empty() { Exit::Ok } else { Exit::Drift };
    let text = plan_text(&seen.plan);
    // What takes copies is looked at again before the plan is carried out, also where nothing of it migrates.
    let mut hosts = seen.plan.hosts();
    hosts.extend(backup_hosts(&seen.plan.instances));
    let targets = context.targets.into_iter().filter(|(host, _)| hosts.contains(host)).collect();
    let saved = SavedPlan::new(seen.plan, context.out_of_scope, targets, context.request, seen.findings);
    match arguments.output {
        Format::Text => output::answer(&text)?,
        Format::Json => output::answer(&saved.to_text())?,
    }
    if let Some(file) = &arguments.out {
        machine::write_file(file, &saved.to_text())?;
        output::say(&format!("saved; to carry it out: converge apply {}\n", file.display()));
    }
    Ok(exit)
}
