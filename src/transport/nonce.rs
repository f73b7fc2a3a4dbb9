//! Fresh words.

#![expect(clippy::disallowed_methods, reason = "what marks answers and beginnings is the one use of randomness here")]

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

/// Fresh letters and digits: what marks the answers of one script and no other output. The standard library
/// seeds its hashers from the system's randomness.
pub(crate) fn nonce() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
