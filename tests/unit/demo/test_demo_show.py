"""Output that reads well in a file, too."""

from __future__ import annotations

import io

import pytest

from demo.show import Screen


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_a_file_gets_whole_lines_without_escapes() -> None:
    """Neither colours nor a status line."""
    out = io.StringIO()
    screen = Screen(out)
    screen.status("working")
    screen.mark("done")
    with screen.step("step"):
        assert out.getvalue() == "  ✓ done\n"
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().splitlines()[1].startswith("  ✓ step  ")


def test_a_failed_step_gets_a_cross() -> None:
    """And the error goes on."""
    out = io.StringIO()
    with pytest.raises(ValueError, match="no"), Screen(out).step("step"):
        raise ValueError("no")
    assert out.getvalue() == "  ✗ step\n"


def test_a_terminal_gets_a_status_line_that_is_written_once_per_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text again writes nothing, so that nothing flickers."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    screen = Screen(out)
    screen.status("working")
    once = out.getvalue()
    screen.status("working")
    assert out.getvalue() == once != ""
    screen.mark("done", good=False)
    assert "\x1b[31m✗\x1b[0m done\n" in out.getvalue()
