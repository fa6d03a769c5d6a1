//! How requests of a route are told apart when they are counted: few classes, so that a route costs few numbers.

use weir_http::method::Method;

/// What a method does to the resource (RFC 9110 §9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodClass {
    /// It only reads: GET, HEAD, OPTIONS.
    Safe,
    /// It writes, and doing it twice is as doing it once: PUT, DELETE.
    Idempotent,
    /// Any other one.
    Other,
}

impl MethodClass {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 3] = [Self::Safe, Self::Idempotent, Self::Other];

    /// The class of a method.
    #[inline]
    pub fn of(method: Method) -> Self {
        if method.is_safe() {
            Self::Safe
        } else if method.is_idempotent() {
            Self::Idempotent
        } else {
            Self::Other
        }
    }

    /// The value of the label `method`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Idempotent => "idempotent",
            Self::Other => "other",
        }
    }
}

/// The names of classes of statuses, by their first digit; the first one is that of requests without an answer.
pub const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The place of a status in [`STATUS_CLASSES`]; 0, and what is no status, is no answer.
#[inline]
pub fn status_class(status: u16) -> usize {
    let class = usize::from(status / 100);
    if class < STATUS_CLASSES.len() { class } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_place() {
        for (place, class) in MethodClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place, "{class:?}");
        }
        for (method, class) in [
            (Method::Get, MethodClass::Safe),
            (Method::Head, MethodClass::Safe),
            (Method::Options, MethodClass::Safe),
            (Method::Put, MethodClass::Idempotent),
            (Method::Delete, MethodClass::Idempotent),
            (Method::Post, MethodClass::Other),
        ] {
            assert_eq!(MethodClass::of(method), class, "{method:?}");
        }
    }

    #[test]
    fn a_status_falls_into_the_class_of_its_first_digit() {
        for (status, class) in
            [(0, "none"), (99, "none"), (101, "1xx"), (200, "2xx"), (304, "3xx"), (499, "4xx"), (599, "5xx")]
        {
            assert_eq!(STATUS_CLASSES[status_class(status)], class, "{status}");
        }
        assert_eq!(status_class(600), 0);
        assert_eq!(status_class(u16::MAX), 0);
    }
}
