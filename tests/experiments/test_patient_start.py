"""NNI's manager waits longer for its tuner than NNI's own ten seconds, and no longer for anything else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nni_node

from experiments.nni_experiment import MANAGER_CHANGES

FOLDER = Path(nni_node.__path__[0])
PROGRAM = """
    const stubs = {
        'common/command_channel/websocket': { WsChannelServer: class { onConnection() {} start() {} } },
        'common/log': { getLogger: () => ({ debug() {} }) },
    };
    const Module = require('module');
    const load = Module._load;
    Module._load = (request, ...others) => stubs[request] ?? load(request, ...others);
    const { promisify } = require('util');
    const waits = [];
    const start = globalThis.setTimeout;
    globalThis.setTimeout = (...words) => {
        const timer = start(...words);
        waits.push(timer._idleTimeout);
        clearTimeout(timer);
        return timer;
    };
    require('./core/tuner_command_channel').getTunerServer().init();
    setTimeout(() => 'something else', 10000);
    promisify(start)(1, 'done').then(result => console.log(JSON.stringify([...waits, result])));
"""


def test_a_tuner_has_two_minutes_and_everything_else_its_own_time() -> None:
    changes = [word for path in MANAGER_CHANGES for word in ("--require", str(path))]
    command = [str(FOLDER / "node"), *changes, "-e", PROGRAM]
    answer = subprocess.check_output(command, cwd=FOLDER, env={"NODE_PATH": str(FOLDER)}, text=True, timeout=60)
    assert json.loads(answer) == [120000, 10000, "done"]
