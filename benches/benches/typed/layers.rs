//! The layers of ours that do no I/O.

use std::hint::black_box;

use chat_bench::memory::head;
use chat_bench::subjects::{self, Sink, Subject};
use chat_proto::completions::CompletionInput;
use chat_proto::sessions::CreateInput;
use chat_proto::{Attempt, Config, Elapsed, Endpoint, Exchange, Head, Limits, Output, Receiver, Request};
use http::StatusCode;

use crate::input::{Dialect, Input};
use crate::sum::Sum;

/// The decoder: borrowed events, whose data is not read.
pub(crate) fn decoder(input: &Input) -> Sum {
    struct Count(Sum);
    impl Sink for Count {
        fn event(&mut self, event_type: &[u8], data: &[u8], _: &[u8]) {
            black_box((event_type, data));
            self.0.count += 1;
        }
    }
    let mut sink = Count(Sum::default());
    subjects::decode(Subject::Ours, input.slices(), &mut sink);
    sink.0
}

/// The receiver: typed events, and the merged answer.
pub(crate) fn receiver(input: &Input) -> Sum {
    let head = Head::new(StatusCode::OK, head().into_parts().0.headers);
    let mut receiver = match input.dialect {
        Dialect::Sessions => Receiver::new(head, &Limits::default()),
        Dialect::Completions => Receiver::completions(head, &Config::default()),
    };
    let mut sum = Sum::default();
    for mut chunk in input.slices() {
        while let Some(event) = receiver.next(&mut chunk) {
            sum.event(&black_box(event.expect("valid events")));
        }
    }
    sum
}

/// The exchange: a complete call, driven by hand.
pub(crate) fn exchange(input: &Input) -> Sum {
    let endpoint = Endpoint::new("https://api.example").expect("a URL");
    let request = match input.dialect {
        Dialect::Sessions => Request::create(&endpoint, &CreateInput::new("i", "How?")),
        Dialect::Completions => Request::complete(&endpoint, &CompletionInput::new("m", ["How?"])),
    };
    let mut exchange = Exchange::new(request.expect("a request"), &Config::default(), 1);
    let mut chunks = input.chunks.iter();
    let mut sum = Sum::default();
    let mut has_head = false;
    let attempt = Attempt::new(1);
    loop {
        while let Some(event) = exchange.poll_event() {
            sum.event(&black_box(event));
        }
        match exchange.poll_output(Elapsed::START) {
            Output::Event(event) => sum.event(&black_box(event)),
            Output::Read if !std::mem::replace(&mut has_head, true) => {
                exchange.handle_head(attempt, head().into_parts().0, Elapsed::START);
            }
            Output::Read => match chunks.next() {
                Some(chunk) => exchange.handle_data(attempt, chunk.clone(), Elapsed::START),
                None => exchange.handle_eof(attempt, Elapsed::START),
            },
            Output::Done => break,
            Output::Send(..) | Output::Wait => {}
        }
    }
    assert!(matches!(exchange.outcome(), Some(Ok(_))));
    sum
}
