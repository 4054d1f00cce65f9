"""How DuckDB's functions over times are spelled in Trino so that they give the same. Times are UTC, without a zone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from airflow_s3batch.manifests.sql import sqltree
from airflow_s3batch.manifests.sql.quoting import quoted
from airflow_s3batch.manifests.sql.trino_values import TIMES, Call, Span, Value, timestamp_value

_TIME = "|".join(TIMES)
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400, "weeks": 604_800}
_MONTHS = {"months": 1, "quarters": 3, "years": 12}
_UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
_DIFF_UNITS = ("second", "minute", "hour", "day", "month", "quarter", "year")
_EXACT_UNITS = ("second", "minute", "hour", "day")
_PARTS = {
    "year": "year({})",
    "quarter": "quarter({})",
    "month": "month({})",
    "week": "week({})",
    "day": "day({})",
    "hour": "hour({})",
    "minute": "minute({})",
    "second": "second({})",
    "dow": "(day_of_week({}) % 7)",
    "isodow": "day_of_week({})",
    "doy": "day_of_year({})",
    "isoyear": "year_of_week({})",
    "epoch": "to_unixtime(with_timezone({}, 'UTC'))",
}
_PART_NAMES = {"dayofweek": "dow", "dayofmonth": "day", "dayofyear": "doy", "weekofyear": "week", "weekday": "dow"}
_FORMATS = {"Y": "%Y", "y": "%y", "m": "%m", "d": "%d", "H": "%H", "M": "%i", "S": "%s", "j": "%j", "%": "%%"}


def span_value(span: Span) -> Value:
    """Return a literal interval; one of months and seconds has no SQL of its own, and can only be added to a time."""
    sql = ""
    if not span.months:
        days, rest = divmod(abs(span.seconds), 86_400)
        sign = "-" if span.seconds < 0 else ""
        sql = f"INTERVAL '{sign}{abs(span.seconds)}' SECOND" if rest else f"INTERVAL '{sign}{days}' DAY"
    return Value(sql, "interval", span=span)


def _unit_function(call: Call) -> Value:
    number = _whole_number(call)
    unit = call.name.removeprefix("to_")
    span = Span(number * _MONTHS[unit]) if unit in _MONTHS else Span(0, number * _SECONDS[unit])
    return span_value(span)


def _whole_number(call: Call) -> int:
    """Return the number of ``INTERVAL 3 DAY``, which is parsed as ``to_days(CAST(trunc(CAST(3 AS DOUBLE)) AS …))``."""
    node = call.nodes[0]
    while node["class"] == "CAST" or (node["class"] == "FUNCTION" and node["function_name"] == "trunc"):
        (node,) = [child for child in sqltree.children_of(node) if child["class"] != "TYPE"]
    number = sqltree.number_of(node)
    if number is None or int(number) != number:
        call.refuse("the number of units has to be a literal whole number: INTERVAL 30 DAY")
    return int(number)


def moved(call: Call) -> Value | None:
    """Return what ``+`` and ``-`` give where an interval takes part or two times do; ``None`` if they are numbers."""
    values = [call.translated(node) for node in call.nodes]
    kinds = [value.kind for value in values]
    if len(values) == 1:
        span = values[0].span
        return span_value(Span(-span.months, -span.seconds)) if span and call.name == "-" else None
    if kinds == ["timestamp", "timestamp"] and call.name == "-":
        return Value(f"({values[0].sql} - {values[1].sql})", "interval")
    left, right = reversed(values) if kinds[0] == "interval" and call.name == "+" else values
    if right.kind != "interval":
        if set(kinds) & set(TIMES):
            call.refuse("of times only an INTERVAL can be added or taken, and a timestamp from a timestamp")
        return None
    if right.span is None:
        call.refuse("the INTERVAL has to be a literal")
    if left.span is not None:
        sign = -1 if call.name == "-" else 1
        return span_value(Span(*(one + sign * other for one, other in zip(left.span, right.span, strict=True))))
    return Value(_added(call, left, right.span), "timestamp")


def _added(call: Call, left: Value, span: Span) -> str:
    if left.kind == "text" and left.text is not None:
        left = timestamp_value(left.text) or left
    if left.kind not in (*TIMES, "null"):
        call.refuse(f"an INTERVAL can be added to a time, not to a {left.kind}")
    time = f"CAST({left.sql} AS timestamp(3))" if left.kind == "date" else left.sql
    for part in (Span(span.months), Span(0, span.seconds)):
        if part.months or part.seconds:
            shown = f"INTERVAL '{part.months}' MONTH" if part.months else span_value(part).sql
            time = f"({time} {call.name} {shown})"
    return time


def _unit(call: Call, value: Value, units: tuple[str, ...]) -> str:
    unit = (value.text or "").lower()
    unit = unit[:-1] if unit.endswith("s") and unit[:-1] in units else unit
    if unit not in units:
        call.refuse(f"its unit has to be one of {', '.join(units)}, as a literal")
    return unit


def _truncated(call: Call) -> Value:
    unit, time = call.values("text", _TIME)
    return Value(f"date_trunc({quoted(_unit(call, unit, _UNITS))}, {_as_timestamp(time)})", "timestamp")


def _boundaries(call: Call) -> Value:
    """Count as DuckDB does: how many boundaries lie between, where Trino counts how many whole units do."""
    unit, *times = call.values("text", _TIME, _TIME)
    name = quoted(_unit(call, unit, _DIFF_UNITS))
    start, end = (f"date_trunc({name}, {_as_timestamp(time)})" for time in times)
    return Value(f"date_diff({name}, {start}, {end})", "integer")


def _whole_units(call: Call) -> Value:
    unit, *times = call.values("text", _TIME, _TIME)
    name = quoted(_unit(call, unit, _EXACT_UNITS))
    start, end = map(_as_timestamp, times)
    return Value(f"date_diff({name}, {start}, {end})", "integer")


def _part(call: Call) -> Value:
    name, time = call.values("text", _TIME)
    part = (name.text or "").lower()
    return _part_of(call, part[:-1] if part.endswith("s") and part[:-1] in _PARTS else part, time)


def _part_function(part: str) -> Callable[[Call], Value]:
    def rule(call: Call) -> Value:
        (time,) = call.values(_TIME)
        return _part_of(call, part, time)

    return rule


def _part_of(call: Call, part: str, time: Value) -> Value:
    part = _PART_NAMES.get(part, part)
    if part not in _PARTS:
        call.refuse(f"the part has to be one of {', '.join(_PARTS)}, as a literal")
    return Value(_PARTS[part].format(_as_timestamp(time)), "double" if part == "epoch" else "integer")


def _formatted(call: Call) -> Value:
    first, second = call.values(f"text|{_TIME}", f"text|{_TIME}")
    time, form = (second, first) if first.kind == "text" else (first, second)
    text = call.literal(form, "format")
    if unknown := [mark for mark in re.findall("%(.?)", text, re.DOTALL) if mark not in _FORMATS]:
        call.refuse(f"of its format '%{unknown[0]}' is not shared; it may have %{', %'.join(_FORMATS)}")
    mysql = re.sub("%(.)", lambda match: _FORMATS[match[1]], text)
    return Value(f"date_format({_as_timestamp(time)}, {quoted(mysql)})", "text")


def _last_day(call: Call) -> Value:
    (time,) = call.values(_TIME)
    return Value(f"last_day_of_month({time.sql})", "date")


def _as_timestamp(time: Value) -> str:
    return f"CAST({time.sql} AS timestamp(3))" if time.kind == "date" else time.sql


TIME_FUNCTIONS: Mapping[str, Callable[[Call], Value]] = MappingProxyType(
    {
        **dict.fromkeys((f"to_{unit}" for unit in (*_SECONDS, *_MONTHS)), _unit_function),
        **dict.fromkeys(("date_trunc", "datetrunc"), _truncated),
        **dict.fromkeys(("date_diff", "datediff"), _boundaries),
        **dict.fromkeys(("date_sub", "datesub"), _whole_units),
        **dict.fromkeys(("date_part", "datepart"), _part),
        **{name: _part_function(name) for name in (*_PARTS, *_PART_NAMES)},
        "strftime": _formatted,
        "last_day": _last_day,
    }
)
"""Rules by the name that a function has in DuckDB's tree."""
