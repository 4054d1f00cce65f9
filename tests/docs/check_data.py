"""Checks blocks of JSON, YAML, INI, TOML and SQL: they can be read, and are what those who read them expect."""

from __future__ import annotations

import configparser
import functools
import json
import re
import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from doc_pages import Block

from airflow_s3batch.core import control
from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.costs import PriceTable

if TYPE_CHECKING:
    from docs_world import World

_ATHENA = re.compile(r"^\s*(UNLOAD|CREATE|ALTER|MSCK|SHOW|DROP)\b", re.IGNORECASE)
_SELECT = re.compile(r"^\s*(SELECT|WITH|FROM)\b", re.IGNORECASE)
_SYSTEMD = frozenset({"Unit", "Service", "Install", "Timer"})
_IAM_ACTION = re.compile(r"^(\*|[a-z0-9-]+:[A-Za-z*]+)$")


def check_json(block: Block) -> None:
    """
    Check a document: an IAM policy, a control file, a price table, a CreateJob form, or anything else.

    Raises:
        BlockError: it is none.
    """
    try:
        document = json.loads(block.text)
    except ValueError as error:
        raise block.wrong(f"json: {error}") from error
    if not isinstance(document, dict):
        return
    kind = str(document.get("format", ""))
    try:
        if "Statement" in document:
            _check_policy(document, block)
        elif kind.startswith("airflow-s3batch-control"):
            control.read_control(block.text.encode(), place=block.place)
        elif kind.startswith("airflow-s3batch-prices"):
            PriceTable.from_json(block.text, place=block.place)
        elif len(document) == 1 and next(iter(document)).startswith(("S3", "Lambda")):
            _check_operation(document, block)
    except S3BatchError as error:
        raise block.wrong(str(error)) from error


def _check_policy(document: dict[str, Any], block: Block) -> None:
    if document.get("Version") != "2012-10-17":
        raise block.wrong("the policy has no Version 2012-10-17")
    for statement in document["Statement"]:
        if statement.get("Effect") not in {"Allow", "Deny"}:
            raise block.wrong(f"the policy has the Effect {statement.get('Effect')!r}")
        actions = statement.get("Action", statement.get("NotAction"))
        for action in [actions] if isinstance(actions, str) else actions or [""]:
            if not _IAM_ACTION.match(action):
                raise block.wrong(f"the policy has the Action {action!r}")
        if not statement.keys() & {"Resource", "NotResource", "Principal"}:
            raise block.wrong("a statement of the policy has no Resource")


def _check_operation(document: dict[str, Any], block: Block) -> None:
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(document, _job_operation())
    if report.has_errors():
        raise block.wrong(f"AWS's CreateJob has no such operation: {report.generate_report()}")


@functools.cache
def _job_operation() -> Any:
    import botocore.session

    model = botocore.session.get_session().get_service_model("s3control")
    return model.shape_for("JobOperation")


def check_yaml(block: Block) -> None:
    """
    Check documents; what has services is a compose file.

    Raises:
        BlockError: they can't be read, or the compose file is none.
    """
    import yaml

    try:
        documents = list(yaml.safe_load_all(block.text))
    except yaml.YAMLError as error:
        raise block.wrong(f"yaml: {error}") from error
    if block.reason == "a part of a file":
        return
    for document in documents:
        if isinstance(document, dict) and "services" in document:
            _check_compose(document, block)


def _check_compose(document: dict[str, Any], block: Block) -> None:
    import check_jsonschema.builtin_schemas
    import jsonschema

    schema = check_jsonschema.builtin_schemas.get_builtin_schema("vendor.compose-spec")
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(document), key=str)
    if errors:
        raise block.wrong(f"no compose file: {errors[0].message}")


def check_ini(block: Block) -> None:
    """
    Check a piece of Airflow's configuration: sections and options exist. Units of systemd are only read.

    Raises:
        BlockError: one does not.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(block.text)
    except configparser.Error as error:
        raise block.wrong(f"ini: {error}") from error
    if _SYSTEMD.intersection(parser.sections()):
        return
    known = _airflow_options()
    for section in parser.sections():
        if section not in known:
            raise block.wrong(f"Airflow's configuration has no section [{section}]")
        if unknown := set(parser.options(section)) - known[section]:
            raise block.wrong(f"Airflow's configuration has no option {', '.join(sorted(unknown))} in [{section}]")


@functools.cache
def _airflow_options() -> dict[str, set[str]]:
    """Return the names of Airflow's options by section, those of its providers and ours included."""
    from airflow.configuration import conf
    from airflow.providers_manager import ProvidersManager

    from airflow_s3batch.get_provider_info import get_provider_info

    ProvidersManager().initialize_providers_configuration()
    own = {section: set(told["options"]) for section, told in get_provider_info()["config"].items()}
    described = {section: set(told["options"]) for section, told in conf.configuration_description.items()}
    return {**described, **own}


def check_toml(block: Block) -> None:
    """
    Check a document.

    Raises:
        BlockError: it can't be read.
    """
    try:
        tomllib.loads(block.text)
    except tomllib.TOMLDecodeError as error:
        raise block.wrong(f"toml: {error}") from error


def run_sql(block: Block, text: str, world: World) -> None:
    """
    Run SQL over the lake's inventory, as a job would; Athena's own statements are parsed.

    Raises:
        BlockError: it is refused.
    """
    if _ATHENA.match(text):
        _parse_athena(block, text)
        return
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import S3Storage
    from airflow_s3batch.manifests.planning.publish import publish_manifest
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.inventory import Inventory

    source = Inventory("s3://inventories/prod-lake/daily")
    asked = {"sql" if _SELECT.match(text) else "where": text}
    world.is_fresh = False
    place = S3Url.parse("s3://ops/sql-of-docs", what="job_url")
    storage, selection = S3Storage(world.server.access()), Selection(source, **asked)
    try:
        publish_manifest(storage, place, f"line-{block.line}", selection, now=datetime.now(UTC))
    except S3BatchError as error:
        raise block.wrong(f"sql: {error}") from error


def _parse_athena(block: Block, text: str) -> None:
    import sqlglot

    if "…" in text:
        raise block.wrong("sql: '…' is no SQL")
    try:
        sqlglot.parse(text, dialect="athena")
    except sqlglot.errors.ParseError as error:
        raise block.wrong(f"sql: {error}") from error
