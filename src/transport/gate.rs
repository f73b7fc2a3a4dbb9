//! Holds back what a stream says before its script begins. Pure.

/// Noise of a login that is kept for a message: its end, for that is where a reason stands.
const KEPT: usize = 8 * 1024;

/// One stream of a script, closed until the cue has passed.
#[derive(Debug)]
pub(super) struct Gate {
    cue: Vec<u8>,
    before: Vec<u8>,
    open: bool,
}

impl Gate {
    pub(super) fn new(cue: &str) -> Self {
        Self { cue: cue.as_bytes().to_vec(), before: Vec::new(), open: false }
    }

    /// Takes the next bytes, and gives those of them that stand behind the line with the cue.
    pub(super) fn pass<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.open {
            return bytes;
        }
        self.before.extend_from_slice(bytes);
        let Some(at) = position(&self.before, &self.cue) else {
            let beyond = self.before.len().saturating_sub(KEPT);
            // Often enough that it stays small, and seldom enough that it isn't moved for each piece.
            if beyond > KEPT {
                self.before.drain(..beyond);
            }
            return &[];
        };
        let Some(end) = self.before[at..].iter().position(|byte| *byte == b'\n').map(|end| at + end + 1) else {
            // The line's end comes with it, so what goes on and on is none.
            if self.before.len() > at + KEPT {
                self.before.clear();
            }
            return &[];
        };
        // The line's end is new, so all that stands behind it is.
        let behind = self.before.len() - end;
        self.open = true;
        self.before.truncate(at);
        bytes.get(bytes.len().saturating_sub(behind)..).unwrap_or_default()
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// What came before the cue, or its end.
    pub(super) fn before(&self) -> &[u8] {
        &self.before
    }

    /// Forgets what came so far.
    pub(super) fn forget(&mut self) {
        self.before.clear();
    }
}

fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(pieces: &[&[u8]]) -> (Vec<u8>, Gate) {
        let mut gate = Gate::new("MARK");
        let passed = pieces.iter().flat_map(|piece| gate.pass(piece).to_vec()).collect();
        (passed, gate)
    }

    #[test]
    fn what_stands_behind_the_cue_passes_however_it_is_cut() {
        let whole = b"Welcome!\nno line end MARK\r\nout\0MARK\nput";
        for size in 1..=whole.len() {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            let (out, gate) = passed(&pieces);
            assert_eq!(out, b"out\0MARK\nput", "{size}");
            assert_eq!(gate.before(), b"Welcome!\nno line end ");
            assert!(gate.is_open());
        }
    }

    #[test]
    fn without_a_cue_nothing_passes_and_what_is_kept_is_bounded() {
        let (out, gate) = passed(&[b"su: Authentication failure\nMARK"]);
        assert!(out.is_empty() && !gate.is_open());
        let noise = [b'x'; 1000];
        let mut pieces: Vec<&[u8]> = vec![&noise; 100];
        pieces.push(b"the end");
        let (out, gate) = passed(&pieces);
        assert!(out.is_empty() && gate.before().len() <= 2 * KEPT && gate.before().ends_with(b"the end"));
    }
}
