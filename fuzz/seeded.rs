//! The check of a fuzz target on its corpus, and on what random changes make of it: always the same changes.
//!
//! This is how continuous integration runs the targets: without the instruments that guide a fuzzer, for which everything
//! would have to be built once more, and so in a second or two. To find something new is what `cargo xtask fuzz` is for. Tests of
//! the crates include this file.

use std::path::{Path, PathBuf};
use std::{fs, thread};

/// Any number does; another one is another sample.
const SEED: u64 = 9112;

/// Changes of one input.
const CHANGES_MAX: usize = 4;

/// The most bytes that one change removes or repeats.
const PIECE_BYTES_MAX: usize = 16;

/// Inputs beyond this teach nothing, as with the fuzzer.
const INPUT_BYTES_MAX: usize = 4096;

/// Runs the check of this target on its corpus, and on this many changed inputs.
pub(crate) fn run(target: &str, changed: usize, check: fn(&[u8])) {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let corpus = files(&home.join("corpus").join(target));
    assert!(!corpus.is_empty(), "the corpus of `{target}` is empty");
    let words = dictionary(&home.join("dictionaries").join(format!("{target}.dict")));
    for input in &corpus {
        observed(input, check);
    }
    let mut random = Random(SEED);
    for _ in 0..changed {
        let mut input = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(CHANGES_MAX) {
            change(&mut input, &corpus, &words, &mut random);
        }
        input.truncate(INPUT_BYTES_MAX);
        observed(&input, check);
    }
}

/// What stands in the files of a directory, in the order of their names.
fn files(directory: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(directory).expect("every target has a corpus");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a corpus is made of readable files")).collect()
}

/// The words of a dictionary of libFuzzer: lines with a text in quotes, in which `\xNN` is a byte.
fn dictionary(file: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(file).expect("every target has a dictionary");
    let words = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    words.map(|word| unescaped(word.as_bytes())).collect()
}

fn unescaped(mut word: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let [first, rest @ ..] = word {
        word = rest;
        match (first, rest) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit =
                    |digit: &u8| char::from(*digit).to_digit(16).expect("two hexadecimal digits") as u8;
                bytes.push(digit(high) << 4 | digit(low));
                word = after;
            }
            (b'\\', [escaped, after @ ..]) => {
                bytes.push(*escaped);
                word = after;
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

/// Shows the input when its check fails.
#[expect(clippy::print_stderr, reason = "a panic that is already on its way can't be given more words")]
fn observed(input: &[u8], check: fn(&[u8])) {
    struct Shown<'a>(&'a [u8]);
    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            if thread::panicking() {
                eprintln!("the input is b\"{}\"", self.0.escape_ascii());
            }
        }
    }
    let _shown = Shown(input);
    check(input);
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = (at + 1 + random.below(PIECE_BYTES_MAX)).min(input.len());
    match random.below(7) {
        0 if at < input.len() => input[at] = random.byte(),
        0 | 1 => input.insert(at, random.byte()),
        2 => drop(input.drain(at..end)),
        3 => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        4 => {
            // The beginning of this one and the end of another one.
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        5 => input.truncate(at),
        _ if !words.is_empty() => {
            let word = &words[random.below(words.len())];
            input.splice(at..at, word.iter().copied());
        }
        _ => {}
    }
}

/// A small generator of numbers (xorshift64*): what it makes stays the same, whatever a library does.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound.max(1)
    }

    /// Mostly a byte that stands in texts: parsers look closer at those.
    fn byte(&mut self) -> u8 {
        const OFTEN: &[u8] = b"\r\n\t :;,.-+*/%?#&=\"\\0159afAF[]{}()<>@~\0\x7f\x80\xff";
        if self.below(4) == 0 { self.next() as u8 } else { OFTEN[self.below(OFTEN.len())] }
    }
}
