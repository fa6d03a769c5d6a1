//! Which cases a property sees: always the same ones, so that a run that fails fails again.
//!
//! To look for new ones is what the fuzz targets are for. `PROPTEST_RNG_SEED` and `PROPTEST_CASES` in the environment
//! ask for others and for more.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// Any number does; another one is another sample.
const SEED: u64 = 9112;

/// So many cases, unless the environment says otherwise.
pub(crate) fn seeded(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    let rng_seed = match asked.rng_seed {
        RngSeed::Random => RngSeed::Fixed(SEED),
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed),
    };
    ProptestConfig { failure_persistence: None, cases, rng_seed, ..asked }
}
