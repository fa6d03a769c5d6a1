//! Decimal numbers without the machinery of `format!`, which would take most of the time of a line.

/// The digits of a number.
pub(super) fn decimal(value: u64, out: &mut Vec<u8>) {
    padded(value, 1, out);
}

/// The digits of a number with zeros before them up to `width` digits, 20 at most; longer ones are not cut.
pub(super) fn padded(mut value: u64, width: usize, out: &mut Vec<u8>) {
    // The largest number has 20 digits.
    let mut digits = [b'0'; 20];
    let mut begin = digits.len();
    while value > 0 {
        begin -= 1;
        // The remainder is below ten.
        digits[begin] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[begin.min(digits.len().saturating_sub(width))..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: u64, width: usize, expected: &str) {
        let mut out = b"<".to_vec();
        padded(value, width, &mut out);
        assert_eq!(out, format!("<{expected}").as_bytes());
    }

    #[test]
    fn numbers() {
        check(0, 1, "0");
        check(7, 2, "07");
        check(123, 2, "123");
        check(1000, 6, "001000");
        check(u64::MAX, 1, "18446744073709551615");
        check(u64::MAX, 20, "18446744073709551615");
        check(1, 20, "00000000000000000001");
        check(1, 99, "00000000000000000001");
    }

    #[test]
    fn as_the_standard_library_writes_them() {
        for power in 0..64 {
            let mut out = Vec::new();
            decimal((1 << power) - 1, &mut out);
            assert_eq!(out, ((1_u64 << power) - 1).to_string().as_bytes());
        }
    }
}
