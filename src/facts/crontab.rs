//! The crontab of a user.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};

/// Whose crontab.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CrontabQuery {
    /// The user; `None` is the one that the session belongs to.
    pub user: Option<String>,
}

/// A crontab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crontab {
    /// Its lines.
    pub lines: Vec<String>,
}

pub(super) const FUNCTION: &str = r#"ct() {
command -v crontab >/dev/null 2>&1 || { e unknown "there is no crontab program: is cron installed?"; return; }
o=$(crontab "$@" -l 2>&1) || { case $o in *"no crontab"*) e absent 1;; *) e unknown "crontab: $o";; esac; return; }
e there 1; while IFS= read -r l; do e line "$l"; done <<E
$o
E
}
"#;

pub(super) fn call(query: &CrontabQuery) -> String {
    match &query.user {
        Some(user) => format!("ct -u {}", quote(user)),
        None => "ct".to_owned(),
    }
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Crontab> {
    if answer.get("absent").is_some() {
        return Observed::Absent;
    }
    Observed::Known(Crontab { lines: answer.all("line").map(str::to_owned).collect() })
}
