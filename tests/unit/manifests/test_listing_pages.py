"""Pages of listings are read as botocore reads them, whatever a server's spelling of the XML."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import botocore.session
import pytest
from botocore.handlers import decode_list_object_v2
from botocore.parsers import RestXMLParser
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.manifests.sources.listing import xml as listing_xml
from airflow_s3batch.manifests.sources.listing.pages import Page, parse_page
from airflow_s3batch.manifests.sources.listing.xml import FIELDS, PageError

MODEL = botocore.session.get_session().get_service_model("s3")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {
            "Key": TEXTS,
            "LastModified": st.just("2026-01-02T03:04:05.000Z"),
            "Size": st.integers(0, 2**60).map(str),
        },
        optional={
            "ETag": st.sampled_from(['"0cc175b9"', "&<>", ""]),
            "StorageClass": st.sampled_from(["STANDARD", "GLACIER"]),
            "ChecksumAlgorithm": st.lists(st.sampled_from(["CRC32", "SHA256"]), max_size=2),
            "Owner": st.just("<ID>75aa57f09aa0c8ca</ID><DisplayName>Key</DisplayName>"),
            "RestoreStatus": st.just("<IsRestoreInProgress>false</IsRestoreInProgress>"),
        },
    ),
    max_size=6,
)


def spelled(entries: list[dict[str, Any]], chance: random.Random, *, is_encoded: bool) -> bytes:
    """Return the entries as an answer to ListObjectsV2, elements shuffled, with some white space."""

    def element(name: str, value: Any) -> str:
        if isinstance(value, list):
            return "".join(element(name, item) for item in value)
        if name in ("Owner", "RestoreStatus"):
            return f"<{name}>{value}</{name}>"
        text = quote_plus(value, safe="/") if name == "Key" and is_encoded else value
        text = escape(text, {'"': "&quot;"}).replace("\r", "&#13;") if chance.random() < 0.7 else escape(text)
        return f"<{name}>{text}</{name}>" if text or chance.random() < 0.5 else f"<{name}/>"

    parts = [element("EncodingType", "url")] if is_encoded else []
    parts += [element("IsTruncated", "true"), element("NextContinuationToken", "1/x+y=="), element("Name", "bucket")]
    for entry in entries:
        inside = [element(name, value) for name, value in entry.items()]
        chance.shuffle(inside)
        parts.append(f"<Contents>{chance.choice(['', ' ', chr(10)]).join(inside)}</Contents>")
    if chance.random() < 0.3:
        chance.shuffle(parts)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    return (head + chance.choice(["", "\n  "]).join(parts) + "</ListBucketResult>").encode()


def read_by_botocore(body: bytes) -> dict[str, Any]:
    shape = MODEL.operation_model("ListObjectsV2").output_shape
    parsed = RestXMLParser().parse({"status_code": 200, "headers": {}, "body": body}, shape)
    decode_list_object_v2(parsed, {"encoding_type_auto_set": True})
    return parsed


def rows(page: Page) -> list[dict[str, str | None]]:
    columns = page.objects.columns
    return [{name: columns[name][n] for name in FIELDS} for n in range(len(page.objects.keys))]


@settings(max_examples=40, deadline=None)
@given(ENTRIES, st.randoms(use_true_random=False), st.booleans())
def test_a_page_is_read_as_botocore_reads_it(entries: list[dict[str, Any]], chance: Any, is_encoded: bool) -> None:
    body = spelled(entries, chance, is_encoded=is_encoded)
    theirs = read_by_botocore(body)
    page = parse_page(body)
    assert page.following == (("continuation-token", theirs["NextContinuationToken"]),)
    listed = theirs.get("Contents", [])
    assert page.objects.keys == [entry["Key"] for entry in listed]
    for ours, entry in zip(rows(page), listed, strict=True):
        assert ours["size"] == str(entry["Size"])
        assert ours["last_modified_date"] == f"{entry['LastModified']:%Y-%m-%dT%H:%M:%S.000Z}"
        assert (ours["e_tag"] or "") == entry.get("ETag", "")
        assert ours["storage_class"] == entry.get("StorageClass")
        assert ours["checksum_algorithm"] == (",".join(entry.get("ChecksumAlgorithm", [])) or None)
        assert ours["object_owner"] == entry.get("Owner", {}).get("ID")


@settings(max_examples=40, deadline=None)
@given(ENTRIES, st.randoms(use_true_random=False))
def test_the_quick_way_and_the_parser_agree(entries: list[dict[str, Any]], chance: Any) -> None:
    text = spelled(entries, chance, is_encoded=True).decode()
    quick, slow = listing_xml._quick_parts(text), listing_xml._parsed_parts(text)
    assert quick is not None
    for name, columns in slow.entries.items():
        found = {column: [text or None for text in texts] for column, texts in quick.entries[name].items()}
        assert found == {column: [text or None for text in texts] for column, texts in columns.items()}
    assert quick.other("NextContinuationToken") == slow.other("NextContinuationToken")


PLAIN = "<Contents><Key>a%2Fb+c%2B</Key><Size>1</Size></Contents>"


@pytest.mark.parametrize(
    "entry",
    [
        "<Contents><!-- <Key>no</Key> --><Key>a%2Fb+c%2B</Key><Size>1</Size></Contents>",
        "<Contents><Key><![CDATA[a%2Fb+c%2B]]></Key><Size>1</Size></Contents>",
        '<Contents><Key kind="x">a%2Fb+c%2B</Key><Size>1</Size></Contents>',
        '<Contents kind="x"><Key>a%2Fb+c%2B</Key><Size>1</Size></Contents>',
        '<s3:Contents xmlns:s3="urn:s3"><s3:Key>a%2Fb+c%2B</s3:Key><s3:Size>1</s3:Size></s3:Contents>',
        "<Contents ><Key>a%2Fb+c%2B</Key ><Size>1</Size></Contents >",
        PLAIN,
    ],
)
def test_unusual_xml_is_read_all_the_same(entry: str) -> None:
    page = parse_page(f"<ListBucketResult><EncodingType>url</EncodingType>{entry}</ListBucketResult>".encode())
    assert page.objects.keys == ["a/b c+"]
    assert page.objects.columns["size"] == ["1"]


def test_a_key_is_left_as_it_is_where_the_server_does_not_encode() -> None:
    page = parse_page(b"<ListBucketResult><Contents><Key>a%2Fb+&#x1;&lt;&amp;amp;</Key></Contents></ListBucketResult>")
    assert page.objects.keys == ["a%2Fb+\x01<&amp;"]


def test_versions_and_delete_markers_may_be_mixed_or_apart() -> None:
    version = "<Version><Key>{}</Key><VersionId>{}</VersionId><IsLatest>{}</IsLatest><Size>3</Size></Version>"
    marker = "<DeleteMarker><Key>{}</Key><VersionId>{}</VersionId><IsLatest>{}</IsLatest></DeleteMarker>"
    parts = [version.format("a", "2", "true"), marker.format("b", "4", "true"), version.format("b", "3", "false")]
    more = "<IsTruncated>true</IsTruncated><NextKeyMarker>b</NextKeyMarker>"
    for entries in (parts, sorted(parts)):
        page = parse_page(f"<ListVersionsResult>{more}{''.join(entries)}</ListVersionsResult>".encode())
        assert page.objects.keys == ["a", "b"]
        assert page.objects.columns["version_id"] == ["2", "3"]
        assert page.markers.keys == ["b"]
        assert page.markers.columns["is_latest"] == ["true"]
        assert page.following == (("key-marker", "b"),)
        assert page.first == "a"


@pytest.mark.parametrize("cut", [1, 10, len(PLAIN), len(PLAIN) + 20])
def test_a_page_that_is_cut_off_is_none(cut: int) -> None:
    body = f"<ListBucketResult>{PLAIN}{PLAIN}</ListBucketResult>".encode()
    with pytest.raises(PageError):
        parse_page(body[:-cut])


@pytest.mark.parametrize(
    ("body", "clause"),
    [
        (b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "not where that begins"),
        (b"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>", "has no key"),
        (b"<Contents><Key>\xff</Key></Contents>", "not UTF-8"),
        (
            b"<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%FF</Key></Contents></ListBucketResult>",
            "UTF-8",
        ),
        (b"<!-- --><html></html>", "it is a html"),
    ],
)
def test_what_is_no_page_is_refused(body: bytes, clause: str) -> None:
    with pytest.raises(PageError, match=clause):
        parse_page(body)
