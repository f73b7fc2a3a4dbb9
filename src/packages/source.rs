//! All the places that pip's settings name, asked together for one package.

#![expect(clippy::disallowed_methods, reason = "looks for directories of packages")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::client::{Answer, get_file, get_page, resolve};
use super::{PackagesError, Settings, read_wheelhouse};
use crate::facts::{Published, Told};
use crate::model::{Digest, redacted};
use crate::release::{IndexFile, PageKind, WHEEL_BYTES, join_files, normalize_name, parse_index_page};

/// Before the one further attempt: long enough for a balancer to find another server.
const PAUSE: Duration = Duration::from_millis(500);

/// Where packages come from.
#[derive(Debug, Clone)]
pub struct PackageIndex {
    settings: Arc<Settings>,
}

/// Whether the network may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Every place.
    Everywhere,
    /// Nothing but what lies on this machine.
    Local,
}

/// A file that is offered, and where it is.
#[derive(Clone)]
pub(super) struct Offered {
    pub(super) file: IndexFile,
    pub(super) at: Location,
}

/// Where a file is.
#[derive(Clone)]
pub(super) enum Location {
    /// On a server; with credentials.
    Url(Url),
    /// On this machine.
    Path(PathBuf),
    /// The page's link makes no sense.
    Nowhere,
}

/// One place to look in.
enum Place {
    /// A package's page of an index: it may be missing.
    Index(String),
    /// A page with links, which must be there.
    Links(String),
    /// An index in a directory: a directory a package.
    IndexDirectory(PathBuf),
    /// A directory of files.
    Wheelhouse(PathBuf),
}

impl PackageIndex {
    /// Everything that these settings name.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings) }
    }

    /// What the places are, without credentials.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        self.settings.places()
    }

    /// What tells these places from others, credentials included: two logins may see two lists.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(format!("{:?}", (&self.settings.indexes, &self.settings.find_links)).as_bytes())
    }

    /// Whether a directory is among the places: what lies in it is not worth keeping, and may change at any time.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let remote = |place: &String| place.starts_with("http://") || place.starts_with("https://");
        !self.settings.indexes.iter().chain(&self.settings.find_links).all(remote)
    }

    /// The releases of `package` in all places. A package that an index doesn't have is none of its releases; a place
    /// that can't be asked is an error, whatever the others say.
    ///
    /// # Errors
    /// When a place can't be asked, after two attempts, or nothing is named at all.
    pub async fn published(&self, package: &str) -> Result<Published, PackagesError> {
        let offered = self.offered(package, Reach::Everywhere).await?;
        Ok(Published {
            releases: join_files(package, offered.into_iter().map(|one| one.file)),
            told: Told::Files,
            python: None,
            sources: self.places(),
            asked_at: None,
        })
    }

    /// The files of `package` in all places that `reach` allows, in the order of the places.
    ///
    /// # Errors
    /// As [`Self::published`].
    pub(super) async fn offered(&self, package: &str, reach: Reach) -> Result<Vec<Offered>, PackagesError> {
        let mut places = self.places_of(package)?;
        match reach {
            Reach::Everywhere if places.is_empty() => return Err(PackagesError::NoSource),
            Reach::Everywhere => {}
            Reach::Local => places.retain(Place::is_local),
        }
        let mut files = Vec::new();
        for place in places.into_iter().map(Arc::new) {
            let (settings, package, shown) = (Arc::clone(&self.settings), package.to_owned(), place.shown());
            let look = move || look(&settings, &place, &package);
            files.extend(twice(look, &shown).await?);
        }
        Ok(files)
    }

    /// The bytes of a file. If its list tells a digest, they are what it says.
    ///
    /// # Errors
    /// When it can't be had, after two attempts, or is another one.
    pub(super) async fn bytes_of(&self, offered: &Offered) -> Result<Vec<u8>, PackagesError> {
        let (settings, at) = (Arc::clone(&self.settings), offered.at.clone());
        let shown = offered.shown();
        let link = shown.clone();
        let read = move || match &at {
            Location::Url(url) => get_file(&settings, url),
            Location::Path(path) => read_file(path),
            Location::Nowhere => Err(PackagesError::Url { url: link.clone() }),
        };
        let bytes = twice(read, &shown).await?;
        match (&offered.file.sha256, Digest::of(&bytes)) {
            (Some(expected), found) if *expected != found => {
                Err(PackagesError::Digest { url: shown, expected: expected.clone(), found })
            }
            (Some(_) | None, _) => Ok(bytes),
        }
    }

    fn places_of(&self, package: &str) -> Result<Vec<Place>, PackagesError> {
        let page = normalize_name(package);
        let mut places = Vec::new();
        for index in &self.settings.indexes {
            places.push(match local(index)? {
                Some(directory) => Place::IndexDirectory(directory),
                None => Place::Index(page_of(index, &page)?),
            });
        }
        for link in &self.settings.find_links {
            places.push(local(link)?.map_or_else(|| Place::Links(link.clone()), Place::Wheelhouse));
        }
        Ok(places)
    }
}

/// Does blocking work on a thread of its own; once more after a pause, where that may help.
async fn twice<T: Send + 'static>(
    work: impl Fn() -> Result<T, PackagesError> + Send + Sync + 'static,
    shown: &str,
) -> Result<T, PackagesError> {
    let work = Arc::new(work);
    let once = || async {
        let work = Arc::clone(&work);
        // A thread that ended abnormally has not found out.
        let lost = |error: tokio::task::JoinError| {
            Err(PackagesError::Unreachable { url: shown.to_owned(), reason: error.to_string() })
        };
        tokio::task::spawn_blocking(move || work()).await.unwrap_or_else(lost)
    };
    match once().await {
        Err(error) if error.is_transient() => {
            tracing::debug!(%error, "asking once more");
            tokio::time::sleep(PAUSE).await;
            once().await
        }
        ended => ended,
    }
}

impl Offered {
    /// Where it is, without credentials.
    pub(super) fn shown(&self) -> String {
        match &self.at {
            Location::Url(url) => redacted(url.as_str()),
            Location::Path(path) => path.display().to_string(),
            Location::Nowhere => redacted(&self.file.link),
        }
    }

    /// Whether it lies on this machine.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.at, Location::Path(_))
    }

    /// A file of the page at `page`.
    fn of_page(page: &Url, file: IndexFile) -> Self {
        let at = match resolve(page, &file.link) {
            Some(url) if url.scheme() == "file" => url.to_file_path().map_or(Location::Nowhere, Location::Path),
            Some(url) => Location::Url(url),
            None => Location::Nowhere,
        };
        Self { file, at }
    }
}

impl Place {
    fn is_local(&self) -> bool {
        match self {
            Place::Index(_) | Place::Links(_) => false,
            Place::IndexDirectory(_) | Place::Wheelhouse(_) => true,
        }
    }

    fn shown(&self) -> String {
        match self {
            Place::Index(url) | Place::Links(url) => redacted(url),
            Place::IndexDirectory(path) | Place::Wheelhouse(path) => path.display().to_string(),
        }
    }
}

/// The page of a package below an index's URL, whose query (a token, perhaps) is kept.
fn page_of(index: &str, package: &str) -> Result<String, PackagesError> {
    let mut url = Url::parse(index).map_err(|_| PackagesError::Url { url: redacted(index) })?;
    url.path_segments_mut()
        .map_err(|()| PackagesError::Url { url: redacted(index) })?
        .pop_if_empty()
        .push(package)
        .push("");
    Ok(url.into())
}

/// The path of a place on this machine: `file:` URLs, and everything without a scheme.
fn local(place: &str) -> Result<Option<PathBuf>, PackagesError> {
    if place.starts_with("file:") {
        let path = Url::parse(place).ok().and_then(|url| url.to_file_path().ok());
        return path.map(Some).ok_or_else(|| PackagesError::Url { url: redacted(place) });
    }
    Ok((!place.contains("://")).then(|| PathBuf::from(place)))
}

fn look(settings: &Settings, place: &Place, package: &str) -> Result<Vec<Offered>, PackagesError> {
    match place {
        Place::Index(url) => match get_page(settings, url)? {
            Answer::Files(page, files) => Ok(of_page(&page, files)),
            Answer::NotFound => Ok(Vec::new()),
        },
        Place::Links(url) => match get_page(settings, url)? {
            Answer::Files(page, files) => Ok(of_page(&page, files)),
            Answer::NotFound => Err(PackagesError::Status { url: redacted(url), status: 404 }),
        },
        Place::IndexDirectory(root) => read_index_directory(root, package),
        Place::Wheelhouse(directory) => {
            let at = |file: &IndexFile| Location::Path(directory.join(&file.name));
            let files = read_wheelhouse(directory, package)?;
            Ok(files.into_iter().map(|file| Offered { at: at(&file), file }).collect())
        }
    }
}

fn of_page(page: &Url, files: Vec<IndexFile>) -> Vec<Offered> {
    files.into_iter().map(|file| Offered::of_page(page, file)).collect()
}

/// `ROOT/PACKAGE/index.html`, as pip reads an index in a directory.
fn read_index_directory(root: &Path, package: &str) -> Result<Vec<Offered>, PackagesError> {
    let cant = |path: &Path, reason: String| PackagesError::File { path: path.to_path_buf(), reason };
    if !root.is_dir() {
        return Err(cant(root, "there is no such directory".to_owned()));
    }
    let file = root.join(normalize_name(package)).join("index.html");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cant(&file, error.to_string())),
    };
    let files = parse_index_page(PageKind::Html, &text)
        .map_err(|source| PackagesError::Page { url: file.display().to_string(), source })?;
    let whole = fs::canonicalize(&file).map_err(|error| cant(&file, error.to_string()))?;
    let page = Url::from_file_path(&whole).map_err(|()| cant(&file, "its path makes no URL".to_owned()))?;
    Ok(of_page(&page, files))
}

fn read_file(path: &Path) -> Result<Vec<u8>, PackagesError> {
    let cant = |error: std::io::Error| PackagesError::File { path: path.to_path_buf(), reason: error.to_string() };
    if fs::metadata(path).map_err(cant)?.len() > WHEEL_BYTES {
        return Err(PackagesError::TooLarge { url: path.display().to_string(), limit: WHEEL_BYTES });
    }
    fs::read(path).map_err(cant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_a_package_lies_below_the_index() {
        for (index, page) in [
            ("https://x/simple", "https://x/simple/a-b/"),
            ("https://u:p@x/simple/?token=1", "https://u:p@x/simple/a-b/?token=1"),
            ("http://x", "http://x/a-b/"),
        ] {
            assert_eq!(page_of(index, "a-b").unwrap(), page);
        }
        assert!(page_of("mailto:x", "a").is_err());
    }

    #[test]
    fn places_on_this_machine_are_told_from_others() {
        assert_eq!(local("/srv/wheels").unwrap(), Some("/srv/wheels".into()));
        assert_eq!(local("file:///srv/a%20b").unwrap(), Some("/srv/a b".into()));
        assert_eq!(local("https://x/simple").unwrap(), None);
        assert!(local("file://host/share").is_err());
    }
}
