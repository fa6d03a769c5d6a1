//! Who may register, who replaces whom, and what the limits are.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ipnet::IpNet;
use weir_auth::secret::Secret;
use weir_core::address::NetworkSet;
use weir_core::health::Word;

use super::*;
use crate::wire::message::{Message, Token};
use crate::wire::{Framer, WireLimits};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Scene {
    registry: Registry,
    groups: Arc<PolicyGroups>,
    rule: Register,
    limits: PolicyLimits,
}

fn networks(list: &[&str]) -> NetworkSet {
    NetworkSet::new(&list.iter().map(|network| network.parse::<IpNet>().unwrap()).collect::<Vec<_>>())
}

/// What a server says that registers.
fn registration(id: i64, policy: i64, port: u16) -> Registration {
    let text = format!(r#"{{"type": 1, "id": {id}, "privPolyId": {policy}, "listenport": {port}}}"#);
    let frame = Framer::new(WireLimits::default()).advance(text.as_bytes()).unwrap().unwrap();
    let Ok(Message::Registration(registration)) = Message::of(&frame.value) else { panic!("{text}") };
    registration
}

fn token(text: &str) -> Token {
    let text = format!(r#"{{"type": 1, "id": 1, "privPoliId": 1, "listenport": 1, "token": "{text}"}}"#);
    let frame = Framer::new(WireLimits::default()).advance(text.as_bytes()).unwrap().unwrap();
    let Ok(Message::Registration(registration)) = Message::of(&frame.value) else { panic!("{text}") };
    registration.token.unwrap()
}

impl Scene {
    fn new() -> Self {
        let groups = Arc::new(PolicyGroups::default());
        Self {
            registry: Registry::new(Arc::clone(&groups)),
            groups,
            rule: Register::default(),
            limits: PolicyLimits::default(),
        }
    }

    fn register_as(&self, peer: &str, form: Form, registration: &Registration) -> Result<(), NotRegistered> {
        let peer = peer.parse().unwrap();
        self.registry.register(peer, form, registration, &self.rule, &self.limits)
    }

    fn register(&self, id: i64, policy: i64, port: u16) -> Result<(), NotRegistered> {
        self.register_as("127.0.0.1", Form::Json, &registration(id, policy, port))
    }

    /// The ports of the servers of a policy that get messages.
    fn ports(&self, policy: i64) -> Vec<String> {
        let Some(group) = self.groups.of(policy) else { return Vec::new() };
        let group = group.group();
        let getting = group.servers.iter().zip(&group.shares).filter(|(_, share)| **share > 0);
        getting.map(|(server, _)| server.name().rsplit_once(':').unwrap().1.to_owned()).collect()
    }

    fn say(&self, policy: i64, port: u16, state: State) {
        let name = format!("127.0.0.1:{port}");
        let changed = self
            .groups
            .of(policy)
            .unwrap()
            .change(|roster| roster.checked(&name, state, "so", Moment::now()));
        assert_eq!(changed, Ok(true));
    }
}

#[tokio::test]
async fn the_same_number_or_the_same_address_replaces_the_server_that_had_it() {
    let scene = Scene::new();
    scene.register(7, 111, 2105).unwrap();
    scene.register(8, 111, 2106).unwrap();
    assert_eq!(scene.ports(111), ["2105", "2106"]);
    scene.register(7, 111, 2107).unwrap();
    assert_eq!(scene.ports(111), ["2106", "2107"], "number 7 is elsewhere now");
    scene.register(9, 111, 2106).unwrap();
    assert_eq!(scene.ports(111), ["2106", "2107"], "the same place under another number");
    scene.register(8, 111, 2108).unwrap();
    assert_eq!(scene.ports(111), ["2106", "2107", "2108"], "number 8 had no place any more");
    scene.register(9, 112, 2106).unwrap();
    assert_eq!(
        (scene.ports(111), scene.ports(112)),
        (vec!["2107".into(), "2108".into()], vec!["2106".into()])
    );
    // Numbers belong to their policies: programs count their servers from 1 in each.
    scene.register(7, 112, 2109).unwrap();
    assert_eq!(scene.ports(111), ["2107", "2108"]);
    assert_eq!(scene.ports(112), ["2106", "2109"]);
}

#[tokio::test]
async fn what_is_said_again_changes_nothing() {
    let scene = Scene::new();
    scene.register(7, 111, 2105).unwrap();
    let before = scene.groups.of(111).unwrap().group();
    for _ in 0..3 {
        scene.register(7, 111, 2105).unwrap();
    }
    assert!(Arc::ptr_eq(&before, &scene.groups.of(111).unwrap().group()));
    // In another form it is the same server, spoken with otherwise.
    scene.register_as("127.0.0.1", Form::Pickle, &registration(7, 111, 2105)).unwrap();
    assert_eq!(scene.registry.manner("127.0.0.1:2105"), Manner { form: Form::Pickle, keep: false });
    assert_eq!(scene.registry.manner("127.0.0.1:1"), Manner::default());
    assert!(Arc::ptr_eq(&before, &scene.groups.of(111).unwrap().group()));
}

/// One that was restarted is asked at once, and not only when the next check has found it; what an operator says of it holds.
#[tokio::test]
async fn a_server_that_is_back_is_asked_at_once_and_its_history_goes_on() {
    let scene = Scene::new();
    scene.register(7, 111, 2105).unwrap();
    scene.register(8, 111, 2106).unwrap();
    scene.say(111, 2105, State::Unreachable);
    assert_eq!(scene.ports(111), ["2106"]);
    let slot = |port: u16| {
        let name = format!("127.0.0.1:{port}");
        scene.groups.of(111).unwrap().look(|roster| roster.member(&name).unwrap().server.slot())
    };
    let before = slot(2105);
    scene.register(7, 111, 2105).unwrap();
    assert_eq!(scene.ports(111), ["2106", "2105"]);
    assert_ne!(slot(2105), before, "its checks begin anew");
    let changes = scene.groups.of(111).unwrap().look(|roster| {
        roster
            .member("127.0.0.1:2105")
            .unwrap()
            .changes
            .iter()
            .map(|change| change.reason.to_string())
            .collect::<Vec<_>>()
    });
    assert_eq!(changes, ["so", "it has registered"]);
    let group = scene.groups.of(111).unwrap();
    group.change(|roster| roster.say("127.0.0.1:2106", Word::Disable, Moment::now())).unwrap();
    scene.register(8, 111, 2106).unwrap();
    assert_eq!(scene.ports(111), ["2105"]);
}

#[tokio::test]
async fn who_may_register_is_said_with_the_setting_that_allows_more() {
    let mut scene = Scene::new();
    let mine = registration(7, 111, 2105);
    let refused = |outcome: Result<(), NotRegistered>, part: &str| {
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    };
    refused(scene.register_as("10.0.0.5", Form::Json, &mine), "register: {allow: [10.0.0.5]}");
    assert!(scene.groups.of(111).is_none());
    for peer in ["127.0.0.9", "::1", "::ffff:127.0.0.1"] {
        scene.register_as(peer, Form::Json, &mine).unwrap();
    }
    // Another address than its own.
    let other = Registration { address: Some("10.0.0.6".parse().unwrap()), ..mine.clone() };
    refused(scene.register_as("127.0.0.1", Form::Json, &other), "elsewhere: [10.0.0.6]");
    let own = Registration { address: Some(HERE), ..mine.clone() };
    scene.register_as("127.0.0.1", Form::Json, &own).unwrap();
    scene.rule.elsewhere = Some(networks(&["10.0.0.0/8"]));
    scene.register_as("127.0.0.1", Form::Json, &other).unwrap();
    scene.rule.allow = networks(&["10.0.0.0/8"]);
    scene.register_as("10.0.0.5", Form::Json, &mine).unwrap();
    refused(scene.register_as("127.0.0.1", Form::Json, &mine), "--allow 127.0.0.1");
    // A secret.
    scene.rule = Register { token: Some(Arc::new(Secret::new(b"hush".to_vec()))), ..Register::default() };
    for token in [None, Some(token("")), Some(token("hus")), Some(token("hush!"))] {
        let shown = Registration { token, ..mine.clone() };
        assert_eq!(scene.register_as("127.0.0.1", Form::Json, &shown), Err(NotRegistered::Token));
    }
    let shown = Registration { token: Some(token("hush")), ..mine };
    scene.register_as("127.0.0.1", Form::Json, &shown).unwrap();
}

#[tokio::test]
async fn there_are_only_so_many() {
    let mut scene = Scene::new();
    scene.limits = PolicyLimits { servers: 2, policies: 2, ..PolicyLimits::default() };
    scene.register(1, 111, 1).unwrap();
    scene.register(2, 111, 2).unwrap();
    assert_eq!(scene.register(3, 111, 3), Err(NotRegistered::Servers(2)));
    scene.register(2, 111, 4).unwrap();
    assert_eq!(scene.ports(111), ["1", "4"], "one for one");
    scene.register(1, 112, 5).unwrap();
    assert_eq!(scene.register(1, 113, 6), Err(NotRegistered::Policies(2)));
    assert_eq!(scene.ports(112), ["5"]);
}

#[tokio::test]
async fn who_can_not_be_reached_for_long_is_forgotten() {
    let scene = Scene::new();
    scene.register(7, 111, 2105).unwrap();
    scene.register(8, 111, 2106).unwrap();
    scene.say(111, 2105, State::Unreachable);
    scene.registry.forget_unreachable(Duration::from_secs(1));
    let members = || scene.groups.of(111).unwrap().look(|roster| roster.members().len());
    assert_eq!(members(), 2, "it has not been away for long");
    scene.registry.forget_unreachable(Duration::MAX);
    assert_eq!(members(), 1);
    assert_eq!(scene.ports(111), ["2106"]);
    scene.register(7, 111, 2105).unwrap();
    assert_eq!(scene.ports(111), ["2106", "2105"]);
}

/// Servers that come and go would fill the book.
#[tokio::test]
async fn what_is_known_of_those_that_have_gone_is_forgotten() {
    let scene = Scene::new();
    for port in 1..1000 {
        scene.register(i64::from(port), 111, port).unwrap();
        scene.groups.of(111).unwrap().change(|roster| roster.leave(&format!("127.0.0.1:{port}"))).unwrap();
    }
    assert!(scene.registry.book.load().len() <= STALE_MAX + 3);
}

/// A program that is replaced while it runs: whoever has registered needs not do so again, and nobody registers where it is lost.
#[tokio::test]
async fn another_process_has_whoever_had_registered() {
    let scene = Scene::new();
    scene.register(7, 111, 2105).unwrap();
    scene
        .register_as("127.0.0.1", Form::Pickle, &Registration { keep: true, ..registration(8, 111, 2106) })
        .unwrap();
    scene.register(7, 112, 2107).unwrap();
    scene.register(9, 113, 2108).unwrap();
    scene.groups.of(113).unwrap().change(|roster| roster.leave("127.0.0.1:2108")).unwrap();
    scene.say(111, 2105, State::Unreachable);
    let next = Scene::new();
    next.registry.restore(&scene.registry.all());
    assert_eq!((next.ports(111), next.ports(112)), (vec!["2106".to_owned()], vec!["2107".to_owned()]));
    assert!(next.groups.of(113).is_none(), "who has left is not brought back");
    assert_eq!(next.registry.manner("127.0.0.1:2106"), Manner { form: Form::Pickle, keep: true });
    next.say(111, 2105, State::Healthy);
    assert_eq!(next.ports(111), ["2105", "2106"]);
    // Number 8 moves at the last moment; then nobody is heard any more.
    scene.register(8, 111, 2109).unwrap();
    let last = scene.registry.close();
    assert_eq!(scene.register(10, 111, 2110), Err(NotRegistered::Replaced));
    next.registry.restore(&last);
    assert_eq!(next.ports(111), ["2105", "2109"], "and what is known of those who stay is kept");
    assert_eq!(next.registry.all().len(), 3);
    // There is no other process after all.
    scene.registry.reopen();
    scene.register(10, 111, 2110).unwrap();
}
