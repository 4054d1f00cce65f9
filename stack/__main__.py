"""`python -m stack up | ps | logs | kill | restart | down`."""

from __future__ import annotations

import sys

from stack.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
