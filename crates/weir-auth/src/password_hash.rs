//! What is kept of a password: bcrypt or Argon2, and whether a password is the one.
//!
//! Both are slow on purpose, tens of milliseconds each. Nothing here waits or starts a thread; whoever calls
//! [`PasswordHash::verify`] does it where that much time may be spent.

use std::fmt;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc;
use argon2::{Argon2, Params};

/// Bytes of a password that count in bcrypt. More would be cut off without a word, so they are refused instead.
const BCRYPT_PASSWORD_BYTES_MAX: usize = 72;

/// The largest cost of bcrypt: about two seconds for each password. Each step doubles it.
pub const BCRYPT_COST_MAX: u32 = 15;

/// Below this cost a stolen file is read too quickly.
pub const BCRYPT_COST_ENOUGH: u32 = 10;

/// The most memory that one Argon2 may take, in KiB.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// The most work of one Argon2, in KiB written: about two seconds.
pub const ARGON2_WORK_KIB_MAX: u64 = 2 * 1024 * 1024;

/// Below this work a stolen file is read too quickly: OWASP's smallest setting, 7 MiB five times over, is 35 MiB.
pub const ARGON2_WORK_KIB_ENOUGH: u64 = 32 * 1024;

/// The hash of a password.
pub enum PasswordHash {
    /// `$2a$`, `$2b$` and `$2y$`, which differ in old bugs of others only.
    Bcrypt(Box<str>),
    /// `$argon2id$`, `$argon2i$` and `$argon2d$`
    Argon2(Box<phc::PasswordHash>, Box<str>),
}

/// Why a text is no hash that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashError {
    /// bcrypt or Argon2 to its prefix, and malformed behind it.
    Malformed,
    /// A cost at which one request would keep a processor busy for seconds.
    TooDear,
    /// `$2x$`: made by a program with a bug that loses parts of passwords.
    Faulty,
    /// Apache's MD5.
    Md5,
    /// `{SHA}`, SHA-1 without salt.
    Sha1,
    /// A form of the system's password file.
    Crypt,
    /// The password itself, or what nobody knows.
    Other,
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the hash is malformed",
            Self::TooDear => "the hash costs more than two seconds for each password",
            Self::Faulty => "`$2x$` hashes come from a program that loses parts of passwords",
            Self::Md5 => "MD5 (`$apr1$`) is guessed too quickly",
            Self::Sha1 => "SHA-1 without salt (`{SHA}`) is guessed too quickly",
            Self::Crypt => "this form of `crypt` is not supported",
            Self::Other => "this is neither bcrypt nor Argon2",
        })
    }
}

impl std::error::Error for HashError {}

impl fmt::Debug for PasswordHash {
    /// The kind alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bcrypt(_) => "Bcrypt",
            Self::Argon2(..) => "Argon2",
        })
    }
}

impl PasswordHash {
    /// Reads a hash as it stands in an htpasswd file, and says whether it is made too cheaply.
    ///
    /// # Errors
    /// What else it is.
    pub fn parse(text: &str) -> Result<(Self, bool), HashError> {
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
        if begins(&["$2a$", "$2b$", "$2y$"]) {
            return bcrypt(text);
        }
        if begins(&["$argon2"]) {
            return argon2(text);
        }
        Err(if begins(&["$2x$"]) {
            HashError::Faulty
        } else if begins(&["$apr1$", "$1$"]) {
            HashError::Md5
        } else if begins(&["{SHA}", "{SSHA}"]) {
            HashError::Sha1
        } else if begins(&["$5$", "$6$", "$7$", "$y$"]) {
            HashError::Crypt
        } else {
            HashError::Other
        })
    }

    /// Whether this is the password. Takes tens of milliseconds, or up to two seconds with the highest costs.
    pub fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => {
                password.len() <= BCRYPT_PASSWORD_BYTES_MAX && bcrypt::verify(password, hash).unwrap_or(false)
            }
            Self::Argon2(hash, _) => Argon2::default().verify_password(password, &**hash).is_ok(),
        }
    }

    /// The hash as it was written: two that differ are hashes of different passwords, or made at different times.
    pub fn text(&self) -> &str {
        match self {
            Self::Bcrypt(text) | Self::Argon2(_, text) => text,
        }
    }
}

fn bcrypt(text: &str) -> Result<(PasswordHash, bool), HashError> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| HashError::Malformed)?;
    match parts.get_cost() {
        0..=3 => Err(HashError::Malformed),
        cost if cost > BCRYPT_COST_MAX => Err(HashError::TooDear),
        cost => Ok((PasswordHash::Bcrypt(text.into()), cost < BCRYPT_COST_ENOUGH)),
    }
}

fn argon2(text: &str) -> Result<(PasswordHash, bool), HashError> {
    let hash = phc::PasswordHash::new(text).map_err(|_| HashError::Malformed)?;
    let known = argon2::Algorithm::try_from(hash.algorithm.as_str()).is_ok();
    let params = Params::try_from(&hash).map_err(|_| HashError::Malformed)?;
    if !known || hash.salt.is_none() || hash.hash.is_none() {
        return Err(HashError::Malformed);
    }
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > ARGON2_MEMORY_KIB_MAX || work > ARGON2_WORK_KIB_MAX {
        return Err(HashError::TooDear);
    }
    let is_cheap = work < ARGON2_WORK_KIB_ENOUGH;
    Ok((PasswordHash::Argon2(Box::new(hash), text.into()), is_cheap))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `swordfish`, as `htpasswd -bnB -C 4` makes it.
    const BCRYPT: &str = "$2y$04$hASJLfmtt4NrvvNsILp9WOYtPkC1wW4WfKF8Cw64j1yOTO6VGzLzK";

    #[test]
    fn other_forms_are_named() {
        for (text, expected) in [
            ("", HashError::Other),
            ("swordfish", HashError::Other),
            ("$apr1$xxxxxxxx$dxdqpqFNkHXsvhUiHpsYv1", HashError::Md5),
            ("$1$abc$def", HashError::Md5),
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", HashError::Sha1),
            ("$6$salt$hash", HashError::Crypt),
            ("$y$j9T$x", HashError::Crypt),
            ("rqXexS6ZhobKA", HashError::Other),
            ("$2x$04$hASJLfmtt4NrvvNsILp9WOYtPkC1wW4WfKF8Cw64j1yOTO6VGzLzK", HashError::Faulty),
            ("$2y$04$short", HashError::Malformed),
            ("$2y$03$hASJLfmtt4NrvvNsILp9WOYtPkC1wW4WfKF8Cw64j1yOTO6VGzLzK", HashError::Malformed),
            ("$2y$16$hASJLfmtt4NrvvNsILp9WOYtPkC1wW4WfKF8Cw64j1yOTO6VGzLzK", HashError::TooDear),
            ("$argon2id$", HashError::Malformed),
            ("$argon2id$v=19$m=1024,t=2,p=1$c29tZXNhbHQ", HashError::Malformed),
            (
                "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                HashError::TooDear,
            ),
            (
                "$argon2id$v=19$m=262144,t=100,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                HashError::TooDear,
            ),
        ] {
            assert_eq!(PasswordHash::parse(text).err(), Some(expected), "{text}");
        }
    }

    fn check(hash: &str, password: &[u8], expected: bool) {
        match PasswordHash::parse(hash) {
            Ok((hash, _)) => assert_eq!(hash.verify(password), expected, "{}", password.escape_ascii()),
            Err(error) => panic!("{hash}: {error}"),
        }
    }

    #[test]
    fn hashes_of_others_are_understood() {
        // A vector of the first program for bcrypt, and one of the reference implementation of Argon2.
        check("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", b"U*U", true);
        let argon2 = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        check(argon2, b"password", true);
        assert!(matches!(PasswordHash::parse(argon2), Ok((_, false))), "128 MiB are not cheap");
    }

    #[test]
    fn bcrypt_knows_its_password() {
        let made = bcrypt::hash("swordfish", 4).unwrap_or_default();
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let hash = format!("{prefix}{}", &made[4..]);
            check(&hash, b"swordfish", true);
            for wrong in [b"".as_slice(), b"swordfis", b"swordfish ", b"Swordfish", b"swordfish\0"] {
                check(&hash, wrong, false);
            }
        }
        assert!(matches!(PasswordHash::parse(BCRYPT), Ok((_, true))), "cost 4 is cheap");
    }

    #[test]
    fn what_bcrypt_would_cut_off_is_refused() {
        // Otherwise everybody who knows the first 72 bytes would know the password.
        let long = "a".repeat(72);
        let made = bcrypt::hash(&long, 4).unwrap_or_default();
        check(&made, long.as_bytes(), true);
        check(&made, format!("{long}b").as_bytes(), false);
    }

    #[test]
    fn argon2_knows_its_password() {
        use argon2::PasswordHasher;
        let params = Params::new(1024, 2, 1, None).unwrap_or_default();
        for algorithm in [argon2::Algorithm::Argon2id, argon2::Algorithm::Argon2i, argon2::Algorithm::Argon2d]
        {
            let argon2 = Argon2::new(algorithm, argon2::Version::V0x13, params.clone());
            let Ok(made) = argon2.hash_password_with_salt(b"swordfish", b"somesalt") else {
                panic!("a hash can be made")
            };
            let text = made.to_string();
            check(&text, b"swordfish", true);
            check(&text, b"swordfisch", false);
            check(&text, b"", false);
            assert!(matches!(PasswordHash::parse(&text), Ok((_, true))), "1 MiB is cheap");
        }
    }
}
