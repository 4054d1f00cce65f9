"""What all suites share."""

from __future__ import annotations

import functools

import botocore.session

# Each session of boto3 reads the description of S3 anew, which takes an eighth of a second for its first client; tests
# make thousands of sessions, and what is read is the same each time.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)
