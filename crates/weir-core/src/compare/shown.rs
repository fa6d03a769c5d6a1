//! How values are shown to people: short, and secrets not at all.

/// Characters of a value that are shown.
const SHOWN_CHARACTERS_MAX: usize = 80;

/// Characters of a request that are shown.
const REQUEST_CHARACTERS_MAX: usize = 256;

/// What stands for a secret.
pub(super) const SECRET: &str = "(not shown)";

/// Parts of names whose values nobody may read in a report.
const SECRET_NAMES: [&str; 9] =
    ["authorization", "authenticate", "cookie", "password", "passwd", "secret", "token", "api-key", "apikey"];

/// Whether what has this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// The value of a field.
pub(super) fn field_shown(name: &str, value: Option<&[u8]>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(_) if is_secret(name) => SECRET.to_owned(),
        Some(value) => bytes_shown(value),
    }
}

/// The beginning of a text.
pub(super) fn bytes_shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// A request in one line: its method and its target, shortened, without the values of parameters that have the name of a
/// secret.
pub fn request_shown(method: &[u8], target: &[u8]) -> String {
    let target = String::from_utf8_lossy(target);
    let mut shown = format!("{} ", String::from_utf8_lossy(method));
    let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
    shown.push_str(path);
    for (number, parameter) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if number == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(SECRET);
            }
            _ => shown.push_str(parameter),
        }
    }
    if let Some((end, _)) = shown.char_indices().nth(REQUEST_CHARACTERS_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}
