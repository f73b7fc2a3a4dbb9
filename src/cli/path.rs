//! `converge path FROM TO`: the releases to go through. Reads no inventory and asks no host.

use clap::{Args, ValueEnum};

use super::catalogue::catalogue;
use super::error::CliError;
use super::exit::Exit;
use super::options::{Options, SourceArguments};
use super::output;
use super::path_schema::Wheels;
use super::releases::{index_of, published_releases, refuse_unused};
use crate::document::did_you_mean;
use crate::release::{
    Catalogue, DEFAULT_PRODUCT, PathRequest, Product, Scheme, TargetError, find_path, resolve_target,
};
use crate::report::{Listing, path_mermaid, path_report, path_text};

/// How a path is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PathFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// A diagram for documents.
    Mermaid,
}

/// Arguments of `path`.
#[derive(Debug, Clone, Args)]
pub struct PathArguments {
    /// The release that is installed.
    #[arg(value_name = "FROM")]
    pub from: String,
    /// The target: a release, a train (its newest usable release), or latest-patch.
    #[arg(value_name = "TO", required_unless_present = "to_option")]
    pub to: Option<String>,
    /// The same as TO.
    #[arg(long = "to", id = "to_option", value_name = "TARGET", conflicts_with = "to")]
    pub to_option: Option<String>,
    /// The product [default: that of --package, or backend.ai]
    #[arg(long, value_name = "NAME")]
    pub product: Option<String>,
    /// Only this package is to be moved [default: the whole product, as its main package is published]
    #[arg(long, value_name = "NAME")]
    pub package: Option<String>,
    /// Also read the wheels on the way, without installing them, and show what each hop does to the schema.
    #[arg(long)]
    pub schema: bool,
    /// Where they come from.
    #[command(flatten)]
    pub source: SourceArguments,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = PathFormat::Text)]
    pub output: PathFormat,
}

pub(super) async fn run(options: &Options, arguments: &PathArguments) -> Result<Exit, CliError> {
    refuse_unused_source(options, arguments)?;
    let catalogue = catalogue(options)?;
    let product = product(&catalogue, arguments)?;
    let package = match (&arguments.package, product) {
        (Some(package), _) => package.as_str(),
        (None, Some(product)) => product.main_package.as_str(),
        (None, None) => return Err(CliError::Usage("name a product or a package".into())),
    };
    let usage = |error: TargetError| CliError::Usage(error.to_string());
    let scheme = product.map_or(Scheme::default(), |product| product.scheme);
    let from = scheme.parse(&arguments.from).map_err(|error| CliError::Usage(format!("FROM: {error}")))?;
    // One of the two is there: the command line demands it.
    let wanted = arguments.to.as_ref().or(arguments.to_option.as_ref()).map_or("latest-patch", String::as_str);
    let index = index_of(&arguments.source)?;
    let published = published_releases(options, &index, package).await?;
    let to = resolve_target(wanted, product, &from, &published).map_err(usage)?;
    let request =
        PathRequest { product, package: arguments.package.as_deref(), from: &from, to: &to, published: &published };
    let found = find_path(&request);
    let mut report = path_report(&request, package, &found);
    // Who is there already goes nowhere, and no wheel matters.
    if arguments.schema && !(report.allowed && report.hops.is_empty()) {
        report = report.with_schema(Wheels::of(options, index).schema(&request, package, &found).await?);
    }
    let listing = if options.verbose > 0 { Listing::Full } else { Listing::Short };
    match arguments.output {
        PathFormat::Json => output::answer_json(&report)?,
        // A refusal is nothing that could be drawn.
        PathFormat::Text | PathFormat::Mermaid if !report.allowed => output::say(&path_text(&report, listing)),
        PathFormat::Text => output::answer(&path_text(&report, listing))?,
        PathFormat::Mermaid => output::answer(&path_mermaid(&report))?,
    }
    Ok(match (report.allowed, report.schema_is_known()) {
        (false, _) => Exit::Refused,
        (true, true) => Exit::Ok,
        // What was asked for could not be told in full.
        (true, false) => Exit::Error,
    })
}

/// Wheels may come from a directory although what is published comes from a snapshot.
fn refuse_unused_source(options: &Options, arguments: &PathArguments) -> Result<(), CliError> {
    match arguments.schema && arguments.source.index.is_none() {
        true => Ok(()),
        false => refuse_unused(options, &arguments.source),
    }
}

/// The product that is meant; `None` for a package that belongs to none.
fn product<'a>(catalogue: &'a Catalogue, arguments: &PathArguments) -> Result<Option<&'a Product>, CliError> {
    let named = match (&arguments.product, &arguments.package) {
        (Some(name), _) => name.as_str(),
        (None, Some(package)) => return Ok(catalogue.product_of(package)),
        (None, None) => DEFAULT_PRODUCT,
    };
    let names: Vec<&str> = catalogue.products().map(|product| product.name.as_str()).collect();
    let found = catalogue.product(named).ok_or_else(|| {
        let hint = did_you_mean(named, names.iter().copied()).unwrap_or_else(|| format!("known: {}", names.join(", ")));
        CliError::Usage(format!("no product {named} is known; {hint}"))
    })?;
    match &arguments.package {
        Some(package) if found.fit(package).is_none() => Err(CliError::Usage(format!(
            "{package} is no package of {named}; leave --product out, or mend releases.yaml"
        ))),
        Some(_) | None => Ok(Some(found)),
    }
}
