//! Fields that Weir writes and servers believe: no client sets them, on any route. So none of them can hold a credential.

use crate::model::{Authenticate, Proof};
use crate::problem::{Problem, Problems};
use crate::source::Span;

/// Which fields say who a client is, and in which clients say it, over all routes.
#[derive(Default)]
pub(super) struct OwnFields {
    claims: Vec<(Box<str>, Span)>,
    credentials: Vec<(Box<str>, Span)>,
}

impl OwnFields {
    /// Notes what a route asks for; `place` is where that is written.
    pub(super) fn note(&mut self, asked: &Authenticate, place: Span) {
        for proof in &asked.proofs {
            match proof {
                Proof::ApiKey(api_key) => self.credentials.push((api_key.header.clone(), place)),
                Proof::Jwt(jwt) => {
                    self.credentials.push((jwt.header.clone(), place));
                    self.claims.extend(jwt.fields.iter().map(|field| (field.clone(), place)));
                }
                // Its field is Authorization, which a claim can't become.
                Proof::Basic(_) => {}
            }
        }
    }

    /// Complains of credentials that would be taken away before they are looked at. Subjects of certificates are passed on
    /// in `subject_headers`.
    pub(super) fn check<'h>(&self, subject_headers: impl Iterator<Item = &'h str>, problems: &mut Problems) {
        let subjects: Vec<&str> = subject_headers.collect();
        for (index, (field, place)) in self.credentials.iter().enumerate() {
            let is_known = self.credentials[..index].iter().any(|(_, known)| known == place);
            let message = format!("no client can send `{field}`: it is a field that Weir writes");
            let problem = Problem::error(*place, message).hint("take another `header` for the credential");
            if let Some((_, claim)) = self.claims.iter().find(|(claim, _)| is_alike(claim, field)) {
                if !is_known {
                    problems.push(problem.beside(*claim, "a claim becomes this field"));
                }
            } else if subjects.iter().any(|subject| is_alike(subject, field)) && !is_known {
                problems.push(problem);
            }
        }
    }
}

/// Behind interfaces like CGI's `X_User` and `X-User` are the same variable.
fn is_alike(one: &str, other: &str) -> bool {
    let folded = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.bytes().map(folded).eq(other.bytes().map(folded))
}
