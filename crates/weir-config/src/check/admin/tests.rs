//! Who may ask the admin listener, as the configuration says it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;

const REST: &str = "services: [{host: '*', upstream: [127.0.0.1:1]}]\n";

fn parse(admin: &str, base_dir: &Path) -> Result<Admin, String> {
    let environment = |name: &str| (name == "ADMIN_TOKEN").then(|| "0123456789abcdef".to_owned());
    let text = format!("admin: {admin}\n{REST}");
    match crate::parse("weir.yaml", text.as_bytes(), &environment, base_dir) {
        Ok(loaded) => Ok(loaded.model.admin),
        Err(report) => Err(report.to_string()),
    }
}

#[track_caller]
fn check(admin: &str, expected: Result<&str, &str>) {
    match (parse(admin, Path::new("/etc/weir")), expected) {
        (Ok(admin), Ok(part)) => {
            let told = format!("{admin:?}");
            assert!(told.contains(part), "{told}");
        }
        (Err(report), Err(part)) => assert!(report.contains(part), "{report}"),
        (got, _) => panic!("{admin}: {got:?}"),
    }
}

#[test]
fn an_address_of_this_machine_needs_no_token() {
    check("127.0.0.1:9180", Ok("Tcp(127.0.0.1:9180), token: None"));
    check("'[::1]:9180'", Ok("Tcp([::1]:9180)"));
    check("{address: 127.0.0.2:1}", Ok("Tcp(127.0.0.2:1)"));
    check("off", Ok("Off"));
}

#[test]
fn an_address_of_other_machines_needs_one() {
    for address in ["':9180'", "0.0.0.0:9180", "10.0.0.1:9180", "'[2001:db8::1]:9180'"] {
        check(address, Err("is reached from other machines"));
        check(address, Err("hint: write `admin: {address: ADDRESS, token: \"file:PATH\"}`"));
        check(&format!("{{address: {address}}}"), Err("is reached from other machines"));
        check(&format!("{{address: {address}, token: '${{ADMIN_TOKEN}}'}}"), Ok("token: Some(KeyDigest)"));
    }
}

#[test]
fn a_unix_socket_has_permissions() {
    check("unix:run/admin.sock", Ok("Unix(\"/etc/weir/run/admin.sock\"), token: None, hosts: [], mode: 384"));
    check("{address: unix:/run/weir.sock, mode: 660}", Ok("mode: 432"));
    check("{address: unix:/run/weir.sock, mode: '0660'}", Ok("mode: 432"));
    check("{address: unix:/run/weir.sock, mode: 9}", Err("is no file mode"));
    check("{address: 127.0.0.1:1, mode: 660}", Err("`mode` is for Unix sockets"));
}

#[test]
fn hosts_are_names() {
    check("{address: 127.0.0.1:1, hosts: weir.example.com}", Ok("hosts: [\"weir.example.com\"]"));
    check("{address: 127.0.0.1:1, hosts: [a, 'b:1']}", Err("`b:1` is not the name of a host"));
    check("{hosts: a}", Err("`admin` needs `address`"));
    check("{address: 127.0.0.1:1, tokn: x}", Err("unknown key `tokn`"));
}

#[test]
fn a_token_comes_from_a_file_and_is_never_shown() {
    let directory = std::env::temp_dir().join(format!("weir-admin-token-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let write = |text: &str| std::fs::write(directory.join("token"), text).unwrap();
    let parse = || parse("{address: 0.0.0.0:1, token: 'file:token'}", &directory);
    write("0123456789abcdef-swordfish\n");
    assert!(format!("{:?}", parse().unwrap()).contains("KeyDigest"));
    for (content, why) in [
        ("swordfish", "a token of less than 16 bytes can be guessed"),
        ("", "the token is empty"),
        ("swordfish with spaces in it", "the token has spaces"),
        ("0123456789swordfish\nanother line\n", "the token has spaces, control characters"),
    ] {
        write(content);
        let report = parse().unwrap_err();
        assert!(report.contains(why) && !report.contains("swordfish"), "{report}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(parse().unwrap_err().contains("can't be read"));
    check(
        "{address: 0.0.0.0:1, token: swordfish-0123456789}",
        Err("the token itself does not stand in the configuration"),
    );
}
