"""`python -m airflow_s3batch.testing`: an S3 on this machine to try jobs on, until it is interrupted."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from airflow_s3batch.testing.playground import environment, furnish
from airflow_s3batch.testing.servers import ServerMissingError, seaweedfs

ENV_FILE = Path("s3.env")
WELCOME = """\
An S3 (SeaweedFS) is at {endpoint}, for this machine only:

  s3://prod-lake           290 objects; s3://inventories/prod-lake/daily is an inventory of them
  s3://versions-lake       10 keys of 5 versions; s3://inventories/versions-lake/daily
  s3://locked-lake         12 keys of 2 versions, with Object Lock; s3://inventories/locked-lake/daily
  s3://analytics-archive   empty
  s3://ops                 empty, for the files of jobs

In another terminal, so that boto3, s3batch and Airflow find it:

  source {file}

Ctrl-C ends it; its objects are gone then."""


def main(arguments: list[str]) -> int:
    """Run until SIGINT or SIGTERM; return the exit code: 1 if SeaweedFS is not installed."""
    parser = argparse.ArgumentParser(prog="python -m airflow_s3batch.testing", description=__doc__)
    parser.add_argument("--env", type=Path, default=ENV_FILE, help="file to write that tells how to reach it (s3.env)")
    file = parser.parse_args(arguments).env
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that starts it in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        _serve(file)
    except KeyboardInterrupt:
        sys.stdout.write("\nEnded.\n")
    except ServerMissingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _serve(file: Path) -> None:
    with seaweedfs() as server:
        furnish(server)
        # For its owner alone: it holds a secret, if only of a server that no other machine reaches.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(environment(server))
        try:
            sys.stdout.write(WELCOME.format(endpoint=server.endpoint_url, file=file) + "\n")
            sys.stdout.flush()
            signal.pause()
        finally:
            file.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
