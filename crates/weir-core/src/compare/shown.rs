//! How values are shown to people: short, and secrets not at all.

use super::secret::{SECRET, is_secret, masked};

/// Characters of a value that are shown.
const SHOWN_CHARACTERS_MAX: usize = 80;

/// Characters of a request that are shown.
const REQUEST_CHARACTERS_MAX: usize = 256;

/// Bytes of a value that are looked at: more than are shown, because what is hidden gets shorter. A secret that begins in
/// them is hidden to their end.
const LOOKED_AT_BYTES_MAX: usize = 1024;

/// The value of a field.
pub(super) fn field_shown(name: &str, value: Option<&[u8]>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(_) if is_secret(name) => SECRET.to_owned(),
        Some(value) => text_shown(&String::from_utf8_lossy(beginning(value))),
    }
}

/// The beginning of a text, without the secrets in it.
pub(super) fn text_shown(text: &str) -> String {
    let looked_at = text.floor_char_boundary(LOOKED_AT_BYTES_MAX);
    shortened(masked(&text[..looked_at]), SHOWN_CHARACTERS_MAX)
}

fn beginning(bytes: &[u8]) -> &[u8] {
    // One byte more, so that it is seen that something was left out.
    &bytes[..bytes.len().min(LOOKED_AT_BYTES_MAX + 1)]
}

fn shortened(mut text: String, characters_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(characters_max) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A request in one line: its method and its target, shortened, without the secrets in it.
pub fn request_shown(method: &[u8], target: &[u8]) -> String {
    let target = masked(&String::from_utf8_lossy(beginning(target)));
    shortened(format!("{} {target}", String::from_utf8_lossy(method)), REQUEST_CHARACTERS_MAX)
}
