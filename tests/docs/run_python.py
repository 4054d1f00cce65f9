"""Runs Python blocks: in one namespace for each page, with the Dags that they make."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import re
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from answers import Person
from dag_runs import Run, _scheduler_dag
from doc_pages import Block

if TYPE_CHECKING:
    from docs_world import World

MODULE = "docs_page"


class Namespace:
    """The names of one page; *folder* is where its files lie, and a place of modules."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.module = types.ModuleType(MODULE)
        self.printed = ""
        sys.modules[MODULE] = self.module

    def run(self, block: Block, text: str) -> None:
        """
        Run *block*, whose text is *text* once placeholders are replaced.

        Raises:
            BlockError: it does not do what its marker says.
            Exception: whatever it raises.
        """
        if block.is_hidden:
            self._hidden(block, text)
        elif block.reason:
            check_python(block)
        else:
            self._visible(block, text)

    def _hidden(self, block: Block, text: str) -> None:
        self.world.is_fresh = False
        self.module.__dict__["world"] = self.world
        try:
            exec(_compiled(block, text), self.module.__dict__)
        finally:
            del self.module.__dict__["world"]

    def _visible(self, block: Block, text: str) -> None:
        if expected := block.words.get("raises"):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - the marker says which
                exec(_compiled(block, text), self.module.__dict__)
            if caught.type.__name__ != expected:
                raise block.wrong(f"it should raise {expected}, and raises {caught.value!r}")
            return
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), _dags_of(self.module) as dags:
            exec(_compiled(block, text), self.module.__dict__)
        self.printed = printed.getvalue()
        if re.search(r"^@dag\b", text, re.MULTILINE) and not dags:
            raise block.wrong("it defines a Dag and never makes it: call the function")
        for dag in dags:
            _scheduler_dag(dag)
        if "run" in block.words:
            if not dags:
                raise block.wrong("it is to be run, and makes no Dag")
            for dag in dags:
                self._run_dag(block, dag)

    def _run_dag(self, block: Block, dag: Any) -> None:
        _known_to_airflow(dag)
        self.world.is_fresh = False
        with _answered(answer := block.words.get("answer")):
            try:
                self.world.run = Run(dag, dag.test(run_conf=block.conf))
            except AssertionError as error:
                if answer is not None:
                    raise
                raise block.wrong("somebody is asked, and nobody answers: say answer=Approve in the marker") from error
        if self.world.run.is_green == ("red" in block.words):
            colour = "green" if self.world.run.is_green else "red"
            raise block.wrong(f"the run of {dag.dag_id} is {colour}: {self.world.run.states}")


def check_python(block: Block) -> None:
    """
    Check Python that can't be run here: it compiles, and this package has what it imports of it.

    Raises:
        BlockError: it does not.
    """
    try:
        tree = ast.parse(block.text)
    except SyntaxError as error:
        raise block.wrong(f"{error}") from error
    if block.reason.startswith("runs in a test of its own"):
        return  # it may import what the page itself has made
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow_s3batch"):
            module = importlib.import_module(node.module or "")
            if missing := [name.name for name in node.names if not hasattr(module, name.name)]:
                raise block.wrong(f"{node.module} has no {', '.join(missing)}")
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.startswith("airflow_s3batch") and importlib.util.find_spec(name.name) is None:
                    raise block.wrong(f"there is no module {name.name}")


def _compiled(block: Block, text: str) -> Any:
    return compile("\n" * (block.line - 1) + text, str(Path(block.page)), "exec")


@contextlib.contextmanager
def _dags_of(module: types.ModuleType) -> Iterator[list[Any]]:
    """Yield a list that has, in the end, the Dags that were made meanwhile, in order."""
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    dags: list[Any] = []
    before = DagContext.autoregistered_dags
    DagContext.autoregistered_dags = _Noted(dags)  # type: ignore[assignment]
    DagContext.current_autoregister_module_name = module.__name__
    try:
        yield dags
    finally:
        DagContext.autoregistered_dags = before
        DagContext.current_autoregister_module_name = None


class _Noted(set):  # type: ignore[type-arg]
    """Takes what Airflow registers, in the order in which it does."""

    def __init__(self, dags: list[Any]) -> None:
        super().__init__()
        self._dags = dags

    def add(self, element: tuple[Any, Any]) -> None:
        if element[0] not in self._dags:
            self._dags.append(element[0])


def _known_to_airflow(dag: Any) -> None:
    """Write *dag* to Airflow's database, as the Dag processor does."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag("/dev/null", collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)


@contextlib.contextmanager
def _answered(answer: str | None) -> Iterator[None]:
    """Have somebody answer *answer* to whatever is asked; with ``None`` a question is an error, not a wait for ever."""
    person = Person({} if answer is None else _Always(answer))
    with mock.patch.object(time, "sleep", person.instead_of(time.sleep)):
        yield


class _Always(dict):  # type: ignore[type-arg]
    """The same answer to every question."""

    def __init__(self, answer: str) -> None:
        super().__init__()
        self._answer = answer

    def __contains__(self, _task_id: object) -> bool:
        return True

    def __missing__(self, _task_id: str) -> str:
        return self._answer
