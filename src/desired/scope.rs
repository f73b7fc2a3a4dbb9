//! The variables that one task sees on one host, and the rendering of templates and conditions with them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::magic::Magic;
use super::outside::Outside;
use crate::document::{Diagnostic, Diagnostics, Node, Source, Span, Value, did_you_mean};
use crate::inventory::{GivenVariables, Variables};
use crate::model::HostName;
use crate::playbook::{
    Template, TemplateError, has_template, is_template, named_in, whole_call, whole_file, whole_path,
};

/// Longest chain of variables that refer to variables; a person would lose track far sooner, and recursion stays safe.
const CHAIN: usize = 64;

/// Names that a place in a playbook gives a value: items of loops, `role_path`.
pub(super) type Locals = BTreeMap<String, Arc<Node>>;

/// Variables with their templates rendered on demand, each once.
pub struct Scope<'t> {
    outside: &'t Outside<'t>,
    host: HostName,
    variables: Arc<Variables>,
    magic: Magic,
    locals: Locals,
    finished: RefCell<BTreeMap<String, Result<Arc<Node>, Diagnostics>>>,
    /// The variables that are being rendered, outermost first.
    way: RefCell<Vec<String>>,
}

impl<'t> Scope<'t> {
    pub(super) fn new(outside: &'t Outside<'t>, host: &HostName, variables: Arc<Variables>, magic: Magic) -> Self {
        let (finished, way) = (RefCell::new(BTreeMap::new()), RefCell::new(Vec::new()));
        Self { outside, host: host.clone(), variables, magic, locals: Locals::new(), finished, way }
    }

    /// The same scope with more variables and names.
    pub(super) fn within<'v>(
        &self,
        variables: impl IntoIterator<Item = &'v GivenVariables>,
        locals: impl IntoIterator<Item = (String, Arc<Node>)>,
    ) -> Self {
        let mut all = self.variables.clone();
        for given in variables.into_iter().filter(|given| !given.is_empty()) {
            Arc::make_mut(&mut all).give_all(given);
        }
        let mut scope = Self::new(self.outside, &self.host, all, self.magic.clone());
        scope.locals = self.locals.clone();
        scope.locals.extend(locals);
        scope
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
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
        if let Some(known) = self.locals.get(name).or_else(|| self.magic.get(name)) {
            return Ok(Some(known.clone()));
        }
        match name {
            "ansible_facts" => return self.outside.facts_of(&self.host).map(Some),
            "hostvars" => return self.outside.hostvars().map(Some),
            _ => {}
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
        // A call that is all of a value keeps the type of what it gives.
        if let Some(call) = whole_call(text) {
            let json = self.render_at(&format!("{{{{json ({call})}}}}"), &node.span)?;
            let value = serde_json::from_str(&json).unwrap_or(Json::String(json));
            let value = Node::from_json(&node.span, &value);
            return Ok(if self.uses_secret(text) { value.as_secret() } else { value });
        }
        let rendered = Node::text(node.span.clone(), self.render_at(text, &node.span)?);
        Ok(if node.holds_secret() || self.uses_secret(text) { rendered.as_secret() } else { rendered })
    }

    /// Renders a whole file. What is wrong is told with its place in the file.
    ///
    /// # Errors
    /// When it is no template, or something that it uses isn't defined.
    pub fn render_source(&self, source: &Arc<Source>) -> Result<String, Diagnostics> {
        let span = whole_file(source);
        if is_template(&source.text) { self.render_at(&source.text, &span) } else { Ok(source.text.clone()) }
    }

    /// Whether a template is made of anything that is a secret.
    fn uses_secret(&self, text: &str) -> bool {
        let Ok(template) = self.outside.templates.parse(text) else { return false };
        let mut names = template.required.iter().chain(&template.possible);
        names.any(|name| matches!(self.value(name), Ok(Some(value)) if value.holds_secret()))
    }

    /// Whether a condition looks at anything that is a secret.
    pub(super) fn looks_at_secret(&self, name: &str) -> bool {
        matches!(self.value(name), Ok(Some(value)) if value.holds_secret())
    }

    fn render_at(&self, text: &str, span: &Span) -> Result<String, Diagnostics> {
        let told = |error: TemplateError| -> Diagnostics { error.told(span).into() };
        let template = self.outside.templates.parse(text).map_err(told)?;
        let values = self.values_for(&template, span)?;
        self.outside.templates.render(&template, values).map_err(told)
    }

    /// The values that a template uses, as one JSON object.
    fn values_for(&self, template: &Template, span: &Span) -> Result<Json, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let mut values = serde_json::Map::new();
        let names: BTreeSet<&String> = template.required.iter().chain(&template.possible).collect();
        for name in names {
            match mistakes.keep(self.value(name)) {
                Some(Some(value)) => {
                    values.extend(mistakes.keep(value.to_json()).map(|json| (name.clone(), json)));
                }
                Some(None) if template.required.contains(name) => mistakes.push(self.undefined(name, span)),
                Some(None) | None => {}
            }
        }
        mistakes.or_ok(Json::Object(values))
    }

    /// Whether all of some conditions hold; later ones aren't looked at once one doesn't.
    ///
    /// # Errors
    /// The mistakes of the first that can't be decided.
    pub fn holds<'c>(&self, conditions: impl IntoIterator<Item = &'c Node>) -> Result<bool, Diagnostics> {
        for condition in conditions {
            let values = self.values_of(condition)?;
            let known: Vec<&str> = self.names().collect();
            if !self.outside.conditions.holds(condition, &Json::Object(values), &known)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The values of the names in a condition; what isn't defined is left out.
    ///
    /// # Errors
    /// When a variable that it uses can't be rendered.
    pub fn values_of(&self, condition: &Node) -> Result<serde_json::Map<String, Json>, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let mut values = serde_json::Map::new();
        for name in self.outside.conditions.names(condition)? {
            let value = mistakes.keep(self.value(&name)).flatten();
            let json = value.and_then(|value| mistakes.keep(value.to_json()));
            values.extend(json.map(|json| (name, json)));
        }
        mistakes.or_ok(values)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.locals.keys().map(String::as_str).chain(self.magic.keys().copied());
        self.variables.names().chain(own).chain(["ansible_facts", "hostvars"])
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
                Diagnostic::at(&named_in(span, field), message).maybe_hint(did_you_mean(field, keys))
            })?;
        }
        Ok(current.clone())
    }

    fn undefined(&self, name: &str, span: &Span) -> Diagnostic {
        let diagnostic = Diagnostic::at(&named_in(span, name), format!("`{name}` isn't defined"));
        let hint = match name {
            "item" => "it is there in a task with `loop`".to_owned(),
            "release" => "declare it in the inventory, such as `release: \"25.6.5\"` below `vars:` of `all`".to_owned(),
            fact if fact.starts_with("ansible_") && did_you_mean(fact, self.names()).is_none() => {
                let short = fact.trim_start_matches("ansible_");
                format!("facts of a host are fields of ansible_facts: ansible_facts.{short}")
            }
            other => did_you_mean(other, self.names()).unwrap_or_else(|| {
                format!("give it in the inventory, group_vars, host_vars or with -e; or write (default {other} \"…\")")
            }),
        };
        diagnostic.hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Facts;
    use crate::document::Source;
    use crate::inventory::{Inventory, InventorySources, Level, read_variables};

    const INVENTORY: &str = "all: {hosts: {a: {port: 1, own: '{{port}}'}, b: {port: 2, bad: '{{typo}}'}}}";

    fn with_scope<T>(text: &str, test: impl FnOnce(&Scope<'_>) -> T) -> T {
        let node = Node::parse(&Source::new("v.yaml", text)).unwrap();
        let mut variables = Variables::new();
        variables.give_all(&read_variables(&node, Level::Play, "test").unwrap());
        let inventory = Inventory::parse(&InventorySources::of(Source::new("i.yaml", INVENTORY))).unwrap();
        let outside = Outside::new(&inventory, &[], Facts::Unasked);
        let host = inventory.hosts()[0].clone();
        test(&Scope::new(&outside, &host, Arc::new(variables), Magic::new()))
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
        for part in ["t.yaml:1:9: `m` is a mapping", "write {{default x \"y\"}}", "did you mean `default`?"] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }

    #[test]
    fn a_vaulted_value_is_refused_when_it_is_used_and_only_then() {
        let variables = "secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\nother: 1\n";
        assert!(render(variables, "'{{other}}'").is_ok());
        let shown = render(variables, "'x{{secret}}'").unwrap_err();
        assert!(
            shown.starts_with(
                "v.yaml:1:9: this value is encrypted, and no vault password was given\n    1 | secret: !vault |"
            ),
            "{shown}"
        );
    }

    #[test]
    fn a_call_that_is_all_of_a_value_keeps_its_type() {
        let variables = "m: {a: [1, 2], on: yes}\n";
        assert_eq!(
            render(
                variables,
                "[\"{{lookup m 'a'}}\", \"{{default x 5}}\", \"{{eq m.on true}}\", \"{{json m.a}}\", \"{{default x 'a'}}\"]"
            ),
            Ok(r#"[[1,2],5,true,"[1,2]","a"]"#.to_owned())
        );
    }

    #[test]
    fn variables_of_other_hosts_are_there() {
        assert_eq!(
            render("x: 1", "['{{hostvars.b.port}}', '{{hostvars.a.own}} {{x}}']"),
            Ok(r#"[2,"1 1"]"#.to_owned())
        );
        let shown = render("x: 1", "'{{hostvars.c.port}}'").unwrap_err();
        assert!(shown.starts_with("t.yaml:1:13: `hostvars.c` isn't defined: `hostvars` is a mapping"), "{shown}");
    }

    #[test]
    fn mistakes_of_a_whole_file_have_their_line() {
        let source = Source::new("web.conf.hbs", "typo = 1\nport = {{port}}\n{{#if typo}}x{{/if}}\n");
        let shown = with_scope("port: 80", |scope| scope.render_source(&source).unwrap_err().to_string());
        assert!(
            shown.starts_with(
                "web.conf.hbs:3:7: `typo` isn't defined\n    3 | {{#if typo}}x{{/if}}\n      |       ^^^^"
            ),
            "{shown}"
        );
        let source = Source::new("web.conf.hbs", "a\n{{#if port}}\n");
        let shown = with_scope("port: 80", |scope| scope.render_source(&source).unwrap_err().to_string());
        assert!(shown.starts_with("web.conf.hbs:") && shown.contains("not a template"), "{shown}");
        let fine = Source::new("web.conf.hbs", "port = {{port}}\n\n");
        assert_eq!(with_scope("port: 80", |scope| scope.render_source(&fine).unwrap()), "port = 80\n\n");
    }

    #[test]
    fn conditions_see_the_same_variables() {
        let holds = |condition: &str| {
            with_scope("release: \"25.10\"\nfull: '{{release}}.1'\n", |scope| {
                let node = Node::parse(&Source::new("t.yaml", condition)).unwrap();
                scope.holds([&node]).map_err(|d| d.to_string())
            })
        };
        assert_eq!(holds("full == '25.10.1' and hostvars.b.port == 2"), Ok(true));
        assert!(holds("relase == '1'").unwrap_err().contains("did you mean `release`?"));
    }
}
