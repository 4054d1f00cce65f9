"""
A manifest that several tasks plan: for inventories that are too large for one.

::

    groups = InventoryGroupsOperator(task_id="groups", planning_tasks=16, **selection)
    group = InventoryGroupOperator.partial(task_id="group", **selection).expand(group=groups.output)
    manifest = InventoryGroupsToManifestOperator(task_id="manifest", groups=groups.output, **selection)
    group >> manifest

All three are given the same *selection*: the arguments of `InventoryToManifestOperator`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.identity import job_id
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.arguments import as_bytes, is_template, raise_for
from airflow_s3batch.manifests.planning.groups import SET_WISE, GroupRef, group_problems
from airflow_s3batch.operators.base import about_job
from airflow_s3batch.operators.inventory import InventoryToManifestOperator
from airflow_s3batch.operators.mapped import with_slots

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.planning.grouped import Planning

MAP_INDEX_TEMPLATE = "group {{ task.group.group + 1 }} of {{ task.group.of }} · {{ task.group.files }} files"


class _PlanningOperator(InventoryToManifestOperator):
    """What the three have in common."""

    def job_storage(self) -> Storage:
        """Return where the job's files lie."""
        return self.store.with_connection(self.job_aws_conn_id).storage()

    def planning(self, context: Context, storage: Storage) -> Planning:
        """Return how to plan, as the arguments say."""
        from airflow_s3batch.manifests.planning.cutting.staged import STAGING_LIMIT
        from airflow_s3batch.manifests.planning.grouped import Planning
        from airflow_s3batch.manifests.sql.duck import MEMORY_LIMIT

        return Planning(
            storage,
            self.selection(context),
            datetime.now(UTC),
            access=self.store.access,
            about=about_job(context),
            staging_dir=Path(self.staging_dir) if self.staging_dir else None,
            staging_limit=as_bytes("staging_limit", self.staging_limit) or STAGING_LIMIT,
            memory_limit=self.memory_limit or MEMORY_LIMIT,
            log=self.log.info,
        )


class InventoryGroupsOperator(_PlanningOperator):
    """
    Start a job, and cut the data files of its inventory into groups of about equal bytes.

    Returns a list with one small dict per group, for ``InventoryGroupOperator.partial(…).expand(group=…)``. The
    delivery is pinned here: a later attempt returns the same groups.

    Args:
        planning_tasks: how many groups; fewer if there are fewer data files. A selection that must see all rows at once
            (``sql=``, ``keep_versions=``, ``sample=``, ``since=``, ``exclude=``) can't be planned in groups.
        manifest_task_id: the `InventoryGroupsToManifestOperator`'s full task id. The job is named after it, so that it
            is found again also if the Dag changes between planning in one task and in several; by default after this
            task.
        kwargs: see `InventoryToManifestOperator`.
    """

    template_fields: Sequence[str] = ("manifest_task_id", *InventoryToManifestOperator.template_fields)

    def __init__(self, *, planning_tasks: int, manifest_task_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.planning_tasks = planning_tasks
        self.manifest_task_id = manifest_task_id
        raise_for(type(self).__name__, planning_problems(planning_tasks, kwargs))

    def run(self, context: Context) -> list[dict[str, Any]]:
        """Start the job, or find it, and deal its data files out."""
        refs = self.planning(context, self.job_storage()).start(
            S3Url.parse(self.job_url, what="job_url"), self.job_id(context), self.planning_tasks, resume=self.resume
        )
        return [ref.to_xcom() for ref in refs]

    def job_id(self, context: Context) -> str:
        """Return the name of the job of the manifest task in this Dag run."""
        if not self.manifest_task_id:
            return super().job_id(context)
        ti = context["ti"]
        return job_id(ti.dag_id, ti.run_id, self.manifest_task_id)


class InventoryGroupOperator(_PlanningOperator):
    """
    Filter one group of an inventory's data files, and leave its rows as shards that nothing counts yet.

    Mapped over what `InventoryGroupsOperator` returns. A later attempt gives the same files. Returns counts.

    Args:
        group: one group's dict; comes through ``expand``.
        kwargs: see `InventoryToManifestOperator`.
    """

    template_fields: Sequence[str] = ("group", *InventoryToManifestOperator.template_fields)

    def __init__(
        self, *, group: Mapping[str, Any], map_index_template: str | None = MAP_INDEX_TEMPLATE, **kwargs: Any
    ) -> None:
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.group = group

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Take the arguments that all groups share; ``expand(group=…)`` follows."""
        return with_slots(super().partial(**kwargs), kwargs, {"map_index_template": MAP_INDEX_TEMPLATE})

    def run(self, context: Context) -> Any:
        """Filter the group, or find that an earlier attempt has done so."""
        plan = self.planning(context, self.job_storage()).plan(_ref(self.group))
        return {} if plan is None else {"group": plan.group, "rows": plan.rows, "shards": len(plan.shards)}


class InventoryGroupsToManifestOperator(_PlanningOperator):
    """
    Publish the manifest of which the groups have left the shards, once the guards hold over all of them.

    Returns what `InventoryToManifestOperator` returns. Until it is done, the shards that the groups left count for
    nothing.

    Args:
        groups: what `InventoryGroupsOperator` returned; all `InventoryGroupOperator` tasks must come before this one.
        kwargs: see `InventoryToManifestOperator`.
    """

    template_fields: Sequence[str] = ("groups", *InventoryToManifestOperator.template_fields)

    def __init__(self, *, groups: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = groups

    def published(self, context: Context, storage: Storage) -> Manifest:
        """Return the manifest, published by this attempt or by an earlier one."""
        return self.planning(context, storage).publish([_ref(group) for group in self.groups])


def planned_in_groups(
    planning_tasks: int, selection: Mapping[str, Any], airflow: Mapping[str, Mapping[str, Any]]
) -> InventoryGroupsToManifestOperator:
    """
    Add the tasks ``groups``, ``group`` and ``manifest`` to the current task group; return the last one.

    *selection* is for `InventoryToManifestOperator`, *airflow* what Airflow is told of each of the tasks by name.
    """
    first, each, last = ({**selection, **airflow.get(name, {})} for name in ("groups", "group", "manifest"))
    groups = InventoryGroupsOperator(task_id="groups", planning_tasks=planning_tasks, **first)
    group = InventoryGroupOperator.partial(task_id="group", **each).expand(group=groups.output)
    manifest = InventoryGroupsToManifestOperator(task_id="manifest", groups=groups.output, **last)
    groups.manifest_task_id = manifest.task_id
    group >> manifest
    return manifest


def planning_problems(planning_tasks: Any, selecting: Mapping[str, Any]) -> list[str]:
    """Return all that is wrong with planning in groups, as far as the literal ones among the arguments tell."""
    set_wise = [name for name in SET_WISE if selecting.get(name) and not is_template(selecting[name])]
    return group_problems(planning_tasks, selecting.get("max_shards"), set_wise)


def _ref(group: Any) -> GroupRef:
    try:
        return GroupRef.from_xcom(group)
    except (TypeError, KeyError, ValueError):
        raise ArgumentError(
            f"group={group!r} is not what InventoryGroupsOperator returns; map the task with "
            ".expand(group=groups.output), and give all of it to the manifest task as groups=groups.output"
        ) from None
