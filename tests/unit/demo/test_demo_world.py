"""The demo's S3 is what the demo says it is."""

from __future__ import annotations

from collections import Counter

from demo.world import ENCRYPTED, HELD, NASTY_KEYS, OBJECTS, UNFIT, VANISHED, Fate, items


def test_every_object_of_the_inventory_has_a_key_of_its_own_that_s3_allows() -> None:
    """There are 5,000, none above 1,024 bytes, one with exactly that."""
    keys = [item.key for item in items()]
    assert len(keys) == len(set(keys)) == OBJECTS == 5_000
    assert max(len(key.encode()) for key in keys) == 1_024


def test_the_nasty_keys_have_all_that_usually_goes_wrong() -> None:
    """Each of these has cost somebody an evening."""
    text = "".join(NASTY_KEYS)
    for mark in (" ", "+", "%", '"', "'", ",", "\n", "\t", "ü", "見", "🙂", "..", "//", "\\", "?", "#", "&"):
        assert mark in text, mark
    assert any(key.startswith("/") for key in NASTY_KEYS)
    assert any(key.endswith("/") for key in NASTY_KEYS)


def test_some_objects_are_to_fail() -> None:
    """Vanished, refused by a policy, or with a team that can't be a tag; the encrypted ones are left alone."""
    counts = Counter(item.fate for item in items())
    special = {Fate.LEFT: ENCRYPTED, Fate.VANISHED: VANISHED, Fate.HELD: HELD, Fate.UNFIT: UNFIT}
    assert counts == {**special, Fate.TAGGED: OBJECTS - sum(special.values())}
