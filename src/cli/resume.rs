//! `converge resume [RUN]`: go on with a run, with its own arguments. Never from its log: its hosts are asked, then
//! everything is gathered and planned again.

use clap::Parser as _;

use super::error::CliError;
use super::exit::Exit;
use super::options::{Options, ResumeArguments, SchemaVerb, Verb};
use super::words::{HIDDEN, hidden, words};
use super::{apply, configuration, keyring, machine, output, run, schema};
use crate::journal::{JournalError, Kept, Reach, RunStarted, Store, named};
use crate::model::{RunId, printable, shell_quote};

pub(super) async fn run(options: &Options, arguments: &ResumeArguments) -> Result<Exit, CliError> {
    only_what_is_its_own(options)?;
    let state = machine::state_directory(options)?;
    let store = Store::below(&state);
    let kept = store.read(&chosen(&store, arguments.run.as_deref())?);
    if kept.reach == Reach::Live {
        return Err(JournalError::Live(kept.run).into());
    }
    let doubts = kept.in_doubt().map_err(Clone::clone)?.len();
    let (run, journal) = (kept.run, kept.journal?);
    let started = journal.start().ok_or_else(|| {
        CliError::Usage(format!(
            "the journal of {run} is damaged at its beginning: run converge with the run's arguments"
        ))
    })?;
    let mut resumed = resumed(options, started, machine::full_path(&state))?;
    tell(&run, started, doubts);
    machine::enter(&started.directory)?;
    resumed.configuration = configuration::read()?;
    keyring::set(&resumed);
    match &resumed.verb {
        Some(Verb::Schema(SchemaVerb::Mend(arguments))) => schema::mend_on(&resumed, arguments, Some(run)).await,
        Some(Verb::Apply(arguments)) => apply::go_on(&resumed, arguments, Some(run)).await,
        _ => run::go_on(&resumed, Some(run)).await,
    }
}

/// Everything else comes from the run: an option that did nothing would mislead.
fn only_what_is_its_own(options: &Options) -> Result<(), CliError> {
    let plain = parsed(&["resume".to_owned()])?;
    let given = Options { extra: Vec::new(), waive: Vec::new(), ..options.clone() };
    match words(&given) == words(&plain) {
        true => Ok(()),
        false => Err(CliError::Usage(
            "resume takes its arguments from the run; beside them only --yes, --extra-vars, --waive, --lock-wait, --verbose and --state-dir \
             can be given. For a run with other arguments, run converge with those"
                .into(),
        )),
    }
}

/// The run that is named; else the newest that left something in doubt; else the newest.
fn chosen(store: &Store, name: Option<&str>) -> Result<RunId, CliError> {
    let runs = store.runs()?;
    if name.is_none() {
        let in_doubt = |kept: &Kept| kept.in_doubt().is_ok_and(|doubts| !doubts.is_empty());
        if let Some(run) = runs.iter().find(|run| in_doubt(&store.read(run))) {
            return Ok(run.clone());
        }
    }
    named(&runs, name.unwrap_or("last")).map_err(|error| CliError::Usage(error.to_string()))
}

/// The run's own options, with what was given now.
fn resumed(options: &Options, started: &RunStarted, state: String) -> Result<Options, CliError> {
    let missing: Vec<String> = hidden(&started.command).into_iter().filter(|name| !is_given(name, options)).collect();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|name| if name.is_empty() { "…" } else { name }).collect();
        return Err(CliError::Usage(format!(
            "the run was given values that are not recorded, for they may be secrets; give them again: converge resume {} {}",
            started.run,
            names.iter().map(|name| format!("-e {name}=VALUE")).collect::<Vec<_>>().join(" ")
        )));
    }
    let mut resumed = parsed(&started.command)?;
    resumed.extra.retain(|argument| !argument.ends_with(HIDDEN));
    resumed.extra.extend(options.extra.iter().cloned());
    resumed.waive.extend(options.waive.iter().cloned());
    (resumed.yes, resumed.verbose, resumed.state_dir) = (options.yes, options.verbose, Some(state.into()));
    resumed.lock_wait = options.lock_wait;
    Ok(resumed)
}

/// A value whose name isn't known is given by giving any.
fn is_given(name: &str, options: &Options) -> bool {
    let assigns =
        |argument: &String| name.is_empty() || argument.starts_with('@') || argument.starts_with(&format!("{name}="));
    options.extra.iter().any(assigns)
}

fn parsed(words: &[String]) -> Result<Options, CliError> {
    let all = std::iter::once("converge".to_owned()).chain(words.iter().cloned());
    Options::try_parse_from(all).map_err(|error| {
        CliError::Usage(format!(
            "the run's arguments can't be understood by this converge: {}",
            error.to_string().trim()
        ))
    })
}

fn tell(run: &RunId, started: &RunStarted, doubts: usize) {
    let words: Vec<String> = started.command.iter().map(|word| shell_quote(word)).collect();
    output::say(&format!(
        "Going on with run {run} of {}: converge {} (in {}). What is declared may have changed since; what counts is what \
         is there now.\n",
        printable(&started.who),
        printable(words.join(" ")),
        printable(&started.directory)
    ));
    if doubts == 0 {
        output::say("It left nothing in doubt: this is an ordinary run with its arguments.\n");
    }
}
