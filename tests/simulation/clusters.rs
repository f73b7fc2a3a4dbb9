//! Clusters as they are found.

use converge::desired::{Instance, Rolling};
use converge::release::Release;

use crate::simulated::{Cluster, component, head_of, host, release};

pub(crate) const PATCHES: [&str; 6] = ["25.6.1", "25.6.2", "25.6.4", "25.6.5", "25.6.7", "25.6.8"];

pub(crate) fn published() -> Vec<Release> {
    PATCHES.iter().chain(&["25.7.0", "25.7.1", "25.7.2"]).map(|text| release(text)).collect()
}

/// Managers `mgr*` on one database, agents `gpu*`, and a web server in the environment of the first manager if asked.
pub(crate) fn cluster(managers: usize, agents: usize, web: bool, declared: &str) -> Cluster {
    let declared = release(declared);
    let mut instances = Vec::new();
    let mut add = |play: usize, on: &str, name: &str, package: &str, venv: &str, database: bool| {
        let component = component(name, package, venv, &declared, database);
        instances.push(Instance { host: host(on), play, rolling: Rolling::default(), component });
    };
    for n in 1..=managers {
        add(0, &format!("mgr{n}"), "manager", "backend.ai-manager", "/manager", true);
    }
    if web {
        add(1, "mgr1", "webserver", "backend.ai-webserver", "/manager", false);
    }
    for n in 1..=agents {
        add(2, &format!("gpu{n}"), "agent", "backend.ai-agent", "/agent", false);
    }
    let mut cluster = Cluster::new(instances.clone(), published());
    for instance in instances.iter().filter(|instance| instance.component.schema.is_some()) {
        cluster.uses.insert(instance.id(), "main".into());
    }
    cluster
}

pub(crate) fn at(mut cluster: Cluster, installed: &str) -> Cluster {
    let installed = release(installed);
    for number in 0..cluster.instances.len() {
        cluster.install(number, &installed);
        cluster.start(number, None);
    }
    cluster.databases.insert("main".into(), head_of(&installed));
    cluster
}

/// A cluster at the last patch of its train, with the next one declared.
pub(crate) fn before_a_major(managers: usize, agents: usize, web: bool) -> Cluster {
    let mut cluster = at(cluster(managers, agents, web, "25.7.2"), "25.6.8");
    for schema in cluster.instances.iter_mut().filter_map(|instance| instance.component.schema.as_mut()) {
        schema.snapshots.insert("etcd".into(), "print-etcd".into());
    }
    cluster
}
