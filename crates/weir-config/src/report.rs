//! All problems of one file, for people and for programs.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use crate::problem::{Problem, Problems, Severity};
use crate::source::{Source, Span};

/// Problems that are shown; of the rest only the number.
const SHOWN_MAX: usize = 50;

/// A longer line is shown as its place only: it is not one that a person wrote.
const SHOWN_LINE_BYTES_MAX: usize = 2000;

/// Problems of one file in the order of their places.
#[derive(Debug, Clone)]
pub struct Report {
    source: Source,
    problems: Vec<Problem>,
    more: usize,
    /// What is wrong with other files, of which a problem here tells.
    others: Box<[Self]>,
}

impl Report {
    /// Sorts and caps what was collected. Errors are kept before warnings.
    pub(crate) fn new(source: Source, problems: Problems) -> Self {
        let source = source.without(problems.hidden());
        let (mut problems, mut more) = problems.into_sorted();
        if problems.len() > SHOWN_MAX {
            more += problems.len() - SHOWN_MAX;
            problems.sort_by_key(|problem| problem.severity);
            problems.truncate(SHOWN_MAX);
            problems.sort_by_key(|problem| problem.span.unwrap_or_default().start);
        }
        Self { source, problems, more, others: Box::default() }
    }

    /// A report of one problem.
    pub(crate) fn single(source: Source, problem: Problem) -> Self {
        Self { source, problems: vec![problem], more: 0, others: Box::default() }
    }

    /// The same, and what is wrong with files that the first one names.
    pub(crate) fn with(mut self, others: Vec<Self>) -> Self {
        self.others = others.into();
        self
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems of the file itself, at most 50.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many more there were.
    pub fn more(&self) -> usize {
        self.more
    }

    /// The text it is about.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The report for people: per problem what is wrong, file, line and column, the line itself with a caret, and a hint.
    /// Ends with a line end unless it is empty.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in &self.problems {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&renderer.render(&[self.group(problem)]));
            text.push('\n');
            if let Some(hint) = &problem.hint {
                let title = Level::HELP.with_name("hint").primary_title(hint.as_str());
                text.push('\n');
                text.push_str(&renderer.render(&[Group::with_title(title)]));
                text.push('\n');
            }
        }
        if self.more > 0 {
            text.push_str(&format!("\nand {} more\n", self.more));
        }
        for other in &self.others {
            text.push('\n');
            text.push_str(&other.render(color));
        }
        text
    }

    /// One problem as a group of snippets. Only the lines it is about are handed over: the renderer reads all it gets.
    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(problem.message.as_str());
        let Some(span) = problem.span else {
            return Group::with_title(title).element(Origin::path(self.source.name()));
        };
        let group = Group::with_title(title);
        let Some((other, label)) = &problem.other_place else {
            return self.with_line(group, &[(span, None)]);
        };
        let same_line = self.source.line_at(span.start).0 == self.source.line_at(other.start).0;
        if same_line {
            return self.with_line(group, &[(span, None), (*other, Some(label))]);
        }
        self.with_line(self.with_line(group, &[(span, None)]), &[(*other, Some(label))])
    }

    /// Adds the line of the first place, with a mark for each place; those with a label are second places.
    fn with_line<'a>(&'a self, group: Group<'a>, places: &[(Span, Option<&'a String>)]) -> Group<'a> {
        let Some((first, _)) = places.first() else { return group };
        let (line, start, text) = self.source.line_at(first.start);
        if text.len() > SHOWN_LINE_BYTES_MAX {
            let column = self.source.position(first.start).column;
            return group.element(Origin::path(self.source.name()).line(line).char_column(column));
        }
        let annotations = places.iter().map(|(span, label)| {
            let kind = if label.is_some() { AnnotationKind::Context } else { AnnotationKind::Primary };
            // A value over several lines is marked on its first line only.
            let from = text.floor_char_boundary((span.start - start).min(text.len()));
            let to = text.ceil_char_boundary(span.end.saturating_sub(start).min(text.len())).max(from);
            kind.span(from..to).label(label.map(String::as_str))
        });
        let snippet = Snippet::source(text).line_start(line).path(self.source.name());
        group.element(snippet.annotations(annotations))
    }

    /// The report for programs: `{"file", "problems": [{"file", "severity", "message", "line", "column", "end_line",
    /// "end_column", "hint"}], "more"}`. Lines and columns count from 1 and are `null` for a problem without a place. A problem
    /// is of the file that it names: an inventory, say.
    pub fn to_json(&self) -> Value {
        let each = std::iter::once(self).chain(&self.others);
        let problems: Vec<Value> = each.clone().flat_map(Self::json_problems).collect();
        let more: usize = each.map(|report| report.more).sum();
        json!({ "file": self.source.name(), "problems": problems, "more": more })
    }

    fn json_problems(&self) -> Vec<Value> {
        self.problems
            .iter()
            .map(|problem| {
                let start = problem.span.map(|span| self.source.position(span.start));
                let end = problem.span.map(|span| self.source.position(span.end));
                json!({
                    "file": self.source.name(),
                    "severity": problem.severity.name(),
                    "message": problem.message,
                    "line": start.map(|position| position.line),
                    "column": start.map(|position| position.column),
                    "end_line": end.map(|position| position.line),
                    "end_column": end.map(|position| position.column),
                    "hint": problem.hint,
                })
            })
            .collect()
    }
}

impl fmt::Display for Report {
    /// As [`Report::render`] without colour.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}
