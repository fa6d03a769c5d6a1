//! What a token says (RFC 7519 §4.1), and whether it says it to us, now.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// Bytes of the longest `sub`: what OpenID Connect Core §2 allows.
pub const SUBJECT_BYTES_MAX: usize = 255;

/// Bytes of the longest value that a claim may have in a field.
pub const FIELD_BYTES_MAX: usize = 1024;

/// What is expected of a token.
#[derive(Debug, Clone, Hash)]
pub struct Expected {
    /// `iss`; `None` takes any.
    pub issuer: Option<Box<str>>,
    /// One of these must be in `aud`; `None` takes any, and a token without one.
    pub audiences: Option<Vec<Box<str>>>,
    /// How far the clocks may be apart.
    pub leeway: Duration,
    /// Claims that are passed on.
    pub passed_on: Vec<Box<str>>,
}

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `sub`, if it has one that can stand in a log; otherwise empty.
    pub subject: Box<str>,
    /// The values of the claims that are passed on, each with its index there. Every one can stand in a field.
    pub fields: Vec<(usize, Box<str>)>,
    /// Since 1970; from this moment on it is not good any more.
    pub until: Duration,
}

impl Expected {
    /// Holds the claims of a token, whose signature held, against this.
    ///
    /// # Errors
    /// [`Refusal::Time`] when it is too early or too late, [`Refusal::Claims`] for everything else. A token without `exp` is
    /// refused: one that is stolen would be good for ever.
    pub fn check(&self, claims: &Map<String, Value>, now: Duration) -> Result<Verified, Refusal> {
        let expires = time(claims, "exp")?.ok_or(Refusal::Claims)?;
        let until = expires.saturating_add(self.leeway);
        // RFC 7519 §4.1.4: on or after that moment it is not accepted.
        if now >= until {
            return Err(Refusal::Time);
        }
        // §4.1.5. One that was issued in the future (§4.1.6) comes from a clock that can't be trusted.
        for name in ["nbf", "iat"] {
            if time(claims, name)?.is_some_and(|begins| begins > now.saturating_add(self.leeway)) {
                return Err(Refusal::Time);
            }
        }
        if let Some(issuer) = &self.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(Refusal::Claims);
        }
        if let Some(audiences) = &self.audiences
            && !is_for(claims.get("aud"), audiences)
        {
            return Err(Refusal::Claims);
        }
        let subject = match claims.get("sub") {
            None => "".into(),
            Some(Value::String(subject)) if subject.len() <= SUBJECT_BYTES_MAX => subject.as_str().into(),
            Some(_) => return Err(Refusal::Claims),
        };
        Ok(Verified { subject, fields: self.fields(claims)?, until })
    }

    /// A claim that is not there makes no field. One that is there and can't be a field makes the token a bad one: a server
    /// that gets no field might take its client for nobody in particular.
    fn fields(&self, claims: &Map<String, Value>) -> Result<Vec<(usize, Box<str>)>, Refusal> {
        let mut fields = Vec::new();
        for (index, name) in self.passed_on.iter().enumerate() {
            match claims.get(&**name) {
                None | Some(Value::Null) => {}
                Some(value) => fields.push((index, text(value).ok_or(Refusal::Claims)?)),
            }
        }
        Ok(fields)
    }
}

/// A NumericDate (RFC 7519 §2), which may have a fraction.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Duration>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            let seconds = number.as_f64().filter(|seconds| *seconds >= 0.0).ok_or(Refusal::Claims)?;
            // What is too far away to be held is for ever.
            Ok(Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
        }
        Some(_) => Err(Refusal::Claims),
    }
}

/// RFC 7519 §4.1.3: one text, or a list of them.
fn is_for(audience: Option<&Value>, expected: &[Box<str>]) -> bool {
    let is_expected =
        |one: &Value| one.as_str().is_some_and(|one| expected.iter().any(|known| **known == *one));
    match audience {
        Some(Value::Array(list)) => list.iter().any(is_expected),
        Some(one) => is_expected(one),
        None => false,
    }
}

/// The value of a field: a text, a number, a truth value, or a list of them with commas between.
fn text(value: &Value) -> Option<Box<str>> {
    let text = match value {
        Value::Array(list) => {
            let parts: Option<Vec<String>> = list.iter().map(scalar).collect();
            let parts = parts?;
            // A comma inside of one would make two of it.
            if parts.iter().any(|part| part.is_empty() || part.contains(',')) {
                return None;
            }
            parts.join(",")
        }
        value => scalar(value)?,
    };
    (text.len() <= FIELD_BYTES_MAX).then(|| text.into())
}

fn scalar(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    // Spaces at the ends are not part of a field's value (RFC 9110 §5.5): ` admin` would arrive as `admin`.
    (!text.contains(char::is_control) && text.trim() == text).then_some(text)
}
