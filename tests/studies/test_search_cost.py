from __future__ import annotations

import pytest
import torch

from common.bad_input import BadInput
from studies import search_cost
from studies.search_cost import main, sides
from trials.training.settings import TrainingSettings

torch.set_num_threads(1)  # tiny networks: more threads only wait for each other


def test_the_command_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(search_cost, "FRAMES", 20)
    monkeypatch.setattr(search_cost, "FEATURE_DIM", 8)
    monkeypatch.setattr("sys.argv", ["command", "--rounds", "1", "--batch-size", "2", "--device", "cpu"])
    main()
    lines = capsys.readouterr().out.splitlines()
    networks = ("plain", "branched", "choosing")
    what = [f"{network} {work}" for network in networks for work in ("step", "prediction")]
    assert [line[:36].strip() for line in lines[:6]] == what
    assert all(float(line.split()[-4]) > 0 for line in lines[6:10])


def test_a_step_that_is_timed_ends_with_its_loss_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else only its launch would be timed on a GPU."""
    monkeypatch.setattr(search_cost, "FRAMES", 20)
    monkeypatch.setattr(search_cost, "FEATURE_DIM", 8)
    functions = sides(TrainingSettings(batch_size=2), torch.device("cpu"))
    assert all(isinstance(function(), float) for name, function in functions.items() if name.endswith("step"))


@pytest.mark.parametrize("option", ["--rounds", "--batch-size"])
def test_what_cannot_be_timed_is_refused(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["command", option, "0"])
    with pytest.raises(BadInput, match="at least 1"):
        main()
