"""What goes wrong with a stack, told in a sentence."""

from __future__ import annotations


class StackError(RuntimeError):
    """The stack can't do what was asked; the message says what to do."""
