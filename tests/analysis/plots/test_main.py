"""Each figure through its command: files written, bad input refused in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from analysis.plots.__main__ import main
from common.bad_input import run_command
from tests.analysis.records import write_global_records
from tests.conftest import REPOSITORY

PNG = b"\x89PNG\r\n\x1a\n"
LABELS = ("--ground-truth", "true")
COMMANDS: dict[str, tuple[str, ...]] = {
    "timeline": ("timeline", *LABELS, "--video", "x", "--predictions", "ours=predicted", "--fps", "15"),
    "structure": ("structure", "hand", "--network", "ms-tcn++:layers=3", "--fps", "15"),
    "progress": ("progress", "Ab3dE", "--against", "epochs"),
    "confusion": ("confusion", *LABELS, "--predictions", "predicted", "--background", "b"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with label files and the records of a search."""
    monkeypatch.chdir(tmp_path)
    for part, text in (("true", "a\na\nb\n"), ("predicted", "a\nb\nb\n")):
        (tmp_path / part).mkdir()
        (tmp_path / part / "x.txt").write_text(text)
    write_global_records(tmp_path / "Ab3dE" / "checkpoint", [10.0, 30.0])
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["plots", *words])
    monkeypatch.setattr("warnings.showwarning", None)  # put back afterwards
    with pytest.raises(SystemExit) as exited:
        run_command(main)
    assert isinstance(exited.value.code, int)
    return exited.value.code


@pytest.mark.parametrize("name", COMMANDS)
def test_png_and_svg_are_written(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for ending in ("png", "svg"):
        assert run(monkeypatch, *COMMANDS[name], "--output", f"out/a.{ending}") == 0
    assert capsys.readouterr() == ("out/a.png\nout/a.svg\n", "")
    assert (folder / "out" / "a.png").read_bytes().startswith(PNG)
    assert ElementTree.parse(folder / "out" / "a.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((*COMMANDS["structure"], "--output", "a.pdf"), "--output a.pdf: must end in .png or .svg"),
        (("timeline", *LABELS, "--video", "y", "--output", "a.png"), "true: no video 'y': there are x"),
        (("timeline", "--ground-truth", "no", "--video", "y", "--output", "a.png"), "no: no such folder"),
        ((*COMMANDS["timeline"], "--fps", "0", "--output", "a.png"), "--fps must be above 0, not 0.0"),
        ((*COMMANDS["confusion"], "q", "--output", "a.png"), "background class 'q' is not a class: there are a, b"),
        (("structure", "true/x.txt", "--output", "a.png"), "true/x.txt: not a JSON file"),
        (("progress", "true", "--output", "a.png"), "true/records.jsonl: no records"),
        ((*COMMANDS["structure"], "--output", "true/x.txt/a.png"), "true/x.txt: "),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_input_is_refused_in_one_line(
    words: tuple[str, ...],
    reason: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {reason}")
    assert err.count("\n") == 1
    assert not list(folder.glob("a.*"))


def test_only_figures_import_matplotlib() -> None:
    """A tuner and an export start without it; trials, too, as ``test_entry_points`` shows."""
    quick = "from nni_api.quick_nni import import_nni; import_nni()"  # as tuners start
    code = f"{quick}; import sys, strategies.tuners, analysis.export; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
