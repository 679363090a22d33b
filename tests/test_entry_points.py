"""What every command does before it loads PyTorch: it says that threads wait passively."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

SOURCES = {
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts): path.read_text()
    for package in REPOSITORY.iterdir()
    if (package / "__init__.py").exists() and package.name != "tests"
    for path in package.rglob("*.py")
}
"""The text of every module, by name."""

ENTRY_POINTS = [name for name, text in SOURCES.items() if re.search("^if __name__ ==", text, re.MULTILINE)]

PACKAGES = {
    name.partition(".")[0] for name, text in SOURCES.items() if re.search(r"^\s*(import|from) torch\b", text, re.M)
}
"""Packages of which some module loads PyTorch, at its top or in a function."""

WATCH = """
import importlib, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            asked.append(os.environ.get("OMP_WAIT_POLICY"))
            raise ImportError("PyTorch takes too long for a test")

sys.meta_path.insert(0, Watch())
ours = set(sys.argv[1].split(","))
for module in sys.argv[2:]:
    os.environ.pop("OMP_WAIT_POLICY", None)
    for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
        del sys.modules[name]  # as in a new process
    asked = []
    try:
        importlib.import_module(module)
    except ImportError as fault:
        assert asked, fault
    print(module, *asked[:1])
"""
"""Imports modules as ``python -m`` does, and prints how threads waited when each first asked for PyTorch, if it did."""

STEP = """
import sys, torch, {trials}
from trials.training.adam import Adam

parameter = torch.nn.Parameter(torch.ones(2))
parameter.grad = parameter.detach()
Adam([("p", parameter)]).step(0.1)
heavy = ["nni", "scipy", "pandas", "matplotlib", "sklearn", "tensorboard", "torch._dynamo"]
print(set(heavy) & set(sys.modules))
"""
"""Imports all trials, takes a step of a training, and prints what no trial should import."""


def python(code: str, *words: str, **environment: str) -> str:
    """What a program prints, in an environment that says nothing else of OpenMP."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=REPOSITORY,
        env=clean | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_every_command_says_how_threads_wait_before_it_loads_pytorch() -> None:
    packages = {name.partition(".")[0] for name in SOURCES}
    asked = dict(
        line.split(" ") for line in python(WATCH, ",".join(packages), *ENTRY_POINTS).splitlines() if " " in line
    )
    assert asked.keys() >= {"trials.train", "trials.search_trial", "analysis.report.__main__", "benchmarks.gradients"}
    assert set(asked.values()) == {"PASSIVE"}


def test_every_parser_refuses_options_in_one_line() -> None:
    made = {name for name, text in SOURCES.items() if re.search(r"\bArgumentParser\(", text)}
    assert made == set()  # but CommandParser


def test_trials_import_only_what_they_use_and_the_openmp_of_pytorch_listens() -> None:
    """Neither NNI, nor what it brings along, nor PyTorch's compiler, which its own Adam imports."""
    trials = sorted(name for name in ENTRY_POINTS if re.fullmatch(r"trials\.\w+_trial", name))
    assert "trials.search_trial" in trials
    printed = python(STEP.format(trials=", ".join(trials)), OMP_DISPLAY_ENV="TRUE")
    assert printed.startswith("set()\n")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in printed


def test_a_pipeline_starts_without_pytorch_and_nni() -> None:
    says = "import sys; print({'torch', 'nni', 'pandas', 'matplotlib'} & set(sys.modules))"
    assert python(f"import experiments.pipeline; {says}") == "set()\n"


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_so_does_every_package_that_loads_it_later(package: str) -> None:
    says = "import os, sys; assert 'torch' not in sys.modules; print(os.environ['OMP_WAIT_POLICY'])"
    assert python(f"import {package}; {says}") == "PASSIVE\n"


def test_what_the_user_has_set_stands() -> None:
    says = "import os, trials; print(os.environ['OMP_WAIT_POLICY'])"
    assert python(says, OMP_WAIT_POLICY="ACTIVE") == "ACTIVE\n"
