//! Fields as they should be, and as they should not; those of the recommendation's own test suite among them.
#![allow(clippy::unwrap_used)]

use proptest::prelude::{any, prop, proptest};

use super::*;

const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What it is read as and written as again, or nothing.
#[track_caller]
fn check(field: &str, expected: Option<&str>) {
    let read = TraceContext::parse(field.as_bytes());
    let written = read.map(|context| String::from_utf8(context.field().to_vec()).unwrap());
    assert_eq!(written.as_deref(), expected, "{field:?}");
}

#[test]
fn valid_fields_are_read() {
    check(GOOD, Some(GOOD));
    let with_flags = |flags: &str| [&GOOD[..53], flags].concat();
    for (flags, kept) in [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("fc", "00")]
    {
        check(&with_flags(flags), Some(&with_flags(kept)));
    }
    // Of later versions what is known counts, and they are answered in this one's.
    check(&GOOD.replacen("00", "01", 1), Some(GOOD));
    check(&format!("{}-what-the-future-holds", GOOD.replacen("00", "cc", 1)), Some(GOOD));
    check(&format!("{}-", GOOD.replacen("00", "fe", 1)), Some(GOOD));
    let context = TraceContext::parse(GOOD.as_bytes()).unwrap();
    assert!(context.is_sampled() && !TraceContext::parse(with_flags("02").as_bytes()).unwrap().is_sampled());
    assert_eq!(trace_digits(context.trace_id), *b"0af7651916cd43dd8448eb211c80319c");
    assert_eq!(part_digits(context.parent_id), *b"b7ad6b7169203331");
}

#[test]
fn everything_else_is_none() {
    let (trace, parent) = (&GOOD[3..35], &GOOD[36..52]);
    for field in [
        "",
        "00",
        "-",
        // Too short, too long, with more behind it.
        &GOOD[..54],
        &format!("{GOOD}0"),
        &format!("{GOOD}-"),
        &format!("{GOOD}-01"),
        &format!("{GOOD} "),
        &format!(" {GOOD}"),
        &format!("{GOOD}, {GOOD}"),
        // No version.
        &GOOD.replacen("00", "ff", 1),
        &GOOD.replacen("00", "0", 1),
        &GOOD.replacen("00", "000", 1),
        &GOOD.replacen("00", ".0", 1),
        &GOOD.replacen("00", "0.", 1),
        &GOOD.replacen("00", "FF", 1),
        // A later version with something behind it that is no further part.
        &format!("{}.what", GOOD.replacen("00", "cc", 1)),
        &format!("{}0", GOOD.replacen("00", "01", 1)),
        // Ids that mean nobody.
        &GOOD.replace(trace, &"0".repeat(32)),
        &GOOD.replace(parent, &"0".repeat(16)),
        // Digits that are none.
        &GOOD.to_uppercase(),
        &GOOD.replace(trace, &trace.to_uppercase()),
        &GOOD.replace(parent, &parent.to_uppercase()),
        &GOOD.replace(trace, &format!(".{}", &trace[1..])),
        &GOOD.replace(parent, &format!("{}.", &parent[1..])),
        &GOOD.replace("-01", "-.0"),
        &GOOD.replace("-01", "-0."),
        &GOOD.replace("-01", "-1"),
        &GOOD.replace("-01", "-0G"),
        &GOOD.replace("-01", "-0A"),
        // Other signs between.
        &GOOD.replace('-', "_"),
        &GOOD.replacen('-', "_", 1),
        &GOOD.replace("-01", "_01"),
        &GOOD.replace('-', ""),
        &GOOD.replace("0af", "\u{e4}f"),
    ] {
        check(field, None);
    }
}

#[test]
fn ids_are_never_zero() {
    let begun = TraceContext::begin(0, 0, false);
    assert_eq!((begun.trace_id, begun.parent_id), (NonZeroU128::MIN, NonZeroU64::MIN));
    assert_eq!(TraceContext::parse(&begun.field()), Some(begun));
    assert_eq!(TraceContext::parse(&begun.asked_by(0).field()), Some(begun));
}

proptest! {
    #[test]
    fn what_is_written_is_read(trace_id in any::<u128>(), ids in any::<[u64; 2]>(), is_sampled in any::<bool>()) {
        let begun = TraceContext::begin(trace_id, ids[0], is_sampled);
        assert_eq!((TraceContext::parse(&begun.field()), begun.is_sampled()), (Some(begun), is_sampled));
        let next = begun.asked_by(ids[1]);
        assert_eq!(TraceContext::parse(&next.field()), Some(next));
        assert_eq!((next.trace_id, next.is_sampled()), (begun.trace_id, is_sampled));
    }

    #[test]
    fn a_changed_byte_is_read_as_what_it_says_or_not_at_all(place in 0..FIELD_BYTES, byte in any::<u8>()) {
        let mut field = GOOD.as_bytes().to_vec();
        field[place] = byte;
        if let Some(context) = TraceContext::parse(&field) {
            let written = context.field();
            // The flags and the version apart, whose bits may be unknown.
            assert_eq!(written[2..53], field[2..53]);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        TraceContext::parse(&bytes);
    }
}
