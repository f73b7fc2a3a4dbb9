//! The releases of a package that a host can really get, asked of the host's own pip with the
//! host's own configuration (`pip index versions`).

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use crate::release::Release;

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

/// Published releases that the environment's Python can run, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The releases.
    pub releases: Vec<Release>,
}

impl PublishedQuery {
    /// A question to the pip of `venv`; of `pip_args` only what says where packages come from is used.
    #[must_use]
    pub fn new(venv: &str, package: &str, pip_args: &[String]) -> Self {
        /// Options of `pip install` about the package index that `pip index versions` takes too.
        const WITH_VALUE: [&str; 7] =
            ["-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "--proxy"];
        let mut index_args = Vec::new();
        let mut words = pip_args.iter();
        while let Some(word) = words.next() {
            if word == "--no-index" || WITH_VALUE.iter().any(|option| word.starts_with(&format!("{option}="))) {
                index_args.push(word.clone());
            } else if WITH_VALUE.contains(&word.as_str()) {
                index_args.push(word.clone());
                index_args.extend(words.next().cloned());
            }
        }
        Self { venv: venv.to_owned(), package: package.to_owned(), index_args }
    }
}

pub(super) const FUNCTION: &str = r#"i() {
v=$1; shift; o=$("$v/bin/python" -m pip --disable-pip-version-check --no-input index versions "$@" 2>&1) || o="ERROR: $o"
a=$(printf '%s\n' "$o" | sed -n 's/^Available versions: //p')
if [ "$a" ]; then e versions "$a"; else e unknown "pip index versions: $(printf '%s' "$o" | grep -a ERROR | tail -n 1 | cut -c1-300)"; fi
}
"#;

pub(super) fn call(query: &PublishedQuery) -> String {
    let mut call = format!("i {} {}", quote(&query.venv), quote(&query.package));
    for word in &query.index_args {
        call.push(' ');
        call.push_str(&quote(word));
    }
    call
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Published> {
    let mut releases: Vec<Release> = answer
        .get("versions")
        .unwrap_or_default()
        .split(',')
        .filter_map(|version| Release::parse(version.trim()).ok())
        .collect();
    releases.sort();
    if releases.is_empty() {
        return Observed::Unknown("pip named no release that it can read".into());
    }
    Observed::Known(Published { releases })
}

#[cfg(test)]
mod tests {
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
}
