"""A trial elsewhere, as home sees it: what comes home, what does not, and where it goes on when a machine is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import KnownFailure, run_command
from machines import experiment_files
from machines import trial as module
from machines.code import FOLDER, Code, pack
from machines.machine_list import RemoteMachine
from machines.slots import REST_SECONDS, Slot
from machines.ssh import NoConnection
from machines.trial import main, run_somewhere, words_there
from nni_api.trial_report import TrialReport
from tests.conftest import REPOSITORY
from tests.forked import on_full_disk
from tests.machines.conftest import CODE, MODULE, WORDS, Hostile, Hosts, Trial, Write
from tests.nni_api.small_manager import Manager
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
    machine = hosts.add(code=code, gpus=(3, 1), trials=2, cache="/scratch", data_root="/data")
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
        "words": [*WORDS, "--data-root", "/data"],
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
    words = ("--dataset", "small", "--output", tmp_path / "final")
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
    words = [*WORDS, "--data-root", str(Path("data").absolute())]
    assert trial.metrics == [("FINAL", 0, {"output": str(trial.output), "words": words, "cwd": str(code.resolve())})]
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

METRIC = {"kind": "metric", "type": "PERIODICAL", "sequence": 0, "value": {}}


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


# When a machine is lost.

TWO_EPOCHS = """
for epoch in (1, 2):
    write_text(output / "epoch.json", str(epoch))
    channel.report_intermediate_result({"default": epoch})
"""


def test_a_trial_that_goes_on_elsewhere_reports_everything_once(trial: Trial, hosts: Hosts, code_of: Write) -> None:
    code = code_of(f"""
{TWO_EPOCHS}
if Path.home().name == "one":
    write_text(Path.home() / "cut", "")
    time.sleep(600)
channel.report_intermediate_result({{"default": 3}})
channel.report_final_result({{"default": 3}})
""")
    assert trial.run_on(hosts.add("one", code), hosts.add("two", code)) == 0
    assert [(kind, sequence, value["default"]) for kind, sequence, value in trial.metrics] == [
        ("PERIODICAL", 0, 1),
        ("PERIODICAL", 1, 2),
        ("PERIODICAL", 2, 3),
        ("FINAL", 0, 3),
    ]


@pytest.mark.parametrize("how", ["TERM", "HUP"])
def test_a_machine_that_shuts_down_is_lost(how: str, trial: Trial, hosts: Hosts, code_of: Write) -> None:
    code = code_of(f"os.kill(os.getpid(), signal.SIG{how}); time.sleep(600)")
    with pytest.raises(NoConnection, match=r"^one: the connection was lost, or there was none$"):
        trial.run_on(hosts.add(code=code))


def test_a_trial_that_is_killed_has_failed(
    trial: Trial, hosts: Hosts, code_of: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    code = code_of("os.kill(os.getpid(), signal.SIGKILL)")
    assert trial.run_on(hosts.add(code=code)) == 137
    assert "the trial on one ended without a word, with exit code 137: was it killed" in capfd.readouterr().err


@pytest.mark.parametrize("lost", [0, 1, -1], ids=["before", "within", "none of"])
def test_a_trial_whose_end_is_lost_has_ended(lost: int, trial: Trial, hostile: Hostile) -> None:
    final = {**METRIC, "type": "FINAL", "sequence": 0}
    parts = [b"", b'\nglobal2local 1 {"kind": "en', b"\nnothing\n"]
    assert trial.run_on(hostile(final, parts[lost], then=255)) == 0
    assert trial.metrics == [("FINAL", 0, {})]


def test_a_damaged_file_is_not_taken(trial: Trial, hosts: Hosts, code_of: Write) -> None:
    code = code_of('write_text(output / "epoch.json", "as it was")')
    one, two = hosts.add("one", code), hosts.add("two", code)
    (hosts.folder / "one" / "damage").write_text("as it was\nas it is.")
    with pytest.raises(NoConnection, match=r"epoch.json: another checksum than it was sent with$"):
        trial.run_on(one)
    assert not (trial.output / "epoch.json").exists()
    assert trial.run_on(two) == 0
    assert (trial.output / "epoch.json").read_text() == "as it was"


@pytest.mark.parametrize("greeting", ["Welcome!\n", "no end of line", "global2local 2 {}\n", "\n\n"])
def test_a_greeting_is_no_message(greeting: str, trial: Trial, hosts: Hosts, code_of: Write) -> None:
    machine = hosts.add(code=code_of(TWO_EPOCHS))
    (hosts.folder / "one" / "greeting").write_text(greeting)
    assert trial.run_on(machine) == 0
    assert (trial.output / "epoch.json").read_text() == "2"
    assert len(trial.metrics) == 2


def full_disk(home: Path) -> None:
    """As where no folder can be made."""
    (home / ".cache" / "global2local" / "work").touch()


BREAKS: dict[str, Callable[[Path], object]] = {
    "no route": shutil.rmtree,
    "refused": lambda home: (home / "refusal").write_text("Permission denied (publickey)."),
    "full disk": full_disk,
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_machine_that_starts_no_trial_fails_none(name: str, trial: Trial, hosts: Hosts, code_of: Write) -> None:
    machine = hosts.add(code=code_of(""))
    BREAKS[name](hosts.folder / "one")
    with pytest.raises(NoConnection, match=r"^one: "):
        trial.run_on(machine)


def test_a_machine_whose_python_is_gone_fails_no_trial(trial: Trial, hosts: Hosts, code_of: Write) -> None:
    with pytest.raises(NoConnection, match=r"^one: it starts no trial \(exit code 127\)$"):
        trial.run_on(hosts.add(code=code_of(""), python="/nowhere/python3"))


def test_a_machine_that_shares_no_files_after_all(
    trial: Trial, hosts: Hosts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "ROOT", tmp_path / "not mounted")
    with pytest.raises(NoConnection, match=r"one: .*not mounted is missing, but sharedFiles says that it is there"):
        trial.run_on(hosts.add(shared_files=True))


# Where it goes on.


def packed(root: Path) -> Code:
    """The code of ``code_of`` as it is sent."""
    for room in ("common", "machines", "nni_api"):
        (root / room).unlink()
        shutil.copytree(REPOSITORY / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    return pack(root)


def test_a_lost_machine_rests_and_a_new_one_is_sent_the_code(
    trial: Trial, hosts: Hosts, code_of: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    code = packed(code_of(TWO_EPOCHS))
    machines = [RemoteMachine("gone"), hosts.add("new")]
    assert run_somewhere(trial.elsewhere(code=code), machines) == 0
    said = capfd.readouterr().err
    lost = "gone: the connection was lost, or there was none; the trial goes on where there is room"
    assert [line for line in said.splitlines() if line.startswith(("on", "gone:"))] == [
        "on gone",
        lost,
        *["on new"] * 2,
    ]
    assert (hosts.folder / "new" / FOLDER / code.name).is_dir()
    # It still rests, and the code is there.
    assert run_somewhere(trial.elsewhere(code=code), machines) == 0
    assert [line for line in capfd.readouterr().err.splitlines() if line.startswith("on")] == ["on new"]


def test_a_machine_that_cannot_keep_the_code_is_as_a_lost_one(
    trial: Trial, hosts: Hosts, code_of: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    full, other = hosts.add("full"), hosts.add("other", code_of(""))
    (hosts.folder / "full" / FOLDER).rmdir()
    (hosts.folder / "full" / FOLDER).touch()
    assert run_somewhere(trial.elsewhere(code=Code(b"", CODE.name)), [full, other]) == 0
    assert "the trial goes on where there is room\non other\n" in capfd.readouterr().err


def test_trials_wait_for_a_lost_machine_that_returns(
    trial: Trial, hosts: Hosts, code_of: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = hosts.add(code=code_of(""))
    refusal = hosts.folder / "one" / "refusal"
    refusal.touch()
    now = time.time()

    def wait(_: float) -> None:
        refusal.unlink(missing_ok=True)
        monkeypatch.setattr(time, "time", lambda: now + REST_SECONDS + 60)

    monkeypatch.setattr(time, "sleep", wait)
    assert run_somewhere(trial.elsewhere(), [machine]) == 0


def test_a_trial_there_ends_with_its_killed_process_here(trial: Trial, hosts: Hosts, code_of: Write) -> None:
    hosts.add(code=code_of("write_text(Path.home() / 'running', str(os.getpid())); time.sleep(600)"))
    experiment_files.write(trial.experiment, [RemoteMachine("one", python=sys.executable)], Code(b"", CODE.name))
    program = f"""
from pathlib import Path
from machines import ssh, trial
from machines.code import Code
from machines.machine_list import RemoteMachine
from machines.slots import Slot
from nni_api.trial_channel import TrialChannel
ssh.PROGRAM = {str(hosts.folder.parent / "ssh")!r}
channel = TrialChannel(print, 1, {{}})
here = trial.TrialElsewhere({MODULE!r}, {WORDS!r}, Path({str(trial.output)!r}), channel, Code(b"", {CODE.name!r}))
here.run(Slot(RemoteMachine("one", python={sys.executable!r}), 0))
"""
    here = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY)
    running = hosts.folder / "one" / "running"
    while not running.exists():
        assert here.poll() is None
        time.sleep(0.02)
    here.send_signal(signal.SIGKILL)
    here.wait()
    process = Path("/proc", running.read_text())
    last_chance = time.monotonic() + 60
    while process.exists() and "State:\tZ" not in (process / "status").read_text():
        assert time.monotonic() < last_chance
        time.sleep(0.02)


# What the trial there is told.


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ([], ["--data-root", "{cwd}/data"]),
        (["--data-root", "mine"], ["--data-root", "{cwd}/mine"]),
        (["--output", "final"], ["--output", "@there@{cwd}/final", "--data-root", "{cwd}/data"]),
        (
            ["--output=/a", "--chains", "/b"],
            ["--output=@there@/a", "--chains", "@there@/b", "--data-root", "{cwd}/data"],
        ),
        (["--network", "ms-tcn"], ["--network", "ms-tcn", "--data-root", "{cwd}/data"]),
        (["--network=n.json"], ["--network=@there@{cwd}/n.json", "--data-root", "{cwd}/data"]),
        (["--cache", "/c"], ["--cache", "/c", "--data-root", "{cwd}/data"]),
        (["--no-cache"], ["--no-cache", "--data-root", "{cwd}/data"]),
    ],
)
def test_paths_of_here_are_those_of_the_trial_there(
    given: list[str], there: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("G2L_DATA_ROOT")
    assert words_there(given, RemoteMachine("one")) == [word.format(cwd=tmp_path) for word in there]


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ([], ["--data-root", "/data"]),
        (["--cache", "/c", "--data-root=d"], ["--cache", "/scratch", "--data-root=/data"]),
        (["--no-cache"], ["--no-cache", "--data-root", "/data"]),
    ],
)
def test_a_machine_has_folders_of_its_own(given: list[str], there: list[str]) -> None:
    assert words_there(given, RemoteMachine("one", data_root="/data", cache="/scratch")) == there


def test_the_data_root_of_here_may_be_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G2L_DATA_ROOT", "/mine")
    assert words_there([], RemoteMachine("one")) == ["--data-root", "/mine"]


# What NNI starts.


@pytest.fixture
def started(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``started("trials.search_trial", ...)``: runs the command as the trial; returns its exit code."""

    def run(*words: str) -> int:
        monkeypatch.setenv("NNI_OUTPUT_DIR", str(trial.output))
        monkeypatch.setattr(sys, "argv", ["trial", *words])
        with pytest.raises(SystemExit) as ended:
            run_command(main)
        return int(ended.value.code or 0)

    return run


def reported(manager: Manager) -> list[tuple[str, Any]]:
    metrics = [json.loads(command["metric"]) for command in manager.received if command["type"] == "metric"]
    assert all((metric["trial_job_id"], metric["parameter_id"]) == ("Ab3dE", 2) for metric in metrics)
    return [(metric["type"], json.loads(metric["value"])) for metric in metrics]


def test_nni_starts_it_as_any_trial(
    started: Callable[..., int], trial: Trial, hosts: Hosts, code_of: Write, manager: Manager
) -> None:
    script = "channel.report_intermediate_result(channel.parameters); channel.report_final_result({'default': 1})"
    code = packed(code_of(f"{script}; sys.exit(5)"))
    experiment_files.write(trial.experiment, [hosts.add()], code)
    assert started(MODULE, *WORDS) == 5
    assert reported(manager) == [("PERIODICAL", {"s1l0": 8, "_uid": 2}), ("FINAL", {"default": 1})]


@pytest.mark.parametrize(
    ("words", "text", "fault"),
    [
        ([], None, ": on other machines, only trials of ours run"),
        (["trials.train", *WORDS], None, "trials.train: on other machines, only trials of ours run"),
        ([MODULE, *WORDS, "--epochs", "0"], None, "epochs"),
        ([MODULE, *WORDS], "{}", "machines.json: damaged; resume the experiment with --machines FILE"),
        ([MODULE, *WORDS], "{", "machines.json: not a JSON file"),
    ],
)
def test_a_trial_that_cannot_start_says_why(
    words: list[str], text: str | None, fault: str, started: Callable[..., int], trial: Trial, manager: Manager
) -> None:
    if text is not None:
        (trial.experiment / "machines.json").write_text(text)
    assert started(*words) == 2
    ((kind, value),) = reported(manager)
    report = TrialReport.from_nni(value, None, None)
    assert (kind, report.uid, report.trial, report.ends_search) == ("FINAL", 2, "Ab3dE", False)
    assert fault in str(report.failure)


def test_other_data_on_a_machine_ends_the_search(
    started: Callable[..., int], trial: Trial, hostile: Hostile, manager: Manager, tmp_path: Path
) -> None:
    known = trial.experiment / "data-split1-every1-float32.json"
    known.write_text('{"features/a.npy": "00000000"}')
    sent = {"kind": "file", "path": str(known), "payload": b'{"features/a.npy": "11111111"}'}
    (tmp_path / "root").mkdir()
    experiment_files.write(trial.experiment, [hostile(sent, END)], pack(tmp_path / "root"))
    assert started(MODULE, *WORDS) == 2
    ((_, value),) = reported(manager)
    report = TrialReport.from_nni(value, None, None)
    assert report.ends_search
    assert str(report.failure).startswith("one: its features/a.npy differs from what other trials")


def test_any_other_failure_is_reported_too(
    started: Callable[..., int], trial: Trial, hostile: Hostile, manager: Manager, tmp_path: Path
) -> None:
    sent = {"kind": "file", "path": f"{trial.output}/epoch.json/\0", "payload": b"x"}
    (tmp_path / "root").mkdir()
    experiment_files.write(trial.experiment, [hostile(sent, END)], pack(tmp_path / "root"))
    with pytest.raises(ValueError, match="null byte"):
        started(MODULE, *WORDS)
    ((_, value),) = reported(manager)
    assert TrialReport.from_nni(value, None, None).failure == "ValueError: embedded null byte"


def test_a_failure_of_a_trial_added_by_hand_is_nobody_elses(started: Callable[..., int], manager: Manager) -> None:
    record = json.dumps({"parameter_id": None, "parameters": {"s1l0": 8, "_uid": 2}})
    manager.answers = [(200, json.dumps({"hyperParameters": [record]}))]
    assert started("trials.train") == 2
    (metric,) = (json.loads(command["metric"]) for command in manager.received if command["type"] == "metric")
    assert metric["parameter_id"] is None
    assert TrialReport.from_nni(json.loads(metric["value"]), None, None).uid is None
