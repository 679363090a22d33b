"""What the page says of runs that are unfinished, failed, of other searches, or without their data."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pytest
import yaml

from analysis.report import pictures
from analysis.report.page import write_report
from analysis.report.pictures import Picture, Pictures
from analysis.searches import SearchRecord
from common.atomic_file import write_text
from common.bad_input import BadInput
from experiments.preflight import preflight
from machines.gpus import Machine
from nas_space.networks import find_network
from nas_space.space import global_space, to_nni
from nas_space.structure import Structure
from tests.analysis.report.conftest import FOUND, SmallRun, begin, finish, keep
from tests.analysis.report.reader import Reader
from tests.conftest import REPOSITORY


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of which the text matters, and drawing its figures would take most of the time."""
    monkeypatch.setattr(Pictures, "draw", lambda _self, name, caption, _figure: [Picture(name, caption, 1.0, "data:,")])


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report whose figures are made, but not painted: which there are is what matters."""
    monkeypatch.setattr(pictures, "write_figure", lambda _, path: write_text(path, "<svg/>"))
    monkeypatch.setattr(pictures, "adaptive_svg", str)


@pytest.mark.usefixtures("without_pictures")
def test_what_others_wrote_is_text(small_run: SmallRun, tmp_path: Path) -> None:
    copy = tmp_path / "runs" / "<b>bold"
    for source in small_run.folder.rglob("*"):
        if source.is_file() and "final" not in source.parts:
            target = copy / source.relative_to(small_run.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    written = write_report(str(copy), data_root=small_run.data_root).read_text()
    assert "<b>" not in written
    assert html.escape("<b>bold") in written
    assert "--name '<b>bold'\npython -m analysis.report 'runs/<b>bold'\n" in html.unescape(written)


@pytest.mark.usefixtures("without_pictures")
def test_without_final_trainings_it_promises_nothing(small_run: SmallRun, tmp_path: Path) -> None:
    search = small_run.folder / "split1" / "global"
    read = Reader(write_report(str(search), tmp_path, small_run.data_root).read_text())
    assert "scores 40.0 % in the search's own trials" in read.text
    assert "Test scores" not in read.text
    assert read.row("Searches of split 1", "global")[1:3] == ["3", "1"]


@pytest.mark.usefixtures("unpainted")
def test_a_differentiable_search_shows_what_every_seed_learnt(small_run: SmallRun, tmp_path: Path) -> None:
    search, structure = tmp_path / "search", FOUND["hand"].by_label()
    records = begin(search)
    for uid, seed in enumerate((3, 5)):
        records.write("proposed", uid=uid, structure={}, seed=seed)
        learnt = {label: [float(dilation == each) for each in (1, 2, 4)] for label, dilation in structure.items()}
        finish(records, uid, structure, 40.0, epochs=2, probabilities=learnt)
    keep(search, "DifferentiableTuner", {}, "--dataset small --split 1 --candidates 1 2 4 --epochs 2")
    text = Reader(write_report(str(search), tmp_path / "page", small_run.data_root).read_text()).text
    figures = {picture.stem for picture in (tmp_path / "page" / "figures").iterdir()}
    learnt_figures = {f"split1_global_seed{seed}_choices" for seed in (3, 5)}
    progress = {f"split1_global_{against}" for against in ("trials", "epochs", "seconds")}
    assert figures == learnt_figures | progress | {"split1_structures", "split1_receptive_fields"}
    assert "Left out" not in text


@pytest.mark.usefixtures("unpainted")
@pytest.mark.parametrize(
    ("text", "dilations", "first", "seen"),
    [
        # 2 x (4 + 3): the longer ones of both pairs; then 2 x (5 + 6).
        ("ms-tcn++:prediction=2,refinements=1,layers=2", (4, 1, 2, 3, 5, 6), "15", "37"),
        ("causal-ms-tcn:stages=2,layers=3", (4, 1, 2, 3, 5, 6), "15", "43"),
    ],
)
def test_a_search_of_another_network_is_told_with_it(
    text: str, dilations: tuple[int, ...], first: str, seen: str, small_run: SmallRun, tmp_path: Path
) -> None:
    search, network = tmp_path / "search", find_network(text)
    finish(begin(search, network), 0, Structure(dilations, network).by_label(), 40.0, epochs=1)
    keep(search, "GlobalTuner", {}, "--dataset small --split 1")
    read = Reader(write_report(str(search), tmp_path / "page", small_run.data_root).read_text())
    assert read.row("Structures", "global, split 1")[1] == text
    row = read.row("Receptive fields of split 1", "global")
    assert (row[0], row[2]) == (first, seen)
    (head, *_) = read.tables["Receptive fields of split 1"]
    assert head[1] == "stage 1 sees (frames)"
    assert ("present and past" in head[3]) == network.causal
    assert "Left out" not in read.text


@pytest.mark.usefixtures("without_pictures")
def test_what_is_not_finished_is_told(small_run: SmallRun, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(small_run.folder, folder)
    shutil.rmtree(folder / "final" / "global" / "split1")
    records = folder / "split2" / "local" / "records.jsonl"
    lines = [line for line in records.read_text().splitlines() if '"finished"' not in line and '"chain' not in line]
    lines.append('{"event": "error", "time": 3, "message": "the first 5 trials failed: /home/maria/x.npy: damaged"}')
    records.write_text("\n".join(lines) + "\n")
    read = Reader(write_report(str(folder), tmp_path, small_run.data_root).read_text())
    text = " ".join(read.text.split())
    assert "Left out: The local search of split 2 (the first 5 trials failed: …/x.npy: damaged)." in text
    assert "Left out: 4 final trainings of splits and seeds that some structures were not trained on." in text
    assert read.row("Test scores", "local")[:2] == ["2", "56.0 ± 1.4"]  # 55 and 57 of split 2
    assert read.row("Over- and under-segmentation", "local")[0] == "2"


def test_a_run_of_failures_says_why(small_run: SmallRun, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(small_run.folder / "split1" / "global", folder / "split1" / "global")
    shutil.copy(small_run.folder / "pipeline.json", folder)
    records = folder / "split1" / "global" / "records.jsonl"
    records.write_text('{"event": "error", "time": 3, "message": "no data"}\n')
    with pytest.raises(BadInput, match=r"no results of this run yet: the global search of split 1 \(no data\)"):
        write_report(str(folder), tmp_path)


@pytest.mark.usefixtures("without_pictures")
def test_missing_predictions_leave_out_what_needs_them(small_run: SmallRun, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(small_run.folder, folder)
    next((folder / "final" / "hand" / "split1" / "seed0" / "predictions").iterdir()).unlink()
    text = write_report(str(folder), tmp_path, small_run.data_root).read_text()
    assert "Left out:</strong> Predictions are missing in final/hand/split1/seed0" in text
    assert str(tmp_path) not in text
    assert "Over- and under-segmentation" not in Reader(text).tables


@pytest.mark.usefixtures("without_pictures")
def test_a_known_rate_gives_seconds(small_run: SmallRun, tmp_path: Path) -> None:
    """50 Salads has 30 frames a second; the trainings of the small run read each."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "50salads").symlink_to(small_run.data_root / "small")
    folder = tmp_path / "small"
    shutil.copytree(small_run.folder, folder)
    path = folder / "pipeline.json"
    path.write_text(path.read_text().replace('"dataset": "small"', '"dataset": "50salads"'))
    read = Reader(write_report(str(folder), tmp_path, tmp_path / "data").read_text())
    found = re.search(r"The longest segment lasts (\d+) frames \(([\d.]+) s\)", read.text)
    assert found
    assert float(found[2]) == pytest.approx(int(found[1]) / 30, abs=0.05)
    assert read.row("Receptive fields of split 1", "hand")[2:4] == ["29", "1.0"]  # 29 / 30 = 0.97


def test_the_settings_of_a_search_start_it_again(small_run: SmallRun) -> None:
    """As a YAML file in the folder experiments, if the space is told, as NNI does."""
    search = SearchRecord.of_folder(small_run.folder / "split1" / "global")
    search.settings["searchSpace"] = to_nni(global_space(find_network("ms-tcn")))
    content = yaml.safe_load(search.to_yaml())
    assert content["tuner"]["classArgs"] == {"population_size": 2}
    preflight(content, REPOSITORY / "experiments", "again.yml", Machine())


@pytest.mark.usefixtures("without_pictures")
def test_without_the_data_it_says_what_is_left_out(
    small_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path / "nowhere"))
    read = Reader(write_report(str(small_run.folder), tmp_path).read_text())
    assert "Left out: The data set small is not there" in " ".join(read.text.split())
    assert "warning: left out: The data set small is not there" in capsys.readouterr().err
    assert read.row("Test scores", "local")[1] == "54.5 ± 2.1"
