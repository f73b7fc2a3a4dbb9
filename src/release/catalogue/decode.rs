//! Decoding of the parts of a catalogue: one function for each kind of entry. What they mean is at the types.

use crate::document::{Diagnostic, Diagnostics, Fields, Node, Span};
use crate::release::{Release, ReleaseRange, Scheme, Train};

use super::predicate::Predicate;
use super::product::{
    BrokenRelease, Deviation, Evidence, KnownHop, KnownTrain, ManualStep, Product, ReleaseRisk, Risk, Unusable,
    WorkTable,
};

/// One entry of a list: what it puts under its key, or that it takes the key out.
pub(super) struct Entry<K, T> {
    pub(super) key: K,
    pub(super) span: Span,
    /// `None` for `remove: true`.
    pub(super) value: Option<T>,
}

/// The key of a hop.
pub(super) type HopKey = (Train, Train);

/// The key of a deviation: revision and thing.
pub(super) type DeviationKey = (String, String);

/// Reads every item of a list.
pub(super) fn each<T>(node: &Node, read: impl Fn(&Node) -> Result<T, Diagnostics>) -> Result<Vec<T>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let items = node.as_list()?.iter().filter_map(|item| mistakes.keep(read(item))).collect();
    mistakes.or_ok(items)
}

/// Whether the entry that is being read takes its key out. All other fields but the key are then out of place.
fn removes(fields: &mut Fields<'_>) -> bool {
    fields.optional("remove", Node::as_bool).unwrap_or(false)
}

pub(super) fn train(node: &Node, scheme: Scheme) -> Result<Entry<Train, KnownTrain>, Diagnostics> {
    let mut fields = Fields::of(node, "train")?;
    let written = fields.required("train", |node| train_text(node, scheme));
    if removes(&mut fields) {
        return fields.build(|| Some(Entry { key: written?.0, span: node.span.clone(), value: None }));
    }
    let lts = fields.optional("lts", Node::as_bool).unwrap_or(false);
    let stop_gap = fields.optional("stop-gap", Node::as_bool).unwrap_or(false);
    let python = fields.optional("python", range);
    let empty = fields.optional("empty", evidence);
    let source = fields.required("source", Node::as_filled_text);
    fields.build(|| {
        let (train, written) = written?;
        let python = python.map(|range| range.to_string());
        let value = KnownTrain { train, written, lts, stop_gap, python, empty, source: source? };
        Some(Entry { key: train, span: node.span.clone(), value: Some(value) })
    })
}

pub(super) fn broken(node: &Node, product: &Product) -> Result<Entry<Release, BrokenRelease>, Diagnostics> {
    let mut fields = Fields::of(node, "broken release")?;
    let release = fields.required("release", |node| release_text(node, product.scheme));
    if removes(&mut fields) {
        return fields.build(|| Some(Entry { key: release?, span: node.span.clone(), value: None }));
    }
    let packages = fields.optional("packages", |node| packages_of(node, product)).unwrap_or_default();
    let reason = fields.required("reason", Node::as_filled_text);
    let source = fields.required("source", Node::as_filled_text);
    fields.build(|| {
        let release = release?;
        let value = BrokenRelease { release: release.clone(), packages, reason: reason?, source: source? };
        Some(Entry { key: release, span: node.span.clone(), value: Some(value) })
    })
}

pub(super) fn hop(node: &Node, product: &Product) -> Result<Entry<HopKey, KnownHop>, Diagnostics> {
    let mut fields = Fields::of(node, "hop")?;
    let from = fields.required("from", |node| train_text(node, product.scheme)).map(|(train, _)| train);
    let to = fields.required("to", |node| train_text(node, product.scheme)).map(|(train, _)| train);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let message = format!("a hop goes to a later train; {to} doesn't come after {from}");
        fields.mistake(Diagnostic::at(&node.span, message));
    }
    if removes(&mut fields) {
        return fields.build(|| Some(Entry { key: (from?, to?), span: node.span.clone(), value: None }));
    }
    let steps = fields.optional("steps", |node| each(node, |node| step(node, product))).unwrap_or_default();
    let risks = fields.optional("risks", |node| each(node, |node| risk(node, product))).unwrap_or_default();
    let unusable = fields.optional("unusable", unusable);
    let ids = steps.iter().map(|step| &step.id).chain(risks.iter().map(|risk| &risk.id));
    fields.mistake(repeated(node, ids));
    fields.build(|| {
        let (from, to) = (from?, to?);
        let value = KnownHop { from, to, steps, risks, unusable };
        Some(Entry { key: (from, to), span: node.span.clone(), value: Some(value) })
    })
}

pub(super) fn release_risk(node: &Node, product: &Product) -> Result<Entry<String, ReleaseRisk>, Diagnostics> {
    let mut fields = Fields::of(node, "risk")?;
    let id = fields.required("id", identifier);
    if removes(&mut fields) {
        return fields.build(|| Some(Entry { key: id?, span: node.span.clone(), value: None }));
    }
    let leaving = fields.required("leaving", |node| {
        each(node, |node| Ok(range(node)?)).and_then(|ranges| match ranges.is_empty() {
            true => Err(Diagnostic::at(&node.span, "expected at least one range of releases").into()),
            false => Ok(ranges),
        })
    });
    let rest = risk_fields(&mut fields, product);
    fields.build(|| {
        let id = id?;
        let value = ReleaseRisk { leaving: leaving?, risk: rest(id.clone())? };
        Some(Entry { key: id, span: node.span.clone(), value: Some(value) })
    })
}

pub(super) fn deviation(node: &Node) -> Result<Entry<DeviationKey, Deviation>, Diagnostics> {
    let mut fields = Fields::of(node, "deviation")?;
    let revision = fields.required("revision", Node::as_filled_text);
    let thing = fields.required("thing", thing);
    if removes(&mut fields) {
        return fields.build(|| Some(Entry { key: (revision?, thing?), span: node.span.clone(), value: None }));
    }
    let reason = fields.required("reason", Node::as_filled_text);
    let source = fields.required("source", Node::as_filled_text);
    fields.build(|| {
        let (revision, thing) = (revision?, thing?);
        let key = (revision.clone(), thing.clone());
        let value = Deviation { revision, thing, reason: reason?, source: source? };
        Some(Entry { key, span: node.span.clone(), value: Some(value) })
    })
}

/// A thing of a schema: its kind and its name.
fn thing(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    let kind = text.split(' ').next().unwrap_or_default();
    match ["table", "column", "index", "label"].contains(&kind) && text.contains(' ') {
        true => Ok(text),
        false => Err(node.unexpected("a thing as `converge schema check` writes it, such as column sessions.owner")),
    }
}

fn step(node: &Node, product: &Product) -> Result<ManualStep, Diagnostics> {
    let mut fields = Fields::of(node, "step")?;
    let id = fields.required("id", identifier);
    let text = fields.required("text", Node::as_filled_text);
    let source = fields.required("source", Node::as_filled_text);
    let when = fields.optional("when", |node| each(node, |node| predicate(node, product))).unwrap_or_default();
    fields.build(|| Some(ManualStep { id: id?, text: text?, source: source?, when }))
}

fn risk(node: &Node, product: &Product) -> Result<Risk, Diagnostics> {
    let mut fields = Fields::of(node, "risk")?;
    let id = fields.required("id", identifier);
    let rest = risk_fields(&mut fields, product);
    fields.build(|| rest(id?))
}

/// The fields that both kinds of risk have, but for the name.
fn risk_fields(fields: &mut Fields<'_>, product: &Product) -> impl FnOnce(String) -> Option<Risk> + use<> {
    let text = fields.required("text", Node::as_filled_text);
    let packages = fields.optional("packages", |node| packages_of(node, product)).unwrap_or_default();
    let source = fields.required("source", Node::as_filled_text);
    let when = fields.optional("when", |node| each(node, |node| predicate(node, product))).unwrap_or_default();
    |id| Some(Risk { id, text: text?, packages, source: source?, when })
}

fn unusable(node: &Node) -> Result<Unusable, Diagnostics> {
    let mut fields = Fields::of(node, "unusable")?;
    let from = fields.required("from", range);
    let to = fields.optional("to", range);
    let reason = fields.required("reason", Node::as_filled_text);
    let source = fields.required("source", Node::as_filled_text);
    fields.build(|| Some(Unusable { from: from?, to, reason: reason?, source: source? }))
}

fn evidence(node: &Node) -> Result<Evidence, Diagnostics> {
    let mut fields = Fields::of(node, "empty")?;
    let reason = fields.required("reason", Node::as_filled_text);
    let source = fields.required("source", Node::as_filled_text);
    fields.build(|| Some(Evidence { reason: reason?, source: source? }))
}

pub(super) fn work(node: &Node, product: &Product) -> Result<WorkTable, Diagnostics> {
    let mut fields = Fields::of(node, "work")?;
    let package = fields.required("package", |node| package_of(node, product));
    let table = fields.required("table", sql_name);
    let column = fields.required("column", sql_name);
    let terminal = fields.required("terminal", |node| each(node, |node| Ok(node.as_filled_text()?)));
    fields.build(|| Some(WorkTable { package: package?, table: table?, column: column?, terminal: terminal? }))
}

/// One condition: a mapping with one key.
fn predicate(node: &Node, product: &Product) -> Result<Predicate, Diagnostics> {
    let mut fields = Fields::of(node, "condition")?;
    let found: Vec<Option<Predicate>> = [
        fields.optional("package", |node| package_of(node, product).map(Predicate::Package)),
        fields.optional("python-below", python_below),
        fields.optional("postgresql-below", postgresql_below),
        fields.optional("distribution", |node| package_name(node).map(Predicate::Distribution)),
        fields.optional("file", file_glob),
        fields.optional("stop-signal", stop_signal),
    ]
    .into_iter()
    .filter(Option::is_some)
    .collect();
    let one = match <[Option<Predicate>; 1]>::try_from(found) {
        Ok([one]) => one,
        Err(_) => None,
    };
    if node.as_mapping().is_ok_and(|entries| entries.len() != 1) {
        let message = "a condition has one key; write one item for each: all of them must hold";
        fields.mistake(Diagnostic::at(&node.span, message));
    }
    fields.build(|| one)
}

fn stop_signal(node: &Node) -> Result<Predicate, Diagnostic> {
    let text = node.as_str()?;
    let named =
        text.strip_prefix("SIG").is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase()));
    if named { Ok(Predicate::StopSignal(text.to_owned())) } else { Err(node.unexpected("a signal such as SIGTERM")) }
}

fn python_below(node: &Node) -> Result<Predicate, Diagnostic> {
    let expected = || node.unexpected("a Python such as \"3.12\"");
    let text = node.as_release_text()?;
    let (x, y) = text.split_once('.').ok_or_else(expected)?;
    Ok(Predicate::PythonBelow(x.parse().map_err(|_| expected())?, y.parse().map_err(|_| expected())?))
}

fn postgresql_below(node: &Node) -> Result<Predicate, Diagnostic> {
    let major = node.as_i64().ok().and_then(|number| u32::try_from(number).ok());
    major.map(Predicate::PostgresqlBelow).ok_or_else(|| node.unexpected("a major release of PostgreSQL such as 16"))
}

/// Absolute or below the home: anything else has no meaning on a host.
fn file_glob(node: &Node) -> Result<Predicate, Diagnostic> {
    let text = node.as_filled_text()?;
    match text.starts_with('/') || text.starts_with("~/") {
        true => Ok(Predicate::File(text)),
        false => Err(node.unexpected("a path or glob that starts with / or ~/")),
    }
}

/// A train with its spelling.
pub(super) fn train_text(node: &Node, scheme: Scheme) -> Result<(Train, String), Diagnostic> {
    // One number (SemVer) loses nothing when YAML reads it; two must be quoted.
    let text = match node.as_i64() {
        Ok(_) if scheme == Scheme::SemVer => node.as_str()?,
        Ok(_) | Err(_) => node.as_release_text()?,
    };
    let expected = match scheme {
        Scheme::Pep440 => "a train such as \"24.09\"",
        Scheme::SemVer => "a train such as \"3\", or \"0.4\" below 1",
    };
    let train = scheme.train_named(text).ok_or_else(|| node.unexpected(expected))?;
    Ok((train, text.to_owned()))
}

fn release_text(node: &Node, scheme: Scheme) -> Result<Release, Diagnostic> {
    scheme.parse(node.as_release_text()?).map_err(|error| Diagnostic::at(&node.span, error.to_string()))
}

fn range(node: &Node) -> Result<ReleaseRange, Diagnostic> {
    ReleaseRange::parse(&node.as_filled_text()?).map_err(|error| Diagnostic::at(&node.span, error.to_string()))
}

/// A name that people type to confirm a step: lower-case letters, digits, dots and dashes.
fn identifier(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    match text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)) {
        true => Ok(text),
        false => Err(node.unexpected("a name of lower-case letters, digits, dots and dashes")),
    }
}

/// A plain SQL identifier, so that it never needs quotes.
fn sql_name(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    match plain && !text.starts_with(|c: char| c.is_ascii_digit()) {
        true => Ok(text),
        false => Err(node.unexpected("a plain SQL name (lower-case letters, digits, underscores)")),
    }
}

/// A package's name as PEP 508 allows it.
pub(super) fn package_name(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    match text.bytes().all(inside) && ends(text.as_bytes().first()) && ends(text.as_bytes().last()) {
        true => Ok(text),
        false => Err(node.unexpected("the name of a Python package")),
    }
}

/// A package's name, or the start of one with a `*` behind it.
pub(super) fn package_pattern(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    let start = text.strip_suffix('*').unwrap_or(&text);
    let plain = start.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    match plain && start.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        true => Ok(text),
        false => Err(node.unexpected("the name of a Python package, or the start of one with a * behind it")),
    }
}

/// A package that belongs to the product: any other is a typing mistake.
pub(super) fn package_of(node: &Node, product: &Product) -> Result<String, Diagnostic> {
    let name = package_name(node)?;
    match product.fit(&name) {
        Some(_) => Ok(name),
        None => {
            let message = format!("{name} is no package of {}", product.name);
            let known = product.packages.iter().map(String::as_str);
            Err(Diagnostic::at(&node.span, message).maybe_hint(
                crate::document::did_you_mean(&name, known)
                    .or_else(|| Some(format!("its packages are {}", product.packages.join(", ")))),
            ))
        }
    }
}

fn packages_of(node: &Node, product: &Product) -> Result<Vec<String>, Diagnostics> {
    each(node, |node| Ok(package_of(node, product)?))
}

/// Complains of names that stand twice among the steps and risks of one hop.
fn repeated<'a>(node: &Node, ids: impl Iterator<Item = &'a String>) -> Diagnostics {
    let mut seen = std::collections::BTreeSet::new();
    ids.filter(|id| !seen.insert(id.as_str()))
        .map(|id| {
            Diagnostic::at(&node.span, format!("the name `{id}` stands twice among the steps and risks of a hop"))
        })
        .collect()
}
