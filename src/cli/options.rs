//! The command line's words. Flags are Ansible's where they mean the same.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Moves a cluster of Python services from the release that it runs to the release that is declared, over SSH, and
/// only as far as is safe.
///
/// Without a command: plans, asks (on a terminal), carries the plan out, and proves by an empty second plan that it is
/// done.
#[derive(Debug, Parser)]
#[command(name = "converge", version, propagate_version = true, subcommand_negates_reqs = true)]
pub struct Options {
    /// Inventory in Ansible's YAML. Nothing else ever chooses hosts.
    #[arg(short, long, value_name = "FILE", global = true)]
    pub inventory: Option<PathBuf>,
    /// Playbook [default: playbooks/site.yaml of the current directory, or the bundled one]
    #[arg(short, long, value_name = "FILE", global = true)]
    pub playbook: Option<PathBuf>,
    /// Only hosts that match this pattern, such as 'gpu*:!gpu07'; what matches nothing is an error.
    #[arg(short, long, value_name = "PATTERN", global = true)]
    pub limit: Option<String>,
    /// A variable that wins over all others: name=value, or @FILE.
    #[arg(short = 'e', long = "extra-vars", value_name = "NAME=VALUE", global = true)]
    pub extra: Vec<String>,
    /// Hosts at work at the same time [default: as many as this machine bears, at most 256]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_535), global = true)]
    pub forks: Option<u32>,
    /// User to log in as where the inventory names none.
    #[arg(short, long, value_name = "NAME", global = true)]
    pub user: Option<String>,
    /// Private key to log in with where the inventory names none.
    #[arg(long, value_name = "FILE", global = true)]
    pub private_key: Option<PathBuf>,
    /// Seconds to wait for a connection.
    #[arg(short = 'T', long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600), global = true)]
    pub timeout: u32,
    /// Say more; twice for debugging.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Stop after the plan: nothing is changed.
    #[arg(short = 'C', long)]
    pub check: bool,
    /// Don't ask before carrying the plan out.
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// The command.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show what would be done; save it with -o.
    Plan(PlanArguments),
    /// Carry a saved plan out, if its digest matches and what it relies on still holds.
    Apply(ApplyArguments),
    /// Compare what is declared with what is there: exit code 0 in sync, 2 on drift, others for errors.
    Drift(DriftArguments),
    /// Show everything that is observed on the hosts.
    Facts(FactsArguments),
}

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// Save the plan for `converge apply`.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// A file that `converge plan -o` has written.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Arguments of `drift`.
#[derive(Debug, Args)]
pub struct DriftArguments {
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Arguments of `facts`.
#[derive(Debug, Args)]
pub struct FactsArguments {
    /// Only this host or pattern.
    #[arg(value_name = "HOST")]
    pub host: Option<String>,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn options_may_stand_before_or_behind_the_command() {
        for words in [["converge", "-i", "x.yaml", "drift"], ["converge", "drift", "-i", "x.yaml"]] {
            assert_eq!(Options::try_parse_from(words).unwrap().inventory, Some("x.yaml".into()));
        }
    }
}
