"""In which order S3 Lifecycle moves objects from one storage class to another."""

from __future__ import annotations

_DOWNWARDS = (
    "STANDARD",
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)


def may_have_become(declared: str, shown: str) -> bool:
    """
    Return whether an object that was put into class *declared* can be in *shown* by now, without anybody's doing.

    Lifecycle rules move objects to colder classes only. A class that is not among S3's is only itself.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
    """
    if declared == shown:
        return True
    if declared not in _DOWNWARDS or shown not in _DOWNWARDS:
        return False
    return _DOWNWARDS.index(declared) < _DOWNWARDS.index(shown)
