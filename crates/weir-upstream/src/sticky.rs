//! Clients that stay with their servers: the cookie that says which one.
//!
//! The client gets it with its first answer, and gives it back. Nobody else can make one, and it does not say where the server
//! is: its number is made of the server's name with the secret. All Weirs with the same secret read each other's cookies, and
//! so does the same one after a restart. A cookie that is not good is none, whatever is wrong with it.

use std::sync::Arc;
use std::time::Duration;

use weir_auth::signer::Signer;
use weir_core::balance::Pin;
use weir_http::cookie;

/// How clients of an upstream stay with their servers.
#[derive(Debug)]
pub struct Sticky {
    upstream: Box<str>,
    cookie: Box<str>,
    signer: Arc<Signer>,
    max_age: Option<Duration>,
}

impl Sticky {
    /// By a cookie of this name, signed by this signer, which is good for so long; for as long as the browser runs where that
    /// is not said.
    pub fn new(upstream: &str, cookie: &str, signer: Arc<Signer>, max_age: Option<Duration>) -> Self {
        Self { upstream: upstream.into(), cookie: cookie.into(), signer, max_age }
    }

    /// What stands for a server. Not for a request's way, but where it gets a cookie.
    pub(crate) fn number(&self, server: &str) -> u64 {
        let parts = [b"number".as_slice(), self.upstream.as_bytes(), server.as_bytes()];
        u64::from_be_bytes(self.signer.sign(&parts).first_chunk().copied().unwrap_or_default())
    }

    /// The number of the server in the first good cookie of these fields. `now_seconds` is the time since 1970.
    pub fn read<'h>(&self, fields: impl Iterator<Item = &'h [u8]>, now_seconds: u64) -> Option<u64> {
        cookie::values(fields, self.cookie.as_bytes())
            .filter_map(Pin::read)
            .find(|(pin, mark)| {
                pin.holds_at(now_seconds) && self.signer.holds(&self.signed(&pin.to_bytes()), mark)
            })
            .map(|(pin, _)| pin.server)
    }

    /// The value of `Set-Cookie` for a client whose server is this one from now on; `secure` for one that came over https.
    pub fn set_cookie(&self, server: &str, now_seconds: u64, secure: bool) -> String {
        let until_seconds = self.max_age.map_or(0, |age| now_seconds.saturating_add(age.as_secs().max(1)));
        let pin = Pin { server: self.number(server), until_seconds };
        let value = pin.written(&self.signer.sign(&self.signed(&pin.to_bytes())));
        // Lax: a link from elsewhere leads to the same server, a form there does not carry the cookie.
        let mut field = format!("{}={}; Path=/; HttpOnly; SameSite=Lax", self.cookie, value.escape_ascii());
        if let Some(age) = self.max_age {
            field.push_str(&format!("; Max-Age={}", age.as_secs().max(1)));
        }
        if secure {
            field.push_str("; Secure");
        }
        field
    }

    /// A cookie of one upstream is none for another one with the same secret.
    fn signed<'p>(&'p self, pin: &'p [u8]) -> [&'p [u8]; 3] {
        [b"cookie", self.upstream.as_bytes(), pin]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use weir_auth::secret::Secret;

    use super::*;

    fn sticky(upstream: &str, secret: &str, max_age: Option<Duration>) -> Sticky {
        let signer = Signer::new(&Secret::new(secret.as_bytes().to_vec())).unwrap();
        Sticky::new(upstream, "weir", Arc::new(signer), max_age)
    }

    const SECRET: &str = "0123456789abcdef";

    /// What a client sends back.
    fn cookie_of(set: &str) -> &str {
        set.split(';').next().unwrap()
    }

    fn read(sticky: &Sticky, fields: &[&str], now: u64) -> Option<u64> {
        sticky.read(fields.iter().map(|field| field.as_bytes()), now)
    }

    #[test]
    fn a_cookie_is_read_by_whoever_has_the_secret_and_is_for_one_upstream() {
        let web = sticky("web", SECRET, None);
        let set = web.set_cookie("10.0.0.1:80", 1000, false);
        let cookie = cookie_of(&set);
        let number = Some(web.number("10.0.0.1:80"));
        assert_eq!(read(&web, &[cookie], 1000), number);
        assert_eq!(read(&sticky("web", SECRET, None), &[cookie], u64::MAX), number);
        assert_eq!(read(&sticky("api", SECRET, None), &[cookie], 1000), None);
        assert_eq!(read(&sticky("web", "another secret of us", None), &[cookie], 1000), None);
        assert_ne!(number, Some(web.number("10.0.0.2:80")));
        assert!(!set.contains("10.0.0.1"), "{set}");
    }

    #[test]
    fn beside_other_cookies_the_first_good_one_counts() {
        let web = sticky("web", SECRET, None);
        let (one, two) = (web.set_cookie("one:80", 0, false), web.set_cookie("two:80", 0, false));
        let (one, two) = (cookie_of(&one), cookie_of(&two));
        let number = Some(web.number("one:80"));
        assert_eq!(read(&web, &["session=abc; theme=dark", &format!("a=b; {one}; {two}")], 0), number);
        assert_eq!(read(&web, &[&format!("weir=junk; weir=; {one}")], 0), number);
        assert_eq!(read(&web, &["session=abc"], 0), None);
        assert_eq!(read(&web, &[&format!("other{one}")], 0), None);
    }

    #[test]
    fn whatever_is_changed_makes_it_none() {
        let web = sticky("web", SECRET, Some(Duration::from_secs(60)));
        let set = web.set_cookie("one:80", 1000, false);
        let cookie = cookie_of(&set);
        assert!(read(&web, &[cookie], 1000).is_some());
        for at in "weir=".len()..cookie.len() {
            let mut changed = cookie.as_bytes().to_vec();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(web.read([&changed[..]].into_iter(), 1000), None, "{at}");
        }
    }

    #[test]
    fn attributes_and_age() {
        let plain = sticky("web", SECRET, None).set_cookie("one:80", 0, false);
        assert!(plain.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{plain}");
        let aged = sticky("web", SECRET, Some(Duration::from_secs(60)));
        let set = aged.set_cookie("one:80", 1000, true);
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure"), "{set}");
        assert!(read(&aged, &[cookie_of(&set)], 1059).is_some());
        assert_eq!(
            read(&aged, &[cookie_of(&set)], 1060),
            None,
            "a client that keeps it longer gains nothing"
        );
    }
}
