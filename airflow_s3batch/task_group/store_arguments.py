"""Which store the tasks of a job are told: what the job is given, else what ``default_args`` say, else ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_s3batch.hooks.s3 import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from airflow.sdk import TaskGroup

STORE = ("aws_conn_id", "region_name", "verify", "botocore_config")


class _LeftOut:
    """Stands for `DEFAULT_CONN_ID` where nobody has named a connection: naming that one counts, too."""

    def __repr__(self) -> str:
        return repr(DEFAULT_CONN_ID)


LEFT_OUT: Final[Any] = _LeftOut()


def store_arguments(group: TaskGroup, **given: Any) -> dict[str, Any]:
    """
    Return the arguments `STORE` for the tasks in *group*; of those *given*, ``None`` is left out but for a connection.

    Operators that stand alone heed the ``default_args`` of the Dag and of groups around them, and so do all tasks here.
    """
    defaults = {"aws_conn_id": DEFAULT_CONN_ID, **group.dag.default_args, **group.default_args}
    told = {name: value for name, value in given.items() if value is not LEFT_OUT}
    return {
        name: told[name] if name in told and (told[name] is not None or name == "aws_conn_id") else defaults.get(name)
        for name in STORE
    }
