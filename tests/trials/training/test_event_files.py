"""Event files, read back by TensorBoard itself."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from tests.forked import forked, on_full_disk
from tests.trials.conftest import read_scalars
from trials.training.event_files import add_tensorboard_argument, event_folder, scalar_writer, scalars_of


def test_what_was_added_can_be_read_at_once(tmp_path: Path) -> None:
    add_scalars = scalar_writer(tmp_path / "new" / "folders")
    add_scalars(1, {"loss": 2.5, "validation/f1@10": 50.0})
    assert read_scalars(tmp_path / "new" / "folders") == {"loss": [(1, 2.5)], "validation/f1@10": [(1, 50.0)]}
    add_scalars(2, {"loss": 0.5})
    assert read_scalars(tmp_path / "new" / "folders")["loss"] == [(1, 2.5), (2, 0.5)]


@given(runs=st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_only_the_last_of_several_beginnings_is_shown(
    tmp_path_factory: pytest.TempPathFactory, runs: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    for number, epochs in enumerate(runs):
        add_scalars = scalar_writer(folder)
        for epoch in range(1, epochs + 1):
            add_scalars(epoch, {"loss": 10 * number + epoch})
    last = len(runs) - 1
    expected = [(epoch, 10 * last + epoch) for epoch in range(1, runs[-1] + 1)]
    assert read_scalars(folder) == ({"loss": expected} if expected else {})


def test_a_clock_that_is_set_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for now, loss in ((2e9, 1.0), (1e9, 2.0)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        scalar_writer(tmp_path)(1, {"loss": loss})
    assert read_scalars(tmp_path) == {"loss": [(1, 2.0)]}


def test_names_of_files_tell_nothing_of_the_machine(tmp_path: Path) -> None:
    for _ in range(2):
        scalar_writer(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["events.out.tfevents.000000", "events.out.tfevents.000001"]


# Only where it is asked for.


def test_who_does_not_ask_does_not_import_tensorboard() -> None:
    ours, asked_for = {"common", "nas_space", "nni_api", "trials"}, {"tensorboard", "google"}

    def start() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in {*ours, *asked_for}]:
            del sys.modules[name]  # as in a new process
        for command in ("search_trial", "local_trial", "final_trial", "train"):
            importlib.import_module(f"trials.{command}")
        importlib.import_module("trials.training.event_files").scalar_writer(None)(1, {})
        print(asked_for & sys.modules.keys())

    assert forked(start).stdout == "set()\n"


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_tensorboard_argument(parser, "somewhere")
    return parser.parse_args(words)


def test_the_option_decides() -> None:
    assert event_folder(parsed(), lambda: pytest.fail("nobody asked")) is None
    assert event_folder(parsed("--tensorboard"), lambda: Path("here")) == Path("here")


def test_without_the_package_the_option_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert event_folder(parsed(), lambda: Path("here")) is None
    with pytest.raises(BadInput, match=r"--tensorboard needs tensorboard: python -m pip install"):
        event_folder(parsed("--tensorboard"), lambda: Path("here"))


# What cannot be written.


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as raised:
        scalar_writer(tmp_path / "file" / "tensorboard")
    assert Path(raised.value.filename).is_relative_to(tmp_path / "file")


def test_a_full_disk_is_told_in_one_line_and_spoils_nothing(tmp_path: Path) -> None:
    def write() -> None:
        add_scalars = scalar_writer(tmp_path)
        for epoch in range(1, 100):
            add_scalars(epoch, {"loss": epoch})

    done = on_full_disk(write, room=500)
    (path,) = tmp_path.iterdir()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {path}: File too large\n")
    points = read_scalars(tmp_path)["loss"]
    assert len(points) > 5
    assert points == [(epoch, epoch) for epoch in range(1, len(points) + 1)]


# Tags.


def test_tags_of_an_epoch() -> None:
    metrics = {"acc": 10.0, "edit": 20.0, "f1@10": 30.0, "f1@25": 40.0, "f1@50": 55.0}
    assert scalars_of({"epoch": 3, "loss": 0.5, "learning_rate": 0.1, "seconds": 9.0}) == {
        "loss": 0.5,
        "learning_rate": 0.1,
    }
    assert scalars_of({"loss": 0.5, **metrics}) == {
        "loss": 0.5,
        "validation/acc": 10.0,
        "validation/edit": 20.0,
        "validation/f1@10": 30.0,
        "validation/f1@25": 40.0,
        "validation/f1@50": 55.0,
        "validation/mean": 31.0,
    }
    assert scalars_of(metrics, "test") == {
        "test/acc": 10.0,
        "test/edit": 20.0,
        "test/f1@10": 30.0,
        "test/f1@25": 40.0,
        "test/f1@50": 55.0,
        "test/mean": 31.0,
    }
