"""Networks of the user's own: found out by probes, described by files, and refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from common.atomic_file import write_json
from common.bad_input import BadInput, run_command
from nas_space import describe
from nas_space.budget import Budget
from nas_space.describe import describe_network, seen_frames
from nas_space.network import Network
from nas_space.networks import build, find_network, network_from_json, parameters
from nas_space.networks.your_own import OwnNetwork
from nas_space.receptive_field import ReceptiveField
from nas_space.space import from_nni, global_space, to_nni
from nas_space.structure import Structure
from tests import own_networks
from tests.conftest import REPOSITORY
from tests.nas_space.networks.described import CLASSES, FEATURES, described, double, videos


def test_convolutions_are_found_in_the_order_of_the_calls(tmp_path: Path) -> None:
    network = described("residual", tmp_path)
    assert network.paths == {"c1": "convs.0", "c2": "convs.1", "c3": "convs.2"}
    assert [layer.hand for layer in network.layers] == [1, 2, 4]
    assert not network.causal
    assert parameters(network, FEATURES, CLASSES) == sum(
        each.numel() for each in own_networks.residual(FEATURES, CLASSES).parameters()
    )
    assert described("chomped", tmp_path).causal


def test_only_convolutions_along_time_are_found(tmp_path: Path) -> None:
    network = described("planar", tmp_path)
    assert list(network.paths.values()) == ["first", "second", "third"]
    assert [layer.kernel_size for layer in network.layers] == [5, 3, 3]
    # At each of 5 features: 4 x 4 channels and 5 taps, 4 x 4 and 3, 4 x 3 and 3.
    assert [layer.multiply_adds for layer in network.layers] == [400, 240, 180]


REFUSED = {
    "circular": "its convolution conv has padding_mode='circular', with which no dilation is searched: leave it",
    "strided": "its convolution conv has the stride (2,), with which no dilation is searched",
    "shorter": "for features (1, 5, 96) it returns scores (1, 3, 94): its output must have 3 classes, and as many",
    "pointwise": "it has no searchable convolution",
    "even": "it has no searchable convolution",
    "reflected": "its convolution 1.conv is not padded with zeros as a symmetric one is",
    "one_sided": "its convolution past is not padded with zeros as a symmetric one is",
    "random": "in eval mode its output for the same features changes from call to call",
    "counting": "in eval mode its output for the same features changes from call to call",
    "bypassing": "its forward pass does not call its convolution conv",
    "constant": "its output does not depend on its input",
    "dictionary": "it returns dict in place of scores (1, classes, frames)",
    "failing": "tests.own_networks:failing(5, 3) fails: RuntimeError: no network for 5 features",
    "no_module": "tests.own_networks:no_module(5, 3) returns a int, but no torch.nn.Module",
    "nothing": "tests.own_networks:nothing cannot be imported (AttributeError: ",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_searched_is_refused(kind: str) -> None:
    with pytest.raises(BadInput) as refusal:
        describe_network(f"tests.own_networks:{kind}", FEATURES, CLASSES)
    message = str(refusal.value)
    assert REFUSED[kind] in message
    assert f"tests.own_networks:{kind}" in message
    assert "\n" not in message


@pytest.mark.parametrize("function", ["", "tests.own_networks", "tests/own_networks:residual", "a:b; import os", ":f"])
def test_a_function_is_a_module_and_a_name(function: str) -> None:
    with pytest.raises(BadInput, match=r"as package\.module:function"):
        describe_network(function, FEATURES, CLASSES)


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(
        BadInput, match=r"no_such:f cannot be imported \(ModuleNotFoundError: .*beside the network file"
    ):
        describe_network("no_such:f", FEATURES, CLASSES)


def test_convolutions_can_be_left_as_they_are() -> None:
    network = describe_network("tests.own_networks:residual", FEATURES, CLASSES, ["convs.[02]"])
    assert network.paths == {"c1": "convs.1"}
    with pytest.raises(BadInput, match=r"--skip 'stage' names none of its convolutions: convs\.0, convs\.1, convs\.2"):
        describe_network("tests.own_networks:residual", FEATURES, CLASSES, ["stage"])


def test_weights_that_start_at_zero_hide_nothing() -> None:
    assert not describe_network("tests.own_networks:zero_start", FEATURES, CLASSES).causal


def test_a_description_survives_its_file(tmp_path: Path) -> None:
    network = described("planar", tmp_path)
    again = network_from_json(json.loads(json.dumps(network.to_json())))
    assert again == network
    assert str(network) == str(tmp_path / "planar.json")
    assert str(again) == "your-own (tests.own_networks:planar)"


def test_no_content_says_that_it_is_named(tmp_path: Path) -> None:
    content = described("residual", tmp_path).to_json()
    with pytest.raises(BadInput, match="with file more or less, is not enough"):
        network_from_json({**content, "file": str(tmp_path / "residual.json")})
    again = network_from_json(content)
    assert isinstance(again, OwnNetwork)
    assert again.file is None


def test_outputs_of_another_length_are_refused_whenever_they_come(tmp_path: Path) -> None:
    module = double(Structure.hand(described("residual", tmp_path)))
    last = module.get_submodule("net.last")
    assert isinstance(last, nn.Conv1d)
    last.stride = (2,)
    with pytest.raises(
        BadInput, match=r"tests\.own_networks:residual: for features \(1, 5, 9\) it returns scores \(1, 3, 5\)"
    ):
        module(videos(9))


def test_code_that_nobody_named_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    content = {**described("residual", tmp_path).to_json(), "function": "trap:f"}
    network = network_from_json(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        with pytest.raises(BadInput, match="imported only if you name it: give --network and the file"):
            build(Structure.hand(network), FEATURES, CLASSES)
    assert not (tmp_path / "sprung").exists()


def test_the_package_may_lie_beside_the_network_file(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("from tests.own_networks import residual\n")
    content = {**described("residual", tmp_path).to_json(), "function": "beside_it:residual"}
    (tmp_path / "net.json").write_text(json.dumps(content))
    assert build(Structure.hand(find_network(str(tmp_path / "net.json"))), FEATURES, CLASSES) is not None


def test_an_import_that_draws_random_numbers_changes_no_weights(tmp_path: Path) -> None:
    (tmp_path / "drawing.py").write_text("import torch\ntorch.rand(3)\nfrom tests.own_networks import residual\n")
    write_json(tmp_path / "net.json", {**described("residual", tmp_path).to_json(), "function": "drawing:residual"})
    structure = Structure.hand(find_network(str(tmp_path / "net.json")))
    first, second = double(structure).state_dict(), double(structure).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_network_may_take_its_batch_apart(tmp_path: Path) -> None:
    network = described("unbatched", tmp_path)
    assert network.paths == {"c1": "conv"}
    module = double(Structure((3,), network))
    packed = videos(20)
    conv = module.get_submodule("net.conv")
    assert isinstance(conv, nn.Conv1d)
    expected = nn.functional.conv1d(packed.features.T, conv.weight, conv.bias, padding=3, dilation=3).T
    assert torch.equal(module(packed)[0], expected)


def test_data_of_another_size_is_refused(tmp_path: Path) -> None:
    structure = Structure.hand(described("residual", tmp_path))
    with pytest.raises(BadInput, match="of 5 features and 3 classes, but the data has 6 and 3: describe it again"):
        build(structure, 6, 3)


def test_code_that_has_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    structure = Structure.hand(described("residual", tmp_path))
    monkeypatch.setattr(own_networks, "HAND", (1, 2, 5))
    with pytest.raises(
        BadInput, match=r"without its convolution convs\.2 of kernel 3 and dilation 4: describe it again"
    ):
        build(structure, FEATURES, CLASSES)


def test_no_layer_can_be_left_out(tmp_path: Path) -> None:
    network: Network = described("residual", tmp_path)
    with pytest.raises(BadInput, match=r"layer 'c2' has the dilation 0: .* can leave no layer out"):
        Structure((1, 0, 1), network)


def test_searches_that_leave_layers_out_are_refused(tmp_path: Path) -> None:
    network = described("residual", tmp_path)
    with pytest.raises(BadInput, match="the candidates must be whole numbers of at least 1, not 0"):
        global_space(network, (0, 1, 2))
    space = to_nni(global_space(network, (1, 2)))
    assert from_nni(space, network) == dict.fromkeys(network.paths, (1, 2))
    space["c2"]["_value"] = [0, 1]
    with pytest.raises(BadInput, match="the candidates of layer 'c2' must be whole numbers of at least 1, not 0"):
        from_nni(space, network)
    with pytest.raises(BadInput, match=r"max_multiply_adds: .* can leave no layer out, so that nothing can be saved"):
        Budget.parse(None, "50%", network)


def test_how_far_it_sees_is_probed(tmp_path: Path) -> None:
    assert seen_frames(described("residual", tmp_path)) == 15
    assert seen_frames(described("chomped", tmp_path)) == 15
    assert seen_frames(described("parallel", tmp_path)) == 9
    assert seen_frames(described("averaging", tmp_path)) is None  # of its whole input
    assert ReceptiveField.of(Structure.hand(described("parallel", tmp_path))).network.frames == 11


def test_how_far_it_sees_counts_its_convolutions_one_after_another(tmp_path: Path) -> None:
    assert ReceptiveField.of(Structure.hand(described("residual", tmp_path))).network.frames == 1 + 2 * (1 + 2 + 4)
    assert ReceptiveField.of(Structure.hand(described("chomped", tmp_path))).network.future == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"function": "a b:c"}, "as package.module:function"),
        ({"feature_dim": 0}, "feature_dim must be a whole number from 1"),
        ({"causal": 1}, "causal must be true or false"),
        ({"layers": {}}, "layers must be 1 to 1000 convolutions"),
        (
            {"layers": {"c-1": {"path": "a", "dilation": 1, "kernel": 3, "multiply_adds": 9}}},
            "must be up to 16 letters and digits",
        ),
        (
            {"layers": {"c1": {"path": "a", "dilation": 0, "kernel": 3, "multiply_adds": 9}}},
            "layer c1: dilation must be",
        ),
        (
            {"layers": {"c1": {"path": "a", "dilation": 1, "kernel": 4, "multiply_adds": 9}}},
            "kernel must be an odd number",
        ),
        (
            {"layers": {"c1": {"path": "a..b", "dilation": 1, "kernel": 3, "multiply_adds": 9}}},
            "not the path of a module",
        ),
        ({"layers": {"c1": {"path": "a"}}}, "expected path, dilation, kernel and multiply_adds"),
        ({"more": 1}, "with more more or less, is not enough"),
        ({"name": "ms-tcn"}, "not a file of nas_space.describe"),
    ],
)
def test_damaged_files_are_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    content = described("residual", tmp_path).to_json() | changes
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=message) as refusal:
        find_network(str(path))
    assert str(path) in str(refusal.value)


def test_a_name_alone_is_not_enough() -> None:
    with pytest.raises(BadInput, match=r"named by the file that python -m nas_space\.describe writes"):
        find_network("your-own")


def test_the_command_writes_the_file(tmp_path: Path) -> None:
    words = ("--network", "tests.own_networks:chomped", "--feature-dim", "5", "--classes", "3")
    command = [sys.executable, "-m", "nas_space.describe", *words, "--output", str(tmp_path / "net.json")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'net.json'}\n"
    size = sum(each.numel() for each in own_networks.chomped(5, 3).parameters())
    assert done.stderr.splitlines() == [
        "c1: convs.0, kernel 3, dilation 1",
        "c2: convs.1, kernel 3, dilation 2",
        "c3: convs.2, kernel 3, dilation 4",
        f"3 searchable convolutions; causal; {size} parameters",
    ]
    assert find_network(str(tmp_path / "net.json")) == describe_network("tests.own_networks:chomped", 5, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--output", "net.txt"], "error: --output net.txt: must end with .json, by which --network knows it"),
        (["--classes", "0"], "error: --classes must be at least 1, not 0"),
        (
            ["--network", "tests.own_networks:failing"],
            "error: tests.own_networks:failing(5, 3) fails: RuntimeError: no",
        ),
    ],
)
def test_the_command_refuses_in_one_line(
    changes: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--network", "tests.own_networks:residual", "--feature-dim", "5", "--classes", "3", "--output", "net.json"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["describe", *words, *changes])
    with pytest.raises(SystemExit) as end:
        run_command(describe.main)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(message)
    assert not list(tmp_path.iterdir())
