//! What is known of releases beside their numbers: trains in order, broken releases, manual steps, risks. Pure.
//!
//! `releases.yaml` beside this file is bundled, and its head documents the format; a project lays its own texts over
//! it. What is *published* comes from elsewhere ([`super::PublishedRelease`]): the catalogue never says that a release
//! can be had.

mod decode;
mod overlay;
mod predicate;
mod product;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use predicate::Predicate;
pub use product::{
    BrokenRelease, Deviation, Evidence, KnownHop, KnownTrain, ManualStep, Product, ReleaseRisk, Risk, Unusable,
    WorkTable,
};

use super::normalize_name;
use crate::document::{Diagnostic, Diagnostics, Node, Source};

/// The product that is meant where none is named.
pub const DEFAULT_PRODUCT: &str = "backend.ai";

const BUNDLED: &str = include_str!("releases.yaml");

/// Everything that is known, by product.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    products: BTreeMap<String, Product>,
}

impl Catalogue {
    /// What the program itself knows.
    ///
    /// # Panics
    /// Never: the bundled text is part of the program, and a test reads it.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the bundled text is part of the program, and a test reads it")]
    pub fn bundled() -> Self {
        Self::extended(&[]).expect("the bundled catalogue is sound")
    }

    /// What the program knows, with a project's own texts laid over it one after the other: an entry of the same key
    /// (a train, a broken release, a hop, a risk) replaces the one before, others are added, `remove: true` takes one
    /// out.
    ///
    /// # Errors
    /// Everything that is wrong with any of the texts, with its place.
    pub fn extended(sources: &[Arc<Source>]) -> Result<Self, Diagnostics> {
        let bundled = Source::new("the bundled releases.yaml", BUNDLED);
        Self::read(std::iter::once(&bundled).chain(sources))
    }

    /// A catalogue of these texts alone.
    fn read<'a>(sources: impl Iterator<Item = &'a Arc<Source>>) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let mut products = BTreeMap::new();
        for source in sources {
            let document = mistakes.keep(Node::parse(source)).filter(|document| !document.is_null());
            if let Some(document) = document {
                let before = products.clone();
                if let Err(wrong) = overlay::overlay(&mut products, &document) {
                    mistakes.append(wrong);
                    // The next text is measured against what was sound.
                    products = before;
                } else {
                    mistakes.append(claimed_twice(&products, source));
                }
            }
        }
        mistakes.or_ok(Self { products })
    }

    /// The product that a package belongs to: the one with the pattern that fits best.
    #[must_use]
    pub fn product_of(&self, package: &str) -> Option<&Product> {
        let fits = self.products.values().filter_map(|product| Some((product.fit(package)?, product)));
        fits.max_by_key(|(fit, _)| *fit).map(|(_, product)| product)
    }

    /// A product by name.
    #[must_use]
    pub fn product(&self, name: &str) -> Option<&Product> {
        self.products.get(name)
    }

    /// All products, by name.
    pub fn products(&self) -> impl Iterator<Item = &Product> {
        self.products.values()
    }
}

/// Complains of packages that two products claim with the same pattern.
fn claimed_twice(products: &BTreeMap<String, Product>, source: &Arc<Source>) -> Diagnostics {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    let mut mistakes = Diagnostics::new();
    for product in products.values() {
        for pattern in &product.packages {
            let star = if pattern.ends_with('*') { "*" } else { "" };
            let key = format!("{}{star}", normalize_name(pattern.trim_end_matches('*')));
            match owners.insert(key, &product.name) {
                Some(owner) if owner != product.name => {
                    let message =
                        format!("{}: both {owner} and {} claim the package {pattern}", source.path, product.name);
                    mistakes.push(Diagnostic::nowhere(message).hint("leave it to one of them"));
                }
                Some(_) | None => {}
            }
        }
    }
    mistakes
}

#[cfg(test)]
mod tests;
