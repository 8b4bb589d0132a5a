"""Checks that the official Python client works with the bundled server: `openai_python.py URL KEY`."""
import json
import sys
import traceback

import openai
from pydantic import BaseModel

# The URL is without /v1.
URL, KEY = sys.argv[1:]
CLIENT = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30)
CHAT = CLIENT.chat.completions
MODEL = CLIENT.models.list().data[0].id

QUESTION = "When is a call retried?"
ASK = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]}
FINISHED = ("stop", "tool_calls")
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


class Rating(BaseModel):
    score: int
    reason: str
    tags: list[str]


class Link(BaseModel):
    url: str
    title: str


class ProvideLinks(BaseModel):
    links: list[Link]


def function(name, **properties):
    parameters = {"type": "object", "properties": properties, "required": [*properties]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


LINK = {"type": "object", "properties": {"url": {"type": "string"}}}
LINKS = function("provideLinks", links={"type": "array", "items": LINK})
RATE = function("rate", score={"type": "integer"}, reason={"type": "string"})


@check
def lists_models():
    models = CLIENT.models.list()
    assert models.object == "list" and models.data, models
    assert all(model.object == "model" and model.id for model in models), models


@check
def answers_in_one_object():
    answer = CHAT.create(**ASK)
    choice, usage = answer.choices[0], answer.usage
    assert answer.object == "chat.completion" and answer.id and answer.model == MODEL and answer.created > 0, answer
    assert choice.message.role == "assistant" and len(choice.message.content) > 20, choice
    assert choice.finish_reason == "stop" and not choice.message.tool_calls, choice
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0, usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage


@check
def streams_the_same_answer():
    chunks = list(CHAT.create(**ASK, stream=True))
    assert len(chunks) > 3 and all(chunk.object == "chat.completion.chunk" for chunk in chunks), chunks
    assert len({chunk.id for chunk in chunks}) == 1 and not any(chunk.usage for chunk in chunks), chunks
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == CHAT.create(**ASK).choices[0].message.content, text
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons[-1] == "stop" and set(reasons[:-1]) == {None}, reasons


@check
def streams_the_usage_last():
    *chunks, last = CHAT.create(**ASK, stream=True, stream_options={"include_usage": True})
    assert last.choices == [] and last.usage.completion_tokens > 0, last
    assert last.usage == CHAT.create(**ASK).usage, last
    assert all(chunk.choices and chunk.usage is None for chunk in chunks), chunks


@check
def the_stream_helper_assembles_the_answer():
    with CHAT.stream(**ASK) as stream:
        events = list(stream)
        answer = stream.get_final_completion()
    deltas = "".join(event.delta for event in events if event.type == "content.delta")
    done = [event.content for event in events if event.type == "content.done"]
    assert done == [deltas] == [answer.choices[0].message.content] and deltas, (done, deltas)
    assert answer.choices[0].finish_reason == "stop", answer


def links_of(choice):
    assert choice.finish_reason in FINISHED and choice.message.content, choice
    (call,) = choice.message.tool_calls
    assert call.id and call.type == "function" and call.function.name == "provideLinks", call
    links = json.loads(call.function.arguments)["links"]
    assert links and all(link["url"] and link["title"] for link in links), links
    return links


@check
def calls_provide_links():
    links_of(CHAT.create(**ASK, tools=[LINKS], tool_choice="auto").choices[0])


@check
def streams_a_call_of_provide_links():
    chunks = list(CHAT.create(**ASK, tools=[LINKS], tool_choice="auto", stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert {call.index for call in calls} == {0} and len(calls) > 1, calls
    assert calls[0].id and calls[0].function.name == "provideLinks", calls
    assert all(call.id is None and call.function.name is None for call in calls[1:]), calls
    links = json.loads("".join(call.function.arguments or "" for call in calls))["links"]
    assert links == links_of(CHAT.create(**ASK, tools=[LINKS], tool_choice="auto").choices[0]), links
    assert chunks[-1].choices[0].finish_reason in FINISHED, chunks[-1]


@check
def the_stream_helper_parses_a_call():
    tool = openai.pydantic_function_tool(ProvideLinks, name="provideLinks")
    with CHAT.stream(**ASK, tools=[tool]) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        choice = stream.get_final_completion().choices[0]
    links_of(choice)
    (event,) = done
    parsed = event.parsed_arguments
    assert event.name == "provideLinks" and isinstance(parsed, ProvideLinks) and parsed.links, event
    assert parsed == choice.message.tool_calls[0].function.parsed_arguments, choice


@check
def calls_a_forced_function():
    forced = {"type": "function", "function": {"name": "rate"}}
    for tools in ([RATE], [LINKS, RATE]):
        (call,) = CHAT.create(**ASK, tools=tools, tool_choice=forced).choices[0].message.tool_calls
        arguments = json.loads(call.function.arguments)
        assert call.function.name == "rate", call
        assert type(arguments["score"]) is int and type(arguments["reason"]) is str, arguments


@check
def parses_an_answer_of_a_schema():
    message = CHAT.parse(**ASK, response_format=Rating).choices[0].message
    assert isinstance(message.parsed, Rating) and Rating.model_validate_json(message.content) == message.parsed, message


@check
def the_stream_helper_parses_an_answer_of_a_schema():
    with CHAT.stream(**ASK, response_format=Rating) as stream:
        done = [event.parsed for event in stream if event.type == "content.done"]
        message = stream.get_final_completion().choices[0].message
    assert done == [message.parsed] and isinstance(message.parsed, Rating), message


@check
def knows_the_question_before():
    answer = {"role": "assistant", "content": "It depends."}
    messages = [*ASK["messages"], answer, {"role": "user", "content": "And what is a session?"}]
    content = CHAT.create(model=MODEL, messages=messages).choices[0].message.content
    assert f"before it you asked: “{QUESTION}”" in content, content


def raised(kind, call):
    try:
        call()
    except kind as error:
        body = error.body
        assert type(error) is kind and body["message"] and body["type"], body
        assert {"message", "type", "param", "code"} <= body.keys(), body
        return error
    raise AssertionError(f"no {kind.__name__}")


@check
def a_wrong_key_is_an_authentication_error():
    stranger = CLIENT.with_options(api_key="wrong")
    error = raised(openai.AuthenticationError, lambda: stranger.chat.completions.create(**ASK))
    assert error.status_code == 401, error
    raised(openai.AuthenticationError, stranger.models.list)


@check
def missing_messages_are_a_bad_request():
    body = {"model": MODEL}
    error = raised(openai.BadRequestError, lambda: CLIENT.post("/chat/completions", body=body, cast_to=object))
    assert error.status_code == 400 and error.type == "invalid_request_error" and "messages" in error.message, error


@check
def an_unknown_path_is_not_found():
    error = raised(openai.NotFoundError, lambda: CLIENT.get("/no-such", cast_to=object))
    assert error.status_code == 404, error


failed = 0
for run in CHECKS:
    name = run.__name__.replace("_", " ")
    try:
        run()
        print("ok", name)
    except Exception:
        failed += 1
        print("FAILED", name)
        traceback.print_exc(file=sys.stdout)
sys.exit(failed > 0)
