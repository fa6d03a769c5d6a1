//! Which of the differences that a running Weir lists are written into its configuration, and which are not.

use serde_json::Value;
use weir_config::rewrite::{Change, Wish};

use crate::table::{list, plain, word};

/// What is to be done about differences.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// What shall be written.
    pub(crate) changes: Vec<Change>,
    /// What is not, and why; for people.
    pub(crate) left: Vec<String>,
}

/// Reads the answer of the admin listener.
pub(crate) fn wishes(value: &Value) -> Wishes {
    let mut wishes = Wishes::default();
    for upstream in list(&value["upstreams"]) {
        for difference in list(&upstream["differences"]) {
            match wish(upstream, difference) {
                Ok(wish) => wishes.changes.push(Change {
                    upstream: text(&upstream["name"]),
                    server: text(&difference["server"]),
                    wish,
                }),
                Err(why) => {
                    let (name, server) = (word(&upstream["name"]), word(&difference["server"]));
                    wishes.left.push(format!("{name}: {server} {why}"));
                }
            }
        }
    }
    wishes
}

/// As Weir writes it; it is compared with what is in the file.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn wish(upstream: &Value, difference: &Value) -> Result<Wish, String> {
    let number = |key: &str| difference[key].as_u64().and_then(|number| u32::try_from(number).ok());
    let unknown = || "is different in a way that this version does not know".to_owned();
    match difference["kind"].as_str() {
        Some("added") if difference["is_leased"] == true => {
            Err("registered itself, and leaves by itself".to_owned())
        }
        Some("added") => Ok(Wish::Add { weight: number("weight").ok_or_else(unknown)? }),
        Some("left") => Ok(Wish::Remove),
        Some("weight") if is_found(upstream, difference) => {
            Err("was found by its name, which has one weight for all".to_owned())
        }
        Some("weight") => {
            let (from, to) = (number("written_weight"), number("weight"));
            Ok(Wish::Weigh { from: from.ok_or_else(unknown)?, to: to.ok_or_else(unknown)? })
        }
        Some(word @ ("draining" | "disabled")) => Err(format!(
            "is {word}, for which the file has no word: take it away there, or give it the weight 0"
        )),
        Some(_) | None => Err(unknown()),
    }
}

fn is_found(upstream: &Value, difference: &Value) -> bool {
    let is_it = |server: &&Value| server["address"] == difference["server"];
    list(&upstream["servers"]).iter().find(is_it).is_some_and(|server| server["origin"] == "name")
}

/// A change, in a line for people: with the signs of `--diff`.
pub(crate) fn shown(change: &Change) -> String {
    let (upstream, server) = (plain(&change.upstream), plain(&change.server));
    match change.wish {
        Wish::Add { weight } => format!("{upstream}: + {server}  weight {weight}"),
        Wish::Remove => format!("{upstream}: - {server}"),
        Wish::Weigh { from, to } => format!("{upstream}: ~ {server}  weight {to}, was {from}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stays_is_written_and_the_rest_is_told() {
        let differences = json!([
            {"server": "a", "kind": "added", "weight": 2, "is_leased": false},
            {"server": "b", "kind": "added", "weight": 1, "is_leased": true},
            {"server": "c", "kind": "left", "weight": 1},
            {"server": "d", "kind": "weight", "weight": 3, "written_weight": 1},
            {"server": "e", "kind": "weight", "weight": 3, "written_weight": 1},
            {"server": "f", "kind": "disabled"},
            {"server": "g", "kind": "bewitched"},
        ]);
        let servers = json!([{"address": "e", "origin": "name"}, {"address": "d", "origin": "file"}]);
        let Wishes { changes, left } =
            wishes(&json!({"upstreams": [{"name": "web", "differences": differences, "servers": servers}]}));
        let shown: Vec<_> = changes.iter().map(shown).collect();
        assert_eq!(shown, ["web: + a  weight 2", "web: - c", "web: ~ d  weight 3, was 1"]);
        for (line, (server, why)) in left.iter().zip([
            ("b", "registered itself"),
            ("e", "found by its name"),
            ("f", "is disabled"),
            ("g", "does not know"),
        ]) {
            assert!(line.starts_with(&format!("web: {server} ")) && line.contains(why), "{line}");
        }
        assert_eq!(left.len(), 4);
    }
}
