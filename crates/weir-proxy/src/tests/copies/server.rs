//! A server that does what the dice say: it is slow, answers before it was asked to the end, talks nonsense, breaks off or
//! says nothing at all. It notes what it got and what it said.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::time::timeout;
use weir_upstream::io::deadline::pause;

use super::journal::{By, Stamp, Visit};
use super::scene::Character;
use super::world::{Line, World};
use crate::tests::dice::Dice;
use crate::tests::message::{Coding, Incoming, coded, length_field};

const STATUSES: [u16; 16] = [200, 200, 201, 204, 301, 304, 400, 404, 404, 408, 409, 429, 500, 502, 503, 503];

/// What is no answer.
const NONSENSE: [&str; 8] = [
    "SSH-2.0-x\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
];

/// What it does with one request.
#[derive(Debug)]
struct Script {
    /// It answers when so much of the content has come; `None` waits for all.
    early: Option<usize>,
    /// It does not read while it waits and talks.
    deaf: bool,
    delay: Duration,
    interims: usize,
    says: Says,
    /// What comes behind the answer.
    then: Then,
    pauses: [Duration; 8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Answer,
    Nonsense,
    Nothing,
    HalfHead,
    HalfBody,
    Flood,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Keeps,
    SaysClose,
    Closes,
    Resets,
    Babbles,
    Hangs,
}

/// It is over with this connection.
#[derive(Debug)]
struct Over(By);

struct Talk {
    world: Rc<World>,
    line: Rc<Line>,
    character: Character,
    server: usize,
    from: ReadHalf<DuplexStream>,
    to: WriteHalf<DuplexStream>,
    unread: Vec<u8>,
    /// The place of the request in the journal.
    visit: Option<usize>,
    requests: usize,
}

/// Serves a connection to its end.
pub(super) async fn serve(world: Rc<World>, server: usize, pipe: DuplexStream, line: Rc<Line>) {
    let character = world.scene.servers[server];
    let (from, to) = split(pipe);
    let unread = Vec::new();
    let mut talk = Talk { world, line, character, server, from, to, unread, visit: None, requests: 0 };
    loop {
        if let Err(Over(by)) = talk.next().await {
            if let Some(visit) = talk.visit {
                talk.note(visit, |visit| {
                    visit.ended.get_or_insert((Stamp::now(), by));
                });
            }
            return;
        }
    }
}

impl Talk {
    fn note(&self, visit: usize, write: impl FnOnce(&mut Visit)) {
        write(&mut self.world.journal.borrow_mut().visits[visit]);
    }

    /// One request, if one comes.
    async fn next(&mut self) -> Result<(), Over> {
        let mut request = Incoming::request();
        let idle = self.character.idle.filter(|_| self.requests > 0);
        let first = self.read(&mut request);
        match idle {
            Some(idle) => timeout(idle, first).await.unwrap_or(Err(Over(By::Server)))?,
            None => first.await?,
        }
        self.line.is_clean.set(false);
        while !request.has_head() {
            self.read(&mut request).await?;
        }
        let visit = self.begin(&request);
        let script = self.world.draw(|dice| script(self.character, dice));
        if self.world.is_loud.get() {
            super::say(&format!("visit {visit}: {script:?}"));
        }
        self.note(visit, |visit| visit.reads_on = matches!(script.says, Says::Answer) && !script.deaf);
        let enough = |request: &Incoming| script.early.is_some_and(|early| request.content.len() >= early);
        while !request.is_whole() && !enough(&request) {
            self.read_noted(&mut request, visit).await?;
        }
        if request.is_whole() {
            self.note(visit, |visit| note_whole(visit, &request));
        }
        self.wait(script.delay, &mut request, visit, script.deaf).await?;
        self.answer(&script, &mut request, visit).await?;
        while !request.is_whole() {
            self.read_noted(&mut request, visit).await?;
        }
        self.behind(script.then).await?;
        assert!(self.unread.is_empty(), "a request behind a request");
        self.requests += 1;
        self.line.is_clean.set(true);
        Ok(())
    }

    fn begin(&mut self, request: &Incoming) -> usize {
        if let Some(before) = self.visit {
            self.note(before, |visit| visit.ended = None);
        }
        let number = request.field("X-Client").unwrap_or_else(|| panic!("whose is\n{}", request.head));
        let journal = &mut self.world.journal.borrow_mut();
        journal.visits.push(Visit {
            server: self.server,
            request: number.parse().unwrap(),
            line: self.line.number,
            reused: self.requests > 0,
            began: Stamp::now(),
            key: request.field("Idempotency-Key").map(str::to_owned),
            content: Vec::new(),
            trailers: String::new(),
            whole: None,
            status: None,
            says: Vec::new(),
            answered: None,
            babbled: None,
            done: None,
            ended: None,
            reads_on: false,
        });
        let visit = journal.visits.len() - 1;
        assert_eq!(request.method(), journal.requests[journal.visits[visit].request].method);
        self.visit = Some(visit);
        visit
    }

    /// Reads some of the request.
    async fn read(&mut self, request: &mut Incoming) -> Result<(), Over> {
        if self.unread.is_empty() {
            let mut room = [0; 4096];
            match self.from.read(&mut room).await {
                Ok(0) | Err(_) => return Err(Over(By::Weir)),
                Ok(count) => self.unread.extend_from_slice(&room[..count]),
            }
        }
        let used = request.feed(&self.unread);
        self.unread.drain(..used);
        Ok(())
    }

    async fn read_noted(&mut self, request: &mut Incoming, visit: usize) -> Result<(), Over> {
        let read = self.read(request).await;
        self.note(visit, |visit| {
            visit.content.clone_from(&request.content);
            if request.is_whole() {
                note_whole(visit, request);
            }
        });
        read
    }

    /// Lets time pass, and hears when Weir has enough of it.
    async fn wait(
        &mut self,
        delay: Duration,
        request: &mut Incoming,
        visit: usize,
        deaf: bool,
    ) -> Result<(), Over> {
        if delay.is_zero() {
            return Ok(());
        }
        if deaf && !request.is_whole() {
            pause(delay).await;
            return Ok(());
        }
        let reading = async {
            while !request.is_whole() {
                self.read_noted(request, visit).await?;
            }
            self.hear_end().await
        };
        timeout(delay, reading).await.unwrap_or(Ok(()))
    }

    /// Waits for the end of the connection; nothing else may come.
    async fn hear_end(&mut self) -> Result<(), Over> {
        assert!(self.unread.is_empty(), "bytes behind a request that was not answered");
        let mut room = [0];
        match self.from.read(&mut room).await {
            Ok(0) | Err(_) => Err(Over(By::Weir)),
            Ok(_) => panic!("bytes behind a request that was not answered"),
        }
    }

    async fn write(&mut self, bytes: &[u8], pauses: &[Duration]) -> Result<(), Over> {
        let pieces = self.world.draw(|dice| dice.pieces(bytes));
        for (piece, pause_before) in pieces.iter().zip(pauses.iter().cycle()) {
            if !pause_before.is_zero() {
                pause(*pause_before).await;
            }
            self.to.write_all(piece).await.map_err(|_| Over(By::Weir))?;
        }
        Ok(())
    }

    async fn answer(&mut self, script: &Script, request: &mut Incoming, visit: usize) -> Result<(), Over> {
        if matches!(script.says, Says::Flood | Says::Nonsense) {
            // Weir may have enough of it before it is said to the end.
            self.note(visit, |visit| visit.babbled = Some(Stamp::now()));
        }
        let interims = if script.says == Says::Flood { 20 } else { script.interims };
        for _ in 0..interims {
            self.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", &script.pauses).await?;
        }
        match script.says {
            Says::Flood | Says::Nothing => return self.end(script.then, request, visit).await,
            Says::Nonsense => {
                let nonsense = self.world.draw(|dice| dice.one_of(&NONSENSE));
                self.write(nonsense.as_bytes(), &script.pauses).await?;
                return self.end(script.then, request, visit).await;
            }
            Says::HalfHead => {
                self.write(b"HTTP/1.1 200 OK\r\nContent-Le", &script.pauses).await?;
                return self.end(script.then, request, visit).await;
            }
            Says::Answer | Says::HalfBody => {}
        }
        let number = self.world.journal.borrow().visits[visit].request;
        let character = self.character;
        let is_head = request.method() == "HEAD";
        let (status, content, coding, trailers) =
            self.world.draw(|dice| content(character, number, is_head, dice));
        let then = script.then;
        let close = if then == Then::SaysClose { "Connection: close\r\n" } else { "" };
        let length = length_field(coding, content.len());
        let head = format!("HTTP/1.1 {status} X\r\nX-Answer: {visit}\r\n{close}{length}\r\n");
        let is_bodiless = is_head || matches!(status, 204 | 304);
        let said = if is_bodiless { Vec::new() } else { content };
        self.note(visit, |visit| {
            visit.status = Some(status);
            visit.says.clone_from(&said);
        });
        self.write(head.as_bytes(), &script.pauses).await?;
        self.note(visit, |visit| visit.answered = Some(Stamp::now()));
        let body = self.world.draw(|dice| coded(coding, &said, trailers, dice));
        let body = if is_bodiless { Vec::new() } else { body };
        if script.says == Says::HalfBody && !body.is_empty() {
            self.write(&body[..body.len() / 2], &script.pauses).await?;
            // The end of the connection would make it look whole.
            let then = if coding == Coding::UntilClose && then != Then::Hangs { Then::Resets } else { then };
            return self.end(then, request, visit).await;
        }
        self.write(&body, &script.pauses).await?;
        self.note(visit, |visit| visit.done = Some(Stamp::now()));
        match coding {
            Coding::UntilClose if !is_bodiless => Err(Over(By::Server)),
            _ => Ok(()),
        }
    }

    /// Ends what is not whole.
    async fn end(&mut self, then: Then, request: &mut Incoming, visit: usize) -> Result<(), Over> {
        match then {
            Then::Hangs => {
                while !request.is_whole() {
                    self.read_noted(request, visit).await?;
                }
                self.hear_end().await
            }
            Then::Resets => self.reset().await,
            Then::Keeps | Then::SaysClose | Then::Closes | Then::Babbles => Err(Over(By::Server)),
        }
    }

    async fn reset(&mut self) -> Result<(), Over> {
        // What is on its way would be lost with it, and nobody could say what Weir has heard.
        pause(Duration::from_millis(1)).await;
        self.line.resetter.reset();
        Err(Over(By::Server))
    }

    /// What it does when it has said all of its answer and has heard all of the request.
    async fn behind(&mut self, then: Then) -> Result<(), Over> {
        match then {
            Then::Keeps | Then::Hangs => Ok(()),
            Then::SaysClose | Then::Closes => Err(Over(By::Server)),
            Then::Resets => self.reset().await,
            Then::Babbles => {
                self.write(b"HTTP/1.1 200 OK\r\nX-Answer: 0\r\nContent-Length: 0\r\n\r\n", &[Duration::ZERO])
                    .await?;
                self.hear_end().await
            }
        }
    }
}

fn note_whole(visit: &mut Visit, request: &Incoming) {
    visit.content.clone_from(&request.content);
    visit.trailers.clone_from(&request.trailers);
    visit.whole.get_or_insert_with(Stamp::now);
}

fn script(character: Character, dice: &mut Dice) -> Script {
    let ails = dice.percent(character.ails);
    let says = match ails {
        false => Says::Answer,
        true => dice.one_of(&[
            Says::Nonsense,
            Says::Nothing,
            Says::Nothing,
            Says::HalfHead,
            Says::HalfBody,
            Says::HalfBody,
            Says::Flood,
        ]),
    };
    let then = match ails {
        false => dice.one_of(&[
            Then::Keeps,
            Then::Keeps,
            Then::Keeps,
            Then::SaysClose,
            Then::Closes,
            Then::Resets,
            Then::Babbles,
        ]),
        true => dice.one_of(&[Then::Closes, Then::Resets, Then::Hangs]),
    };
    Script {
        early: dice.percent(25).then(|| dice.one_of(&[0, 0, 1, 100])),
        deaf: dice.percent(30),
        delay: dice.delay(character.slowness),
        interims: dice.one_of(&[0, 0, 0, 1, 3]),
        says,
        then,
        pauses: std::array::from_fn(|_| if dice.percent(20) { dice.delay(5) } else { Duration::ZERO }),
    }
}

/// What it has to say; the same as others have in many cases.
fn content(
    character: Character,
    request: usize,
    is_head: bool,
    dice: &mut Dice,
) -> (u16, Vec<u8>, Coding, &'static str) {
    let agrees = dice.percent(character.agrees);
    let status = if agrees { 200 } else { dice.one_of(&STATUSES) };
    let opinion = if agrees { 0 } else { dice.below(3) };
    let bytes =
        [20, 300, 9000, 0, 70_000][(request + opinion) % if dice.percent(95) || agrees { 4 } else { 5 }];
    let content = format!("opinion {opinion} of {request};").into_bytes();
    let content: Vec<u8> = content.into_iter().cycle().take(bytes).collect();
    let coding = match is_head {
        true => Coding::Sized,
        false => dice.one_of(&[Coding::Sized, Coding::Sized, Coding::Chunked, Coding::UntilClose]),
    };
    let trailers = if coding == Coding::Chunked && dice.percent(30) { "End: down\r\n" } else { "" };
    (status, content, coding, trailers)
}
