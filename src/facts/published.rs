//! The releases of a package that a host can really get, asked of the host's own pip with the
//! host's own configuration, environment and options.
//!
//! `published.py` drives pip's own finder, because pip's command line tells neither what was withdrawn nor which Python
//! a release is for, and takes an index that can't be reached for one that has nothing. Where a pip is made otherwise
//! inside, `pip index versions` is asked; its answer holds versions alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use crate::model::Timestamp;
use crate::release::{PublishedRelease, Release};

/// Which package, asked through which environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublishedQuery {
    /// The virtual environment whose pip is asked: its Python decides what is compatible.
    pub venv: String,
    /// The package.
    pub package: String,
    /// pip's options that say where packages come from.
    pub index_args: Vec<String>,
}

/// How much was told about releases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// Of every file: whether it was withdrawn, and for which Python it is.
    #[default]
    Files,
    /// Versions alone, of what the Python that was asked can install. Nothing is known of what was withdrawn or is
    /// for another Python.
    Versions,
}

/// Published releases, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The releases, also those that were withdrawn or are for another Python.
    pub releases: Vec<PublishedRelease>,
    /// How much was told about them.
    #[serde(default)]
    pub told: Told,
    /// The Python (`x.y.z`) that they would be installed for; `None` where none is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Where it was looked: indexes and directories, without credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// When it was asked, by the clock of whoever asked; `None` where it was asked just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
}

impl Published {
    /// Releases of which nothing else is known.
    #[must_use]
    pub fn new(releases: Vec<PublishedRelease>) -> Self {
        Self { releases, ..Self::default() }
    }

    /// The releases that can be installed: not withdrawn, and for the Python that they would be installed for.
    #[must_use]
    pub fn usable(&self) -> Vec<Release> {
        let usable = |one: &&PublishedRelease| {
            one.yanked.is_none() && self.python.as_deref().is_none_or(|python| one.runs_on(python))
        };
        self.releases.iter().filter(usable).map(|one| one.release.clone()).collect()
    }

    /// What is said of a release, where it is published.
    #[must_use]
    pub fn release(&self, release: &Release) -> Option<&PublishedRelease> {
        self.releases.iter().find(|one| one.release == *release)
    }

    /// Why a release that is published can't be installed all the same; `None` where it can, or isn't published.
    #[must_use]
    pub fn hindrance(&self, release: &Release) -> Option<String> {
        let one = self.release(release)?;
        if let Some(reason) = &one.yanked {
            let reason = if reason.is_empty() { "no reason was given" } else { reason };
            return Some(format!("it was withdrawn: {reason}"));
        }
        let python = self.python.as_deref().filter(|python| !one.runs_on(python))?;
        Some(format!(
            "it is for Python {}, and the environment has {python}",
            one.requires_python.as_deref().unwrap_or_default()
        ))
    }
}

impl PublishedQuery {
    /// A question to the pip of `venv`; of `pip_args` only what says where packages come from is used.
    #[must_use]
    pub fn new(venv: &str, package: &str, pip_args: &[String]) -> Self {
        let mut index_args = Vec::new();
        let mut words = pip_args.iter();
        while let Some(word) = words.next() {
            if FLAGS.contains(&word.as_str()) || glued_value(word).is_some() {
                index_args.push(word.clone());
            } else if WITH_VALUE.contains(&word.as_str()) {
                index_args.push(word.clone());
                index_args.extend(words.next().cloned());
            }
        }
        Self { venv: venv.to_owned(), package: package.to_owned(), index_args }
    }

    /// Whether its options name a place on the host itself: then no other host's answer holds for this one.
    #[must_use]
    pub fn names_local_place(&self) -> bool {
        let remote = |value: &str| ["http://", "https://"].iter().any(|scheme| value.starts_with(scheme));
        let mut words = self.index_args.iter();
        while let Some(word) = words.next() {
            let place = if PLACES.contains(&word.as_str()) {
                words.next().map(String::as_str)
            } else {
                glued_value(word).filter(|(option, _)| PLACES.contains(option)).map(|(_, value)| value)
            };
            if place.is_some_and(|place| place.split_whitespace().any(|one| !remote(one))) {
                return true;
            }
        }
        false
    }
}

/// Options that say where packages come from.
const PLACES: [&str; 5] = ["-i", "--index-url", "--extra-index-url", "-f", "--find-links"];

/// Options of `pip install` on which files it considers and how it gets at them, that `pip index versions` takes too.
const WITH_VALUE: [&str; 13] = [
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--trusted-host",
    "--proxy",
    "--cert",
    "--client-cert",
    "--timeout",
    "--retries",
    "--no-binary",
    "--only-binary",
];

/// The same, of those without a value.
const FLAGS: [&str; 3] = ["--no-index", "--pre", "--isolated"];

/// An option and its value in one word: `--find-links=X`, `-fX`.
fn glued_value(word: &str) -> Option<(&str, &str)> {
    if let Some((option, value)) = word.split_once('=')
        && option.starts_with("--")
    {
        return WITH_VALUE.contains(&option).then_some((option, value));
    }
    ["-i", "-f"].iter().find_map(|option| {
        let value = word.strip_prefix(option).filter(|value| !value.is_empty())?;
        Some((*option, value))
    })
}

const PROGRAM: &str = include_str!("published.py");

/// The second way is for a pip that is made otherwise inside. It too passes over an index that it can't reach; only its
/// log tells, hence `-vv`.
pub(super) fn function() -> String {
    format!(
        r#"i() {{
v=$1/bin/python; shift
[ -x "$v" ] || {{ e unknown "$v can't be executed"; return; }}
o=$("$v" - "$N" "$Q" "$@" 2>&1 <<'P'
{PROGRAM}P
)
case $o in
*"$N	$Q	differs	"*) ;;
*"$N	$Q	"*) O="$O$(printf '%s\n' "$o" | grep -a "^$N	$Q	")
"; return;;
*) e unknown "pip could not be asked: $(printf '%s\n' "$o" | tail -n 1 | cut -c1-300)"; return;;
esac
o=$("$v" -m pip --disable-pip-version-check --no-input -vv index versions "$@" 2>&1)
o=$(printf '%s\n' "$o" | sed 's#://[^/@ ]*@#://****@#g')
u=$(printf '%s\n' "$o" | grep -aE 'Could not fetch URL|Skipping page|is ignored:|not a trusted' | grep -av ' 404 ' | head -n 1 | cut -c1-400)
a=$(printf '%s\n' "$o" | sed -n 's/^Available versions: //p')
if [ "$u" ]; then e unknown "pip could not get the whole list: $u"
elif [ "$a" ]; then e versions "$a"; e python "$("$v" -c 'print("%d.%d.%d" % __import__("sys").version_info[:3])')"
else
a=$(printf '%s\n' "$o" | grep -a ERROR | tail -n 1)
e unknown "pip index versions: $(printf '%s\n' "${{a:-$o}}" | tail -n 1 | cut -c1-300)"; fi
}}
"#
    )
}

pub(super) fn call(query: &PublishedQuery) -> String {
    let mut call = format!("i {} {}", quote(&query.venv), quote(&query.package));
    for word in &query.index_args {
        call.push(' ');
        call.push_str(&quote(word));
    }
    call
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Published> {
    let (told, releases) = match answer.get("versions") {
        Some(versions) => (Told::Versions, versions_of(versions)),
        None => (Told::Files, releases_of(answer)),
    };
    let releases = match releases {
        Ok(releases) => releases,
        Err(reason) => return Observed::Unknown(reason),
    };
    // The last record: without it the list may have been cut short.
    let Some(python) = answer.get("python") else {
        return Observed::Unknown("pip's answer broke off".into());
    };
    Observed::Known(Published {
        releases,
        told,
        python: Some(python.to_owned()),
        sources: answer.all("source").map(str::to_owned).collect(),
        asked_at: None,
    })
}

fn versions_of(versions: &str) -> Result<Vec<PublishedRelease>, String> {
    let releases: Result<Vec<Release>, _> = versions.split(',').map(|version| Release::parse(version.trim())).collect();
    let mut releases = releases.map_err(|error| format!("pip index versions: {error}"))?;
    releases.sort();
    Ok(releases.into_iter().map(PublishedRelease::plain).collect())
}

fn releases_of(answer: &Answer<'_>) -> Result<Vec<PublishedRelease>, String> {
    let mut releases = BTreeMap::new();
    for text in answer.all("release") {
        let one: PublishedRelease =
            serde_json::from_str(text).map_err(|error| format!("pip's answer can't be read: {error}: {text}"))?;
        releases.insert(one.release.clone(), one);
    }
    Ok(releases.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    #[test]
    fn only_options_about_the_index_are_passed_on() {
        let words: Vec<String> =
            ["--no-index", "--find-links", "/srv/wheels", "-c", "old.txt", "--index-url=https://x/"]
                .map(str::to_owned)
                .to_vec();
        let query = PublishedQuery::new("/v", "p", &words);
        assert_eq!(query.index_args, ["--no-index", "--find-links", "/srv/wheels", "--index-url=https://x/"]);
    }

    #[test]
    fn a_place_on_the_host_is_known_as_such() {
        for (words, local) in [
            (&["--find-links", "/srv/wheels"][..], true),
            (&["-f/srv/wheels"], true),
            (&["--find-links=wheels"], true),
            (&["-i", "file:///srv/simple"], true),
            (&["--extra-index-url=https://x/ /srv/simple"], true),
            (&["--find-links=https://x/wheels", "-i", "https://x/simple"], false),
            (&["--cert", "/etc/ssl/site.pem", "--trusted-host", "x"], false),
            (&[], false),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(PublishedQuery::new("/v", "p", &words).names_local_place(), local, "{words:?}");
        }
    }

    fn read(records: &[(&str, &str)]) -> Observed<Published> {
        let records = records.iter().map(|(key, value)| Record { key, value }).collect();
        parse(&Answer { records, clock: Clock::default() })
    }

    #[test]
    fn what_can_be_installed_is_neither_withdrawn_nor_for_another_python() {
        let observed = read(&[
            ("source", "https://pypi.org/simple"),
            ("release", r#"{"release": "24.9.10", "requires_python": ">=3.12,<3.13"}"#),
            ("release", r#"{"release": "24.9.9", "yanked": "", "requires_python": ">=3.12,<3.13", "bytes": 7}"#),
            ("release", r#"{"release": "25.6.1", "requires_python": ">=3.13"}"#),
            ("release", r#"{"release": "24.9.8"}"#),
            ("python", "3.12.1"),
        ]);
        let published = observed.known().unwrap();
        assert_eq!(published.releases.len(), 4);
        assert_eq!(published.releases[1].bytes, Some(7));
        let usable: Vec<String> = published.usable().iter().map(Release::to_string).collect();
        assert_eq!(usable, ["24.9.8", "24.9.10"]);
        let why = |text: &str| published.hindrance(&Release::parse(text).unwrap());
        assert_eq!(why("24.09.9").as_deref(), Some("it was withdrawn: no reason was given"));
        assert_eq!(why("25.6.1").as_deref(), Some("it is for Python >=3.13, and the environment has 3.12.1"));
        assert_eq!((why("24.9.8"), why("26.1.0")), (None, None));
    }

    #[test]
    fn versions_alone_are_marked_as_such() {
        let observed = read(&[("versions", "25.6.4, 25.6.1"), ("python", "3.13.0")]);
        let published = observed.known().unwrap();
        assert_eq!(published.told, Told::Versions);
        assert_eq!(published.releases[0].release.to_string(), "25.6.1");
    }

    #[test]
    fn a_list_that_may_be_short_is_unknown() {
        let whole = r#"{"release": "25.6.1"}"#;
        for records in [
            &[("release", whole)][..],
            &[("release", whole), ("release", r#"{"release": "25.6."#), ("python", "3.13.0")],
            &[("versions", "25.6.4, ???"), ("python", "3.13.0")],
        ] {
            assert!(read(records).unknown().is_some(), "{records:?}");
        }
    }
}
