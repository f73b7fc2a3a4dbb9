//! Fresh words.

#![expect(clippy::disallowed_methods, reason = "what marks answers and beginnings is the one use of randomness here")]

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

/// Fresh letters and digits: what marks the answers of one script and no other output. The standard library
/// seeds its hashers from the system's randomness.
pub(crate) fn nonce() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Some time up to `most`, so that what was turned away at the same moment doesn't come back at the same moment.
pub(super) fn some_of(most: Duration) -> Duration {
    let share = u32::try_from(RandomState::new().build_hasher().finish() % 1000).unwrap_or_default();
    most * share / 1000
}
