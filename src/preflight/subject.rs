//! What a rule looks at.

use std::borrow::Cow;

use super::Input;
use crate::desired::Instance;
use crate::facts::{HostFacts, Observed, WorkQuery, facts_of};
use crate::release::{Mending, NoPath, Product, Release, Train};
use crate::resource::component::{
    Assessment, Difference, PlannedHop, PlannedPath, assess, mending_of, path_of, required_python, within_reach,
    work_query,
};

/// One instance, with what was made of it, and all the others.
pub(super) struct Subject<'a> {
    pub(super) instance: &'a Instance,
    pub(super) facts: Cow<'a, HostFacts>,
    pub(super) assessment: Assessment,
    pub(super) path: PlannedPath,
    /// How its database can be completed; only where that is asked for, and where it has one.
    pub(super) mending: Option<Observed<Mending>>,
    /// The product that its package belongs to, where the catalogue knows it.
    pub(super) product: Option<&'a Product>,
    /// Everything within the run's limits, this one among them.
    pub(super) others: &'a [Subject<'a>],
    pub(super) input: &'a Input<'a>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(input: &'a Input<'a>, instance: &'a Instance, others: &'a [Subject<'a>]) -> Self {
        let facts = facts_of(input.facts, &instance.host);
        let assessment = assess(&instance.component, &facts);
        let path = path_of(&instance.component, &assessment, &facts, input.catalogue);
        let product = input.catalogue.product_of(&instance.component.package);
        let mend = input.request.mend;
        let mending = mend.then(|| mending_of(&instance.component, &facts, input.catalogue)).flatten();
        Self { instance, facts, assessment, path, mending, product, others, input }
    }

    /// The hops that are planned for it; none where there is no way or it isn't known.
    pub(super) fn hops(&self) -> &[PlannedHop] {
        match &self.path {
            PlannedPath::Hops(hops) => hops,
            PlannedPath::Refused(_) | PlannedPath::Unknown(_) => &[],
        }
    }

    /// Those that one run may take: none behind a second major one.
    pub(super) fn reach(&self) -> &[PlannedHop] {
        within_reach(self.hops())
    }

    /// The train of a release, as the product counts them.
    pub(super) fn train_of(&self, release: &Release) -> Train {
        self.product.map_or_else(|| release.train(), |product| product.scheme.train_of(release))
    }

    /// The Requires-Python of a release: what the index says, or else what the catalogue knows of the train.
    pub(super) fn required_python(&self, release: &Release) -> Option<String> {
        required_python(&self.instance.component, release, &self.facts, self.input.catalogue)
    }

    /// Whether its package would move.
    pub(super) fn moves(&self) -> bool {
        !self.hops().is_empty()
    }

    /// Why there is no way, where there is none.
    pub(super) fn no_path(&self) -> Option<&NoPath> {
        match &self.path {
            PlannedPath::Refused(refused) => Some(refused),
            PlannedPath::Hops(_) | PlannedPath::Unknown(_) => None,
        }
    }

    /// The nearest releases that there is a way to, as what to type next.
    pub(super) fn nearest(&self, refused: &NoPath, otherwise: &str) -> String {
        // Where no major upgrade is meant, one is no help.
        let same_train = |release: &Release| self.train_of(release) == self.train_of(&refused.from);
        let helps = |release: &&Release| self.input.request.major || same_train(release);
        let nearest: Vec<String> = refused.nearest.all().into_iter().filter(helps).map(Self::declare).collect();
        if nearest.is_empty() { otherwise.to_owned() } else { format!("{}; or {otherwise}", nearest.join(", or ")) }
    }

    /// The first major hop of its way.
    pub(super) fn major(&self) -> Option<&PlannedHop> {
        self.hops().iter().find(|hop| hop.major)
    }

    /// The release that its way starts from.
    pub(super) fn installed(&self) -> Option<&Release> {
        self.assessment.installed.start_of_path()
    }

    /// Whether anything at all is to be done to the instance.
    pub(super) fn changes(&self) -> bool {
        match self.input.request.mend {
            true => self.would_mend(),
            false => !self.assessment.differences.is_empty(),
        }
    }

    /// Whether revisions that an earlier upgrade left out would be run.
    pub(super) fn would_mend(&self) -> bool {
        let mending = self.mending.as_ref().and_then(Observed::known);
        mending.is_some_and(|mending| !mending.sound.is_empty())
    }

    /// Whether a process of the instance would be stopped: it runs, and its package, schema or process differs.
    pub(super) fn would_stop(&self) -> bool {
        self.changes() && !self.assessment.running.is_stopped()
    }

    /// Whether its database may be migrated.
    pub(super) fn would_migrate(&self) -> bool {
        let behind = self.assessment.differences.iter().any(|difference| {
            matches!(difference, Difference::SchemaBehind { .. } | Difference::SchemaIncomplete { .. })
        });
        match self.input.request.mend {
            true => self.would_mend(),
            false => self.instance.component.schema.is_some() && (self.moves() || behind),
        }
    }

    /// The others of its product, itself among them.
    pub(super) fn family(&self) -> impl Iterator<Item = &'a Subject<'a>> {
        let product = self.product.map(|product| &product.name);
        self.others.iter().filter(move |other| other.product.map(|product| &product.name) == product)
    }

    /// What is true of a whole cluster is said once: whether this is the first of its product of which `holds`.
    pub(super) fn is_first(&self, holds: impl Fn(&Subject<'_>) -> bool) -> bool {
        self.family().find(|other| holds(other)).is_some_and(|first| first.instance.id() == self.instance.id())
    }

    /// The question whether work of its product runs, where it is the one whose database knows.
    pub(super) fn work_query(&self) -> Option<WorkQuery> {
        work_query(&self.instance.component, self.input.catalogue)
    }

    /// What a run with `release` declared for everything would be called.
    pub(super) fn declare(release: &Release) -> String {
        format!("declare \"{release}\" (to see it first: converge plan -e release={release})")
    }

    /// Whether something of its product moves in this run.
    pub(super) fn family_moves(&self) -> bool {
        self.family().any(Subject::moves)
    }
}
