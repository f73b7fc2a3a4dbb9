//! `converge facts [HOST]`: everything that is observed.

use super::error::CliError;
use super::exit::Exit;
use super::options::{FactsArguments, Format, Options};
use super::survey::questions_of;
use super::{context, output};
use crate::facts::{HostFacts, Query};
use crate::gather::Sessions;
use crate::report::facts_text;

pub(super) async fn run(options: &Options, arguments: &FactsArguments) -> Result<Exit, CliError> {
    let limits: Vec<&str> = options.limit.as_deref().into_iter().chain(arguments.host.as_deref()).collect();
    let context = context::load_limited(options, &limits).await?;
    let fleet = context::fleet(options, context.targets, Sessions::Closed)?;
    let mut questions = questions_of(&context.instances, &context.resources);
    for host in context.hosts {
        questions.entry(host).or_insert_with(|| vec![Query::System, Query::Jobs]);
    }
    let facts = fleet.gather(questions).await;
    match arguments.output {
        Format::Text => output::answer(&facts.values().map(facts_text).collect::<String>())?,
        Format::Json => {
            let all: Vec<&HostFacts> = facts.values().collect();
            let text = serde_json::to_string_pretty(&all).map_err(|error| CliError::Environment(error.to_string()))?;
            output::answer(&format!("{text}\n"))?;
        }
    }
    let unreachable = facts.values().any(|facts| facts.unreachable.is_some());
    Ok(if unreachable { Exit::Unreachable } else { Exit::Ok })
}
