//! `weir upstreams`, and servers that register themselves.

use nix::sys::signal::Signal;
use serde_json::Value;
use weir_testkit::server::Server;

use super::process::{Running, finished};
use super::scratch::Scratch;

struct Stage {
    _proxy: Running,
    admin: String,
    first: Server,
    _scratch: Scratch,
}

impl Stage {
    fn set(test: &str) -> Self {
        let scratch = Scratch::new(test);
        let first = Server::saying("a");
        let text = format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nservices: [{{host: '*', upstream: web}}]\n\
             upstreams: {{web: {{servers: ['{first}']}}}}\n"
        );
        let file = scratch.file("weir.yaml", text);
        let mut proxy = Running::start(&["run", "-c", &file]);
        let admin = proxy.address("admin listening address=").to_string();
        proxy.line("started");
        Self { _proxy: proxy, admin, first, _scratch: scratch }
    }

    fn upstreams(&self, arguments: &[&str]) -> String {
        finished(&[&["upstreams"], arguments, &["--admin", &self.admin]].concat(), 0).0
    }

    fn servers(&self) -> usize {
        let value: Value = serde_json::from_str(&self.upstreams(&["--json"])).unwrap();
        value["upstreams"][0]["servers"].as_array().unwrap().len()
    }
}

#[test]
fn servers_are_listed_with_their_states() {
    let stage = Stage::set("upstreams");
    let text = stage.upstreams(&[]);
    assert!(text.starts_with("web  round_robin\n"), "{text}");
    assert!(text.contains(&format!("{}  HEALTHY", stage.first)) && text.contains("100.0 %"), "{text}");
    assert_eq!(stage.upstreams(&["web"]), text);
    assert!(stage.upstreams(&["--diff"]).starts_with("nothing was changed"));
    let (_, error) = finished(&["upstreams", "nix", "--admin", &stage.admin], 1);
    assert!(error.contains("`nix`") && error.contains("web"), "{error}");
}

#[test]
fn a_mock_registers_and_says_goodbye() {
    let stage = Stage::set("register");
    let url = format!("http://{}/web", stage.admin);
    let mut mock = Running::start(&["mock", "0", "--register", &url]);
    mock.line("is registered");
    assert_eq!(stage.servers(), 2);
    let text = stage.upstreams(&["--diff"]);
    assert!(text.contains("registered itself"), "{text}");
    mock.signal(Signal::SIGTERM);
    mock.end();
    assert_eq!(stage.servers(), 1);
}

#[test]
fn a_mock_that_can_not_register_says_so_and_serves_all_the_same() {
    let nobody = Server::refusing();
    let mut mock = Running::start(&["mock", "0", "--register", &format!("http://{nobody}/web")]);
    mock.line("can't register, and tries again");
    mock.signal(Signal::SIGTERM);
    mock.end();
    let (_, error) = finished(&["mock", "0", "--register", "web"], 2);
    assert!(error.contains("http://127.0.0.1:9180/web"), "{error}");
}
