//! Conditions: expressions in the syntax of Jinja, as people write them below `when`; nothing else of Jinja. They are
//! strict (an undefined name is a mistake wherever it is evaluated), read nothing but their names, and must come to yes or no.

mod functions;
mod strict;

use std::collections::BTreeSet;
use std::ops::Range;

use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde_json::Value as Json;

use strict::Called;

use crate::document::{Diagnostic, Node, ScalarStyle, Span, Value as NodeValue, did_you_mean};

/// Most steps of one evaluation: thousands of items in a list are looked at with fewer; an expression that multiplies
/// lists with each other until the memory is full is stopped.
const FUEL: u64 = 1_000_000;

/// Longest expression, in bytes: people write hundreds.
const LONGEST: usize = 16 * 1024;

/// Parses and evaluates conditions.
#[derive(Debug)]
pub struct Conditions(Environment<'static>);

impl Default for Conditions {
    fn default() -> Self {
        Self::new()
    }
}

impl Conditions {
    /// With all filters and tests.
    #[must_use]
    pub fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        functions::add_to(&mut environment);
        Self(environment)
    }

    /// The names that an expression uses, whether they must be defined or not.
    ///
    /// # Errors
    /// When it is no expression.
    pub fn names(&self, node: &Node) -> Result<BTreeSet<String>, Diagnostic> {
        let text = text_of(node)?;
        if literal(node).is_some() {
            return Ok(BTreeSet::new());
        }
        let strict = strict::strict(text);
        let expression = self.0.compile_expression(&strict.text).map_err(|error| told(node, &strict, &error, &[]))?;
        check_calls(node, text)?;
        let own = |name: &String| {
            matches!(name.as_str(), strict::CHECKED | strict::REACHED | "range" | "dict") || name.is_empty()
        };
        Ok(expression.undeclared_variables(false).into_iter().filter(|name| !own(name)).collect())
    }

    /// What an expression comes to, with the values of its names; `known` are names to suggest for one that isn't defined.
    ///
    /// # Errors
    /// When a name that it needs isn't defined, or it can't be computed.
    fn value(&self, node: &Node, values: &Json, known: &[&str]) -> Result<Value, Diagnostic> {
        let text = text_of(node)?;
        if let Some(truth) = literal(node) {
            return Ok(Value::from(truth));
        }
        let strict = strict::strict(text);
        let expression = self.0.compile_expression(&strict.text).map_err(|error| told(node, &strict, &error, known))?;
        expression.eval(Value::from(Serde(values))).map_err(|error| told(node, &strict, &error, known))
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    /// When a name that it needs isn't defined, it can't be computed, or it comes to something else than yes or no.
    pub fn holds(&self, node: &Node, values: &Json, known: &[&str]) -> Result<bool, Diagnostic> {
        let value = self.value(node, values, known)?;
        if value.kind() == ValueKind::Bool {
            return Ok(value.is_true());
        }
        let (what, hint) = match value.kind() {
            ValueKind::String => (
                format!("the text {:?}", value.as_str().unwrap_or_default()),
                "compare it, write `| bool` for a yes or no, or `| length > 0`",
            ),
            ValueKind::Number => (format!("the number {value}"), "compare it, as in `x > 0`"),
            ValueKind::None => ("nothing".to_owned(), "write `is not none`"),
            ValueKind::Undefined => ("something undefined".to_owned(), "write `is defined`"),
            ValueKind::Seq | ValueKind::Iterable => ("a list".to_owned(), "write `| length > 0`"),
            ValueKind::Map => ("a mapping".to_owned(), "write `| length > 0`, or compare one of its fields"),
            _ => ("something else".to_owned(), "compare it"),
        };
        Err(Diagnostic::at(&node.span, format!("a condition comes to yes or no, and this one to {what}")).hint(hint))
    }
}

/// Sees that a node holds a condition that can be parsed.
pub(super) fn check(node: &Node) -> Result<(), Diagnostic> {
    Conditions::new().names(node).map(|_| ())
}

/// `when: yes`.
fn literal(node: &Node) -> Option<bool> {
    match &node.value {
        NodeValue::Scalar(scalar) if scalar.style == ScalarStyle::Plain => node.as_bool().ok(),
        NodeValue::Scalar(_) | NodeValue::Null | NodeValue::Sequence(_) | NodeValue::Mapping(_) => None,
    }
}

fn text_of(node: &Node) -> Result<&str, Diagnostic> {
    let text = node.as_str().map_err(|_| node.unexpected("a condition such as `x == \"y\"`"))?;
    if text.contains("{{") || text.contains("{%") {
        let bare = text.replace("{{", "").replace("}}", "").split_whitespace().collect::<Vec<_>>().join(" ");
        return Err(Diagnostic::at(&node.span, "a condition is an expression already and has no braces")
            .hint(format!("write {bare}")));
    }
    if text.trim().is_empty() {
        return Err(Diagnostic::at(&node.span, "the condition is empty"));
    }
    if text.len() > LONGEST {
        return Err(Diagnostic::at(&node.span, format!("the condition is longer than {LONGEST} bytes")));
    }
    Ok(text)
}

/// An error of the library as a mistake at its place inside the expression.
fn told(node: &Node, strict: &strict::Strict, error: &Error, known: &[&str]) -> Diagnostic {
    let span = error.range().map_or_else(|| node.span.clone(), |range| place(node, strict.original(range)));
    let detail = error.detail().unwrap_or_default();
    let word = || span.text().unwrap_or_default().to_owned();
    match error.kind() {
        ErrorKind::UndefinedError if !detail.is_empty() && is_name(detail) => {
            let (name, rest) = split_name(detail);
            let span = node.span.narrowed_to(detail);
            let diagnostic = Diagnostic::at(&span, format!("`{detail}` isn't defined"));
            let or_else =
                || format!("ask first: `{detail} is defined and …`, or give a value: `{detail} | default(…)`");
            // Only a name as a whole can be mistyped; of a field the name before it is there.
            let near = if rest.is_empty() { did_you_mean(name, known.iter().copied()) } else { None };
            diagnostic.hint(near.unwrap_or_else(or_else))
        }
        ErrorKind::UndefinedError => Diagnostic::at(&span, format!("`{}` isn't defined", word()))
            .hint("ask first whether it is: `x is defined and …`"),
        ErrorKind::UnknownFilter => unknown(node, detail, "filter", &functions::FILTERS),
        ErrorKind::UnknownTest => unknown(node, detail, "test", &functions::TESTS),
        ErrorKind::UnknownFunction => unknown(node, detail, "function", &["range", "dict"]),
        ErrorKind::OutOfFuel => Diagnostic::at(&node.span, "the condition takes too long to compute"),
        ErrorKind::SyntaxError => Diagnostic::at(&span, format!("not an expression: {detail}")),
        _ if detail.is_empty() => Diagnostic::at(&span, format!("can't be computed: {}", error.kind())),
        _ => Diagnostic::at(&span, format!("can't be computed: {detail}")),
    }
}

/// Sees that filters, tests and functions are there, also where no evaluation would come to them.
fn check_calls(node: &Node, text: &str) -> Result<(), Diagnostic> {
    for (called, range) in strict::calls(text) {
        let name = text.get(range).unwrap_or_default();
        let (what, known): (&str, &[&str]) = match called {
            // Truth values and nothing are tests of the library's own.
            Called::Test if matches!(name, "true" | "false" | "none" | "True" | "False" | "None") => continue,
            Called::Test => ("test", &functions::TESTS),
            Called::Filter => ("filter", &functions::FILTERS),
            Called::Function => ("function", &["range", "dict"]),
        };
        if !known.contains(&name) {
            return Err(unknown(node, &format!("{what} {name}"), what, known));
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_') && !text.contains(' ')
}

fn split_name(text: &str) -> (&str, &str) {
    text.split_at(text.find(['.', '[']).unwrap_or(text.len()))
}

/// The library says `filter x is unknown`, and of a function `x is unknown`.
fn unknown(node: &Node, detail: &str, what: &str, known: &[&str]) -> Diagnostic {
    let name = detail
        .strip_prefix(what)
        .unwrap_or(detail)
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .trim_matches(['`', '\'', '"']);
    let hint = did_you_mean(name, known.iter().copied()).unwrap_or_else(|| format!("{what}s are {}", known.join(", ")));
    Diagnostic::at(&node.span.narrowed_to(name), format!("`{name}` isn't a {what} of conditions")).hint(hint)
}

/// A part of the expression as it stands in its file; all of it where quotes or folding changed the text.
fn place(node: &Node, range: Range<usize>) -> Span {
    let (Some(raw), Ok(text)) = (node.span.text(), node.as_str()) else { return node.span.clone() };
    match raw.find(text) {
        Some(at) => node.span.part(at + range.start..at + range.end),
        None => node.span.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::Source;

    fn holds(text: &str) -> Result<bool, String> {
        let yaml = format!("when: {text}\n");
        let node = Node::parse(&Source::new("t.yaml", yaml)).unwrap();
        let values = json!({
            "os": "Debian", "release": "25.6.10", "on": true, "off": false, "text_no": "no", "count": 3, "nothing": null,
            "list": ["a", "b"], "empty": [], "db": {"host": "h", "port": 5432}, "groups": {"web": ["w1", "w2"]},
            "inventory_hostname": "w1", "users": [{"name": "x", "admin": true}, {"name": "y", "admin": false}],
        });
        let known = ["os", "release", "list", "groups", "inventory_hostname"];
        Conditions::new().holds(node.get("when").unwrap(), &values, &known).map_err(|d| d.to_string())
    }

    #[test]
    fn conditions_mean_what_ansible_users_mean() {
        for (text, expected) in [
            ("yes", true),
            ("False", false),
            ("on", true),
            ("os == 'Debian' and count > 2", true),
            ("os in ['Debian', 'Ubuntu']", true),
            ("not off", true),
            ("typo is defined and typo == 1", false),
            ("typo is not defined or typo == 1", true),
            ("typo.x is defined", false),
            ("db.user is defined", false),
            ("db.host is defined", true),
            ("typo | default('x') == 'x'", true),
            ("text_no | bool", false),
            ("release is version('25.6.9', '>=')", true),
            ("os is match('Deb')", true),
            ("os is match('bian')", false),
            ("os is search('bian')", true),
            ("os.lower().startswith('deb')", true),
            ("db.get('user', 'none') == 'none'", true),
            ("inventory_hostname == groups['web'][0]", true),
            ("inventory_hostname in groups.web", true),
            ("list | difference(['a']) == ['b']", true),
            ("list | length == 2 and list | first == 'a'", true),
            ("users | selectattr('admin') | map(attribute='name') | list == ['x']", true),
            ("users | selectattr('name', 'equalto', 'y') | list | length == 1", true),
            ("(list | union(['c']) | join('-')) == 'a-b-c'", true),
            ("(['a'] is subset(list))", true),
            ("nothing is none", true),
            ("'yes' if on else 'no'", true),
        ] {
            if text.starts_with("'yes'") {
                assert!(holds("\"'yes' if on else 'no'\"").unwrap_err().contains("comes to yes or no"));
                continue;
            }
            assert_eq!(holds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_isnt_defined_is_a_mistake_wherever_it_counts() {
        for (text, about) in [
            ("typo", "t.yaml:1:7: `typo` isn't defined"),
            ("typo == 1", "t.yaml:1:7: `typo` isn't defined\n    1 | when: typo == 1\n      |       ^^^^"),
            ("on and typo in list", "t.yaml:1:14: `typo` isn't defined"),
            ("relese is version('1', '>')", "hint: did you mean `release`?"),
            ("db.user == 'x'", "`db.user` isn't defined"),
            ("db['user'] == 'x'", "`db['user']` isn't defined"),
            ("typo.x | lower == 'a'", "isn't defined"),
            ("groups[typo] == []", "`typo` isn't defined"),
            ("not typo", "`typo` isn't defined"),
        ] {
            let shown = holds(text).unwrap_err();
            assert!(shown.contains(about), "{text}: {shown}");
        }
    }

    #[test]
    fn mistakes_have_their_place_inside_the_expression() {
        for (text, about) in [
            ("\"{{ os }} == 'x'\"", "t.yaml:1:7: a condition is an expression already and has no braces"),
            ("'{{ on }}'", "hint: write on"),
            (
                "os",
                "comes to yes or no, and this one to the text \"Debian\"\n    1 | when: os\n      |       ^^\nhint: compare it",
            ),
            ("count", "this one to the number 3"),
            ("list", "this one to a list"),
            ("os ==", "t.yaml:1:10: not an expression"),
            ("os | lowr == 'x'", "t.yaml:1:12: `lowr` isn't a filter of conditions"),
            ("os | lowr == 'x'", "hint: did you mean `lower`?"),
            ("os is versoin('1')", "t.yaml:1:13: `versoin` isn't a test of conditions"),
            ("lookup('env', 'HOME') == ''", "`lookup` isn't a function of conditions"),
            ("os is search('(')", "can't be computed"),
            ("os.nosuch()", "has no method `nosuch`"),
            ("text_no | bool or os | bool", "Debian is neither yes nor no"),
            ("release is version('1', '~')", "`~` doesn't compare versions"),
            ("range(10000000) | length > 1", "t.yaml:1:7: can't be computed"),
        ] {
            let shown = holds(text).unwrap_err();
            assert!(shown.contains(about), "{text}: {shown}");
        }
    }
}
