from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import BadInput
from nas_space.networks import ms_tcn
from nas_space.space import global_space, to_nni
from strategies.adapter.dry_run import dry_run
from strategies.tuners import GlobalTuner

SIZE = {"network": "ms-tcn:stages=1,layers=2"}
SPACE = to_nni(global_space(ms_tcn.describe(stages=1, layers=2)))


def test_a_tuner_that_can_search_passes_and_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))
    before = dict(os.environ)
    dry_run(GlobalTuner, {**SIZE, "check_command": f"touch {tmp_path / 'made'}"}, SPACE)
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "space", "message"),
    [
        ({**SIZE, "sed": 1}, SPACE, "GlobalTuner has no argument 'sed'; it has population_size, budget"),
        ({**SIZE, "retries": "1"}, SPACE, "retries must be a whole number of at least 0, not '1'"),
        ({}, SPACE, "no choice for layer 's1l2' of ms-tcn"),
        (SIZE, None, "the search space must be an object of choices"),
        ({"num_stages": [1]}, SPACE, r"stages must be a whole number from 1 to 1000, not \[1\]"),
        (SIZE, {**SPACE, "s1l0": {"_type": "choice", "_value": [1, [2]]}}, "must be whole numbers of at least 0"),
        ({**SIZE, "starts": [["hand"]]}, SPACE, "starts must be a list of file names"),
    ],
)
def test_what_would_end_the_experiment_is_refused(arguments: dict[str, Any], space: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        dry_run(GlobalTuner, arguments, space)
