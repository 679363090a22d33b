from __future__ import annotations

from analysis.report.network_cost import measure, processor
from nas_space.networks.ms_tcn import MSTCN
from tests.trials.conftest import TINY_STRUCTURE


def test_sizes_are_counted_from_the_layers() -> None:
    """Two stages of three layers, 5 channels, 7 features, 3 classes."""
    cost = measure({"hand": MSTCN(TINY_STRUCTURE, 7, 3, channels=5)}, feature_dim=7, frames=50)["hand"]
    layer = (5 * 5 * 3, 5), (5 * 5, 5)  # weights and biases of the dilated and of the 1x1 convolution
    stages = [[(inputs * 5, 5), *layer * 3, (5 * 3, 3)] for inputs in (7, 3)]
    weights = sum(weight for stage in stages for weight, _ in stage)
    biases = sum(bias for stage in stages for _, bias in stage)
    assert (cost.multiply_adds, cost.parameters) == (weights, weights + biases)
    assert cost.frames_per_second > 0


def test_the_machine_is_told() -> None:
    assert processor().endswith("thread(s)")
