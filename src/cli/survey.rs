//! Looking: gather, pre-flight, plan, check. The same path for every command, so that drift can't
//! disagree with a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::CliError;
use crate::desired::Instance;
use crate::facts::{HostFacts, Query, facts_of};
use crate::gather::Fleet;
use crate::model::HostName;
use crate::plan::{Input, Plan, check, plan};
use crate::preflight::{self, Finding};
use crate::resource::component::{assess, wants_published};
use crate::transport::AnyConnector;

/// What was seen, and what follows from it.
pub(super) struct Survey {
    pub(super) facts: BTreeMap<HostName, HostFacts>,
    pub(super) findings: Vec<Finding>,
    pub(super) plan: Plan,
}

/// Looks at everything that `instances` declare.
pub(super) async fn survey(
    fleet: &Arc<Fleet<AnyConnector>>,
    instances: &[Instance],
    out_of_scope: &[Instance],
) -> Result<Survey, CliError> {
    let mut facts = fleet.gather(questions_of(instances)).await;

    // Published releases cost a second or more of the host's pip: they are asked for only where a way is needed.
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for instance in instances {
        if wants_published(&instance.component, &assess(&instance.component, &facts_of(&facts, &instance.host))) {
            let query = Query::Published(instance.component.published_query());
            questions.entry(instance.host.clone()).or_default().push(query);
        }
    }
    if !questions.is_empty() {
        for (host, later) in fleet.gather(questions).await {
            if let Some(known) = facts.get_mut(&host) {
                known.merge(later);
            }
        }
    }

    let findings = preflight::check(instances, &facts, out_of_scope);
    let plan = plan(&Input { instances, facts: &facts });
    if findings.is_empty() {
        let violations = check(&plan, &facts);
        if !violations.is_empty() {
            return Err(CliError::UnsoundPlan(violations));
        }
    }
    Ok(Survey { facts, findings, plan })
}

/// Everything that a look at `instances` asks, by host.
pub(super) fn questions_of(instances: &[Instance]) -> BTreeMap<HostName, Vec<Query>> {
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for instance in instances {
        questions
            .entry(instance.host.clone())
            .or_insert_with(|| vec![Query::System])
            .extend(instance.component.queries());
    }
    questions
}
