//! Who has registered for policy groups, in messages for another process.

use serde_json::{Value, json};
use weir_policy::registered::Registered;
use weir_policy::wire::Form;

/// Servers of which one message tells: it stays far below what a message may have.
const SERVERS_MAX: usize = 256;

/// All of them, in messages.
pub(crate) fn messages(registered: &[Registered]) -> Vec<Vec<u8>> {
    registered.chunks(SERVERS_MAX).map(message).collect()
}

fn message(registered: &[Registered]) -> Vec<u8> {
    let all = registered.iter().map(|it| {
        let Registered { policy, id, address, form, keep, is_reached } = *it;
        let pickle = form == Form::Pickle;
        json!({"policy": policy, "id": id, "address": address, "pickle": pickle, "keep": keep, "reached": is_reached})
    });
    json!({ "registered": all.collect::<Vec<_>>() }).to_string().into_bytes()
}

/// Those of whom a message tells; `None` for one that tells of nobody.
pub(crate) fn read(text: &[u8]) -> Option<Vec<Registered>> {
    let value: Value = serde_json::from_slice(text).ok()?;
    value["registered"].as_array()?.iter().map(one).collect()
}

fn one(value: &Value) -> Option<Registered> {
    Some(Registered {
        policy: value["policy"].as_i64()?,
        id: value["id"].as_i64()?,
        address: value["address"].as_str()?.parse().ok()?,
        form: if value["pickle"].as_bool()? { Form::Pickle } else { Form::Json },
        keep: value["keep"].as_bool()?,
        is_reached: value["reached"].as_bool()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::passing::MESSAGE_BYTES_MAX;
    use super::*;

    #[test]
    fn they_come_as_they_were_sent_and_no_part_of_them_does() {
        let address = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap();
        let one = |number: i64| Registered {
            policy: i64::MIN + number,
            id: i64::MIN,
            address,
            form: if number % 2 == 0 { Form::Json } else { Form::Pickle },
            keep: number % 3 == 0,
            is_reached: number % 5 == 0,
        };
        let all: Vec<_> = (0..1000).map(one).collect();
        let messages = messages(&all);
        assert!(messages.iter().all(|text| text.len() < MESSAGE_BYTES_MAX));
        let read_again: Vec<_> = messages.iter().flat_map(|text| read(text).unwrap()).collect();
        assert_eq!(read_again, all);
        assert!(super::messages(&[]).is_empty());
        let text = message(&all[..2]);
        assert!((0..text.len()).all(|end| read(&text[..end]).is_none()));
        for strange in [&b"{\"go\":true}"[..], b"{\"registered\":[{}]}", b"[]"] {
            assert_eq!(read(strange), None);
        }
        let text = String::from_utf8(text).unwrap().replace(":65535", ":65536");
        assert_eq!(read(text.as_bytes()), None);
    }
}
