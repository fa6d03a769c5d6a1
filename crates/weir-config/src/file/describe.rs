//! What a value may be, as data: the schema and the reference are made from this.

/// What a value may be.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// A text of some form.
    Text {
        /// What it is called: `a duration`.
        label: &'static str,
        /// ECMA 262 expression for the JSON Schema; empty for any text.
        pattern: &'static str,
    },
    /// One of these words.
    Words(Vec<&'static str>),
    /// `true` or `false`.
    Boolean,
    /// Only `true`.
    True,
    /// A whole number.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A number of seconds, with or without a fraction, above 0.
    Seconds,
    /// A list.
    List {
        /// What each entry is.
        of: Box<Shape>,
        /// Fewest entries.
        min: usize,
        /// Most entries.
        max: Option<usize>,
    },
    /// One of several shapes.
    Either(Vec<Shape>),
    /// A mapping with the fields of a table.
    Mapping(&'static dyn Describe),
    /// A mapping whose keys are free.
    Named {
        /// What the keys are: `name`.
        key: &'static str,
        /// ECMA 262 expression for the keys.
        pattern: &'static str,
        /// What each value is.
        of: Box<Shape>,
    },
}

/// Whether a field must be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It must.
    Required,
    /// It need not, and then there is nothing.
    Optional,
    /// It need not, and then this holds.
    Default(&'static str),
}

/// One field as the schema and the reference see it.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    /// The key.
    pub(crate) name: &'static str,
    /// Whether it must be written.
    pub(crate) presence: Presence,
    /// What it may be.
    pub(crate) shape: Shape,
    /// What it means.
    pub(crate) doc: &'static str,
}

/// A table of fields, whatever it decodes into.
pub(crate) trait Describe: Sync {
    /// What the mapping is called: `route`.
    fn name(&self) -> &'static str;
    /// What it is for.
    fn doc(&self) -> &'static str;
    /// Its fields in the order of the reference.
    fn fields(&self) -> Vec<Description>;
    /// Known words that are not in this version.
    fn later(&self) -> &'static [&'static str];
}

impl std::fmt::Debug for dyn Describe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Every table that can be reached from `root`, each once, a table before those it leads to.
pub(crate) fn reachable(root: &'static dyn Describe) -> Vec<&'static dyn Describe> {
    let mut found: Vec<&'static dyn Describe> = vec![root];
    let mut next = 0;
    while next < found.len() {
        let mut shapes: Vec<Shape> = found[next].fields().into_iter().map(|field| field.shape).collect();
        shapes.reverse();
        while let Some(shape) = shapes.pop() {
            match shape {
                Shape::Mapping(table) => {
                    if found.iter().all(|known| known.name() != table.name()) {
                        found.push(table);
                    }
                }
                Shape::List { of, .. } | Shape::Named { of, .. } => shapes.push(*of),
                Shape::Either(several) => shapes.extend(several.into_iter().rev()),
                Shape::Text { .. }
                | Shape::Words(_)
                | Shape::Boolean
                | Shape::True
                | Shape::Integer { .. }
                | Shape::Seconds => {}
            }
        }
        next += 1;
    }
    found
}
