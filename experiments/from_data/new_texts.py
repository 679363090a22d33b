"""The texts of the experiment files of a new data set."""

from __future__ import annotations

import json
import shlex

from common.bad_input import BadInput
from experiments.experiment_paths import ExperimentPaths, quoted
from experiments.from_data.data_look import DataLook
from experiments.from_data.phases import BUDGET, ITERATIONS, SEEDS, Costs, PhaseCost
from nas_space.network import Network

GPUS = """\
  # No trialGpuNumber on purpose: every trial then sees the GPUs that CUDA_VISIBLE_DEVICES names (or the CPU), so the
  # same file runs with one GPU and with none. For n > 1 GPUs add the next three lines, and trialConcurrency: n;
  # NNI 3.0 freezes a machine that has too few (NNI issue 5574): python -m experiments.preflight FILE.yml checks it.
  # trialGpuNumber: 1
  # useActiveGpu: true
  # maxTrialNumberPerGpu: 1
"""
CHECK = "# Runs before the first trial: what is missing ends the experiment at once, with this command's message."


def texts(look: DataLook, network: Network, costs: Costs, paths: ExperimentPaths) -> dict[str, str]:
    """The content of all files by relative path; the search spaces come first.

    Raises:
        BadInput: the name or a path cannot be written into a YAML file.
    """
    from nas_space.space import space_json  # with NNI, which a pipeline of known files does not wait for

    for value in (look.name, str(paths.folder), str(paths.data_root or "")):
        if any(ord(character) < 32 for character in value) or "{split}" in value:
            raise BadInput(f"{value!r}: a name with control characters or {{split}} cannot be in experiment files")
    name = look.name
    return {
        f"spaces/{name}_global.json": space_json(network, look.candidates),
        f"spaces/{name}_local.json": space_json(network, None),
        f"{name}_global.yml": _genetic(look, network, costs.genetic, paths),
        f"{name}_differentiable.yml": _differentiable(look, network, costs.differentiable, paths),
        f"{name}_local.yml": _local(look, network, costs.local, paths),
        f"{name}_final.yml": _final(look, network, costs.final, paths),
    }


def _head(look: DataLook, paths: ExperimentPaths, what: str, file: str, cost: PhaseCost, needs: str = "") -> str:
    """The comment at the top."""
    path = shlex.quote(str(paths.folder / file) if paths.absolute else f"experiments/{file}")
    root = "the data root ($G2L_DATA_ROOT, else ./data)" if paths.data_root is None else str(paths.data_root)
    return f"""\
# {what}
# {look.describe()}.
# Cost: {cost.describe()}.
# Needs {look.name} in {root}{needs}.
# Start it from the repository root:  nnictl create --config {path}
# or, for this machine only and watched to its end:  g2l launch {path}
"""


def _command(
    module: str, look: DataLook, network: Network, paths: ExperimentPaths, options: str, *schedule: str
) -> str:
    """A trial command, its lines indented."""
    root = [] if paths.data_root is None else ["--data-root", shlex.quote(str(paths.data_root))]
    named = f"python3 -m {module} --dataset {shlex.quote(look.name)} --network {shlex.quote(str(network))}"
    first = " ".join([named, *([options] if options else []), *root])
    lines = [first, " ".join(schedule)]
    if look.group.expression is not None and module != "trials.final_trial":
        lines.append(f"--group {shlex.quote(look.group.expression)}")
    return "\n".join(f"  {line}" for line in lines)


def _scalar(network: Network) -> str:
    """The network as YAML has it."""
    text = str(network)
    return text if shlex.quote(text) == text else json.dumps(text, ensure_ascii=False)


def _check(look: DataLook, paths: ExperimentPaths, options: str = "") -> str:
    words = ["python3", "-m", "trials.check_data", "--dataset", look.name, *options.split(), "--files-only"]
    if look.group.expression is not None:
        words += ["--group", look.group.expression]
    if paths.data_root is not None:
        words += ["--data-root", str(paths.data_root)]
    return json.dumps(shlex.join(words), ensure_ascii=False)


def _validation(look: DataLook) -> str:
    what = "# Validation videos are a quarter of the training videos. Which of them stay together:"
    return f"{what}\n# {look.group.describe()}."


def _schedule(cost: PhaseCost) -> str:
    schedule = cost.schedule
    return f"--epochs {schedule.epochs} --batch-size {schedule.batch_size} --learning-rate {schedule.learning_rate}"


def _trials(look: DataLook, network: Network, cost: PhaseCost, paths: ExperimentPaths) -> str:
    """Where and how the trials of a global search run, and over which space."""
    return f"""\
trialCodeDirectory: {paths.code()}

# Trials side by side. With one GPU: 1, or 2 if two trainings fit into its memory. On a CPU: one per core;
# each takes its share of the cores.
trialConcurrency: {cost.concurrency}

# A trial that hangs is stopped after this time.
maxTrialDuration: {cost.limit()}

# {_powers(look)} for each of the {len(network.layers)} layers: none is longer than the longest video.
searchSpaceFile: {paths.space(f"{look.name}_global.json")}"""


def _genetic(look: DataLook, network: Network, cost: PhaseCost, paths: ExperimentPaths) -> str:
    name, file = look.name, f"{look.name}_global.yml"
    steps = cost.schedule.steps(len(look.search_train))
    what = f"Genetic global search over the declared space on {name}: NNI's page shows every structure."
    return f"""\
{_head(look, paths, what, file, cost)}
experimentName: {quoted(f"{name} global search")}

# Relative paths are relative to this file. python3 is the one on PATH: activate .venv first.
# Every option of the trial: python -m trials.search_trial --help
{_validation(look)}
# With {len(look.search_train)} videos to train on, that is {steps} optimizer steps; a rough ranking needs about 300.
trialCommand: >-
{_command("trials.search_trial", look, network, paths, "--split 1", _schedule(cost), "--objective mean --seed 0")}
{_trials(look, network, cost, paths)}

tuner:
  className: strategies.tuners.GlobalTuner
  codeDirectory: {paths.code()}
  classArgs:
    network: {_scalar(network)}       # the --network of the trials
    population_size: 8    # how many of the best structures may be parents; as many come first
    budget: {BUDGET}            # structures to train in all; the experiment ends by itself after them
    mutation_rate: 0.2    # probability with which a layer of a child gets a random dilation
    seed: 0
    starts: [hand]        # structures that come before the random ones; hand, as far as the candidates go
    {CHECK}
    check_command: {_check(look, paths, "--split 1")}

trainingService:
  platform: local
{GPUS}"""


def _differentiable(look: DataLook, network: Network, cost: PhaseCost, paths: ExperimentPaths) -> str:
    name, file = look.name, f"{look.name}_differentiable.yml"
    steps = cost.schedule.steps(len(look.search_train))
    what = f"Differentiable global search over the declared space on {name}: one training for each seed."
    return f"""\
{_head(look, paths, what, file, cost)}
experimentName: {quoted(f"{name} differentiable search")}

# Relative paths are relative to this file. python3 is the one on PATH: activate .venv first.
# Every option of the trial: python -m trials.differentiable_trial --help
{_validation(look)}
# With {len(look.search_train)} videos to train on, that is {steps} optimizer steps; a search needs about 900 to decide.
trialCommand: >-
{_command("trials.differentiable_trial", look, network, paths, "--split 1", _schedule(cost), "--objective mean")}
{_trials(look, network, cost, paths)}

tuner:
  className: strategies.tuners.DifferentiableTuner
  codeDirectory: {paths.code()}
  classArgs:
    network: {_scalar(network)}       # the --network of the trials
    seeds: {list(SEEDS)}      # one training each; the best of them by the objective is the result of the search
    {CHECK}
    check_command: {_check(look, paths, "--split 1")}

trainingService:
  platform: local
  # No trialGpuNumber on purpose: see {name}_global.yml.
"""


def _local(look: DataLook, network: Network, cost: PhaseCost, paths: ExperimentPaths) -> str:
    name, file = look.name, f"{look.name}_local.yml"
    needs = ", and the start structures named below"
    what = f"Local search on {name}: every dilation of the best global structures is refined."
    return f"""\
{_head(look, paths, what, file, cost, needs)}
experimentName: {quoted(f"{name} local search")}

# Relative paths are relative to this file. python3 is the one on PATH: activate .venv first.
# Every option of the trial: python -m trials.local_trial --help
{_validation(look)}
trialCommand: >-
{_command("trials.local_trial", look, network, paths, "", _schedule(cost), "--decay-epochs --objective mean")}
trialCodeDirectory: {paths.code()}

# Iterations of one chain follow one another; more workers help only if there are more chains (starts x splits x seeds).
trialConcurrency: {cost.concurrency}

# A trial that hangs is stopped after this time.
maxTrialDuration: {cost.limit()}

# Only for NNI's web page: the layers, and that any dilation is possible.
searchSpaceFile: {paths.space(f"{name}_local.json")}

tuner:
  className: strategies.tuners.LocalTuner
  codeDirectory: {paths.code()}
  classArgs:
    network: {_scalar(network)}     # the --network of the trials
    starts: [{quoted(paths.run(f"{name}/split1/global.json"))}]   # structure files of any dialect, or hand
    splits: [1]
    seeds: [0]
    iterations: {ITERATIONS}      # estimates of a chain, {cost.schedule.epochs} epochs apart
    branches: 3         # of each layer: around d they are (1 - expand_rate) d, d, (1 + expand_rate) d, always distinct
    expand_rate: 0.5    # the paper has 0.1, with which dilations move far in more iterations only
    max_dilation: {min(2048, 2 * look.candidates[-1])}
    {CHECK}
    check_command: {_check(look, paths, "--split 1")}

trainingService:
  platform: local
  # No trialGpuNumber on purpose: see {name}_global.yml.
"""


def _final(look: DataLook, network: Network, cost: PhaseCost, paths: ExperimentPaths) -> str:
    name, file = look.name, f"{look.name}_final.yml"
    what = f"Final training on {name}: structures x splits x seeds, each trained from scratch and scored once on test."
    output = paths.run(f"{name}_final")
    found = paths.run(f"{name}/split{{split}}/global.json")
    decay = f"--decay-epochs {cost.schedule.decay_epochs}".rstrip()
    steps = cost.schedule.steps(len(look.final_train))
    return f"""\
{_head(look, paths, what, file, cost, ", and the structures named below")}\
# The table over all splits and seeds:  g2l final {shlex.quote(output)}

experimentName: {quoted(f"{name} final training")}

# Relative paths are relative to this file. python3 is the one on PATH: activate .venv first.
# Every option of the trial: python -m trials.final_trial --help. What is trained already is not trained again.
# With {len(look.final_train)} training videos, that is {steps} optimizer steps; about 800 are needed.
trialCommand: >-
{_command("trials.final_trial", look, network, paths, f"--output {shlex.quote(output)}", _schedule(cost), decay)}
trialCodeDirectory: {paths.code()}

trialConcurrency: {cost.concurrency}
maxTrialDuration: {cost.limit()}

tuner:
  className: strategies.tuners.FinalTuner
  codeDirectory: {paths.code()}
  classArgs:
    network: {_scalar(network)}     # the --network of the trials
    # Structure files of any dialect, or hand; {{split}} is the split's number.
    structures: &structures [hand, {json.dumps(found, ensure_ascii=False)}]
    splits: &splits {list(look.splits)}
    seeds: &seeds {list(SEEDS)}
    {CHECK}
    check_command: {_check(look, paths)}

# Only for NNI's web page: the same lists.
searchSpace:
  structure: {{_type: choice, _value: *structures}}
  split: {{_type: choice, _value: *splits}}
  seed: {{_type: choice, _value: *seeds}}

trainingService:
  platform: local
  # No trialGpuNumber on purpose: see {name}_global.yml.
"""


def _powers(look: DataLook) -> str:
    values = look.candidates
    shown = ", ".join(map(str, values)) if len(values) < 5 else f"1, 2, 4, ..., {values[-1]}"
    return "{" + shown + "}"
