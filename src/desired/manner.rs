//! How a task goes about what it declares: what its failure means, how often it is tried, and in which blocks it stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BlockPart, Part};

/// What the words around a task say of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// Its failure doesn't stop its host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_errors: bool,
    /// How often it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The environment of what it runs, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The blocks that it stands in, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<BlockPart>,
}

/// `retries` and `delay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts behind the first one.
    pub retries: u32,
    /// Seconds between two attempts.
    pub delay: u32,
}

impl Manner {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The blocks without whose failure it isn't done: those whose `rescue` it belongs to.
    pub fn rescues(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().filter(|block| block.part == Part::Rescue).map(|block| block.block)
    }

    /// The blocks that fail with it, unless something rescues them.
    pub fn endangers(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().filter(|block| block.part == Part::Tasks).map(|block| block.block)
    }
}
