//! Whether something listens on a TCP port of the host.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::Answer;

/// Which port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ListeningQuery {
    /// The port, from 1 on.
    pub port: u16,
}

/// Something listens there, on whatever address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {}

/// In `/proc/net/tcp`, the state 0A is LISTEN, and ports are hexadecimal (proc(5)).
pub(super) const FUNCTION: &str = r#"ls() {
o=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null); [ "$o" ] || { e unknown "/proc/net/tcp can't be read"; return; }
while read -r n a r s w; do case $s:$a in 0A:*:"$1") e listens 1; return;; esac; done <<E
$o
E
e absent 1
}
"#;

pub(super) fn call(query: &ListeningQuery) -> String {
    format!("ls {:04X}", query.port)
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Listening> {
    match answer.get("listens") {
        Some(_) => Observed::Known(Listening {}),
        None => Observed::Absent,
    }
}
