//! Property test of the fast path: generated streams, in both APIs.

mod support;

use chat_tests::check_fast_path;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(support::config(512))]

    #[test]
    fn the_fast_path_changes_nothing(settings in 0..8u8, events in vec(any::<[u8; 3]>(), 0..24)) {
        check_fast_path(&[&[settings], events.as_flattened()].concat());
    }
}
