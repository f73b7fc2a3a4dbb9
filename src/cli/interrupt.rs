//! Ctrl-C and SIGTERM. While nothing is being changed they end the command; while a plan is carried out
//! the first one lets what runs finish, and the second one leaves.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::error::CliError;
use super::exit::Exit;

/// Whether a plan is being carried out: then the executor's own handling is in force.
static CARRYING_OUT: AtomicBool = AtomicBool::new(false);

/// Runs a command, unless a signal ends it first.
pub(super) async fn or_interrupted(command: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    let interrupted = async {
        loop {
            next_signal().await;
            if !CARRYING_OUT.load(Ordering::SeqCst) {
                return;
            }
        }
    };
    tokio::select! {
        ended = command => ended,
        () = interrupted => Err(CliError::Interrupted),
    }
}

async fn next_signal() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals keep their own meaning, which is to end the process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Looks while locks are held: the first signal ends it, and leaves giving them back to the caller. `None` when it came.
/// That signal is answered then: what the caller still does about it is not interrupted by it once more.
pub(super) async fn or_stopped<T>(look: impl Future<Output = T>) -> Option<T> {
    CARRYING_OUT.store(true, Ordering::SeqCst);
    let ended = tokio::select! {
        ended = look => Some(ended),
        () = next_signal() => None,
    };
    CARRYING_OUT.store(ended.is_none(), Ordering::SeqCst);
    ended
}

/// Carries something out under the two-step handling of signals. `None` when the second signal came; it is answered then,
/// as in [`or_stopped`].
pub(super) async fn finishing_what_runs<T>(
    work: impl Future<Output = T>,
    stop: watch::Sender<bool>,
    on_stop: impl Fn(),
) -> Option<T> {
    CARRYING_OUT.store(true, Ordering::SeqCst);
    let signals = async {
        next_signal().await;
        let _ = stop.send(true);
        on_stop();
        next_signal().await;
    };
    let ended = tokio::select! {
        ended = work => Some(ended),
        () = signals => None,
    };
    CARRYING_OUT.store(ended.is_none(), Ordering::SeqCst);
    ended
}
