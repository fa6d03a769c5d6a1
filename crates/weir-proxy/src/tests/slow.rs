//! Sides that are slow, and never so slow that they would run into a timeout: nobody else pays for them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_upstream::io::deadline::pause;

use super::rig::{DEFAULTS, OK, Rig, WIDE, expect_last, head, paused, say, seconds, take};

/// A slow client, and a server that has said everything long ago.
fn check_slow_client(fields: &'static str, pieces: [&'static str; 2], end: &'static str) {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, _serving) = rig.client(16);
        let client_task = tokio::task::spawn_local(async move {
            say(&mut client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            let mut answer = String::new();
            loop {
                pause(seconds(30)).await;
                let mut bytes = [0; 16];
                match client.read(&mut bytes).await.unwrap() {
                    0 => return answer,
                    count => answer += std::str::from_utf8(&bytes[..count]).unwrap(),
                }
            }
        });
        head(&mut server).await;
        say(&mut server, &format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{}", pieces[0])).await;
        pause(seconds(1)).await;
        say(&mut server, pieces[1]).await;
        let answer = client_task.await.unwrap();
        assert!(answer.ends_with(end), "{answer}");
    });
}

#[test]
fn a_client_that_is_slow_but_takes_its_bytes_gets_them_all() {
    check_slow_client("Content-Length: 6", ["abc", "def"], "\r\n\r\nabcdef");
    check_slow_client(
        "Transfer-Encoding: chunked",
        ["3\r\nabc\r\n", "3\r\ndef\r\n0\r\n\r\n"],
        "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
    );
}

#[test]
fn a_server_that_takes_a_body_slowly_costs_the_client_nothing() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, 4);
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc").await;
        let server_task = tokio::task::spawn_local(async move {
            let mut request = String::new();
            while !request.ends_with("abcdef") {
                pause(seconds(10)).await;
                request += &take(&mut server, 1).await;
            }
            say(&mut server, OK).await;
        });
        pause(seconds(20)).await;
        say(&mut client, "def").await;
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        server_task.await.unwrap();
    });
}

#[test]
fn an_answer_of_ours_is_not_cut_because_the_body_of_the_request_stands_still() {
    paused(DEFAULTS, async |rig: Rig| {
        let (mut client, _serving) = rig.client(16);
        say(&mut client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na").await;
        let mut answer = String::new();
        loop {
            pause(seconds(1)).await;
            let mut byte = [0];
            match client.read(&mut byte).await.unwrap() {
                0 => break,
                _ => answer.push(char::from(byte[0])),
            }
        }
        expect_last(&answer, 502);
    });
}

/// An answer of ours to a request with this method, taken byte by byte, ends where its head says.
#[test]
fn answers_of_ours_are_whole_however_slowly_they_are_taken() {
    for (method, has_body) in [("GET", true), ("HEAD", false)] {
        paused(DEFAULTS, async |rig: Rig| {
            let (mut client, _serving) = rig.client(1);
            let sending = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
            for byte in sending.as_bytes() {
                client.write_all(&[*byte]).await.unwrap();
            }
            let answer = head(&mut client).await;
            assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
            let length = answer.split("\r\nContent-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
            if has_body {
                let body = take(&mut client, length.parse().unwrap()).await;
                assert!(body.starts_with("502 Bad Gateway: ") && body.ends_with('\n'), "{body}");
            }
            // The connection goes on right behind it.
            say(&mut client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(head(&mut client).await.starts_with("HTTP/1.1 502 "));
        });
    }
}
