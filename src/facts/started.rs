//! When a systemd unit was last started, for comparison with the files that it reads.

use serde::{Deserialize, Serialize};

use super::probe::{Answer, quote};
use super::{Observed, UnitQuery};
use crate::model::Timestamp;

/// The start of what runs in a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// When its main process was started, by the host's clock. Absent where nothing of it runs.
    pub at: Timestamp,
    /// Whether systemd has read an older unit file than the one that is there.
    pub needs_reload: bool,
}

/// The time is printed for people, and date(1) reads it: `--timestamp=unix` is younger than Ubuntu 20.04's systemd.
pub(super) const FUNCTION: &str = r#"sd() {
o=$(systemctl show -p ExecMainStartTimestamp,ActiveEnterTimestamp,ActiveState,NeedDaemonReload -- "$1" 2>&1) || { e unknown "systemctl: $o"; return; }
a= m= t=; while IFS='=' read -r k v; do case $k in ExecMainStartTimestamp) m=$v;; ActiveEnterTimestamp) t=$v;; ActiveState) a=$v;; NeedDaemonReload) e reload "$v";; esac; done <<E
$o
E
case $a in active|activating|reloading) ;; *) e absent 1; return;; esac
[ "$m" ] || m=$t; s=$(date -d "$m" +%s 2>/dev/null) && e start "$s" || e unknown "systemctl says that it was started at \"$m\", and date can't read that"
}
"#;

pub(super) fn call(query: &UnitQuery) -> String {
    format!("sd {}", quote(&query.name))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Started> {
    match answer.get("start").map(str::parse) {
        Some(Ok(at)) => {
            Observed::Known(Started { at: Timestamp(at), needs_reload: answer.get("reload") == Some("yes") })
        }
        Some(Err(_)) => Observed::Unknown("date printed no number".into()),
        None => Observed::Absent,
    }
}
