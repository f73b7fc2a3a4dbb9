//! Reads a `component` from a task's body, with every mistake at its place.
//!
//! Optional fields count as absent when they are an empty text, which is what a role writes as
//! `"{{variable}}"` with an empty default.

use std::collections::BTreeMap;
use std::time::Duration;

use super::backup_host::backup_host;
use super::environment::environments;
use super::freeze::FreezeSpec;
use super::spec::{
    Asked, Component, HealthSpec, LeftOut, Precautions, ProcessSpec, Rehearsal, SchemaSpec, Signal, Supervisor,
};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Span, Value, did_you_mean};
use crate::model::{Share, Window, directory_of};
use crate::release::Release;

/// How long a stop may take unless declared: systemd's own default.
const STOP_TIMEOUT: u32 = 90;
/// How long a start may take unless declared: Backend.AI answers in seconds, on a loaded host in tens of them.
const START_TIMEOUT: u32 = 120;
/// How long a migration may take unless declared. Four hours: a long migration is not a failed one.
const MIGRATION_TIMEOUT: u32 = 4 * 3600;

/// How many backups are kept unless declared: a major upgrade and its patches, with something to spare.
const KEEP_BACKUPS: u32 = 10;

/// Reads the body of a `component` task.
///
/// # Errors
/// Every mistake in it.
pub fn decode(node: &Node) -> Result<Component, Diagnostics> {
    let mut fields = Fields::of(node, "component")?;
    let package = fields.required("package", filled);
    let name = fields.given("name", Node::as_text).or_else(|| package.clone());
    let release = fields.required("release", release);
    let release_at = node.get("release").map(|node| asked(&node.span));
    let venv = fields.required("venv", absolute);
    let pip_args = fields.given("pip_args", pip_args).unwrap_or_default();
    let environments = fields.given("environments", environments).unwrap_or_default();
    let process = fields.required("process", process);
    let schema = fields.given("schema", schema).flatten();
    let health = fields.given("health", health).flatten();
    let freeze = fields.given("freeze", freeze).flatten();
    let quorum = fields.given("quorum", quorum);
    let precautions = Precautions {
        workloads: fields.given("workloads", Node::as_text),
        notice: fields.given("notice", Node::as_text),
        window: fields.given("window", window),
        state_files: fields.given("state_files", patterns).unwrap_or_default(),
    };
    let declared_at = crate::document::place_of(&node.span);
    fields.build(|| {
        let venv = venv?;
        Some(Component {
            name: name?,
            package: package?,
            release: release?,
            release_at: release_at?,
            venv: venv.clone(),
            pip_args,
            environments,
            process: process?,
            schema,
            health,
            quorum,
            freeze: freeze.map(|freeze| FreezeSpec { marker: format!("{venv}.frozen"), ..freeze }),
            precautions,
            declared_at,
        })
    })
}

pub(super) fn filled(node: &Node) -> Result<String, Diagnostic> {
    match node.as_str()?.trim() {
        "" => Err(Diagnostic::at(&node.span, "it is empty")),
        text => Ok(text.to_owned()),
    }
}

fn release(node: &Node) -> Result<Release, Diagnostic> {
    Release::parse(node.as_release_text()?.trim()).map_err(|error| Diagnostic::at(&node.span, error.to_string()))
}

/// Where a value was written: in the inventory, say, however many variables lie in between.
fn asked(span: &Span) -> Asked {
    let line = span.source.shown_line(span.start.line).trim();
    // Someone may have written the whole of a host on one line, its password among the rest.
    let lower = line.to_lowercase();
    let telling = ["pass", "secret", "token", "key"].iter().any(|word| lower.contains(word));
    let line = if telling { span.text().unwrap_or_default() } else { line };
    Asked { place: crate::document::place_of(span), line: line.to_owned() }
}

fn quorum(node: &Node) -> Result<Share, Diagnostic> {
    Share::parse(node.as_text()?.trim()).map_err(|error| Diagnostic::at(&node.span, error.to_string()))
}

fn window(node: &Node) -> Result<Window, Diagnostic> {
    Window::parse(node.as_str()?).map_err(|error| Diagnostic::at(&node.span, error.to_string()))
}

pub(super) fn patterns(node: &Node) -> Result<Vec<String>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let items: Vec<&Node> = match &node.value {
        Value::Sequence(items) => items.iter().collect(),
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => vec![node],
    };
    let patterns = items.into_iter().filter_map(|item| mistakes.keep(absolute(item))).collect();
    mistakes.or_ok(patterns)
}

pub(super) fn absolute(node: &Node) -> Result<String, Diagnostic> {
    let text = filled(node)?;
    if !text.starts_with('/') {
        let message = format!("{text} is no absolute path: the directory that a session starts in is not to rely on");
        return Err(Diagnostic::at(&node.span, message));
    }
    Ok(if text.len() > 1 { text.trim_end_matches('/').to_owned() } else { text })
}

/// Words of a command line are seen by every user of the host, and stand in saved plans: no credentials in them.
fn pip_args(node: &Node) -> Result<Vec<String>, Diagnostics> {
    match credentials_in(node, "pip_args")? {
        Some(mistake) => Err(mistake.into()),
        None => words(node),
    }
}

/// The mistake that there are credentials in a URL among the words of `field`.
pub(super) fn credentials_in(node: &Node, field: &str) -> Result<Option<Diagnostic>, Diagnostics> {
    let words = words(node)?;
    let authority =
        |word: &str| word.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest).to_owned());
    if words.iter().filter_map(|word| authority(word)).any(|authority| authority.contains('@')) {
        // The place without the line, which holds the credentials.
        let place = crate::document::place_of(&node.span);
        let message = format!("{place}: {field} with credentials would show them in process lists and plans");
        let hint = "keep them on the host, in pip.conf or ~/.netrc";
        return Ok(Some(Diagnostic::nowhere(message).hint(hint)));
    }
    Ok(None)
}

pub(super) fn words(node: &Node) -> Result<Vec<String>, Diagnostics> {
    match &node.value {
        Value::Sequence(items) => {
            let mut mistakes = Diagnostics::new();
            let words = items.iter().filter_map(|item| mistakes.keep(item.as_text())).collect();
            mistakes.or_ok(words)
        }
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => {
            Ok(node.as_str()?.split_whitespace().map(str::to_owned).collect())
        }
    }
}

fn seconds(node: &Node) -> Result<u32, Diagnostic> {
    let duration = node.as_duration()?;
    if duration < Duration::from_secs(1) || duration > Duration::from_secs(7 * 24 * 3600) {
        return Err(Diagnostic::at(&node.span, "a time-out lies between one second and seven days"));
    }
    u32::try_from(duration.as_secs()).map_err(|_| node.unexpected("a time in seconds"))
}

fn signal(node: &Node) -> Result<Signal, Diagnostic> {
    let text = node.as_str()?;
    Signal::parse(text).ok_or_else(|| {
        let known = ["SIGTERM", "SIGINT", "SIGQUIT"];
        Diagnostic::at(
            &node.span,
            format!("{text:?} is not a signal that stops a component (expected {})", known.join(", ")),
        )
        .maybe_hint(did_you_mean(text, known))
    })
}

fn process(node: &Node) -> Result<ProcessSpec, Diagnostics> {
    let mut fields = Fields::of(node, "process")?;
    let unit = fields.given("systemd", unit_name);
    let command = fields.given("command", Node::as_text);
    let chdir = fields.given("chdir", absolute);
    let log = fields.given("log", absolute);
    let title = fields.given("title", title);
    let user = fields.given("user", Node::as_text);
    let pid_file = fields.given("pid_file", absolute);
    let stop_signal = fields.given("stop_signal", signal).unwrap_or(Signal::Term);
    let stop_timeout = fields.given("stop_timeout", seconds).unwrap_or(STOP_TIMEOUT);
    let start_timeout = fields.given("start_timeout", seconds).unwrap_or(START_TIMEOUT);
    let at = |message: &str| Diagnostic::at(&node.span, message);
    let supervisor = match (unit, command) {
        (Some(unit), None) => Some(Supervisor::Systemd { unit }),
        (None, Some(command)) => {
            if title.is_none() && pid_file.is_none() {
                fields.mistake(at(
                    "a process that is started by a command needs `title` or `pid_file` to be recognised by",
                ));
            }
            Some(Supervisor::Command { command, chdir, log: log.unwrap_or_else(|| "/dev/null".into()) })
        }
        (Some(_), Some(_)) => {
            fields.mistake(at("`systemd` and `command` exclude each other: one of them starts the process"));
            None
        }
        (None, None) => {
            fields.mistake(at("process needs `systemd` (a unit) or `command` (how to start it)"));
            None
        }
    };
    fields.build(|| {
        Some(ProcessSpec { supervisor: supervisor?, title, user, pid_file, stop_signal, stop_timeout, start_timeout })
    })
}

fn unit_name(node: &Node) -> Result<String, Diagnostic> {
    let text = filled(node)?;
    if text.starts_with('-') || text.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(Diagnostic::at(&node.span, format!("{text:?} is no unit name")));
    }
    Ok(if text.contains('.') { text } else { format!("{text}.service") })
}

/// A title is matched by awk on the host; what both it and this engine reject is caught here.
fn title(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_text()?;
    if text.contains(['\n', '\t', '\0']) {
        return Err(Diagnostic::at(&node.span, "a title holds no tabs or line breaks"));
    }
    match regex::Regex::new(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Diagnostic::at(&node.span, format!("it is no regular expression: {error}"))),
    }
}

fn schema(node: &Node) -> Result<Option<SchemaSpec>, Diagnostics> {
    let mut fields = Fields::of(node, "schema")?;
    let ini = fields.given("alembic", absolute);
    let chdir = fields.given("chdir", absolute);
    let backup = fields.given("backup", absolute);
    let backup_host = backup_host(&mut fields, node);
    let timeout = fields.given("timeout", seconds).unwrap_or(MIGRATION_TIMEOUT);
    let keep_backups = fields.given("keep_backups", count).unwrap_or(KEEP_BACKUPS);
    let snapshots = fields.given("snapshots", snapshots).unwrap_or_default();
    let rehearsal = fields.given("rehearsal", rehearsal).unwrap_or(Rehearsal::Major);
    let scratch = fields.given("scratch", database_name);
    let left_out = fields.given("left_out", left_out).unwrap_or_default();
    if left_out == LeftOut::Upstream && rehearsal != Rehearsal::Never {
        let span = node.get("left_out").map_or(&node.span, |node| &node.span);
        let message = "`left_out: upstream` can't be rehearsed: upstream's command works on the database that alembic.ini \
                       names, and would run what reaches outside of it as well";
        let hint = "declare `rehearsal: never` beside it, or leave it to converge";
        fields.mistake(Diagnostic::at(span, message).hint(hint));
    }
    fields.build(|| {
        Some(ini.map(|ini| {
            let beside = directory_of(&ini);
            SchemaSpec {
                chdir: chdir.unwrap_or_else(|| beside.to_owned()),
                ini,
                backup,
                backup_host,
                timeout,
                keep_backups,
                snapshots,
                left_out,
                rehearsal,
                scratch,
            }
        }))
    })
}

fn count(node: &Node) -> Result<u32, Diagnostic> {
    let text = node.as_text()?;
    match text.parse() {
        Ok(number) if number >= 1 => Ok(number),
        Ok(_) | Err(_) => Err(Diagnostic::at(&node.span, format!("{text:?} is no number of backups, from 1 on"))),
    }
}

/// Names and commands. A name ends up in a file's name.
fn snapshots(node: &Node) -> Result<BTreeMap<String, String>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut snapshots = BTreeMap::new();
    for (key, value) in node.as_mapping()? {
        if key.key_text().is_empty() || !key.key_text().chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            let message = format!("{:?} is no name of a snapshot: letters, digits and - make one", key.key_text());
            mistakes.push(Diagnostic::at(&key.span, message));
        } else if let Some(command) = mistakes.keep(value.as_text())
            && !command.trim().is_empty()
        {
            snapshots.insert(key.key_text().to_owned(), command);
        }
    }
    mistakes.or_ok(snapshots)
}

fn left_out(node: &Node) -> Result<LeftOut, Diagnostic> {
    let known = [("converge", LeftOut::Converge), ("upstream", LeftOut::Upstream)];
    let text = node.as_text()?;
    known.iter().find(|(name, _)| *name == text).map(|(_, left_out)| *left_out).ok_or_else(|| {
        let names = known.map(|(name, _)| name);
        let message = format!("{text:?} says not who runs what is left out (expected {})", names.join(", "));
        Diagnostic::at(&node.span, message).maybe_hint(did_you_mean(&text, names))
    })
}

fn rehearsal(node: &Node) -> Result<Rehearsal, Diagnostic> {
    let known = [("major", Rehearsal::Major), ("always", Rehearsal::Always), ("never", Rehearsal::Never)];
    let text = node.as_text()?;
    known.iter().find(|(name, _)| *name == text).map(|(_, rehearsal)| *rehearsal).ok_or_else(|| {
        let names = known.map(|(name, _)| name);
        Diagnostic::at(&node.span, format!("{text:?} says not when to rehearse (expected {})", names.join(", ")))
            .maybe_hint(did_you_mean(&text, names))
    })
}

/// A name that needs no quotes in SQL, so that it can't be anything else than a name.
fn database_name(node: &Node) -> Result<String, Diagnostic> {
    let text = filled(node)?;
    let plain = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !text.starts_with(|c: char| c.is_ascii_digit()) && text.len() <= 63 {
        return Ok(text);
    }
    let message = format!("{text:?} is no plain name of a database: lower-case letters, digits and _, 63 at most");
    Err(Diagnostic::at(&node.span, message))
}

fn freeze(node: &Node) -> Result<Option<FreezeSpec>, Diagnostics> {
    let mut fields = Fields::of(node, "freeze")?;
    let freeze = fields.given("freeze", Node::as_text);
    let unfreeze = fields.given("unfreeze", Node::as_text);
    let status = fields.given("status", Node::as_text);
    let frozen = fields.given("frozen", word).unwrap_or_else(|| "frozen".into());
    let given = [&freeze, &unfreeze, &status].iter().filter(|command| command.is_some()).count();
    if given > 0 && given < 3 {
        let message =
            "`freeze`, `unfreeze` and `status` belong together: a freeze that can't be undone or seen is none";
        fields.mistake(Diagnostic::at(&node.span, message));
    }
    fields.build(|| {
        let Some(freeze) = freeze else { return Some(None) };
        Some(Some(FreezeSpec { freeze, unfreeze: unfreeze?, status: status?, frozen, marker: String::new() }))
    })
}

/// The last word of an answer is compared with it.
fn word(node: &Node) -> Result<String, Diagnostic> {
    let text = filled(node)?;
    match text.contains(char::is_whitespace) {
        false => Ok(text),
        true => {
            Err(Diagnostic::at(&node.span, format!("{text:?} is more than one word, and the last one is compared")))
        }
    }
}

fn health(node: &Node) -> Result<Option<HealthSpec>, Diagnostics> {
    let mut fields = Fields::of(node, "health")?;
    let http = fields.given("http", url);
    let version = fields.given("version", pointer);
    fields.build(|| Some(http.map(|http| HealthSpec { http, version })))
}

fn url(node: &Node) -> Result<String, Diagnostic> {
    let text = filled(node)?;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !text.contains(char::is_whitespace) => Ok(text),
        Some(_) | None => Err(Diagnostic::at(&node.span, format!("{text:?} is no http or https address"))),
    }
}

fn pointer(node: &Node) -> Result<String, Diagnostic> {
    let text = filled(node)?;
    if text.starts_with('/') {
        return Ok(text);
    }
    Err(Diagnostic::at(&node.span, format!("{text:?} is no JSON pointer")).hint(format!("write \"/{text}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn read(text: &str) -> Result<Component, String> {
        decode(&Node::parse(&Source::new("task.yaml", text)).unwrap()).map_err(|mistakes| mistakes.to_string())
    }

    const WHOLE: &str = r#"
name: manager
package: backend.ai-manager
release: "25.6.5"
venv: /home/bai/manager/.venv/
pip_args: "--no-index  --find-links /srv/wheels"
process: { systemd: backendai-manager, title: "^backend\\.ai: manager ", stop_timeout: 30 }
schema: { alembic: /home/bai/manager/alembic.ini, backup: /home/bai/backup, timeout: 2h }
health: { http: "http://127.0.0.1:8081/", version: /manager }
"#;

    #[test]
    fn a_component_is_read_with_its_defaults() {
        let component = read(WHOLE).unwrap();
        assert_eq!(component.venv, "/home/bai/manager/.venv");
        assert_eq!(component.pip_args, ["--no-index", "--find-links", "/srv/wheels"]);
        assert_eq!(component.process.supervisor, Supervisor::Systemd { unit: "backendai-manager.service".into() });
        assert_eq!((component.process.stop_signal, component.process.stop_timeout), (Signal::Term, 30));
        let schema = component.schema.unwrap();
        assert_eq!((schema.chdir.as_str(), schema.timeout), ("/home/bai/manager", 7200));
    }

    #[test]
    fn empty_optional_fields_are_absent() {
        let text = "{ package: p, release: '1.0.0', venv: /v, \
                    process: { systemd: '', command: 'run', title: x, user: '' }, \
                    schema: { alembic: '' }, health: { http: '', version: '' } }";
        let component = read(text).unwrap();
        assert_eq!((component.name.as_str(), &component.schema, &component.health), ("p", &None, &None));
        assert_eq!(component.process.user, None);
    }

    #[test]
    fn all_mistakes_are_reported_together() {
        let error = read("{ package: '', relase: '1', venv: rel/ative, process: { command: run, stop_signal: KILL }, health: { http: ftp://x, version: manager } }").unwrap_err();
        for expected in [
            "it is empty",
            "lacks `release`",
            "no field `relase`",
            "did you mean",
            "no absolute path",
            "needs `title` or `pid_file`",
            "\"KILL\" is not a signal",
            "no http or https address",
            "write \"/manager\"",
            "task.yaml:1:",
        ] {
            assert!(error.contains(expected), "{expected:?} is not in:\n{error}");
        }
    }

    #[test]
    fn credentials_have_no_place_on_a_command_line() {
        let error = read(&WHOLE.replace("--no-index", "--index-url https://me:s3cr3t@index/simple")).unwrap_err();
        assert!(error.contains("task.yaml:6:") && error.contains("process lists"), "{error}");
        assert!(!error.contains("s3cr3t"), "{error}");
        assert!(read(&WHOLE.replace("--no-index", "--index-url https://index/@scope")).is_ok());
    }

    #[test]
    fn a_host_for_backups_is_read_with_its_directory() {
        let with = |given: &str| read(&WHOLE.replace("timeout: 2h", given));
        let schema = |given: &str| with(given).unwrap().schema.unwrap();
        assert_eq!(schema("backup_host: '', backup_host_directory: ''").backup_host, None);
        let declared = schema("backup_host: bak1").backup_host.unwrap();
        assert_eq!((declared.name.as_str(), declared.directory), ("bak1", None));
        let elsewhere = with("backup_host: bak1, backup_host_directory: /srv/copies").unwrap();
        let host = |name: &str| crate::model::HostName::parse(name).unwrap();
        let of = |component: &Component, on: &str| {
            component.backup_copies(&host(on)).map(|copies| (copies.host.to_string(), copies.directory.to_owned()))
        };
        assert_eq!(of(&elsewhere, "mgr1"), Some(("bak1".into(), "/srv/copies".into())));
        assert_eq!(of(&with("backup_host: bak1").unwrap(), "mgr1"), Some(("bak1".into(), "/home/bai/backup".into())));
        // What is made there is there already.
        assert_eq!(of(&elsewhere, "bak1"), None);
        for (mistake, expected) in [
            ("backup_host: 'a b'", "task.yaml:"),
            ("backup_host: bak1, backup_host_directory: copies", "no absolute path"),
            ("backup_host_directory: /srv/copies", "is the directory on a `backup_host`, and none is declared"),
        ] {
            let error = with(mistake).unwrap_err();
            assert!(error.contains(expected), "{mistake}: {error}");
        }
    }

    #[test]
    fn what_a_major_upgrade_needs_is_read_with_its_defaults() {
        let schema = read(WHOLE).unwrap().schema.unwrap();
        assert_eq!((schema.keep_backups, schema.rehearsal, &schema.scratch), (10, Rehearsal::Major, &None));
        assert!(schema.snapshots.is_empty() && read(WHOLE).unwrap().freeze.is_none());

        // As the bundled roles write what isn't set.
        let unset = "rehearsal: '', scratch: '', keep_backups: '', snapshots: { etcd: '', more: ' ' }";
        let empty =
            WHOLE.replace("timeout: 2h", unset) + "freeze: { freeze: '', unfreeze: '', status: '', frozen: '' }\n";
        let component = read(&empty).unwrap();
        let mut expected = schema.clone();
        expected.timeout = MIGRATION_TIMEOUT;
        assert_eq!((component.schema.unwrap(), component.freeze), (expected, None));

        let given = "rehearsal: always, scratch: copy_1, keep_backups: '3', snapshots: { etcd-1: 'etcd get' }";
        let full = WHOLE.replace("timeout: 2h", given) + "freeze: { freeze: close, unfreeze: open, status: ask }\n";
        let component = read(&full).unwrap();
        let schema = component.schema.unwrap();
        assert_eq!((schema.keep_backups, schema.rehearsal), (3, Rehearsal::Always));
        assert_eq!(schema.scratch.as_deref(), Some("copy_1"));
        assert_eq!(schema.snapshots, BTreeMap::from([("etcd-1".to_owned(), "etcd get".to_owned())]));
        let freeze = component.freeze.unwrap();
        assert_eq!(
            (freeze.freeze.as_str(), freeze.unfreeze.as_str(), freeze.status.as_str()),
            ("close", "open", "ask")
        );
        // The file lies beside the environment, not in it: an environment is replaced while the file must stay.
        assert_eq!((freeze.frozen.as_str(), freeze.marker.as_str()), ("frozen", "/home/bai/manager/.venv.frozen"));
        let shut = full.replace("status: ask", "status: ask, frozen: shut");
        assert_eq!(read(&shut).unwrap().freeze.unwrap().frozen, "shut");
        let upstream = WHOLE.replace("timeout: 2h", "rehearsal: never, left_out: upstream");
        assert_eq!(read(&upstream).unwrap().schema.unwrap().left_out, LeftOut::Upstream);
        let never = WHOLE.replace("timeout: 2h", "rehearsal: never");
        assert_eq!(read(&never).unwrap().schema.unwrap().rehearsal, Rehearsal::Never);
    }

    #[test]
    fn every_mistake_in_what_a_major_upgrade_needs_has_its_place() {
        let schema = |fields: &str| read(&WHOLE.replace("timeout: 2h", fields)).unwrap_err();
        for (fields, expected) in [
            ("keep_backups: 0", "\"0\" is no number of backups, from 1 on"),
            ("keep_backups: '-1'", "\"-1\" is no number of backups"),
            ("keep_backups: all", "\"all\" is no number of backups"),
            ("keep_backups: 1.5", "\"1.5\" is no number of backups"),
            ("rehearsal: alway", "did you mean `always`"),
            ("rehearsal: 'yes'", "(expected major, always, never)"),
            ("left_out: upstream", "`left_out: upstream` can't be rehearsed"),
            ("left_out: upstram", "did you mean `upstream`"),
            ("scratch: Copy", "\"Copy\" is no plain name of a database"),
            ("scratch: 1copy", "no plain name"),
            ("scratch: 'a; drop database b'", "no plain name"),
            ("scratch: 'a\"b'", "no plain name"),
            ("snapshots: { 'a/b': x }", "\"a/b\" is no name of a snapshot"),
            ("snapshots: { '': x }", "\"\" is no name of a snapshot"),
            ("snapshots: { etcd: [x] }", "expected"),
            ("snapshots: etcd get", "expected"),
            ("rehearse: always", "no field `rehearse`"),
        ] {
            let error = schema(fields);
            assert!(error.contains(expected) && error.contains("task.yaml:8:"), "{fields}: {expected:?} in:\n{error}");
        }
        let long = schema(&format!("scratch: {}", "a".repeat(64)));
        assert!(long.contains("63 at most"), "{long}");
        assert!(read(&WHOLE.replace("timeout: 2h", &format!("scratch: {}", "a".repeat(63)))).is_ok());

        let freeze = |fields: &str| read(&format!("{WHOLE}freeze: {fields}\n")).unwrap_err();
        for fields in [
            "{ freeze: a }",
            "{ unfreeze: a }",
            "{ status: a }",
            "{ freeze: a, unfreeze: b }",
            "{ freeze: a, status: b }",
            "{ unfreeze: a, status: b }",
            "{ freeze: a, unfreeze: b, status: '' }",
        ] {
            let error = freeze(fields);
            assert!(error.contains("belong together") && error.contains("task.yaml:10:"), "{fields}:\n{error}");
        }
        let words = freeze("{ freeze: a, unfreeze: b, status: c, frozen: not open }");
        assert!(words.contains("\"not open\" is more than one word") && words.contains("task.yaml:10:"), "{words}");
        let unknown = freeze("{ freeze: a, unfreeze: b, status: c, frozn: x }");
        assert!(unknown.contains("no field `frozn`") && unknown.contains("did you mean `frozen`"), "{unknown}");
    }

    #[test]
    fn a_quorum_is_a_number_or_a_percentage() {
        let quorum = |text: &str| read(&format!("{WHOLE}quorum: {text}\n"));
        assert_eq!(quorum("2").unwrap().quorum, Some(Share::Count(2)));
        assert_eq!(quorum("50%").unwrap().quorum, Some(Share::Percent(50)));
        assert_eq!(quorum("''").unwrap().quorum, None);
        let error = quorum("none").unwrap_err();
        assert!(
            error.contains("task.yaml:10:9") && error.contains("\"none\" is neither a number from 1 on"),
            "{error}"
        );
    }

    #[test]
    fn a_release_that_yaml_reads_as_a_number_must_be_quoted() {
        let error = read(&WHOLE.replace("\"25.6.5\"", "25.10")).unwrap_err();
        assert!(error.contains("write \"25.10\""), "{error}");
    }
}
