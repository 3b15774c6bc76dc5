"""Feature extraction: a frozen backbone, its features computed once, and a head on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from photograft.classifier.classifier import Classifier
from photograft.classifier.head import Head
from photograft.core.arrays import Floats
from photograft.core.feature_table import Table
from photograft.core.text import count, size
from photograft.data.splits import Split
from photograft.features.layers import layer_sets
from photograft.learning.head.candidates import KINDS, Gather
from photograft.learning.head.elsewhere import disagreement
from photograft.learning.head.fitting import fit_head, most_bytes
from photograft.learning.head.selection import Selection, settle, to_json
from photograft.learning.head.trying import ask, try_looks
from photograft.learning.job import Fitted, Job, OutOfFold
from photograft.learning.looks.search import Search


def fit(job: Job) -> Fitted:
    """Fit a head on the features of the training photos.

    A linear head, or a blend of several, is chosen by cross-validation on the training photos and
    fitted on all of them; an MLP is trained by the loop.
    """
    if job.config.head == "mlp":
        return _fit_mlp(job)
    searching = Search(job)
    found = searching.by_training()
    seen = replace(job, extractor=found.extractor, table=found.table)
    selection = found.selection
    classifier = fit_chosen(seen, [found.table], selection)
    asked = seen.score(classifier, "validation") if len(job.split.validation) else None
    apart = None if asked is None else disagreement(selection, job, asked)
    if apart is not None:
        found = searching.by_validation()
        seen = replace(job, extractor=found.extractor, table=found.table)
        selection = found.selection
        asked = np.exp(selection.held_out.log_probs[-len(job.split.validation) :, 0])
    notes = (*found.notes, *streamed_notes(seen, selection))
    if apart is not None:
        notes = (*notes, apart.sentence)
    refit = asked is not None and job.config.final == "all"
    if refit:
        classifier = fit_chosen(whole_of(seen), [found.table], selection)
        notes = (*notes, refitted_note(job))
    elif apart is not None:
        classifier = fit_chosen(seen, [found.table], selection)
    chosen = to_json(selection)
    return Fitted(
        classifier,
        "features",
        {**chosen, "steps": [step.to_json() for step in found.steps]},
        notes=notes,
        params=count_params(seen, classifier.head),
        before_refit=asked if apart is not None or refit else None,
        has_learned_validation=refit,
        out_of_fold=OutOfFold.of(selection) if apart is None else None,
        extractor=found.extractor,
        table=found.table,
    )


def whole_of(job: Job) -> Job:
    """Return a job whose training part has the validation photos as well."""
    split = job.split
    together = np.sort(np.concatenate([split.train, split.validation]))
    nothing = split.validation[:0]
    return replace(job, split=Split(together, nothing, nothing))


def refitted_note(job: Job) -> str:
    """Return what the user should know of a head that learned from validation photos, too."""
    together = len(job.split.train) + len(job.split.validation)
    return (
        f"its head was then fitted on training and validation photos together ({together:,}); the "
        "scores on validation are from before that"
    )


def choose_and_fit(
    job: Job, tables: Sequence[Table], *, layer: str = ""
) -> tuple[Classifier, Selection]:
    """Choose and fit a linear head.

    Args:
        job: What to learn from.
        tables: The training photos' features, a table a view, the plain view first.
        layer: As in the settings, which have the word where it is empty.
    """
    selection = choose_head(job, tables, layer=layer)
    return fit_chosen(job, tables, selection), selection


def choose_head(
    job: Job, tables: Sequence[Table], *, layer: str = "", as_of_views: int = 0
) -> Selection:
    """Choose layers, kind of head and regularisation by cross-validation.

    Args:
        job: As in `choose_and_fit`.
        tables: Likewise.
        layer: Likewise.
        as_of_views: On as few photos as where each has that many views, to be compared with that.
    """
    config = job.config
    head = config.head if config.head in KINDS else "auto"
    asked = ask(
        job.labels("train"),
        job.groups("train"),
        job.digests("train"),
        balanced=config.class_weight == "balanced",
        seed=config.seed,
        num_views=max(len(tables), as_of_views),
    )._replace(num_views=len(tables))
    looks = try_looks(
        asked,
        _gather(job, tables),
        job.backbone,
        wanted=layer or config.layer,
        head=head,
        progress=job.progress,
    )
    return settle(asked, looks, head=head)


def fit_chosen(job: Job, tables: Sequence[Table], selection: Selection) -> Classifier:
    """Fit the chosen head on all training photos; see `choose_and_fit`."""
    with job.progress.step("Fitting the head", 1, "heads") as step:
        head = fit_head(
            _gather(job, tables),
            selection,
            job.labels("train"),
            balanced=job.config.class_weight == "balanced",
            stream_above=job.config.stream_above,
            tell=step.note,
        )
        step.advance()
    return frozen_classifier(job, selection.layers, head)


def streamed_notes(job: Job, selection: Selection) -> tuple[str, ...]:
    """Return what the user should know where features were too many to be held in memory."""
    taken = most_bytes(selection, len(job.split.train))
    if taken <= job.config.stream_above:
        return ()
    return (
        f"the features of {count(len(job.split.train), 'training photo')} take {size(taken)}, more "
        f"than {size(job.config.stream_above)} (--stream-above): its head was chosen on "
        f"{selection.num_photos:,} of them, and fitted on all in passes over the store",
    )


def frozen_classifier(job: Job, layers: tuple[str, ...], head: Head) -> Classifier:
    """Return a classifier of the frozen backbone and a head."""
    return Classifier(
        class_names=job.dataset.class_names,
        backbone=job.backbone,
        engine=job.extractor.engine,
        layers=layers,
        head=head,
        max_pixels=job.config.max_pixels,
        weights_path=job.extractor.path,
        views=job.views,
    )


def count_params(job: Job, head: Head) -> dict[str, int]:
    """Return parameter counts where the head alone was trained."""
    return {"total": job.backbone.num_params + head.num_params, "trained": head.num_params}


def _gather(job: Job, tables: Sequence[Table]) -> Gather:
    digests = job.digests("train")
    n = len(digests)

    def gather(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Floats:
        parts = [
            tables[v].rows([digests[i - v * n] for i in own], columns)
            for v in range(len(tables))
            if len(own := rows[(rows >= v * n) & (rows < (v + 1) * n)])
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(columns)), np.float32)

    return gather


def _fit_mlp(job: Job) -> Fitted:
    from photograft.learning.loop.batches import StoredBatches  # torch, only where needed
    from photograft.learning.loop.feeds import Feed
    from photograft.learning.loop.setup import HeadOnly, make_head, run_loop, target_encoding_of

    config, table = job.config, job.features()
    wanted = config.layer if config.layer != "auto" else "last"
    layers, columns = layer_sets(job.backbone.layers, wanted)[-1]
    hidden = config.hidden or (256,)
    module = make_head(job, len(columns), hidden, table=table, columns=columns)
    feeds = [
        Feed(StoredBatches(table, job.digests(part), columns), job.labels(part))
        for part in ("train", "validation")
    ]
    history, checkpoint = run_loop(
        job, HeadOnly(module), feeds[0], feeds[1], config.loop, stage="head"
    )
    head = module.to_head(target_encoding_of(job, config.loop))
    return Fitted(
        frozen_classifier(job, layers, head),
        "features",
        {"layers": list(layers)},
        history,
        history.notes,
        count_params(job, head),
        (checkpoint.folder,),
    )
