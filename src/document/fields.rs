//! Decoding of a mapping, field by field, with all of its mistakes.

use super::{Diagnostic, Diagnostics, Node, did_you_mean};

/// Reads the fields of one mapping and collects everything that is wrong with it.
///
/// Each reading method takes a function from the field's [`Node`] to a value (`Node::as_text`, `Node::as_bool`,
/// or one of your own that returns `Result<_, Diagnostic>` or `Result<_, Diagnostics>`), notes the field as
/// known, and gives `None` when it is absent or wrong. [`Fields::build`] then reports every mistake at once:
/// missing fields, unknown ones ("did you mean"), and what the functions complained about.
///
/// ```
/// use converge::document::{Diagnostics, Fields, Node, Source};
/// struct Process { unit: String, user: Option<String> }
/// fn decode(node: &Node) -> Result<Process, Diagnostics> {
///     let mut fields = Fields::of(node, "process")?;
///     let unit = fields.required("systemd", Node::as_text);
///     let user = fields.given("user", Node::as_text);
///     fields.build(|| Some(Process { unit: unit?, user }))
/// }
/// let node = Node::parse(&Source::new("t.yaml", "systemd: a.service\nuser: ''")).unwrap();
/// assert!(decode(&node).is_ok_and(|process| process.unit == "a.service" && process.user.is_none()));
/// let node = Node::parse(&Source::new("t.yaml", "sytemd: a.service")).unwrap();
/// assert_eq!(decode(&node).err().unwrap().len(), 2);
/// ```
#[derive(Debug)]
pub struct Fields<'n> {
    node: &'n Node,
    what: String,
    entries: &'n [(Node, Node)],
    known: Vec<&'static str>,
    mistakes: Diagnostics,
}

impl<'n> Fields<'n> {
    /// Starts reading a mapping; `what` names it in messages (`component`, `play 2`). Nothing counts as a mapping
    /// without fields, so that missing fields are what is reported.
    ///
    /// # Errors
    /// When the node isn't a mapping.
    pub fn of(node: &'n Node, what: impl Into<String>) -> Result<Self, Diagnostics> {
        let what = what.into();
        let entries = match node.is_null() && node.tag.is_none() {
            true => &[][..],
            false => match node.as_mapping() {
                Ok(entries) => entries,
                Err(_) => return Err(node.unexpected(&format!("a mapping for {what}")).into()),
            },
        };
        Ok(Self { node, what, entries, known: Vec::new(), mistakes: Diagnostics::new() })
    }

    fn find(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.entries.iter().find(|(name, _)| name.key_text() == key).map(|(_, value)| value)
    }

    /// A field that must be there and not be nothing. (An empty text is something.)
    pub fn required<T, E: Into<Diagnostics>>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'n Node) -> Result<T, E>,
    ) -> Option<T> {
        match self.find(key) {
            None => {
                let message = format!("{} lacks `{key}`", self.what);
                self.mistakes.push(Diagnostic::at(&self.first_line(), message));
                None
            }
            Some(value) if value.is_null() && value.tag.is_none() => {
                let message = format!("`{key}` of {} is nothing", self.what);
                self.mistakes.push(Diagnostic::at(&value.span, message));
                None
            }
            Some(value) => self.mistakes.keep(read(value)),
        }
    }

    /// A field that may be absent or nothing.
    pub fn optional<T, E: Into<Diagnostics>>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'n Node) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.find(key).filter(|value| !value.is_null() || value.tag.is_some())?;
        self.mistakes.keep(read(value))
    }

    /// A field that counts as absent also when it is an empty text: what roles write as `"{{variable}}"` with an
    /// empty default.
    pub fn given<T, E: Into<Diagnostics>>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'n Node) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.find(key).filter(|value| !value.is_blank() || value.tag.is_some())?;
        self.mistakes.keep(read(value))
    }

    /// The node of a field, for what needs more than a value; it may be nothing.
    pub fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        self.find(key)
    }

    /// The mapping that is being read.
    #[must_use]
    pub fn whole(&self) -> &'n Node {
        self.node
    }

    /// Reports a field by name if it is there; for words that other tools have and this one doesn't.
    pub fn refuse(&mut self, key: &'static str, message: impl FnOnce() -> String, hint: &str) {
        if let Some((name, _)) = self.entries.iter().find(|(name, _)| name.key_text() == key) {
            self.mistakes.push(Diagnostic::at(&name.span, message()).hint(hint));
            self.known.push(key);
        }
    }

    /// Keys (and their values) that no reading asked for yet. Reading them this way makes the caller answer for
    /// them: they no longer count as unknown.
    pub fn rest(&mut self) -> Vec<&'n (Node, Node)> {
        let known = std::mem::take(&mut self.known);
        let rest = self.entries.iter().filter(|(name, _)| !known.iter().any(|key| *key == name.key_text())).collect();
        self.entries = &[];
        rest
    }

    /// Adds a mistake that the caller found, such as two fields that exclude each other.
    pub fn mistake(&mut self, mistakes: impl Into<Diagnostics>) {
        self.mistakes.append(mistakes);
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// All the mistakes, unknown keys among them.
    pub fn finish(self) -> Result<(), Diagnostics> {
        self.build(|| Some(()))
    }

    /// Ends the reading and makes the value. `make` runs only when nothing is wrong; it gives `None` when a
    /// required field is `None`, which then has been reported.
    ///
    /// # Errors
    /// All the mistakes, unknown keys among them.
    pub fn build<T>(self, make: impl FnOnce() -> Option<T>) -> Result<T, Diagnostics> {
        let Self { node, what, entries, known, mut mistakes } = self;
        for (name, _) in entries {
            let key = name.key_text();
            if !known.contains(&key) {
                let unknown = Diagnostic::at(&name.span, format!("{what} has no field `{key}`"));
                let hint =
                    did_you_mean(key, known.iter().copied()).or_else(|| Some(format!("it has {}", listed(&known))));
                mistakes.push(unknown.maybe_hint(hint));
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        make().ok_or_else(|| Diagnostic::at(&node.span, format!("{what} is incomplete")).into())
    }

    /// The start of the mapping only: a marker under all of a long block would point nowhere.
    fn first_line(&self) -> super::Span {
        match self.entries.first() {
            Some((name, _)) => name.span.clone(),
            None => self.node.span.clone(),
        }
    }
}

fn listed(known: &[&str]) -> String {
    let names: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn node(text: &str) -> Node {
        Node::parse(&Source::new("t.yaml", text)).unwrap()
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let node = node("pakage: x\nport: many\nzebra: 1\nwhen: x\n");
        let mut fields = Fields::of(&node, "component").unwrap();
        let package = fields.required("package", Node::as_text);
        let port = fields.optional("port", Node::as_port);
        fields.refuse("when", || "`when` isn't supported in this release".to_owned(), "use a group");
        let shown = fields.build(|| Some((package?, port))).unwrap_err().to_string();
        assert_eq!(
            shown,
            "t.yaml:1:1: component lacks `package`\n    1 | pakage: x\n      | ^^^^^^\n\n\
             t.yaml:2:7: expected a port from 1 to 65535, found `many`\n    2 | port: many\n      |       ^^^^\n\n\
             t.yaml:4:1: `when` isn't supported in this release\n    4 | when: x\n      | ^^^^\nhint: use a group\n\n\
             t.yaml:1:1: component has no field `pakage`\n    1 | pakage: x\n      | ^^^^^^\nhint: did you mean `package`?\n\n\
             t.yaml:3:1: component has no field `zebra`\n    3 | zebra: 1\n      | ^^^^^\nhint: it has `package`, `port`, `when`"
        );
    }

    #[test]
    fn nothing_and_empty_texts_are_absent_where_that_is_meant() {
        let node = node("a: ''\nb: ~\n");
        let mut fields = Fields::of(&node, "x").unwrap();
        assert_eq!(fields.given("a", Node::as_text), None);
        assert!(node.get("a").unwrap().as_filled_text().is_err());
        assert_eq!(fields.optional("b", Node::as_text), None);
        assert!(fields.finish().is_ok());
        let mut fields = Fields::of(&node, "x").unwrap();
        assert_eq!(fields.optional("a", Node::as_text), Some(String::new()));
        assert_eq!(fields.rest().len(), 1);
        assert!(fields.finish().is_ok());
        let mut fields = Fields::of(&node, "x").unwrap();
        assert_eq!(fields.required("b", Node::as_text), None);
        assert!(fields.finish().unwrap_err().to_string().starts_with("t.yaml:2:4: `b` of x is nothing"));
    }

    #[test]
    fn what_isnt_a_mapping_is_named() {
        let list = node("[1]");
        assert!(
            Fields::of(&list, "play").unwrap_err().to_string().contains("expected a mapping for play, found a list")
        );
        let nothing = node("");
        let mut fields = Fields::of(&nothing, "play").unwrap();
        assert_eq!(fields.required("hosts", Node::as_text), None);
        assert!(fields.finish().unwrap_err().to_string().contains("play lacks `hosts`"));
    }
}
