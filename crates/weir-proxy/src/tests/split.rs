//! The same conversation wherever its bytes are cut: over pipes so narrow that every read and every write gives up in the
//! middle of everything.

use super::conversation::{NARROW, plain, serve, talk};
use super::rig::{DEFAULTS, Rig, WIDE, paused};
use super::secured_client::bridge;

/// What the server got and what the client got, without the sizes of chunks, which are not the sender's.
fn conversation(client_bytes: usize, server_bytes: usize, tls: bool) -> Vec<(String, String)> {
    paused(DEFAULTS, async |rig: Rig| {
        let server = serve(rig.keep(0, server_bytes));
        let (client, serving) = if tls {
            let (pipe, serving) = rig.secured_client(client_bytes);
            (bridge(pipe), serving)
        } else {
            rig.client(client_bytes)
        };
        let answers = talk(client).await;
        serving.await.unwrap();
        rig.expect_idle();
        assert_eq!(rig.worker.pools.len(), 1, "the server's connection can be used again");
        drop(rig);
        let mut messages = server.await.unwrap();
        let (sized, chunked) = answers.split_at(answers.find("HTTP/1.1 103").unwrap());
        let (interim, chunked) = chunked.split_at(chunked.find("HTTP/1.1 200").unwrap());
        messages.extend([sized, interim, chunked].map(str::to_owned));
        let scheme = if tls { "Proto: https" } else { "Proto: http" };
        messages.iter().map(|message| plain(&message.replace(scheme, "Proto: SCHEME"))).collect()
    })
}

#[test]
fn wherever_bytes_are_cut_the_same_is_said() {
    let wide = conversation(WIDE, WIDE, false);
    let bodies: Vec<_> = wide.iter().map(|(_, body)| &**body).collect();
    assert_eq!(
        bodies,
        [
            "hello",
            "wide world|End: up\r\n\r\n",
            "/sizedhello",
            "",
            "/chunkedwide world|End: up\r\n\r\n|End: down\r\n\r\n"
        ]
    );
    for narrow in NARROW {
        for (client, server) in [(narrow, WIDE), (WIDE, narrow), (narrow, narrow)] {
            assert_eq!(conversation(client, server, false), wide, "{client} and {server} bytes");
            assert_eq!(conversation(client, server, true), wide, "{client} and {server} bytes with TLS");
        }
    }
    assert_eq!(conversation(WIDE, WIDE, true), wide, "with TLS");
}
