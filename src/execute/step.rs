//! `--step`: somebody is asked before each stage begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{oneshot, watch};

/// What is answered before a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Begin it.
    Yes,
    /// Begin it and all that follow, without asking again.
    Continue,
    /// Begin nothing more.
    No,
}

/// Puts a question to a person; the answer comes when it comes, and what keeps the run alive goes on meanwhile. Nobody to
/// answer is no.
pub type Ask = Arc<dyn Fn(String) -> oneshot::Receiver<Answer> + Send + Sync>;

/// Whether each stage has to be agreed to.
#[derive(Default)]
pub(super) struct Step {
    ask: Option<Ask>,
    silent: AtomicBool,
}

impl Step {
    pub(super) fn by(ask: Option<Ask>) -> Self {
        Self { ask, silent: AtomicBool::new(false) }
    }

    /// Whether a stage may begin; a request to stop is an answer too.
    pub(super) async fn agrees(&self, title: &str, mut stop: watch::Receiver<bool>) -> bool {
        let Some(ask) = self.ask.as_ref().filter(|_| !self.silent.load(Ordering::Relaxed)) else { return true };
        let answer = tokio::select! {
            answer = ask(title.to_owned()) => answer.unwrap_or(Answer::No),
            _ = stop.wait_for(|stopping| *stopping) => Answer::No,
        };
        if answer == Answer::Continue {
            self.silent.store(true, Ordering::Relaxed);
        }
        answer != Answer::No
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn step(answers: &[Answer]) -> (Step, Arc<Mutex<Vec<String>>>) {
        let (asked, left) = (Arc::new(Mutex::new(Vec::new())), Mutex::new(answers.to_vec()));
        let shared = Arc::clone(&asked);
        let ask = move |title: String| {
            shared.lock().unwrap().push(title);
            let (tell, told) = oneshot::channel();
            let mut left = left.lock().unwrap();
            if !left.is_empty() {
                let _ = tell.send(left.remove(0));
            }
            told
        };
        (Step::by(Some(Arc::new(ask))), asked)
    }

    #[tokio::test]
    async fn each_stage_is_asked_for_until_somebody_says_continue() {
        let (stop, stopping) = watch::channel(false);
        let (asking, asked) = step(&[Answer::Yes, Answer::Continue]);
        for title in ["1", "2", "3"] {
            assert!(asking.agrees(title, stopping.clone()).await, "{title}");
        }
        assert_eq!(*asked.lock().unwrap(), ["1", "2"]);
        let (asking, _) = step(&[Answer::No]);
        assert!(!asking.agrees("1", stopping.clone()).await);
        assert!(!asking.agrees("nobody answers", stopping.clone()).await);
        assert!(Step::default().agrees("nobody asks", stopping.clone()).await);
        stop.send(true).unwrap();
        let (tell, told) = oneshot::channel::<Answer>();
        let waiting = Mutex::new(Some(told));
        let never = Step::by(Some(Arc::new(move |_| waiting.lock().unwrap().take().unwrap())));
        assert!(!never.agrees("a stop is an answer", stopping).await);
        drop(tell);
    }
}
