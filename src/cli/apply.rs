//! `converge apply FILE`: carry a saved plan out, if its digest matches and its facts still hold.

use std::fmt::Write as _;
use std::path::Path;

use super::error::CliError;
use super::exit::Exit;
use super::options::{ApplyArguments, Options};
use super::survey::survey;
use super::{context, machine, output, run};
use crate::gather::Sessions;
use crate::plan::{SavedPlan, StalePlan};
use crate::report::plan_text;
use crate::transport::Target;

pub(super) async fn run(options: &Options, arguments: &ApplyArguments) -> Result<Exit, CliError> {
    let path = &arguments.file;
    let saved: SavedPlan<Target> = SavedPlan::parse(&machine::read_file(path)?)
        .map_err(|source| CliError::SavedPlan { path: path.clone(), source })?;
    let fleet = context::fleet(options, saved.targets.clone(), Sessions::Kept)?;
    let seen = survey(&fleet, &saved.plan.instances, &saved.out_of_scope).await?;
    if !seen.findings.is_empty() {
        return Ok(run::refused(&seen));
    }
    let stale = saved.stale(&seen.plan.basis);
    if !stale.is_empty() {
        output::say(&stale_text(path, &stale));
        return Ok(Exit::Stale);
    }
    output::answer(&plan_text(&saved.plan))?;
    if saved.plan.is_empty() {
        return Ok(Exit::Ok);
    }
    let violations = crate::plan::check(&saved.plan, &seen.facts);
    if !violations.is_empty() {
        return Err(CliError::UnsoundPlan(violations));
    }
    let (instances, out_of_scope) = (saved.plan.instances.clone(), saved.out_of_scope);
    run::carry_out(options, &fleet, saved.plan, &instances, &out_of_scope).await
}

fn stale_text(path: &Path, stale: &[StalePlan]) -> String {
    let mut text = format!("{}: what the plan relies on has changed; nothing was done\n", path.display());
    for StalePlan { instance, planned, observed } in stale {
        let _ = writeln!(text, "  {instance}: planned on: {planned}");
        let _ = writeln!(text, "  {instance}: found now:  {observed}");
    }
    text.push_str("next: make a new plan with `converge plan -o FILE`\n");
    text
}
