//! The closed set of template helpers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use handlebars::{Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason, ScopedJson};
use serde_json::Value as Json;

/// Blocks that templates may use; the library's own.
pub(super) const BLOCKS: [&str; 4] = ["if", "unless", "each", "with"];

/// Internal: fails when its argument isn't defined. The blank keeps templates from naming it.
pub(super) const CHECKED: &str = "checked value";

/// Internal: prints a single value and refuses anything else.
pub(super) const PRINTED: &str = "printed value";

/// A helper that templates may use.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) usage: &'static str,
    /// Least and most arguments.
    pub(super) arguments: (usize, usize),
    /// Whether its first argument may be undefined.
    pub(super) tolerant: bool,
}

const fn known(name: &'static str, usage: &'static str, least: usize, most: usize) -> Known {
    Known { name, usage, arguments: (least, most), tolerant: false }
}

const fn tolerant(name: &'static str, usage: &'static str, arguments: usize) -> Known {
    Known { name, usage, arguments: (arguments, arguments), tolerant: true }
}

const KNOWN: [Known; 9] = [
    known("and", "{{#if (and x y)}}", 2, 8),
    tolerant("default", "{{default x \"otherwise\"}}", 2),
    tolerant("defined", "{{#if (defined x)}}", 1),
    known("eq", "{{#if (eq x \"y\")}}", 2, 2),
    known("json", "{{json x}}", 1, 1),
    known("lookup", "{{lookup map \"key\"}}", 2, 2),
    known("ne", "{{#if (ne x \"y\")}}", 2, 2),
    known("not", "{{#if (not x)}}", 1, 1),
    known("or", "{{#if (or x y)}}", 2, 8),
];

const SHELLQUOTE: Known = known("shellquote", "{{shellquote x}}", 1, 1);

pub(super) fn find(name: &str) -> Option<&'static Known> {
    static ALL: [Known; 9] = KNOWN;
    static QUOTE: Known = SHELLQUOTE;
    ALL.iter().chain([&QUOTE]).find(|helper| helper.name == name)
}

pub(super) fn names() -> Vec<&'static str> {
    KNOWN.iter().chain([&SHELLQUOTE]).map(|helper| helper.name).collect()
}

pub(super) fn listed() -> String {
    names().join(", ")
}

/// Registers everything that isn't the library's own (`if`, `unless`, `each`, `with`, `eq`, `ne`, `and`, `or`
/// and `not` are).
pub(super) fn register(registry: &mut Handlebars<'static>, patience: &Patience) {
    let function = |function| Box::new(Function(function, Arc::clone(patience)));
    registry.register_helper(CHECKED, function(checked));
    registry.register_helper(PRINTED, function(printed));
    registry.register_helper("json", function(json));
    registry.register_helper("shellquote", function(shellquote));
    registry.register_helper("default", function(default));
    registry.register_helper("defined", function(defined));
    registry.register_helper("lookup", function(lookup));
}

/// What one template may still look at, counted in values with all that is in them. Loops within loops use it up; a list of
/// thousands of hosts doesn't.
pub(super) type Patience = Arc<AtomicI64>;

/// How much that is to begin with: seconds of work.
pub(super) const PATIENCE: i64 = 10_000_000;

/// A helper that computes a value from its arguments.
struct Function(fn(&Helper<'_>) -> Result<Json, RenderError>, Patience);

impl HelperDef for Function {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let looked_at: i64 = helper.params().iter().map(|value| size(value.value())).sum();
        if self.1.fetch_sub(looked_at + 1, Ordering::Relaxed) < 0 {
            return Err(complain(helper, "is looked at too often: what the template loops over is too long"));
        }
        (self.0)(helper).map(ScopedJson::Derived)
    }
}

/// How many values there are in one.
fn size(value: &Json) -> i64 {
    match value {
        Json::Array(items) => 1 + items.iter().map(size).sum::<i64>(),
        Json::Object(fields) => 1 + fields.values().map(size).sum::<i64>(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 1,
    }
}

/// A complaint about one value, with the word to mark.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Complaint {
    message: String,
    word: Option<String>,
}

fn complain(helper: &Helper<'_>, what: &str) -> RenderError {
    let path = helper.param(0).and_then(|value| value.relative_path()).cloned();
    let message = match &path {
        Some(path) => format!("`{path}` {what}"),
        None => format!("the value of this expression {what}"),
    };
    RenderErrorReason::NestedError(Box::new(Complaint { message, word: path })).into()
}

/// What a failed rendering is about, and the word to mark.
pub(super) fn explain(error: &RenderError) -> (String, Option<String>) {
    let complaint = match error.reason() {
        RenderErrorReason::NestedError(inner) => inner.downcast_ref::<Complaint>(),
        _ => None,
    };
    match complaint {
        Some(Complaint { message, word }) => (message.clone(), word.clone()),
        None => (error.reason().to_string(), None),
    }
}

fn first<'h>(helper: &'h Helper<'_>) -> Result<&'h Json, RenderError> {
    match helper.param(0) {
        Some(value) if !value.is_value_missing() => Ok(value.value()),
        Some(_) | None => Err(complain(helper, "isn't defined")),
    }
}

fn checked(helper: &Helper<'_>) -> Result<Json, RenderError> {
    first(helper).cloned()
}

fn printed(helper: &Helper<'_>) -> Result<Json, RenderError> {
    match first(helper)? {
        Json::Null => Err(complain(helper, "is empty (null) and can't be put into a text")),
        Json::Object(_) => {
            Err(complain(helper, "is a mapping and can't be put into a text; name a field, or use json"))
        }
        Json::Array(_) => Err(complain(helper, "is a list and can't be put into a text; use each or json")),
        single @ (Json::Bool(_) | Json::Number(_) | Json::String(_)) => Ok(single.clone()),
    }
}

fn json(helper: &Helper<'_>) -> Result<Json, RenderError> {
    Ok(Json::String(first(helper)?.to_string()))
}

/// Quotes a text for a POSIX shell; words that need no quotes stay as they are.
fn shellquote(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let text = match first(helper)? {
        Json::String(text) => text.clone(),
        single @ (Json::Bool(_) | Json::Number(_)) => single.to_string(),
        Json::Null | Json::Object(_) | Json::Array(_) => return Err(complain(helper, "isn't a single value to quote")),
    };
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '=' | ':' | ',' | '+' | '@' | '%');
    if !text.is_empty() && text.chars().all(is_plain) {
        return Ok(Json::String(text));
    }
    Ok(Json::String(format!("'{}'", text.replace('\'', "'\\''"))))
}

fn default(helper: &Helper<'_>) -> Result<Json, RenderError> {
    match (helper.param(0), helper.param(1)) {
        (Some(value), _) if !value.is_value_missing() => Ok(value.value().clone()),
        (_, Some(otherwise)) => Ok(otherwise.value().clone()),
        (_, None) => Err(complain(helper, "isn't defined and has no default")),
    }
}

fn defined(helper: &Helper<'_>) -> Result<Json, RenderError> {
    Ok(Json::Bool(helper.param(0).is_some_and(|value| !value.is_value_missing())))
}

/// An item of a mapping by key, or of a list by number from 0.
fn lookup(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let key = helper.param(1).map(|key| key.value());
    let found = match (first(helper)?, key) {
        (Json::Object(fields), Some(Json::String(key))) => fields.get(key),
        (Json::Array(items), Some(Json::Number(index))) => {
            index.as_u64().and_then(|index| usize::try_from(index).ok()).and_then(|index| items.get(index))
        }
        (_, _) => None,
    };
    let shown = key.map(Json::to_string).unwrap_or_default();
    found.cloned().ok_or_else(|| complain(helper, &format!("has no item {shown}: it isn't defined")))
}
