"""
``docs/filters.md``, put together from the column table, the catalogue and the phrases.

``python -m airflow_s3batch.manifests.sql.reference > docs/filters.md``
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator

from airflow_s3batch import filters
from airflow_s3batch.manifests.columns import SUPPLIED, TYPES, VALUES
from airflow_s3batch.manifests.sql.catalogue import GROUPS, Entry

_HEAD = """\
# Filters

Made by `python -m airflow_s3batch.manifests.sql.reference` from the code; don't edit it by hand.

`where=` is a condition, `columns=` are values, `sql=` is a whole SELECT; all of them in DuckDB's dialect, over the
same columns wherever the rows come from. What the Dag says is checked before a row is read, and wrong names, values
and types are answered with the right ones.

* [Columns](#columns)
* [Expressions](#expressions)
* [Parameters](#parameters)
* [Phrases](#phrases)
* [On DuckDB and on Athena](#on-duckdb-and-on-athena)
* [A whole SELECT](#a-whole-select)
* [What SQL can't reach](#what-sql-cant-reach)

"""
_COLUMNS = """\
## Columns

An inventory has those that it was configured with; using one that it lacks is an error, not NULL. Columns that are
newer than this table are kept under their own names (`ObjectLockEventHoldStatus` is `object_lock_event_hold_status`):
as text in CSV inventories (cast them), with their own types in Parquet and ORC. What S3 leaves empty is NULL. Times
are UTC, without a zone. Keys are decoded.

"""
_EXPRESSIONS = """\
## Expressions

In `where=` and `columns=` stands one expression over the columns of one row: all of DuckDB's operators and scalar
functions that give the same for the same row on any day. Refused are

* subqueries, aggregates, window functions, table functions, lambdas: they look beyond the row;
* `now()`, `random()`, `getenv()` and what else asks the clock, chance or the session: a retry must select the very
  same objects. `$snapshot_time` is when the data was made;
* `~` and `!~`: they match the whole text in DuckDB 1, and a part of it in DuckDB 2. `regexp_full_match()` and
  `regexp_matches()` say which;
* a value that an enumerated column can't have (`encryption_status = 'NOT_ENCRYPTED'`): the error names the right one;
* a time with an offset (`'2026-11-01T02:00:00+02:00'`): DuckDB reads it as 02:00 UTC. As a parameter it is turned
  into UTC.

A `where=` that should mean every object says `TRUE`.

"""
_PARAMETERS = """\
## Parameters

```python
from airflow.sdk import DAG
from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PutObjectTagging

with DAG("old_logs", schedule="@daily"):
    s3_batch_job(
        "tag",
        inventory="s3://inventories/prod-lake/daily",
        where="last_modified_date < $cutoff AND starts_with(key, $prefix) AND storage_class IN $classes",
        params={
            "cutoff": "{{ data_interval_start }}",
            "prefix": "logs/",
            "classes": ["STANDARD", "STANDARD_IA"],
        },
        operation=PutObjectTagging({"old": "true"}),
        job_url="s3://ops/s3batch",
    )
```

`params=` are Airflow's, so those of the Dag and of the run can be named, too. A value takes the place of `$name` after
the SQL was parsed, as a literal of its type: it is never more than a value, whatever is in it. `'$name'` in quotes is a
text with a dollar sign, and an error if there is such a parameter; so is a template that renders to an empty text, and
an empty text that a run is given for the Dag's own: every key begins with that. (In `key LIKE $prefix || '%'` a `_` or
`%` in the value would match other characters.)

| value | in SQL |
|---|---|
| text | a text; beside a time it is read as one, and turned into UTC if it has an offset, as Airflow's times have |
| `int`, `float`, `bool`, `None` | number, `TRUE` or `FALSE`, `NULL` |
| list | a list: `key IN $keys`, `list_contains($keys, key)`; in `key IN ($keys)` its items |

`$snapshot_time` is always there: when the inventory was made. With several inventories it is each one's own.
`INTERVAL $n DAY` is no SQL; write `to_days($n)`. Airflow's params are JSON: write a time as text, in ISO 8601.

"""
_PHRASES = """\
## Phrases

```python
import pendulum
from airflow_s3batch.filters import all_of, current_versions, larger_than, older_than, under

where = all_of(
    current_versions(),
    older_than(pendulum.duration(months=3)),
    larger_than("128 KiB"),
    under("logs/", "tmp/"),
    "e_tag NOT LIKE '%-%'",
)
```

Each gives SQL, so they go together with SQL of your own. Ages count back from `$snapshot_time`, not from now.

| phrase | |
|---|---|
"""
_ENGINES = """\
## On DuckDB and on Athena

On workers a filter runs in DuckDB (1.4 or later). With a source on Athena the same `where=` is translated to Trino's
SQL so that it selects the same rows; that needs `pip install 'airflow-provider-s3batch[athena]'`, and only what is in
this list can be translated. Anything else is refused, with both spellings where there are two. Texts and times beside
each other, NULLs, divisions and edge cases are taken care of as the third column says.

What was checked: every expression here is run by the tests on DuckDB, and most of them on DataFusion, over
inventories made by chance. Its translation is parsed by sqlglot's Trino parser. **rows**: the translation was also
run, and gave the same rows, on a DuckDB whose functions were made to do what Trino's documentation says. **parsed**:
the translation was only parsed. Translations in words that DuckDB has, too, also ran on MiniStack's Athena, which is a
DuckDB. None of them was ever run on Trino or on Athena itself.

"""
_SELECT = """\
## A whole SELECT

`sql=` takes the place of `where=` and `columns=`, for what one row can't tell: joins, duplicates, groups, ranks.

<!-- python
import io
import pandas
owners = io.BytesIO()
pandas.DataFrame({"prefix": ["search/", "payments/"], "team": ["search", "billing"]}).to_parquet(owners)
world.client.put_object(Bucket="analytics-archive", Key="owners.parquet", Body=owners.getvalue())
-->
<!-- block: run -->
```python
from airflow_s3batch.operations import Column

with DAG("duplicates"):
    s3_batch_job(
        "tag",
        inventory="s3://inventories/prod-lake/daily",
        tables={"owners": "s3://analytics-archive/owners.parquet"},
        sql=\"\"\"
            SELECT i.bucket, i.key, i.version_id, i.size, i.e_tag, o.team
            FROM inventory AS i JOIN owners AS o ON starts_with(i.key, o.prefix)
            WHERE NOT i.is_delete_marker
            QUALIFY row_number() OVER (PARTITION BY i.e_tag, i.size ORDER BY i.last_modified_date, i.key) > 1
        \"\"\",
        operation=PutObjectTagging({"duplicate_of": Column("team")}),
        job_url="s3://ops/s3batch",
    )
```

* It is one SELECT, and reads `inventory`, the names in `tables=`, and its own `WITH` queries. CTEs (recursive ones,
  too), joins, subqueries, `UNION`, `GROUP BY`, window functions, `QUALIFY`, `VALUES`, `range()` and `unnest()` are
  fine.
* It gives `bucket` and `key`; columns called `version_id`, `size`, `e_tag` and `storage_class` take their places in
  the manifest; all others are extra columns. Each has a plain name, and is a text, number, time or boolean.
* It gives the same rows in every attempt: `LIMIT`, `OFFSET` and `DISTINCT ON` need an `ORDER BY`; `row_number()`,
  `lag()` and their like need one in `OVER (…)`; `first()`, `list()`, `string_agg()` and their like need one inside;
  samples, `POSITIONAL JOIN`, and approximate quantiles are refused (`sample=` draws one that stays the same). Where
  rows tie, add a column that decides.
* Of each table only the columns that it uses are read. `SELECT *` over the inventory reads all of them.
* Parameters, functions and values are checked as above.

"""
_SANDBOX = """\
## What SQL can't reach

The SQL of a Dag is often a template, so it is treated as if somebody else had written it. It is parsed by DuckDB's
own parser, and only known kinds of expressions, sources and functions pass: no file, no folder of the job, no URL, no
`COPY`, `ATTACH`, `SET`, `PRAGMA`, `INSTALL`, no system table, secret, setting or environment variable. A whole SELECT
is then bound on empty tables in a DuckDB that can open nothing. And DuckDB runs locked: it sees one folder with this
job's data files, has no extensions and no network, and its settings can't be changed any more. The tests hold some
two hundred attempts against it.
"""


def page() -> str:
    """Return the whole page, in Markdown."""
    parts = [_HEAD, _COLUMNS, *_lines(_column_rows()), _EXPRESSIONS, _PARAMETERS, _PHRASES, *_lines(_phrase_rows())]
    parts += [
        _ENGINES,
        *(part for group, entries in GROUPS.items() for part in _group(group, entries)),
        _SELECT,
        _SANDBOX,
    ]
    return "".join(parts)


def _lines(rows: Iterable[str]) -> Iterator[str]:
    yield from (f"{row}\n" for row in rows)
    yield "\n"


def _column_rows() -> Iterator[str]:
    yield "| column | type | values |"
    yield "|---|---|---|"
    for name, kind in TYPES.items():
        values = ", ".join(f"`{value}`" for value in VALUES.get(name, ()))
        supplied = f"`{SUPPLIED[name]}` in inventories of current versions" if name in SUPPLIED else ""
        yield f"| `{name}` | {kind} | {values or supplied} |"


def _phrase_rows() -> Iterator[str]:
    for name in filters.__all__:
        function = getattr(filters, name)
        signature = re.sub(r" -> .*", "", str(inspect.signature(function))).replace("dt.", "").replace("'", "")
        text = inspect.cleandoc(function.__doc__ or "").partition("\n\nRaises:")[0]
        sentence = " ".join(text.split()).removeprefix("Return the condition that ").replace("``", "`")
        yield f"| `{name}{_cell(signature)}` | {_cell(sentence)} |"


def _group(group: str, entries: Iterable[Entry]) -> Iterator[str]:
    entries = list(entries)
    yield f"### {group}\n\n"
    yield "| DuckDB | Trino, so that it is the same | what would differ | checked |\n|---|---|---|---|\n"
    for entry in entries:
        if not entry.refused:
            yield f"| {_code(entry.duckdb)} | {_code(entry.trino)} | {_cell(entry.differs)} | {entry.checked} |\n"
    refused = [entry for entry in entries if entry.refused]
    yield "\n"
    if refused:
        yield "| refused | Trino has | because; instead |\n|---|---|---|\n"
        yield from (f"| {_code(entry.duckdb)} | {_code(entry.trino)} | {_cell(entry.refused)} |\n" for entry in refused)
        yield "\n"


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
