//! What is an address, what is not, and what the hint says.
#![allow(clippy::unwrap_used)]

use weir_core::server::Transport;
use weir_http::target::Scheme;

use super::{listen, network, server};
use crate::complaint::Complaint;
use crate::model::ListenAddress;

fn check<T>(outcome: Result<T, Complaint>, show: fn(&T) -> String, text: &str, expected: Result<&str, &str>) {
    match (outcome, expected) {
        (Ok(value), Ok(expected)) => assert_eq!(show(&value), expected, "{text}"),
        (Err(complaint), Err(part)) => assert!(complaint.to_string().contains(part), "{text}: {complaint}"),
        (Ok(value), Err(part)) => panic!("{text}: got {}, expected an error with {part:?}", show(&value)),
        (Err(complaint), Ok(_)) => panic!("{text}: {complaint}"),
    }
}

fn check_listen(text: &str, expected: Result<&str, &str>) {
    let show = |address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix {}", path.display()),
    };
    check(listen(text), show, text, expected);
}

fn check_server(text: &str, expected: Result<&str, &str>) {
    let show = |address: &weir_core::server::ServerAddress| {
        let base = &address.base;
        let tls = if address.scheme == Scheme::Https { "tls " } else { "" };
        match &address.transport {
            Transport::Ip(address, port) => format!("{tls}ip {address} {port} {base}"),
            Transport::Name(name, port) => format!("{tls}name {name} {port} {base}"),
            Transport::Unix(path) => format!("{tls}unix {}", path.display()),
        }
    };
    check(server(text), show, text, expected);
}

#[test]
fn listen_addresses() {
    check_listen("127.0.0.1:8080", Ok("127.0.0.1:8080"));
    check_listen("[::1]:80", Ok("[::1]:80"));
    check_listen(":8080", Ok("[::]:8080"));
    check_listen(":0", Ok("[::]:0"));
    check_listen("unix:/run/weir.sock", Ok("unix /run/weir.sock"));
    check_listen("8080", Err("write `127.0.0.1:8080` for this machine only, or `:8080`"));
    check_listen("*:8080", Err("write `:8080`"));
    check_listen("localhost:8080", Err("write `127.0.0.1:8080`"));
    check_listen("http://0.0.0.0:80/", Err("write it without the scheme: `0.0.0.0:80`"));
    check_listen("127.0.0.1", Err("write a port: `127.0.0.1:8080`"));
    check_listen("::1", Err("`[::1]:8080`"));
    check_listen("example.com:80", Err("write `127.0.0.1:8080`"));
    check_listen(":99999", Err("is not an address"));
    check_listen(":+80", Err("is not an address"));
    check_listen("", Err("is not an address"));
    check_listen("unix:", Err("needs the path"));
    check_listen(&format!("unix:/{}", "x".repeat(107)), Err("at most 107 bytes"));
}

#[test]
fn servers() {
    check_server("127.0.0.1:9001", Ok("ip 127.0.0.1 9001 "));
    check_server("[::1]:9001", Ok("ip ::1 9001 "));
    check_server("app:80", Ok("name app 80 "));
    check_server("App.Example.com:80", Ok("name app.example.com 80 "));
    check_server("http://app", Ok("name app 80 "));
    check_server("http://app/", Ok("name app 80 "));
    check_server("http://app:8080/v1/", Ok("name app 8080 /v1"));
    check_server("http://[::1]/v1", Ok("ip ::1 80 /v1"));
    check_server("unix:/run/app.sock", Ok("unix /run/app.sock"));
    check_server("https://app", Ok("tls name app 443 "));
    check_server("https://app:8443/v1/", Ok("tls name app 8443 /v1"));
    check_server("https://10.0.0.1", Ok("tls ip 10.0.0.1 443 "));
    check_server("https://[::1]/v1", Ok("tls ip ::1 443 /v1"));
    check_server("https://app:80", Ok("tls name app 80 "));
    check_server("http://app:443", Ok("name app 443 "));
    check_server("HTTPS://app", Err("no scheme `HTTPS`"));
    check_server("https:/app", Err("is not a server"));
    check_server("https://", Err("is not a server"));
    check_server("https://unix:/run/app.sock", Err("is not a server"));
    check_server("ftp://app", Err("no scheme `ftp`"));
    check_server("app", Err("write a port: `app:80`"));
    check_server("9001", Err("write the host too: `127.0.0.1:9001`"));
    check_server("app:", Err("port from 1 to 65535"));
    check_server("app:0", Err("port from 1 to 65535"));
    check_server("app:65536", Err("port from 1 to 65535"));
    check_server("app:80/v1", Err("write `http://app:80/v1`"));
    check_server("::1:80", Err("brackets"));
    check_server("[127.0.0.1]:80", Err("without brackets"));
    check_server("user:secret@app:80", Err("no user"));
    check_server("*.example.com:80", Err("not a pattern"));
    check_server("a b:80", Err("is not a server"));
    check_server("http://app?x=1", Err("no query"));
    check_server("http://app/%7Ex", Err("write `/~x`"));
    check_server("http://app/a/../b", Err("`..`"));
    check_server("", Err("is not a server"));
    check_server(":80", Err("is not a server"));
    check_server("http://", Err("is not a server"));
}

#[test]
fn networks() {
    let check = |text: &str, expected| check(network(text), ToString::to_string, text, expected);
    check("10.0.0.0/8", Ok("10.0.0.0/8"));
    check("192.0.2.7", Ok("192.0.2.7/32"));
    check("2001:db8::/32", Ok("2001:db8::/32"));
    check("::1", Ok("::1/128"));
    check("10.0.0.1/8", Err("write `10.0.0.0/8` for the network or `10.0.0.1`"));
    check("10.0.0.0/33", Err("is not an address or a network"));
    check("example.com", Err("is not an address or a network"));
}
