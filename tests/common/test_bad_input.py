from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.bad_input import BadInput, one_line, run_command
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (None, 0, ""),
        (BadInput("settings.yml: no such file"), 2, "error: settings.yml: no such file\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (SystemExit(7), 7, ""),
    ],
    ids=["done", "bad input", "interrupted", "own exit"],
)
def test_how_a_command_ends(
    fault: BaseException | None, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        print("results")
        if fault is not None:
            raise fault

    with pytest.raises(SystemExit) as end:
        run_command(main)
    assert end.value.code == code
    assert capsys.readouterr() == ("results\n", message)


def test_any_other_failure_keeps_its_traceback() -> None:
    def main() -> None:
        raise ValueError("a fault of ours")

    with pytest.raises(ValueError, match=r"^a fault of ours$"):
        run_command(main)


def run(main: str, stdout: int = subprocess.PIPE, unbuffered: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command whose ``main`` is one expression; by default its output is buffered, as users have it."""
    imports = "import sys, warnings; from common.bad_input import BadInput, run_command"
    return subprocess.run(
        [sys.executable, "-c", f"{imports}; run_command(lambda: {main})"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_a_warning_is_one_line_on_standard_error() -> None:
    done = run("warnings.warn('the test split is used for selection')")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "warning: the test split is used for selection\n"


@pytest.mark.parametrize("main", ["print('results')", "[print('help'), sys.exit(0)]"])
def test_output_to_a_full_disk_is_one_line(main: str) -> None:
    with open("/dev/full", "w") as full:
        done = run(main, stdout=full.fileno())
    assert (done.returncode, done.stderr) == (1, "error: standard output: No space left on device\n")


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "main", ["print('results')", "[print(number) for number in range(100_000)]", "[print('help'), sys.exit(0)]"]
)
def test_a_reader_who_has_left_hears_no_complaint(main: str, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run(main, writer, unbuffered)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("end", ["sys.exit(7)", "(_ for _ in ()).throw(BadInput('no such file'))"])
def test_how_a_command_ends_does_not_depend_on_who_reads_its_output(end: str) -> None:
    reader, writer = os.pipe()
    done = run(f"[print('results'), {end}]", writer)
    os.close(reader)
    left = run(f"[print('results'), {end}]", writer)
    os.close(writer)
    assert (left.returncode, left.stderr) == (done.returncode, done.stderr)
    assert done.returncode in (2, 7)


def test_a_command_may_have_no_standard_output() -> None:
    code = "from common.bad_input import run_command; run_command(lambda: print('results'))"
    closed = ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, code]
    done = subprocess.run(closed, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("two\nlines\r\n.json: no such file", "two\\nlines\\r\\n.json: no such file"),
        ("\x1b[2J\u2028größer \udcff", "\\x1b[2J\\u2028größer \\udcff"),
        ("x" * 5000, "x" * 2000 + " ..."),
    ],
)
def test_a_refusal_is_one_line_whatever_it_names(message: str, line: str) -> None:
    assert one_line(message) == line


def test_a_path_that_no_file_can_have_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run_command(lambda: print(Path("x" * 5000).stat()))
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith("x ...\n")
