//! Plans, drift, facts and runs as text and JSON. Pure: reads values and events, never executes.
//!
//! Text carries ANSI styles; whoever prints it strips them where there is no terminal. Meaning never
//! depends on them.

mod drift;
mod facts;
mod findings;
mod plan;
mod progress;
mod recap;
mod style;

pub use drift::{Drift, DriftedComponent, DriftedHost, drift_of, drift_text};
pub use facts::facts_text;
pub use findings::findings_text;
pub use plan::plan_text;
pub use progress::progress_line;
pub use recap::{RecapLine, failures_text, recap_text};
pub use style::{BAD, CHANGED, GOOD, HEAD, Styled};

#[cfg(test)]
mod tests;
