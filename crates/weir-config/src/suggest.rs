//! "did you mean": the known word that was probably meant.

/// Longest word that is compared; typing errors in longer ones are not worth quadratic time.
const COMPARED_BYTES_MAX: usize = 64;

/// The known word nearest to `written`, when it is near enough to be what was meant.
///
/// Case, dashes and underscores do not count, so that `retryPolicy` finds `retry_policy`; beyond that about one wrong
/// letter in three is forgiven.
pub(crate) fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if written.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let plain = plain_form(written);
    let allowed = (plain.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|word| word.len() <= COMPARED_BYTES_MAX)
        .map(|word| (strsim::damerau_levenshtein(&plain, &plain_form(word)), word))
        .filter(|(distance, word)| *distance <= allowed && *distance < word.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Lower case, without the signs that people put between words.
fn plain_form(word: &str) -> String {
    word.chars().filter(|letter| !matches!(letter, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

/// `` `a`, `b` or `c` ``
pub(crate) fn alternatives<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{alternatives, nearest};

    const KNOWN: [&str; 6] = ["upstream", "host", "access_log", "path", "to", "strip"];

    fn check(written: &str, meant: Option<&str>) {
        assert_eq!(nearest(written, KNOWN), meant, "{written}");
    }

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        check("upstrem", Some("upstream"));
        check("usptream", Some("upstream"));
        check("hots", Some("host"));
        check("accessLog", Some("access_log"));
        check("access-log", Some("access_log"));
        check("PATH", Some("path"));
        check("colour", None);
        check("x", None);
        check("", None);
        check(&"upstream".repeat(100), None);
    }

    #[test]
    fn words_are_listed_as_a_person_would() {
        assert_eq!(alternatives(["a"]), "`a`");
        assert_eq!(alternatives(["a", "b"]), "`a` or `b`");
        assert_eq!(alternatives(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
