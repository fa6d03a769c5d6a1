//! What Weir says itself: in the form, the spelling and the numbers of whoever has asked.

use super::encode;
use super::framer::Form;
use super::message::POLICY_NAMES;
use super::value::Value;

/// A message of type -1, with why. `question` is what it is about, as far as that could be read.
pub fn refusal(form: Form, question: Option<&Value>, reason: &str) -> Vec<u8> {
    let mut members = vec![(Value::text("type"), alike(question, "type", -1))];
    let mut copied = |name: &str, of: &str| {
        if let Some(value) = question.and_then(|question| question.member(of)) {
            members.push((Value::text(name), value.clone()));
        }
    };
    copied("destid", "srcid");
    copied("id", "id");
    POLICY_NAMES.into_iter().for_each(|name| copied(name, name));
    members.push((Value::text("reason"), Value::text(reason)));
    encode(form, &Value::Dict(members))
}

/// A server's answer of type 2 to a message: for whoever has sent it.
pub fn answer(form: Form, question: &Value, server: i64, payload: &str) -> Vec<u8> {
    let length = i64::try_from(payload.chars().count()).unwrap_or(i64::MAX);
    let mut members = vec![
        (Value::text("type"), alike(Some(question), "type", 2)),
        (Value::text("srcid"), alike(Some(question), "srcid", server)),
    ];
    if let Some(source) = question.member("srcid") {
        members.push((Value::text("destid"), source.clone()));
    }
    members.push((Value::text("payloadsize"), alike(Some(question), "payloadsize", length)));
    members.push((Value::text("payload"), Value::text(payload)));
    encode(form, &Value::Dict(members))
}

/// That a server is registered: what it has sent, without its secret.
pub fn confirmation(form: Form, registration: &Value) -> Vec<u8> {
    let Value::Dict(members) = registration else { return Vec::new() };
    let is_secret = |key: &Value| matches!(key, Value::Text(name) if **name == *"token");
    let members = members.iter().filter(|(key, _)| !is_secret(key)).cloned().collect();
    encode(form, &Value::Dict(members))
}

/// A number, written as the question writes the one of this name; as its type where it has none.
fn alike(question: Option<&Value>, name: &str, number: i64) -> Value {
    let known = question.and_then(|question| question.member(name).or_else(|| question.member("type")));
    known.map_or(Value::Int(number.into()), |known| known.written_alike(number))
}
