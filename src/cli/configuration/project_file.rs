//! `converge.yaml`: what is set for a project. Pure.

use std::sync::Arc;

use super::settings::SETTINGS;
use crate::document::{Diagnostics, Fields, Node, Source};

/// Why an inventory can't be set.
const NO_INVENTORY: &str = "name it where a command is given: converge -i FILE. A file that is found on the way upwards would \
                            choose hosts by the directory that somebody happens to be in";

/// The fields of the file. Nothing stands for a field that is left out.
///
/// # Errors
/// All mistakes, unknown fields among them.
pub(super) fn parse(source: &Arc<Source>) -> Result<Vec<(String, Node)>, Diagnostics> {
    let document = Node::parse(source)?;
    let mut fields = Fields::of(&document, "converge.yaml")?;
    let mut found = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| !setting.word.is_empty()) {
        let node = fields.node(setting.word).filter(|node| !node.is_null() || node.tag.is_some());
        found.extend(node.map(|node| (setting.word.to_owned(), node.clone())));
    }
    for word in ["inventory", "inventories"] {
        fields.refuse(
            word,
            || format!("`{word}` can't be set: nothing but the command line ever chooses hosts"),
            NO_INVENTORY,
        );
    }
    fields.build(|| Some(found))
}
