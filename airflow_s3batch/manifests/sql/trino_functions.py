"""How DuckDB's functions over texts, numbers, maps and lists are spelled in Trino so that they give the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from airflow_s3batch.manifests.sql import sqltree
from airflow_s3batch.manifests.sql.quoting import quoted
from airflow_s3batch.manifests.sql.regexps import in_java_syntax
from airflow_s3batch.manifests.sql.trino_values import NUMBERS, Call, Value, one_kind

Rule = Callable[[Call], Value]

_NUMBER = "|".join(NUMBERS)
_LIST = "list"


def _plain(trino: str, gives: str, *takes: str) -> Rule:
    """Return the rule for a function that is *trino* with the same arguments; it gives what it takes where ``""``."""

    def rule(call: Call) -> Value:
        values = call.values(*takes)
        return Value(f"{trino}({', '.join(value.sql for value in values)})", gives or values[0].kind)

    return rule


def _upper(call: Call) -> Value:
    """Java has no capital for 'ß', DuckDB has; of other single letters both go by Unicode's simple mapping."""
    (text,) = call.values("text")
    return Value(f"replace(upper({text.sql}), 'ß', 'ẞ')", "text")


def _bytes_of(call: Call) -> Value:
    (text,) = call.values("text")
    return Value(f"length(to_utf8({text.sql}))", "integer")


def _digest(trino: str) -> Rule:
    def rule(call: Call) -> Value:
        (text,) = call.values("text")
        return Value(f"lower(to_hex({trino}(to_utf8({text.sql}))))", "text")

    return rule


def _substring(call: Call) -> Value:
    text, *positions = call.values("text", *["integer"] * (len(call.nodes) - 1 or 1))
    call.position(positions[0], "position", 1)
    if len(positions) > 1:
        call.position(positions[1], "length", 0)
    return Value(f"substr({', '.join(value.sql for value in (text, *positions))})", "text")


def _left(call: Call) -> Value:
    text, number = call.values("text", "integer")
    call.position(number, "number", 0)
    return Value(f"substr({text.sql}, 1, {number.sql})", "text")


def _right(call: Call) -> Value:
    text, number = call.values("text", "integer")
    length = call.position(number, "number", 1)
    whole = f"WHEN length({text.sql}) <= {length} THEN {text.sql}"
    return Value(f"CASE {whole} ELSE substr({text.sql}, -{length}) END", "text")


def _split_part(call: Call) -> Value:
    text, separator, number = call.values("text", "text", "integer")
    call.literal(separator, "separator")
    if not number.number:
        call.refuse("the number of the part has to be a literal from 1 on, or from -1 down")
    part = f"split_part({text.sql}, {separator.sql}, {number.sql})"
    if number.number < 0:
        part = f"element_at(split({text.sql}, {separator.sql}), {number.number})"
    return Value(f"CASE WHEN {text.sql} IS NOT NULL THEN COALESCE({part}, '') END", "text")


def _split(call: Call) -> Value:
    text, separator = call.values("text", "text")
    call.literal(separator, "separator")
    return Value(f"split({text.sql}, {separator.sql})", _LIST)


def _ends_with(call: Call) -> Value:
    text, end = call.values("text", "text")
    length = len(call.literal(end, "end"))
    return Value(f"(length({text.sql}) >= {length} AND substr({text.sql}, -{length}) = {end.sql})", "boolean")


def _contains(call: Call) -> Value:
    first, second = call.values("text|list", f"text|{_NUMBER}|date|timestamp")
    if first.kind == "text":
        (text, part) = (first, second)
        if part.kind not in ("text", "null"):
            call.refuse(f"looks for a text in a text, not for a {part.kind}")
        return Value(f"(strpos({text.sql}, {part.sql}) > 0)", "boolean")
    if first.items is None:
        return Value(f"contains({first.sql}, {second.sql})", "boolean")
    if not first.items:
        return Value(f"CASE WHEN {second.sql} IS NOT NULL THEN FALSE END", "boolean")
    (wanted, *items), _ = one_kind(call.name, [second, *first.items])
    return Value(f"({wanted.sql} IN ({', '.join(item.sql for item in items)}))", "boolean")


def _replace(call: Call) -> Value:
    text, old, new = call.values("text", "text", "text")
    call.literal(old, "text to replace")
    return Value(f"replace({text.sql}, {old.sql}, {new.sql})", "text")


def _trim(side: str) -> Rule:
    def rule(call: Call) -> Value:
        if len(call.nodes) == 1:
            call.refuse("which characters are white space differs; name one: trim(key, ' ')")
        text, mark = call.values("text", "text")
        if len(call.literal(mark, "character to trim")) != 1:
            call.refuse("it has to be a single character")
        return Value(f"trim({side} {mark.sql} FROM {text.sql})", "text")

    return rule


def _as_text(call: Call, value: Value) -> str:
    if value.kind in ("text", "null"):
        return value.sql
    if value.kind in ("integer", "boolean", "date"):
        return f"CAST({value.sql} AS varchar)"
    return call.refuse(f"a {value.kind} reads otherwise as text; make it one first, for example with strftime()")


def _joined(call: Call) -> Value:
    left, right = (_as_text(call, call.translated(node)) for node in call.nodes)
    return Value(f"({left} || {right})", "text")


def _concat(call: Call) -> Value:
    parts = [f"COALESCE({_as_text(call, call.translated(node))}, '')" for node in call.nodes]
    return Value(f"concat({', '.join(parts if len(parts) > 1 else [*parts, quoted('')])})", "text")


def _concat_ws(call: Call) -> Value:
    parts = [_as_text(call, call.translated(node)) for node in call.nodes]
    if len(parts) < 2:
        call.refuse("without texts it is not in the catalogue")
    return Value(f"concat_ws({', '.join(parts)})", "text")


def _pattern(call: Call, value: Value) -> str:
    try:
        return in_java_syntax(call.literal(value, "pattern"))
    except ValueError as error:
        call.refuse(f"of regular expressions only what RE2 and Java share may be used: {error}")


def _regexp_matches(call: Call) -> Value:
    text, pattern, *options = call.values(*["text"] * max(2, min(3, len(call.nodes))))
    java = _pattern(call, pattern)
    if options and options[0].text not in ("i", "c"):
        call.refuse("of its options only 'i' is shared")
    java = f"(?i){java}" if options and options[0].text == "i" else java
    return Value(f"regexp_like({text.sql}, {quoted(java)})", "boolean")


def _regexp_full_match(call: Call) -> Value:
    text, pattern = call.values("text", "text")
    whole = f"\\A(?:{_pattern(call, pattern)})\\z"
    return Value(f"regexp_like({text.sql}, {quoted(whole)})", "boolean")


def _regexp_extract(call: Call) -> Value:
    text, pattern, *group = call.values("text", "text", *["integer"] * (len(call.nodes) == 3))
    number = call.position(group[0], "group", 0) if group else 0
    found = f"regexp_extract({text.sql}, {quoted(_pattern(call, pattern))}, {number})"
    return Value(f"CASE WHEN {text.sql} IS NOT NULL THEN COALESCE({found}, '') END", "text")


def _like(*, is_negated: bool = False, ignores_case: bool = False) -> Rule:
    def rule(call: Call) -> Value:
        text, pattern, *escape = call.values(*["text"] * max(2, min(3, len(call.nodes))))
        sides = [f"lower({value.sql})" if ignores_case else value.sql for value in (text, pattern)]
        ending = f" ESCAPE {escape[0].sql}" if escape else ""
        if escape:
            _check_escapes(call, pattern, escape[0], ignores_case=ignores_case)
        return Value(f"({sides[0]} {'NOT ' * is_negated}LIKE {sides[1]}{ending})", "boolean")

    return rule


def _check_escapes(call: Call, pattern: Value, escape: Value, *, ignores_case: bool) -> None:
    mark = call.literal(escape, "escape character")
    text = call.literal(pattern, "pattern with ESCAPE")
    if len(mark) != 1 or (ignores_case and mark.lower() != mark):
        call.refuse("the escape has to be one character, and not a capital letter")
    rest = text.replace(mark * 2, "")
    if any(after not in ("%", "_") for after in (rest + " ").split(mark)[1:] for after in after[:1] or " "):
        call.refuse(f"{mark!r} may stand before '%', '_' and itself only")


def _arithmetic(call: Call) -> Value:
    values = call.values(*[_NUMBER] * len(call.nodes))
    if len(values) == 1:
        return Value(f"(-{values[0].sql})" if call.name == "-" else values[0].sql, values[0].kind)
    _, kind = one_kind(call.name, values)
    return Value(f"({values[0].sql} {call.name} {values[1].sql})", kind)


def _divided(call: Call) -> Value:
    over, under = call.values(_NUMBER, _NUMBER)
    _check_divisor(call)
    return Value(f"(CAST({over.sql} AS double) / CAST({under.sql} AS double))", "double")


def _whole_part(operator: str) -> Rule:
    def rule(call: Call) -> Value:
        over, under = call.values("integer", "integer")
        _check_divisor(call)
        return Value(f"({over.sql} {operator} {under.sql})", "integer")

    return rule


def _check_divisor(call: Call) -> None:
    """Refuse what may be zero: DuckDB gives infinity, NULL or an error, by version; Trino does otherwise."""
    node = call.nodes[1]
    if node["class"] == "FUNCTION" and str(node["function_name"]).lower() == "nullif":
        return
    if node["class"] == "CAST":
        node = node["child"]
    number = sqltree.number_of(node)
    if number is None or float(number) == 0:
        call.refuse("what it divides by may be zero; write nullif(…, 0) around it")


def _extreme(call: Call) -> Value:
    """Compare in pairs, because Trino's give NULL as soon as one is NULL."""
    values, kind = one_kind(call.name, [call.translated(node) for node in call.nodes])
    if kind not in (*NUMBERS, "text", "date", "timestamp"):
        call.refuse(f"of {kind} it is not in the catalogue")
    found = values[0].sql
    for value in values[1:]:
        found = f"COALESCE({call.name}({found}, {value.sql}), {found}, {value.sql})"
    return Value(found, kind)


def _nullif(call: Call) -> Value:
    (left, right), kind = one_kind(call.name, [call.translated(node) for node in call.nodes])
    return Value(f"nullif({left.sql}, {right.sql})", left.kind if left.kind != "null" else kind)


def _list_value(call: Call) -> Value:
    items, _ = one_kind("list", [call.translated(node) for node in call.nodes])
    return Value(f"ARRAY[{', '.join(item.sql for item in items)}]", _LIST, items=tuple(items))


def _has_key(call: Call) -> Value:
    found, key = call.values("map", "text")
    return Value(f"contains(map_keys({found.sql}), {key.sql})", "boolean")


FUNCTIONS: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(("lower", "lcase"), _plain("lower", "text", "text")),
        **dict.fromkeys(("upper", "ucase"), _upper),
        **dict.fromkeys(("length", "len", "char_length", "character_length"), _plain("length", "integer", "text")),
        "strlen": _bytes_of,
        "md5": _digest("md5"),
        "sha256": _digest("sha256"),
        **dict.fromkeys(("substr", "substring"), _substring),
        "left": _left,
        "right": _right,
        "split_part": _split_part,
        **dict.fromkeys(("string_split", "str_split", "split", "string_to_array"), _split),
        **dict.fromkeys(("starts_with", "prefix", "^@"), _plain("starts_with", "boolean", "text", "text")),
        **dict.fromkeys(("ends_with", "suffix"), _ends_with),
        **dict.fromkeys(("contains", "list_contains", "list_has", "array_contains", "array_has"), _contains),
        **dict.fromkeys(("strpos", "instr", "position"), _plain("strpos", "integer", "text", "text")),
        "replace": _replace,
        "trim": _trim("BOTH"),
        "ltrim": _trim("LEADING"),
        "rtrim": _trim("TRAILING"),
        "||": _joined,
        "concat": _concat,
        "concat_ws": _concat_ws,
        "regexp_matches": _regexp_matches,
        "regexp_full_match": _regexp_full_match,
        "regexp_extract": _regexp_extract,
        "~~": _like(),
        "!~~": _like(is_negated=True),
        "~~*": _like(ignores_case=True),
        "!~~*": _like(is_negated=True, ignores_case=True),
        "like_escape": _like(),
        "not_like_escape": _like(is_negated=True),
        "ilike_escape": _like(ignores_case=True),
        "not_ilike_escape": _like(is_negated=True, ignores_case=True),
        **dict.fromkeys(("+", "-", "*"), _arithmetic),
        "/": _divided,
        "//": _whole_part("/"),
        **dict.fromkeys(("%", "mod"), _whole_part("%")),
        "abs": _plain("abs", "", _NUMBER),
        "floor": _plain("floor", "", _NUMBER),
        **dict.fromkeys(("ceil", "ceiling"), _plain("ceil", "", _NUMBER)),
        "round": _plain("round", "", _NUMBER),
        "trunc": _plain("truncate", "", _NUMBER),
        **dict.fromkeys(("greatest", "least"), _extreme),
        "nullif": _nullif,
        "list_value": _list_value,
        "cardinality": _plain("cardinality", "integer", "map"),
        "map_keys": _plain("map_keys", _LIST, "map"),
        "map_contains": _has_key,
    }
)
"""Rules by the name that a function or operator has in DuckDB's tree."""
