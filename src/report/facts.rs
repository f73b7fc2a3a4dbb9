//! Facts of a host as text.

use std::fmt::Write as _;

use super::style::{BAD, HEAD, Styled};
use crate::facts::{Fact, Health, HostFacts, Observed, Published, StatKind, Told};
use crate::model::printable;
use crate::release::Wheel;

/// Everything that was observed on a host.
#[must_use]
pub fn facts_text(facts: &HostFacts) -> String {
    let mut text = String::new();
    if let Some(reason) = &facts.unreachable {
        let _ = writeln!(text, "{}", Styled(BAD, format!("{}: UNREACHABLE: {}", facts.host, printable(reason))));
        return text;
    }
    let _ = writeln!(text, "{} at {}", Styled(HEAD, &facts.host), facts.observed_at);
    for (query, fact) in &facts.answers {
        let (head, details) = lines(fact);
        let _ = writeln!(text, "  {}: {}", printable(query.to_string()), printable(head));
        for detail in details {
            let _ = writeln!(text, "      {}", printable(detail));
        }
    }
    text
}

fn observed<T>(fact: &Observed<T>, known: impl FnOnce(&T) -> (String, Vec<String>)) -> (String, Vec<String>) {
    match fact {
        Observed::Known(value) => known(value),
        Observed::Absent => ("absent".into(), Vec::new()),
        Observed::Unknown(reason) => (format!("UNKNOWN: {reason}"), Vec::new()),
    }
}

/// The first line of a fact, and its details.
fn lines(fact: &Fact) -> (String, Vec<String>) {
    match fact {
        Fact::System(fact) => observed(fact, |s| {
            let machine = format!("{}, {} processor(s), {} MiB", s.machine, s.cpus, s.memory_kib / 1024);
            let rest = if s.machine.is_empty() { vec![] } else { vec![format!("{}: {machine}", s.hostname)] };
            (format!("{}, kernel {}, as user {}", s.os, s.kernel, s.uid), rest)
        }),
        Fact::Disk(fact) => observed(fact, |disk| {
            let locked = (!disk.writable).then(|| format!("{} is no directory that can be written to", disk.existing));
            (format!("{} MiB free on {}", disk.available_kib / 1024, disk.mounted_on), locked.into_iter().collect())
        }),
        Fact::Sum(fact) => observed(fact, |sum| (format!("{} bytes, sha256 {}", sum.bytes, sum.sha256), vec![])),
        Fact::Stat(fact) => observed(fact, |stat| {
            let what = match &stat.kind {
                StatKind::File { sha256, .. } => {
                    let sum = sha256.as_ref().map_or_else(String::new, |sum| format!(", sha256 {sum}"));
                    format!("a file of {} bytes{sum}", stat.bytes)
                }
                StatKind::Directory => "a directory".to_owned(),
                StatKind::Link(target) => format!("a link to {target}"),
                StatKind::Other(word) => format!("a {word}"),
            };
            (format!("{what}, {:04o} {}:{}, changed {}", stat.mode, stat.owner, stat.group, stat.modified), vec![])
        }),
        Fact::Account(fact) => observed(fact, |account| {
            (
                format!(
                    "number {}, home {:?}, shell {:?}, in {} {}",
                    account.id,
                    account.home,
                    account.shell,
                    account.group,
                    account.groups.join(" ")
                ),
                vec![],
            )
        }),
        Fact::OsPackage(fact) => observed(fact, |package| (package.version.clone(), vec![])),
        Fact::Crontab(fact) => {
            observed(fact, |crontab| (format!("{} lines", crontab.lines.len()), crontab.lines.clone()))
        }
        Fact::Listening(fact) => observed(fact, |_| ("something listens".to_owned(), vec![])),
        Fact::Started(fact) => observed(fact, |started| (format!("since {}", started.at), vec![])),
        Fact::File(fact) => observed(fact, |file| (format!("{} bytes, changed {}", file.bytes, file.modified), vec![])),
        Fact::Venv(fact) => observed(fact, |venv| {
            let broken = if venv.executable { "" } else { ", which can't be executed" };
            let at = venv.installed_at.map_or_else(String::new, |at| format!("; package installed {at}"));
            let link = venv.link.as_ref().map_or_else(String::new, |link| format!("; a link to {link}"));
            let staged = if venv.marker { "; made by converge" } else { "" };
            let head = format!(
                "Python {} of {}{broken}, {} distributions{at}{link}{staged}",
                venv.python,
                venv.base,
                venv.distributions.len()
            );
            let listed = venv.distributions.iter().map(|(name, all)| {
                let versions: Vec<String> = all
                    .iter()
                    .map(|d| format!("{}{}", d.spelled, if d.complete { "" } else { " (incomplete)" }))
                    .collect();
                format!("{name} {}", versions.join(", "))
            });
            let aside = venv.moved_aside.iter().map(|(name, version)| format!("~{name} {version} (left by pip)"));
            (head, listed.chain(aside).collect())
        }),
        Fact::Process(fact) => observed(fact, |found| (format!("{} running", found.all.len()), processes(&found.all))),
        Fact::Unit(fact) => observed(fact, |unit| {
            let head = format!(
                "{}, {} ({}), {}, stops by signal {}, last result {}",
                unit.load_state, unit.active_state, unit.sub_state, unit.unit_file_state, unit.kill_signal, unit.result
            );
            (head, processes(&unit.processes.all))
        }),
        Fact::Health(fact) => observed(fact, |health| match health {
            Health::Answered { status, release, body } => {
                let release =
                    release.as_ref().map_or_else(String::new, |release| format!(", running release {release}"));
                (format!("HTTP {status}{release}"), vec![body.clone()])
            }
            Health::Silent { reason } => (format!("silent: {reason}"), vec![]),
        }),
        Fact::Schema(fact) => observed(fact, |schema| {
            let rows: Vec<&str> = schema.rows.iter().map(String::as_str).collect();
            let head =
                format!("{} ({}), {} KiB, at {}", schema.name, schema.database, schema.bytes / 1024, rows.join(", "));
            let graph = match &schema.graph {
                Observed::Known(graph) => format!(
                    "package: {} revisions, head {}",
                    graph.revisions.len(),
                    graph.heads().into_iter().collect::<Vec<_>>().join(", ")
                ),
                Observed::Absent => "package: no revisions".to_owned(),
                Observed::Unknown(reason) => format!("package: UNKNOWN: {reason}"),
            };
            (head, vec![graph])
        }),
        Fact::Published(fact) => observed(fact, published),
        Fact::PackageSource(fact) => observed(fact, |source| {
            let place = if source.local { "with places of its own" } else { "remote" };
            let short = source.digest.get(..12).unwrap_or(&source.digest);
            (format!("{short} ({place}), for Python {}", source.python), vec![])
        }),
        Fact::Jobs(fact) => observed(fact, |jobs| {
            let one = |job: &crate::facts::UnfinishedJob| {
                let since = job.since.map_or_else(String::new, |since| format!(" since {since}"));
                let state = if job.alive { "at work" } else { "lost" };
                format!("{} of run {}: {state}{since}", job.action, job.run)
            };
            (format!("{} at work", jobs.at_work().count()), jobs.unfinished.iter().map(one).collect())
        }),
        Fact::Work(fact) => observed(fact, |work| {
            let listed = work.by_status.iter().map(|(status, count)| format!("{count} {status}")).collect();
            (format!("{} running", work.count()), listed)
        }),
        Fact::Command(fact) => {
            observed(fact, |answer| (format!("status {}", answer.status), vec![answer.output.clone()]))
        }
        Fact::Paths(fact) => observed(fact, |found| (format!("{} found", found.paths.len()), found.paths.clone())),
        Fact::Pins(fact) => observed(fact, |pins| {
            let of = |(from, on): (&String, &std::collections::BTreeMap<String, crate::release::Release>)| {
                let on: Vec<String> = on.iter().map(|(name, release)| format!("{name} {release}")).collect();
                format!("{from}: {}", on.join(", "))
            };
            (format!("{} distributions pin others", pins.pins.len()), pins.pins.iter().map(of).collect())
        }),
        Fact::Effects(fact) => observed(fact, |effects| {
            let head = format!(
                "{} things of {} revisions looked for, {} not as they leave it",
                effects.expected(),
                effects.revisions.len(),
                effects.missing.len()
            );
            (head, effects.missing.iter().map(|effect| format!("{effect} ({})", effect.revision)).collect())
        }),
        Fact::Wheel(fact) => observed(fact, |wheel| {
            let Wheel { package, release, file, bytes, sha256, requires_python, .. } = wheel;
            let python = requires_python.as_ref().map_or_else(String::new, |python| format!(", Python {python}"));
            let head = format!("{package} {release}{python}: {file}, {bytes} bytes, SHA-256 {}", sha256.short());
            (head, super::preview::wheel_lines(wheel))
        }),
        Fact::Resolution(fact) => observed(fact, |resolution| {
            let all = resolution.set.distributions.iter().map(|one| format!("{} {}", one.name, one.version));
            let head = format!("for Python {} on {}", resolution.python, resolution.machine);
            (head, all.collect())
        }),
        Fact::Interpreters(fact) => observed(fact, |interpreters| {
            let found = interpreters.found.iter().map(|one| format!("{} is Python {}", one.path, one.version));
            let unfit = interpreters.unfit.iter().map(|one| format!("{} can't be used: {}", one.path, one.reason));
            (format!("{} can be used", interpreters.found.len()), found.chain(unfit).collect())
        }),
    }
}

fn published(published: &Published) -> (String, Vec<String>) {
    let Published { releases, told, python, sources, asked_at } = published;
    let mut head = format!("{} releases", releases.len());
    if let Some(python) = python {
        let _ = write!(head, ", {} for Python {python}", published.usable().len());
    }
    if *told == Told::Versions {
        head.push_str(" (nothing is known of withdrawn ones)");
    }
    if let Some(at) = asked_at {
        let _ = write!(head, ", asked at {at}");
    }
    let all: Vec<String> = releases
        .iter()
        .map(|one| format!("{}{}", one.release, if one.yanked.is_some() { " (withdrawn)" } else { "" }))
        .collect();
    (head, sources.iter().map(|place| format!("from {place}")).chain([all.join(" ")]).collect())
}

fn processes(all: &[crate::facts::Process]) -> Vec<String> {
    all.iter().map(|p| format!("{} of user {} since {}: {}", p.pid, p.uid, p.started_at, p.title)).collect()
}
