//! Drift: the plan without the execution, as an object, and that object as text and JSON. The exit code
//! of `converge drift` is derived from this very object.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::findings::findings_text;
use super::plan::preview_text;
use super::style::{BAD, CHANGED, GOOD, Styled};
use crate::desired::{Instance, Resource, Turn, Waiting, turns};
use crate::facts::{HostFacts, facts_of};
use crate::model::{HostName, Timestamp, printable};
use crate::plan::{Plan, resource_state, state_of};
use crate::preflight::{Finding, Waiver, refused};
use crate::release::Release;
use crate::resource::component::{Cause, assess};

/// The version of the JSON format: the first number changes when a reader of the old one would misread.
const FORMAT: &str = "1.0";

/// What differs between what is declared and what was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The version of this format.
    pub format_version: String,
    /// Whether everything was seen and nothing differs.
    pub in_sync: bool,
    /// Every host, in order of name.
    pub hosts: Vec<DriftedHost>,
    /// What the pre-flight finds; what is waived among it is marked.
    pub findings: Vec<Finding>,
    /// Waivers that would be needed and no longer hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expired_waivers: Vec<Waiver>,
    /// What a run would do, in order.
    pub actions: Vec<DriftAction>,
    /// Components that a run can only plan for when these actions have prepared them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftedHost {
    /// Its name.
    pub host: HostName,
    /// When it answered, by its own clock.
    pub observed_at: Option<Timestamp>,
    /// Why it could not be asked, if it couldn't.
    pub unreachable: Option<String>,
    /// Its components, in the order of plays.
    pub components: Vec<DriftedComponent>,
    /// What else its tasks declare, where it isn't as declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<DriftedResource>,
}

/// Something other than a component that isn't as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftedResource {
    /// Its name, such as `service nginx.service`.
    pub resource: String,
    /// `file:line:column` of the task that declares it.
    pub declared_at: String,
    /// Its state in one line.
    pub state: String,
    /// What differs.
    pub differences: Vec<String>,
    /// What could not be observed, or is in the way.
    pub blocked: Option<String>,
    /// The change of a content, as a unified diff.
    pub preview: Option<String>,
}

/// One component of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftedComponent {
    /// Its name.
    pub component: String,
    /// The declared release.
    pub declared: Release,
    /// `file:line` of the task that declares it.
    pub declared_at: String,
    /// Its state in one line.
    pub state: String,
    /// What differs.
    pub differences: Vec<DriftDifference>,
    /// What could not be observed.
    pub unknown: Vec<String>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftDifference {
    /// Its class.
    pub cause: Cause,
    /// For people.
    pub text: String,
}

/// One action that a run would carry out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftAction {
    /// Its name in the plan.
    pub id: String,
    /// Where.
    pub host: HostName,
    /// What it does.
    pub text: String,
    /// Why.
    pub why: String,
}

fn drifted_host(facts: &HostFacts) -> DriftedHost {
    DriftedHost {
        host: facts.host.clone(),
        observed_at: facts.unreachable.is_none().then_some(facts.observed_at),
        unreachable: facts.unreachable.clone(),
        components: Vec::new(),
        resources: Vec::new(),
    }
}

/// Draws the drift from what was planned.
#[must_use]
pub fn drift_of(
    instances: &[Instance],
    resources: &[Resource],
    facts: &BTreeMap<HostName, HostFacts>,
    findings: &[Finding],
    expired: &[Waiver],
    plan: &Plan,
) -> Drift {
    let mut hosts: BTreeMap<HostName, DriftedHost> = BTreeMap::new();
    for instance in instances {
        let facts = facts_of(facts, &instance.host);
        let mut assessment = assess(&instance.component, &facts);
        // That nothing of it is there is known, and so is what will be done about it.
        if plan.waiting.iter().any(|waiting| waiting.instance == instance.id()) {
            assessment.unknown.clear();
        }
        let host = hosts.entry(instance.host.clone()).or_insert_with(|| drifted_host(&facts));
        host.components.push(DriftedComponent {
            component: instance.component.name.clone(),
            declared: instance.component.release.clone(),
            declared_at: instance.component.declared_at.clone(),
            state: if facts.unreachable.is_some() { "not observed".into() } else { state_of(instance, &facts) },
            differences: assessment
                .differences
                .iter()
                .map(|difference| DriftDifference { cause: difference.cause(), text: difference.to_string() })
                .collect(),
            unknown: assessment.unknown,
        });
    }
    for (resource, turn) in resources.iter().zip(turns(resources, facts)) {
        let facts = facts_of(facts, &resource.host);
        let host = hosts.entry(resource.host.clone()).or_insert_with(|| drifted_host(&facts));
        let (differences, preview, blocked) = match turn {
            Turn::Nothing => continue,
            Turn::Act { changes, preview, .. } => (changes, preview, None),
            Turn::Blocked { observed, .. } => (Vec::new(), None, Some(observed)),
        };
        host.resources.push(DriftedResource {
            resource: resource.name.clone(),
            declared_at: resource.declared_at.clone(),
            state: resource_state(resource, &facts),
            differences,
            blocked,
            preview,
        });
    }
    let hosts: Vec<DriftedHost> = hosts.into_values().collect();
    // Where the pre-flight refuses, a run does nothing at all.
    let actions = plan
        .actions()
        .filter(|_| !refused(findings))
        .map(|a| DriftAction { id: a.id.clone(), host: a.host.clone(), text: a.to_string(), why: a.why.clone() })
        .collect::<Vec<_>>();
    let clean = |c: &DriftedComponent| c.differences.is_empty() && c.unknown.is_empty();
    let in_sync = !refused(findings)
        && actions.is_empty()
        && hosts
            .iter()
            .all(|host| host.unreachable.is_none() && host.components.iter().all(clean) && host.resources.is_empty());
    Drift {
        format_version: FORMAT.into(),
        in_sync,
        hosts,
        findings: findings.to_vec(),
        expired_waivers: expired.to_vec(),
        actions,
        waiting: plan.waiting.clone(),
    }
}

/// The drift for people: one line when all is well.
#[must_use]
pub fn drift_text(drift: &Drift) -> String {
    let mut text = String::new();
    let components: usize = drift.hosts.iter().map(|host| host.components.len()).sum();
    if drift.in_sync {
        let line = format!("In sync: {components} component(s) on {} host(s) are as declared.", drift.hosts.len());
        let _ = writeln!(text, "{}", Styled(GOOD, line));
        return text;
    }
    for host in &drift.hosts {
        if let Some(reason) = &host.unreachable {
            let _ = writeln!(text, "{}", Styled(BAD, format!("{}: unreachable: {}", host.host, printable(reason))));
            continue;
        }
        for component in &host.components {
            let name = format!("{}/{}", host.host, component.component);
            for difference in &component.differences {
                let head = format!("{name}: {}", difference.cause);
                let _ = writeln!(
                    text,
                    "{}: {} (declared at {})",
                    Styled(CHANGED, head),
                    printable(&difference.text),
                    component.declared_at
                );
            }
            for unknown in &component.unknown {
                let _ = writeln!(text, "{} {}", Styled(BAD, format!("{name}: unknown:")), printable(unknown));
            }
        }
    }
    for host in drift.hosts.iter().filter(|host| host.unreachable.is_none()) {
        for DriftedResource { resource, declared_at, differences, blocked, preview, .. } in &host.resources {
            let name = format!("{}/{resource}", host.host);
            if let Some(observed) = blocked {
                let _ = writeln!(text, "{} {}", Styled(BAD, format!("{name}:")), printable(observed));
                continue;
            }
            let changes = differences.join(", ");
            let _ = writeln!(
                text,
                "{}: {} (declared at {declared_at})",
                Styled(CHANGED, printable(&name)),
                printable(&changes)
            );
            text.push_str(&preview_text(preview.as_deref()));
        }
    }
    // Of a host that can't be asked, the line above says all that is known.
    let unreachable = |host: &HostName| drift.hosts.iter().any(|seen| seen.host == *host && seen.unreachable.is_some());
    for finding in drift.findings.iter().filter(|finding| finding.refuses() && !unreachable(&finding.host)) {
        let _ = writeln!(text, "\n{finding}");
    }
    let answered: Vec<Finding> = drift.findings.iter().filter(|finding| !finding.refuses()).cloned().collect();
    text.push_str(&findings_text(&answered, &drift.expired_waivers));
    let end = match (drift.findings.iter().filter(|f| f.refuses()).count(), drift.actions.len()) {
        (0, actions) => {
            let then = if drift.waiting.is_empty() { "" } else { ", and then plan for what they prepare" };
            format!("a run would carry out {actions} action(s){then}; `converge plan` shows them")
        }
        (findings, _) => format!("a run would be refused for {findings} finding(s)"),
    };
    let _ = writeln!(text, "\nDrift: {end}.");
    text
}
