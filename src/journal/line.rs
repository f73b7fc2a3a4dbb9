//! Records as lines of a file, and back. Pure.
//!
//! A line is one JSON object: `seq`, `at`, `record`, then what the record says, and `digest` at its end: the SHA-256 of the
//! `digest` of the line before (nothing before the first line) and of the line's own text up to there, with the closing brace.
//! So a record that is changed, removed or put in by hand shows. A digest is no signature: whoever writes all lines
//! from there to the end anew, with new digests, is not found out, and neither is a missing end.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::record::{Entry, FORMAT, Record};
use crate::model::{Digest, Timestamp, redacted};

/// What stands between a line's text and its digest.
const SEAM: &str = ",\"digest\":\"";
/// The seam, 64 digits, a quotation mark and a brace.
const TAIL: usize = SEAM.len() + 64 + 2;

/// Where a file ends: what the next line is chained to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    seq: u64,
    last: Option<Digest>,
}

impl Chain {
    /// The next line, with its line break; URLs in it are without credentials.
    ///
    /// # Errors
    /// When the record can't be written as JSON, which would be a defect.
    pub fn append(&mut self, at: Timestamp, record: &Record) -> Result<String, serde_json::Error> {
        let mut value = serde_json::to_value(record)?;
        redact(&mut value);
        let seq = self.seq + 1;
        let mut body = format!("{{\"seq\":{seq},\"at\":{}", Value::from(at.to_string()));
        if let Value::Object(fields) = &value {
            let kind = fields.get_key_value("record");
            for (name, field) in kind.into_iter().chain(fields.iter().filter(|(name, _)| *name != "record")) {
                body.push_str(&format!(",{}:{field}", Value::from(name.as_str())));
            }
        }
        body.push('}');
        let digest = chained(self.last.as_ref(), &body);
        body.truncate(body.len() - 1);
        let line = format!("{body}{SEAM}{digest}\"}}\n");
        *self = Self { seq, last: Some(digest) };
        Ok(line)
    }
}

fn chained(before: Option<&Digest>, body: &str) -> Digest {
    Digest::of(format!("{}{body}", before.map_or("", Digest::as_str)).as_bytes())
}

fn redact(value: &mut Value) {
    match value {
        Value::String(text) => *text = redacted(text),
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::Object(fields) => fields.values_mut().for_each(redact),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A file, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// What could be read, in order, also where its digest doesn't fit.
    pub entries: Vec<Entry>,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// What stands at its end and is no whole record: it was never durable, so what it announces was never begun.
    pub torn: Option<Fault>,
    /// What stands there, as far as it is text.
    pub torn_text: Option<String>,
    /// How many bytes lie before it.
    pub whole_bytes: u64,
    /// Where it ends.
    pub chain: Chain,
}

/// Something wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What.
    pub what: What,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It has no line break at its end: it was being written when the machine or the program stopped, or the disk was full.
    Torn {
        /// How many bytes of it there are.
        bytes: usize,
    },
    /// It is no record.
    NoRecord {
        /// Why.
        reason: String,
    },
    /// Its digest isn't that of its text and of the line before.
    Digest,
    /// Its number isn't the next one.
    Number {
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Torn { bytes } => write!(f, "the last record is torn: {bytes} bytes of it were written"),
            What::NoRecord { reason } => write!(f, "no record: {reason}"),
            What::Digest => f.write_str(
                "its digest fits neither its text nor the record before: one of them was changed, removed or put in",
            ),
            What::Number { expected, found } => {
                write!(f, "it has the number {found} where {expected} comes next: records are missing or were put in")
            }
        }
    }
}

/// Why a file can't be read as a journal at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no whole first record: nothing was begun.
    #[error("it ends before its first record is whole: the run was cut off before it began anything")]
    Unbegun,
    /// Its first record is none of a journal.
    #[error("line 1: it is no journal of converge: {0}")]
    Foreign(String),
    /// A later converge wrote it.
    #[error("it has format {found}, written by {written_by}; this converge {ours} reads formats up to {FORMAT}: read it with {written_by} or later", ours = env!("CARGO_PKG_VERSION"))]
    Newer {
        /// Its format.
        found: u32,
        /// Who wrote it.
        written_by: String,
    },
}

/// Reads a file. What is wrong with a line doesn't keep the others from being read.
///
/// # Errors
/// When it is no journal, or of a newer format.
pub fn read(bytes: &[u8]) -> Result<Journal, ReadError> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
        written_by: String,
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(ReadError::Unbegun)?;
    let first = bytes.get(..end).unwrap_or_default();
    let head: Head = serde_json::from_slice(first).map_err(|error| ReadError::Foreign(error.to_string()))?;
    // A reader for each format that there ever was.
    match head.format {
        1 => Ok(read_format_1(bytes)),
        0 => Err(ReadError::Foreign("there is no format 0".into())),
        found => Err(ReadError::Newer { found, written_by: head.written_by }),
    }
}

fn read_format_1(bytes: &[u8]) -> Journal {
    let mut journal = Journal::default();
    let mut expected = 1;
    for (index, piece) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        let mut fault = |what| journal.faults.push(Fault { line, what });
        let Some(text) = piece.strip_suffix(b"\n") else {
            journal.torn = Some(Fault { line, what: What::Torn { bytes: piece.len() } });
            journal.torn_text = Some(String::from_utf8_lossy(piece).into_owned());
            break;
        };
        journal.whole_bytes += piece.len() as u64;
        match parsed(text) {
            Err(reason) => {
                fault(What::NoRecord { reason });
                // What comes behind can't be held against a line that has no digest to be read.
                journal.chain = Chain { seq: expected, last: None };
            }
            Ok((entry, body, digest)) => {
                let after_a_broken_one = line > 1 && journal.chain.last.is_none();
                if !after_a_broken_one && chained(journal.chain.last.as_ref(), &body) != digest {
                    fault(What::Digest);
                }
                if entry.seq != expected {
                    fault(What::Number { expected, found: entry.seq });
                }
                journal.chain = Chain { seq: entry.seq, last: Some(digest) };
                journal.entries.push(entry);
            }
        }
        expected = journal.chain.seq + 1;
    }
    journal
}

fn parsed(line: &[u8]) -> Result<(Entry, String, Digest), String> {
    #[derive(Deserialize)]
    struct Place {
        seq: u64,
        at: String,
    }
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let seam = text.len().checked_sub(TAIL).filter(|at| text.is_char_boundary(*at)).ok_or("it is too short")?;
    let (body, tail) = text.split_at(seam);
    let written = tail.strip_prefix(SEAM).and_then(|rest| rest.strip_suffix("\"}")).unwrap_or_default();
    // In the very letters in which it is written: no byte may change unseen.
    let digest = Digest::parse(written).filter(|digest| digest.as_str() == written);
    let digest = digest.ok_or("it has no digest at its end")?;
    let body = format!("{body}}}");
    let Place { seq, at } = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    let at = Timestamp::parse(&at).ok_or_else(|| format!("{at:?} is no time"))?;
    let record: Record = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    Ok((Entry { seq, at, record }, body, digest))
}

impl Journal {
    /// How the run started.
    #[must_use]
    pub fn start(&self) -> Option<&super::RunStarted> {
        self.entries.iter().find_map(|entry| match &entry.record {
            Record::RunStarted(started) => Some(&**started),
            _ => None,
        })
    }

    /// Everything that is wrong with it, line by line; a torn end is the last.
    pub fn all_faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().chain(&self.torn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::fixture::{done, failed, file, first, intended};
    use crate::journal::{Ending, Found, Record};
    use crate::model::RunId;

    fn one_of_each() -> Vec<Record> {
        vec![
            first(),
            Record::StageStarted { number: 1, of: 2, title: "25.6.4: manager".into(), hosts: Vec::new() },
            intended("stop"),
            done("stop"),
            intended("install"),
            failed("install", true),
            Record::StageEnded { number: 1, failed: 1 },
            Record::RecoveryStarted { title: "back".into() },
            Record::RecoveryEnded { title: "back".into(), failed: 0 },
            Record::Stopping,
            Record::RunEnded { how: Ending::Failed, exit_code: 5 },
            Record::TakenUp {
                by: RunId::parse("20261125T040000Z-000000").unwrap(),
                who: "kim@laptop".into(),
                torn: Some("{\"se".into()),
            },
            Record::Found {
                host: crate::journal::fixture::host("m1"),
                id: crate::journal::fixture::id("install"),
                found: Found::Finished { status: 0 },
            },
        ]
    }

    fn faults(text: &str) -> Vec<(usize, What)> {
        read(text.as_bytes()).unwrap().all_faults().map(|fault| (fault.line, fault.what.clone())).collect()
    }

    /// The format of the file. Where this has to change, what older and newer versions make of each other's files has to
    /// be thought of, and FORMAT goes up.
    #[test]
    fn the_format_is_this() {
        let file = file(&one_of_each());
        let shown: Vec<String> = file.lines().map(|line| line[..line.len() - TAIL].to_owned() + "}").collect();
        insta::assert_snapshot!(shown.join("\n"));
        assert!(file.lines().all(|line| line.ends_with("\"}") && line.contains(SEAM)));
        for line in file.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            assert!(value["seq"].is_u64() && value["at"].is_string() && value["digest"].is_string());
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut records = one_of_each();
        let journal = read(file(&records).as_bytes()).unwrap();
        assert_eq!(journal.all_faults().count(), 0);
        // But for what was redacted.
        if let Record::ActionEnded { how: crate::event::ActionResult::Failed(failure), .. } = &mut records[5] {
            failure.output = vec!["index https://****@pypi.example.org/simple".into()];
        }
        assert_eq!(journal.entries.iter().map(|entry| entry.record.clone()).collect::<Vec<_>>(), records);
        assert_eq!(journal.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=13).collect::<Vec<u64>>());
    }

    #[test]
    fn no_credentials_are_written() {
        let text = file(&one_of_each());
        assert!(text.contains("https://****@pypi.example.org/simple") && !text.contains("s3cr3t"));
    }

    #[test]
    fn a_torn_end_is_told_apart_wherever_it_is_torn() {
        let text = file(&one_of_each());
        let last = text[..text.len() - 1].rfind('\n').unwrap() + 1;
        for cut in last + 1..text.len() {
            let journal = read(&text.as_bytes()[..cut]).unwrap();
            assert_eq!(journal.faults, [], "{cut}");
            assert_eq!(journal.torn, Some(Fault { line: 13, what: What::Torn { bytes: cut - last } }));
            assert_eq!((journal.entries.len(), journal.whole_bytes), (12, last as u64));
        }
        // Nothing but whole records is left of what is cut between them.
        assert_eq!(faults(&text[..last]), []);
        let first = text.find('\n').unwrap();
        for cut in 0..=first {
            assert_eq!(read(&text.as_bytes()[..cut]), Err(ReadError::Unbegun));
        }
    }

    #[test]
    fn a_file_goes_on_where_it_ended() {
        let records = one_of_each();
        let (before, after) = records.split_at(4);
        let text = file(before);
        let mut chain = read(text.as_bytes()).unwrap().chain;
        let rest: String = after.iter().map(|record| chain.append(Timestamp(1), record).unwrap()).collect();
        assert_eq!(faults(&format!("{text}{rest}")), []);
    }

    #[test]
    fn what_is_changed_shows_at_its_line() {
        let text = file(&one_of_each());
        let lines: Vec<&str> = text.lines().collect();
        let joined = |lines: &[&str]| format!("{}\n", lines.join("\n"));

        for (number, line) in lines.iter().enumerate() {
            let changed = line.replacen("\"at\":\"2026-11-25T03", "\"at\":\"2026-11-25T04", 1);
            assert_ne!(*line, changed);
            let mut all = lines.clone();
            all[number] = &changed;
            assert_eq!(faults(&joined(&all)), [(number + 1, What::Digest)]);
            // The rest is read all the same.
            assert_eq!(read(joined(&all).as_bytes()).unwrap().entries.len(), 13);
        }
        // Digits in capitals are no digest of ours.
        let at = lines[4].len() - TAIL + SEAM.len();
        let capitals = format!("{}{}", &lines[4][..at], lines[4][at..].to_uppercase());
        let mut all = lines.clone();
        all[4] = &capitals;
        assert!(matches!(faults(&joined(&all))[..], [(5, What::NoRecord { .. })]));
        // With a digest that fits the new text, the next line tells.
        let mut chain = read(joined(&lines[..3]).as_bytes()).unwrap().chain;
        let forged = chain.append(Timestamp(7), &done("start")).unwrap();
        let mut all = lines.clone();
        all[3] = forged.trim_end();
        assert_eq!(faults(&joined(&all)), [(5, What::Digest)]);

        let without: Vec<&str> = [&lines[..3], &lines[4..]].concat();
        assert_eq!(faults(&joined(&without)), [(4, What::Digest), (4, What::Number { expected: 4, found: 5 })]);
        let twice: Vec<&str> = [&lines[..4], &lines[3..]].concat();
        assert_eq!(faults(&joined(&twice)), [(5, What::Digest), (5, What::Number { expected: 5, found: 4 })]);
        let mut swapped = lines.clone();
        swapped.swap(4, 5);
        assert_eq!(faults(&joined(&swapped)).len(), 6);
    }

    #[test]
    fn a_line_that_is_no_record_is_named_and_the_rest_is_read() {
        let text = file(&one_of_each());
        let lines: Vec<&str> = text.lines().collect();
        let zeros = "\0".repeat(300);
        let unknown = lines[4].replace("action-intended", "action-dreamt");
        for garbage in
            ["", "hello", "{}", &zeros, &lines[4][..40], &unknown, "💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥"]
        {
            let mut all = lines.clone();
            all[4] = garbage;
            let journal = read(format!("{}\n", all.join("\n")).as_bytes()).unwrap();
            assert_eq!(journal.faults.len(), 1, "{garbage}: {:?}", journal.faults);
            assert!(matches!(journal.faults[0], Fault { line: 5, what: What::NoRecord { .. } }));
            assert_eq!(journal.entries.len(), 12);
        }
    }

    #[test]
    fn other_formats_are_told_apart() {
        let newer = "{\"seq\":1,\"record\":\"run-started\",\"format\":2,\"written_by\":\"converge 0.9.0\",\"x\":[]}\n";
        let error = read(newer.as_bytes()).unwrap_err().to_string();
        for part in ["format 2, written by converge 0.9.0", "reads formats up to 1", "converge 0.9.0 or later"] {
            assert!(error.contains(part), "{error}");
        }
        for foreign in ["hello\n", "{}\n", "{\"format\":0,\"written_by\":\"x\"}\n", "{\"format\":\"1\"}\n", "\n"] {
            assert!(matches!(read(foreign.as_bytes()), Err(ReadError::Foreign(_))), "{foreign}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_read_panics(bytes: Vec<u8>, at in 0_usize..2000, byte: u8) {
            let _ = read(&bytes);
            let mut text = file(&one_of_each()).into_bytes();
            let at = at % text.len();
            let changes = text[at] != byte;
            text[at] = byte;
            if let Ok(journal) = read(&text) {
                proptest::prop_assert_eq!(journal.all_faults().count() > 0, changes);
            }
        }
    }
}
