//! Credentials in URLs, taken out of whatever is shown or kept.

/// Parts of names whose values are secrets, whatever they look like.
const SECRET: [&str; 8] = ["pass", "secret", "token", "key", "credential", "auth", "private", "pin"];

/// Whether the name of a variable or field speaks of a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SECRET.iter().any(|word| lower.contains(word))
}

/// The text with the user part and the query of every URL in it replaced: both may hold passwords and tokens.
///
/// A URL ends at white space, a quotation mark or an angle bracket.
#[must_use]
pub fn redacted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>');
        let (url, behind) = after.split_at(after.find(ends).unwrap_or(after.len()));
        let (authority, path) = url.split_at(url.find(['/', '?', '#']).unwrap_or(url.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                shown.push_str("****@");
                shown.push_str(host);
            }
            None => shown.push_str(authority),
        }
        match path.split_once('?') {
            Some((path, _)) => {
                shown.push_str(path);
                shown.push_str("?****");
            }
            None => shown.push_str(path),
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_go_and_the_rest_stays() {
        for (text, shown) in [
            ("https://pypi.org/simple", "https://pypi.org/simple"),
            ("https://bai:s3cr3t@x:8080/simple/", "https://****@x:8080/simple/"),
            ("two: http://t0k@a http://b/?k=v.", "two: http://****@a http://b/?****"),
            ("\"https://a:b@c@d/e@f\"", "\"https://****@d/e@f\""),
            ("/srv/wheels?x", "/srv/wheels?x"),
            ("://", "://"),
        ] {
            assert_eq!(redacted(text), shown);
        }
    }

    proptest! {
        #[test]
        fn no_password_is_left(user in "[a-z]{1,5}", password in "[A-Z0-9:@%]{1,9}", path in "[a-z/]{0,8}") {
            let shown = redacted(&format!("index https://{user}:{password}@example.org/{path}: refused"));
            prop_assert_eq!(shown, format!("index https://****@example.org/{path}: refused"));
        }
    }
}
