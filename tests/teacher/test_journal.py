import multiprocessing
import os
import resource
import signal

import pytest

from r1k.errors import TeacherError
from r1k.teacher.journal import ChatMessage, Journal, JournalEntry, Request, RunStoppedError


def entry(question="q", answer="a", **sampling):
    request = Request(
        prompt_name="solve", prompt_digest="p", model="m", messages=[ChatMessage(content=question)], sampling=sampling
    )
    return JournalEntry(
        key=request.key,
        request=request,
        max_tokens=10,
        answer=answer,
        reasoning="r",
        finish_reason="stop",
        usage={"completion_tokens": 3, "details": {"cached": 1}},
        seconds=0.5,
        finished_at="2025-01-01T00:00:00+00:00",
    )


def test_appended_entries_are_found_after_reopening(tmp_path):
    path = tmp_path / "deep" / "journal.jsonl"
    entries = [entry(f"q{index}", "é\n\u2028" * index) for index in range(5)]
    with Journal(path) as journal:
        for one in entries:
            journal.append(one)
        assert [journal.get(one.key) for one in entries] == entries
    with Journal(path) as journal:
        assert len(journal) == 5
        assert [journal.get(one.key) for one in entries] == entries
        assert journal.get("elsewhere") is None


def test_the_newest_answer_counts_and_older_ones_stay(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(entry(answer="old"))
        journal.append(entry(answer="new"))
    with Journal(path) as journal:
        assert journal.get(entry().key).answer == "new"
    assert "old" in path.read_text()


def test_the_key_covers_all_fields_of_a_request():
    base = entry().request
    key = base.key
    different = [
        base.model_copy(update=change)
        for change in (
            {"prompt_name": "reverse_question"},
            {"prompt_digest": "p2"},
            {"model": "m2"},
            {"messages": [ChatMessage(content="q2")]},
            {"sampling": {"temperature": 0.5}},
        )
    ]
    assert len({request.key for request in [base, *different]}) == 6
    assert entry().request.key == base.key == key


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_an_incomplete_last_line_is_removed_and_reported(tmp_path, capfd, kept):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(entry("whole", "x" * 200_000))
    whole = path.read_bytes()
    torn = entry("torn", "y" * 200_000).model_dump_json().encode() + b"\n"
    path.write_bytes(whole + torn[:kept])
    with Journal(path) as journal:
        assert journal.get(entry("whole").key) is not None
        assert journal.get(entry("torn").key) is None
        journal.append(entry("after"))
    expected = capfd.readouterr().err
    assert str(path) in expected
    assert f"{len(torn[:kept])} bytes" in expected
    assert path.read_bytes().startswith(whole)
    with Journal(path) as journal:
        assert len(journal) == 2


def test_a_journal_of_one_incomplete_line_is_empty(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"key":' + b"\0" * 300_000)
    with Journal(path) as journal:
        assert len(journal) == 0
    assert path.read_bytes() == b""


@pytest.mark.parametrize("line", ["not json\n", "{}\n", "\n"])
def test_a_broken_line_in_the_middle_is_an_error(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    good = entry().model_dump_json() + "\n"
    path.write_text(good + line + good)
    with pytest.raises(TeacherError, match=rf"{path}:2: not a valid journal record .* remove it"):
        Journal(path)
    assert path.read_text() == good + line + good


def test_a_journal_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(TeacherError, match=rf"{tmp_path}: the journal cannot be opened"):
        Journal(tmp_path)


def _append(path, name, n):
    with Journal(path) as journal:
        for index in range(n):
            journal.append(entry(f"{name}-{index}", name * 20_000))


def test_lines_of_concurrent_processes_do_not_mix(tmp_path):
    path = tmp_path / "journal.jsonl"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append, args=(path, name, 25)) for name in "abcd"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    with Journal(path) as journal:
        assert len(journal) == 100
        found = journal.get(entry("c-24").key)
        assert found is not None
        assert found.answer == "c" * 20_000


def test_a_full_disk_leaves_no_partial_line_and_stops_the_run(tmp_path):
    path = tmp_path / "journal.jsonl"
    size = len(entry().model_dump_json()) + 1
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with Journal(path) as journal:
            journal.append(entry())
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, size + 50))
            try:
                journal.append(entry("second"))
            except RunStoppedError as error:
                os._exit(7 if "free disk space" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert path.stat().st_size == size
    with Journal(path) as journal:
        assert len(journal) == 1
