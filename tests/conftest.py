"""Fixtures of the whole suite: real data where it is at hand, and small made-up data sets."""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from common.bad_input import BadInput
from nni_api import trial_channel
from nni_api.quick_nni import import_nni
from strategies.adapter import data_check
from tests.nni_api.small_manager import Manager
from tools.browser import open_browser

REPOSITORY = Path(__file__).parent.parent

import_nni()  # before a test module imports all of it, for each worker


@pytest.hookimpl(trylast=True)  # once slow tests are deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, in every other worker, while the rest compute.

    xdist's ``worksteal`` hands each worker a block of the list, and an idle one takes from the end of another's.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    begins = [[] if worker % 2 else long[worker // 2 :: (workers + 1) // 2] for worker in range(workers)]
    ordered: list[pytest.Item] = []
    for worker, begin in enumerate(begins):
        rest = (len(items) - len(ordered)) // (workers - worker) - len(begin)
        ordered += [*begin, *others[:rest]]
        del others[:rest]
    items[:] = ordered


def pytest_configure() -> None:
    """Collect no garbage while tests are imported: it takes an eighth of that time, and finds none."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let no garbage collection go through all modules and tests again: it takes a fifteenth of the time."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with 50salads_mid_svm, 50salads_eval_svm and the metric fixtures; skips where there is none."""
    folder = Path(os.environ.get("G2L_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "metrics_fixture.npz").exists():
        pytest.skip(f"no real data: set G2L_TEST_DATA to its folder (looked in {folder})")
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The feature cache of all tests, so that none writes into the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("G2L_CACHE", str(folder))
        yield folder


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that ``make`` fills: once, also where several processes share the tests among them."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / name
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(autouse=True)
def data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test leave its data root to the next: commands set the variable for the processes that they start."""
    monkeypatch.setenv("G2L_DATA_ROOT", os.environ.get("G2L_DATA_ROOT", ""))


@pytest.fixture(autouse=True)
def patient_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a tuner wait for its check as long as a machine with much to do needs."""
    monkeypatch.setattr(data_check, "TIME_LIMIT", 60.0)


@pytest.fixture(scope="module")  # not longer: while it is open, no test can run a loop of asyncio's own
def browser() -> Iterator[Browser]:
    """A headless Chromium; skips where there is none."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_browser())
        except BadInput as reason:
            pytest.skip(str(reason))
        yield opened


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A manager at work, and this process as its trial ``Ab3dE``, to which it hands another trial's parameters."""
    monkeypatch.setattr(trial_channel, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(trial_channel, "TIME_LIMIT", 5.0)
    monkeypatch.setenv("NNI_TRIAL_JOB_ID", "Ab3dE")
    monkeypatch.delenv("NNI_OUTPUT_DIR", raising=False)
    with Manager().at_work() as manager:
        monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", f"{manager.url}/env/local")
        yield manager


def write_dataset(
    folder: Path,
    train: int = 4,
    test: int = 2,
    frames: tuple[int, int] = (30, 60),
    dim: int = 6,
    classes: int = 3,
    splits: int = 1,
    seed: int = 0,
) -> Path:
    """A small data set in the standard layout: noisy one-hot labels as features, videos ``p00-1``, ``p00-2``, ..."""
    random = np.random.default_rng(seed)
    for part in ("features", "groundTruth", "splits"):
        (folder / part).mkdir(parents=True)
    names = [f"class_{index}" for index in range(classes)]
    (folder / "mapping.txt").write_text("".join(f"{index} {name}\n" for index, name in enumerate(names)))
    videos = [f"p{index // 2:02d}-{index % 2 + 1}" for index in range(train + test)]
    for video in videos:
        length = int(random.integers(*frames))
        labels = np.repeat(random.integers(classes, size=length // 8 + 1), 8)[:length]
        features = random.normal(size=(dim, length)).astype(np.float32) / 2
        features[labels % dim, np.arange(length)] += 1
        np.save(folder / "features" / f"{video}.npy", features)
        (folder / "groundTruth" / f"{video}.txt").write_text("".join(names[label] + "\n" for label in labels))
    for split in range(1, splits + 1):
        shifted = videos[split - 1 :] + videos[: split - 1]
        for part, chosen in (("train", shifted[:train]), ("test", shifted[train:])):
            text = "".join(f"{video}.txt\n" for video in chosen)
            (folder / "splits" / f"{part}.split{split}.bundle").write_text(text)
    return folder


@pytest.fixture
def small_dataset(tmp_path: Path) -> Path:
    """A made-up data set of 6 videos in one split, in a data root of its own (its parent)."""
    return write_dataset(tmp_path / "data" / "small")
