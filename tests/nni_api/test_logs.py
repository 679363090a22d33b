"""Why an experiment ended, by logs as NNI 3.0 writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.history import read_history
from common.bad_input import BadInput
from nni_api.logs import why_ended

STARTED = """\
[2026-11-29 02:56:28] INFO (NNIManager) Starting experiment: nb2amy49
[2026-11-29 02:56:28] INFO (NNIManager) Change NNIManager status from: INITIALIZED to: RUNNING
"""
NOT_CONNECTED = """\
[2026-11-29 02:56:38] ERROR (NNIManager) Error: tuner_command_channel: Tuner did not connect in 10 seconds. Check log.
    at Timeout._onTimeout (/nni_node/core/tuner_command_channel.js:47:41)
    at process.processTimers (node:internal/timers:512:7)
[2026-11-29 02:56:38] INFO (NNIManager) Change NNIManager status from: RUNNING to: ERROR
"""
DIED = """\
[2026-11-29 02:56:35] ERROR (nni.main/MainThread) GlobalTuner.__init__() got an unexpected keyword argument 'popsize'
Traceback (most recent call last):
  File "/nni/__main__.py", line 85, in <module>
    main()
    ^^^^^^
TypeError: GlobalTuner.__init__() got an unexpected keyword argument 'popsize'
"""
THREAD_DIED = """\
[2026-11-29 06:19:03] ERROR (nni.runtime.msg_dispatcher_base/Thread-1 (command_queue_worker)) no such
parameter
Traceback (most recent call last):
  File "/own/mine.py", line 9, in update_search_space
ValueError: no such
parameter x
[2026-11-29 06:19:49] INFO (nni.runtime.msg_dispatcher_base/MainThread) Dispatcher exiting...
"""
WITHOUT_MANAGER = """\
[2026-11-29 06:30:35] ERROR (nni.main/MainThread) [Errno 111] Connect call failed ('127.0.0.1', 37011)
Traceback (most recent call last):
  File "/nni/runtime/command_channel/websocket/channel.py", line 102, in _ensure_conn
ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 37011)
"""
STATED = (
    "[2026-11-29 02:56:40] ERROR (NNIManager) Dispatcher error: records.jsonl: File too large\n    at TunerServer\n"
)
STATED_TRACEBACK = """\
[2026-11-29 02:56:40] ERROR (NNIManager) Dispatcher error: Traceback (most recent call last):
  File "x.py"
"""
RESUMED = "[2026-11-29 03:00:00] INFO (NNIManager) Resuming experiment: nb2amy49\n"
STOPPED = "[2026-11-29 02:56:44] ERROR (ShutdownManager) Error during shutting down NniManager: TypeError: undefined\n"


@pytest.mark.parametrize(
    ("manager", "tuner", "why"),
    [
        ("", "", None),
        (STARTED, "", None),
        (STARTED + NOT_CONNECTED, "", "tuner_command_channel: Tuner did not connect in 10 seconds. Check log."),
        (
            STARTED + NOT_CONNECTED + STOPPED,
            DIED,
            "the tuner failed: TypeError: GlobalTuner.__init__() got an unexpected keyword argument 'popsize'",
        ),
        (STARTED, DIED + "[2026-11-29 02:56:36] INFO (nni.x/Timer) bye\n", "the tuner failed: TypeError: GlobalTuner"),
        (STARTED + STATED, "", "records.jsonl: File too large"),
        (STARTED + STATED, DIED, "records.jsonl: File too large"),
        (STARTED + STATED_TRACEBACK, DIED, "the tuner failed: TypeError: GlobalTuner"),
        (STARTED + NOT_CONNECTED + STATED + RESUMED, DIED, None),
        (STARTED + STATED + RESUMED, DIED + DIED.replace("02:56", "03:00").replace("popsize", "size"), "'size'"),
        (STARTED, THREAD_DIED, "the tuner failed: parameter x"),
        (STARTED, WITHOUT_MANAGER, None),
        (STARTED, DIED + WITHOUT_MANAGER, "the tuner failed: TypeError: GlobalTuner"),
        ("not a log\n", "\0\xff", None),
    ],
)
def test_the_best_reason_since_the_last_start_is_found(
    tmp_path: Path, manager: str, tuner: str, why: str | None
) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "nnimanager.log").write_text(manager)
    (tmp_path / "log" / "dispatcher.log").write_text(tuner, encoding="latin1")
    found = why_ended(tmp_path)
    assert found == why if why is None else why in str(found)
    assert "\n" not in str(found)


def test_without_logs_nothing_is_known(tmp_path: Path) -> None:
    assert why_ended(tmp_path) is None


def test_a_search_without_records_says_why_its_tuner_did_not_start(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"records\.jsonl: no records: no search of ours has started there"):
        read_history(tmp_path / "checkpoint")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "dispatcher.log").write_text(DIED)
    with pytest.raises(BadInput, match=r"no records: the tuner failed: TypeError: GlobalTuner\.__init__\(\) got"):
        read_history(tmp_path / "checkpoint")
