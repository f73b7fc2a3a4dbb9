//! Which paths match a pattern of the shell: state that a program keeps under names of its own making.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use crate::model::directory_of;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PathsQuery {
    /// An absolute path, or one below `~`, in which `*` and `?` stand for parts of names, as in sh.
    pub pattern: String,
}

/// The paths that match, in the order of their names; at most twenty of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// The paths.
    pub paths: Vec<String>,
}

/// More of one kind tell nothing more.
const MOST: u32 = 20;

/// A directory that can't be listed makes a pattern match nothing: that is not the same as nothing being there.
pub(super) const FUNCTION: &str = r#"g() {
m=$1 p=$2; shift 2; while [ ! -e "$p" ]; do case $p in /*/*) p=${p%/*};; *) p=/;; esac; done
if [ -d "$p" ] && ! { [ -r "$p" ] && [ -x "$p" ]; }; then e unknown "$p can't be listed"; return; fi
e looked "$p"; for p; do [ -e "$p" ] && [ "$m" != 0 ] && m=$((m-1)) && e path "$p"; done
}
"#;

pub(super) fn call(query: &PathsQuery) -> String {
    let literal: &str = query.pattern.split(['*', '?']).next().unwrap_or("/");
    let directory = directory_of(literal);
    format!("g {MOST} {} {}", at_home(directory, quote), at_home(&query.pattern, quote_pattern))
}

/// A leading `~` is the home of the user who logs in.
fn at_home(path: &str, quote: impl Fn(&str) -> String) -> String {
    match path.strip_prefix('~') {
        Some("") => "\"${HOME:-/}\"".to_owned(),
        Some(rest) if rest.starts_with('/') => format!("\"${{HOME:-/}}\"{}", quote(rest)),
        Some(_) | None => quote(path),
    }
}

/// Quotes everything but what the shell is to expand.
fn quote_pattern(pattern: &str) -> String {
    let mut quoted = String::new();
    let mut plain = String::new();
    for character in pattern.chars() {
        if matches!(character, '*' | '?') {
            if !plain.is_empty() {
                quoted.push_str(&quote(&std::mem::take(&mut plain)));
            }
            quoted.push(character);
        } else {
            plain.push(character);
        }
    }
    if !plain.is_empty() {
        quoted.push_str(&quote(&plain));
    }
    quoted
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Paths> {
    if answer.get("looked").is_none() {
        return Observed::Unknown("the host didn't say where it looked".into());
    }
    let paths: Vec<String> = answer.all("path").map(str::to_owned).collect();
    if paths.is_empty() { Observed::Absent } else { Observed::Known(Paths { paths }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wildcards_are_left_to_the_shell() {
        let call = call(&PathsQuery { pattern: "/srv/it's $(x)/a*.d?t".into() });
        assert_eq!(call, r"g 20 '/srv/it'\''s $(x)' '/srv/it'\''s $(x)/a'*.d?t");
        let home = self::call(&PathsQuery { pattern: "~/state/*.dat".into() });
        assert_eq!(home, "g 20 \"${HOME:-/}\"/state \"${HOME:-/}\"/state/*.dat");
    }
}
