"""How the stores differ, as far as operations notice. Each line is asserted: a store that changes fails the suite."""

from __future__ import annotations

REFUSED = {
    ("seaweedfs", "restore_object"): "this store",
}
"""What a store can't do: the job is refused, with a message that has this part, and no object is touched."""

MISSING = {
    ("seaweedfs", "put_object_legal_hold"): "InternalError",
}
"""Error codes for objects that do not exist, where they are not what S3 says."""

NOT_THAT_VERSION = {
    ("ministack", "restore_object"): "restores the current version, whichever is named",
}
"""What is done to another version than the one that is named."""

UNCONDITIONAL = {
    "ministack": "ignores If-Match when an object is copied onto itself: RewriteObject has to allow that by name",
}

KEYS = ["a b", "a+b", "100%", "ünïcödé/日本語", "quo\"te's", "what?versionId=1", "new\nline", "a&b<c>"]
"""What every store keeps."""

ODD_KEYS = ["../up", "a//b", "/leading", "ends/", "control\x01", "car\rriage"]
"""What S3 keeps, and MiniStack; SeaweedFS takes them for paths."""

FAILS = {
    ("seaweedfs", "update_object_encryption", "new\nline"): "InternalError",
}
"""Error codes of keys that a store keeps, and for which it can't do that operation."""

WITHOUT_FUNCTIONS = frozenset({"seaweedfs"})
"""Stores that have no Lambda beside them."""

KEEPS_ODD_KEYS = {"seaweedfs": False, "ministack": True, "aws": True}
