//! `log`, `request_id` and `trace`: what the program tells of itself, and by which ids requests are found again.

use weir_core::log_level::{BadLevels, Level, Levels, MODULES};

use crate::complaint::Complaint;
use crate::model::{Believed, OperationalForm, OperationalLog, RequestIds, Share, Trace, TraceRule};
use crate::node::{Node, NodeKind};
use crate::source::At;
use crate::suggest::nearest;

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional};
use super::describe::Shape;
use super::kind::{Either, Kind, Mapped, Placed};
use super::named::Named;
use super::scalar::{Boolean, SHARE, Words};
use super::table::{Field, Kept, Mapping, Table};

const LEVEL: Words<Level> = Words {
    label: "level of the log",
    words: &[
        ("off", Level::Off),
        ("error", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
    ],
    later: &[],
};

const FORM: Words<OperationalForm> = Words {
    label: "form of the log",
    words: &[("text", OperationalForm::Text), ("json", OperationalForm::Json)],
    later: &[],
};

/// `log` as a mapping, as it was written.
#[derive(Debug, Default)]
pub(crate) struct LogFile {
    level: Option<Level>,
    modules: Vec<(At<String>, Level)>,
    form: Option<OperationalForm>,
}

fn module(name: &str) -> Result<String, Complaint> {
    let first = name.split("::").next().unwrap_or_default();
    Levels::default().put(name, Level::Info).map(|()| name.to_owned()).map_err(|error| {
        let complaint = Complaint::new(error.to_string());
        match nearest(first, MODULES).filter(|known| *known != first) {
            Some(known) => complaint.hint(format!("did you mean `{known}{}`?", &name[first.len()..])),
            None => complaint.hint(error.hint()),
        }
    })
}

/// `log` as a mapping
pub(crate) static LOG: Table<LogFile> = Table {
    name: "log",
    doc: "`log` as a mapping.",
    fields: &[
        Field {
            name: "level",
            presence: Unless("info"),
            value: &Kept(LEVEL, |log: &mut LogFile, level| log.level = Some(level)),
            doc: "`off`, `error`, `warn` (someone should look), `info`, `debug` or `trace`.",
        },
        Field {
            name: "modules",
            presence: Optional,
            value: &Kept(
                Named { key: "module", pattern: "^[a-z0-9_:]+$", name: module, of: LEVEL },
                |log: &mut LogFile, modules| log.modules = modules,
            ),
            doc: "Other levels for some modules: `{weir_proxy: debug, weir_upstream::health: trace}`. The longest name counts.",
        },
        Field {
            name: "format",
            presence: Unless("text"),
            value: &Kept(FORM, |log: &mut LogFile, form| log.form = Some(form)),
            doc: "`text`, or `json`: one object per line.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// A level, or a mapping.
pub(crate) struct LogKind;

impl Kind for LogKind {
    type Value = OperationalLog;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<OperationalLog> {
        let NodeKind::Mapping(_) = node.kind else {
            let level = LEVEL.decode(node, decoder)?;
            return Some(OperationalLog { levels: Some(Levels::all(level)), form: None });
        };
        let file = Mapping(&LOG).decode(node, decoder)?;
        let is_said = file.level.is_some() || !file.modules.is_empty();
        let mut levels = Levels::all(file.level.unwrap_or_default());
        for (module, level) in file.modules {
            decoder.accept(module.span, levels.put(&module.value, level).map_err(complaint));
        }
        Some(OperationalLog { levels: is_said.then_some(levels), form: file.form })
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![LEVEL.shape(), Shape::Mapping(&LOG)])
    }
}

fn complaint(error: BadLevels) -> Complaint {
    Complaint::new(error.to_string()).hint(error.hint())
}

const BELIEVED: Words<Believed> = Words {
    label: "group of clients",
    words: &[
        ("anyone", Believed::Anyone),
        ("trusted_proxies", Believed::TrustedProxies),
        ("nobody", Believed::Nobody),
    ],
    later: &[],
};

/// `request_id`, as it was written
#[derive(Debug, Default)]
pub(crate) struct RequestIdFile {
    /// What it says.
    pub(crate) ids: RequestIds,
    /// `from`
    pub(crate) from: Option<At<Believed>>,
}

/// `request_id`
pub(crate) static REQUEST_ID: Table<RequestIdFile> = Table {
    name: "request id",
    doc: "What becomes of `X-Request-Id`.",
    fields: &[
        Field {
            name: "from",
            presence: Unless("anyone"),
            value: &Kept(Placed(BELIEVED), |file: &mut RequestIdFile, from| {
                file.ids.from = from.value;
                file.from = Some(from);
            }),
            doc: "Whose ids are kept: those of `anyone`, of `trusted_proxies` or of `nobody`. One that is not kept, stands twice, is \
                  longer than 128 characters or not visible ASCII is replaced by one of ours.",
        },
        Field {
            name: "answer",
            presence: Unless("true"),
            value: &Kept(Boolean, |file: &mut RequestIdFile, on| file.ids.answer = on),
            doc: "Whether answers carry it.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

const TRACE_RULE: Words<TraceRule> = Words {
    label: "rule for traces",
    words: &[("off", TraceRule::Off), ("continue", TraceRule::Continue), ("begin", TraceRule::Begin)],
    later: &[],
};

/// `trace`, as it was written
#[derive(Debug, Default)]
pub(crate) struct TraceFile {
    /// What it says.
    pub(crate) trace: Trace,
    /// `from`
    pub(crate) from: Option<At<Believed>>,
}

/// `trace` as a mapping
pub(crate) static TRACE: Table<TraceFile> = Table {
    name: "trace",
    doc: "`trace` as a mapping: what becomes of `traceparent` and `tracestate` (W3C Trace Context).",
    fields: &[
        Field {
            name: "rule",
            presence: Unless("continue"),
            value: &Kept(TRACE_RULE, |file: &mut TraceFile, rule| file.trace.rule = rule),
            doc: "`continue`: servers get the trace of the client with an id of ours as the one that asks, each copy another one; what can't \
                  be read is begun anew. `begin`: requests without a trace get one. `off`: both fields go on as they came.",
        },
        Field {
            name: "from",
            presence: Unless("anyone"),
            value: &Kept(Placed(BELIEVED), |file: &mut TraceFile, from| {
                file.trace.from = from.value;
                file.from = Some(from);
            }),
            doc: "Whose traces are continued: those of `anyone`, of `trusted_proxies` or of `nobody`. Those of others are taken away.",
        },
        Field {
            name: "sampled",
            presence: Unless("100%"),
            value: &Kept(SHARE, |file: &mut TraceFile, share| file.trace.sampled = Share(share)),
            doc: "The share of traces begun here that servers are asked to record. One that is continued keeps what it says.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// `trace`: a word, or a mapping.
pub(crate) type TraceKind = Either<Mapped<Words<TraceRule>, TraceFile>, Mapping<TraceFile>>;

/// See [`TraceKind`].
pub(crate) const TRACE_KIND: TraceKind = Either(
    Mapped(TRACE_RULE, |rule| TraceFile { trace: Trace { rule, ..DEFAULT_TRACE }, from: None }),
    Mapping(&TRACE),
);

const DEFAULT_TRACE: Trace = Trace { rule: TraceRule::Continue, from: Believed::Anyone, sampled: Share(1.0) };
