//! Durations, sizes and shares as people write them. Units belong to the value, never to the key.
//!
//! Also for command lines, so that `--delay 20ms` means what `timeout: 20ms` means.

use std::time::Duration;

use weir_core::limit::Rate;

use crate::complaint::Complaint;
use crate::node::shortened;

/// Units of time with their length in nanoseconds.
const TIME_UNITS: [(&str, u64); 4] =
    [("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];

/// Units of size with their bytes. Binary and decimal ones are told apart by their names (IEC 80000-13).
const SIZE_UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// `250ms`, `2s`, `1.5s`, `1m`, `1h`.
///
/// # Errors
/// When the text is no duration, or a longer one than 64 bits of nanoseconds hold.
pub fn duration(text: &str) -> Result<Duration, Complaint> {
    let not = || Complaint::new(format!("`{}` is not a duration", shortened(text)));
    let (number, unit) = split(text);
    let Some(number) = number else {
        return Err(not().hint("write a number and a unit: `250ms`, `2s`, `1m`, `1h`"));
    };
    let Some((_, nanoseconds)) = TIME_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(not().hint(match unit {
            "" => format!("a duration needs a unit; write `{number}s` or `{number}ms`"),
            "d" | "day" | "days" => "the units are `ms`, `s`, `m` and `h`; a day is `24h`".to_owned(),
            _ => format!("the units are `ms`, `s`, `m` and `h`; write `{number}s`"),
        }));
    };
    let length = times(number, *nanoseconds).ok_or_else(|| not().hint("it is too long"))?;
    Ok(Duration::from_nanos(length))
}

/// `512B`, `64KiB`, `1MiB`, `1GiB`, `10KB`, `10MB`, `1GB`; bytes.
///
/// # Errors
/// When the text is no size, or a larger one than 64 bits hold.
pub fn size(text: &str) -> Result<u64, Complaint> {
    let not = || Complaint::new(format!("`{}` is not a size", shortened(text)));
    let (number, unit) = split(text);
    let Some(number) = number else {
        return Err(not().hint("write a number and a unit: `64KiB`, `1MiB`, `10MB`"));
    };
    let Some((_, bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        let meant = match unit.to_ascii_lowercase().as_str() {
            "k" | "kb" | "kib" => "KiB",
            "m" | "mb" | "mib" => "MiB",
            "g" | "gb" | "gib" => "GiB",
            _ => "B",
        };
        return Err(
            not().hint(format!("write `{number}{meant}`; the units are B, KiB, MiB, GiB, KB, MB and GB"))
        );
    };
    times(number, *bytes).ok_or_else(|| not().hint("it is too large"))
}

/// `100/s`, `10/m`, `1000/h`, `5000/d`.
///
/// # Errors
/// When the text is no rate, or its number is 0 or above [`Rate::COUNT_MAX`].
pub fn rate(text: &str) -> Result<Rate, Complaint> {
    let not = || Complaint::new(format!("`{}` is not a rate", shortened(text)));
    let (number, unit) = text.split_once('/').unwrap_or((text, ""));
    let (number, unit) = (number.trim_end(), unit.trim_start());
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not().hint("write a whole number and a unit of time: `100/s`, `10/m`, `1000/h`"));
    }
    let length = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "" => return Err(not().hint(format!("a rate needs a unit of time; write `{}/s`", shortened(number)))),
        _ => {
            return Err(not().hint(match unit.chars().next() {
                Some(unit @ ('s' | 'm' | 'h' | 'd')) => format!("write `{}/{unit}`", shortened(number)),
                _ => "the units are `s`, `m`, `h` and `d`".to_owned(),
            }));
        }
    };
    match number.parse::<u32>() {
        Ok(0) => {
            Err(not().hint("a rate lets something pass; with `deny: [0.0.0.0/0, \"::/0\"]` nobody may ask"))
        }
        Ok(count) if count <= Rate::COUNT_MAX => Ok(Rate { count, per: Duration::from_secs(length) }),
        Ok(_) | Err(_) => Err(not().hint(format!("the number is at most {}", Rate::COUNT_MAX))),
    }
}

/// `5%`, `0.5%`, `100%`; a fraction from 0 to 1.
///
/// # Errors
/// When the text is no share.
pub fn share(text: &str) -> Result<f64, Complaint> {
    let not = || Complaint::new(format!("`{}` is not a share", shortened(text)));
    let (number, unit) = split(text);
    match (number.and_then(|number| number.parse::<f64>().ok()), unit) {
        (Some(percent), "%") if percent <= 100.0 => Ok(percent / 100.0),
        (Some(_), "%") => Err(not().hint("a share is at most `100%`")),
        (Some(number), _) => Err(not().hint(format!("write `{number}%`"))),
        (None, _) => Err(not().hint("write a number and `%`: `5%`")),
    }
}

/// How a duration is written shortest.
pub(crate) fn duration_text(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let unit = TIME_UNITS.iter().rev().find(|(_, length)| {
        nanoseconds >= u128::from(*length) && nanoseconds.is_multiple_of(u128::from(*length))
    });
    match unit {
        Some((name, length)) => format!("{}{name}", nanoseconds / u128::from(*length)),
        None => format!("{}ms", duration.as_millis()),
    }
}

/// How a size is written shortest, in binary units.
pub(crate) fn size_text(bytes: u64) -> String {
    let unit =
        SIZE_UNITS[..3].iter().rev().find(|(_, length)| bytes >= *length && bytes.is_multiple_of(*length));
    match unit {
        Some((name, length)) => format!("{}{name}", bytes / length),
        None => format!("{bytes}B"),
    }
}

/// The number before a unit, when it is one (`12`, `1.5`), and the unit.
fn split(text: &str) -> (Option<&str>, &str) {
    let end = text.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let good = !whole.is_empty() && !fraction.is_empty() && !fraction.contains('.');
    (good.then_some(number), unit.trim_start())
}

/// `number` (as [`split`] lets it pass) times `unit`, rounded down; `None` beyond 64 bits or 18 digits of fraction.
fn times(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 18)?)?;
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let total = u128::from(whole.parse::<u64>().ok()?) * scale + part;
    u64::try_from(total.checked_mul(u128::from(unit))? / scale).ok()
}

#[cfg(test)]
mod tests;
