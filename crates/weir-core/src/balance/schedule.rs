//! The precomputed order in which servers take turns.
//!
//! The order is that of the smooth weighted rotation known from nginx: of A, B, C with the weights 5, 1, 1 it makes
//! A A B A C A A and not A A A A A B C. Made in advance, a turn is one `fetch_add` and one array read, from any number of
//! threads, and a cycle is exact: each server has precisely its weight in turns. Counting down weights per request
//! instead would need a lock, or one rotation per worker that is exact for no one.

/// The longest cycle of weighted servers, in turns. 16 KiB of memory per upstream, and a share that is rounded by less than
/// one turn in 4096.
pub const SCHEDULE_SLOTS_MAX: usize = 4096;

/// Whose turn it is, over and over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    slots: Box<[u32]>,
    members: usize,
}

impl Schedule {
    /// The schedule of servers with these weights; one of weight 0 has no turn.
    ///
    /// Weights are reduced by their greatest common divisor. If a cycle would still have more than [`SCHEDULE_SLOTS_MAX`]
    /// turns, weights are scaled down to that sum: each server then has its exact share of 4096 turns rounded up or down
    /// to a whole number, and at least one turn. Servers of equal weight are never scaled, however many they are.
    ///
    /// Costs turns × servers, a few milliseconds at the worst of a thousand servers; not for a request's way.
    pub fn new(weights: &[u32]) -> Self {
        let turns = turns(weights);
        let total: u64 = turns.iter().sum();
        let mut slots = Vec::with_capacity(usize::try_from(total).unwrap_or_default());
        if turns.iter().all(|count| *count <= 1) {
            slots.extend((0u32..).zip(&turns).filter(|(_, count)| **count == 1).map(|(index, _)| index));
        } else {
            smooth(&turns, total, &mut slots);
        }
        Self { slots: slots.into(), members: weights.len() }
    }

    /// Turns in a cycle; 0 when no server has a weight.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nobody has a turn.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many servers it was made for.
    pub fn members(&self) -> usize {
        self.members
    }

    /// The server whose turn it is; `None` when nobody has one.
    pub fn at(&self, turn: usize) -> Option<usize> {
        let slot = turn.checked_rem(self.slots.len())?;
        usize::try_from(self.slots[slot]).ok()
    }
}

/// How many turns each server has in a cycle.
fn turns(weights: &[u32]) -> Vec<u64> {
    let divisor = weights.iter().fold(0, |a, b| gcd(a, *b)).max(1);
    let turns: Vec<u64> = weights.iter().map(|weight| u64::from(weight / divisor)).collect();
    let total: u64 = turns.iter().sum();
    let limit = SCHEDULE_SLOTS_MAX as u64;
    if total <= limit || turns.iter().all(|count| *count <= 1) {
        return turns;
    }
    scaled(&turns, total, limit)
}

/// Rounds shares of `limit` turns: down, at least one, and what is then left goes to the largest remainders.
fn scaled(turns: &[u64], total: u64, limit: u64) -> Vec<u64> {
    let share = |count: u64| (count * limit / total, count * limit % total);
    let mut rounded: Vec<u64> =
        turns.iter().map(|count| if *count == 0 { 0 } else { share(*count).0.max(1) }).collect();
    let left = limit.saturating_sub(rounded.iter().sum());
    let mut by_remainder: Vec<usize> = (0..turns.len()).filter(|index| share(turns[*index]).0 > 0).collect();
    by_remainder.sort_by_key(|index| std::cmp::Reverse(share(turns[*index]).1));
    for index in by_remainder.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
        rounded[index] += 1;
    }
    rounded
}

/// The smooth weighted rotation: everybody gains its weight, the richest has the turn and pays the total.
fn smooth(turns: &[u64], total: u64, slots: &mut Vec<u32>) {
    let gains: Vec<i64> = turns.iter().map(|count| i64::try_from(*count).unwrap_or(i64::MAX)).collect();
    let price: i64 = gains.iter().sum();
    let mut purses = vec![0i64; gains.len()];
    for _ in 0..total {
        let mut richest = 0;
        for index in 0..gains.len() {
            purses[index] += gains[index];
            // Strictly richer: of equals the first has the turn, as in nginx.
            if purses[index] > purses[richest] {
                richest = index;
            }
        }
        purses[richest] -= price;
        slots.push(u32::try_from(richest).unwrap_or(u32::MAX));
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
