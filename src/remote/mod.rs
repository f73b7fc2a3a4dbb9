//! What converge keeps on the hosts: jobs and locks, in the state directory of the session's user (who logs in, or whom the
//! session becomes). Their names, the scripts that make and ask them, and the readers of what comes back. Pure; running the
//! scripts is `execute`'s business.
//!
//! The directory is `${XDG_STATE_HOME:-$HOME/.local/state}/converge`, and `/var/tmp/converge-UID` for a user without a
//! home to write in. It is the user's own and nobody else's, and no link.

mod copy;
mod job;
mod lock;
mod reply;

pub use copy::{CopyAnswer, CopyAsk, CopyStep, PIECE, read_copy_answer, read_piece};
pub use job::{Ask, JobName, Launch, OUTPUT_LIMIT, REPLY_LIMIT};
pub use lock::{Before, Claim, LockAnswer, LockAsk, LockKind, LockRecord, read_lock_answer};
pub use reply::{JobEnd, Reply, Told};

/// `place [make]` sets `S` to the state directory and says in `WHY` why it can't be had; `alive PID TICKS` whether that
/// very process lives; `at_work DIR` whether anything of the job in `DIR` does.
pub const PLACE: &str = include_str!("place.sh");
