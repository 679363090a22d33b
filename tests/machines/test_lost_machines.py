"""A trial elsewhere whose machine is lost, and where it goes on."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from machines import experiment_files
from machines import trial as module
from machines.code import FOLDER, Code
from machines.machine_list import RemoteMachine
from machines.slots import REST_SECONDS
from machines.ssh import NoConnection
from machines.trial import run_somewhere
from tests.conftest import REPOSITORY
from tests.machines.conftest import CODE, DATA, METRIC, MODULE, WORDS, Hostile, Hosts, Trial, Write, packed

END = {"kind": "end", "code": 0}

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


def test_a_trial_that_missed_its_home_goes_on(trial: Trial, hosts: Hosts, code_of: Write) -> None:
    """A home that slept hears of all that was before the silence only when it is awake."""
    code = code_of("""
from machines.messages import HOME_GONE
channel.report_intermediate_result({"default": 1})
if Path.home().name == "one":
    os._exit(HOME_GONE)
channel.report_final_result({"default": 2})
""")
    assert trial.run_on(hosts.add("one", code), hosts.add("two", code)) == 0
    assert [(kind, sequence) for kind, sequence, _ in trial.metrics] == [("PERIODICAL", 0), ("FINAL", 0)]


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


@pytest.mark.parametrize("gone", ["mapping.txt", "features"])
def test_a_machine_whose_data_is_gone_fails_no_trial(
    gone: str, trial: Trial, hosts: Hosts, code_of: Write, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    lost = shutil.copytree(DATA, root) / "small" / gone
    lost.rename(tmp_path / "lost")
    lost.symlink_to("/not/mounted")
    with pytest.raises(NoConnection, match=r"^one: it starts no trial \(exit code 1\)$"):
        trial.run_on(hosts.add(code=code_of(""), data_root=str(root)))
    assert f"{lost}: no such file or folder" in capfd.readouterr().err


def test_a_machine_that_shares_no_files_after_all(
    trial: Trial, hosts: Hosts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "ROOT", tmp_path / "not mounted")
    with pytest.raises(NoConnection, match=r"one: .*not mounted is missing, but sharedFiles says that it is there"):
        trial.run_on(hosts.add(shared_files=True))


# Where it goes on.


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
