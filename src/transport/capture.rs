//! Collects a script's output up to its limit. Pure.

use super::command::{AfterTimeout, Completed, Outcome, OutputChunk, OutputEnd, Stream, UnknownCause};
use super::gate::Gate;
use crate::model::printable;

/// What has arrived so far.
pub(super) struct Capture<'a> {
    output: &'a mut (dyn FnMut(OutputChunk<'_>) + Send),
    gates: [Gate; 2],
    left: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    dropped: u64,
    /// All bytes that arrived, whatever became of them.
    heard: u64,
    /// How many may arrive.
    patience: u64,
}

/// Beyond what is kept, as much is passed over: a login's noise and a script that says too much have kilobytes. Whoever
/// sends more means to keep the controller busy.
const PASSED_OVER: u64 = 16 * 1024 * 1024;

/// A shell that was started, and whether it came to its script.
#[derive(Debug)]
pub(super) struct Ran {
    /// What came of it.
    pub(super) completed: Completed,
    /// Whether the script began.
    pub(super) begun: bool,
    /// What was said before, or instead: standard error, then standard output; lossy, with its line breaks.
    pub(super) before: String,
}

impl Ran {
    /// Whether it is certain that the script never ran.
    pub(super) fn never_began(&self) -> bool {
        !self.begun && !matches!(self.completed.outcome, Outcome::Unknown(_))
    }

    /// The last words before the script, printable and short; none where there are none.
    pub(super) fn last_words(&self) -> Option<String> {
        last_words(&self.before)
    }
}

/// Lines of a login that a message shows: a reason and what stands before it.
const LINES_SHOWN: usize = 3;
/// A line is shown up to here: two lines of a terminal.
const LINE_SHOWN: usize = 160;

/// The last lines of a text, printable and short.
pub(super) fn last_words(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let shown = lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN));
    let shown: Vec<String> = shown.map(|line| printable(line).chars().take(LINE_SHOWN).collect()).collect();
    (!shown.is_empty()).then(|| shown.join(" / "))
}

impl<'a> Capture<'a> {
    /// Keeps up to `limit` bytes of what comes behind `cue`.
    pub(super) fn new(limit: usize, cue: &str, output: &'a mut (dyn FnMut(OutputChunk<'_>) + Send)) -> Self {
        let gates = [Gate::new(cue), Gate::new(cue)];
        let patience = PASSED_OVER.saturating_add(limit as u64);
        Self { output, gates, left: limit, stdout: Vec::new(), stderr: Vec::new(), dropped: 0, heard: 0, patience }
    }

    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        self.heard += bytes.len() as u64;
        let bytes = self.gate(stream).pass(bytes);
        let (kept, beyond) = bytes.split_at(bytes.len().min(self.left));
        self.left -= kept.len();
        self.dropped += beyond.len() as u64;
        if !kept.is_empty() {
            match stream {
                Stream::Stdout => self.stdout.extend_from_slice(kept),
                Stream::Stderr => self.stderr.extend_from_slice(kept),
            }
            (self.output)(OutputChunk { stream, bytes: kept });
        }
    }

    /// Whether so much has come that it is time to stop listening.
    pub(super) fn is_flooded(&self) -> bool {
        self.heard > self.patience
    }

    /// What a script that was no longer listened to comes to.
    pub(super) fn flooded(&self, process: AfterTimeout) -> Outcome {
        Outcome::Unknown(UnknownCause::Flooded { heard: self.heard, process })
    }

    /// The gate of a stream.
    pub(super) fn gate(&mut self, stream: Stream) -> &mut Gate {
        match stream {
            Stream::Stdout => &mut self.gates[0],
            Stream::Stderr => &mut self.gates[1],
        }
    }

    pub(super) fn complete(self, outcome: Outcome, end: OutputEnd) -> Ran {
        let Self { output: _, gates, left: _, stdout, stderr, dropped, heard: _, patience: _ } = self;
        let begun = gates.iter().any(Gate::is_open);
        let [out, err] = gates.map(|gate| String::from_utf8_lossy(gate.before()).into_owned());
        let before = format!("{err}\n{out}");
        Ran { completed: Completed { outcome, stdout, stderr, dropped, end }, begun, before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_up_to_the_limit_and_counts_the_rest() {
        let mut seen = Vec::new();
        let mut output = |chunk: OutputChunk<'_>| seen.push((chunk.stream, chunk.bytes.to_vec()));
        let mut capture = Capture::new(5, "MARK", &mut output);
        capture.push(Stream::Stdout, b"a banner\nMARK\nabc");
        capture.push(Stream::Stderr, b"MARK\ndefg");
        capture.push(Stream::Stdout, b"hi");
        let ran = capture.complete(Outcome::Exited(0), OutputEnd::Complete);
        assert!(ran.begun && !ran.never_began());
        let completed = ran.completed;
        assert_eq!((completed.stdout, completed.stderr, completed.dropped), (b"abc".to_vec(), b"de".to_vec(), 4));
        assert_eq!(seen, [(Stream::Stdout, b"abc".to_vec()), (Stream::Stderr, b"de".to_vec())]);
    }

    #[test]
    fn a_flood_is_noticed_whichever_way_it_comes() {
        let piece = vec![b'x'; 1024 * 1024];
        for (before, beyond) in [(&b"MARK\n"[..], false), (b"", false), (b"MARK", false), (b"MARK\n", true)] {
            let mut ignored = |_: OutputChunk<'_>| ();
            let mut capture = Capture::new(5, "MARK", &mut ignored);
            let stream = if beyond { Stream::Stderr } else { Stream::Stdout };
            capture.push(stream, before);
            let mut pieces = 0;
            while !capture.is_flooded() {
                capture.push(stream, &piece);
                pieces += 1;
            }
            assert_eq!(pieces, 17);
            assert!(capture.gate(stream).before().len() <= 3 * piece.len(), "{before:?}");
            let outcome = capture.flooded(AfterTimeout::MayBeRunning);
            assert!(matches!(outcome, Outcome::Unknown(UnknownCause::Flooded { heard, .. }) if heard > 16 << 20));
        }
    }

    #[test]
    fn a_script_without_its_cue_never_began_and_the_reason_is_kept() {
        let mut ignored = |_: OutputChunk<'_>| ();
        let mut capture = Capture::new(5, "MARK", &mut ignored);
        capture.push(Stream::Stdout, b"1\n2\n3\nThis account is currently not\x1b[2J available.\n\n");
        let ran = capture.complete(Outcome::Exited(1), OutputEnd::Complete);
        assert!(ran.never_began());
        assert_eq!(ran.last_words().unwrap(), "2 / 3 / This account is currently not\\x1b[2J available.");
    }
}
