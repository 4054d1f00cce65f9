"""What may stand in a filter that runs on DuckDB and on Athena: how each spells it, and what they'd do differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple


class Entry(NamedTuple):
    """
    One function, operator or form.

    Attributes:
        duckdb: how DuckDB spells it.
        trino: how Trino spells it; where it would differ, with what makes it the same.
        names: of the functions and operators that it stands for, in DuckDB's tree.
        examples: conditions and values over an inventory's columns (and a map ``object_tags``) that run on both.
        differs: what the engines would do differently if they were given the same text; empty if nothing.
        refused: why it has no equal, or what to write instead; empty if it has one.
        checked: ``rows`` if its Trino form gave the same rows on a stand-in for Trino; ``parsed`` if it was only
            parsed.
    """

    duckdb: str
    trino: str
    names: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    differs: str = ""
    refused: str = ""
    checked: str = "rows"


_CONDITIONS = (
    Entry(
        "= <> < <= > >=",
        "= <> < <= > >=",
        examples=(
            "size >= 1048576",
            "key < 'logs/2026'",
            "last_modified_date <> '2026-03-01T00:00:00Z'",
            "is_latest = TRUE",
        ),
        differs="a text beside a time: DuckDB reads it as a time, Trino needs TIMESTAMP '…' or DATE '…'; "
        "a text beside a number is refused",
    ),
    Entry("AND, OR, NOT", "AND, OR, NOT", examples=("is_latest AND NOT is_delete_marker OR size IS NULL",)),
    Entry("IS NULL, IS NOT NULL", "IS NULL, IS NOT NULL", examples=("e_tag IS NULL", "size IS NOT NULL")),
    Entry(
        "IS [NOT] TRUE, IS [NOT] FALSE",
        "IS [NOT] DISTINCT FROM TRUE",
        examples=("is_latest IS NOT TRUE", "(size > 100) IS FALSE"),
    ),
    Entry(
        "IS [NOT] DISTINCT FROM",
        "IS [NOT] DISTINCT FROM",
        examples=("storage_class IS DISTINCT FROM 'GLACIER'", "e_tag IS NOT DISTINCT FROM version_id"),
    ),
    Entry(
        "[NOT] BETWEEN … AND …",
        "[NOT] BETWEEN … AND …",
        examples=("size BETWEEN 10 AND 2000", "last_modified_date NOT BETWEEN '2026-01-01' AND '2026-02-01 12:30'"),
    ),
    Entry(
        "[NOT] IN (…)",
        "[NOT] IN (…)",
        examples=("storage_class IN ('STANDARD', 'GLACIER')", "size NOT IN (0, 100)", "key IN ('a', NULL)"),
    ),
    Entry(
        "key IN [list], list_contains([list], key)",
        "key IN (…)",
        ("contains", "list_contains", "list_has", "array_contains", "array_has", "list_value"),
        ("key IN ['a', 'logs/b.gz']", "list_contains(['a', 'é'], key)", "NOT key IN []"),
        differs="an empty list: IN () is no SQL",
    ),
    Entry(
        "CASE WHEN … THEN … ELSE … END, if(c, a, b)",
        "CASE WHEN … THEN … ELSE … END",
        ("if",),
        ("CASE storage_class WHEN 'STANDARD' THEN size > 10 ELSE FALSE END", "if(size > 100, key, e_tag)"),
    ),
    Entry("coalesce(a, b, …), ifnull(a, b)", "COALESCE(a, b, …)", (), ("coalesce(size, 0) > 0",)),
    Entry("nullif(a, b)", "nullif(a, b)", ("nullif",), ("nullif(size, 0) IS NULL",)),
    Entry(
        "greatest(a, b, …), least(a, b, …)",
        "COALESCE(greatest(a, b), a, b)",
        ("greatest", "least"),
        ("greatest(size, 100)", "least(last_modified_date, object_lock_retain_until_date, '2026-02-01')"),
        differs="NULLs are skipped by DuckDB; one makes Trino's NULL",
    ),
)
_TEXTS = (
    Entry(
        "[NOT] LIKE, with ESCAPE",
        "[NOT] LIKE, with ESCAPE",
        ("~~", "!~~", "like_escape", "not_like_escape"),
        ("key LIKE 'logs/%.gz'", "key NOT LIKE '_'", "key LIKE '%100!%%' ESCAPE '!'", "key NOT LIKE '%!_%' ESCAPE '!'"),
    ),
    Entry(
        "[NOT] ILIKE, with ESCAPE",
        "lower(s) [NOT] LIKE lower(p)",
        ("~~*", "!~~*", "ilike_escape", "not_ilike_escape"),
        ("key ILIKE '%.GZ'", "key NOT ILIKE 'É%'", "key ILIKE '%!_B%' ESCAPE '!'"),
        differs="Trino has no ILIKE",
    ),
    Entry(
        "starts_with(s, t), s ^@ t",
        "starts_with(s, t)",
        ("starts_with", "prefix", "^@"),
        ("starts_with(key, 'logs/')",),
    ),
    Entry(
        "ends_with(s, 'end')",
        "length(s) >= 3 AND substr(s, -3) = 'end'",
        ("ends_with", "suffix"),
        ("ends_with(key, '.gz')", "suffix(key, 'é')"),
        differs="Trino has no such function; the end has to be a literal",
    ),
    Entry("contains(s, t)", "strpos(s, t) > 0", (), ("contains(key, '/b')", "contains(key, '')")),
    Entry(
        "strpos(s, t), instr(s, t), position(t IN s)",
        "strpos(s, t)",
        ("strpos", "instr", "position"),
        ("strpos(key, '/')", "position('é' IN key) > 0", "instr(key, 'zzz')"),
    ),
    Entry(
        "split_part(s, '/', n)",
        "COALESCE(split_part(s, '/', n), ''); from the end element_at(split(s, '/'), -n)",
        ("split_part",),
        ("split_part(key, '/', 1)", "split_part(key, '/', 9)", "split_part(key, '/', -1)", "split_part(key, '.', -2)"),
        differs="a part that is not there: '' for DuckDB, NULL for Trino; n from the end is an error in Trino; "
        "separator and n have to be literals",
    ),
    Entry(
        "string_split(s, '/')[n]",
        "element_at(split(s, '/'), n)",
        ("string_split", "str_split", "split", "string_to_array"),
        ("string_split(key, '/')[2]", "string_split(key, '/')[-1]"),
        differs="beyond the end: NULL for DuckDB, an error for Trino's […]",
    ),
    Entry(
        "substr(s, n), substr(s, n, length)",
        "substr(s, n, length)",
        ("substr", "substring"),
        ("substr(key, 3)", "substring(key, 2, 4)", "substr(key, 99)"),
        differs="n below 1, and a negative length: both have to be literals from 1 and 0 on",
    ),
    Entry("left(s, n)", "substr(s, 1, n)", ("left",), ("left(key, 4)", "left(key, 0)"), differs="Trino has none"),
    Entry(
        "right(s, n)",
        "CASE WHEN length(s) <= n THEN s ELSE substr(s, -n) END",
        ("right",),
        ("right(key, 3)", "right(key, 99)"),
        differs="Trino has none; substr(s, -n) is '' where s is shorter than n",
    ),
    Entry(
        "length(s), len(s)",
        "length(s)",
        ("length", "len", "char_length", "character_length"),
        ("length(key) > 3",),
    ),
    Entry(
        "strlen(s), the bytes of s",
        "length(to_utf8(s))",
        ("strlen",),
        ("strlen(key) > 3",),
        differs="Trino has none",
        checked="parsed",
    ),
    Entry(
        "lower(s), upper(s)",
        "lower(s), replace(upper(s), 'ß', 'ẞ')",
        ("lower", "lcase", "upper", "ucase"),
        ("lower(key)", "upper(key) LIKE '%.GZ'"),
        differs="upper('ß') is 'ẞ' for DuckDB, and stays 'ß' by Java's tables",
    ),
    Entry(
        "replace(s, 'old', new)",
        "replace(s, 'old', new)",
        ("replace",),
        ("replace(key, '/', '--')",),
        differs="an empty text to replace: nothing for DuckDB, everywhere for Trino; it has to be a literal",
    ),
    Entry(
        "trim(s, 'c'), ltrim(s, 'c'), rtrim(s, 'c')",
        "trim(BOTH 'c' FROM s), LEADING, TRAILING",
        ("trim", "ltrim", "rtrim"),
        ("trim(key, '/')", "ltrim(key, 'a')", "rtrim(key, 'z')"),
        differs="what white space is, so trim(s) alone is refused; one character has to be named",
    ),
    Entry("a || b", "a || b", ("||",), ("key || '/' || size = 'a/1'", "e_tag || key")),
    Entry(
        "concat(a, b, …)",
        "concat(COALESCE(a, ''), COALESCE(b, ''))",
        ("concat",),
        ("concat(key, '-', e_tag)", "concat(size, key)", "concat(e_tag)"),
        differs="NULLs are skipped by DuckDB; one makes Trino's NULL",
    ),
    Entry(
        "concat_ws(s, a, b, …)",
        "concat_ws(s, a, b, …)",
        ("concat_ws",),
        ("concat_ws('/', bucket, e_tag, key)",),
    ),
    Entry(
        "regexp_matches(s, 'pattern'), also with 'i'",
        "regexp_like(s, 'pattern')",
        ("regexp_matches",),
        (
            "regexp_matches(key, '^logs/.*\\.gz$')",
            "regexp_matches(key, 'LOGS|\\d{2,}', 'i')",
            "regexp_matches(key, '[^a-z/]$')",
        ),
        differs="the syntax: RE2 and Java's. \\d, \\w, \\s, ., ^ and $ are respelled; look-around, back references, "
        "\\b, \\p{…} and inline flags are refused",
    ),
    Entry(
        "regexp_full_match(s, 'pattern'), s SIMILAR TO 'pattern'",
        "regexp_like(s, '\\A(?:pattern)\\z')",
        ("regexp_full_match",),
        ("regexp_full_match(key, '[a-z]+/.*')", "key SIMILAR TO '(a|b).*'"),
        differs="Trino has none, and its SIMILAR TO is another language",
    ),
    Entry(
        "regexp_extract(s, 'pattern', group)",
        "COALESCE(regexp_extract(s, 'pattern', group), '')",
        ("regexp_extract",),
        ("regexp_extract(key, '([a-z]+)/(\\d+)?', 2)", "regexp_extract(key, '\\d+')"),
        differs="no match: '' for DuckDB, NULL for Trino",
    ),
    Entry(
        "md5(s), sha256(s)",
        "lower(to_hex(md5(to_utf8(s))))",
        ("md5", "sha256"),
        ("md5(key) < '8'", "sha256(key)"),
        differs="text for DuckDB, bytes for Trino",
    ),
    Entry(
        "s ~ p, s !~ p",
        "",
        (),
        refused="on DuckDB, too: they match a whole text in DuckDB 1, and a part of it in DuckDB 2",
    ),
    Entry("trim(s)", "trim(s)", refused="which characters are white space differs; trim(s, ' ')"),
    Entry("s[2:5]", "substr(s, 2, 4)", refused="substr(s, 2, 4) is the same on both"),
    Entry("reverse(s)", "reverse(s)", ("reverse",), refused="of letters made of several characters it differs"),
    Entry(
        "regexp_replace(s, p, r)",
        "regexp_replace(s, p, r)",
        ("regexp_replace",),
        refused="the first match for DuckDB, every one for Trino",
    ),
    Entry("hash(s)", "xxhash64(to_utf8(s))", ("hash",), refused="the values differ; md5(s) is the same on both"),
    Entry(
        "url_encode(s), url_decode(s)",
        "url_encode(s), url_decode(s)",
        ("url_encode", "url_decode"),
        refused="a space is %20 for DuckDB, + for Trino; keys are decoded before a filter sees them",
    ),
    Entry(
        "json_extract_string(s, path), s ->> path",
        "json_extract_scalar(s, path)",
        ("json_extract_string", "json_extract", "->>", "->"),
        refused="of objects, arrays and text that is no JSON they give different things",
    ),
)
_NUMBERS = (
    Entry(
        "a + b, a - b, a * b, -a",
        "a + b, a - b, a * b, -a",
        ("+", "-", "*"),
        ("size * 2 - 1 > 100", "-size", "size + 1.5"),
    ),
    Entry(
        "a / b",
        "CAST(a AS double) / CAST(b AS double)",
        ("/",),
        ("size / 3", "size / nullif(length(key), 0) > 2.5"),
        differs="of whole numbers DuckDB gives a fraction, Trino a whole number; by zero neither agrees, so b is a "
        "literal or nullif(b, 0)",
    ),
    Entry(
        "a // b",
        "a / b",
        ("//",),
        ("size // 3", "-size // 7"),
        differs="as a / b",
    ),
    Entry(
        "a % b, mod(a, b)",
        "a % b",
        ("%", "mod"),
        ("size % 7 = 3", "mod(-size, 7)"),
        differs="by zero; as a / b",
    ),
    Entry(
        "abs(a), floor(a), ceil(a), round(a), trunc(a)",
        "abs(a), floor(a), ceil(a), round(a), truncate(a)",
        ("abs", "floor", "ceil", "ceiling", "round", "trunc"),
        ("abs(-size)", "floor(size / 7)", "ceil(size / 7)", "round(size / 2)", "trunc(size / 7)"),
    ),
    Entry(
        "CAST(a AS BIGINT | INTEGER | DOUBLE | VARCHAR), a::BIGINT",
        "CAST(a AS bigint)",
        examples=("CAST(size AS VARCHAR) LIKE '1%'", "size::DOUBLE / 8", "CAST(floor(size / 7) AS BIGINT)"),
        differs="to a whole number: round, floor or trunc first; fractions and times as text differ, and are refused",
    ),
    Entry(
        "CASE WHEN regexp_full_match(s, '[0-9]{1,18}') THEN CAST(s AS BIGINT) END",
        "the same, with regexp_like",
        examples=("CASE WHEN regexp_full_match(key, '[0-9]{1,18}') THEN CAST(key AS BIGINT) END > 5",),
        differs="what text is a number: '1e3', ' 5 ' and '5.4' are for DuckDB, and an error for Trino",
    ),
    Entry(
        "TRY_CAST(s AS BIGINT)",
        "TRY_CAST(s AS bigint)",
        ("TRY_CAST(… AS BIGINT)", "TRY_CAST(… AS INTEGER)", "TRY_CAST(… AS DATE)", "TRY_CAST(… AS TIMESTAMP)"),
        refused="what text is a number or a time differs: write CASE as above; compare dates as text",
    ),
    Entry("round(a, n)", "round(a, n)", refused="of fractions the last digit may differ; round(a * 100) / 100"),
    Entry("a ^ b, pow(a, b)", "power(a, b)", ("^", "**", "pow", "power"), refused="the last digit may differ"),
)
_TIMES = (
    Entry(
        "TIMESTAMP '2026-01-31 00:00:00', DATE '2026-01-31'",
        "TIMESTAMP '2026-01-31 00:00:00', DATE '2026-01-31'",
        examples=(
            "last_modified_date < TIMESTAMP '2026-01-31 12:00:00.5'",
            "CAST(last_modified_date AS DATE) = '2026-03-01'",
        ),
        differs="the T between date and time, Z and offsets are DuckDB's only, and are taken care of",
    ),
    Entry(
        "t - INTERVAL 30 DAY, t + INTERVAL 3 MONTH",
        "t - INTERVAL '30' DAY, t + INTERVAL '3' MONTH",
        tuple(f"to_{unit}" for unit in ("seconds", "minutes", "hours", "days", "weeks", "months", "quarters", "years")),
        (
            "last_modified_date < TIMESTAMP '2026-03-31' - INTERVAL 1 MONTH",
            "last_modified_date + INTERVAL 2 WEEK > '2026-02-20'",
            "last_modified_date - (INTERVAL 1 QUARTER + INTERVAL 3 DAY)",
            "CAST(last_modified_date AS DATE) + INTERVAL 36 HOUR",
        ),
        differs="the units: Trino has no weeks and quarters, and months and days are added one after the other",
    ),
    Entry(
        "t - u > INTERVAL 30 DAY",
        "t - u > INTERVAL '30' DAY",
        examples=("TIMESTAMP '2026-03-31' - last_modified_date > INTERVAL 30 DAY",),
        differs="months: 30 days for DuckDB, refused",
    ),
    Entry(
        "date_trunc('unit', t)",
        "date_trunc('unit', t)",
        ("date_trunc", "datetrunc"),
        tuple(
            f"date_trunc('{unit}', last_modified_date)" for unit in ("hour", "day", "week", "month", "quarter", "year")
        ),
    ),
    Entry(
        "date_diff('unit', from, to)",
        "date_diff('unit', date_trunc('unit', from), date_trunc('unit', to))",
        ("date_diff", "datediff"),
        tuple(
            f"date_diff('{unit}', last_modified_date, TIMESTAMP '2026-03-01 06:30:00')"
            for unit in ("minute", "hour", "day", "month", "quarter", "year")
        ),
        differs="DuckDB counts boundaries (midnights), Trino whole units (24 hours); 'week' is refused",
    ),
    Entry(
        "date_sub('unit', from, to)",
        "date_diff('unit', from, to)",
        ("date_sub", "datesub"),
        ("date_sub('day', last_modified_date, TIMESTAMP '2026-03-01 06:30:00')",),
        differs="the name; units above days are refused",
    ),
    Entry(
        "extract(part FROM t), date_part('part', t), year(t), month(t), …",
        "year(t), month(t), …",
        (
            *("date_part", "datepart", "year", "quarter", "month", "week", "day", "hour", "minute", "second", "dow"),
            *("isodow", "doy", "isoyear", "epoch", "dayofweek", "dayofmonth", "dayofyear", "weekofyear", "weekday"),
        ),
        (
            "extract(year FROM last_modified_date) = 2026",
            "date_part('dow', last_modified_date) IN (0, 6)",
            "week(last_modified_date)",
            "hour(last_modified_date) < 6",
            "epoch(last_modified_date)",
            "isodow(last_modified_date)",
            "dayofyear(last_modified_date)",
        ),
        differs="dow: Sunday is 0 for DuckDB, 7 for Trino's day_of_week",
    ),
    Entry(
        "strftime(t, '%Y-%m-%d')",
        "date_format(t, '%Y-%m-%d')",
        ("strftime",),
        ("strftime(last_modified_date, '%Y-%m-%d')", "strftime(last_modified_date, '%H:%M:%S day %j of %y %%')"),
        differs="the marks: %M is minutes for DuckDB, the month's name for Trino; %Y %y %m %d %H %M %S %j are shared",
    ),
    Entry(
        "last_day(t)",
        "last_day_of_month(t)",
        ("last_day",),
        ("last_day(last_modified_date)",),
        differs="the name",
    ),
    Entry("age(t, u)", "", ("age",), refused="write t < u - INTERVAL 30 DAY"),
    Entry(
        "t AT TIME ZONE 'zone'",
        "t AT TIME ZONE 'zone'",
        ("timezone",),
        refused="of a time without a zone they differ",
    ),
    Entry(
        "strptime(s, form)",
        "date_parse(s, form)",
        ("strptime", "try_strptime"),
        refused="compare dates as text",
    ),
    Entry(
        "now(), current_date, …",
        "now(), current_date, …",
        refused="on DuckDB, too: a retry must select the very same objects; $snapshot_time",
    ),
)
_MAPS = (
    Entry(
        "object_tags['team']",
        "element_at(object_tags, 'team')",
        examples=("object_tags['team'] = 'web'", "object_tags['stage'] IS NULL"),
        differs="a key that is not there: NULL for DuckDB, an error for Trino's […]",
    ),
    Entry(
        "map_contains(m, 'team')",
        "contains(map_keys(m), 'team')",
        ("map_contains",),
        ("map_contains(object_tags, 'team')",),
        differs="Trino has none",
    ),
    Entry(
        "list_contains(map_keys(m), 'team')",
        "contains(map_keys(m), 'team')",
        ("map_keys",),
        ("list_contains(map_keys(object_tags), 'stage')",),
    ),
    Entry("cardinality(m)", "cardinality(m)", ("cardinality",), ("cardinality(object_tags) > 1",)),
)
GROUPS: Mapping[str, Sequence[Entry]] = MappingProxyType(
    {"Conditions": _CONDITIONS, "Texts": _TEXTS, "Numbers": _NUMBERS, "Times": _TIMES, "Maps": _MAPS}
)
"""Everything that runs on both engines, and some of what doesn't, by the heading in the documentation."""

CATALOGUE: tuple[Entry, ...] = tuple(entry for entries in GROUPS.values() for entry in entries)


def spellings(name: str) -> Entry | None:
    """Return the entry for the function or operator that DuckDB's tree calls *name*."""
    return next((entry for entry in CATALOGUE if name in entry.names), None)
