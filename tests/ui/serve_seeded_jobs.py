"""`python serve_seeded_jobs.py FOLDER SHARDS MANY` seeds the database, then is `airflow api-server`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

PLACES = "places.json"


def main(folder: Path, shards: int, many: int) -> None:
    """Seed, write to *folder* where what is, and serve."""
    from seeded_jobs import prepare, seed

    prepare()
    places = seed(shards=shards, many=many)
    folder.joinpath(PLACES).write_text(json.dumps(places))
    sys.argv = ["airflow", "api-server", "--workers", "1"]
    from airflow.__main__ import main as airflow

    airflow()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
