//! Handshakes whose bytes come in every way in which bytes can come.

use rustls::NamedGroup;
use rustls::crypto::aws_lc_rs::default_provider;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use weir_core::handshake::HandshakeOutcome;
use weir_upstream::io::deadline::pause;

use super::certificate;
use super::conversation::NARROW;
use super::rig::{DEFAULTS, Rig, WIDE, expect_last, paused, rest, say};
use super::secured_client::{End, SecuredClient};

/// Lets everybody do what there is to do: the clock of these tests only goes on when nobody has anything left.
async fn settle() {
    pause(std::time::Duration::from_millis(1)).await;
}

/// Writes these pieces, each when the one before has had all its effects.
async fn write_in_pieces(pipe: &mut DuplexStream, pieces: impl IntoIterator<Item = &[u8]>) {
    for piece in pieces {
        pipe.write_all(piece).await.unwrap();
        settle().await;
    }
}

/// Shakes hands with the first message in these pieces.
async fn expect_handshake(rig: &Rig, cut: impl FnOnce(&[u8]) -> Vec<Vec<u8>>) {
    let (pipe, serving) = rig.secured_client(WIDE);
    let mut client = SecuredClient::new(pipe);
    let pieces = cut(&client.records());
    write_in_pieces(&mut client.pipe, pieces.iter().map(|piece| &piece[..])).await;
    client.shake_hands().await.unwrap();
    drop(client);
    serving.await.unwrap();
}

#[test]
fn a_first_message_may_be_cut_anywhere() {
    paused(DEFAULTS, async |rig: Rig| {
        let hello = SecuredClient::new(rig.secured(WIDE).0).records();
        for at in 1..hello.len() {
            expect_handshake(&rig, |hello| vec![hello[..at].to_vec(), hello[at..].to_vec()]).await;
        }
        expect_handshake(&rig, |hello| hello.iter().map(|byte| vec![*byte]).collect()).await;
        assert_eq!(rig.handshakes(HandshakeOutcome::Full), hello.len() as u64);
        rig.expect_idle();
    });
}

#[test]
fn a_first_message_may_come_in_many_records() {
    /// A record that carries these bytes of a handshake (RFC 8446 §5.1).
    fn record(bytes: &[u8]) -> Vec<u8> {
        [&[22, 3, 1], &u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }
    paused(DEFAULTS, async |rig: Rig| {
        for size in [1, 2, 40, 100] {
            expect_handshake(&rig, |hello| {
                vec![hello[5..].chunks(size).flat_map(record).collect::<Vec<u8>>()]
            })
            .await;
            expect_handshake(&rig, |hello| hello[5..].chunks(size).map(record).collect()).await;
        }
        rig.expect_idle();
    });
}

#[test]
fn a_handshake_goes_through_the_narrowest_pipe() {
    for bytes in NARROW {
        paused(DEFAULTS, async |rig: Rig| {
            let (pipe, serving) = rig.secured_client(bytes);
            let mut client = SecuredClient::connected(pipe).await;
            // Nobody listens at the server's address, which is told in TLS as in the clear.
            client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            let (answer, end) = client.rest().await;
            expect_last(&answer, 502);
            assert_eq!(end, End::Announced);
            serving.await.unwrap();
        });
    }
}

/// The key share against quantum computers makes the first message larger than a packet.
#[test]
fn a_post_quantum_handshake_is_made_also_byte_by_byte() {
    paused(DEFAULTS, async |rig: Rig| {
        let (pipe, _serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::with(pipe, certificate::client_with(default_provider()));
        let hello = client.records();
        assert!(hello.len() > 1200, "{}", hello.len());
        write_in_pieces(&mut client.pipe, hello.chunks(1)).await;
        client.shake_hands().await.unwrap();
        let group = client.tls.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(group, NamedGroup::X25519MLKEM768);
    });
}

/// Extensions make it larger than a record holds, and larger than is read at once.
#[test]
fn a_first_message_may_be_larger_than_a_record() {
    paused(DEFAULTS, async |rig: Rig| {
        let (pipe, serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::new(pipe);
        let hello = padded(&client.records()[5..], 30_000);
        let mut records = Vec::new();
        for piece in hello.chunks(16 * 1024) {
            records.extend([22, 3, 1]);
            records.extend(u16::try_from(piece.len()).unwrap().to_be_bytes());
            records.extend(piece);
        }
        client.pipe.write_all(&records).await.unwrap();
        let mut answer = [0; 6];
        client.pipe.read_exact(&mut answer).await.unwrap();
        // RFC 8446 §4: a server hello.
        assert_eq!((answer[0], answer[5]), (22, 2));
        drop(client);
        serving.await.unwrap();
        rig.expect_idle();
    });
}

/// A first message with an extension more, of padding (RFC 7685).
fn padded(hello: &[u8], padding: usize) -> Vec<u8> {
    let mut hello = hello.to_vec();
    // The lengths of the message, and of its extensions: behind version, random, session, suites and compression.
    let session = 4 + 2 + 32;
    let suites = session + 1 + usize::from(hello[session]);
    let compression = suites + 2 + usize::from(u16::from_be_bytes([hello[suites], hello[suites + 1]]));
    let extensions = compression + 1 + usize::from(hello[compression]);
    let length = u16::from_be_bytes([hello[extensions], hello[extensions + 1]]);
    let longer = u16::try_from(usize::from(length) + 4 + padding).unwrap();
    hello[extensions..extensions + 2].copy_from_slice(&longer.to_be_bytes());
    // At the front: what resumes a session has to stand at the end.
    let mut extension = vec![0, 21];
    extension.extend(u16::try_from(padding).unwrap().to_be_bytes());
    extension.resize(4 + padding, 0);
    hello.splice(extensions + 2..extensions + 2, extension);
    let length = u32::try_from(hello.len() - 4).unwrap().to_be_bytes();
    hello[1..4].copy_from_slice(&length[1..]);
    hello
}

/// A client of the clear that came to the wrong port reads why.
#[test]
fn plain_http_is_told_so_wherever_it_is_cut() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for at in 1..=request.len() {
        paused(DEFAULTS, async |rig: Rig| {
            let (mut client, serving) = rig.secured_client(WIDE);
            say(&mut client, &request[..at]).await;
            settle().await;
            // The answer comes after the first byte, which has said everything.
            say(&mut client, &request[at..]).await;
            let answer = rest(&mut client).await;
            expect_last(&answer, 400);
            assert!(answer.contains("this port speaks TLS"), "{answer}");
            client.shutdown().await.unwrap();
            serving.await.unwrap();
            assert_eq!(rig.handshakes(HandshakeOutcome::PlainHttp), 1);
            assert_eq!(rig.handshakes(HandshakeOutcome::Failed), 0);
            rig.expect_idle();
        });
    }
}
