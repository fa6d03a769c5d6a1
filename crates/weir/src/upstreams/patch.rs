//! What is different between two texts, as `diff -u` shows it.

/// Lines around a change that are shown.
const CONTEXT: usize = 3;

/// Pairs of lines that are compared at most; beyond, all lines between the first and the last change are shown as changed.
const PAIRS_MAX: usize = 4_000_000;

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Gone,
    New,
}

/// The difference, with this name for both; nothing where there is none.
pub(crate) fn unified(name: &str, before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let lines = fates(&before, &after);
    let mut text = String::new();
    // Lines of the two texts that have passed.
    let (mut old, mut new, mut at) = (0, 0, 0);
    while at < lines.len() {
        let Some(first) = lines[at..].iter().position(|(fate, _)| *fate != Fate::Kept) else { break };
        let start = (at + first).saturating_sub(CONTEXT).max(at);
        old += start - at;
        new += start - at;
        let end = hunk_end(&lines, at + first);
        let hunk = &lines[start..end];
        let count = |not: Fate| hunk.iter().filter(|(fate, _)| *fate != not).count();
        let (olds, news) = (count(Fate::New), count(Fate::Gone));
        if text.is_empty() {
            text.push_str(&format!("--- {name}\n+++ {name}\n"));
        }
        let begin = |passed: usize, lines: usize| if lines == 0 { passed } else { passed + 1 };
        text.push_str(&format!("@@ -{},{olds} +{},{news} @@\n", begin(old, olds), begin(new, news)));
        for (fate, line) in hunk {
            text.push(match fate {
                Fate::Kept => ' ',
                Fate::Gone => '-',
                Fate::New => '+',
            });
            text.push_str(line);
            if !line.ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
        old += olds;
        new += news;
        at = end;
    }
    text
}

/// Where the hunk ends whose first change is there: when more lines are kept than two hunks show.
fn hunk_end(lines: &[(Fate, &str)], first: usize) -> usize {
    let mut end = first;
    for (place, (fate, _)) in lines.iter().enumerate().skip(first) {
        if *fate != Fate::Kept {
            end = place + 1;
        } else if place - end >= 2 * CONTEXT {
            break;
        }
    }
    (end + CONTEXT).min(lines.len())
}

/// All lines of both texts in order, with what becomes of each.
fn fates<'t>(before: &[&'t str], after: &[&'t str]) -> Vec<(Fate, &'t str)> {
    let same = |(one, other): &(&&str, &&str)| one == other;
    let begin = before.iter().zip(after).take_while(same).count();
    let (old, new) = (&before[begin..], &after[begin..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    let mut lines: Vec<_> = before[..begin].iter().map(|line| (Fate::Kept, *line)).collect();
    lines.extend(middle(old, new));
    lines.extend(before[before.len() - end..].iter().map(|line| (Fate::Kept, *line)));
    lines
}

/// The same where the first and the last line differ: as many lines are kept as can be.
fn middle<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(Fate, &'t str)> {
    let gone = |line: &&'t str| (Fate::Gone, *line);
    let come = |line: &&'t str| (Fate::New, *line);
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        return old.iter().map(gone).chain(new.iter().map(come)).collect();
    }
    // The longest common part of what is left from a pair of places on.
    let width = new.len() + 1;
    let mut common = vec![0u32; (old.len() + 1) * width];
    for (row, one) in old.iter().enumerate().rev() {
        for (column, other) in new.iter().enumerate().rev() {
            let at = row * width + column;
            common[at] = match one == other {
                true => common[at + width + 1] + 1,
                false => common[at + width].max(common[at + 1]),
            };
        }
    }
    let (mut row, mut column, mut lines) = (0, 0, Vec::new());
    while row < old.len() || column < new.len() {
        let at = row * width + column;
        if row < old.len() && column < new.len() && old[row] == new[column] {
            lines.push((Fate::Kept, old[row]));
            (row, column) = (row + 1, column + 1);
        } else if row < old.len() && (column == new.len() || common[at + width] >= common[at + 1]) {
            lines.push((Fate::Gone, old[row]));
            row += 1;
        } else {
            lines.push((Fate::New, new[column]));
            column += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, expected: &str) {
        assert_eq!(unified("x", before, after), expected);
    }

    #[test]
    fn changes_stand_between_what_is_around_them() {
        check("a\n", "a\n", "");
        check("a\nb\n", "a\nc\n", "--- x\n+++ x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        check("1\n2\n3\n4\n5\n", "1\n2\n3\n4\n5\n6\n", "--- x\n+++ x\n@@ -3,3 +3,4 @@\n 3\n 4\n 5\n+6\n");
        check("a\nb\nc\nd\n", "b\nx\nd\n", "--- x\n+++ x\n@@ -1,4 +1,3 @@\n-a\n b\n-c\n+x\n d\n");
    }

    #[test]
    fn changes_that_are_far_from_each_other_have_hunks_of_their_own() {
        let text = |first: &str, last: &str| format!("{first}\n{}{last}\n", "=\n".repeat(10));
        let expected =
            "--- x\n+++ x\n@@ -1,4 +1,4 @@\n-a\n+b\n =\n =\n =\n@@ -9,4 +9,4 @@\n =\n =\n =\n-c\n+d\n";
        check(&text("a", "c"), &text("b", "d"), expected);
        let near = |first: &str, last: &str| format!("{first}\n{}{last}\n", "=\n".repeat(6));
        assert_eq!(unified("x", &near("a", "c"), &near("b", "d")).matches("@@ -").count(), 1);
    }

    #[test]
    fn an_end_without_a_line_end_is_told() {
        let expected = "--- x\n+++ x\n@@ -1,1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+b\n\\ No newline at end of file\n";
        check("a", "a\nb", expected);
        check("a\n", "", "--- x\n+++ x\n@@ -1,1 +0,0 @@\n-a\n");
    }
}
