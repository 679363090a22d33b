"""The screenshots of README and guides, from the demo's pages: ``make screenshots``."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from common.read_file import read_json
from experiments.launch import free_port, running
from tools.browser import open_browser
from trials.training.metrics import METRICS

FOLDER = Path(__file__).parent.parent / "docs"
DEMO = FOLDER.parent / "runs" / "demo"

# Axes of NNI's page.
OURS = ["_uid", "_sec", "_trained"]
"""Internal values of trial and tuner."""
CONSTANT = ["chain", "split", "seed", "_branching", "_earlier"]
"""Equal in all trials of the demo's local search, or shown as equal."""


def nni_page(browser: Browser, experiment_id: str, removed_axes: Iterable[str], width: int = 1400) -> bytes:
    """NNI's page of a search: one line per trial over dilations and metrics, and a table of the metrics.

    Args:
        removed_axes: axes to hide.
        width: of the window, in pixels.
    """
    with (
        running(["view", experiment_id], free_port(), "make screenshots") as experiment,
        browser.new_page(viewport={"width": width, "height": 900}) as page,
    ):
        page.goto(f"http://127.0.0.1:{experiment.port}/detail")
        page.get_by_role("tab", name="Hyper-parameter").click()
        page.locator(".parcoords .dimension").first.wait_for()
        toggle(page, "Add/Remove axes", removed_axes)
        toggle(page, "Add/Remove columns", ["ID", "Duration", "Status", *(f"{name} (metric)" for name in METRICS)])
        return page.screenshot()


def report(browser: Browser) -> bytes:
    """The top of the demo's report, opened from disk."""
    path = DEMO / "report" / "report.html"
    if not path.is_file():
        raise BadInput(f"{path}: no such file; 'make demo' makes it")
    with browser.new_page(viewport={"width": 1200, "height": 1000}) as page:
        page.goto(path.as_uri())
        return page.screenshot()


def toggle(page: Page, button: str, names: Iterable[str]) -> None:
    """Add or remove axes or columns of NNI's page in the dialog of a button."""
    page.get_by_role("button", name=button).click()
    for name in names:
        # Where a parameter and a metric have the same name, either box toggles both.
        page.get_by_role("dialog").get_by_text(name, exact=True).first.click()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("dialog").wait_for(state="hidden")


def experiment_of(step: str) -> str:
    """NNI's id of a step of the demo. Raises BadInput where that step has not started."""
    path = DEMO / "pipeline.json"
    try:
        return str(read_json(path)["steps"][step]["experiment"]["id"])
    except (BadInput, LookupError, TypeError):
        raise BadInput(f"{path}: no {step}; 'make demo' runs it") from None


def save(picture: bytes, name: str) -> None:
    """Write a picture to docs with 256 colours: a third of the size, and no visible difference."""
    with Image.open(BytesIO(picture)) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)
    print(FOLDER / name)


def main() -> None:
    """Retake the screenshots of README and guides from the demo that 'make demo' has run, or that of one search."""
    parser = command_parser("tools.screenshots", main.__doc__)
    parser.add_argument("--experiment", metavar="ID", help="a global search on 40 layers that has ended, for its page")
    arguments = parser.parse_args()
    with open_browser() as browser:
        if arguments.experiment is not None:
            save(nni_page(browser, arguments.experiment, OURS, width=2400), "nni_page_40_layers.png")
            return
        save(report(browser), "report.png")
        save(nni_page(browser, experiment_of("global_split1"), OURS), "nni_page.png")
        save(nni_page(browser, experiment_of("local_split1"), [*CONSTANT, *OURS]), "nni_page_local.png")


if __name__ == "__main__":
    run_command(main)
