//! Which instances must move together: those that share a virtual environment on a host (one install
//! changes all of them) or a database (none may run while its schema changes).

use std::collections::BTreeMap;

use crate::desired::Instance;
use crate::facts::Database;
use crate::model::HostName;

/// Numbers of instances that move together, in their order; every instance is in exactly one group.
pub(super) fn group(instances: &[Instance], databases: &[Option<Database>]) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..instances.len()).collect();
    let mut by_venv: BTreeMap<(&HostName, &str), usize> = BTreeMap::new();
    let mut by_database: BTreeMap<&Database, usize> = BTreeMap::new();
    for (number, instance) in instances.iter().enumerate() {
        let first = *by_venv.entry((&instance.host, &instance.component.venv)).or_insert(number);
        join(&mut leader, first, number);
        if let Some(database) = databases.get(number).and_then(Option::as_ref) {
            let first = *by_database.entry(database).or_insert(number);
            join(&mut leader, first, number);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in 0..instances.len() {
        groups.entry(find(&leader, number)).or_default().push(number);
    }
    groups.into_values().collect()
}

fn find(leader: &[usize], mut number: usize) -> usize {
    while leader[number] != number {
        number = leader[number];
    }
    number
}

/// The smaller number leads, so that groups come in the order of their first instance.
fn join(leader: &mut [usize], a: usize, b: usize) {
    let (a, b) = (find(leader, a), find(leader, b));
    leader[a.max(b)] = a.min(b);
}
