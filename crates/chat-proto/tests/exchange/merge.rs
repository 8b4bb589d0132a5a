//! Text that is merged instead of returned: the timeouts are the same.

use chat_proto::{Elapsed, Exchange, Output};

use crate::ms;
use crate::support::{Call, apply, chunk, data, stream};

/// What the exchange waits for after each chunk. The caller takes some time after each.
fn deadlines(texts: &[&str], merges: bool) -> Vec<Elapsed> {
    let mut exchange = Call::create().with(|config| config.timeouts.idle = None).exchange();
    assert!(matches!(exchange.poll_output(Elapsed::START), Output::Send(..)));
    apply(&mut exchange, stream(), Elapsed::START);
    let arrivals = (1..).map(|number| 10_000 * number);
    texts.iter().zip(arrivals).map(|(text, arrival)| after_chunk(&mut exchange, arrival, text, merges)).collect()
}

fn after_chunk(exchange: &mut Exchange, arrival: u64, text: &str, merges: bool) -> Elapsed {
    apply(exchange, data(chunk(text)), ms(arrival));
    if merges {
        exchange.merge_text();
    }
    while exchange.poll_event().is_some() {}
    assert!(matches!(exchange.poll_output(ms(arrival + 1000)), Output::Read));
    exchange.poll_timeout().expect("the content timeout")
}

#[test]
fn merged_text_moves_the_timeouts_like_its_events() {
    let texts = ["a", "b", "", "", "c", ""];
    let returned = deadlines(&texts, false);
    assert_eq!(deadlines(&texts, true), returned);
    assert!(returned.is_sorted() && returned[0] < returned[1] && returned[3] < returned[4]);
}
