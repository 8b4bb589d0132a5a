//! Which messages a chat sends again.

mod support;

use std::sync::Arc;

use chat_client::completions::{CompletionInput, ContentPart, Message, Tool};
use chat_client::{Chat, Error, ErrorKind, Event, ToolResult};
use chat_mock::memory::{MemoryTransport, Script};
use serde_json::json;
use support::completions::{answered, bodies, call_list, calls, chunk, client, last_messages, message, text};
use support::run;

type MemoryChat = Chat<MemoryTransport>;

/// Something that happens to a chat.
type Step = fn(&mut MemoryChat);

/// A chat that answers from these scripts, and its transport.
fn chat(scripts: impl IntoIterator<Item = Script>) -> (MemoryChat, MemoryTransport) {
    let (client, transport) = client(scripts);
    (client.chat("model-1"), transport)
}

/// Asks a question and returns the text of the answer.
fn ask(chat: &mut MemoryChat, question: &str) -> String {
    run(chat.ask(question).finish()).unwrap().text
}

/// Sends results, given as ids and texts.
fn answer(chat: &mut MemoryChat, results: &[(&str, &str)]) -> Result<String, Error> {
    let results: Vec<_> = results.iter().map(|(id, text)| ToolResult::with_id(*id, *text)).collect();
    run(chat.answer_tools(results).finish()).map(|answer| answer.text)
}

/// The field that an error about a request names, and the reason.
fn refused(error: &Error) -> (&str, &str) {
    match error.kind() {
        ErrorKind::InvalidRequest { field, reason } => (field, reason),
        _ => panic!("{error}"),
    }
}

#[test]
fn an_answer_is_sent_again_as_its_role_and_its_content() {
    let rich = json!({"role": "assistant", "content": "One.", "refusal": null, "reasoning_content": "Hm.", "name": "m",
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://h.example"}}]});
    let (chat, transport) = chat([message(&rich), Script::completion("Two."), Script::completion("Three.")]);
    let mut chat = chat.with_system("Be long.").with_system("Be brief.");
    for (question, expected) in [("1?", "One."), ("2?", "Two."), ("3?", "Three.")] {
        assert_eq!(ask(&mut chat, question), expected);
    }
    let expected = ["system: Be brief.", "user: 1?", "assistant: One.", "user: 2?", "assistant: Two.", "user: 3?"];
    assert_eq!(last_messages(&transport), expected);
    assert_eq!(bodies(&transport)[0]["messages"].as_array().unwrap().len(), 2);
    assert_eq!(chat.turns().len(), 3);
}

#[test]
fn calls_are_sent_again_with_their_results_in_their_order() {
    let (mut chat, transport) = chat([
        calls(&[(Some("a"), "sum"), (Some("b"), "find")]),
        Script::completion("Done."),
        Script::completion("Yes."),
    ]);
    ask(&mut chat, "1?");
    let open: Vec<_> = chat.open_calls().iter().map(|call| call.id.clone().unwrap()).collect();
    assert_eq!(open, ["a", "b"]);
    assert_eq!(answer(&mut chat, &[("b", "B"), ("a", "A")]).unwrap(), "Done.");
    let expected = ["user: 1?", "assistant: sum(a) find(b)", "tool: a= A", "tool: b= B"];
    assert_eq!(last_messages(&transport), expected);
    let sent = &bodies(&transport)[1]["messages"][1];
    let function = |name| json!({"name": name, "arguments": "{\"q\":1}"});
    assert_eq!(
        *sent,
        json!({"role": "assistant", "tool_calls": [
            {"type": "function", "id": "a", "function": function("sum")},
            {"type": "function", "id": "b", "function": function("find")},
        ]})
    );
    assert_eq!(chat.open_calls(), []);
    ask(&mut chat, "2?");
    assert_eq!(last_messages(&transport), [&expected[..], &["assistant: Done.", "user: 2?"]].concat());
}

#[test]
fn calls_may_follow_calls() {
    let (mut chat, transport) =
        chat([calls(&[(Some("a"), "sum")]), calls(&[(Some("b"), "sum")]), Script::completion("Done.")]);
    ask(&mut chat, "1?");
    answer(&mut chat, &[("a", "A")]).unwrap();
    assert_eq!(refused(&answer(&mut chat, &[("a", "A")]).unwrap_err()).0, "tool_results", "an earlier call");
    answer(&mut chat, &[("b", "B")]).unwrap();
    let expected = ["user: 1?", "assistant: sum(a)", "tool: a= A", "assistant: sum(b)", "tool: b= B"];
    assert_eq!(last_messages(&transport), expected);
}

#[test]
fn results_must_match_the_calls() {
    let scripts =
        [Script::completion("Hi."), calls(&[(Some("a"), "sum"), (None, "find")]), Script::completion("Done.")];
    let (mut chat, transport) = chat(scripts);
    let no_call = "have no calls: the last answer does not call tools";
    assert_eq!(refused(&answer(&mut chat, &[("a", "A")]).unwrap_err()), ("tool_results", no_call));
    ask(&mut chat, "1?");
    assert_eq!(refused(&answer(&mut chat, &[("a", "A")]).unwrap_err()), ("tool_results", no_call));
    ask(&mut chat, "2?");
    for (results, reason) in [
        (&[("a", "A")][..], "must answer all calls; \"call-1\" of \"find\" is missing"),
        (&[("call-1", "B")], "must answer all calls; \"a\" of \"sum\" is missing"),
        (&[], "must answer all calls; \"a\" of \"sum\" is missing"),
        (&[("a", "A"), ("call-1", "B"), ("c", "C")], "name a call that does not exist: \"c\""),
        (&[("a", "A"), ("call-1", "B"), ("a", "C")], "name a call twice: \"a\""),
    ] {
        let error = answer(&mut chat, results).unwrap_err();
        assert_eq!(refused(&error), ("tool_results", reason));
    }
    let other = [answered(None, "find"), answered(None, "find")].map(|call| ToolResult::new(&call, "A"));
    let error = run(chat.answer_tools(other).finish()).unwrap_err();
    assert_eq!(refused(&error).1, "are more than the calls of \"find\"");
    assert_eq!(transport.requests().len(), 2, "nothing was sent");
    answer(&mut chat, &[("a", "A"), ("call-1", "B")]).unwrap();
}

#[test]
fn a_call_without_an_id_gets_one() {
    let (mut chat, transport) = chat([
        calls(&[(None, "sum"), (Some("call-1"), "sum"), (None, "find"), (None, "sum")]),
        Script::completion("Done."),
    ]);
    let first = run(chat.ask("1?").finish()).unwrap();
    let texts = ["A", "B", "C", "D"];
    let results: Vec<_> = first.tool_calls.iter().zip(texts).map(|(call, text)| ToolResult::new(call, text)).collect();
    run(chat.answer_tools(results).finish()).unwrap();
    let expected = [
        "user: 1?",
        "assistant: sum(call-2) sum(call-1) find(call-3) sum(call-4)",
        "tool: call-2= A",
        "tool: call-1= B",
        "tool: call-3= C",
        "tool: call-4= D",
    ];
    assert_eq!(last_messages(&transport), expected);
}

#[test]
fn ids_stay_unique_after_turns_are_removed_and_after_an_import() {
    let call = || calls(&[(None, "sum")]);
    let (client, transport) =
        client([call(), Script::completion("A."), call(), Script::completion("B."), call(), Script::completion("C.")]);
    let mut chat = client.chat("model-1");
    let open = |chat: &MemoryChat| chat.open_calls()[0].id.clone().unwrap();
    let step = |chat: &mut MemoryChat, id: &str| {
        ask(chat, "?");
        assert_eq!(open(chat), id);
        answer(chat, &[(id, "1")]).unwrap();
    };
    step(&mut chat, "call-1");
    step(&mut chat, "call-2");
    chat.keep_last(1);
    let mut chat = client.import_chat(&chat.export()).unwrap();
    step(&mut chat, "call-1");
    let expected = ["user: ?", "assistant: sum(call-2)", "tool: call-2= 1", "assistant: B.", "user: ?"];
    assert_eq!(last_messages(&transport)[..5], expected);
    assert_eq!(last_messages(&transport)[5..], ["assistant: sum(call-1)", "tool: call-1= 1"]);
}

/// Some servers use one id for several calls.
#[test]
fn calls_with_equal_ids_can_be_answered() {
    let (mut chat, transport) = chat([calls(&[(Some("x"), "sum"), (Some("x"), "find")]), Script::completion("Done.")]);
    ask(&mut chat, "1?");
    answer(&mut chat, &[("x", "A")]).unwrap_err();
    answer(&mut chat, &[("x", "A"), ("x", "B")]).unwrap();
    assert_eq!(last_messages(&transport), ["user: 1?", "assistant: sum(x) find(x)", "tool: x= A", "tool: x= B"]);
}

#[test]
fn calls_of_the_services_own_tools_need_no_results() {
    let provided =
        [(Some("l"), "provideLinks"), (None, "provideRecordsConsidered"), (Some("n"), "provideAIAnnotations")];
    let with_text = json!({"role": "assistant", "content": "See.", "tool_calls": call_list(&provided)});
    let mixed = calls(&[(Some("l"), "provideLinks"), (Some("a"), "sum")]);
    let scripts =
        [message(&with_text), calls(&provided), mixed, Script::completion("Done."), Script::completion("Yes.")];
    let (mut chat, transport) = chat(scripts);
    ask(&mut chat, "1?");
    assert_eq!(chat.open_calls(), []);
    ask(&mut chat, "2?");
    assert_eq!(last_messages(&transport), ["user: 1?", "assistant: See.", "user: 2?"]);
    ask(&mut chat, "3?");
    assert_eq!(chat.open_calls().len(), 1);
    answer(&mut chat, &[("a", "A")]).unwrap();
    let expected = ["user: 1?", "assistant: See.", "user: 2?", "user: 3?", "assistant: sum(a)", "tool: a= A"];
    assert_eq!(last_messages(&transport), expected);
    ask(&mut chat, "4?");
    assert_eq!(last_messages(&transport)[..6], expected);
}

#[test]
fn the_services_own_tools_may_have_results() {
    let (mut chat, transport) = chat([calls(&[(Some("l"), "provideLinks")]), Script::completion("Done.")]);
    ask(&mut chat, "1?");
    assert_eq!(refused(&answer(&mut chat, &[]).unwrap_err()), ("tool_results", "are empty"));
    answer(&mut chat, &[("l", "ok")]).unwrap();
    assert_eq!(last_messages(&transport), ["user: 1?", "assistant: provideLinks(l)", "tool: l= ok"]);
}

#[test]
fn calls_without_results_are_not_sent_again() {
    let with_text =
        json!({"role": "assistant", "content": "Let me see.", "tool_calls": call_list(&[(Some("b"), "sum")])});
    let (mut chat, transport) = chat([calls(&[(Some("a"), "sum")]), message(&with_text), Script::completion("Done.")]);
    ask(&mut chat, "1?");
    ask(&mut chat, "2?");
    assert_eq!(last_messages(&transport), ["user: 1?", "user: 2?"]);
    ask(&mut chat, "3?");
    assert_eq!(last_messages(&transport), ["user: 1?", "user: 2?", "assistant: Let me see.", "user: 3?"]);
}

#[test]
fn text_before_calls_is_sent_with_them() {
    let with_text =
        json!({"role": "assistant", "content": "Let me see.", "tool_calls": call_list(&[(Some("b"), "sum")])});
    let (mut chat, transport) = chat([message(&with_text), Script::completion("Done.")]);
    ask(&mut chat, "1?");
    answer(&mut chat, &[("b", "B")]).unwrap();
    assert_eq!(last_messages(&transport), ["user: 1?", "assistant: Let me see. sum(b)", "tool: b= B"]);
}

#[test]
fn an_incomplete_answer_with_text_is_kept_and_marked() {
    let begun = || Script::events([text("Half")]);
    let ends: [(&str, Script, Step); 3] = [
        ("cancelled", begun().stall(), |chat| {
            let mut reply = chat.ask("1?");
            while run(reply.next()).unwrap().unwrap().text() != Some("Half") {}
            assert_eq!(reply.cancel().unwrap_err().kind().name(), "cancelled");
        }),
        ("dropped", begun().stall(), |chat| {
            let mut reply = chat.ask("1?");
            while run(reply.next()).unwrap().unwrap().text() != Some("Half") {}
        }),
        ("cut", begun().data(chunk(&json!({"tool_calls": call_list(&[(Some("a"), "sum")])}), None)).cut(), |chat| {
            run(chat.ask("1?").finish()).unwrap_err();
        }),
    ];
    for (name, script, end) in ends {
        let (mut chat, transport) = chat([script, Script::completion("Yes."), Script::completion("No.")]);
        end(&mut chat);
        let turns = chat.turns();
        assert!(turns.len() == 1 && turns[0].is_partial, "{name}: {turns:?}");
        assert_eq!((turns[0].answer.text().as_str(), chat.open_calls().len()), ("Half", 0), "{name}");
        let error = answer(&mut chat, &[("a", "A")]).unwrap_err();
        assert_eq!(refused(&error).0, "tool_results", "{name}: the call may be incomplete");
        ask(&mut chat, "2?");
        assert_eq!(last_messages(&transport), ["user: 1?", "assistant: Half", "user: 2?"], "{name}");
        assert!(!chat.drop_last().unwrap().is_partial);
        assert!(chat.drop_last().unwrap().is_partial);
        assert!(chat.drop_last().is_none());
        ask(&mut chat, "3?");
        assert_eq!(last_messages(&transport), ["user: 3?"], "{name}");
    }
}

#[test]
fn an_answer_is_complete_at_its_finish_reason_even_if_the_rest_is_not_read() {
    let delta = json!({"tool_calls": call_list(&[(Some("a"), "sum")])});
    let script = || Script::events([chunk(&delta, Some("tool_calls")) + "data: [DONE]\n\n"]);
    let (mut chat, _) = chat([script(), script()]);
    run(async {
        let mut reply = chat.ask("1?");
        while let Some(Ok(event)) = reply.next().await {
            if matches!(event, Event::Text(text) if text.finish_reason.is_some()) {
                break; // The reply is dropped.
            }
        }
    });
    assert!(!chat.turns()[0].is_partial);
    assert_eq!(chat.open_calls().len(), 1);
    chat.drop_last();
    let answer = run(async {
        let mut reply = chat.ask("1?");
        while reply.answer().is_none_or(|answer| answer.finish_reason.is_none()) {
            reply.next().await;
        }
        reply.cancel()
    });
    assert_eq!(answer.expect("a complete answer").tool_calls.len(), 1);
}

#[test]
fn a_failed_question_without_text_is_not_kept() {
    let refusal = || Script::json(400, "{\"error\":{\"message\":\"no\"}}");
    let only_reasoning = Script::events([chunk(&json!({"reasoning_content": "Hm."}), None)]).cut();
    let only_call = Script::events([chunk(&json!({"tool_calls": call_list(&[(Some("a"), "sum")])}), None)]).cut();
    let (mut chat, transport) =
        chat([refusal(), only_reasoning, only_call, Script::events([""]).stall(), Script::completion("Yes.")]);
    for question in ["1?", "2?", "3?"] {
        run(chat.ask(question).finish()).unwrap_err();
    }
    {
        let mut reply = chat.ask("4?");
        let mut next = std::pin::pin!(reply.next());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(next.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!((chat.turns().len(), transport.requests().len()), (0, 4));
    ask(&mut chat, "5?");
    assert_eq!(last_messages(&transport), ["user: 5?"]);
}

#[test]
fn results_can_be_sent_again_after_a_failure() {
    let refusal = Script::json(400, "{\"error\":{\"message\":\"no\"}}");
    let cut = Script::events([text("Half")]).cut();
    let (mut chat, transport) = chat([calls(&[(Some("a"), "sum")]), refusal, cut, Script::completion("Done.")]);
    ask(&mut chat, "1?");
    answer(&mut chat, &[("a", "A")]).unwrap_err();
    assert_eq!(chat.open_calls().len(), 1);
    answer(&mut chat, &[("a", "A")]).unwrap_err();
    assert_eq!(chat.open_calls().len(), 0, "the model has begun to answer");
    assert!(chat.drop_last().unwrap().is_continuation());
    assert_eq!(answer(&mut chat, &[("a", "A")]).unwrap(), "Done.");
    assert_eq!(last_messages(&transport), ["user: 1?", "assistant: sum(a)", "tool: a= A"]);
}

#[test]
fn keep_last_counts_turns_and_keeps_calls_with_their_results() {
    let scripts = || {
        let done = || Script::completion("Done.");
        [done(), calls(&[(Some("a"), "sum")]), calls(&[(Some("b"), "sum")]), done(), done(), done()]
    };
    let with_calls =
        ["user: 2?", "assistant: sum(a)", "tool: a= A", "assistant: sum(b)", "tool: b= B", "assistant: Done."];
    let after = ["user: 3?", "assistant: Done."];
    let all = [&["user: 1?", "assistant: Done."], &with_calls[..], &after].concat();
    for (count, kept) in [
        (0, vec![]),
        (1, after.to_vec()),
        (2, [&with_calls[..], &after].concat()),
        (3, all.clone()),
        (4, all.clone()),
        (usize::MAX, all),
    ] {
        let (chat, transport) = chat(scripts());
        let mut chat = chat.with_system("Be brief.");
        ask(&mut chat, "1?");
        ask(&mut chat, "2?");
        answer(&mut chat, &[("a", "A")]).unwrap();
        answer(&mut chat, &[("b", "B")]).unwrap();
        ask(&mut chat, "3?");
        chat.keep_last(count);
        ask(&mut chat, "4?");
        assert_eq!(last_messages(&transport), [&["system: Be brief."], &kept[..], &["user: 4?"]].concat(), "{count}");
    }
    let (mut empty, _) = chat([]);
    empty.keep_last(0);
    empty.keep_last(1);
    assert!(empty.turns().is_empty());
}

#[test]
fn readers_of_the_turns_share_one_list_that_changes_do_not_reach() {
    let (mut chat, _) = chat([Script::completion("Yes."), Script::completion("No.")]);
    ask(&mut chat, "1?");
    let before = chat.turns();
    assert!(Arc::ptr_eq(&before, &chat.turns()), "reading does not copy");
    ask(&mut chat, "2?");
    let after = chat.turns();
    assert_eq!((before.len(), after.len()), (1, 2));
    assert!(Arc::ptr_eq(&before[0], &after[0]), "a copy of the list shares its turns");
    chat.drop_last();
    chat.keep_last(0);
    assert_eq!((before.len(), after.len(), chat.turns().len()), (1, 2, 0));
}

#[test]
fn results_whose_calls_were_removed_meanwhile_are_not_kept() {
    let removals: [Step; 2] = [|chat| chat.keep_last(0), |chat| drop(chat.drop_last())];
    for remove in removals {
        let (mut chat, transport) =
            chat([calls(&[(Some("a"), "sum")]), Script::completion("Done."), Script::completion("Yes.")]);
        ask(&mut chat, "1?");
        let reply = chat.answer_tools([ToolResult::with_id("a", "A")]);
        remove(&mut chat);
        assert_eq!(run(reply.finish()).unwrap().text, "Done.");
        ask(&mut chat, "2?");
        assert_eq!(last_messages(&transport), ["user: 2?"]);
    }
}

#[test]
fn an_imported_chat_continues_like_the_exported_one() {
    let image = Message::user(vec![ContentPart::text("What is it?"), ContentPart::image("https://h.example/cat.png")]);
    let custom = json!([{"type": "custom", "id": "b", "custom": {"name": "run", "input": "ls"}}]);
    let with_custom = json!({"role": "assistant", "content": null, "reasoning_content": "Hm.", "tool_calls": custom});
    let scripts = [
        Script::completion("A cat."),
        message(&with_custom),
        Script::completion("Done."),
        Script::events([text("Half")]).cut(),
        calls(&[(None, "sum")]),
        Script::completion("Yes."),
        Script::completion("Yes."),
    ];
    let (client, transport) = client(scripts);
    let mut chat = client.chat("model-1").with_system("Be brief.");
    run(chat.ask(image).finish()).unwrap();
    ask(&mut chat, "2?");
    answer(&mut chat, &[("b", "B")]).unwrap();
    run(chat.ask("3?").finish()).unwrap_err();
    ask(&mut chat, "4?");
    let exported = chat.export();
    let imported = client.import_chat(&exported).unwrap();
    assert_eq!((imported.export(), imported.turns()), (exported, chat.turns()));
    let partial: Vec<bool> = imported.turns().iter().map(|turn| turn.is_partial).collect();
    assert_eq!(partial, [false, false, false, true, false]);
    let mut imported = imported.with_reasoning(true);
    for chat in [&mut chat.with_reasoning(true), &mut imported] {
        answer(chat, &[("call-1", "1")]).unwrap();
    }
    let bodies = bodies(&transport);
    assert_eq!(bodies[5], bodies[6]);
    assert_eq!(bodies[6]["messages"][1]["content"][1]["image_url"]["url"], "https://h.example/cat.png");
    assert_eq!(bodies[6]["messages"][4]["reasoning_content"], "Hm.");
    assert_eq!(bodies[6]["model"], "model-1");
}

#[test]
fn turns_that_were_saved_one_by_one_continue() {
    let (client, transport) =
        client([calls(&[(Some("a"), "sum")]), Script::completion("Done."), Script::completion("Yes.")]);
    let mut chat = client.chat("model-1").with_system("Be brief.");
    assert_eq!((&*chat.input().model, chat.input().messages.len()), ("model-1", 1));
    ask(&mut chat, "1?");
    let turns = chat.turns();
    answer(&mut chat, &[("a", "A")]).unwrap();

    let mut restored = client.chat("model-1");
    ask(&mut restored, "Lost?");
    restored.set_turns(turns.iter().cloned()).unwrap();
    assert_eq!(restored.open_calls().len(), 1);
    let error = restored.set_turns([chat.turns()[1].clone()]).unwrap_err();
    assert_eq!(refused(&error), ("chat", "has results of tools without their calls"));
    assert_eq!(restored.turns(), turns, "nothing has changed");
    run(restored.answer_tools([ToolResult::with_id("a", "A")]).finish()).unwrap_err();
    assert_eq!(last_messages(&transport), ["user: 1?", "assistant: sum(a)", "tool: a= A"]);
}

#[test]
fn an_import_checks_its_input() {
    let (client, _) = client([]);
    let import = |json: &str| client.import_chat(json).map(|chat| chat.turns().len());
    let exported = client.chat("m").export();
    assert_eq!(exported, r#"{"version":1,"model":"m","system":[],"turns":[]}"#);
    assert_eq!(import(&exported).unwrap(), 0);
    assert_eq!(import(r#"{"version":1,"model":"m","turns":[],"later":1}"#).unwrap(), 0);
    let result = json!({"messages": [{"role": "tool", "tool_call_id": "a", "content": "A"}],
        "answer": {"role": "assistant", "content": "Done."}});
    let call = json!({"messages": [{"role": "user", "content": "1?"}],
        "answer": {"role": "assistant", "tool_calls": call_list(&[(Some("a"), "sum")])}});
    let other =
        json!({"messages": [{"role": "user", "content": "1?"}], "answer": {"role": "assistant", "content": "A."}});
    let with_turns = |turns: &[&serde_json::Value]| json!({"version": 1, "model": "m", "turns": turns}).to_string();
    assert_eq!(import(&with_turns(&[&other, &call, &result])).unwrap(), 3);
    let without_calls = "has results of tools without their calls";
    for (json, reason) in [
        ("", "is not an exported chat: "),
        ("[]", "is not an exported chat: "),
        (r#"{"model":"m","turns":[]}"#, "is not an exported chat: missing field `version`"),
        (r#"{"version":1,"turns":[]}"#, "is not an exported chat: missing field `model`"),
        (r#"{"version":2,"model":"m","turns":[]}"#, "has version 2, and this library reads up to 1"),
        (r#"{"version":2,"model":"m","turns":{}}"#, "has version 2, and this library reads up to 1"),
        (&with_turns(&[&result]), without_calls),
        (&with_turns(&[&other, &result]), without_calls),
        (&with_turns(&[&call, &result, &result]), without_calls),
    ] {
        let error = import(json).unwrap_err();
        let (field, said) = refused(&error);
        assert!(field == "chat" && said.starts_with(reason), "{json}: {error}");
    }
}

#[test]
fn reasoning_is_sent_again_only_on_request() {
    for with_reasoning in [false, true] {
        let thought = json!({"role": "assistant", "content": "One.", "reasoning_content": "Hm."});
        let (chat, transport) = chat([message(&thought), Script::completion("Two.")]);
        let mut chat = chat.with_reasoning(with_reasoning);
        ask(&mut chat, "1?");
        ask(&mut chat, "2?");
        let expected = if with_reasoning { "assistant: One. reasoning_content=\"Hm.\"" } else { "assistant: One." };
        assert_eq!(last_messages(&transport), ["user: 1?", expected, "user: 2?"]);
    }
}

#[test]
fn custom_calls_and_empty_arguments_are_sent_as_the_api_wants_them() {
    let list = json!([
        {"type": "custom", "id": "a", "custom": {"name": "run", "input": ""}},
        {"type": "function", "id": "b", "function": {"name": "now", "arguments": ""}},
    ]);
    let (mut chat, transport) = chat([
        message(&json!({"role": "assistant", "content": null, "tool_calls": list})),
        Script::completion("Done."),
    ]);
    ask(&mut chat, "1?");
    answer(&mut chat, &[("a", "A"), ("b", "B")]).unwrap();
    let sent = &bodies(&transport)[1]["messages"][1]["tool_calls"];
    assert_eq!(sent[0], json!({"type": "custom", "id": "a", "custom": {"name": "run", "input": ""}}));
    assert_eq!(sent[1]["function"], json!({"name": "now", "arguments": "{}"}));
}

#[test]
fn a_refusal_is_sent_again_as_the_content() {
    let refusal = json!({"role": "assistant", "content": null, "refusal": "I won't."});
    let (mut chat, transport) = chat([message(&refusal), Script::completion("Yes.")]);
    assert_eq!(ask(&mut chat, "1?"), "");
    ask(&mut chat, "2?");
    assert_eq!(last_messages(&transport), ["user: 1?", "assistant: I won't.", "user: 2?"]);
}

#[test]
fn a_question_and_results_may_use_other_settings() {
    let (client, transport) =
        client([calls(&[(Some("a"), "sum")]), Script::completion("Done."), Script::completion("Yes.")]);
    let traced = client.with(|all| all.header("x-trace", "7f").base_url("https://other.example/v2")).unwrap();
    let mut chat = client.chat("model-1");
    run(chat.ask_by(&traced, "1?").finish()).unwrap();
    run(chat.answer_tools_by(&traced, [ToolResult::with_id("a", "A")]).finish()).unwrap();
    ask(&mut chat, "2?");
    let sent = transport.requests();
    let urls: Vec<String> = sent.iter().map(|sent| sent.uri().to_string()).collect();
    let other = "https://other.example/v2/chat/completions";
    assert_eq!(urls, [other, other, "https://api.inkeep.com/v1/chat/completions"]);
    let traces: Vec<bool> = sent.iter().map(|sent| sent.headers().contains_key("x-trace")).collect();
    assert_eq!(traces, [true, true, false]);
    assert_eq!(last_messages(&transport).len(), 5);
}

#[test]
fn a_chat_answers_one_question_at_a_time() {
    let (mut chat, transport) = chat([Script::events([text("Half")]).stall(), Script::completion("Yes.")]);
    let mut first = chat.ask("1?");
    run(first.next()).unwrap().unwrap();
    for second in [chat.ask("2?"), chat.answer_tools([ToolResult::with_id("a", "A")])] {
        let error = run(second.finish()).unwrap_err();
        assert_eq!(refused(&error).0, "chat", "{error}");
    }
    drop(first);
    ask(&mut chat, "3?");
    assert_eq!(transport.requests().len(), 2);
}

#[test]
fn a_reply_that_is_not_polled_releases_the_chat() {
    let (mut chat, transport) = chat([Script::completion("Yes.")]);
    drop(chat.ask("1?"));
    assert_eq!(chat.ask("2?").cancel().unwrap_err().kind().name(), "cancelled");
    assert_eq!((chat.turns().len(), transport.requests().len()), (0, 0));
    ask(&mut chat, "3?");
    assert_eq!(last_messages(&transport), ["user: 3?"]);
}

#[test]
fn an_invalid_question_is_an_error_and_releases_the_chat() {
    let (client, transport) = client([Script::completion("Yes.")]);
    let error = run(client.chat("").ask("1?").finish()).unwrap_err();
    assert_eq!(refused(&error), ("model", "is empty"));
    let mut chat = client.chat("model-1");
    let error = run(chat.ask(Message::tool("a", "A")).finish()).unwrap_err();
    assert_eq!(refused(&error).0, "message");
    let mut chat = chat.with_settings(|input| input.with_temperature(f64::NAN));
    for _ in 0..2 {
        assert_eq!(refused(&run(chat.ask("2?").finish()).unwrap_err()).0, "temperature");
    }
    let mut chat = chat.with_settings(|input| input.with_temperature(0.5));
    ask(&mut chat, "3?");
    assert_eq!((chat.turns().len(), transport.requests().len()), (1, 1));
}

#[test]
fn a_chat_without_streaming_sends_no_options_of_streams() {
    let (client, transport) = client((0..4).map(|_| Script::completion("Yes.")));
    let usage = CompletionInput::with_stream_usage;
    let without = client.with(|all| all.streaming(false)).unwrap();
    for chat in [
        client.chat("m").with_settings(usage),
        client.chat("m").with_settings(usage).with_streaming(false),
        without.chat("m").with_settings(usage),
        without.chat("m").with_streaming(true),
    ] {
        let mut chat = chat;
        ask(&mut chat, "1?");
    }
    let sent: Vec<_> =
        bodies(&transport).iter().map(|body| (body["stream"] == true, body.get("stream_options").is_some())).collect();
    assert_eq!(sent, [(true, true), (false, false), (false, false), (true, false)]);
}

#[test]
fn settings_and_tools_go_with_every_question() {
    let (chat, transport) = chat([Script::completion("One."), Script::completion("Two.")]);
    let tool = Tool::function("sum", "Adds", json!({"type": "object"}));
    let mut chat = chat.with_tools([tool]).with_settings(|input| input.with_temperature(0.25).with_extra("top_k", 40));
    ask(&mut chat, "1?");
    ask(&mut chat, "2?");
    for body in bodies(&transport) {
        assert_eq!((&body["temperature"], &body["top_k"]), (&json!(0.25), &json!(40)));
        assert_eq!(body["tools"][0]["function"]["name"], "sum");
        assert_eq!(body["model"], "model-1");
    }
}

#[test]
fn debug_output_has_no_text_of_the_conversation() {
    let with_text = json!({"role": "assistant", "content": "secret", "reasoning_content": "secret",
        "tool_calls": [{"type": "function", "id": "a", "function": {"name": "sum", "arguments": "\"secret\""}}]});
    let (chat, _) = chat([message(&with_text), Script::events([text("secret")]).stall()]);
    let mut chat = chat.with_system("secret");
    ask(&mut chat, "secret");
    let mut reply = chat.answer_tools([ToolResult::with_id("a", "secret")]);
    run(reply.next()).unwrap().unwrap();
    let mut printed = format!("{chat:?} {reply:?} {:?}", chat.turns());
    drop(reply);
    printed += &format!("{chat:?} {:#?}", chat.turns());
    assert!(!printed.contains("secret") && printed.contains("model-1"), "{printed}");
}
