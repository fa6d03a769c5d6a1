//! Kinds of single texts: words, numbers, quantities, and whatever has a parser of its own.

use std::time::Duration;

use crate::complaint::Complaint;
use crate::node::{Node, shortened};
use crate::problem::Problem;
use crate::quantity;
use crate::suggest::{alternatives, nearest};

use super::decoder::Decoder;
use super::describe::Shape;
use super::kind::Kind;

/// Any text that is something; numbers and truth values are taken as they are written.
pub(crate) struct Text;

impl Kind for Text {
    type Value = String;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<String> {
        decoder.scalar("a text", node).map(|scalar| scalar.text.clone())
    }

    fn shape(&self) -> Shape {
        Shape::Text { label: "text", pattern: "" }
    }
}

/// A text with a parser.
pub(crate) struct Parsed<T: 'static> {
    /// What it is called: `address`.
    pub(crate) label: &'static str,
    /// What it looks like, for the JSON Schema (ECMA 262); never refuses what `parse` takes.
    pub(crate) pattern: &'static str,
    /// The parser.
    pub(crate) parse: fn(&str) -> Result<T, Complaint>,
}

impl<T: 'static> Kind for Parsed<T> {
    type Value = T;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<T> {
        let scalar = decoder.scalar(&with_article(self.label), node)?;
        decoder.accept(node.span, (self.parse)(&scalar.text))
    }

    fn shape(&self) -> Shape {
        Shape::Text { label: self.label, pattern: self.pattern }
    }
}

/// A text that may also be a number from `min` to `max`, which YAML writes without quotes.
pub(crate) struct OrNumber<T: 'static> {
    /// What takes both.
    pub(crate) text: Parsed<T>,
    /// Smallest.
    pub(crate) min: u64,
    /// Largest.
    pub(crate) max: u64,
}

impl<T: 'static> Kind for OrNumber<T> {
    type Value = T;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<T> {
        self.text.decode(node, decoder)
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![self.text.shape(), Shape::Integer { min: self.min, max: self.max }])
    }
}

/// `an address`, `a duration`.
fn with_article(label: &str) -> String {
    let article = if label.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {label}")
}

/// A share in per cent, as a fraction from 0 to 1.
pub(crate) const SHARE: Parsed<f64> =
    Parsed { label: "share", pattern: r"^[0-9]+(\.[0-9]+)?\s*%$", parse: quantity::share };

/// One of some words.
pub(crate) struct Words<T: 'static> {
    /// What it is called: `balancing strategy`.
    pub(crate) label: &'static str,
    /// The words and what each means.
    pub(crate) words: &'static [(&'static str, T)],
    /// Known words that are not in this version.
    pub(crate) later: &'static [&'static str],
}

impl<T: Copy + Sync> Words<T> {
    /// What a text means.
    pub(crate) fn parse(&self, text: &str) -> Result<T, Complaint> {
        if let Some((_, value)) = self.words.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let words = || self.words.iter().map(|(word, _)| *word);
        if self.later.contains(&text) {
            return Err(Complaint::new(format!("{} `{text}` is not in this version yet", self.label))
                .hint(format!("this version has {}", alternatives(words()))));
        }
        let complaint = Complaint::new(format!("`{}` is no {}", shortened(text), self.label));
        Err(match nearest(text, words()) {
            Some(word) => complaint.hint(format!("did you mean `{word}`?")),
            None => complaint.hint(format!("write {}", alternatives(words()))),
        })
    }
}

impl<T: Copy + Sync> Kind for Words<T> {
    type Value = T;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<T> {
        let scalar = decoder.scalar(&with_article(self.label), node)?;
        decoder.accept(node.span, self.parse(&scalar.text))
    }

    fn shape(&self) -> Shape {
        Shape::Words(self.words.iter().map(|(word, _)| *word).collect())
    }
}

/// `true` or `false`.
pub(crate) struct Boolean;

impl Kind for Boolean {
    type Value = bool;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<bool> {
        let scalar = decoder.scalar("`true` or `false`", node)?;
        match scalar.text.as_str() {
            "true" if scalar.may_be_typed() => Some(true),
            "false" if scalar.may_be_typed() => Some(false),
            text => {
                let problem = Problem::error(
                    node.span,
                    format!("expected `true` or `false`, found the text `{}`", shortened(text)),
                );
                decoder.push(match text.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "on" | "y" | "1" => problem.hint("write `true`"),
                    "false" | "no" | "off" | "n" | "0" => problem.hint("write `false`"),
                    _ => problem,
                });
                None
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Boolean
    }
}

/// A whole number from `min` to `max`.
pub(crate) struct Integer {
    /// What it counts: `attempts`.
    pub(crate) label: &'static str,
    /// Smallest.
    pub(crate) min: u64,
    /// Largest.
    pub(crate) max: u64,
}

impl Kind for Integer {
    type Value = u64;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<u64> {
        let scalar = decoder.scalar("a whole number", node)?;
        let digits = !scalar.text.is_empty() && scalar.text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || !scalar.may_be_typed() {
            let found = if digits { "the text " } else { "" };
            let message = format!("expected a whole number, found {found}`{}`", shortened(&scalar.text));
            let problem = Problem::error(node.span, message);
            decoder.push(if digits { problem.hint("write it without quotes") } else { problem });
            return None;
        }
        match scalar.text.parse::<u64>() {
            Ok(number) if number >= self.min && number <= self.max => Some(number),
            Ok(_) | Err(_) => {
                let message = format!(
                    "{} is {} to {}, found {}",
                    self.label,
                    self.min,
                    self.max,
                    shortened(&scalar.text)
                );
                decoder.push(Problem::error(node.span, message));
                None
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Integer { min: self.min, max: self.max }
    }
}

/// A duration from `min` to `max`.
pub(crate) struct DurationIn {
    /// Shortest.
    pub(crate) min: Duration,
    /// Longest.
    pub(crate) max: Duration,
}

impl Kind for DurationIn {
    type Value = Duration;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Duration> {
        let scalar = decoder.scalar("a duration", node)?;
        let duration = decoder.accept(node.span, quantity::duration(&scalar.text))?;
        if duration < self.min || duration > self.max {
            let [min, max] = [self.min, self.max].map(quantity::duration_text);
            let message = format!("`{}` is not from `{min}` to `{max}`", scalar.text);
            decoder.push(Problem::error(node.span, message));
            return None;
        }
        Some(duration)
    }

    fn shape(&self) -> Shape {
        Shape::Text { label: "duration", pattern: r"^[0-9]+(\.[0-9]+)?\s*(ms|s|m|h)$" }
    }
}

/// A size in bytes from `min` to `max`.
pub(crate) struct SizeIn {
    /// Smallest.
    pub(crate) min: u64,
    /// Largest.
    pub(crate) max: u64,
}

impl Kind for SizeIn {
    type Value = u64;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<u64> {
        let scalar = decoder.scalar("a size", node)?;
        let size = decoder.accept(node.span, quantity::size(&scalar.text))?;
        if size < self.min || size > self.max {
            let [min, max] = [self.min, self.max].map(quantity::size_text);
            let message = format!("`{}` is not from `{min}` to `{max}`", scalar.text);
            decoder.push(Problem::error(node.span, message));
            return None;
        }
        Some(size)
    }

    fn shape(&self) -> Shape {
        Shape::Text { label: "size", pattern: r"^[0-9]+(\.[0-9]+)?\s*([KMG]i?)?B$" }
    }
}
