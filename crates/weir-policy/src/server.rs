//! A server: it registers at a proxy and answers each message with the SHA-1 of its payload, many at once.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use weir_auth::secret::Secret;
use weir_upstream::io::deadline::{Deadlines, Wait, pause};
use weir_upstream::io::stream::Stream;

use crate::digest::sha1;
use crate::talk::{self, Patience, Talk, TalkError};
use crate::wire::message::Message;
use crate::wire::{Form, Value, WireLimits, answer, encode};

/// Messages that it answers at once; more wait to be accepted.
const AT_ONCE_MAX: usize = 4096;

/// How often it says that it is still there, so that a proxy that was restarted has it again.
const REGISTER_INTERVAL: Duration = Duration::from_secs(5);

/// How long a proxy may take to say that it is registered. One that knows nothing of that says nothing.
const CONFIRMATION: Duration = Duration::from_secs(2);

/// How long a connection may rest.
const PATIENCE: Patience<'static> =
    Patience { idle: Duration::from_secs(60), message: Duration::from_secs(10), sight: None };

/// The most bytes of a message; the proxy says what it takes.
const LIMITS: WireLimits = WireLimits { message_bytes_max: 16 << 20 };

/// What a server is.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Its number.
    pub id: i64,
    /// What it is a server for.
    pub policy: i64,
    /// Where it listens; 0 lets the system choose.
    pub port: u16,
    /// Where the proxy is.
    pub proxy: String,
    /// Whether connections to it may be used for more than one message.
    pub keep: bool,
    /// Whether it registers with a pickle, and so gets pickles.
    pub form: Form,
    /// What it shows to be let in.
    pub token: Option<Arc<Secret>>,
}

/// Why there is no server.
#[derive(Debug)]
pub enum ServeError {
    /// The proxy can't be reached.
    Proxy(String, io::Error),
    /// The port can't be had.
    Port(SocketAddr, io::Error),
    /// The proxy does not take it; why.
    Refused(String),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy(proxy, error) => write!(f, "the proxy at `{proxy}` can't be reached: {error}"),
            Self::Port(address, error) => write!(f, "`{address}` can't be listened on: {error}"),
            Self::Refused(reason) => write!(f, "the proxy does not register it: {reason}"),
        }
    }
}

impl std::error::Error for ServeError {}

/// Serves until it is dropped. `tell` is called with its address when it is registered.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(options: ServerOptions, tell: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let failed = |error| ServeError::Proxy(options.proxy.clone(), error);
    // It listens where the proxy sees it.
    let first = TcpStream::connect(&options.proxy).await.map_err(failed)?;
    let address =
        first.local_addr().map(|local| SocketAddr::new(local.ip(), options.port)).map_err(failed)?;
    let listener = TcpListener::bind(address).await.map_err(|error| ServeError::Port(address, error))?;
    let address = listener.local_addr().map_err(|error| ServeError::Port(address, error))?;
    let registration = registration(&options, address.port());
    let bytes = encode(options.form, &registration);
    register(first, &bytes).await.map_err(failed)?.map_err(ServeError::Refused)?;
    tell(address);
    let answering = LocalSet::new();
    answering
        .run_until(async {
            tokio::select! {
                () = accept(listener, options.id) => {}
                () = stay_registered(&options.proxy, &bytes) => {}
            }
        })
        .await;
    Ok(())
}

fn registration(options: &ServerOptions, port: u16) -> Value {
    let member = |name: &str, number: i64| (Value::text(name), Value::Int(number.into()));
    let mut members = vec![
        member("type", 1),
        member("id", options.id),
        member("privPolyId", options.policy),
        member("listenport", port.into()),
        (Value::text("confirm"), Value::Bool(true)),
    ];
    if options.keep {
        members.push((Value::text("keep"), Value::Bool(true)));
    }
    if let Some(token) = &options.token {
        // One that is no text could not be shown in a message.
        let token = String::from_utf8_lossy(token.expose());
        members.push((Value::text("token"), Value::text(token)));
    }
    Value::Dict(members)
}

/// Registers; the inner error is why the proxy does not want it.
async fn register(stream: TcpStream, bytes: &[u8]) -> io::Result<Result<(), String>> {
    let deadlines = Deadlines::new();
    let mut talk = Talk::new(Rc::new(Stream::tcp(stream)), LIMITS);
    talk::write(&talk.stream, bytes).await?;
    deadlines.set(Wait::Request, CONFIRMATION);
    let said = deadlines.guard(pin!(talk.next(&deadlines, None))).await;
    // Other proxies say nothing, or end the connection.
    let Ok(Ok(Some(frame))) = said else { return Ok(Ok(())) };
    Ok(match Message::of(&frame.value) {
        Ok(Message::Refusal) => Err(match frame.value.member("reason") {
            Some(Value::Text(reason)) => reason.to_string(),
            _ => "it does not say why".to_owned(),
        }),
        _ => Ok(()),
    })
}

async fn stay_registered(proxy: &str, bytes: &[u8]) {
    let mut refused = None;
    loop {
        pause(REGISTER_INTERVAL).await;
        // One that is away may be back the next time.
        let Ok(stream) = TcpStream::connect(proxy).await else { continue };
        match register(stream, bytes).await {
            Ok(Ok(())) => refused = None,
            Ok(Err(reason)) if refused.as_ref() != Some(&reason) => {
                tracing::warn!(proxy, reason, "the proxy does not register it any more");
                refused = Some(reason);
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

async fn accept(listener: TcpListener, id: i64) {
    let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let mut talking = JoinSet::new();
    loop {
        while talking.try_join_next().is_some() {}
        // The places are never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        if let Ok((stream, _)) = listener.accept().await {
            // A message is one write.
            let _ = stream.set_nodelay(true);
            talking.spawn_local(async move {
                answer_all(stream, id).await;
                drop(place);
            });
        } else {
            pause(Duration::from_millis(10)).await;
        }
    }
}

async fn answer_all(stream: TcpStream, id: i64) {
    let deadlines = Deadlines::new();
    let mut talk = Talk::new(Rc::new(Stream::tcp(stream)), LIMITS);
    loop {
        let next = deadlines.guard(pin!(talk.next(&deadlines, Some(PATIENCE)))).await;
        let frame = match next {
            Ok(Ok(Some(frame))) => frame,
            // A check connects and says nothing.
            Ok(Ok(None) | Err(TalkError::Connection(_))) | Err(_) => return,
            Ok(Err(TalkError::Wire(problem))) => {
                let form = talk.form().unwrap_or_default();
                let refusal = answer::refusal(form, None, &problem.to_string());
                // Whoever does not take it has gone.
                let _ = talk::write(&talk.stream, &refusal).await;
                return;
            }
        };
        talk.take(&frame);
        let reply = match (Message::of(&frame.value), frame.value.member("payload")) {
            (Ok(Message::Request(_)), Some(Value::Text(payload))) => {
                answer::answer(frame.form, &frame.value, id, &sha1(payload))
            }
            (Err(senseless), _) => answer::refusal(frame.form, Some(&frame.value), &senseless.to_string()),
            (Ok(_), _) => {
                answer::refusal(frame.form, Some(&frame.value), "a server answers messages of type 0")
            }
        };
        deadlines.set(Wait::ClientWrite, PATIENCE.message);
        let written = deadlines.guard(pin!(talk::write(&talk.stream, &reply))).await;
        deadlines.clear(Wait::ClientWrite);
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}
