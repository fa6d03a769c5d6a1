//! Templates as they are written, and as they should not be.

use proptest::prelude::{any, prop, proptest};

use super::*;

fn text(text: &str) -> Piece {
    Piece::Text(text.into())
}

fn field(field: LogField, quoted: bool) -> Piece {
    Piece::Value { told: Told::Field(field), quoted }
}

#[track_caller]
fn refused(template: &str, expected: &[(&str, What)]) {
    let wrong = parse(template).expect_err(template);
    let told: Vec<_> = wrong.into_iter().map(|wrong| (&template[wrong.at], wrong.what)).collect();
    assert_eq!(told, expected, "{template}");
}

#[test]
fn fields_and_texts_are_told_apart() {
    let header = |name: &str| Piece::Value { told: Told::Header(name.into()), quoted: true };
    assert_eq!(
        parse("{client} \"{target} {header:X-Api}\"{{{status}}} é"),
        Ok(vec![
            field(LogField::Client, false),
            text(" \""),
            field(LogField::Target, true),
            text(" "),
            header("x-api"),
            text("\"{"),
            field(LogField::Status, false),
            text("} é"),
        ])
    );
    assert_eq!(parse("{status}"), Ok(vec![field(LogField::Status, false)]));
}

#[test]
fn every_name_is_read_as_its_field_and_no_other() {
    for (place, known) in LogField::ALL.iter().enumerate() {
        assert_eq!(Told::parse(known.name()), Ok(Told::Field(*known)));
        assert!(known.doc().ends_with('.') && !known.unless().ends_with('.'), "{known:?}");
        assert!(LogField::ALL[..place].iter().all(|other| other.name() != known.name()), "{known:?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_with_its_place() {
    let unknown = |name: &str| What::Unknown(name.into());
    refused("{statsu} {client} {}", &[("statsu", unknown("statsu")), ("", unknown(""))]);
    refused("{status", &[("{status", What::Unclosed)]);
    refused("{status} {", &[("{", What::Unclosed)]);
    refused("{status} }", &[("}", What::Unopened)]);
    refused("{{status}", &[("}", What::Unopened)]);
    refused("{status}\n{x}", &[("\n", What::Control), ("x", unknown("x"))]);
    refused("{status}\u{9b}", &[("\u{9b}", What::Control)]);
    refused("{ status }", &[(" status ", unknown(" status "))]);
    refused("{STATUS}", &[("STATUS", unknown("STATUS"))]);
    refused("{header:}", &[("header:", What::BadHeader(String::new()))]);
    refused("{header:a b}", &[("header:a b", What::BadHeader("a b".into()))]);
    refused("{header:Cookie}", &[("header:Cookie", What::Secret("cookie".into()))]);
    refused("{header:AUTHORIZATION}", &[("header:AUTHORIZATION", What::Secret("authorization".into()))]);
    refused("nothing at all", &[("nothing at all", What::NoField)]);
    refused("", &[("", What::NoField)]);
    let many = "{status} ".repeat(PIECES_MAX);
    refused(&many, &[(&many, What::TooMany)]);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_within_itself(template in any::<String>()) {
        if let Err(wrong) = parse(&template) {
            assert!(!wrong.is_empty());
            for Wrong { at, .. } in wrong {
                assert!(template.get(at).is_some());
            }
        }
    }

    #[test]
    fn pieces_come_back_as_they_were_written(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{status}", "{client}", "{header:x}", "{{", "}}", "\"", " ", "é", "text", "{", "}", "{x}", "\n",
        ]), 0..12),
    ) {
        let template = parts.concat();
        let Ok(pieces) = parse(&template) else { return Ok(()) };
        let written: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.replace('{', "{{").replace('}', "}}"),
                Piece::Value { told, .. } => format!("{{{}}}", told.name()),
            })
            .collect();
        assert_eq!(written, template);
    }
}
