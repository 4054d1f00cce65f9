"""Checks the commands of console blocks that can't run where the tests run: their targets, files and options exist."""

from __future__ import annotations

import argparse
import enum
import functools
import itertools
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from doc_pages import ROOT, Block

OURS = "airflow-provider-s3batch"
PREFIXES = frozenset({"sudo", "time", "exec", "nohup"})
LONG_MODULES = frozenset({"demo", "stack", "benchmarks", "release", "venv", "pip", "airflow_s3batch.testing"})
MAY_BE_MISSING = frozenset({"jq", "curl", "tree"})
_ASSIGNMENT = re.compile(r"^\w+=")


class Checked(enum.Enum):
    """What is to be done with a command."""

    CAN_RUN = "run it"
    IS_CHECKED = "it can't run here, and was checked"
    CLONES = "makes the clone: the shell stands above it then"


def check_command(text: str, block: Block, clone: Path) -> Checked:
    """
    Check what can be checked of a command, and say whether it is to be run.

    Raises:
        BlockError: it names what does not exist.
    """
    verdict = Checked.CAN_RUN
    for words in simple_commands(text):
        check = _check_of(words)
        if check is None:
            if words[:1] == ["s3batch"]:
                _s3batch(words[1:], block, clone)
            continue
        check(words[1:], block, clone)
        verdict = Checked.CLONES if words[:2] == ["git", "clone"] else Checked.IS_CHECKED
    return verdict


def simple_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple command in *text*: between pipes and ``&&``; without redirections."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="|&;()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word and set(word) <= set("|&;()"):
            if cleaned := _cleaned(words):
                yield cleaned
            words = []
        else:
            words.append(word)


def _cleaned(words: Sequence[str]) -> list[str]:
    kept = [word for word in words if not re.match(r"^\d?[<>]", word)]
    while kept and (_ASSIGNMENT.match(kept[0]) or kept[0] in PREFIXES or kept[0].startswith("-")):
        kept.pop(0)
    return kept


Check = Callable[[Sequence[str], Block, Path], None]


def _check_of(words: Sequence[str]) -> Check | None:
    """Return what checks this command; nothing if it can run."""
    program = Path(words[0]).name
    if program.startswith("python") and words[1:2] == ["-m"]:
        module = words[2] if len(words) > 2 else ""
        return _module if module.partition(".")[0] in LONG_MODULES or module in LONG_MODULES else None
    if program == "git":
        return _exists if words[1:2] == ["clone"] else None
    if program in MAY_BE_MISSING and shutil.which(program) is None:
        return _exists
    return _CHECKS.get(program)


def _exists(words: Sequence[str], block: Block, clone: Path) -> None:
    """There is nothing to check."""


def _module(words: Sequence[str], block: Block, clone: Path) -> None:
    name = words[1]
    if name == "pip":
        _pip(words[2:], block, clone)
    elif name != "venv" and not any((ROOT / name.replace(".", "/")).glob("__main__.py")):
        raise block.wrong(f"python -m {name}: there is no such module")


def _make(words: Sequence[str], block: Block, clone: Path) -> None:
    for word in words:
        if not word.startswith("-") and "=" not in word and not any(fnmatch(word, each) for each in _targets()):
            raise block.wrong(f"make {word}: the Makefile has no such target")


def _targets() -> list[str]:
    """Return the Makefile's targets, as patterns."""
    rules = re.findall(r"^([\w.%/ -]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return [target.replace("%", "*") for rule in rules for target in rule.split()]


def _pip(words: Sequence[str], block: Block, clone: Path) -> None:
    words = words[1:] if words[:1] == ["pip"] else words
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for word in words[1:]:
        name, _, extras = re.split(r"[=<>~!@;]", word)[0].strip().partition("[")
        if name not in {OURS, "."}:
            continue
        unknown = set(filter(None, extras.rstrip("]").split(","))) - set(project["optional-dependencies"])
        if unknown:
            raise block.wrong(f"{word}: there is no extra {', '.join(sorted(unknown))}")


def _docker(words: Sequence[str], block: Block, clone: Path) -> None:
    is_compose = words[:1] == ["compose"]
    verbs = (number for number, word in enumerate(words) if word in _ALL_NAMES | _FIRST_NAME | {"down", "config"})
    files = _values_of(words[: next(verbs, None)] if is_compose else words, "-f", "--file")
    _check_files(files, block, clone)
    if not is_compose:
        return
    import yaml

    for path in files or ["docker/compose.yaml"]:
        services = yaml.safe_load((ROOT / path).read_text())["services"]
        verb, names = _compose_services(words[1:])
        unknown = [name for name in names if name not in services]
        if unknown:
            raise block.wrong(f"docker compose {verb}: {path} has no service {', '.join(unknown)}")


_ALL_NAMES = frozenset({"up", "stop", "start", "restart", "kill", "logs", "ps", "rm", "build", "pause", "unpause"})
_FIRST_NAME = frozenset({"exec", "run"})
_BEFORE_VERB = frozenset(["-f", "--file", "-p", "--project-name", "--project-directory", "--env-file", "--profile"])
_AFTER_VERB = frozenset(
    ["-s", "--signal", "--scale", "--tail", "--since", "--until", "--timeout", "-u", "--user", "-e", "--env"]
)


def _compose_services(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the verb of a compose command, and the services that it names."""
    plain: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in (_AFTER_VERB if plain else _BEFORE_VERB):
            value = next(rest, "")
            if word == "--scale":
                plain.append(value.partition("=")[0])
        elif not word.startswith("-"):
            plain.append(word)
            if len(plain) == 2 and plain[0] in _FIRST_NAME:
                break
    verb, *names = plain or [""]
    return verb, names if verb in _ALL_NAMES | _FIRST_NAME else []


def _kubernetes(words: Sequence[str], block: Block, clone: Path) -> None:
    import yaml

    files = [each for each in _values_of(words, "-f", "--values", "--filename") if "://" not in each and each != "-"]
    _check_files(files, block, clone)
    for path in files:
        list(yaml.safe_load_all((clone / path if (clone / path).exists() else ROOT / path).read_text()))


def _pytest(words: Sequence[str], block: Block, clone: Path) -> None:
    values = _values_of(words, "-k", "-m", "-n", "-p")
    paths = [word.partition("::")[0] for word in words if not word.startswith("-") and word not in values]
    _check_files([path for path in paths if path], block, clone)


def _check_files(paths: Sequence[str], block: Block, clone: Path) -> None:
    for path in paths:
        if not ((ROOT / path).exists() or (clone / path).exists()):
            raise block.wrong(f"there is no file {path}")


def _values_of(words: Sequence[str], *options: str) -> list[str]:
    found = [value for option, value in itertools.pairwise(words) if option in options]
    return [*found, *(word.partition("=")[2] for word in words if word.partition("=")[0] in options and "=" in word)]


def _airflow(words: Sequence[str], block: Block, clone: Path) -> None:
    if words and words[0] == "s3batch":
        return
    from airflow.cli.cli_parser import get_parser

    parser: argparse.ArgumentParser | None = get_parser()
    for word in words:
        choices = _choices(parser) if parser is not None else None
        if choices is None:
            break
        if word.startswith("-"):
            continue
        if word not in choices:
            raise block.wrong(f"airflow {' '.join(words)}: there is no command {word!r}")
        parser = choices[word]
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    known = {option for action in (parser._actions if parser else ()) for option in action.option_strings}
    if parser is not None and given - known:
        raise block.wrong(f"airflow {' '.join(words)}: there is no option {', '.join(sorted(given - known))}")


def _s3batch(words: Sequence[str], block: Block, clone: Path) -> None:
    """Check a command of ours, which may run as well: where it does not, nobody else would see what is wrong."""
    from airflow_s3batch.cli.parser import make_parser

    parser = make_parser()
    choices = _choices(parser) or {}
    verb = next((word for word in words if not word.startswith("-")), "")
    if verb and verb not in choices:
        raise block.wrong(f"s3batch: there is no command {verb!r}; there are {', '.join(choices)}")
    actions = [*parser._actions, *(choices[verb]._actions if verb else ())]
    known = {option for action in actions for option in action.option_strings}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    if given - known:
        raise block.wrong(f"s3batch {verb}: there is no option {', '.join(sorted(given - known))}")


def _choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser] | None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return None


AWS_OPTIONS = frozenset(
    [
        "--endpoint-url",
        "--region",
        "--profile",
        "--output",
        "--query",
        "--no-cli-pager",
        "--debug",
        "--no-sign-request",
        "--no-verify-ssl",
        "--ca-bundle",
        "--cli-input-json",
        "--generate-cli-skeleton",
        "--no-paginate",
        "--max-items",
        "--page-size",
    ]
)
AWS_OWN_COMMANDS = {
    "s3": frozenset(["cp", "ls", "mb", "mv", "presign", "rb", "rm", "sync", "website"]),
    "configure": frozenset({"", "set", "get", "list", "import", "sso"}),
}


def _aws(words: Sequence[str], block: Block, clone: Path) -> None:
    plain, options = _aws_words(words)
    service, command = (*plain, "", "")[:2]
    if service in AWS_OWN_COMMANDS:
        if command not in AWS_OWN_COMMANDS[service]:
            raise block.wrong(f"aws {service}: there is no command {command!r}")
        return
    members = _aws_members(service, command)
    if members is None:
        raise block.wrong(f"aws {service} {command}: botocore knows no such call")
    if unknown := {option.replace("--no-", "--") for option in options} - members - AWS_OPTIONS:
        raise block.wrong(f"aws {service} {command}: there is no option {', '.join(sorted(unknown))}")


def _aws_words(words: Sequence[str]) -> tuple[list[str], set[str]]:
    plain: list[str] = []
    options: set[str] = set()
    is_value = False
    for word in words:
        if word.startswith("--"):
            options.add(word.partition("=")[0])
            is_value = len(plain) < 2 and "=" not in word and not word.startswith("--no-")
        elif is_value:
            is_value = False
        else:
            plain.append(word)
    return plain, options


@functools.cache
def _aws_members(service: str, command: str) -> frozenset[str] | None:
    """Return the options of a call; nothing if there is none such."""
    import botocore.session
    from botocore import xform_name
    from botocore.exceptions import UnknownServiceError

    service = {"s3api": "s3"}.get(service, service)
    try:
        model = botocore.session.get_session().get_service_model(service)
    except UnknownServiceError:
        return None
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if command == "wait":
        return frozenset()
    if command not in names:
        return None
    shape = model.operation_model(names[command]).input_shape
    return frozenset(f"--{xform_name(member, '-')}" for member in (shape.members if shape else ()))


_CHECKS: dict[str, Check] = {
    "make": _make,
    "pip": _pip,
    "uv": _pip,
    "docker": _docker,
    "helm": _kubernetes,
    "kubectl": _kubernetes,
    "aws": _aws,
    "airflow": _airflow,
    "pytest": _pytest,
    **dict.fromkeys(("apt-get", "apt", "su", "runuser", "setpriv", "terraform", "kind", "eksctl"), _exists),
}
