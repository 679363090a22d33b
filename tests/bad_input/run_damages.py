"""Damages of what experiments and pipelines leave or are told: records, settings, registers."""

from __future__ import annotations

from tests.bad_input.damages import (
    LEFT_OUT,
    MISSING,
    NO_FILE,
    NO_JSON,
    NO_TEXT,
    TEXT,
    Damage,
    added,
    content,
    edited,
    json_with,
    swapped,
)

RECORDS: dict[str, Damage] = {
    **MISSING,
    **NO_FILE,
    "empty": content(b""),
    "only NUL": edited(lambda of: bytes(len(of))),
    "UTF-16": edited(lambda of: of.decode().encode("utf-16")),
    "deep lists": content(b"[" * 100_000 + b"\n"),
    "only half a line": edited(lambda of: of[:20]),
    "no result": edited(lambda of: of.replace(b'"finished"', b'"other"')),
    "no metrics": swapped('"metrics": {"default": 30.0}', '"metrics": {}'),
    "metrics that are a list": swapped('"metrics": {"default": 30.0}', '"metrics": [30.0]'),
    "a metric as text": swapped('"metrics": {"default": 30.0}', '"metrics": {"default": "30.0"}'),
    "a metric of NaN": swapped('"metrics": {"default": 30.0}', '"metrics": {"default": NaN}'),
    "a metric of 400 digits": swapped('"metrics": {"default": 30.0}', f'"metrics": {{"default": {"9" * 400}}}'),
    "no epochs": swapped('"epochs": []', '"epochs": null'),
    "epochs that are numbers": swapped('"epochs": []', '"epochs": [1]'),
    "no trial": swapped('"trial": "trial1", ', ""),
    "a number of a list": swapped('"uid": 1', '"uid": [1]'),
    "a dilation as text": edited(lambda of: of.replace(b'"s1l0": 2', b'"s1l0": "2"')),
    "a dilation of -1": edited(lambda of: of.replace(b'"s1l0": 2', b'"s1l0": -1')),
    "a half dilation": edited(lambda of: of.replace(b'"s1l0": 2', b'"s1l0": 2.5')),
    "a layer that is a path": edited(lambda of: of.replace(b'"s1l0"', b'"../s1l0"')),
    "a layer beyond all": edited(lambda of: of.replace(b'"s1l0"', b'"s999999999l0"')),
    "a layer of 5000 digits": edited(lambda of: of.replace(b'"s1l0"', b'"s' + b"9" * 5000 + b'l0"')),
    "a layer left out": edited(lambda of: of.replace(b'"s1l0"', b'"s2l0"')),
    "a chain without an end": edited(lambda of: of + b'{"event": "chain_ended", "chain": 0}\n'),
    "a chain of a list": edited(
        lambda of: of + b'{"event": "chain_ended", "chain": [0], "why": "", "structure": {}}\n'
    ),
    "a failure without a reason": edited(lambda of: of + b'{"event": "failed", "uid": 0}\n'),
}
REGISTER: dict[str, Damage] = {
    **MISSING,
    **NO_FILE,
    **NO_TEXT,
    **NO_JSON,
    "an entry that is a number": json_with(1, "Ab3dE"),
    "no folder": json_with(LEFT_OUT, "Ab3dE", "logDir"),
    "a folder that is a number": json_with(3, "Ab3dE", "logDir"),
    "a port as text": json_with("8080", "Ab3dE", "port"),
    "code": json_with(
        {"__nni_type__": "bytes:" + "gASVIgAAAAAAAACMBXBvc2l4lIwFbWtkaXKUk5SMBG1hZGWUhZRSlC4="}, "Ab3dE", "port"
    ),
}
del REGISTER["a link to itself"]
CONFIG: dict[str, Damage] = {
    **TEXT,
    "half a text": edited(lambda of: of + b'"'),
    "a list": content(b"- a\n"),
    "a number": content(b"5\n"),
    "two documents": edited(lambda of: of + b"---\n" + of),
    "a tab": edited(lambda of: of + b"a:\n\tb: 1\n"),
    "an unknown alias": edited(lambda of: of + b"a: *nowhere\n"),
    "code": edited(lambda of: of + b'a: !!python/object/apply:os.mkdir ["made"]\n'),
    "a function": edited(lambda of: of + b"a: !!python/name:os.mkdir\n"),
    "a tag of one's own": edited(lambda of: of + b"a: !own b\n"),
    **{
        f"no {tag}": added(f'a: !!{tag} "maybe"\n')
        for tag in ("int", "float", "bool", "timestamp", "binary", "seq", "map")
    },
    "a number of 5000 digits": edited(lambda of: of + b"a: " + b"9" * 5000 + b"\n"),
    "a day that is none": edited(lambda of: of + b"a: 2020-13-45\n"),
    "a list for a name": edited(lambda of: of + b"? [a]\n: b\n"),
    "a name twice": edited(lambda of: of + b"trialConcurrency: 2\n"),
    "an argument twice": swapped("    budget: 24\n", "    budget: 24\n    budget: 2\n"),
    "deep lists": edited(lambda of: of + b"a: " + b"[" * 1000),
    "deep objects": edited(lambda of: of + b"a: " + b"{a: " * 2000),
    "a list of itself": edited(lambda of: of + b"a: &a [*a]\n"),
    "an object of itself": edited(lambda of: of + b"a: &a {b: *a}\n"),
    "a billion laughs": edited(lambda of: of + laughs("[{}]").encode()),
    "a billion merges": edited(lambda of: of + laughs("{{<<: [{}]}}").encode()),
    "trials that are a text": swapped("budget: 24", "budget: many"),
    "trials that are a list": swapped("budget: 24", "budget: [24]"),
    "a search space that is a number": swapped("spaces/small.json", "5"),
    "a search space elsewhere": swapped("spaces/small.json", "nowhere.json"),
    "a check that is a list": swapped("budget: 24", "check_command: [a, b]"),
    "a check of nothing": swapped("budget: 24", 'check_command: ""'),
    "a check with a NUL": swapped("budget: 24", 'check_command: "a \\0"'),
    "a check with an open quote": swapped("budget: 24", "check_command: a '"),
}


def laughs(form: str) -> str:
    """Nine levels of ten aliases each, of the level before."""
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, 10):
        lines.append(f"a{level}: &a{level} " + form.format(", ".join([f"*a{level - 1}"] * 10)))
    return "\n".join(lines) + "\n"


PLAN: dict[str, Damage] = {
    "no command": swapped("trialCommand", "other"),
    "a command that is empty": swapped("python3 -m trials.search_trial --dataset small --split 1", ""),
    "a command that is a list": swapped("python3 -m trials.search_trial --dataset small --split 1", "[a]"),
    "a command with an open quote": swapped("--split 1", "--split '1"),
    "a command without the split": swapped("--split 1", ""),
    "no folder of the code": swapped("trialCodeDirectory", "other"),
    "a folder of the code that is a number": swapped("trialCodeDirectory: ..", "trialCodeDirectory: 5"),
    "a tuner that is a text": edited(lambda of: of[: of.index(b"tuner")] + b"tuner: a\n"),
    "no arguments": swapped("classArgs", "other"),
    "a tuner's folder that is a list": swapped("codeDirectory: ..\n  c", "codeDirectory: [a]\n  c"),
    "a check that is a number": swapped("classArgs:\n", "classArgs:\n    check_command: 5\n"),
    "a check without the split": swapped("classArgs:\n", "classArgs:\n    check_command: a --dataset b\n"),
    "a code folder with a NUL": swapped("trialCodeDirectory: ..", 'trialCodeDirectory: "\\0"'),
}
RUN: dict[str, Damage] = {
    **TEXT,
    **NO_JSON,
    "no settings": json_with(LEFT_OUT, "settings"),
    "settings that are a list": json_with([], "settings"),
    "other settings": json_with([1], "settings", "seeds"),
    "no steps": json_with(LEFT_OUT, "steps"),
    "steps that are a list": json_with([], "steps"),
    "a step that is a number": json_with(1, "steps", "global_split1"),
    "done without an experiment": json_with(LEFT_OUT, "steps", "global_split1", "experiment"),
    "an experiment that is a text": json_with("Ab3dE", "steps", "global_split1", "experiment"),
    "an experiment without an id": json_with(LEFT_OUT, "steps", "global_split1", "experiment", "id"),
    "an experiment of every process": json_with("", "steps", "global_split1", "experiment", "id"),
    "an experiment that is an option": json_with("--all", "steps", "global_split1", "experiment", "id"),
    "an experiment that is a path": json_with("../x", "steps", "global_split1", "experiment", "id"),
    "a port as text": json_with("8080", "steps", "global_split1", "experiment", "port"),
    "a negative process": json_with(-1, "steps", "global_split1", "experiment", "manager"),
    "a mark of every experiment": json_with("", "steps", "global_split1", "mark"),
    "a mark that is a number": json_with(5, "steps", "global_split1", "mark"),
    "begun never": json_with(LEFT_OUT, "steps", "global_split1", "begun"),
    "a cost as text": json_with("24", "steps", "global_split1", "cost", "trials"),
    "a cost left out": json_with(LEFT_OUT, "steps", "global_split1", "cost", "hours"),
}
REPORTED: dict[str, Damage] = {
    "no settings": json_with(LEFT_OUT, "settings"),
    "settings that are a list": json_with([], "settings"),
    "no data set": json_with(LEFT_OUT, "settings", "dataset"),
    "a data set elsewhere": json_with("../data/small", "settings", "dataset"),
    "splits that are a number": json_with(1, "settings", "splits"),
    "splits that are texts": json_with(["../x"], "settings", "splits"),
    "seeds that are a number": json_with(1, "settings", "seeds"),
    "no template": json_with(LEFT_OUT, "settings", "template"),
    "a global search that is a list": json_with(["global"], "settings", "global_search"),
    "phases that are a number": json_with(1, "settings", "phases"),
    "steps that are a list": json_with([], "steps"),
    "a step that is a number": json_with({"global_split1": 1}, "steps"),
    "an experiment that is a number": json_with({"global_split1": {"experiment": 1}}, "steps"),
    "an experiment that is a path": json_with({"global_split1": {"experiment": {"id": "../x"}}}, "steps"),
}
KEPT: dict[str, Damage] = {
    "no settings": json_with(LEFT_OUT, "settings"),
    "settings that are a text": json_with("a", "settings"),
    "no experiment": json_with(LEFT_OUT, "experiment"),
    "an experiment that is a list": json_with(["a"], "experiment"),
    "a command that is a list": json_with(["a"], "settings", "trialCommand"),
    "a command with an open quote": json_with("python3 '", "settings", "trialCommand"),
    "a split as text": json_with("python3 --split one", "settings", "trialCommand"),
    "a data set elsewhere": json_with("python3 --dataset ../small", "settings", "trialCommand"),
    "every frame of none": json_with("python3 --dataset small --sample-rate x", "settings", "trialCommand"),
    "a tuner that is a text": json_with("a", "settings", "tuner"),
    "a population that is a text": json_with({"classArgs": {"population_size": "a"}}, "settings", "tuner"),
    "a population of nobody": json_with({"classArgs": {"population_size": -3}}, "settings", "tuner"),
    "splits that are a number": json_with({"tuner": {"classArgs": {"splits": 1}}}, "settings"),
}
JUDGED: dict[str, Damage] = {
    "no test videos": json_with(LEFT_OUT, "run", "test_videos"),
    "test videos that are a number": json_with(3, "run", "test_videos"),
    "a test video elsewhere": json_with(["../x"], "run", "test_videos"),
    "no background": json_with(LEFT_OUT, "run", "background"),
    "an unknown background": json_with(["nothing"], "run", "background"),
    "no sample rate": json_with(LEFT_OUT, "run", "sample_rate"),
    "a sample rate of 0": json_with(0, "run", "sample_rate"),
    "a sample rate as text": json_with("two", "run", "sample_rate"),
    "no versions": json_with(LEFT_OUT, "versions"),
    "no settings": json_with(LEFT_OUT, "run", "settings"),
}
DATABASE: dict[str, Damage] = {
    **MISSING,
    **NO_FILE,
    "empty": content(b""),
    "text": content(b"no database"),
    "half": edited(lambda of: of[: len(of) // 2]),
    "only NUL": edited(lambda of: bytes(len(of))),
    "damaged inside": edited(lambda of: of[:4096] + b"\xff" * (len(of) - 4096)),
    "another table": edited(lambda of: of.replace(b"TrialJobEvent", b"TrialJobOther")),
}
