//! Mistakes of many hosts, each told once.

use crate::document::{Diagnostic, Diagnostics};
use crate::model::HostName;

/// How many hosts a message names before it counts the rest.
const NAMED: usize = 3;

/// Collects mistakes with the hosts that they concern.
#[derive(Debug, Default)]
pub(super) struct HostMistakes {
    found: Vec<(Diagnostic, Vec<HostName>)>,
}

impl HostMistakes {
    pub(super) fn add(&mut self, host: &HostName, mistakes: &Diagnostics) {
        for mistake in mistakes {
            match self.found.iter_mut().find(|(known, _)| known == mistake) {
                Some((_, hosts)) => {
                    if !hosts.contains(host) {
                        hosts.push(host.clone());
                    }
                }
                None => self.found.push((mistake.clone(), vec![host.clone()])),
            }
        }
    }

    pub(super) fn keep<T>(&mut self, host: &HostName, result: Result<T, Diagnostics>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(mistakes) => {
                self.add(host, &mistakes);
                None
            }
        }
    }

    /// The mistakes, with the hosts named where not all of the `total` are concerned.
    pub(super) fn into_diagnostics(self, total: usize) -> Diagnostics {
        let told = self.found.into_iter().map(|(mut mistake, hosts)| {
            if hosts.len() < total {
                let names: Vec<&str> = hosts.iter().take(NAMED).map(HostName::as_str).collect();
                let rest = match hosts.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                mistake.message = format!("{} (for {}{rest})", mistake.message, names.join(", "));
            }
            mistake
        });
        told.collect()
    }
}
