from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from common.bad_input import BadInput
from experiments.from_data.data_look import look_at
from tests.conftest import write_dataset


def test_it_counts_what_is_there(tmp_path: Path) -> None:
    write_dataset(tmp_path / "mine", train=8, test=2, frames=(40, 41), dim=7, classes=4, splits=2)
    look = look_at("mine", tmp_path)
    assert (look.videos, look.lengths, look.channels, look.classes) == (10, (40, 40, 40), 7, 4)
    assert (look.splits, look.mean_frames, len(look.final_train)) == ((1, 2), 40, 8)
    assert set(look.search_train) | set(look.search_validation) == set(look.final_train)
    assert look.describe() == "10 videos of 40 to 40 frames (median 40), 7 channels, 4 classes, 2 splits"


def test_persons_in_the_names_stay_together(tmp_path: Path) -> None:
    write_dataset(tmp_path / "mine", train=8, test=2)
    look = look_at("mine", tmp_path)
    assert look.group.expression == r"^(p\d+)-"
    assert len(look.search_validation) == 2
    assert len({video[:3] for video in look.search_validation}) == 1


@pytest.mark.parametrize(
    ("longest", "candidates"),
    [(1, (1, 2)), (3, (1, 2)), (5, (1, 2, 4)), (9, (1, 2, 4, 8)), (1024, tuple(2**e for e in range(10)))],
)
def test_candidates_end_below_the_longest_video(tmp_path: Path, longest: int, candidates: tuple[int, ...]) -> None:
    write_dataset(tmp_path / "mine")
    look = look_at("mine", tmp_path)
    assert replace(look, lengths=(1, 1, longest)).candidates == candidates
    assert replace(look, lengths=(1, 1, 100_000)).candidates[-1] == 1024


def test_the_groups_of_a_known_data_set_are_known(tmp_path: Path) -> None:
    write_dataset(tmp_path / "gtea")
    for folder in ("features", "groundTruth"):
        for path in (tmp_path / "gtea" / folder).iterdir():
            path.rename(path.with_name(path.name.replace("p0", "S").replace("-", "_")))
    for path in (tmp_path / "gtea" / "splits").iterdir():
        path.write_text(path.read_text().replace("p0", "S").replace("-", "_"))
    look = look_at("gtea", tmp_path)
    assert look.group.expression is None
    assert look.group.describe() == r"by 'S(\d+)_', the default of gtea"


def test_what_check_data_refuses_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "mine")
    (folder / "features" / "p00-1.npy").unlink()
    with pytest.raises(BadInput, match=r"p00-1\.npy: no such feature file$"):
        look_at("mine", tmp_path)
    (folder / "groundTruth" / "p01-1.txt").write_text("nonsense\n")
    with pytest.raises(
        BadInput, match=r"and \d more fault\(s\): python -m trials\.check_data .*mine lists them"
    ) as fault:
        look_at("mine", tmp_path)
    assert "\n" not in str(fault.value)
