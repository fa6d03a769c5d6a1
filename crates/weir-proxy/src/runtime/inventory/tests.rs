//! Files that are edited, broken, taken away and brought back while they are followed.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;

use tokio::task::LocalSet;
use weir_core::balance::Strategy;
use weir_core::health::{State as Health, Word};
use weir_core::retry::RetryPolicy;
use weir_upstream::roster::Roster;
use weir_upstream::upstream::Waits;

use super::*;

const SOON: Duration = Duration::from_secs(1);

/// Looks that a test waits for; the clock is turned by whoever waits.
const PATIENCE: u32 = 100;

/// An upstream whose inventory stands in a directory of its own.
struct Scene {
    directory: PathBuf,
    upstream: Arc<Upstream>,
    inventory: Arc<WatchedInventory>,
}

impl Scene {
    /// `keys` are those of the upstream beside its inventory.
    fn set(content: &str, keys: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("weir-inventory-{}-{number}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("hosts.conf"), content).unwrap();
        let text = format!("services: [{{host: '*', upstream: {{inventory: hosts.conf, {keys}}}}}]");
        let loaded = weir_config::parse("x", text.as_bytes(), &|_| None, &directory);
        let model = loaded.unwrap_or_else(|report| panic!("{report}")).model;
        let inventory = WatchedInventory::following(&model.upstreams[0], None).unwrap();
        let member = |server: &model::Server| {
            let origin = if server.from_inventory { Origin::Inventory } else { Origin::File };
            let made = weir_upstream::member::Server::new(server.address.clone());
            Member::new(Arc::new(made), server.weight, origin, Health::Healthy)
        };
        let roster = Roster::new(model.upstreams[0].servers.iter().map(member).collect(), 10);
        let waits =
            Waits { connect: SOON, answer_head: SOON, answer_body: SOON, idle: SOON, reuse_unsafe: SOON };
        let upstream = Upstream::new("web", roster, Strategy::RoundRobin, RetryPolicy::default(), waits);
        Self { directory, upstream: Arc::new(upstream), inventory }
    }

    fn file(&self) -> PathBuf {
        self.directory.join("hosts.conf")
    }

    fn write(&self, content: impl AsRef<[u8]>) {
        fs::write(self.file(), content).unwrap();
    }

    fn servers(&self) -> Vec<String> {
        self.upstream.group().servers.iter().map(|server| server.name().to_owned()).collect()
    }

    /// Does this while the file is followed.
    async fn followed(&self, work: impl Future<Output = ()>) {
        let tasks = LocalSet::new();
        tasks.spawn_local(keep(Arc::clone(&self.upstream), Arc::clone(&self.inventory)));
        tasks.run_until(work).await;
    }

    async fn until(&self, is_so: impl Fn(&InventoryStatus) -> bool) {
        for _ in 0..PATIENCE {
            if is_so(&self.inventory.status()) {
                return;
            }
            pause(LOOK_INTERVAL).await;
        }
        panic!("it does not happen: {:?} {:?}", self.inventory.status(), self.servers());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[tokio::test(start_paused = true)]
async fn an_edited_file_is_followed() {
    let scene = Scene::set("a:1\nb:1\n", "servers: ['f:1']");
    assert_eq!(scene.servers(), ["f:1", "a:1", "b:1"]);
    scene
        .followed(async {
            scene.write("# a is gone\nb:1\nc:1\n");
            scene.until(|status| status.taken_total == 1).await;
            assert_eq!(scene.servers(), ["f:1", "b:1", "c:1"]);
            // Exchanged as a whole, as careful programs do.
            let beside = scene.directory.join("new");
            fs::write(&beside, "d:1\n").unwrap();
            fs::rename(&beside, scene.file()).unwrap();
            scene.until(|status| status.taken_total == 2).await;
            assert_eq!(scene.servers(), ["f:1", "d:1"]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_can_not_be_used_changes_nothing_and_is_told_once() {
    let scene = Scene::set("a:1\nb:1\n", "servers: ['f:1']");
    let file = scene.file();
    let bad: [(&str, &dyn Fn()); 7] = [
        (":2:1: `8080` is not a server", &|| scene.write("a:1\n8080\n")),
        ("hosts.conf: the inventory has no server", &|| scene.write("")),
        ("hosts.conf: the inventory has no server", &|| scene.write("# none\n")),
        (":1:1: the server `f:1` stands in `servers` too", &|| scene.write("f:1\n")),
        (":2:1: the inventory is not UTF-8", &|| scene.write(b"a:1\n\xff\n")),
        (":2: `https://x` can't be a server: ", &|| scene.write("a:1\nhttps://x # new\n")),
        (": it can't be read: No such file", &|| fs::remove_file(&file).unwrap()),
    ];
    scene
        .followed(async {
            for (number, (said, spoil)) in (1..).zip(bad) {
                spoil();
                scene.until(|status| status.refused_total >= number).await;
                let problem = scene.inventory.status().problem.unwrap();
                assert!(problem.contains(said) && problem.contains("hosts.conf"), "{said}: {problem}");
                for _ in 0..5 {
                    pause(LOOK_INTERVAL).await;
                }
                assert_eq!(scene.inventory.status().refused_total, number, "{said}: told again");
                assert_eq!(scene.servers(), ["f:1", "a:1", "b:1"], "{said}");
            }
            scene.write("a:1\n");
            scene.until(|status| status.problem.is_none()).await;
            assert_eq!(scene.servers(), ["f:1", "a:1"]);
        })
        .await;
    assert_eq!(scene.inventory.status().taken_total, 1);
}

/// A file that is written line by line was taken when it had its first one, and every other server left.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_not_taken() {
    let scene = Scene::set("a:1\nb:1\n", "");
    let mut settling = Settling::new(scene.inventory.content());
    let mut text = String::new();
    for name in ["b:1\n", "c:1\n", "d:1\n"] {
        text.push_str(name);
        scene.write(&text);
        assert_eq!(settling.look(look(&scene.file()).await), Sight::Changing, "{text}");
    }
    assert_eq!(settling.look(look(&scene.file()).await), Sight::Settled);
}

/// An address that was cut off is one too: `c:1` of `c:12`.
#[tokio::test(start_paused = true)]
async fn a_last_line_without_an_end_is_waited_for() {
    let scene = Scene::set("a:1\nb:1\n", "");
    scene
        .followed(async {
            scene.write("a:1\nb:1\nc:1");
            for _ in 0..CUT_OFF_LOOKS {
                pause(LOOK_INTERVAL).await;
            }
            assert_eq!(scene.inventory.status().taken_total, 0);
            scene.write("a:1\nb:1\nc:12\n");
            scene.until(|status| status.taken_total == 1).await;
            assert_eq!(scene.servers(), ["a:1", "b:1", "c:12"]);
            // Some editors never write an end.
            scene.write("a:1");
            scene.until(|status| status.taken_total == 2).await;
            assert_eq!(scene.servers(), ["a:1"]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_did_survives() {
    let scene = Scene::set("a:1\nb:1\nc:1\n", "");
    scene.upstream.change(|roster| {
        roster.say("a:1", Word::Disable, Moment::now()).unwrap();
        roster.weigh("b:1", 9).unwrap();
        roster.leave("c:1").unwrap();
    });
    scene
        .followed(async {
            scene.write("d:1\na:1\nb:1\nc:1\n");
            scene.until(|status| status.taken_total == 1).await;
        })
        .await;
    assert_eq!(scene.servers(), ["a:1", "b:1", "d:1"]);
    scene.upstream.look(|roster| {
        assert_eq!(roster.member("a:1").unwrap().word, Word::Disable);
        assert_eq!(roster.member("b:1").unwrap().weight, 9);
    });
}

#[tokio::test(start_paused = true)]
async fn another_spelling_is_the_same_server() {
    let scene = Scene::set("a:80\nunix:b\n", "");
    let before = scene.upstream.group().servers.clone();
    scene
        .followed(async {
            scene.write("http://a\nunix:./b\n[::1]\n");
            scene.until(|status| status.taken_total == 1).await;
            scene.write("a\nunix:b\n");
            scene.until(|status| status.taken_total == 2).await;
        })
        .await;
    let after = scene.upstream.group().servers.clone();
    assert_eq!(scene.servers()[0], "a:80");
    assert!(Arc::ptr_eq(&before[0], &after[0]));
}

#[tokio::test(start_paused = true)]
async fn counts_go_on_and_a_panic_forgets_nothing() {
    let scene = Scene::set("a:1\n", "");
    scene
        .followed(async {
            scene.write("b:1\n");
            scene.until(|status| status.taken_total == 1).await;
        })
        .await;
    // The task is begun again, as after a panic: what was used is no change.
    scene
        .followed(async {
            for _ in 0..5 {
                pause(LOOK_INTERVAL).await;
            }
        })
        .await;
    assert_eq!(scene.inventory.status().taken_total, 1);
    let text = "services: [{host: '*', upstream: {inventory: hosts.conf}}]";
    let model = weir_config::parse("x", text.as_bytes(), &|_| None, &scene.directory).unwrap().model;
    let next = WatchedInventory::following(&model.upstreams[0], Some(&scene.inventory)).unwrap();
    assert_eq!(next.status().taken_total, 1);
}
