"""What a training step needs, counted by hand; what a device can do, measured."""

from __future__ import annotations

import torch

from benchmarks.gpu.peak import peak_copy, peak_products, step_bytes, step_operations
from benchmarks.roofline import multiplications
from benchmarks.search_networks import START
from nas_space.networks import find_network
from nas_space.structure import Structure


def test_the_bytes_of_one_layer_by_hand() -> None:
    structure = Structure((4,), find_network("ms-tcn:stages=1,layers=1"))
    # 10 frames of 2 channels: 5 times forwards and 7 backwards, and 3 bytes of mask; 7 features twice.
    assert step_bytes(structure, 10, 7, channels=2) == 10 * (2 * (12 * 4 + 3) + 2 * 7 * 4)
    assert step_bytes(structure, 10, 7, element_bytes=2, channels=2) == 10 * (2 * (12 * 2 + 3) + 2 * 7 * 4)


def test_a_layer_that_is_left_out_moves_nothing() -> None:
    network = find_network("ms-tcn:stages=1,layers=2")
    one, both = (step_bytes(Structure((4, second), network), 10, 7) for second in (0, 8))
    assert both - one == 10 * 64 * 51


def test_a_multiply_add_has_two_operations() -> None:
    both = step_operations(START, [10, 200], 7, 3)
    assert both == 2 * (multiplications(START, 10, 7, 3) + multiplications(START, 200, 7, 3))


def test_the_peak_is_measured() -> None:
    device = torch.device("cpu")
    assert peak_products(device, "default") > 1e6
    assert peak_copy(device) > 1e6
