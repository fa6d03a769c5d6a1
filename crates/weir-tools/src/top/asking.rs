//! Who asks the admin listener, once a second, and says there what somebody wants to be said.
//!
//! It is a task beside the screen: a Weir that does not answer must not hold up a key.

use std::time::Duration;

use hyper::Method;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::report::Report;
use super::view::{Heard, Order};
use crate::admin_client::{AdminClient, AskError, encoded};

/// How often it asks.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// How long it waits for an answer; who looks on must not take what is old for what is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks and tells until nobody listens any more. Cancel safe: an order that is on its way may be done all the same.
pub(crate) async fn ask(client: AdminClient, mut orders: mpsc::Receiver<Order>, said: mpsc::Sender<Heard>) {
    let mut ticks = interval(INTERVAL);
    // After a wait for somebody who does not answer there is nothing to catch up with.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answered: Option<Instant> = None;
    loop {
        let order = tokio::select! {
            _ = ticks.tick() => None,
            order = orders.recv() => match order {
                Some(order) => Some(order),
                None => return,
            },
        };
        if let Some(order) = order {
            let done = Heard::Done(performed(&client, &order).await);
            if said.send(done).await.is_err() {
                return;
            }
        }
        let heard = match report(&client).await {
            Ok(report) => {
                let at = now();
                let elapsed = answered.replace(at).map_or(Duration::ZERO, |before| at - before);
                Heard::Report(report, elapsed)
            }
            Err(why) => Heard::Nothing(why),
        };
        if said.send(heard).await.is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of the live view: the time between two answers")]
fn now() -> Instant {
    Instant::now()
}

/// All that is to be seen, or why it is not, in one line.
async fn report(client: &AdminClient) -> Result<Report, String> {
    let (status, queues) = patiently(client, async {
        let status = client.ask(Method::GET, "/status").await?;
        match client.ask(Method::GET, "/queues").await {
            // It has never heard of queues.
            Err(AskError::Refused { .. }) => Ok((status, Value::Null)),
            queues => Ok((status, queues?)),
        }
    })
    .await?;
    Report::read(&status, &queues)
        .ok_or_else(|| format!("`{}` is no admin listener of Weir that knows upstreams", client.address()))
}

/// Tells the Weir, and gives what has come of it in one line.
async fn performed(client: &AdminClient, order: &Order) -> String {
    let Order { place, word } = order;
    let (pool, server) = (encoded(&place.pool), encoded(&place.server));
    let path = format!("/upstreams/{pool}/servers/{server}?state={}", word.parameter());
    match patiently(client, client.ask(Method::PUT, &path)).await {
        Ok(value) => format!("{} is {} now", place.server, value["state"].as_str().unwrap_or("told")),
        Err(why) => format!("not done: {why}"),
    }
}

/// What comes of asking within the time that somebody waits who looks on; or why nothing does, in one line without hints.
async fn patiently<T>(
    client: &AdminClient,
    asking: impl Future<Output = Result<T, AskError>>,
) -> Result<T, String> {
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    let error = match answer.unwrap_or_else(|_| Err(AskError::Slow(client.address().to_owned()))) {
        Ok(value) => return Ok(value),
        Err(error) => error.to_string(),
    };
    Err(error.split("\n\n").next().unwrap_or(&error).to_owned())
}
