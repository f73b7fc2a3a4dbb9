//! `converge history`: what was run from here, and whether its journals are whole.

use std::collections::BTreeMap;

use super::error::CliError;
use super::exit::Exit;
use super::options::{Format, HistoryArguments, Options};
use super::{machine, output};
use crate::journal::{JournalError, Kept, Reach, ReadError, Store};
use crate::report::{RunSummary, history_text, verified_text};

pub(super) fn run(options: &Options, arguments: &HistoryArguments) -> Result<Exit, CliError> {
    let store = Store::below(&machine::state_directory(options)?);
    let runs = store.runs()?;
    if arguments.verify {
        return verify(runs.iter().map(|run| store.read(run)));
    }
    let shown: Vec<RunSummary> = runs.iter().take(arguments.number).map(|run| summary(&store.read(run))).collect();
    match arguments.output {
        Format::Json => output::answer_json(&shown)?,
        Format::Text => {
            output::answer(&history_text(&shown))?;
            if runs.len() > shown.len() {
                output::say(&format!("note: {} older run(s) are left out; -n shows more\n", runs.len() - shown.len()));
            }
        }
    }
    Ok(Exit::Ok)
}

/// A run in a line.
pub(super) fn summary(kept: &Kept) -> RunSummary {
    let file = kept.path.display().to_string();
    match &kept.journal {
        Err(error) => RunSummary::unreadable(kept.run.clone(), file, error.to_string()),
        Ok(journal) => {
            let doubts = kept.in_doubt().unwrap_or_default();
            RunSummary::of(kept.run.clone(), file, kept.reach, journal, &doubts)
        }
    }
}

/// A torn end is no fault: the run was cut off while it wrote, or is writing now.
fn verify(all: impl Iterator<Item = Kept>) -> Result<Exit, CliError> {
    let (mut faults, mut notes) = (BTreeMap::new(), Vec::new());
    let (mut runs, mut records) = (0, 0);
    for kept in all {
        runs += 1;
        let file = kept.path.display().to_string();
        match &kept.journal {
            Err(JournalError::Read { source: ReadError::Unbegun, .. }) => {
                notes.push(format!("{file}: {}", ReadError::Unbegun));
            }
            Err(error) => drop(faults.insert(file, vec![error.to_string()])),
            Ok(journal) => {
                records += journal.entries.len();
                if let (Some(torn), Reach::Over) = (&journal.torn, kept.reach) {
                    notes.push(format!(
                        "{file}: line {}: {}; nothing that it announced was begun",
                        torn.line, torn.what
                    ));
                }
                let of_file: Vec<String> =
                    journal.faults.iter().map(|fault| format!("line {}: {}", fault.line, fault.what)).collect();
                if !of_file.is_empty() {
                    faults.insert(file, of_file);
                }
            }
        }
    }
    output::answer(&verified_text(&faults, &notes, runs, records))?;
    Ok(if faults.is_empty() { Exit::Ok } else { Exit::Error })
}
