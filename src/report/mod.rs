//! Plans, drift, facts and runs as text and JSON. Pure: reads values and events, never executes.
//!
//! Text carries ANSI styles; whoever prints it strips them where there is no terminal. Meaning never
//! depends on them.

mod drift;
mod facts;
mod findings;
mod history;
mod lint;
mod listing;
mod lock;
mod origins;
mod path;
mod path_schema;
mod plan;
mod preview;
mod progress;
mod recap;
mod releases;
mod rules;
mod schema;
mod style;

pub use drift::{Drift, DriftedComponent, DriftedHost, drift_of, drift_text};
pub use facts::facts_text;
pub use findings::{PreflightReport, findings_text, preflight_text};
pub use history::{RunSummary, history_text, run_text, verified_text};
pub use lint::{LintReport, lint_text};
pub use listing::{Listed, listing_text};
pub use lock::{LockLine, held_text, locks_text, taken_over_text};
pub use origins::{ExplainedAction, ExplainedField, ExplainedHost, ExplainedResource, ExplainedRule, explained_text};
pub use path::{
    PathRefused, PathReport, ReportedHop, ReportedRisk, ReportedStep, path_mermaid, path_report, path_text,
};
pub use plan::plan_text;
pub use preview::{Listing, preview_text};
pub use progress::progress_line;
pub use recap::{RecapLine, downtime_text, failures_text, recap_text, recovery_text, unrecorded_text};
pub use releases::{PackageReleases, age_text, releases_json, releases_text};
pub use rules::{RuleReport, rule_text, rules_markdown, rules_text};
pub use schema::{CheckedSchema, IncompleteRevision, LookedFor, SchemaReport, schema_text};
pub use style::{BAD, CHANGED, GOOD, HEAD, Styled};

#[cfg(test)]
mod tests;
