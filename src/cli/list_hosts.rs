//! `converge --list-hosts`: which hosts each play is about, within the limit. No host is asked.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::error::CliError;
use super::exit::Exit;
use super::inventories::read_limit_files;
use super::options::Options;
use super::{inventory, output, project};
use crate::document::{Diagnostics, printable};
use crate::inventory::Inventory;
use crate::model::HostName;
use crate::playbook::{Origin, Play, Playbook};

pub(super) fn run(options: &Options) -> Result<Exit, CliError> {
    let (inventory, _) = inventory::read(options)?;
    let roles_path = &options.configuration.roles_path;
    let (playbook, _) = project::read_playbook(Path::new("."), options.playbook.as_deref(), roles_path)?;
    let within = match options.limit.as_deref() {
        None => inventory.hosts().to_vec(),
        Some(limit) => inventory.limit_with(limit, &read_limit_files(&[limit])?)?,
    };
    output::answer(&plays_text(&inventory, &playbook, &within)?)?;
    Ok(Exit::Ok)
}

/// Each play with its pattern and hosts, in the form that Ansible has for it.
fn plays_text(inventory: &Inventory, playbook: &Playbook, within: &[HostName]) -> Result<String, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let name = match playbook.origin {
        Origin::Bundled => "the bundled one",
        Origin::Project => playbook.source.path.as_str(),
    };
    let within: BTreeSet<&HostName> = within.iter().collect();
    let mut text = format!("\nplaybook: {}\n", printable(name));
    for (number, play) in playbook.plays.iter().enumerate() {
        let hosts = mistakes.keep(hosts_of(inventory, play)).unwrap_or_default();
        let hosts: Vec<HostName> = hosts.into_iter().filter(|host| within.contains(host)).collect();
        let pattern = printable(play.pattern.text());
        // Writing to a String can't fail.
        let _ = writeln!(text, "\n  play #{} ({pattern}): {}", number + 1, printable(&play.name));
        let _ = writeln!(text, "    pattern: ['{pattern}']\n    hosts ({}):", hosts.len());
        for host in hosts {
            let _ = writeln!(text, "      {host}");
        }
    }
    mistakes.or_ok(text)
}

/// As in a run, a plain name that the inventory doesn't have means no hosts; any other part has to match.
fn hosts_of(inventory: &Inventory, play: &Play) -> Result<Vec<HostName>, Diagnostics> {
    let selection = play.pattern.select(inventory);
    if play.pattern.plain_name().is_some() {
        return Ok(selection.hosts);
    }
    let unmatched = selection.unmatched.iter();
    let mistakes: Diagnostics =
        unmatched.map(|part| inventory.unmatched(part, &play.pattern_span.narrowed_to(part))).collect();
    mistakes.or_ok(selection.hosts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
    use crate::inventory::InventorySources;

    #[test]
    fn plays_are_shown_with_the_hosts_within_the_limit() {
        let text = "manager: {hosts: {'m[1:2]': }}\nagent: {hosts: {'g[1:3]': }}\n";
        let inventory = Inventory::parse(&InventorySources::of(Source::new("i.yaml", text))).unwrap();
        let plays = "- {name: First, hosts: 'agent:!g2', roles: [agent]}\n- {hosts: nowhere, roles: [agent]}\n";
        let playbook = Playbook::parse(&Source::new("p.yaml", plays), Origin::Project).unwrap();
        let within = inventory.limit("g*:m1").unwrap();
        assert_eq!(
            plays_text(&inventory, &playbook, &within).unwrap(),
            "\nplaybook: p.yaml\n\n  play #1 (agent:!g2): First\n    pattern: ['agent:!g2']\n    hosts (2):\n      g1\n      g3\n\n  \
             play #2 (nowhere): nowhere\n    pattern: ['nowhere']\n    hosts (0):\n"
        );
        let plays = "- {hosts: 'agent:typo', roles: [agent]}\n";
        let playbook = Playbook::parse(&Source::new("p.yaml", plays), Origin::Project).unwrap();
        let shown = plays_text(&inventory, &playbook, &within).unwrap_err().to_string();
        assert!(shown.starts_with("p.yaml:1:18: `typo` matches no host of i.yaml"), "{shown}");
    }
}
