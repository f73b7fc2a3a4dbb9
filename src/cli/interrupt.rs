//! Signals, and the deadline of a run. While nothing is being changed, Ctrl-C and SIGTERM end the command. While a plan is
//! carried out the first of them lets what runs finish; then Ctrl-C leaves at once, and SIGTERM again means the same as
//! before: supervisors repeat it. SIGHUP, which a terminal that is closed sends, does a run no harm.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::error::CliError;
use super::exit::Exit;

/// Whether a plan is being carried out: then the executor's own handling is in force.
static CARRYING_OUT: AtomicBool = AtomicBool::new(false);
/// Whether one has been.
static CARRIED_OUT: AtomicBool = AtomicBool::new(false);

/// When the command began.
static STARTED: OnceLock<Instant> = OnceLock::new();

/// Notes when the command began.
pub(super) fn note_start() {
    STARTED.get_or_init(Instant::now);
}

/// The moment at which so much time has passed since the command began.
pub(super) fn after_start(time: Duration) -> Instant {
    *STARTED.get_or_init(Instant::now) + time
}

/// Why nothing more begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody asked for it.
    Signal,
    /// The time is over.
    Deadline,
}

/// Runs a command, unless a signal ends it first.
pub(super) async fn or_interrupted(command: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    let interrupted = async {
        let Some(mut signals) = Signals::new() else { return std::future::pending().await };
        loop {
            signals.next().await;
            if !CARRYING_OUT.load(Ordering::SeqCst) {
                return;
            }
        }
    };
    tokio::select! {
        ended = command => ended,
        () = interrupted => Err(match CARRIED_OUT.load(Ordering::SeqCst) {
            true => CliError::InterruptedProof,
            false => CliError::Interrupted,
        }),
    }
}

/// The signals that ask for an end. One that comes between two waits is kept for the second.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// `None`: without handlers the signals keep their own meaning, which is to end the process.
    fn new() -> Option<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt()).ok()?, signal(SignalKind::terminate()).ok()?);
        Some(Self { interrupt, terminate })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Looks while locks are held: the first signal ends it, and leaves giving them back to the caller. `None` when it came.
/// That signal is answered then: what the caller still does about it is not interrupted by it once more.
pub(super) async fn or_stopped<T>(look: impl Future<Output = T>) -> Option<T> {
    CARRYING_OUT.store(true, Ordering::SeqCst);
    let mut signals = Signals::new();
    let ended = tokio::select! {
        ended = look => Some(ended),
        () = asked(signals.as_mut()) => None,
    };
    CARRYING_OUT.store(ended.is_none(), Ordering::SeqCst);
    ended
}

/// Carries something out under the two-step handling of signals. `None` when it was left at once; the signal for that is
/// answered then, as in [`or_stopped`].
pub(super) async fn finishing_what_runs<T>(
    work: impl Future<Output = T>,
    stop: watch::Sender<bool>,
    deadline: Option<Instant>,
    on_stop: impl Fn(Why),
) -> Option<T> {
    CARRYING_OUT.store(true, Ordering::SeqCst);
    // From here on to the end of the process it is only taken notice of: output that nobody reads is lost, the run is not.
    let _hangup = signal(SignalKind::hangup());
    let leaving = async {
        let mut signals = Signals::new();
        let why = tokio::select! {
            () = asked(signals.as_mut()) => Why::Signal,
            () = over(deadline) => Why::Deadline,
        };
        let _ = stop.send(true);
        on_stop(why);
        match signals {
            Some(mut signals) => _ = signals.interrupt.recv().await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = work => Some(ended),
        () = leaving => None,
    };
    CARRIED_OUT.store(true, Ordering::SeqCst);
    CARRYING_OUT.store(ended.is_none(), Ordering::SeqCst);
    ended
}

async fn asked(signals: Option<&mut Signals>) {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

async fn over(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
