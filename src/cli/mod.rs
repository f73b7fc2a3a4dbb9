//! The command line: one file per command, all wiring, errors to exit codes and hints. I/O.

mod access;
mod apply;
mod ask_secret;
mod asked;
mod becoming;
mod catalogue;
mod configuration;
mod context;
mod declared;
mod decode;
mod drift;
mod error;
mod exit;
mod explain;
mod facts;
mod fetch;
mod history;
mod interrupt;
pub mod inventories;
mod inventory;
mod inventory_program;
mod jobs;
mod keyring;
mod lint;
mod list_hosts;
mod listing;
mod lock;
mod locks;
mod machine;
mod options;
mod output;
mod path;
mod path_schema;
mod plan;
mod preflight;
mod progress;
pub mod project;
mod published;
mod recording;
mod releases;
mod resume;
mod run;
mod schema;
mod schema_json;
mod secrets;
mod show;
mod survey;
mod take_up;
mod vault;
mod wheels;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

pub use configuration::Configuration;
#[cfg(test)]
pub(crate) use configuration::configuration_words;
pub use error::CliError;
pub use exit::Exit;
pub use options::Options;
pub use path::{PathArguments, PathFormat};

use options::{LockVerb, SchemaVerb, Verb};

/// Runs the program with the process's own arguments.
#[must_use]
pub fn main() -> ExitCode {
    let mut options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Help and version are asked for; everything else is a mistake on the command line.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = error.print();
            return exit.into();
        }
    };
    interrupt::note_start();
    if takes_configuration(&options)
        && let Err(mistakes) = configuration::apply(&mut options)
    {
        let error = CliError::from(mistakes);
        output::say(&error.in_full());
        return error.exit().into();
    }
    machine::start_logging(options.verbose);
    keyring::set(&options);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::say(&format!("error: the asynchronous runtime can't be started: {error}\n"));
            return Exit::Error.into();
        }
    };
    let ended = runtime.block_on(interrupt::or_interrupted(dispatch(&options)));
    ask_secret::restore_terminal();
    // Sessions that hang must not keep a finished command from ending.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::say(&error.in_full());
            error.exit().into()
        }
    }
}

/// Whether a command has anything to do with what is set for a project. A mistake there is no reason not to explain a rule.
fn takes_configuration(options: &Options) -> bool {
    match &options.verb {
        // Of a host, more is told than a rule.
        Some(Verb::Explain(_)) => !options.inventory.is_empty(),
        // It says itself what is wrong there, with all else.
        Some(Verb::Lint(_) | Verb::Path(_) | Verb::Fetch(_)) => false,
        Some(Verb::Inventory(options::InventoryVerb::Import(_)) | Verb::Schema(SchemaVerb::Json(_))) => false,
        _ => true,
    }
}

async fn dispatch(options: &Options) -> Result<Exit, CliError> {
    if options.start_at_task.is_some() {
        let instead = "a run finds by itself what is left to do; to do a part of it, choose by --tags or --limit";
        return Err(CliError::Usage(format!("--start-at-task isn't supported: {instead}")));
    }
    if options.list_tasks || options.list_tags {
        return listing::run(options);
    }
    if options.syntax_check {
        return lint::syntax_check(options);
    }
    match &options.verb {
        Some(Verb::Lint(arguments)) => lint::run(options, arguments),
        None if options.list_hosts => list_hosts::run(options),
        None => run::run(options).await,
        Some(Verb::Plan(arguments)) => plan::run(options, arguments).await,
        Some(Verb::Apply(arguments)) => apply::run(options, arguments).await,
        Some(Verb::Drift(arguments)) => drift::run(options, arguments).await,
        Some(Verb::Preflight(arguments)) => preflight::run(options, arguments).await,
        Some(Verb::Explain(arguments)) => explain::run(options, arguments).await,
        Some(Verb::Facts(arguments)) => facts::run(options, arguments).await,
        Some(Verb::Inventory(verb)) => inventory::run(options, verb),
        Some(Verb::Releases(arguments)) => releases::run(options, arguments).await,
        Some(Verb::Schema(SchemaVerb::Check(arguments))) => schema::check(options, arguments).await,
        Some(Verb::Schema(SchemaVerb::Mend(arguments))) => schema::mend(options, arguments).await,
        Some(Verb::Schema(SchemaVerb::Json(arguments))) => schema_json::run(arguments),
        Some(Verb::Lock(arguments)) => match &arguments.verb {
            None => lock::run(options, arguments).await,
            Some(LockVerb::Show(arguments)) => locks::show(options, arguments).await,
            Some(LockVerb::Break(arguments)) => locks::break_locks(options, arguments).await,
        },
        Some(Verb::Fetch(arguments)) => fetch::run(arguments).await,
        Some(Verb::Resume(arguments)) => resume::run(options, arguments).await,
        Some(Verb::History(arguments)) => history::run(options, arguments),
        Some(Verb::Show(arguments)) => show::run(options, arguments),
        Some(Verb::Vault(verb)) => vault::run(options, verb).await,
        Some(Verb::Path(arguments)) => path::run(options, arguments).await,
    }
}
