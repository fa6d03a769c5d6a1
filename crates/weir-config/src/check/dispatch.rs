//! How many servers get a request: which keys belong to which mode, and whether there are enough servers for it.

use std::time::Duration;

use weir_core::dispatch::{
    Acknowledge, After, CatchUp, DuplicateRule, Full, HedgeRule, MajorityRule, Mode, Otherwise, RaceRule,
    StatusSet,
};

use crate::file::dispatch::keys::DispatchFile;
use crate::file::dispatch::{ANY_METHOD, DispatchesFile};
use crate::model::{Dispatch, Dispatches};
use crate::problem::{Problem, Problems};
use crate::source::At;
use crate::suggest::alternatives;

/// What a mode must know of the servers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// How many there are; `None` when some are found by name, so that nobody knows.
    pub(super) servers: Option<usize>,
}

/// The keys of each mode beside `mode`.
const KEYS: [(Mode, &[&str]); 5] = [
    (Mode::Balance, &[]),
    (
        Mode::Duplicate,
        &[
            "acknowledge",
            "answer_timeout",
            "catch_up",
            "order",
            "keep",
            "backlog",
            "backlog_bytes",
            "dead_letters",
            "dead_letters_bytes",
            "full",
        ],
    ),
    (Mode::Race, &["usable", "width", "stagger", "otherwise", "best"]),
    (Mode::Hedge, &["after", "at_most", "budget"]),
    (Mode::Majority, &["otherwise", "best"]),
];

/// Methods that change something; beside a `duplicate` it is probably a mistake not to name them.
const WRITING: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// The modes of a route; `None` when they were wrong.
pub(super) fn dispatch(
    written: Option<&DispatchesFile>,
    group: Group,
    problems: &mut Problems,
) -> Option<Dispatches> {
    let mut dispatches = Dispatches::default();
    let mut is_good = true;
    for (method, file) in written.into_iter().flat_map(|written| &written.by_method) {
        match mode(file, group, problems) {
            None => is_good = false,
            Some(dispatch) if &*method.value == ANY_METHOD => dispatches.others = dispatch,
            Some(dispatch) => dispatches.by_method.push((method.value.clone(), dispatch)),
        }
    }
    if let Some(written) = written.filter(|_| is_good) {
        warn_of_unlisted(written, problems);
    }
    is_good.then_some(dispatches)
}

/// `semantics.md` §3: an unlisted writing method beside a `duplicate` would go to one server only.
fn warn_of_unlisted(written: &DispatchesFile, problems: &mut Problems) {
    let names: Vec<&str> = written.by_method.iter().map(|(method, _)| &*method.value).collect();
    let duplicate = written.by_method.iter().find(|(_, file)| file.value.mode == Mode::Duplicate);
    let Some((method, _)) = duplicate.filter(|_| !names.contains(&ANY_METHOD)) else { return };
    let unlisted: Vec<&str> = WRITING.into_iter().filter(|method| !names.contains(method)).collect();
    if !unlisted.is_empty() {
        let which = alternatives(unlisted.iter().copied());
        problems.push(
            Problem::warning(method.span, format!("{which} would go to one server only"))
                .hint("name them too, or write `\"*\": duplicate` with `GET: balance`"),
        );
    }
}

fn mode(written: &At<DispatchFile>, group: Group, problems: &mut Problems) -> Option<Dispatch> {
    let file = &written.value;
    let own = KEYS.iter().find(|(mode, _)| *mode == file.mode).map_or(&[][..], |(_, keys)| keys);
    let mut is_good = true;
    for (key, span) in file.keys.iter().filter(|(key, _)| *key != "mode" && !own.contains(key)) {
        is_good = false;
        let owners = KEYS.iter().filter(|(_, keys)| keys.contains(key)).map(|(mode, _)| mode.name());
        problems.push(
            Problem::error(*span, format!("`{key}` means nothing to `{}`", file.mode.name()))
                .hint(format!("it belongs to {}", alternatives(owners))),
        );
    }
    let made = match file.mode {
        Mode::Balance => Dispatch::Balance,
        Mode::Duplicate => Dispatch::Duplicate(duplicate(file, group, problems)?),
        Mode::Race => Dispatch::Race(race(file, group, problems)),
        Mode::Hedge => Dispatch::Hedge(HedgeRule {
            after: file.after.unwrap_or(After::Percentile),
            at_most: file.at_most.unwrap_or(Duration::from_secs(1)),
            budget_share: file.budget.unwrap_or(0.05),
        }),
        Mode::Majority => {
            Dispatch::Majority(MajorityRule { otherwise: otherwise(file, Some(502), problems) })
        }
    };
    is_good.then_some(made)
}

fn race(file: &DispatchFile, group: Group, problems: &mut Problems) -> RaceRule {
    let width = file.width.and_then(|width| u32::try_from(width).ok());
    if let (Some(width), Some((_, span))) = (width, file.keys.iter().find(|(key, _)| *key == "width"))
        && let Some(servers) = group.servers.filter(|servers| width as usize > *servers)
    {
        let message = format!("`width` is more than the servers, of which there are {servers}");
        problems.push(Problem::warning(*span, message).hint("take it away to ask all of them"));
    }
    RaceRule {
        usable: file.usable.unwrap_or(StatusSet::USABLE),
        width,
        stagger: file.stagger.unwrap_or(Duration::ZERO),
        otherwise: otherwise(file, None, problems),
    }
}

fn otherwise(file: &DispatchFile, default: Option<u16>, problems: &mut Problems) -> Otherwise {
    let chosen = file.otherwise.unwrap_or(default);
    let best = file.keys.iter().find(|(key, _)| *key == "best");
    if let (Some(_), Some((_, span))) = (chosen, best) {
        problems.push(
            Problem::warning(*span, "`best` has no effect: another answer is given then")
                .hint("write `otherwise: best`"),
        );
    }
    match chosen {
        Some(status) => Otherwise::Status(status),
        None => {
            let classes = || (2..=5).map(|class| StatusSet::EMPTY.with_class(class)).collect();
            Otherwise::Best(file.best.clone().unwrap_or_else(classes))
        }
    }
}

fn duplicate(file: &DispatchFile, group: Group, problems: &mut Problems) -> Option<DuplicateRule> {
    let acknowledge = file.acknowledge.unwrap_or(Acknowledge::First);
    if let (Acknowledge::Number(number), Some((_, span))) =
        (acknowledge, file.keys.iter().find(|(key, _)| *key == "acknowledge"))
        && let Some(servers) = group.servers.filter(|servers| number as usize > *servers)
    {
        let message = format!("{number} servers can't acknowledge: there are {servers}");
        problems.push(Problem::error(*span, message).hint("write `all`, or a smaller number"));
        return None;
    }
    Some(duplicate_rule(file, acknowledge))
}

/// What holds for a `duplicate` of which nothing is written.
pub(crate) fn usual_duplicate() -> DuplicateRule {
    duplicate_rule(&DispatchFile::default(), Acknowledge::First)
}

/// The rule that these keys make, with this acknowledgement.
pub(super) fn duplicate_rule(file: &DispatchFile, acknowledge: Acknowledge) -> DuplicateRule {
    DuplicateRule {
        acknowledge,
        answer_timeout: file.answer_timeout.unwrap_or(Duration::from_secs(10)),
        strict_order: file.strict_order.unwrap_or(false),
        catch_up: file.catch_up.unwrap_or(CatchUp::Memory),
        keep: file.keep.unwrap_or(Duration::from_secs(24 * 3600)),
        backlog_max: file.backlog.unwrap_or(100_000),
        backlog_bytes_max: file.backlog_bytes.unwrap_or(1 << 30),
        dead_letters_max: file.dead_letters.unwrap_or(100_000),
        dead_letters_bytes_max: file.dead_letters_bytes.unwrap_or(256 << 20),
        full: file.full.unwrap_or(Full::Reject),
    }
}
