//! What looks like a secret, so that no report shows it.
//!
//! Nobody says which values are secrets, so names decide: of fields, of members in JSON, and of parameters, also of those in
//! the middle of a text, because URLs stand in `Location`, in `Referer` and in JSON. Rather too much is hidden than too little:
//! that a value differs is told in any case. What is in the path of a URL, or under a name that says nothing, is not found.

use std::borrow::Cow;

/// What stands for a secret.
pub(super) const SECRET: &str = "(not shown)";

/// Parts of names, without `-`, `_` and the like.
const PARTS: [&str; 26] = [
    "accesskey",
    "apikey",
    "assertion",
    "authentication",
    "authenticate",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "csrf",
    "encryptionkey",
    "jwt",
    "passphrase",
    "passcode",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "samlresponse",
    "secret",
    "sessid",
    "sessionid",
    "sessionkey",
    "signature",
    "token",
    "xsrf",
];

/// Whole names: too short to be looked for inside others.
const WHOLE: [&str; 10] = ["auth", "cvc", "cvv", "nonce", "otp", "pass", "pin", "sid", "session", "totp"];

/// Whole names of parameters. In JSON a `code` mostly says which error it was, and a `key` which entry; in a query they are what
/// OAuth (RFC 6749 §4.1.2) and signed URLs hand over.
const WHOLE_OF_PARAMETERS: [&str; 5] = ["code", "hmac", "key", "sig", "state"];

/// Texts within texts that are looked into.
const DEPTH_MAX: usize = 3;

/// Bytes of an authority that may have a password; a longer one is hidden.
const AUTHORITY_BYTES_MAX: usize = 300;

/// A name as it is looked up.
fn normal(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a field or a member with this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = normal(name);
    PARTS.iter().any(|part| name.contains(part)) || WHOLE.contains(&&*name)
}

/// The same of a parameter, whose name is written as in a URL.
fn is_secret_parameter(name: &str) -> bool {
    let name = decoded(name);
    is_secret(&name) || WHOLE_OF_PARAMETERS.contains(&&*normal(&name))
}

/// A text without the values of parameters that have the name of a secret, without what stands before the `@` of a URL, and
/// without tokens that say by their beginning that they are some (RFC 7519).
pub(super) fn masked(text: &str) -> String {
    masked_within(text, 0)
}

fn masked_within(text: &str, depth: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut rest, mut expects) = (text, Expects::Nothing);
    while !rest.is_empty() {
        let end = rest.find(is_delimiter).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        if expects == Expects::Value && !piece.is_empty() {
            shown.push_str(SECRET);
        } else {
            shown.push_str(&piece_shown(piece, depth));
        }
        expects = expects.behind(piece);
        let delimiter = behind.chars().next();
        if !delimiter.is_some_and(|delimiter| delimiter.is_whitespace() || "\"'\\".contains(delimiter)) {
            expects = Expects::Nothing;
        }
        let (delimiter, behind) = behind.split_at(delimiter.map_or(0, char::len_utf8));
        shown.push_str(delimiter);
        rest = behind;
    }
    shown
}

/// What may come after a name and before its value: quotes, spaces, `=` and `:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    Nothing,
    /// The name of a secret was there.
    Sign,
    /// The sign behind it too: the value comes.
    Value,
}

impl Expects {
    fn behind(self, piece: &str) -> Self {
        let name = piece.trim_end_matches(['=', ':']);
        if piece.is_empty() {
            self
        } else if name.is_empty() {
            if self == Self::Sign { Self::Value } else { Self::Nothing }
        } else if piece.eq_ignore_ascii_case("bearer") || piece.eq_ignore_ascii_case("basic") {
            // RFC 9110 §11.4: the credential stands behind the name of its scheme.
            Self::Value
        } else if piece.ends_with(':') && is_secret(name) || piece.ends_with('=') && is_secret_parameter(name)
        {
            Self::Value
        } else if is_secret(piece) {
            Self::Sign
        } else {
            Self::Nothing
        }
    }
}

/// What stands between parameters, and around URLs in a text.
fn is_delimiter(character: char) -> bool {
    character.is_whitespace() || "?&;,#\"'\\<>(){}[]|".contains(character)
}

fn piece_shown(piece: &str, depth: usize) -> Cow<'_, str> {
    let hidden = match piece.split_once('=') {
        Some((name, value)) if !value.is_empty() => {
            let is_hidden = is_secret_parameter(name) || holds_secret(value, depth);
            is_hidden.then(|| format!("{name}={SECRET}"))
        }
        _ => holds_secret(piece, depth).then(|| SECRET.to_owned()),
    };
    match hidden {
        Some(hidden) => hidden.into(),
        None => without_userinfo(piece),
    }
}

/// Whether this is a token, or has a secret in it when its escapes are undone: a URL within a URL.
fn holds_secret(text: &str, depth: usize) -> bool {
    if text.starts_with("eyJ") && text.contains('.') {
        return true;
    }
    if !text.contains('%') {
        return false;
    }
    let inner = decoded(text);
    // Whoever hides something deeper than this hides it from everybody.
    inner != text && (depth >= DEPTH_MAX || masked_within(&inner, depth + 1) != inner)
}

/// RFC 3986 §3.2.1: what stands before the `@` may have a password.
fn without_userinfo(piece: &str) -> Cow<'_, str> {
    let Some((scheme, behind)) =
        piece.split_once("//").filter(|(scheme, _)| scheme.is_empty() || scheme.ends_with(':'))
    else {
        return piece.into();
    };
    let end = behind.find('/').unwrap_or(behind.len());
    match behind[..end].rfind('@') {
        Some(at) => format!("{scheme}//{SECRET}{}", &behind[at..]).into(),
        None if end > AUTHORITY_BYTES_MAX => format!("{scheme}//{SECRET}").into(),
        None => piece.into(),
    }
}

/// A text with its escapes undone, as in a query: `+` is a space.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, behind) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(masked(text).replace(SECRET, "…"), expected, "{text}");
    }

    #[test]
    fn names_of_secrets_are_known_however_they_are_written() {
        for secret in [
            "Authorization",
            "Proxy-Authenticate",
            "Set-Cookie",
            "X-API-Key",
            "api_key",
            "apiKey",
            "access_token",
            "refreshToken",
            "pwd",
            "user.pwd",
            "PASSWORD",
            "passwd",
            "session_id",
            "JSESSIONID",
            "PHPSESSID",
            "sid",
            "X-Signature",
            "jwt",
            "credentials",
            "private_key",
            "privateKey",
            "client_secret",
            "SAMLResponse",
            "X-CSRF",
            "pass",
            "otp",
            "pin",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for open in [
            "code", "key", "state", "id", "path", "compass", "opinion", "side", "author", "ETag", "sessions",
            "", "é",
        ] {
            assert!(!is_secret(open), "{open}");
        }
        for parameter in
            ["code", "key", "sig", "state", "pass%77ord", "%70%77%64", "api+key", "access%5Ftoken"]
        {
            assert!(is_secret_parameter(parameter), "{parameter}");
        }
        assert!(!is_secret_parameter("%"), "half an escape is none");
    }

    #[test]
    fn urls_are_shown_without_their_secrets_wherever_they_stand() {
        check(
            "https://a.test/cb?code=x1&page=2#id_token=x2&n=1",
            "https://a.test/cb?code=…&page=2#id_token=…&n=1",
        );
        check("https://user:x1@a.test/p?q=1", "https://…@a.test/p?q=1");
        check("https://us@er:x1@a.test", "https://…@a.test");
        check("//x1@a.test/", "//…@a.test/");
        check("</n?token=x1>; rel=\"next\", </p?sid=x2>", "</n?token=…>; rel=\"next\", </p?sid=…>");
        check("/a;jsessionid=x1?b=c", "/a;jsessionid=…?b=c");
        check(
            "see https://a.test/?pwd=x1 or https://b.test/?pwd=x2.",
            "see https://a.test/?pwd=… or https://b.test/?pwd=…",
        );
        check("pass%77ord=x1&b", "pass%77ord=…&b");
        check("?next=https%3A%2F%2Fa.test%2F%3Ftoken%3Dx1&b=1", "?next=…&b=1");
        check("?next=https%253A%252F%252Fa.test%252F%253Ftoken%253Dx1", "?next=…");
        check("?next=%2Fhome%3Fpage%3D2", "?next=%2Fhome%3Fpage%3D2");
        check("https%3A%2F%2Fa.test%2F%3Ftoken%3Dx1", "…");
        check("eyJhbGciOiJub25lIn0.e30.x1", "…");
        check("?v=eyJhbGciOiJub25lIn0.e30.x1&b=1", "?v=…&b=1");
        check("?token=&b=1", "?token=&b=1");
        check("?a=b==&c", "?a=b==&c");
        check("token=\"x1\", n=\"1\"", "token=\"…\", n=\"1\"");
        check(r#"{"token":"x1","n":"1"}"#, r#"{"token":"…","n":"1"}"#);
        check(r#"{\"token\" : \"x1\", \"n\": 1}"#, r#"{\"token\" : \"…\", \"n\": 1}"#);
        check("authorization: Bearer x1 and Basic x2", "authorization: … … and Basic …");
        check("your password is wrong; code: 7", "your password is wrong; code: 7");
        check("mailto:me@a.test", "mailto:me@a.test");
        check("https://a.test/@me", "https://a.test/@me");
        check("", "");
        check("é?ü=ß", "é?ü=ß");
        let long = format!("https://user:{}", "x".repeat(1000));
        check(&long, "https://…");
    }

    /// Escapes within escapes are undone a few times and no more, so that nobody can make the reader of a report wait.
    #[test]
    fn what_is_escaped_many_times_is_not_shown() {
        check(&format!("?a=%{}3D1", "25".repeat(50)), "?a=…");
    }
}
