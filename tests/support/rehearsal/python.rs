//! Python, pip and wheels, on machines that may have neither pip nor ensurepip (Debian splits both off).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the hosts need from the package index: pip for the environments, and what the manager migrates with.
const REQUIREMENTS: [&str; 3] = ["pip", "alembic>=1.13,<2", "SQLAlchemy>=2.0,<3"];

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/rehearsal");

/// A Python interpreter, by the name that starts it.
#[derive(Debug, Clone)]
pub(crate) struct Python(PathBuf);

impl Python {
    /// The interpreter that `REHEARSAL_PYTHON` names, or else `python3`.
    pub(crate) fn from_environment() -> Self {
        Self(std::env::var_os("REHEARSAL_PYTHON").map_or_else(|| "python3".into(), PathBuf::from))
    }

    /// The interpreter of this name or path.
    pub(crate) fn at(program: impl Into<PathBuf>) -> Self {
        Self(program.into())
    }

    /// Says what is missing when this is no Python that a cluster can be made with.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = self.0.display();
        let output = self.command(["-c", "import sys, venv, sqlite3; print(sys.version_info >= (3, 9))"]).output();
        match output {
            Err(error) => Err(format!("{name} does not start ({error}): install python3")),
            Ok(output) if !output.status.success() => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Ok(output) if output.stdout.starts_with(b"True") => Ok(()),
            Ok(_) => Err(format!("{name} is older than Python 3.9")),
        }
    }

    fn command<I: IntoIterator<Item = A>, A: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = Command::new(&self.0);
        command.args(arguments);
        command
    }

    /// What wheels with compiled parts are named by, such as `cpython-311-x86_64-linux-gnu`.
    fn abi(&self) -> String {
        let script = "import sys, sysconfig; assert sys.version_info >= (3, 9), sys.version; \
                      print(sysconfig.get_config_var('SOABI') or sys.implementation.cache_tag)";
        run(&mut self.command(["-c", script])).trim().to_owned()
    }

    /// The options that run a pip: the interpreter's own, or the wheel of pip in `directory`, fetched when it is absent.
    fn pip(&self, directory: &Path) -> Vec<String> {
        let own = self.command(["-m", "pip", "--version"]).output();
        if own.is_ok_and(|output| output.status.success()) {
            return vec!["-m".to_owned(), "pip".to_owned()];
        }
        if pip_wheel(directory).is_none() {
            run(self.command([&format!("{SOURCES}/fetch_pip.py")]).arg(directory));
        }
        let wheel = pip_wheel(directory).expect("the wheel of pip was fetched");
        vec![super::text(&wheel.join("pip"))]
    }
}

/// Fills `wheelhouse` with the wheels of the cluster, and with those from the package index that they need.
///
/// What comes from the index is kept below the build directory, so that only the first cluster waits for it.
pub(crate) fn fill_wheelhouse(python: &Python, wheelhouse: &Path) {
    fill_wheelhouse_through(&cache_directory().join(python.abi()), python, wheelhouse);
}

/// The same, with a cache of the caller's own.
pub(crate) fn fill_wheelhouse_through(cache: &Path, python: &Python, wheelhouse: &Path) {
    fs::create_dir_all(cache).expect("the cache of wheels can be made");
    let lock = File::create(cache.join("lock")).expect("the cache of wheels can be locked");
    lock.lock().expect("the cache of wheels can be locked");
    let complete = cache.join("complete");
    if fs::read_to_string(&complete).ok().as_deref() != Some(REQUIREMENTS.join("\n").as_str()) {
        let download = ["download", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--dest"];
        run(python.command(python.pip(cache)).args(download).arg(cache).args(REQUIREMENTS).env("TMPDIR", cache));
        fs::write(&complete, REQUIREMENTS.join("\n")).expect("the cache of wheels can be written");
    }
    fs::create_dir_all(wheelhouse).expect("the wheelhouse can be made");
    for wheel in wheels(cache) {
        let target = wheelhouse.join(wheel.file_name().expect("a wheel has a name"));
        fs::copy(&wheel, target).expect("a wheel can be copied");
    }
    drop(lock);
    run(python.command([format!("{SOURCES}/build_wheels.py"), format!("{SOURCES}/packages")]).arg(wheelhouse));
}

/// Makes a virtual environment that holds pip and the requirement, all from the wheelhouse.
pub(crate) fn make_venv(python: &Python, venv: &Path, wheelhouse: &Path, requirement: &str) {
    // Without pip, because Debian's Python can't put it there itself; pip installs itself below.
    run(python.command(["-m", "venv", "--without-pip"]).arg(venv));
    let pip = pip_wheel(wheelhouse).expect("the wheelhouse holds pip");
    let mut install = Command::new(venv.join("bin/python"));
    install.arg(pip.join("pip")).args(["install", "--quiet", "--disable-pip-version-check", "--no-compile"]);
    install.args(["--no-index", "--find-links"]).arg(wheelhouse).args(["pip", requirement]);
    // In the cluster's directory, which is removed: when pip is killed, its temporary files stay.
    install.env("TMPDIR", venv.parent().expect("a virtual environment lies in a directory"));
    run(install.env_remove("PYTHONPATH").env_remove("PIP_USER").env_remove("PIP_TARGET").env_remove("PIP_PREFIX"));
}

/// Lets a test hold pip still in this environment; see `rehearsal_faults.py`.
pub(crate) fn put_faults_into(site_packages: &Path, directory: &Path) {
    let module = include_str!("rehearsal_faults.py").replace("@DIRECTORY@", &super::text(directory));
    fs::write(site_packages.join("rehearsal_faults.py"), module).expect("site-packages can be written");
    fs::write(site_packages.join("rehearsal_faults.pth"), "import rehearsal_faults\n")
        .expect("site-packages can be written");
}

/// Runs a command to its end and gives its standard output; panics with everything that it said when it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

fn wheels(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory of wheels can be read");
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.extension() == Some(OsStr::new("whl")))
}

fn pip_wheel(directory: &Path) -> Option<PathBuf> {
    wheels(directory).find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pip-")))
}

/// `rehearsal-cache` in cargo's build directory, which cargo marks by a `CACHEDIR.TAG`; else in the temporary directory,
/// under a name of the user's own.
fn cache_directory() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its path");
    let build = program.ancestors().find(|directory| directory.join("CACHEDIR.TAG").exists());
    let writable =
        build.map(|directory| directory.join("rehearsal-cache")).filter(|cache| fs::create_dir_all(cache).is_ok());
    writable.unwrap_or_else(|| std::env::temp_dir().join(format!("rehearsal-cache-{}", super::ssh::user())))
}
