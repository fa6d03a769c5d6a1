//! Paths of values in JSON that a comparison passes over: `$.updated_at`, `$.items[*].id`, `/a/b`.

use std::fmt;

/// The path of a value; what is in that value belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonPath {
    steps: Box<[Step]>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    /// A member of a mapping.
    Name(Box<str>),
    /// An element of a list.
    Index(usize),
    /// Of a pointer, which does not say whether a number is a name (RFC 6901 §4).
    Either(Box<str>, usize),
    /// Any member or element.
    Any,
}

/// Where a value is, from the root on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At<'a> {
    /// A member of a mapping.
    Name(&'a str),
    /// An element of a list.
    Index(usize),
}

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// It begins with neither `$` nor `/`.
    Beginning,
    /// It is the whole value.
    Root,
    /// `..` and filters are not known.
    Unsupported,
    /// A bracket without its end, or with something else than a number, `*` or a quoted name.
    Bracket,
    /// A name without letters.
    EmptyName,
    /// A `~` of a pointer without `0` or `1` behind it (RFC 6901 §3).
    Tilde,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beginning => "it begins with neither `$` nor `/`",
            Self::Root => "it is the whole body",
            Self::Unsupported => "`..` and filters are not known",
            Self::Bracket => "in brackets stand a number, `*` or a name in quotes",
            Self::EmptyName => "a name is missing",
            Self::Tilde => "`~` is written `~0`, and `/` in a name `~1`",
        })
    }
}

impl std::error::Error for PathError {}

impl JsonPath {
    /// Reads `$.a.b`, `$.a[0]`, `$.a[*].b`, `$['a b']`, or a pointer `/a/0/b` (RFC 6901).
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let steps = match (text.strip_prefix('$'), text.strip_prefix('/')) {
            (Some(rest), _) => dotted(rest)?,
            (_, Some(rest)) => pointer(rest)?,
            (None, None) => return Err(PathError::Beginning),
        };
        if steps.is_empty() {
            return Err(PathError::Root);
        }
        Ok(Self { steps: steps.into() })
    }

    pub(super) fn is(&self, place: &[At<'_>]) -> bool {
        let fits = |(step, at): (&Step, &At<'_>)| match (step, at) {
            (Step::Any, _) => true,
            (Step::Name(name) | Step::Either(name, _), At::Name(at)) => **name == **at,
            (Step::Index(index) | Step::Either(_, index), At::Index(at)) => index == at,
            (Step::Name(_), At::Index(_)) | (Step::Index(_), At::Name(_)) => false,
        };
        self.steps.len() == place.len() && self.steps.iter().zip(place).all(fits)
    }
}

fn dotted(mut rest: &str) -> Result<Vec<Step>, PathError> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if rest.starts_with("..") {
            return Err(PathError::Unsupported);
        }
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, left) = after.split_at(end);
            steps.push(match name {
                "" => return Err(PathError::EmptyName),
                "*" => Step::Any,
                name => Step::Name(name.into()),
            });
            rest = left;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (step, left) = bracket(after)?;
            steps.push(step);
            rest = left;
        } else {
            return Err(PathError::Beginning);
        }
    }
    Ok(steps)
}

/// What stands behind `[`, and what comes after its `]`.
fn bracket(rest: &str) -> Result<(Step, &str), PathError> {
    for quote in ['\'', '"'] {
        if let Some(quoted) = rest.strip_prefix(quote) {
            let (name, left) = quoted.split_once(quote).ok_or(PathError::Bracket)?;
            let left = left.strip_prefix(']').ok_or(PathError::Bracket)?;
            return Ok((Step::Name(name.into()), left));
        }
    }
    let (inner, left) = rest.split_once(']').ok_or(PathError::Bracket)?;
    if inner.starts_with('?') {
        return Err(PathError::Unsupported);
    }
    let step = match inner {
        "*" => Step::Any,
        number => Step::Index(index(number).ok_or(PathError::Bracket)?),
    };
    Ok((step, left))
}

fn pointer(rest: &str) -> Result<Vec<Step>, PathError> {
    rest.split('/').map(unescaped).collect()
}

fn unescaped(part: &str) -> Result<Step, PathError> {
    let mut name = String::with_capacity(part.len());
    let mut characters = part.chars();
    while let Some(character) = characters.next() {
        name.push(match character {
            '~' => match characters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(PathError::Tilde),
            },
            other => other,
        });
    }
    Ok(match index(&name) {
        Some(index) => Step::Either(name.into(), index),
        None => Step::Name(name.into()),
    })
}

fn index(text: &str) -> Option<usize> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}
