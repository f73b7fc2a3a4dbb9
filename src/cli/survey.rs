//! Looking: gather, pre-flight, plan, check. The same path for every command, so that drift can't
//! disagree with a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::access::Access;
use super::error::CliError;
use super::options::Options;
use super::published::add_published;
use super::{machine, wheels};
use crate::desired::{Instance, Resource};
use crate::facts::{HostFacts, PathsQuery, Query, facts_of};
use crate::gather::Fleet;
use crate::model::HostName;
use crate::plan::{self, Plan};
use crate::preflight::{self, Finding, Request, Waiver};
use crate::release::{Catalogue, Predicate};
use crate::resource::component::{assess, wants_published, work_query};
use crate::transport::AnyConnector;

/// What is to be looked at, and by which rules.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// Everything declared within the run's limits.
    pub(super) instances: &'a [Instance],
    /// What else is declared within them.
    pub(super) resources: &'a [Resource],
    /// What the limits leave out.
    pub(super) out_of_scope: &'a [Instance],
    /// What is known of releases.
    pub(super) catalogue: &'a Catalogue,
    /// What the operator asks for and answers for.
    pub(super) request: &'a Request,
    /// What the declaration itself finds.
    pub(super) declared: &'a [Finding],
    /// Where packages come from, and how old an answer may be.
    pub(super) options: &'a Options,
}

/// What was seen, and what follows from it.
pub(super) struct Survey {
    pub(super) facts: BTreeMap<HostName, HostFacts>,
    pub(super) findings: Vec<Finding>,
    /// Waivers that would have been needed and no longer hold.
    pub(super) expired: Vec<Waiver>,
    pub(super) plan: Plan,
}

impl Survey {
    /// Whether the pre-flight stops a run.
    pub(super) fn refused(&self) -> bool {
        preflight::refused(&self.findings)
    }
}

/// Looks at everything that is declared.
pub(super) async fn survey(fleet: &Arc<Fleet<AnyConnector>>, subject: &Subject<'_>) -> Result<Survey, CliError> {
    let Subject { instances, resources, out_of_scope, catalogue, request, declared, options } = *subject;
    // Who mends a database does nothing else.
    let resources = if request.mend { &[] } else { resources };
    let mut facts = fleet.gather(questions_of(instances, resources)).await;
    gather_backup_hosts(fleet, &mut facts, instances, request.mend).await;

    // The rest costs seconds, and matters only where something is to move.
    let wants = |instance: &&Instance| {
        !request.mend
            && wants_published(&instance.component, &assess(&instance.component, &facts_of(&facts, &instance.host)))
    };
    let wanting: Vec<&Instance> = instances.iter().filter(wants).collect();
    if !wanting.is_empty() {
        add_published(&Access::of(options)?, fleet, &wanting, &mut facts).await;
        gather_into(fleet, &mut facts, questions_before_a_move(instances, catalogue)).await;
        wheels::add_wheels(fleet, &wanting, catalogue, &mut facts).await;
    }

    if request.mend {
        gather_into(fleet, &mut facts, questions_before_a_mend(instances, catalogue)).await;
    }

    let now = machine::now();
    let findings = preflight::check(&preflight::Input {
        instances,
        resources,
        out_of_scope,
        facts: &facts,
        catalogue,
        request,
        now,
    });
    let findings = preflight::with_declared(findings, declared);
    let expired = preflight::expired(&request.waivers, &findings, now).into_iter().cloned().collect();
    let manual_steps = preflight::manual_steps(&findings);
    let input = plan::Input {
        drain_timeout: request.drain_timeout,
        manual_steps: &manual_steps,
        others: out_of_scope,
        resources,
        ..plan::Input::new(instances, &facts, catalogue)
    };
    let plan = if request.mend { plan::mend(&input) } else { plan::plan(&input) };
    if !preflight::refused(&findings) {
        let violations = plan::check(&plan, &facts);
        if !violations.is_empty() {
            return Err(CliError::UnsoundPlan(violations));
        }
    }
    Ok(Survey { facts, findings, expired, plan })
}

/// Everything that a look at these asks, by host.
pub(super) fn questions_of(instances: &[Instance], resources: &[Resource]) -> BTreeMap<HostName, Vec<Query>> {
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for instance in instances {
        questions
            .entry(instance.host.clone())
            .or_insert_with(|| vec![Query::System, Query::Jobs])
            .extend(instance.component.queries());
    }
    for resource in resources {
        questions
            .entry(resource.host.clone())
            .or_insert_with(|| vec![Query::System, Query::Jobs])
            .extend(resource.plain.queries());
    }
    questions
}

/// Hosts that copies of these instances' backups go to.
pub(super) fn backup_hosts(instances: &[Instance]) -> BTreeSet<HostName> {
    let copies = instances.iter().filter_map(|instance| instance.component.backup_copies(&instance.host));
    copies.map(|copies| copies.host.clone()).collect()
}

/// Asks the hosts that copies of backups go to, where a database may be migrated. They need not have any component.
async fn gather_backup_hosts(
    fleet: &Arc<Fleet<AnyConnector>>,
    facts: &mut BTreeMap<HostName, HostFacts>,
    instances: &[Instance],
    mend: bool,
) {
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for instance in instances {
        let differs = || !assess(&instance.component, &facts_of(facts, &instance.host)).differences.is_empty();
        if let Some(copies) = instance.component.backup_copies(&instance.host)
            && (mend || differs())
        {
            questions.entry(copies.host.clone()).or_default().extend(copies.queries());
        }
    }
    // Once is enough for a host that can't be asked.
    questions.retain(|host, _| facts.get(host).is_none_or(|known| known.unreachable.is_none()));
    for (host, answers) in fleet.gather(questions).await {
        match facts.get_mut(&host) {
            Some(known) => known.merge(answers),
            None => drop(facts.insert(host, answers)),
        }
    }
}

/// What else is asked of all hosts where any component of the cluster is to move: work runs on one host and is
/// disrupted from another.
fn questions_before_a_move(instances: &[Instance], catalogue: &Catalogue) -> BTreeMap<HostName, Vec<Query>> {
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for instance in instances {
        let component = &instance.component;
        let host = questions.entry(instance.host.clone()).or_default();
        host.extend(component.queries_before_a_move());
        host.extend(work_query(component, catalogue).map(Query::Work));
        for pattern in catalogue.product_of(&component.package).into_iter().flat_map(files_of) {
            host.push(Query::Paths(PathsQuery { pattern }));
        }
    }
    questions
}

/// What else is asked where databases are to be completed: what they lack, and what runs on them.
fn questions_before_a_mend(instances: &[Instance], catalogue: &Catalogue) -> BTreeMap<HostName, Vec<Query>> {
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for instance in instances {
        let component = &instance.component;
        let host = questions.entry(instance.host.clone()).or_default();
        host.extend(component.whole_schema_query().map(Query::Effects));
        host.extend(work_query(component, catalogue).map(Query::Work));
        host.extend(component.workloads_query().map(Query::Command));
    }
    questions
}

/// The files that conditions of the catalogue ask for.
fn files_of(product: &crate::release::Product) -> Vec<String> {
    let of_hops = product
        .hops
        .iter()
        .flat_map(|hop| hop.steps.iter().map(|step| &step.when).chain(hop.risks.iter().map(|risk| &risk.when)));
    of_hops
        .chain(product.risks.iter().map(|known| &known.risk.when))
        .flatten()
        .filter_map(|predicate| match predicate {
            Predicate::File(pattern) => Some(pattern.clone()),
            _ => None,
        })
        .collect()
}

/// Asks more of hosts that have answered before.
pub(super) async fn gather_into(
    fleet: &Arc<Fleet<AnyConnector>>,
    facts: &mut BTreeMap<HostName, HostFacts>,
    mut questions: BTreeMap<HostName, Vec<Query>>,
) {
    questions
        .retain(|host, asked| !asked.is_empty() && facts.get(host).is_some_and(|known| known.unreachable.is_none()));
    if questions.is_empty() {
        return;
    }
    for (host, later) in fleet.gather(questions).await {
        if let Some(known) = facts.get_mut(&host) {
            known.merge(later);
        }
    }
}
