"""Makes `index.html` at the root of the site, which leads to the first page: pages lie in the repository's folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<meta http-equiv="refresh" content="0; url={target}">
<a href="{target}">{title}</a>
</html>
"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Serve Sphinx."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        target = app.builder.get_target_uri(app.config.root_doc)
        Path(app.outdir, "index.html").write_text(_PAGE.format(title=app.config.html_title, target=target))
