//! Whether a token holds: remembered, or checked now.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use weir_auth::jwt::claims::Verified;
use weir_auth::jwt::key_set::KeySet;
use weir_auth::jwt::token::TOKEN_BYTES_MAX;
use weir_auth::jwt::verify;
use weir_auth::refusal::Refusal;

use crate::exchange::Exchange;
use crate::runtime::authentication::jwt::{Jwt, Keys};
use crate::runtime::clock::time_of_day;

/// What the token of the request of `x` says.
pub(super) fn claims(x: &Exchange, jwt: &Jwt) -> Result<Rc<Verified>, Refusal> {
    let token = x.request.get(&*jwt.header).and_then(|value| jwt.token(value));
    let token = token.filter(|token| !token.is_empty()).ok_or(Refusal::Missing)?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    match &jwt.keys {
        Keys::Fixed(keys) => checked(x, jwt, token, keys, u64::MAX),
        Keys::Fetched(source) => {
            let published = source.keys();
            let Some(published) = published.as_deref() else {
                source.want();
                return Err(Refusal::NoKeys);
            };
            let claims = checked(x, jwt, token, &published.keys, published.generation);
            if claims.as_ref().is_err_and(|refusal| *refusal == Refusal::UnknownKey) {
                source.want();
            }
            claims
        }
    }
}

/// What was found out with another generation of keys, or for another proof, counts for nothing.
fn checked(
    x: &Exchange,
    jwt: &Jwt,
    token: &[u8],
    keys: &KeySet,
    generation: u64,
) -> Result<Rc<Verified>, Refusal> {
    let now = since_1970();
    let memory = &x.worker.proofs;
    let mark = memory.mark(&[&jwt.id.to_le_bytes(), &generation.to_le_bytes(), token]);
    if let Some(claims) = mark.as_ref().and_then(|mark| memory.token(mark, now)) {
        return Ok(claims);
    }
    let claims = Rc::new(verify(token, keys, &jwt.expected, now)?);
    if let Some(mark) = mark {
        memory.token_held(mark, &claims);
    }
    Ok(claims)
}

fn since_1970() -> Duration {
    // A clock before 1970 is wrong, and at its beginning every token with a time is refused.
    time_of_day().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
