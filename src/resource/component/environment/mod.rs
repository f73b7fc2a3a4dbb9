//! What a `component` declares of its virtual environments: how they lie, what is in them beside its own packages, and what
//! makes them.

mod choose;
mod decode;
mod interpreter;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::path::PlannedHop;
use super::spec::Component;
use crate::facts::{InterpretersQuery, Query, ResolutionQuery, VenvQuery};
use crate::release::{Locked, Release};

pub use choose::choose;
pub(super) use decode::environments;
pub use interpreter::{interpreter_of, required_python};

/// How many old environments are kept unless declared: the one to go back to.
pub const KEEP: u32 = 1;

/// What stands for the train of a release in the name of a constraint file.
pub const TRAIN: &str = "{train}";

/// What stands for the release itself there, as PEP 440 normalizes it (`24.3.9`).
pub const RELEASE: &str = "{release}";

/// The environments of one component, as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentSpec {
    /// Whether a release gets an environment of its own.
    pub layout: Layout,
    /// Old environments that are kept beside the current one.
    pub keep: u32,
    /// Absolute paths of Python interpreters on the host, in order of preference. None: the one that the current
    /// environment was made with, then those of `PATH`.
    pub interpreters: Vec<String>,
    /// Distributions beside the component's own that a new environment needs.
    pub carry: Vec<Carried>,
    /// What installs.
    pub installer: Installer,
    /// Absolute paths of constraint files on the host; [`TRAIN`] stands for the train of the release, [`RELEASE`] for
    /// itself.
    pub constraints: Vec<String>,
    /// The lock file of the project, where one is declared.
    pub lock: Option<String>,
    /// What it holds for the component's package. Not declared: whoever reads files puts it here.
    #[serde(default)]
    pub locked: Option<Locked>,
}

impl Default for EnvironmentSpec {
    fn default() -> Self {
        Self {
            layout: Layout::Auto,
            keep: KEEP,
            interpreters: Vec::new(),
            carry: Vec::new(),
            installer: Installer::Pip,
            constraints: Vec::new(),
            lock: None,
            locked: None,
        }
    }
}

/// Whether a release gets an environment of its own, beside the one that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Where `venv` is a symbolic link always, where it is a directory for a major hop.
    Auto,
    /// Always.
    Staged,
    /// Never: releases are installed over each other.
    InPlace,
}

impl Layout {
    const ALL: [Self; 3] = [Layout::Auto, Layout::Staged, Layout::InPlace];

    /// As it is declared.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Layout::Auto => "auto",
            Layout::Staged => "staged",
            Layout::InPlace => "in-place",
        }
    }
}

/// A distribution that a new environment needs beside the component's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carried {
    /// `NAME`: at the version that the environment before has.
    Same {
        /// The distribution.
        package: String,
    },
    /// `NAME==@`: at the component's own release.
    Follow {
        /// The distribution.
        package: String,
    },
    /// Any other requirement: as it is written (PEP 508).
    Fixed {
        /// The requirement.
        requirement: String,
    },
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Carried::Same { package } => f.write_str(package),
            Carried::Follow { package } => write!(f, "{package}==@"),
            Carried::Fixed { requirement } => f.write_str(requirement),
        }
    }
}

/// What installs packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Installer {
    /// The environment's own pip.
    Pip,
    /// uv, which makes environments too.
    Uv {
        /// Its absolute path on the host, or `uv` for the one of `PATH` or `~/.local/bin`.
        path: String,
    },
}

/// A constraint file for one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Its absolute path on the host.
    pub path: String,
    /// Whether it may be missing, because not every train has one.
    pub optional: bool,
}

impl Component {
    /// Where the environment of `release` lies when it has one of its own: beside the declared path, named after the
    /// release as package files spell it.
    #[must_use]
    pub fn staged_path(&self, release: &Release) -> String {
        format!("{}-{}", self.venv, release.normalized())
    }

    /// The question about the environment of `release` beside the declared one.
    #[must_use]
    pub fn staged_query(&self, release: &Release) -> VenvQuery {
        VenvQuery { path: self.staged_path(release), package: self.package.clone() }
    }

    /// The question which interpreters there are to make a new environment with.
    #[must_use]
    pub fn interpreters_query(&self) -> InterpretersQuery {
        InterpretersQuery {
            venv: self.venv.clone(),
            paths: self.environments.interpreters.clone(),
            ensurepip: match self.environments.installer {
                Installer::Pip => true,
                Installer::Uv { .. } => false,
            },
        }
    }

    /// Which of `hops`, in turn, get an environment of their own; `linked` says whether the declared path is a link now.
    /// Where nothing whole is installed there is nothing to go back to, and what is there is completed in place; behind a
    /// staged hop, the declared path is a link.
    ///
    /// Everything that asks which hop is staged asks this: the planner, and the rules about what a hop is made with.
    #[must_use]
    pub fn staged_hops(&self, mut linked: bool, hops: &[PlannedHop]) -> Vec<bool> {
        let staged = hops.iter().map(|hop| {
            let by_layout = match self.environments.layout {
                Layout::Auto => linked || hop.major,
                Layout::Staged => true,
                Layout::InPlace => false,
            };
            let staged = hop.from.is_some() && by_layout;
            linked |= staged;
            staged
        });
        staged.collect()
    }

    /// The constraint files for `release`. One that is named after a train or a release may be missing: most need none.
    #[must_use]
    pub fn constraints_for(&self, release: &Release) -> Vec<Constraint> {
        let (train, release) = (release.train().to_string(), release.normalized());
        let file = |path: &String| Constraint {
            path: path.replace(TRAIN, &train).replace(RELEASE, &release),
            optional: path.contains(TRAIN) || path.contains(RELEASE),
        };
        self.environments.constraints.iter().map(file).collect()
    }

    /// The question what would be installed for `release`, with `interpreter` where it gets an environment of its own.
    #[must_use]
    pub fn resolution_query(&self, release: &Release, interpreter: Option<&str>) -> ResolutionQuery {
        let version = release.normalized();
        let mut requirements = vec![format!("{}=={version}", self.package)];
        let mut same = Vec::new();
        for carried in &self.environments.carry {
            match carried {
                Carried::Same { package } => same.push(package.clone()),
                Carried::Follow { package } => requirements.push(format!("{package}=={version}")),
                Carried::Fixed { requirement } => requirements.push(requirement.clone()),
            }
        }
        let constraints = self.constraints_for(release);
        ResolutionQuery {
            venv: self.venv.clone(),
            interpreter: interpreter.map(str::to_owned),
            requirements,
            same,
            constraints: constraints.into_iter().map(|constraint| (constraint.path, constraint.optional)).collect(),
            args: self.pip_args.clone(),
        }
    }

    /// The question about interpreters, where a release might get an environment of its own.
    pub(super) fn interpreters_before_a_move(&self) -> Option<Query> {
        match self.environments.layout {
            Layout::Auto | Layout::Staged => Some(Query::Interpreters(self.interpreters_query())),
            Layout::InPlace => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::fixture::{agent, release};

    fn component(layout: Layout) -> Component {
        let mut component = agent("a", "25.6.4").component;
        component.environments.layout = layout;
        component
    }

    fn hop(from: Option<&str>, to: &str, major: bool) -> PlannedHop {
        PlannedHop { from: from.map(release), to: release(to), major }
    }

    #[test]
    fn the_layout_and_the_link_say_which_hops_are_staged() {
        for (layout, linked, patch, major) in [
            (Layout::Auto, false, false, true),
            (Layout::Auto, true, true, true),
            (Layout::Staged, false, true, true),
            (Layout::Staged, true, true, true),
            (Layout::InPlace, false, false, false),
            (Layout::InPlace, true, false, false),
        ] {
            let of = |major| component(layout).staged_hops(linked, &[hop(Some("1.0"), "1.1", major)]);
            assert_eq!((of(false), of(true)), (vec![patch], vec![major]), "{layout:?} {linked}");
        }
    }

    #[test]
    fn behind_a_staged_hop_all_are() {
        let hops = [hop(Some("1.0"), "1.1", false), hop(Some("1.1"), "2.0", true), hop(Some("2.0"), "2.1", false)];
        assert_eq!(component(Layout::Auto).staged_hops(false, &hops), [false, true, true]);
        assert_eq!(component(Layout::InPlace).staged_hops(false, &hops), [false; 3]);
        // A half-done install is completed where it is.
        assert_eq!(component(Layout::Staged).staged_hops(false, &[hop(None, "1.0", false)]), [false]);
    }

    #[test]
    fn a_release_has_a_place_of_its_own_however_it_is_written() {
        let component = component(Layout::Auto);
        assert_eq!(component.staged_path(&release("24.09.06")), "/srv/agent/.venv-24.9.6");
        assert_eq!(component.staged_query(&release("24.9.6")).path, "/srv/agent/.venv-24.9.6");
    }

    #[test]
    fn interpreters_are_asked_for_only_where_an_environment_may_be_made() {
        let asked = |layout| {
            let queries = component(layout).queries_before_a_move();
            queries.iter().any(|query| matches!(query, Query::Interpreters(_)))
        };
        assert_eq!([Layout::Auto, Layout::Staged, Layout::InPlace].map(asked), [true, true, false]);
    }

    #[test]
    fn a_constraint_file_of_a_train_or_a_release_may_be_missing() {
        let mut component = component(Layout::Auto);
        component.environments.constraints =
            ["/etc/bai/all.txt", "/etc/bai/constraints-{train}.txt", "/etc/bai/{train}/{release}.txt"]
                .map(String::from)
                .into();
        let files = component.constraints_for(&release("23.03.12"));
        let seen: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.optional)).collect();
        let expected =
            [("/etc/bai/all.txt", false), ("/etc/bai/constraints-23.3.txt", true), ("/etc/bai/23.3/23.3.12.txt", true)];
        assert_eq!(seen, expected);
    }
}
