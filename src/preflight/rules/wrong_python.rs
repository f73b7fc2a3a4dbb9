//! A release that the interpreter of its environment does not run.

use crate::facts::{Interpreter, Interpreters, Observed};
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::release::{PublishedRelease, Release};
use crate::resource::component::choose;

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "wrong-python",
    severity: Severity::Mandatory,
    demands: "there is an interpreter that meets the Requires-Python of each release on the way",
    source: "measured: pip finds nothing newer in the old environment, or fails; PEP 345",
    explanation: "Trains cross versions of Python. In an environment with the wrong one, pip finds no matching distribution, when the \
                  process has already been stopped. The rule takes what the package index says of each release on the way, and where the \
                  index says nothing, what the catalogue knows of the train. A release that is installed over the one before is compared \
                  with the version in pyvenv.cfg; for one that gets an environment of its own, the interpreters of the host are asked, those \
                  that are declared or else the current one and those of PATH: one of them must meet it, and be able to make an \
                  environment. Where they can't be asked, the rule is broken.",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let component = &subject.instance.component;
    let Observed::Known(venv) = component.venv_fact(&subject.facts) else { return Vec::new() };
    let staged = component.staged_hops(venv.link.is_some(), subject.hops());
    // The interpreter changes with every environment that is made on the way.
    let mut python = (component.venv.as_str(), venv.python.as_str());
    let interpreters = subject.facts.interpreters(&component.interpreters_query());
    for (hop, staged) in subject.reach().iter().zip(staged) {
        let required = subject.required_python(&hop.to);
        if staged {
            match chosen(&interpreters, required.as_deref(), &hop.to) {
                Ok(interpreter) => python = (&interpreter.path, &interpreter.version),
                Err(observed) => return vec![Breach::of_release(observed, remedy(required.as_deref()))],
            }
            continue;
        }
        let Some(required) = required else { continue };
        let release =
            PublishedRelease { requires_python: Some(required.clone()), ..PublishedRelease::plain(hop.to.clone()) };
        if release.runs_on(python.1) {
            continue;
        }
        let (place, version) = python;
        return vec![Breach::of_release(
            format!("{place} has Python {version}, {} {} requires {required}", component.package, hop.to),
            format!(
                "let the release have an environment of its own (layout: staged, or auto) with a Python {required}, or make \
                 one and declare it as `venv`"
            ),
        )];
    }
    Vec::new()
}

fn chosen<'a>(
    interpreters: &Observed<&'a Interpreters>,
    required: Option<&str>,
    release: &Release,
) -> Result<&'a Interpreter, String> {
    match interpreters {
        Observed::Known(interpreters) => choose(interpreters, required, release),
        Observed::Absent => {
            Err(format!("{release} gets an environment of its own, and nobody looked for interpreters"))
        }
        Observed::Unknown(reason) => Err(format!(
            "{release} gets an environment of its own, and which interpreters there are is unknown: {reason}"
        )),
    }
}

fn remedy(required: Option<&str>) -> String {
    let python = required.map_or_else(|| "a Python".to_owned(), |range| format!("a Python {range}"));
    format!(
        "install {python} with its venv and ensurepip on the host, and name it in `interpreters` unless it is on PATH"
    )
}
