//! `converge explain [RULE]`: what a rule demands, why, and what to do.

use super::error::CliError;
use super::exit::Exit;
use super::options::{ExplainArguments, Format};
use super::output;
use crate::document::did_you_mean;
use crate::preflight::{rule, rules};
use crate::report::{RuleReport, rule_text, rules_markdown, rules_text};

pub(super) fn run(arguments: &ExplainArguments) -> Result<Exit, CliError> {
    if arguments.markdown {
        output::answer(&rules_markdown())?;
        return Ok(Exit::Ok);
    }
    let asked = match &arguments.rule {
        None => rules().to_vec(),
        Some(code) => match rule(code) {
            Some(rule) => vec![rule],
            None => {
                let hint = did_you_mean(code, rules().iter().map(|rule| rule.code))
                    .unwrap_or_else(|| "`converge explain` lists all rules".into());
                output::say(&format!("error: there is no rule {code:?}\nhint: {hint}\n"));
                return Ok(Exit::Usage);
            }
        },
    };
    match (arguments.output, &arguments.rule, &asked[..]) {
        (Format::Json, Some(_), [one]) => output::answer_json(&RuleReport::of(one))?,
        (Format::Json, _, all) => output::answer_json(&all.iter().map(RuleReport::of).collect::<Vec<_>>())?,
        (Format::Text, Some(_), [one]) => output::answer(&rule_text(one))?,
        (Format::Text, _, all) => output::answer(&rules_text(all))?,
    }
    Ok(Exit::Ok)
}
