//! The cluster as the executor sees it, with the faults on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use converge::execute::{Attempt, Hosts};
use converge::facts::{HostFacts, Query};
use converge::model::HostName;
use converge::plan::{Action, Plan};
use converge::release::Catalogue;
use converge::resource::component::work_query;

use super::{Cluster, Fault, graph_of, release};

/// The bundled catalogue, read once: a case looks at every host many times.
pub static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::bundled);

/// The cluster as the executor sees it.
#[derive(Debug, Clone)]
pub struct Simulated {
    cluster: Arc<Mutex<Cluster>>,
    died: Arc<tokio::sync::Notify>,
}

impl Simulated {
    pub fn new(mut cluster: Cluster) -> Self {
        // A database that nothing was said of came to where it stands by the revisions of 25.6.
        for (database, head) in cluster.databases.clone() {
            let graph = graph_of(&release("25.6.8"));
            cluster.applied.entry(database).or_insert_with(|| graph.ancestors(&head));
        }
        Self { cluster: Arc::new(Mutex::new(cluster)), died: Arc::default() }
    }

    pub fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().expect("no panic while the cluster was held")
    }

    /// Completes when a fault kills the controller.
    pub async fn controller_dies(&self) {
        self.died.notified().await;
    }

    pub fn observe_all(&self) -> BTreeMap<HostName, HostFacts> {
        let cluster = self.lock();
        let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
        for instance in &cluster.instances {
            let queries = questions.entry(instance.host.clone()).or_default();
            queries.extend(instance.component.queries());
            queries.push(Query::Published(instance.component.published_query()));
            queries.push(Query::Pins(instance.component.pins_query()));
            queries.push(Query::Interpreters(instance.component.interpreters_query()));
            queries.extend(instance.component.whole_schema_query().map(Query::Effects));
            queries.extend(work_query(&instance.component, &CATALOGUE).map(Query::Work));
            queries.extend(
                cluster
                    .published
                    .iter()
                    .filter_map(|release| instance.component.wheel_query(release))
                    .map(Query::Wheel),
            );
        }
        questions.iter().map(|(host, queries)| (host.clone(), cluster.observe(host, queries))).collect()
    }
}

impl Hosts for Simulated {
    async fn observe(&self, host: HostName, queries: Vec<Query>) -> HostFacts {
        tokio::task::yield_now().await;
        let mut cluster = self.lock();
        let facts = cluster.observe(&host, &queries);
        if queries.iter().any(|query| matches!(query, Query::Work(_))) {
            cluster.sessions = cluster.sessions.saturating_sub(1);
        }
        facts
    }

    async fn act(
        &self,
        plan: &Plan,
        action: &Action,
        _facts: &HostFacts,
        output: &mut (dyn FnMut(String) + Send),
    ) -> Attempt {
        tokio::task::yield_now().await;
        let dies = {
            let mut cluster = self.lock();
            if cluster.hosts[&action.host].away {
                return Attempt::NotStarted { reason: "no route to host".into() };
            }
            let number = cluster.acts;
            cluster.acts += 1;
            cluster.now += 10;
            let fault = cluster.faults.remove(&number);
            cluster.log.push(format!("{} {fault:?}", action.id));
            output(format!("act {number}"));
            if fault != Some(Fault::FailsAtOnce) && fault != Some(Fault::OrderLost) {
                cluster.check_before(action);
            }
            match fault {
                None => {
                    cluster.carry_out(plan, action);
                    return Attempt::Succeeded;
                }
                Some(Fault::FailsAtOnce) => return Attempt::Failed { how: "exit status 1".into() },
                Some(Fault::FailsHalfWay) => {
                    cluster.carry_out_half(action);
                    return Attempt::Failed { how: "ended by SIGKILL".into() };
                }
                Some(Fault::AnswerLost) => {
                    cluster.carry_out(plan, action);
                    return Attempt::Unknown { cause: "the connection was lost".into() };
                }
                Some(Fault::OrderLost) => return Attempt::Unknown { cause: "the connection was lost".into() },
                Some(Fault::HostGoesAway) => {
                    cluster.carry_out_half(action);
                    cluster.hosts.get_mut(&action.host).expect("host").away = true;
                    return Attempt::Unknown { cause: "the connection was lost".into() };
                }
                Some(Fault::ControllerDiesHalfWay) => cluster.carry_out_half(action),
                Some(Fault::ControllerDiesAfter) => cluster.carry_out(plan, action),
            }
            true
        };
        assert!(dies);
        self.died.notify_one();
        std::future::pending().await
    }

    async fn last_words(&self, _plan: &Plan, _action: &Action) -> Vec<String> {
        vec!["log of the component".into()]
    }
}
