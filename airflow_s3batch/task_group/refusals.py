"""What is wrong with the arguments of a job, beyond what the operators say of their own."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.approvals import approval_problems
from airflow_s3batch.hooks.arguments import flag_problems
from airflow_s3batch.operations.declared import declaration_problems
from airflow_s3batch.operators.batch_operation import POLICY, operation_problems
from airflow_s3batch.operators.managed_arguments import managed_argument_problems, worker_argument_problems
from airflow_s3batch.operators.manifest_groups import planning_problems
from airflow_s3batch.operators.rehearsal import rehearsal_problems
from airflow_s3batch.operators.verification import verification_problems
from airflow_s3batch.task_group.task_arguments import airflow_arguments

if TYPE_CHECKING:
    from airflow_s3batch.manifests.sources.dataset import Source


def spread_problems(planning_tasks: Any, source: Source | None, selecting: Mapping[str, Any]) -> list[str]:
    """Return all that is wrong with planning in several tasks, if that is asked for."""
    if planning_tasks is None:
        return []
    if source is not None:
        return [f"planning_tasks={planning_tasks!r} goes with inventory=; any other source is planned by one task"]
    return planning_problems(planning_tasks, selecting)


def work_problems(engine: str, operation: Any, worker: dict[str, Any], managed: dict[str, Any]) -> list[str]:
    """Return all that is wrong with what is asked of *engine*, *worker* and *managed* being each engine's arguments."""
    if engine != "managed":
        found = operation_problems(operation, **{name: worker[name] for name in worker if name in POLICY})
        if managed.get("confirmation_required"):
            found.append("confirmation_required=True: nobody is asked by engine='worker'; put an approval before it")
        return found
    return [
        *managed_argument_problems(operation, **{"role_arn": None, **managed}),
        *worker_argument_problems(worker),
    ]


def stage_problems(
    engine: str, operation: Any, dry_run: Any, rehearse: Any, approval: Any, verification: Any
) -> list[str]:
    """Return all that is wrong with what is asked for beside the work itself."""
    found = [*flag_problems("dry_run", dry_run), *approval_problems(operation, approval)]
    if rehearse is not None:
        found += [clause.replace("objects=", "rehearse=", 1) for clause in rehearsal_problems(rehearse)]
        if engine == "managed":
            found.append(
                f"rehearse={rehearse!r}: a rehearsal by workers says little of what AWS will do; try a job with "
                "sample= first, or use engine='worker'"
            )
    if verification is None:
        found.append("verification=None: expected True, False or a number of objects")
    elif verification is not False:
        objects = None if verification is True else verification
        looks = [] if declaration_problems(operation) else verification_problems(operation, objects)
        found += [
            clause.replace("objects=", "verification=", 1).replace("None for all", "True for all") for clause in looks
        ]
    return found


def tls_problems(verify: Any) -> list[str]:
    """Return what is wrong with *verify*, which is easily mixed up with *verification*."""
    if verify is None or isinstance(verify, bool | str):
        return []
    told = f"verify={verify!r} is about the store's TLS certificate (True, False, or a file of authorities)"
    return [f"{told}; to look at objects again use verification={verify!r}"]


def unknown_names(names: Collection[str], known: Collection[str]) -> list[str]:
    """Return what is wrong with the *names* of arguments that are not among those *known*."""
    found = []
    for name in names:
        if name in airflow_arguments():
            found.append(
                f"{name}= is Airflow's: give it to all tasks of the job with default_args={{{name!r}: …}}, or to one "
                f"with task_args={{'run': {{{name!r}: …}}}}"
            )
            continue
        close = difflib.get_close_matches(name, known, n=1)
        found.append(f"there is no argument {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    return found
