//! The variables that one task sees on one host, and the rendering of templates with them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::magic::Magic;
use crate::document::{Diagnostic, Diagnostics, Node, Span, Value, did_you_mean};
use crate::inventory::Variables;
use crate::playbook::{Template, TemplateError, Templates, whole_path};

/// Longest chain of variables that refer to variables; a person would lose track far sooner, and recursion stays safe.
const CHAIN: usize = 64;

/// Variables with their templates rendered on demand, each once.
pub struct Scope<'t> {
    templates: &'t Templates,
    variables: Arc<Variables>,
    magic: Magic,
    finished: RefCell<BTreeMap<String, Result<Arc<Node>, Diagnostics>>>,
    /// The variables that are being rendered, outermost first.
    way: RefCell<Vec<String>>,
}

impl<'t> Scope<'t> {
    pub(super) fn new(templates: &'t Templates, variables: Arc<Variables>, magic: Magic) -> Self {
        let (finished, way) = (RefCell::new(BTreeMap::new()), RefCell::new(Vec::new()));
        Self { templates, variables, magic, finished, way }
    }

    /// The variables, as given.
    #[must_use]
    pub fn variables(&self) -> &Arc<Variables> {
        &self.variables
    }

    /// The finished value of a variable; `None` when it isn't defined.
    ///
    /// # Errors
    /// When its templates, or those of a variable that it refers to, can't be rendered.
    pub fn value(&self, name: &str) -> Result<Option<Arc<Node>>, Diagnostics> {
        if let Some(magic) = self.magic.get(name) {
            return Ok(Some(magic.clone()));
        }
        let Some(raw) = self.variables.value(name) else { return Ok(None) };
        if let Some(known) = self.finished.borrow().get(name) {
            return known.clone().map(Some);
        }
        self.enter(name, raw)?;
        let rendered = match has_template(raw) {
            true => self.render(raw).map(Arc::new),
            false => Ok(raw.clone()),
        };
        self.way.borrow_mut().pop();
        self.finished.borrow_mut().insert(name.to_owned(), rendered.clone());
        rendered.map(Some)
    }

    fn enter(&self, name: &str, raw: &Node) -> Result<(), Diagnostics> {
        let mut way = self.way.borrow_mut();
        if let Some(at) = way.iter().position(|known| known == name) {
            return Err(self.cycle(&way[at..]).into());
        }
        if way.len() >= CHAIN {
            return Err(
                Diagnostic::at(&raw.span, format!("more than {CHAIN} variables refer to each other in a row")).into()
            );
        }
        way.push(name.to_owned());
        Ok(())
    }

    /// The mistake is told from the alphabetically first variable of the cycle, so that it is the same one wherever
    /// the cycle is entered.
    fn cycle(&self, names: &[String]) -> Diagnostic {
        let first = names.iter().enumerate().min_by_key(|(_, name)| name.as_str()).map_or(0, |(at, _)| at);
        let round: Vec<&str> = names[first..].iter().chain(&names[..first]).map(String::as_str).collect();
        let start = round.first().copied().unwrap_or_default();
        let shown: Vec<String> = round.iter().chain([&start]).map(|name| format!("`{name}`")).collect();
        let message = format!("variables refer to each other: {}", shown.join(" > "));
        let next = round.get(1).copied().unwrap_or(start);
        match self.variables.value(start) {
            Some(value) => Diagnostic::at(&value.span.narrowed_to(next), message),
            None => Diagnostic::nowhere(message),
        }
    }

    /// Renders all templates in a value. Each scalar keeps the place where it was written; a value that is exactly one
    /// expression becomes the value that it names, with that value's type and place.
    ///
    /// # Errors
    /// All mistakes of all templates in it.
    pub fn render(&self, node: &Node) -> Result<Node, Diagnostics> {
        if node.tag.is_some() {
            return Ok(node.clone());
        }
        let mut mistakes = Diagnostics::new();
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Scalar(scalar) => return self.render_text(node, &scalar.text),
            Value::Sequence(items) => {
                Value::Sequence(items.iter().filter_map(|item| mistakes.keep(self.render(item))).collect())
            }
            Value::Mapping(entries) => {
                let mut rendered = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    if key.key_text().contains("{{") {
                        mistakes.push(Diagnostic::at(&key.span, "keys can't be templates; only values can"));
                    }
                    rendered.extend(mistakes.keep(self.render(value)).map(|value| (key.clone(), value)));
                }
                Value::Mapping(rendered)
            }
        };
        mistakes.or_ok(Node { span: node.span.clone(), tag: None, value })
    }

    fn render_text(&self, node: &Node, text: &str) -> Result<Node, Diagnostics> {
        if !is_template(text) {
            return Ok(node.clone());
        }
        if let Some(path) = whole_path(text) {
            return self.follow(&path, &node.span);
        }
        let told = |error: TemplateError| -> Diagnostics {
            let span = error.word.as_deref().map_or_else(|| node.span.clone(), |word| node.span.narrowed_to(word));
            Diagnostic::at(&span, error.message).maybe_hint(error.hint).into()
        };
        let template = self.templates.parse(text).map_err(told)?;
        let values = self.values_for(&template, &node.span)?;
        let rendered = self.templates.render(&template, values).map_err(told)?;
        Ok(Node::text(node.span.clone(), rendered))
    }

    /// The values that a template uses, as one JSON object.
    fn values_for(&self, template: &Template, span: &Span) -> Result<Json, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let mut values = serde_json::Map::new();
        let names: BTreeSet<&String> = template.required.iter().chain(&template.possible).collect();
        for name in names {
            match mistakes.keep(self.value(name)).flatten() {
                Some(value) => {
                    values.extend(mistakes.keep(value.to_json()).map(|json| (name.clone(), json)));
                }
                None if template.required.contains(name) && !self.is_known(name) => {
                    mistakes.push(self.undefined(name, span))
                }
                None => {}
            }
        }
        mistakes.or_ok(Json::Object(values))
    }

    fn is_known(&self, name: &str) -> bool {
        self.magic.contains_key(name) || self.variables.get(name).is_some()
    }

    /// The value at the end of `name.field.field`.
    fn follow(&self, path: &[&str], span: &Span) -> Result<Node, Diagnostics> {
        let [name, fields @ ..] = path else {
            return Err(Diagnostic::at(span, "this expression names no value").into());
        };
        let value = self.value(name)?.ok_or_else(|| self.undefined(name, span))?;
        let mut current: &Node = &value;
        for (index, field) in fields.iter().enumerate() {
            let item = match &current.value {
                Value::Sequence(items) => field.parse::<usize>().ok().and_then(|at| items.get(at)),
                Value::Null | Value::Scalar(_) | Value::Mapping(_) => current.get(field),
            };
            current = item.ok_or_else(|| {
                let whole = path[..=index + 1].join(".");
                let message = format!("`{whole}` isn't defined: `{}` is {}", path[..=index].join("."), current.kind());
                let keys = current.as_mapping().unwrap_or_default().iter().map(|(key, _)| key.key_text());
                Diagnostic::at(&span.narrowed_to(field), message).maybe_hint(did_you_mean(field, keys))
            })?;
        }
        Ok(current.clone())
    }

    fn undefined(&self, name: &str, span: &Span) -> Diagnostic {
        let diagnostic = Diagnostic::at(&span.narrowed_to(name), format!("`{name}` isn't defined"));
        let known = self.variables.names().chain(self.magic.keys().copied());
        let hint = match name {
            "hostvars" => "variables of other hosts aren't available in this release".to_owned(),
            "item" => "loops aren't supported; write one task for each item".to_owned(),
            "release" => "declare it in the inventory, such as `release: \"25.6.5\"` below `vars:` of `all`".to_owned(),
            facts if facts.starts_with("ansible_") => "facts of hosts aren't available in templates".to_owned(),
            other => did_you_mean(other, known).unwrap_or_else(|| {
                format!("give it in the inventory, group_vars, host_vars or with -e; or write (default {other} \"…\")")
            }),
        };
        diagnostic.hint(hint)
    }
}

/// Whether a text is to be rendered at all.
fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn has_template(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar(scalar) => is_template(&scalar.text),
        Value::Sequence(items) => items.iter().any(has_template),
        Value::Mapping(entries) => {
            entries.iter().any(|(key, value)| key.key_text().contains("{{") || has_template(value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
    use crate::inventory::{Level, read_variables};

    fn with_scope<T>(text: &str, test: impl FnOnce(&Scope<'_>) -> T) -> T {
        let node = Node::parse(&Source::new("v.yaml", text)).unwrap();
        let mut variables = Variables::new();
        variables.give_all(&read_variables(&node, Level::Play, "test").unwrap());
        let templates = Templates::new();
        test(&Scope::new(&templates, Arc::new(variables), Magic::new()))
    }

    fn render(variables: &str, value: &str) -> Result<String, String> {
        with_scope(variables, |scope| {
            let node = Node::parse(&Source::new("t.yaml", value)).unwrap();
            scope.render(&node).map(|node| node.to_json().unwrap().to_string()).map_err(|d| d.to_string())
        })
    }

    #[test]
    fn variables_may_refer_to_variables_and_keep_their_types() {
        let variables =
            "home: /home/bai\nvenv: '{{home}}/manager/.venv'\nm: {a: [1, '{{home}}'], r: 25.10}\nport: 22\n";
        assert_eq!(
            render(variables, "{v: '{{venv}}', m: '{{ m }}', p: '{{port}}', r: '{{m.r}}'}"),
            Ok(r#"{"m":{"a":[1,"/home/bai"],"r":"25.10"},"p":22,"r":"25.10","v":"/home/bai/manager/.venv"}"#
                .to_owned())
        );
        assert_eq!(render(variables, "'{{#each m.a}}{{this}},{{/each}}'"), Ok("\"1,/home/bai,\"".to_owned()));
    }

    #[test]
    fn undefined_variables_are_shown_where_they_are_used_and_all_at_once() {
        let shown = render(
            "home: x\na: '{{homw}}'\n",
            "{x: 'a {{typo}} b', y: '{{a}}/c', z: '{{home.x}}', w: '{{#if nope}}{{/if}}'}",
        )
        .unwrap_err();
        for part in [
            "t.yaml:1:10: `typo` isn't defined\n    1 | {x: 'a {{typo}} b'",
            "v.yaml:2:7: `homw` isn't defined\n    2 | a: '{{homw}}'\n      |       ^^^^\nhint: did you mean `home`?",
            "`home.x` isn't defined: `home` is a text",
            "`nope` isn't defined",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }

    #[test]
    fn cycles_of_variables_are_the_same_mistake_wherever_they_are_entered() {
        let variables = "c: 'x{{b}}'\nb: '{{a}}'\na: '{{c}} y'\n";
        let shown = render(variables, "['{{a}}', '{{b}}', '{{c}}']").unwrap_err();
        assert_eq!(shown.matches("refer to each other").count(), 1, "{shown}");
        assert!(
            shown.starts_with("v.yaml:3:7: variables refer to each other: `a` > `c` > `b` > `a`\n    3 | a: '{{c}} y'"),
            "{shown}"
        );
        assert!(render("a: '{{a}}'", "'{{a}}'").unwrap_err().contains("`a` > `a`"));
    }

    #[test]
    fn mistakes_of_templates_have_a_place_and_a_hint() {
        let shown =
            render("m: {a: 1}\n", "{x: 'v{{m}}', y: \"{{ x | default('y') }}\", z: '{{defalt m 1}}'}").unwrap_err();
        for part in ["t.yaml:1:9: `m` is a mapping", "write {{default x \"…\"}}", "did you mean `default`?"] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }

    #[test]
    fn a_vaulted_value_is_refused_when_it_is_used_and_only_then() {
        let variables = "secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\nother: 1\n";
        assert!(render(variables, "'{{other}}'").is_ok());
        let shown = render(variables, "'x{{secret}}'").unwrap_err();
        assert!(
            shown.starts_with("v.yaml:1:9: the tag `!vault` isn't supported here\n    1 | secret: !vault |"),
            "{shown}"
        );
    }
}
