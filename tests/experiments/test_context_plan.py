"""The plan of experiments.context: budgets, hand-scaled patterns, steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.bad_input import BadInput
from experiments.context_plan import budgets, context_plan, patterns, useful_context, write_patterns
from nas_space.budget import Budget
from nas_space.networks import find_network
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from nas_space.structure_files import read_structure
from strategies.tuners import DifferentiableTuner, FinalTuner
from tests.conftest import write_dataset
from trials.data.dataset import find_dataset

DEMO = find_network("ms-tcn:stages=2,layers=2")


def test_useful_is_what_hand_sees_or_twice_the_median_video(tmp_path: Path) -> None:
    dataset = find_dataset(write_dataset(tmp_path / "small", frames=(50, 51)).name, tmp_path)
    assert useful_context(find_network("ms-tcn"), dataset, [1]) == 100
    assert useful_context(DEMO, dataset, [1]) == 13  # 1 + 2 stages x 2 x (1 + 2)
    assert useful_context(find_network("ms-tcn"), find_dataset("small", tmp_path, 3), [1]) == 34


def test_budgets_are_shares() -> None:
    limits = {name: budget.network for name, budget in budgets(676).items()}
    assert limits == {"1_32": 21, "1_8": 84, "1_2": 338, "1_1": 676}
    assert budgets(20) == {"1_32": Budget(network=1), "1_8": Budget(network=2), "1_2": Budget(10), "1_1": Budget(20)}
    assert budgets(3) == {"1_32": Budget(network=1), "1_1": Budget(network=3)}


def test_patterns_by_hand() -> None:
    network = find_network("ms-tcn:stages=2,layers=3")  # hand: 1 2 4 | 1 2 4, sees 29 frames
    found = {limit: patterns(network, Budget(network=limit)) for limit in (29, 21, 9)}
    assert found[29] == {}
    # Both 4 become 2. A factor just below 0.75 gives 0.7, 1.5 and 3.0, of which 1.5 is still rounded down.
    assert found[21]["cut"].dilations == (1, 2, 2, 1, 2, 2)
    assert found[21]["even"].dilations == (1, 1, 3, 1, 1, 3)
    # Halved to 1 everywhere, the network sees 13; the last layer of each stage goes.
    assert found[9]["cut"].dilations == (1, 1, 0, 1, 1, 0)
    assert found[9]["even"].dilations == (0, 1, 1, 0, 1, 1)


@pytest.fixture
def tuner_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What NNI tells a tuner when it starts it."""
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("NNI_TUNER_COMMAND_CHANNEL", "ws://localhost:1/tuner")


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(["ms-tcn", "causal-ms-tcn:stages=2", "ms-tcn++"]), st.integers(1, 9000))
def test_patterns_keep_the_budget(name: str, limit: int) -> None:
    network = find_network(name)
    hand = Structure.hand(network)
    found = patterns(network, Budget(network=limit))
    assert ("cut" in found) == (ReceptiveField.of(hand).network.frames > limit)
    for structure in found.values():
        assert ReceptiveField.of(structure).network.frames <= limit
        assert all(new <= old for new, old in zip(structure.dilations, hand.dilations, strict=True))


def test_all_structures_are_trained_on_a_split_before_the_next_one(tmp_path: Path) -> None:
    limits = budgets(26)  # 1, 3, 13, 26: hand sees 13
    steps = context_plan(tmp_path, "mine", "demo", "differentiable", DEMO, limits, [1, 3], [0, 7, 8])
    names = ["found_1_32", "found_1_8", "found_1_2", "found_1_1"]
    assert [step.name for step in steps] == [
        *(f"{name}_split1" for name in names),
        "final_split1",
        *(f"{name}_split3" for name in names),
        "final_split3",
        "final_seed7",
        "final_seed8",
    ]
    assert [step.result.relative_to(tmp_path) for step in steps[:2] if step.result] == [
        Path("split1/found_1_32.json"),
        Path("split1/found_1_8.json"),
    ]
    # hand, four found, and the patterns within each budget that hand exceeds: one of 1 frame, two of 3 frames.
    assert [step.trials for step in steps if step.phase == "final"] == [8, 8, 16, 16]


@pytest.mark.usefixtures("tuner_environment")
def test_each_step_is_an_experiment_that_the_tuners_accept(tmp_path: Path) -> None:
    limits = budgets(26)  # 1, 3, 13, 26
    steps = {step.name: step for step in context_plan(tmp_path, "a", "demo", "differentiable", DEMO, limits, [1], [0])}
    spaces = {name: step.config["searchSpace"] for name, step in steps.items()}
    # With dilations of 1, the network sees 9 frames: more than half of 3 and of 13, less than half of 26.
    for name, least in (("found_1_8", [0]), ("found_1_2", [0]), ("found_1_1", [])):
        assert spaces[f"{name}_split1"]["s1l0"]["_value"] == [*least, 1, 2, 4, 8, 16, 32, 64]
    for name in ("found_1_8_split1", "found_1_2_split1"):
        arguments = steps[name].config["tuner"]["classArgs"]
        del arguments["check_command"]
        proposal = DifferentiableTuner(**arguments).create_search(spaces[name]).ask()
        assert proposal is not None
        assert proposal.extra["_limits"] == {"found_1_8_split1": "network=3", "found_1_2_split1": "network=13"}[name]
    write_patterns(tmp_path, DEMO, limits, [1])
    for name in ("found_1_32", "found_1_8", "found_1_2", "found_1_1"):
        (tmp_path / "split1" / f"{name}.json").write_text((tmp_path / "split1" / "cut_1_8.json").read_text())
    assert read_structure(tmp_path / "split1" / "cut_1_8.json", DEMO).dilations == (1, 0, 0, 0)
    arguments = steps["final_split1"].config["tuner"]["classArgs"]
    del arguments["check_command"]
    assert FinalTuner(**arguments).create_search(spaces["final_split1"]).ask() is not None


def test_without_a_file_of_the_search_the_plan_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no experiments/nowhere_.*yml: give --template, or start with g2l new mine"):
        context_plan(tmp_path, "mine", "nowhere", "differentiable", DEMO, budgets(13), [1], [0])
