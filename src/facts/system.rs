//! The operating system of a host, from `/etc/os-release` and `/proc`.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::Answer;

/// What a host runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// `PRETTY_NAME` of os-release(5), such as `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
    /// The kernel's release.
    pub kernel: String,
    /// The numeric user that the probe ran as.
    pub uid: u32,
}

/// A shell reads these files by the byte, so it stops at what it looks for.
pub(super) const FUNCTION: &str = r#"y() {
while IFS='=' read -r k v; do [ "$k" = PRETTY_NAME ] && { e os "$v"; break; }; done </etc/os-release
read -r k </proc/sys/kernel/osrelease; e kernel "$k"
while read -r k v w; do [ "$k" = Uid: ] && { e uid "$v"; break; }; done </proc/$$/status
}
"#;

pub(super) fn parse(answer: &Answer<'_>) -> Observed<System> {
    let (Some(kernel), Some(uid)) = (answer.get("kernel"), answer.get("uid").and_then(|uid| uid.parse().ok())) else {
        return Observed::Unknown("/proc is not readable".into());
    };
    let os = answer.get("os").unwrap_or("an unnamed Linux").trim_matches('"').to_owned();
    Observed::Known(System { os, kernel: kernel.to_owned(), uid })
}
