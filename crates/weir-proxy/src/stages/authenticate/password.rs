//! Whether a password holds: remembered, worked out by others already, or worked out now.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use weir_auth::basic::Credentials;
use weir_auth::refusal::Refusal;
use weir_auth::secret::Secret;

use crate::exchange::Exchange;
use crate::runtime::authentication::basic::Basic;
use crate::runtime::authentication::memory::Known;
use crate::runtime::authentication::passwords::Outcome;
use crate::stages::failure::Failure;

/// The index of the user whom this Authorization field proves.
pub(super) async fn user(x: &mut Exchange, basic: &Basic) -> Result<usize, Failure> {
    let credentials = x.request.get("Authorization").and_then(Credentials::read);
    let credentials = credentials.ok_or(Failure::refused(Refusal::Missing))?;
    let credentials = credentials.map_err(Failure::refused)?;
    let candidate = basic.users.candidate(credentials.user());
    let worker = Rc::clone(&x.worker);
    let memory = &worker.proofs;
    let hash = candidate.hash.text().as_bytes();
    let mark = memory.mark(&[hash, credentials.user().as_bytes(), credentials.password()]);
    let known = mark.as_ref().map_or(Known::Nothing, |mark| memory.password(mark, x.now));
    let outcome = match known {
        Known::Outcome(holds) => return proved(candidate.user.filter(|_| holds)),
        Known::Pending(outcome) => outcome,
        Known::Nothing => {
            let password = Secret::new(credentials.password().to_vec());
            let outcome = basic.threads.verify(candidate.hash, password);
            let outcome = Rc::new(outcome.ok_or(Failure::refused(Refusal::Busy))?);
            if let Some(mark) = mark {
                memory.password_pending(mark, &outcome);
            }
            outcome
        }
    };
    // This takes long, and few requests come here: they have memory of their own for it.
    let holds = Box::pin(wait(x, &outcome)).await?;
    // Held against the hash of somebody else, it may hold all the same; a stranger stays one.
    let user = candidate.user.filter(|_| holds);
    if let Some(mark) = mark {
        memory.password_looked_at(mark, user.is_some(), x.now);
    }
    proved(user)
}

fn proved(user: Option<usize>) -> Result<usize, Failure> {
    user.ok_or(Failure::refused(Refusal::Wrong))
}

/// Waits for the outcome, for as long as the client does.
async fn wait(x: &mut Exchange, outcome: &Outcome) -> Result<bool, Failure> {
    let client = Rc::clone(&x.client);
    let mut outcome = outcome.clone();
    let found = {
        let mut worked_out = pin!(outcome.wait_for(Option::is_some));
        let either = poll_fn(|cx| match worked_out.as_mut().poll(cx) {
            // Without a word, the one who was at it is gone.
            Poll::Ready(found) => {
                Poll::Ready(found.ok().and_then(|found| *found).ok_or(Failure::refused(Refusal::Busy)))
            }
            Poll::Pending => client.stream.poll_reset(cx).map(|_| Err(Failure::ClientGone)),
        });
        client.deadlines.guard(pin!(either)).await
    };
    // What has come meanwhile, a body or the next request, must not keep later stages from seeing a reset.
    client.stream.watch_again();
    x.look();
    found.unwrap_or(Err(Failure::RequestTimeout))
}
