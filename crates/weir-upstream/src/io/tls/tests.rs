//! TLS over pipes of any width: what goes in comes out, and every kind of end is told apart.
#![allow(clippy::unwrap_used)]

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use rustls::crypto::aws_lc_rs;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256 as SUITE;
use rustls::crypto::cipher::{AeadKey, Iv, MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::crypto::tls13::OkmBlock;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ContentType, KeyLog, ProtocolVersion, RootCertStore, ServerConfig,
    ServerConnection, Tls13CipherSuite,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::UnixStream;

use super::{FRUITLESS_READS_MAX, Input};
use crate::io::buffer::ReadBuffer;
use crate::io::stream::Stream;

/// A certificate for `a.example`, and the server that has it.
fn certificate() -> (CertificateDer<'static>, ServerConfig) {
    let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let certificate = made.cert.der().clone();
    let server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
    (certificate, server.unwrap())
}

/// Both ends of a pipe of so many bytes, with TLS on it and nothing said yet; the client trusts this certificate.
fn ends(pipe_bytes: usize, trusted: CertificateDer<'static>, server: ServerConfig) -> (Stream, Stream) {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let (near, far) = duplex(pipe_bytes);
    let name = ServerName::try_from("a.example").unwrap();
    (
        Stream::test(near).with_tls(ClientConnection::new(Arc::new(client), name).unwrap()),
        Stream::test(far).with_tls(ServerConnection::new(Arc::new(server)).unwrap()),
    )
}

fn pair(pipe_bytes: usize) -> (Stream, Stream) {
    let (trusted, server) = certificate();
    ends(pipe_bytes, trusted, server)
}

async fn handshake(stream: &Stream) -> io::Result<()> {
    while poll_fn(|cx| stream.poll_handshake(cx)).await? == Input::Arrived {
        stream.advance_handshake()?;
    }
    Ok(())
}

async fn connected(pipe_bytes: usize) -> (Stream, Stream) {
    let (client, server) = pair(pipe_bytes);
    let (one, other) = tokio::join!(handshake(&client), handshake(&server));
    one.unwrap();
    other.unwrap();
    (client, server)
}

async fn write_all(stream: &Stream, bytes: &[u8]) {
    let mut sent = 0;
    while sent < bytes.len() {
        sent += poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(&bytes[sent..])])).await.unwrap();
    }
}

async fn read_some(stream: &Stream) -> io::Result<Vec<u8>> {
    let mut buffer = ReadBuffer::new();
    poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await?;
    Ok(buffer.unread().to_vec())
}

async fn read_count(stream: &Stream, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(read_some(stream).await.unwrap());
    }
    all
}

#[tokio::test]
async fn what_goes_in_comes_out_however_narrow_the_pipe() {
    for (pipe_bytes, count) in [(1, 1_000_u32), (100, 20_000), (64 * 1024, 200_000)] {
        let (client, server) = connected(pipe_bytes).await;
        let sent: Vec<u8> = (0..count).map(|n| n.to_le_bytes()[0]).collect();
        let upload = async {
            write_all(&client, &sent).await;
            // What the last write took may still wait to be sent; a later call of any kind sends it.
            let answered = read_count(&client, 2).await;
            assert_eq!(read_some(&client).await.unwrap(), b"", "an end that was announced");
            answered
        };
        let answer = async {
            let got = read_count(&server, sent.len()).await;
            write_all(&server, b"ok").await;
            poll_fn(|cx| server.poll_shutdown(cx)).await.unwrap();
            got
        };
        let (answered, got) = tokio::join!(upload, answer);
        assert_eq!(answered, b"ok");
        assert!(got == sent, "pipe of {pipe_bytes} bytes");
    }
}

#[tokio::test]
async fn several_slices_arrive_in_order() {
    let (client, server) = connected(64 * 1024).await;
    let count = poll_fn(|cx| client.poll_write(cx, &[IoSlice::new(b"one "), IoSlice::new(b"two")])).await;
    assert_eq!(count.unwrap(), 7);
    assert_eq!(read_count(&server, 7).await, b"one two");
}

/// Slices are cut to pieces for rustls, and a write may take the beginning of them only.
#[tokio::test]
async fn slices_of_every_size_arrive_in_order() {
    let (client, server) = connected(64 * 1024).await;
    let sizes = [1, 2047, 0, 2048, 2049, 300, 70_000, 0, 1, 100_000];
    let all: Vec<u8> = (0..sizes.iter().sum::<usize>()).map(|n| (n / 7).to_le_bytes()[0]).collect();
    let write = async {
        let mut rest = &all[..];
        let mut slices = sizes.map(|size| {
            let (slice, behind) = rest.split_at(size);
            rest = behind;
            IoSlice::new(slice)
        });
        let mut left = &mut slices[..];
        while !left.is_empty() {
            let count = poll_fn(|cx| server.poll_write(cx, left)).await.unwrap();
            assert!(count > 0);
            IoSlice::advance_slices(&mut left, count);
        }
        poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
    };
    let ((), got) = tokio::join!(write, read_count(&client, all.len()));
    assert!(got == all);
}

/// Somebody on the way could cut an answer short otherwise, and it would look whole (RFC 8446 §6.1).
#[tokio::test]
async fn an_end_that_nobody_announced_is_an_error() {
    let (client, server) = connected(64 * 1024).await;
    write_all(&server, b"half an answer").await;
    drop(server);
    assert_eq!(read_count(&client, 14).await, b"half an answer");
    assert_eq!(read_some(&client).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_connection_that_ends_in_the_handshake_is_an_error() {
    let (client, server) = pair(64 * 1024);
    drop(server);
    assert!(handshake(&client).await.is_err());
}

#[tokio::test]
async fn a_certificate_of_nobody_known_names_the_reason() {
    let (unrelated, _) = certificate();
    let (_, server) = certificate();
    let (client, server) = ends(64 * 1024, unrelated, server);
    let serving = async {
        let refused = handshake(&server).await.unwrap_err();
        assert!(refused.get_ref().unwrap().is::<rustls::Error>(), "{refused:?}");
    };
    let asking = async {
        let error = handshake(&client).await.unwrap_err();
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        assert!(matches!(inner, Some(rustls::Error::InvalidCertificate(_))), "{error:?}");
        // The alert is sent, so that the server knows why as well.
        poll_fn(|cx| client.poll_shutdown(cx)).await.unwrap();
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn readable_means_bytes_for_the_user_of_the_stream() {
    let (client, server) = connected(64 * 1024).await;
    // The server has sent tickets behind its handshake; they are nobody's bytes.
    let waiting = tokio::time::timeout(std::time::Duration::ZERO, poll_fn(|cx| client.poll_readable(cx)));
    assert!(waiting.await.is_err(), "tickets are not something to read");
    write_all(&server, b"x").await;
    poll_fn(|cx| client.poll_readable(cx)).await;
    assert_eq!(read_some(&client).await.unwrap(), b"x");
    drop(server);
    poll_fn(|cx| client.poll_readable(cx)).await;
}

/// A client whose records a test can spoil on their way, and the server's stream. The client says `first` as soon as it may.
async fn spoilable(first: &[u8]) -> (ClientConnection, DuplexStream, Stream) {
    let (trusted, config) = certificate();
    let (near, far) = duplex(64 * 1024);
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("a.example").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let server = Stream::test(far).with_tls(ServerConnection::new(Arc::new(config)).unwrap());
    let mut near = near;
    let theirs = async {
        while client.is_handshaking() {
            while client.wants_write() {
                near.write_all(&records(&mut client)).await.unwrap();
            }
            if client.is_handshaking() {
                take_in(&mut client, &mut near).await;
            }
        }
        client.writer().write_all(first).unwrap();
        near.write_all(&records(&mut client)).await.unwrap();
    };
    let (ours, ()) = tokio::join!(handshake(&server), theirs);
    ours.unwrap();
    (client, near, server)
}

/// What a client has to send.
fn records(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

async fn take_in(client: &mut ClientConnection, pipe: &mut DuplexStream) {
    let mut bytes = vec![0; 64 * 1024];
    let count = pipe.read(&mut bytes).await.unwrap();
    let mut left = &bytes[..count];
    while !left.is_empty() {
        client.read_tls(&mut left).unwrap();
        client.process_new_packets().unwrap();
    }
}

/// A record that was tampered with was noticed while the connection was idle, and told by no read: whoever read because
/// there was something to read waited, whoever waited was told that there was, and so on without end.
#[tokio::test]
async fn a_spoiled_record_is_told_by_every_read_and_not_waited_behind() {
    let (mut client, mut pipe, server) = spoilable(b"").await;
    client.writer().write_all(b"fine").unwrap();
    let fine = records(&mut client);
    client.writer().write_all(b"spoiled").unwrap();
    let mut spoiled = records(&mut client);
    *spoiled.last_mut().unwrap() ^= 1;
    pipe.write_all(&[fine, spoiled].concat()).await.unwrap();
    poll_fn(|cx| server.poll_readable(cx)).await;
    assert_eq!(read_some(&server).await.unwrap(), b"fine", "what came before it still counts");
    for _ in 0..3 {
        poll_fn(|cx| server.poll_readable(cx)).await;
        assert!(!server.is_quiet() && !server.seems_quiet());
        let error = read_some(&server).await.unwrap_err();
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        assert_eq!(inner, Some(&rustls::Error::DecryptError));
    }
    // The other side is told.
    poll_fn(|cx| server.poll_shutdown(cx)).await.unwrap();
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).await.unwrap();
    let mut left = &bytes[..];
    let alert = loop {
        assert!(!left.is_empty(), "there is no alert");
        client.read_tls(&mut left).unwrap();
        if let Err(error) = client.process_new_packets() {
            break error;
        }
    };
    assert_eq!(alert, rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
}

/// A write takes more than the network does. Nobody may have to write again for the rest to go.
#[tokio::test]
async fn a_flush_sends_what_writes_have_taken() {
    let (client, server) = connected(1000).await;
    let sent = vec![7; 20_000];
    let taken = poll_fn(|cx| server.poll_write(cx, &[IoSlice::new(&sent)])).await.unwrap();
    assert!(taken > 1000 && server.has_unsent(), "{taken}");
    let flush = poll_fn(|cx| server.poll_flush(cx));
    let (flushed, read) = tokio::join!(flush, read_count(&client, taken));
    flushed.unwrap();
    assert_eq!(read.len(), taken);
    assert!(!server.has_unsent());
}

#[tokio::test]
async fn a_stream_that_moves_says_so_also_when_it_has_to_wait() {
    let (client, server) = connected(1000).await;
    while !matches!(poll_now(|cx| server.poll_write(cx, &[IoSlice::new(&[7; 5000])])), Poll::Pending) {}
    let _ = (server.take_sent(), client.take_received());
    assert!(poll_now(|cx| server.poll_flush(cx)).is_pending());
    assert!(!server.take_sent(), "the pipe is full");
    // The client takes the beginning of a record.
    let mut buffer = ReadBuffer::new();
    assert!(poll_now(|cx| client.poll_read(cx, &mut buffer)).is_pending());
    assert!(client.take_received() && !client.take_received());
    assert!(poll_now(|cx| server.poll_flush(cx)).is_pending());
    assert!(server.take_sent() && !server.take_sent());
}

fn poll_now<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(Waker::noop()))
}

/// The other side may be sending for as long as it likes after it was refused.
#[tokio::test]
async fn what_comes_after_the_end_is_forgotten() {
    let (mut client, mut pipe, server) = spoilable(b"").await;
    client.writer().write_all(&[1; 10_000]).unwrap();
    pipe.write_all(&records(&mut client)).await.unwrap();
    pipe.write_all(b"and no TLS at all").await.unwrap();
    pipe.shutdown().await.unwrap();
    poll_fn(|cx| server.poll_forget(cx)).await;
}

/// Tickets were a segment and a system call of their own in each new connection.
#[tokio::test]
async fn tickets_go_with_the_first_answer() {
    let (mut client, mut pipe, server) = spoilable(b"request").await;
    poll_fn(|cx| server.poll_readable(cx)).await;
    assert_eq!(read_some(&server).await.unwrap(), b"request");
    assert!(!server.has_unsent(), "nobody waits for tickets");
    let sent = poll_now(|cx| pin!(pipe.read(&mut [0])).poll(cx));
    assert!(sent.is_pending(), "they have gone alone");
    write_all(&server, b"answer").await;
    take_in(&mut client, &mut pipe).await;
    assert_eq!(client.tls13_tickets_received(), 2);
    let mut answer = [0; 6];
    client.reader().read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
}

/// A client that wants tickets and nothing else does not wait for long.
#[tokio::test]
async fn tickets_go_when_there_is_nothing_to_read() {
    let (mut client, mut pipe, server) = spoilable(b"request").await;
    assert_eq!(read_some(&server).await.unwrap(), b"request");
    assert!(poll_now(|cx| server.poll_readable(cx)).is_pending());
    take_in(&mut client, &mut pipe).await;
    assert_eq!(client.tls13_tickets_received(), 2);
    let (mut client, mut pipe, server) = spoilable(b"").await;
    assert!(poll_now(|cx| server.poll_read(cx, &mut ReadBuffer::new())).is_pending());
    take_in(&mut client, &mut pipe).await;
    assert_eq!(client.tls13_tickets_received(), 2);
}

/// A client that writes its records itself, because rustls writes no senseless ones.
struct Writer {
    suite: &'static Tls13CipherSuite,
    secret: Vec<u8>,
    encrypter: Box<dyn MessageEncrypter>,
    written: u64,
}

impl Writer {
    fn new(suite: &'static Tls13CipherSuite, secret: Vec<u8>) -> Self {
        let iv = derive::<12>(suite, &secret, "iv");
        let encrypter =
            suite.aead_alg.encrypter(AeadKey::from(derive::<32>(suite, &secret, "key")), Iv::from(iv));
        Self { suite, secret, encrypter, written: 0 }
    }

    fn record(&mut self, typ: ContentType, content: &[u8]) -> Vec<u8> {
        let payload = OutboundChunks::Single(content);
        let message = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_3, payload };
        self.written += 1;
        self.encrypter.encrypt(message, self.written - 1).unwrap().encode()
    }

    /// 110 KiB of empty records, and often enough new keys (RFC 8446 §4.6.3): rustls counts either, and begins anew with the
    /// other.
    fn flood(&mut self) -> Vec<u8> {
        let mut flood = Vec::new();
        for _ in 0..250 {
            (0..20).for_each(|_| flood.extend(self.record(ContentType::ApplicationData, b"")));
            flood.extend(self.record(ContentType::Handshake, &[24, 0, 0, 1, 0]));
            *self = Self::new(self.suite, derive::<32>(self.suite, &self.secret, "traffic upd").to_vec());
        }
        assert!(flood.len() > FRUITLESS_READS_MAX * 4096 * 3 / 2, "{}", flood.len());
        flood
    }
}

/// RFC 8446 §7.1.
fn derive<const BYTES: usize>(suite: &Tls13CipherSuite, secret: &[u8], label: &str) -> [u8; BYTES] {
    let mut out = [0; BYTES];
    let label = format!("tls13 {label}");
    let lengths = [0, u8::try_from(BYTES).unwrap(), u8::try_from(label.len()).unwrap()];
    let expander = suite.hkdf_provider.expander_for_okm(&OkmBlock::new(secret));
    expander.expand_slice(&[&lengths, label.as_bytes(), &[0]], &mut out).unwrap();
    out
}

/// Hears with which secret the client writes.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<u8>>);

impl KeyLog for Heard {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if label == "CLIENT_TRAFFIC_SECRET_0" {
            *self.0.lock().unwrap() = secret.to_vec();
        }
    }
}

/// A server's stream on a socket, whose handshake lies behind it, and its client.
fn served() -> (Stream, UnixStream, Writer) {
    let (trusted, config) = certificate();
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![SUITE];
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13]);
    let mut client = client.unwrap().with_root_certificates(roots).with_no_client_auth();
    let heard = Arc::new(Heard::default());
    client.key_log = heard.clone();
    let name = ServerName::try_from("a.example").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    while server.is_handshaking() {
        server.read_tls(&mut &records(&mut client)[..]).unwrap();
        server.process_new_packets().unwrap();
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut &bytes[..]).unwrap();
        client.process_new_packets().unwrap();
    }
    let (near, far) = UnixStream::pair().unwrap();
    let secret = heard.0.lock().unwrap().clone();
    (Stream::unix(near).with_tls(server), far, Writer::new(SUITE.tls13().unwrap(), secret))
}

/// Empty records, changes of keys and tickets concern nobody but TLS. Whether an idle connection is quiet was asked in a
/// loop without an end, so that a client that kept sending them kept a whole worker.
#[tokio::test]
async fn a_flood_of_what_concerns_nobody_is_not_quiet_and_ends_the_look_at_it() {
    let (server, mut pipe, mut client) = served();
    assert!(server.is_quiet());
    pipe.write_all(&client.record(ContentType::ApplicationData, b"")).await.unwrap();
    assert!(server.is_quiet(), "one is nothing");
    pipe.write_all(&client.flood()).await.unwrap();
    assert!(!server.is_quiet());
}

/// Waiting for bytes and reading them went on for as long as the runtime lets one task go on. It counts bytes; of records
/// without any that is milliseconds of decrypting, at each turn of this one connection.
#[tokio::test]
async fn a_flood_of_what_concerns_nobody_leaves_others_their_turn() {
    for reads in [false, true] {
        let (server, mut pipe, mut client) = served();
        pipe.write_all(&client.flood()).await.unwrap();
        pipe.write_all(&client.record(ContentType::ApplicationData, b"x")).await.unwrap();
        let (mut turns, mut buffer) = (0, ReadBuffer::new());
        let reading = poll_fn(|cx| {
            turns += 1;
            if reads { server.poll_read(cx, &mut buffer).map(drop) } else { server.poll_readable(cx) }
        });
        reading.await;
        // The first may be the one that waits for the runtime to hear of it.
        assert!(turns > 2, "all of it at one turn");
        if !reads {
            poll_fn(|cx| server.poll_read(cx, &mut buffer)).await.unwrap();
        }
        assert_eq!(buffer.unread(), b"x");
    }
}
