//! Hand-written scenarios with their expected transcripts. Each line is a time in milliseconds and a step.

use std::time::Duration;

use chat_client::driver::TransportError;
use chat_tests::sim::{Attempt, Body, End, Leave, Pace, Response, Scenario, Writer, check, run};

/// Runs a scenario and compares its transcript.
#[track_caller]
fn assert_transcript(scenario: &Scenario, transcript: &str) {
    let actual = run(scenario);
    if let Err(violation) = check(scenario, &actual) {
        panic!("{violation}\n{actual}");
    }
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&actual.to_string()), lines(transcript.trim()), "\n{actual}");
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn greeting() -> Body {
    Writer::default().session("s").chunk("Hel").comment("").cited(1).last("lo", "stop").body()
}

#[test]
fn an_answer() {
    let scenario = Scenario::new(vec![Attempt::answers(250, Response::stream(greeting()).every(20))]);
    assert_transcript(
        &scenario,
        r#"
          0 send 1
        250 head 200
        270 bytes 74
        270 chunk "Hel"
        290 bytes 3
        310 bytes 93
        310 cited 1
        330 bytes 96
        330 chunk "lo" stop
        330 end
        330 close
        330 over
        330 = complete (stop): "Hello" of 3 events
        "#,
    );
}

#[test]
fn an_answer_in_one_json_object() {
    let body = Body::json("Hello", "s", Some(1));
    let scenario = Scenario::new(vec![Attempt::answers(250, Response::new(200, "application/json", body))]);
    assert_transcript(
        &scenario,
        r#"
          0 send 1
        250 head 200
        250 bytes 153
        250 end
        250 close
        250 chunk "Hello"
        250 cited 1
        250 over
        250 = complete (no reason): "Hello" of 2 events
        "#,
    );
}

#[test]
fn rate_limited_and_then_answered() {
    let limited = Response::new(429, "text/plain", Body::text("Slow down.")).retry_after(2);
    let answer = Response::stream(greeting());
    let scenario = Scenario::new(vec![Attempt::answers(5, limited), Attempt::answers(5, answer)]);
    assert_transcript(
        &scenario,
        r#"
           0 send 1
           5 head 429
           5 bytes 10
           5 end
           5 close
        2005 send 2
        2010 head 200
        2010 bytes 266
        2010 chunk "Hel"
        2010 cited 1
        2010 chunk "lo" stop
        2010 end
        2010 close
        2010 over
        2010 = complete (stop): "Hello" of 3 events
        "#,
    );
}

#[test]
fn rate_limited_for_longer_than_the_maximum_wait() {
    let limited = Response::new(429, "text/plain", Body::text("Slow down.")).retry_after(61);
    assert_transcript(
        &Scenario::new(vec![Attempt::answers(5, limited)]),
        "
        0 send 1
        5 head 429
        5 bytes 10
        5 end
        5 close
        5 over
        5 = api: the API responded with 429 Too Many Requests: Slow down. (not retried: the wait would be 61s)
        ",
    );
}

#[test]
fn no_attempt_after_the_total_timeout() {
    let limited = Response::new(429, "text/plain", Body::text("Slow down.")).retry_after(2);
    let mut scenario = Scenario::new(vec![Attempt::answers(5, limited)]);
    scenario.config.timeouts.total = Some(seconds(2));
    assert_transcript(
        &scenario,
        "
        0 send 1
        5 head 429
        5 bytes 10
        5 end
        5 close
        5 over
        5 = api: the API responded with 429 Too Many Requests: Slow down. (not retried: the call would time out first)
        ",
    );
}

#[test]
fn refused_and_then_answered() {
    let answer = Attempt::answers(5, Response::stream(greeting()));
    let mut scenario = Scenario::new(vec![Attempt::fails(1, TransportError::Connect), answer]);
    scenario.config.retry.base = Duration::ZERO;
    assert_transcript(
        &scenario,
        r#"
        0 send 1
        1 fault Connect
        1 close
        1 send 2
        6 head 200
        6 bytes 266
        6 chunk "Hel"
        6 cited 1
        6 chunk "lo" stop
        6 end
        6 close
        6 over
        6 = complete (stop): "Hello" of 3 events
        "#,
    );
}

#[test]
fn a_continue_that_may_have_been_read_is_not_sent_again() {
    let mut scenario = Scenario::new(vec![Attempt::fails(700, TransportError::MaybeSent)]);
    scenario.continues = true;
    assert_transcript(
        &scenario,
        "
          0 send 1
        700 fault MaybeSent
        700 close
        700 over
        700 = transport: the connection failed before the response (not retried: the server may have read the request)
        ",
    );
}

#[test]
fn a_consumer_ten_times_slower_than_the_idle_timeout() {
    let mut scenario = Scenario::new(vec![Attempt::answers(250, Response::stream(greeting()).every(20))]);
    scenario.consumer.pace = Pace::Pausing(vec![seconds(600)]);
    assert_transcript(
        &scenario,
        r#"
              0 send 1
            250 head 200
            270 bytes 74
            270 chunk "Hel"
            270 pause 600000
         600270 bytes 3
         600270 bytes 93
         600270 cited 1
         600270 pause 600000
        1200270 bytes 96
        1200270 chunk "lo" stop
        1200270 pause 600000
        1800270 end
        1800270 close
        1800270 over
        1800270 = complete (stop): "Hello" of 3 events
        "#,
    );
}

/// All but the last piece are available at once. The client waits only for the last piece.
#[test]
fn a_slow_consumer_of_an_answer_that_is_available_at_once() {
    let body = Writer::default().chunk("Hel").comment("").last("lo", "stop").body();
    let mut response = Response::stream(body).every(0);
    response.pieces[2].delay = seconds(601);
    let mut scenario = Scenario::new(vec![Attempt::answers(0, response)]);
    scenario.consumer.pace = Pace::Pausing(vec![seconds(600)]);
    assert_transcript(
        &scenario,
        r#"
              0 send 1
              0 head 200
              0 bytes 52
              0 chunk "Hel"
              0 pause 600000
         600000 bytes 3
         601000 bytes 74
         601000 chunk "lo" stop
         601000 pause 600000
        1201000 end
        1201000 close
        1201000 over
        1201000 = complete (stop): "Hello" of 2 events
        "#,
    );
}

/// After many reads without an event, the client yields to other tasks. Their time does not count as the server's
/// silence.
#[test]
fn a_yield_in_a_busy_stream_is_not_silence() {
    let comments = (0..70).fold(Writer::default(), |writer, _| writer.comment(""));
    let mut response = Response::stream(comments.last("Hello", "stop").body()).every(0);
    response.pieces[70].delay = seconds(201);
    let mut scenario = Scenario::new(vec![Attempt::answers(0, response)]);
    scenario.consumer.pace = Pace::Late(vec![seconds(200), Duration::ZERO]);
    let transcript = run(&scenario);
    check(&scenario, &transcript).unwrap_or_else(|violation| panic!("{violation}\n{transcript}"));
    assert!(transcript.to_string().ends_with("201000 = complete (stop): \"Hello\" of 1 events\n"), "{transcript}");
}

#[test]
fn an_event_creates_no_timer() {
    let words = (0..1000).fold(Writer::default(), |writer, _| writer.chunk("a"));
    let response = Response::stream(words.last("", "stop").body()).every(20);
    let scenario = Scenario::new(vec![Attempt::answers(250, response)]);
    let transcript = run(&scenario);
    check(&scenario, &transcript).unwrap_or_else(|violation| panic!("{violation}\n{transcript}"));
    assert_eq!(transcript.events().count(), 1001);
    assert_eq!(transcript.timers, 2, "one for the head, and one for the silence in the body, which is due earlier");
}

#[test]
fn cut_inside_an_event() {
    let length = greeting().bytes.len();
    let response = Response::stream(greeting()).every(20).cut(length - 1, End::Clean);
    assert_transcript(
        &Scenario::new(vec![Attempt::answers(250, response)]),
        r#"
          0 send 1
        250 head 200
        270 bytes 74
        270 chunk "Hel"
        290 bytes 3
        310 bytes 93
        310 cited 1
        330 bytes 95
        330 end
        330 close
        330 over
        330 = truncated: the answer was cut inside an event, after "Hel" of 2 events
        "#,
    );
}

/// This cut cannot be distinguished from an end. The answer has no finish reason.
#[test]
fn cut_between_two_events_by_a_close() {
    let body = greeting();
    let cut = body.marks[2];
    let response = Response::stream(body).every(20).cut(cut, End::Clean);
    assert_transcript(
        &Scenario::new(vec![Attempt::answers(250, response)]),
        r#"
          0 send 1
        250 head 200
        270 bytes 74
        270 chunk "Hel"
        290 bytes 3
        310 bytes 93
        310 cited 1
        310 end
        310 close
        310 over
        310 = complete (no reason): "Hel" of 2 events
        "#,
    );
}

#[test]
fn cut_between_two_events_of_a_known_length() {
    let body = greeting();
    let cut = body.marks[2];
    let length = body.bytes.len().to_string();
    let mut response = Response::stream(body).every(20).cut(cut, End::Clean);
    response.headers.push(("content-length", length));
    assert_transcript(
        &Scenario::new(vec![Attempt::answers(250, response)]),
        r#"
          0 send 1
        250 head 200
        270 bytes 74
        270 chunk "Hel"
        290 bytes 3
        310 bytes 93
        310 cited 1
        310 end
        310 close
        310 over
        310 = truncated: the answer was cut before its content length, after "Hel" of 2 events
        "#,
    );
}

#[test]
fn reset_in_the_body() {
    let cut = greeting().marks[0] + 3;
    let response = Response::stream(greeting()).every(20).cut(cut, End::Reset);
    assert_transcript(
        &Scenario::new(vec![Attempt::answers(250, response)]),
        r#"
          0 send 1
        250 head 200
        270 bytes 74
        270 chunk "Hel"
        290 bytes 3
        290 reset
        290 close
        290 over
        290 = truncated: the answer was cut: the connection failed, after "Hel" of 1 events
        "#,
    );
}

#[test]
fn silence_in_the_body() {
    let cut = greeting().marks[0] + 3;
    let response = Response::stream(greeting()).every(20).cut(cut, End::Silence);
    assert_transcript(
        &Scenario::new(vec![Attempt::answers(250, response)]),
        r#"
            0 send 1
          250 head 200
          270 bytes 74
          270 chunk "Hel"
          290 bytes 3
        60290 close
        60290 over
        60290 = timeout: timed out: the server sent no bytes for 60s, after "Hel" of 1 events
        "#,
    );
}

#[test]
fn keep_alives_without_content() {
    let body = (0..9).fold(Writer::default().chunk("Hel"), |writer, _| writer.comment(""));
    let response = Response::stream(body.body()).every(50_000);
    assert_transcript(
        &Scenario::new(vec![Attempt::answers(250, response)]),
        r#"
             0 send 1
           250 head 200
         50250 bytes 52
         50250 chunk "Hel"
        100250 bytes 3
        150250 bytes 3
        200250 bytes 3
        230250 close
        230250 over
        230250 = timeout: timed out waiting for content (180s): the server sent only keep-alives, after "Hel" of 1 events
        "#,
    );
}

#[test]
fn dropped_in_the_middle() {
    let mut scenario = Scenario::new(vec![Attempt::answers(250, Response::stream(greeting()).every(20))]);
    scenario.consumer.leaves = Some((3, Leave::Drop));
    assert_transcript(
        &scenario,
        r#"
          0 send 1
        250 head 200
        270 bytes 74
        270 chunk "Hel"
        270 left
        270 close
        270 = dropped
        "#,
    );
}

#[test]
fn cancelled_in_the_wait_before_a_retry() {
    let limited = Response::new(503, "text/plain", Body::text("")).retry_after(2);
    let mut scenario = Scenario::new(vec![Attempt::answers(5, limited)]);
    scenario.consumer.leaves = Some((2, Leave::Cancel));
    assert_transcript(
        &scenario,
        "
        0 send 1
        5 head 503
        5 bytes 0
        5 end
        5 close
        5 left
        5 = on cancel: cancelled: the call was cancelled
        ",
    );
}

fn completion() -> Writer {
    Writer::default().delta("Hel").comment("").delta("lo").finish("stop").usage(7)
}

/// The body stays open after `[DONE]`. What follows is not read.
#[test]
fn a_completion_ends_at_done() {
    let body = completion().done().delta("more").body();
    let mut response = Response::stream(body).every(20);
    response.end = End::Silence;
    assert_transcript(
        &Scenario::completion(vec![Attempt::answers(250, response)]),
        r#"
          0 send 1
        250 head 200
        270 bytes 59
        270 chunk "Hel"
        290 bytes 3
        310 bytes 58
        310 chunk "lo"
        330 bytes 67
        330 chunk "" stop
        350 bytes 49
        350 Usage(Usage { prompt_tokens: None, completion_tokens: None, total_tokens: Some(7), json: "{\"total_tokens\":7}" })
        370 bytes 14
        370 close
        370 over
        370 = complete (stop): "Hello" of 4 events
        "#,
    );
}

#[test]
fn a_completion_with_a_finish_reason_is_complete_although_the_connection_is_lost() {
    let mut response = Response::stream(completion().body());
    response.end = End::Reset;
    response.end_delay = seconds(7);
    assert_transcript(
        &Scenario::completion(vec![Attempt::answers(250, response)]),
        r#"
         0 send 1
       250 head 200
       250 bytes 236
       250 chunk "Hel"
       250 chunk "lo"
       250 chunk "" stop
       250 Usage(Usage { prompt_tokens: None, completion_tokens: None, total_tokens: Some(7), json: "{\"total_tokens\":7}" })
      7250 reset
      7250 close
      7250 over
      7250 = complete (stop): "Hello" of 4 events
        "#,
    );
}

#[test]
fn a_completion_without_a_finish_reason_is_truncated() {
    let response = Response::stream(Writer::default().delta("Hel").body());
    assert_transcript(
        &Scenario::completion(vec![Attempt::answers(250, response)]),
        r#"
          0 send 1
        250 head 200
        250 bytes 59
        250 chunk "Hel"
        250 end
        250 close
        250 over
        250 = truncated: the answer ended without a finish reason, after "Hel" of 1 events
        "#,
    );
}

/// All events of a chunk are delivered before the client waits for the next bytes.
#[test]
fn the_events_of_a_chunk_are_delivered_together() {
    let mut response = Response::stream(Writer::default().first("a", "Hel").finish("stop").body()).every(0);
    response.pieces[1].delay = seconds(7);
    assert_transcript(
        &Scenario::completion(vec![Attempt::answers(0, response)]),
        r#"
           0 send 1
           0 head 200
           0 bytes 68
           0 Started(Started { id: Some("a"), model: None })
           0 chunk "Hel"
        7000 bytes 67
        7000 chunk "" stop
        7000 end
        7000 close
        7000 over
        7000 = complete (stop): "Hel" of 3 events
        "#,
    );
}

#[test]
fn token_usage_is_not_content() {
    let body = (0..9).fold(Writer::default().delta("Hel"), |writer, _| writer.usage(7)).body();
    let response = Response::stream(body).every(50_000);
    let transcript = run(&Scenario::completion(vec![Attempt::answers(250, response)])).to_string();
    assert!(transcript.contains("\n   230250 = timeout: timed out waiting for content (180s)"), "{transcript}");
}

/// After the head of a success, nothing is sent again.
#[test]
fn an_error_event_of_a_completion_is_not_retried() {
    let response = Response::stream(Writer::default().fault("Overloaded.").body());
    let answer = Attempt::answers(5, Response::stream(completion().done().body()));
    assert_transcript(
        &Scenario::completion(vec![Attempt::answers(250, response), answer]),
        r#"
          0 send 1
        250 head 200
        250 bytes 43
        250 close
        250 over
        250 = stream: the server ended the stream with an error: Overloaded., after "" of 0 events
        "#,
    );
}

/// A completion at the total timeout is complete.
#[test]
fn done_that_arrives_at_the_total_timeout_counts() {
    let mut response = Response::stream(Writer::default().delta("Hello").done().body());
    response.pieces[0].delay = seconds(5);
    let mut scenario = Scenario::completion(vec![Attempt::answers(0, response)]);
    scenario.config.timeouts.total = Some(seconds(5));
    assert_transcript(
        &scenario,
        r#"
           0 send 1
           0 head 200
        5000 bytes 75
        5000 chunk "Hello"
        5000 close
        5000 over
        5000 = complete (no reason): "Hello" of 1 events
        "#,
    );
}
