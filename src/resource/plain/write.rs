//! Writing a file so that at no time a part of it is there, for all kinds that do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::attributes::Attributes;
use crate::document::{Diagnostic, Fields, Node};
use crate::model::{Digest, directory_of, shell_quote as q};

/// How a content gets to its place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writing {
    /// Mode and owners of the file.
    #[serde(flatten)]
    pub attributes: Attributes,
    /// A command that must succeed before the file is put into its place; `%s` is the new file.
    pub validate: Option<String>,
    /// Whether what is replaced is kept beside it.
    pub backup: bool,
}

/// What a new file gets where no mode is declared.
const NEW_MODE: u32 = 0o644;

impl Writing {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let attributes = Attributes::read(fields);
        let validate = fields.given("validate", validate);
        let backup = fields.given("backup", Node::as_bool).unwrap_or(false);
        Self { attributes, validate, backup }
    }

    /// Writes `content` to `path`: beside it first, with its sum, mode and owners, then by rename(2). What an earlier try
    /// left is removed.
    pub(super) fn script(&self, path: &str, content: &[u8]) -> String {
        let directory = directory_of(path);
        let name = path.rsplit('/').next().unwrap_or_default();
        let stem = format!("{directory}/.{name}.converge.");
        let mut text = format!("p={}\n", q(path));
        text.push_str("[ -d \"${p%/*}/\" ] || { echo \"the directory ${p%/*} is not there\" >&2; exit 1; }\n");
        text.push_str(&format!("rm -f -- {}??????\n", q(&stem)));
        text.push_str(&format!("t=$(mktemp {}) || exit\ntrap 'rm -f -- \"$t\"' EXIT\n", q(&format!("{stem}XXXXXX"))));
        text.push_str(&format!("base64 -d >\"$t\" <<'CONVERGE' || exit\n{}CONVERGE\n", encoded(content)));
        text.push_str(&format!(
            "s=$(sha256sum <\"$t\"); [ \"${{s%% *}}\" = {} ] || {{ echo \"$t was not written whole\" >&2; exit 1; }}\n",
            Digest::of(content)
        ));
        text.push_str(&format!(
            "if [ -f \"$p\" ]; then chown --reference=\"$p\" -- \"$t\" 2>/dev/null; chmod --reference=\"$p\" -- \"$t\" || exit\n\
             else chmod {NEW_MODE:04o} \"$t\" || exit; fi\n"
        ));
        text.push_str(&self.attributes.script("\"$t\""));
        if let Some(command) = &self.validate {
            text.push_str(&format!(
                "{} || {{ echo 'it was not accepted by: '{} >&2; exit 1; }}\n",
                command.replace("%s", "\"$t\""),
                q(command)
            ));
        }
        if self.backup {
            text.push_str("if [ -e \"$p\" ]; then cp -p -- \"$p\" \"$p.$(date -u +%Y%m%dT%H%M%SZ)~\" || exit; fi\n");
        }
        text.push_str("sync -- \"$t\" 2>/dev/null; mv -f -T -- \"$t\" \"$p\" || exit\ntrap - EXIT\n");
        text
    }
}

/// Lines that any shell reads.
fn encoded(content: &[u8]) -> String {
    let text = BASE64.encode(content);
    text.as_bytes().chunks(76).fold(String::new(), |mut lines, chunk| {
        lines.push_str(&String::from_utf8_lossy(chunk));
        lines.push('\n');
        lines
    })
}

fn validate(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    match text.contains("%s") {
        true => Ok(text),
        false => Err(Diagnostic::at(&node.span, "`validate` doesn't say where the file goes")
            .hint("write %s for it, as in `validate: nginx -t -c %s`")),
    }
}
