//! `converge fetch`: the locked files, downloaded into a directory of wheels for hosts without an index.

use super::error::CliError;
use super::exit::Exit;
use super::options::FetchArguments;
use super::releases::index_of;
use super::{lock, output};
use crate::packages::{Fetched, fetch};

pub(super) async fn run(arguments: &FetchArguments) -> Result<Exit, CliError> {
    let lock = lock::read_lock(&arguments.lock)?;
    let index = index_of(&arguments.source)?;
    let mut failed = Vec::new();
    let (mut fetched, mut there) = (0_usize, 0_usize);
    let distributions = lock.environments().iter().flat_map(|environment| &environment.set.distributions);
    for (file, outcome) in fetch(&index, distributions, &arguments.directory).await {
        match outcome {
            Ok(Fetched::Now) => fetched += 1,
            Ok(Fetched::Before) => there += 1,
            Err(error) => failed.push(format!("  {file}: {error}")),
        }
    }
    output::say(&format!("{}: {fetched} fetched, {there} there before\n", arguments.directory.display()));
    if failed.is_empty() { Ok(Exit::Ok) } else { Err(CliError::Fetch(failed)) }
}
