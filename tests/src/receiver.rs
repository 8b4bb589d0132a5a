//! Check of a receiver with any head and any body.

use chat_proto::sessions::{MessageChunk, RecordsCited};
use chat_proto::{Error, Event, Head, Limits, OtherEvent, Receiver};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::check::cut_every;
use crate::naive::{self, Item};

const STATUSES: [u16; 12] = [200, 200, 200, 200, 201, 204, 302, 400, 422, 429, 500, 999];
const CONTENT_TYPES: [&[u8]; 6] =
    [b"text/event-stream", b"text/event-stream", b"application/json", b"Text/Event-Stream ; x=y", b"text/html", b""];
const OTHERS: [(&str, &[u8]); 6] = [
    ("x-other", b"\xff"),
    ("x-other", b""),
    ("content-length", b"40"),
    ("content-encoding", b"identity, "),
    ("content-encoding", b"gzip"),
    ("retry-after", b"7"),
];

/// The head that the first three bytes select, and the other bytes.
pub(crate) fn head_and_body(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let [status, content_type, other, body @ ..] = bytes else { return None };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let mut headers = HeaderMap::new();
    let content_type = CONTENT_TYPES[usize::from(*content_type) % CONTENT_TYPES.len()];
    headers.insert("content-type", HeaderValue::from_bytes(content_type).expect("a legal value"));
    let (name, value) = OTHERS[usize::from(*other) % OTHERS.len()];
    headers.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a legal value"));
    Some((Head::new(status.try_into().expect("a legal status"), headers), body))
}

/// Receives a response: the first three bytes select its head, the others are its body.
///
/// # Panics
///
/// If two chunk sizes give different results, or if an answer is not the sum of its events.
pub fn check_receiver(bytes: &[u8]) {
    let Some((head, body)) = head_and_body(bytes) else { return };
    check_halves(&body[..body.len().min(64)]);

    if Receiver::new(head.clone(), &Limits::default()).is_stream() {
        check_events(&head, body);
    }
    let mut small = Limits::default();
    small.event = 64;
    small.json_body = 96;
    small.error_body = 16;
    small.answer = 48;
    for limits in [Limits::default(), small] {
        let whole = receive(&head, &[body], &limits);
        for size in [1, 2, 3, 7, 64] {
            assert_eq!(receive(&head, &cut_every(body, size), &limits), whole, "in chunks of {size}");
        }
    }
}

/// Checks that each event equals the parsed JSON, although the receiver has a fast path for similar chunks, that
/// events of unknown types are unchanged, and that no event is missing.
fn check_events(head: &Head, body: &[u8]) {
    let (events, error) = receive(head, &[body], &Limits::default());
    let decoded = naive::decode(body);
    let has_halves = body.windows(3).any(|escape| escape.eq_ignore_ascii_case(br"\ud"));
    for (event, item) in events.iter().zip(decoded.events()) {
        let Item::Event { event_type, data, id } = item else { unreachable!("the reference returns events") };
        match event {
            Event::Text(chunk) => {
                assert_eq!(event_type, "message_chunk");
                // The receiver joins surrogate halves. `check_halves` checks that.
                if !has_halves {
                    let read = serde_json::from_str::<MessageChunk>(data).expect("a chunk");
                    let expected = (&read.content_chunk, &read.chat_session_id, &read.finish_reason);
                    assert_eq!((&chunk.text, &chunk.session_id, &chunk.finish_reason), expected, "of {data:?}");
                }
            }
            Event::Citations(cited) => {
                assert_eq!(event_type, "records_cited");
                if !has_halves {
                    let read = serde_json::from_str::<RecordsCited>(data).expect("citations");
                    assert_eq!(read.citations, cited[..], "of {data:?}");
                }
            }
            Event::Other(other) => assert_eq!(**other, OtherEvent::new(event_type, data, id)),
            _ => unreachable!("an unknown kind of event"),
        }
    }
    // A surrogate half at the end is an additional event.
    let known = decoded.events().count();
    assert!(events.len() == known || has_halves && events.len() == known + 1 || error.is_some(), "an event is missing");
}

/// Receives a text as escaped UTF-16 units, four in each chunk. Checks that the text equals that of the standard
/// library, and that the receiver holds a surrogate half back until the next chunk.
fn check_halves(bytes: &[u8]) {
    const UNITS: [u16; 8] = [0xD83D, 0xDE00, 0x78, 0x2028, 0xDBFF, 0xDC00, 0xE9, 0x22];
    let units: Vec<u16> = bytes.iter().map(|byte| UNITS[usize::from(*byte) % UNITS.len()]).collect();
    let chunk = |units: &[u16]| {
        let text: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("event: message_chunk\ndata: {{\"content_chunk\":\"{text}\"}}\n\n")
    };
    let body: String = units.chunks(4).map(chunk).collect();
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))]);
    let head = Head::new(http::StatusCode::OK, headers);
    for size in [1, 7, usize::MAX] {
        let (events, error) =
            receive(&head, &cut_every(body.as_bytes(), size.min(body.len().max(1))), &Limits::default());
        assert_eq!(error, None);
        let text: String = events.iter().filter_map(Event::text).collect();
        assert_eq!(text, String::from_utf16_lossy(&units));
    }
}

/// The events, and the error as text.
type Output = (Vec<Event>, Option<String>);

fn receive(head: &Head, chunks: &[&[u8]], limits: &Limits) -> Output {
    let mut receiver = Receiver::new(head.clone(), limits);
    let success = receiver.is_success();
    let mut events = Vec::new();
    let error = feed(&mut receiver, chunks, &mut events).err();
    let text: String = events.iter().filter_map(Event::text).collect();
    let answer = match &error {
        None => Some(receiver.answer()),
        Some(error) => error.partial(),
    };
    assert_eq!(answer.is_some(), success, "there is a partial answer if and only if the response is a success");
    if let Some(answer) = answer {
        assert_eq!(answer.text, text, "the answer is not the sum of its events");
        assert_eq!(answer.events, events.len() as u64);
        assert!(answer.text.len() <= limits.answer.max(limits.json_body));
        assert_eq!(&answer.head, head);
    }
    (events, error.map(|error| format!("{:?} {:?}", error.kind(), error.partial())))
}

/// Feeds a whole body to a receiver and collects its events.
pub(crate) fn feed(receiver: &mut Receiver, chunks: &[&[u8]], events: &mut Vec<Event>) -> Result<(), Error> {
    for chunk in chunks {
        let mut input = *chunk;
        take(receiver, &mut input, events)?;
        assert!(input.is_empty(), "bytes were left");
    }
    receiver.end()?;
    take(receiver, &mut &[][..], events)
}

fn take(receiver: &mut Receiver, input: &mut &[u8], events: &mut Vec<Event>) -> Result<(), Error> {
    while let Some(event) = receiver.next(input) {
        events.push(event?);
    }
    Ok(())
}
