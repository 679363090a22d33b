"""What a drill of the final training compares; the trainings are played by the test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nni_api.records import Records
from tests.drills.drilled_final import DrilledFinal
from tests.drills.faults import judge
from tests.drills.final_drills import final_all_killed


class Ended(DrilledFinal):
    """A final training that has ended with these accuracies, by seed."""

    def __init__(self, folder: Path, accuracies: dict[int, float], seconds: float = 1.0) -> None:
        super().__init__(folder)
        checkpoint = self.home / "nni-experiments" / "Ab3dE" / "checkpoint"
        checkpoint.mkdir(parents=True)
        Records(checkpoint).write("started", phase="final", resumed=False, refusal=None)
        for seed, accuracy in accuracies.items():
            self.train(seed, accuracy, seconds)

    def train(self, seed: int, accuracy: float, seconds: float = 1.0) -> None:
        path = self._output() / "hand" / "split1" / f"seed{seed}" / "metrics.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        history = [{"epoch": 1, "loss": 0.5, "seconds": seconds}]
        path.write_text(json.dumps({"test": {"acc": accuracy}, "seconds": seconds, "history": history}))

    def is_done(self) -> bool:
        return True


def best(tmp_path: Path, final: DrilledFinal) -> tuple[str, bool]:
    row = judge("final-all-killed", final_all_killed, final, Ended(tmp_path / "undisturbed", {0: 50.0, 1: 60.0}))
    return row.best, row.passed


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ({0: 50.0, 1: 60.0}, ("same", True)),
        ({0: 50.0}, ("another", False)),
        ({0: 50.0, 1: 61.0}, ("other numbers", False)),
    ],
)
def test_all_trainings_and_their_numbers_are_compared(
    tmp_path: Path, accuracies: dict[int, float], expected: tuple[str, bool]
) -> None:
    assert best(tmp_path, Ended(tmp_path / "drill", accuracies, seconds=2.0)) == expected


def test_a_training_that_was_done_twice_fails(tmp_path: Path) -> None:
    final = Ended(tmp_path / "drill", {0: 50.0})
    final.strike()
    assert (len(final.before), final.kept()) == (1, 1)
    final.train(1, 60.0)
    final.train(0, 50.0)
    assert (final.kept(), best(tmp_path, final)) == (0, ("same", False))
