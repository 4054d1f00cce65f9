"""Keys in CSV files."""

from __future__ import annotations

from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.keys import decode_key, encode_key

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(keys)
def test_every_key_survives_encoding(key: str) -> None:
    """What is encoded is decoded to the same key."""
    assert decode_key(encode_key(key)) == key


@given(keys)
def test_form_encoded_keys_of_inventories_are_decoded_too(key: str) -> None:
    """CSV inventories spell a space "+" and a plus "%2B"."""
    assert decode_key(quote_plus(key, safe="/")) == key


@given(keys)
def test_encoded_keys_need_no_csv_quoting(key: str) -> None:
    """An encoded key holds nothing that CSV or a request path would have to escape."""
    encoded = encode_key(key)
    assert encoded.isascii()
    assert not set(encoded) & set(' ,"+\r\n?#')


def test_a_key_that_is_not_utf8_is_refused_with_the_field() -> None:
    """The error shows the field as it stands in the file."""
    with pytest.raises(ManifestError, match="%ff"):
        decode_key("a%ff")
