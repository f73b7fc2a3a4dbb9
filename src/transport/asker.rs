//! Asking for secrets: passphrases of keys, and what a server wants to know. Whoever wires the transport says how a person
//! is reached; here it is made sure that one question is asked at a time, and in whose hands the answers are.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Mutex;

use crate::model::Secret;

/// A question, in one line, as it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Prompt<'a> {
    /// The text, printable, with a blank or colon at its end as it should stand before the cursor.
    pub text: &'a str,
    /// Whether what is typed may be seen.
    pub echo: bool,
}

type Ask = dyn Fn(Prompt<'_>) -> Option<Secret> + Send + Sync;

/// Whoever can be asked. By default nobody.
#[derive(Clone, Default)]
pub struct Asker(Option<Arc<Asking>>);

struct Asking {
    ask: Box<Ask>,
    turn: Mutex<()>,
    open: AtomicUsize,
}

/// A question that isn't answered yet. It counts for as long as this is held.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Asker {
    /// Asks by this function, which may block, and answers `None` where nobody answers.
    pub fn by(ask: impl Fn(Prompt<'_>) -> Option<Secret> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Asking { ask: Box::new(ask), turn: Mutex::default(), open: AtomicUsize::new(0) })))
    }

    /// Whether there is anybody.
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Whether somebody is being asked: whatever waits meanwhile must not run out of time.
    pub(super) fn is_asking(&self) -> bool {
        self.0.as_ref().is_some_and(|asking| asking.open.load(Ordering::Relaxed) > 0)
    }

    /// Asks, when all earlier questions are answered.
    pub(super) async fn ask(&self, text: String, echo: bool) -> Option<Secret> {
        let asking = Arc::clone(self.0.as_ref()?);
        asking.open.fetch_add(1, Ordering::Relaxed);
        let _open = Open(&asking.open);
        let _turn = asking.turn.lock().await;
        let other = Arc::clone(&asking);
        tokio::task::spawn_blocking(move || (other.ask)(Prompt { text: &text, echo })).await.ok().flatten()
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asker").field(&self.is_there()).finish()
    }
}
