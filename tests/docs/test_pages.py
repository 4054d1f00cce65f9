"""Each page of the docs: its blocks do what they say, from the first to the last."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from check_data import check_ini, check_json, check_toml, check_yaml, run_sql
from doc_pages import Block, BlockError, Page, page_paths, read_page
from run_console import Shell, matches
from run_python import Namespace

if TYPE_CHECKING:
    from docs_world import World

JOB = re.compile(r"<job(?: id)?>")
CHECKS = {"json": check_json, "yaml": check_yaml, "ini": check_ini, "toml": check_toml}
NEED_WORLD = frozenset({"python", "console", "sql"})

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("path", page_paths())
def test_page(path: str, world_of: Callable[[str], World], clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one namespace and one shell; what can't run here says why, and is checked as far as possible."""
    page = read_page(path)
    if not any(block.language in NEED_WORLD for block in page.blocks):
        for block in page.blocks:
            CHECKS.get(block.language, _nothing)(block)
        return
    monkeypatch.chdir(clone)
    monkeypatch.syspath_prepend(str(clone))
    Reading(page, world_of(page.server), clone).read()


def _nothing(_block: Block) -> None:
    """It is not looked at: output, drawings, other people's formats."""


class Reading:
    """Somebody who follows a page literally."""

    def __init__(self, page: Page, world: World, clone: Path) -> None:
        self.page = page
        self.world = world
        self.clone = clone
        self.names = Namespace(world, clone)
        self.shell = Shell(clone, world.environment())
        self.printed = ""

    def read(self) -> None:
        """Do what each block says."""
        for block in self.page.blocks:
            if path := block.words.get("file"):
                (self.clone / path).parent.mkdir(parents=True, exist_ok=True)
                (self.clone / path).write_text(block.text)
            self._do(block)

    def _do(self, block: Block) -> None:
        if "output" in block.words:
            if not matches(block.text, self.printed):
                raise block.wrong(f"the block before it prints\n{self.printed}")
        elif block.language == "python":
            self.names.run(block, self._filled_in(block.text))
            self.printed = self.names.printed
        elif block.language == "console":
            self.shell.run(block, self._filled_in)
            self.printed = self.shell.printed
            self.world.is_fresh = self.world.is_fresh and not self.shell.has_run
        elif block.language == "sql":
            if not block.reason:
                run_sql(block, self._filled_in(block.text), self.world)
        else:
            CHECKS.get(block.language, _nothing)(block)

    def _filled_in(self, text: str) -> str:
        if not JOB.search(text):
            return text
        return JOB.sub(self.world.job.rpartition("/")[2], text)


__all__ = ["BlockError"]
