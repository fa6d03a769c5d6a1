//! Which connections are open: each worker is asked, and looks through its own table.
//!
//! A worker looks at so few at a time that nobody whom it serves notices. One that does not answer is left out, and counted. One
//! connection is cut in the same way: by its worker, which is told.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use weir_core::ports::connections::{
    ConnectionAnswer, ConnectionPage, ConnectionSource, Cursor, CutAnswer, CutOutcome,
};

use super::inbox::{ConnectionId, Inspection, Message, Query};
use super::status::ProcessStatus;

/// Connections of which one answer of a worker tells: about a tenth of a millisecond.
const SLICE: usize = 100;

/// How long a worker may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A worker that can be asked for as long as it runs. It holds no worker: one whose inbox nobody else has ends.
pub(super) type Asked = (u64, mpsc::WeakSender<Message>);

/// Whoever can be asked.
#[derive(Debug)]
pub(super) struct Connections {
    status: Arc<ProcessStatus>,
    workers: ArcSwap<Vec<Asked>>,
}

impl Connections {
    /// Those of a process of which this is known; there are no workers yet.
    pub(super) fn of(status: &Arc<ProcessStatus>) -> Arc<Self> {
        Arc::new(Self { status: Arc::clone(status), workers: ArcSwap::default() })
    }

    /// These are the workers, in the order of their numbers.
    pub(super) fn note_workers(&self, workers: Vec<Asked>) {
        self.workers.store(Arc::new(workers));
    }
}

impl ConnectionSource for Connections {
    fn connections(&self, from: Cursor, max: usize) -> ConnectionAnswer<'_> {
        Box::pin(async move {
            let workers = self.workers.load_full();
            let total = self.status.connections_open();
            let mut page = ConnectionPage { total, ..ConnectionPage::default() };
            for (id, inbox) in workers.iter().filter(|(id, _)| *id >= from.worker) {
                let mut next = Some(if *id == from.worker { from.place } else { 0 });
                while let Some(place) = next {
                    let left = max - page.connections.len();
                    if left == 0 {
                        page.next = Some(Cursor { worker: *id, place });
                        return page;
                    }
                    // One that is gone has no connections.
                    let Some(inbox) = inbox.upgrade() else { break };
                    match ask(&inbox, *id, place, left.min(SLICE)).await {
                        Ok(Some(Inspection::Page(more, then))) => {
                            page.connections.extend(more);
                            next = then;
                        }
                        Ok(_) => break,
                        Err(Silent) => {
                            page.silent_workers += 1;
                            break;
                        }
                    }
                }
            }
            page
        })
    }

    fn cut(&self, name: &str) -> CutAnswer<'_> {
        let named = named(name);
        Box::pin(async move {
            let Some((worker, connection)) = named else { return CutOutcome::Unknown };
            let workers = self.workers.load_full();
            let inbox = workers.iter().find(|(id, _)| *id == worker).and_then(|(_, inbox)| inbox.upgrade());
            // One that is gone has no connections.
            let Some(inbox) = inbox else { return CutOutcome::Unknown };
            let told = async {
                let (reply, cut) = oneshot::channel();
                inbox.send(Message::Cut(connection, reply)).await.ok()?;
                cut.await.ok()
            };
            match timeout(PATIENCE, told).await {
                Ok(Some(true)) => CutOutcome::Cut,
                Ok(_) => CutOutcome::Unknown,
                Err(_) => CutOutcome::Silent,
            }
        })
    }
}

/// The worker and the connection that are called so on a page.
fn named(name: &str) -> Option<(u64, ConnectionId)> {
    let (worker, connection) = name.split_once('-')?;
    Some((worker.parse().ok()?, ConnectionId(connection.parse().ok()?)))
}

/// A worker has not answered in time.
struct Silent;

/// What a worker says of its connections; nothing when it is gone.
async fn ask(
    inbox: &mpsc::Sender<Message>,
    worker: u64,
    from: usize,
    max: usize,
) -> Result<Option<Inspection>, Silent> {
    let asked = async {
        let (reply, answer) = oneshot::channel();
        inbox.send(Message::Inspect(Query::Page { worker, from, max }, reply)).await.ok()?;
        answer.await.ok()
    };
    timeout(PATIENCE, asked).await.map_err(|_| Silent)
}
