//! Sizes of types, and shared allocations.

use super::*;

#[test]
fn frequently_moved_types_are_small() {
    assert!(size_of::<Output>() <= 80, "{}", size_of::<Output>());
    assert!(size_of::<Event>() <= 72, "{}", size_of::<Event>());
    assert_eq!(size_of::<Error>(), 8);
    // As documented at `Limits`.
    assert!(size_of::<chat_proto::Citation>() <= 184, "{}", size_of::<chat_proto::Citation>());
}

#[test]
fn repeated_session_ids_and_citations_share_one_allocation() {
    let body = chunk("a") + &chunk("b") + &event("records_cited", CITED) + &chunk("c");
    let transcript = Call::create().run(&[vec![(0, stream()), (0, data(body)), (0, In::Eof)]]);
    let kept = transcript.answer().session_id.as_deref().unwrap();
    let mut chunks = 0;
    for event in &transcript.events {
        match event {
            Event::Text(chunk) => {
                assert!(std::ptr::eq(chunk.session_id.as_deref().unwrap(), kept));
                chunks += 1;
            }
            Event::Citations(cited) => {
                assert!(std::ptr::eq(&**cited, &**transcript.answer().citations.as_ref().unwrap()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(chunks, 3);
}

#[test]
fn the_answer_so_far_is_available_after_the_head_of_a_success() {
    let mut exchange = Call::create().exchange();
    drain(&mut exchange);
    assert!(exchange.answer().is_none() && exchange.head().is_none());
    apply(&mut exchange, stream(), ms(0));
    assert_eq!(exchange.answer().map(|answer| answer.events), Some(0));
    assert_eq!(exchange.head().map(|head| head.status.as_u16()), Some(200));
    exchange.handle_data(newest(&exchange), Bytes::from(chunk("x")), ms(0));
    drain(&mut exchange);
    assert_eq!(exchange.answer().map(|answer| answer.text.as_str()), Some("x"));
    exchange.handle_eof(newest(&exchange), ms(0));
    drain(&mut exchange);
    assert_eq!(exchange.answer(), outcome(&exchange).as_ref().ok());
    assert_eq!(exchange.head().map(|head| head.status.as_u16()), Some(200));
    let mut exchange = Call::create().with(|config: &mut Config| config.retry.max_retries = 0).exchange();
    drain(&mut exchange);
    apply(&mut exchange, head(500, &[]), ms(0));
    assert!(exchange.answer().is_none() && exchange.head().is_some());
}

#[test]
fn the_partial_answer_is_moved_into_the_error() {
    let mut exchange = Call::create().exchange();
    drain(&mut exchange);
    for input in [stream(), data(chunk("x"))] {
        apply(&mut exchange, input, ms(0));
    }
    drain(&mut exchange);
    let held = exchange.answer().map(|answer| answer.text.as_ptr());
    apply(&mut exchange, In::Fail(TransportError::Body), ms(0));
    drain(&mut exchange);
    let kept = outcome(&exchange).as_ref().unwrap_err().partial().map(|partial| partial.text.as_ptr());
    assert!(held.is_some() && kept == held);
}
