//! The prefixes of a service, and which of its routes stand behind each.
//!
//! Most services have a handful. Those lie one behind the other in the service itself, the longest first, and are compared in this
//! order: with thousands of hosts a lookup would be two more waits for memory, each of which takes longer than comparing them all. Many are
//! looked up, one lookup per segment of the path, so that a service of a thousand routes costs what one of twenty does.

use super::texts::TextMap;

/// Bytes of prefixes that are few. With them a service takes four neighbouring lines of the cache.
const FEW_BYTES: usize = 144;

/// What stands for "none" among numbers of one byte.
const NONE: u8 = u8::MAX;

/// Routes that are tried one after the other, because they stand beside each other and ask for the same path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The first one, by its index in the file, where it asks for nothing but the path: then nothing more has to be read.
    pub(super) sure: Option<u32>,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// All prefixes but `/`, each with a run of routes.
#[derive(Debug)]
pub(super) enum Prefixes {
    Few(Few),
    Many(Box<Many>),
}

impl Prefixes {
    /// Of prefixes without their last slash, the longest first, each once, whose runs follow each other.
    pub(super) fn new(all: &[(&str, Run)]) -> Self {
        Few::new(all).map_or_else(|| Self::Many(Box::new(Many::new(all))), Self::Few)
    }

    /// What `take` makes of the run of the longest prefix of whole segments of this path, or of the next shorter one where that is
    /// nothing.
    pub(super) fn find<T>(&self, path: &[u8], take: impl Fn(Run) -> Option<T>) -> Option<T> {
        match self {
            Self::Few(few) => few.find(path, take),
            Self::Many(many) => many.find(path, take),
        }
    }
}

/// Few prefixes: of each its length, the length of its run, its sure route, and its text.
#[derive(Debug)]
pub(super) struct Few {
    /// Where the first run begins.
    start: u32,
    /// How many bytes are used.
    length: u8,
    bytes: [u8; FEW_BYTES],
}

impl Few {
    fn new(all: &[(&str, Run)]) -> Option<Self> {
        let start = all.first().map_or(0, |(_, run)| run.start);
        let mut few = Self { start, length: 0, bytes: [0; FEW_BYTES] };
        for (prefix, run) in all {
            let below_none = |number: u32| u8::try_from(number).ok().filter(|number| *number < NONE);
            let sure = run.sure.map_or(Some(NONE), below_none)?;
            let entry = [u8::try_from(prefix.len()).ok()?, below_none(run.end - run.start)?, sure];
            for byte in entry.iter().chain(prefix.as_bytes()) {
                *few.bytes.get_mut(few.length as usize)? = *byte;
                few.length += 1;
            }
        }
        Some(few)
    }

    fn find<T>(&self, path: &[u8], take: impl Fn(Run) -> Option<T>) -> Option<T> {
        let mut rest = &self.bytes[..self.length as usize];
        let mut start = self.start;
        while let [length, count, sure, behind @ ..] = rest {
            let (prefix, next) = behind.split_at_checked(*length as usize)?;
            let end = start + u32::from(*count);
            if matches!(path.strip_prefix(prefix), Some([] | [b'/', ..])) {
                let sure = (*sure != NONE).then_some(u32::from(*sure));
                if let Some(taken) = take(Run { start, end, sure }) {
                    return Some(taken);
                }
            }
            (rest, start) = (next, end);
        }
        None
    }
}

/// Many prefixes.
#[derive(Debug)]
pub(super) struct Many {
    runs: TextMap<Run>,
    bytes_max: usize,
}

impl Many {
    fn new(all: &[(&str, Run)]) -> Self {
        let runs = all.iter().map(|(prefix, run)| (prefix.as_bytes().into(), *run));
        Self {
            runs: runs.collect(),
            bytes_max: all.iter().map(|(prefix, _)| prefix.len()).max().unwrap_or_default(),
        }
    }

    /// Looks up the path and all that is left when its last segment is taken away again and again. Nothing longer than the
    /// longest prefix is looked up, which bounds the work for a path of thousands of segments.
    fn find<T>(&self, path: &[u8], take: impl Fn(Run) -> Option<T>) -> Option<T> {
        let mut segments = path;
        if segments.len() > self.bytes_max {
            // What is cut off ends before a slash, at the latest the one right behind the longest prefix.
            segments = without_last_segment(&segments[..=self.bytes_max])?;
        }
        loop {
            if let Some(taken) = self.runs.get(segments).and_then(|run| take(*run)) {
                return Some(taken);
            }
            segments = without_last_segment(segments)?;
        }
    }
}

/// Everything before the last slash; `None` when there is no slash.
fn without_last_segment(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|byte| *byte == b'/').map(|slash| &path[..slash])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// Runs of one route each, in this order.
    fn runs<'p>(prefixes: &[&'p str]) -> Vec<(&'p str, Run)> {
        let run = |at: u32| Run { start: at, end: at + 1, sure: Some(at) };
        (7..).map(run).zip(prefixes).map(|(run, prefix)| (*prefix, run)).collect()
    }

    fn is_few(all: &[(&str, Run)]) -> bool {
        matches!(Prefixes::new(all), Prefixes::Few(_))
    }

    #[test]
    fn what_does_not_fit_is_looked_up() {
        assert!(is_few(&[]));
        let long = "/".repeat(FEW_BYTES - 3);
        assert!(is_few(&runs(&[&long])));
        assert!(!is_few(&runs(&[&format!("{long}/")])));
        assert!(!is_few(&runs(&[&"/".repeat(300)])));
        let with = |run| [("/a", run)];
        assert!(is_few(&with(Run { start: 1000, end: 1254, sure: Some(254) })));
        assert!(!is_few(&with(Run { start: 1000, end: 1255, sure: None })));
        assert!(!is_few(&with(Run { start: 1000, end: 1001, sure: Some(255) })));
    }

    #[test]
    fn whole_segments_the_longest_first_and_the_next_one_where_that_is_nothing() {
        let all = runs(&["/a/b", "/ab", "/a"]);
        let few = Prefixes::new(&all);
        let many = Prefixes::Many(Box::new(Many::new(&all)));
        for prefixes in [&few, &many] {
            let found = |path: &str| prefixes.find(path.as_bytes(), |run| run.sure);
            let paths = ["/a", "/a/", "/a/b", "/a/b/c", "/a/bc", "/ab", "/abc", "/", "", "*", "/b/a"];
            let expected = [9, 9, 7, 7, 9, 8].map(Some).into_iter().chain([None; 5]);
            for (path, expected) in paths.into_iter().zip(expected) {
                assert_eq!(found(path), expected, "{path}");
            }
            // The longest one takes nothing.
            let second = prefixes.find(b"/a/b/c", |run| run.sure.filter(|route| *route != 7));
            assert_eq!(second, Some(9));
        }
    }

    proptest! {
        /// Comparing and looking up find the same routes, and try them in the same order.
        #[test]
        fn few_and_many_are_of_one_mind(
            mut prefixes in proptest::collection::btree_set("(/[ab]{0,2}){1,3}", 0..8),
            path in "(/[ab]{0,2}){0,4}",
            refused in 0_u32..12,
        ) {
            prefixes.remove("/");
            let mut sorted: Vec<&str> = prefixes.iter().map(String::as_str).collect();
            sorted.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
            let all = runs(&sorted);
            let tried = |prefixes: &Prefixes| {
                let tried = std::cell::RefCell::new(Vec::new());
                let found = prefixes.find(path.as_bytes(), |run| {
                    tried.borrow_mut().push(run);
                    run.sure.filter(|route| *route < refused)
                });
                (found, tried.into_inner())
            };
            let few = Prefixes::Few(Few::new(&all).unwrap());
            prop_assert_eq!(tried(&few), tried(&Prefixes::Many(Box::new(Many::new(&all)))));
        }
    }
}
