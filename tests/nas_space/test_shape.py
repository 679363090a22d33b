from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

import pytest

from common.bad_input import BadInput
from nas_space.shape import MS_TCN, MSTCNShape
from tests.conftest import REPOSITORY


def test_labels_count_stages_from_1_and_layers_from_0() -> None:
    assert list(MSTCNShape(num_stages=3, num_layers=2).paths.items()) == [
        ("s1l0", "stage1.layers.0.conv_dilated"),
        ("s1l1", "stage1.layers.1.conv_dilated"),
        ("s2l0", "stages.0.layers.0.conv_dilated"),
        ("s2l1", "stages.0.layers.1.conv_dilated"),
        ("s3l0", "stages.1.layers.0.conv_dilated"),
        ("s3l1", "stages.1.layers.1.conv_dilated"),
    ]


def test_the_paper_searches_40_convolutions() -> None:
    assert len(MS_TCN.paths) == len(set(MS_TCN.paths.values())) == 40
    assert MS_TCN.paths["s4l9"] == "stages.2.layers.9.conv_dilated"


def test_shapes_of_equal_sizes_are_equal() -> None:
    used = MSTCNShape()
    assert used.paths  # computed once and kept, which must not show
    assert used == MSTCNShape(4, 10, 3)
    assert hash(used) == hash(MSTCNShape(4, 10, 3))
    assert used != MSTCNShape(kernel_size=5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_stages", 0),
        ("num_stages", 2.0),
        ("num_layers", -1),
        ("num_layers", True),
        ("kernel_size", 1),
        ("kernel_size", 4),
        ("kernel_size", "3"),
    ],
)
def test_an_impossible_size_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(BadInput, match=f"^{name} must be .*, not {value!r}$"):
        MSTCNShape(**{name: value})


def test_options_name_a_shape() -> None:
    parser = argparse.ArgumentParser()
    MSTCNShape.add_arguments(parser)
    assert MSTCNShape.from_arguments(parser.parse_args([])) == MS_TCN
    options = ["--num-stages", "2", "--num-layers", "5"]
    assert MSTCNShape.from_arguments(parser.parse_args(options)) == MSTCNShape(2, 5)


def test_speaking_of_layers_costs_neither_torch_nor_nni() -> None:
    imports = "import sys, nas_space.structure_files, nni_api.trial_report"
    code = f"{imports}; print({{'torch', 'nni'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
