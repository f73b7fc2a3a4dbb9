//! Components that can't be judged before what tasks prepare for them is there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Instance, InstanceId, Phase, Resource, Turn};
use crate::facts::{HostFacts, Observed, facts_of};
use crate::model::HostName;
use crate::release::Release;
use crate::resource::component::{Component, Installed, assess};

/// A component of which nothing is there yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The component on its host.
    pub instance: InstanceId,
    /// The release that is declared.
    pub release: Release,
    /// What lacks.
    pub lacks: Vec<String>,
}

/// The components that wait: nothing of them is installed, nothing of them runs, their environment or unit isn't there,
/// and tasks ahead of them have something to do on their host. Where one waits, a run prepares first, and everything is
/// looked at and planned again before any component changes: nothing is taken for granted of what isn't there yet.
///
/// `turns` are those of `resources`.
#[must_use]
pub fn waiting(
    instances: &[Instance],
    resources: &[Resource],
    turns: &[Turn],
    facts: &BTreeMap<HostName, HostFacts>,
) -> Vec<Waiting> {
    let acts = |(resource, turn): (&'_ Resource, &Turn)| {
        let prepares = resource.phase == Phase::Before && matches!(turn, Turn::Act { .. });
        prepares.then(|| resource.host.clone())
    };
    let prepared: BTreeSet<HostName> = resources.iter().zip(turns).filter_map(acts).collect();
    let of = |instance: &Instance| {
        let lacks = lacks(&instance.component, &facts_of(facts, &instance.host));
        let waits = prepared.contains(&instance.host) && !lacks.is_empty();
        waits.then(|| Waiting { instance: instance.id(), release: instance.component.release.clone(), lacks })
    };
    instances.iter().filter_map(of).collect()
}

/// What a component that isn't there at all lacks; nothing where any of it is there, or could not be seen.
fn lacks(component: &Component, facts: &HostFacts) -> Vec<String> {
    if facts.unreachable.is_some() {
        return Vec::new();
    }
    let mut lacks = Vec::new();
    match assess(component, facts).installed {
        Installed::NoVenv => lacks.push(format!("there is no virtual environment {}", component.venv)),
        Installed::Nothing => {}
        Installed::Release(_) | Installed::Interrupted { .. } | Installed::Unknown(_) => return Vec::new(),
    }
    if let Some(query) = component.process_query() {
        match facts.processes(&query) {
            Observed::Absent => {}
            Observed::Known(found) if found.all.is_empty() => {}
            Observed::Known(_) | Observed::Unknown(_) => return Vec::new(),
        }
    }
    if let Some(query) = component.unit_query() {
        match facts.unit(&query) {
            Observed::Absent => lacks.push(format!("the host has no unit {}", query.name)),
            Observed::Known(unit) if unit.processes.all.is_empty() => {}
            Observed::Known(_) | Observed::Unknown(_) => return Vec::new(),
        }
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::fixture::{Seen, agent, facts};
    use crate::desired::{Manner, Rolling};
    use crate::document::{Node, Source};
    use crate::facts::{Fact, Query};
    use crate::resource::plain::Plain;

    fn prepares(phase: Phase) -> Resource {
        let source = Source::new("t.yaml", "{ path: /srv/agent, state: directory }");
        let node = Node::parse(&source).unwrap();
        let plain = Plain::read("file", &node).unwrap().unwrap();
        Resource {
            host: HostName::parse("a").unwrap(),
            name: plain.to_string(),
            play: 0,
            rolling: Rolling::default(),
            phase,
            task: "make it".into(),
            plain,
            declared_at: "t.yaml:1:1".into(),
            manner: Manner::default(),
            veil: None,
        }
    }

    fn acts() -> Turn {
        Turn::Act { changes: vec!["made".into()], preview: None, relies_on: None }
    }

    fn found(bare: &Instance, seen: HostFacts, phase: Phase, turn: Turn) -> Vec<Waiting> {
        let all = BTreeMap::from([(bare.host.clone(), seen)]);
        waiting(std::slice::from_ref(bare), &[prepares(phase)], &[turn], &all)
    }

    #[test]
    fn it_waits_where_nothing_of_it_is_there_and_something_is_prepared() {
        let bare = agent("a", "25.6.4");
        let absent = Seen { installed: Observed::Absent, running: None, ..Seen::default() };
        let mut nothing = facts(&bare, &absent);
        let unit = bare.component.unit_query().unwrap();
        nothing.answers.insert(Query::Unit(unit), Fact::Unit(Observed::Absent));
        let waits = found(&bare, nothing.clone(), Phase::Before, acts());
        let lacks = &waits.first().expect("it waits").lacks;
        assert_eq!(lacks, &["there is no virtual environment /srv/agent/.venv", "the host has no unit agent.service"]);
        // Nothing prepares it: the pre-flight says what lacks.
        assert_eq!(found(&bare, nothing.clone(), Phase::Before, Turn::Nothing), []);
        assert_eq!(found(&bare, nothing.clone(), Phase::After, acts()), []);
        // Something of it runs, or may run.
        let running = Seen { running: Some("25.6.1"), ..absent.clone() };
        assert_eq!(found(&bare, facts(&bare, &running), Phase::Before, acts()), []);
        let processes = bare.component.process_query().unwrap();
        nothing.answers.insert(Query::Process(processes), Fact::Process(Observed::Unknown("no /proc".into())));
        assert_eq!(found(&bare, nothing, Phase::Before, acts()), []);
        // Something of it is installed.
        assert_eq!(found(&bare, facts(&bare, &Seen::default()), Phase::Before, acts()), []);
    }
}
