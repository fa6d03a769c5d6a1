//! Servers that came, went or got another weight while the proxy ran are written back to the file.
//!
//! Only the lists of servers that are concerned are touched, and in them only the entries; every other byte stays: comments,
//! order, quotes, ends of lines. One change after the other is made in the text, each in a tree of its own. Then the result is
//! read again and must say exactly what was wanted and nothing else; a change that can't be made so is refused, with the lines
//! to edit by hand. Text in, text out: files are read and written by whoever calls.

mod block;
mod change;
mod entry;
mod flow;
mod list;
mod pairs;
mod place;
mod proof;
mod words;

use std::path::Path;

use crate::load;
use crate::model::Model;
use crate::node::{Node, NodeKind};
use crate::problem::{Problem, Problems};
use crate::report::Report;
use crate::source::{Source, Span};
use crate::yaml;

pub use change::{Change, Wish};
pub use list::is_same;
use list::{List, Shape};
use place::Step;

/// What has become of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the new text.
    Written,
    /// The file says it already.
    AlreadySo,
    /// It is about servers that stand in the inventory of this name.
    InInventory(String),
}

/// A text in which everything is written that could be.
#[derive(Debug, Clone)]
pub struct Rewritten {
    /// The whole text.
    pub text: Vec<u8>,
    /// What has become of each change, in their order.
    pub outcomes: Vec<Outcome>,
}

/// Writes changes into the text of a configuration. `environment` and `base_dir` are those with which it is read, as in
/// [`parse`](crate::parse).
///
/// # Errors
/// The text is no valid configuration, before or after, or a change can't be made in it. Each has its place and says what to edit
/// by hand.
pub fn rewrite(
    name: &str,
    bytes: &[u8],
    environment: &dyn Fn(&str) -> Option<String>,
    base_dir: &Path,
    changes: &[Change],
) -> Result<Rewritten, Report> {
    let before = load::parse(name, bytes, environment, base_dir)?;
    let (mark, text) = match bytes.strip_prefix(MARK) {
        Some(rest) => (MARK, rest),
        None => (&[][..], bytes),
    };
    // It was read as UTF-8 a line above.
    let mut source = Source::new(name, String::from_utf8_lossy(text).into_owned());
    let refused = |source: &Source, problem| Report::single(source.clone(), problem);
    let original = tree(&source)?;
    let mut outcomes = vec![Outcome::AlreadySo; changes.len()];
    let wishes = pairs::paired(&before.model, changes);
    // Who leaves goes last, so that a list whose servers are all exchanged is never empty.
    let mut order: Vec<(usize, &Change)> =
        wishes.iter().enumerate().filter_map(|(place, change)| Some((place, change.as_ref()?))).collect();
    order.sort_by_key(|(_, change)| change.wish == Wish::Remove);
    for (place, change) in &order {
        let (place, change) = (*place, *change);
        let root = tree(&source)?;
        let wanted = written(&before.model, &original, change)
            .and_then(|steps| make(source.text(), &root, &steps, change))
            .map_err(|problem| refused(&source, problem))?;
        outcomes[place] = match wanted {
            Made::Text(text) => {
                source = Source::new(name, text);
                Outcome::Written
            }
            Made::Nothing(outcome) => outcome,
        };
    }
    let text = [mark, source.text().as_bytes()].concat();
    let after = load::parse(name, &text, environment, base_dir)?;
    // Those that come before those that leave, as they were made.
    let is_written = |(place, _): &&(usize, &Change)| outcomes[*place] == Outcome::Written;
    let done: Vec<&Change> = order.iter().filter(is_written).map(|(_, change)| *change).collect();
    let is_elsewhere = |place: usize| matches!(outcomes[place], Outcome::InInventory(_));
    let mut here = order.iter().filter(|(place, _)| !is_elsewhere(*place));
    let lists: Result<Vec<_>, _> =
        done.iter().map(|change| written(&before.model, &original, change)).collect();
    let lists = lists.map_err(|problem| refused(&source, problem))?;
    let is_proven = proof::is_same_but_for(&original, &tree(&source)?, &lists)
        && proof::says(&before.model, &after.model, &done)
        && here.all(|(_, change)| proof::fulfils(&after.model, change));
    match is_proven {
        true => Ok(Rewritten { text, outcomes }),
        false => Err(refused(&source, unproven())),
    }
}

/// A byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

fn unproven() -> Problem {
    Problem::general("the new text would not say exactly what was wanted, so nothing is written")
        .hint("edit the servers by hand; `weir upstreams --diff` lists the changes")
}

fn tree(source: &Source) -> Result<Node, Report> {
    let mut problems = Problems::default();
    match yaml::parse(source, &mut problems) {
        Some(root) if !problems.has_errors() => Ok(root),
        Some(_) | None => Err(Report::new(source.clone(), problems)),
    }
}

/// A change that was made, or need not be.
enum Made {
    Text(String),
    Nothing(Outcome),
}

/// Where the servers stand that a change is about.
fn written(before: &Model, root: &Node, change: &Change) -> Result<Vec<Step>, Problem> {
    let name = &change.upstream;
    match before.upstreams.iter().find(|upstream| upstream.name == *name) {
        Some(upstream) => place::of(root, upstream).ok_or_else(unproven),
        None => Err(Problem::general(format!("the file has no upstream `{name}`"))
            .hint("name the file that Weir runs with: `-c FILE`")),
    }
}

/// Makes one change in the text of this tree.
fn make(text: &str, root: &Node, steps: &[Step], change: &Change) -> Result<Made, Problem> {
    let mut nodes = place::pass(root, steps).ok_or_else(unproven)?;
    let place = *nodes.last().ok_or_else(unproven)?;
    let (shape, key) = match steps.first() {
        Some(Step::Key(key)) if key == "proxy" => (Shape::Hosts, "hosts"),
        _ => (Shape::Servers, "servers"),
    };
    let inventory = match place.value_of("inventory").map(|node| &node.kind) {
        Some(NodeKind::Scalar(scalar)) => Some(scalar.text.clone()),
        _ => None,
    };
    let list = match &place.kind {
        NodeKind::List(_) => Some(place),
        _ => place.value_of(key),
    };
    let Some(list) = list else {
        return match inventory {
            Some(file) => Ok(Made::Nothing(Outcome::InInventory(file))),
            None => Err(unproven()),
        };
    };
    nodes.push(list);
    if let Some(shared) = nodes.iter().find(|node| node.is_shared) {
        let whole = Span { start: list.span.start, end: list::end(text, list) };
        return Err(list::by_hand(
            text,
            whole,
            "the servers stand in something that has an anchor or is an alias",
        )
        .beside(shared.span, "more than one place may say this"));
    }
    let list = List::read(text, list, shape)?;
    let known = list.find(&change.server);
    let edits = match (change.wish, known) {
        (Wish::Add { weight }, None) => entry::add(&list, &change.server, weight)?,
        (Wish::Add { weight }, Some(item)) if item.weight() == weight => {
            return Ok(Made::Nothing(Outcome::AlreadySo));
        }
        (Wish::Weigh { to, .. }, Some(item)) if item.weight() == to => {
            return Ok(Made::Nothing(Outcome::AlreadySo));
        }
        (Wish::Weigh { from, to }, Some(item)) if item.weight() == from => entry::weigh(&list, item, to)?,
        (Wish::Add { .. } | Wish::Weigh { .. }, Some(item)) => {
            let message = format!(
                "the file gives `{}` the weight {} now, which is not what Weir has read",
                change.server,
                item.weight()
            );
            return Err(list::by_hand(text, item.node.span, &message));
        }
        (Wish::Remove, Some(item)) => entry::remove(&list, item)?,
        (Wish::Remove | Wish::Weigh { .. }, None) if inventory.is_some() => {
            return Ok(Made::Nothing(inventory.map_or(Outcome::AlreadySo, Outcome::InInventory)));
        }
        (Wish::Remove, None) => return Ok(Made::Nothing(Outcome::AlreadySo)),
        (Wish::Weigh { .. }, None) => {
            let message = format!("the file does not name `{}` here", change.server);
            return Err(list::by_hand(text, list.span, &message));
        }
    };
    Ok(Made::Text(words::edited(text, edits)))
}

#[cfg(test)]
mod tests;
