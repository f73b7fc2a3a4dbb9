//! `--list-tasks` and `--list-tags`: what a playbook would do, by name. No inventory is needed.

use std::path::Path;

use super::error::CliError;
use super::exit::Exit;
use super::options::Options;
use super::{output, project};
use crate::playbook::{TagSelection, list_plays};
use crate::report::{Listed, listing_text};

pub(super) fn run(options: &Options) -> Result<Exit, CliError> {
    let (playbook, roles) = project::read_playbook(Path::new("."), options.playbook.as_deref())?;
    let plays = list_plays(&playbook, &roles, &TagSelection::of(&options.tags, &options.skip_tags));
    let listed = Listed { tasks: options.list_tasks, tags: options.list_tags };
    output::answer(&listing_text(&playbook.source.path, &plays, listed))?;
    Ok(Exit::Ok)
}
