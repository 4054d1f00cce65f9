"""More runs of a page's Dags, under ids of their own: what hidden Python has for ``airflow dags trigger``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

from dag_runs import Run
from run_python import _answered, _known_to_airflow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docs_world import World


def trigger(world: World, dag: Any, run_id: str, conf: Mapping[str, Any], *, answer: str | None = None) -> None:
    """
    Run *dag* with *conf* as the run *run_id*; *answer* is what somebody answers to whatever is asked.

    The name of a job's folder is made of Dag, run and task: with the reader's run id it is the reader's URL. *dag* has
    to be one that has not run yet, ``first_job()`` once more: ``dag.test()`` renders a Dag's own tasks.
    """
    from airflow.models.dagrun import DagRun

    _known_to_airflow(dag)
    with mock.patch.object(DagRun, "generate_run_id", return_value=run_id), _answered(answer):
        world.run = Run(dag, dag.test(run_conf=dict(conf)))
