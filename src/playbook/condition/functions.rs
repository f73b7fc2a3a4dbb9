//! The filters, tests and methods of conditions that the library doesn't have: those that people who know Ansible write,
//! as far as they only compute.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use regex::Regex;

use super::strict::{CHECKED, REACHED};
use crate::playbook::version;

/// Filters that may be used, for messages.
pub(super) const FILTERS: [&str; 43] = [
    "abs",
    "attr",
    "b64decode",
    "b64encode",
    "basename",
    "bool",
    "count",
    "default",
    "dict2items",
    "difference",
    "dirname",
    "first",
    "flatten",
    "float",
    "int",
    "intersect",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "symmetric_difference",
    "ternary",
    "to_json",
    "trim",
    "union",
    "unique",
    "upper",
];

/// Tests that may be used, for messages.
pub(super) const TESTS: [&str; 30] = [
    "boolean",
    "contains",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "even",
    "false",
    "falsy",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lt",
    "mapping",
    "match",
    "ne",
    "none",
    "number",
    "odd",
    "regex",
    "search",
    "sequence",
    "string",
    "subset",
    "superset",
    "version",
];

/// Everything that is the library's own and reads nothing but its arguments stays; this comes to it.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.remove_global("debug");
    environment.remove_global("namespace");
    environment.add_function(CHECKED, checked);
    environment.add_function(REACHED, reached);
    environment
        .add_filter("difference", |a: Vec<Value>, b: Vec<Value>| unique(a.into_iter().filter(|x| !b.contains(x))));
    environment.add_filter("intersect", |a: Vec<Value>, b: Vec<Value>| unique(a.into_iter().filter(|x| b.contains(x))));
    environment.add_filter("union", |a: Vec<Value>, b: Vec<Value>| unique(a.into_iter().chain(b)));
    environment.add_filter("symmetric_difference", |a: Vec<Value>, b: Vec<Value>| {
        let of_b: Vec<Value> = b.iter().filter(|x| !a.contains(x)).cloned().collect();
        unique(a.into_iter().filter(|x| !b.contains(x)).chain(of_b))
    });
    environment.add_filter("bool", truth);
    environment.add_filter("ternary", |value: Value, yes: Value, no: Value| if value.is_true() { yes } else { no });
    environment.add_filter("flatten", |value: Vec<Value>| flatten(value, 0));
    environment.add_filter("dict2items", pairs);
    environment.add_filter("to_json", |value: Value| serde_json::to_string(&value).map_err(failed));
    environment.add_filter("basename", |path: String| path.rsplit('/').next().unwrap_or_default().to_owned());
    environment
        .add_filter("dirname", |path: String| path.rsplit_once('/').map(|(dir, _)| dir.to_owned()).unwrap_or_default());
    environment.add_filter("b64encode", |text: String| BASE64_STANDARD.encode(text));
    environment.add_filter("b64decode", |text: String| {
        let bytes = BASE64_STANDARD.decode(text.trim()).map_err(failed)?;
        String::from_utf8(bytes).map_err(failed)
    });
    environment.add_test("version", |value: Value, other: Value, operator: Option<String>| {
        let operator = operator.unwrap_or_else(|| "==".to_owned());
        version::compare(&value.to_string(), &operator, &other.to_string()).map_err(wrong)
    });
    environment.add_test("match", |text: String, pattern: String| regex(&format!("^(?:{pattern})"), &text));
    environment.add_test("search", |text: String, pattern: String| regex(&pattern, &text));
    environment.add_test("regex", |text: String, pattern: String| regex(&pattern, &text));
    environment.add_test("contains", |value: Vec<Value>, item: Value| value.contains(&item));
    environment.add_test("subset", |a: Vec<Value>, b: Vec<Value>| a.iter().all(|x| b.contains(x)));
    environment.add_test("superset", |a: Vec<Value>, b: Vec<Value>| b.iter().all(|x| a.contains(x)));
    environment.add_test("truthy", |value: Value| value.is_true());
    environment.add_test("falsy", |value: Value| !value.is_true());
    environment.set_unknown_method_callback(method);
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn failed(error: impl std::fmt::Display) -> Error {
    wrong(error.to_string())
}

fn checked(value: Value, name: String) -> Result<Value, Error> {
    if value.is_undefined() { Err(Error::new(ErrorKind::UndefinedError, name)) } else { Ok(value) }
}

fn reached(value: Value, fields: Rest<String>) -> Value {
    fields.iter().fold(value, |value, field| match value.kind() {
        ValueKind::Map => value.get_attr(field).unwrap_or(Value::UNDEFINED),
        _ => Value::UNDEFINED,
    })
}

fn unique(values: impl Iterator<Item = Value>) -> Value {
    let mut once: Vec<Value> = Vec::new();
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    Value::from(once)
}

/// Strict where Ansible takes everything that it doesn't know for false.
fn truth(value: Value) -> Result<bool, Error> {
    match (value.kind(), value.to_string().to_ascii_lowercase().as_str()) {
        (ValueKind::Bool, text) => Ok(text == "true"),
        (ValueKind::Number | ValueKind::String, "1" | "yes" | "on" | "true") => Ok(true),
        (ValueKind::Number | ValueKind::String, "0" | "no" | "off" | "false") => Ok(false),
        (_, _) => Err(wrong(format!("{value} is neither yes nor no"))),
    }
}

/// Deeper than a person writes, and safe for recursion.
const DEPTH: usize = 64;

fn flatten(values: Vec<Value>, depth: usize) -> Result<Value, Error> {
    let mut flat = Vec::new();
    for value in values {
        match value.kind() {
            ValueKind::Seq if depth < DEPTH => {
                flat.extend(flatten(value.try_iter()?.collect(), depth + 1)?.try_iter()?);
            }
            _ => flat.push(value),
        }
    }
    Ok(Value::from(flat))
}

fn pairs(value: Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Map {
        return Err(wrong("dict2items takes a mapping"));
    }
    let mut items = Vec::new();
    for key in value.try_iter()? {
        let item = value.get_item(&key)?;
        items.push(Value::from_iter([("key", key), ("value", item)]));
    }
    Ok(Value::from(items))
}

fn regex(pattern: &str, text: &str) -> Result<bool, Error> {
    Regex::new(pattern).map(|regex| regex.is_match(text)).map_err(failed)
}

/// Methods of Python's texts and mappings.
fn method(_: &mut State<'_, '_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let argument = |at: usize| arguments.get(at).map(ToString::to_string).unwrap_or_default();
    if let Some(text) = value.as_str() {
        return match (name, arguments.len()) {
            ("startswith", 1) => Ok(Value::from(text.starts_with(&argument(0)))),
            ("endswith", 1) => Ok(Value::from(text.ends_with(&argument(0)))),
            ("lower", 0) => Ok(Value::from(text.to_lowercase())),
            ("upper", 0) => Ok(Value::from(text.to_uppercase())),
            ("strip", 0) => Ok(Value::from(text.trim())),
            ("split", 0) => Ok(Value::from_iter(text.split_whitespace())),
            ("split", 1) if !argument(0).is_empty() => Ok(Value::from_iter(text.split(&argument(0)))),
            ("replace", 2) => Ok(Value::from(text.replace(&argument(0), &argument(1)))),
            ("isdigit", 0) => Ok(Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit()))),
            _ => Err(unknown_method(
                "a text",
                name,
                "startswith, endswith, lower, upper, strip, split, replace, isdigit",
            )),
        };
    }
    if value.kind() == ValueKind::Map {
        return match (name, arguments) {
            ("get", [key, ..]) => {
                let found = value.get_item(key)?;
                let otherwise = || arguments.get(1).cloned().unwrap_or_else(|| Value::from(()));
                Ok(if found.is_undefined() { otherwise() } else { found })
            }
            ("keys", []) => Ok(Value::from_iter(value.try_iter()?)),
            ("values", []) => {
                let values: Result<Vec<Value>, Error> = value.try_iter()?.map(|key| value.get_item(&key)).collect();
                values.map(Value::from)
            }
            _ => Err(unknown_method("a mapping", name, "get, keys, values")),
        };
    }
    Err(unknown_method("this value", name, "none"))
}

fn unknown_method(what: &str, name: &str, known: &str) -> Error {
    wrong(format!("{what} has no method `{name}` here; it has {known}"))
}
