//! Property test: invariants of an exchange with inputs in any order.

use proptest::prelude::*;
use proptest::test_runner::RngAlgorithm;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Input(In),
    Timeout,
    /// Advance the clock to the next deadline.
    Due,
    /// An input of the previous attempt.
    Late(In),
    Refuse,
    Pass(u64),
    Poll(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let statuses = prop::sample::select(vec![200, 200, 503, 429, 500, 302, 422]);
    let types = prop::sample::select(vec!["text/event-stream", "application/json", "text/html"]);
    let lengths = prop::sample::select(vec![None, None, None, Some("5"), Some("500")]);
    let head = (statuses, types, lengths).prop_map(|(status, content_type, length)| {
        let mut headers = vec![("content-type", content_type)];
        headers.extend(length.map(|length| ("content-length", length)));
        support::head(status, &headers)
    });
    let pieces = vec![chunk("x"), last("y"), event("error", "e"), event("ping", "{}"), event("records_cited", CITED)];
    let more = ["", ":\n", "data: {", "\n\n", "event: message_chunk\n", "x", RESULT].map(str::to_owned);
    let data = prop::sample::select([pieces, more.to_vec()].concat()).prop_map(support::data);
    let faults = prop::sample::select(vec![
        TransportError::Connect,
        TransportError::ConnectTimeout,
        TransportError::Permanent,
        TransportError::Unsent,
        TransportError::MaybeSent,
        TransportError::BadHead,
        TransportError::Body,
    ]);
    let late = prop_oneof![
        Just(support::stream()),
        Just(support::data(chunk("late"))),
        Just(In::Eof),
        Just(In::Fail(TransportError::Connect)),
    ];
    prop_oneof![
        4 => head.prop_map(Step::Input),
        8 => data.prop_map(Step::Input),
        1 => Just(Step::Input(In::Eof)),
        2 => faults.prop_map(|fault| Step::Input(In::Fail(fault))),
        1 => Just(Step::Input(In::Cancel)),
        2 => Just(Step::Timeout),
        3 => Just(Step::Due),
        2 => late.prop_map(Step::Late),
        1 => Just(Step::Refuse),
        3 => (0u64..40_000).prop_map(Step::Pass),
        12 => (1u8..5).prop_map(Step::Poll),
    ]
}

/// Settings of the property tests. The default ChaCha generator takes most of the time in a debug build.
fn config() -> ProptestConfig {
    let rng_algorithm = RngAlgorithm::XorShift;
    ProptestConfig { cases: 3000, failure_persistence: None, rng_algorithm, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_order_of_inputs_keeps_the_invariants(
        steps in prop::collection::vec(step(), 0..80),
        ambiguous: bool,
        total in prop::option::of(1u64..200_000),
        seed: u64,
    ) {
        let mut call = Call::create().with(|config| {
            config.retry.ambiguous = ambiguous;
            config.timeouts.total = total.map(millis);
        });
        call.seed = seed;
        let max_sends = call.config.retry.max_retries + 1;
        let mut exchange = call.exchange();
        let (mut now, mut sends, mut text, mut events) = (ms(0), 0, String::new(), 0u64);
        let mut end: Option<String> = None;
        for step in steps.into_iter().chain([Step::Poll(200)]) {
            let has_answer = exchange.answer().is_some();
            match step {
                Step::Input(input) => apply(&mut exchange, input, now),
                Step::Timeout => exchange.handle_timeout(now),
                Step::Due => {
                    now = now.max(exchange.poll_timeout().unwrap_or(now));
                    exchange.handle_timeout(now);
                }
                Step::Late(input) => {
                    let before = format!("{exchange:?}");
                    let older = chat_proto::Attempt::new(exchange.attempts().wrapping_sub(1));
                    support::apply_to(&mut exchange, older, input, ms(0));
                    prop_assert_eq!(before, format!("{exchange:?}"));
                }
                Step::Refuse => {
                    exchange.refuse(newest(&exchange), Error::invalid_request("api_key", "is empty"));
                    // Before the head, a refused request counts as not sent.
                    if exchange.attempts() < sends {
                        prop_assert!(exchange.outcome().is_some());
                        sends -= 1;
                    }
                }
                Step::Pass(passed) => now = now + millis(passed),
                Step::Poll(times) => for _ in 0..times {
                    match exchange.poll_output(ms(0)) {
                        Output::Send(..) => {
                            sends += 1;
                            prop_assert!(events == 0, "sent again after an event");
                        }
                        Output::Event(event) => {
                            prop_assert!(end.is_none(), "an event after the end");
                            events += 1;
                            text += event.text().unwrap_or_default();
                            // The answer so far contains the delivered text.
                            prop_assert!(exchange.answer().is_some_and(|answer| answer.text.starts_with(&text)));
                        }
                        Output::Read | Output::Wait => prop_assert!(end.is_none() && exchange.outcome().is_none()),
                        Output::Done => prop_assert!(exchange.outcome().is_some()),
                    }
                },
            }
            prop_assert!(sends <= max_sends && exchange.attempts() == sends);
            match (&end, exchange.outcome()) {
                (Some(end), outcome) => prop_assert_eq!(end, &format!("{outcome:?} {:?}", exchange.answer())),
                (None, None) => {}
                (None, Some(outcome)) => {
                    end = Some(format!("{:?} {:?}", exchange.outcome(), exchange.answer()));
                    prop_assert_eq!(exchange.poll_timeout(), None);
                    match outcome {
                        Ok(answer) => {
                            prop_assert_eq!(&answer.text, &text);
                            prop_assert_eq!(answer.events, events);
                        }
                        Err(error) => {
                            prop_assert_eq!(error.partial().is_some(), has_answer);
                            prop_assert_eq!(error.attempts(), sends);
                            let content = error.partial().map_or("", |partial| &partial.text);
                            prop_assert!(content.starts_with(&text));
                        }
                    }
                }
            }
        }
    }
}
