//! Request targets: a path has one spelling, and what is matched is what is sent (`semantics.md` §1.2).

use weir_http::{authority, path, target};

/// Decodes every escape once, as a careless server would.
fn decoded(path: &[u8]) -> Vec<u8> {
    let hex = |digit: u8| char::from(digit).to_digit(16);
    let mut out = Vec::new();
    let mut rest = path;
    while let [first, after @ ..] = rest {
        rest = after;
        if let (b'%', [high, low, after @ ..]) = (*first, after)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push((high * 16 + low) as u8);
            rest = after;
        } else {
            out.push(*first);
        }
    }
    out
}

/// Holds any bytes against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    let Ok(parsed) = target::parse(input) else { return };
    if let Some(authority) = parsed.authority() {
        let mut host = Vec::new();
        authority::normalise_host(authority.host(), &mut host);
        assert!(authority::is_normal_host(&host), "the normal form of a host is normal");
        assert!(authority::parse(&host).is_ok(), "the normal form of a host is a host");
        assert!(authority::same_authority(&authority, &authority, 80));
        assert_ne!(authority.port(), Some(0));
    }
    let Some((raw, _query)) = parsed.path_and_query() else { return };
    let mut normal = Vec::new();
    if path::normalise(raw, &mut normal).is_err() {
        assert!(normal.is_empty() && !path::is_normal(raw), "what is refused leaves nothing behind");
        return;
    }
    assert!(path::is_normal(&normal) && normal.starts_with(b"/") && normal.len() <= 3 * raw.len());
    assert_eq!(path::is_normal(raw), normal == raw, "two opinions on one path");
    let mut twice = Vec::new();
    assert_eq!(path::normalise(&normal, &mut twice), Ok(()));
    assert_eq!(normal, twice, "one spelling, also of itself");
    // Nothing is left that a server could take for the way up.
    for segment in normal.split(|byte| *byte == b'/') {
        assert!(!matches!(decoded(segment).as_slice(), b"." | b".."), "{}", String::from_utf8_lossy(&normal));
    }
    assert!(target::parse(&normal).is_ok(), "what is sent on is a target");
}
