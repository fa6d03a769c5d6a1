//! What is written of the members of a running Weir into its configuration, and what is not.
//!
//! The members as they are now are held against the servers that the file names now. What Weir lists as different is different
//! from what it has read at its start: what was written since, and then undone, is not among it.

use serde_json::Value;
use weir_config::model::{Model, Server, Upstream};
use weir_config::rewrite::{Change, Wish, is_same};

use crate::table::{list, plain, word};

/// What is to be done about differences.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// What shall be written.
    pub(crate) changes: Vec<Change>,
    /// What is not, and why; for people.
    pub(crate) left: Vec<String>,
}

/// Reads the answer of the admin listener, for a file that says this.
pub(crate) fn wishes(value: &Value, file: &Model) -> Wishes {
    let mut wishes = Wishes::default();
    for upstream in list(&value["upstreams"]) {
        let mut listed = Vec::new();
        for difference in list(&upstream["differences"]) {
            match wish(upstream, difference) {
                Ok(wish) => listed.push(change(upstream, &difference["server"], wish)),
                Err(why) => {
                    let (name, server) = (word(&upstream["name"]), word(&difference["server"]));
                    wishes.left.push(format!("{name}: {server} {why}"));
                }
            }
        }
        match file.upstreams.iter().find(|known| upstream["name"] == *known.name) {
            Some(known) if is_strange(upstream, known) => wishes.left.push(format!(
                "{}: the file names none of the servers that Weir has read or has; is it the one that it runs with?",
                word(&upstream["name"])
            )),
            Some(known) => wishes.changes.extend(compared(upstream, known, listed)),
            // It is another file, which is told when something is to be written into it.
            None => wishes.changes.extend(listed),
        }
    }
    wishes
}

fn change(upstream: &Value, server: &Value, wish: Wish) -> Change {
    Change { upstream: text(&upstream["name"]), server: text(server), wish }
}

/// How the servers that the file names itself must change to be the members. `listed` are differences from what Weir has read.
fn compared(upstream: &Value, file: &Upstream, listed: Vec<Change>) -> Vec<Change> {
    let name = |server: &Value| text(&server["address"]);
    let own = |name: &str| find(file, name).filter(|server| is_own(server));
    let members: Vec<&Value> =
        list(&upstream["servers"]).iter().filter(|server| !is_leaving(upstream, server)).collect();
    let mut changes = Vec::new();
    for member in members.iter().filter(|member| member["origin"] == "file" || member["origin"] == "added") {
        let Some(to) = number(&member["weight"]) else { continue };
        let wish = match find(file, &name(member)) {
            None => Wish::Add { weight: to },
            Some(known) if known.weight != to && is_own(known) => Wish::Weigh { from: known.weight, to },
            Some(_) => continue,
        };
        changes.push(change(upstream, &member["address"], wish));
    }
    let is_member =
        |server: &&Server| members.iter().any(|member| is_same(&server.address.written, &name(member)));
    let gone = file.servers.iter().filter(|server| is_own(server));
    changes.extend(gone.filter(|server| !is_member(server)).map(|server| Change {
        upstream: file.name.clone(),
        server: server.address.written.to_string(),
        wish: Wish::Remove,
    }));
    // What was changed of servers of an inventory is told, and left to whoever writes that.
    let is_elsewhere = |change: &Change| {
        file.inventory.is_some() && !matches!(change.wish, Wish::Add { .. }) && own(&change.server).is_none()
    };
    changes.extend(listed.into_iter().filter(is_elsewhere));
    changes
}

fn find<'f>(file: &'f Upstream, name: &str) -> Option<&'f Server> {
    file.servers.iter().find(|server| is_same(&server.address.written, name))
}

/// Whether an entry in the file is this server and no other.
fn is_own(server: &Server) -> bool {
    !server.from_inventory && !server.resolve
}

/// Whether the file names servers, and none that Weir has or has read: such a file is hardly the one that it runs with.
fn is_strange(upstream: &Value, file: &Upstream) -> bool {
    let members = list(&upstream["servers"]).iter().map(|server| &server["address"]);
    let listed = list(&upstream["differences"]).iter().map(|difference| &difference["server"]);
    let is_known = |server: &Value| find(file, &text(server)).is_some();
    file.servers.iter().any(is_own) && !members.chain(listed).any(is_known)
}

/// Whether a server is there only until its requests have ended. One that an operator drains, and that stays, is listed.
fn is_leaving(upstream: &Value, server: &Value) -> bool {
    let is_drained = |listed: &Value| listed["server"] == server["address"] && listed["kind"] == "draining";
    server["state"] == "draining" && !list(&upstream["differences"]).iter().any(is_drained)
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// As Weir writes it; it is compared with what is in the file.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn wish(upstream: &Value, difference: &Value) -> Result<Wish, String> {
    let number = |key: &str| number(&difference[key]);
    let unknown = || "is different in a way that this version does not know".to_owned();
    match difference["kind"].as_str() {
        Some("added") if difference["is_leased"] == true => {
            Err("registered itself, and leaves by itself".to_owned())
        }
        Some("added") => Ok(Wish::Add { weight: number("weight").ok_or_else(unknown)? }),
        Some("left") => Ok(Wish::Remove),
        Some("weight") if is_found(upstream, difference) => {
            Err("was found by its name, which has one weight for all".to_owned())
        }
        Some("weight") => {
            let (from, to) = (number("written_weight"), number("weight"));
            Ok(Wish::Weigh { from: from.ok_or_else(unknown)?, to: to.ok_or_else(unknown)? })
        }
        Some(word @ ("draining" | "disabled")) => Err(format!(
            "is {word}, for which the file has no word: take it away there, or give it the weight 0"
        )),
        Some(_) | None => Err(unknown()),
    }
}

fn is_found(upstream: &Value, difference: &Value) -> bool {
    let is_it = |server: &&Value| server["address"] == difference["server"];
    list(&upstream["servers"]).iter().find(is_it).is_some_and(|server| server["origin"] == "name")
}

/// A change, in a line for people: with the signs of `--diff`.
pub(crate) fn shown(change: &Change) -> String {
    let (upstream, server) = (plain(&change.upstream), plain(&change.server));
    match change.wish {
        Wish::Add { weight } => format!("{upstream}: + {server}  weight {weight}"),
        Wish::Remove => format!("{upstream}: - {server}"),
        Wish::Weigh { from, to } => format!("{upstream}: ~ {server}  weight {to}, was {from}"),
    }
}

#[cfg(test)]
mod tests;
