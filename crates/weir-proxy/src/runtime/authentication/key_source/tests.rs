//! When keys are fetched, by a clock that the tests turn.
#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::task::LocalSet;
use tokio::time::Instant;

use super::*;

const ONE: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const TWO: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"two","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// An issuer that answers what a test says, and notes when it was asked.
struct Issuer {
    begun: Instant,
    answer: RefCell<Result<Document, String>>,
    takes: Cell<Duration>,
    asked: RefCell<Vec<Duration>>,
}

impl Issuer {
    fn new(answer: Result<Document, String>) -> Rc<Self> {
        let answer = RefCell::new(answer);
        Rc::new(Self { begun: now(), answer, takes: Cell::default(), asked: RefCell::default() })
    }

    fn say(&self, answer: Result<Document, String>) {
        *self.answer.borrow_mut() = answer;
    }

    async fn fetch(self: Rc<Self>) -> Result<Document, String> {
        self.asked.borrow_mut().push(now() - self.begun);
        if !self.takes.get().is_zero() {
            pause(self.takes.get()).await;
        }
        self.answer.borrow().clone()
    }

    /// In which seconds it was asked since this was called last.
    fn asked_at(&self) -> Vec<u64> {
        self.asked.take().iter().map(Duration::as_secs).collect()
    }
}

fn document(content: &str, max_age: Option<u64>) -> Result<Document, String> {
    Ok(Document { content: content.as_bytes().to_vec(), max_age: max_age.map(Duration::from_secs) })
}

/// Runs a test with a source that this issuer is asked for.
async fn with(issuer: &Rc<Issuer>, test: impl AsyncFnOnce(KeySource)) {
    let (source, fetcher) = KeySource::new("https://i.test/keys", &Algorithm::ALL);
    let issuer = Rc::clone(issuer);
    let local = LocalSet::new();
    let fetching = local.spawn_local(fetcher.run(move || Rc::clone(&issuer).fetch()));
    local
        .run_until(async {
            test(source).await;
            // Nobody holds the source any more, so its task ends.
            fetching.await.unwrap();
        })
        .await;
}

async fn seconds(count: u64) {
    pause(Duration::from_secs(count)).await;
}

fn generation(source: &KeySource) -> Option<u64> {
    source.keys().as_ref().map(|published| published.generation)
}

#[tokio::test(start_paused = true)]
async fn a_document_holds_as_long_as_its_issuer_says_within_bounds() {
    for (max_age, expected) in [(None, 600), (Some(0), 60), (Some(300), 300), (Some(1 << 40), 86_400)] {
        let issuer = Issuer::new(document(ONE, max_age));
        with(&issuer, async |source| {
            seconds(2 * expected + 1).await;
            assert_eq!(issuer.asked_at(), [0, expected, 2 * expected], "{max_age:?}");
            assert!(generation(&source).is_some());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_fetched_at_once_and_not_more_than_once_a_second() {
    let issuer = Issuer::new(document(ONE, None));
    with(&issuer, async |source| {
        seconds(10).await;
        assert_eq!(issuer.asked_at(), [0]);
        source.want();
        tokio::task::yield_now().await;
        seconds(1).await;
        assert_eq!(issuer.asked_at(), [10]);
        // A storm: for five seconds somebody asks all the time.
        for _ in 0..5000 {
            source.want();
            pause(Duration::from_millis(1)).await;
        }
        let asked = issuer.asked_at();
        assert!((4..=6).contains(&asked.len()), "{asked:?}");
        assert!(asked.is_sorted_by(|first, second| first < second), "{asked:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_issuer_is_asked_by_one_at_a_time() {
    let issuer = Issuer::new(document(ONE, None));
    issuer.takes.set(Duration::from_secs(7));
    with(&issuer, async |source| {
        for _ in 0..2000 {
            source.want();
            pause(Duration::from_millis(10)).await;
        }
        assert_eq!(issuer.asked_at(), [0, 7, 14]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_kept_while_the_issuer_is_down() {
    let issuer = Issuer::new(document(ONE, Some(60)));
    with(&issuer, async |source| {
        seconds(1).await;
        let first = generation(&source);
        for bad in [
            Err("refused".to_owned()),
            document("<html>", None),
            document("{\"keys\":[]}", None),
            document("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", None),
        ] {
            issuer.say(bad);
            seconds(300).await;
            assert_eq!(generation(&source), first);
        }
        assert!(first.is_some());
        issuer.say(document(TWO, None));
        seconds(61).await;
        assert!(generation(&source) > first, "it came back with other keys");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_issuer_is_asked_less_and_less() {
    let issuer = Issuer::new(Err("refused".to_owned()));
    with(&issuer, async |source| {
        seconds(200).await;
        assert_eq!(issuer.asked_at(), [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        assert!(source.keys().is_none());
        // Somebody waits for them, and the issuer is back.
        issuer.say(document(ONE, None));
        source.want();
        tokio::task::yield_now().await;
        seconds(1).await;
        assert_eq!(issuer.asked_at(), [200]);
        assert!(source.keys().is_some());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn only_another_document_is_another_generation() {
    let issuer = Issuer::new(document(ONE, Some(60)));
    with(&issuer, async |source| {
        seconds(1).await;
        let first = generation(&source);
        seconds(300).await;
        assert_eq!(generation(&source), first);
        issuer.say(document(TWO, Some(60)));
        seconds(60).await;
        let second = generation(&source);
        assert!(second > first);
        issuer.say(document(ONE, Some(60)));
        seconds(60).await;
        assert!(generation(&source) > second, "what was withdrawn and comes back is new");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn keys_for_other_algorithms_are_none() {
    let (source, fetcher) = KeySource::new("https://i.test/keys", &[Algorithm::Rs256]);
    assert!(fetcher.publish(document(ONE, None).unwrap()).unwrap_err().contains("no key for the algorithms"));
    assert!(source.keys().is_none());
}
