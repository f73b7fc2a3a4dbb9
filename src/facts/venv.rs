//! A virtual environment: its Python, its distributions, and whether an install was left half done.
//!
//! Distributions are read from the names of `*.dist-info` directories (names normalised by PEP 503),
//! which costs milliseconds where `pip list` costs seconds. pip writes `RECORD` last and moves what it
//! replaces aside under a name that starts with `~`, so an install that was killed shows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use crate::model::Timestamp;
use crate::release::{Release, normalize_name};

/// Which environment, and the package in it that matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VenvQuery {
    /// The environment's directory.
    pub path: String,
    /// The distribution whose install time is wanted.
    pub package: String,
}

/// One installed distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// Its release; `None` where the directory's name holds no PEP 440 version.
    pub release: Option<Release>,
    /// The version as the directory spells it.
    pub spelled: String,
    /// Whether pip finished installing it (its `RECORD` is there).
    pub complete: bool,
}

/// A virtual environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Venv {
    /// The Python version that `pyvenv.cfg` names.
    pub python: String,
    /// The directory of the base interpreter, from `pyvenv.cfg`.
    pub base: String,
    /// Whether `bin/python` can be executed (it is a link to the base interpreter, which may be gone).
    pub executable: bool,
    /// The directory that the path leads to, where it is a symbolic link; `None` where it is the directory itself. Beside
    /// the link, it is spelled by the link's own parent, however that is linked.
    #[serde(default)]
    pub link: Option<String>,
    /// Whether converge made it beside another one and finished it (its `converge.json` is there).
    #[serde(default)]
    pub marker: bool,
    /// Distributions by normalised name. A name with several directories appears with each.
    pub distributions: BTreeMap<String, Vec<Distribution>>,
    /// Directories that a killed pip moved aside, as normalised name (without its lost first letter) and version.
    pub moved_aside: Vec<(String, String)>,
    /// When the package of the query was last installed, by the host's clock.
    pub installed_at: Option<Timestamp>,
}

/// The directories are matched by globs, and looked at one by one only where as many `RECORD`s don't match: a shell takes
/// two milliseconds to go through 150 of them.
pub(super) const FUNCTION: &str = r#"v() {
[ -e "$1" ] || [ -h "$1" ] || { e absent 1; return; }
[ -h "$1" ] && cd -P "${1%/*}/" && e in "$PWD"
cd -P "$1" 2>&- && [ -f pyvenv.cfg ] || { e unknown "no $1/pyvenv.cfg"; return; }
e to "$PWD"
while IFS=' =' read -r k w; do case $k in version*) e python "$w";; home) e base "$w";; esac; done <pyvenv.cfg
[ -x bin/python ] && e exe 1
[ -f converge.json ] && e marker 1
g=$2; for s in "$PWD"/lib/python3*/site-packages; do cd "$s" 2>&- || continue
set -- *.dist-info/RECORD; n=$#; set -- *.dist-info/; e dists "$*"
[ $n = $# ] && [ -e "$1RECORD" ] || for p; do [ -e "${p}RECORD" ] || e part "$p"; done
for p in '~'*.dist-info; do [ -e "$p" ] && e aside "${p%.*}"; done
for p in $g-[0-9]*.dist-info; do t=$(stat -c %Y "$p" 2>/dev/null) && e at "$t"; done; done
}
"#;

/// How the directory of a distribution ends.
const DIST_INFO: &str = ".dist-info/";

pub(super) fn call(query: &VenvQuery) -> String {
    format!("v {} {}", quote(&query.path), quote(&name_glob(&query.package)))
}

/// A glob for the spellings of a distribution's name: separators are any of `-_.`.
fn name_glob(package: &str) -> String {
    normalize_name(package)
        .replace('-', "[-_.]")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "[-_.]".contains(*c))
        .collect()
}

pub(super) fn parse(query: &VenvQuery, answer: &Answer<'_>) -> Observed<Venv> {
    if answer.get("absent").is_some() {
        return Observed::Absent;
    }
    let Some(python) = answer.get("python") else {
        return Observed::Unknown("pyvenv.cfg names no version".into());
    };
    let mut distributions: BTreeMap<String, Vec<Distribution>> = BTreeMap::new();
    let partial: BTreeSet<&str> = answer.all("part").filter_map(|word| word.strip_suffix(DIST_INFO)).collect();
    let words = answer.all("dists").flat_map(|words| words.split(' '));
    // Without any match the shell leaves the pattern as it is.
    for directory in words.filter_map(|word| word.strip_suffix(DIST_INFO)).filter(|name| !name.starts_with(['~', '*']))
    {
        let complete = !partial.contains(directory);
        let (name, spelled) = directory.rsplit_once('-').unwrap_or((directory, ""));
        distributions.entry(normalize_name(name)).or_default().push(Distribution {
            release: Release::parse(spelled).ok(),
            spelled: spelled.to_owned(),
            complete,
        });
    }
    let moved_aside = answer
        .all("aside")
        .filter_map(|directory| directory.trim_start_matches('~').rsplit_once('-'))
        .map(|(name, version)| (normalize_name(name), version.to_owned()))
        .collect();
    Observed::Known(Venv {
        python: python.to_owned(),
        base: answer.get("base").unwrap_or_default().to_owned(),
        executable: answer.get("exe").is_some(),
        link: answer.get("in").map(|parent| declared_way(&query.path, parent, answer.get("to").unwrap_or_default())),
        marker: answer.get("marker").is_some(),
        distributions,
        moved_aside,
        installed_at: answer.all("at").filter_map(|at| at.parse().ok()).max().map(Timestamp),
    })
}

/// `link` as seen from the declared `path`: what lies in the directory that `path` lies in (`physical`, without links) is
/// spelled with the declared one.
fn declared_way(path: &str, physical: &str, link: &str) -> String {
    let beside = link.strip_prefix(physical.trim_end_matches('/')).filter(|rest| rest.starts_with('/'));
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    beside.map_or_else(|| link.to_owned(), |rest| format!("{parent}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    fn query() -> VenvQuery {
        VenvQuery { path: "/home/bai/.venv".into(), package: "p".into() }
    }

    fn answer<'a>(records: &[(&'a str, &'a str)]) -> Answer<'a> {
        Answer { records: records.iter().map(|(key, value)| Record { key, value }).collect(), clock: Clock::default() }
    }

    #[test]
    fn names_are_normalised_as_pep_503_says() {
        for spelled in ["backend.ai-manager", "Backend_AI.manager", "backend--ai__manager"] {
            assert_eq!(normalize_name(spelled), "backend-ai-manager");
        }
        assert_eq!(name_glob("backend.ai-manager"), "backend[-_.]ai[-_.]manager");
    }

    #[test]
    fn a_link_is_told_as_it_would_be_declared() {
        for (physical, link, expected) in [
            ("/data/bai", "/data/bai/.venv-1.0", "/home/bai/.venv-1.0"),
            ("/data/bai", "/data/bait/.venv-1.0", "/data/bait/.venv-1.0"),
            ("/", "/srv/v", "/home/bai/srv/v"),
        ] {
            assert_eq!(declared_way("/home/bai/.venv", physical, link), expected);
        }
        assert_eq!(declared_way("/v", "/", "/v-1"), "/v-1");
    }

    #[test]
    fn half_done_installs_show() {
        let venv = parse(
            &query(),
            &answer(&[
                ("python", "3.11.7"),
                (
                    "dists",
                    "aiohttp-3.8.5.dist-info/ backend.ai_manager-23.9.9.dist-info/ ~ackend.ai_manager-23.9.8.dist-info/",
                ),
                ("part", "backend.ai_manager-23.9.9.dist-info/"),
                ("aside", "~ackend.ai_manager-23.9.8"),
                ("at", "1700000000"),
            ]),
        );
        let venv = venv.known().unwrap();
        assert!(!venv.distributions["backend-ai-manager"][0].complete);
        assert!(venv.distributions["aiohttp"][0].complete);
        assert_eq!(venv.moved_aside, [("ackend-ai-manager".to_owned(), "23.9.8".to_owned())]);
        assert_eq!(venv.installed_at, Some(Timestamp(1_700_000_000)));
        assert!(!venv.executable);
    }

    #[test]
    fn a_directory_without_a_version_is_no_environment() {
        assert_eq!(parse(&query(), &answer(&[("absent", "1")])), Observed::Absent);
        assert!(parse(&query(), &answer(&[("dists", "")])).unknown().is_some());
    }
}
