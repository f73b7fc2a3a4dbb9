//! The rules of the pre-flight, explained: for a terminal, for programs, and as `docs/rules.md`.

use std::fmt::Write as _;

use serde::Serialize;

use super::style::{HEAD, Styled};
use crate::preflight::{Rule, Severity, rules};

/// A rule for programs.
#[derive(Debug, Clone, Serialize)]
pub struct RuleReport {
    code: &'static str,
    severity: Severity,
    demands: &'static str,
    source: &'static str,
    explanation: &'static str,
}

impl RuleReport {
    /// The rule as an object.
    #[must_use]
    pub fn of(rule: &Rule) -> Self {
        let Rule { code, severity, demands, source, explanation, .. } = *rule;
        Self { code, severity, demands, source, explanation }
    }
}

/// One rule in full.
#[must_use]
pub fn rule_text(rule: &Rule) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} ({})", Styled(HEAD, rule.code), rule.severity);
    let _ = writeln!(text, "  demands: {}", rule.demands);
    let _ = writeln!(text, "  source:  {}", rule.source);
    let _ = writeln!(text, "\n{}", wrapped(rule.explanation));
    if rule.severity == Severity::Waivable {
        let _ = writeln!(text, "\nTo answer for it: --waive '{}=REASON', or an entry in waivers.yaml.", rule.code);
    }
    text
}

/// All rules, a line each.
#[must_use]
pub fn rules_text(all: &[Rule]) -> String {
    let mut text = String::new();
    for severity in [Severity::Mandatory, Severity::Waivable] {
        let heading = match severity {
            Severity::Mandatory => "Mandatory: nothing waives them",
            Severity::Waivable => "Waivable, by name and with a reason",
        };
        let _ = writeln!(text, "{}", Styled(HEAD, heading));
        for rule in all.iter().filter(|rule| rule.severity == severity) {
            let _ = writeln!(text, "  {:<22}{}", rule.code, rule.demands);
        }
        text.push('\n');
    }
    text.push_str("`converge explain RULE` says more of one.\n");
    text
}

/// `docs/rules.md`.
#[must_use]
pub fn rules_markdown() -> String {
    let mut text = String::from(
        "# Rules of the pre-flight\n\n\
         This page is written by `converge explain --markdown`; a test holds it to the code.\n\n\
         A run begins when no rule is broken, or when an operator answers for those that are *waivable*: by name and with \
         a reason, as `--waive 'RULE=REASON'` or `--waive 'RULE@WHAT=REASON'` on the command line, or with an owner and \
         an end in a file `waivers.yaml` (see [declaring.md](declaring.md)). Nothing waives a *mandatory* rule. Findings \
         are reported all at once, in the order of this page.\n\n\
         | rule | severity | demands |\n|---|---|---|\n",
    );
    for rule in rules() {
        let _ = writeln!(text, "| [{0}](#{0}) | {1} | {2} |", rule.code, rule.severity, rule.demands);
    }
    for rule in rules() {
        let _ = write!(
            text,
            "\n## {}\n\n*{}.* Demands: {}.\n\n{}\n\nSource: {}.\n",
            rule.code,
            rule.severity,
            rule.demands,
            wrapped(rule.explanation),
            rule.source
        );
    }
    text
}

/// Breaks a text into lines of at most 118 characters.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 118;
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(last) = lines.last_mut() else { continue };
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.join("\n")
}
