//! Asks hosts for what their declaration depends on, before anything else is asked: `ansible_facts`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{fleet, target};
use super::error::CliError;
use super::options::Options;
use crate::desired::{Desired, resolve_connections};
use crate::facts::{HostFacts, Observed, Query, System};
use crate::gather::Sessions;
use crate::inventory::{Given, Inventory};
use crate::model::HostName;

/// What the hosts that `desired` wants facts of say of themselves.
///
/// # Errors
/// When nothing can be asked at all. A host that doesn't answer is unknown.
pub(super) async fn systems(
    options: &Options,
    inventory: &Inventory,
    extra: &[(Arc<str>, Given)],
    desired: &Desired,
) -> Result<BTreeMap<HostName, Observed<System>>, CliError> {
    let mut targets = BTreeMap::new();
    for host in &desired.wanting {
        match desired.connections.get(host) {
            Some(connection) => drop(targets.insert(host.clone(), target(host, connection))),
            None => {
                let connections = resolve_connections(inventory, extra, Some(host.as_str()))?;
                targets.extend(connections.iter().map(|(host, connection)| (host.clone(), target(host, connection))));
            }
        }
    }
    let questions = desired.wanting.iter().map(|host| (host.clone(), vec![Query::System])).collect();
    let answers = fleet(options, targets, Sessions::Closed)?.gather(questions).await;
    Ok(answers.into_iter().map(|(host, facts)| (host, system_of(&facts))).collect())
}

fn system_of(facts: &HostFacts) -> Observed<System> {
    match facts.system() {
        Observed::Known(system) => Observed::Known(system.clone()),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(why) => Observed::Unknown(why),
    }
}
