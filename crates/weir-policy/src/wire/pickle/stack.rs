//! The stack of the machine and its memo, with bounds on what they may hold.

use std::collections::HashMap;

use super::super::limits::WireLimits;
use super::super::problem::WireProblem;
use super::super::value::Value;

type Read<T> = Result<T, WireProblem>;

const EMPTY: WireProblem = WireProblem::Pickle("it takes more than there is");

/// A value, and how deep it is in itself.
#[derive(Debug, Clone)]
struct Piece {
    value: Value,
    depth: usize,
}

#[derive(Debug)]
enum Slot {
    Mark,
    Piece(Piece),
}

/// What has been made so far.
#[derive(Debug)]
pub(super) struct Stack {
    slots: Vec<Slot>,
    /// What may be asked for again; `None` for what holds others: lists that are in several places would grow when they are
    /// written out, each time by as much as they hold.
    memo: HashMap<u32, Option<Value>>,
    /// Bytes of texts that may still be made. The memo multiplies texts with two bytes each.
    bytes_left: usize,
    /// Slots and entries of the memo that may still be made. One byte makes one, and what is taken from the stack is held by
    /// what it was put into.
    items_left: usize,
}

impl Stack {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            slots: Vec::new(),
            memo: HashMap::new(),
            bytes_left: bytes_max,
            items_left: WireLimits::ITEMS_MAX,
        }
    }

    fn spend(&mut self, value: &Value) -> Read<()> {
        if let Value::Text(text) = value {
            self.bytes_left = self.bytes_left.checked_sub(text.len()).ok_or(WireProblem::TooLong)?;
        }
        Ok(())
    }

    /// Counts one more slot or entry of the memo.
    fn count(&mut self) -> Read<()> {
        self.items_left = self.items_left.checked_sub(1).ok_or(WireProblem::TooMany)?;
        Ok(())
    }

    fn push_slot(&mut self, slot: Slot) -> Read<()> {
        self.count()?;
        self.slots.push(slot);
        Ok(())
    }

    pub(super) fn mark(&mut self) -> Read<()> {
        self.push_slot(Slot::Mark)
    }

    /// Puts something on top that holds nothing.
    pub(super) fn push(&mut self, value: Value) -> Read<()> {
        self.spend(&value)?;
        let depth = usize::from(matches!(value, Value::List(_) | Value::Dict(_) | Value::Tuple(_)));
        self.push_slot(Slot::Piece(Piece { value, depth }))
    }

    fn pop(&mut self) -> Read<Piece> {
        match self.slots.pop() {
            Some(Slot::Piece(piece)) => Ok(piece),
            Some(Slot::Mark) | None => Err(EMPTY),
        }
    }

    /// All above the last mark, which goes too.
    fn pop_marked(&mut self) -> Read<Vec<Piece>> {
        let mark = self.slots.iter().rposition(|slot| matches!(slot, Slot::Mark)).ok_or(EMPTY)?;
        let pieces = self.slots.drain(mark..).filter_map(|slot| match slot {
            Slot::Mark => None,
            Slot::Piece(piece) => Some(piece),
        });
        Ok(pieces.collect())
    }

    fn pop_last(&mut self, count: usize) -> Read<Vec<Piece>> {
        let mut pieces = (0..count).map(|_| self.pop()).collect::<Read<Vec<_>>>()?;
        pieces.reverse();
        Ok(pieces)
    }

    /// Puts what holds these on top.
    fn push_holding(&mut self, pieces: Vec<Piece>, hold: fn(Vec<Value>) -> Read<Value>) -> Read<()> {
        let depth = deeper(&pieces)?;
        let value = hold(pieces.into_iter().map(|piece| piece.value).collect())?;
        self.push_slot(Slot::Piece(Piece { value, depth }))
    }

    pub(super) fn tuple_of(&mut self, count: usize) -> Read<()> {
        let pieces = self.pop_last(count)?;
        self.push_holding(pieces, |values| Ok(Value::Tuple(values)))
    }

    pub(super) fn tuple(&mut self) -> Read<()> {
        let pieces = self.pop_marked()?;
        self.push_holding(pieces, |values| Ok(Value::Tuple(values)))
    }

    pub(super) fn list(&mut self) -> Read<()> {
        let pieces = self.pop_marked()?;
        self.push_holding(pieces, |values| Ok(Value::List(values)))
    }

    pub(super) fn dict(&mut self) -> Read<()> {
        let pieces = self.pop_marked()?;
        self.push_holding(pieces, |values| pairs(values).map(Value::Dict))
    }

    /// Appends the one on top to the list below it.
    pub(super) fn append(&mut self) -> Read<()> {
        let pieces = self.pop_last(1)?;
        self.extend(pieces)
    }

    /// The same with all above the last mark.
    pub(super) fn appends(&mut self) -> Read<()> {
        let pieces = self.pop_marked()?;
        self.extend(pieces)
    }

    /// Puts the two on top into the dictionary below them.
    pub(super) fn set_item(&mut self) -> Read<()> {
        let pieces = self.pop_last(2)?;
        self.extend(pieces)
    }

    /// The same with all above the last mark.
    pub(super) fn set_items(&mut self) -> Read<()> {
        let pieces = self.pop_marked()?;
        self.extend(pieces)
    }

    fn extend(&mut self, pieces: Vec<Piece>) -> Read<()> {
        let depth = deeper(&pieces)?;
        let Some(Slot::Piece(holder)) = self.slots.last_mut() else { return Err(EMPTY) };
        let values = pieces.into_iter().map(|piece| piece.value);
        match &mut holder.value {
            Value::List(list) => list.extend(values),
            Value::Dict(members) => members.extend(pairs(values.collect())?),
            _ => return Err(WireProblem::Pickle("it adds to what holds nothing")),
        }
        holder.depth = holder.depth.max(depth);
        Ok(())
    }

    /// Remembers the one on top at this place; without one at the next.
    pub(super) fn put(&mut self, place: Option<u32>) -> Read<()> {
        self.count()?;
        let Some(Slot::Piece(top)) = self.slots.last() else { return Err(EMPTY) };
        let kept = (top.depth == 0).then(|| top.value.clone());
        if let Some(kept) = &kept {
            self.spend(kept)?;
        }
        let next = u32::try_from(self.memo.len()).map_err(|_| WireProblem::TooLong)?;
        self.memo.insert(place.unwrap_or(next), kept);
        Ok(())
    }

    /// Puts what was remembered on top once more.
    pub(super) fn recall(&mut self, place: u32) -> Read<()> {
        match self.memo.get(&place).cloned() {
            Some(Some(value)) => self.push(value),
            Some(None) => Err(WireProblem::Pickle("the same list or dictionary stands in it twice")),
            None => Err(WireProblem::Pickle("it asks for what it has not remembered")),
        }
    }

    /// The one that is left at the end.
    pub(super) fn finish(&mut self) -> Read<Value> {
        let top = self.pop()?;
        match (&top.value, self.slots.is_empty()) {
            (Value::Dict(_), true) => Ok(top.value),
            (_, true) => Err(WireProblem::Pickle("it is no dictionary")),
            (_, false) => Err(WireProblem::Pickle("it leaves something behind")),
        }
    }
}

/// How deep something is that holds these.
fn deeper(pieces: &[Piece]) -> Read<usize> {
    let depth = 1 + pieces.iter().map(|piece| piece.depth).max().unwrap_or(0);
    if depth > WireLimits::DEPTH_MAX { Err(WireProblem::TooDeep) } else { Ok(depth) }
}

fn pairs(values: Vec<Value>) -> Read<Vec<(Value, Value)>> {
    if !values.len().is_multiple_of(2) {
        return Err(WireProblem::Pickle("a key has no value"));
    }
    let mut pairs = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        if matches!(key, Value::List(_) | Value::Dict(_) | Value::Tuple(_)) {
            return Err(WireProblem::Pickle("a key is neither a text nor a number"));
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}
