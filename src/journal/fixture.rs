//! Records for tests.

use std::collections::BTreeMap;

use super::{Chain, PlannedAction, Record, RunStarted};
use crate::event::{ActionResult, Failure};
use crate::model::{Digest, HostName, RunId, Timestamp};

pub(crate) const RUN: &str = "20261125T033000Z-7f3a9c";

pub(crate) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

/// A run that plans to stop, install and start a manager on `m1`.
pub(crate) fn started() -> RunStarted {
    let action = |verb: &str| PlannedAction { host: host("m1"), id: id(verb), text: format!("{verb} manager") };
    RunStarted {
        format: 1,
        written_by: "converge 0.1.0".into(),
        run: RunId::parse(RUN).unwrap(),
        who: "kim@laptop".into(),
        pid: 4711,
        directory: "/home/kim/prod".into(),
        command: vec!["--inventory".into(), "prod.yaml".into()],
        inventory: Some("/home/kim/prod/prod.yaml".into()),
        cluster: Digest::of(b"m1"),
        hosts: BTreeMap::from([(host("m1"), "bai@10.0.0.1:22".into())]),
        plan: Digest::of(b"plan"),
        actions: ["stop", "install", "start"].map(action).into(),
        waived: Vec::new(),
        resumes: None,
    }
}

pub(crate) fn id(verb: &str) -> String {
    format!("25.6.4/m1/manager/{verb}")
}

pub(crate) fn first() -> Record {
    Record::RunStarted(Box::new(started()))
}

pub(crate) fn intended(verb: &str) -> Record {
    Record::ActionIntended { host: host("m1"), id: id(verb), text: format!("{verb} manager") }
}

pub(crate) fn done(verb: &str) -> Record {
    ended(verb, ActionResult::Done { evidence: "seen".into() })
}

pub(crate) fn failed(verb: &str, unreachable: bool) -> Record {
    let failure = Failure {
        host: host("m1"),
        tried: format!("{verb} manager"),
        expected: "it".into(),
        observed: "something else".into(),
        output: vec!["index https://bai:s3cr3t@pypi.example.org/simple".into()],
        left: Vec::new(),
        next: "mend it".into(),
        unreachable,
        handled: None,
    };
    ended(verb, ActionResult::Failed(failure))
}

fn ended(verb: &str, how: ActionResult) -> Record {
    Record::ActionEnded { host: host("m1"), id: id(verb), text: format!("{verb} manager"), how, took_ms: 1200 }
}

/// A file of these records, a second apart.
pub(crate) fn file(records: &[Record]) -> String {
    let mut chain = Chain::default();
    let start = RunId::parse(RUN).unwrap().start().0;
    let line = |(index, record): (usize, &Record)| {
        chain.append(Timestamp(start + i64::try_from(index).unwrap()), record).unwrap()
    };
    records.iter().enumerate().map(line).collect()
}
