//! Decodes every case of the shared corpus, with every chunk split that may make a difference.

use base64::{Engine, prelude::BASE64_STANDARD};
use chat_tests::{check_sse, cut_at, cut_every, decode, naive};
use serde_json::Value;

struct Case {
    name: String,
    body: Vec<u8>,
    cuts: Vec<usize>,
    events: Vec<naive::Item>,
    last_event_id: String,
    /// `None` if the standard does not define it.
    retry_ms: Option<Option<u64>>,
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../corpus/sse_cases.jsonl").lines();
    let cases = lines.map(|line| {
        let case: Value = serde_json::from_str(line).expect("a case is an object");
        let event = |event: &Value| naive::Item::Event {
            event_type: text(&event["event"]),
            data: text(&event["data"]),
            id: text(&event["id"]),
        };
        let cut = |cut: &Value| cut.as_u64().expect("an offset") as usize;
        Case {
            name: text(&case["name"]),
            body: BASE64_STANDARD.decode(text(&case["input_b64"])).expect("base64"),
            cuts: case["cuts"].as_array().into_iter().flatten().map(cut).collect(),
            events: case["events"].as_array().expect("events").iter().map(event).collect(),
            last_event_id: text(&case["last_event_id_string"]),
            retry_ms: case.get("note").is_none().then(|| case["retry_ms"].as_u64()),
        }
    });
    cases.collect()
}

fn check(case: &Case, chunks: &[&[u8]]) {
    let Case { name, events, .. } = case;
    let mut run = decode(chunks.iter().copied());
    run.items.retain(|item| matches!(item, naive::Item::Event { .. }));
    assert!(run.items == *events, "{name}: {:?}, not {events:?}, in chunks {chunks:?}", run.items);
    assert_eq!(run.last_event_id, case.last_event_id, "{name}: last event ID, in chunks {chunks:?}");
    if let Some(retry_ms) = case.retry_ms {
        assert_eq!(run.retry_ms, retry_ms, "{name}: retry, in chunks {chunks:?}");
    }
    assert_eq!(run.incomplete, naive::decode(&case.body).incomplete, "{name}: incomplete, in chunks {chunks:?}");
    assert!(!run.limited, "{name}");
}

#[test]
fn every_case_decodes_with_every_chunk_split() {
    let cases = cases();
    assert!(cases.len() > 70, "the corpus is missing or too small");
    for case in &cases {
        let body = &case.body[..];
        check(case, &[body]);
        check(case, &cut_at(body, case.cuts.iter().copied()));
        for cut in &case.cuts {
            check(case, &cut_at(body, [*cut]));
        }
        for size in [1, 2, 3, 5, 7, 16, 256, 1400, 16 * 1024] {
            check(case, &cut_every(body, size));
        }
        if body.len() <= 120 {
            // Every pair of offsets.
            for first in 0..=body.len() {
                for second in first..=body.len() {
                    check(case, &cut_at(body, [first, second]));
                }
            }
        } else if body.len() <= 4_000 {
            for cut in 0..=body.len() {
                check(case, &cut_at(body, [cut]));
            }
        }
    }
}

#[test]
fn the_reference_agrees_with_the_corpus() {
    for Case { name, body, events, last_event_id, retry_ms, .. } in cases() {
        let naive = naive::decode(&body);
        assert!(naive.events().eq(&events), "{name}");
        assert_eq!(naive.last_event_id, last_event_id, "{name}");
        assert!(retry_ms.is_none_or(|retry_ms| retry_ms == naive.retry_ms), "{name}");
    }
}

#[test]
fn every_case_passes_check_sse() {
    for case in cases() {
        check_sse(&case.body);
    }
}
