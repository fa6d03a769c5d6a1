//! Lists with a dash for each entry: whole lines come and go.

use crate::node::{Node, NodeKind};
use crate::problem::Problem;
use crate::source::Span;

use super::list::{List, by_hand, end};
use super::words::{
    Edit, begins_line, content_before, content_end, ends_line, line_end, line_start, newline,
};

/// Where the dash of an entry stands, which begins its line.
fn dash(list: &List<'_>, node: &Node) -> Result<usize, Problem> {
    let unusual = || by_hand(list.text, node.span, "this entry does not begin with a `- ` of its own");
    let before = list.text[..node.span.start].trim_end();
    let dash = before.strip_suffix('-').map(str::len).ok_or_else(unusual)?;
    if !begins_line(list.text, dash) || !ends_line(list.text, end(list.text, node)) {
        return Err(unusual());
    }
    Ok(dash)
}

/// A line behind the last entry, in its way.
pub(super) fn add(list: &List<'_>, entry: &str) -> Result<Vec<Edit>, Problem> {
    let text = list.text;
    let Some(last) = list.items.last() else {
        return Err(by_hand(text, list.span, "the list of servers is empty"));
    };
    let dash = dash(list, last.node)?;
    let start = line_start(text, dash);
    let before = &text[start..last.node.span.start];
    // The entry may begin in the line below its dash.
    let before = if before.contains('\n') { format!("{}- ", &text[start..dash]) } else { before.to_owned() };
    let at = content_end(text, end(text, last.node));
    Ok(vec![Edit::insert(at, format!("{}{before}{entry}", newline(text, at)))])
}

/// The lines of an entry, with the comment behind it. Comments in lines of their own stay.
pub(super) fn remove(list: &List<'_>, place: usize) -> Result<Vec<Edit>, Problem> {
    let (text, node) = (list.text, list.items[place].node);
    let dash = dash(list, node)?;
    let (start, end) = (line_start(text, dash), line_end(text, end(text, node)));
    // Without an end of its own, it takes that of the line before.
    let has_end = text[..end].ends_with('\n');
    let start = if has_end { start } else { content_before(text, start).len() };
    Ok(vec![Edit::remove(start, end)])
}

/// A line with the weight behind that of the address.
pub(super) fn weigh(
    list: &List<'_>,
    node: &Node,
    address_end: usize,
    weight: u32,
) -> Result<Vec<Edit>, Problem> {
    let text = list.text;
    let NodeKind::Mapping(entries) = &node.kind else {
        return Err(by_hand(text, node.span, "this is no entry of a server"));
    };
    let key = entries.iter().find(|entry| entry.key == "address").map(|entry| entry.key_span);
    let Some(Span { start, .. }) = key.filter(|_| ends_line(text, address_end)) else {
        return Err(by_hand(text, node.span, "this entry is written in an unusual way"));
    };
    // A dash before it is a space here.
    let indent = " ".repeat(text[line_start(text, start)..start].chars().count());
    let at = content_end(text, address_end);
    Ok(vec![Edit::insert(at, format!("{}{indent}weight: {weight}", newline(text, at)))])
}
