//! What the planner knows of an instance while it goes through the releases.

use super::planner::Input;
use crate::desired::Instance;
use crate::facts::{Database, HostFacts, Interpreter, Observed, SchemaFact, facts_of};
use crate::release::{Release, RevisionGraph, SchemaState};
use crate::resource::component::{
    Assessment, Cause, Installed, PlannedHop, PlannedPath, assess, interpreter_of, path_of,
};

/// An instance at one point of the plan.
pub(super) struct Member<'a> {
    pub(super) instance: &'a Instance,
    pub(super) assessment: Assessment,
    /// The product that its package belongs to.
    pub(super) product: Option<&'a str>,
    /// Each with whether it is staged.
    hops: Vec<(PlannedHop, bool)>,
    facts: Option<&'a HostFacts>,
    /// Whether its package was found whole.
    found_whole: bool,
    /// The interpreters that environments for its hops are made with; a hop that needs none lacks here.
    interpreters: Vec<(Release, Interpreter)>,
    pub(super) database: Option<Database>,
    /// Whether something of it runs at this point of the plan.
    pub(super) running: bool,
    /// The release that is installed at this point of the plan.
    pub(super) installed: Option<Release>,
    /// Whether its package is whole at this point of the plan; only then can it be started.
    pub(super) whole: bool,
    /// Whether the database is behind what is installed at this point of the plan.
    pub(super) behind: bool,
    /// Why its process must be restarted or started for a reason of its own.
    pub(super) restart: Option<String>,
    /// Whether the path of its environment is a link at this point of the plan.
    linked: bool,
    /// The environment that is used at this point of the plan.
    pub(super) environment: String,
    /// Whether an earlier run left the cluster frozen through it.
    pub(super) frozen: bool,
}

impl<'a> Member<'a> {
    pub(super) fn new(instance: &'a Instance, input: &Input<'a>) -> Self {
        let facts = facts_of(input.facts, &instance.host);
        let component = &instance.component;
        let assessment = assess(component, &facts);
        let hops = match path_of(component, &assessment, &facts, input.catalogue) {
            PlannedPath::Hops(hops) => hops,
            PlannedPath::Refused(_) | PlannedPath::Unknown(_) => Vec::new(),
        };
        let interpreter = |hop: &PlannedHop| {
            let found = interpreter_of(component, &hop.to, &facts, input.catalogue).ok()?;
            Some((hop.to.clone(), found))
        };
        let interpreters = hops.iter().filter_map(interpreter).collect();
        let link = component.venv_fact(&facts).known().and_then(|venv| venv.link.clone());
        let staged = component.staged_hops(link.is_some(), &hops);
        let hops = hops.into_iter().zip(staged).collect();
        let schema = component.schema_fact(&facts);
        let database = schema.and_then(|fact| fact.known().map(|known| known.database.clone()));
        let whole = match &assessment.installed {
            Installed::Release(_) => true,
            Installed::Interrupted { whole, .. } => whole.is_some(),
            Installed::Nothing | Installed::NoVenv | Installed::Unknown(_) => false,
        };
        let is_behind = matches!(
            assessment.schema,
            Some(Observed::Known(SchemaState::Behind { .. } | SchemaState::Incomplete { .. }))
        );
        Member {
            instance,
            product: input.catalogue.product_of(&component.package).map(|product| product.name.as_str()),
            hops,
            facts: input.facts.get(&instance.host),
            found_whole: whole,
            interpreters,
            database,
            running: !assessment.running.is_stopped(),
            installed: assessment.installed.start_of_path().cloned(),
            whole,
            behind: is_behind && whole,
            restart: reason_to_restart(&assessment),
            linked: link.is_some(),
            environment: link.unwrap_or_else(|| component.venv.clone()),
            frozen: is_frozen(&assessment, &facts),
            assessment,
        }
    }

    /// The hop that ends at `release`.
    pub(super) fn hop(&self, release: &Release) -> Option<&PlannedHop> {
        self.hops.iter().map(|(hop, _)| hop).find(|hop| hop.to == *release)
    }

    /// The releases that its hops end at.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Release> {
        self.hops.iter().map(|(hop, _)| &hop.to)
    }

    /// Whether its hop to `release` leaves the train.
    pub(super) fn is_major(&self, release: &Release) -> bool {
        self.hop(release).is_some_and(|hop| hop.major)
    }

    /// The environment that its hop to `release` is made in, where that is one beside the one that is used.
    pub(super) fn staged(&self, release: &Release) -> Option<String> {
        let staged = self.hops.iter().any(|(hop, staged)| hop.to == *release && *staged);
        staged.then(|| self.instance.component.staged_path(release))
    }

    /// The interpreter that an environment for `release` is made with.
    pub(super) fn interpreter(&self, release: &Release) -> Option<&Interpreter> {
        self.interpreters.iter().find(|(to, _)| to == release).map(|(_, found)| found)
    }

    /// Carries on that the path of its environment leads to `target`.
    pub(super) fn switched_to(&mut self, target: String) {
        self.linked = true;
        self.environment = target;
    }

    /// The environment that it comes back to, should `release` be taken back: a directory is moved aside first.
    pub(super) fn way_back(&self) -> String {
        match (&self.installed, self.linked) {
            (Some(installed), false) => self.instance.component.staged_path(installed),
            (Some(_) | None, true) | (None, false) => self.environment.clone(),
        }
    }

    /// What is known of its database and its package's revisions.
    pub(super) fn schema(&self) -> Option<&'a SchemaFact> {
        match self.instance.component.schema_fact(self.facts?)? {
            Observed::Known(schema) => Some(schema),
            Observed::Absent | Observed::Unknown(_) => None,
        }
    }

    /// The revisions of its package at `release`: as installed, or as read from the wheel.
    pub(super) fn graph_at(&self, release: &Release) -> Option<&'a RevisionGraph> {
        if self.observed_release() == Some(release) && self.found_whole {
            return self.schema()?.graph.known();
        }
        let query = self.instance.component.wheel_query(release)?;
        match self.facts?.wheel(&query) {
            Observed::Known(wheel) => wheel.revisions().ok(),
            Observed::Absent | Observed::Unknown(_) => None,
        }
    }

    /// The release that was found installed.
    fn observed_release(&self) -> Option<&Release> {
        self.assessment.installed.start_of_path()
    }

    /// Whether it is started at `release` although a later one is declared: it is down, and its quorum counts on it while
    /// the others are brought there.
    pub(super) fn is_missed_at(&self, release: &Release) -> bool {
        let down = !self.running && self.whole && !self.behind;
        down && self.instance.component.quorum.is_some() && self.installed.as_ref() == Some(release)
    }

    /// Whether its database waits for what is installed, at `release`.
    pub(super) fn is_behind_at(&self, release: &Release) -> bool {
        self.behind && self.installed.as_ref() == Some(release)
    }
}

fn reason_to_restart(assessment: &Assessment) -> Option<String> {
    let of_process = |cause: Cause| match cause {
        Cause::Package | Cause::Schema | Cause::SchemaIncomplete | Cause::Frozen => false,
        Cause::ProcessStopped | Cause::ProcessStale | Cause::ProcessForeign | Cause::Health => true,
    };
    let reasons: Vec<String> = assessment
        .differences
        .iter()
        .filter(|difference| of_process(difference.cause()))
        .map(ToString::to_string)
        .collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn is_frozen(assessment: &Assessment, facts: &HostFacts) -> bool {
    facts.unreachable.is_none() && assessment.differences.iter().any(|difference| difference.cause() == Cause::Frozen)
}
