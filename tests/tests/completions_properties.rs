//! Property tests of chat completions: generated chunk streams and objects, and mutated cases of the corpus.

mod support;

use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chat_tests::check_completions;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Members of a delta or a message, right and wrong ones.
const DELTA: &[&str] = &[
    r#""role":"assistant""#,
    r#""content":"Hi ""#,
    r#""content":"é💚\n""#,
    r#""content":"a\ud83d""#,
    r#""content":"\ude00b""#,
    r#""content":null"#,
    r#""content":"""#,
    r#""content":[{"type":"text","text":"p"},{"type":"thinking","thinking":[{"type":"text","text":"t"}]},"s"]"#,
    r#""content":[{"type":"refusal","refusal":"n"},{"type":"image_url"}]"#,
    r#""content":5"#,
    r#""reasoning_content":"r\ud83d""#,
    r#""reasoning":"\ude00r""#,
    r#""reasoning_content":"same","reasoning":"same""#,
    r#""refusal":"No\ud83d""#,
    r#""tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]"#,
    r#""tool_calls":[{"index":0,"function":{"arguments":"}\ud83d"}}]"#,
    r#""tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":{"x":1}}}]"#,
    r#""tool_calls":[{"index":3,"id":"c","custom":{"name":"h","input":"raw"}},{"index":1,"function":{"name":"i"}}]"#,
    r#""tool_calls":[{"id":"a","function":{"arguments":"1"}},{"function":{"name":"f"}},{"function":{"name":"k"}}]"#,
    r#""tool_calls":[{"index":2,"id":"","function":{"name":"provideLinks","arguments":"{\"links\":[{\"url\":\"u\","}}]"#,
    r#""tool_calls":[{"index":2,"function":{"name":"","arguments":"\"label\":\"1\"}]}"}}]"#,
    r#""tool_calls":null"#,
    r#""tool_calls":{}"#,
    r#""function_call":{"name":"old","arguments":"{\"a\":\"\ud83d"}"#,
    r#""function_call":{"arguments":"\ude00\"}"}"#,
    r#""annotations":[{"type":"url_citation","url_citation":{"url":"v","title":"T"}},5]"#,
    r#""\ud83d":1"#,
];

/// Members beside the choices.
const MEMBERS: &[&str] = &[
    r#""id":"c-1""#,
    r#""id":"","model":"""#,
    r#""model":"m""#,
    r#""object":"chat.completion.chunk","created":1.5"#,
    r#""object":"error","message":"m""#,
    r#""usage":null"#,
    r#""usage":{"total_tokens":7}"#,
    r#""usage":{"\ud83d":"\ude00"}"#,
    r#""error":null"#,
    r#""error":"""#,
    r#""error":{}"#,
    r#""error":{"message":"m","code":400}"#,
    r#""choices":[]"#,
];

const REASONS: &[&str] =
    &["null", r#""""#, r#""null""#, r#""stop""#, r#""length""#, r#""error""#, r#""eos\ud83d""#, "5"];

/// What stands between the chunks of a stream.
const BETWEEN: &[&str] = &[
    "data: [DONE]\n\n",
    "data:[DONE]\r\n\r\n",
    ": ping\n\n",
    ":\n",
    "data:\n\n",
    "data: text\n\n",
    "data: 5\n\n",
    "event: ping\ndata: {}\n\n",
    "event: progress\nid: 7\ndata: {\"step\":2}\n\n",
    "event: error\ndata: \"boom\"\n\n",
    "event: x\n",
    "retry: 5\n\n",
    "data: {\"choices\":[{\"del",
    "\r\n",
];

fn choice(member: &'static str) -> impl Strategy<Value = String> {
    let members = vec(select(DELTA), 0..4).prop_map(|members| members.join(","));
    let index = select(&["", r#""index":0,"#, r#""index":0,"#, r#""index":1,"#, r#""index":null,"#][..]);
    (index, members, prop::option::of(select(REASONS))).prop_map(move |(index, members, reason)| {
        let reason = reason.map(|reason| format!(r#","finish_reason":{reason}"#)).unwrap_or_default();
        format!(r#"{{{index}"{member}":{{{members}}}{reason}}}"#)
    })
}

/// A chunk of a stream, or an answer in one object.
fn object(member: &'static str) -> impl Strategy<Value = String> {
    let choices = vec(choice(member), 0..3).prop_map(|choices| format!(r#""choices":[{}]"#, choices.join(",")));
    let members = vec(select(MEMBERS).prop_map(str::to_owned), 0..2);
    (prop::option::weighted(0.9, choices), members).prop_map(|(choices, members)| {
        format!("{{{}}}", choices.into_iter().chain(members).collect::<Vec<_>>().join(","))
    })
}

fn stream() -> impl Strategy<Value = String> {
    let name = select(&["", "", "", "event: message\n", "event: chunk\n", "event: error\n"][..]);
    let chunk = (name, object("delta")).prop_map(|(name, json)| format!("{name}data: {json}\n\n"));
    let piece = prop_oneof![4 => chunk, 1 => select(BETWEEN).prop_map(str::to_owned)];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// The small bodies of the corpus.
static BODIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/completions_cases.jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let body = |line: &str| {
        let case: serde_json::Value = serde_json::from_str(line).expect("a case");
        STANDARD.decode(case["body_b64"].as_str().expect("a body")).expect("base64")
    };
    text.lines().map(body).filter(|body| body.len() < 2000).collect()
});

/// A change of a body: a part is removed and replaced by others.
fn mutation() -> impl Strategy<Value = (Index, usize, String)> {
    let inserted = prop_oneof![
        2 => Just(String::new()),
        1 => select(DELTA).prop_map(str::to_owned),
        1 => select(MEMBERS).prop_map(str::to_owned),
        1 => select(BETWEEN).prop_map(str::to_owned),
        2 => select(&["\"", "{", "}", "[", "]", ",", ":", "\\", "0", "null", "\\ud83d", "\n", "\u{1}", "x"][..])
            .prop_map(str::to_owned),
    ];
    (any::<Index>(), 0..12usize, inserted)
}

proptest! {
    #![proptest_config(support::config(256))]

    #[test]
    fn chunk_splits_and_settings_change_no_stream(settings in 0..8u8, body in stream()) {
        check_completions(&[&[0, 0, 0, settings], body.as_bytes()].concat());
    }

    #[test]
    fn chunk_splits_and_settings_change_no_object(settings in 0..8u8, body in object("message")) {
        check_completions(&[&[0, 2, 0, settings], body.as_bytes()].concat());
    }

    #[test]
    fn chunk_splits_and_settings_change_no_mutated_case(
        head in select(&[[0, 0, 0], [0, 2, 0], [8, 2, 0], [9, 4, 5], [0, 0, 2]][..]),
        settings in 0..8u8,
        case in any::<Index>(),
        mutations in vec(mutation(), 1..5),
    ) {
        let mut body = case.get(&BODIES).clone();
        for (at, removed, inserted) in mutations {
            let start = at.index(body.len() + 1);
            let end = (start + removed).min(body.len());
            body.splice(start..end, inserted.into_bytes());
        }
        check_completions(&[&head[..], &[settings], &body].concat());
    }
}
