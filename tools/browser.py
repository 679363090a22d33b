"""A headless Chromium, for tests of web pages and for screenshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, sync_playwright

from common.bad_input import BadInput, run_command
from common.command_parser import command_parser

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium(downloaded: Path) -> Path:
    """The executable: ``$G2L_CHROMIUM``, else one on PATH, else ``downloaded``, where Playwright puts its own.

    Raises:
        BadInput: there is none.
    """
    chosen = os.environ.get("G2L_CHROMIUM")
    if chosen:
        if shutil.which(chosen) is None:
            raise BadInput(f"G2L_CHROMIUM: {chosen} is not a program")
        return Path(chosen)
    for name in NAMES:
        path = shutil.which(name)
        if path is not None:
            return Path(path)
    if downloaded.is_file():
        return downloaded
    raise BadInput(f"no Chromium: install {NAMES[0]}, set G2L_CHROMIUM to one, or 'playwright install chromium'")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium, closed at the end. Until then, this thread cannot run another asyncio loop.

    Raises:
        BadInput: there is none, or it does not start.
    """
    with sync_playwright() as playwright:
        path = find_chromium(Path(playwright.chromium.executable_path))
        try:
            browser = playwright.chromium.launch(executable_path=path)
        except Error:
            raise BadInput(f"{path}: does not start; '{path} --version' may say why") from None
        with browser:
            yield browser


def main() -> None:
    """Start the Chromium of tests and screenshots, and print its version."""
    command_parser("tools.browser", main.__doc__).parse_args()
    with open_browser() as browser:
        print(f"Chromium {browser.version}")


if __name__ == "__main__":
    run_command(main)
