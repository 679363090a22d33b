"""Which Chromium is taken, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from common.bad_input import BadInput
from tools.browser import find_chromium, open_browser


def program(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def no_chromium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("G2L_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_the_nearest_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloaded = tmp_path / "downloaded"
    with pytest.raises(BadInput, match="no Chromium: install chromium, set G2L_CHROMIUM"):
        find_chromium(downloaded)
    program(downloaded)
    assert find_chromium(downloaded) == downloaded
    for name in ("google-chrome", "chromium-browser", "chromium"):  # the later, the better
        better = program(tmp_path / "bin" / name)
        assert find_chromium(downloaded) == better
    mine = program(tmp_path / "mine")
    monkeypatch.setenv("G2L_CHROMIUM", str(mine))
    assert find_chromium(downloaded) == mine


def test_what_is_no_browser_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G2L_CHROMIUM", str(tmp_path / "none"))
    with pytest.raises(BadInput, match=r"G2L_CHROMIUM: \S+/none is not a program"), open_browser():
        pass
    monkeypatch.setenv("G2L_CHROMIUM", str(program(tmp_path / "false")))
    with pytest.raises(BadInput, match=r"\S+/false: does not start"), open_browser():
        pass


def test_the_browser_runs_scripts(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<p></p><script>document.querySelector('p').textContent = 6 * 7</script>")
    assert page.inner_text("p") == "42"
    page.close()
