//! Environments side by side: the commands that build one beside the one that runs, let the declared path lead to it, and
//! remove old ones. POSIX sh, and Python of the environment itself; each is safe to run again after being killed at any
//! point.
//!
//! Beside the declared path `V` lie
//!
//! * `V-RELEASE`: the environment of that release, made at this very path, because its scripts name it;
//! * `V-RELEASE/converge.json`: written last; without it an environment is not whole. One that was in use before converge
//!   came has one with `adopted`;
//! * `V-RELEASE.building`: while it is made or removed, locked by whoever does. What lies there without either is
//!   somebody else's, and is never removed;
//! * `V.converge-new`: the link, or the environment that it replaces, in the middle of a switch.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::action::PackageMove;
use super::installer::{Wanted, find_uv, install_into};
use super::script::lock;
use crate::facts::{PublishedQuery, normalize_name};
use crate::model::shell_quote as q;
use crate::release::{LockedSet, Release, series};
use crate::resource::component::{Carried, Component, Installer};

const REQUIREMENTS: &str = include_str!("staging/requirements.py");
const CHECK: &str = include_str!("staging/check.py");
const USERS: &str = include_str!("staging/users.py");
const SWITCH: &str = include_str!("staging/switch.py");
const PRUNE: &str = include_str!("staging/prune.py");

const REFUSE_USERS: &str = r#"
import sys

users = users_of(os.path.realpath(sys.argv[1]))
if users:
    raise SystemExit("processes run from %s (%s): nothing was changed" % (sys.argv[1], ", ".join(map(str, users))))
"#;

/// The file in an environment that says what was asked of the installer.
pub(super) const ASKED: &str = "converge-requirements.txt";

/// An environment to be made.
#[derive(Debug, Clone, Copy)]
pub struct Staging<'a> {
    /// The component that it is for.
    pub component: &'a Component,
    /// The release that it is named after.
    pub release: &'a Release,
    /// The absolute path of the interpreter that it is made with.
    pub interpreter: &'a str,
    /// The packages that move, all into this environment.
    pub packages: &'a [PackageMove],
    /// The environment that runs now.
    pub current: &'a str,
    /// The environment to be made.
    pub target: &'a str,
    /// What exactly goes into it, where the project has a lock file.
    pub locked: Option<&'a LockedSet>,
}

/// What exactly is to be installed to move `packages` into an environment with a Python of version `python` (`x.y.z`);
/// `components` are those that run from it. `None` where the project has no lock file.
///
/// # Errors
/// When there is a lock file, and one of the packages isn't in it, or two of them need different things.
pub fn locked_for<'a>(
    components: impl IntoIterator<Item = &'a Component>,
    packages: &[PackageMove],
    python: &str,
) -> Result<Option<LockedSet>, String> {
    let components: Vec<&Component> = components.into_iter().collect();
    let mut joined: Option<LockedSet> = None;
    for moved in packages {
        let component = components.iter().find(|one| normalize_name(&one.package) == normalize_name(&moved.package));
        let Some(locked) = component.and_then(|component| component.environments.locked.as_ref()) else { continue };
        let Some(found) = locked.find(&moved.package, &moved.to, python) else {
            return Err(format!(
                "{} {} on Python {} is not in {}",
                moved.package,
                moved.to,
                series(python),
                locked.file
            ));
        };
        joined
            .get_or_insert_default()
            .join(found.set.clone())
            .map_err(|reason| format!("{}: packages of one environment don't agree: {reason}", locked.file))?;
    }
    Ok(joined)
}

/// What [`REQUIREMENTS`] and [`CHECK`] are told.
#[derive(Serialize)]
struct Told<'a> {
    release: String,
    current: &'a str,
    target: &'a str,
    packages: BTreeMap<&'a str, String>,
    same: Vec<&'a str>,
    requirements: Vec<String>,
    marked: bool,
}

impl<'a> Staging<'a> {
    fn told(&self, marked: bool) -> String {
        let carry = &self.component.environments.carry;
        let told = Told {
            release: self.release.normalized(),
            current: self.current,
            target: self.target,
            packages: self.packages.iter().map(|moved| (moved.package.as_str(), moved.to.normalized())).collect(),
            same: carry.iter().filter_map(same).collect(),
            requirements: carry.iter().filter_map(|carried| requirement(carried, self.release)).collect(),
            marked,
        };
        // Texts, lists and mappings with texts for keys: there is nothing in it that JSON doesn't have.
        serde_json::to_string(&told).unwrap_or_default()
    }
}

fn same(carried: &Carried) -> Option<&str> {
    match carried {
        Carried::Same { package } => Some(package),
        Carried::Follow { .. } | Carried::Fixed { .. } => None,
    }
}

fn requirement(carried: &Carried, release: &Release) -> Option<String> {
    match carried {
        Carried::Same { .. } => None,
        Carried::Follow { package } => Some(format!("{package}=={}", release.normalized())),
        Carried::Fixed { requirement } => Some(requirement.clone()),
    }
}

/// Runs a program of the project's in the environment's Python, from its standard input; `after` the words of the
/// command stand redirections and what happens when it fails.
fn python(environment: &str, options: &str, program: &str, arguments: &[&str], after: &str) -> String {
    program_in(&format!("{environment}/bin/python"), options, program, arguments, after)
}

fn program_in(interpreter: &str, options: &str, program: &str, arguments: &[&str], after: &str) -> String {
    let words: Vec<String> = arguments.iter().map(|word| q(word)).collect();
    format!(
        "{} {options} - {} <<'CONVERGE_PROGRAM' {after}\n{program}CONVERGE_PROGRAM\n",
        q(interpreter),
        words.join(" ")
    )
}

/// Commands that make the environment of a release beside the one that runs, and see that it is fit to run. Nothing of
/// the current one is changed. One that is whole already is looked at and left; what a killed call left is made anew.
#[must_use]
pub fn stage(staging: &Staging<'_>) -> String {
    let Staging { component, interpreter, current, target, locked, .. } = *staging;
    let note = format!("{target}.building");
    let mut text = format!("t={}; c={}; n={}; was=; [ -e \"$n\" ] && was=1\n", q(target), q(current), q(&note));
    text.push_str("say() { echo \"$*\" >&2; }\n");
    text.push_str(
        r#"r=$(cd -P "$c" 2>/dev/null && pwd -P) && [ -f "$r/pyvenv.cfg" ] || { say "$c is no environment: there is nothing to go on from"; exit 1; }
[ "$(cd -P "$t" 2>/dev/null && pwd -P)" != "$r" ] || { say "$t is the environment that runs now: it can't be made anew beside itself"; exit 1; }
"#,
    );
    text.push_str(&lock(&note, "installer"));
    text.push_str(": >>\"$n\" || exit\n");
    // What was in use before has a mark as well; what is neither whole nor half made here is somebody else's. The
    // program is the condition of its `if`, which its here-document ends.
    let _ = write!(
        text,
        r#"no() {{ rm -f -- "$n"; say "$1. Nothing was changed"; exit 1; }}
[ -h "$t" ] && no "$t is a link, and the environment is to lie there itself: move it away"
if [ -f "$t/converge.json" ]; then
grep -q '"adopted": true' "$t/converge.json" && no "$t was in use before: move it away, so that it can be made anew"
if {marked}then echo "$t is there already, and whole"; rm -f -- "$n"; exit 0; fi
elif [ -e "$t" ]; then
[ "$was" ] || no "$t is there, and converge didn't make it: move it away"
fi
{used}drop() {{ rm -f -- "$t/converge.json" && rm -rf -- "$t" && rm -f -- "$n"; }}
fail() {{ s=$?; [ "$s" != 0 ] || s=1; drop; say "$t could not be made, and was removed; $c is as it was"; exit "$s"; }}
rm -f -- "$t/converge.json"; rm -rf -- "$t" || exit
"#,
        marked = python(target, "-I", CHECK, &[&staging.told(true)], ""),
        used = program_in(interpreter, "-I -S", &format!("{USERS}{REFUSE_USERS}"), &[target], "|| exit"),
    );
    text.push_str(&make(component, interpreter));
    text.push_str("if [ -f \"$c/pip.conf\" ]; then cp -p -- \"$c/pip.conf\" \"$t/pip.conf\" || fail; fi\n");
    let asked = format!("{target}/{ASKED}");
    let wanted = match locked {
        Some(set) => {
            let _ = write!(text, "cat >{} <<'CONVERGE_LOCK' || fail\n{}CONVERGE_LOCK\n", q(&asked), set.requirements());
            Wanted::Locked(&asked)
        }
        None => {
            let after = format!(">{} || fail", q(&asked));
            text.push_str(&python(target, "-I -S", REQUIREMENTS, &[&staging.told(false)], &after));
            Wanted::File(&asked)
        }
    };
    let _ = writeln!(text, "{} || fail", install_into(component, staging.release, target, &wanted));
    let python_there = q(&format!("{target}/bin/python"));
    let _ = writeln!(text, "{python_there} -I -m pip --disable-pip-version-check check || fail");
    text.push_str(&python(target, "-I", CHECK, &[&staging.told(false)], "|| fail"));
    text.push_str("rm -f -- \"$n\"\n");
    text
}

/// Makes the bare environment `$t`, with pip in it whatever installs: the facts of an environment come from its pip.
fn make(component: &Component, interpreter: &str) -> String {
    let interpreter = q(interpreter);
    let mut text = String::from(
        "set --; grep -q '^include-system-site-packages *= *true' \"$c/pyvenv.cfg\" && set -- --system-site-packages\n",
    );
    let venv = format!("{interpreter} -I -m venv \"$@\" -- \"$t\" || fail\n");
    match &component.environments.installer {
        Installer::Pip => text.push_str(&venv),
        Installer::Uv { path } => {
            text.push_str(&find_uv(path, "fail"));
            let index = PublishedQuery::new(&component.venv, &component.package, &component.pip_args).index_args;
            let index: Vec<String> = index.iter().map(|word| q(word)).collect();
            let _ = writeln!(
                text,
                "if {interpreter} -I -c 'import venv, ensurepip' 2>/dev/null; then {venv}\
                 else \"$u\" venv --seed --python {interpreter} \"$@\" {} -- \"$t\" || fail; fi",
                index.join(" ")
            );
        }
    }
    text
}

/// Commands that let the declared path `link` lead to the environment `target` by one rename. A link that it was is
/// replaced; an environment that it was goes to `aside`, in the same moment where the system can exchange two names
/// (renameat2(2)), else in two steps. What was in use before is marked as such.
#[must_use]
pub fn switch(link: &str, target: &str, aside: &str) -> String {
    // Any of them will do, and a call that was killed may have left the target under the third name.
    let pythons = [target, link, &format!("{link}.converge-new")].map(|place| q(&format!("{place}/bin/python")));
    format!(
        "for p in {}; do [ -x \"$p\" ] && break; done\n\"$p\" -I -S - {} {} {} <<'CONVERGE_PROGRAM'\n{SWITCH}CONVERGE_PROGRAM\n",
        pythons.join(" "),
        q(link),
        q(target),
        q(aside)
    )
}

/// Commands that remove old environments beside `link`, all but the `keep` that were last in use. Never the one that
/// `link` leads to, one of `never`, one that a process runs from, or one that converge neither made nor replaced.
#[must_use]
pub fn prune(link: &str, keep: u32, never: &[&str]) -> String {
    let keep = keep.to_string();
    let arguments: Vec<&str> = [link, &keep].into_iter().chain(never.iter().copied()).collect();
    python(link, "-I -S", &format!("{USERS}\n{PRUNE}"), &arguments, "")
}
