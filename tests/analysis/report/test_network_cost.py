from __future__ import annotations

import pytest

from analysis.report.network_cost import NetworkCost, measure, processor
from nas_space.budget import layer_costs
from nas_space.networks import build, find_network
from nas_space.structure import Structure


def cost_of(text: str) -> NetworkCost:
    """Of a network of 7 features and 3 classes."""
    network = find_network(text)
    return measure({"hand": build(Structure.hand(network), 7, 3)}, network, feature_dim=7, frames=50)["hand"]


def test_sizes_are_counted_from_the_layers() -> None:
    """Two stages of three layers, 5 channels, 7 features, 3 classes."""
    cost = cost_of("ms-tcn:stages=2,layers=3,channels=5")
    layer = (5 * 5 * 3, 5), (5 * 5, 5)  # weights and biases of the dilated and of the 1x1 convolution
    stages = [[(inputs * 5, 5), *layer * 3, (5 * 3, 3)] for inputs in (7, 3)]
    weights = sum(weight for stage in stages for weight, _ in stage)
    biases = sum(bias for stage in stages for _, bias in stage)
    assert (cost.multiply_adds, cost.parameters) == (weights, weights + biases)
    assert cost.frames_per_second > 0


def test_shared_weights_are_counted_once_and_used_in_each_stage() -> None:
    """One dual layer, then two refinement stages of one layer, 5 channels, 7 features, 3 classes."""
    one, own, shared = (
        cost_of(f"ms-tcn++:prediction=1,layers=1,channels=5,{options}")
        for options in ("refinements=1", "refinements=2", "refinements=2,shared=1")
    )
    refinement = 3 * 5 + 5 * 5 * 3 + 5 * 5 + 5 * 3  # 1x1, dilated, 1x1, 1x1
    assert one.multiply_adds == 7 * 5 + 2 * 5 * 5 * 3 + 10 * 5 + 5 * 3 + refinement
    assert own.multiply_adds == shared.multiply_adds == one.multiply_adds + refinement
    assert own.parameters == one.parameters + refinement + 5 + 5 + 5 + 3
    assert shared.parameters == one.parameters


@pytest.mark.parametrize(
    "text",
    [
        "ms-tcn:stages=2,layers=2,kernel=5,channels=5",
        "causal-ms-tcn:stages=2,layers=2,channels=5",
        "ms-tcn++:prediction=2,refinements=2,layers=2,shared=1,channels=5",
    ],
)
def test_leaving_out_a_layer_saves_what_the_description_says(text: str) -> None:
    network = find_network(text)
    hand = Structure.hand(network)
    costs = layer_costs(network)
    structures = {label: Structure.from_labels({**hand.by_label(), label: 0}, network) for label in costs}
    modules = {label: build(each, 7, 3) for label, each in {"hand": hand, **structures}.items()}
    found = measure(modules, network, feature_dim=7, frames=5)
    saved = {label: found["hand"].multiply_adds - found[label].multiply_adds for label in costs}
    assert saved == costs


def test_the_machine_is_told() -> None:
    assert processor().endswith("thread(s)")
