//! What a host sends as one record because it is large: JSON, compressed, in base64.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;

/// Most that such an answer unpacks to. The longest chain has 557 revisions of up to 60 KB; a few megabytes can pretend to be
/// gigabytes.
const UNPACKED: u64 = 64 * 1024 * 1024;

/// Reads one; the reason where it is garbled.
pub(super) fn unpack<T: DeserializeOwned>(packed: &str) -> Result<T, String> {
    let compressed = STANDARD.decode(packed).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    let mut unpacking = flate2::read::ZlibDecoder::new(compressed.as_slice()).take(UNPACKED + 1);
    unpacking.read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > UNPACKED {
        return Err(format!("it unpacks to more than {UNPACKED} bytes"));
    }
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::model::AtMost;

    fn packed(text: &[u8]) -> String {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        STANDARD.encode(encoder.finish().unwrap())
    }

    #[test]
    fn what_swells_and_what_is_too_long_is_garbled() {
        assert_eq!(unpack(&packed(b"[1, 2]")), Ok(vec![1, 2]));
        let blanks = vec![b' '; usize::try_from(UNPACKED).unwrap() + 1];
        let bomb = packed(&blanks);
        assert!(bomb.len() < 1024 * 1024);
        assert_eq!(unpack::<Vec<u8>>(&bomb), Err("it unpacks to more than 67108864 bytes".to_owned()));
        let long = unpack::<AtMost<3, u8>>(&packed(b"[1,2,3,4]")).unwrap_err();
        assert!(long.starts_with("there are more than 3 entries"), "{long}");
        let deep = unpack::<serde_json::Value>(&packed("[".repeat(100_000).as_bytes())).unwrap_err();
        assert!(deep.starts_with("recursion limit"), "{deep}");
    }
}
