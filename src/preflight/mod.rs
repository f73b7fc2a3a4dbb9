//! The pre-flight: refuses what the upgrade rules forbid, with evidence. One rule per file in `rules/`; all findings
//! are reported together, the worst first. Pure.
//!
//! A rule is *mandatory*, and then nothing gets past it; or *waivable*, and then an operator may answer for it by its
//! code and with a reason. There is no word that waives everything.

mod finding;
mod known;
mod room;
mod rule;
mod rules;
mod subject;
mod waiver;
mod work;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::desired::{Instance, InstanceId, Resource, Turn, turns, waiting};
use crate::facts::{HostFacts, facts_of};
use crate::model::{HostName, Timestamp};
use crate::release::Catalogue;

pub use finding::{Finding, Severity, Waived, refused};
pub use rule::{Rule, rule, rules};
pub use waiver::{Waiver, expired, parse_waiver, parse_waivers};

use rule::Breach;
use subject::Subject;

/// What the pre-flight looks at.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Everything declared within the run's limits, in the order of plays and hosts.
    pub instances: &'a [Instance],
    /// What else is declared within them.
    pub resources: &'a [Resource],
    /// What the limits leave out.
    pub out_of_scope: &'a [Instance],
    /// What was observed.
    pub facts: &'a BTreeMap<HostName, HostFacts>,
    /// What is known of products and their releases.
    pub catalogue: &'a Catalogue,
    /// What the operator asks for and answers for.
    pub request: &'a Request,
    /// The controller's clock.
    pub now: Timestamp,
}

/// What the operator asks for beside what is declared, and answers for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Request {
    /// Whether a major upgrade is meant.
    pub major: bool,
    /// Seconds that a major upgrade may wait for running work to end; `None`: none may run when it begins.
    #[serde(default)]
    pub drain_timeout: Option<u32>,
    /// Whether nothing but the completion of databases is meant, at the releases that are installed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mend: bool,
    /// The waivers, those that no longer hold among them.
    pub waivers: Vec<Waiver>,
}

/// Checks everything that is declared: all findings, the worst first, with those that are waived marked. The plan may be
/// made where [`refused`] says no.
#[must_use]
pub fn check(input: &Input<'_>) -> Vec<Finding> {
    let turns = turns(input.resources, input.facts);
    // What isn't there yet is judged when it has been prepared.
    let later = waiting(input.instances, input.resources, &turns, input.facts);
    let later: Vec<&InstanceId> = later.iter().map(|one| &one.instance).collect();
    let judged = || input.instances.iter().filter(|instance| !later.contains(&&instance.id()));
    let all: Vec<Subject<'_>> = judged().map(|instance| Subject::new(input, instance, &[])).collect();
    let subjects: Vec<Subject<'_>> = judged().map(|instance| Subject::new(input, instance, &all)).collect();
    let mut findings = Vec::new();
    for rule in rules() {
        for subject in &subjects {
            // Of a host that can't be asked, everything else is unknown as well: once is enough.
            if rule.code != rules::unreachable::RULE.code && subject.facts.unreachable.is_some() {
                continue;
            }
            findings.extend((rule.check)(subject).into_iter().map(|breach| finding(&rule, subject, breach)));
        }
    }
    findings.extend(of_resources(input, turns));
    waiver::apply(&mut findings, &input.request.waivers, input.now);
    in_order(findings)
}

fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.waived.is_some(), finding.severity));
    findings
}

/// The findings with those of the declaration itself, by [`of_declaration`] and [`of_unknown_facts`], which come first.
#[must_use]
pub fn with_declared(findings: Vec<Finding>, declared: &[Finding]) -> Vec<Finding> {
    in_order(declared.iter().cloned().chain(findings).collect())
}

/// The manual steps that nobody has acknowledged, where nothing else stops the run: who sits at a terminal can be asked
/// for them, one by one. None where anything else is broken.
#[must_use]
pub fn to_acknowledge(findings: &[Finding]) -> Vec<&Finding> {
    let refusing: Vec<&Finding> = findings.iter().filter(|finding| finding.refuses()).collect();
    let steps = |finding: &&Finding| finding.code == rules::manual_step::RULE.code && finding.about.is_some();
    if refusing.iter().all(steps) { refusing } else { Vec::new() }
}

/// The acknowledgement of one of [`to_acknowledge`] at a terminal.
#[must_use]
pub fn acknowledgement(step: &Finding) -> Waiver {
    Waiver {
        rule: step.code.clone(),
        about: step.about.clone(),
        reason: "acknowledged at the terminal".into(),
        owner: None,
        expires: None,
        origin: "terminal".into(),
    }
}

/// What people have to do by hand, as far as it was found, each with whether somebody answers for it.
#[must_use]
pub fn manual_steps(findings: &[Finding]) -> Vec<String> {
    let steps = findings.iter().filter(|finding| finding.code == rules::manual_step::RULE.code);
    let said = |finding: &Finding| match &finding.waived {
        Some(waived) => format!("{} (acknowledged: {})", finding.observed, waived.reason),
        None => finding.observed.clone(),
    };
    steps.map(said).collect()
}

/// What keeps tasks of the plain kinds from being judged.
fn of_resources(input: &Input<'_>, turns: Vec<Turn>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (resource, turn) in input.resources.iter().zip(turns) {
        let Turn::Blocked { unknown, observed, next } = turn else { continue };
        let facts = facts_of(input.facts, &resource.host);
        let (rule, next) = match &facts.unreachable {
            // Said once of a host, where no component has said it already.
            Some(_) if input.instances.iter().any(|instance| instance.host == resource.host) => continue,
            Some(_) if findings.iter().any(|finding| finding.host == resource.host) => continue,
            Some(_) => (
                rules::unreachable::RULE,
                format!("bring {} back, or leave it out by --limit '!{}'", resource.host, resource.host),
            ),
            None if unknown => (rules::unknown_fact::RULE, next),
            None => (rules::in_the_way::RULE, next),
        };
        findings.push(Finding {
            code: rule.code.to_owned(),
            severity: rule.severity,
            host: resource.host.clone(),
            component: resource.name.clone(),
            about: None,
            observed,
            observed_at: facts.unreachable.is_none().then_some(facts.observed_at),
            rule: rule.demands.to_owned(),
            source: rule.source.to_owned(),
            next,
            declared_at: resource.declared_at.clone(),
            declared_line: String::new(),
            waived: None,
        });
    }
    findings
}

fn finding(rule: &Rule, subject: &Subject<'_>, breach: Breach) -> Finding {
    let component = &subject.instance.component;
    let (declared_at, declared_line) = match breach.of_release {
        true => (component.release_at.place.clone(), component.release_at.line.clone()),
        false => (component.declared_at.clone(), String::new()),
    };
    Finding {
        code: rule.code.to_owned(),
        severity: rule.severity,
        host: subject.instance.host.clone(),
        component: component.name.clone(),
        about: breach.about,
        observed: breach.observed,
        observed_at: subject.facts.unreachable.is_none().then_some(subject.facts.observed_at),
        rule: rule.demands.to_owned(),
        source: rule.source.to_owned(),
        next: breach.next,
        declared_at,
        declared_line,
        waived: None,
    }
}

/// The finding that a condition doesn't hold which the playbook itself demands (`assert`), or that it refuses the run
/// (`fail`). `declared` is the place of the task and its line.
#[must_use]
pub fn of_declaration(
    host: &HostName,
    task: &str,
    observed: &str,
    message: Option<&str>,
    declared: (String, String),
) -> Finding {
    let next = message.unwrap_or("change what is declared, or the condition");
    of_task(&rules::assertion::RULE, host, task, (observed, next), declared)
}

/// The finding that a task depends on a fact that isn't known.
#[must_use]
pub fn of_unknown_facts(host: &HostName, task: &str, reason: &str, declared: (String, String)) -> Finding {
    let observed = format!("this task depends on facts of the host, and they aren't known: {reason}");
    let next = "make the host answer, or leave it out with --limit";
    of_task(&rules::unknown_fact::RULE, host, task, (&observed, next), declared)
}

fn of_task(
    rule: &Rule,
    host: &HostName,
    task: &str,
    (observed, next): (&str, &str),
    (declared_at, declared_line): (String, String),
) -> Finding {
    Finding {
        code: rule.code.to_owned(),
        severity: rule.severity,
        host: host.clone(),
        component: task.to_owned(),
        about: None,
        observed: observed.to_owned(),
        observed_at: None,
        rule: rule.demands.to_owned(),
        source: rule.source.to_owned(),
        next: next.to_owned(),
        declared_at,
        declared_line,
        waived: None,
    }
}

#[cfg(test)]
mod tests;
