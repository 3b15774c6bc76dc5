"""The verdict on a run and its model card, in plain sentences made from the run's facts.

What a card holds follows Mitchell et al. (2019), "Model cards for model reporting",
arXiv:1810.03993, as far as a run can know it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from photograft.core.text import count, listed, percent, short
from photograft.data.sources.base import HIDDEN
from photograft.diagnosis.series import flatters, series_sentence
from photograft.evaluation.wording import how_good
from photograft.report.confusion import Cell
from photograft.runs.folder import Facts

#: Fewer training photos than this in a class are few.
_FEW_TRAIN = 30
#: Fewer scored photos than this in a class say little about it.
_FEW_SCORED = 20
#: An interval wider than this says that too few photos were scored.
_WIDE = 0.10
#: A mean gap between confidence and accuracy above this is worth a word.
_MISCALIBRATED = 0.05


def verdict(facts: Facts, pairs: Sequence[Cell]) -> list[str]:
    """Return sentences: how good the classifier is, and what to be careful of.

    Args:
        facts: Of the run.
        pairs: The commonest mistakes, the commonest first.
    """
    scores = facts.scores
    if scores is None:
        return [
            " ".join([how_good(scores, facts.part), *_cross_validated(facts)]),
            "No photos were set aside to score it on: try it on labelled photos that it has not "
            "seen, with photograft evaluate, before you rely on it.",
        ]
    return [how_good(scores, facts.part), *_series(facts), _careful(facts, scores, pairs)]


def _series(facts: Facts) -> list[str]:
    """Return what series among the photos do to figures, where they flatter."""
    compared = (facts.info.get("doctor") or {}).get("series")
    if not compared or not flatters(compared):
        return []
    return [
        f"{count(compared['num_photos'], 'photo')} look like series of the same thing or scene; "
        f"{series_sentence(compared)}."
    ]


def _careful(facts: Facts, scores: dict[str, Any], pairs: Sequence[Cell]) -> str:
    low, high = scores["accuracy_interval"]
    parts = []
    if pairs:
        worst, names = pairs[0], facts.class_names
        of = scores["classes"][worst.label]["support"]
        parts.append(
            f"the commonest mistake is to take {short(names[worst.label], 60)} for "
            f"{short(names[worst.predicted], 60)} ({worst.num_photos:,} of {count(of, 'photo')})"
        )
    else:
        parts.append("it made no mistake on them, which does not mean that it makes none")
    if low <= scores["baseline_accuracy"]:
        parts.append("that may be no better than always answering the commonest class")
    elif facts.part == "validation":
        parts.append("there was no test, and validation helped to choose, so this may flatter it")
    elif high - low > _WIDE:
        parts.append("the test is small, which is why the interval is wide")
    elif facts.info["warnings"]:
        parts.append("do read the warnings below")
    sentence = "; ".join(parts) + "."
    return sentence[0].upper() + sentence[1:]


def model_card(facts: Facts) -> list[tuple[str, list[str]]]:
    """Return the headings of a model card, each with its sentences."""
    return [
        ("Intended use", _use(facts)),
        ("Data", _data(facts)),
        ("How it was evaluated", _evaluation(facts)),
        ("Limits", limits(facts)),
    ]


def _use(facts: Facts) -> list[str]:
    names = facts.class_names
    can_tell = bool((facts.info.get("certainty") or {}).get("unknown"))
    unless = ", unless it is asked to say what is unknown (predict --unknown)" if can_tell else ""
    return [
        f"Telling apart {count(len(names), 'class', 'classes')} in photos: {listed(names, 12)}.",
        f"It answers with one of them for a photo of something else, too{unless}.",
    ]


def _data(facts: Facts) -> list[str]:
    data = facts.info["data"]
    counts = {part: sum(row) for part, row in data["class_counts"].items()}
    parts = ", ".join(f"{number:,} {part}" for part, number in counts.items() if number)
    sentences = [f"{count(data['num_photos'], 'photo')} from {short(data['source'], 90)}: {parts}."]
    num_unusable = data["num_skipped"] - data["skipped"].get(HIDDEN, 0)
    if num_unusable:
        sentences.append(f"{count(num_unusable, 'file')} could not be used.")
    sizes = [sum(column) for column in zip(*data["class_counts"].values(), strict=True)]
    if max(sizes) > 3 * min(sizes):
        names = facts.class_names
        sentences.append(
            f"Classes differ in size: {short(names[sizes.index(max(sizes))], 60)} has "
            f"{count(max(sizes), 'photo')}, {short(names[sizes.index(min(sizes))], 60)} "
            f"{min(sizes):,}."
        )
    return sentences


def _evaluation(facts: Facts) -> list[str]:
    scores = facts.scores
    if scores is None:
        return ["Not by itself: no photos were set aside.", *_cross_validated(facts)]
    sentences = [
        f"On {count(scores['num_photos'], 'photo')} of the {facts.part} part, none of which is "
        "among the training photos.",
        "The interval of the accuracy is Wilson's at 95%: it covers the chance in which photos "
        "were scored, not photos of another kind.",
    ]
    if facts.part == "test":
        sentences.insert(1, "The test part was not looked at before the classifier was finished.")
    return sentences


def _cross_validated(facts: Facts) -> list[str]:
    """Return what the choice of the head said of held-out photos, where there was one."""
    chosen = facts.selection.get("chosen")
    if not chosen or facts.selection.get("judges") == "validation":
        return []
    return [
        f"While its head was chosen, heads like it classified {percent(chosen['accuracy'])} of the "
        f"{count(facts.selection['num_photos'], 'training photo')} correctly, each time without "
        "having learned from them."
    ]


def limits(facts: Facts) -> list[str]:
    """Return what to be aware of before relying on a run's classifier."""
    scores, names = facts.scores, facts.class_names
    found = []
    if facts.part == "validation":
        found.append(
            "There is no test part: validation stands in for it, and may have helped to choose "
            "what was trained, so the scores may be a little too good."
        )
    train = facts.info["data"]["class_counts"]["train"]
    few = [f"{short(names[c], 40)} ({n:,})" for c, n in enumerate(train) if n < _FEW_TRAIN]
    if few:
        found.append(f"Few photos to learn from (fewer than {_FEW_TRAIN}): {listed(few)}.")
    if scores is not None:
        found += _limits_of_scores(scores)
    alone = _in_one_group(facts)
    if alone:
        found.append(
            f"All training photos are from one group (such as one place or one day) for "
            f"{listed(alone)}: how well it is recognised elsewhere is not known."
        )
    found += [f"{text[0].upper()}{text[1:].rstrip('.')}." for text in facts.info["warnings"]]
    found.append(
        "Photos unlike these (another camera, light, background or season) may be classified much "
        "worse; its probabilities do not tell you so. Score it on photos from where it is to work."
    )
    return found


def _limits_of_scores(scores: dict[str, Any]) -> list[str]:
    found = []
    rows = scores["classes"]
    thin = [
        f"{short(r['name'], 40)} ({r['support']:,})" for r in rows if r["support"] < _FEW_SCORED
    ]
    if thin:
        found.append(
            f"Scored on fewer than {_FEW_SCORED} photos, so their own figures are rough: "
            f"{listed(thin)}."
        )
    low, high = scores["accuracy_interval"]
    if high - low > _WIDE:
        found.append(
            f"The accuracy is known only to within {percent(high - low, 0)} "
            f"({percent(low)} to {percent(high)}): more photos to score on would narrow that."
        )
    if low <= scores["baseline_accuracy"]:
        found.append("It may be no better than always answering the commonest class.")
    missed = [r for r in rows if r["recall"] is not None and r["recall"] < 0.5]
    if missed:
        found.append("Missed more often than found: " + listed([r["name"] for r in missed]) + ".")
    error = scores["expected_calibration_error"]
    if error > _MISCALIBRATED:
        found.append(
            f"Its probabilities are off by {percent(error)} on average: do not read them as "
            "frequencies."
        )
    return found


def _in_one_group(facts: Facts) -> list[str]:
    """Return the classes whose training photos the source puts into one and the same group."""
    groups: defaultdict[str, set[str | None]] = defaultdict(set)
    for file in facts.files:
        if file.used and file.split == "train":
            groups[file.label].add(file.group)
    return [
        name for name in facts.class_names if len(groups[name]) == 1 and None not in groups[name]
    ]
