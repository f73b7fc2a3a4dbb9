//! A package as its wheel shows it, before it is installed: what it demands, its migrations, and whether it is whole.
//! Pure: the archive is opened on a host (`facts`) or on the controller (`packages`); nothing of it is executed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::catch_up::CatchUp;
use super::error::WheelError;
use super::imports::first_importers;
use super::metadata::parse_metadata;
use super::parts::{WHEEL_BYTES, WheelParts, too_much};
use crate::model::{Digest, printable};
use crate::release::Release;
use crate::release::normalize_name;
use crate::release::schema::graph::RevisionGraph;
use crate::release::schema::set::{RevisionSet, read_revisions};

/// What a wheel says of its release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wheel {
    /// The package, as its metadata write it.
    pub package: String,
    /// The release, as its metadata write it.
    pub release: Release,
    /// The file's name.
    pub file: String,
    /// The file's size in bytes.
    pub bytes: u64,
    /// The file's SHA-256.
    pub sha256: Digest,
    /// The Python versions that it runs on (`<3.13,>=3.12`), where it says.
    pub requires_python: Option<String>,
    /// The packages that it demands in exactly one release, by normalised name.
    pub pins: BTreeMap<String, Release>,
    /// Its migrations.
    pub migrations: Migrations,
    /// Modules of its own that it imports and doesn't hold, each with a file that imports it. Whether it starts all the
    /// same depends on whether anything needs that file: in the manager 24.9.14 the server does, in 25.14.0 nothing does.
    pub missing_modules: BTreeMap<String, String>,
    /// Upstream's own way to bring in what alembic would leave out.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What else is wrong with it and doesn't hinder reading it.
    pub problems: Vec<String>,
}

/// The migrations of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Migrations {
    /// The wheel has no directory for migrations: its component keeps no schema, or keeps it elsewhere.
    None,
    /// They were read. The graph is empty where the directory is there and holds no revision: a broken wheel.
    Known {
        /// The directory inside the wheel.
        directory: String,
        /// The revisions, with messages and risks.
        graph: RevisionGraph,
    },
    /// They are there and can't be understood.
    Unknown {
        /// Everything that hinders.
        reasons: Vec<String>,
    },
}

/// The parts of a wheel that were read, for [`Wheel::read`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelContents {
    /// The file's name.
    pub file: String,
    /// The file's size in bytes.
    pub bytes: u64,
    /// The file's SHA-256.
    pub sha256: Digest,
    /// The names of all files that it holds.
    pub names: Vec<String>,
    /// Those that were read: `METADATA`, all revision files, and the sources that are suspect.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A graph without revisions, for packages that have none.
static NO_REVISIONS: RevisionGraph =
    RevisionGraph { revisions: BTreeMap::new(), depends_on: BTreeMap::new(), details: BTreeMap::new() };

impl Wheel {
    /// Reads a wheel that should be `release` of `package`. `migrations` names the directory with its migrations;
    /// without it, it is found by alembic's layout.
    ///
    /// # Errors
    /// When it is no wheel of that release, or isn't made as wheels are. Migrations that can't be understood are no
    /// error of the wheel, but [`Migrations::Unknown`].
    pub fn read(
        contents: &WheelContents,
        package: &str,
        release: &Release,
        migrations: Option<&str>,
    ) -> Result<Self, WheelError> {
        let WheelContents { file, bytes, sha256, names, files } = contents;
        too_much("bytes", *bytes, WHEEL_BYTES)?;
        let parts = WheelParts::of(names, migrations)?;
        let read = |name: &String| files.get(name).ok_or_else(|| WheelError::NotRead(name.clone()));
        let metadata = parse_metadata(read(&parts.metadata)?)?;
        if normalize_name(&metadata.name) != normalize_name(package) || metadata.release != *release {
            return Err(WheelError::other(package, release, &metadata.name, &metadata.release));
        }
        let mut revisions = Vec::new();
        for name in &parts.revisions {
            revisions.push((name.rsplit('/').next().unwrap_or(name), read(name)?.as_slice()));
        }
        let RevisionSet { graph, without_revision } = read_revisions(revisions);
        let mut problems: Vec<String> = without_revision
            .iter()
            .map(|file| format!("{file} lies among the revisions and declares none: alembic refuses such a package"))
            .collect();
        Ok(Self {
            package: metadata.name,
            release: metadata.release,
            file: printable(file),
            bytes: *bytes,
            sha256: sha256.clone(),
            requires_python: metadata.requires_python,
            pins: metadata.pins,
            migrations: migrations_of(&parts.migrations, graph),
            missing_modules: missing_modules(&parts, files, &mut problems),
            catch_up: CatchUp::of(
                names,
                &parts.migrations,
                parts.sources.iter().filter_map(|name| Some(files.get(name)?.as_slice())),
            ),
            problems,
        })
    }

    /// The revisions that it brings; none where it has no migrations.
    ///
    /// # Errors
    /// With the reasons, where they can't be understood.
    pub fn revisions(&self) -> Result<&RevisionGraph, String> {
        match &self.migrations {
            Migrations::None => Ok(&NO_REVISIONS),
            Migrations::Known { directory: _, graph } => Ok(graph),
            Migrations::Unknown { reasons } => {
                Err(format!("the migrations in {} can't be understood: {}", self.file, reasons.join("; ")))
            }
        }
    }
}

fn migrations_of(directories: &[String], graph: Result<RevisionGraph, Vec<String>>) -> Migrations {
    match (directories, graph) {
        ([], _) => Migrations::None,
        ([directory], Ok(graph)) => Migrations::Known { directory: directory.clone(), graph },
        ([_], Err(reasons)) => Migrations::Unknown { reasons },
        (several, _) => Migrations::Unknown {
            reasons: vec![format!("there are several directories with migrations: {}", printable(several.join(", ")))],
        },
    }
}

fn missing_modules(
    parts: &WheelParts,
    files: &BTreeMap<String, Vec<u8>>,
    problems: &mut Vec<String>,
) -> BTreeMap<String, String> {
    let mut missing = BTreeMap::new();
    for name in &parts.sources {
        let Some(bytes) = files.get(name) else { continue };
        match parts.missing_modules(name, bytes) {
            Ok(modules) => {
                missing.insert(name.clone(), modules);
            }
            // A template that is no Python yet, or a file for an old one: it says nothing of the rest.
            Err(error) => problems.push(printable(error.to_string())),
        }
    }
    first_importers(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = "p-1.0.dist-info/METADATA";

    fn contents(files: &[(&str, &str)]) -> WheelContents {
        let mut files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        files.entry(METADATA.into()).or_insert_with(|| b"Name: P\nVersion: 1.0\n".to_vec());
        let names = files.keys().cloned().collect();
        WheelContents { file: "p-1.0-py3-none-any.whl".into(), bytes: 10, sha256: Digest::of(b""), names, files }
    }

    fn read(files: &[(&str, &str)]) -> Result<Wheel, WheelError> {
        Wheel::read(&contents(files), "p", &Release::parse("1.0").unwrap(), None)
    }

    const ENV: (&str, &str) = ("p/migrations/env.py", "");
    const BASE: (&str, &str) =
        ("p/migrations/versions/a.py", "\"\"\"first\"\"\"\nrevision = 'a'\ndown_revision = None\n");

    #[test]
    fn migrations_are_found_by_their_layout() {
        let wheel = read(&[ENV, BASE]).unwrap();
        let Migrations::Known { directory, graph } = &wheel.migrations else { panic!("{wheel:?}") };
        assert_eq!((directory.as_str(), graph.revisions.len()), ("p/migrations", 1));
        assert_eq!(graph.details["a"].message, "first");
        assert_eq!(read(&[("p/env.py", "")]).unwrap().migrations, Migrations::None);
    }

    #[test]
    fn a_directory_without_revisions_is_an_empty_graph() {
        let wheel = read(&[ENV, ("p/migrations/script.py.mako", "")]).unwrap();
        assert!(wheel.revisions().unwrap().revisions.is_empty());
        assert!(matches!(wheel.migrations, Migrations::Known { .. }));
    }

    #[test]
    fn what_can_not_be_understood_is_unknown_and_never_left_out() {
        let twice = ("p/migrations/versions/b.py", "revision = 'a'\ndown_revision = None\n");
        let broken = ("p/migrations/versions/b.py", "revision = 'b'\ndown_revision = 'zz'\n");
        let computed = ("p/migrations/versions/b.py", "revision = make()\ndown_revision = 'a'\n");
        let circle = ("p/migrations/versions/b.py", "revision = 'b'\ndown_revision = 'b'\n");
        for (file, expected) in [
            (twice, "a.py and b.py both are revision a"),
            (broken, "b.py: revision b follows zz, which no file of the package declares"),
            (
                computed,
                "b.py:1: the value of revision is not a plain string, a sequence of strings or None: revision = make()",
            ),
            (circle, "these revisions follow each other in a circle: b"),
        ] {
            let reason = read(&[ENV, BASE, file]).unwrap().revisions().unwrap_err();
            assert!(reason.ends_with(expected), "{reason}");
        }
        let several = read(&[ENV, BASE, ("p/other/env.py", ""), ("p/other/script.py.mako", "")]).unwrap();
        assert!(several.revisions().unwrap_err().contains("p/migrations, p/other"));
    }

    #[test]
    fn a_file_without_a_revision_is_said() {
        let wheel = read(&[
            ENV,
            BASE,
            ("p/migrations/versions/tools.py", "X = 1\n"),
            ("p/migrations/versions/__init__.py", ""),
        ]);
        let problems = wheel.unwrap().problems;
        assert_eq!(problems, ["tools.py lies among the revisions and declares none: alembic refuses such a package"]);
    }

    #[test]
    fn a_wheel_of_something_else_is_refused() {
        let release = Release::parse("2.0").unwrap();
        let error = Wheel::read(&contents(&[]), "p", &release, None).unwrap_err();
        assert_eq!(error.to_string(), "the wheel says that it is P 1.0 (expected p 2.0)");
        for name in ["../x.py", "/x.py", "a\\b.py", "a/./b", "a\nb", ""] {
            let error = read(&[(name, "")]).unwrap_err();
            assert!(matches!(error, WheelError::Name(_)), "{name:?}: {error}");
        }
        assert_eq!(read(&[("q-1.dist-info/METADATA", "")]).unwrap_err(), WheelError::MetadataFiles(2));
    }

    #[test]
    fn a_wheel_is_the_same_after_it_was_written_and_read() {
        let wheel = read(&[ENV, BASE, ("p/__init__.py", "import p.gone\n")]).unwrap();
        assert_eq!(wheel.missing_modules, BTreeMap::from([("p.gone".to_owned(), "p/__init__.py".to_owned())]));
        let written = serde_json::to_string(&wheel).unwrap();
        assert_eq!(serde_json::from_str::<Wheel>(&written).unwrap(), wheel);
    }
}
