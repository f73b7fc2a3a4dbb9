//! Free space of the file system that holds a path, from `df -Pk`.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};

/// Which path to ask about. It need not exist yet: its nearest existing parent counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DiskQuery {
    /// An absolute path.
    pub path: String,
}

/// Space of one file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Kibibytes that an unprivileged user may still write.
    pub available_kib: u64,
    /// Where the file system is mounted.
    pub mounted_on: String,
    /// The path, or its nearest existing parent.
    pub existing: String,
    /// Whether that is a directory which the user who logs in may write to.
    pub writable: bool,
}

pub(super) const FUNCTION: &str = r#"d() {
p=$1; while [ ! -e "$p" ]; do p=${p%/*}; [ "$p" ] || p=/; done
e at "$p"; [ -d "$p" ] && [ -w "$p" ] && [ -x "$p" ] && e writable 1
o=$(df -Pk "$p" 2>/dev/null); set -f; set -- ${o##*
}; set +f
case ${6:+$4} in *[!0-9]*|'') e unknown "df $p failed";; *) e kib "$4"; shift 5; e on "$*";; esac
}
"#;

pub(super) fn call(query: &DiskQuery) -> String {
    format!("d {}", quote(&query.path))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Disk> {
    match answer.get("kib").map(str::parse) {
        Some(Ok(available_kib)) => {
            let text = |key| answer.get(key).unwrap_or("?").to_owned();
            let writable = answer.get("writable").is_some();
            Observed::Known(Disk { available_kib, mounted_on: text("on"), existing: text("at"), writable })
        }
        Some(Err(_)) | None => Observed::Unknown("df printed no number".into()),
    }
}
