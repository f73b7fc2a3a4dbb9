//! Whom a play, a role's entry or a task becomes: `become`, `become_user` and `become_method`.

use crate::document::{Fields, Node};
use crate::inventory::Becoming;

/// The words.
pub(super) const FIELDS: [&str; 3] = ["become", "become_user", "become_method"];

/// Reads them. Their values may be templates, so what is wrong with them is told where they are rendered.
pub(super) fn read(fields: &mut Fields<'_>) -> Becoming {
    let mut read = |key: &'static str| fields.given(key, |node| node.as_str().map(|_| Node::clone(node)));
    let [enabled, user, method] = FIELDS.map(&mut read);
    Becoming { enabled, user, method }
}
