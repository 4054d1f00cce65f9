"""Our requests and signatures against botocore's own."""

from __future__ import annotations

import datetime as dt
import functools
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.core.errors import AccessError, ArgumentError, CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.wire.prepared import Preparer
from airflow_s3batch.engine.wire.signing import Signer
from airflow_s3batch.operations import CopyObject
from airflow_s3batch.operations.bodies.sources import copy_source
from airflow_s3batch.operations.deletes.delete_xml import delete_xml
from airflow_s3batch.operations.requests import Call, Request, RunContext

NOW = dt.datetime(2026, 11, 22, 10, 20, 30, tzinfo=dt.UTC)
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
versions = st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


def access(**config: Any) -> S3Access:
    """Return access with fixed credentials; nothing is ever sent."""
    session = boto3.session.Session("AKIDEXAMPLE", "a-secret", "a-token", region_name="eu-central-1")
    return S3Access(session, config.pop("endpoint_url", None), config=Config(**config) if config else None)


def signer(token: str | None = "a-token") -> Signer:
    """Return a signer whose clock stands still."""
    credentials = SimpleNamespace(access_key="AKIDEXAMPLE", secret_key="a-secret", token=token)
    return Signer(lambda: credentials, clock=NOW.timestamp)


def headers_of(lines: list[str]) -> dict[str, str]:
    """Return the header lines as a dict with lower-case names; those that only stop libcurl's own are left out."""
    pairs = (line.partition(":") for line in lines if not line.endswith(":"))
    return {name.lower(): value.strip() for name, _, value in pairs}


def botocore_signature(method: str, url: str, headers: dict[str, str], body: bytes) -> str:
    """Return the Authorization header that botocore computes for this request at `NOW`."""
    sent = {name: value for name, value in headers.items() if name not in ("authorization", "x-amz-date")}
    request = AWSRequest(method, url, headers=sent, data=body)
    request.context.update(payload_signing_enabled=True, timestamp=NOW.strftime("%Y%m%dT%H%M%SZ"))
    credentials = Credentials("AKIDEXAMPLE", "a-secret", headers.get("x-amz-security-token"))
    auth = S3SigV4Auth(credentials, "s3", "eu-central-1")
    auth._modify_request_before_signing(request)
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(to_sign, request))
    return str(request.headers["Authorization"])


TAGGING = Call("PutObjectTagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "b c"}]}})
COPY = Call(
    "CopyObject", {"StorageClass": "STANDARD_IA", "Metadata": {"k": "two  spaces"}, "MetadataDirective": "REPLACE"}
)
ENDPOINTS = [None, "http://127.0.0.1:9000", "https://storage.example.com/base"]
PLAIN = access()
preparers = {url: Preparer(access(endpoint_url=url)) for url in ENDPOINTS}


@settings(deadline=None)
@pytest.mark.parametrize("endpoint_url", ENDPOINTS)
@given(key=keys, version_id=versions)
def test_signatures_equal_botocores_for_any_key(endpoint_url: str | None, key: str, version_id: str | None) -> None:
    """Tagging: body, checksum and query; whatever the key and version."""
    template = preparers[endpoint_url].template(TAGGING, "a-bucket")
    url, lines, body = template.fill(Request(TAGGING, "a-bucket", key, version_id), signer())
    headers = headers_of(lines)
    assert headers["authorization"] == botocore_signature("PUT", url, headers, body)


@settings(deadline=None)
@given(key=keys, source=keys, version_id=versions)
def test_signatures_of_copies_equal_botocores(key: str, source: str, version_id: str | None) -> None:
    """Copies: headers that differ per object, and values with double spaces."""
    header = ("x-amz-copy-source", copy_source(S3Object("src", source, version_id)))
    request = Request(COPY, "a-bucket", key, None, (header, ("if-match", '"abc"')))
    url, lines, body = preparers[None].template(COPY, "a-bucket").fill(request, signer())
    headers = headers_of(lines)
    assert headers["authorization"] == botocore_signature("PUT", url, headers, body)


class _SentError(Exception):
    """Stops botocore before it sends."""


def sent_by_botocore(source: S3Access, method: str, **params: Any) -> AWSPreparedRequest:
    """Return the request that boto3 would send."""
    client = _client(source)
    caught: list[AWSPreparedRequest] = []

    def stop(request: AWSPreparedRequest, **_: Any) -> None:
        caught.append(request)
        raise _SentError

    client.meta.events.register("before-send.s3", stop)
    with pytest.raises(_SentError):
        getattr(client, method)(**params)
    client.meta.events.unregister("before-send.s3", stop)
    return caught[0]


@functools.cache
def _client(source: S3Access) -> Any:
    return source.client()


def comparable(headers: Any) -> dict[str, str]:
    """Return the headers that say what is asked; those of time, transport and signature are left out."""
    left_out = {"authorization", "x-amz-date", "user-agent", "content-length", "expect", "accept-encoding", "host"}
    items = ((n.lower(), v.decode() if isinstance(v, bytes) else v) for n, v in headers.items())
    return {n: v for n, v in items if n not in left_out and not n.startswith("amz-sdk")}


@settings(deadline=None, max_examples=25)
@given(key=keys, version_id=versions)
def test_tagging_requests_equal_what_botocore_sends(key: str, version_id: str | None) -> None:
    """URL, headers and body."""
    more = {"VersionId": version_id} if version_id is not None else {}
    theirs = sent_by_botocore(PLAIN, "put_object_tagging", Bucket="a-bucket", Key=key, **TAGGING.params, **more)
    request = Request(TAGGING, "a-bucket", key, version_id)
    url, lines, body = preparers[None].template(TAGGING, "a-bucket").fill(request, signer())
    assert urlsplit(url)[:3] == urlsplit(theirs.url)[:3]
    query = {part if "=" in part else part + "=" for part in urlsplit(theirs.url).query.split("&")}
    assert set(urlsplit(url).query.split("&")) == query
    assert comparable(headers_of(lines)) == comparable(theirs.headers)
    assert body == theirs.body


@settings(deadline=None, max_examples=25)
@given(key=keys, version_id=versions)
def test_copy_requests_equal_what_botocore_sends(key: str, version_id: str | None) -> None:
    """The copy source is spelled as botocore spells it."""
    obj = S3Object("src-bucket", key, version_id, size=1)
    source: dict[str, str] = {"Bucket": "src-bucket", "Key": key}
    if version_id is not None:
        source["VersionId"] = version_id
    operation = CopyObject("dst-bucket", "in/here", storage_class="STANDARD_IA", encryption="SSE-S3")
    ours = next(operation.steps(obj, RunContext()))
    theirs = sent_by_botocore(
        PLAIN,
        "copy_object",
        Bucket="dst-bucket",
        Key=f"in/here/{key}",
        CopySource=source,
        StorageClass="STANDARD_IA",
        ServerSideEncryption="AES256",
    )
    url, lines, _ = preparers[None].template(ours.call, "dst-bucket").fill(ours, signer())
    assert url == theirs.url
    mine, other = comparable(headers_of(lines)), comparable(theirs.headers)
    if version_id is not None:  # botocore sends the version as it is given; we quote it, which S3 decodes
        mine.pop("x-amz-copy-source")
        other.pop("x-amz-copy-source")
    assert mine == other


def test_addressing_style_is_botocores() -> None:
    """Virtual host by default, path style where the configuration says so."""
    call = Call("DeleteObject")
    assert Preparer(access()).template(call, "a-bucket").host.startswith("a-bucket.s3.")
    path = Preparer(access(s3={"addressing_style": "path"})).template(call, "a-bucket")
    assert (path.host, path.path) == ("s3.eu-central-1.amazonaws.com", "/a-bucket/")
    dotted = Preparer(access()).template(call, "a.bucket.with.dots")
    assert dotted.path == "/a.bucket.with.dots/"


def test_bulk_deletes_carry_the_digest_of_their_own_body() -> None:
    """Nothing computed from the placeholder's body is sent; Content-MD5 pleases the stores that want it."""
    call = Call("DeleteObjects", {"Delete": {"Objects": [{"Key": "-"}]}})
    body = delete_xml([S3Object("a-bucket", "a&b<c>")], is_conditional=False)
    template = preparers[None].template(call, "a-bucket")
    url, lines, sent = template.fill(Request(call, "a-bucket", "", body=body), signer())
    headers = headers_of(lines)
    assert url.endswith("/?delete=")
    assert sent == body
    assert "content-md5" in headers
    assert not [name for name in headers if name.startswith("x-amz-checksum")]


def test_the_token_is_refreshed_with_the_credentials() -> None:
    """Credentials are asked for once a second, and again after `forget`."""
    tokens = iter(["one", "two", "three"])
    clock = [0.0]
    subject = Signer(
        lambda: SimpleNamespace(access_key="a", secret_key="s", token=next(tokens)), clock=lambda: clock[0]
    )
    seen = []
    for now, forget in ((0.0, False), (0.5, False), (1.0, False), (1.2, True)):
        clock[0] = now
        if forget:
            subject.forget()
        subject.tick()
        seen.append(subject.token)
    assert seen == ["one", "one", "two", "three"]


def test_the_servers_time_is_adopted() -> None:
    """After RequestTimeTooSkewed requests are dated by the server's clock."""
    subject = signer()
    subject.adopt_time(NOW.timestamp() + 3600)
    subject.tick()
    assert subject.amz_date == "20261122T112030Z"


def test_anonymous_requests_are_not_signed() -> None:
    """With an UNSIGNED configuration there is no Authorization header."""
    from botocore import UNSIGNED

    unsigned = Preparer(access(signature_version=UNSIGNED))
    _, lines, _ = unsigned.template(TAGGING, "a-bucket").fill(Request(TAGGING, "a-bucket", "k"), signer(token=None))
    assert "authorization" not in headers_of(lines)


def test_missing_credentials_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback out of botocore."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(AccessError, match="aws_conn_id"):
        Preparer(S3Access(boto3.session.Session(region_name="eu-central-1"))).template(TAGGING, "a-bucket")


def test_bad_bucket_names_are_one_sentence() -> None:
    """The validation of botocore is passed on with the bucket."""
    with pytest.raises(ArgumentError, match="not a bucket"):
        Preparer(access()).template(TAGGING, "not a bucket")


def test_an_empty_key_never_becomes_a_request_on_the_bucket() -> None:
    """DELETE on the bucket's own URL would delete the bucket."""
    call = Call("DeleteObject")
    with pytest.raises(ArgumentError, match="key is empty"):
        preparers[None].template(call, "a-bucket").fill(Request(call, "a-bucket", ""), signer())


def test_bodies_that_come_later_are_sent_plain() -> None:
    """Over TLS botocore would announce a streamed body with a trailing checksum."""
    call = Call("PutObject")
    _, lines, body = (
        preparers[None].template(call, "a-bucket").fill(Request(call, "a-bucket", "k", body=b"scratch"), signer())
    )
    assert body == b"scratch"
    assert not set(headers_of(lines)) & {"transfer-encoding", "content-encoding", "x-amz-trailer"}


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://s.example:443", "s.example"), ("http://s.example:80", "s.example"), ("http://s:81", "s:81")],
)
def test_default_ports_are_not_part_of_the_signed_host(url: str, host: str) -> None:
    """The client does not send them either."""
    preparer = Preparer(access(endpoint_url=url, s3={"addressing_style": "path"}))
    assert preparer.template(TAGGING, "a-bucket").host == host


def test_buckets_that_need_sessions_are_refused() -> None:
    """The request that botocore would send first is CreateSession, not ours."""
    with pytest.raises(CapabilityError, match="general purpose bucket"):
        preparers[None].template(TAGGING, "lake--usw2-az1--x-s3")


def test_multi_region_access_points_are_refused() -> None:
    """They need SigV4A, which botocore only does with another library."""
    with pytest.raises(CapabilityError, match="SigV4A"):
        preparers[None].template(TAGGING, "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap")


def test_a_refreshed_token_is_used_at_once() -> None:
    """Within the same second, too."""
    tokens = iter(["old", "new"])
    subject = Signer(lambda: SimpleNamespace(access_key="a", secret_key="s", token=next(tokens)), clock=NOW.timestamp)
    template = Preparer(access()).template(TAGGING, "a-bucket")
    seen = []
    for _ in range(2):
        _, lines, _ = template.fill(Request(TAGGING, "a-bucket", "k"), subject)
        seen.append(headers_of(lines)["x-amz-security-token"])
        subject.forget()
    assert seen == ["old", "new"]


@settings(deadline=None)
@given(upload=st.text(min_size=1, max_size=20), number=st.integers(1, 10_000))
def test_query_parameters_of_a_request_replace_the_calls_and_are_signed_as_botocore_does(
    upload: str, number: int
) -> None:
    call = Call("UploadPartCopy", {"UploadId": "placeholder", "PartNumber": 1})
    query = (("partNumber", str(number)), ("uploadId", upload))
    request = Request(call, "a-bucket", "k", headers=(("x-amz-copy-source", "b/k"),), query=query)
    url, lines, body = _preparer().template(call, "a-bucket").fill(request, signer())
    assert dict(parse_qsl(urlsplit(url).query))["uploadId"] == upload
    assert f"partNumber={number}" in url
    assert "placeholder" not in url
    headers = headers_of(lines)
    assert headers["authorization"] == botocore_signature("PUT", url, headers, body)


def test_an_api_that_an_older_botocore_does_not_know_is_a_sentence() -> None:
    """It ends the job before its first object."""
    with pytest.raises(CapabilityError, match=r"botocore [\d.]+ does not know UpdateEverything; install a newer"):
        _preparer().template(Call("UpdateEverything"), "a-bucket")


def test_a_lambda_invocation_is_signed_as_botocore_does() -> None:
    """The function's ARN is quoted in the path, and once more in what is signed."""
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:redact:live"
    call = Call("Invoke", {"FunctionName": arn}, service="lambda", wants_headers=True)
    url, lines, body = _preparer().template(call, "").fill(Request(call, "", "", body=b'{"a": 1}'), signer())
    assert url.startswith("https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/arn%3Aaws%3Alambda%3A")
    headers = headers_of(lines)
    sent = {name: value for name, value in headers.items() if name not in ("authorization", "x-amz-date")}
    request = AWSRequest("POST", url, headers=sent, data=body)
    request.context["timestamp"] = NOW.strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", "a-secret", "a-token"), "lambda", "eu-central-1")
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert headers["authorization"].endswith(f"Signature={signature}")


def _preparer() -> Preparer:
    return preparers[None]


def test_a_line_break_in_a_header_is_refused() -> None:
    """It would begin a header of its own, e.g. an ACL."""
    template = preparers[next(iter(preparers))].template(TAGGING, "a-bucket")
    request = Request(TAGGING, "a-bucket", "k", headers=(("x-amz-meta-a", "b\r\nx-amz-acl: public-read"),))
    with pytest.raises(ArgumentError, match="line break"):
        template.fill(request, signer())
