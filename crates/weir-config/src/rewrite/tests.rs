//! Files in every way of writing them, and what becomes of them.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

const SERVICES: &str = "services: [{host: '*', upstream: web}]\n";

fn change(upstream: &str, server: &str, wish: Wish) -> Change {
    Change { upstream: upstream.to_owned(), server: server.to_owned(), wish }
}

/// `+a:1`, `+a:1*3` with a weight, `-a:1`, `~a:1 1 3` from 1 to 3.
fn changes(upstream: &str, words: &[&str]) -> Vec<Change> {
    let one = |word: &&str| {
        let (sign, rest) = word.split_at(1);
        match sign {
            "+" => {
                let (server, weight) = rest.split_once('*').unwrap_or((rest, "1"));
                change(upstream, server, Wish::Add { weight: weight.parse().unwrap() })
            }
            "-" => change(upstream, rest, Wish::Remove),
            _ => {
                let mut parts = rest.split(' ');
                let server = parts.next().unwrap();
                let mut number = || parts.next().unwrap().parse().unwrap();
                change(upstream, server, Wish::Weigh { from: number(), to: number() })
            }
        }
    };
    words.iter().map(one).collect()
}

fn run(text: &str, upstream: &str, words: &[&str]) -> Result<Rewritten, Report> {
    let environment = |name: &str| (name == "HOST").then(|| "h".to_owned());
    rewrite("weir.yaml", text.as_bytes(), &environment, Path::new(""), &changes(upstream, words))
}

/// What becomes of the value of `web` in a file with other things around it.
fn check(written: &str, words: &[&str], expected: &str) {
    let file = |written: &str| format!("{SERVICES}upstreams:\n  web:{written}\nworkers: 1 # the end\n");
    let made = run(&file(written), "web", words).unwrap_or_else(|report| panic!("{written}: {report}"));
    assert_eq!(String::from_utf8(made.text).unwrap(), file(expected), "{words:?}");
}

/// What is said of changes that can't be made.
fn check_refused(text: &str, words: &[&str], parts: &[&str]) {
    let report = run(text, "web", words).unwrap_err().to_string();
    for part in parts {
        assert!(report.contains(part), "{part}: {report}");
    }
}

#[test]
fn entries_with_dashes_come_and_go_with_their_lines() {
    let list = "\n    balance: p2c\n    servers:\n      # first\n      - a:1   # one\n      - b:1\n\n      # about c\n      - \
                'c:1'  # three\n    # behind\n    timeouts: {idle: 3s}";
    check(list, &["-b:1"], &list.replace("      - b:1\n", ""));
    check(list, &["-a:1"], &list.replace("      - a:1   # one\n", ""));
    check(list, &["+d:1"], &list.replace("# three\n", "# three\n      - 'd:1'\n"));
    check(
        list,
        &["+d:1*5", "+[::1]:80"],
        &list.replace("# three\n", "# three\n      - {address: 'd:1', weight: 5}\n      - '[::1]:80'\n"),
    );
    check(list, &["~a:1 1 3"], &list.replace("- a:1 ", "- {address: a:1, weight: 3} "));
    check(list, &["~c:1 1 3"], &list.replace("- 'c:1' ", "- {address: 'c:1', weight: 3} "));
    // All are exchanged at once.
    check("\n    - a:1\n    - b:1", &["-a:1", "-b:1", "+c:1"], "\n    - c:1");
    check("\n  - a:1", &["+b:1"], "\n  - a:1\n  - b:1");
    check("\n    -   a:1", &["+b:1"], "\n    -   a:1\n    -   b:1");
    check("\n    -\n      a:1", &["+b:1"], "\n    -\n      a:1\n    - b:1");
    check("\n    -\n      a:1\n    - b:1", &["-a:1"], "\n    - b:1");
}

#[test]
fn mappings_keep_what_else_they_say() {
    let list = "\n    servers:\n    - address: a:1 # here\n      # not much\n      weight: 2\n      primary: true\n    - \
                primary: false\n      address: \"b:1\"  # there\n\n    - {weight: 4, address: c:1}\n    - {address: d:1}";
    check(list, &["~a:1 2 3"], &list.replace("weight: 2", "weight: 3"));
    check(list, &["~b:1 1 3"], &list.replace("# there\n", "# there\n      weight: 3\n"));
    check(list, &["~c:1 4 1"], &list.replace("weight: 4", "weight: 1"));
    check(list, &["~d:1 1 9"], &list.replace("d:1}", "d:1, weight: 9}"));
    check(
        list,
        &["-a:1"],
        &list.replace(
            "    - address: a:1 # here\n      # not much\n      weight: 2\n      primary: true\n",
            "",
        ),
    );
    let fewer = list.replace("\n    - {address: d:1}", "");
    let fewer = fewer.replace("    - primary: false\n      address: \"b:1\"  # there\n", "");
    check(list, &["-d:1", "-b:1"], &fewer);
}

#[test]
fn entries_in_brackets_come_and_go_with_their_commas() {
    check(" [a:1, b:1]", &["+c:1"], " [a:1, b:1, c:1]");
    check(" [a:1, b:1 ]", &["-b:1"], " [a:1 ]");
    check(" [a:1, b:1]", &["-a:1"], " [b:1]");
    check(" [ 'a:1','b:1' ]", &["-a:1", "+c:1*2"], " [ 'b:1', {address: 'c:1', weight: 2} ]");
    check(" {servers: [a:1], balance: p2c}", &["+b:1"], " {servers: [a:1, b:1], balance: p2c}");
    check(" {servers: [{address: a:1}]}", &["~a:1 1 2"], " {servers: [{address: a:1, weight: 2}]}");
    check(" [a:1, b:1,]", &["+c:1"], " [a:1, b:1, c:1]");
    check(" [a:1, b:1,]", &["-b:1"], " [a:1, ]");
    let lines = " [\n    a:1, # one\n    # of b\n    b:1   # two, the last\n   ]";
    check(lines, &["+c:1"], " [\n    a:1, # one\n    # of b\n    b:1,   # two, the last\n    c:1\n   ]");
    check(lines, &["-a:1"], &lines.replace("    a:1, # one\n", ""));
    check(lines, &["-b:1"], &lines.replace("    b:1   # two, the last\n", ""));
    let closed = lines.replace("b:1 ", "b:1,");
    check(&closed, &["+c:1"], &closed.replace("last\n", "last\n    c:1,\n"));
    check(" [\n   a:1,\n   b:1]", &["+c:1"], " [\n   a:1,\n   b:1, c:1]");
    check(" [\n   a:1,\n   b:1]", &["-b:1"], " [\n   a:1,\n   ]");
    check(" [a:1, {address: b:1,\n    weight: 3}]", &["-b:1"], " [a:1]");
}

/// Ends of lines, a missing one, a byte order mark, and signs of several bytes.
#[test]
fn bytes_around_stay_as_they_are() {
    for (text, words, expected) in [
        (
            "{S}upstreams:\r\n  web:\r\n  - a:1\r\n  - b:1\r\n",
            "+c:1",
            "{S}upstreams:\r\n  web:\r\n  - a:1\r\n  - b:1\r\n  - c:1\r\n",
        ),
        (
            "{S}upstreams:\r\n  web:\r\n  - a:1\r\n  - b:1\r\n",
            "-b:1",
            "{S}upstreams:\r\n  web:\r\n  - a:1\r\n",
        ),
        ("{S}upstreams:\r\n  web:\r\n  - a:1\r\n  - b:1", "-b:1", "{S}upstreams:\r\n  web:\r\n  - a:1"),
        ("{S}upstreams:\n  web:\n  - a:1\n  - b:1", "-b:1", "{S}upstreams:\n  web:\n  - a:1"),
        (
            "{S}upstreams:\n  web:\n  - a:1\n  - b:1",
            "+c:1",
            "{S}upstreams:\n  web:\n  - a:1\n  - b:1\n  - c:1",
        ),
        ("{S}upstreams:\n  web:\n  - a:1 # ä\n  - b:1", "-b:1", "{S}upstreams:\n  web:\n  - a:1 # ä"),
        (
            "{S}upstreams:\r\n  web:\r\n  - a:1 # €\r\n  - b:1",
            "-b:1",
            "{S}upstreams:\r\n  web:\r\n  - a:1 # €",
        ),
        (
            "\u{feff}# ü\n{S}upstreams: {web: [a:1]} # ö",
            "+b:1",
            "\u{feff}# ü\n{S}upstreams: {web: [a:1, b:1]} # ö",
        ),
        (
            "---\n{S}upstreams:\n  web:\n  - a:1 # ä\n...\n",
            "+b:1",
            "---\n{S}upstreams:\n  web:\n  - a:1 # ä\n  - b:1\n...\n",
        ),
    ] {
        let whole = |text: &str| text.replace("{S}", SERVICES);
        let made = run(&whole(text), "web", &[words]).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(String::from_utf8(made.text).unwrap(), whole(expected));
    }
}

#[test]
fn upstreams_in_place_of_a_name_are_found() {
    let text = "services:\n- host: a\n  routes:\n  - path: /x\n    upstream: [a:1]\n  - path: /\n    upstream:\n      servers:\n      \
                - b:1\n      balance: p2c\n";
    let made = run(text, "a /", &["+c:1"]).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(String::from_utf8(made.text).unwrap(), text.replace("- b:1\n", "- b:1\n      - c:1\n"));
    let made = run(text, "a /x", &["+c:1"]).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(String::from_utf8(made.text).unwrap(), text.replace("[a:1]", "[a:1, c:1]"));
}

#[test]
fn the_file_of_host_services_is_written_in_its_own_words() {
    let text = include_str!("../../../../examples/host-services.yaml");
    let loaded = load::parse("t", text.as_bytes(), &|_| None, Path::new("")).unwrap();
    let upstream = &loaded.model.upstreams[0];
    let (name, first) = (&*upstream.name, &*upstream.servers[0].address.written);
    let made = run(text, name, &["+127.0.0.9:9099", &format!("-{first}")]);
    let made = String::from_utf8(made.unwrap_or_else(|report| panic!("{report}")).text).unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let new: Vec<_> = lines(&made).into_iter().filter(|line| !lines(text).contains(line)).collect();
    assert_eq!(new.len(), 1, "{made}");
    assert!(new[0].contains("- {address: 127.0.0.9, port: 9099, retryPolicy: [{"), "{new:?}");
    assert_eq!(lines(&made).len(), lines(text).len());
    let refused = |words: &str| run(text, name, &[words]).unwrap_err().to_string();
    assert!(refused("+a:1*2").contains("no word for the weight of `a:1`"));
    assert!(refused(&format!("~{first} 1 2")).contains("no word for a weight"));
    assert!(refused("+https://a").contains("no word for `https://a`"));
}

#[test]
fn what_the_file_says_already_is_not_written_again() {
    let text = format!("{SERVICES}upstreams: {{web: [a:80, {{address: b:1, weight: 3}}]}}\n");
    let made = run(&text, "web", &["+http://a", "+b:1*3", "~b:1 1 3", "-c:1"]).unwrap();
    assert_eq!(made.text, text.as_bytes());
    assert!(made.outcomes.iter().all(|outcome| *outcome == Outcome::AlreadySo), "{:?}", made.outcomes);
    let conflict = ["file gives `b:1` the weight 3 now", "weir.yaml:2", "line 2 by hand"];
    check_refused(&text, &["+b:1*2"], &conflict);
    check_refused(&text, &["~b:1 1 2"], &conflict);
}

/// The server was taken out of the file, because the one that came was there already, and then the one that left was not needed.
#[test]
fn a_server_that_leaves_and_comes_under_another_name_stays() {
    let text = format!("{SERVICES}upstreams: {{web: [a:80, {{address: b:1, weight: 3}}]}}\n");
    for words in [["+http://a", "-a:80"], ["-a:80", "+http://a:80"], ["+http://b:1*3", "-b:1"]] {
        let made = run(&text, "web", &words).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(String::from_utf8(made.text).unwrap(), text, "{words:?}");
        assert_eq!(made.outcomes, [Outcome::AlreadySo, Outcome::AlreadySo], "{words:?}");
    }
    check(" [a:80, b:1]", &["-a:80", "+http://a*5"], " [{address: a:80, weight: 5}, b:1]");
    check(" [a:80]", &["+http://a*5", "-a:80"], " [{address: a:80, weight: 5}]");
    let other = changes("other", &["-b:1"]);
    let [both, one] = [&[other[0].clone(), changes("web", &["+b:1*3"])[0].clone()][..], &other];
    let text = format!("{SERVICES}upstreams: {{web: [a:80], other: [a:1, b:1]}}\n");
    for (changes, expected) in [(both, 2), (one, 1)] {
        let made = rewrite("t", text.as_bytes(), &|_| None, Path::new(""), changes).unwrap();
        assert_eq!(made.outcomes, vec![Outcome::Written; expected], "only in its own upstream");
    }
}

/// Nothing is said to be so that is not.
#[test]
fn the_proof_is_about_all_that_was_wanted() {
    let text = format!("{SERVICES}upstreams: {{web: [a:80, {{address: b:1, weight: 3}}]}}\n");
    let model = load::parse("t", text.as_bytes(), &|_| None, Path::new("")).unwrap().model;
    for (word, is_so) in [
        ("+http://a", true),
        ("+a:80*2", false),
        ("+c:1", false),
        ("-c:1", true),
        ("-http://a", false),
        ("~b:1 1 3", true),
        ("~b:1 3 1", false),
        ("~c:1 1 3", false),
    ] {
        assert_eq!(proof::fulfils(&model, &changes("web", &[word])[0]), is_so, "{word}");
    }
    check_refused(&text, &["~c:1 1 3"], &["does not name `c:1`", "line 2 by hand"]);
}

#[test]
fn what_more_than_one_place_says_is_left_to_people() {
    let in_web = |web: &str| format!("{SERVICES}upstreams:\n  web: {web}\n");
    for (text, parts) in [
        (in_web("[a:1, \"${HOST}:1\"]"), ["from the environment", "weir.yaml:3:14", "line 3 by hand"]),
        (in_web("[&a a:1, b:1]"), ["anchor", "weir.yaml:3:", "line 3 by hand"]),
        (in_web("&w\n  - a:1\n  - b:1\n  other: *w"), ["anchor", "weir.yaml:3:", "lines 3 to 5 by hand"]),
        (in_web("\n  - 'a\n    :1'"), ["server", "weir.yaml:4:", "hint"]),
        (in_web("{servers: [a:1], tls: {}}"), ["`tls` is about", "weir.yaml:3", "hint"]),
    ] {
        check_refused(&text, &["+c:1"], &parts);
    }
    // Its last byte is no sign of its own.
    let wide = in_web("\n  - b:1\n  - &x unix:/ä");
    check_refused(wide.trim_end(), &["+c:1"], &["anchor", "line 5 by hand"]);
    let folded = in_web("\n  - >-\n    a:1\n  - b:1");
    check_refused(&folded, &["-a:1"], &["`- ` of its own", "by hand"]);
    check_refused(&folded, &["~a:1 1 2"], &["error", "hint"]);
    let text = format!("{SERVICES}upstreams:\n  other: &o [a:1]\n  web: *o\n");
    check_refused(&text, &["+c:1"], &["more than one place may say this", "weir.yaml"]);
    check_refused(&in_web("[a:1]"), &["-a:1"], &["the last server", "line 3 by hand"]);
    check_refused(&in_web("[a:1]").replace("web", "api"), &["+b:1"], &["no upstream `web`", "-c FILE"]);
    check_refused(&in_web("[a:1\n  , b:1]"), &["-a:1"], &["another line", "line 3 by hand"]);
    check_refused(&in_web("[a:1]"), &["+b"], &["weir.yaml:3", "`b:80`"]);
}

#[test]
fn those_of_an_inventory_are_told_of() {
    let file = std::env::temp_dir().join(format!("weir-rewrite-{}.conf", std::process::id()));
    std::fs::write(&file, "a:1\n").unwrap();
    let name = file.display().to_string();
    let only = format!("{SERVICES}upstreams: {{web: {{inventory: '{name}'}}}}\n");
    let made = run(&only, "web", &["+b:1", "-a:1", "~a:1 1 2"]).unwrap();
    assert_eq!((made.text, made.outcomes), (only.into_bytes(), vec![Outcome::InInventory(name.clone()); 3]));
    let both = format!("{SERVICES}upstreams: {{web: {{servers: [c:1], inventory: '{name}'}}}}\n");
    let made = run(&both, "web", &["+b:1", "-a:1"]).unwrap();
    assert_eq!(made.outcomes, [Outcome::Written, Outcome::InInventory(name)]);
    assert_eq!(String::from_utf8(made.text).unwrap(), both.replace("[c:1]", "[c:1, b:1]"));
    std::fs::remove_file(file).unwrap();
}

/// A comment behind an entry.
fn remark(server: &str) -> String {
    format!("# on, {{{server}}} [\"x' ä\u{20ac}")
}

/// One entry in one of the ways to write it, in brackets or behind a dash.
fn written(server: &str, weight: u32, way: u8, comment: bool, flow: bool, indent: &str) -> String {
    let quoted = match way % 3 {
        0 => server.to_owned(),
        1 => format!("'{server}'"),
        _ => format!("\"{server}\""),
    };
    let mark = if comment { format!(" {}", remark(server)) } else { String::new() };
    match (weight, way / 3, flow) {
        (1, 0 | 1, true) => format!("{quoted},{mark}"),
        (1, 0, false) => format!("{quoted}{mark}"),
        (_, 2, false) => format!("address: {quoted}{mark}\n{indent}  weight: {weight}{mark}"),
        (1, _, false) => format!("{{ address: {quoted} }}{mark}"),
        (_, _, true) => format!("{{weight: {weight}, address: {quoted}}},{mark}"),
        (_, _, false) => format!("{{weight: {weight}, address: {quoted}}}{mark}"),
    }
}

#[derive(Debug, Clone)]
struct Case {
    text: String,
    before: Vec<(String, u32)>,
    after: Vec<(String, u32)>,
    comments: Vec<String>,
}

fn cases() -> impl Strategy<Value = Case> {
    let entry = (1u32..4, 0u8..9, any::<bool>(), 0u8..4, 1u32..4);
    let shape = (any::<bool>(), any::<bool>(), any::<bool>(), 0usize..3, any::<bool>());
    let added = proptest::collection::vec(1u32..4, 0..4);
    (proptest::collection::vec(entry, 1..7), shape, added).prop_map(|(entries, shape, added)| {
        let (flow, lines, crlf, depth, last_line) = shape;
        let indent = " ".repeat(4 + depth + usize::from(flow));
        let (mut list, mut comments) = (String::new(), Vec::new());
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (number, (weight, way, comment, fate, other)) in entries.iter().enumerate() {
            let server = format!("10.0.0.{number}:80");
            let comment = *comment && (!flow || lines);
            let text = written(&server, *weight, *way, comment, flow, &indent);
            match (flow, lines) {
                (true, false) => list.push_str(&format!(" {text}")),
                (true, true) => list.push_str(&format!("\n{indent}{text}")),
                (false, _) => list.push_str(&format!("\n{indent}- {text}")),
            }
            if number % 3 == 1 && (!flow || lines) {
                let own = format!("# of its own, {number}: [a, b é");
                list.push_str(&format!("\n\n  {own}"));
                comments.push(own);
            }
            before.push((server.clone(), *weight));
            match fate {
                0 => {}
                1 => after.push((server, *other)),
                _ => after.push((server, *weight)),
            }
        }
        let new = added.iter().enumerate();
        after.extend(new.map(|(number, weight)| (format!("new{number}.test:80"), *weight)));
        if after.is_empty() {
            after.push(before[0].clone());
        }
        let list = if flow { format!(" [{list}{}]", if lines { "\n     " } else { "" }) } else { list };
        let mut text = format!(
            "# begin\n{SERVICES}upstreams:\n  other: [a:1]\n  web:\n    balance: p2c\n    servers:{list}"
        );
        if !last_line {
            text.push_str("\n# between\n    health: {tcp: true}\n  more: [b:1] # end\n");
        }
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        Case { text, before, after, comments }
    })
}

/// What `weir upstreams --diff` would list of members `after`, when the file says `before`.
fn differences(before: &[(String, u32)], after: &[(String, u32)]) -> Vec<Change> {
    let weight = |list: &[(String, u32)], server: &str| {
        list.iter().find(|(known, _)| known == server).map(|(_, weight)| *weight)
    };
    let mut all = Vec::new();
    for (server, to) in after {
        match weight(before, server) {
            None => all.push(change("web", server, Wish::Add { weight: *to })),
            Some(from) if from != *to => {
                all.push(change("web", server, Wish::Weigh { from, to: *to }));
            }
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|(server, _)| weight(after, server).is_none());
    all.extend(gone.map(|(server, _)| change("web", server, Wish::Remove)));
    all
}

fn servers(text: &[u8]) -> Vec<(String, u32)> {
    let loaded = load::parse("t", text, &|_| None, Path::new("")).unwrap_or_else(|report| panic!("{report}"));
    let web = loaded.model.upstreams.iter().find(|upstream| upstream.name == "web").unwrap();
    web.servers.iter().map(|server| (server.address.written.to_string(), server.weight)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// After the differences were written there are none any more, and everything around the servers is as it was.
    #[test]
    fn a_file_that_was_written_says_what_is(case in cases()) {
        let Case { text, before, after, comments } = case;
        let changes = differences(&before, &after);
        let run = |text: &[u8]| rewrite("t", text, &|_| None, Path::new(""), &changes);
        let made = run(text.as_bytes()).unwrap_or_else(|report| panic!("{text}\n{changes:?}\n{report}"));
        let mut now = servers(&made.text);
        prop_assert!(differences(&now, &after).is_empty(), "{}", String::from_utf8_lossy(&made.text));
        now.retain(|(server, _)| before.iter().any(|(known, _)| known == server));
        prop_assert!(now.is_sorted(), "those that stay keep their order");
        let new = String::from_utf8(made.text.clone()).unwrap();
        let begin = text.find("servers:").unwrap() + "servers:".len();
        prop_assert_eq!(&new[..begin], &text[..begin]);
        if let Some(end) = text.find("# between") {
            prop_assert!(new.ends_with(&text[end..]), "{}", new);
        }
        for (server, _) in &before {
            // It goes with its entry, and only with it.
            let is_there = after.iter().any(|(known, _)| known == server);
            let remark = remark(server);
            let expected = if is_there { text.matches(&remark).count() } else { 0 };
            prop_assert_eq!(new.matches(&remark).count(), expected, "{} in {}", remark, new);
        }
        for comment in comments {
            prop_assert!(new.contains(&comment), "{comment} in {new}");
        }
        prop_assert_eq!(new.contains("\r\n"), text.contains("\r\n"));
        prop_assert!(!text.contains("\r\n") || new.matches('\n').count() == new.matches("\r\n").count());
        let again = run(&made.text).unwrap_or_else(|report| panic!("{report}"));
        prop_assert_eq!(again.text, made.text);
    }
}
