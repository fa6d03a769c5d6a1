//! Headers of the PROXY protocol: no byte behind one is ever asked for, and what is whole is whole however it was split.

use weir_http::proxy_protocol::{Progress, V2_BYTES_MAX, read};

/// Holds any bytes against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    // As a caller reads that takes what is missing and no more.
    let mut have = 0;
    let outcome = loop {
        match read(&input[..have]) {
            Ok(Progress::Missing(missing)) => {
                assert!(missing > 0 && have + missing <= V2_BYTES_MAX, "{missing} missing behind {have}");
                if have + missing > input.len() {
                    break None;
                }
                have += missing;
            }
            Ok(Progress::Whole(client)) => break Some(Ok((client, have))),
            Err(error) => break Some(Err(error)),
        }
    };
    let Some(Ok((client, length))) = outcome else { return };
    // Byte by byte it is the same header, and it is whole at its last byte and not before.
    for (have, _) in input.iter().enumerate().take(length) {
        match read(&input[..have]) {
            Ok(Progress::Missing(missing)) => {
                assert!(have + missing <= length, "a byte behind it was asked for");
            }
            other => panic!("{other:?} after {have} of {length} bytes"),
        }
    }
    assert_eq!(read(&input[..length]), Ok(Progress::Whole(client)));
    if input.len() > length {
        assert!(read(&input[..=length]).is_err(), "a byte too many is not taken for part of it");
    }
}
