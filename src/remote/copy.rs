//! A file on its way from one host to another, in pieces that pass through the controller: what is asked of either host,
//! and the readers of the answers.
//!
//! A piece is no job. It is written at its own place of `FILE.part`, which nobody takes for the file, so that doing so again,
//! or too late, does no harm; and it is only written behind the fence of the run that holds the host. What makes `FILE` of
//! it is a job like any other.

use super::PLACE;
use super::lock::READ;
use crate::model::{RunId, directory_of, printable, shell_quote as q};

const COPY: &str = include_str!("copy.sh");

/// How many bytes a piece has at most. On a line of 1 Gbit/s it takes 35 ms, so that its two round trips matter little; the
/// controller holds two of them.
pub const PIECE: u64 = 4 * 1024 * 1024;
/// Pieces begin at multiples of this: what dd counts in.
const UNIT: u64 = 64 * 1024;

/// What is asked about a file on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyAsk {
    /// For the bytes from here on, which are so many.
    Read {
        /// A multiple of [`PIECE`].
        offset: u64,
        /// At most [`PIECE`].
        bytes: u64,
    },
    /// To begin anew, with nothing.
    Begin,
    /// To take the script's input as the bytes from here on.
    Write {
        /// A multiple of [`PIECE`].
        offset: u64,
    },
    /// To forget what was written.
    Discard,
}

/// A script that asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyStep<'a> {
    /// Marks the answers; fresh, only letters and digits.
    pub nonce: &'a str,
    /// The run that copies.
    pub run: &'a RunId,
    /// The generation of the run's lock on the host that is written to; `None` where nobody locks, and for reading.
    pub fence: Option<u64>,
    /// The file, as it is called when it is whole.
    pub file: &'a str,
    /// What is asked.
    pub ask: CopyAsk,
}

impl CopyStep<'_> {
    /// Renders it for `/bin/sh`.
    #[must_use]
    pub fn script(&self) -> String {
        let Self { nonce, run, fence, file, ask } = self;
        let directory = directory_of(file);
        let (offset, bytes, call) = match ask {
            CopyAsk::Read { offset, bytes } => (*offset, *bytes, "read_piece </dev/null"),
            CopyAsk::Begin => (0, 0, "begin </dev/null"),
            CopyAsk::Write { offset } => (*offset, 0, "write_piece"),
            CopyAsk::Discard => (0, 0, "discard </dev/null"),
        };
        format!(
            "N={nonce}; R={run}; G={}; F={}; D={}; U={UNIT}; K={}; C={}\n{PLACE}{READ}{COPY}{call}\n",
            fence.map(|generation| generation.to_string()).unwrap_or_default(),
            q(file),
            q(directory),
            offset / UNIT,
            bytes.div_ceil(UNIT),
        )
    }
}

/// What the host that is written to says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyAnswer {
    /// So many bytes are there.
    Held(u64),
    /// It could not be done, for this reason.
    Refused(String),
    /// The host is another run's now.
    Fenced(String),
}

/// Reads the answer to anything but [`CopyAsk::Read`]; `None` where there is none.
#[must_use]
pub fn read_copy_answer(nonce: &str, stdout: &[u8]) -> Option<CopyAnswer> {
    let text = String::from_utf8_lossy(stdout);
    text.lines().find_map(|line| {
        let (word, value) = line.strip_prefix(nonce)?.strip_prefix('\t')?.split_once('\t')?;
        match word {
            "held" => value.trim().parse().ok().map(CopyAnswer::Held),
            "refused" => Some(CopyAnswer::Refused(printable(value))),
            "fenced" => Some(CopyAnswer::Fenced(printable(value))),
            _ => None,
        }
    })
}

/// Reads the answer to [`CopyAsk::Read`]: the bytes of the piece, however many the file had there. `None` where it was cut short.
#[must_use]
pub fn read_piece(nonce: &str, mut stdout: Vec<u8>) -> Option<Vec<u8>> {
    let head = format!("\n{nonce}\tpiece\t-\n");
    let tail = format!("\n{nonce}\tend\t-\n");
    if !stdout.ends_with(tail.as_bytes()) {
        return None;
    }
    stdout.truncate(stdout.len() - tail.len());
    // A noisy login shell may have said something before.
    let begin = stdout.windows(head.len()).position(|window| window == head.as_bytes())? + head.len();
    stdout.drain(..begin);
    Some(stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_what_lies_between_its_marks_whatever_that_is() {
        let said = |before: &str, bytes: &[u8], after: &str| {
            [before.as_bytes(), b"\nn1\tpiece\t-\n", bytes, b"\nn1\tend\t-\n", after.as_bytes()].concat()
        };
        for bytes in [&b""[..], b"a\0b\xff\r\n", b"\nn1\tpiece\t-\n", b"\nn1\tend\t-\n"] {
            assert_eq!(read_piece("n1", said("Welcome!\n", bytes, "")).as_deref(), Some(bytes));
        }
        // What was cut short, or isn't an answer, is none.
        let whole = said("", b"abc", "");
        assert_eq!(read_piece("n1", whole[..whole.len() - 1].to_vec()), None);
        assert_eq!(read_piece("n2", whole), None);
        assert_eq!(read_piece("n1", said("", b"abc", "more")), None);
    }

    #[test]
    fn answers_of_the_host_that_is_written_to_are_read() {
        let told = |text: &str| read_copy_answer("n1", text.as_bytes());
        assert_eq!(told("Welcome!\n\nn1\theld\t4194304\n"), Some(CopyAnswer::Held(4_194_304)));
        assert_eq!(
            told("\nn1\trefused\tdd: No space left\u{1b}\n"),
            Some(CopyAnswer::Refused("dd: No space left\\x1b".into()))
        );
        assert_eq!(told("\nn1\tfenced\trun x has it\n"), Some(CopyAnswer::Fenced("run x has it".into())));
        for none in ["", "n1\theld\t\n", "n2\theld\t1\n", "\nn1\tpiece\t-\n"] {
            assert_eq!(told(none), None, "{none:?}");
        }
    }
}
