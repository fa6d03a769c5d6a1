//! Lists in brackets: entries come and go with their commas, and with their lines where each has one.

use crate::problem::Problem;

use super::list::{List, by_hand, end};
use super::words::{Edit, begins_line, content_end, ends_line, line_end, line_start, newline, next_sign};

/// Where the comma behind this place stands, if one does.
fn comma(text: &str, from: usize) -> Option<usize> {
    let at = next_sign(text, from);
    text[at..].starts_with(',').then_some(at)
}

/// One more behind the last one: in a line of its own where that has one.
pub(super) fn add(list: &List<'_>, entry: &str) -> Result<Vec<Edit>, Problem> {
    let text = list.text;
    let Some(last) = list.items.last() else {
        return Err(by_hand(text, list.span, "the list of servers is empty"));
    };
    let (start, last_end) = (last.node.span.start, end(text, last.node));
    let comma = comma(text, last_end);
    let behind = comma.map_or(last_end, |comma| comma + 1);
    if begins_line(text, start) && ends_line(text, behind) {
        let indent = &text[line_start(text, start)..start];
        let at = content_end(text, behind);
        let (separator, closing) = match comma {
            Some(_) => (None, ","),
            None => (Some(Edit::insert(last_end, ",")), ""),
        };
        let line = format!("{}{indent}{entry}{closing}", newline(text, at));
        return Ok(match separator {
            // Both at one place are one edit.
            Some(separator) if separator.span.start == at => vec![Edit::insert(at, format!(",{line}"))],
            Some(separator) => vec![separator, Edit::insert(at, line)],
            None => vec![Edit::insert(at, line)],
        });
    }
    Ok(vec![match comma {
        Some(_) => Edit::insert(behind, format!(" {entry}")),
        None => Edit::insert(last_end, format!(", {entry}")),
    }])
}

/// Takes an entry away: with its line where it has one, else with a comma.
pub(super) fn remove(list: &List<'_>, place: usize) -> Result<Vec<Edit>, Problem> {
    let (text, node) = (list.text, list.items[place].node);
    let (start, node_end) = (node.span.start, end(text, node));
    let comma_behind = comma(text, node_end);
    let behind = comma_behind.map_or(node_end, |comma| comma + 1);
    if text[node_end..behind].contains('\n') {
        return Err(by_hand(text, node.span, "the comma behind this entry stands in another line"));
    }
    if begins_line(text, start) && ends_line(text, behind) {
        return Ok(vec![Edit::remove(line_start(text, start), line_end(text, behind))]);
    }
    if comma_behind.is_some() {
        let spaces = text[behind..].len() - text[behind..].trim_start_matches(' ').len();
        return Ok(vec![Edit::remove(start, behind + spaces)]);
    }
    // The last one: the comma before it goes too, if it is near.
    let before = place.checked_sub(1).and_then(|before| comma(text, end(text, list.items[before].node)));
    let start = before.filter(|comma| !text[*comma..start].contains('\n')).unwrap_or(start);
    Ok(vec![Edit::remove(start, node_end)])
}
