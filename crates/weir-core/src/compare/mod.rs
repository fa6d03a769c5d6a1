//! Whether two answers to one request are the same, by a rule, and where they are not.
//!
//! One is the answer that a client got, the other is that of a server which is tried out. Both are whole here and in
//! memory; who gets them, and when, is not decided here. What is shown of a difference is short, and of what looks like a
//! secret nothing is shown.

mod json;
mod path;
mod place;
mod secret;
mod shown;

use std::time::Duration;

pub use path::{JsonPath, PathError};
pub use shown::request_shown;

use self::json::{Json, Unread};
use self::place::Place;
use self::secret::SECRET;
use self::shown::{field_shown, text_shown};

/// Differences that are listed of one pair of answers; those beyond are not looked for.
pub const DIFFERENCES_MAX: usize = 16;

/// What is compared.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct CompareRule {
    /// Statuses.
    pub status: bool,
    /// The fields of these names.
    pub fields: Box<[Box<str>]>,
    /// Bodies.
    pub body: BodyRule,
    /// What is passed over in bodies of JSON.
    pub ignore: Box<[JsonPath]>,
    /// How much longer the copy may take to the head of its answer; `None` for any time.
    pub latency: Option<Duration>,
}

/// How bodies are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum BodyRule {
    /// Byte by byte.
    #[default]
    Exact,
    /// By what they mean, where both are JSON; otherwise byte by byte.
    Json,
    /// Not at all.
    Off,
}

/// One of the two answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Its status.
    pub status: u16,
    /// The fields that the rule names, in its order; lines of one name are joined (RFC 9110 §5.3).
    pub fields: Vec<Option<Vec<u8>>>,
    /// Content-Encoding; empty without one.
    pub encoding: Vec<u8>,
    /// The body, whole.
    pub body: Vec<u8>,
    /// From the request to the head of the answer.
    pub latency: Duration,
}

/// What two answers can differ in. The names are the labels of `weir_differences_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The status.
    Status,
    /// A field.
    Field,
    /// The body.
    Body,
    /// The copy took too long.
    Latency,
}

impl DifferenceKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Status, Self::Field, Self::Body, Self::Latency];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Field => "field",
            Self::Body => "body",
            Self::Latency => "latency",
        }
    }
}

/// What became of a comparison. The names are the labels of `weir_compared_requests_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOutcome {
    /// Nothing that is compared differs.
    Same,
    /// Something does.
    Different,
    /// Not all of it could be compared, and nothing that could be differs.
    Incomplete,
    /// There was no answer to compare with, or the request was not sent.
    Failed,
}

impl CompareOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Same, Self::Different, Self::Incomplete, Self::Failed];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub kind: DifferenceKind,
    /// Where: the name of a field, a path in JSON, else nothing.
    pub place: String,
    /// What the client got, shortened.
    pub client: String,
    /// What the copy got, shortened.
    pub copy: String,
}

/// What came of comparing two answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// What differs; no more than [`DIFFERENCES_MAX`].
    pub differences: Vec<Difference>,
    /// Why the bodies were not compared although they should be.
    pub uncompared: Option<&'static str>,
}

impl Verdict {
    /// What that is called.
    pub fn outcome(&self) -> CompareOutcome {
        match (self.differences.is_empty(), self.uncompared) {
            (false, _) => CompareOutcome::Different,
            (true, Some(_)) => CompareOutcome::Incomplete,
            (true, None) => CompareOutcome::Same,
        }
    }

    /// Whether nothing more is noted.
    fn is_full(&self) -> bool {
        self.differences.len() >= DIFFERENCES_MAX
    }

    fn push(&mut self, kind: DifferenceKind, place: String, client: String, copy: String) {
        if !self.is_full() {
            self.differences.push(Difference { kind, place, client, copy });
        }
    }
}

/// Compares two answers.
pub fn compare(rule: &CompareRule, client: &Seen, copy: &Seen) -> Verdict {
    let mut verdict = Verdict::default();
    if rule.status && client.status != copy.status {
        let (kind, place) = (DifferenceKind::Status, String::new());
        verdict.push(kind, place, client.status.to_string(), copy.status.to_string());
    }
    for (name, (ours, theirs)) in rule.fields.iter().zip(client.fields.iter().zip(&copy.fields)) {
        if ours != theirs {
            let shown = |value: &Option<Vec<u8>>| field_shown(name, value.as_deref());
            verdict.push(DifferenceKind::Field, name.to_string(), shown(ours), shown(theirs));
        }
    }
    if rule.body != BodyRule::Off {
        bodies(rule, client, copy, &mut verdict);
    }
    if let Some(more) = rule.latency
        && copy.latency > client.latency.saturating_add(more)
    {
        let shown = |time: Duration| format!("{} ms", time.as_millis());
        let (kind, place) = (DifferenceKind::Latency, String::new());
        verdict.push(kind, place, shown(client.latency), shown(copy.latency));
    }
    verdict
}

fn bodies(rule: &CompareRule, client: &Seen, copy: &Seen, verdict: &mut Verdict) {
    if client.body == copy.body && client.encoding.eq_ignore_ascii_case(&copy.encoding) {
        return;
    }
    if !client.encoding.eq_ignore_ascii_case(&copy.encoding) {
        verdict.uncompared = Some("Content-Encoding differs");
        return;
    }
    if rule.body == BodyRule::Json {
        let is_plain = client.encoding.is_empty() || client.encoding.eq_ignore_ascii_case(b"identity");
        if !is_plain {
            // The same content, compressed at another time, may be other bytes.
            verdict.uncompared = Some("both bodies are compressed");
            return;
        }
        // The second one is not read where the first one is no JSON: it may be large.
        match json::parse(&client.body).and_then(|ours| Ok((ours, json::parse(&copy.body)?))) {
            Ok((ours, theirs)) => {
                return values(&ours, &theirs, &mut Place::new(&rule.ignore), verdict);
            }
            Err(Unread::TooLarge) => {
                verdict.uncompared = Some("too many values to compare");
                return;
            }
            Err(Unread::NotJson) => {}
        }
    }
    let shown = |bytes: &[u8]| match bytes.len() {
        1 => "1 byte".to_owned(),
        length => format!("{length} bytes"),
    };
    let same = client.body.iter().zip(&copy.body).take_while(|(ours, theirs)| ours == theirs).count();
    verdict.push(DifferenceKind::Body, format!("byte {same}"), shown(&client.body), shown(&copy.body));
}

/// Compares two values and what is in them.
fn values<'a>(client: &'a Json<'a>, copy: &'a Json<'a>, place: &mut Place<'a>, verdict: &mut Verdict) {
    if verdict.is_full() || place.is_ignored() {
        return;
    }
    match (client, copy) {
        (Json::Map(ours), Json::Map(theirs)) => {
            for (name, value) in ours.iter() {
                if verdict.is_full() {
                    return;
                }
                place.enter_name(name);
                pair(Some(value), theirs.get(name), place, verdict);
                place.leave();
            }
            for (name, value) in theirs.iter().filter(|(name, _)| ours.get(name).is_none()) {
                if verdict.is_full() {
                    return;
                }
                place.enter_name(name);
                pair(None, Some(value), place, verdict);
                place.leave();
            }
        }
        (Json::List(ours), Json::List(theirs)) => {
            for index in 0..ours.len().max(theirs.len()) {
                if verdict.is_full() {
                    return;
                }
                place.enter_index(index);
                pair(ours.get(index), theirs.get(index), place, verdict);
                place.leave();
            }
        }
        (ours, theirs) if ours == theirs => {}
        (ours, theirs) => differ(Some(ours), Some(theirs), place, verdict),
    }
}

fn pair<'a>(
    client: Option<&'a Json<'a>>,
    copy: Option<&'a Json<'a>>,
    place: &mut Place<'a>,
    verdict: &mut Verdict,
) {
    match (client, copy) {
        (Some(ours), Some(theirs)) => values(ours, theirs, place, verdict),
        (ours, theirs) if !place.is_ignored() => differ(ours, theirs, place, verdict),
        _ => {}
    }
}

fn differ(client: Option<&Json<'_>>, copy: Option<&Json<'_>>, place: &Place<'_>, verdict: &mut Verdict) {
    let shown = |value: Option<&Json<'_>>| match value {
        None => "nothing".to_owned(),
        Some(_) if place.is_secret() => SECRET.to_owned(),
        Some(Json::Text(text)) => format!("{:?}", text_shown(text)),
        Some(value) => text_shown(&value.to_string()),
    };
    verdict.push(DifferenceKind::Body, place.to_string(), shown(client), shown(copy));
}

#[cfg(test)]
mod tests;
