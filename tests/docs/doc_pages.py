"""What stands in a page of the docs: fenced blocks with their markers, hidden Python, in their order. Runs nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
EXCLUDED = ("airflow_s3batch", "benchmarks", "build", "dist", "node_modules", "tests")

LANGUAGES = frozenset(
    [
        "python",
        "console",
        "sql",
        "json",
        "yaml",
        "ini",
        "toml",
        "text",
        "csv",
        "html",
        "xml",
        "diff",
        "dockerfile",
        "http",
        "makefile",
        "mermaid",
        "svg",
    ]
)
REASONS = (
    "needs AWS",
    "needs Docker",
    "needs Kubernetes",
    "needs a running Airflow",
    "needs another package",
    "takes minutes",
    "changes the machine",
    "runs in a test of its own",
    "a part of a file",
)
WORDS = frozenset({"run", "red", "conf", "answer", "file", "raises", "exit", "output", "not run"})

_MARKER = re.compile(r"\s*<!--\s*block:(.*?)-->\s*", re.DOTALL)
_HIDDEN = re.compile(r"(\s*<!--\s*python *\n)(.*?)-->\s*", re.DOTALL)
_WORLD = re.compile(r"<!--\s*world:\s*(\w+)\s*-->")


class BlockError(AssertionError):
    """A block that is not as the convention wants it, or that does not do what it says."""


@dataclass(frozen=True)
class Block:
    """
    One fenced block, or hidden Python (*is_hidden*).

    Attributes:
        line: of the page, from 1, on which its text begins.
        words: the words of its marker, with their values.
    """

    page: str
    line: int
    language: str
    text: str
    words: dict[str, str] = field(default_factory=dict)
    is_hidden: bool = False

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"

    @property
    def reason(self) -> str:
        """Why it is not run; empty if it is."""
        return self.words.get("not run", "")

    @property
    def conf(self) -> dict[str, Any] | None:
        """The parameters of its Dag run."""
        return json.loads(self.words["conf"]) if "conf" in self.words else None

    def wrong(self, why: str) -> BlockError:
        """Return the error that says what is wrong with it."""
        return BlockError(f"{self.place}: {why}")


@dataclass(frozen=True)
class Page:
    """A page: *path* from the root of the repository, *server* behind its world."""

    path: str
    blocks: Sequence[Block]
    server: str = "seaweedfs"


def page_paths() -> list[str]:
    """Return the paths of all pages whose blocks are run, from the root of the repository."""
    found = {path.relative_to(ROOT) for path in ROOT.rglob("*.md")}
    return sorted(
        path.as_posix() for path in found if path.parts[0] not in EXCLUDED and not path.parts[0].startswith(".")
    )


def read_page(path: str) -> Page:
    """Return the page at *path*."""
    return parse_page(path, (ROOT / path).read_text())


def parse_page(path: str, text: str) -> Page:
    """
    Return what stands in the page *path*.

    Raises:
        BlockError: a block has no known language, or a marker that does not exist.
    """
    server = _WORLD.search(text)
    tokens = MarkdownIt("commonmark").parse(text)
    return Page(path, list(_blocks(path, tokens)), server[1] if server else "seaweedfs")


def _blocks(path: str, tokens: Sequence[Token]) -> Iterator[Block]:
    marker: tuple[int, str] | None = None
    for token in tokens:
        line = (token.map or [0, 0])[0] + 1
        if token.type == "html_block":
            if marker is not None:
                raise BlockError(f"{path}:{marker[0]}: the marker stands before no block")
            if hidden := _HIDDEN.fullmatch(token.content):
                yield Block(path, line + 1, "python", hidden[2], is_hidden=True)
            elif found := _MARKER.fullmatch(token.content):
                marker = line, found[1].strip()
        elif token.type == "code_block":
            raise BlockError(f"{path}:{line}: a block that is only indented; write it between fences, with a language")
        elif token.type == "fence":
            if not token.info.strip().startswith("{"):  # a directive of the site
                yield _block(path, line + 1, token, marker[1] if marker else "")
            marker = None
        elif token.type.endswith("_open") and marker is not None and token.type != "list_item_open":
            raise BlockError(f"{path}:{marker[0]}: the marker stands before no block")


def _block(path: str, line: int, token: Token, marker: str) -> Block:
    language = token.info.strip()
    if language not in LANGUAGES:
        known = ", ".join(sorted(LANGUAGES))
        raise BlockError(f"{path}:{line}: {language!r} is no language of ours; there are {known}")
    return Block(path, line, language, token.content, _words(marker, f"{path}:{line}"))


def _words(marker: str, place: str) -> dict[str, str]:
    words: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in marker.split(";"))):
        separator = ":" if part.startswith("not run") else "="
        name, _, value = (each.strip() for each in part.partition(separator))
        if name not in WORDS:
            raise BlockError(f"{place}: the marker has the word {name!r}; there are {', '.join(sorted(WORDS))}")
        words[name] = value
    if "not run" in words and not _is_reason(words["not run"]):
        raise BlockError(f"{place}: not run: {words['not run']!r} is no reason; there are {'; '.join(REASONS)}")
    return words


def _is_reason(text: str) -> bool:
    reason, _, test = (each.strip() for each in text.partition(":"))
    if reason == "runs in a test of its own":
        return bool(test) and (ROOT / test).exists()
    return reason in REASONS and not test
