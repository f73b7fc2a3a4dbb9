//! Pages of a package index: the JSON of PEP 691 and the HTML of PEP 503, and the releases that their files make.

use std::collections::BTreeMap;

use html5gum::{Token, Tokenizer};
use percent_encoding::percent_decode;
use serde::Deserialize;

use super::filename::{FileKind, release_of_file};
use super::release::PublishedRelease;
use crate::model::{AtMost, Digest, printable};
use crate::release::Release;

/// How a page is written, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// PEP 691.
    Json,
    /// PEP 503.
    Html,
}

impl PageKind {
    /// What to ask an index for: JSON rather than HTML (PEP 691, "Version + Format Selection").
    pub const ACCEPT: &str =
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

    /// The kind of a `Content-Type`; `None` for what is no page of an index.
    #[must_use]
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media.as_str() {
            "application/vnd.pypi.simple.v1+json" => Some(PageKind::Json),
            "application/vnd.pypi.simple.v1+html" | "text/html" => Some(PageKind::Html),
            _ => None,
        }
    }
}

/// One file of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexFile {
    /// Its name.
    pub name: String,
    /// Why it was withdrawn (PEP 592), if it was.
    pub yanked: Option<String>,
    /// The Python that it is for.
    pub requires_python: Option<String>,
    /// Its size (PEP 700).
    pub bytes: Option<u64>,
    /// Where it is, as the page says it: relative to the page, unless it is a whole URL. Without a fragment.
    pub link: String,
    /// Its SHA-256, where the page tells it.
    pub sha256: Option<Digest>,
}

/// Most files on a page: the longest ones of PyPI have some ten thousand. A page of megabytes can name millions, each of
/// which takes many times its bytes.
const PAGE_FILES: usize = 200_000;

/// A page that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexPageError {
    /// It isn't the JSON of PEP 691.
    #[error("line {line}, column {column}: {reason} (expected a page as PEP 691 has it)")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// A version of the format that didn't exist when this was written: only minor versions may be read unknown.
    #[error("the index speaks version {0} of the format, and only 1.x can be read")]
    Version(String),
    /// More files than any package has.
    #[error("the page names more than {PAGE_FILES} files, as no package has: it is not read")]
    TooMany,
}

#[derive(Deserialize)]
struct Page {
    meta: Meta,
    files: AtMost<PAGE_FILES, File>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "api-version")]
    version: String,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    #[serde(default, rename = "requires-python")]
    requires_python: Option<String>,
    #[serde(default)]
    yanked: Yanked,
    #[serde(default)]
    size: Option<u64>,
}

/// `true`, `false`, or the reason.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Yanked {
    #[default]
    No,
    Flag(bool),
    Reason(String),
}

impl From<Yanked> for Option<String> {
    fn from(yanked: Yanked) -> Self {
        match yanked {
            Yanked::No | Yanked::Flag(false) => None,
            Yanked::Flag(true) => Some(String::new()),
            Yanked::Reason(reason) => Some(reason),
        }
    }
}

/// The files of a page, in its order.
///
/// # Errors
/// When the page can't be read, or is of another version of the format.
pub fn parse_index_page(kind: PageKind, text: &str) -> Result<Vec<IndexFile>, IndexPageError> {
    match kind {
        PageKind::Json => parse_json(text),
        PageKind::Html => parse_html(text),
    }
}

fn parse_json(text: &str) -> Result<Vec<IndexFile>, IndexPageError> {
    let page: Page = serde_json::from_str(text).map_err(|error| IndexPageError::Json {
        line: error.line(),
        column: error.column(),
        // It may quote the page, which comes from elsewhere.
        reason: printable(error.to_string().split(" at line ").next().unwrap_or_default()),
    })?;
    check_version(&page.meta.version)?;
    let file = |file: File| {
        let (link, of_link) = link_and_digest(&file.url);
        IndexFile {
            name: file.filename,
            yanked: file.yanked.into(),
            requires_python: file.requires_python.filter(|text| !text.trim().is_empty()),
            bytes: file.size,
            link,
            sha256: file.hashes.get("sha256").and_then(|text| Digest::parse(text)).or(of_link),
        }
    };
    Ok(page.files.0.into_iter().map(file).collect())
}

/// PEP 629: another major version may mean anything.
fn check_version(version: &str) -> Result<(), IndexPageError> {
    match version.split('.').next() {
        Some("1") => Ok(()),
        Some(_) | None => Err(IndexPageError::Version(printable(version))),
    }
}

/// Anchors whose last path segment is a file name. HTML is read as browsers do: there are no mistakes in it.
fn parse_html(text: &str) -> Result<Vec<IndexFile>, IndexPageError> {
    let (mut files, mut base) = (Vec::new(), None);
    for Ok(token) in Tokenizer::new(text) {
        let Token::StartTag(tag) = token else { continue };
        let attribute = |name: &str| {
            tag.attributes.get(name.as_bytes()).map(|value| String::from_utf8_lossy(&value.value).into_owned())
        };
        if tag.name.as_slice() == b"meta" && attribute("name").as_deref() == Some("pypi:repository-version") {
            check_version(&attribute("content").unwrap_or_default())?;
        }
        if tag.name.as_slice() == b"base" && base.is_none() {
            base = attribute("href").and_then(|href| url::Url::parse(&href).ok());
        }
        if tag.name.as_slice() == b"a"
            && let Some(href) = attribute("href")
            && let Some(name) = file_of_url(&href)
        {
            if files.len() == PAGE_FILES {
                return Err(IndexPageError::TooMany);
            }
            let (link, sha256) = link_and_digest(&href);
            let joined = base.as_ref().and_then(|base| base.join(&link).ok());
            files.push(IndexFile {
                name,
                yanked: attribute("data-yanked"),
                requires_python: attribute("data-requires-python").filter(|text| !text.trim().is_empty()),
                bytes: None,
                link: joined.map_or(link, String::from),
                sha256,
            });
        }
    }
    Ok(files)
}

/// A link without its fragment, and the SHA-256 that the fragment tells (`#sha256=…`, PEP 503).
fn link_and_digest(url: &str) -> (String, Option<Digest>) {
    match url.split_once('#') {
        None => (url.to_owned(), None),
        Some((link, fragment)) => {
            let digest = fragment.split('&').find_map(|part| part.strip_prefix("sha256="));
            (link.to_owned(), digest.and_then(Digest::parse))
        }
    }
}

/// The file name at the end of a URL, without its hash and query.
fn file_of_url(url: &str) -> Option<String> {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
    Some(percent_decode(name.as_bytes()).decode_utf8_lossy().into_owned())
}

/// The releases that files make, oldest first. Files of other packages and kinds are left out.
///
/// A release is withdrawn where every file of it is. Of Requires-Python that of the first wheel that states one counts,
/// then that of the first source archive; files of one release state the same in practice.
#[must_use]
pub fn join_files(package: &str, files: impl IntoIterator<Item = IndexFile>) -> Vec<PublishedRelease> {
    let mut releases: BTreeMap<Release, Vec<(FileKind, IndexFile)>> = BTreeMap::new();
    for file in files {
        if let Some((kind, release)) = release_of_file(package, &file.name) {
            releases.entry(release).or_default().push((kind, file));
        }
    }
    releases.into_iter().map(|(release, files)| join(release, files)).collect()
}

fn join(release: Release, mut files: Vec<(FileKind, IndexFile)>) -> PublishedRelease {
    files.sort_by(|one, other| (one.0, &one.1.name).cmp(&(other.0, &other.1.name)));
    let reasons: Option<Vec<&String>> = files.iter().map(|(_, file)| file.yanked.as_ref()).collect();
    let reason = |reasons: Vec<&String>| {
        let given = reasons.into_iter().find(|reason| !reason.trim().is_empty());
        given.map_or_else(String::new, |reason| reason.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let yanked = reasons.map(reason);
    let mut wheels = files.iter().filter(|(kind, _)| *kind == FileKind::Wheel);
    let sha256 = match (wheels.next(), wheels.next()) {
        (Some((_, only)), None) => only.sha256.clone(),
        (None, _) | (Some(_), Some(_)) => None,
    };
    PublishedRelease {
        release,
        yanked,
        requires_python: files.iter().find_map(|(_, file)| file.requires_python.clone()),
        bytes: files.iter().filter_map(|(_, file)| file.bytes).max(),
        sha256,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(name: &str, yanked: Option<&str>) -> IndexFile {
        IndexFile { name: name.into(), yanked: yanked.map(str::to_owned), ..IndexFile::default() }
    }

    #[test]
    fn a_release_is_withdrawn_when_every_file_of_it_is() {
        let releases = join_files(
            "x",
            [
                file("x-1.0-py3-none-any.whl", Some("")),
                file("x-1.0.tar.gz", Some("broken")),
                file("x-1.1-py3-none-any.whl", Some("broken")),
                file("x-1.1.tar.gz", None),
                file("x-1.2.tar.gz", Some("")),
            ],
        );
        let yanked: Vec<Option<&str>> = releases.iter().map(|one| one.yanked.as_deref()).collect();
        assert_eq!(yanked, [Some("broken"), None, Some("")]);
    }

    #[test]
    fn what_the_wheel_says_of_python_counts_first() {
        let of = |name: &str, python: Option<&str>| IndexFile {
            requires_python: python.map(str::to_owned),
            ..file(name, None)
        };
        let joined =
            |files: [IndexFile; 2]| join_files("x", files).into_iter().next().and_then(|one| one.requires_python);
        let both = [of("x-1.0.tar.gz", Some(">=3.8")), of("x-1.0-py3-none-any.whl", Some(">=3.12"))];
        assert_eq!(joined(both).as_deref(), Some(">=3.12"));
        let one = [of("x-1.0.tar.gz", Some(">=3.8")), of("x-1.0-py3-none-any.whl", None)];
        assert_eq!(joined(one).as_deref(), Some(">=3.8"));
    }

    #[test]
    fn a_page_tells_where_files_are_and_their_digests() {
        let digest = Digest::of(b"x");
        let seen = |kind: PageKind, text: &str| -> Vec<(String, bool)> {
            let files = parse_index_page(kind, text).unwrap();
            files.into_iter().map(|file| (file.link, file.sha256.as_ref() == Some(&digest))).collect()
        };
        let html = format!(
            "<a href=\"../x-1.0.tar.gz#sha256={digest}\">x</a><a href=\"/f/x-1.1.tar.gz?a=1#md5=0\">x</a>\
             <a href=\"x-1.2.tar.gz#egg=x&amp;sha256={digest}\">x</a>"
        );
        let links = [("../x-1.0.tar.gz".to_owned(), true), ("/f/x-1.1.tar.gz?a=1".to_owned(), false)];
        let last = ("x-1.2.tar.gz".to_owned(), true);
        assert_eq!(seen(PageKind::Html, &html), [links[0].clone(), links[1].clone(), last]);
        let elsewhere = seen(PageKind::Html, &format!("<base href=\"https://y/a/b/\">{html}"));
        assert_eq!(
            (elsewhere[0].0.as_str(), elsewhere[1].0.as_str()),
            ("https://y/a/x-1.0.tar.gz", "https://y/f/x-1.1.tar.gz?a=1")
        );
        let json = format!(
            "{{\"meta\": {{\"api-version\": \"1.0\"}}, \"files\": [\
             {{\"filename\": \"x-1.0.tar.gz\", \"url\": \"../x-1.0.tar.gz\", \"hashes\": {{\"sha256\": \"{digest}\"}}}},\
             {{\"filename\": \"x-1.1.tar.gz\", \"url\": \"/f/x-1.1.tar.gz?a=1\", \"hashes\": {{\"sha256\": \"12\"}}}}]}}"
        );
        assert_eq!(seen(PageKind::Json, &json), links);
    }

    #[test]
    fn a_page_that_is_none_is_refused() {
        for (text, expected) in [
            ("<html>", "line 1, column 1: expected value"),
            ("{\"meta\": {\"api-version\": \"1.0\"}}", "missing field `files`"),
            (
                "{\"meta\": {\"api-version\": \"1.0\"},\n \"files\": [{}]}",
                "line 2, column 13: missing field `filename`",
            ),
            ("{\"meta\": \"\\u001b[2J\"}", "\\u{1b}[2J"),
            ("{\"meta\": {\"api-version\": \"2.0\"}, \"files\": []}", "version 2.0"),
        ] {
            let error = parse_index_page(PageKind::Json, text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let html = "<meta name=\"pypi:repository-version\" content=\"2.1\"><a href=\"x-1.0.tar.gz\">x</a>";
        assert_eq!(parse_index_page(PageKind::Html, html), Err(IndexPageError::Version("2.1".into())));
    }

    #[test]
    fn only_content_types_of_an_index_are_pages() {
        assert_eq!(PageKind::of_content_type("Text/HTML; charset=utf-8"), Some(PageKind::Html));
        assert_eq!(PageKind::of_content_type("application/vnd.pypi.simple.v1+json"), Some(PageKind::Json));
        for other in ["application/json", "application/octet-stream", "", "application/vnd.pypi.simple.v2+json"] {
            assert_eq!(PageKind::of_content_type(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic(text in "[<>a-z=\"'& /#%.0-9{}\\[\\]:,é-]{0,200}") {
            let _ = parse_index_page(PageKind::Html, &text);
            let _ = parse_index_page(PageKind::Json, &text);
        }

        #[test]
        fn the_order_of_files_does_not_matter(order in Just(vec![0usize, 1, 2, 3]).prop_shuffle()) {
            let files = [
                file("x-1.0-py3-none-any.whl", Some("one")),
                file("x-1.0.tar.gz", Some("two")),
                file("x-0.9.tar.gz", None),
                file("x-1.0-py2-none-any.whl", Some("three")),
            ];
            let shuffled = order.iter().map(|&at| files[at].clone());
            prop_assert_eq!(join_files("x", shuffled), join_files("x", files.clone()));
        }
    }
}
