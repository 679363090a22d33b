"""A trial elsewhere, as home sees it: what comes home, and what does not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import KnownFailure
from machines import trial as module
from machines.slots import Slot
from machines.ssh import NoConnection
from tests.forked import on_full_disk
from tests.machines.conftest import DATA, METRIC, WORDS, Hostile, Hosts, Trial, Write
from trials.data.fingerprint import ChangedData

END = {"kind": "end", "code": 0}

# What comes home.


def test_metrics_and_files_come_home_and_nothing_stays_there(trial: Trial, hosts: Hosts, code_of: Write) -> None:
    code = code_of("""
write_text(output / "epoch.json", "1")
write_text(experiment / "trials" / "Ab3dE" / "output" / "tensorboard" / "events", "1")
channel.report_intermediate_result({"default": 1.5})
write_text(output / "epoch.json", "2")
channel.report_intermediate_result({"default": 2.5})
channel.report_final_result({"default": 2.5, "ä": None})
""")
    assert trial.run_on(hosts.add(code=code)) == 0
    assert (trial.output / "epoch.json").read_text() == "2"
    assert (trial.experiment / "trials" / "Ab3dE" / "output" / "tensorboard" / "events").read_text() == "1"
    assert trial.metrics == [
        ("PERIODICAL", 0, {"default": 1.5}),
        ("PERIODICAL", 1, {"default": 2.5}),
        ("FINAL", 0, {"default": 2.5, "ä": None}),
    ]
    assert hosts.left() == []


@pytest.mark.parametrize("number", [5, None], ids=["of the tuner", "added on NNI's page"])
def test_a_trial_has_what_nni_gave_it(number: int | None, trial: Trial, hosts: Hosts, code_of: Write) -> None:
    code = code_of("""
names = ("NNI_TRIAL_JOB_ID", "NNI_EXP_ID", "NNI_PLATFORM", "CUDA_VISIBLE_DEVICES", "G2L_CACHE")
known = {name: os.environ.get(name) for name in names}
about = {"id": channel.parameter_id, "parameters": channel.parameters, "words": sys.argv[1:]}
channel.report_final_result({**known, **about, "cwd": os.getcwd()})
""")
    machine = hosts.add(code=code, gpus=(3, 1), trials=2, cache="/scratch", data_root=f"{DATA}/.")
    trial.number, trial.parameters = number, {"s1l0": 4, "name": 'a "@there"\n', "structure": "hand"}
    assert trial.elsewhere().run(Slot(machine, 1)) == 0
    ((_, _, given),) = trial.metrics
    assert given == {
        "NNI_TRIAL_JOB_ID": "Ab3dE",
        "NNI_EXP_ID": "expid",
        "NNI_PLATFORM": "local",
        "CUDA_VISIBLE_DEVICES": "1",
        "G2L_CACHE": "/scratch",
        "id": number,
        "parameters": trial.parameters,
        "words": [*WORDS[:-1], f"{DATA}/."],
        "cwd": str(code.resolve()),
    }


def test_a_trial_goes_on_from_files_of_home(trial: Trial, hosts: Hosts, code_of: Write, tmp_path: Path) -> None:
    """Here a final training: its structure, its checkpoint, and what its experiment has read."""
    code = code_of("")
    (code / "trials" / "search_trial.py").rename(code / "trials" / "final_trial.py")
    with open(code / "trials" / "final_trial.py", "a") as script:
        script.write("""
training = Path(sys.argv[sys.argv.index("--output") + 1]) / "best" / "split1" / "seed3"
structure = Path(channel.parameters["structure"])
files = [structure, training / "training.pt", experiment / "data-split1-every1-float32.json"]
channel.report_final_result({path.name: path.read_text() for path in files})
remove(training / "training.pt")
write_text(training / "metrics.json", "{}")
""")
    training = tmp_path / "final" / "best" / "split1" / "seed3"
    files = (tmp_path / "best.json", training / "training.pt", trial.experiment / "data-split1-every1-float32.json")
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    trial.parameters = {"structure": str(files[0]), "split": 1, "seed": 3}
    words = ("--dataset", "small", "--data-root", DATA, "--output", tmp_path / "final")
    assert trial.run_on(hosts.add(code=code), module="trials.final_trial", words=words) == 0
    assert trial.metrics == [("FINAL", 0, {path.name: path.name for path in files})]
    assert [path.name for path in training.iterdir()] == ["metrics.json"]


def test_a_machine_with_our_files_is_sent_none_and_sends_none(
    trial: Trial, hosts: Hosts, code_of: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = code_of("""
write_text(output / "epoch.json", "new")
channel.report_final_result({"output": str(output), "words": sys.argv[1:], "cwd": os.getcwd()})
""")
    monkeypatch.setattr(module, "ROOT", code)
    shown: list[str] = []
    monkeypatch.setattr(module, "write_atomically", lambda path, _: shown.append(str(path)))
    known = trial.experiment / "data-split1-every1-float32.json"
    known.write_text("{}")
    assert trial.run_on(hosts.add(shared_files=True)) == 0
    words, folder = list(WORDS), str(code.resolve())
    assert trial.metrics == [("FINAL", 0, {"output": str(trial.output), "words": words, "cwd": folder})]
    assert (trial.output / "epoch.json").read_text() == "new"
    assert shown == []
    assert "tar" not in (hosts.folder / "one" / "commands").read_text()


def test_fingerprints_are_gathered(trial: Trial, hosts: Hosts, code_of: Write) -> None:
    code = code_of("""
known = experiment / "data-split1-every1-float32.json"
assert json.loads(known.read_text()) == {"a": "00000000"}
write_text(known, json.dumps({"a": "00000000", "b": "11111111"}))
""")
    known = trial.experiment / "data-split1-every1-float32.json"
    known.write_text('{"a": "00000000"}')
    assert trial.run_on(hosts.add(code=code)) == 0
    assert json.loads(known.read_text()) == {"a": "00000000", "b": "11111111"}


def test_another_trial_may_have_noted_data_meanwhile(trial: Trial, hostile: Hostile) -> None:
    known = trial.experiment / "data-split1-every1-float32.json"
    known.write_text('{"b": "22222222", "c": "33333333"}')
    sent = {"kind": "file", "path": str(known), "payload": b'{"a": "00000000", "c": "33333333"}'}
    assert trial.run_on(hostile(sent, END, then=0)) == 0
    assert json.loads(known.read_text()) == {"a": "00000000", "b": "22222222", "c": "33333333"}
    machine = hostile({**sent, "payload": b'{"a": "00000000", "c": "44444444"}'})
    with pytest.raises(ChangedData, match=r"^one: its c differs from what other trials of this experiment have read"):
        trial.run_on(machine)
    assert json.loads(known.read_text())["c"] == "33333333"


@pytest.mark.parametrize(("end", "code"), [("sys.exit(3)", 3), ("sys.exit('why')", 1), ("raise OSError", 1)])
def test_its_exit_code_is_that_of_the_trial(end: str, code: int, trial: Trial, hosts: Hosts, code_of: Write) -> None:
    """Also after it has reported a failure, so that NNI shows it as failed."""
    script = f"channel.report_final_result({{'failure': 'why'}}); {end}"
    assert trial.run_on(hosts.add(code=code_of(script))) == code


# What does not.


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "{output}/../Other/epoch.json",
        "{output}/epoch.json/../run.sh",
        "{output}/.nni/state",
        "{experiment}/trials/Other/events",
        "{experiment}/trials/Ab3dE/../../machines.json",
        "{experiment}/machines.json",
        "{experiment}/db/nni.sqlite",
        "{experiment}/checkpoint/data-split1.json",
        "{experiment}/data-splits/../run",
        "{experiment}/chains/chain_0/iteration_0.pt",
        "epoch.json",
        "../epoch.json",
        "",
    ],
)
@pytest.mark.parametrize("kind", ["file", "removed"])
def test_a_file_that_is_none_of_the_trial_is_refused(
    kind: str, path: str, trial: Trial, hostile: Hostile, tmp_path: Path
) -> None:
    sent = path.format(output=trial.output, experiment=trial.experiment)
    target = Path(os.path.normpath(trial.output / sent))
    if target.is_relative_to(tmp_path) and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("old")
    with pytest.raises(KnownFailure, match="which is no file of this trial"):
        trial.run_on(hostile({"kind": kind, "path": sent, "payload": b"new"}, END))
    assert not target.is_relative_to(tmp_path) or target.is_dir() or target.read_text() == "old"


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        ({"kind": "end", "code": "0"}, "no message of a trial"),
        ({"kind": "end", "code": 1e400}, "no message of a trial"),
        ({"kind": "end"}, "no message of a trial"),
        ({"code": 0}, "no message of a trial"),
        ({"kind": "go"}, "no message of a trial"),
        ({"kind": "file", "path": 5}, "no message of a trial"),
        ({**METRIC, "type": "OTHER"}, "no message of a trial"),
        ({**METRIC, "value": "text"}, "no message of a trial"),
        ({**METRIC, "sequence": -1}, "no message of a trial"),
        ({**METRIC, "sequence": 10**9}, "metric 1000000000, but 0 before it"),
        ({**METRIC, "type": "FINAL", "sequence": 1}, "metric 1, but 0 before it"),
    ],
    ids=str,
)
def test_a_message_that_is_none_is_refused(sent: dict[str, Any], fault: str, trial: Trial, hostile: Hostile) -> None:
    with pytest.raises(KnownFailure, match=f"^one: it sent .*{fault}"):
        trial.run_on(hostile(sent, END))
    assert trial.metrics == []


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b'{"a": "x"}', b"[" * 10**5, b"\xff"], ids=range(6))
def test_what_is_no_fingerprint_ends_the_trial_and_not_the_search(
    payload: bytes, trial: Trial, hostile: Hostile
) -> None:
    path = trial.experiment / "data-split1-every1-float32.json"
    with pytest.raises(KnownFailure, match=r"^one: its data-split1-every1-float32\.json has no checksums of data$"):
        trial.run_on(hostile({"kind": "file", "path": str(path), "payload": payload}, END))
    assert not path.exists()


@pytest.mark.parametrize(
    "sent",
    [
        b'\nglobal2local 1 {"kind": "file", "size": 1000000000000}\n',
        b'\nglobal2local 1 {"kind": "file", "size": -1}\n',
        b"\nglobal2local 1 [\n",
        b'\nglobal2local 1 {"kind": "end", "co',
    ],
)
def test_a_damaged_message_is_as_a_lost_machine(sent: bytes, trial: Trial, hostile: Hostile) -> None:
    with pytest.raises(NoConnection, match=r"^one: a message "):
        trial.run_on(hostile(sent, then=0))


def test_a_disk_that_is_full_here_is_told_in_one_line(trial: Trial, hostile: Hostile) -> None:
    path = trial.output / "epoch.json"
    path.write_text("old")
    machine = hostile({"kind": "file", "path": str(path), "payload": b"n" * 5000}, END)

    def run() -> None:
        trial.run_on(machine)

    done = on_full_disk(run, 1000)
    assert (done.returncode, done.stderr) == (1, f"on one\nerror: {path}: File too large\n")
    assert path.read_text() == "old"
