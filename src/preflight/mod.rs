//! The pre-flight: refuses what the upgrade rules forbid, with evidence. One rule per file; all findings
//! are reported together. Pure.
//!
//! Every finding of this release is mandatory: nothing waives it.

mod backup;
mod downgrade;
mod no_access;
mod not_published;
mod other_train;
mod schema;
mod shared_database;
mod shared_venv;
mod stop_signal;
mod unit;
mod unknown_fact;
mod unreachable;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::desired::Instance;
use crate::facts::{HostFacts, facts_of};
use crate::model::{HostName, Timestamp};
use crate::resource::component::{Assessment, Difference, PlannedPath, assess, path_of};

/// What a rule says of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's stable code.
    pub code: String,
    /// The host.
    pub host: HostName,
    /// The component.
    pub component: String,
    /// What was observed.
    pub observed: String,
    /// When it was observed, by the host's clock; `None` where the host was not reached.
    pub observed_at: Option<Timestamp>,
    /// What the rule demands.
    pub rule: String,
    /// Where the rule comes from.
    pub source: String,
    /// What to do.
    pub next: String,
    /// `file:line` of the task that asked for it.
    pub declared_at: String,
}

/// A rule, as data.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its stable code.
    pub code: &'static str,
    /// What it demands, in a sentence.
    pub demands: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Looks at one instance.
    check: fn(&Subject<'_>) -> Vec<Breach>,
}

/// All rules, in the order in which their findings are reported for one instance.
#[must_use]
pub fn rules() -> [Rule; 12] {
    [
        unreachable::RULE,
        unknown_fact::RULE,
        downgrade::RULE,
        other_train::RULE,
        not_published::RULE,
        shared_venv::RULE,
        schema::RULE,
        backup::RULE,
        shared_database::RULE,
        no_access::RULE,
        unit::RULE,
        stop_signal::RULE,
    ]
}

/// What a rule looks at: one instance, with what was made of it, and all the others.
struct Subject<'a> {
    instance: &'a Instance,
    facts: Cow<'a, HostFacts>,
    assessment: Assessment,
    path: PlannedPath,
    others: &'a [Subject<'a>],
    out_of_scope: &'a [Instance],
}

/// How a rule is broken; the frame around it adds the rest of the finding.
struct Breach {
    observed: String,
    next: String,
}

impl Subject<'_> {
    /// Whether anything at all is to be done to the instance.
    fn changes(&self) -> bool {
        !self.assessment.differences.is_empty()
    }

    /// Whether a process of the instance would be stopped: it runs, and its package, schema or process differs.
    fn would_stop(&self) -> bool {
        self.changes() && !self.assessment.running.is_stopped()
    }

    /// Whether its database may be migrated.
    fn would_migrate(&self) -> bool {
        let moves = match &self.path {
            PlannedPath::Hops(hops) => !hops.is_empty(),
            PlannedPath::Refused { .. } | PlannedPath::Unknown(_) => false,
        };
        let behind =
            self.assessment.differences.iter().any(|difference| matches!(difference, Difference::SchemaBehind { .. }));
        self.instance.component.schema.is_some() && (moves || behind)
    }
}

/// Checks everything that is declared. `out_of_scope` are instances that the run leaves out by a limit.
/// An empty answer means that the plan may be made.
#[must_use]
pub fn check(instances: &[Instance], facts: &BTreeMap<HostName, HostFacts>, out_of_scope: &[Instance]) -> Vec<Finding> {
    let all: Vec<Subject<'_>> = instances.iter().map(|i| subject(facts, i, &[], out_of_scope)).collect();
    let mut findings = Vec::new();
    for instance in instances {
        let subject = subject(facts, instance, &all, out_of_scope);
        for rule in rules() {
            for breach in (rule.check)(&subject) {
                findings.push(finding(&rule, &subject, breach));
            }
            // Of a host that can't be asked, everything else is unknown as well: once is enough.
            if rule.code == unreachable::RULE.code && subject.facts.unreachable.is_some() {
                break;
            }
        }
    }
    findings
}

fn subject<'a>(
    facts: &'a BTreeMap<HostName, HostFacts>,
    instance: &'a Instance,
    others: &'a [Subject<'a>],
    out_of_scope: &'a [Instance],
) -> Subject<'a> {
    let facts = facts_of(facts, &instance.host);
    let assessment = assess(&instance.component, &facts);
    let path = path_of(&instance.component, &assessment, &facts);
    Subject { instance, facts, assessment, path, others, out_of_scope }
}

fn finding(rule: &Rule, subject: &Subject<'_>, breach: Breach) -> Finding {
    Finding {
        code: rule.code.to_owned(),
        host: subject.instance.host.clone(),
        component: subject.instance.component.name.clone(),
        observed: breach.observed,
        observed_at: subject.facts.unreachable.is_none().then_some(subject.facts.observed_at),
        rule: rule.demands.to_owned(),
        source: rule.source.to_owned(),
        next: breach.next,
        declared_at: subject.instance.component.declared_at.clone(),
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, host, component, observed, observed_at, rule, source, next, declared_at } = self;
        let when = observed_at.map_or_else(String::new, |time| format!(" (at {time})"));
        writeln!(f, "{host}/{component}: [{code}]")?;
        writeln!(f, "  observed: {observed}{when}")?;
        writeln!(f, "  rule:     {rule} ({source})")?;
        writeln!(f, "  asked by: {declared_at}")?;
        write!(f, "  next:     {next}")
    }
}

#[cfg(test)]
mod tests;
