//! `loop` and `loop_control`: one task, or one list of tasks, for each of several items.

use crate::document::{Diagnostic, Fields, Node};
use crate::inventory::check_name;

/// How something is repeated. Templates are not rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// `loop`: a list, or an expression that gives one.
    pub items: Node,
    /// `loop_control.loop_var`: the variable that holds the item, `item` by default.
    pub variable: String,
    /// `loop_control.index_var`: the variable that holds its number, from 0.
    pub index: Option<String>,
    /// `loop_control.label`: what is shown of an item instead of all of it.
    pub label: Option<Node>,
}

/// Reads them.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<Repeat> {
    let items = fields.given("loop", |node| match node.as_str() {
        Ok(text) if !text.contains("{{") => {
            Err(node.unexpected("a list").hint("a variable that holds one is written \"{{name}}\""))
        }
        Ok(_) => Ok(node.clone()),
        Err(_) => node.as_list().map(|_| node.clone()),
    });
    let control = fields.node("loop_control").filter(|node| !node.is_null());
    let mut read = Repeat { items: items?, variable: "item".to_owned(), index: None, label: None };
    let Some(control) = control else { return Some(read) };
    match Fields::of(control, "`loop_control`") {
        Err(mistake) => fields.mistake(mistake),
        Ok(mut inner) => {
            let name = |node: &Node| node.as_str().and_then(|_| check_name(node)).map(str::to_owned);
            read.variable = inner.given("loop_var", name).unwrap_or(read.variable);
            read.index = inner.given("index_var", name);
            read.label = inner.given("label", |node| node.as_str().map(|_| node.clone()));
            inner.refuse("pause", || "`pause` isn't supported in this release".into(), "remove it: items don't wait");
            for word in ["extended", "extended_allitems", "break_when"] {
                let hint = "remove it: `index_var` has the number of the item, and `when` leaves items out";
                inner.refuse(word, || format!("`{word}` isn't supported in this release"), hint);
            }
            if let Err(mistakes) = inner.finish() {
                fields.mistake(mistakes);
            }
        }
    }
    if read.index.as_deref() == Some(read.variable.as_str()) {
        let message = format!("`index_var` and `loop_var` are both `{}`", read.variable);
        fields.mistake(Diagnostic::at(&control.span, message));
    }
    Some(read)
}
