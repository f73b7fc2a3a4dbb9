//! Turns: look, plan, check the plan, carry it out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::planted::{Bug, careless};
use crate::simulated::{CATALOGUE, Simulated};
use converge::desired::Instance;
use converge::execute::{Executor, RunOutcome};
use converge::facts::HostFacts;
use converge::model::{HostName, Timestamp};
use converge::plan::{Input, Plan, check, plan};
use converge::preflight;
use converge::release::Catalogue;

/// How one look and one attempt ended.
pub(crate) enum Turn {
    Empty,
    Refused(Vec<String>),
    /// The checker found the plan unsound.
    Unsound(Vec<String>),
    Ran(Box<Plan>, Box<RunOutcome>),
    ControllerDied,
}

/// What the operator asks for.
pub(crate) struct Asked {
    pub(crate) major: bool,
    pub(crate) drain_timeout: Option<u32>,
    pub(crate) catalogue: Catalogue,
}

impl Asked {
    pub(crate) fn patches() -> Self {
        Self { major: false, drain_timeout: None, catalogue: Catalogue::default() }
    }

    pub(crate) fn major() -> Self {
        Self { major: true, drain_timeout: Some(600), catalogue: CATALOGUE.clone() }
    }

    pub(crate) fn plan(&self, instances: &[Instance], facts: &BTreeMap<HostName, HostFacts>) -> Plan {
        plan(&Input { drain_timeout: self.drain_timeout, ..Input::new(instances, facts, &self.catalogue) })
    }
}

/// The codes of what stops a run whose operator answers for all that can be answered for.
pub(crate) fn refusing(asked: &Asked, instances: &[Instance], facts: &BTreeMap<HostName, HostFacts>) -> Vec<String> {
    let waivable = preflight::rules().into_iter().filter(|rule| rule.severity == preflight::Severity::Waivable);
    let waivers = waivable.map(|rule| preflight::parse_waiver(&format!("{}=simulated", rule.code)).unwrap()).collect();
    let findings = preflight::check(&preflight::Input {
        instances,
        resources: &[],
        out_of_scope: &[],
        facts,
        catalogue: &asked.catalogue,
        request: &preflight::Request { major: asked.major, waivers, drain_timeout: asked.drain_timeout, mend: false },
        now: Timestamp(0),
    });
    findings.into_iter().filter(preflight::Finding::refuses).map(|finding| finding.code).collect()
}

/// Looks, plans, checks the plan, carries it out.
pub(crate) fn turn(asked: &Asked, simulated: &Simulated) -> Turn {
    match turn_with(asked, simulated, &Bug::none()) {
        Turn::Unsound(violations) => panic!("{violations:?}"),
        ended => ended,
    }
}

/// The same with a bug planted between the plan and the hosts.
pub(crate) fn turn_with(asked: &Asked, simulated: &Simulated, bug: &Bug) -> Turn {
    let instances = simulated.lock().instances.clone();
    let facts = simulated.observe_all();
    let refusing = refusing(asked, &instances, &facts);
    if !refusing.is_empty() {
        return Turn::Refused(refusing);
    }
    let mut plan = asked.plan(&instances, &facts);
    let violations = check(&plan, &facts);
    if !violations.is_empty() {
        return Turn::Unsound(violations.iter().map(ToString::to_string).collect());
    }
    if plan.is_empty() {
        return Turn::Empty;
    }
    let stopping = simulated.begin(Some(&plan));
    (bug.spoil)(&mut plan);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (shared, hosts) = (Arc::new(plan.clone()), Arc::new(simulated.clone()));
        let run = async {
            match &bug.habits {
                None => {
                    let recorder = Arc::new(simulated.journal());
                    Executor::new(shared, hosts, recorder, 64, stopping, Arc::new(|_| {})).run().await
                }
                Some(habits) => careless(&plan, simulated, *habits).await,
            }
        };
        // In one order, so that a seed always means the same.
        tokio::select! {
            biased;
            () = simulated.controller_dies() => Turn::ControllerDied,
            outcome = run => Turn::Ran(Box::new(plan.clone()), Box::new(outcome)),
        }
    })
}

/// Takes turns until the plan is empty. A fault costs at most one turn, and each turn without one must end well.
pub(crate) fn converge(simulated: &Simulated) -> usize {
    converge_as(&Asked::patches(), simulated)
}

pub(crate) fn converge_as(asked: &Asked, simulated: &Simulated) -> usize {
    let allowed = simulated.lock().faults.len() + 2;
    for turns in 0..allowed {
        simulated.between_runs();
        let faults_before = simulated.lock().faults.len();
        match turn(asked, simulated) {
            Turn::Empty => return turns,
            Turn::Refused(codes) => panic!("refused by {codes:?}\n{:#?}", simulated.lock().log),
            Turn::Unsound(violations) => panic!("{violations:?}"),
            Turn::ControllerDied => {}
            Turn::Ran(plan, outcome) => {
                let faults_after = simulated.lock().faults.len();
                assert!(
                    outcome.is_complete() || faults_after < faults_before,
                    "failed without a fault: {:?}\n{plan:#?}",
                    outcome.failures
                );
            }
        }
    }
    panic!("no empty plan after {allowed} turns:\n{:#?}", simulated.lock().log);
}

pub(crate) fn verbs(plan: &Plan) -> Vec<String> {
    plan.actions().map(|action| action.id.clone()).collect()
}

pub(crate) fn plan_of(simulated: &Simulated) -> Plan {
    plan_as(&Asked::patches(), simulated)
}

pub(crate) fn plan_as(asked: &Asked, simulated: &Simulated) -> Plan {
    let instances = simulated.lock().instances.clone();
    let facts = simulated.observe_all();
    assert_eq!(refusing(asked, &instances, &facts), [""; 0]);
    asked.plan(&instances, &facts)
}
