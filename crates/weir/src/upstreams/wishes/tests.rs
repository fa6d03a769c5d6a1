//! Members and files that say other things, and what is written of it.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use serde_json::json;

use super::*;

fn file(servers: &str) -> Model {
    let text = format!("services: [{{host: '*', upstream: web}}]\nupstreams: {{web: {servers}}}\n");
    let loaded = weir_config::parse("t", text.as_bytes(), &|_| None, Path::new(""));
    loaded.unwrap_or_else(|report| panic!("{report}")).model
}

/// `a:1 file 3` is a member with its origin and weight; one more word is a state.
fn members(members: &[&str], differences: &Value) -> Value {
    let server = |member: &&str| {
        let words: Vec<&str> = member.split(' ').collect();
        let weight: u32 = words[2].parse().unwrap();
        let state = words.get(3).unwrap_or(&"healthy");
        json!({"address": words[0], "origin": words[1], "weight": weight, "state": state})
    };
    let servers: Vec<Value> = members.iter().map(server).collect();
    json!({"upstreams": [{"name": "web", "differences": differences, "servers": servers}]})
}

#[test]
fn what_stays_is_written_and_the_rest_is_told() {
    let differences = json!([
        {"server": "a:1", "kind": "added", "weight": 2, "is_leased": false},
        {"server": "b:1", "kind": "added", "weight": 1, "is_leased": true},
        {"server": "c:1", "kind": "left", "weight": 1},
        {"server": "d:1", "kind": "weight", "weight": 3, "written_weight": 1},
        {"server": "e:1", "kind": "weight", "weight": 3, "written_weight": 1},
        {"server": "f:1", "kind": "disabled"},
        {"server": "g:1", "kind": "bewitched"},
        {"server": "h:1", "kind": "draining"},
    ]);
    let members = members(
        &[
            "a:1 added 2",
            "b:1 lease 1",
            "d:1 file 3",
            "e:1 name 3",
            "f:1 file 1",
            "g:1 file 1",
            "h:1 file 1 draining",
        ],
        &differences,
    );
    let Wishes { changes, left } =
        wishes(&members, &file("[c:1, d:1, f:1, g:1, h:1, {address: n:1, resolve: true}]"));
    let shown: Vec<_> = changes.iter().map(shown).collect();
    assert_eq!(shown, ["web: + a:1  weight 2", "web: ~ d:1  weight 3, was 1", "web: - c:1"]);
    for (line, (server, why)) in left.iter().zip([
        ("b:1", "registered itself"),
        ("e:1", "found by its name"),
        ("f:1", "is disabled"),
        ("g:1", "does not know"),
        ("h:1", "is draining"),
    ]) {
        assert!(line.starts_with(&format!("web: {server} ")) && line.contains(why), "{line}");
    }
    assert_eq!(left.len(), 5);
}

/// Weir has read another list of servers than the file has now: something was written since.
#[test]
fn members_are_held_against_what_the_file_says_now() {
    for (servers, now, expected) in [
        // Added, written, and sent away: nothing is different from what Weir has read.
        ("[a:1, d:1]", &["a:1 file 1"][..], &["web: - d:1"][..]),
        ("[a:1, d:1]", &["a:1 file 1", "d:1 added 4 draining"], &["web: - d:1"]),
        ("[{address: a:1, weight: 5}]", &["a:1 file 1"], &["web: ~ a:1  weight 1, was 5"]),
        ("[{address: a:1, weight: 5}]", &["a:1 file 7"], &["web: ~ a:1  weight 7, was 5"]),
        ("[b:1]", &["a:1 file 2", "b:1 file 1"], &["web: + a:1  weight 2"]),
        // However they are written.
        ("['a:80', b:1]", &["http://a added 1", "http://b:1 file 1"], &[]),
        // Whoever registers itself again, is found by name, or stands in an inventory is there for another reason.
        ("[a:1, d:1]", &["a:1 file 1", "d:1 lease 3"], &[]),
        ("[a:1, {address: n:1, resolve: true}]", &["a:1 file 1", "10.0.0.1:80 name 1"], &[]),
        ("[a:1]", &["a:1 file 1", "i:1 inventory 1"], &[]),
        ("[b:1, {address: a:1, resolve: true}]", &["a:1 file 3", "b:1 file 1"], &[]),
        // All were sent away, but for one that still has requests.
        ("[a:1]", &["a:1 file 1 draining"], &["web: - a:1"]),
    ] {
        let Wishes { changes, left } = wishes(&members(now, &json!([])), &file(servers));
        let shown: Vec<_> = changes.iter().map(shown).collect();
        assert_eq!(shown, expected, "{servers} {now:?}");
        assert_eq!(left, [""; 0], "{servers} {now:?}");
    }
}

#[test]
fn a_file_with_other_servers_is_left_alone() {
    let differences = json!([{"server": "b:1", "kind": "left", "weight": 1}]);
    let Wishes { changes, left } = wishes(&members(&["a:1 file 1"], &differences), &file("[x:1, y:1]"));
    assert!(changes.is_empty() && left.len() == 1, "{changes:?} {left:?}");
    assert!(left[0].starts_with("web: ") && left[0].contains("none of the servers"), "{left:?}");
    let Wishes { changes, .. } = wishes(&members(&["a:1 file 1"], &differences), &file("[x:1, b:1]"));
    assert_eq!(changes.len(), 3, "{changes:?}");
}

#[test]
fn what_was_changed_of_an_inventory_is_left_to_it() {
    let directory = std::env::temp_dir().join(format!("weir-wishes-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let inventory = directory.join("hosts.conf");
    std::fs::write(&inventory, "i:1\nj:1\n").unwrap();
    let file = file(&format!("{{servers: [a:1, b:1], inventory: '{}'}}", inventory.display()));
    std::fs::remove_dir_all(directory).unwrap();
    let differences = json!([
        {"server": "i:1", "kind": "weight", "weight": 3, "written_weight": 1},
        {"server": "j:1", "kind": "left", "weight": 1},
        {"server": "b:1", "kind": "left", "weight": 1},
    ]);
    let Wishes { changes, .. } =
        wishes(&members(&["a:1 file 1", "i:1 inventory 3", "http://j:1 added 1"], &differences), &file);
    let shown: Vec<_> = changes.iter().map(shown).collect();
    assert_eq!(shown, ["web: - b:1", "web: ~ i:1  weight 3, was 1", "web: - j:1"]);
}
