//! Path patterns: what each takes, and which ones are refused.

#![allow(clippy::unwrap_used)]

use super::*;

fn check(pattern: &PathPattern, takes: &[&str], leaves: &[&str]) {
    for path in takes {
        assert!(pattern.matches(path.as_bytes()), "{pattern} takes {path}");
    }
    for path in leaves {
        assert!(!pattern.matches(path.as_bytes()), "{pattern} leaves {path}");
    }
}

fn refused(text: &str, expected: &PathPatternError) {
    assert_eq!(PathPattern::prefix(text).unwrap_err(), *expected, "{text}");
    assert_eq!(PathPattern::exact(text).unwrap_err(), *expected, "{text}");
}

#[test]
fn a_prefix_takes_whole_segments() {
    let takes = ["/orders", "/orders/", "/orders/7", "/orders//7", "/orders/../", "/orders/;x"];
    let leaves =
        ["/ordersx", "/order", "/", "", "//orders", "/orders;x", "/orders%2F7", "/Orders", "*", "/x/orders"];
    check(&PathPattern::prefix("/orders").unwrap(), &takes, &leaves);
    check(&PathPattern::prefix("/orders/").unwrap(), &takes, &leaves);
}

/// `semantics.md` §1.2: no other spelling of a separator reaches a prefix.
#[test]
fn nothing_but_a_slash_separates() {
    let admin = PathPattern::prefix("/admin/").unwrap();
    check(
        &admin,
        &["/admin", "/admin/", "/admin/x"],
        &["/admin;x/", "//admin/", "/admin%2F", "/admin%5Cx", "/%2Fadmin/"],
    );
}

#[test]
fn the_root_takes_every_path() {
    check(&PathPattern::prefix("/").unwrap(), &["/", "//", "/x", "/;x", "/%2F"], &["*", "x"]);
}

#[test]
fn an_exact_path_takes_itself() {
    check(
        &PathPattern::exact("/health").unwrap(),
        &["/health"],
        &["/health/", "/healthx", "/Health", "/", ""],
    );
    check(&PathPattern::exact("/a%2Fb").unwrap(), &["/a%2Fb"], &["/a/b", "/a%2fb"]);
}

#[test]
fn an_expression_takes_whole_paths() {
    check(&PathPattern::regex("/a|/ab").unwrap(), &["/a", "/ab"], &["/abc", "x/a", "/a\n"]);
    check(&PathPattern::regex("^/user/[0-9]+$").unwrap(), &["/user/7"], &["/user/", "/user/7/", "/x/user/7"]);
    check(&PathPattern::regex("(?m)/a$").unwrap(), &["/a"], &["/a\n/b", "\n/a"]);
    check(&PathPattern::regex("(?x) /a # the first").unwrap(), &["/a"], &["/a # the first", "/a\n"]);
    check(&PathPattern::regex("").unwrap(), &[""], &["/"]);
    let any = PathPattern::regex("/.*").unwrap();
    assert!(any.matches(b"/\xff"), "bytes that are not UTF-8 hide from no expression");
}

#[test]
fn an_expression_that_is_none_is_refused() {
    for text in ["(", "/a)|(?:/b", "[", "/{2,1}", r"\p{Greek}", "(?:(?:a{1000}){1000}){1000}"] {
        let error = PathPattern::regex(text).unwrap_err();
        assert!(matches!(&error, PathPatternError::Regex { .. }), "{text}");
        assert!(!error.to_string().contains(r"\A"), "shows the person's own text: {error}");
    }
}

#[test]
fn what_no_request_has_is_refused() {
    refused("", &PathPatternError::NotAbsolute);
    refused("orders", &PathPatternError::NotAbsolute);
    refused("*", &PathPatternError::NotAbsolute);
    refused("/a?b=1", &PathPatternError::Query);
    refused("/a#b", &PathPatternError::Query);
    refused("/a\\b", &PathPatternError::Character('\\'));
    refused("/a\u{7f}", &PathPatternError::Character('\u{7f}'));
    refused("/a\nb", &PathPatternError::Character('\n'));
    refused("/a/../b", &PathPatternError::DotSegment);
    refused("/a/.", &PathPatternError::DotSegment);
    refused("/%2e%2E/b", &PathPatternError::DotSegment);
    refused("/100%", &PathPatternError::Escape);
    refused("/%2", &PathPatternError::Escape);
    refused("/%zz", &PathPatternError::Escape);
    refused("/%+1", &PathPatternError::Escape);
    refused("/%00", &PathPatternError::Escape);
    for (text, instead) in [
        ("/%7euser/%2f", "/~user/%2F"),
        ("/a b", "/a%20b"),
        ("/café", "/caf%C3%A9"),
        ("/{id}", "/%7Bid%7D"),
        ("/%41%7a%c3", "/Az%C3"),
    ] {
        refused(text, &PathPatternError::Spelling { instead: instead.into() });
        assert!(PathPattern::prefix(instead).is_ok(), "{instead}");
    }
    let placeholder = PathPattern::prefix("/user/{id}").unwrap_err();
    assert!(placeholder.hint().is_some_and(|hint| hint.contains("regex")));
}

#[test]
fn odd_paths_that_requests_have_are_allowed() {
    for text in
        ["/", "//", "/a//b", "/a;v=1/b", "/a%2Fb", "/...", "/.well-known/", "/a:b@c!$&'()*+,=", "/%25"]
    {
        assert_eq!(PathPattern::prefix(text).unwrap().to_string(), text);
        assert_eq!(PathPattern::exact(text).unwrap().to_string(), format!("exact:{text}"));
    }
    assert_eq!(PathPattern::regex("^/a$").unwrap().to_string(), "regex:^/a$");
}
