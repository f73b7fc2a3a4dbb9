//! What is known of releases, for every command that needs it: the bundled catalogue with the project's own laid over it.

use std::path::Path;

use super::error::CliError;
use super::options::Options;
use super::project;
use crate::document::Diagnostics;
use crate::release::Catalogue;

/// A project's own catalogue, where it has one: `releases.yaml` or `releases.yml`.
const PROJECT_FILE: &str = "releases";

/// Reads the catalogue.
///
/// # Errors
/// When the project's file can't be read, and all of its mistakes.
pub(super) fn catalogue(options: &Options) -> Result<Catalogue, CliError> {
    Ok(catalogue_of(options)?)
}

/// The same for who collects mistakes.
///
/// # Errors
/// As [`catalogue`].
pub(super) fn catalogue_of(options: &Options) -> Result<Catalogue, Diagnostics> {
    let found = match &options.releases {
        Some(file) => Some(project::read_source(file)?),
        None => project::read_either(Path::new("."), PROJECT_FILE)?,
    };
    Catalogue::extended(found.as_slice())
}
