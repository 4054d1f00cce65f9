"""
`python docs/screenshots.py [FOLDER] [NAME …]`: the pictures of docs/ui.md and docs/approval.md, all or those named.

They show a real Airflow API server on a database seeded with jobs in every state; nothing but the loopback interface
is used. Needs Chromium, and what the tests of the page need.
"""

from __future__ import annotations

import contextlib
import io
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent), str(DOCS.parent / "tests" / "ui")]

from airflow_site import Site, airflow_site  # noqa: E402
from approval_question import ask  # noqa: E402
from browsing import Visit, running_browser, settle  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, Page  # noqa: E402

COLOURS = 256
DRAWN_MS = 700
FRAME = "iframe"


class Shot(NamedTuple):
    """
    One picture.

    Attributes:
        address: what is shown, by site.
        width: of the window; *height* 0 is as high as the page.
        inside: an element of Airflow's page to wait for, within its frame.
    """

    name: str
    address: Callable[[Site], str]
    dark: bool = False
    width: int = 1280
    height: int = 0
    inside: str = ""


def run_tab(name: str) -> Callable[[Site], str]:
    """Return the address of the tab on the run of the seeded job *name*."""

    def address(site: Site) -> str:
        place = site.places[name]
        return f"{site.airflow}dags/{place.dag_id}/runs/{quote(place.run_id, safe='')}/plugin/s3-batch-run"

    return address


def asked(name: str) -> Callable[[Site], str]:
    """Return the address of the question that the seeded job *name* asks people."""

    def address(site: Site) -> str:
        place = site.places[name]
        run = quote(place.run_id, safe="")
        return f"{site.airflow}dags/{place.dag_id}/runs/{run}/tasks/expire.approve/required_actions"

    return address


def job(name: str) -> Callable[[Site], str]:
    """Return the address of the page of the seeded job *name*."""
    return lambda site: site.job_page(name)


def jobs(site: Site) -> str:
    """Return the address of the page of all jobs."""
    return f"{site.page}?size=10"


SHOTS = (
    Shot("jobs-light", jobs),
    Shot("jobs-dark", jobs, dark=True),
    Shot("failed-light", job("failed")),
    Shot("running-dark", job("running"), dark=True),
    Shot("million-dark", job("million"), dark=True, height=1500),
    Shot("paused-dark", job("paused"), dark=True),
    Shot("approval-light", job("awaiting_approval")),
    Shot("question-light", asked("awaiting_approval"), height=1150),
    Shot("refused-light", job("refused")),
    Shot("hostile-keys-light", job("attacked")),
    Shot("narrow-dark", job("failed"), dark=True, width=390, height=1500),
    Shot("tab-light", run_tab("failed"), width=1440, height=900, inside=".job-head"),
    Shot("tab-dark", run_tab("running"), dark=True, width=1440, height=900, inside=".chart canvas"),
)


def main(folder: Path, names: Collection[str] = ()) -> None:
    """Take all pictures, or those of *names*, into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="s3batch-shots-") as home,
        running_browser() as browser,
        airflow_site(Path(home), many=3) as site,
    ):
        ask(site.home)
        token = site.token()
        for shot in (each for each in SHOTS if not names or each.name in names):
            with contextlib.nullcontext() if shot.name.startswith("hostile") else _tame(site):
                picture = _taken(browser, site, token, shot)
            path = folder / f"ui-{shot.name}.png"
            path.write_bytes(picture)
            print(f"{path}: {len(picture):,} bytes")  # noqa: T201 - it is a command


@contextlib.contextmanager
def _tame(site: Site) -> Iterator[None]:
    """Hide the attacked job: its figures are no good example."""
    columns = (("xcom", "key"), ("task_instance", "operator"))
    with contextlib.closing(sqlite3.connect(site.home / "airflow.db", timeout=20)) as database:
        for table, column in columns:
            database.execute(f"UPDATE {table} SET {column} = 'hidden ' || {column} WHERE dag_id = 'attacked'")
        database.commit()
        yield
        for table, column in columns:
            database.execute(f"UPDATE {table} SET {column} = substr({column}, 8) WHERE dag_id = 'attacked'")
        database.commit()


def _taken(browser: Browser, site: Site, token: str, shot: Shot) -> bytes:
    mode = "dark" if shot.dark else "light"
    size = {"width": shot.width, "height": shot.height or 800}
    with browser.new_context(viewport=size, color_scheme=mode, timezone_id="UTC", reduced_motion="reduce") as context:  # type: ignore[arg-type]
        context.add_cookies([{"name": "_token", "value": token, "url": site.airflow}])
        context.add_init_script(f"localStorage.setItem('theme', '{mode}')")
        page = Visit(context, site).page
        page.goto(shot.address(site))
        _wait(page, shot)
        return _small(page.screenshot(full_page=not shot.height))


def _wait(page: Page, shot: Shot) -> None:
    if shot.name.startswith("question"):
        page.get_by_text("This loses data for good").wait_for()
    elif shot.inside:
        page.frame_locator(FRAME).locator(shot.inside).first.wait_for()
    else:
        settle(page)
    page.wait_for_timeout(DRAWN_MS)


def _small(picture: bytes) -> bytes:
    """Return the picture with few colours, which is a third of the size and looks the same."""
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(
        COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    ).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "images", sys.argv[2:])
