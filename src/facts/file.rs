//! One file: whether it is there, how large, how old.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use crate::model::Timestamp;

/// Which file to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileQuery {
    /// An absolute path.
    pub path: String,
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its size in bytes.
    pub bytes: u64,
    /// When its content last changed, by the host's clock.
    pub modified: Timestamp,
}

pub(super) const FUNCTION: &str = r#"f() {
if [ -f "$1" ]; then s=$(stat -L -c '%s %Y' "$1" 2>/dev/null) && e file "$s" || e unknown "stat $1 failed"
elif [ -e "$1" ]; then e unknown "$1 is no regular file"; else e absent 1; fi
}
"#;

pub(super) fn call(query: &FileQuery) -> String {
    format!("f {}", quote(&query.path))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<File> {
    if answer.get("absent").is_some() {
        return Observed::Absent;
    }
    let numbers = answer.get("file").and_then(|text| text.split_once(' '));
    match numbers.map(|(bytes, modified)| (bytes.parse(), modified.parse())) {
        Some((Ok(bytes), Ok(modified))) => Observed::Known(File { bytes, modified: Timestamp(modified) }),
        Some(_) | None => Observed::Unknown("stat printed something else than size and time".into()),
    }
}
