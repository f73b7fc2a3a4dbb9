//! `converge inventory`: what the named inventories say, as `ansible-inventory` shows it; and an import. No host is asked.

use std::path::Path;

use super::error::CliError;
use super::exit::Exit;
use super::inventories::{read_inventories, read_limit_files};
use super::options::{
    ExportArguments, GraphArguments, HostArguments, ImportArguments, InventoryVerb, Options, ShapeArguments,
};
use super::{machine, output, project};
use crate::document::{Diagnostic, Diagnostics, did_you_mean};
use crate::inventory::{GivenVariables, Inventory, Listing, import_bssh, read_extra_vars};
use crate::model::{GroupName, HostName};

pub(super) fn run(options: &Options, verb: &InventoryVerb) -> Result<Exit, CliError> {
    match verb {
        InventoryVerb::List(ExportArguments { shape, export }) => list(options, shape, *export),
        InventoryVerb::Host(HostArguments { host, list: ExportArguments { shape, export } }) => {
            one_host(options, host, shape, *export)
        }
        InventoryVerb::Graph(arguments) => graph(options, arguments),
        InventoryVerb::Import(arguments) => import(arguments),
    }
}

/// The inventories with the variables of the command line.
pub(super) fn read(options: &Options) -> Result<(Inventory, GivenVariables), CliError> {
    if options.inventory.is_empty() {
        return Err(CliError::NoInventory(options.configuration.named_inventory.clone()));
    }
    let mut mistakes = Diagnostics::new();
    let playbooks = project::playbook_directory(Path::new("."), options.playbook.as_deref());
    let sources = read_inventories(&options.inventory, Some(&playbooks));
    let inventory = mistakes.keep(sources.and_then(|sources| Inventory::parse(&sources)));
    let extra = project::read_extra_arguments(&options.extra).and_then(|extra| read_extra_vars(&extra));
    let extra = mistakes.keep(extra);
    match (inventory, extra) {
        (Some(inventory), Some(extra)) => Ok((inventory, extra)),
        (Some(_) | None, _) => Err(mistakes.into()),
    }
}

fn list(options: &Options, shape: &ShapeArguments, export: bool) -> Result<Exit, CliError> {
    let (inventory, extra) = read(options)?;
    let hosts = match options.limit.as_deref() {
        None => inventory.hosts().to_vec(),
        Some(limit) => inventory.limit_with(limit, &read_limit_files(&[limit])?)?,
    };
    let listing = Listing { inventory: &inventory, extra: &extra, hosts: &hosts, export };
    let value = if shape.yaml { listing.tree() } else { listing.list() };
    give(&value, shape)
}

fn one_host(options: &Options, name: &str, shape: &ShapeArguments, export: bool) -> Result<Exit, CliError> {
    let (inventory, extra) = read(options)?;
    let Some(host) = inventory.host(name) else {
        let known = inventory.hosts().iter().map(HostName::as_str);
        let message = format!("there is no host `{name}` in {}", inventory.name());
        return Err(Diagnostics::from(Diagnostic::nowhere(message).maybe_hint(did_you_mean(name, known))).into());
    };
    let listing = Listing { inventory: &inventory, extra: &extra, hosts: inventory.hosts(), export };
    give(&listing.host(host), shape)
}

fn graph(options: &Options, arguments: &GraphArguments) -> Result<Exit, CliError> {
    let (inventory, extra) = read(options)?;
    let name = arguments.group.as_deref().unwrap_or("all");
    if inventory.group_hosts(name).is_none() {
        let known = inventory.groups().map(GroupName::as_str);
        let message = format!("there is no group `{name}` in {}", inventory.name());
        return Err(Diagnostics::from(Diagnostic::nowhere(message).maybe_hint(did_you_mean(name, known))).into());
    }
    let listing = Listing { inventory: &inventory, extra: &extra, hosts: inventory.hosts(), export: false };
    output::answer(&listing.graph(name, arguments.vars))?;
    Ok(Exit::Ok)
}

fn import(arguments: &ImportArguments) -> Result<Exit, CliError> {
    let source = project::read_source(&arguments.file).map_err(Diagnostics::from)?;
    let imported = import_bssh(&source)?;
    for note in &imported.notes {
        output::say(&format!("note: {note}\n"));
    }
    put(&imported.text, arguments.out.as_deref())?;
    Ok(Exit::Ok)
}

fn give(value: &serde_json::Value, shape: &ShapeArguments) -> Result<Exit, CliError> {
    let wrong = |error: String| CliError::Environment(error);
    let text = if shape.yaml {
        serde_yaml::to_string(value).map_err(|error| wrong(error.to_string()))?
    } else {
        indented(value).map_err(|error| wrong(error.to_string()))? + "\n"
    };
    put(&text, shape.output.as_deref())?;
    Ok(Exit::Ok)
}

/// JSON with the indentation that `ansible-inventory` has.
fn indented(value: &serde_json::Value) -> Result<String, serde_json::Error> {
    use serde::Serialize as _;
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn put(text: &str, file: Option<&Path>) -> Result<(), CliError> {
    match file {
        Some(file) => machine::write_file(file, text),
        None => output::answer(text),
    }
}
