"""What NNI's manager, a node process, may open to the network: nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nni_node

from experiments.nni_experiment import LISTEN_LOCALLY

NODE = Path(nni_node.__path__[0]) / "node"


def test_servers_without_a_host_listen_on_this_machine_only() -> None:
    program = """
        const server = require('http').createServer();
        server.listen(0, () => { console.log(server.address().address); server.close(); });
    """
    assert subprocess.check_output([NODE, "--require", LISTEN_LOCALLY, "-e", program], text=True) == "127.0.0.1\n"


def test_tensorboard_listens_on_this_machine_only(tmp_path: Path) -> None:
    tensorboard = tmp_path / "tensorboard"
    tensorboard.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    tensorboard.chmod(0o755)
    # NNI's own lines: nni_node/extensions/nniTensorboardManager.js, and getTunerProc.
    program = """
        const { getTunerProc } = require('./common/utils');
        const command = ['tensorboard', '--bind_all --logdir_spec=0-Ab3dE:/x', '--port=6006'];
        getTunerProc(command, 'inherit', process.cwd(), process.env, true, true);
    """
    words = subprocess.check_output(
        [NODE, "--require", LISTEN_LOCALLY, "-e", program],
        cwd=NODE.parent,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "NODE_PATH": str(NODE.parent)},
        text=True,
    )
    assert words.split() == ["--host=127.0.0.1", "--logdir_spec=0-Ab3dE:/x", "--port=6006"]
