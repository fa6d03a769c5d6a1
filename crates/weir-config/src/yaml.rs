//! YAML text becomes a tree of nodes with places. The only module that knows the YAML library.
//!
//! The library's events are read one after the other with a stack of our own, so depth costs no stack and is bounded
//! before it is reached. What is legal YAML but makes a configuration ambiguous is refused here: a key twice, tags,
//! merge keys, several documents.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as EventSpan};

use crate::node::{Entry, Node, NodeKind, Scalar, shortened};
use crate::problem::{Problem, Problems};
use crate::source::{Source, Span};

/// Levels of lists and mappings. Ours need eight; a hundred times the limit is an attack or an accident.
const DEPTH_MAX: usize = 64;

/// Nodes of the tree, aliases expanded: bounds the memory that a small file with many aliases can ask for.
const NODES_MAX: usize = 1_000_000;

/// Parses the text. Notes what is wrong; `None` when there is no tree at all.
pub(crate) fn parse(source: &Source, problems: &mut Problems) -> Option<Node> {
    let mut builder = Builder::new(source, problems);
    let mut parser = Parser::new_from_str(source.text());
    while let Some(event) = parser.next_event() {
        let outcome = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(syntax_problem(source, builder.offsets.byte(error.marker()), &error)),
        };
        if let Err(problem) = outcome {
            builder.problems.push(problem);
            return None;
        }
    }
    let root = builder.root.take();
    if root.is_none() {
        problems.push(empty_file());
    }
    root
}

/// The problem of a file without content.
pub(crate) fn empty_file() -> Problem {
    Problem::general("the configuration is empty")
        .hint("the smallest one is `services: [{host: \"*\", upstream: [\"127.0.0.1:9001\"]}]`")
}

/// A list or mapping that is not closed yet.
struct Open {
    start: usize,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Mapping { entries: Vec<Entry>, keys: HashSet<String>, pending: Option<Pending> },
}

/// A key that waits for its value.
enum Pending {
    Key(String, Span),
    /// The key was refused; its value is read and dropped.
    Refused,
}

struct Builder<'s, 'p> {
    problems: &'p mut Problems,
    offsets: Offsets<'s>,
    stack: Vec<Open>,
    /// Finished anchors, with the number of nodes and the depth below each.
    anchors: HashMap<usize, (Node, usize, usize)>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
}

impl<'s, 'p> Builder<'s, 'p> {
    fn new(source: &'s Source, problems: &'p mut Problems) -> Self {
        Self {
            problems,
            offsets: Offsets::new(source.text()),
            stack: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            documents: 0,
            root: None,
        }
    }

    fn take(&mut self, event: Event<'_>, span: EventSpan) -> Result<(), Problem> {
        let span = self.offsets.span(span);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => self.document(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let plain = style == ScalarStyle::Plain;
                let scalar = Scalar { text: text.into_owned(), plain, replaced: false };
                self.finished(Node { span, kind: NodeKind::Scalar(scalar), is_shared: anchor > 0 }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.open(span, anchor, OpenKind::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let kind = OpenKind::Mapping { entries: Vec::new(), keys: HashSet::new(), pending: None };
                self.open(span, anchor, kind)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(open) => {
                    let kind = match open.kind {
                        OpenKind::List(nodes) => NodeKind::List(nodes),
                        OpenKind::Mapping { entries, .. } => NodeKind::Mapping(entries),
                    };
                    let span = Span { start: open.start, end: span.end.max(open.start) };
                    self.finished(Node { span, kind, is_shared: open.anchor > 0 }, open.anchor)
                }
                None => Ok(()),
            },
        }
    }

    fn document(&mut self, span: Span) -> Result<(), Problem> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(Problem::error(span, "a second document begins here")
                .hint("a configuration is one document; take this `---` and what follows away"));
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tagged: bool, span: Span) {
        if tagged {
            self.problems.push(
                Problem::error(span, "YAML tags are not used in a configuration")
                    .hint("take the `!…` before this value away; put the value in quotes to make it a text"),
            );
        }
    }

    fn open(&mut self, span: Span, anchor: usize, kind: OpenKind) -> Result<(), Problem> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(too_deep(span));
        }
        self.stack.push(Open { start: span.start, anchor, kind });
        Ok(())
    }

    /// An alias is replaced by a copy of what its anchor holds, within the limits on nodes and depth.
    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Problem> {
        let Some((node, count, depth)) = self.anchors.get(&anchor) else {
            return Err(Problem::error(span, "this alias stands inside what it repeats"));
        };
        if self.stack.len() + depth > DEPTH_MAX {
            return Err(too_deep(span));
        }
        let (node, count) = (node.clone(), *count);
        self.count(count.saturating_sub(1), span)?;
        // The copy stands where the alias stands; what is inside it, where it was written.
        self.finished(Node { span, is_shared: true, ..node }, 0)
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Problem> {
        self.nodes += more;
        if self.nodes > NODES_MAX {
            return Err(Problem::error(span, format!("more than {NODES_MAX} values")));
        }
        Ok(())
    }

    /// Puts a whole node where it belongs.
    fn finished(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.count(1, node.span)?;
        if anchor > 0 {
            let (count, depth) = measure(&node);
            self.count(count, node.span)?;
            self.anchors.insert(anchor, (node.clone(), count, depth));
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open { kind: OpenKind::List(nodes), .. }) => nodes.push(node),
            Some(Open { kind: OpenKind::Mapping { entries, keys, pending }, .. }) => match pending.take() {
                None => *pending = Some(key(node, keys, entries, self.problems)),
                Some(Pending::Refused) => {}
                Some(Pending::Key(key, key_span)) => entries.push(Entry { key, key_span, value: node }),
            },
        }
        Ok(())
    }
}

/// Takes a node as the key of a mapping, or says why not.
fn key(node: Node, keys: &mut HashSet<String>, entries: &[Entry], problems: &mut Problems) -> Pending {
    let span = node.span;
    let NodeKind::Scalar(scalar) = node.kind else {
        problems.push(Problem::error(span, "a key must be a text, not a list or a mapping"));
        return Pending::Refused;
    };
    if scalar.text == "<<" && scalar.plain {
        problems.push(
            Problem::error(span, "merge keys are not supported")
                .hint("write the keys out, or use an alias for the whole value: `limits: *limits`"),
        );
        return Pending::Refused;
    }
    if scalar.is_nothing() {
        problems.push(Problem::error(span, "a key is missing before this `:`"));
        return Pending::Refused;
    }
    if scalar.text.contains("${") {
        problems.push(
            Problem::error(span, "variables of the environment are replaced in values, not in keys")
                .hint("write the key out"),
        );
        return Pending::Refused;
    }
    if !keys.insert(scalar.text.clone()) {
        let first = entries.iter().find(|entry| entry.key == scalar.text).map(|entry| entry.key_span);
        let problem = Problem::error(span, format!("`{}` stands twice here", shortened(&scalar.text)));
        problems.push(match first {
            Some(first) => problem.beside(first, "first written here"),
            None => problem,
        });
        return Pending::Refused;
    }
    Pending::Key(scalar.text, span)
}

/// Nodes in a tree and its levels of lists and mappings. The depth was bounded when it was built.
fn measure(node: &Node) -> (usize, usize) {
    let below = |children: &mut dyn Iterator<Item = &Node>| {
        children.map(measure).fold((1, 1), |(count, depth), (more, deep)| (count + more, depth.max(deep + 1)))
    };
    match &node.kind {
        NodeKind::Scalar(_) => (1, 0),
        NodeKind::List(nodes) => below(&mut nodes.iter()),
        NodeKind::Mapping(entries) => below(&mut entries.iter().map(|entry| &entry.value)),
    }
}

fn too_deep(span: Span) -> Problem {
    Problem::error(span, format!("nested more than {DEPTH_MAX} levels deep"))
}

/// What the library says, and what people usually did when it says that.
fn syntax_problem(source: &Source, offset: usize, error: &ScanError) -> Problem {
    let (_, start, line) = source.line_at(offset);
    let rest = line.get(offset.saturating_sub(start)..).unwrap_or_default();
    let span = Span { start: offset, end: offset + rest.chars().next().map_or(0, char::len_utf8) };
    // The library's own bound on `[` and `{`, above ours, is met first when many stand in a row.
    if error.info() == "recursion limit exceeded" {
        return too_deep(span);
    }
    let indent = &line[..line.len() - line.trim_start().len()];
    let hint = if error.info().contains("anchor") && rest.starts_with('*') {
        Some("`*` begins an alias in YAML; put the value in quotes: `\"*\"`, `\"*.example.com\"`")
    } else if indent.contains('\t') || error.info().contains("tab") {
        Some("YAML is indented with spaces; a tab stands here")
    } else if line.contains("${") && line.contains(['[', '{']) {
        Some("inside `[…]` and `{…}` put `\"${NAME}\"` in quotes")
    } else if rest.starts_with(['@', '`', '%']) {
        Some("a value that begins with this character must be in quotes")
    } else if error.info().contains("mapping values are not allowed") {
        Some("a value with `: ` in it must be in quotes; or the line is indented too far")
    } else {
        None
    };
    let info = error.info().rsplit("while parsing node, ").next().unwrap_or_default();
    let problem = Problem::error(span, format!("not valid YAML: {info}"));
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Characters between two remembered places of [`Offsets`].
const STEP: usize = 64;

/// The library counts characters, we count bytes. Every 64th character's offset is kept.
struct Offsets<'s> {
    text: &'s str,
    /// Empty for ASCII, where both are the same.
    starts: Vec<usize>,
}

impl<'s> Offsets<'s> {
    fn new(text: &'s str) -> Self {
        let starts = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().step_by(STEP).map(|(offset, _)| offset).collect()
        };
        Self { text, starts }
    }

    fn byte(&self, marker: &Marker) -> usize {
        let index = marker.index();
        if self.starts.is_empty() {
            return index.min(self.text.len());
        }
        let Some(&start) = self.starts.get(index / STEP) else { return self.text.len() };
        self.text[start..].char_indices().nth(index % STEP).map_or(self.text.len(), |(more, _)| start + more)
    }

    fn span(&self, span: EventSpan) -> Span {
        let start = self.byte(&span.start);
        Span { start, end: self.byte(&span.end).max(start) }
    }
}

#[cfg(test)]
mod tests;
