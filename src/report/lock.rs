//! Locks in words: who holds one, what became of the one before, and all of them in a list.

use std::fmt::Write as _;

use crate::model::HostName;
use crate::remote::{Before, LockKind, LockRecord};

/// One lock as it was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LockLine {
    /// The host that it lies on.
    pub host: HostName,
    /// `cluster` or `host`.
    pub lock: &'static str,
    /// `held`, `expired`, `broken`, `released`, `never taken`, `not known`.
    pub state: &'static str,
    /// The newest record.
    pub record: Option<LockRecord>,
    /// Why nothing is known, where that is so.
    pub reason: Option<String>,
}

impl LockLine {
    /// What the host answered, or why it didn't.
    #[must_use]
    pub fn new(host: HostName, kind: LockKind, answer: Result<Option<LockRecord>, String>) -> Self {
        let state = match &answer {
            Err(_) => "not known",
            Ok(None) => "never taken",
            Ok(Some(record)) if record.broken.is_some() => "broken",
            Ok(Some(record)) if record.released => "released",
            Ok(Some(record)) if record.holds() => "held",
            Ok(Some(_)) => "expired",
        };
        let (record, reason) = match answer {
            Ok(record) => (record, None),
            Err(reason) => (None, Some(reason)),
        };
        Self { host, lock: name_of(kind), state, record, reason }
    }
}

const fn name_of(kind: LockKind) -> &'static str {
    match kind {
        LockKind::Cluster => "cluster",
        LockKind::Host => "host",
    }
}

/// Who has or had it.
fn holder(record: &LockRecord) -> String {
    let LockRecord {
        generation: _,
        run,
        holder,
        controller: _,
        pid,
        process: _,
        since,
        age,
        ttl,
        released: _,
        broken: _,
        user,
    } = record;
    let user = user.map_or_else(String::new, |user| format!(", as user {user} of the host"));
    format!(
        "run {run} of {holder} (process {pid} there){user} since {since}, last sign of life {age} s ago; it expires {ttl} s after one"
    )
}

/// Why a run can't begin: another one has a lock.
#[must_use]
pub fn held_text(held: &Before) -> String {
    let Before { host, kind, record } = held;
    let what = match kind {
        LockKind::Cluster => format!("another run changes this cluster (its lock lies on {host})"),
        LockKind::Host => format!("another run changes {host}"),
    };
    let as_whom = record.user.map_or_else(String::new, |user| {
        format!(" as user {user} of {host} (ansible_user, ansible_become_user), who alone can")
    });
    format!(
        "\nLOCKED: {what}\n  {}\n  nothing was changed\n  next: wait for its end with --lock-wait 10m; if {} is gone, its lock \
         expires by itself, or: converge lock break --reason TEXT{as_whom}\n",
        holder(record),
        record.holder
    )
}

/// What became of a lock that somebody neither used nor gave back.
#[must_use]
pub fn taken_over_text(before: &Before) -> String {
    let Before { host, kind, record } = before;
    let name = name_of(*kind);
    match &record.broken {
        Some(by) => format!("{host}: the {name} lock of run {} of {} was broken by {by}\n", record.run, record.holder),
        None => format!("{host}: the {name} lock has expired and is taken over from {}\n", holder(record)),
    }
}

/// All locks, a line each.
#[must_use]
pub fn locks_text(lines: &[LockLine]) -> String {
    let mut text = String::new();
    for LockLine { host, lock, state, record, reason } in lines {
        let _ = write!(text, "{host}: {lock} lock: {state}");
        if let Some(record) = record {
            let _ = match &record.broken {
                Some(by) => write!(text, ": {}; by {by}", holder(record)),
                None => write!(text, ": {}", holder(record)),
            };
        }
        if let Some(reason) = reason {
            let _ = write!(text, ": {reason}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> LockRecord {
        LockRecord {
            generation: 4,
            run: "20261125T033000Z-7f3a9c".into(),
            holder: "kim@laptop".into(),
            controller: "laptop".into(),
            pid: "4711".into(),
            process: "b n 4711 1".into(),
            since: "2026-11-25T03:30:00Z".into(),
            age: 12,
            ttl: 120,
            released: false,
            broken: None,
            user: None,
        }
    }

    fn before(kind: LockKind, record: LockRecord) -> Before {
        Before { host: HostName::parse("mgr1").unwrap(), kind, record }
    }

    #[test]
    fn whoever_is_kept_out_learns_who_where_since_when_and_what_to_type() {
        let text = held_text(&before(LockKind::Cluster, record()));
        for part in [
            "its lock lies on mgr1",
            "run 20261125T033000Z-7f3a9c of kim@laptop (process 4711 there) since 2026-11-25T03:30:00Z",
            "last sign of life 12 s ago",
            "nothing was changed",
            "--lock-wait",
            "converge lock break --reason",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let text = taken_over_text(&before(LockKind::Host, LockRecord { age: 500, ..record() }));
        assert!(text.starts_with("mgr1: the host lock has expired and is taken over from run 2026"), "{text}");
        let broken = LockRecord { broken: Some("lee@desk: gone home".into()), ..record() };
        let text = taken_over_text(&before(LockKind::Host, broken));
        assert!(text.ends_with("of kim@laptop was broken by lee@desk: gone home\n"), "{text}");
    }

    #[test]
    fn every_lock_has_one_state() {
        let line = |answer| LockLine::new(HostName::parse("mgr1").unwrap(), LockKind::Host, answer);
        let states = [
            line(Ok(Some(record()))),
            line(Ok(Some(LockRecord { age: 121, ..record() }))),
            line(Ok(Some(LockRecord { released: true, ..record() }))),
            line(Ok(Some(LockRecord { broken: Some("x".into()), ..record() }))),
            line(Ok(None)),
            line(Err("no route".into())),
        ];
        assert_eq!(
            states.clone().map(|line| line.state),
            ["held", "expired", "released", "broken", "never taken", "not known"]
        );
        assert!(locks_text(&states).ends_with("mgr1: host lock: never taken\nmgr1: host lock: not known: no route\n"));
    }
}
