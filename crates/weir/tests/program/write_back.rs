//! `weir upstreams --write`: what was changed while Weir runs is in its file afterwards, and nothing else is different there.

use std::fs;
use std::net::SocketAddr;

use weir_testkit::server::Server;

use super::admin::admin;
use super::process::{Running, finished, run};
use super::scratch::Scratch;

/// A running Weir and its file.
struct Stage {
    _proxy: Running,
    admin: SocketAddr,
    file: String,
    _scratch: Scratch,
}

/// What stands around the servers of `web`; each line has something that must stay.
fn text(servers: &str) -> String {
    format!(
        "# ours   \nlisten: ['127.0.0.1:0']\nadmin: \"127.0.0.1:0\"   # for tools\nservices: [{{host: '*', upstream: web}}]\n\
         upstreams:\n  web:\n    balance: p2c\n{servers}\n    # behind\n    slow_start: 100ms\n"
    )
}

impl Stage {
    fn set(test: &str, text: &str) -> Self {
        let scratch = Scratch::new(test);
        let file = scratch.file("weir.yaml", text);
        let (proxy, admin) = started(&file);
        Self { _proxy: proxy, admin, file, _scratch: scratch }
    }

    fn change(&self, method: &str, server: &str, query: &str) {
        admin(self.admin, method, &format!("/api/v1/upstreams/web/servers/{server}{query}"));
    }

    /// The arguments that write into the file.
    fn words<'w>(&'w self, more: &[&'w str], admin: &'w str) -> Vec<&'w str> {
        [&["upstreams", "--write", "-c", &self.file, "--admin", admin], more].concat()
    }

    fn write(&self, more: &[&str], code: i32) -> (String, String) {
        let admin = self.admin.to_string();
        finished(&self.words(more, &admin), code)
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }
}

fn started(file: &str) -> (Running, SocketAddr) {
    let mut proxy = Running::start(&["run", "-c", file]);
    let admin = proxy.address("admin listening address=");
    proxy.line("started");
    (proxy, admin)
}

#[test]
fn what_was_changed_is_in_the_file_and_holds_after_a_restart() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Server::saying);
    let stage = Stage::set(
        "written",
        &text(&format!(
            "    servers:\n      - {a}   # the first\n      - address: '{b}'  # the second\n      - {c}"
        )),
    );
    stage.change("PUT", &d.to_string(), "?weight=2");
    stage.change("DELETE", &a.to_string(), "");
    stage.change("PUT", &b.to_string(), "?weight=5");
    stage.change("PUT", &c.to_string(), "?state=disabled");
    let leased = Server::saying("leased");
    admin(stage.admin, "POST", &format!("/api/v1/upstreams/web/servers/{leased}/register?ttl=1h"));

    let before = stage.text();
    let (patch, said) = stage.write(&["--dry-run"], 0);
    for line in [
        format!("-      - {a}   # the first"),
        "+        weight: 5".to_owned(),
        format!("+      - {{address: {d}, weight: 2}}"),
    ] {
        assert!(patch.lines().any(|known| known == line), "{line} in\n{patch}");
    }
    for part in [format!("{leased} registered itself"), format!("{c} is disabled")] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    assert_eq!(stage.text(), before, "it was not to be written");

    let (told, _) = stage.write(&[], 0);
    for line in
        [format!("  web: + {d}  weight 2"), format!("  web: - {a}"), format!("  web: ~ {b}  weight 5, was 1")]
    {
        assert!(told.lines().any(|known| known == line), "{line} in\n{told}");
    }
    let expected = text(&format!(
        "    servers:\n      - address: '{b}'  # the second\n        weight: 5\n      - {c}\n      - {{address: {d}, weight: 2}}"
    ));
    assert_eq!(stage.text(), expected);
    let (told, _) = stage.write(&[], 0);
    assert!(told.starts_with("nothing was written"), "a lease and one that is disabled are left out: {told}");
    assert_eq!(stage.text(), expected);

    let (_again, admin) = started(&stage.file);
    let (differences, _) = finished(&["upstreams", "--diff", "--admin", &admin.to_string()], 0);
    assert!(differences.starts_with("nothing was changed"), "{differences}");
    let (json, _) = finished(&["upstreams", "--diff", "--json", "--admin", &stage.admin.to_string()], 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["upstreams"][0]["differences"].as_array().unwrap().len(), 5, "{json:#}");
    assert!(json["upstreams"][0]["servers"].is_null(), "{json:#}");
}

/// Weir has read its file once; what it lists as different is not what is different from the file after the first time.
#[test]
fn what_is_changed_or_undone_after_it_was_written_is_written_too() {
    let [a, b, d] = ["a", "b", "d"].map(Server::saying);
    let first = text(&format!("    servers: [{a}, {b}]"));
    let stage = Stage::set("undone", &first);
    let written = |servers: String| {
        let (told, _) = stage.write(&[], 0);
        assert!(told.starts_with("written into"), "{told}");
        assert_eq!(stage.text(), text(&format!("    servers: [{servers}]")));
        let (told, _) = stage.write(&[], 0);
        assert!(told.starts_with("nothing to write"), "{told}");
    };
    stage.change("PUT", &d.to_string(), "");
    written(format!("{a}, {b}, {d}"));
    stage.change("DELETE", &d.to_string(), "");
    written(format!("{a}, {b}"));
    for weight in [5, 7, 1] {
        stage.change("PUT", &b.to_string(), &format!("?weight={weight}"));
        written(format!("{a}, {{address: {b}, weight: {weight}}}"));
    }
    stage.change("DELETE", &a.to_string(), "");
    written(format!("{{address: {b}, weight: 1}}"));
    stage.change("PUT", &a.to_string(), "");
    written(format!("{{address: {b}, weight: 1}}, {a}"));
    // It comes again under another name, and stays the entry that it is.
    stage.change("DELETE", &a.to_string(), "");
    stage.change("PUT", &format!("http:%2F%2F{a}"), "");
    let (told, _) = stage.write(&[], 0);
    assert!(told.starts_with("nothing to write"), "{told}");
    assert_eq!(stage.text(), text(&format!("    servers: [{{address: {b}, weight: 1}}, {a}]")));
}

#[test]
fn what_a_program_should_not_write_stays_as_it_is() {
    let [a, b] = ["a", "b"].map(Server::saying);
    for (servers, parts) in [
        (format!("    servers: [&first {a}]"), ["anchor", "edit line 8 by hand"]),
        (format!("    servers: [\"${{NOBODY:-{a}}}\"]"), ["environment", "edit line 8 by hand"]),
    ] {
        let stage = Stage::set("refused", &text(&servers));
        stage.change("PUT", &b.to_string(), "");
        let before = stage.text();
        let (_, error) = stage.write(&[], 1);
        for part in parts {
            assert!(error.contains(part) && error.contains("weir.yaml:8:"), "{part}: {error}");
        }
        assert_eq!(stage.text(), before);
    }
    let stage = Stage::set("last", &text(&format!("    servers: [{a}]")));
    stage.change("DELETE", &a.to_string(), "");
    assert!(stage.write(&[], 1).1.contains("the last server"));
    // A file that is another one, and none at all.
    fs::write(&stage.file, "services: [{host: '*', upstream: api}]\nupstreams: {api: ['a:1']}\n").unwrap();
    let (_, error) = stage.write(&[], 1);
    assert!(error.contains("no upstream `web`") && error.contains("-c FILE"), "{error}");
    fs::write(&stage.file, "services: 7\n").unwrap();
    stage.write(&[], 3);
    fs::remove_file(&stage.file).unwrap();
    stage.write(&[], 1);
    for words in
        [&["upstreams", "-c", "x"][..], &["upstreams", "--dry-run"], &["upstreams", "--write", "--json"]]
    {
        assert_eq!(run(words).status.code(), Some(2), "{words:?}");
    }
}
