"""Networks by their names: descriptions, JSON, options of commands, what earlier versions said, and a new one."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from common.bad_input import BadInput
from nas_space import networks
from nas_space.network import Network
from nas_space.networks import (
    add_network_argument,
    build,
    find_network,
    ms_tcn,
    names,
    network_from_json,
    parameters,
    tuner_network,
)
from nas_space.structure import Structure
from tests.conftest import REPOSITORY
from tests.nas_space import generators


def test_labels_count_stages_from_1_and_layers_from_0() -> None:
    assert list(find_network("ms-tcn:stages=3,layers=2").paths.items()) == [
        ("s1l0", "stage1.layers.0.conv_dilated"),
        ("s1l1", "stage1.layers.1.conv_dilated"),
        ("s2l0", "stages.0.layers.0.conv_dilated"),
        ("s2l1", "stages.0.layers.1.conv_dilated"),
        ("s3l0", "stages.1.layers.0.conv_dilated"),
        ("s3l1", "stages.1.layers.1.conv_dilated"),
    ]


def test_the_paper_searches_40_convolutions() -> None:
    network = find_network("ms-tcn")
    assert len(network.paths) == len(set(network.paths.values())) == 40
    assert network.paths["s4l9"] == "stages.2.layers.9.conv_dilated"


def test_equal_networks_are_equal() -> None:
    used = find_network("ms-tcn")
    assert used.paths  # computed once and kept, which must not show
    same = find_network("ms-tcn: layers = 10, stages=4,kernel=3")
    assert (used, hash(used), str(used)) == (same, hash(same), "ms-tcn")
    assert used != find_network("ms-tcn:kernel=5")
    assert used != find_network("causal-ms-tcn")


@pytest.mark.parametrize("text", ["ms-tcn:layers=1000", "ms-tcn++:prediction=1000"])
def test_however_deep_a_network_its_hand_dilations_are_dilations(text: str) -> None:
    assert max(Structure.hand(find_network(text)).dilations) == 2**20


@given(generators.networks())
def test_a_network_is_its_text_and_its_json(network: Network) -> None:
    assert find_network(str(network)) == network
    assert network_from_json(network.to_json()) == network


@settings(max_examples=20)
@given(generators.networks(channels=3))
def test_the_number_of_parameters_is_that_of_the_module(network: Network) -> None:
    module = build(Structure.hand(network), feature_dim=5, classes=4)
    assert parameters(network, 5, 4) == sum(parameter.numel() for parameter in module.parameters())
    paths = {name for name, each in module.named_modules() if hasattr(each, "dilation") and each.kernel_size != (1,)}
    assert paths == set(network.paths.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ms-tcx", f"there is no network 'ms-tcx': it must be one of {', '.join(names())}"),
        ("my_networks:tcn", "there is no network 'my_networks': it must be one of "),
        ("../ms_tcn", "there is no network '../ms_tcn'"),
        ("", "there is no network ''"),
        ("ms-tcn:stages=0", "network ms-tcn: stages must be a whole number from 1 to 1000, not 0"),
        ("ms-tcn:layers=1001", "network ms-tcn: layers must be a whole number from 1 to 1000, not 1001"),
        ("ms-tcn:kernel=4", "network ms-tcn: kernel must be an odd number, not 4"),
        ("ms-tcn:depth=4", "network ms-tcn has no option 'depth', but stages, layers, kernel, channels"),
        ("ms-tcn:stages", "network 'ms-tcn:stages': write it as ms-tcn:option=number,option=number"),
        ("ms-tcn:stages=1,stages=2", "network 'ms-tcn:stages=1,stages=2': write it as ms-tcn:option=number"),
        ("ms-tcn++:shared=x", "network 'ms-tcn++:shared=x': write it as ms-tcn++:option=number"),
    ],
)
def test_what_is_no_network_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput) as refused:
        find_network(text)
    assert str(refused.value).startswith(message)


def parsed(*words: str) -> Network:
    parser = argparse.ArgumentParser()
    add_network_argument(parser)
    network: Network = parser.parse_args(words).network
    return network


def test_a_command_takes_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed() == find_network("ms-tcn")
    assert parsed("--network", "ms-tcn++:shared=1") == find_network("ms-tcn++:shared=1")
    with pytest.raises(SystemExit):
        parsed("--network", "ms-tcx")
    assert "argument --network: there is no network 'ms-tcx'" in capsys.readouterr().err


# What earlier versions said.


def test_earlier_options_are_translated_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="write --network ms-tcn") as warned:
        assert parsed("--num-stages", "2", "--num-layers", "5") == find_network("ms-tcn:stages=2,layers=5")
    assert str(warned[-1].message) == "--num-layers 5: write --network ms-tcn:stages=2,layers=5"
    with pytest.raises(BadInput, match="stages must be a whole number"), pytest.warns(match="--num-layers 5"):
        parsed("--num-layers", "5", "--num-stages", "0")
    with pytest.raises(SystemExit):
        parsed("--network", "ms-tcn++", "--num-layers", "5")
    with pytest.raises(SystemExit), pytest.warns(match="--num-layers 5"):
        parsed("--num-layers", "5", "--network", "ms-tcn")


def test_earlier_arguments_of_a_tuner_are_translated_with_a_warning() -> None:
    assert tuner_network("ms-tcn:stages=2", {}) == find_network("ms-tcn:stages=2")
    with pytest.warns(UserWarning, match="write network: ms-tcn:stages=2,layers=5 in place of num_stages, num_layers"):
        assert tuner_network("ms-tcn", {"num_stages": 2, "num_layers": 5}) == find_network("ms-tcn:stages=2,layers=5")
    with pytest.raises(BadInput, match="leave them out"):
        tuner_network("ms-tcn:stages=3", {"num_stages": 2})
    with pytest.raises(BadInput, match="there is no argument 'num_heads'"):
        tuner_network("ms-tcn", {"num_heads": 2})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"name": "ms_tcn", "stages": 2, "layers": 5, "kernel": 3}, "ms-tcn:stages=2,layers=5"),
        ({"num_stages": 2, "num_layers": 5, "kernel_size": 3, "channels": 8}, "ms-tcn:stages=2,layers=5,channels=8"),
    ],
    ids=["structure file", "checkpoint"],
)
def test_earlier_descriptions_are_read(content: dict[str, Any], text: str) -> None:
    assert network_from_json(content) == find_network(text)


@pytest.mark.parametrize("content", [None, [], {}, {"name": 3}, {"stages": 2}], ids=str)
def test_other_descriptions_are_refused(content: Any) -> None:
    with pytest.raises(BadInput, match="not the description of a network"):
        network_from_json(content)


@pytest.mark.parametrize("shape", [None, [], "x"], ids=str)
def test_damaged_settings_are_other_settings(shape: Any) -> None:
    now = {"split": 1, "network": find_network("ms-tcn").to_json()}
    assert ms_tcn.same_settings({"split": 1, "channels": 64}, now)
    assert not ms_tcn.same_settings({"split": 1, "shape": shape}, now)


def test_labels_of_earlier_records_say_the_size() -> None:
    assert ms_tcn.of_labels(["s2l0", "s1l0", "s1l2", "s2l1"]) == find_network("ms-tcn:stages=2,layers=3")
    for labels in ([], ["s1l0", "x"], ["s0l0"]):
        with pytest.raises(BadInput):
            ms_tcn.of_labels(labels)


# A new network is one file.

TOY = """
from nas_space.network import Block, Layer, Network, Option, chosen_options

OPTIONS = (Option("depth", 2),)


def describe(**options):
    chosen = chosen_options("toy", OPTIONS, options)
    layers = tuple(Layer(f"conv{number}", f"convs.{number}", 3**number) for number in range(chosen[0].value))
    return Network("toy", chosen, (Block("all", layers),))


def build(structure, feature_dim, classes):
    from torch import nn

    from nas_space.layers.convolutions import DilatedConv, PointwiseConv

    class Toy(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = PointwiseConv(feature_dim, 4)
            self.convs = nn.ModuleList(DilatedConv(4, 4, 3, dilation) for dilation in structure.dilations)
            self.last = PointwiseConv(4, classes)

        def forward(self, videos):
            frames = self.first(videos.features)
            for conv in self.convs:
                frames = frames + conv(frames, videos.offsets).relu()
            return self.last(frames)[None]

    return Toy()


def parameters(network, feature_dim, classes):
    return 4 * (feature_dim + 1) + len(network.layers) * 52 + 5 * classes
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A fourth network: one file among those of nas_space/networks."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(networks, "__path__", [*networks.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "nas_space.networks.toy", raising=False)
    return find_network("toy:depth=3")


def test_a_new_network_is_one_file(toy: Network) -> None:
    assert "toy" in names()
    assert (str(toy), Structure.hand(toy).by_label()) == ("toy:depth=3", {"conv0": 1, "conv1": 3, "conv2": 9})
    module = build(Structure.hand(toy), 6, 3)
    assert parameters(toy, 6, 3) == sum(parameter.numel() for parameter in module.parameters())


def test_speaking_of_layers_costs_neither_torch_nor_nni() -> None:
    imports = "import sys, nas_space.structure_files, nni_api.trial_report; from nas_space.networks import find_network"
    code = f"{imports}; find_network('ms-tcn++'); print({{'torch', 'nni'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
