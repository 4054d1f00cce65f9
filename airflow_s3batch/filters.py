"""
Conditions for ``where=``, to be combined: ``all_of(current_versions(), older_than(pendulum.duration(months=3)))``.

Each returns SQL, so they go together with SQL of your own; see ``docs/filters.md``.
"""

from airflow_s3batch.manifests.sql.phrases import (
    all_of,
    any_of,
    current_versions,
    in_storage_class,
    larger_than,
    noncurrent_versions,
    none_of,
    older_than,
    smaller_than,
    under,
    unencrypted,
    with_suffix,
    younger_than,
)

__all__ = [
    "all_of",
    "any_of",
    "current_versions",
    "in_storage_class",
    "larger_than",
    "noncurrent_versions",
    "none_of",
    "older_than",
    "smaller_than",
    "under",
    "unencrypted",
    "with_suffix",
    "younger_than",
]
