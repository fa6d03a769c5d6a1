//! Where an upgrade is asked for from another task: the admin listener asks, and whoever runs the process decides.

use tokio::sync::{mpsc, oneshot};
use weir_core::ports::upgrade::{NewProcess, Upgrade, UpgradeAnswer, UpgradeControl, UpgradeError};

/// Questions that may wait; they are looked at without delay.
const QUESTIONS_MAX: usize = 4;

/// What comes of it.
pub(crate) type Outcome = Result<NewProcess, UpgradeError>;

/// Somebody who asks, and waits.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What for.
    pub(crate) wish: Upgrade,
    /// Told what comes of it.
    pub(crate) reply: oneshot::Sender<Outcome>,
}

/// Where one asks.
#[derive(Debug, Clone)]
pub(crate) struct Counter(mpsc::Sender<Asked>);

/// A counter, and where its questions come out.
pub(crate) fn open() -> (Counter, mpsc::Receiver<Asked>) {
    let (sender, receiver) = mpsc::channel(QUESTIONS_MAX);
    (Counter(sender), receiver)
}

impl UpgradeControl for Counter {
    fn upgrade(&self, wish: Upgrade) -> UpgradeAnswer<'_> {
        Box::pin(async {
            let (reply, answer) = oneshot::channel();
            let ends = || UpgradeError::Refused("this process ends already".to_owned());
            self.0.send(Asked { wish, reply }).await.map_err(|_| ends())?;
            answer.await.unwrap_or_else(|_| Err(ends()))
        })
    }
}
