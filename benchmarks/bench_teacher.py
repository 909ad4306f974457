"""Measure an inversion's time relative to the ideal, batches, the time to resume a journal, and peak memory.

    python benchmarks/bench_teacher.py
    python benchmarks/bench_teacher.py --batch 10000
    python benchmarks/bench_teacher.py --problems 200
    python benchmarks/bench_teacher.py --curator other/bin/python

A server on loopback, in its own process, takes 200 ms per answer. The ideal time is requests x 200 ms / concurrency.
The plain loop sends the same requests through a thread pool around the `openai` client, without journal and checks.
`--curator` names the Python of an environment with bespokelabs-curator, which then sends as many single prompts in one
call, without its cache; its start-up time is excluded (offline, set TIKTOKEN_CACHE_DIR to a tokenizer). The resumed
journal holds two answers per problem, with `--answer` characters each, and is read as a second run reads it. `--batch`
measures only the Batch API: so many requests in one batch, and an inversion with as many requests in two batches, from
the upload to the journal, against a server in its own process that answers at once.
"""

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai

sys.path.append(str(Path(__file__).parents[1] / "tests" / "teacher"))
from batch_server import BatchServer
from faulty_teacher import KEY, KEY_VARIABLE, FaultyServer, Place, Riddles

from r1k.config import Client, OpenAITeacher
from r1k.records import Example, Response, read_jsonl
from r1k.teacher.inversion import invert
from r1k.teacher.journal import Journal, JournalEntry, Request
from r1k.teacher.request_builder import RequestBuilder
from r1k.teacher.requests import request_all
from r1k.teacher.server import running

SECONDS = 0.2


def main() -> None:
    """Run all measurements and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1000, help="two requests each")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--resumed", type=int, default=5000, help="problems in the journal that is resumed")
    parser.add_argument("--answer", type=int, default=8000, help="characters of reasoning per resumed answer")
    parser.add_argument("--curator", type=Path, help="a Python that has bespokelabs-curator")
    parser.add_argument("--batch", type=int, help="answers through the Batch API, measured alone")
    options = parser.parse_args()
    os.environ[KEY_VARIABLE] = KEY
    if options.batch is not None:
        _batch(options.batch)
        return
    with tempfile.TemporaryDirectory() as root:
        place = Place(Path(root))
        place.write_problems(options.problems)
        ideal = 2 * options.problems * SECONDS / options.concurrency
        print(
            f"{2 * options.problems} requests of {SECONDS} s at concurrency {options.concurrency}: ideal {ideal:.2f} s"
        )
        ways = (("inversion", _inversion, False), ("inversion, streamed", _inversion, True))
        for name, ask, stream in (*ways, ("plain loop", _plain_loop, False)):
            place.journal.unlink(missing_ok=True)
            seconds = _with_server(ask, place, options.concurrency, stream)
            print(f"  {name}: {seconds:.2f} s, {seconds / ideal:.2f} x ideal")
        if options.curator is not None:
            seconds = _curator(options.curator, 2 * options.problems, options.concurrency)
            print(f"  bespokelabs-curator: {seconds:.2f} s, {seconds / ideal:.2f} x ideal")
    with tempfile.TemporaryDirectory() as root:
        _resume(Place(Path(root)), options.resumed, options.answer)
    for problems in (options.problems // 4, options.problems):
        print(f"peak memory of an inversion of {problems} problems: {_peak(problems)} MiB")


def _serve(port: Any) -> None:
    server = FaultyServer()
    server.delay = SECONDS
    port.send(server.server_port)
    server.serve_forever()


CURATOR = """
import sys, time
from bespokelabs import curator

class Ask(curator.LLM):
    def prompt(self, row):
        return row["question"]

    def parse(self, row, response):
        return {"answer": response}

url, calls, concurrency = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
limits = {"max_concurrent_requests": concurrency, "max_requests_per_minute": 10**6, "max_tokens_per_minute": 10**9}
ask = Ask(model_name="riddles", backend="openai", backend_params={"base_url": url, **limits})
begin = time.perf_counter()
answers = ask([{"question": f"question {number}"} for number in range(calls)])
seconds = time.perf_counter() - begin
assert len(answers.dataset) == calls
print(f"took {seconds}")
"""


def _curator(python: Path, calls: int, concurrency: int) -> float:
    quiet = {"CURATOR_DISABLE_CACHE": "1", "CURATOR_DISABLE_RICH_DISPLAY": "1", "TELEMETRY_ENABLED": "false"}
    with _server() as url:
        done = subprocess.run(
            [python, "-c", CURATOR, url, str(calls), str(concurrency)],
            env=os.environ | quiet | {"OPENAI_API_KEY": KEY},
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout.rpartition("took ")[2])


def _serve_batches(port: Any) -> None:
    server = BatchServer()
    port.send(server.server_port)
    server.serve_forever()


def _batch(answers: int) -> None:
    with tempfile.TemporaryDirectory() as root, _server(_serve_batches) as url:
        place = Place(Path(root))
        teacher = OpenAITeacher(
            kind="openai",
            base_url=url,
            model=Riddles.model,
            api_key_env=KEY_VARIABLE,
            max_tokens=500,
            client=Client(batch="openai"),
        )
        builder = RequestBuilder(teacher.model, {})
        requests = {f"q{number}": builder.solve(f"question {number}: {'why ' * 200}") for number in range(answers)}
        begin, before = time.perf_counter(), time.process_time()
        request_all(teacher, "teacher", requests, place.journal)
        seconds, processor = time.perf_counter() - begin, time.process_time() - before
        print(f"{answers:,} answers in one batch: {seconds:.2f} s, of which {processor:.2f} s of processor time")
        place.journal.unlink()
        place.write_problems(answers // 2)
        begin, before = time.perf_counter(), time.process_time()
        invert(teacher=teacher, **place.paths)
        seconds, processor = time.perf_counter() - begin, time.process_time() - before
        print(
            f"inversion of {answers // 2:,} problems in two batches: {seconds:.2f} s, of which {processor:.2f} s of "
            "processor time"
        )


@contextmanager
def _server(serve: Callable[[Any], None] = _serve) -> Iterator[str]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    process.start()
    yield f"http://127.0.0.1:{here.recv()}/v1"
    process.terminate()


def _with_server(ask: Callable[[OpenAITeacher, Place], None], place: Place, concurrency: int, stream: bool) -> float:
    with _server() as url:
        teacher = OpenAITeacher(
            kind="openai",
            base_url=url,
            model=Riddles.model,
            api_key_env=KEY_VARIABLE,
            client=Client(concurrency=concurrency, stream=stream),
        )
        begin = time.perf_counter()
        ask(teacher, place)
        return time.perf_counter() - begin


def _inversion(teacher: OpenAITeacher, place: Place) -> None:
    invert(teacher=teacher, **place.paths)


def _plain_loop(teacher: OpenAITeacher, place: Place) -> None:
    builder = RequestBuilder(teacher.model, {})
    with openai.OpenAI(base_url=teacher.base_url, api_key=KEY) as client:

        def answer(request: Request) -> str:
            messages: Any = [message.model_dump() for message in request.messages]
            return str(
                client.chat.completions.create(model=request.model, messages=messages).choices[0].message.content
            )

        def both(example: Example) -> None:
            answer(builder.solve(answer(builder.reverse_question(example))))

        with ThreadPoolExecutor(teacher.client.concurrency) as pool:
            list(pool.map(both, read_jsonl(place.s1k, Example)))


def _peak(problems: int) -> int:
    """Return the peak memory of an otherwise idle process, in MiB, with answers of 20,000 characters."""
    with multiprocessing.get_context("spawn").Pool(1) as alone:
        return alone.apply(_invert_alone, (problems,))


def _invert_alone(problems: int) -> int:
    server = FaultyServer()
    server.answerer.solve = lambda question: Response(reasoning="so it is " * 2222, answer="4")
    with tempfile.TemporaryDirectory() as root, running(server):
        place = Place(Path(root))
        place.write_problems(problems)
        invert(teacher=server.teacher(concurrency=64, max_tokens=10_000), **place.paths)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _resume(place: Place, problems: int, characters: int) -> None:
    place.write_problems(problems)
    teacher = OpenAITeacher(kind="openai", base_url="http://127.0.0.1:9/v1", model="m", api_key_env=KEY_VARIABLE)
    builder = RequestBuilder(teacher.model, {})
    with place.journal.open("w", encoding="utf-8") as handle:
        for example in read_jsonl(place.s1k, Example):
            handle.write(_line(builder.reverse_question(example), f"reverse of {example.problem}", characters))
            handle.write(_line(builder.solve(f"reverse of {example.problem}"), "an answer", characters))
    size = place.journal.stat().st_size / 2**20
    begin = time.perf_counter()
    with Journal(place.journal) as journal:
        opened = time.perf_counter() - begin
        n = len(journal)
    begin = time.perf_counter()
    invert(teacher=teacher, **place.paths)
    whole = time.perf_counter() - begin
    print(f"journal of {n} records, {size:.0f} MiB: opened in {opened:.2f} s; r1k.jsonl rebuilt in {whole:.2f} s")


def _line(request: Request, answer: str, characters: int) -> str:
    entry = JournalEntry(
        key=request.key,
        request=request,
        max_tokens=None,
        answer=answer,
        reasoning="so it is " * (characters // 9),
        finish_reason="stop",
        usage={"prompt_tokens": 100, "completion_tokens": 2000},
        seconds=60.0,
        finished_at="2025-01-01T00:00:00+00:00",
    )
    return entry.model_dump_json() + "\n"


if __name__ == "__main__":
    main()
