"""The arguments by which operators select rows: checked while a Dag is parsed, made a `Selection` when a task runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.arguments import (
    as_bytes,
    as_int,
    as_number,
    as_texts,
    bool_problems,
    clauses,
    is_template,
    rendered_to_nothing,
)
from airflow_s3batch.manifests.planning.guards import Guards
from airflow_s3batch.manifests.planning.ownership import place_problems
from airflow_s3batch.manifests.planning.selection import Selection

if TYPE_CHECKING:
    from airflow_s3batch.manifests.sources.dataset import Source

_WHOLE = ("keep_versions", "sample", "min_objects", "max_objects")
_LISTS = ("exclude", "allowed_buckets", "allowed_prefixes")
_TEXTS = ("where", "sql", "since")
_PLAIN = ("include_delete_markers", "compare", "objects_per_shard", "max_shards")

TEMPLATED = (*_TEXTS, "columns", "tables", *_WHOLE, "max_bytes", "max_change", *_LISTS)
"""Those that may be templates."""
SELECTING = (*TEMPLATED, *_PLAIN)
"""All of them."""
_NARROWING = ("since", *_WHOLE, "max_bytes", "max_change", *_LISTS)
_ALLOWED = ("allowed_buckets", "allowed_prefixes")


def selection_of(
    source: Source, arguments: Mapping[str, Any], values: Mapping[str, Any], *, most_shards: int | None = None
) -> Selection:
    """
    Return the selection that the rendered *arguments*, named in `SELECTING`, describe; *values* are for parameters.

    Raises:
        ArgumentError: one of them can't be understood.
    """
    given = {name: arguments.get(name) for name in SELECTING}
    for name in _ALLOWED:
        if given[name] == []:
            raise ArgumentError(f"{name}=[] allows nothing, but would be no limit; name some, or leave it out")
    numbers = {name: as_int(name, given[name]) for name in _WHOLE}
    lists = {name: as_texts(name, given[name]) for name in _LISTS}
    guards = Guards(
        numbers["min_objects"],
        numbers["max_objects"],
        as_bytes("max_bytes", given["max_bytes"]),
        lists["allowed_buckets"],
        lists["allowed_prefixes"],
        as_number("max_change", given["max_change"]),
    )
    max_shards = 200 if given["max_shards"] is None else given["max_shards"]
    return Selection(
        source,
        where=given["where"] or "",
        columns=_dict(given["columns"]),
        params=values,
        sql=given["sql"] or "",
        tables=_dict(given["tables"]),
        include_delete_markers=bool(given["include_delete_markers"]),
        keep_versions=numbers["keep_versions"],
        sample=numbers["sample"],
        since=given["since"],
        compare=None if given["compare"] is None else tuple(given["compare"]),
        exclude=lists["exclude"],
        guards=guards,
        objects_per_shard=given["objects_per_shard"],
        max_shards=max_shards if most_shards is None else min(max_shards, most_shards),
    )


def awaited(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which of the *arguments* that narrow a selection are other tasks' outputs."""
    return tuple(name for name in _NARROWING if hasattr(arguments.get(name), "resolve"))


def templates_in(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which of the *arguments* hold Jinja."""
    return tuple(name for name, value in arguments.items() if is_template(value) and not hasattr(value, "resolve"))


def check_said(rendered: Mapping[str, Any]) -> None:
    """
    Check that what was *rendered* is not ``None``, which Jinja leaves where the Dag renders native objects.

    Raises:
        ArgumentError: one is: ``dag_run.conf.get(…)`` of what the run was not given would turn a limit off.
    """
    for name, value in rendered.items():
        if value is None:
            raise rendered_to_nothing(name, value)


def check_given(names: Sequence[str], arguments: Mapping[str, Any]) -> None:
    """
    Check that the outputs of tasks that stand for the arguments *names* have come, and say something.

    Raises:
        ArgumentError: one is ``None``, say because its task was skipped, or empty: that would turn a limit off.
    """
    for name in names:
        if arguments[name] is None or arguments[name] in ("", [], ()):
            raise ArgumentError(
                f"{name}: the task that it comes from gave {arguments[name]!r}, which would turn it off; "
                "let that task return a value in every run, or leave the argument out"
            )


def selection_problems(
    source_of: Callable[[Mapping[str, Any]], Source],
    stand_ins: Mapping[str, Any],
    own: Mapping[str, Any],
    arguments: Mapping[str, Any],
    job_url: Any,
) -> list[str]:
    """
    Return all that is wrong with the literal ones among the arguments; templates wait for the run.

    *source_of* makes the source of *own*; *stand_ins* are valid values for those of them that must have one.
    """
    wrong_types = _type_problems(arguments)
    neutral = {name: stand_ins.get(name) for name in own}
    of_source, wrong = _understood(source_of, own, neutral)
    source = source_of({**neutral, **of_source})
    if wrong_types:
        return [*source.problems(), *wrong_types, *_job_url_problems(job_url), *wrong]
    stand_in = {name: "TRUE" for name in ("where", "sql") if is_template(arguments.get(name))}
    literal, unclear = _understood(lambda given: selection_of(source, given, {}), arguments, {})
    selection = selection_of(source, {**stand_in, **literal}, {})
    return [*selection.problems(), *_job_url_problems(job_url), *wrong, *unclear]


def _job_url_problems(job_url: Any) -> list[str]:
    if is_template(job_url):
        return []
    try:
        return place_problems(S3Url.parse(job_url, what="job_url"))
    except ArgumentError as error:
        return [clauses(error)]
    except (AttributeError, TypeError):
        return [f"job_url={job_url!r} is not a text"]


def _understood(
    make: Callable[[Mapping[str, Any]], object], arguments: Mapping[str, Any], neutral: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the literal *arguments* that *make* understands, each among *neutral* ones, and what others do wrong."""
    good, found = {}, []
    for name, value in arguments.items():
        if is_template(value):
            continue
        try:
            make({**neutral, name: value})
            good[name] = value
        except ArgumentError as error:
            found.append(clauses(error))
    return good, found


def _type_problems(arguments: Mapping[str, Any]) -> list[str]:
    found = []
    for name in _TEXTS:
        value = arguments.get(name)
        if value is not None and not is_template(value) and not isinstance(value, str):
            found.append(f"{name}={value!r} is not a text")
    for name, what in (("columns", "names and SQL texts"), ("tables", "names and URLs")):
        value = arguments.get(name)
        if value is None or is_template(value):
            continue
        pairs = value.items() if isinstance(value, Mapping) else [(0, 0)]
        if not all(isinstance(item, str) for pair in pairs for item in pair):
            found.append(f"{name}={value!r} is not a dict of {what}")
    markers = arguments.get("include_delete_markers")
    if markers is not None:
        found.extend(bool_problems(include_delete_markers=markers))
    for name in ("objects_per_shard", "max_shards"):
        value = arguments.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            found.append(f"{name}={value!r} is not a whole number")
    compare = arguments.get("compare")
    if compare is not None and (isinstance(compare, str) or not all(isinstance(name, str) for name in compare)):
        found.append(f"compare={compare!r} is not a list of columns")
    return found


def age_problems(name: str, value: Any) -> list[str]:
    """Return what is wrong with the age *value*."""
    return [] if value is None or isinstance(value, timedelta) else [f"{name}={value!r} is not a timedelta"]


def _dict(value: Mapping[str, str] | None) -> dict[str, str]:
    return {str(name): str(text) for name, text in (value or {}).items()}
