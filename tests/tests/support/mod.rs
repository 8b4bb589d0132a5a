//! What the property tests share.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngAlgorithm;

/// Settings of a property test. The default ChaCha generator takes most of the time in a debug build.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let rng_algorithm = RngAlgorithm::XorShift;
    ProptestConfig { cases, failure_persistence: None, rng_algorithm, ..ProptestConfig::default() }
}
