//! The inventory of an upstream is read here, so that `weir check` says what a start would.

use std::path::Path;

use crate::inventory::{self, Surroundings};
use crate::model::{Inventory, Server};
use crate::problem::{Problem, Problems};
use crate::report::Report;
use crate::source::At;

/// Reads the file of this name, beside these servers. What its lines are wrong about is a report of its own.
pub(super) fn read(
    written: At<String>,
    beside: &[At<Server>],
    base_dir: &Path,
    problems: &mut Problems,
) -> Result<(Inventory, Vec<At<Server>>), Option<Report>> {
    let file = base_dir.join(&written.value);
    let name = file.display().to_string();
    let content = inventory::read(&file).map_err(|error| {
        problems.push(
            Problem::error(written.span, format!("the inventory `{name}` can't be read: {error}"))
                .hint("write it, with one `host:port` on each line, or take `inventory` away"),
        );
        None
    })?;
    let beside: Vec<_> = beside.iter().map(|server| server.value.address.clone()).collect();
    let around = Surroundings { base_dir: Some(base_dir), beside: &beside };
    let servers = inventory::parse(&name, &content, &around).map_err(|report| {
        let problem = Problem::error(written.span, format!("the inventory `{name}` can't be used"));
        problems.push(problem.hint("what is wrong with it is told below"));
        Some(report)
    })?;
    let server =
        |address| At { value: Server { from_inventory: true, ..Server::at(address) }, span: written.span };
    let servers = servers.into_iter().map(server).collect();
    Ok((Inventory { file, base_dir: base_dir.to_owned(), content: content.into() }, servers))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::load::{self, Loaded};
    use crate::report::Report;

    /// A directory with an inventory, gone at the end of a test.
    struct Directory(PathBuf);

    impl Directory {
        fn with(inventory: &str) -> Self {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("weir-config-list-{}-{number}", std::process::id()));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("hosts.conf"), inventory).unwrap();
            Self(path)
        }

        fn load(&self, upstream: &str) -> Result<Loaded, Report> {
            let text = format!("services: [{{host: '*', upstream: {{{upstream}}}}}]\n");
            load::parse("weir.yaml", text.as_bytes(), &|_| None, &self.0)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn servers_come_from_the_file_beside_those_of_the_configuration() {
        let directory = Directory::with("a:1\n# no\nunix:b\n");
        for (upstream, expected) in [
            ("inventory: hosts.conf", [("a:1", true), ("unix:b", true)].as_slice()),
            ("servers: ['c:1'], inventory: hosts.conf", &[("c:1", false), ("a:1", true), ("unix:b", true)]),
        ] {
            let loaded = directory.load(upstream).unwrap_or_else(|report| panic!("{report}"));
            let upstream = &loaded.model.upstreams[0];
            let servers = upstream.servers.iter();
            let servers: Vec<_> =
                servers.map(|server| (&*server.address.written, server.from_inventory)).collect();
            assert_eq!(servers, expected);
            let inventory = upstream.inventory.as_ref().unwrap();
            assert_eq!(inventory.file, directory.0.join("hosts.conf"));
            assert_eq!(*inventory.content, *b"a:1\n# no\nunix:b\n");
        }
    }

    #[test]
    fn what_is_wrong_with_it_is_told_with_both_places() {
        let check = |inventory: &str, upstream: &str, parts: &[&str]| {
            let directory = Directory::with(inventory);
            let report = directory.load(upstream).unwrap_err();
            let shown = report.to_string();
            for part in parts {
                assert!(shown.contains(part), "{part}: {shown}");
            }
            let problems = &report.to_json()["problems"];
            assert_eq!(problems.as_array().unwrap().len(), parts.len() / 2, "{problems:#}");
        };
        let used = "inventory: hosts.conf";
        check(
            "a:1\n8080\n\nb c\n",
            used,
            &[
                "weir.yaml:1:46",
                "can't be used",
                "hosts.conf:2:1",
                "127.0.0.1:8080",
                "hosts.conf:4:1",
                "more than one word",
            ],
        );
        check("# none\n", used, &["weir.yaml:1:46", "can't be used", "hosts.conf", "no server"]);
        check(
            "a:1\n",
            "servers: ['a:1'], inventory: hosts.conf",
            &["weir.yaml:1:64", "can't be used", "hosts.conf:1:1", "in `servers` too"],
        );
        check("", "inventory: missing.conf", &["weir.yaml:1:46", "missing.conf` can't be read"]);
        check("", "inventory: .", &["weir.yaml:1:46", "not a plain file"]);
        check("", "balance: p2c", &["needs `servers`", "inventory: FILE"]);
        check("https://a\n", "inventory: hosts.conf, tls: {ca: missing.pem}", &["weir.yaml", "missing.pem"]);
    }

    /// Servers with https may come later.
    #[test]
    fn tls_may_stand_beside_an_inventory_without_servers_that_speak_it() {
        let directory = Directory::with("a:1\n");
        let loaded = directory.load("inventory: hosts.conf, tls: {verify: none}").unwrap();
        assert!(loaded.model.upstreams[0].tls.is_some());
    }
}
