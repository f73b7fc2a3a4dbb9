//! HTTP to package indexes: blocking, for a thread of its own.

#![expect(clippy::disallowed_methods, reason = "reads certificates and .netrc")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use ureq::http::{Response, header};
use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};
use url::Url;

use super::PackagesError;
use super::netrc::{Login, login_for};
use super::settings::Settings;
use crate::model::{Secret, redacted};
use crate::release::{IndexFile, PageKind, WHEEL_BYTES, parse_index_page};

/// The largest page of PyPI has some ten megabytes.
const PAGE_SIZE: u64 = 64 * 1024 * 1024;
/// One request for a page, with everything: a megabyte takes this long at 70 kbit/s.
const WHOLE_PAGE: Duration = Duration::from_secs(120);
/// One request for a file: 50 MB, the largest wheel of Backend.AI, take this long at 2 Mbit/s.
const WHOLE_FILE: Duration = Duration::from_secs(240);
/// What browsers and pip's library allow is more; an index needs one or two.
const REDIRECTS: usize = 10;
/// Where the system's certificates lie: Debian, Red Hat, SUSE, Alpine. Without any, Mozilla's list is used.
const SYSTEM_CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The page of a package, or that there is none.
pub(super) enum Answer {
    /// The files, and where the page was in the end: what its links are relative to.
    Files(Url, Vec<IndexFile>),
    NotFound,
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Wanted {
    Page,
    File,
}

/// Asks `url` for a page.
pub(super) fn get_page(settings: &Settings, url: &str) -> Result<Answer, PackagesError> {
    let url = Url::parse(url).map_err(|_| PackagesError::Url { url: redacted(url) })?;
    let (url, mut response) = follow(settings, url, Wanted::Page)?;
    match response.status().as_u16() {
        200..=299 => {
            let files = read_page(&url, &mut response)?;
            Ok(Answer::Files(url, files))
        }
        404 => Ok(Answer::NotFound),
        status => Err(PackagesError::Status { url: redacted(url.as_str()), status }),
    }
}

/// Fetches a file, whole.
pub(super) fn get_file(settings: &Settings, url: &Url) -> Result<Vec<u8>, PackagesError> {
    let (url, mut response) = follow(settings, url.clone(), Wanted::File)?;
    let shown = redacted(url.as_str());
    match response.status().as_u16() {
        200..=299 => {}
        404 | 410 => return Err(PackagesError::Gone { url: shown }),
        status => return Err(PackagesError::Status { url: shown, status }),
    }
    let body = response.body_mut().with_config().limit(WHEEL_BYTES).read_to_vec();
    body.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(limit) => PackagesError::TooLarge { url: shown, limit },
        error => PackagesError::Unreachable { url: shown, reason: redacted(&error.to_string()) },
    })
}

/// Where a link of `page` leads. To the same server, the page's credentials go along, as with pip.
pub(super) fn resolve(page: &Url, link: &str) -> Option<Url> {
    let mut to = page.join(link).ok()?;
    keep_login(page, &mut to);
    Some(to)
}

/// Asks, and follows redirects: here, so that each step gets only the credentials that are its own.
fn follow(settings: &Settings, mut url: Url, wanted: Wanted) -> Result<(Url, Response<Body>), PackagesError> {
    for _ in 0..=REDIRECTS {
        let response = request(settings, &url, wanted)?;
        match response.status().as_u16() {
            301 | 302 | 303 | 307 | 308 => url = redirected(&url, &response)?,
            _ => return Ok((url, response)),
        }
    }
    Err(PackagesError::Unreachable { url: redacted(url.as_str()), reason: format!("more than {REDIRECTS} redirects") })
}

fn redirected(from: &Url, response: &Response<Body>) -> Result<Url, PackagesError> {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    location.and_then(|location| resolve(from, location)).ok_or_else(|| PackagesError::Unreachable {
        url: redacted(from.as_str()),
        reason: "it redirects to nowhere".to_owned(),
    })
}

/// Credentials belong to a server: a URL of the same one keeps them, unless it brings its own.
fn keep_login(from: &Url, to: &mut Url) {
    let same_server = (from.scheme(), from.host_str(), from.port()) == (to.scheme(), to.host_str(), to.port());
    if same_server && from.host_str().is_some() && to.username().is_empty() {
        // A URL with a host takes both.
        let _ = to.set_username(from.username()).and_then(|()| to.set_password(from.password()));
    }
}

fn read_page(url: &Url, response: &mut Response<Body>) -> Result<Vec<IndexFile>, PackagesError> {
    let shown = redacted(url.as_str());
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("no content type").to_owned();
    let Some(kind) = PageKind::of_content_type(&content_type) else {
        return Err(PackagesError::ContentType { url: shown, content_type: redacted(&content_type) });
    };
    let text =
        response.body_mut().with_config().limit(PAGE_SIZE).lossy_utf8(true).read_to_string().map_err(|error| {
            match error {
                ureq::Error::BodyExceedsLimit(limit) => PackagesError::TooLarge { url: shown.clone(), limit },
                error => PackagesError::Unreachable { url: shown.clone(), reason: redacted(&error.to_string()) },
            }
        })?;
    parse_index_page(kind, &text).map_err(|source| PackagesError::Page { url: shown, source })
}

fn request(settings: &Settings, url: &Url, wanted: Wanted) -> Result<Response<Body>, PackagesError> {
    let shown = redacted(url.as_str());
    let trusted = is_trusted(settings, url);
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        "https" => {}
        // pip's own exceptions are this machine and what trusted-host names.
        "http" if trusted || is_loopback(host) => {}
        "http" => return Err(PackagesError::Insecure { url: shown, host: host.to_owned() }),
        _ => return Err(PackagesError::Url { url: shown }),
    }
    let agent = agent(settings, url, trusted, wanted)?;
    let mut bare = url.clone();
    let _ = bare.set_username("").and_then(|()| bare.set_password(None));
    bare.set_fragment(None);
    let request = agent.get(bare.as_str());
    let mut request = match wanted {
        // A list that is ten minutes old hides what was published in between.
        Wanted::Page => request.header(header::ACCEPT, PageKind::ACCEPT).header(header::CACHE_CONTROL, "max-age=0"),
        // A digest is that of the file as it lies there.
        Wanted::File => request.header(header::ACCEPT, "*/*").header(header::ACCEPT_ENCODING, "identity"),
    };
    if let Some(login) = login(settings, url) {
        let pair = STANDARD.encode(format!("{}:{}", login.user, login.password.expose()));
        request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
    }
    request.call().map_err(|error| PackagesError::Unreachable { url: shown, reason: redacted(&error.to_string()) })
}

fn agent(settings: &Settings, url: &Url, trusted: bool, wanted: Wanted) -> Result<Agent, PackagesError> {
    let mut tls = TlsConfig::builder().disable_verification(trusted).root_certs(roots(settings)?);
    if let Some(file) = &settings.client_certificate {
        tls = tls.client_cert(Some(client_certificate(file)?));
    }
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(settings.timeout))
        .timeout_recv_response(Some(settings.timeout))
        .timeout_global(Some(match wanted {
            Wanted::Page => WHOLE_PAGE,
            Wanted::File => WHOLE_FILE,
        }))
        .user_agent(concat!("converge/", env!("CARGO_PKG_VERSION")))
        .proxy(proxy(settings, url)?)
        .tls_config(tls.build());
    Ok(config.build().new_agent())
}

/// The certificates that pip's settings name, or else the system's.
fn roots(settings: &Settings) -> Result<RootCerts, PackagesError> {
    if let Some(named) = &settings.certificates {
        return Ok(RootCerts::from(read_certificates(named)?.into_iter()));
    }
    for file in SYSTEM_CERTIFICATES {
        if Path::new(file).is_file() {
            return Ok(RootCerts::from(read_certificates(Path::new(file))?.into_iter()));
        }
    }
    Ok(RootCerts::WebPki)
}

/// A file of certificates, or a directory of such files (as `REQUESTS_CA_BUNDLE` may name one).
fn read_certificates(place: &Path) -> Result<Vec<Certificate<'static>>, PackagesError> {
    let cant = |path: &Path, reason: String| PackagesError::File { path: path.to_path_buf(), reason };
    let mut files: Vec<PathBuf> = vec![place.to_path_buf()];
    if place.is_dir() {
        let entries = fs::read_dir(place).map_err(|error| cant(place, error.to_string()))?;
        files = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    }
    let mut certificates = Vec::new();
    for file in &files {
        let bytes = fs::read(file).map_err(|error| cant(file, error.to_string()))?;
        certificates.extend(parse_pem(&bytes).filter_map(Result::ok).filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        }));
    }
    if certificates.is_empty() {
        return Err(cant(place, "there is no certificate in it (PEM is expected)".to_owned()));
    }
    Ok(certificates)
}

fn client_certificate(file: &Path) -> Result<ClientCert, PackagesError> {
    let cant = |reason: &str| PackagesError::File { path: file.to_path_buf(), reason: reason.to_owned() };
    let bytes = fs::read(file).map_err(|error| cant(&error.to_string()))?;
    let (mut chain, mut key) = (Vec::new(), None);
    for item in parse_pem(&bytes).filter_map(Result::ok) {
        match item {
            PemItem::Certificate(certificate) => chain.push(certificate),
            PemItem::PrivateKey(private) => key = Some(private),
            _ => {}
        }
    }
    match key {
        Some(key) if !chain.is_empty() => Ok(ClientCert::new_with_certs(&chain, key)),
        Some(_) | None => Err(cant("a client certificate and its key are expected in it (PEM)")),
    }
}

/// pip's own setting, or else the environment's for the scheme, unless `NO_PROXY` leaves the host out.
fn proxy(settings: &Settings, url: &Url) -> Result<Option<Proxy>, PackagesError> {
    let variable = |name: &str| {
        let lower = settings.environment.get(&name.to_lowercase());
        // In a CGI program HTTP_PROXY can come from a request's header; this is none.
        lower.or_else(|| settings.environment.get(&name.to_uppercase())).filter(|value| !value.is_empty())
    };
    let named = match &settings.proxy {
        Some(proxy) => Some(proxy),
        None if bypasses_proxy(variable("no_proxy").map_or("", String::as_str), url) => None,
        None => variable(&format!("{}_proxy", url.scheme())).or_else(|| variable("all_proxy")),
    };
    let Some(named) = named else { return Ok(None) };
    let full = if named.contains("://") { named.clone() } else { format!("http://{named}") };
    let proxy = Proxy::new(&full).map_err(|error| PackagesError::Unreachable {
        url: redacted(url.as_str()),
        reason: format!("the proxy {} can't be used: {}", redacted(&full), redacted(&error.to_string())),
    })?;
    Ok(Some(proxy))
}

/// Whether `NO_PROXY` names the host: itself, or a domain that it lies in; `*` is every host.
fn bypasses_proxy(no_proxy: &str, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let with_port = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
    no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches('.');
        entry == "*" || host == domain || with_port == domain || host.ends_with(&format!(".{domain}"))
    })
}

fn is_trusted(settings: &Settings, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let with_port = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
    settings.trusted_hosts.iter().any(|trusted| *trusted == host || *trusted == with_port)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.strip_prefix("127.").is_some()
}

/// The URL's own credentials, or else `.netrc`'s.
fn login(settings: &Settings, url: &Url) -> Option<Login> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    if !url.username().is_empty() || url.password().is_some() {
        let password = Secret::new(decoded(url.password().unwrap_or_default()));
        return Some(Login { user: decoded(url.username()), password });
    }
    let file = match settings.environment.get("NETRC").filter(|file| !file.is_empty()) {
        Some(named) => PathBuf::from(named),
        None => settings.home()?.join(".netrc"),
    };
    login_for(&fs::read_to_string(file).ok()?, url.host_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        let url = Url::parse("https://pypi.example.org/simple").unwrap();
        for (no_proxy, bypassed) in [
            ("", false),
            ("*", true),
            ("example.org", true),
            ("localhost, .example.org", true),
            ("pypi.example.org:443", true),
            ("pypi.example.org:8443", false),
            ("ample.org", false),
        ] {
            assert_eq!(bypasses_proxy(no_proxy, &url), bypassed, "{no_proxy}");
        }
    }

    #[test]
    fn links_lead_where_the_page_means_and_keep_its_credentials_at_home() {
        let page = Url::parse("https://bai:pw@x:8443/simple/p/").unwrap();
        for (link, expected) in [
            ("https://files.example/p.whl", "https://files.example/p.whl"),
            ("//files.example/p.whl", "https://files.example/p.whl"),
            ("/files/p.whl", "https://bai:pw@x:8443/files/p.whl"),
            ("p.whl?token=1", "https://bai:pw@x:8443/simple/p/p.whl?token=1"),
            ("../../files/p.whl", "https://bai:pw@x:8443/files/p.whl"),
            ("https://other:its@x:8443/p.whl", "https://other:its@x:8443/p.whl"),
        ] {
            assert_eq!(resolve(&page, link).unwrap().as_str(), expected);
        }
        assert!(resolve(&page, "https://").is_none());
    }

    #[test]
    fn credentials_follow_a_redirect_only_to_the_same_server() {
        let from = Url::parse("https://bai:pw@x/simple/p").unwrap();
        let to = |location: &str| {
            let response = Response::builder().header("Location", location);
            let body = Body::builder().data(Vec::new());
            redirected(&from, &response.body(body).unwrap()).unwrap().to_string()
        };
        assert_eq!(to("/simple/p/"), "https://bai:pw@x/simple/p/");
        assert_eq!(to("https://x/p/"), "https://bai:pw@x/p/");
        assert_eq!(to("https://y/p/"), "https://y/p/");
        assert_eq!(to("http://x/p/"), "http://x/p/");
        assert_eq!(to("https://x:8443/p/"), "https://x:8443/p/");
    }
}
