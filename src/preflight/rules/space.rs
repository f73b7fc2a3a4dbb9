//! A file system without room for what comes.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::Release;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "no-space",
    severity: Severity::Mandatory,
    demands: "the file systems of the environment and of the backup have room for both",
    source: "measured: an environment takes 150 to 400 MB; a pip that runs out of space leaves half an install",
    explanation: "pip writes new files before it removes old ones, and a full disk in between leaves an environment that runs nothing. \
                  The rule wants room for ten times the package's size, at least 256 MiB, on the file system of the environment, and where \
                  the backup of the database goes to the same file system, for the size of the database too.",
    check,
};

/// Packages come with others of their product, and unpack to several times their size.
const UNPACKED: u64 = 10;
/// What a patch release of a component and its libraries takes at least.
const LEAST_KIB: u64 = 256 * 1024;

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let component = &subject.instance.component;
    let Observed::Known(disk) = subject.facts.disk(&component.venv_disk_query()) else { return Vec::new() };
    if !subject.moves() {
        return Vec::new();
    }
    let package = package_kib(subject);
    let backup = match component.backup_disk_query().map(|query| subject.facts.disk(&query)) {
        Some(Observed::Known(other)) if subject.would_migrate() && other.mounted_on == disk.mounted_on => {
            let schema = component.schema_fact(&subject.facts);
            schema.and_then(|fact| fact.known().map(|known| known.bytes / 1024)).unwrap_or_default()
        }
        Some(_) | None => 0,
    };
    if disk.available_kib > package + backup {
        return Vec::new();
    }
    let backup = if backup > 0 { format!(" and {backup} KiB for the backup") } else { String::new() };
    vec![Breach::new(
        format!(
            "{} has {} KiB free, {package} KiB for packages{backup} are needed",
            disk.mounted_on, disk.available_kib
        ),
        format!("make room on {}; `pip cache purge` is a start", disk.mounted_on),
    )]
}

fn package_kib(subject: &Subject<'_>) -> u64 {
    let published = subject.facts.published(&subject.instance.component.published_query());
    let size = |release: &Release| published.known()?.release(release)?.bytes;
    let largest = subject.hops().iter().filter_map(|hop| size(&hop.to)).max().unwrap_or_default();
    LEAST_KIB.max(largest * UNPACKED / 1024)
}
