//! An inventory that is a list of hosts on the command line: `-i mgr1,mgr2:2222,`.

use std::sync::Arc;

use super::tree::RawTree;
use crate::document::{Source, Span};

/// Reads the whole list. The hosts are in no group.
pub(super) fn read(source: &Arc<Source>, tree: &mut RawTree) {
    let mut whole = Span::whole(source);
    whole.bytes = Some(0..source.text.len());
    let Some(group) = tree.group("ungrouped", &whole) else { return };
    for name in source.text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        tree.hosts(&group, name, &whole.narrowed_to(name), &[]);
    }
}
