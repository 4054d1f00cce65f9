"""The example in the emulator's documentation runs as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from airflow_s3batch.testing import Server

DOCS = Path(__file__).parents[2] / "docs" / "emulator.md"


def test_the_complete_test_of_the_documentation_passes(seaweedfs: Server, tmp_path: Path) -> None:
    """In a process of its own; the fixture skips it where there is no server."""
    assert seaweedfs.pid
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "test_example.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(DOCS.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
