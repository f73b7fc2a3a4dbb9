//! `converge apply FILE`: carry a saved plan out, if its digest matches and its facts still hold.

use std::fmt::Write as _;
use std::path::Path;

use super::catalogue::catalogue;
use super::error::CliError;
use super::exit::Exit;
use super::options::{ApplyArguments, Options};
use super::recording::Begun;
use super::run::CarriedOut;
use super::survey::{Subject, survey};
use super::{context, jobs, machine, output, run, take_up};
use crate::gather::Sessions;
use crate::model::RunId;
use crate::plan::{SavedPlan, StalePlan};
use crate::report::plan_text;
use crate::transport::Target;

pub(super) async fn run(options: &Options, arguments: &ApplyArguments) -> Result<Exit, CliError> {
    go_on(options, arguments, None).await
}

/// The same; where it goes on with an earlier run, the plan is made anew from what the saved one declares, for that run has
/// changed what it relied on.
pub(super) async fn go_on(
    options: &Options,
    arguments: &ApplyArguments,
    resumes: Option<RunId>,
) -> Result<Exit, CliError> {
    let path = &arguments.file;
    if options.major || options.drain_timeout.is_some() || !options.waive.is_empty() || options.waivers.is_some() {
        return Err(CliError::Usage(
            "a saved plan carries the waivers, --major and --drain-timeout that it was made with: give them to `converge plan`".into(),
        ));
    }
    if options.r#become || options.become_user.is_some() || options.become_method.is_some() {
        return Err(CliError::Usage(
            "a saved plan carries whom its hosts become: give --become, --become-user and --become-method to `converge plan`; \
             only the password belongs here"
                .into(),
        ));
    }
    let saved: SavedPlan<Target> = SavedPlan::parse(&machine::read_file(path)?)
        .map_err(|source| CliError::SavedPlan { path: path.clone(), source })?;
    let fleet = context::fleet(options, saved.targets.clone(), Sessions::Kept)?;
    let catalogue = catalogue(options)?;
    let anew = resumes.is_some();
    let begun = Begun::new(options, resumes)?;
    let (instances, resources) = (saved.plan.instances.clone(), saved.plan.resources.clone());
    let out_of_scope = saved.out_of_scope.clone();
    let subject = Subject {
        instances: &instances,
        resources: &resources,
        out_of_scope: &out_of_scope,
        catalogue: &catalogue,
        declared: &[],
        request: &saved.request,
        options,
    };
    let seen = match jobs::survey_when_idle(options, &fleet, &subject).await? {
        Ok(seen) => seen,
        Err(exit) => return Ok(exit),
    };
    take_up::ask_hosts(&begun, &fleet, &saved.targets, options).await;
    if seen.refused() {
        return Ok(run::refused(&seen));
    }
    run::say_waived(&seen);
    let stale = saved.stale(&seen.plan.basis);
    if !anew && !stale.is_empty() {
        output::say(&stale_text(path, &stale));
        return Ok(Exit::Stale);
    }
    let plan = if anew { seen.plan } else { saved.plan };
    output::answer(&plan_text(&plan))?;
    if plan.is_empty() {
        return Ok(Exit::Ok);
    }
    let violations = crate::plan::check(&plan, &seen.facts);
    if !violations.is_empty() {
        return Err(CliError::UnsoundPlan(violations));
    }
    let ready = run::Ready { begun, plan, findings: seen.findings, targets: &saved.targets };
    match run::carry_out(options, &fleet, ready, &subject).await? {
        CarriedOut::Ended(exit) => return Ok(exit),
        CarriedOut::Prepared => {
            output::say(
                "\nPrepared: that was all of this plan. What waited for it can be planned now\n  next: converge plan -o FILE, or a run\n",
            );
            return Ok(Exit::Drift);
        }
        CarriedOut::Outdated(_) => {}
    }
    let seen = survey(&fleet, &subject).await?;
    if !seen.refused() && seen.plan.is_empty() {
        output::say("Nothing to do any more: what was planned has been done meanwhile\n");
        return Ok(Exit::Ok);
    }
    output::say(&format!(
        "\nWhat the plan relies on has changed since it was looked at; nothing was done\n  next: {}\n",
        if anew { "converge resume, once more" } else { "make a new plan with `converge plan -o FILE`" }
    ));
    Ok(Exit::Stale)
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
