"""Names of Athena's tables, as people write them: ``inventories``, ``lake.inventories``, ``"catalog"."lake"."t"``."""

from __future__ import annotations

import re
from typing import NamedTuple

from airflow_s3batch.core.errors import ArgumentError

GLUE_CATALOG = "AwsDataCatalog"
METADATA_CATALOG = "s3tablescatalog/aws-s3"
"""Catalog of the table bucket in which S3 Metadata keeps its tables."""

_PART = r'"(?:[^"]|"")+"|[^".\s]+'
_NAME = re.compile(rf"\s*(?:{_PART})(?:\.(?:{_PART})){{0,2}}\s*")


class TableName(NamedTuple):
    """A table's full name."""

    catalog: str
    database: str
    table: str

    @classmethod
    def parse(cls, text: str, *, database: str = "default", catalog: str = GLUE_CATALOG) -> TableName:
        """
        Return the name that *text* is; *database* and *catalog* are taken for what it leaves out.

        Raises:
            ArgumentError: *text* is no name of a table.
        """
        if not isinstance(text, str) or not _NAME.fullmatch(text):
            raise ArgumentError(
                f"table={text!r} is not the name of a table; write inventories, lake.inventories, "
                'or "s3tablescatalog/aws-s3"."b_my-bucket"."inventory"'
            )
        parts = [_plain(part) for part in re.findall(_PART, text)]
        return cls(*[catalog, database][: 3 - len(parts)], *parts)

    @property
    def is_in_glue(self) -> bool:
        """Whether it is in the account's own Glue catalog."""
        return self.catalog.lower() == GLUE_CATALOG.lower()

    @property
    def is_metadata(self) -> bool:
        """Whether it is one of S3 Metadata's own tables."""
        return self.catalog.lower() == METADATA_CATALOG

    def __str__(self) -> str:
        return ".".join(self[1:] if self.is_in_glue else self)

    def sql(self) -> str:
        """Return the name as a query spells it."""
        parts = self[1:] if self.is_in_glue else self
        return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def _plain(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
