//! Rates under a clock that the tests turn: what is refused, what the client is told, and that it holds.

use weir_core::ports::Status;
use weir_core::refusal::Refusal;
use weir_upstream::io::deadline::pause;

use super::rig::{Rig, WIDE, head, paused, say, seconds, take};

/// All requests are answered by Weir itself, under this rule.
fn config(rate: &str) -> String {
    format!(
        "services: [{{host: '*', respond: {{body: ok}}, admit: {{rate: {rate}}}}}]\n\
         upstreams: {{u: {{servers: ['127.0.0.1:1']}}}}\ntrusted_proxies: 192.0.2.1"
    )
}

/// Sends a request with these fields and gives the head of the answer.
async fn ask(client: &mut tokio::io::DuplexStream, fields: &str) -> String {
    say(client, &format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
    let head = head(client).await;
    let length = head.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    take(client, length.parse().unwrap()).await;
    head
}

/// The status, and the values of X-RateLimit-Limit, -Remaining and -Reset and of Retry-After.
fn told(head: &str) -> (u16, [Option<u64>; 4]) {
    let field = |name: &str| {
        let value = head.split(&format!("\r\n{name}: ")).nth(1)?;
        Some(value.split("\r\n").next().unwrap().parse().unwrap())
    };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"].map(field))
}

#[test]
fn over_the_rate_a_client_is_told_when_to_come_again_and_may_then() {
    paused(&config("{rate: 10/m, burst: 3}"), async |rig: Rig| {
        let (mut client, _serving) = rig.client(WIDE);
        for (left, reset) in [(2, 6), (1, 12), (0, 18)] {
            assert_eq!(told(&ask(&mut client, "").await), (200, [Some(3), Some(left), Some(reset), None]));
        }
        for _ in 0..3 {
            let (status, [limit, left, reset, after]) = told(&ask(&mut client, "").await);
            assert_eq!((status, limit, left, reset, after), (429, Some(3), Some(0), Some(18), Some(6)));
        }
        pause(seconds(5)).await;
        assert_eq!(told(&ask(&mut client, "").await), (429, [Some(3), Some(0), Some(13), Some(1)]));
        // A word for the seconds is rounded to them; the clock of a rate is finer.
        pause(seconds(1) + seconds(1) / 1000).await;
        assert_eq!(told(&ask(&mut client, "").await), (200, [Some(3), Some(0), Some(18), None]));
        // An hour later everything is as it was at first.
        pause(seconds(3600)).await;
        let (mut client, _serving) = rig.client(WIDE);
        assert_eq!(told(&ask(&mut client, "").await), (200, [Some(3), Some(2), Some(6), None]));
        let mut status = Status::default();
        rig.counters.add_to(&mut status);
        assert_eq!(status.refused_by_reason[Refusal::Rate as usize], 4);
    });
}

#[test]
fn each_key_has_its_rate() {
    let check = |rate: &str, requests: &'static [(&'static str, u16)]| {
        paused(&config(rate), async |rig: Rig| {
            let (mut client, _serving) = rig.client(WIDE);
            for (fields, expected) in requests {
                assert_eq!(told(&ask(&mut client, fields).await).0, *expected, "{fields}");
            }
        });
    };
    check("1/h", &[("", 200), ("", 429)]);
    check(
        "{rate: 1/h, by: address}",
        &[
            ("X-Forwarded-For: 10.0.0.1\r\n", 200),
            ("X-Forwarded-For: 10.0.0.2\r\n", 200),
            ("X-Forwarded-For: ::ffff:10.0.0.1\r\n", 429),
            ("X-Forwarded-For: 10.0.0.9, 10.0.0.2\r\n", 429),
            // One half of an IPv6 address is one client.
            ("X-Forwarded-For: 2001:db8::1\r\n", 200),
            ("X-Forwarded-For: 2001:db8::ffff:2\r\n", 429),
            ("X-Forwarded-For: 2001:db8:0:1::1\r\n", 200),
        ],
    );
    check(
        "{rate: 1/h, by: route}",
        &[("X-Forwarded-For: 10.0.0.1\r\n", 200), ("X-Forwarded-For: 10.0.0.2\r\n", 429)],
    );
    check(
        "{rate: 1/h, by: {header: X-Tenant}}",
        &[
            ("x-tenant: a\r\n", 200),
            ("X-Tenant: b\r\n", 200),
            ("X-Tenant: a\r\n", 429),
            ("X-Tenant: A\r\n", 200),
            ("X-Tenant: a\r\nX-Tenant: b\r\n", 200),
            ("X-Tenant: a, b\r\n", 200),
            ("X-Tenant: \r\n", 200),
            // Whoever leaves the field away shares one rate with all who do.
            ("", 200),
            ("X-Forwarded-For: 10.0.0.1\r\n", 429),
        ],
    );
    // Without authentication nobody has a name.
    check("{rate: 1/h, by: key}", &[("", 200), ("X-Forwarded-For: 10.0.0.1\r\n", 429)]);
}

#[test]
fn of_several_rates_the_tightest_is_told_and_a_refused_request_is_charged_in_none() {
    paused(&config("[{rate: 1/h, burst: 2}, {rate: 1/h, burst: 3, by: route}]"), async |rig: Rig| {
        let (mut client, _serving) = rig.client(WIDE);
        let from = |address: &str| format!("X-Forwarded-For: {address}\r\n");
        let (status, [limit, left, ..]) = told(&ask(&mut client, &from("10.0.0.1")).await);
        assert_eq!((status, limit, left), (200, Some(2), Some(1)));
        let (status, [limit, left, ..]) = told(&ask(&mut client, &from("10.0.0.1")).await);
        assert_eq!((status, limit, left), (200, Some(2), Some(0)));
        for _ in 0..5 {
            let (status, [limit, ..]) = told(&ask(&mut client, &from("10.0.0.1")).await);
            assert_eq!((status, limit), (429, Some(2)), "by its address");
        }
        let (status, [limit, left, ..]) = told(&ask(&mut client, &from("10.0.0.2")).await);
        assert_eq!((status, limit, left), (200, Some(3), Some(0)), "none of those was charged to the route");
        for address in ["10.0.0.3", "10.0.0.3", "10.0.0.3"] {
            let (status, [limit, ..]) = told(&ask(&mut client, &from(address)).await);
            assert_eq!((status, limit), (429, Some(3)), "by the route");
        }
    });
}

#[test]
fn a_route_without_rates_says_nothing_of_them() {
    paused(&config("1/h").replace(", admit: {rate: 1/h}", ""), async |rig: Rig| {
        let (mut client, _serving) = rig.client(WIDE);
        for _ in 0..3 {
            assert_eq!(told(&ask(&mut client, "").await), (200, [None; 4]));
        }
    });
}
