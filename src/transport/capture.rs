//! Collects a script's output up to its limit. Pure.

use super::command::{Completed, Outcome, OutputChunk, OutputEnd, Stream};

/// What has arrived so far.
pub(super) struct Capture<'a> {
    output: &'a mut (dyn FnMut(OutputChunk<'_>) + Send),
    left: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    dropped: u64,
}

impl<'a> Capture<'a> {
    pub(super) fn new(limit: usize, output: &'a mut (dyn FnMut(OutputChunk<'_>) + Send)) -> Self {
        Self { output, left: limit, stdout: Vec::new(), stderr: Vec::new(), dropped: 0 }
    }

    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
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

    pub(super) fn complete(self, outcome: Outcome, end: OutputEnd) -> Completed {
        let Self { output: _, left: _, stdout, stderr, dropped } = self;
        Completed { outcome, stdout, stderr, dropped, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_up_to_the_limit_and_counts_the_rest() {
        let mut seen = Vec::new();
        let mut output = |chunk: OutputChunk<'_>| seen.push((chunk.stream, chunk.bytes.to_vec()));
        let mut capture = Capture::new(5, &mut output);
        capture.push(Stream::Stdout, b"abc");
        capture.push(Stream::Stderr, b"defg");
        capture.push(Stream::Stdout, b"hi");
        let completed = capture.complete(Outcome::Exited(0), OutputEnd::Complete);
        assert_eq!((completed.stdout, completed.stderr, completed.dropped), (b"abc".to_vec(), b"de".to_vec(), 4));
        assert_eq!(seen, [(Stream::Stdout, b"abc".to_vec()), (Stream::Stderr, b"de".to_vec())]);
    }
}
