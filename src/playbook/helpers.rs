//! The closed set of template helpers.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicI64};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use handlebars::{Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason, ScopedJson};
use serde_json::Value as Json;

use super::version;

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

/// All helpers, by name.
const KNOWN: [Known; 38] = [
    known("and", "{{#if (and x y)}}", 2, 8),
    known("b64", "{{b64 x}}", 1, 1),
    known("b64decode", "{{b64decode x}}", 1, 1),
    known("b64encode", "{{b64encode x}}", 1, 1),
    known("basename", "{{basename path}}", 1, 1),
    known("contains", "{{#if (contains list \"x\")}}", 2, 2),
    tolerant("default", "{{default x \"otherwise\"}}", 2),
    tolerant("defined", "{{#if (defined x)}}", 1),
    known("dirname", "{{dirname path}}", 1, 1),
    known("eq", "{{#if (eq x \"y\")}}", 2, 2),
    known("first", "{{first list}}", 1, 1),
    known("ge", "{{#if (ge x 1)}}", 2, 2),
    known("gt", "{{#if (gt x 1)}}", 2, 2),
    known("gte", "{{#if (gte x 1)}}", 2, 2),
    known("indent", "{{indent text 4}}", 2, 2),
    known("items", "{{#each (items map)}}{{key}}={{value}}{{/each}}", 1, 1),
    known("join", "{{join list \", \"}}", 2, 2),
    known("json", "{{json x}}", 1, 1),
    known("keys", "{{#each (keys map)}}{{this}}{{/each}}", 1, 1),
    known("last", "{{last list}}", 1, 1),
    known("le", "{{#if (le x 1)}}", 2, 2),
    known("length", "{{length list}}", 1, 1),
    known("lookup", "{{lookup map \"key\"}}", 2, 2),
    known("lower", "{{lower x}}", 1, 1),
    known("lt", "{{#if (lt x 1)}}", 2, 2),
    known("lte", "{{#if (lte x 1)}}", 2, 2),
    known("ne", "{{#if (ne x \"y\")}}", 2, 2),
    known("not", "{{#if (not x)}}", 1, 1),
    known("or", "{{#if (or x y)}}", 2, 8),
    known("replace", "{{replace x \"from\" \"to\"}}", 3, 3),
    known("shellquote", "{{shellquote x}}", 1, 1),
    known("sort", "{{join (sort list) \",\"}}", 1, 1),
    known("split", "{{#each (split x \",\")}}{{this}}{{/each}}", 2, 2),
    known("to_json", "{{to_json x}}", 1, 1),
    known("trim", "{{trim x}}", 1, 1),
    known("unique", "{{join (unique list) \",\"}}", 1, 1),
    known("upper", "{{upper x}}", 1, 1),
    known("version", "{{#if (version x \">=\" \"1.2\")}}", 3, 3),
];

pub(super) fn find(name: &str) -> Option<&'static Known> {
    static ALL: [Known; 38] = KNOWN;
    ALL.iter().find(|helper| helper.name == name)
}

pub(super) fn names() -> Vec<&'static str> {
    KNOWN.iter().map(|helper| helper.name).collect()
}

pub(super) fn listed() -> String {
    names().join(", ")
}

/// What to write instead of a filter of Jinja's: the helper's call, with `x` for the value.
pub(super) fn instead_of(filter: &str, value: &str, arguments: &str) -> String {
    let plain = |call: String| format!("filters aren't supported; write {{{{{call}}}}}");
    let or = |otherwise: &str| if arguments.is_empty() { otherwise.to_owned() } else { arguments.to_owned() };
    match filter {
        "default" | "d" if arguments == "omit" => plain(format!("default {value} null")),
        "default" | "d" => plain(format!("default {value} {}", or("\"…\""))),
        "to_json" | "tojson" | "to_nice_json" => plain(format!("json {value}")),
        "quote" => plain(format!("shellquote {value}")),
        "b64encode" => plain(format!("b64 {value}")),
        "join" => plain(format!("join {value} {}", or("\"\""))),
        "indent" => plain(format!("indent {value} {}", or("4"))),
        "dict2items" => plain(format!("items {value}")),
        "count" => plain(format!("length {value}")),
        "replace" => plain(format!("replace {value} {}", or("\"from\" \"to\""))),
        "int" | "string" | "bool" => {
            format!("filters aren't supported; a value that is exactly {{{{{value}}}}} keeps its type")
        }
        known if find(known).is_some_and(|helper| helper.arguments == (1, 1)) => plain(format!("{known} {value}")),
        _ => format!("filters aren't supported; helpers are {}", listed()),
    }
}

/// Registers everything that isn't the library's own (`if`, `unless`, `each`, `with`, `eq`, `ne`, `and`, `or`
/// and `not` are).
pub(super) fn register(registry: &mut Handlebars<'static>, patience: &Patience) {
    let function = |compute| Box::new(Function(compute, Arc::clone(patience)));
    registry.register_helper(CHECKED, function(checked));
    registry.register_helper(PRINTED, function(printed));
    let own: [(&str, Compute); 33] = [
        ("b64", b64),
        ("b64decode", b64decode),
        ("b64encode", b64),
        ("basename", |helper| texts(helper, |text| text.rsplit('/').next().unwrap_or_default().to_owned())),
        ("contains", contains),
        ("default", default),
        ("defined", defined),
        ("dirname", |helper| texts(helper, |text| text.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned())),
        ("first", |helper| at_end(helper, <[Json]>::first)),
        ("ge", |helper| compared(helper, Ordering::is_ge)),
        ("gt", |helper| compared(helper, Ordering::is_gt)),
        ("gte", |helper| compared(helper, Ordering::is_ge)),
        ("indent", indent),
        ("items", items),
        ("join", join),
        ("json", json),
        ("keys", keys),
        ("last", |helper| at_end(helper, <[Json]>::last)),
        ("le", |helper| compared(helper, Ordering::is_le)),
        ("length", length),
        ("lookup", lookup),
        ("lower", |helper| texts(helper, |text| text.to_lowercase())),
        ("lt", |helper| compared(helper, Ordering::is_lt)),
        ("lte", |helper| compared(helper, Ordering::is_le)),
        ("replace", replace),
        ("shellquote", shellquote),
        ("sort", sort),
        ("split", split),
        ("to_json", json),
        ("trim", |helper| texts(helper, |text| text.trim().to_owned())),
        ("unique", unique),
        ("upper", |helper| texts(helper, |text| text.to_uppercase())),
        ("version", compare_versions),
    ];
    for (name, compute) in own {
        registry.register_helper(name, function(compute));
    }
}

/// How a helper computes a value from its arguments.
type Compute = fn(&Helper<'_>) -> Result<Json, RenderError>;

/// What one template may still look at, counted in values with all that is in them, and in eight bytes of texts. Loops within
/// loops use it up; a list of thousands of hosts doesn't.
pub(super) type Patience = Arc<AtomicI64>;

/// How much that is to begin with: seconds of work.
pub(super) const PATIENCE: i64 = 10_000_000;

/// Longest text that a template, or a helper in it, may make: what uses itself twice doubles each time.
pub(super) const LONGEST: usize = 1024 * 1024;

/// A helper that computes a value from its arguments.
struct Function(Compute, Patience);

impl HelperDef for Function {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let looked_at: i64 = helper.params().iter().map(|value| size(value.value())).sum();
        if self.1.fetch_sub(looked_at + 1, atomic::Ordering::Relaxed) < 0 {
            return Err(complain(helper, "is looked at too often: what the template loops over is too long"));
        }
        match (self.0)(helper)? {
            Json::String(text) if text.len() > LONGEST => Err(complain(helper, &too_long())),
            made => Ok(ScopedJson::Derived(made)),
        }
    }
}

fn too_long() -> String {
    format!("becomes longer than {LONGEST} bytes")
}

/// How many values there are in one.
fn size(value: &Json) -> i64 {
    match value {
        Json::Array(items) => 1 + items.iter().map(size).sum::<i64>(),
        Json::Object(fields) => 1 + fields.values().map(size).sum::<i64>(),
        Json::String(text) => 1 + i64::try_from(text.len() / 8).unwrap_or(i64::MAX / 2),
        Json::Null | Json::Bool(_) | Json::Number(_) => 1,
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

/// The text of an argument that is a single value.
fn text_of(helper: &Helper<'_>, at: usize) -> Result<String, RenderError> {
    match helper.param(at).map(|value| value.value()) {
        Some(Json::String(text)) => Ok(text.clone()),
        Some(single @ (Json::Bool(_) | Json::Number(_))) => Ok(single.to_string()),
        Some(Json::Null | Json::Object(_) | Json::Array(_)) | None => Err(complain(helper, "isn't a single value")),
    }
}

fn texts(helper: &Helper<'_>, change: fn(&str) -> String) -> Result<Json, RenderError> {
    text_of(helper, 0).map(|text| Json::String(change(&text)))
}

fn list_of<'h>(helper: &'h Helper<'_>) -> Result<&'h [Json], RenderError> {
    match first(helper)? {
        Json::Array(items) => Ok(items),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
            Err(complain(helper, "isn't a list"))
        }
    }
}

fn fields_of<'h>(helper: &'h Helper<'_>) -> Result<&'h serde_json::Map<String, Json>, RenderError> {
    first(helper)?.as_object().ok_or_else(|| complain(helper, "isn't a mapping"))
}

fn at_end(helper: &Helper<'_>, end: fn(&[Json]) -> Option<&Json>) -> Result<Json, RenderError> {
    end(list_of(helper)?).cloned().ok_or_else(|| complain(helper, "is an empty list and has no such item"))
}

/// Two numbers, or two texts.
fn compared(helper: &Helper<'_>, holds: fn(Ordering) -> bool) -> Result<Json, RenderError> {
    let pair = (first(helper)?, helper.param(1).map(|value| value.value()));
    let order = match pair {
        (Json::Number(a), Some(Json::Number(b))) => a.as_f64().partial_cmp(&b.as_f64()),
        (Json::String(a), Some(Json::String(b))) => Some(a.cmp(b)),
        (_, _) => None,
    };
    order
        .map(|order| Json::Bool(holds(order)))
        .ok_or_else(|| complain(helper, "can't be compared with the other: two numbers can, or two texts"))
}

fn b64(helper: &Helper<'_>) -> Result<Json, RenderError> {
    text_of(helper, 0).map(|text| Json::String(BASE64_STANDARD.encode(text)))
}

fn b64decode(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let bytes = BASE64_STANDARD.decode(text_of(helper, 0)?.trim());
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Json::String).ok_or_else(|| complain(helper, "isn't a text in base64"))
}

/// Whether a list has an item, a mapping a key, a text a part.
fn contains(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let item = helper.param(1).map(|value| value.value()).unwrap_or(&Json::Null);
    match (first(helper)?, item) {
        (Json::Array(items), item) => Ok(Json::Bool(items.contains(item))),
        (Json::Object(fields), Json::String(key)) => Ok(Json::Bool(fields.contains_key(key))),
        (Json::String(text), Json::String(part)) => Ok(Json::Bool(text.contains(part.as_str()))),
        (_, _) => Err(complain(helper, "isn't a list, a mapping or a text to look into")),
    }
}

/// All lines but the first are moved to the right, as Jinja's filter does.
fn indent(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let width = helper.param(1).and_then(|value| value.value().as_u64()).filter(|width| *width <= 200);
    let Some(width) = width.and_then(|width| usize::try_from(width).ok()) else {
        return Err(complain(helper, "is to be indented by a number of blanks up to 200"));
    };
    let text = text_of(helper, 0)?;
    let blanks = " ".repeat(width);
    let line = |(number, line): (usize, &str)| match number == 0 || line.is_empty() {
        true => line.to_owned(),
        false => format!("{blanks}{line}"),
    };
    Ok(Json::String(text.split('\n').enumerate().map(line).collect::<Vec<_>>().join("\n")))
}

/// A mapping as a list of its keys and values.
fn items(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let pairs = fields_of(helper)?.iter().map(|(key, value)| serde_json::json!({ "key": key, "value": value }));
    Ok(Json::Array(pairs.collect()))
}

fn keys(helper: &Helper<'_>) -> Result<Json, RenderError> {
    Ok(Json::Array(fields_of(helper)?.keys().map(|key| Json::String(key.clone())).collect()))
}

fn join(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let separator = text_of(helper, 1)?;
    let single = |item: &Json| match item {
        Json::String(text) => Ok(text.clone()),
        Json::Bool(_) | Json::Number(_) => Ok(item.to_string()),
        Json::Null | Json::Object(_) | Json::Array(_) => Err(complain(helper, "has an item that isn't a single value")),
    };
    let texts: Result<Vec<String>, RenderError> = list_of(helper)?.iter().map(single).collect();
    Ok(Json::String(texts?.join(&separator)))
}

fn length(helper: &Helper<'_>) -> Result<Json, RenderError> {
    match first(helper)? {
        Json::Array(items) => Ok(Json::from(items.len())),
        Json::Object(fields) => Ok(Json::from(fields.len())),
        Json::String(text) => Ok(Json::from(text.chars().count())),
        Json::Null | Json::Bool(_) | Json::Number(_) => Err(complain(helper, "has no length")),
    }
}

fn replace(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let (text, from, to) = (text_of(helper, 0)?, text_of(helper, 1)?, text_of(helper, 2)?);
    if text.matches(&from).count().saturating_mul(to.len()) > LONGEST {
        return Err(complain(helper, &too_long()));
    }
    Ok(Json::String(text.replace(&from, &to)))
}

/// Numbers by their size, then texts by their letters.
fn sort(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let mut sorted = list_of(helper)?.to_vec();
    let rank = |item: &Json| match item {
        Json::Number(_) => 0,
        Json::String(_) => 1,
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => 2,
    };
    sorted.sort_by(|a, b| {
        let within = match (a, b) {
            (Json::String(a), Json::String(b)) => a.cmp(b),
            (a, b) => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
        };
        rank(a).cmp(&rank(b)).then(within)
    });
    Ok(Json::Array(sorted))
}

fn split(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let (text, separator) = (text_of(helper, 0)?, text_of(helper, 1)?);
    if separator.is_empty() {
        return Err(complain(helper, "can't be split at nothing"));
    }
    Ok(Json::Array(text.split(&separator).map(Json::from).collect()))
}

/// Longest list that doubles are looked for in.
const MOST_TO_COMPARE: usize = 10_000;

fn unique(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let (list, mut once) = (list_of(helper)?, Vec::<Json>::new());
    if list.len() > MOST_TO_COMPARE {
        return Err(complain(
            helper,
            &format!("has more than {MOST_TO_COMPARE} items, each to be compared with all others"),
        ));
    }
    for item in list {
        if !once.contains(item) {
            once.push(item.clone());
        }
    }
    Ok(Json::Array(once))
}

fn compare_versions(helper: &Helper<'_>) -> Result<Json, RenderError> {
    let [a, operator, b] = [text_of(helper, 0)?, text_of(helper, 1)?, text_of(helper, 2)?];
    version::compare(&a, &operator, &b)
        .map(Json::Bool)
        .map_err(|why| complain(helper, &format!("can't be compared: {why}")))
}
