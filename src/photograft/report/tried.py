"""What a run tried before it settled, and what it was run with: the rows of tables."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from photograft.core.text import count, layers_text, number, percent
from photograft.data.sources.base import IN_MEMORY
from photograft.learning.head.candidates import LOGISTIC
from photograft.learning.head.discriminant import LEDOIT_WOLF
from photograft.learning.settings import TrainConfig
from photograft.runs.folder import Facts

#: What the keys of ``selection.json`` stand for.
_TITLES = {
    "plain": "Photos as they are",
    "augmented": "With augmented views",
    "frozen": "The frozen backbone, to begin with",
    "features": "Strategy: features",
    "features+augment": "Strategy: features+augment",
    "finetune": "Strategy: finetune",
}
#: What judged a look, by what its step says.
_JUDGES = {"train": "cross-validation", "validation": "validation photos"}
_FACTS = {
    "network": "Network",
    "boundary": "Trained from",
    "num_views": "Views of each photo",
}


@dataclass(frozen=True)
class CandidateRow:
    """A row of what cross-validation compared.

    Attributes:
        head: Its kind.
        layers: Of the backbone that the head sees.
        num_features: How many numbers that is.
        strength: Of the regularisation.
        log_loss: Cross-validated, with its standard error, as text.
        accuracy: Cross-validated, as text.
        share: Of the blend that was chosen, as text; empty where it is no part of it.
    """

    head: str
    layers: str
    num_features: int
    strength: str
    log_loss: str
    accuracy: str
    share: str


@dataclass(frozen=True)
class Table:
    """What one cross-validation compared, or what is known of a strategy that had none.

    Attributes:
        title: What it was about.
        how: How it was compared; may be empty.
        candidates: The best first.
        facts: Names and values.
    """

    title: str
    how: str
    candidates: tuple[CandidateRow, ...]
    facts: tuple[tuple[str, str], ...]


def tried(selection: dict[str, Any], title: str = "") -> Iterator[Table]:
    """Yield a table for each choice that ``selection.json`` tells of, however deep."""
    facts = tuple(
        (
            words,
            ", ".join(map(str, value)) if isinstance(value, list) else str(value) or "all of it",
        )
        for key, words in _FACTS.items()
        if (value := selection.get(key)) is not None
    )
    # What the nested choices say in full is not said twice.
    nested = [key for key in _TITLES if isinstance(selection.get(key), dict)]
    rows = () if {"plain", "augmented"} <= set(nested) else _candidates(selection)
    how = ""
    if rows and selection.get("judges") == "validation":
        how = (
            f"{count(selection['num_photos'], 'validation photo')}, of what heads learned from the "
            "training photos"
        )
    elif rows and "num_folds" in selection:
        how = (
            f"{selection['num_folds']}-fold cross-validation, {selection['num_repeats']} times, on "
            f"{count(selection['num_photos'], 'training photo')}"
        )
    if rows or facts:
        yield Table(title or "Head", how, rows, facts)
    for key in nested:
        yield from tried(selection[key], _TITLES[key])


def looks(selection: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Return each look that was tried: name, work, what judged it, what it brought, its fate.

    Empty where there was but one.
    """
    rows = []
    for step in selection.get("steps", []):
        tried_on_all = step["accuracy"] is not None
        right = percent(step["accuracy"]) if tried_on_all else "–"
        fate = "no better beyond noise" if tried_on_all else "auditioned"
        if step["kept"]:
            fate = "replaced" if step.get("replaced") else "kept"
        judges = _JUDGES[step.get("judges", "train")]
        rows.append((step["look"], f"{step['cost']:.1f}", judges, right, fate))
    return rows if len({look for look, *_ in rows}) > 1 else []


def _candidates(selection: dict[str, Any]) -> tuple[CandidateRow, ...]:
    chosen = selection.get("chosen", {})
    # Before heads were blended, there was one kind of them.
    alone = [{"head": LOGISTIC, "layers": chosen.get("layers"), "share": 1.0}]
    shares = {
        (member["head"], *member["layers"]): percent(member["share"])
        for member in chosen.get("heads", alone if chosen else [])
    }
    rows = sorted(selection.get("candidates", []), key=lambda row: float(row["log_loss"]))
    return tuple(
        CandidateRow(
            head=row.get("head", LOGISTIC),
            layers=layers_text(row["layers"]).removeprefix("layers "),
            num_features=row["num_features"],
            strength=_strength(row),
            log_loss=f"{number(row['log_loss'])} ± {number(row['log_loss_se'])}",
            accuracy=percent(row["accuracy"]),
            share=shares.get((row.get("head", LOGISTIC), *row["layers"]), ""),
        )
        for row in rows
    )


def _strength(row: dict[str, Any]) -> str:
    if row.get("head", LOGISTIC) == LOGISTIC:
        return f"penalty {row['strength'] if 'strength' in row else row['l2']:g}"
    if row["strength"] == LEDOIT_WOLF:
        return "shrunk by Ledoit and Wolf"
    return f"shrunk by {row['strength']:g}"


def published(facts: Facts) -> list[tuple[str, str, str]]:
    """Return a recipe's published figures: name, value there, value here (empty where unknown)."""
    recipe = facts.info["recipe"]
    if not recipe:
        return []
    here = {
        f"{short}_accuracy": scores["accuracy"]
        for short, part in (("val", "validation"), ("test", "test"))
        if (scores := facts.metrics.get(part))
    }
    if "test_accuracy" in here:
        here["accuracy"] = here["test_accuracy"]
    rows = []
    for name, value in recipe["reference"].items():
        is_share = name.endswith("accuracy") and isinstance(value, float)
        own = percent(here[name]) if name in here else ""
        rows.append((name.replace("_", " "), percent(value) if is_share else str(value), own))
    return rows


def settings(facts: Facts) -> list[tuple[str, str, bool]]:
    """Return each setting, its value, and whether it is other than by default."""
    config = facts.info["config"]
    own = TrainConfig(strategy=config["strategy"])
    loop = own.loop.to_json() if config["training"] else None
    default = dict(_flat({**own.to_json(), "strategy": TrainConfig.strategy, "training": loop}))
    return [(name, value, default.get(name) != value) for name, value in _flat(config)]


def _flat(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return "none set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or "–"


def repeat_command(facts: Facts) -> str:
    """Return the command that repeats a run, in its folder; that of Python for photos in memory."""
    source = str(facts.info["data"]["source"])
    if facts.info["data"]["kind"] in IN_MEMORY:
        return 'photograft.train(dataset, "run.json")'
    return f"photograft train {shlex.quote(source)} --config run.json"
