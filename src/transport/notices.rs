//! Words for the operator that are no error: the transport has no terminal of its own.

use std::fmt;
use std::sync::Arc;

/// Whoever is told. Without anybody, notices are lines of the log.
#[derive(Clone)]
pub struct Notices(Arc<dyn Fn(&str) + Send + Sync>);

impl Notices {
    /// Tells this one.
    pub fn to(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Tells a notice: one sentence, without a line break, printable.
    pub(super) fn say(&self, notice: &str) {
        (self.0)(notice);
    }
}

impl Default for Notices {
    fn default() -> Self {
        Self::to(|notice| tracing::warn!("{notice}"))
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}
