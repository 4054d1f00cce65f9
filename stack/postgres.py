"""
`python -m stack.postgres`, in place of the entry point of PostgreSQL's image: make the database once, run the server.

Root becomes the user ``postgres`` first, because PostgreSQL does not run as root. ``PGDATA``, ``PGPORT`` and the
image's variables ``POSTGRES_USER``, ``POSTGRES_PASSWORD`` and ``POSTGRES_DB`` say what is wanted.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from demo.processes import die_with_parent
from stack.images import POSTGRES_USER


def main() -> None:
    """Become the server."""
    data = Path(os.environ["PGDATA"])
    if os.geteuid() == 0:
        _become_postgres(data.parent)
    if not data.exists():
        _make(data)
    server = ["postgres", "-D", str(data), "-h", "127.0.0.1", "-p", os.environ["PGPORT"], "-k", ""]
    os.execvp(server[0], server)


def _become_postgres(folder: Path) -> None:
    user = pwd.getpwnam(POSTGRES_USER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    os.chdir(folder)
    os.initgroups(POSTGRES_USER, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ |= {"HOME": user.pw_dir, "USER": POSTGRES_USER}
    die_with_parent()  # the kernel forgets it when the user changes


def _make(data: Path) -> None:
    """Make the database; one that was interrupted leaves nothing at *data*."""
    begun = data.with_name("data.begun")
    shutil.rmtree(begun, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", dir=data.parent) as password:
        password.write(os.environ["POSTGRES_PASSWORD"])
        password.flush()
        user = f"--username={os.environ['POSTGRES_USER']}"
        options = [f"--pwfile={password.name}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run(["initdb", f"--pgdata={begun}", user, *options], check=True)
    name = os.environ["POSTGRES_DB"].replace('"', '""')
    statement = f'CREATE DATABASE "{name}";\n'
    subprocess.run(["postgres", "--single", "-D", str(begun), "postgres"], input=statement.encode(), check=True)
    begun.rename(data)


if __name__ == "__main__":
    main()
