//! The commands that carry an action out on a host: POSIX sh, made from the action, the component and
//! fresh facts. Safe to run again: each recognises what an interrupted run left.

use std::fmt::Write as _;
use std::time::Duration;

use super::action::{Action, ActionKind, Migration, PackageMove, Plan};
use super::backup::{BackupJob, NOTE_SUM, backup};
use super::copy::finish_copy;
use super::installer::{Wanted, install_into};
use super::schema_job::{self, SchemaJob};
use super::staging::{ASKED, Staging, locked_for, prune, stage, switch};
use crate::facts::{DatabaseKind, HostFacts, MIGRATION_NOTE, Observed, Process, normalize_name};
use crate::model::{directory_of, shell_quote as q};
use crate::release::LockedSet;
use crate::resource::component::{Component, FreezeSpec, Running, SchemaSpec, Signal, Supervisor, assess};

/// A script for one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// POSIX sh.
    pub text: String,
    /// How long it may take.
    pub limit: Duration,
}

/// Renders `action`. `facts` are those of its host, read just before.
///
/// `None` when the plan has no such instance, or the component lacks what the action needs.
#[must_use]
pub fn script(plan: &Plan, action: &Action, facts: &HostFacts) -> Option<Script> {
    if let Some(resource) = plan.resource(action) {
        let exports = resource.manner.environment.iter().map(|(name, value)| format!("export {name}={}\n", q(value)));
        let body = exports.collect::<String>() + &resource.plain.script(facts);
        return Some(if resource.veil.is_some() { veiled(&body, action) } else { whole(&body, action) });
    }
    let component = &plan.instance(&action.instance())?.component;
    let body = match &action.kind {
        ActionKind::Apply { .. } => return None,
        ActionKind::Stop => stop(component, facts),
        ActionKind::Stage { venv, target, interpreter, python, packages } => {
            let moving = plan.instances.iter().filter(|i| i.host == action.host && i.component.venv == *venv);
            match locked_for(moving.map(|instance| &instance.component), packages, python) {
                Ok(locked) => stage(&Staging {
                    component,
                    release: &packages.first()?.to,
                    interpreter,
                    packages,
                    current: venv_in_use(component, facts).unwrap_or(venv),
                    target,
                    locked: locked.as_ref(),
                }),
                Err(reason) => refusal(&reason),
            }
        }
        ActionKind::Switch { venv, target, aside, migrates, .. } => {
            // The note is there before the path leads to it.
            let note = if *migrates {
                format!("printf '%s\\n' {} >{} || exit\n", q(aside), q(&migration_note(target)))
            } else {
                String::new()
            };
            format!("{note}{}", switch(venv, target, aside))
        }
        ActionKind::Prune { venv, keep } => prune(venv, *keep, &[]),
        ActionKind::Rehearse { backup, scratch, venv, migration, outside } => {
            let kind = schema_kind(component, facts)?;
            schema_job::rehearse(&job(component, venv, kind, migration)?, backup, scratch, outside)
        }
        ActionKind::Freeze => freeze(component.freeze.as_ref()?),
        ActionKind::Unfreeze => unfreeze(component.freeze.as_ref()?),
        // Waiting is looking, and that is done from outside.
        ActionKind::Drain { .. } | ActionKind::Settle { .. } => "true\n".to_owned(),
        ActionKind::Snapshot { command, file, sum } => snapshot(command, file, *sum),
        ActionKind::Install { venv, packages, .. } => {
            let moving = action.must_be_stopped().iter().filter_map(|id| plan.instance(id));
            let python = component.venv_fact(facts).known().map(|venv| venv.python.clone()).unwrap_or_default();
            match locked_for(moving.map(|instance| &instance.component), packages, &python) {
                Ok(locked) => install(component, venv, packages, &others(plan, action, packages), locked.as_ref()),
                Err(reason) => refusal(&reason),
            }
        }
        ActionKind::Backup { database, file, keep, sum, .. } => {
            backup_job(component.schema.as_ref()?, component, database.kind, file, *keep, *sum)
        }
        ActionKind::Copy { to, keep, .. } => {
            let snapshots: Vec<&str> = component.schema.as_ref()?.snapshots.keys().map(String::as_str).collect();
            finish_copy(to, *keep, &snapshots)
        }
        ActionKind::Migrate { database, migration, .. } => {
            let job = schema_job::migrate(&job(component, &component.venv, database.kind, migration)?);
            format!("{job}r=$?; [ $r = 0 ] || exit $r\nrm -f -- {}\n", q(&migration_note(&component.venv)))
        }
        ActionKind::Start { .. } => start(component, facts),
    };
    Some(whole(&body, action))
}

/// The whole is read before it runs, and nothing in it can swallow the rest from standard input.
fn whole(body: &str, action: &Action) -> Script {
    let text = format!("act() {{\n{body}}}\nact </dev/null\n");
    Script { text, limit: Duration::from_secs(u64::from(action.limit_seconds)) }
}

/// The same for what holds a secret: the job's own copy of it goes before anything runs, and nothing is kept of what it
/// prints. A job's first word is its directory.
fn veiled(body: &str, action: &Action) -> Script {
    let text = format!(
        "act() {{\n{body}}}\n[ ! \"${{1-}}\" ] || rm -f -- \"$1/command\"\n\
         echo 'what it prints is not kept: it may hold a secret'\nact </dev/null >/dev/null 2>&1\n"
    );
    Script { text, ..whole(body, action) }
}

/// Declared packages of the same environment that the action doesn't move.
fn others(plan: &Plan, action: &Action, packages: &[PackageMove]) -> Vec<String> {
    let stopped = action.must_be_stopped().iter().filter_map(|id| plan.instance(id));
    let names: Vec<String> = stopped.map(|instance| instance.component.package.clone()).collect();
    names.into_iter().filter(|name| !packages.iter().any(|moved| moved.package == *name)).collect()
}

/// `alive PID START`: whether the process of that number still is the one that started then.
const ALIVE: &str = r#"alive() {
[ -r "/proc/$1/stat" ] && read -r s <"/proc/$1/stat" 2>/dev/null || return 1
set -f; set -- "$2" ${s##*) }; set +f; [ "${21}" = "$1" ] && [ "$2" != Z ]
}
"#;

fn stop(component: &Component, facts: &HostFacts) -> String {
    let Running::Running { processes, .. } = assess(component, facts).running else { return "true\n".into() };
    let process = &component.process;
    let signal = process.stop_signal;
    let mut text = String::from(ALIVE);
    let pairs = |processes: &[&Process]| {
        processes.iter().map(|p| format!("{}:{}", p.pid, p.start_ticks)).collect::<Vec<_>>().join(" ")
    };
    let all: Vec<&Process> = processes.iter().collect();
    let roots: Vec<&Process> =
        all.iter().copied().filter(|p| !processes.iter().any(|other| other.pid == p.parent)).collect();
    if let Supervisor::Systemd { unit } = &process.supervisor {
        let _ = writeln!(text, "systemctl stop -- {} || exit", q(unit));
    }
    let _ = write!(text, "{}", send(signal, &pairs(&roots)));
    let _ = write!(
        text,
        r#"n=0; end=$(($(date +%s) + {limit} + 1)); sent=
while :; do
left=; for x in {all}; do alive "${{x%:*}}" "${{x#*:}}" && left="$left ${{x%:*}}"; done
[ "$left" ] || exit 0
[ "$(date +%s)" -lt "$end" ] || break
n=$((n + 1)); if [ "$n" -gt 25 ] && [ ! "$sent" ]; then sent=1; {again}fi
sleep 0.2 2>/dev/null || sleep 1
done
echo "{signal} was sent, and after {limit} s these are left:$left" >&2
exit 1
"#,
        limit = process.stop_timeout,
        all = pairs(&all),
        again = send_to_orphans(signal, &pairs(&all)),
    );
    text
}

fn send(signal: Signal, pairs: &str) -> String {
    let name = signal.to_string();
    format!(
        "for x in {pairs}; do alive \"${{x%:*}}\" \"${{x#*:}}\" && kill -{} \"${{x%:*}}\" 2>/dev/null; done\n",
        name.trim_start_matches("SIG")
    )
}

/// Workers end with their main process. One that is left after five seconds without a living parent among
/// the component's processes was orphaned, and is told by itself.
fn send_to_orphans(signal: Signal, pairs: &str) -> String {
    let name = signal.to_string();
    format!(
        "for x in {pairs}; do alive \"${{x%:*}}\" \"${{x#*:}}\" || continue; read -r s <\"/proc/${{x%:*}}/stat\"; \
         s=${{s##*) }}; s=${{s#* }}; case \" $left \" in *\" ${{s%% *}} \"*) ;; *) kill -{} \"${{x%:*}}\" 2>/dev/null;; esac; done\n",
        name.trim_start_matches("SIG")
    )
}

/// The exit status of a script that found another one at work (EX_TEMPFAIL of sysexits(3)).
pub const BUSY: u32 = 75;

/// Holds a lock for as long as anything started from here lives: a pip or alembic that outlived its session
/// keeps a second one out.
pub(super) fn lock(file: &str, what: &str) -> String {
    format!(
        "if command -v flock >/dev/null; then exec 9>>{} || exit; flock -n 9 || {{ echo {} >&2; exit {BUSY}; }}; fi\n",
        q(file),
        q(&format!("another {what} is still at work here (it holds {file})"))
    )
}

fn install(
    component: &Component,
    venv: &str,
    packages: &[PackageMove],
    others: &[String],
    locked: Option<&LockedSet>,
) -> String {
    let mut text = lock(&format!("{venv}/.converge.lock"), "pip");
    // What a killed pip left: unpacked distributions without a RECORD, which pip would take for installed and then
    // fail to replace, and several releases of one package, of which it would replace one.
    let _ = write!(
        text,
        r#"for p in {venv}/lib/python3*/site-packages; do
for d in "$p"/*.dist-info; do
[ -d "$d" ] && [ ! -e "$d/RECORD" ] || continue
i=pip; [ -e "$d/INSTALLER" ] && read -r i <"$d/INSTALLER"; [ "$i" = pip ] && rm -rf -- "$d"
done
"#,
        venv = q(venv)
    );
    for moved in packages {
        let glob = normalize_name(&moved.package).replace('-', "[-_.]");
        let _ =
            writeln!(text, "set -- \"$p\"/{glob}-[0-9]*.dist-info; [ $# -gt 1 ] && for d; do rm -rf -- \"$d\"; done");
    }
    text.push_str("done\n");
    let asked = format!("{venv}/{ASKED}");
    let named: Vec<String> =
        packages.iter().map(|moved| format!("{}=={}", moved.package, moved.to.normalized())).collect();
    let release = packages.first().map_or(&component.release, |moved| &moved.to);
    let wanted = match locked {
        None => Wanted::Upgrade(&named),
        Some(set) => {
            let _ = write!(text, "cat >{} <<'CONVERGE_LOCK' || exit\n{}CONVERGE_LOCK\n", q(&asked), set.requirements());
            Wanted::Locked(&asked)
        }
    };
    let _ = writeln!(text, "{} || exit\n{}", install_into(component, release, venv, &wanted), pip_check(venv));
    // The originals that a killed pip moved aside (`~` and the name without its first letter or two) tell the release
    // to go on from, so they go last, and those of packages whose turn is still to come stay.
    let keep: String =
        others.iter().filter_map(|package| aside_glob(package)).map(|glob| format!("{glob}) ;; ")).collect();
    let _ = writeln!(
        text,
        "for d in {}/lib/python3*/site-packages/~*; do [ -e \"$d\" ] || continue; case ${{d##*/}} in {keep}*) rm -rf -- \"$d\";; esac; done\ntrue",
        q(venv)
    );
    text
}

/// A glob for what pip makes of a package's dist-info when it moves it aside.
fn aside_glob(package: &str) -> Option<String> {
    let tail: String = normalize_name(package).chars().skip(2).collect();
    (!tail.is_empty()).then(|| format!("'~'*{}-[0-9]*", tail.replace('-', "[-_.]")))
}

fn pip_check(venv: &str) -> String {
    format!("{} -m pip --disable-pip-version-check check || exit", q(&format!("{venv}/bin/python")))
}

/// The file comes first: a freeze without it would be noticed by nobody. What the status says afterwards counts, not how
/// the command ended.
fn freeze(spec: &FreezeSpec) -> String {
    format!("date >{} || exit\n{}true\n", q(&spec.marker), tried(&spec.freeze))
}

/// The file goes when the status says so, and not before.
fn unfreeze(spec: &FreezeSpec) -> String {
    format!(
        "{}s=$(/bin/sh -c {}) && [ \"$s\" ] && s=${{s##*[[:space:]]}} || {{ echo 'its status could not be read' >&2; exit 1; }}\n\
         [ \"$s\" != {} ] || {{ echo \"its status still says $s\" >&2; exit 1; }}\nrm -f -- {}\n",
        tried(&spec.unfreeze),
        q(&spec.status),
        q(&spec.frozen),
        q(&spec.marker)
    )
}

fn tried(command: &str) -> String {
    format!("/bin/sh -c {} || echo \"the command ended with $?\" >&2\n", q(command))
}

/// An empty answer is no state worth a name, and an unfinished one ends in `.part`.
fn snapshot(command: &str, file: &str, sum: bool) -> String {
    let directory = directory_of(file);
    let part = format!("{file}.part");
    format!(
        "umask 077; mkdir -p -- {} || exit\n/bin/sh -c {} >{part} || exit\n\
         [ -s {part} ] || {{ echo 'it printed nothing' >&2; exit 1; }}\n\
         sync -- {part} 2>/dev/null; mv -f -- {part} {} || exit\n{}",
        q(directory),
        q(command),
        q(file),
        if sum { format!("F={}\n{NOTE_SUM}", q(file)) } else { String::new() },
        part = q(&part),
    )
}

fn backup_job(
    schema: &SchemaSpec,
    component: &Component,
    kind: DatabaseKind,
    file: &str,
    keep: u32,
    sum: bool,
) -> String {
    let snapshots: Vec<&str> = schema.snapshots.keys().map(String::as_str).collect();
    let (venv, ini, chdir) = (&component.venv, &schema.ini, &schema.chdir);
    backup(&BackupJob { venv, ini, chdir, kind, file, keep, snapshots: &snapshots, sum })
}

/// The file in an environment that is there from the switch to it until its migration has succeeded.
fn migration_note(venv: &str) -> String {
    format!("{venv}/{MIGRATION_NOTE}")
}

/// What the path of the component's environment leads to.
fn venv_in_use<'a>(component: &Component, facts: &'a HostFacts) -> Option<&'a str> {
    match component.venv_fact(facts) {
        Observed::Known(venv) => venv.link.as_deref(),
        Observed::Absent | Observed::Unknown(_) => None,
    }
}

/// The rule not-locked refuses it before the run; whatever came between, nothing unlocked is installed.
fn refusal(reason: &str) -> String {
    format!("echo {} >&2\nexit 1\n", q(&format!("{reason}: nothing was installed")))
}

/// The migration as the job takes it, with the package of `venv`.
fn job<'a>(
    component: &'a Component,
    venv: &'a str,
    kind: DatabaseKind,
    migration: &'a Migration,
) -> Option<SchemaJob<'a>> {
    let schema = component.schema.as_ref()?;
    Some(SchemaJob {
        venv,
        ini: &schema.ini,
        chdir: &schema.chdir,
        kind,
        rows: &migration.rows,
        skipped: &migration.skipped,
        pending: &migration.pending,
        head: &migration.head,
        upstream: migration.upstream.as_deref(),
    })
}

fn schema_kind(component: &Component, facts: &HostFacts) -> Option<DatabaseKind> {
    component.schema_fact(facts)?.known().map(|fact| fact.database.kind)
}

fn start(component: &Component, facts: &HostFacts) -> String {
    // Its supervisor, or the run before, may have started it already: then there is only to wait.
    if matches!(assess(component, facts).running, Running::Running { .. }) {
        return "true\n".into();
    }
    // An install that ended before its check is never started.
    let check = pip_check(&component.venv);
    match &component.process.supervisor {
        Supervisor::Systemd { unit } => {
            let unit = q(unit);
            format!("{check}\nsystemctl reset-failed -- {unit} 2>/dev/null\nsystemctl start -- {unit}\n")
        }
        Supervisor::Command { command, chdir, log } => {
            let directory = q(chdir.as_deref().unwrap_or("/"));
            let note = match &component.process.pid_file {
                Some(file) => format!("echo $$ >{} && ", q(file)),
                None => String::new(),
            };
            // A session of its own: it must outlive this one, and no signal to this one may reach it. It is forked by
            // setsid and not by `&`, because a shell makes what it runs in the background ignore SIGINT for ever; where
            // env can, it undoes what this session itself was made to ignore (by nohup, or a cron job's parent).
            let inner = format!("{note}exec /bin/sh -c {}", q(&replacing_the_shell(command)));
            let signals = "d=; env --default-signal true 2>/dev/null && d='env --default-signal'";
            format!(
                "{check}\ncd {directory} || exit\n{signals}\n$d setsid -f /bin/sh -c {} >>{} 2>&1 </dev/null\n",
                q(&inner),
                q(log)
            )
        }
    }
}

/// A simple command replaces the shell that reads it, so that signals and the pid file concern the program itself. A
/// compound one is left as it is: whoever writes one writes `exec` where it belongs.
fn replacing_the_shell(command: &str) -> String {
    let first = command.split_whitespace().next().unwrap_or_default();
    let builtin =
        matches!(first, "exec" | "cd" | "." | "export" | "set" | "ulimit" | "umask" | "if" | "for" | "while" | "!");
    if builtin || first.contains('=') || command.contains(|c: char| ";&|<>(){}`\n".contains(c)) {
        command.to_owned()
    } else {
        format!("exec {command}")
    }
}

/// A script that prints the last lines that `component` logged; `None` where nothing is known of a log.
#[must_use]
pub fn log_script(component: &Component) -> Option<String> {
    match &component.process.supervisor {
        Supervisor::Systemd { unit } => {
            Some(format!("journalctl --no-pager -q -o cat -n 15 -u {} </dev/null 2>/dev/null\n", q(unit)))
        }
        Supervisor::Command { log, .. } if log == "/dev/null" => None,
        Supervisor::Command { log, .. } => Some(format!("tail -n 15 -- {} </dev/null 2>/dev/null\n", q(log))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::desired::Instance;
    use crate::desired::fixture::{Seen, agent, before_a_major, facts, frozen_manager, manager, world};
    use crate::model::HostName;
    use crate::plan::{Input, plan};
    use crate::release::Catalogue;
    use crate::resource::component::BackupHost;

    /// Lets a shell read a script without running it.
    #[track_caller]
    #[allow(clippy::disallowed_methods, reason = "whether a script is one only a shell can tell")]
    fn parses(script: &str) {
        for shell in ["sh", "dash", "bash"] {
            let started = Command::new(shell).arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
            let mut child = match started {
                Ok(child) => child,
                Err(_) if shell != "sh" => continue,
                Err(error) => panic!("{error}"),
            };
            child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{shell}: {}\n{script}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// The scripts of a plan that moves `instance` from what is seen, by verb.
    fn scripts(instance: &Instance, seen: &Seen) -> Vec<(&'static str, String)> {
        let instances = std::slice::from_ref(instance);
        let world = world([(instance, seen.clone())]);
        let plan = plan(&Input::new(instances, &world, &Catalogue::default()));
        let facts = facts(instance, seen);
        plan.actions().map(|action| (action.verb(), script(&plan, action, &facts).unwrap().text)).collect()
    }

    #[test]
    fn every_script_is_posix_shell_with_paths_that_need_quotes() {
        let mut verbs = Vec::new();
        for instance in [manager("m", "25.6.4"), agent("a", "25.6.4")] {
            for seen in [Seen::default(), Seen { running: None, ..Seen::default() }] {
                for (verb, text) in scripts(&instance, &seen) {
                    parses(&text);
                    // The whole is read before any of it runs.
                    assert!(text.starts_with("act() {\n") && text.ends_with("}\nact </dev/null\n"), "{text}");
                    verbs.push(verb);
                }
            }
            parses(&log_script(&instance.component).unwrap());
        }
        verbs.sort_unstable();
        verbs.dedup();
        assert_eq!(verbs, ["backup", "install", "migrate", "start", "stop"]);
    }

    /// The scripts of a major upgrade with all that can be declared for it, and of its ways back, by action.
    fn scripts_of_a_major(instance: &Instance) -> Vec<(String, String)> {
        let seen = before_a_major();
        let world = world([(instance, seen.clone())]);
        let instances = std::slice::from_ref(instance);
        let catalogue = Catalogue::default();
        let plan = plan(&Input { drain_timeout: Some(60), ..Input::new(instances, &world, &catalogue) });
        let facts = facts(instance, &seen);
        let back = plan.recoveries.iter().flat_map(|recovery| &recovery.stages).flat_map(|stage| stage.actions());
        plan.actions()
            .chain(back)
            .map(|action| {
                (action.id.rsplit('/').next().unwrap().to_owned(), script(&plan, action, &facts).unwrap().text)
            })
            .collect()
    }

    #[test]
    fn every_script_of_a_major_upgrade_is_posix_shell_with_paths_that_need_quotes() {
        let mut instance = frozen_manager("m", "25.7.0");
        let host = BackupHost { name: HostName::parse("bak").unwrap(), directory: Some("/srv/it's a place".into()) };
        instance.component.schema.as_mut().unwrap().backup_host = Some(host);
        instance.component.venv = "/srv/it's a manager/$HOME/.venv".into();
        instance.component.freeze.as_mut().unwrap().marker = "/srv/it's a manager/$HOME/.venv.frozen".into();
        let scripts = scripts_of_a_major(&instance);
        for (name, text) in &scripts {
            parses(text);
            assert!(text.starts_with("act() {\n") && text.ends_with("}\nact </dev/null\n"), "{name}: {text}");
            // Neither a blank nor a quote nor a dollar of a path is the shell's.
            assert!(!text.contains(" /srv/it's") && !text.contains("\"/srv/it's"), "{name}: {text}");
        }
        let names: Vec<&str> = scripts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "stage",
                "backup-live",
                "rehearse",
                "freeze",
                "drain",
                "stop",
                "backup",
                "snapshot-etcd",
                "copy",
                "copy-etcd",
                "switch",
                "migrate",
                "start",
                "unfreeze",
                "prune",
                "switch-back",
                "start-back",
                "unfreeze-back",
                "unfreeze-after",
            ]
        );
    }

    /// A script, run by a shell: whether it ended well, and what it said.
    #[allow(clippy::disallowed_methods, reason = "what a script does only a shell can tell")]
    fn run(text: &str) -> (bool, String) {
        let mut child =
            Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A directory of its own, whose name needs quotes.
    fn place() -> (tempfile::TempDir, String) {
        let place = tempfile::Builder::new().prefix("it's a $HOME ").tempdir().unwrap();
        let path = place.path().to_str().unwrap().to_owned();
        (place, path)
    }

    /// The script of a verb, where these are the commands of the freeze. Its marker lies in `place`.
    fn of_a_freeze(place: &str, [freeze, unfreeze, status]: [&str; 3], name: &str) -> String {
        let mut instance = frozen_manager("m", "25.7.0");
        instance.component.freeze = Some(FreezeSpec {
            freeze: freeze.into(),
            unfreeze: unfreeze.into(),
            status: status.into(),
            frozen: "frozen".into(),
            marker: format!("{place}/venv.frozen"),
        });
        scripts_of_a_major(&instance).into_iter().find(|(found, _)| found == name).unwrap().1
    }

    #[test]
    fn a_freeze_is_noted_before_its_command_runs_and_may_be_repeated() {
        let (held, place) = place();
        let (state, marker) = (held.path().join("state"), held.path().join("venv.frozen"));
        let (q_state, q_marker) = (q(state.to_str().unwrap()), q(marker.to_str().unwrap()));
        // The command sees the note, does its work, and crashes at its end.
        let freeze = format!("[ -s {q_marker} ] && echo frozen >{q_state}; exit 139");
        let text = of_a_freeze(&place, [&freeze, "true", "true"], "freeze");
        for _ in 0..2 {
            let (ended_well, said) = run(&text);
            assert!(ended_well && said.contains("ended with 139"), "{said}");
            assert_eq!(std::fs::read_to_string(&state).unwrap(), "frozen\n");
            assert!(marker.exists());
        }
        // Where the note can't be made, nothing is frozen.
        std::fs::remove_file(&state).unwrap();
        let nowhere = of_a_freeze(&format!("{place}/nowhere"), [&freeze, "true", "true"], "freeze");
        assert!(!run(&nowhere).0 && !state.exists());
    }

    #[test]
    fn the_note_of_a_freeze_goes_when_the_status_says_so_and_not_before() {
        let (held, place) = place();
        let (state, marker) = (held.path().join("state"), held.path().join("venv.frozen"));
        let q_state = q(state.to_str().unwrap());
        let open = format!("echo running >{q_state}; exit 139");
        let ask = format!("echo some log; cat {q_state}");
        let unfreeze = |commands: [&str; 2]| {
            std::fs::write(&marker, "x").unwrap();
            std::fs::write(&state, "frozen\n").unwrap();
            let [unfreeze, status] = commands;
            let (ended_well, said) = run(&of_a_freeze(&place, ["true", unfreeze, status], "unfreeze"));
            assert_eq!(marker.exists(), !ended_well, "{commands:?}: {said}");
            (ended_well, said)
        };
        // Crashing at its end is no failure where the state is right; ending well is no success where it isn't.
        let (ended_well, said) = unfreeze([&open, &ask]);
        assert!(ended_well && said.contains("ended with 139"), "{said}");
        let (ended_well, said) = unfreeze(["true", &ask]);
        assert!(!ended_well && said.contains("its status still says frozen"), "{said}");
        // A status that says nothing, or can't be asked, is no answer.
        for status in ["true", "exit 3", "echo running; exit 3", "/nonexistent/command"] {
            let (ended_well, said) = unfreeze([&open, status]);
            assert!(!ended_well && said.contains("its status could not be read"), "{status}: {said}");
        }
        // Once more, when all is done.
        assert!(unfreeze([&open, &ask]).0);
        assert!(run(&of_a_freeze(&place, ["true", &open, &ask], "unfreeze")).0 && !marker.exists());
    }

    #[test]
    fn a_snapshot_is_whole_or_not_there() {
        let (held, place) = place();
        let file = format!("{place}/back up/etcd");
        let (target, part) = (held.path().join("back up/etcd"), held.path().join("back up/etcd.part"));
        let take = |command: &str| run(&format!("act() {{\n{}}}\nact </dev/null\n", snapshot(command, &file, false)));
        assert!(take("echo \"it's $((1 + 1))\"").0);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "it's 2\n");
        assert!(!part.exists());
        // Nobody but its owner reads what etcd holds.
        let mode = std::os::unix::fs::PermissionsExt::mode(&target.metadata().unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{mode:o}");
        // What fails or says nothing leaves the one before as it was, and never passes for a whole one.
        for (command, why) in [("true", "it printed nothing"), ("echo half; exit 139", ""), ("exit 1", "")] {
            let (ended_well, said) = take(command);
            assert!(!ended_well && said.contains(why), "{command}: {said}");
            assert_eq!(std::fs::read_to_string(&target).unwrap(), "it's 2\n", "{command}");
        }
        // A part that a killed one left is no hindrance.
        std::fs::write(&part, "left over, and longer than what follows").unwrap();
        assert!(take("echo 3").0 && !part.exists());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "3\n");
    }

    fn only(instance: &Instance, seen: &Seen, verb: &str) -> String {
        scripts(instance, seen).into_iter().find(|(found, _)| *found == verb).unwrap().1
    }

    #[test]
    fn a_stop_names_the_process_by_number_and_start_and_uses_the_declared_signal() {
        let seen = Seen::default();
        let text = only(&manager("m", "25.6.4"), &seen, "stop");
        assert!(text.contains("4711:815") && text.contains("kill -TERM"), "{text}");
        let text = only(&agent("a", "25.6.4"), &seen, "stop");
        assert!(text.contains("kill -INT") && text.contains("systemctl stop -- agent.service"), "{text}");
        assert!(!text.contains("TERM"), "{text}");
    }

    #[test]
    fn what_runs_is_not_started_again() {
        let (instance, stopped) = (manager("m", "25.6.1"), Seen { running: None, ..Seen::default() });
        let world = world([(&instance, stopped.clone())]);
        let plan = plan(&Input::new(std::slice::from_ref(&instance), &world, &Catalogue::default()));
        let action = plan.actions().next().unwrap();
        let text = |seen: &Seen| script(&plan, action, &facts(&instance, seen)).unwrap().text;
        assert!(text(&stopped).contains("setsid -f /bin/sh -c"));
        assert_eq!(text(&Seen::default()), "act() {\ntrue\n}\nact </dev/null\n");
    }

    #[test]
    fn an_install_names_the_release_exactly_and_a_busy_one_keeps_out() {
        let text = only(&manager("m", "25.6.2"), &Seen::default(), "install");
        assert!(
            text.contains("install \"$@\" --find-links '/srv/it'\\''s wheels' -U backend.ai-manager==25.6.2"),
            "{text}"
        );
        assert!(text.contains("exit 75"), "{text}");
    }

    #[test]
    fn a_log_that_goes_nowhere_is_not_read() {
        let mut instance = manager("m", "25.6.2");
        instance.component.process.supervisor =
            Supervisor::Command { command: "x".into(), chdir: None, log: "/dev/null".into() };
        assert_eq!(log_script(&instance.component), None);
    }
}
