"""The demo from nothing to scores: made-up data, global search through nnictl, best structure, final training, table."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from nas_space.bad_input import run_command
from trials.metrics import METRICS
from trials.table import metrics_table

SIZE = ["--num-stages", "2", "--num-layers", "5"]
FINAL = ["--epochs", "30", "--batch-size", "1", "--learning-rate", "1e-3", "--decay-epochs", "25", "--device", "cpu"]


def run(*words: str | Path) -> str:
    """Run one of our commands, shown as a user would type it; returns what it printed. A failure ends the demo."""
    command = ["-m", *map(str, words)]
    print(f"\n$ python {shlex.join(command)}", flush=True)
    done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout


def main() -> None:
    """Run the whole demo; what is finished already is not done again."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.demo",
        description=main.__doc__,
        epilog="example: python -m experiments.demo --output runs/demo",
    )
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), help="(default: %(default)s)")
    output: Path = parser.parse_args().output
    os.environ["G2L_DATA_ROOT"] = str((output / "data").resolve())
    run("experiments.demo_data", "--output", output / "data" / "demo")
    run("trials.check_data", output / "data" / "demo")
    best = output / "best.json"
    if not best.exists():
        experiment = run("experiments.launch", "experiments/demo_global.yml").strip()
        run("analysis.export", experiment, "--output", best)
    run("nas_space.structure_files", best, *SIZE)
    rows = {}
    for name, structure in (("hand", "hand"), ("searched", str(best))):
        data = ["--dataset", "demo", "--split", "1"]
        run("trials.train", *data, "--structure", structure, *SIZE, *FINAL, "--output", output / name)
        run(
            "trials.predict",
            "--checkpoint",
            output / name / "model.pt",
            "--split",
            "1",
            "--output",
            output / name / "predictions",
        )
        rows[name] = json.loads((output / name / "metrics.json").read_text())["test"]
    print(f"\nTest videos of the made-up demo data, one training each (everything is in {output}):\n")
    print(metrics_table(rows, METRICS))


if __name__ == "__main__":
    run_command(main)
