//! What a client says of itself in the name of a proxy (`semantics.md` §1.8, §5.12): every field that the server gets is compared,
//! with those that Weir adds, because a program behind it believes them.

use weir_testkit::client::connect;
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;

/// What a server is told of a client that is not believed.
const OURS: [&str; 7] = [
    "host: a.test",
    "via: 1.1 weir",
    "x-forwarded-for: 127.0.0.1",
    "x-forwarded-host: a.test",
    "x-forwarded-proto: http",
    "x-real-ip: 127.0.0.1",
    "x-request-id: made",
];

/// A rule, and fields of a request of which the server gets nothing.
type Row = (&'static str, &'static str);

/// Every way to say who somebody is.
const CLAIMS: [Row; 22] = [
    ("§1.8 an untrusted peer", "X-Forwarded-For: 6.6.6.6"),
    ("§1.8 without case", "x-fOrWaRdEd-FoR: 6.6.6.6"),
    ("§1.8 twice", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7"),
    ("§1.8 as ourselves", "X-Forwarded-For: 127.0.0.1"),
    ("§1.8 a list", "X-Forwarded-For: 6.6.6.6, 127.0.0.1"),
    ("§1.8 nothing", "X-Forwarded-For:"),
    ("§1.8 the scheme", "X-Forwarded-Proto: https"),
    ("§1.8 the host", "X-Forwarded-Host: b.test"),
    ("§1.8 the address", "X-Real-IP: 6.6.6.6"),
    ("§1.8, RFC 7239", "Forwarded: for=6.6.6.6;proto=https;host=b.test"),
    ("§1.8 any other X-Forwarded-*", "X-Forwarded-Port: 443"),
    ("§1.8 any other X-Forwarded-*", "X-Forwarded-Prefix: /admin\r\nX-Forwarded-User: root"),
    ("§5.12 for CGI", "X_Forwarded_For: 6.6.6.6"),
    ("§5.12 for CGI", "x_forwarded-for: 6.6.6.6\r\nX-FORWARDED_FOR: 7.7.7.7"),
    ("§5.12 for CGI", "X_Forwarded_Proto: https\r\nX_Forwarded-Host: b.test"),
    ("§5.12 for CGI", "X_Real_IP: 6.6.6.6\r\nX-Real_IP: 7.7.7.7"),
    ("§5.12 for CGI", "X_Request_Id: 1\r\nX_Backend_Server: 10.0.0.1:80"),
    ("§5.12 for CGI", "X_Forwarded_Port: 443"),
    ("§1.4 named in Connection", "Connection: X-Forwarded-For\r\nX-Forwarded-For: 6.6.6.6"),
    (
        "§1.4 named in Connection, and not there",
        "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host",
    ),
    (
        "§1.4 named in Connection",
        "Connection: X-Real-IP, Forwarded\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6",
    ),
    ("§1.4 named in Connection", "Connection: Via, X-Request-Id\r\nVia: 1.1 b"),
];

/// All fields that a server got, in order. Ids are made.
fn told(request: &Message) -> Vec<String> {
    let shown = |(name, value): &(String, String)| {
        let is_made = name.eq_ignore_ascii_case("x-request-id") && value.len() == 32;
        format!("{}: {}", name.to_ascii_lowercase(), if is_made { "made" } else { value })
    };
    let mut told: Vec<_> = request.fields.iter().map(shown).collect();
    told.sort();
    told
}

/// What this server is told when a client of this proxy says this.
fn ask(proxy: &Running, server: &Server, version: &str, fields: &str) -> Vec<String> {
    let request = format!("GET / HTTP/{version}\r\nHost: a.test\r\n{fields}\r\n\r\n");
    connect(proxy).send(request).answer().expect(200);
    told(&server.last_request())
}

#[test]
fn semantics_1_8_an_untrusted_peer_says_nothing_in_any_spelling() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for (rule, fields) in CLAIMS {
        assert_eq!(ask(&proxy, &server, "1.1", fields), OURS, "{rule}: {fields:?}");
        let mut old = OURS;
        old[1] = "via: 1.0 weir";
        assert_eq!(ask(&proxy, &server, "1.0", fields), old, "{rule}, HTTP/1.0: {fields:?}");
    }
    // Neighbours of those names are any fields.
    for field in ["x-forwarded: a", "x_forwarded: a", "xx-forwarded-for: a", "x-real-ips: a", "x_real_ips: a"]
    {
        let told = ask(&proxy, &server, "1.1", field);
        assert!(told.iter().any(|line| line == field) && told.len() == OURS.len() + 1, "{field}: {told:?}");
    }
}

#[test]
fn semantics_1_8_a_trusted_peer_says_it_in_our_spelling_only() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "trusted_proxies: 127.0.0.0/8");
    let mut expected = OURS.to_vec();
    expected[2] = "x-forwarded-for: 6.6.6.6, 127.0.0.1";
    expected[5] = "x-real-ip: 6.6.6.6";
    let fields =
        "X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 7.7.7.7\r\nX_Real_IP: 7.7.7.7\r\nX_Forwarded-Port: 1";
    assert_eq!(ask(&proxy, &server, "1.1", fields), expected, "§5.12");
    expected.insert(4, "x-forwarded-port: 8443");
    let fields = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Port: 8443";
    assert_eq!(ask(&proxy, &server, "1.1", fields), expected, "§1.8: it may say more than we do");
    // §1.4: what it names is removed before Weir adds its own.
    let fields = "Connection: X-Forwarded-For\r\nX-Forwarded-For: 6.6.6.6";
    assert_eq!(ask(&proxy, &server, "1.1", fields), OURS, "§1.4");
}
