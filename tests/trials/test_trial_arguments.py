"""What NNI starts refuses options that it cannot have, before it looks at data or structure; without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from common.bad_input import BadInput
from nas_space.describe import describe_network
from tests.conftest import REPOSITORY
from tests.trials.conftest import Exit
from trials import check_data
from trials.trial_arguments import DIFFERENTIABLE_TRIAL, FINAL_TRIAL, LOCAL_TRIAL, SEARCH_TRIAL, TrialOptions

SPLIT = ["--dataset", "nowhere", "--split", "1"]
OUTPUT = ["--dataset", "nowhere", "--output", "runs"]
SHARED = [
    ("--epochs -1", r"epochs \(-1\) and batch size \(8\) must be at least 1"),
    ("--batch-size 0", r"batch size \(0\) must be at least 1"),
    ("--learning-rate nan", "the learning rate must be above 0, not nan"),
    ("--learning-rate inf", "the learning rate must be above 0, not inf"),
    ("--smoothing-weight nan", "the smoothing weight must be at least 0, not nan"),
    ("--decay-epochs 0", "the decay epochs must be at least 1, not 0"),
    ("--seed -1", "the seed must be at least 0, not -1"),
    ("--threads 0", "--threads must be at least 1, not 0"),
    ("--device gpu", "unknown device 'gpu': expected auto, cpu, cuda or cuda:N"),
    ("--num-stages 0", "network ms-tcn: stages must be a whole number from 1 to 1000, not 0"),
    ("--sample-rate 0", "the sample rate must be at least 1, not 0"),
    ("--dataset data/gtea", "'data/gtea' is not the plain name of a data set"),
]
HOLDOUT = [
    ("--validation-fraction 0", "--validation-fraction must be above 0"),
    ("--validation-fraction nan", "the validation fraction must lie between 0 and 1, not nan"),
    ("--validation-seed -1", "the validation seed must be at least 0, not -1"),
    ("--group (", r"the group expression '\(' is no regular expression"),
]
AVERAGING = [("--average-last 1.5", "--average-last must be a share of the epochs, at least 0 and at most 1, not 1.5")]
OF_A_SPLIT = [("--split all", "--split must be the number of a split, not 'all'")]
CHOOSING = [
    ("--candidates 4", "--candidates must be at least two different dilations"),
    ("--warm-up nan", "the warm-up must be at least 0 and below 1"),
    ("--branch-learning-rate inf", "the branch learning rate must be above 0, not inf"),
]


@pytest.mark.parametrize(
    ("options", "needed", "more", "message"),
    [
        (options, needed, *fault)
        for options, needed, faults in (
            (SEARCH_TRIAL, SPLIT, SHARED + AVERAGING + HOLDOUT + OF_A_SPLIT),
            (LOCAL_TRIAL, SPLIT[:2], SHARED + HOLDOUT),
            (DIFFERENTIABLE_TRIAL, SPLIT, SHARED + AVERAGING + HOLDOUT + OF_A_SPLIT + CHOOSING),
            (FINAL_TRIAL, OUTPUT, SHARED + AVERAGING),
        )
        for fault in faults
    ],
)
def test_values_that_no_trial_can_have_are_refused(
    options: TrialOptions, needed: list[str], more: str, message: str
) -> None:
    options.parse(needed)
    with pytest.raises(BadInput, match=message):
        options.parse([*needed, *more.split()])


@pytest.mark.parametrize(
    ("options", "needed"), [(SEARCH_TRIAL, SPLIT), (LOCAL_TRIAL, SPLIT[:2]), (DIFFERENTIABLE_TRIAL, SPLIT)]
)
def test_the_steps_of_a_network_of_your_own_are_not_recorded(
    options: TrialOptions, needed: list[str], tmp_path: Path
) -> None:
    network = tmp_path / "net.json"
    network.write_text(json.dumps(describe_network("tests.own_networks:residual", 6, 3).to_json()))
    options.parse([*needed, "--network", str(network)])
    options.parse([*needed, "--cuda-graph"])
    with pytest.raises(BadInput, match=r"^--cuda-graph: a network of your own \(tests\.own_networks:residual\)"):
        options.parse([*needed, "--network", str(network), "--cuda-graph"])


def test_steps_with_inner_activation_are_not_recorded() -> None:
    with pytest.raises(BadInput, match=r"^--cuda-graph: not with --inner-activation"):
        LOCAL_TRIAL.parse([*SPLIT[:2], "--cuda-graph", "--inner-activation"])


def test_an_iteration_has_no_average(exit_of: Exit) -> None:
    refused = exit_of(LOCAL_TRIAL.parse, *SPLIT[:2], "--average-last", "0.5")
    assert refused.code == 2
    assert refused.err == (
        "error: unrecognized arguments: --average-last 0.5; see python -m trials.local_trial --help\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "give either the folder of a data set, or its name"),
        ("--dataset a --split all", "--split must be the number of a split"),
        ("--dataset a --sample-rate 0", "the sample rate must be at least 1"),
        ("--dataset a --validation-fraction nan", "must lie between 0 and 1, not nan"),
        ("--dataset a --group (", "is no regular expression"),
    ],
)
def test_values_that_no_check_can_have_are_refused(words: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        check_data.parse_arguments(words.split())


def test_options_are_read_without_pytorch() -> None:
    """A launch that lasts for days reads them, too."""
    program = (
        "import sys; from trials import check_data, trial_arguments as t; "
        "t.FINAL_TRIAL.parse(['--dataset', 'a', '--output', 'b']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode == 0
