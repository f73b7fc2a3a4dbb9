//! The Python interpreters that a new environment could be made with.
//!
//! Each is started once, isolated (`-I`), and asked for its version and for what makes an environment: Debian splits
//! `ensurepip` off, and an interpreter without it makes environments without pip. What `PATH` offers and doesn't start
//! (a shim of a version manager) is passed over; what is declared and doesn't start is told.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};

/// Which interpreters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InterpretersQuery {
    /// The virtual environment that runs now: where no paths are given, what it was made with comes first.
    pub venv: String,
    /// Absolute paths in order of preference; none for the environment's own and those of `PATH`.
    pub paths: Vec<String>,
    /// Whether it must be able to put pip into an environment.
    pub ensurepip: bool,
}

/// One interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// Its absolute path.
    pub path: String,
    /// Its version as `x.y.z`.
    pub version: String,
}

/// One that no environment can be made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfitInterpreter {
    /// Its absolute path.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// The interpreters of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Interpreters {
    /// The kind of the machine, as `uname -m` names it.
    #[serde(default)]
    pub machine: String,
    /// Those that can be used, in order of preference.
    pub found: Vec<Interpreter>,
    /// Those that are there, or are declared, and can't be used.
    pub unfit: Vec<UnfitInterpreter>,
}

/// `j ENSUREPIP VENV PATH…`. Without paths, the releases of Python that Backend.AI and its like run on are looked for,
/// the oldest first: what is there by itself comes before what was put beside it.
pub(super) const FUNCTION: &str = r#"j() {
n=$1; v=$2; d=; shift 2
[ $# = 0 ] && { d=1; [ -e "$v/bin/python" ] && set -- "$(readlink -f "$v/bin/python")"
for m in 9 10 11 12 13 14; do p=$(command -v "python3.$m") && set -- "$@" "$p"; done; }
s=' '; for p; do
case $s in *" $p "*) continue;; esac; s="$s$p "
if [ -x "$p" ] && [ ! -d "$p" ]; then
r=$("$p" -I -c 'import sys
print("%d.%d.%d"%sys.version_info[:3])' 2>&1) && case $r in *[!0-9.]*|'') false;; esac ||
{ [ "$d" ] || e unfit "$p	it doesn't start as a Python 3: $(printf %s "$r" | tail -n 1)"; continue; }
x=$("$p" -I -c "import venv$n" 2>&1) || { e unfit "$p	Python $r, $(printf %s "$x" | tail -n 1)"; continue; }
e found "$r $p"
elif [ ! "$d" ]; then e unfit "$p	there is no such program"; fi; done; e asked "$(uname -m)"
}
"#;

pub(super) fn call(query: &InterpretersQuery) -> String {
    let mut call = format!("j {} {}", quote(if query.ensurepip { ",ensurepip" } else { "" }), quote(&query.venv));
    for path in &query.paths {
        call.push(' ');
        call.push_str(&quote(path));
    }
    call
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Interpreters> {
    let Some(machine) = answer.get("asked") else {
        return Observed::Unknown("the host's answer about interpreters broke off".into());
    };
    let found = answer.all("found").filter_map(|line| line.split_once(' '));
    let unfit = answer.all("unfit").filter_map(|line| line.split_once('\t'));
    Observed::Known(Interpreters {
        machine: machine.to_owned(),
        found: found.map(|(version, path)| Interpreter { path: path.into(), version: version.into() }).collect(),
        unfit: unfit.map(|(path, reason)| UnfitInterpreter { path: path.into(), reason: reason.into() }).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    #[test]
    fn answers_are_read_with_blanks_in_paths() {
        let records = [
            ("found", "3.12.1 /opt/my python/bin/python3"),
            ("unfit", "/usr/bin/python3.13\tPython 3.13.0, no module named ensurepip"),
            ("asked", "x86_64"),
        ];
        let records = records.iter().map(|(key, value)| Record { key, value }).collect();
        let read = parse(&Answer { records, clock: Clock::default() });
        let read = read.known().unwrap();
        assert_eq!(read.machine, "x86_64");
        assert_eq!(read.found[0], Interpreter { path: "/opt/my python/bin/python3".into(), version: "3.12.1".into() });
        assert_eq!(read.unfit[0].reason, "Python 3.13.0, no module named ensurepip");
    }

    #[test]
    fn half_an_answer_is_none() {
        let records = vec![Record { key: "found", value: "3.12.1 /p" }];
        assert!(parse(&Answer { records, clock: Clock::default() }).unknown().is_some());
    }
}
