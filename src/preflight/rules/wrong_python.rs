//! A release that the interpreter of its environment does not run.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::PublishedRelease;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "wrong-python",
    severity: Severity::Mandatory,
    demands: "the interpreter of the virtual environment meets the Requires-Python of each release on the way",
    source: "measured: pip finds nothing newer in the old environment, or fails; PEP 345",
    explanation: "Trains cross versions of Python. In an environment with the wrong one, pip finds no matching distribution, when the \
                  process has already been stopped. The rule compares the version in pyvenv.cfg with what the package index says of each \
                  release on the way, and where the index says nothing, with what the catalogue knows of the train. Make a new environment \
                  with the interpreter that is asked for.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let component = &subject.instance.component;
    let Observed::Known(venv) = component.venv_fact(&subject.facts) else { return Vec::new() };
    let published = subject.facts.published(&component.published_query());
    for hop in subject.reach() {
        let told = published.known().and_then(|published| published.release(&hop.to)?.requires_python.clone());
        let train = subject.train_of(&hop.to);
        let known = subject.product.and_then(|product| product.train(train)?.python.clone());
        let Some(required) = told.or(known) else { continue };
        let release =
            PublishedRelease { requires_python: Some(required.clone()), ..PublishedRelease::plain(hop.to.clone()) };
        if release.runs_on(&venv.python) {
            continue;
        }
        return vec![Breach::of_release(
            format!(
                "{} has Python {}, {} {} requires {required}",
                component.venv, venv.python, component.package, hop.to
            ),
            format!("make an environment with a Python {required}, and declare it as `venv`"),
        )];
    }
    Vec::new()
}
