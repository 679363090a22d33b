"""``g2l``: all commands in one. ``g2l train ...`` is ``python -m trials.train ...``, from any folder."""

from __future__ import annotations

import runpy
import sys
from typing import NamedTuple, NoReturn

from common.bad_input import BadInput, run_command


class Command(NamedTuple):
    """A command: its module, and a line for the overview."""

    module: str
    line: str


COMMANDS = {
    "new": Command("experiments.new", "look at a data set and write its experiment files"),
    "import-labels": Command("trials.import_labels", "make the labels of a data set from segments: CSV, ELAN, BORIS"),
    "check": Command("trials.check_data", "check a data set, or list every fault in it"),
    "preflight": Command("experiments.preflight", "check an experiment file; start nothing"),
    "launch": Command("experiments.launch", "run one experiment file through NNI, bound to this machine"),
    "pipeline": Command(
        "experiments.pipeline", "global search, local search, choice, final training and report in one go"
    ),
    "context": Command("experiments.context", "how far must a network look? Searches within budgets beside hand"),
    "export": Command("analysis.export", "write the best structures of a search as JSON, or all trials as CSV"),
    "describe": Command("nas_space.describe", "find the convolutions of a network of your own, to search them"),
    "structure": Command("nas_space.structure_files", "show or translate a structure file"),
    "search": Command("trials.differentiable_search", "global search in one training, without NNI"),
    "local": Command("trials.local_search", "refine every dilation of a structure, without NNI"),
    "train": Command("trials.train", "train a structure and score it on the test videos"),
    "merge": Command("trials.merge", "fold the branches of a trained network into single kernels"),
    "export-onnx": Command("trials.export_onnx", "write a trained network as an ONNX file, for other runtimes"),
    "export-stream": Command("trials.export_stream", "write a trained network to label frames as they come"),
    "stream": Command("trials.stream", "label frames as they come, with numpy alone"),
    "predict": Command("trials.predict", "label videos with a trained network"),
    "evaluate": Command("trials.evaluate", "score predictions against the ground truth"),
    "final": Command("analysis.final", "table of a folder of final trainings"),
    "report": Command("analysis.report", "write the HTML report of a run or a search"),
    "compare": Command("analysis.compare", "several past searches in one table and figure"),
    "plots": Command("analysis.plots", "draw segmentations, structures, searches, confusion"),
    "clean": Command("experiments.clean", "free the disk space that an ended search no longer needs"),
}
"""All commands, in the order of use."""


def overview() -> str:
    """The text of ``g2l --help``."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.line}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: g2l COMMAND ...",
            "",
            "Neural architecture search for the dilations of action segmentation networks.",
            "",
            *lines,
            "",
            "g2l COMMAND --help shows the options; g2l train ... is python -m trials.train ...",
        ]
    )


def main() -> NoReturn:
    """Run the command that the first argument names, as ``python -m`` runs its module."""
    run_command(_run_named_command)


def _run_named_command() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(overview())
    elif name in COMMANDS:
        del sys.argv[1]
        runpy.run_module(COMMANDS[name].module, run_name="__main__", alter_sys=True)
    else:
        raise BadInput(f"no command {name!r}; 'g2l --help' lists them")


if __name__ == "__main__":
    main()
