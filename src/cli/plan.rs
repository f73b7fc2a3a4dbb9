//! `converge plan`: show what would be done, and save it.

use super::error::CliError;
use super::exit::Exit;
use super::options::{Format, Options, PlanArguments};
use super::survey::{backup_hosts, survey};
use super::{context, machine, output, run, secrets};
use crate::gather::Sessions;
use crate::plan::SavedPlan;
use crate::report::plan_text;
use crate::transport::Target;

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
    let is_veiled = saved.plan.resources.iter().any(|resource| resource.veil.is_some());
    match arguments.output {
        Format::Text => output::answer(&text)?,
        Format::Json if is_veiled => output::answer(&without_veiled(&saved)?)?,
        Format::Json => output::answer(&saved.to_text())?,
    }
    if let Some(file) = &arguments.out {
        if is_veiled || secrets::are_in(&saved.to_text()) {
            return Err(CliError::Usage(
                "this plan holds secrets, or values of a task with `no_log`, and such a plan isn't saved: `converge --check` \
                 shows it, and `converge` carries it out"
                    .into(),
            ));
        }
        machine::write_file(file, &saved.to_text())?;
        output::say(&format!("saved; to carry it out: converge apply {}\n", file.display()));
    }
    Ok(exit)
}

/// The plan's JSON without what its veiled resources declare. It can't be applied.
fn without_veiled(saved: &SavedPlan<Target>) -> Result<String, CliError> {
    let cant = |error: serde_json::Error| CliError::Environment(error.to_string());
    let mut json = serde_json::to_value(saved).map_err(cant)?;
    for (number, resource) in saved.plan.resources.iter().enumerate() {
        if let Some(plain) = json.pointer_mut(&format!("/plan/resources/{number}/plain"))
            && resource.veil.is_some()
        {
            *plain = "(not shown)".into();
        }
    }
    Ok(serde_json::to_string_pretty(&json).map_err(cant)? + "\n")
}
