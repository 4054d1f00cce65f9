"""S3's checksum algorithms."""

from __future__ import annotations

import base64
from importlib.machinery import PathFinder

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core import digests
from airflow_s3batch.core.digests import ALGORITHMS, LIBRARIES, missing_library, new_digest

CHECK = b"123456789"
KNOWN = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "MD5": "25f9e794323b453885f5181f1b624d0b",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "SHA512": "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
    "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
    "XXHASH64": "8cb841db40e6ae83",
}
"""Of the digits 1 to 9: check values of the CRC catalogue, of MD5, SHA and xxHash as others compute them."""

OF_NOTHING = {
    "XXHASH64": "ef46db3751d8e999",
    "XXHASH3": "2d06800538d394c2",
    "XXHASH128": "99aa06d3014798d86001c324468d497f",
}
"""As published by the authors of xxHash; big-endian, seed 0."""


def test_every_algorithm_of_the_model_is_known() -> None:
    """S3 Batch Operations computes what uploads may carry."""
    model = botocore.session.get_session().get_service_model("s3control")
    if "ComputeObjectChecksumAlgorithm" not in model.shape_names:
        pytest.skip("this botocore is older than the operation")
    shape = model.shape_for("ComputeObjectChecksumAlgorithm")
    assert sorted(shape.enum) == sorted(ALGORITHMS)


def test_check_values_are_as_published() -> None:
    digests = {algorithm: new_digest(algorithm) for algorithm in KNOWN}
    for digest in digests.values():
        digest.update(CHECK)
    assert {algorithm: digest.digest().hex() for algorithm, digest in digests.items()} == KNOWN
    assert {algorithm: new_digest(algorithm).digest().hex() for algorithm in OF_NOTHING} == OF_NOTHING
    assert KNOWN.keys() | OF_NOTHING.keys() == set(ALGORITHMS)


@given(st.lists(st.binary(max_size=50), max_size=5), st.sampled_from(ALGORITHMS))
def test_pieces_and_copies_make_no_difference(pieces: list[bytes], algorithm: str) -> None:
    """A copy goes on by itself; what it takes is not taken by the other."""
    whole, piecewise = new_digest(algorithm), new_digest(algorithm)
    whole.update(b"".join(pieces))
    for piece in pieces:
        copy = piecewise.copy()
        piecewise.update(b"of a try that failed")
        copy.update(piece)
        piecewise = copy
    assert piecewise.digest() == whole.digest()


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [missing_library(algorithm) for algorithm in ALGORITHMS] == [""] * len(ALGORITHMS)
    monkeypatch.setattr(digests, "find_spec", lambda name: PathFinder.find_spec(name, []))
    found = {algorithm: missing_library(algorithm) for algorithm in ALGORITHMS}
    assert {algorithm: name for algorithm, name in found.items() if name} == LIBRARIES


def test_nothing_has_the_checksum_of_nothing() -> None:
    """As S3 shows it for empty objects."""
    assert base64.b64encode(new_digest("CRC32").digest()) == b"AAAAAA=="
    assert base64.b64encode(new_digest("CRC64NVME").digest()) == b"AAAAAAAAAAA="
