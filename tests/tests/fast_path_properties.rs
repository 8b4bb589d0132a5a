//! Property test of the fast path: generated streams, in both APIs.

use chat_tests::check_fast_path;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngAlgorithm;

/// Settings of the property tests. The default ChaCha generator takes most of the time in a debug build.
fn config() -> ProptestConfig {
    let rng_algorithm = RngAlgorithm::XorShift;
    ProptestConfig { cases: 512, failure_persistence: None, rng_algorithm, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_fast_path_changes_nothing(settings in 0..8u8, events in vec(any::<[u8; 3]>(), 0..24)) {
        check_fast_path(&[&[settings], events.as_flattened()].concat());
    }
}
