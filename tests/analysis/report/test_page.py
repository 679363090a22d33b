"""What the page says is what the records and the trainings say; it opens in a browser, alone, at any width."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page

from analysis.report.page import write_report
from nas_space.structure_files import read_structure
from tests.analysis.plots.texts import texts_laid_out_once
from tests.analysis.report.conftest import FOUND, NETWORK, SmallRun
from tests.analysis.report.reader import Reader
from tests.conftest import made_once
from trials.data.dataset import Dataset
from trials.training.metrics import Segments


@pytest.fixture(scope="module")
def path(small_run: SmallRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def write(folder: Path) -> None:
        with texts_laid_out_once():
            write_report(str(small_run.folder), folder, small_run.data_root)

    return made_once(tmp_path_factory, "page", write) / "report.html"


@pytest.fixture(scope="module")
def read(path: Path) -> Reader:
    return Reader(path.read_text())


def test_it_opens_with_the_answer(read: Reader) -> None:
    text = " ".join(read.text.split())
    answer = text[: text.index("Test scores")]
    assert "does not differ significantly from the hand-designed dilations on the test videos" in answer
    assert "local \u2212 hand = +4.5 (\u221214.6 to +23.6)" in answer
    # The five metrics are equal, so their mean is 54.5 over 52, 54, 55, 57, whose sample deviation is 2.08.
    assert "54.5 ± 2.1 local" in answer
    assert "50.0 ± 0.0 hand" in answer
    assert "Recommended: global. On videos held out of the training splits" in answer
    assert "hand 40.0, global 42.5, local 41.0 (2 trainings of each)" in answer
    # Each split: three global trials of 2 epochs and one local of 3, 36 seconds each, and one failure.
    assert "8 trials succeeded (2 failures)" in answer
    assert "18 epochs" in answer
    assert "0.08 device hours" in answer
    assert read.row("Structures", "local, split 2")[:2] == ["5 9 1 | 2 1 20", "ms-tcn:stages=2,layers=3,channels=4"]


def test_test_scores_are_those_of_the_trainings(read: Reader) -> None:
    assert read.row("Test scores", "global") == [
        "4",
        *["51.0 ± 0.0"] * 6,
        "+1.0 (+1.0 to +1.0)",
        *("67", "384"),  # 1 + 2 (4 + 8 + 1 + 2 + 2 + 16) frames; 6 layers of 4 channels, 4 x 4 x (3 + 1) each
    ]
    of_local = read.row("Test scores", "local")
    assert of_local == ["4", *["54.5 ± 2.1"] * 6, "+4.5 (\u221214.6 to +23.6)", "77", "384"]


def test_how_far_the_network_must_look_is_told(read: Reader) -> None:
    assert "A context of 90 frames, 45 s (found_1_8: found by the search) is enough" in read.text
    assert "Test scores by how far the network sees: found within budgets, and hand-designed scaled to them." in (
        read.alternatives
    )


def test_searches_are_told_as_they_were_recorded(read: Reader) -> None:
    for split in (1, 2):
        of_global, of_local = (read.row(f"Searches of split {split}", phase) for phase in ("global", "local"))
        assert of_global == ["Ab3dE", "3", "1", "6", "0.030", "40.0", "finished"]
        assert of_local == ["Ab3dE", "1", "0", "3", "0.010", "41.0", "finished"]


def test_few_trials_tell_nothing_and_the_page_says_so(read: Reader) -> None:
    text = " ".join(read.text.split())
    why = "3 different structures are too few to tell anything of layers or epochs (at least 20)."
    assert text.count(f"What the trials of the global search tell {why}") == 2
    assert text.count("What the trials of the local search tell The iterations of a chain are no independent") == 2


def test_receptive_fields_are_set_against_the_longest_segment(read: Reader, small_run: SmallRun) -> None:
    """1 + 2 x the sum of the dilations: of stage 1, and of the network. class_0 is background, and does not count."""
    lengths = []
    for labels in (small_run.data_root / "small" / "groundTruth").iterdir():
        lengths += [len(run[0].split()) for run in re.finditer(r"(class_[12]\n)\1*", labels.read_text())]
    longest = max(lengths)
    assert f"The longest segment lasts {longest} frames" in read.text
    inside = 100 * sum(length <= 15 for length in lengths) / len(lengths)
    row = read.row("Receptive fields of split 1", "hand")
    assert row == ["15", f"{inside:.1f} %", "29", "yes" if longest <= 29 else "no"]


def test_classes_and_segmentations_are_scored(read: Reader, small_run: SmallRun) -> None:
    dataset = Dataset(small_run.data_root / "small")
    videos = [*dataset.split(1)[1], *dataset.split(2)[1]]
    segments = [len(Segments.of(dataset.labels(video), [0])) for video in videos]  # class_0 is background
    # ``hand`` takes all for class_1: it has one segment a video, finds all of class_1, and nothing of class_2.
    more, fewer = sum(count < 1 for count in segments), sum(count > 1 for count in segments)
    counts = [4, more, fewer, 4, sum(segments)]
    assert read.row("Over- and under-segmentation", "hand") == [str(count) for count in counts]
    true, *of_hand = read.row("Scores of single classes", "class_1")[:4]
    assert (of_hand[0], of_hand[2]) == ("100.0", "4")
    assert int(true) == sum(int((Segments.of(dataset.labels(video)).classes == 1).sum()) for video in videos)
    assert read.row("Scores of single classes", "class_2")[1] == "0.0"
    # F1@50: its one segment is right where a true one covers half of the video; all others are missed.
    half = 0
    for video in videos:
        labels = dataset.labels(video)
        of_class = Segments.of(labels, [0, 2])
        half += bool((2 * (of_class.ends - of_class.starts) >= len(labels)).any())
    assert of_hand[1] == f"{100 * 2 * half / (4 + int(true)):.1f}"


def test_structures_can_be_taken_out_of_the_page(read: Reader, tmp_path: Path) -> None:
    assert len(read.downloads) == 6
    for split in (1, 2):
        for name, structure in FOUND.items():
            kind, content = read.downloads[f"small_split{split}_{name}.json"].split(",", 1)
            assert kind == "data:application/json"
            (tmp_path / "taken.json").write_text(unquote(content))
            assert read_structure(tmp_path / "taken.json", NETWORK) == structure


def test_it_says_how_to_do_it_again(read: Reader) -> None:
    assert (
        "python -m experiments.pipeline --dataset small --split all --seeds 0 1 --phases global,local,final "
        "--template demo --global-search quick --name small\npython -m analysis.report runs/small\n"
    ) in read.text
    assert "population_size: 2" in read.text
    assert '"torch": ' in read.text


def test_every_figure_is_in_the_page_and_beside_it(path: Path, read: Reader) -> None:
    names = {picture.stem for picture in (path.parent / "figures").iterdir()}
    # In two splits 3 and 3 figures of progress, and population, branches, structures, fields; 3 videos, 3 confusions,
    # and the context.
    assert len(names) == 2 * (3 + 3 + 1 + 1 + 1 + 1) + 3 + 3 + 1
    assert {picture.name for picture in (path.parent / "figures").iterdir()} == {
        f"{name}.{ending}" for name in names for ending in ("png", "svg")
    }
    assert len(read.alternatives) == len(names)
    assert all(read.alternatives)
    assert "dilations in the best 2 structures" in read.text
    assert "the worst test video of local" in read.text


def test_it_refers_to_nothing_outside(read: Reader) -> None:
    assert {urlsplit(address).scheme or address[0] for address in read.addresses} <= {"data", "#"}


# In a browser.


@pytest.fixture(scope="module")
def page(browser: Browser, path: Path, request: pytest.FixtureRequest) -> Page:
    """The report, opened from disk; fails if it asks for anything else, or complains."""
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: pytest.fail(message.text))
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(path.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    return page


WIDTHS = pytest.mark.parametrize("page", [(1280, "light"), (390, "dark")], indirect=True, ids=["desktop", "phone"])


@WIDTHS
def test_every_picture_is_drawn(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    sizes = page.evaluate("[...document.images].map(each => [each.complete, each.naturalWidth])")
    assert len(sizes) == 27
    assert all(complete and width > 500 for complete, width in sizes)


@WIDTHS
def test_only_tables_and_figures_scroll_sideways(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    wide, narrow = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= narrow


@WIDTHS
def test_colours_follow_the_reader(page: Page) -> None:
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert background == ("rgb(21, 23, 28)" if dark else "rgb(255, 255, 255)")


@pytest.mark.parametrize("page", [(1280, "light")], indirect=True)
def test_all_of_it_is_printed(page: Page) -> None:
    page.reload()
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0


def test_settings_are_json(read: Reader) -> None:
    (settings,) = re.findall(r"final trainings\s*(\{.*?\n\})", read.text, re.DOTALL)
    assert json.loads(settings)["device"] == "cpu"
