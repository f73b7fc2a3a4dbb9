//! `converge schema check`: whether every database has all that its revisions bring; and `converge schema mend`, which
//! completes those that an earlier upgrade has left without some.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::error::CliError;
use super::exit::Exit;
use super::options::{Format, Options, SchemaCheckArguments, SchemaMendArguments};
use super::recording::Begun;
use super::run::CarriedOut;
use super::survey::{Survey, questions_of, survey};
use super::{context, jobs, output, run, take_up};
use crate::desired::Instance;
use crate::facts::{HostFacts, Query, facts_of};
use crate::gather::Sessions;
use crate::model::{HostName, RunId};
use crate::report::{SchemaReport, plan_text, schema_text};
use crate::resource::component::{Installed, assess};

pub(super) async fn check(options: &Options, arguments: &SchemaCheckArguments) -> Result<Exit, CliError> {
    let context = context::load(options).await?;
    let fleet = context::fleet(options, context.targets.clone(), Sessions::Closed)?;
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for instance in &context.instances {
        let component = &instance.component;
        let asked = [component.schema_query().map(Query::Schema), component.whole_schema_query().map(Query::Effects)];
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

/// Completes databases where they stand. What is declared matters only as the place where things lie: whatever release is
/// declared, nothing moves.
pub(super) async fn mend(options: &Options, arguments: &SchemaMendArguments) -> Result<Exit, CliError> {
    mend_on(options, arguments, None).await
}

/// The same, going on with an earlier run where one is named.
pub(super) async fn mend_on(
    options: &Options,
    arguments: &SchemaMendArguments,
    resumes: Option<RunId>,
) -> Result<Exit, CliError> {
    let mut context = context::load(options).await?;
    context.request.mend = true;
    context.instances.retain(|instance| instance.component.schema.is_some());
    if context.instances.is_empty() {
        output::answer("no component declares a schema\n")?;
        return Ok(Exit::Ok);
    }
    let fleet = context::fleet(options, context.targets.clone(), Sessions::Kept)?;
    // What only looks is no run, and leaves no trace.
    let begun = if arguments.check || options.check { None } else { Some(Begun::new(options, resumes)?) };
    let facts = fleet.gather(questions_of(&context.instances, &[])).await;
    take_as_installed(&mut context.instances, &facts);
    let subject = context.subject(options);
    let mut seen = match &begun {
        // What only looks waits for nothing: what is at work refuses it.
        None => survey(&fleet, &subject).await?,
        Some(_) => match jobs::survey_when_idle(options, &fleet, &subject).await? {
            Ok(seen) => seen,
            Err(exit) => return Ok(exit),
        },
    };
    // What was waited for may have been an installation.
    if take_as_installed(&mut context.instances, &seen.facts) {
        seen = survey(&fleet, &context.subject(options)).await?;
    }
    if let Some(begun) = &begun {
        take_up::ask_hosts(begun, &fleet, &context.targets, options).await;
    }
    let goes_on = begun.as_ref().is_some_and(|begun| begun.resumes.is_some());
    if goes_on && !seen.refused() && seen.plan.is_empty() {
        // The revisions have run, and what was stopped for them may still be: it is started as by any run. Nothing else can
        // follow, since what is installed is what counts as declared.
        context.request.mend = false;
        seen = survey(&fleet, &context.subject(options)).await?;
    }
    if seen.refused() {
        return Ok(run::refused(&seen));
    }
    run::say_waived(&seen);
    if seen.plan.is_empty() {
        let mut text =
            "Nothing to mend: every database has what its revisions bring, as far as a schema tells.\n".to_owned();
        for (id, state) in &seen.plan.basis {
            let _ = writeln!(text, "  {id}: {state}");
        }
        output::answer(&text)?;
        return Ok(Exit::Ok);
    }
    output::answer(&plan_text(&seen.plan))?;
    let Some(begun) = begun else { return Ok(Exit::Drift) };
    let Survey { plan, findings, .. } = seen;
    let ready = run::Ready { begun, plan, findings, targets: &context.targets };
    match run::carry_out(options, &fleet, ready, &context.subject(options)).await? {
        CarriedOut::Ended(exit) => Ok(exit),
        // A mending never prepares.
        CarriedOut::Outdated(_) | CarriedOut::Prepared => {
            output::say(
                "\nWhat the plan relies on has changed since it was made; nothing was done\n  next: converge schema mend, once more\n",
            );
            Ok(Exit::Stale)
        }
    }
}

/// Takes instances at the releases that are installed; whether one is another than before.
fn take_as_installed(instances: &mut [Instance], facts: &BTreeMap<HostName, HostFacts>) -> bool {
    let mut changed = false;
    for instance in instances {
        let facts = facts_of(facts, &instance.host);
        if let Installed::Release(release) = assess(&instance.component, &facts).installed {
            changed |= instance.component.release != release;
            instance.component.release = release;
        }
    }
    changed
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
