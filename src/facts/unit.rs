//! A systemd unit: its state by `systemctl show`, its processes by its control group.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use super::process::{Processes, read_processes};

/// Which unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitQuery {
    /// Its name, such as `backendai-manager.service`.
    pub name: String,
}

/// A unit that systemd has loaded. Field values are systemd's own words (see systemd(1), org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// `loaded`, `masked`, `error`, …
    pub load_state: String,
    /// `active`, `inactive`, `failed`, `activating`, …
    pub active_state: String,
    /// `running`, `dead`, `auto-restart`, …
    pub sub_state: String,
    /// `enabled`, `disabled`, `static`, …
    pub unit_file_state: String,
    /// The number of the signal that a stop sends.
    pub kill_signal: u32,
    /// The last result, `success` or why it failed.
    pub result: String,
    /// Everything that runs in the unit's control group.
    pub processes: Processes,
}

pub(super) const FUNCTION: &str = r#"u() {
o=$(systemctl show -p LoadState,ActiveState,SubState,UnitFileState,KillSignal,Result,ControlGroup -- "$1" 2>&1) || { e unknown "systemctl: $o"; return; }
g=; while IFS='=' read -r k v; do case $k in ControlGroup) g=$v;; [A-Z]*) e "$k" "$v";; esac; done <<E
$o
E
[ "$g" ] && for h in $(find "/sys/fs/cgroup$g" "/sys/fs/cgroup/systemd$g" -name cgroup.procs -exec cat {} + 2>/dev/null); do r $h "$(c $h)"; done
}
"#;

pub(super) fn call(query: &UnitQuery) -> String {
    format!("u {}", quote(&query.name))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Unit> {
    let word = |key: &str| answer.get(key).unwrap_or_default().to_owned();
    if answer.get("LoadState") == Some("not-found") {
        return Observed::Absent;
    }
    let (Some(active_state), Some(Ok(kill_signal))) =
        (answer.get("ActiveState"), answer.get("KillSignal").map(str::parse))
    else {
        return Observed::Unknown("systemctl show printed no state (is systemd the host's init?)".into());
    };
    let mut all = read_processes(&answer.records, answer.clock);
    all.sort_by_key(|process| process.pid);
    all.dedup_by_key(|process| process.pid);
    Observed::Known(Unit {
        load_state: word("LoadState"),
        active_state: active_state.to_owned(),
        sub_state: word("SubState"),
        unit_file_state: word("UnitFileState"),
        kill_signal,
        result: word("Result"),
        processes: Processes { all },
    })
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    #[test]
    fn a_unit_is_read_with_its_processes() {
        let records = [
            ("LoadState", "loaded"),
            ("ActiveState", "active"),
            ("SubState", "running"),
            ("KillSignal", "2"),
            ("process", "7 1 100 1100 backend.ai: agent local"),
        ];
        let answer = Answer {
            records: records.iter().map(|(key, value)| Record { key, value }).collect(),
            clock: Clock { now: 10, uptime_ticks: 200 },
        };
        let observed = parse(&answer);
        let unit = observed.known().unwrap();
        assert_eq!((unit.kill_signal, unit.processes.all.len()), (2, 1));
    }

    #[test]
    fn a_unit_that_systemd_does_not_have_is_absent() {
        let answer = Answer { records: vec![Record { key: "LoadState", value: "not-found" }], clock: Clock::default() };
        assert_eq!(parse(&answer), Observed::Absent);
    }
}
