"""
What the columns of the user's own files mean: their names, and the SQL that makes objects of them.

Unlike an inventory, such a file says only what its author put there. So nothing is guessed: a row without a bucket, a
key or (where there is a column for it) a version is an error, unless the user said what an empty version stands for.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import InventoryError
from airflow_s3batch.manifests.columns import TYPES, snake_case
from airflow_s3batch.manifests.sql.quoting import identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

KEY_SPELLINGS = ("url", "raw")
EMPTY_VERSIONS = ("refuse", "null", "current")
IGNORED = "ignore"
"""Name, in any case, of columns that are passed over, as in CreateJob's ``Fields``."""

EMPTY_VERSION_HELP = (
    "empty_version_id='null' if the source lists all versions and leaves the null version's id empty, as S3 Inventory "
    "does, or 'current' for whatever version is current when the object's turn comes"
)

HEADER_AGAIN = "a header where an object was expected; pass has_header=False if there is an object of that name"

BUCKET = re.compile(r"[^\s/]+|arn:\S+")
"""What may stand for a bucket: a name, an alias, or the ARN of an access point."""

BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")

NOT_ENCODED = re.compile(BROKEN_PERCENT.pattern + "|[^!-~]")
"""What URL-encoded text can't hold: a percent sign without two hex digits, blanks, anything beyond ASCII."""

_NOT_ENCODED_SQL = "%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)|[^!-~]"
"""`NOT_ENCODED` for DuckDB, whose patterns can't look ahead."""

NO_TYPE = '"NULL"'
"""What DuckDB calls the type of a Parquet column that pandas or Arrow never saw a value of."""

_CASTABLE = MappingProxyType(
    {
        "VARCHAR": re.compile("VARCHAR").fullmatch,
        "BOOLEAN": re.compile("BOOLEAN|VARCHAR").fullmatch,
        "BIGINT": re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\)|FLOAT|DOUBLE|VARCHAR").fullmatch,
        "TIMESTAMP": re.compile("TIMESTAMP(TZ)?(_S|_MS|_NS)?|TIMESTAMP WITH TIME ZONE|DATE|VARCHAR").fullmatch,
    }
)
"""Types in a Parquet file that are taken for a known column of some type."""

_SQUEEZED = MappingProxyType({name.replace("_", ""): name for name in TYPES} | {"lastmodified": "last_modified_date"})


def empty_version_problems(choice: str) -> list[str]:
    """Return what is wrong with *choice*, which says what an empty version id stands for."""
    if choice in EMPTY_VERSIONS:
        return []
    return [f"empty_version_id={choice!r} is unknown; use 'refuse', 'null' or 'current'"]


def column_name(written: str, number: int) -> str:
    """
    Return the SQL name of the *number*-th column (from 1 on) that a file or the user calls *written*.

    Known columns are found in any spelling (``VersionId``, ``versionid``, ``VERSION_ID``); others are in snake case,
    with letters, digits and underscores only.
    """
    squeezed = re.sub(r"[^a-z0-9]", "", written.lower())
    if squeezed in _SQUEEZED:
        return _SQUEEZED[squeezed]
    plain = re.sub(r"\W+", "_", snake_case(written), flags=re.ASCII).strip("_")
    if not plain:
        return f"column_{number}"
    return f"_{plain}" if plain[0].isdigit() else plain


def column_names(written: Sequence[str]) -> tuple[str, ...]:
    """Return the SQL names of all columns of a file, in their order; ``ignore`` for those that are passed over."""
    return tuple(column_name(name, number) for number, name in enumerate(written, start=1))


def column_problems(names: Sequence[str], bucket: str, *, where: str) -> list[str]:
    """Return why rows with columns *names* can't name objects; *bucket* stands in for a column, *where* begins it."""
    found = []
    listed = ", ".join(names)
    if "key" not in names:
        found.append(f"{where} has no column 'key'; it has: {listed}")
    if "bucket" not in names and not bucket:
        found.append(f"{where} has no column 'bucket'; it has: {listed}. Pass bucket= if all objects are in one")
    if "bucket" in names and bucket:
        found.append(f"{where} has a column 'bucket', so bucket={bucket!r} would say it twice; leave it out")
    seen = [name for name in names if name != IGNORED]
    found += [f"{where} has two columns {name!r}" for name in sorted({n for n in seen if seen.count(n) > 1})]
    return found


def check_columns(names: Sequence[str], bucket: str, *, where: str) -> None:
    """
    Check that rows with columns *names* can name objects; see `column_problems`.

    Raises:
        InventoryError: they can't.
    """
    if problems := column_problems(names, bucket, where=where):
        raise InventoryError("; ".join(problems))


def csv_values(
    names: Mapping[str, str], *, key_spelling: str, empty_version_id: str, may_repeat_header: bool
) -> dict[str, str]:
    """
    Return the SQL of each column of a CSV file; *names* tells what the field is called in which it stands.

    Fields are text, an empty one is NULL. Known columns have their type; all others stay text. A row that reads like a
    header is an error, unless *may_repeat_header*: then it is an object.
    """
    values = {}
    for name, field in names.items():
        text = identifier(field)
        kind = TYPES.get(name, "VARCHAR")
        values[name] = _text_as(text, kind)
    written = {name: identifier(field) for name, field in names.items()}
    values |= _special(written, is_encoded=key_spelling == "url", empty_version_id=empty_version_id)
    if not may_repeat_header:
        looks_so = f"{written['key']} IN ('key', 'Key', 'KEY')"  # cheaper than lower() of each key
        if "bucket" in written:
            looks_so += f" AND lower({written['bucket']}) = 'bucket'"
        values["key"] = f"CASE WHEN {looks_so} THEN error({quoted(HEADER_AGAIN)}) ELSE {values['key']} END"
    return values


def parquet_values(columns: Mapping[str, tuple[str, str]], *, empty_version_id: str) -> dict[str, str]:
    """
    Return the SQL of each column of a Parquet file; *columns* tells its name and DuckDB type there.

    Known columns get their type, other columns keep theirs.

    Raises:
        InventoryError: a known column is something else there that can't be taken for it.
    """
    values = {name: _parquet_value(name, field, found) for name, (field, found) in columns.items()}
    return values | _special(values, is_encoded=False, empty_version_id=empty_version_id)


def parquet_type(found: str) -> str:
    """Return the type that SQL sees where a Parquet file has *found*: another one where nothing is lost by it."""
    if found == NO_TYPE:
        return "VARCHAR"
    if found == "TIMESTAMPTZ_NS":
        return "TIMESTAMP WITH TIME ZONE"
    return "TIMESTAMP" if found in ("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS") else found


def _parquet_value(name: str, field: str, found: str) -> str:
    value = identifier(field)
    kind = TYPES.get(name) or parquet_type(found)
    if found == "TIMESTAMPTZ_NS":  # DuckDB casts it to its own kind of time only
        value = f"CAST({value} AS {parquet_type(found)})"
    if kind == found:
        return value
    if name in TYPES and found != NO_TYPE and not _CASTABLE[kind](found):
        raise InventoryError(f"column {field!r} is {found}, but {name} is a {kind}; cast it where it is written")
    if name in TYPES and found in ("FLOAT", "DOUBLE"):  # pandas turns integers with gaps into floats with NaN
        return f"CAST(CASE WHEN NOT isnan({value}) THEN {value} END AS {kind})"
    return _text_as(value, kind) if found == "VARCHAR" else f"CAST({value} AS {kind})"


def _text_as(text: str, kind: str) -> str:
    """Return the SQL that makes a *kind* of *text*; a time without a zone is UTC."""
    if kind == "TIMESTAMP":  # by itself, DuckDB drops the zone: 12:00+02:00 would be 12:00 UTC
        text = f"CAST({text} AS TIMESTAMPTZ)"
    return text if kind == "VARCHAR" else f"CAST({text} AS {kind})"


def supplied_values(names: Collection[str], bucket: str) -> dict[str, str]:
    """Return the SQL of what files with columns *names* leave unsaid; *bucket* is the one that all objects are in."""
    latest = "CAST(NULL AS BOOLEAN)" if "version_id" in names else "TRUE"
    supplied = {
        "bucket": quoted(bucket),
        "version_id": "CAST(NULL AS VARCHAR)",
        "is_latest": latest,
        "is_delete_marker": "FALSE",
    }
    return {name: sql for name, sql in supplied.items() if name not in names}


def _special(written: Mapping[str, str], *, is_encoded: bool, empty_version_id: str) -> dict[str, str]:
    """Return the SQL of the columns that have rules of their own; *written* has the field of each."""
    key = written["key"]
    checked = f"CASE WHEN {key} IS NULL OR {key} = '' THEN error('a row has no key') "
    if is_encoded:
        fault = f"error('key field ''' || {key} || ''' is not URL-encoded')"
        checked += f"WHEN regexp_matches({key}, {quoted(_NOT_ENCODED_SQL)}) THEN {fault} "
    key_value = f"url_decode(replace({key}, '+', ' '))" if is_encoded else key
    values = {"key": f"{checked}ELSE {key_value} END"}
    if field := written.get("bucket"):
        fault = f"error('a row has no valid bucket, but ''' || COALESCE({field}, '') || '''')"
        is_valid = f"regexp_full_match(COALESCE({field}, ''), {quoted(BUCKET.pattern)})"
        values["bucket"] = f"CASE WHEN {is_valid} THEN {field} ELSE {fault} END"
    if field := written.get("version_id"):
        values["version_id"] = _version(f"NULLIF({field}, '')", empty_version_id)
    if field := written.get("e_tag"):
        values["e_tag"] = f"NULLIF(trim({field}, '\"'), '')"
    if field := written.get("is_delete_marker"):
        values["is_delete_marker"] = f"COALESCE(CAST({field} AS BOOLEAN), FALSE)"
    return values


def _version(text: str, empty_version_id: str) -> str:
    if empty_version_id == "current":
        return text
    if empty_version_id == "null":
        return f"COALESCE({text}, 'null')"
    return f"COALESCE({text}, error({quoted('a row has an empty version_id; say ' + EMPTY_VERSION_HELP)}))"
