//! Users and the hashes of their passwords, as an htpasswd file has them.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

use crate::password_hash::{HashError, PasswordHash};

/// Bytes of the longest name of a user.
pub const USER_BYTES_MAX: usize = 255;

/// Users.
#[derive(Debug)]
pub struct Users {
    users: Vec<User>,
    by_name: HashMap<Box<str>, usize>,
    /// By which strangers get the hash that stands in for theirs.
    seed: RandomState,
}

impl Hash for Users {
    /// By whom it lets in: names and hashes of passwords, in the order of the file.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.users.len().hash(state);
        self.users.iter().for_each(|user| (&user.name, user.hash.text()).hash(state));
    }
}

#[derive(Debug)]
struct User {
    name: Box<str>,
    hash: Arc<PasswordHash>,
}

/// Against what a password is held.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The index of the user; `None` for somebody who is none. The hash is then another user's, so that it takes as long to
    /// refuse a stranger as a wrong password, and nobody learns from the time who has an account. What comes out of
    /// holding the password against it is of no account then.
    pub user: Option<usize>,
    /// The hash.
    pub hash: Arc<PasswordHash>,
}

/// What is wrong with a line of the file. Nothing of what stands there is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: LineFault,
}

/// See [`LineError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFault {
    /// Not UTF-8.
    Encoding,
    /// Not `user:hash`.
    Form,
    /// A name that is empty, too long, or has control characters.
    Name,
    /// A user who stood there before.
    Twice,
    /// The hash.
    Hash(HashError),
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding => f.write_str("this is not UTF-8"),
            Self::Form => f.write_str("this is not `user:hash`"),
            Self::Name => {
                write!(f, "the name of a user has 1 to {USER_BYTES_MAX} bytes without control characters")
            }
            Self::Twice => f.write_str("this user stood there before"),
            Self::Hash(error) => error.fmt(f),
        }
    }
}

impl Users {
    /// Reads the content of an htpasswd file: `user:hash` in each line; empty lines and those that begin with `#` say nothing.
    /// Also gives the first line whose hash is made too cheaply.
    ///
    /// # Errors
    /// Everything that is wrong; empty when there is no user at all.
    pub fn parse(content: &[u8]) -> Result<(Self, Option<usize>), Vec<LineError>> {
        let mut errors = Vec::new();
        let mut cheap = None;
        let mut users: Vec<User> = Vec::new();
        let mut by_name = HashMap::new();
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let number = index + 1;
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match user(line) {
                Ok((name, _, _)) if by_name.contains_key(name) => {
                    errors.push(LineError { line: number, what: LineFault::Twice });
                }
                Ok((name, hash, is_cheap)) => {
                    if is_cheap {
                        cheap.get_or_insert(number);
                    }
                    by_name.insert(name.into(), users.len());
                    users.push(User { name: name.into(), hash: Arc::new(hash) });
                }
                Err(what) => errors.push(LineError { line: number, what }),
            }
        }
        if errors.is_empty() && !users.is_empty() {
            Ok((Self { users, by_name, seed: RandomState::new() }, cheap))
        } else {
            Err(errors)
        }
    }

    /// The names, in the order of the file.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.users.iter().map(|user| &*user.name)
    }

    /// The name with this index.
    pub fn name(&self, index: usize) -> &str {
        &self.users[index].name
    }

    /// Against what the password of this user is held, whether there is such a user or not.
    pub fn candidate(&self, name: &str) -> Candidate {
        let user = self.by_name.get(name).copied();
        // Always the same one for one name: a stranger whose refusal took now this and now that long would be known as one.
        let stand_in = self.seed.hash_one(name) % self.users.len().max(1) as u64;
        let hash = &self.users[user.unwrap_or(stand_in as usize)].hash;
        Candidate { user, hash: Arc::clone(hash) }
    }
}

/// Name and hash of a line, and whether the hash is a cheap one.
fn user(line: &[u8]) -> Result<(&str, PasswordHash, bool), LineFault> {
    let line = std::str::from_utf8(line).map_err(|_| LineFault::Encoding)?;
    let (name, hash) = line.split_once(':').ok_or(LineFault::Form)?;
    if name.is_empty() || name.len() > USER_BYTES_MAX || name.contains(char::is_control) {
        return Err(LineFault::Name);
    }
    let (hash, is_cheap) = PasswordHash::parse(hash).map_err(LineFault::Hash)?;
    Ok((name, hash, is_cheap))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn hash(password: &str) -> String {
        bcrypt::hash(password, 4).unwrap()
    }

    #[test]
    fn a_file_has_users_and_comments() {
        let content = format!("# users\r\n\nalice:{}\r\n  bob:{}  \n", hash("a"), hash("b"));
        let (users, cheap) = Users::parse(content.as_bytes()).unwrap();
        assert_eq!(users.names().collect::<Vec<_>>(), ["alice", "bob"]);
        assert_eq!(cheap, Some(3));
        let alice = users.candidate("alice");
        assert_eq!(alice.user, Some(0));
        assert!(alice.hash.verify(b"a") && !alice.hash.verify(b"b"));
        assert_eq!(users.candidate("bob").user, Some(1));
    }

    #[test]
    fn a_stranger_costs_what_a_user_costs_and_always_the_same() {
        let content: String = (0..8).map(|number| format!("user{number}:{}\n", hash("x"))).collect();
        let (users, _) = Users::parse(content.as_bytes()).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..64 {
            let name = format!("stranger{number}");
            let [first, second] = [users.candidate(&name), users.candidate(&name)];
            assert_eq!(first.user, None);
            assert_eq!(first.hash.text(), second.hash.text());
            seen.insert(first.hash.text().to_owned());
        }
        assert!(seen.len() > 1, "not all strangers cost the same, as users do not");
        for near in ["", "user", "User0", "user0 ", "user0\0"] {
            assert_eq!(users.candidate(near).user, None, "{near}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_line() {
        let long = "a".repeat(256);
        let good = hash("a");
        let content = format!(
            "alice:{good}\nalice:{good}\nbob\n:{good}\ncarol:$apr1$a$b\n{long}:{good}\nd\u{1}e:{good}\ndave:swordfish\n"
        );
        let mut bytes = content.into_bytes();
        bytes.extend_from_slice(b"\xff:x\n");
        let errors = Users::parse(&bytes).unwrap_err();
        let found: Vec<_> = errors.iter().map(|error| (error.line, error.what)).collect();
        assert_eq!(
            found,
            [
                (2, LineFault::Twice),
                (3, LineFault::Form),
                (4, LineFault::Name),
                (5, LineFault::Hash(HashError::Md5)),
                (6, LineFault::Name),
                (7, LineFault::Name),
                (8, LineFault::Hash(HashError::Other)),
                (9, LineFault::Encoding),
            ]
        );
        for nothing in [b"".as_slice(), b"\n\n", b"# only this"] {
            assert_eq!(Users::parse(nothing).unwrap_err(), []);
        }
    }

    #[test]
    fn nothing_of_a_hash_prints() {
        let content = format!("alice:{}", hash("a"));
        let (users, _) = Users::parse(content.as_bytes()).unwrap();
        let shown = format!("{users:?} {:?}", users.candidate("x"));
        assert!(shown.contains("alice") && !shown.contains("$2"), "{shown}");
    }
}
