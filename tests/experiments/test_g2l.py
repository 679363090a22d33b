from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from experiments.g2l import COMMANDS, main, overview
from tests.conftest import REPOSITORY


def run(*words: str, cwd: Path | None = None, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """The command as its console script runs it, with the repository on the path as the editable install has it."""
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from experiments.g2l import main; main()"
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, cwd=cwd, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


def test_the_console_script_is_this_module() -> None:
    content = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert content["project"]["scripts"] == {"g2l": "experiments.g2l:main"}


def test_the_install_has_every_package_that_a_command_needs() -> None:
    named = set(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    rooms = {command.module.partition(".")[0] for command in COMMANDS.values()} | {
        "common",
        "machines",
        "nni_api",
        "strategies",
    }
    there = {path.parent.relative_to(REPOSITORY) for room in rooms for path in (REPOSITORY / room).rglob("__init__.py")}
    assert named == {".".join(path.parts) for path in there}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_module_that_can_be_run(name: str) -> None:
    spec = importlib.util.find_spec(COMMANDS[name].module)
    assert spec is not None
    if spec.submodule_search_locations is not None:  # a package runs its __main__
        spec = importlib.util.find_spec(f"{COMMANDS[name].module}.__main__")
        assert spec is not None
    assert spec.origin is not None
    assert '__name__ == "__main__"' in Path(spec.origin).read_text()


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_lists_the_commands_in_the_order_of_use(words: tuple[str, ...]) -> None:
    shown = run(*words)
    assert (shown.returncode, shown.stderr, shown.stdout) == (0, "", overview() + "\n")
    listed = [line.split()[0] for line in shown.stdout.splitlines() if line.startswith("  ")]
    wanted = [
        "new",
        "check",
        "launch",
        "pipeline",
        "export",
        "local",
        "train",
        "predict",
        "evaluate",
        "report",
        "plots",
        "clean",
    ]
    assert [name for name in listed if name in wanted] == wanted


def test_help_imports_the_standard_library_only() -> None:
    at_end = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); sys.argv = ['g2l', '--help']"
    code = f"{at_end}; from experiments.g2l import main; main()"
    shown = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in shown.stdout.splitlines()[-1].split()}
    ours = {"common", "experiments", "nas_space", "__main__"}
    # What an environment's .pth files import at every start of Python is there before us.
    before = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    foreign = imported - set(sys.stdlib_module_names) - ours
    assert foreign <= {name.partition(".")[0] for name in before.stdout.split()}


def test_a_command_runs_from_any_folder_as_python_m_does(tmp_path: Path) -> None:
    mine = run("evaluate", "--help", cwd=tmp_path)
    same = subprocess.run(
        [sys.executable, "-m", "trials.evaluate", "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert (mine.returncode, mine.stdout) == (0, same.stdout)


def test_bad_input_of_a_command_keeps_its_exit_code(tmp_path: Path) -> None:
    refused = run("check", "nowhere", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: {tmp_path / 'nowhere'}: no such data set folder")


def test_an_unknown_command_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["g2l", "tran"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: no command 'tran'; 'g2l --help' lists them\n"


@pytest.mark.parametrize("words", [("--help",), ("structure", "hand"), ("structure", "--help")], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_command_ends_quietly_where_nobody_reads_its_output(
    words: tuple[str, ...], unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reader, writer = os.pipe()
    os.close(reader)
    ended = run(*words, stdout=writer)
    os.close(writer)
    assert ended.stderr == ""
