"""CSV manifests: AWS's form, or any CSV files with a key and, unless all are in one, a bucket in each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from airflow_s3batch.core.errors import InventoryError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sources.csv.columns import Asked, Layout, layout_of
from airflow_s3batch.manifests.sources.csv.heads import read_head
from airflow_s3batch.manifests.sources.dataset import CsvForm, DataFile, Dataset, Found, Place
from airflow_s3batch.manifests.sources.dataset_json import pin_datasets, read_datasets
from airflow_s3batch.manifests.sources.file_list import check_unchanged, files_at, url_problems
from airflow_s3batch.manifests.sources.looks import look_at_all
from airflow_s3batch.manifests.sources.row_values import (
    IGNORED,
    KEY_SPELLINGS,
    column_names,
    column_problems,
    csv_values,
    empty_version_problems,
    supplied_values,
)

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import StoredFile

_NO_DELIMITERS = frozenset({'"', "\n", "\r", "\0", ""})


class _Form(NamedTuple):
    """What files must share to be read together."""

    bucket: str
    compression: str
    layout: Layout


@dataclass(frozen=True, slots=True)
class CsvManifest:
    """
    CSV files that name objects: manifests as AWS S3 Batch Operations takes them, or what some SQL put there.

    Nothing but *url* is needed for AWS's form (``Bucket,Key`` or ``Bucket,Key,VersionId``, no header, keys
    URL-encoded), such as a job's ``failed.csv``, and for files with a header that names the columns. Known columns
    (``size``, ``e_tag``, ``version_id``, … in any spelling) have their type, all others are text; SQL sees them all.

    Args:
        url: of a file or a folder, or several of either; plain or compressed with gzip.
        fields: names of the columns in file order, ``Ignore`` for those that are of no use; by default the header
            tells, or AWS's form is meant.
        bucket: that all objects are in, for files without such a column.
        has_header: whether each file's first line is a header; by default a line that names bucket and key is one.
        key_spelling: ``url`` (URL-encoded as AWS's manifests are, ``+`` or ``%20`` for a blank, ``%2B`` for a plus;
            what can't be so encoded is an error) or ``raw`` (keys as they are).
        empty_version_id: what an empty field in a column of version ids stands for: by default it is an error
            (``refuse``), for it can be either of ``null`` (the null version, as in inventories) and ``current``
            (whatever version is current when the object's turn comes).
        delimiter: between fields, one character.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html
    """

    url: str | Sequence[str]
    fields: Sequence[str] | None = None
    bucket: str = ""
    has_header: bool | None = None
    key_spelling: str = "url"
    empty_version_id: str = "refuse"
    delimiter: str = ","

    kind: ClassVar[str] = "csv"
    may_repeat: ClassVar[bool] = True

    @property
    def urls(self) -> tuple[str, ...]:
        """Of the files and folders."""
        return (self.url,) if isinstance(self.url, str) else tuple(self.url)

    def problems(self) -> list[str]:  # noqa: D102 - the protocol's docstrings hold
        found = url_problems(self.urls, what="url")
        if self.fields is not None:
            names = column_names(self.fields)
            found += column_problems(names, self.bucket, where="fields=")
        if self.key_spelling not in KEY_SPELLINGS:
            found.append(f"key_spelling={self.key_spelling!r} is unknown; use 'url' or 'raw'")
        found += empty_version_problems(self.empty_version_id)
        if self.has_header not in (None, True, False):
            found.append(f"has_header={self.has_header!r} is neither True nor False nor None")
        if len(str(self.delimiter)) != 1 or self.delimiter in _NO_DELIMITERS:
            found.append(f"delimiter={self.delimiter!r} must be one character that is no quote and no line feed")
        return found

    def name(self) -> str:  # noqa: D102
        return ", ".join(self.urls)

    def essence(self) -> dict[str, Any]:  # noqa: D102
        return {
            "csv": list(self.urls),
            "fields": None if self.fields is None else list(self.fields),
            "bucket": self.bucket,
            "has_header": self.has_header,
            "key_spelling": self.key_spelling,
            "empty_version_id": self.empty_version_id,
            "delimiter": self.delimiter,
        }

    def is_same(self, then: Mapping[str, Any], name: str) -> bool:  # noqa: D102
        return bool(then.get(name) == self.essence().get(name))

    def known_columns(self) -> tuple[InventoryColumn, ...] | None:  # noqa: D102
        if self.fields is None:
            return None
        names = [name for name in column_names(self.fields) if name != IGNORED]
        supplied = supplied_values(names, self.bucket)
        return tuple(InventoryColumn(name, TYPES.get(name, "VARCHAR")) for name in [*names, *supplied])

    def find(self, place: Place) -> Found:
        """
        Return the rows of the files that are there now.

        Raises:
            InventoryError: there are none, or their first lines are not as expected.
        """
        listed = files_at(place.storage, self.urls, what="url")
        files = [file for file in listed if file.size]
        datasets = self._datasets(place, files) if files else (self._empty(listed),)
        _tell(datasets, place)
        return Found(datasets, pin_datasets(place, datasets, urls=list(self.urls)))

    def again(self, place: Place, pinned: Mapping[str, Any]) -> Found:  # noqa: D102
        datasets = read_datasets(place, pinned)
        files = {dataset.file_url(file): (file.size, file.e_tag) for dataset in datasets for file in dataset.files}
        check_unchanged(place.storage, pinned.get("urls", self.urls), files)
        return Found(datasets, dict(pinned))

    def _datasets(self, place: Place, files: Sequence[StoredFile]) -> tuple[Dataset, ...]:
        asked = Asked(None if self.fields is None else tuple(self.fields), self.bucket, self.has_header)
        heads = look_at_all(files, lambda file: read_head(place.storage, file, self.delimiter))
        groups: dict[_Form, list[StoredFile]] = {}
        for file, head in zip(files, heads, strict=True):
            if head.fields:
                layout = layout_of(file.url, head, asked)
                groups.setdefault(_Form(file.url.bucket, head.compression, layout), []).append(file)
        _check_alike(groups)
        created = max(file.last_modified for file in files)
        datasets = (self._dataset(form, found) for form, found in groups.items())
        return tuple(replace(dataset, created=created) for dataset in datasets) or (self._empty(files),)

    def _dataset(self, form: _Form, files: Sequence[StoredFile]) -> Dataset:
        raw = tuple(f"field_{number}" for number in range(1, len(form.layout.names) + 1))
        fields = {name: field for name, field in zip(form.layout.names, raw, strict=True) if name != IGNORED}
        return Dataset(
            S3Url.parse(self.urls[0]) if len(self.urls) == 1 else files[0].url,
            "",
            max(file.last_modified for file in files),
            self.bucket,
            form.bucket,
            "CSV",
            tuple(InventoryColumn(name, TYPES.get(name, "VARCHAR")) for name in fields),
            tuple(DataFile(file.url.key, file.size, e_tag=file.e_tag) for file in files),
            CsvForm(
                form.compression, form.layout.has_header, self.key_spelling, self.delimiter, raw, form.layout.line_end
            ),
            supplied_values(fields, self.bucket),
            csv_values(
                fields,
                key_spelling=self.key_spelling,
                empty_version_id=self.empty_version_id,
                may_repeat_header=self.has_header is not None,
            ),
        )

    def _empty(self, files: Sequence[StoredFile]) -> Dataset:
        """Return what files without a row come to: no objects, in the columns that were asked for."""
        names = column_names(self.fields or (("key",) if self.bucket else ("bucket", "key")))
        form = _Form(files[0].url.bucket, "none", Layout(names, has_header=False))
        return replace(self._dataset(form, files), files=())


def _check_alike(groups: Mapping[_Form, Sequence[StoredFile]]) -> None:
    told = [(files[0].url, form.layout.names) for form, files in groups.items()]
    for url, found in told[1:]:
        first, names = told[0]
        if found != names:
            raise InventoryError(
                f"{url}: its columns are {', '.join(found)}, but those of {first} are {', '.join(names)}; make a job "
                "of each, or write them alike"
            )


def _tell(datasets: Sequence[Dataset], place: Place) -> None:
    for dataset in datasets:
        spelled = [dataset.csv.compression] if dataset.csv.compression != "none" else []
        spelled += ["with a header"] if dataset.csv.has_header else ["without a header"]
        columns = ", ".join(dataset.columns)
        place.log(f"{dataset.url}: {len(dataset.files):,} CSV files ({', '.join(spelled)}), columns {columns}")
