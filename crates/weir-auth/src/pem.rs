//! PEM (RFC 7468): the first block of a text, with its label.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it says it is: `PUBLIC KEY`.
    pub label: String,
    /// Its content.
    pub der: Vec<u8>,
}

/// The first block of a text. What stands around it says nothing; fields inside it, as encrypted keys have them, make it
/// none.
pub fn first_block(text: &[u8]) -> Option<Block> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (content, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let encoded: String = content.split_ascii_whitespace().collect();
    let der = STANDARD.decode(encoded).ok()?;
    let label_is_good =
        label.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    (label_is_good && !der.is_empty()).then(|| Block { label: label.to_owned(), der })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_counts() {
        let check = |text: &str, expected: Option<(&str, &[u8])>| {
            let block = first_block(text.as_bytes());
            let block = block.as_ref().map(|block| (block.label.as_str(), block.der.as_slice()));
            assert_eq!(block, expected, "{text:?}");
        };
        check(
            "-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----\n",
            Some(("PUBLIC KEY", &[0, 1, 2])),
        );
        check("words\r\n-----BEGIN X-----\r\nAA\r\nEC\r\n-----END X-----", Some(("X", &[0, 1, 2])));
        let two = "-----BEGIN A-----\nAAEC\n-----END A-----\n-----BEGIN B-----\nAAED\n-----END B-----\n";
        check(two, Some(("A", &[0, 1, 2])));
        for wrong in [
            "",
            "AAEC",
            "-----BEGIN X-----\nAAEC\n",
            "-----BEGIN X-----\nAAEC\n-----END Y-----",
            "-----BEGIN X-----\n-----END X-----",
            "-----BEGIN X-----\nA*EC\n-----END X-----",
            "-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nAAEC\n-----END X-----",
            "-----BEGIN x\n-----\nAAEC\n-----END x\n-----",
        ] {
            check(wrong, None);
        }
    }
}
