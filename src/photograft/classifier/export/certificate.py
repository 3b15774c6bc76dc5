"""The parity certificate: on which photos an export answers as the library does, and how nearly."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from photograft._version import __version__
from photograft.backbones.engines import runs_prepared
from photograft.classifier.classifier import Classifier
from photograft.classifier.digest import digest_of
from photograft.classifier.export.exporters import Exporter
from photograft.classifier.export.names import FEATURES, LOGITS, OOD_SCORE, PIXELS, PROBABILITIES
from photograft.classifier.export.order import Order
from photograft.classifier.export.parity import (
    STAGES,
    Compared,
    Said,
    Sample,
    compare,
    in_float,
    rules_of,
)
from photograft.core.errors import PhotograftError
from photograft.core.files import sha256_of
from photograft.core.progress import Progress
from photograft.core.text import count, percent

#: Raised when what `certify` returns is no longer what it was.
FORMAT_VERSION = 1
FILE_NAME = "certificate.json"

#: What each precision is held to. ``probabilities`` and ``ood_score``: the largest difference that
#: is let pass, on every photo; OOD scores of all but a few: where two training photos are equally
#: far from one, the last bit decides which of them is its neighbour. ``same_label``: the share of
#: the user's photos with the same most probable class. ``accuracy_lost``: of those whose class is
#: known.
TOLERANCES: dict[str, dict[str, float]] = {
    "fp32": {"probabilities": 1e-4, "ood_score": 1e-2},
    "fp16": {"probabilities": 0.05, "same_label": 0.99, "accuracy_lost": 0.01},
    "int8": {"same_label": 0.95, "accuracy_lost": 0.02},
}

#: So many photos may be such, and one always.
_TIES = 0.005

#: From which difference on a stage is where it begins: more than rounding makes.
_BEGINS = {PIXELS: 2.0, FEATURES: 1e-3, LOGITS: 1e-2, PROBABILITIES: 1e-4, OOD_SCORE: 1e-2}
#: Of a single pixel, or few: rounding. Of more: another way to resize.
_MANY_PIXELS = 1e-3
#: So many times the difference of a probability is let pass where a pixel was rounded to the level
#: beside: the library itself answers so much otherwise for such a photo.
_ROUNDED = 10.0
#: Photos that are told of, those that differ most first.
_WORST = 10

_UNITS = {
    PIXELS: "{:.0f} of 256 levels",
    FEATURES: "{:.2g} of the largest",
    LOGITS: "{:.2g}",
    PROBABILITIES: "{:.2g}",
    OOD_SCORE: "{:.2g}",
}


class ParityError(PhotograftError):
    """An exported classifier answers otherwise than the library: it is not handed out."""


def certify(
    classifier: Classifier,
    folder: Path,
    exporter: Exporter,
    order: Order,
    samples: Sequence[Sample],
    *,
    source: str = "",
    progress: Progress,
) -> dict[str, Any]:
    """Return the certificate of an export, as plain JSON types.

    In fp32 and fp16 the library is run in float32, and beside it in the precision that the
    classifier was trained in, whose difference is told apart. In int8 it is run as trained.

    Args:
        classifier: As it was trained.
        folder: Of the export.
        exporter: What wrote it.
        order: What was asked for.
        samples: Photos that both are asked about.
        source: Where the user's own are from, for people.
        progress: Told how far it is.

    Raises:
        ParityError: It answers otherwise, by more than the tolerance.
        ConversionError: It can't be run.
    """
    is_int8 = order.precision == "int8" and classifier.engine.precision == "int8"
    reference = classifier if is_int8 else in_float(classifier)
    done: list[Compared] = []
    failed: list[tuple[Sample, str]] = []
    with progress.step("Comparing", len(samples), "photos") as step:
        for one in compare(classifier, reference, folder, exporter, order.name, samples):
            if isinstance(one, Compared):
                done.append(one)
            else:
                failed.append(one)
            step.advance()
    own = [one for one in done if one.sample.is_own]
    hard = [one for one in done if not one.sample.is_own]
    tolerance = TOLERANCES[order.precision]
    runtime = exporter.runtime or runs_prepared()
    rules = rules_of(classifier)

    def summary(some: Sequence[Compared], found: Callable[[Compared], Said]) -> dict[str, Any]:
        return _summary(some, found, lambda said: said.decision(rules, classifier.class_names))

    certificate = {
        "format": FORMAT_VERSION,
        "photograft": __version__,
        "classifier": digest_of(classifier),
        "precision": order.precision,
        "reference": reference.engine.available().precision,
        "runtime": {runtime: importlib.metadata.version(runtime)},
        "note": exporter.note,
        "versions": {name: importlib.metadata.version(name) for name in ("numpy", "pillow")},
        "files": _files(folder),
        "tolerance": dict(tolerance),
        "source": source,
        "rules": list(rules.sentences),
        "own": _with_stages(own, summary(own, lambda one: one.found)),
        "hard": _with_stages(hard, summary(hard, lambda one: one.found)),
        "accuracy": _accuracy(own),
        "as_trained": None
        if not any(one.trained for one in done)
        else {
            "precision": classifier.engine.precision,
            "own": summary(own, lambda one: one.trained or one.expected),
            "hard": summary(hard, lambda one: one.trained or one.expected),
        },
        "worst": [_row(one) for one in _worst(done)],
        "not_compared": [{"name": sample.name, "reason": why} for sample, why in failed],
    }
    _refuse(done, own, failed, certificate, order.precision)
    return certificate


def _summary(
    some: Sequence[Compared], found: Callable[[Compared], Said], decide: Callable[[Said], str]
) -> dict[str, Any]:
    """Return how far answers are the same."""
    same_label = sum(found(one).label == one.expected.label for one in some)
    same_decision = sum(decide(found(one)) == decide(one.expected) for one in some)
    away = [abs(found(one).probabilities - one.expected.probabilities).max() for one in some]
    return {
        "num_photos": len(some),
        "largest_difference": float(max(away, default=0.0)),
        "same_label": same_label,
        "same_decision": same_decision,
    }


def _with_stages(some: Sequence[Compared], summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary with the largest difference of each stage."""
    stages = {
        stage: max(one.differences[stage] for one in some)
        for stage in STAGES
        if some and stage in some[0].differences
    }
    wrong = [one.wrong_pixels for one in some]
    return {
        **summary,
        "stages": stages,
        "photos_with_equal_pixels": sum(not share for share in wrong),
        "share_of_wrong_pixels": sum(wrong) / len(wrong) if wrong else 0.0,
    }


def _accuracy(own: Sequence[Compared]) -> dict[str, Any] | None:
    """Return how many of the photos whose class is known each side gets right."""
    known = [one for one in own if one.sample.label is not None]
    if not known:
        return None
    return {
        "num_photos": len(known),
        "library": sum(one.expected.label == one.sample.label for one in known) / len(known),
        "export": sum(one.found.label == one.sample.label for one in known) / len(known),
    }


def _worst(done: Iterable[Compared]) -> list[Compared]:
    return sorted(done, key=lambda one: (-one.differences[PROBABILITIES], one.sample.name))[:_WORST]


def _row(one: Compared) -> dict[str, Any]:
    return {
        "name": one.sample.name,
        "own": one.sample.is_own,
        "stages": dict(one.differences),
        "wrong_pixels": one.wrong_pixels,
    }


def _files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of an export, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def _refuse(
    done: Sequence[Compared],
    own: Sequence[Compared],
    failed: Sequence[tuple[Sample, str]],
    certificate: Mapping[str, Any],
    precision: str,
) -> None:
    """Raise an error where the tolerance is not kept."""
    tolerance = TOLERANCES[precision]
    for sample, why in failed:
        if not sample.is_own:
            raise ParityError(f"the export can't be tried on {sample.name!r}: {why}", fix=_FIX)
    for stage in (PROBABILITIES, OOD_SCORE):
        most = tolerance.get(stage)
        if most is None:
            continue
        with_stage = [one for one in done if stage in one.differences]
        beyond = [one for one in with_stage if one.differences[stage] > _let_pass(one, stage, most)]
        worst = max(beyond, key=lambda one: one.differences[stage], default=None)
        if worst is None:
            continue
        over = len(beyond)
        if stage == OOD_SCORE and over <= max(1, _TIES * len(with_stage)):
            continue
        raise ParityError(
            f"the export answers otherwise than the library for {count(over, 'photo')} of "
            f"{len(with_stage):,}: the {_NAMES[stage]} of {worst.sample.name!r} is off by "
            f"{worst.differences[stage]:.2g}, at most {_let_pass(worst, stage, most):g} is let "
            f"pass. {_began(worst)}",
            fix=_FIX if precision == "fp32" else _FIX_PRECISION,
        )
    least = tolerance.get("same_label")
    if least is not None and own and certificate["own"]["same_label"] < least * len(own):
        raise ParityError(
            f"in {precision} the export gives the same class for "
            f"{percent(certificate['own']['same_label'] / len(own))} of your photos",
            expected=f"at least {percent(least)}",
            fix=_FIX_PRECISION,
        )
    most, accuracy = tolerance.get("accuracy_lost"), certificate["accuracy"]
    if most is not None and accuracy and accuracy["library"] - accuracy["export"] > most + 1e-9:
        raise ParityError(
            f"in {precision} the export is right for {percent(accuracy['export'])} of "
            f"{count(accuracy['num_photos'], 'photo')}, the library for "
            f"{percent(accuracy['library'])}",
            expected=f"at most {100 * most:g} points less",
            fix=_FIX_PRECISION,
        )


def _let_pass(one: Compared, stage: str, most: float) -> float:
    """Return the largest difference that is let pass on a photo."""
    level = one.differences.get(PIXELS, 0.0)
    is_rounded = level == 1 and one.wrong_pixels <= _MANY_PIXELS
    return most * _ROUNDED if is_rounded and stage == PROBABILITIES else most


def _began(one: Compared) -> str:
    """Return where a photo's difference begins, a sentence."""
    for stage in STAGES:
        found = one.differences.get(stage, 0.0)
        many = stage == PIXELS and one.wrong_pixels > _MANY_PIXELS
        if found > _BEGINS[stage] or many:
            said = (
                f"It begins with the {_PLURALS[stage]}, off by up to {_UNITS[stage].format(found)}"
            )
            return said + (f" in {percent(one.wrong_pixels)} of the values." if many else ".")
    return "It builds up from rounding."


_NAMES = {PROBABILITIES: "probability", OOD_SCORE: "OOD score"}
_PLURALS = {
    PIXELS: "pixels",
    FEATURES: "features",
    LOGITS: "logits",
    PROBABILITIES: "probabilities",
    OOD_SCORE: "OOD score",
}
_FIX = "Nothing was written. Try another format with --to, and please report this."
_FIX_PRECISION = "Nothing was written. Export with --precision fp32."
