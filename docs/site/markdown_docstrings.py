"""
Lets autodoc read this package's docstrings, which are written as Markdown is: code in backticks, fences, tables.

What stands in single backticks is shown as code, and leads to what has that name if the reference has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ROLE = "name"
_FENCE = re.compile(r"^( *)```(\w*)$")
_ROW = re.compile(r"^( *)\|(.*)\|$")
_RULE = re.compile(r"^[\s|:-]+$")
_SINGLE = re.compile(r"(?<![`:\w\\])`([^`\n]+)`(?![`_\w])")
_FIELD = re.compile(r"^(\s*)(\w+): (?=\S)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Serve Sphinx."""
    app.add_role(ROLE, _named)
    app.connect("autodoc-process-docstring", _translate, priority=100)  # before napoleon
    app.connect("missing-reference", _unknown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _translate(_app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    lines[:] = restructured(lines)


def restructured(lines: Sequence[str]) -> list[str]:
    """Return a docstring in Markdown as reStructuredText."""
    out: list[str] = []
    indent: str | None = None
    rest = iter(["Attributes:" if line == "Class attributes:" else line for line in lines])
    for line in rest:
        if fence := _FENCE.match(line):
            if indent is None:
                indent = fence[1]
                out += ["", f"{indent}.. code-block:: {fence[2] or 'text'}", ""]
            else:
                indent = None
                out.append("")
        elif indent is not None:
            out.append(f"   {line}" if line.strip() else "")
        elif row := _ROW.match(line):
            table, after = _rows(row, rest)
            out += table
            if after is not None:
                out.append(_inline(after))
        else:
            out.append(_inline(line))
    return out


def _rows(first: re.Match[str], rest: Iterator[str]) -> tuple[list[str], str | None]:
    """Return the table that begins with *first* as a list table, and the line behind it."""
    rows, after = [first[2]], None
    for line in rest:
        if row := _ROW.match(line):
            rows.append(row[2])
        else:
            after = line
            break
    indent = first[1]
    out = ["", f"{indent}.. list-table::", f"{indent}   :header-rows: 1", ""]
    for row in rows:
        if _RULE.match(row):
            continue
        for number, cell in enumerate(re.split(r"(?<!\\)\|", row)):
            out.append(f"{indent}   {'* -' if number == 0 else '  -'} {_inline(cell.strip())}".rstrip())
    return [*out, ""], after


def _inline(line: str) -> str:
    return _SINGLE.sub(rf":{ROLE}:`\1`", line)


def _named(
    _role: str, rawtext: str, text: str, _line: int, inliner: Any, *_: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Make of a name code that leads to what is called so."""
    literal = nodes.literal(rawtext, text, classes=["xref", "py", "py-obj"])
    target = text.removesuffix("()")
    if not re.fullmatch(r"[\w.]+", target):
        return [nodes.literal(rawtext, text)], []
    node = addnodes.pending_xref(
        rawtext, literal, refdomain="py", reftype="obj", reftarget=target, refspecific=True, refexplicit=False
    )
    context = inliner.document.settings.env.ref_context
    node["py:module"], node["py:class"] = context.get("py:module"), context.get("py:class")
    return [node], []


def _unknown(_app: Sphinx, _env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement) -> Any:
    """Show names of Python that the reference does not have without a link: those of others, and of inner parts."""
    return content if node.get("refdomain") == "py" else None
