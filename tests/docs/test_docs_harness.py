"""The harness itself: what is wrong in a page is found, and told with its place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from check_data import check_ini, check_json, check_toml, check_yaml
from doc_commands import Checked, check_command, simple_commands
from doc_pages import Block, BlockError, parse_page
from run_console import commands, matches
from run_python import Namespace, check_python


def page(text: str) -> list[Block]:
    return list(parse_page("a.md", text).blocks)


def block(text: str, language: str = "console", **words: str) -> Block:
    return Block("a.md", 7, language, text, {name.replace("_", " "): value for name, value in words.items()})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```\nls\n```\n", "a.md:2: '' is no language of ours"),
        ("```pyhton\n1\n```\n", "'pyhton' is no language of ours"),
        ("text\n\n    s3batch jobs\n", "a.md:3: a block that is only indented"),
        ("<!-- block: runs -->\n```python\n1\n```\n", "the marker has the word 'runs'"),
        ("<!-- block: not run: no time -->\n```console\n$ ls\n```\n", "'no time' is no reason"),
        ("<!-- block: not run: runs in a test of its own: tests/no.py -->\n```python\n1\n```\n", "is no reason"),
        ("<!-- block: run -->\n\ntext\n\n```python\n1\n```\n", "a.md:1: the marker stands before no block"),
    ],
)
def test_a_block_that_nobody_claims_is_an_error(text: str, why: str) -> None:
    with pytest.raises(BlockError, match=why):
        page(text)


def test_blocks_are_found_in_lists_with_their_lines_and_markers() -> None:
    in_list = '1. first\n   <!-- block: run; conf={"a": "b"}; red -->\n   ```python\n   x = 1\n   ```\n'
    text = f"{in_list}\n<!-- python\ny = 2\n-->\n"
    first, hidden = page(text)
    assert (first.line, first.text, first.conf, "red" in first.words) == (4, "x = 1\n", {"a": "b"}, True)
    assert (hidden.line, hidden.text, hidden.is_hidden) == (8, "y = 2\n", True)


def test_directives_of_the_site_are_left_alone() -> None:
    assert page("```{toctree}\na\n```\n") == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("make nonsense", "no such target"),
        ("make env && make tests", "make tests"),
        ("docker compose -f docker/nowhere.yaml up", "no file docker/nowhere.yaml"),
        ("docker compose -f docker/compose.yaml logs -f postgers", "no service postgers"),
        ("aws s3api put-objekt --bucket b", "botocore knows no such call"),
        ("aws s3api put-object --bucket b --colour red", "no option --colour"),
        ("aws s3 copy a b", "no command 'copy'"),
        ("pip install 'airflow-provider-s3batch[everything]'", "no extra everything"),
        ("s3batch reprot s3://ops/s3batch/job", "no command 'reprot'"),
        ("s3batch report --josn s3://ops/s3batch/job", "no option --josn"),
        ("airflow dags trigge x", "no command 'trigge'"),
        ("airflow dags trigger x --config y", "no option --config"),
        ("helm upgrade airflow -f deploy/nowhere.yaml", "no file deploy/nowhere.yaml"),
        ("python -m benchmarks.nothing", "no such module"),
        ("pytest tests/nowhere -k x", "no file tests/nowhere"),
    ],
)
def test_commands_that_cant_run_here_are_checked(command: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(BlockError, match=f"a.md:7: .*{why}"):
        check_command(command, block(command), tmp_path)


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        ("s3batch report s3://ops/s3batch/job --json | head -1", Checked.CAN_RUN),
        ("VAR=1 python -m airflow_s3batch.cli --version", Checked.CAN_RUN),
        ("git clone URL airflow-provider-s3batch", Checked.CLONES),
        ("sudo make env", Checked.IS_CHECKED),
        ("aws s3api put-object-tagging --bucket b --key k --tagging file://t.json --region r", Checked.IS_CHECKED),
        ("docker compose -f docker/compose.yaml exec scheduler airflow nonsense", Checked.IS_CHECKED),
        ("pip install 'airflow-provider-s3batch[athena]>=0.5' duckdb", Checked.IS_CHECKED),
    ],
)
def test_what_is_done_with_a_command(command: str, verdict: Checked, tmp_path: Path) -> None:
    assert check_command(command, block(command), tmp_path) is verdict


def test_commands_are_told_from_what_stands_around_them() -> None:
    text = "A=1 s3batch jobs 's3://a b' 2>err \\\n  --json | jq . && echo done  # and so on"
    assert list(simple_commands(text)) == [["s3batch", "jobs", "s3://a b", "--json"], ["jq", "."], ["echo", "done"]]


def test_a_console_block_has_commands_and_what_they_print() -> None:
    first, second = commands(block("$ a \\\n    b\nout\n\nmore\n$ c\n"))
    assert (first.text, first.expected, first.number) == ("a \\\n    b", "out\n\nmore", 0)
    assert (second.text, second.expected, second.number) == ("c", "", 5)
    with pytest.raises(BlockError, match="begin with"):
        commands(block("ls\n"))


@pytest.mark.parametrize(
    ("expected", "printed", "is_so"),
    [
        ("a  b", "a b\n", True),
        ("a … c", "a b b c", True),
        ("a\n…\nd", "a\nb\nc\nd", True),
        ("a\n…", "a", False),
        ("a … c", "a b\nc", False),
        ("a.c", "abc", False),
        ("", "x", False),
    ],
)
def test_output_is_compared(expected: str, printed: str, is_so: bool) -> None:
    assert matches(expected, printed) is is_so


@pytest.mark.parametrize(
    ("check", "text", "why"),
    [
        (check_json, "{", "json"),
        (check_json, '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3.Get"}]}', "Action"),
        (check_json, '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*"}]}', "Resource"),
        (check_json, '{"S3PutObjectTagging": {"Tags": []}}', "Tags"),
        (check_json, '{"format": "airflow-s3batch-control/1", "state": "stop"}', "stop"),
        (check_json, '{"format": "airflow-s3batch-prices/1", "prices": {}}', "price"),
        (check_yaml, "a: [", "yaml"),
        (check_yaml, "services: {a: {imagee: b}}", "no compose file"),
        (check_ini, "[s3batch]\nprice_tables = x\n", "price_tables"),
        (check_ini, "[metric]\nstatsd_on = True\n", "no section"),
        (check_toml, "a = ", "toml"),
    ],
)
def test_data_is_read_as_those_do_who_use_it(check: Any, text: str, why: str) -> None:
    with pytest.raises(BlockError, match=why):
        check(block(text, "json"))


def test_what_is_right_passes() -> None:
    check_json(block('{"S3PutObjectTagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}', "json"))
    check_ini(block("[s3batch]\nprice_table = s3://ops/prices.json\n[core]\nparallelism = 8\n", "ini"))
    check_yaml(block("services:\n  a:\n    image: b\n", "yaml"))


@pytest.mark.parametrize(
    ("text", "words", "why"),
    [
        ("from airflow.sdk import dag\n@dag\ndef one():\n    pass\n", {}, "never makes it"),
        ("raise ValueError('x')\n", {"raises": "KeyError"}, "should raise KeyError"),
        ("x = 1\n", {"run": ""}, "makes no Dag"),
    ],
)
def test_python_does_what_its_marker_says(text: str, words: dict[str, str], why: str, tmp_path: Path) -> None:
    wrong = block(text, "python", **words)
    with pytest.raises(BlockError, match=why):
        Namespace(SimpleNamespace(is_fresh=True), tmp_path).run(wrong, text)  # type: ignore[arg-type]


def test_python_that_fails_fails(tmp_path: Path) -> None:
    with pytest.raises(NameError):
        Namespace(SimpleNamespace(), tmp_path).run(block("nothing\n", "python"), "nothing\n")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = …\n", "invalid character"),
        ("from airflow_s3batch.operations import PutTags\n", "has no PutTags"),
        ("import airflow_s3batch.nothing\n", "no module"),
    ],
)
def test_python_that_is_not_run_is_looked_at(text: str, why: str) -> None:
    with pytest.raises(BlockError, match=why):
        check_python(block(text, "python", not_run="needs AWS"))
