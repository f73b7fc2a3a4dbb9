//! When a manual step is needed and when a risk threatens: conditions that facts can decide.

use std::fmt;

use serde::{Serialize, Serializer};

/// One condition. Who evaluates it has the facts of the cluster; where a fact that it asks for is not known, **it
/// holds**: a step too many costs a look, a step too few costs the upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicate {
    /// A component of this package is declared for, or installed on, any host of the cluster.
    Package(String),
    /// The interpreter of a component that is upgraded is older than `x.y` before the hop.
    PythonBelow(u32, u32),
    /// The server of a component's database is of an older major release than this one.
    PostgresqlBelow(u32),
    /// A distribution of this name is installed in the environment of a component that is upgraded, whether or not a
    /// component of it is declared: a plugin, for example.
    Distribution(String),
    /// A file whose path matches this glob is on a host of the cluster; `~` at its start is the home of the user that
    /// the component runs as.
    File(String),
    /// A component that is upgraded is declared to be stopped by this signal, as in `SIGTERM`.
    StopSignal(String),
}

impl fmt::Display for Predicate {
    /// The condition in words, to stand behind "where".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Predicate::Package(name) => write!(f, "{name} is part of the cluster"),
            Predicate::PythonBelow(x, y) => write!(f, "Python is older than {x}.{y}"),
            Predicate::PostgresqlBelow(major) => write!(f, "PostgreSQL is older than {major}"),
            Predicate::Distribution(name) => write!(f, "{name} is installed"),
            Predicate::File(glob) => write!(f, "{glob} is there"),
            Predicate::StopSignal(signal) => write!(f, "it is stopped by {signal}"),
        }
    }
}

impl Serialize for Predicate {
    /// As the catalogue writes it: one key, one text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, value) = match self {
            Predicate::Package(name) => ("package", name.clone()),
            Predicate::PythonBelow(x, y) => ("python-below", format!("{x}.{y}")),
            Predicate::PostgresqlBelow(major) => ("postgresql-below", major.to_string()),
            Predicate::Distribution(name) => ("distribution", name.clone()),
            Predicate::File(glob) => ("file", glob.clone()),
            Predicate::StopSignal(signal) => ("stop-signal", signal.clone()),
        };
        serializer.collect_map([(key, value)])
    }
}
