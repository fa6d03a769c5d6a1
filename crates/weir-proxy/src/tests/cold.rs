//! Connections that have been idle for so long that they have given back what only requests need.

use std::mem::size_of_val;

use weir_upstream::io::deadline::pause;

use super::rig::{DEFAULTS, GET, OK, Rig, WIDE, head, paused, say, seconds, take};

/// How a client is told of to servers is forgotten while it is silent, and must be the same afterwards.
#[test]
fn who_comes_back_after_a_while_is_told_of_as_before() {
    paused(DEFAULTS, async |mut rig: Rig| {
        for (proxy_header, client_address) in
            [("", "192.0.2.1"), ("PROXY TCP4 192.0.2.7 198.51.100.2 56324 443\r\n", "192.0.2.7")]
        {
            let mut server = rig.keep(0, WIDE);
            rig.proxy_headers = !proxy_header.is_empty();
            let (mut client, _serving) = rig.client(WIDE);
            say(&mut client, proxy_header).await;
            let mut told = Vec::new();
            // The second one comes while everything is still there. Connections to servers are kept for four seconds.
            for silence in [seconds(0), seconds(0), seconds(3), seconds(2)] {
                pause(silence).await;
                say(&mut client, GET).await;
                let request = head(&mut server).await;
                assert!(request.contains(&format!("X-Forwarded-For: {client_address}\r\n")), "{request}");
                let of_a_request = |line: &&str| !line.starts_with("X-Request-Id");
                told.push(request.lines().filter(of_a_request).map(str::to_owned).collect::<Vec<_>>());
                say(&mut server, OK).await;
                assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
                assert_eq!(take(&mut client, 2).await, "ok");
            }
            assert!(told.iter().all(|request| request == &told[0]), "{told:#?}");
        }
    });
}

/// The task of a connection was two futures, both with all that was accepted in them, twice as large as what an idle connection needs.
#[test]
fn the_task_of_a_connection_is_small() {
    paused(DEFAULTS, async |rig: Rig| {
        let (_client, serving) = rig.connection(WIDE);
        let bytes = size_of_val(&serving);
        assert!(bytes <= 512, "the task of a connection takes {bytes} bytes");
    });
}
