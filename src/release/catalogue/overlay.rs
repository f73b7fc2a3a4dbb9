//! Laying one text over what is known already: key by key, so that a project says only what differs.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::document::{Diagnostic, Diagnostics, Fields, Node, Span, place_of};
use crate::release::Scheme;

use super::decode::{self, DeviationKey, Entry, HopKey, each};
use super::product::{Deviation, Product};

/// Lays a document over the products that are known.
pub(super) fn overlay(products: &mut BTreeMap<String, Product>, document: &Node) -> Result<(), Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut fields = Fields::of(document, "releases")?;
    if let Some(entries) = fields.required("products", |node| Ok::<_, Diagnostics>(node.as_mapping()?)) {
        for (name, node) in entries {
            let known = products.remove(name.key_text());
            if let Some(product) = mistakes.keep(product(name, node, known)).flatten() {
                products.insert(product.name.clone(), product);
            }
        }
    }
    mistakes.append(fields.finish().err().unwrap_or_default());
    mistakes.or_ok(())
}

/// Lays one product over what is known of it. `None`: it is taken out.
fn product(name: &Node, node: &Node, known: Option<Product>) -> Result<Option<Product>, Diagnostics> {
    let what = format!("product {}", name.key_text());
    let mut fields = Fields::of(node, what.clone())?;
    if fields.optional("remove", Node::as_bool).unwrap_or(false) {
        if known.is_none() {
            fields.mistake(Diagnostic::at(&name.span, format!("{what} is not known, so it can't be removed")));
        }
        return fields.finish().map(|()| None);
    }
    let scheme = fields.optional("scheme", scheme);
    if let (Some((scheme, span)), Some(known)) = (&scheme, &known)
        && *scheme != known.scheme
    {
        let message = format!("{what} is numbered by {}; that can't be changed here", known.scheme);
        fields.mistake(Diagnostic::at(span, message).hint("declare a product of another name"));
    }
    let main = match known {
        None => fields.required("main-package", decode::package_name),
        Some(_) => fields.optional("main-package", decode::package_name),
    };
    let packages = fields.optional("packages", |node| each(node, |node| Ok(decode::package_pattern(node)?)));
    let mut product = known.unwrap_or_else(|| empty(name.key_text(), scheme.map(|(scheme, _)| scheme)));
    if let Some(main) = main {
        product.main_package = main;
    }
    match packages {
        Some(packages) => product.packages = packages,
        None if product.packages.is_empty() => product.packages = vec![product.main_package.clone()],
        None => {}
    }
    if product.fit(&product.main_package).is_none() && !product.main_package.is_empty() {
        let message = format!("{} of {what} is none of its packages", product.main_package);
        fields.mistake(Diagnostic::at(&name.span, message).hint("list it under `packages`"));
    }
    parts(&mut fields, &mut product);
    fields.build(|| Some(Some(product)))
}

/// The fields beside those that say what the product is.
fn parts(fields: &mut Fields<'_>, product: &mut Product) {
    if let Some(url) = fields.optional("change-log", change_log) {
        product.change_log = Some(url);
    }
    if let Some(work) = fields.optional("work", |node| decode::work(node, product)) {
        product.work = Some(work);
    }
    if let Some(found) = fields.optional("migrations", |node| migrations(node, product)) {
        product.migrations.extend(found);
    }
    let scheme = product.scheme;
    if let Some((entries, wrong)) = fields.optional("trains", |node| entries(node, |node| decode::train(node, scheme)))
    {
        let known = std::mem::take(&mut product.trains).into_iter().map(|train| (train.train, train)).collect();
        let (laid, mistakes) = lay(known, entries, "train", ToString::to_string);
        product.trains = laid;
        fields.mistake(wrong);
        fields.mistake(mistakes);
    }
    if let Some((entries, wrong)) =
        fields.optional("broken", |node| entries(node, |node| decode::broken(node, product)))
    {
        let known = std::mem::take(&mut product.broken).into_iter().map(|one| (one.release.clone(), one)).collect();
        let (laid, mistakes) = lay(known, entries, "broken release", ToString::to_string);
        product.broken = laid;
        fields.mistake(wrong);
        fields.mistake(mistakes);
    }
    if let Some((entries, wrong)) = fields.optional("hops", |node| entries(node, |node| decode::hop(node, product))) {
        let known = std::mem::take(&mut product.hops).into_iter().map(|hop| ((hop.from, hop.to), hop)).collect();
        let show = |(from, to): &HopKey| format!("{from} to {to}");
        let (laid, mistakes) = lay(known, entries, "hop", show);
        product.hops = laid;
        fields.mistake(wrong);
        fields.mistake(mistakes);
    }
    if let Some((entries, wrong)) =
        fields.optional("risks", |node| entries(node, |node| decode::release_risk(node, product)))
    {
        let known = std::mem::take(&mut product.risks).into_iter().map(|one| (one.risk.id.clone(), one)).collect();
        let (laid, mistakes) = lay(known, entries, "risk", Clone::clone);
        product.risks = laid;
        fields.mistake(wrong);
        fields.mistake(mistakes);
    }
    deviations(fields, product);
}

/// Where sound databases are not as revisions leave them.
fn deviations(fields: &mut Fields<'_>, product: &mut Product) {
    if let Some((entries, wrong)) = fields.optional("deviations", |node| entries(node, decode::deviation)) {
        let key = |one: &Deviation| (one.revision.clone(), one.thing.clone());
        let known = std::mem::take(&mut product.deviations).into_iter().map(|one| (key(&one), one)).collect();
        let show = |(revision, thing): &DeviationKey| format!("{thing} of {revision}");
        let (laid, mistakes) = lay(known, entries, "deviation", show);
        product.deviations = laid;
        fields.mistake(wrong);
        fields.mistake(mistakes);
    }
}

/// Reads every item of a list: those that are sound, and what is wrong with the others, so that the sound ones are
/// still measured against what is known.
fn entries<T>(
    node: &Node,
    read: impl Fn(&Node) -> Result<T, Diagnostics>,
) -> Result<(Vec<T>, Diagnostics), Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let items = node.as_list()?.iter().filter_map(|item| mistakes.keep(read(item))).collect();
    Ok((items, mistakes))
}

/// Lays entries over what is known, and says what is wrong with them as a whole.
fn lay<K: Ord + Clone, T>(
    mut known: BTreeMap<K, T>,
    entries: Vec<Entry<K, T>>,
    what: impl Display,
    show: impl Fn(&K) -> String,
) -> (Vec<T>, Diagnostics) {
    let mut mistakes = Diagnostics::new();
    let mut here: BTreeMap<K, Span> = BTreeMap::new();
    for Entry { key, span, value } in entries {
        if let Some(first) = here.get(&key) {
            let message =
                format!("the {what} {} stands here for the second time; first at {}", show(&key), place_of(first));
            mistakes.push(Diagnostic::at(&span, message));
            continue;
        }
        here.insert(key.clone(), span.clone());
        match value {
            Some(value) => {
                known.insert(key, value);
            }
            None if known.remove(&key).is_none() => {
                let message = format!("the {what} {} is not known, so it can't be removed", show(&key));
                mistakes.push(Diagnostic::at(&span, message));
            }
            None => {}
        }
    }
    (known.into_values().collect(), mistakes)
}

fn empty(name: &str, scheme: Option<Scheme>) -> Product {
    Product {
        name: name.to_owned(),
        scheme: scheme.unwrap_or_default(),
        main_package: String::new(),
        packages: Vec::new(),
        trains: Vec::new(),
        broken: Vec::new(),
        hops: Vec::new(),
        risks: Vec::new(),
        change_log: None,
        work: None,
        migrations: BTreeMap::new(),
        deviations: Vec::new(),
    }
}

fn scheme(node: &Node) -> Result<(Scheme, Span), Diagnostic> {
    let scheme = match node.as_str()? {
        "pep440" => Scheme::Pep440,
        "semver" => Scheme::SemVer,
        _ => return Err(node.unexpected("pep440 or semver")),
    };
    Ok((scheme, node.span.clone()))
}

fn change_log(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    match text.starts_with("https://") || text.starts_with("http://") {
        true => Ok(text),
        false => Err(node.unexpected("a URL, in which {release} may stand")),
    }
}

/// Directories inside wheels, by package.
fn migrations(node: &Node, product: &Product) -> Result<BTreeMap<String, String>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut found = BTreeMap::new();
    for (name, directory) in node.as_mapping()? {
        let package = mistakes.keep(decode::package_of(name, product));
        let directory = mistakes.keep(relative_directory(directory));
        found.extend(package.zip(directory));
    }
    mistakes.or_ok(found)
}

fn relative_directory(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    let odd = |part: &str| matches!(part, "" | "." | "..");
    match text.split('/').any(odd) {
        true => Err(node.unexpected("a directory inside the wheel, such as shop/models/alembic")),
        false => Ok(text),
    }
}
