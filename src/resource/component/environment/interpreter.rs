//! Which interpreter the environment of a release is made with, from all that is known.

use super::choose;
use crate::facts::{HostFacts, Interpreter, Observed};
use crate::release::{Catalogue, Release};
use crate::resource::component::Component;

/// The Python that `release` of the component requires: what its source of packages says, and where that says nothing,
/// what is known of its train.
#[must_use]
pub fn required_python(
    component: &Component,
    release: &Release,
    facts: &HostFacts,
    catalogue: &Catalogue,
) -> Option<String> {
    let published = facts.published(&component.published_query());
    let told = published.known().and_then(|published| published.release(release)?.requires_python.clone());
    told.or_else(|| {
        let product = catalogue.product_of(&component.package)?;
        product.train(product.scheme.train_of(release))?.python.clone()
    })
}

/// The interpreter that an environment for `release` is made with.
///
/// # Errors
/// When none on the host meets what it requires, or when they were not seen.
pub fn interpreter_of(
    component: &Component,
    release: &Release,
    facts: &HostFacts,
    catalogue: &Catalogue,
) -> Result<Interpreter, String> {
    let required = required_python(component, release, facts, catalogue);
    match facts.interpreters(&component.interpreters_query()) {
        Observed::Known(found) => choose(found, required.as_deref(), release).cloned(),
        Observed::Absent => Err("there is no interpreter to make an environment with".into()),
        Observed::Unknown(reason) => Err(reason),
    }
}
