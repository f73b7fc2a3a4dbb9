//! Quoting for POSIX sh.

/// Quotes `text` as exactly one word for a POSIX shell.
///
/// Words of harmless characters stay as they are, so that commands read well in a plan.
#[must_use]
pub fn shell_quote(text: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | '=' | '@' | '%' | '+' | ',');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_survive_a_real_shell() {
        for text in ["", "a b", "it's", "$HOME", "`id`", "a\nb", "\\", "*", "~", "/srv/wheels", "x;y", "\u{e9}"] {
            let output = std::process::Command::new("/bin/sh")
                .args(["-c", &format!("printf %s {}", shell_quote(text))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
        assert_eq!(shell_quote("/srv/wheels"), "/srv/wheels");
    }
}
