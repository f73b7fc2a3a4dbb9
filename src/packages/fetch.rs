//! Downloads locked files into a directory. A file that is there under its own name is whole: it gets that name last.

#![expect(clippy::disallowed_methods, reason = "writes the files into the directory")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::source::{Offered, Reach};
use super::{PackageIndex, PackagesError};
use crate::model::Digest;
use crate::release::{LockedDistribution, LockedFile};

/// As many downloads at a time as `wheel::AT_ONCE`: more hides no more waiting.
const AT_ONCE: usize = 4;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// It was downloaded.
    Now,
    /// It was there, with the same digest.
    Before,
}

/// Brings every file of `distributions` into `directory`, each once. A file that is there with another content is
/// replaced; others in the directory stay.
pub async fn fetch<'a>(
    index: &PackageIndex,
    distributions: impl IntoIterator<Item = &'a LockedDistribution>,
    directory: &Path,
) -> BTreeMap<String, Result<Fetched, PackagesError>> {
    let mut wanted: BTreeMap<String, Vec<LockedFile>> = BTreeMap::new();
    for LockedDistribution { name, files, .. } in distributions {
        wanted.entry(name.clone()).or_default().extend(files.iter().cloned());
    }
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut fetching = JoinSet::new();
    for (name, mut files) in wanted {
        files.sort();
        files.dedup();
        let (index, directory, permits) = (index.clone(), directory.to_path_buf(), Arc::clone(&permits));
        fetching.spawn(async move {
            let _permit = permits.acquire().await;
            fetch_files(&index, &name, files, &directory).await
        });
    }
    let mut outcomes = BTreeMap::new();
    while let Some(ended) = fetching.join_next().await {
        match ended {
            Ok(files) => outcomes.extend(files),
            Err(error) => {
                let lost = PackagesError::Unreachable { url: "a package".into(), reason: error.to_string() };
                outcomes.insert("a download that ended abnormally".into(), Err(lost));
            }
        }
    }
    outcomes
}

/// The files of one distribution. What is there is not asked for, so a second call needs no index.
async fn fetch_files(
    index: &PackageIndex,
    name: &str,
    files: Vec<LockedFile>,
    directory: &Path,
) -> Vec<(String, Result<Fetched, PackagesError>)> {
    let mut outcomes = Vec::new();
    let mut offered: Option<Vec<Offered>> = None;
    for file in files {
        let target = directory.join(&file.name);
        let outcome = if is_there(&target, &file.sha256) {
            Ok(Fetched::Before)
        } else {
            fetch_one(index, name, &file, &target, &mut offered).await.map(|()| Fetched::Now)
        };
        outcomes.push((file.name, outcome));
    }
    outcomes
}

async fn fetch_one(
    index: &PackageIndex,
    name: &str,
    file: &LockedFile,
    target: &Path,
    known: &mut Option<Vec<Offered>>,
) -> Result<(), PackagesError> {
    let offered = match known {
        Some(offered) => offered,
        None => known.insert(index.offered(name, Reach::Everywhere).await?),
    };
    // Under the locked name first; the digest decides, wherever it comes from.
    let mut last = None;
    for one in offered.iter().filter(|one| one.file.name == file.name) {
        match index.bytes_of(one).await {
            Ok(bytes) if Digest::of(&bytes) == file.sha256 => return keep(target, &bytes),
            Ok(bytes) => {
                last = Some(PackagesError::Digest {
                    url: one.shown(),
                    expected: file.sha256.clone(),
                    found: Digest::of(&bytes),
                });
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| PackagesError::NoFile { file: file.name.clone(), places: index.places().join(", ") }))
}

fn is_there(target: &Path, sha256: &Digest) -> bool {
    fs::read(target).is_ok_and(|bytes| Digest::of(&bytes) == *sha256)
}

fn keep(target: &Path, bytes: &[u8]) -> Result<(), PackagesError> {
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = target.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        let mut file = fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, target)
    });
    written.map_err(|error| {
        // What was begun is of no use, and the next call begins anew in any case.
        let _ = fs::remove_file(&part);
        PackagesError::Unwritten { path: target.to_path_buf(), reason: error.to_string() }
    })
}
