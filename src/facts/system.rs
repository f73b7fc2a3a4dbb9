//! The operating system of a host, from `/etc/os-release` and `/proc`.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::Answer;

/// What a host runs on. What a host doesn't say is empty, or 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// `PRETTY_NAME` of os-release(5), such as `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
    /// The kernel's release.
    pub kernel: String,
    /// The numeric user that the probe ran as.
    pub uid: u32,
    /// `ID` of os-release(5), such as `debian`.
    #[serde(default)]
    pub id: String,
    /// `ID_LIKE` of os-release(5): what it is derived from, the nearest first.
    #[serde(default)]
    pub like: Vec<String>,
    /// `VERSION_ID` of os-release(5), such as `12`.
    #[serde(default)]
    pub version: String,
    /// `VERSION_CODENAME` of os-release(5), such as `bookworm`.
    #[serde(default)]
    pub codename: String,
    /// The name that the host gives itself.
    #[serde(default)]
    pub hostname: String,
    /// The machine, as `uname -m` names it.
    #[serde(default)]
    pub machine: String,
    /// Memory in KiB.
    #[serde(default)]
    pub memory_kib: u64,
    /// Processors that are online.
    #[serde(default)]
    pub cpus: u32,
}

/// A shell reads these files by the byte, so it reads one line where it can. The file with the machine is there from Linux
/// 6.1 on.
pub(super) const FUNCTION: &str = r#"y() {
while IFS='=' read -r k v; do case $k in PRETTY_NAME) e os "$v";; ID|ID_LIKE|VERSION_ID|VERSION_CODENAME) e "$k" "$v";; esac; done </etc/os-release
read -r k </proc/sys/kernel/osrelease; e kernel "$k"
read -r k </proc/sys/kernel/hostname; e hostname "$k"
{ read -r k </proc/sys/kernel/arch || k=$(uname -m); e machine "$k"
read -r k v w </proc/meminfo && e memory "${v%% *}"
read -r k </sys/devices/system/cpu/online && e cpus "$k"; } 2>/dev/null
while read -r k v w; do [ "$k" = Uid: ] && { e uid "$v"; break; }; done </proc/$$/status
}
"#;

pub(super) fn parse(answer: &Answer<'_>) -> Observed<System> {
    let (Some(kernel), Some(uid)) = (answer.get("kernel"), answer.get("uid").and_then(|uid| uid.parse().ok())) else {
        return Observed::Unknown("/proc is not readable".into());
    };
    let text = |key: &str| answer.get(key).unwrap_or_default().trim_matches(['"', '\'']).to_owned();
    Observed::Known(System {
        os: answer.get("os").map_or_else(|| "an unnamed Linux".to_owned(), |_| text("os")),
        kernel: kernel.to_owned(),
        uid,
        id: text("ID"),
        like: text("ID_LIKE").split_whitespace().map(str::to_owned).collect(),
        version: text("VERSION_ID"),
        codename: text("VERSION_CODENAME"),
        hostname: text("hostname"),
        machine: text("machine"),
        memory_kib: text("memory").parse().unwrap_or_default(),
        cpus: count(&text("cpus")),
    })
}

/// How many numbers a list such as `0-3,8` has; 0 where it is none.
fn count(list: &str) -> u32 {
    let one = |part: &str| -> Option<u32> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        last.parse::<u32>().ok()?.checked_sub(first.parse().ok()?)?.checked_add(1)
    };
    list.split(',').map(one).try_fold(0_u32, |sum, part| sum.checked_add(part?)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_from_their_list() {
        for (list, processors) in
            [("0", 1), ("0-15", 16), ("0-3,8,10-11", 7), ("", 0), ("5-1", 0), ("x", 0), ("0-4294967295", 0)]
        {
            assert_eq!(count(list), processors, "{list}");
        }
    }
}
