//! Who else gets copies of a route's requests.

use std::time::Duration;

use weir_core::compare::{BodyRule, CompareRule};

use crate::file::compare::CompareFile;
use crate::file::mirror::MirrorFile;
use crate::file::upstream::UpstreamRef;
use crate::model::{Compare, Mirror, UpstreamId};
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};

/// More mirrors than this at one route are a mistake.
const MIRRORS_MAX: usize = 4;

/// Looks an upstream up. The text is what its name ends with if it is one in place.
pub(super) type Resolve<'r> = &'r mut dyn FnMut(At<UpstreamRef>, &str, &mut Problems) -> Option<UpstreamId>;

/// `mirror` of a route whose own upstream is `own`, if that is known. Those that were wrong are left out.
pub(super) fn mirrors(
    written: Option<At<Option<Vec<At<MirrorFile>>>>>,
    own: Option<UpstreamId>,
    resolve: Resolve<'_>,
    problems: &mut Problems,
) -> Vec<Mirror> {
    let files = written.and_then(|mirrors| mirrors.value).unwrap_or_default();
    if let Some(extra) = files.get(MIRRORS_MAX) {
        problems.push(Problem::error(extra.span, format!("a route has at most {MIRRORS_MAX} mirrors")));
    }
    let mut mirrors: Vec<Mirror> = Vec::new();
    for (number, At { value: file, span }) in files.into_iter().enumerate() {
        // Without an upstream it was wrong, which was said already.
        let Some(reference) = file.upstream else { continue };
        let place = reference.span;
        let part = if number == 0 { " mirror".to_owned() } else { format!(" mirror {}", number + 1) };
        let Some(upstream) = resolve(reference, &part, problems) else { continue };
        warn_of_own(upstream, own, place, problems);
        if mirrors.iter().any(|mirror| mirror.upstream == upstream) {
            problems.push(
                Problem::error(span, "this route is mirrored to the same upstream twice")
                    .hint("take one of the two away"),
            );
        }
        mirrors.push(mirror(upstream, file.share, file.queue, file.timeout));
    }
    mirrors
}

/// `compare` of a route that has these mirrors.
pub(super) fn compare(
    written: Option<At<Option<CompareFile>>>,
    own: Option<UpstreamId>,
    mirrors: &[Mirror],
    resolve: Resolve<'_>,
    problems: &mut Problems,
) -> Option<Box<Compare>> {
    let file = written?.value?;
    check_keys(&file, problems);
    let reference = file.upstream?;
    let place = reference.span;
    let upstream = resolve(reference, " compare", problems)?;
    warn_of_own(upstream, own, place, problems);
    if mirrors.iter().any(|mirror| mirror.upstream == upstream) {
        problems.push(
            Problem::warning(
                place,
                "this upstream is a mirror of the route too, and gets such requests twice",
            )
            .hint("take the mirror away; with `methods`, `compare` sends copies of writes too"),
        );
    }
    let safe = || ["GET", "HEAD", "OPTIONS"].map(Box::from).to_vec();
    Some(Box::new(Compare {
        mirror: mirror(upstream, file.share, file.queue, file.timeout),
        methods: file.methods.unwrap_or_else(safe),
        rule: CompareRule {
            status: file.status.unwrap_or(true),
            fields: file.fields.into(),
            body: file.body,
            ignore: file.ignore.into(),
            latency: file.latency,
        },
        body_bytes_max: file.body_bytes_max.unwrap_or(1 << 20),
        keep: file.keep.map_or(20, |keep| usize::try_from(keep).unwrap_or(usize::MAX)),
    }))
}

fn check_keys(file: &CompareFile, problems: &mut Problems) {
    let place = |name: &str| file.keys.iter().find(|(key, _)| *key == name).map(|(_, span)| *span);
    if let Some(span) = place("ignore").filter(|_| file.body != BodyRule::Json) {
        problems.push(
            Problem::warning(span, "`ignore` has no effect: bodies are not compared as JSON")
                .hint("write `body: json`"),
        );
    }
    let compares_nothing = file.status == Some(false)
        && file.fields.is_empty()
        && file.body == BodyRule::Off
        && file.latency.is_none();
    if let Some(span) = place("status").filter(|_| compares_nothing && !problems.has_errors()) {
        problems.push(
            Problem::error(span, "nothing is compared")
                .hint("take `status: false` away, or write `mirror` for copies whose answers do not matter"),
        );
    }
}

fn mirror(upstream: UpstreamId, share: Option<f64>, queue: Option<u64>, timeout: Option<Duration>) -> Mirror {
    Mirror {
        upstream,
        share: share.unwrap_or(1.0),
        queue: queue.map_or(1000, |queue| usize::try_from(queue).unwrap_or(usize::MAX)),
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
    }
}

fn warn_of_own(upstream: UpstreamId, own: Option<UpstreamId>, place: Span, problems: &mut Problems) {
    if own == Some(upstream) {
        problems.push(
            Problem::warning(place, "the route's own servers get each request twice, writes too")
                .hint("copies are for servers that are tried out; write another upstream"),
        );
    }
}

#[cfg(test)]
mod tests;
