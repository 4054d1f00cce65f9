"""What reaches the terminal: nothing that an attacker chose may act there. And how the command line ends."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from typing import Any

import pytest
from cli_jobs import JOBS, OK, OPERATION, s3batch, write_job
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_s3batch.cli.job_list import STATES
from airflow_s3batch.cli.main import main
from airflow_s3batch.cli.parser import make_parser
from airflow_s3batch.cli.printing import make_console
from airflow_s3batch.cli.row_csv import defused
from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.testing.storage import MemoryStorage

NASTY = [
    "\x1b[31mred",
    "[bold red]key[/]",
    "[link=https://evil.example]x[/link]",
    ":skull:",
    "a\nb\r\x07c",
    "\u202egnp.exe\u2069",
    "\x9b2J\u2028",
    "=cmd|' /C calc'!A1",
    "<script>",
    "../../etc/passwd",
    "\u200b\ufeff\U000e0001",
]
TEXT = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
URL = "s3://ops/s3batch/x"
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def job(key: str, message: str, code: str, dag_id: str) -> MemoryStorage:
    """Return a store with a job in which all that others choose is as given."""
    storage = MemoryStorage()
    rows = [(key, Outcome(403, code, message)), (f"{key}/ok", OK)]
    sentence = f"First: s3://lake/{key}"
    write_job(storage, rows, name="x", dag_id=dag_id, operation={**OPERATION, "tags": {key: message}}, tolerate=(code,))
    summary = JOBS / "x/report/summary.json"
    document = json.loads(storage.files[summary])
    storage.files[summary] = json.dumps({**document, "sentence": sentence, "failed_url": f"s3://{key}"}).encode()
    return storage


def hidden(text: str) -> set[str]:
    return {mark for mark in text if mark != "\n" and (unicodedata.category(mark)[0] == "C" or mark in "\u2028\u2029")}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(key=TEXT, message=TEXT, code=TEXT, dag_id=TEXT)
def test_nothing_that_others_choose_acts_in_a_terminal(key: str, message: str, code: str, dag_id: str) -> None:
    storage = job(key, message, code, dag_id)
    for asked in (
        ("report", URL),
        ("report", URL, "--json"),
        ("report", URL, "--rows"),
        ("failed", URL),
        ("failed", URL, "--json"),
        ("failed", URL, "--csv", "-"),
        ("failed", URL, "--spreadsheet", "-"),
        ("jobs", "s3://ops/s3batch"),
        ("jobs", "s3://ops/s3batch", "--json"),
        ("plan", URL),
    ):
        plain, shown = s3batch(storage, *asked), s3batch(storage, *asked, is_terminal=True)
        assert "Traceback" not in plain.err + shown.err
        assert hidden(_STYLE.sub("", shown.out)) == set(), asked
        if asked[1:] == (URL, "--rows"):
            continue  # exact for programs; a terminal gets it spelled out
        assert hidden(plain.out) == set(), asked


@settings(max_examples=40, deadline=None)
@given(key=TEXT, message=TEXT)
def test_rows_for_programs_are_read_back_as_they_were(key: str, message: str) -> None:
    out = s3batch(job(key, message, "AccessDenied", "d"), "report", URL, "--rows", "--status", "failed").out
    _, row = csv.reader(io.StringIO(out, newline=""))
    assert row[1] == encode_key(key)


@given(text=st.one_of(TEXT, st.text("=+-@ \t＝A1")))
def test_no_cell_of_a_spreadsheet_is_a_formula(text: str) -> None:
    cell = defused(text)
    assert cell.lstrip()[:1] not in tuple("=+-@＝＋－＠") or not cell.strip()
    assert hidden(cell) == set()


def test_markup_and_emoji_codes_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    make_console().print("[red]:skull:[/red]")
    assert capsys.readouterr().out == "[red]:skull:[/red]\n"


def test_halves_of_surrogate_pairs_are_spelled(capsys: pytest.CaptureFixture[str]) -> None:
    make_console().print("a\ud800b")
    assert capsys.readouterr().out == "a\\u{d800}b\n"


@pytest.mark.parametrize("columns", ["20", "80"])
def test_urls_are_never_folded(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """They are copied from the terminal."""
    monkeypatch.setenv("COLUMNS", columns)
    storage = MemoryStorage()
    write_job(storage, [("a" * 300, Outcome(403, "AccessDenied", "no"))], name="x")
    for asked in (("report", URL), ("failed", URL)):
        assert f"s3://lake/{'a' * 300}" in _STYLE.sub("", s3batch(storage, *asked, is_terminal=True).out)
    assert "s3://ops/s3batch/x\n" in _STYLE.sub("", s3batch(storage, "jobs", "s3://ops/s3batch", is_terminal=True).out)


def test_colours_are_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = job("k", "m", "c", "d")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in s3batch(storage, "report", URL, is_terminal=True).out
    assert "\x1b" not in s3batch(storage, "report", URL).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[3\d", s3batch(storage, "report", URL, is_terminal=True).out)


class _Store:
    """A store that fails in one way."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (AccessError("can't read it \x1b[2J"), 3, "s3batch: can't read it \\u{1b}[2J\n"),
        (KeyboardInterrupt(), 130, "s3batch: interrupted\n"),
        (BrokenPipeError(), 141, ""),
        (OSError(28, "No space left on device"), 3, "s3batch: [Errno 28] No space left on device\n"),
    ],
)
def test_what_goes_wrong_is_one_sentence(error: BaseException, code: int, told: str) -> None:
    assert s3batch(_Store(error), "plan", URL) == (code, "", told)


def test_wrong_arguments_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report"]) == 2
    assert main(["no-such-verb"]) == 2
    assert "usage: s3batch" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"s3batch \d+\.\d+\S*\n", capsys.readouterr().out)


def test_a_profile_that_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", URL, "--profile", "no-such-profile"]) == 3
    assert "check --profile" in capsys.readouterr().err


def test_help_of_every_command_is_cheap() -> None:
    """It imports neither Airflow nor a client of the store, nor what draws tables."""
    code = (
        "import sys; from airflow_s3batch.cli.parser import make_parser; make_parser().format_help();"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"airflow", "boto3", "botocore", "pandas", "pyarrow", "duckdb", "rich", "numpy", "pycurl", "jinja2"}
    assert heavy & set(done.stdout.split()) == set()


def test_a_reader_that_goes_away_ends_it_in_silence() -> None:
    """``s3batch … | head``, as a shell runs it."""
    code = (
        "import sys, types; sys.argv = ['s3batch'];"
        "from airflow_s3batch.cli.main import carry_out;"
        "run = lambda args, store, console: [console.print('line') for _ in range(100_000)] and 0;"
        "args = types.SimpleNamespace(verb=types.SimpleNamespace(run=run));"
        "sys.exit(carry_out(args, lambda _: None))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", 141)


def test_a_terminal_without_unicode_gets_something_too() -> None:
    code = "from airflow_s3batch.cli.printing import make_console; make_console().print('ü█ 😀')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert done.stdout == b"\\xfc\\u2588 \\U0001f600\n"


def test_the_states_of_the_filter_are_those_of_the_list() -> None:
    """They are spelled twice so that help need not import the list."""
    from airflow_s3batch.cli.commands import jobs
    from airflow_s3batch.cli.job_list import SORTS

    assert (jobs.STATES, set(jobs.SORTS)) == (STATES, set(SORTS))


def test_every_command_takes_json_and_the_stores_options() -> None:
    (commands,) = [action.choices for action in make_parser()._actions if action.dest == "command" or action.choices]
    assert isinstance(commands, dict)
    for name, parser in commands.items():
        options = parser.format_help()
        assert "--json" in options or name in ("pause", "resume", "speed"), name
        assert "--endpoint-url" in options, name
