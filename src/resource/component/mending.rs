//! What an earlier upgrade has left out of a component's database, and whether it can be brought in late.

use std::collections::{BTreeMap, BTreeSet};

use super::spec::Component;
use crate::facts::{Effects, EffectsQuery, HostFacts, Observed, RevisionEffects};
use crate::release::{Catalogue, Deviation, Mending, RevisionGraph, RevisionId, RevisionPresence, mendable};

impl Component {
    /// The question for everything that its database should hold; `None` where it has none.
    #[must_use]
    pub fn whole_schema_query(&self) -> Option<EffectsQuery> {
        self.schema_query().map(|database| EffectsQuery { database, revisions: BTreeSet::new() })
    }

    /// What is known to be otherwise than the revisions of its package say, in databases that nobody would call broken.
    #[must_use]
    pub fn deviations<'a>(&self, catalogue: &'a Catalogue) -> &'a [Deviation] {
        catalogue.product_of(&self.package).map_or(&[], |product| &product.deviations)
    }
}

/// What is there of each revision; what is known to deviate neither counts nor is missing.
#[must_use]
pub fn presence_of(effects: &Effects, deviations: &[Deviation]) -> BTreeMap<RevisionId, RevisionPresence> {
    let presence = |(id, told): (&RevisionId, &RevisionEffects)| {
        let known = effects.missing.iter().filter(|effect| {
            let thing = effect.to_string();
            effect.revision == *id && deviations.iter().any(|one| one.revision == *id && one.thing == thing)
        });
        let known = known.count();
        let (expected, missing) = (told.expected - known, told.missing - known);
        (id.clone(), RevisionPresence { expected, missing, overtaken: told.overtaken.clone() })
    };
    effects.revisions.iter().map(presence).collect()
}

/// How the database of `component` can be completed, from [`Component::whole_schema_query`].
///
/// `None` where it has none. Unknown where anything that it depends on is; a package that was not found whole may lack
/// revisions, and tells nothing.
#[must_use]
pub fn mending_of(component: &Component, facts: &HostFacts, catalogue: &Catalogue) -> Option<Observed<Mending>> {
    let query = component.whole_schema_query()?;
    let fact = component.schema_fact(facts)?;
    let mending = |rows: &BTreeSet<RevisionId>, graph: &RevisionGraph, effects: &Effects| {
        mendable(graph, rows, &presence_of(effects, component.deviations(catalogue)))
    };
    Some(fact.and_then(|schema| {
        let graph = schema.graph.as_ref();
        graph.and_then(|graph| {
            facts.effects(&query).and_then(|effects| Observed::Known(mending(&schema.rows, graph, effects)))
        })
    }))
}
