//! A view as characters of a terminal. The same view makes the same frame, whatever was on the screen before.
//!
//! Only characters of ASCII besides what names hold, so that nothing depends on the font or the locale of the other end of an
//! ssh connection; and nothing that changes without a reason, because what is as it was is not sent.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

use super::amount::{long_span, number, rate};
use super::columns::{Column, chosen};
use super::keys;
use super::report::{Pool, Report, Server, shown_state};
use super::view::{Mode, Order, Row, Sort, View, Word};

/// Below this many lines there is no room for what stands around the table.
const LINES_FOR_MORE: u16 = 8;

/// Draws the view there.
pub(crate) fn draw(view: &View, area: Rect, buffer: &mut Buffer) {
    let mut canvas = Canvas { buffer, area, color: view.color };
    if canvas.area.is_empty() {
        return;
    }
    let has_more = area.height >= LINES_FOR_MORE;
    let (above, below) = if has_more { (2, 2) } else { (1, 1) };
    title(&mut canvas, view);
    if has_more {
        traffic(&mut canvas, view);
        canvas.line(area.height - 2, &detail(view), canvas.faint());
    }
    let body = area.height.saturating_sub(above + below);
    match (&view.report, &view.mode) {
        (_, Mode::Help) => help(&mut canvas, above, body),
        (None, _) => {}
        (Some(report), Mode::History) => {
            let lower = body / 2;
            table(&mut canvas, view, report, above, body - lower);
            history(&mut canvas, view, above + body - lower, lower);
        }
        (Some(report), _) => table(&mut canvas, view, report, above, body),
    }
    if area.height > 1 {
        prompt(&mut canvas, view, area.height - 1);
    }
}

/// Who is asked and how it is; or that nobody answers.
fn title(canvas: &mut Canvas, view: &View) {
    if let Some((why, since)) = &view.gone {
        let ago = long_span(view.now.saturating_sub(*since));
        let style = canvas.colored(Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED);
        return canvas.line(0, &format!("NO ANSWER for {ago}, asking on: {why}"), style);
    }
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let Some(report) = &view.report else {
        return canvas.line(0, &format!("Weir at {}: asking", view.admin), bold);
    };
    let (version, up) = (&report.version, long_span(report.uptime));
    let draining = if report.is_ready { "" } else { ", NOT READY: it drains" };
    canvas.line(0, &format!("Weir {version} at {}, up {up}{draining}", view.admin), bold);
}

/// What clients do, and what of the table is chosen.
fn traffic(canvas: &mut Canvas, view: &View) {
    let Some(report) = &view.report else { return };
    let known = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), rate);
    let (requests, errors) = (known(report.requests_per_second), known(report.server_errors_per_second));
    let (busy, connections) = (number(report.in_flight), number(report.connections));
    let text = format!("{requests} req/s, {errors} 5xx/s, {busy} in flight, {connections} connections");
    canvas.line(1, &text, Style::new());
    let mut chosen = Vec::new();
    if view.sort != Sort::Written || view.is_reversed {
        let reversed = if view.is_reversed { ", reversed" } else { "" };
        chosen.push(format!("{}{reversed}", view.sort.name()));
    }
    if !view.filter.is_empty() {
        chosen.push(format!("/{}", view.filter));
    }
    let chosen = chosen.join("  ");
    let (taken, width) = (columns_of(&text) + 2, columns_of(&chosen));
    if let Some(x) = canvas.area.width.checked_sub(width).filter(|x| *x >= taken) {
        canvas.text(x, 1, width, &chosen, canvas.colored(Color::Cyan));
    }
}

fn table(canvas: &mut Canvas, view: &View, report: &Report, top: u16, height: u16) {
    let (columns, name_width) = chosen(report, canvas.area.width);
    let shape = Shape { columns, name_width };
    let head = canvas.colored(Color::Cyan).add_modifier(Modifier::BOLD);
    canvas.text(2, top, name_width.saturating_sub(2), "SERVER", head);
    shape.cells(canvas, top, |column| Some((column.title().to_owned(), head)));
    let rows = view.rows();
    let height = usize::from(height.saturating_sub(1));
    if rows.is_empty() && height > 0 {
        let text = match view.filter.is_empty() {
            true => "no upstream: no route sends requests to servers".to_owned(),
            false => format!("nothing has `{}` in it; Esc shows all", view.filter),
        };
        return canvas.line(top + 1, &text, Style::new());
    }
    let is_selected = |row: &Row| matches!(row, Row::Server(pool, server) if view.is_selected(pool, server));
    let selected = rows.iter().position(is_selected).unwrap_or(0);
    // The selected line is in the middle unless the list ends before; so the same view has the same frame.
    let first = selected.saturating_sub(height / 2).min(rows.len().saturating_sub(height));
    for (y, row) in (top + 1..).zip(rows.iter().skip(first).take(height)) {
        match row {
            Row::Pool(pool) => shape.pool(canvas, y, pool),
            Row::Server(_, server) => shape.server(canvas, y, server, view, is_selected(row)),
            Row::Empty => canvas.line(y, "  no servers: its requests get 503", Style::new()),
        }
    }
}

/// Where columns are.
struct Shape {
    columns: Vec<(Column, u16)>,
    name_width: u16,
}

impl Shape {
    /// Writes what stands in each column of a line.
    fn cells(&self, canvas: &mut Canvas, y: u16, cell: impl Fn(Column) -> Option<(String, Style)>) {
        let mut x = self.name_width;
        for (column, width) in &self.columns {
            if let Some((text, style)) = cell(*column) {
                let indent = if column.is_text() { 0 } else { width.saturating_sub(columns_of(&text)) };
                canvas.text(x + 1 + indent, y, width - indent, &text, style);
            }
            x += width + 1;
        }
    }

    /// An upstream: what is said of it has the place of the columns that it has no sum for.
    fn pool(&self, canvas: &mut Canvas, y: u16, pool: &Pool) {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let mut text = pool.name.clone();
        if pool.is_in_panic {
            text.push_str("  PANIC, health is ignored");
        }
        text.push_str(&format!("  {}/{} up  {}", pool.serving(), pool.servers.len(), pool.balance));
        for (count, word) in
            [(pool.retries, "retries"), (pool.retries_unpaid, "not paid"), (pool.waiting, "waiting")]
        {
            if let Some(count) = count.filter(|count| *count > 0) {
                text.push_str(&format!("  {} {word}", number(count)));
            }
        }
        let before_sums = self.columns.iter().take_while(|(column, _)| column.of_pool(pool).is_none());
        let width = self.name_width + before_sums.map(|(_, width)| width + 1).sum::<u16>();
        let style = if pool.is_in_panic { canvas.colored(Color::Red).patch(bold) } else { bold };
        canvas.text(0, y, width, &text, style);
        self.cells(canvas, y, |column| Some((column.of_pool(pool)?, bold)));
    }

    fn server(&self, canvas: &mut Canvas, y: u16, server: &Server, view: &View, is_selected: bool) {
        let marker = if is_selected { ">" } else { " " };
        let lease = if server.lease.is_some() { "*" } else { "" };
        let width = self.name_width.saturating_sub(2);
        canvas.text(0, y, 1, marker, Style::new());
        let after = canvas.text(2, y, width, &server.address, Style::new());
        canvas.text(after, y, (self.name_width).saturating_sub(after), lease, Style::new());
        let now = view.now;
        let faint = canvas.faint();
        self.cells(canvas, y, |column| {
            let style = match column {
                Column::State => state_style(view.color, server),
                Column::Why => faint,
                Column::Failed if server.check_failures.is_some_and(|failures| failures > 0) => {
                    colored(view.color, Color::Red)
                }
                _ => Style::new(),
            };
            Some((column.of_server(server, now), style))
        });
        if is_selected {
            let line = Rect { y: canvas.area.y + y, height: 1, ..canvas.area };
            canvas.buffer.set_style(line, Style::new().add_modifier(Modifier::REVERSED));
        }
    }
}

fn state_style(color: bool, server: &Server) -> Style {
    match &*shown_state(server) {
        "HEALTHY" => colored(color, Color::Green),
        "UNREACHABLE" => colored(color, Color::Red).add_modifier(Modifier::BOLD),
        "DRAINING" | "DISABLED" => colored(color, Color::Yellow),
        "NOT_INITIATED" => colored(color, Color::Cyan),
        _ => colored(color, Color::Red),
    }
}

/// What is known of the selected server beside its line; what follows from a yes while somebody is asked.
fn detail(view: &View) -> String {
    if let Mode::Question(order) = &view.mode {
        return consequence(view, order);
    }
    let Some((_, server)) = view.selected() else { return String::new() };
    let mut text = format!("{}: {}", server.address, server.state);
    if let Some(change) = server.changes.last() {
        text.push_str(&format!(" for {}", long_span(view.now.saturating_sub(change.at))));
        if !change.reason.is_empty() {
            text.push_str(&format!(", {}", change.reason));
        }
    }
    if server.is_ejected {
        let left =
            server.ejected_for.map_or_else(String::new, |left| format!(" for {} more", long_span(left)));
        text.push_str(&format!("; ejected{left}"));
    } else if server.is_tried {
        text.push_str("; ejected before, tried by some requests");
    }
    if let Some(failures) = server.check_failures.filter(|failures| *failures > 0) {
        text.push_str(&format!("; the last {failures} checks have failed"));
    }
    if let Some(backlog) = server.backlog.filter(|backlog| backlog.dead > 0) {
        text.push_str(&format!("; {} dead letters", backlog.dead));
    }
    if let Some(lease) = server.lease {
        text.push_str(&format!("; its lease ends in {}", long_span(lease)));
    }
    text
}

fn consequence(view: &View, order: &Order) -> String {
    let Some((pool, server)) = view.find(&order.place) else { return String::new() };
    let is_last = server.share_permille > 0 && pool.serving() == 1;
    let name = &pool.name;
    match order.word {
        Word::InService => "it gets requests again as far as its checks allow it".to_owned(),
        _ if is_last => format!("NO OTHER server of {name} gets requests: clients will get 503"),
        Word::Drain => "it gets no new requests; those that it has may end".to_owned(),
        Word::Disable => "it gets no requests until it is put back".to_owned(),
    }
}

/// The last line: a question, what is being typed, what has come of a change, or the keys.
fn prompt(canvas: &mut Canvas, view: &View, y: u16) {
    let reversed = Style::new().add_modifier(Modifier::REVERSED);
    let width = canvas.area.width;
    match (&view.mode, &view.note) {
        (Mode::Question(order), _) => {
            let word = match order.word {
                Word::Drain => "drain",
                Word::Disable => "disable",
                Word::InService => "put back",
            };
            let names = view.find(&order.place);
            let (pool, server) =
                names.map_or(("?", "?"), |(pool, server)| (pool.name.as_str(), server.address.as_str()));
            // The answers stay visible, however long the names are.
            let question = clipped(&format!("{word} {server} of {pool}?"), width.saturating_sub(9));
            canvas.line(y, &format!("{question} y yes, n"), reversed);
        }
        (Mode::Filter, _) => canvas.line(y, &format!("/{}_  Enter, Esc shows all", view.filter), reversed),
        (_, Some(note)) => canvas.line(y, note, canvas.colored(Color::Yellow).patch(reversed)),
        (Mode::Help, None) => canvas.line(y, "any key", canvas.faint()),
        (Mode::Table | Mode::History, None) => {
            let mut x = 0;
            for (key, short, _) in keys::ALL.iter().filter(|(_, short, _)| !short.is_empty()) {
                let end = x + columns_of(key) + 1 + columns_of(short);
                if end > width {
                    break;
                }
                let x_short = canvas.text(x, y, width, key, Style::new().add_modifier(Modifier::BOLD)) + 1;
                x = canvas.text(x_short, y, width, short, canvas.faint()) + 2;
            }
        }
    }
}

fn help(canvas: &mut Canvas, top: u16, height: u16) {
    for (y, (key, _, long)) in (top..top + height).zip(keys::ALL) {
        canvas.text(1, y, 9, key, Style::new().add_modifier(Modifier::BOLD));
        canvas.text(12, y, canvas.area.width, long, Style::new());
    }
    let legend = [
        "FAIL: requests and connects that failed; LAST OK: since a check passed",
        "BUSY: requests in flight; EJECT: ejections; QUEUE: writes that wait",
        "P50, P99: until an answer begins, over the last seconds; *: has a lease",
    ];
    for (y, text) in (top + keys::ALL.len() as u16 + 1..top + height).zip(legend) {
        canvas.text(1, y, canvas.area.width, text, canvas.faint());
    }
}

/// The last changes of the selected server, the newest first.
fn history(canvas: &mut Canvas, view: &View, top: u16, height: u16) {
    let Some((_, server)) = view.selected() else { return };
    let head = canvas.colored(Color::Cyan).add_modifier(Modifier::BOLD);
    if height > 0 {
        canvas.line(top, &format!("CHANGES of {}, the newest first", server.address), head);
    }
    if server.changes.is_empty() && height > 1 {
        canvas.line(top + 1, "  none since it is a member", Style::new());
    }
    for (y, change) in (top + 1..top + height).zip(server.changes.iter().rev()) {
        let ago = long_span(view.now.saturating_sub(change.at));
        let text = format!("  {ago:>8} ago  {} to {}: {}", change.from, change.to, change.reason);
        canvas.line(y, &text, Style::new());
    }
}

/// Characters at places; what is outside is left out.
struct Canvas<'buffer> {
    buffer: &'buffer mut Buffer,
    area: Rect,
    color: bool,
}

impl Canvas<'_> {
    /// Writes into a line from this column on, at most so wide. The column behind it.
    fn text(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let text = clipped(text, width.min(self.area.width - x));
        let (x, y) = (self.area.x + x, self.area.y + y);
        self.buffer.set_stringn(x, y, text, usize::MAX, style).0 - self.area.x
    }

    /// Writes a whole line in this style.
    fn line(&mut self, y: u16, text: &str, style: Style) {
        self.text(0, y, self.area.width, text, style);
        if y < self.area.height && style.add_modifier.contains(Modifier::REVERSED) {
            self.buffer.set_style(Rect { y: self.area.y + y, height: 1, ..self.area }, style);
        }
    }

    fn colored(&self, color: Color) -> Style {
        colored(self.color, color)
    }

    fn faint(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}

fn colored(is_wanted: bool, color: Color) -> Style {
    if is_wanted { Style::new().fg(color) } else { Style::new() }
}

/// How wide a terminal shows it.
fn columns_of(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// As much of it as fits; `~` stands for the rest.
fn clipped(text: &str, width: u16) -> String {
    if columns_of(text) <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let mut kept = String::new();
    for character in text.chars() {
        match left.checked_sub(columns_of(character.encode_utf8(&mut [0; 4]))) {
            Some(rest) => left = rest,
            None => break,
        }
        kept.push(character);
    }
    if width > 0 {
        kept.push('~');
    }
    kept
}

#[cfg(test)]
mod tests;
