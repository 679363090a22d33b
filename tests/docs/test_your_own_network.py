"""The example of the guide to one's own network, from its function to its predictions, as a reader would run it."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, write_dataset
from tests.docs.test_guides import blocks, lines, module_and_options

GUIDE = REPOSITORY / "docs" / "your_own_network.md"
SHORT = {"train": ["--epochs", "1"], "search": ["--epochs", "1"], "local": ["--epochs", "1", "--iterations", "1"]}
"""What is added to commands, to be quick."""
UNDER_NNI = ("new", "pipeline")
"""Commands of the guide that tests/experiments/test_every_network_through_nni.py runs with a network of one's own."""


@pytest.mark.filterwarnings("default")  # of few videos to score
def test_the_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = GUIDE.read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (printed,) = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "my_networks.py").write_text(code)
    write_dataset(tmp_path / "data" / "mydata", train=8, test=2, dim=2048, classes=11)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("G2L_DATA_ROOT")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_networks", raising=False)
    ran = []
    for words in (words for block in blocks(GUIDE)[0] for words in lines(block)):
        name = words[1]
        if name in UNDER_NNI:
            continue
        module, options = module_and_options(words)
        cpu = [] if name == "describe" else ["--device", "cpu"]
        monkeypatch.setattr(sys, "argv", [name, *options, *SHORT.get(name, []), *cpu])
        capsys.readouterr()
        importlib.import_module(module).main()
        ran.append(name)
        if name == "describe":
            output = capsys.readouterr()
            assert output.err + output.out == printed
    assert ran == ["describe", "train", "search", "local", "train", "predict"]
    monkeypatch.delitem(sys.modules, "my_networks")
    found = json.loads((tmp_path / "runs" / "local" / "best.json").read_text())
    assert found["network"]["function"] == "my_networks:tcn"
    assert len(list((tmp_path / "predictions").glob("*.txt"))) == 2
