"""`python -m demo [ui]`."""

from __future__ import annotations

import sys

from demo.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
