//! `converge show RUN`: what happened in a run, from its journal alone.

use super::error::CliError;
use super::exit::Exit;
use super::options::{Format, Options, ShowArguments};
use super::{history, machine, output};
use crate::journal::{Store, named};
use crate::model::HostName;
use crate::report::run_text;

pub(super) fn run(options: &Options, arguments: &ShowArguments) -> Result<Exit, CliError> {
    let store = Store::below(&machine::state_directory(options)?);
    let run = named(&store.runs()?, &arguments.run).map_err(|error| CliError::Usage(error.to_string()))?;
    let host = arguments.host.as_deref().map(HostName::parse).transpose();
    let host = host.map_err(|error| CliError::Usage(error.to_string()))?;
    let kept = store.read(&run);
    let summary = history::summary(&kept);
    let doubts = kept.in_doubt().unwrap_or_default();
    let journal = kept.journal?;
    match arguments.output {
        Format::Text => output::answer(&run_text(&summary, &journal, &doubts, host.as_ref()))?,
        Format::Json => {
            let of_host = |entry: &&crate::journal::Entry| host.is_none() || entry.record.host() == host.as_ref();
            let records: Vec<serde_json::Value> = journal
                .entries
                .iter()
                .filter(of_host)
                .map(|entry| serde_json::json!({"seq": entry.seq, "at": entry.at.to_string(), "says": entry.record}))
                .collect();
            output::answer_json(&serde_json::json!({"summary": summary, "records": records}))?;
        }
    }
    Ok(Exit::Ok)
}
