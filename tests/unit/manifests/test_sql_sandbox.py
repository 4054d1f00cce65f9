"""What an adversary who writes the SQL of a Dag can't reach: files, the network, secrets, settings, the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from deliveries import select

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sql.duck import open_locked, quoted
from airflow_s3batch.manifests.sql.filters import check_selection
from airflow_s3batch.manifests.sql.full_select import checked_select
from airflow_s3batch.manifests.sql.params import bound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = tuple(InventoryColumn(name, kind) for name, kind in TYPES.items())
VIEWS = {"inventory": SCHEMA, "owners": (InventoryColumn("prefix", "VARCHAR"), InventoryColumn("team", "VARCHAR"))}

VALUES = [
    "(SELECT content FROM read_text({staged}))",
    "(SELECT content FROM read_blob({outside}))",
    "(SELECT count(*) FROM read_csv({staged}))",
    "(SELECT count(*) FROM read_csv_auto({outside}))",
    "(SELECT count(*) FROM sniff_csv({staged}))",
    "(SELECT count(*) FROM read_parquet({parquet}))",
    "(SELECT count(*) FROM parquet_scan({parquet}))",
    "(SELECT count(*) FROM parquet_metadata({parquet}))",
    "(SELECT count(*) FROM parquet_schema({parquet}))",
    "(SELECT count(*) FROM parquet_kv_metadata({parquet}))",
    "(SELECT count(*) FROM read_json({staged}))",
    "(SELECT count(*) FROM read_ndjson_objects({staged}))",
    "(SELECT min(file) FROM glob('/etc/*'))",
    "(SELECT min(file) FROM glob({folder} || '/*'))",
    "(SELECT count(*) FROM {staged})",
    "(SELECT count(*) FROM {parquet})",
    "(SELECT count(*) FROM '/proc/self/environ')",
    '(SELECT count(*) FROM "data.parquet")',
    "(SELECT count(*) FROM '*.parquet')",
    "(SELECT count(*) FROM 'https://127.0.0.1:1/x.parquet')",
    "(SELECT count(*) FROM read_csv('http://127.0.0.1:1/x'))",
    "(SELECT count(*) FROM 's3://lake/x.parquet')",
    "(SELECT count(*) FROM read_text(['/etc/passwd', {staged}]))",
    "(SELECT count(*) FROM duckdb_secrets())",
    "(SELECT count(*) FROM which_secret('s3://lake', 's3'))",
    "(SELECT min(value) FROM duckdb_settings())",
    "(SELECT count(*) FROM duckdb_settings)",
    "(SELECT count(*) FROM duckdb_functions())",
    "(SELECT count(*) FROM duckdb_tables)",
    "(SELECT count(*) FROM duckdb_temporary_files())",
    "(SELECT count(*) FROM duckdb_logs())",
    "(SELECT count(*) FROM pragma_database_list)",
    "(SELECT count(*) FROM pragma_table_info('inventory'))",
    "(SELECT count(*) FROM pragma_storage_info('inventory'))",
    "(SELECT count(*) FROM pragma_user_agent())",
    "(SELECT count(*) FROM sqlite_master)",
    "(SELECT count(*) FROM sqlite_schema)",
    "(SELECT count(*) FROM information_schema.tables)",
    "(SELECT count(*) FROM pg_catalog.pg_class)",
    "(SELECT count(*) FROM pg_class)",
    "(SELECT count(*) FROM system.information_schema.columns)",
    "(SELECT count(*) FROM temp.sqlite_master)",
    "(SELECT count(*) FROM main.inventory)",
    "(SELECT count(*) FROM memory.main.inventory)",
    "(SELECT count(*) FROM query('SELECT 1'))",
    "(SELECT count(*) FROM query_table('inventory'))",
    "(SELECT count(*) FROM query_table(['inventory', {parquet}]))",
    "(SELECT count(*) FROM seq_scan('inventory'))",
    "(SELECT count(*) FROM repeat_row(1, num_rows=3))",
    "(SELECT count(*) FROM arrow_scan(1, 2, 3))",
    "(SELECT count(*) FROM pandas_scan(1))",
    "(SELECT count(*) FROM python_map_function())",
    "(SELECT count(*) FROM json_execute_serialized_sql('{{}}'))",
    "(SELECT count(*) FROM test_all_types())",
    "(SELECT count(*) FROM checkpoint())",
    "(SELECT count(*) FROM force_checkpoint())",
    "(SELECT count(*) FROM summary((SELECT 1)))",
    "(SELECT count(*) FROM (SHOW TABLES))",
    "(SELECT count(*) FROM (DESCRIBE inventory))",
    "(SELECT count(*) FROM (SUMMARIZE inventory))",
    "(SELECT count(*) FROM (PIVOT inventory ON bucket IN ('a') USING count(*)))",
    "(WITH x AS (SELECT * FROM read_text({staged})) SELECT count(*) FROM x)",
    "(WITH RECURSIVE x AS (SELECT content FROM read_text({staged}) UNION SELECT content FROM x) SELECT 1 FROM x)",
    '(WITH "data.parquet" AS (SELECT 1) SELECT count(*) FROM "data.parquet")',
    "(WITH {parquet_name} AS (SELECT * FROM {parquet_name}) SELECT count(*) FROM {parquet_name})",
    "(WITH sqlite_master AS (SELECT 1 AS x) SELECT count(*) FROM sqlite_master)",
    "(SELECT (SELECT (SELECT content FROM read_text({staged}))))",
    "(SELECT count(*) FROM inventory, LATERAL (SELECT * FROM read_text(key)))",
    "(SELECT count(*) FROM inventory JOIN read_text({staged}) AS t ON TRUE)",
    "(SELECT content FROM READ_TEXT({staged}))",
    '(SELECT content FROM "read_text"({staged}))',
    "(SELECT content FROM main.read_text({staged}))",
    "(SELECT content FROM system.main.read_text({staged}))",
    "(SELECT content FROM read_text/**/({staged}))",
    "(SELECT content FROM/* ' */read_text({staged})/* ' */)",
    "(SELECT content\u00a0FROM\u00a0read_text({staged}))",
    "(SELECT content FROM read_text(E'\\x2fetc\\x2fpasswd'))",
    "(SELECT content FROM read_text($$/etc/passwd$$))",
    "(SELECT content FROM ｒead_text({staged}))",
    "list_transform(['/etc/passwd'], lambda f: (SELECT content FROM read_text(f)))[1]",
    "[(SELECT content FROM read_text(f)) FOR f IN ['/etc/passwd']][1]",
    "CASE WHEN TRUE THEN (SELECT content FROM read_text({staged})) END",
    "getenv('HOME')",
    "GETENV('AWS_SECRET_ACCESS_KEY')",
    "\"getenv\"('HOME')",
    "main.getenv('HOME')",
    "system.main.getenv('HOME')",
    "'HOME'.getenv()",
    "list_transform(['HOME'], lambda x: getenv(x))[1]",
    "[getenv(x) FOR x IN ['HOME']][1]",
    "TRY(getenv('HOME'))",
    "coalesce(NULL, getenv('HOME'))",
    "current_setting('threads')",
    "current_setting('s3_secret_access_key')",
    "getvariable('x')",
    "current_user",
    "current_catalog",
    "current_schema",
    "current_schemas(TRUE)",
    "current_database()",
    "session_user",
    "user",
    "current_query()",
    "version()",
    "txid_current()",
    "pg_get_viewdef(1)",
    "json_serialize_plan('SELECT 1')",
    "json_execute_serialized_sql('{{}}')",
    "in_search_path('memory', 'main')",
    "write_log('x')",
    "nextval('s')",
    "currval('s')",
    "add_parquet_key('k', 'v')",
    "now()",
    "current_timestamp",
    "random()",
    "setseed(0.5)",
    "uuid()",
    "sleep_ms(1)",
    "finalize(NULL)",
    "error(getenv('HOME'))",
    "?",
    "$1",
    "$nosuch",
    "#1",
    "rowid",
    "unnest((SELECT content FROM read_text({staged})))",
    "aggregate((SELECT content FROM read_text({staged})))",
    "list_aggr((SELECT list(content) FROM read_text({staged})), 'first')",
    "COLUMNS((SELECT content FROM read_text({staged})))",
    "COLUMNS(c -> getenv(c) = 'x')",
    "COLUMNS(lambda c: getenv(c) = 'x')",
    "struct_extract(row((SELECT content FROM read_text({staged}))), 1)",
    'key COLLATE "x" = (SELECT content FROM read_text({staged}))',
    "size::read_text",
    "0) = 0 OR (SELECT count(*) FROM read_text({staged})) > (0",
]
STATEMENTS = [
    "COPY (SELECT 1) TO {target}",
    "COPY inventory FROM {staged}",
    "EXPORT DATABASE {target}",
    "IMPORT DATABASE {folder}",
    "ATTACH {target} AS other",
    "ATTACH 'http://127.0.0.1:1/x' AS other",
    "DETACH memory",
    "USE temp",
    "PRAGMA database_list",
    "PRAGMA enable_external_access=1",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET VARIABLE x = (SELECT content FROM read_text({staged}))",
    "RESET lock_configuration",
    "LOAD httpfs",
    "INSTALL httpfs",
    "UPDATE EXTENSIONS",
    "CALL duckdb_settings()",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "DEALLOCATE x",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO m() AS getenv('HOME')",
    "CREATE SECRET s (TYPE s3)",
    "CREATE VIEW v AS FROM {parquet}",
    "INSERT INTO inventory DEFAULT VALUES",
    "UPDATE inventory SET key = 'x'",
    "DELETE FROM inventory",
    "TRUNCATE inventory",
    "DROP TABLE inventory",
    "ALTER TABLE inventory ADD COLUMN x INT",
    "BEGIN",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    "COMMENT ON TABLE inventory IS 'x'",
    "SHOW TABLES",
    "DESCRIBE inventory",
    "SUMMARIZE inventory",
    "PIVOT inventory ON bucket USING count(*)",
    "FROM {parquet}",
    "TABLE sqlite_master",
    "SELECT bucket, key FROM inventory; DROP TABLE inventory",
    "SELECT bucket, key FROM inventory; SELECT bucket, key FROM inventory",
    "SELECT bucket, key FROM inventory) TO {target}; SELECT ('a'",
    "SELECT bucket, key FROM inventory) AS x, read_text({staged}) AS y, (SELECT 1",
    "SELECT bucket, key FROM inventory /*",
    "SELECT bucket, key INTO x FROM inventory",
    "SELECT bucket, key FROM inventory FOR UPDATE",
    "WITH d AS (DELETE FROM inventory RETURNING *) SELECT bucket, key FROM d",
    "WITH i AS (INSERT INTO owners VALUES ('a', 'b') RETURNING *) SELECT i.prefix AS bucket, i.team AS key FROM i",
    "WITH c AS (COPY inventory TO {target}) SELECT bucket, key FROM inventory",
    "SELECT bucket, key FROM inventory AT (VERSION => 1)",
    "SELECT bucket, key FROM inventory TABLESAMPLE 10%",
    "SELECT bucket, content AS key FROM inventory, read_text({staged})",
    "SELECT bucket, key FROM inventory UNION ALL SELECT 'x', content FROM read_text({staged})",
    "SELECT bucket, key FROM inventory WHERE EXISTS (FROM read_text({staged}))",
    "SELECT bucket, key FROM inventory ORDER BY (SELECT content FROM read_text({staged}))",
    "SELECT bucket, key FROM inventory QUALIFY count(*) OVER (ORDER BY (SELECT content FROM read_text({staged}))) = 1",
    "SELECT bucket, key FROM inventory GROUP BY ALL HAVING (SELECT content FROM read_text({staged})) = 'x'",
    "SELECT bucket, key FROM inventory ORDER BY key LIMIT (SELECT count(*) FROM read_text({staged}))",
    "SELECT bucket, max(key) FILTER ((SELECT content FROM read_text({staged})) = 'x') AS key FROM inventory GROUP BY 1",
    "SELECT DISTINCT ON ((SELECT content FROM read_text({staged}))) bucket, key FROM inventory ORDER BY key",
    "SELECT bucket, key FROM (VALUES ('a', (SELECT content FROM read_text({staged})))) AS t(bucket, key)",
    "VALUES ('a', (SELECT content FROM read_text({staged})))",
    "WITH x(bucket, key) AS (VALUES ('a', getenv('HOME'))) SELECT bucket, key FROM x",
    "WITH x AS MATERIALIZED (SELECT * FROM {parquet}) SELECT bucket, key FROM inventory",
    'SELECT bucket, key FROM inventory AS "data.parquet", "data.parquet"',
    "SELECT * REPLACE (getenv('HOME') AS key) FROM inventory",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a staging folder as it is while rows are selected, beside a file that is none of its business."""
    folder = tmp_path_factory.mktemp("staging")
    (folder / "data.csv").write_text("secret of another source")
    (folder.parent / "outside.txt").write_text("secret")
    with duckdb.connect() as writer:
        writer.execute(f"COPY (SELECT 'secret' AS key) TO {quoted(str(folder / 'data.parquet'))}")
    return folder


@pytest.fixture(scope="module")
def connection(place: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_locked(place, threads=1) as connection:
        yield connection


def _filled(sql: str, place: Path) -> str:
    parquet = str(place / "data.parquet")
    return sql.format(
        staged=quoted(str(place / "data.csv")),
        outside=quoted(str(place.parent / "outside.txt")),
        parquet=quoted(parquet),
        parquet_name='"' + parquet + '"',
        folder=quoted(str(place)),
        target=quoted(str(place / "written")),
    )


def _refused(connection: duckdb.DuckDBPyConnection, where: str, **columns: str) -> str:
    with pytest.raises(ManifestError) as caught:
        check_selection(connection, select("s3://i/c", where=where, columns=columns), SCHEMA, source="s3://i/c")
    return str(caught.value)


@pytest.mark.parametrize("value", VALUES)
def test_a_value_can_t_look_beyond_its_row(connection: duckdb.DuckDBPyConnection, place: Path, value: str) -> None:
    """In where=, as the value of a column, and anywhere in a full SELECT."""
    sql = _filled(value, place)
    errors = [
        _refused(connection, f"key = {sql}"),
        _refused(connection, sql),
        _refused(connection, "TRUE", x=sql),
    ]
    for whole in (
        f"SELECT bucket, key, {sql} AS x FROM inventory",
        f"SELECT bucket, key FROM inventory WHERE key = {sql}",
        f"WITH w AS (SELECT bucket, key, {sql} AS x FROM inventory) SELECT bucket, key FROM w",
        f"SELECT bucket, key FROM inventory JOIN owners ON prefix = {sql}",
    ):
        with pytest.raises(ManifestError) as caught:
            checked_select(connection, whole, VIEWS)
        errors.append(str(caught.value))
    assert not [
        error for error in errors if "secret" in error.replace("duckdb_secrets", "").replace("which_secret", "")
    ]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_that_is_no_plain_select_is_refused(
    connection: duckdb.DuckDBPyConnection, place: Path, statement: str
) -> None:
    sql = _filled(statement, place)
    with pytest.raises(ManifestError, match=r"^sql: "):
        checked_select(connection, sql, VIEWS)
    _refused(connection, sql)
    _refused(connection, f"({sql})")
    assert not (place / "written").exists()


@pytest.mark.parametrize(
    "value",
    [
        "x' OR TRUE --",
        "'; DROP TABLE inventory; --",
        "') UNION SELECT content FROM read_text('/etc/passwd') --",
        "\\' OR TRUE --",
        "\\",
        "$$ OR TRUE $$",
        "/* ' */ OR TRUE",
        "\u2019 OR TRUE \u02bc --",
        "{} $other ?",
        "é\u0301\u202e👍\n\t\r",
        "'",
        "''",
        "",
    ],
)
def test_a_parameter_stays_the_text_that_it_is(connection: duckdb.DuckDBPyConnection, value: str) -> None:
    for form in (
        "$value",
        "concat($value)",
        "CASE WHEN $value = 'value' THEN $value ELSE $value END",
        "coalesce($value/* $value */)",
    ):
        sql = bound(connection, form, {"value": value}, place="where")
        assert connection.execute(f"SELECT {sql}").fetchall() == [(value,)], form


@pytest.mark.parametrize(
    "sql",
    [
        "key = (SELECT content FROM read_text($value))",
        "SELECT bucket, key FROM read_csv($value)",
        "SELECT bucket, key FROM inventory WHERE key = getenv($value)",
        "SELECT bucket, key FROM $value",
        "SELECT bucket, $value FROM inventory",
        "SELECT bucket, key FROM inventory ORDER BY $value LIMIT 1",
    ],
)
def test_a_parameter_opens_no_door(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(ManifestError):
        checked_select(connection, bound(connection, sql, {"value": "/etc/passwd"}, place="sql"), VIEWS)


def test_names_that_mean_something_without_a_table_are_refused(connection: duckdb.DuckDBPyConnection) -> None:
    """Whatever DuckDB can bind without a FROM is a constant, or refused: no keyword is a way to the session."""
    listed = connection.execute(
        "SELECT keyword_name FROM duckdb_keywords() UNION SELECT function_name FROM duckdb_functions()"
    ).fetchall()
    for (name,) in listed:
        if not str(name).isidentifier() or name.lower() in ("true", "false", "null", *TYPES):
            continue
        try:
            connection.execute(f"SELECT {name}")
        except duckdb.Error:
            continue
        with pytest.raises(ManifestError):
            checked_select(connection, f"SELECT bucket, key, {name} AS x FROM inventory", VIEWS)
