import http.client
import json
import re
import subprocess
import sys

import openai
import pytest
from faulty_teacher import Riddles

from r1k.config import OpenAITeacher, ReplayTeacher
from r1k.errors import TeacherError
from r1k.teacher.server import ChatServer, running, serve
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE


@pytest.fixture
def url():
    with running(ChatServer(Riddles())) as server:
        yield server.url


@pytest.fixture
def client(url):
    with openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def ask(client, prompt, **parameters):
    return client.chat.completions.create(model="riddles", messages=[{"role": "user", "content": prompt}], **parameters)


def test_both_prompts_are_recognized(client):
    asked = ask(client, REVERSE_QUESTION.render(question="Who?", answer="Me")).choices[0]
    assert asked.message.content == "What has the answer Me, if not Who?"
    solved = ask(client, SOLVE.render(question="Who?"))
    assert solved.choices[0].message.content == "It is WHO?"
    assert solved.choices[0].message.model_extra["reasoning_content"] == "Let me think of Who?"
    assert solved.choices[0].finish_reason == "stop"
    assert solved.usage.completion_tokens == 5 + 3
    assert solved.usage.total_tokens == solved.usage.prompt_tokens + 8
    assert client.models.list().data[0].id == "riddles"


@pytest.mark.parametrize(("limit", "reasoning", "text"), [(3, "Let me think", ""), (6, "Let me think of Who?", "It")])
def test_max_tokens_truncates(client, limit, reasoning, text):
    cut = ask(client, "Who?", max_tokens=limit)
    assert cut.choices[0].finish_reason == "length"
    assert cut.choices[0].message.model_extra["reasoning_content"] == reasoning
    assert cut.choices[0].message.content == text
    assert cut.usage.completion_tokens == limit


def test_a_stream_adds_up_to_the_answer(client):
    whole = ask(client, "Who? " * 100)
    events = list(ask(client, "Who? " * 100, stream=True))
    deltas = [choice.delta for event in events for choice in event.choices]
    assert len(events) > 5
    assert "".join(delta.content or "" for delta in deltas) == whole.choices[0].message.content
    reasoning = "".join((delta.model_extra or {}).get("reasoning_content") or "" for delta in deltas)
    assert reasoning == whole.choices[0].message.model_extra["reasoning_content"]
    assert [event.choices[0].finish_reason for event in events if event.choices][-1] == "stop"
    assert events[-1].usage == whole.usage


def test_unanswerable_requests_return_an_error(client):
    with pytest.raises(openai.NotFoundError, match="no riddle for 'unknown'"):
        ask(client, REVERSE_QUESTION.render(question="unknown", answer="a"))
    with pytest.raises(openai.NotFoundError, match="no model 'r1' here, only 'riddles'"):
        client.chat.completions.create(model="r1", messages=[{"role": "user", "content": "q"}])
    with pytest.raises(openai.BadRequestError, match="n: Input should be 1"):
        ask(client, "q", n=2)
    with pytest.raises(openai.BadRequestError, match=r"messages\.0\.role"):
        client.chat.completions.create(model="riddles", messages=[{"role": "system", "content": "q"}])


def test_a_connection_stays_open_after_errors_and_answers(url):
    host = re.fullmatch(r"http://(127\.0\.0\.1:\d+)/v1", url)[1]
    connection = http.client.HTTPConnection(host)
    connection.connect()
    socket, seen = connection.sock, []
    good = json.dumps({"model": "riddles", "messages": [{"role": "user", "content": "q"}]})
    for path, body in (("/v1/chat/completions", "not json"), ("/nowhere", "{}"), ("/v1/chat/completions", good)):
        connection.request("POST", path, body)
        response = connection.getresponse()
        seen.append((response.status, "error" in json.loads(response.read())))
        assert connection.sock is socket
    assert seen == [(400, True), (404, True), (200, False)]
    connection.close()


def test_serve_prints_its_url_and_answers(tmp_path):
    recorded = tmp_path / "pairs.jsonl"
    row = {"question": "a?", "reverse_question": "b?", "reverse_thinking": "hm", "reverse_attempt": "c"}
    recorded.write_text(json.dumps(row) + "\n")
    code = (
        "import sys; from pathlib import Path\n"
        "from r1k.config import ReplayTeacher; from r1k.teacher.server import serve\n"
        "serve(teacher=ReplayTeacher(kind='replay', path=Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(recorded)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("base_url: ").strip()
        model = process.stdout.readline().removeprefix("model: ").strip()
        try:
            assert url.startswith("http://127.0.0.1:")
            with openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
                answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "b?"}])
            assert answer.choices[0].message.content == "c"
        finally:
            process.terminate()


def test_serve_rejects_remote_teachers_and_used_ports(tmp_path, url):
    remote = OpenAITeacher(kind="openai", base_url="https://example.org/v1", model="m", api_key_env="K")
    with pytest.raises(TeacherError, match=r"is served at https://example\.org/v1"):
        serve(teacher=remote)
    recorded = tmp_path / "pairs.jsonl"
    row = {"question": "a?", "reverse_question": "b?", "reverse_thinking": "hm", "reverse_attempt": "c"}
    recorded.write_text(json.dumps(row) + "\n")
    port = int(url.split(":")[2].removesuffix("/v1"))
    with pytest.raises(TeacherError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
        serve(teacher=ReplayTeacher(kind="replay", path=recorded), port=port)
