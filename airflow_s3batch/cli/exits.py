"""What the exit code of a command tells a script."""

from __future__ import annotations

GREEN = 0
"""Done; where the question was whether a job is green: it is."""
RED = 1
"""The job is not green."""
USAGE = 2
"""The arguments are wrong."""
UNREACHABLE = 3
"""There is no such job, report or file, or the store does not let us, or does not answer."""
INTERRUPTED = 130
"""Ctrl-C, as a shell tells it."""
BROKEN_PIPE = 141
"""Who read the output has gone, as a shell tells it."""
