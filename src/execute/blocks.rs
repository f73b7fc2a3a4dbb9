//! Which actions of a host may still be begun once one of them has failed: `block`, `rescue` and `always`. Pure.

use std::collections::BTreeSet;

use crate::plan::{BlockPart, Part};

/// How far one host has got with its blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Parts that something failed in: nothing more of them is begun.
    abandoned: BTreeSet<BlockPart>,
    /// Blocks that failed and are rescued.
    rescuing: BTreeSet<usize>,
    /// Blocks that a failure went through: their `always` is done.
    closing: BTreeSet<usize>,
    /// Whether nothing caught a failure.
    lost: bool,
}

/// Whether an action may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may.
    Comes,
    /// It belongs to a rescue that nothing calls for.
    NotCalledFor,
    /// Something that it comes behind has failed; `caught` where the block's rescue goes on in its place.
    Dropped {
        /// Whether a rescue stands in for it.
        caught: bool,
    },
}

impl Blocks {
    /// Whether an action that stands in these blocks, outermost first, may be begun.
    pub(super) fn turn(&self, path: &[BlockPart]) -> Turn {
        // What always follows on a block is done however the blocks around it stand.
        let closes = |block: &BlockPart| block.part == Part::Always && self.closing.contains(&block.block);
        let within = path.iter().rposition(closes);
        let counted = &path[within.unwrap_or(0)..];
        if let Some(block) = counted.iter().find(|block| self.abandoned.contains(block)) {
            let caught = block.part == Part::Tasks && self.rescuing.contains(&block.block);
            return Turn::Dropped { caught: caught && !self.lost };
        }
        if counted.iter().any(|block| block.part == Part::Rescue && !self.rescuing.contains(&block.block)) {
            return Turn::NotCalledFor;
        }
        match self.lost && within.is_none() {
            true => Turn::Dropped { caught: false },
            false => Turn::Comes,
        }
    }

    /// Takes notice of a failure of an action that stands in these blocks. Whether a rescue catches it; `has_rescue` says
    /// of which blocks there is one.
    pub(super) fn fails(&mut self, path: &[BlockPart], has_rescue: impl Fn(usize) -> bool) -> bool {
        for block in path.iter().rev() {
            self.abandoned.insert(*block);
            match block.part {
                Part::Tasks if has_rescue(block.block) => {
                    self.rescuing.insert(block.block);
                    return true;
                }
                Part::Tasks | Part::Rescue => drop(self.closing.insert(block.block)),
                Part::Always => {}
            }
        }
        self.lost = true;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(block: usize, part: Part) -> BlockPart {
        BlockPart { block, part }
    }
    const T: Part = Part::Tasks;
    const R: Part = Part::Rescue;
    const A: Part = Part::Always;

    #[test]
    fn a_rescue_stands_in_for_the_rest_of_its_block_and_what_follows_goes_on() {
        let mut blocks = Blocks::default();
        assert_eq!(blocks.turn(&[at(1, R)]), Turn::NotCalledFor);
        assert!(blocks.fails(&[at(1, T)], |block| block == 1));
        assert_eq!(blocks.turn(&[at(1, T)]), Turn::Dropped { caught: true });
        for path in [vec![at(1, R)], vec![at(1, A)], vec![], vec![at(2, T)]] {
            assert_eq!(blocks.turn(&path), Turn::Comes, "{path:?}");
        }
        // A rescue that fails itself is caught by nobody; the end of its block is done all the same.
        assert!(!blocks.fails(&[at(1, R)], |block| block == 1));
        assert_eq!(blocks.turn(&[at(1, A)]), Turn::Comes);
        for path in [vec![at(1, R)], vec![], vec![at(2, A)]] {
            assert_eq!(blocks.turn(&path), Turn::Dropped { caught: false }, "{path:?}");
        }
    }

    #[test]
    fn a_failure_goes_outwards_through_all_that_always_follows_to_the_rescue_that_catches_it() {
        let mut blocks = Blocks::default();
        let outer = |part| at(0, part);
        assert!(blocks.fails(&[outer(T), at(1, T)], |block| block == 0));
        assert_eq!(blocks.turn(&[outer(T), at(1, T)]), Turn::Dropped { caught: true });
        assert_eq!(blocks.turn(&[outer(T), at(1, A)]), Turn::Comes);
        assert_eq!(blocks.turn(&[outer(T), at(1, A), at(2, R)]), Turn::NotCalledFor);
        assert_eq!(blocks.turn(&[outer(T)]), Turn::Dropped { caught: true });
        assert_eq!(blocks.turn(&[outer(R)]), Turn::Comes);

        // Nothing catches it: the ends of both blocks are done, and nothing else.
        let mut blocks = Blocks::default();
        assert!(!blocks.fails(&[outer(T), at(1, T)], |_| false));
        for (path, turn) in [
            (vec![outer(T), at(1, A)], Turn::Comes),
            (vec![outer(A)], Turn::Comes),
            (vec![outer(T)], Turn::Dropped { caught: false }),
            (vec![outer(T), at(2, A)], Turn::Dropped { caught: false }),
            (vec![], Turn::Dropped { caught: false }),
        ] {
            assert_eq!(blocks.turn(&path), turn, "{path:?}");
        }
        // Nor is anything of an end done behind its own failure.
        assert!(!blocks.fails(&[outer(A)], |_| false));
        assert_eq!(blocks.turn(&[outer(A)]), Turn::Dropped { caught: false });
    }
}
