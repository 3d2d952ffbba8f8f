//! Object comment message (0x0D): section IV.A.2.n of the specification.
//!
//! ```text
//! | text NUL |
//! ```

use crate::error::{Context, Result};
use crate::format::output::put_name;
use crate::format::primitive::Bytes;
use crate::model::link::Name;

/// Decodes a comment.
///
/// # Errors
/// `Truncated` without a NUL.
pub fn decode_comment(body: &[u8]) -> Result<Name> {
    Bytes(body).until_nul().map(Name::from).in_structure("object comment message")
}

/// The body of the message.
///
/// # Errors
/// `Usage` if there is a NUL in it.
pub fn encode_comment(comment: &Name) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    put_name(&mut out, comment.as_bytes(), 1)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn text_and_its_nul() {
        assert_eq!(decode_comment(b"hello\0").unwrap(), "hello");
        assert_eq!(encode_comment(&"hello".into()).unwrap(), b"hello\0");
        assert_eq!(decode_comment(b"\0\0\0").unwrap(), "");
        assert!(is_truncated(&decode_comment(b"hello").unwrap_err()));
        assert!(is_usage(encode_comment(&"a\0".into())));
    }
}
