//! `converge explain [RULE]`: what a rule demands, why, and what to do; and `converge explain HOST [RESOURCE]`: what is declared for a
//! host, where each value came from, what is there and what follows.

use super::context::{self, Context, Origins};
use super::error::CliError;
use super::exit::Exit;
use super::inventories::read_inventories;
use super::options::{ExplainArguments, Format, Options};
use super::output;
use super::survey::{Survey, survey};
use crate::desired::{ResolvedTask, origins_of, task_at};
use crate::document::{did_you_mean, place_of};
use crate::facts::facts_of;
use crate::gather::Sessions;
use crate::inventory::Inventory;
use crate::model::HostName;
use crate::plan::{resource_state, state_of};
use crate::playbook::TaskKind;
use crate::preflight::{rule, rules};
use crate::report::{
    ExplainedAction, ExplainedField, ExplainedHost, ExplainedResource, ExplainedRule, RuleReport, explained_text,
    rule_text, rules_markdown, rules_text,
};

pub(super) async fn run(options: &Options, arguments: &ExplainArguments) -> Result<Exit, CliError> {
    if let Some(name) = arguments.name.as_ref().filter(|_| !options.inventory.is_empty()) {
        let inventory = Inventory::parse(&read_inventories(&options.inventory, None)?)?;
        if let Some(host) = inventory.host(name) {
            return explain_host(options, host, arguments).await;
        }
        if rule(name).is_none() || arguments.resource.is_some() {
            let all = rules();
            let known = inventory.hosts().iter().map(HostName::as_str).chain(all.iter().map(|rule| rule.code));
            let hint = did_you_mean(name, known)
                .unwrap_or_else(|| "`--list-hosts` shows the hosts, `converge explain` the rules".into());
            output::say(&format!("error: {name:?} is neither a host of the inventory nor a rule\nhint: {hint}\n"));
            return Ok(Exit::Usage);
        }
    }
    if let Some(resource) = &arguments.resource {
        let message = format!("{resource:?} is of a host: name the inventory that has it, with --inventory FILE");
        return Err(CliError::Usage(message));
    }
    explain_rule(arguments)
}

fn explain_rule(arguments: &ExplainArguments) -> Result<Exit, CliError> {
    if arguments.markdown {
        output::answer(&rules_markdown())?;
        return Ok(Exit::Ok);
    }
    let asked = match &arguments.name {
        None => rules().to_vec(),
        Some(code) => match rule(code) {
            Some(rule) => vec![rule],
            None => {
                let hint = did_you_mean(code, rules().iter().map(|rule| rule.code))
                    .unwrap_or_else(|| "`converge explain` lists all rules; a host needs --inventory FILE".into());
                output::say(&format!("error: there is no rule {code:?}\nhint: {hint}\n"));
                return Ok(Exit::Usage);
            }
        },
    };
    match (arguments.output, &arguments.name, &asked[..]) {
        (Format::Json, Some(_), [one]) => output::answer_json(&RuleReport::of(one))?,
        (Format::Json, _, all) => output::answer_json(&all.iter().map(RuleReport::of).collect::<Vec<_>>())?,
        (Format::Text, Some(_), [one]) => output::answer(&rule_text(one))?,
        (Format::Text, _, all) => output::answer(&rules_text(all))?,
    }
    Ok(Exit::Ok)
}

async fn explain_host(options: &Options, host: &HostName, arguments: &ExplainArguments) -> Result<Exit, CliError> {
    let limits = options.limit.as_deref();
    let (context, origins) = context::load_with_origins(options, limits.as_slice()).await?;
    let fleet = context::fleet(options, context.targets.clone(), Sessions::Closed)?;
    let seen = survey(&fleet, &context.subject(options)).await?;
    let mut explained = explained(host, &context, &origins, &seen);
    if let Some(wanted) = &arguments.resource {
        let names: Vec<String> = explained.resources.iter().map(|one| one.name.clone()).collect();
        let is_exact = names.contains(wanted);
        explained
            .resources
            .retain(|one| if is_exact { one.name == *wanted } else { one.name.contains(wanted.as_str()) });
        if explained.resources.is_empty() {
            let hint = did_you_mean(wanted, names.iter().map(String::as_str)).unwrap_or_else(|| {
                format!("it has {}", if names.is_empty() { "nothing".into() } else { names.join(", ") })
            });
            output::say(&format!("error: nothing of {host} is called {wanted:?}\nhint: {hint}\n"));
            return Ok(Exit::Usage);
        }
    }
    match arguments.output {
        Format::Json => output::answer_json(&explained)?,
        Format::Text if explained.resources.is_empty() => {
            output::answer(&format!("Nothing is declared for {host} within the limit.\n"))?;
        }
        Format::Text => output::answer(&explained_text(&explained))?,
    }
    Ok(Exit::Ok)
}

/// Everything of one host, each with the task that declares it: both are in the order in which tasks were decoded.
fn explained(host: &HostName, context: &Context, origins: &Origins, seen: &Survey) -> ExplainedHost {
    let facts = facts_of(&seen.facts, host);
    let tasks = |wanted: fn(TaskKind) -> bool| {
        let all = origins.desired.tasks.iter().chain(&origins.desired.handlers);
        all.filter(move |task| task.host == *host && wanted(task.kind)).collect::<Vec<&ResolvedTask>>()
    };
    let instances = context.instances.iter().filter(|instance| instance.host == *host);
    let instances = instances.map(|instance| (instance.component.name.clone(), state_of(instance, &facts)));
    let others = context.resources.iter().filter(|resource| resource.host == *host);
    let others = others.map(|resource| (resource.name.clone(), resource_state(resource, &facts)));
    let components = tasks(|kind| kind == TaskKind::Component);
    let plain = tasks(|kind| matches!(kind, TaskKind::Plain(_)));
    let pairs = instances.zip(components).chain(others.zip(plain));
    let resources = pairs.map(|((name, observed), task)| {
        let written = task_at(&origins.playbook, &origins.roles, &task.span);
        let fields = written.map(|written| origins_of(task, written)).unwrap_or_default();
        ExplainedResource {
            task: task.task.clone(),
            declared_at: place_of(&task.span),
            fields: fields.iter().map(|field| ExplainedField::of(field, task.no_log)).collect(),
            observed,
            rules: rules_about(host, &name, seen),
            actions: actions_about(host, &name, seen),
            name,
        }
    });
    ExplainedHost { host: host.clone(), resources: resources.collect() }
}

fn rules_about(host: &HostName, name: &str, seen: &Survey) -> Vec<ExplainedRule> {
    let about = seen.findings.iter().filter(|finding| finding.host == *host && finding.component == name);
    about
        .map(|finding| ExplainedRule {
            code: finding.code.clone(),
            observed: finding.observed.clone(),
            next: finding.next.clone(),
            waived: finding.waived.is_some(),
        })
        .collect()
}

fn actions_about(host: &HostName, name: &str, seen: &Survey) -> Vec<ExplainedAction> {
    let stages = seen.plan.stages.iter();
    let actions = stages.flat_map(|stage| {
        stage.tracks.iter().flat_map(|track| &track.actions).map(move |action| (stage.title.clone(), action))
    });
    actions
        .filter(|(_, action)| {
            let about = action.instance();
            about.host == *host && about.component == name
        })
        .map(|(stage, action)| ExplainedAction { stage, text: action.to_string(), why: action.why.clone() })
        .collect()
}
