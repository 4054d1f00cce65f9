"""Who uses SeaweedFS in the tests of this folder, and how they make buckets."""

from __future__ import annotations

from collections.abc import Callable

from airflow_s3batch.testing.servers import Identity

READER = Identity("reader", "s3batch-reader", "s3batch-reader-secret", ("Read", "List"))
"""May read and list everything and change nothing."""

STRANGER = Identity("stranger", "s3batch-stranger", "s3batch-stranger-secret", ("Read:nowhere",))
"""May do nothing with any bucket that a test makes."""

DEPUTY = Identity("deputy", "s3batch-deputy", "s3batch-deputy-secret")
"""May do everything, as the server's own user."""

BucketFactory = Callable[..., str]
