//! Handshakes that come to nothing: never finished, broken off at every byte, refused by either side, cut from outside.

use std::time::Duration;

use rustls::{AlertDescription, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use weir_core::handshake::HandshakeOutcome;
use weir_upstream::io::deadline::{now, pause};

use super::certificate;
use super::rig::{DEFAULTS, Rig, WIDE, expect_last, expect_passed, paused, rest, seconds};
use super::secured_client::{End, SecuredClient};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Reads to the end, whatever it is.
async fn raw_rest(pipe: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// Demands that a client which does this and then nothing has ten seconds from its connection on.
fn check_unfinished(pipe_bytes: usize, client: impl AsyncFnOnce(DuplexStream) -> DuplexStream) {
    paused(DEFAULTS, async |rig: Rig| {
        let begun = now();
        let (pipe, serving) = rig.secured_client(pipe_bytes);
        let pipe = client(pipe).await;
        serving.await.unwrap();
        expect_passed(begun, seconds(10));
        assert_eq!(rig.handshakes(HandshakeOutcome::TimedOut), 1);
        assert_eq!(rig.handshakes(HandshakeOutcome::Failed), 0);
        rig.expect_idle();
        drop(pipe);
    });
}

#[test]
fn a_handshake_has_ten_seconds() {
    check_unfinished(WIDE, async |pipe| pipe);
    for count in [1, 5, 6, 100] {
        check_unfinished(WIDE, async |pipe| {
            let mut client = SecuredClient::new(pipe);
            let hello = client.records();
            client.pipe.write_all(&hello[..count]).await.unwrap();
            client.pipe
        });
    }
    // One that sends a byte now and then has no more.
    check_unfinished(WIDE, async |pipe| {
        let mut client = SecuredClient::new(pipe);
        for byte in &client.records()[..9] {
            client.pipe.write_all(&[*byte]).await.unwrap();
            pause(seconds(1)).await;
        }
        client.pipe
    });
    // Ours is said, theirs is not finished.
    check_unfinished(WIDE, async |pipe| {
        let mut client = SecuredClient::new(pipe);
        let hello = client.records();
        client.pipe.write_all(&hello).await.unwrap();
        pause(seconds(9)).await;
        client.pipe
    });
    // Ours can't be said, because nobody takes it.
    check_unfinished(100, async |pipe| {
        let mut client = SecuredClient::new(pipe);
        let hello = client.records();
        client.pipe.write_all(&hello).await.unwrap();
        client.pipe
    });
}

#[test]
fn how_long_a_handshake_has_can_be_written() {
    let config = format!("timeouts: {{tls_handshake: 2s}}\n{DEFAULTS}");
    paused(&config, async |rig: Rig| {
        let begun = now();
        let (mut pipe, serving) = rig.secured_client(WIDE);
        assert_eq!(raw_rest(&mut pipe).await, b"");
        expect_passed(begun, seconds(2));
        serving.await.unwrap();
        expect_passed(begun, seconds(2));
    });
}

#[test]
fn a_handshake_that_is_finished_in_time_has_all_the_time_afterwards() {
    paused(DEFAULTS, async |rig: Rig| {
        let (pipe, serving) = rig.secured_client(WIDE);
        pause(seconds(10) - MILLISECOND).await;
        let mut client = SecuredClient::connected(pipe).await;
        let begun = now();
        pause(seconds(70)).await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.answer().await.starts_with("HTTP/1.1 502 "));
        let answered = now();
        assert_eq!(client.rest().await, (String::new(), End::Announced));
        expect_passed(answered, seconds(75));
        assert_eq!(now() - begun, seconds(145));
        serving.await.unwrap();
    });
}

/// Whether the client says that it will send no more, or is gone.
#[test]
fn wherever_a_handshake_is_broken_off_nothing_is_left_of_it() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut broken = 0;
        let hello = SecuredClient::new(rig.secured(WIDE).0).records();
        for count in 0..=hello.len() {
            for is_gone in [false, true] {
                let (pipe, serving) = rig.secured_client(WIDE);
                let mut client = SecuredClient::new(pipe);
                let hello = client.records();
                client.pipe.write_all(&hello[..count]).await.unwrap();
                if !is_gone {
                    client.pipe.shutdown().await.unwrap();
                    raw_rest(&mut client.pipe).await;
                }
                drop(client);
                expect_ended(serving).await;
                broken += 1;
            }
        }
        for count in 0.. {
            let (pipe, serving) = rig.secured_client(WIDE);
            let mut client = SecuredClient::new(pipe);
            let hello = client.records();
            client.pipe.write_all(&hello).await.unwrap();
            while client.tls.is_handshaking() {
                client.receive().await.unwrap();
            }
            let last = client.records();
            client.pipe.write_all(&last[..count]).await.unwrap();
            drop(client);
            expect_ended(serving).await;
            if count == last.len() {
                break;
            }
            broken += 1;
        }
        assert_eq!(rig.handshakes(HandshakeOutcome::Failed), broken);
        assert_eq!(rig.handshakes(HandshakeOutcome::Full), 1);
        rig.expect_idle();
    });
}

async fn expect_ended(serving: JoinHandle<()>) {
    let begun = now();
    serving.await.unwrap();
    expect_passed(begun, Duration::ZERO);
}

#[test]
fn garbage_is_refused_at_once_whatever_it_begins_with() {
    let any = (0..=255_u8).filter(|byte| !byte.is_ascii_uppercase());
    let mut all: Vec<Vec<u8>> =
        any.map(|first| [first, 3, 3, 0, 4].into_iter().chain([9; 100]).collect()).collect();
    // A message of the handshake that nobody knows, and one that is not the first.
    for kind in [99, 2, 20] {
        all.push(vec![22, 3, 3, 0, 4, kind, 0, 0, 0]);
    }
    // Somebody who refuses us before we have said anything, and somebody who says goodbye.
    all.push(vec![21, 3, 3, 0, 2, 2, 40]);
    all.push(vec![21, 3, 3, 0, 2, 1, 0]);
    for bytes in all {
        paused(DEFAULTS, async |rig: Rig| {
            let begun = now();
            let (mut pipe, serving) = rig.secured_client(WIDE);
            pipe.write_all(&bytes).await.unwrap();
            let said = raw_rest(&mut pipe).await;
            expect_passed(begun, Duration::ZERO);
            // RFC 8446 §6: an alert, fatal.
            assert_eq!((said.first(), said.get(5)), (Some(&21), Some(&2)), "{bytes:?}: {said:?}");
            drop(pipe);
            expect_ended(serving).await;
            assert_eq!(rig.handshakes(HandshakeOutcome::Failed), 1);
            rig.expect_idle();
        });
    }
}

#[test]
fn what_is_no_record_is_answered_as_http_only_if_it_looks_like_it() {
    for text in ["SSH-2.0-x\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "A"] {
        paused(DEFAULTS, async |rig: Rig| {
            let (mut pipe, _serving) = rig.secured_client(WIDE);
            pipe.write_all(text.as_bytes()).await.unwrap();
            expect_last(&rest(&mut pipe).await, 400);
            assert_eq!(rig.handshakes(HandshakeOutcome::PlainHttp), 1);
        });
    }
}

/// A record that is spoiled in the middle of the handshake.
#[test]
fn a_spoiled_handshake_is_refused_with_the_reason() {
    paused(DEFAULTS, async |rig: Rig| {
        let (pipe, serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::new(pipe);
        let hello = client.records();
        client.pipe.write_all(&hello).await.unwrap();
        while client.tls.is_handshaking() {
            client.receive().await.unwrap();
        }
        let mut last = client.records();
        *last.last_mut().unwrap() ^= 1;
        client.pipe.write_all(&last).await.unwrap();
        assert_eq!(client.rest().await.1, End::Refused(Error::AlertReceived(AlertDescription::BadRecordMac)));
        drop(client);
        expect_ended(serving).await;
        assert_eq!(rig.handshakes(HandshakeOutcome::Failed), 1);
        rig.expect_idle();
    });
}

/// It may be sending requests already, and would never learn why if that were answered with a reset.
#[test]
fn a_client_that_was_refused_is_read_from_for_a_second() {
    paused(DEFAULTS, async |rig: Rig| {
        let (pipe, serving) = rig.secured_client(1000);
        let mut config = certificate::client();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let mut client = SecuredClient::with(pipe, config);
        let begun = now();
        let refused = client.shake_hands().await.unwrap_err();
        let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        assert_eq!(refused, End::Refused(alert));
        client.pipe.write_all(&[0; 100_000]).await.unwrap();
        expect_passed(begun, Duration::ZERO);
        assert_eq!(rig.handshakes(HandshakeOutcome::Failed), 1, "counted when it is refused");
        serving.await.unwrap();
        expect_passed(begun, seconds(1));
        rig.expect_idle();
    });
}

#[test]
fn a_client_that_refuses_us_is_counted() {
    paused(DEFAULTS, async |rig: Rig| {
        let (pipe, serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::with(pipe, certificate::stranger());
        let refused = client.shake_hands().await.unwrap_err();
        assert!(matches!(refused, End::Refused(Error::InvalidCertificate(_))), "{refused:?}");
        let alert = client.records();
        client.pipe.write_all(&alert).await.unwrap();
        drop(client);
        expect_ended(serving).await;
        assert_eq!(rig.handshakes(HandshakeOutcome::Failed), 1);
        rig.expect_idle();
    });
}

#[test]
fn a_connection_may_be_cut_in_its_handshake() {
    for count in [0, 1, 100, usize::MAX] {
        paused(DEFAULTS, async |rig: Rig| {
            let (pipe, serving) = rig.secured_client(WIDE);
            let mut client = SecuredClient::new(pipe);
            let hello = client.records();
            client.pipe.write_all(&hello[..count.min(hello.len())]).await.unwrap();
            pause(MILLISECOND).await;
            let [(id, _)] = &rig.worker.registry.list()[..] else { panic!("one connection") };
            rig.worker.registry.cut(*id);
            expect_ended(serving).await;
            raw_rest(&mut client.pipe).await;
            for outcome in HandshakeOutcome::ALL {
                assert_eq!(rig.handshakes(outcome), 0, "{outcome:?}");
            }
            rig.expect_idle();
        });
    }
}

#[test]
fn a_handshake_that_is_in_progress_when_the_drain_begins_is_finished_and_served() {
    paused(DEFAULTS, async |rig: Rig| {
        let (pipe, serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::new(pipe);
        let hello = client.records();
        client.pipe.write_all(&hello[..100]).await.unwrap();
        pause(seconds(3)).await;
        rig.worker.begin_drain(seconds(5));
        pause(seconds(3)).await;
        client.pipe.write_all(&hello[100..]).await.unwrap();
        client.shake_hands().await.unwrap();
        pause(seconds(1)).await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (answer, end) = client.rest().await;
        expect_last(&answer, 502);
        assert_eq!(end, End::Announced);
        serving.await.unwrap();
        rig.worker.registry.emptied().await;
        rig.expect_idle();
    });
}

#[test]
fn a_handshake_that_is_not_finished_does_not_hold_up_the_drain_for_longer_than_it_may_take() {
    paused(DEFAULTS, async |rig: Rig| {
        let (_pipe, serving) = rig.secured_client(WIDE);
        pause(seconds(3)).await;
        rig.worker.begin_drain(seconds(5));
        let begun = now();
        serving.await.unwrap();
        expect_passed(begun, seconds(7));
        rig.worker.registry.emptied().await;
        rig.expect_idle();
    });
}
