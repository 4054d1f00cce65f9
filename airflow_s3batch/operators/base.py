"""What all operators of this package share: the store's arguments, rendering of operations, Airflow's exceptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_s3batch.core.shared_rate import SharedRate
from airflow_s3batch.hooks.arguments import config_problems, raise_for
from airflow_s3batch.hooks.errors import airflow_errors
from airflow_s3batch.hooks.installation import installation
from airflow_s3batch.hooks.s3 import DEFAULT_CONN_ID, StoreSettings
from airflow_s3batch.manifests.planning.ownership import AIRFLOW
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operators.lineage import TellsLineage

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context


class S3BatchOperator(TellsLineage, BaseOperator):
    """
    Base of the operators.

    `execute` runs `run`, and turns errors into Airflow's: one that a retry can't cure fails the task at once,
    whatever ``retries`` says.

    Args:
        aws_conn_id: Airflow connection of type ``aws`` for the store: credentials, role, region, ``endpoint_url``,
            botocore settings. ``None`` leaves all of that to boto3. A connection that does not exist is an error,
            but for ``aws_default``, where boto3 looks for credentials itself.
        region_name: overrides the connection's region.
        verify: overrides the connection's: ``False`` turns certificate checks off, a path names a CA bundle.
        botocore_config: overrides the connection's botocore settings, e.g. ``{"proxies": {"https": "…"}}``.
        kwargs: what every Airflow operator takes.
    """

    template_fields: Sequence[str] = ("aws_conn_id", "region_name")
    text_fields: ClassVar[frozenset[str]] = frozenset()
    """Template fields that stay texts where the Dag renders native objects, as SQL and an account's digits must."""
    ui_color = "#e8f1e4"
    _renders_texts = False

    def __init__(
        self,
        *,
        aws_conn_id: str | None = DEFAULT_CONN_ID,
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        raise_for(type(self).__name__, config_problems(botocore_config))
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @property
    def store(self) -> StoreSettings:
        """The store that the arguments name."""
        return StoreSettings(self.aws_conn_id, self.region_name, self.verify, self.botocore_config)

    def execute(self, context: Context) -> Any:
        """Do the work; called by Airflow."""
        with airflow_errors():
            return self.run(context)

    def run(self, context: Context) -> Any:
        """Do the work, raising this package's errors."""
        raise NotImplementedError

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """
        Render as Airflow does, and operations too: they are frozen, so a rendered copy takes their place.

        An operation's fields stay texts, also where the Dag renders native objects: a tag ``01.10`` is not ``1.1``. So
        do `text_fields`.
        """
        is_text = self._renders_texts and isinstance(content, str) and id(content) not in (seen_oids or ())
        if not is_text and not isinstance(content, Operation | SharedRate):
            return super().render_template(content, context, jinja_env, seen_oids)
        dag = self.get_dag()
        texts = dag.get_template_env(force_sandboxed=True) if dag else jinja_env or self.get_template_env()
        if is_text:
            return texts.from_string(content).render(context)
        if not content.has_templates:
            return content
        with airflow_errors():
            return content.render(lambda text: texts.from_string(text).render(context))

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Render as Airflow does, which calls this for mapped tasks, too; `text_fields` apart from the others."""
        names = list(template_fields)
        others = [name for name in names if name not in self.text_fields]
        super()._do_render_template_fields(parent, others, context, jinja_env, seen_oids)
        self._renders_texts = True
        texts = [name for name in names if name in self.text_fields]
        super()._do_render_template_fields(parent, texts, context, jinja_env, seen_oids)
        self._renders_texts = False


def about(context: Context) -> dict[str, Any]:
    """Return who writes a job's files; a run may have no logical date, and older Airflow does not say who began it."""
    ti = context["ti"]
    run: Any = context.get("dag_run")
    logical_date = context.get("logical_date")
    kind, user = getattr(run, "run_type", None), getattr(run, "triggering_user_name", None)
    return {
        "dag_id": ti.dag_id,
        "run_id": ti.run_id,
        "task_id": ti.task_id,
        "map_index": ti.map_index,
        "try_number": ti.try_number,
        "logical_date": logical_date.isoformat() if logical_date else None,
        "run_type": str(getattr(kind, "value", kind)) if kind else None,
        "triggered_by": user if isinstance(user, str) else None,
    }


def about_job(context: Context) -> dict[str, Any]:
    """Return who starts a job, or finds it: also which Airflow that is, if that can be told."""
    airflow = installation()
    return {**about(context), **({AIRFLOW: airflow} if airflow else {})}
