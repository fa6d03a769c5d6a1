//! Which server of an upstream gets the next attempt.

/// The balancing algorithms. A new one is one file beside this one and one line here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Exact rotation over the whole process, smooth when weighted.
    #[default]
    RoundRobin,
    /// Uniform, or by weight.
    Random,
    /// The fewest requests in flight per weight.
    LeastRequests,
    /// The better of two drawn at random.
    P2c,
}
