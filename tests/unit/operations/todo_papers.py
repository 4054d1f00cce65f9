"""What stands elsewhere about an operation: advice, tests on real servers, pages."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from todo_behaviour import run
from todo_candidates import ROOT, Candidate

from airflow_s3batch.core.verdicts import CODE_VERDICTS
from airflow_s3batch.operations import reference
from airflow_s3batch.operations.verification import DIFFERENCES
from airflow_s3batch.reports.page.advice import advice

for folder in ("integration", "contract", "soak"):
    sys.path.append(str(ROOT / "tests" / folder))

import cases  # noqa: E402
import differences  # noqa: E402
import scenarios  # noqa: E402

ADVICE_FILE = "airflow_s3batch/reports/page/advice.py"
CODES = "airflow_s3batch/ui/static/js/codes.js"
RUNBOOK = "docs/operating/runbook.md"
CASES = "tests/contract/cases.py"
SERVERS = ("seaweedfs", "ministack")
SOAK = "tests/soak/scenarios.py"
LOOKS = "tests/unit/operations/test_second_looks.py"
EMULATED = "tests/integration/test_emulator_operations.py"
VALIDATED = "tests/unit/testing/emulator_requests.py"
REFERENCE = "python -m airflow_s3batch.operations.reference > docs/operations.md"


@functools.cache
def text_of(path: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def explains_its_codes(op: Candidate) -> Iterator[str]:
    """What people read of each error code that the operation makes itself, in the report and on the live page."""
    if not op.kind.runs_on_workers:
        return
    unknown = advice("<nobody knows>")
    made, seen = {op.kind.invalid_code, *_codes_made(op.place, Outcome=1)}, _codes_made(op.place, differs=0, gone=1)
    for code in sorted(made):
        if advice(code) == unknown:
            yield f"{ADVICE_FILE}: ADVICE[{code!r}]: what to do about objects that fail with it, a sentence or two"
        if code not in CODE_VERDICTS and not re.search(rf'^  "?{re.escape(code)}"?: ', text_of(CODES), re.MULTILINE):
            yield f"{CODES}: MEANINGS.{code}: the same for the live page"
    for code in sorted(seen):
        if code not in DIFFERENCES:
            yield f"airflow_s3batch/operations/verification.py: DIFFERENCES[{code!r}]: what it means, a clause"
        if f"`{code}`" not in text_of("docs/verification.md"):
            yield f"docs/verification.md: `{code}` in the table under ## The codes"
    for code in sorted(made | seen):
        if f"`{code}`" not in text_of(RUNBOOK):
            yield f"{RUNBOOK}: `{code}` in the line Codes: of the section that says what to do, or of a new one"


def _codes_made(place: str, **arguments: int) -> set[str]:
    """Return the codes in calls such as ``Outcome(…, "Code", …)`` of the file *place*; *arguments* says which one."""
    path = ROOT / place
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    made = [call.args[at] for call in calls for at in [arguments.get(call.func.id)] if at in range(len(call.args))]  # type: ignore[attr-defined]
    return {node.value for node in made if isinstance(node, ast.Constant) and isinstance(node.value, str)} - {""}


def has_tests_of_its_steps(op: Candidate) -> Iterator[str]:
    """On a scripted store: the requests one by one, and what a second look makes of answers."""
    folder = ROOT / "tests" / "unit" / "operations"
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("test_*.py"))}
    own = [name for name, text in texts.items() if f"{op.name}(" in text]
    is_sent = op.operation is None or bool(op.kind.requests or run(op.operation).requests)
    if is_sent and op.kind.runs_on_workers and not any(name.endswith("_steps.py") for name in own):
        yield "tests/unit/operations/test_…_steps.py: its requests and outcomes, with scripted_store.drive()"
    if op.kind.compares and not any("compared(" in texts[name] for name in own):
        yield f"{LOOKS}: what {op.name}.compared() makes of an object as it should be, and of one that differs"


class _Anywhere:
    """A world for cases that are only looked at."""

    name = "nowhere"
    function = "greet"
    client = SimpleNamespace(list_buckets=lambda: {"Owner": {"ID": "owner"}})

    def bucket(self, kind: str) -> str:
        return kind


@functools.cache
def _cases() -> dict[type, list[cases.Case]]:
    found: dict[type, list[cases.Case]] = {}
    for case in cases.CASES:
        found.setdefault(type(case.make(_Anywhere())), []).append(case)  # type: ignore[arg-type]
    return found


def is_under_contract(op: Candidate) -> Iterator[str]:
    """On every server: done to any key, replayed after a lost commit, verified, counted request by request."""
    if not op.kind.runs_on_workers:
        return
    own = _cases().get(op.kind, [])
    if not own:
        yield (
            f"{CASES}: a Case in CASES: how boto3 sees that {op.name} was done; it is then run on every server, "
            "replayed after a lost commit, verified, and its estimate compared with what is sent"
        )
        return
    has_columns = any(re.search(r"\bColumn\b", str(each.type)) for each in op.fields)
    if has_columns and not any(case.column for case in own):
        yield f"{CASES}: give the case of {op.name} column=(lambda world: …Column('value')…, value)"
    if op.kind.compares and not any(case.damage for case in own):
        yield f"{CASES}: give the case of {op.name} damage= and damaged=, what a second look has to find"


def is_soaked(op: Candidate) -> Iterator[str]:
    """Killed at random moments and replayed, on a real server that can do it."""
    own = _cases().get(op.kind, [])
    if own and all((server, case.name) in differences.REFUSED for server in SERVERS for case in own):
        return
    steps = [step for each in scenarios.SCENARIOS for step in _steps(each.operation)]
    if op.kind.runs_on_workers and op.kind not in map(type, steps):
        yield f"{SOAK}: a Scenario in SCENARIOS: kill -9 at random moments shows that replay = {_replay(op)} is right"


def _steps(operation: Any) -> tuple[Any, ...]:
    return (operation,) if not hasattr(operation, "operations") else ()


def _replay(op: Candidate) -> str:
    return str(getattr(op.kind, "replay", "…"))


def is_emulated(op: Candidate) -> Iterator[str]:
    """A job of AWS's service, on the emulator: really executed where a server of ours can do it."""
    texts = text_of(EMULATED) + text_of(VALIDATED)
    if op.kind.managed_name and op.kind.managed_name not in texts and op.kind.runs_on_workers:
        yield f"{EMULATED}: a job of {op.kind.managed_name}, created with boto3 and executed by the emulator"


def is_in_the_papers(op: Candidate) -> Iterator[str]:
    """Reference, README and changelog."""
    page = text_of("docs/operations.md")
    if f"\n## {op.name}\n" not in page:
        yield f"docs/operations.md: make it anew: {REFERENCE}"
    elif op.operation in reference.EXAMPLES and reference.section(op.operation) not in page:
        yield f"docs/operations.md: it is not as {op.place} says any more; make it anew: {REFERENCE}"
    row = re.search(rf"^\|.*`{op.name}\(.*\| ?(?P<aws>[^|]*)\|$", text_of("README.md"), re.MULTILINE)
    if row is None:
        yield f"README.md: a row in the table under ## Operations: `{op.name}(…)`, what it does to each object, by AWS"
    elif bool(row["aws"].strip()) != bool(op.kind.managed_name):
        yield f"README.md: the last column of the row of {op.name} says {row['aws'].strip()!r} about AWS"
    if op.name not in text_of("CHANGELOG.md"):
        yield f"CHANGELOG.md: a line about {op.name}, in the user's words"
