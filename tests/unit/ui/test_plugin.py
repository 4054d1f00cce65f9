"""What Airflow is told of the page."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path


def test_the_plugin_is_one_and_loads_the_application_with_the_first_request_only() -> None:
    """Workers and schedulers load plugins, too."""
    from airflow.plugins_manager import AirflowPlugin

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    module, _, name = project["project"]["entry-points"]["airflow.plugins"]["s3batch"].partition(":")
    plugin = getattr(import_module(module), name)
    assert issubclass(plugin, AirflowPlugin)
    plugin.validate()
    source = Path(import_module(module).__file__ or "").read_text()
    imports = [line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["__future__", "collections.abc", "typing", "airflow.plugins_manager"]
    (app,) = plugin.fastapi_apps
    assert app["url_prefix"] == "/s3batch"


def test_tabs_say_what_they_are_about_and_work_below_a_path() -> None:
    from airflow_s3batch.ui.plugin import S3BatchPlugin

    views = {view["destination"]: view for view in S3BatchPlugin.external_views}
    assert set(views) == {"nav", "dag_run", "task_instance"}
    assert len({view["url_route"] for view in views.values()}) == 3
    assert not [view for view in views.values() if view["href"].startswith("/")]
    assert views["dag_run"]["href"] == "s3batch/?dag_id={DAG_ID}&run_id={RUN_ID}"
    assert views["task_instance"]["href"].endswith("&task_id={TASK_ID}&map_index={MAP_INDEX}")
