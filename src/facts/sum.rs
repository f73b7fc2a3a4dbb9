//! A file with the sum that was noted beside it, as `sha256sum -c` reads it: `FILE.sha256`.
//!
//! The file itself isn't read here, for it may have many gigabytes: whoever notes a sum has read all of it. A file that was
//! changed since then has none.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use crate::model::Digest;

/// Which file to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SumQuery {
    /// An absolute path.
    pub path: String,
}

/// A regular file whose sum is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Its size in bytes.
    pub bytes: u64,
    /// The SHA-256 of its content when that was noted.
    pub sha256: Digest,
}

pub(super) const FUNCTION: &str = r#"sm() {
if [ ! -e "$1" ]; then e absent 1; elif [ ! -f "$1" ]; then e unknown "$1 is no regular file"
elif [ ! -f "$1.sha256" ]; then e unknown "no sha256 of it is noted beside it"
elif [ "$1" -nt "$1.sha256" ]; then e unknown "it was changed after its sha256 was noted"
else h=; read -r h v <"$1.sha256"; s=$(stat -L -c %s "$1" 2>/dev/null) && e sum "$s $h" || e unknown "stat $1 failed"; fi
}
"#;

pub(super) fn call(query: &SumQuery) -> String {
    format!("sm {}", quote(&query.path))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Sum> {
    if answer.get("absent").is_some() {
        return Observed::Absent;
    }
    let told = answer.get("sum").and_then(|text| text.split_once(' '));
    match told.map(|(bytes, sha256)| (bytes.parse(), Digest::parse(sha256))) {
        Some((Ok(bytes), Some(sha256))) => Observed::Known(Sum { bytes, sha256 }),
        Some(_) | None => Observed::Unknown("what is noted beside it is no sha256".into()),
    }
}
