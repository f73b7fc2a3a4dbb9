//! Argument specifications of roles: what a role may be given, from `meta/argument_specs.yaml` or below `argument_specs` in
//! `meta/main.yaml`. The format is Ansible's.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use crate::document::{Diagnostic, Diagnostics, Fields, Node, Span, Value, did_you_mean};

/// What one entry point of a role (a file of its `tasks/`) may be given, by name.
pub type ArgumentSpec = BTreeMap<String, Argument>;

/// One argument of a role.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Where it is declared.
    pub span: Span,
    /// What it has to be.
    pub kind: ArgumentKind,
    /// Whether it has to be given.
    pub required: bool,
    /// The values that it may have; any if there are none.
    pub choices: Vec<Json>,
    /// What it is where it isn't given. Only told: the value itself belongs into `defaults/main.yaml`.
    pub default: Option<Node>,
    /// What each item of a list has to be.
    pub elements: Option<ArgumentKind>,
    /// The fields of a mapping, or of each mapping of a list.
    pub options: Option<ArgumentSpec>,
}

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A text; numbers and truth values are taken for one.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Yes or no, in any of YAML's spellings.
    Bool,
    /// A list.
    List,
    /// A mapping.
    Dict,
    /// A text with a path.
    Path,
    /// Anything.
    Raw,
}

impl ArgumentKind {
    const ALL: [Self; 8] =
        [Self::Text, Self::Int, Self::Float, Self::Bool, Self::List, Self::Dict, Self::Path, Self::Raw];

    fn word(self) -> &'static str {
        match self {
            Self::Text => "str",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::List => "list",
            Self::Dict => "dict",
            Self::Path => "path",
            Self::Raw => "raw",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Bool => "yes or no",
            Self::List => "a list",
            Self::Dict => "a mapping",
            Self::Path => "a path",
            Self::Raw => "anything",
        }
    }

    fn read(node: &Node) -> Result<Self, Diagnostic> {
        let word = node.as_str()?;
        Self::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
            let known = Self::ALL.map(Self::word);
            Diagnostic::at(&node.span, format!("`{word}` is no type of an argument"))
                .hint(did_you_mean(word, known).unwrap_or_else(|| format!("types are {}", known.join(", "))))
        })
    }

    fn fits(self, node: &Node) -> bool {
        let single = || node.as_str().is_ok();
        match self {
            Self::Text | Self::Path => single(),
            Self::Int => node.as_i64().is_ok(),
            Self::Float => node.as_str().is_ok_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite)),
            Self::Bool => node.as_bool().is_ok(),
            Self::List => matches!(node.value, Value::Sequence(_)),
            Self::Dict => matches!(node.value, Value::Mapping(_)),
            Self::Raw => true,
        }
    }
}

impl fmt::Display for ArgumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Reads the specifications of all entry points of a role.
pub(super) fn read_specs(node: &Node) -> Result<BTreeMap<String, ArgumentSpec>, Diagnostics> {
    if node.is_null() {
        return Ok(BTreeMap::new());
    }
    let entries = node.as_mapping().map_err(|_| node.unexpected("a mapping of entry points, such as `main`"))?;
    let mut mistakes = Diagnostics::new();
    let mut specs = BTreeMap::new();
    for (key, value) in entries {
        let read = || {
            let mut fields = Fields::of(value, format!("the entry point `{}`", key.key_text()))?;
            let options = fields.optional("options", read_options).unwrap_or_default();
            // They describe, and nothing depends on them.
            for word in ["short_description", "description", "author", "version_added", "seealso", "deprecated"] {
                fields.node(word);
            }
            fields.node("notes");
            fields.build(|| Some(options))
        };
        specs.extend(mistakes.keep::<ArgumentSpec>(read()).map(|options| (key.key_text().to_owned(), options)));
    }
    mistakes.or_ok(specs)
}

fn read_options(node: &Node) -> Result<ArgumentSpec, Diagnostics> {
    let entries = node.as_mapping().map_err(|_| node.unexpected("a mapping of arguments"))?;
    let mut mistakes = Diagnostics::new();
    let mut options = ArgumentSpec::new();
    for (key, value) in entries {
        let read = mistakes.keep(read_argument(key, value));
        options.extend(read.map(|argument| (key.key_text().to_owned(), argument)));
    }
    mistakes.or_ok(options)
}

fn read_argument(key: &Node, node: &Node) -> Result<Argument, Diagnostics> {
    let mut fields = Fields::of(node, format!("the argument `{}`", key.key_text()))?;
    let kind = fields.given("type", ArgumentKind::read).unwrap_or(ArgumentKind::Text);
    let required = fields.given("required", Node::as_bool).unwrap_or(false);
    let elements = fields.given("elements", ArgumentKind::read);
    let options = fields.optional("options", read_options);
    let choices = fields.optional("choices", |node| -> Result<Vec<Json>, Diagnostics> {
        node.as_list()?.iter().map(|item| item.to_json().map_err(Diagnostics::from)).collect()
    });
    let default = fields.optional("default", |node| Ok::<_, Diagnostic>(node.clone()));
    for word in ["description", "version_added", "removed_in_version", "aliases", "no_log"] {
        if matches!(word, "aliases") {
            fields.refuse(word, || "`aliases` isn't supported in this release".into(), "use one name everywhere");
        } else {
            fields.node(word);
        }
    }
    if elements.is_some() && kind != ArgumentKind::List {
        fields.mistake(Diagnostic::at(&key.span, format!("`elements` is for lists, and this argument is a {kind}")));
    }
    let holds_mappings = kind == ArgumentKind::Dict || elements == Some(ArgumentKind::Dict);
    if options.is_some() && !holds_mappings {
        let message = format!("`options` is for mappings and lists of them, and this argument is a {kind}");
        fields.mistake(
            Diagnostic::at(&key.span, message).hint("write `type: dict`, or `type: list` and `elements: dict`"),
        );
    }
    if required && default.is_some() {
        fields.mistake(Diagnostic::at(&key.span, "an argument that is required has no default"));
    }
    let span = key.span.clone();
    fields.build(|| {
        Some(Argument { span, kind, required, choices: choices.unwrap_or_default(), default, elements, options })
    })
}

/// What is wrong with the arguments of a role, `value` giving the finished value of each. `caller` is where the role is
/// named; `given` are the parameters that are written there.
///
/// # Errors
/// All mistakes, each at the value that is wrong, or at the caller where one is missing.
pub fn check_arguments(
    role: &str,
    spec: &ArgumentSpec,
    caller: &Span,
    given: &[(String, Span)],
    mut value: impl FnMut(&str) -> Result<Option<Node>, Diagnostics>,
) -> Result<(), Diagnostics> {
    let mut mistakes = Diagnostics::new();
    for (name, argument) in spec {
        let Some(found) = mistakes.keep(value(name)) else { continue };
        match found.filter(|node| !node.is_null() || node.tag.is_some()) {
            Some(node) => check_value(name, argument, &node, &mut mistakes),
            None if argument.required => mistakes.push(lacking(&format!("the role `{role}`"), name, argument, caller)),
            None => {}
        }
    }
    for (name, span) in given.iter().filter(|(name, _)| !spec.contains_key(name)) {
        let hint = did_you_mean(name, spec.keys().map(String::as_str)).unwrap_or_else(|| {
            let known: Vec<&str> = spec.keys().map(String::as_str).collect();
            format!("its arguments are {}", known.join(", "))
        });
        mistakes.push(Diagnostic::at(span, format!("the role `{role}` has no argument `{name}`")).hint(hint));
    }
    mistakes.or_ok(())
}

fn lacking(what: &str, name: &str, argument: &Argument, at: &Span) -> Diagnostic {
    Diagnostic::at(at, format!("{what} lacks its argument `{name}`")).hint(format!(
        "it is {} ({})",
        argument.kind.expected(),
        crate::document::place_of(&argument.span)
    ))
}

fn check_value(name: &str, argument: &Argument, node: &Node, mistakes: &mut Diagnostics) {
    let declared = crate::document::place_of(&argument.span);
    if node.tag.is_none() && !argument.kind.fits(node) {
        let expected = format!("{} for the argument `{name}` ({declared})", argument.kind.expected());
        mistakes.push(node.unexpected(&expected));
        return;
    }
    let items = match (&node.value, argument.elements) {
        (Value::Sequence(items), Some(_)) => items.as_slice(),
        (_, _) => std::slice::from_ref(node),
    };
    for item in items {
        if let (Some(kind), Value::Sequence(_)) = (argument.elements, &node.value)
            && !kind.fits(item)
        {
            let expected = format!("{} as an item of the argument `{name}` ({declared})", kind.expected());
            mistakes.push(item.unexpected(&expected));
            continue;
        }
        let Some(json) = mistakes.keep(item.to_json()) else { continue };
        if !argument.choices.is_empty() && !argument.choices.iter().any(|choice| is_same(choice, &json)) {
            let choices: Vec<String> = argument.choices.iter().map(ToString::to_string).collect();
            mistakes.push(
                Diagnostic::at(&item.span, format!("{json} is no choice for the argument `{name}` ({declared})"))
                    .hint(format!("choose one of {}", choices.join(", "))),
            );
        }
        if let Some(options) = &argument.options {
            check_fields(name, options, item, mistakes);
        }
    }
}

/// `"5"` and 5 are the same to whoever writes YAML.
fn is_same(choice: &Json, value: &Json) -> bool {
    let text = |json: &Json| json.as_str().map_or_else(|| json.to_string(), str::to_owned);
    choice == value || text(choice) == text(value)
}

fn check_fields(name: &str, options: &ArgumentSpec, node: &Node, mistakes: &mut Diagnostics) {
    let Ok(entries) = node.as_mapping() else { return };
    for (key, _) in entries.iter().filter(|(key, _)| !options.contains_key(key.key_text())) {
        let known = options.keys().map(String::as_str);
        let hint = did_you_mean(key.key_text(), known.clone())
            .unwrap_or_else(|| format!("its fields are {}", known.collect::<Vec<_>>().join(", ")));
        let message = format!("the argument `{name}` has no field `{}`", key.key_text());
        mistakes.push(Diagnostic::at(&key.span, message).hint(hint));
    }
    for (field, argument) in options {
        match node.get(field).filter(|value| !value.is_null()) {
            Some(value) => check_value(&format!("{name}.{field}"), argument, value, mistakes),
            None if argument.required => {
                mistakes.push(lacking(&format!("the argument `{name}`"), field, argument, &node.span));
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    const SPEC: &str = "main:\n  options:\n    port: {type: int, required: true}\n    mode: {choices: [fast, safe], default: safe}\n\
        \x20   hosts: {type: list, elements: str}\n    users:\n      type: list\n      elements: dict\n      options:\n\
        \x20       name: {required: true}\n        admin: {type: bool}\n";

    fn check(values: &str, given: &[&str]) -> String {
        let spec = read_specs(&Node::parse(&Source::new("spec.yaml", SPEC)).unwrap()).unwrap();
        let values = Node::parse(&Source::new("v.yaml", values)).unwrap();
        let caller = Node::text_from("site.yaml", "- role: web").span;
        let given: Vec<(String, Span)> = given.iter().map(|name| ((*name).to_owned(), caller.clone())).collect();
        let checked = check_arguments("web", &spec["main"], &caller, &given, |name| Ok(values.get(name).cloned()));
        checked.map(|()| String::new()).unwrap_or_else(|mistakes| mistakes.to_string())
    }

    #[test]
    fn arguments_that_fit_are_taken() {
        assert_eq!(check("port: 80\nmode: fast\nhosts: [a]\nusers: [{name: x, admin: yes}]\n", &["port"]), "");
        assert_eq!(check("port: '80'\n", &[]), "");
    }

    #[test]
    fn wrong_arguments_are_told_where_they_are_given() {
        for (values, given, about) in [
            ("{}", &[][..], "site.yaml:1:1: the role `web` lacks its argument `port`"),
            ("{}", &[], "hint: it is a whole number (spec.yaml:3:5)"),
            (
                "port: many",
                &[],
                "v.yaml:1:7: expected a whole number for the argument `port` (spec.yaml:3:5), found `many`",
            ),
            ("{port: 1, mode: slow}", &[], "v.yaml:1:17: \"slow\" is no choice for the argument `mode`"),
            ("{port: 1, mode: slow}", &[], "hint: choose one of \"fast\", \"safe\""),
            ("{port: 1, hosts: a}", &[], "v.yaml:1:18: expected a list for the argument `hosts`"),
            ("{port: 1, hosts: [[a]]}", &[], "v.yaml:1:19: expected a text as an item"),
            ("{port: 1, users: [{admin: yes}]}", &[], "v.yaml:1:19: the argument `users` lacks its argument `name`"),
            ("{port: 1, users: [{name: x, admin: maybe}]}", &[], "expected yes or no for the argument `users.admin`"),
            ("{port: 1, users: [{name: x, amdin: yes}]}", &[], "hint: did you mean `admin`?"),
            ("{port: 1}", &["prot"], "site.yaml:1:1: the role `web` has no argument `prot`"),
        ] {
            let shown = check(values, given);
            assert!(shown.contains(about), "{about}\n{shown}");
        }
    }

    #[test]
    fn a_specification_is_checked_itself() {
        let text = "main:\n  options:\n    a: {type: itn}\n    b: {elements: str}\n    c: {required: yes, default: 1}\n    d: {options: {}}\n    e: {aliases: [x]}\n    f: {tpye: int}\n";
        let shown = read_specs(&Node::parse(&Source::new("s.yaml", text)).unwrap()).unwrap_err().to_string();
        for part in [
            "s.yaml:3:15: `itn` is no type of an argument",
            "did you mean `int`?",
            "s.yaml:4:5: `elements` is for lists",
            "s.yaml:5:5: an argument that is required has no default",
            "s.yaml:6:5: `options` is for mappings",
            "s.yaml:7:9: `aliases` isn't supported",
            "s.yaml:8:9: the argument `f` has no field `tpye`",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }
}
