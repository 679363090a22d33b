"""Experiments of each kind, as YAML: what a test changes in them cannot work."""

from __future__ import annotations

from experiments.plan import FOLDER
from tests.conftest import REPOSITORY

COMMON = f"""
trialCodeDirectory: {REPOSITORY}
trialConcurrency: 2
trainingService: {{platform: local}}
"""
GLOBAL = f"""{COMMON}
trialCommand: python3 -m trials.search_trial --dataset small --split 3 --network ms-tcn:stages=2,layers=2 --epochs 6
searchSpaceFile: {FOLDER}/spaces/demo_global.json
tuner:
  className: strategies.tuners.GlobalTuner
  codeDirectory: {REPOSITORY}
  classArgs:
    network: ms-tcn:stages=2,layers=2
    population_size: 8
    budget: 24
    mutation_rate: 0.2
    seed: 0
    check_command: python3 -m trials.check_data --dataset small --split 3 --files-only
"""
LOCAL = f"""{COMMON}
trialCommand: python3 -m trials.local_trial --dataset small --network ms-tcn:stages=2,layers=2
searchSpaceFile: {FOLDER}/spaces/demo_local.json
tuner:
  className: strategies.tuners.LocalTuner
  codeDirectory: {REPOSITORY}
  classArgs:
    network: ms-tcn:stages=2,layers=2
    starts: [START]
    splits: [1, 3]
    seeds: [0]
    iterations: 5
    expand_rate: 0.25
"""
DIFFERENTIABLE = f"""{COMMON}
trialCommand: python3 -m trials.differentiable_trial --dataset small --split 1 --candidates 1 2 4 --epochs 12
searchSpace:
  seed: {{_type: choice, _value: [0, 1]}}
tuner:
  className: strategies.tuners.DifferentiableTuner
  codeDirectory: {REPOSITORY}
"""
GRID = f"""{COMMON}
trialCommand: python3 -m trials.final_trial --dataset small --network ms-tcn:stages=2,layers=2 --output runs
maxTrialNumber: 18
searchSpace:
  structure: {{_type: choice, _value: [hand, "START"]}}
  split: {{_type: choice, _value: [1, 2, 3]}}
  seed: {{_type: choice, _value: [0, 1, 2]}}
tuner:
  name: GridSearch
"""
FINAL = f"""{COMMON}
trialCommand: python3 -m trials.final_trial --dataset small --network ms-tcn:stages=2,layers=2 --output runs
tuner:
  className: strategies.tuners.FinalTuner
  codeDirectory: {REPOSITORY}
  classArgs:
    network: ms-tcn:stages=2,layers=2
    structures: &structures [hand, "START"]
    splits: &splits [1, 2, 3]
    seeds: &seeds [0, 1, 2]
    check_command: python3 -m trials.check_data --dataset small --files-only
searchSpace:
  structure: {{_type: choice, _value: *structures}}
  split: {{_type: choice, _value: *splits}}
  seed: {{_type: choice, _value: *seeds}}
"""
TEXTS = {"global": GLOBAL, "local": LOCAL, "differentiable": DIFFERENTIABLE, "final": FINAL, "grid": GRID}
OWN_TRIAL = GLOBAL.replace("trials.search_trial", "my.trial --batch_size 3")
NNIS_TUNER = GLOBAL[: GLOBAL.index("tuner:")] + "tuner: {name: TPE, classArgs: {optimize_mode: maximize}}\n"
OWN_TUNER = GLOBAL.replace("strategies.tuners.GlobalTuner", "my.Tuner").replace("budget", "how_many")
