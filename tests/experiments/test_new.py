from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from common.bad_input import BadInput
from experiments.from_data import timed_steps
from experiments.from_data.timed_steps import Speeds
from experiments.new import main
from nas_space.network import Network
from tests.conftest import write_dataset
from tests.experiments.from_data.test_phases import SPEEDS

ENDINGS = ["global", "differentiable", "local", "final"]


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The command, in a folder with the data set ``data/mine``; no step is timed."""
    write_dataset(tmp_path / "data" / "mine", train=8, test=2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timed_steps, "time_steps", lambda *_: SPEEDS)

    def run(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["new", *words])
        main()

    return run


def test_it_writes_four_files_and_two_spaces(
    new: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new("mine", "--output", "out")
    said = capsys.readouterr()
    assert said.out.split() == [f"{tmp_path}/out/mine_{ending}.yml" for ending in ENDINGS]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "spaces",
        *(f"mine_{ending}.yml" for ending in ENDINGS),
    }
    assert {path.name for path in (tmp_path / "out" / "spaces").iterdir()} == {"mine_global.json", "mine_local.json"}
    first, groups, *costs, step = said.err.splitlines()
    assert first.startswith("mine: 10 videos of ")
    assert groups.startswith(r"videos that stay together in validation: by --group '^(p\d+)-', a guess: names have 5")
    assert [line.split(":")[0] for line in costs] == ENDINGS
    assert step == f"next: g2l launch {tmp_path}/out/mine_differentiable.yml"
    assert f"--data-root {tmp_path}/data" in (tmp_path / "out" / "mine_global.yml").read_text()


def test_the_network_is_timed_and_written(
    new: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[str] = []

    def time_steps(network: Network, *_: object) -> Speeds:
        timed.append(str(network))
        return SPEEDS

    monkeypatch.setattr(timed_steps, "time_steps", time_steps)
    new("mine", "--output", "out", "--network", "ms-tcn++:refinements=1")
    assert timed == ["ms-tcn++:refinements=1"]
    for ending in ENDINGS:
        assert (tmp_path / "out" / f"mine_{ending}.yml").read_text().count("ms-tcn++:refinements=1") == 2


@pytest.mark.parametrize("there", ["mine_final.yml", "spaces/mine_local.json"])
def test_no_file_is_written_over(new: Callable[..., None], tmp_path: Path, there: str) -> None:
    path = tmp_path / "out" / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(BadInput, match=f"{there}: exists and is not overwritten"):
        new("mine", "--output", "out")
    assert [each for each in (tmp_path / "out").rglob("*") if each.is_file()] == [path]
    assert path.read_text() == "mine"


def test_a_faulty_data_set_leaves_no_file(new: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "data" / "mine" / "mapping.txt").write_text("")
    with pytest.raises(BadInput, match="mapping"):
        new("mine", "--output", "out")
    assert not (tmp_path / "out").exists()


def test_committed_files_stay(new: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "data" / "mine").rename(tmp_path / "data" / "gtea")
    with pytest.raises(BadInput, match=r"experiments/gtea_global\.yml: exists"):
        new("gtea")
