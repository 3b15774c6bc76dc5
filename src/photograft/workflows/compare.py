"""Comparing backbones and strategies on one's own photos, within a budget of time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import numpy as np

from photograft.classifier.classifier import Classifier
from photograft.core.bars import progress_of
from photograft.core.errors import InputError
from photograft.core.executors.choosing import OFF, executing
from photograft.core.files import path_of
from photograft.core.progress import Watched
from photograft.core.schema import check_choice
from photograft.core.store import FeatureStore
from photograft.core.text import command_line, parse_duration
from photograft.data.dataset import Dataset
from photograft.data.empty_classes import left_out
from photograft.data.groups import content_groups
from photograft.data.loading import (
    Source,
    check_outside,
    read_dataset,
    split_of,
    with_near_duplicates,
)
from photograft.data.sources.base import IN_MEMORY
from photograft.evaluation.comparison.candidates import (
    Candidate,
    make_candidates,
)
from photograft.evaluation.comparison.choice import PREFERENCES, choose
from photograft.evaluation.comparison.fitting import fit_for_good
from photograft.evaluation.comparison.folders import alone, check_folder
from photograft.evaluation.comparison.leaderboard import Row, make_rows
from photograft.evaluation.comparison.scheduler import run_trials
from photograft.evaluation.comparison.series import fingerprint_of, mark_series
from photograft.evaluation.comparison.trial_store import Trial, TrialStore
from photograft.evaluation.comparison.trials import TrialContext
from photograft.evaluation.comparison.wording import TEST, on_the_test, worn_out
from photograft.learning.head.trying import NUM_FOLDS, NUM_REPEATS
from photograft.learning.options import Config, LearningOptions, read_settings
from photograft.learning.settings import TrainConfig
from photograft.report.comparison_page import write_comparison_page
from photograft.runs.comparison import WINNER, Comparison, complete, read_earlier, write_comparison
from photograft.runs.folder import PAGE, RUN, load_facts
from photograft.runs.record import describe_data
from photograft.runs.run import Clock, Run, environment, now, safe_name
from photograft.workflows.finishing import Finished, finish

#: Options that the command has, too.
_OPTIONS = {
    *("class_weight", "validation", "test", "group_by", "near_duplicates", "corrections"),
    *("empty_classes", "max_pixels", "new_class"),
    *("seed", "engine"),
}


def compare(
    source: Source,
    config: Config | None = None,
    *,
    backbones: Sequence[str | os.PathLike[str]] = (),
    strategies: Sequence[str] = (),
    recipes: Sequence[str] = (),
    budget: str | float = "10m",
    prefer: str = "speed",
    out: str | os.PathLike[str] | None = None,
    store: FeatureStore | None = None,
    progress: Watched = True,
    clock: Clock = now,
    timer: Callable[[], float] = time.perf_counter,
    ray: str = OFF,
    **options: Unpack[LearningOptions],
) -> Comparison:
    """Compare backbones, strategies and recipes, choose one, and fit it for good.

    Training and validation photos are dealt into folds; the test is used once, for the one that is
    chosen. What was found out about a candidate is kept in the folder: interrupted, or called again
    with more candidates or a larger budget, only what is missing is done.

    Args:
        source: As in `train`.
        config: What all candidates have in common; as in `train`.
        backbones: Names or files; the embedded ones where none are given, unless there are recipes
            only.
        strategies: Likewise; features, features+augment and finetune where none are given.
        recipes: Names of recipes to compare with.
        budget: Time to spend on candidates: seconds, or text such as ``"90s"``, ``"10m"``,
            ``"2h"``. The cheap ones come first; those that can't win any more are passed over,
            those that would take too long are left out, and all but the first are stopped when it
            is spent. Fitting the chosen one comes on top.
        prefer: What decides between candidates that can't be told apart: ``"speed"`` or ``"size"``;
            or ``"accuracy"``, the highest one at any cost.
        out: The comparison folder; ``comparisons/NAME`` where not given.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.
        clock: Tells the time of day.
        timer: Tells the time in seconds.
        ray: What looks at the photos: ``"off"``, this process; ``"local"``, a Ray cluster that is
            started here; ``"auto"``, or an address, one that runs. The result is the same.
        options: As in `train`.

    Raises:
        InputError: The source, or a setting, can't be used.
        WeightsError: No candidate's weights are here or can be fetched.
        StorageError: The folder or the cache can't be written, or another comparison is at work
            in the folder.
    """
    if isinstance(config, (list, tuple)):
        raise InputError(
            "the second argument is the settings",
            got=repr(config),
            fix="Name what is compared: backbones=[...], strategies=[...] or recipes=[...].",
        )
    for name in ("strategy", "backbone"):
        if name in options:
            several = {"strategy": "strategies", "backbone": "backbones"}[name]
            raise InputError(f"compare takes several: {name} can't be one", expected=several)
    settings = read_settings(config, **options)
    names = {
        "backbones": _names("backbones", backbones),
        "strategies": _names("strategies", strategies),
        "recipes": _names("recipes", recipes),
    }
    seconds = parse_duration(budget, "the budget")
    told: dict[str, object] = {
        "out": out,
        **{name: ",".join(given) for name, given in names.items()},
        "budget": budget,
        "prefer": prefer,
        **options,
    }
    shown = source.source if isinstance(source, Dataset) else source
    usual = {**TrainConfig().to_json(), "budget": "10m", "prefer": "speed"}
    with executing(ray):
        return compare_candidates(
            source,
            make_candidates(names["backbones"], names["strategies"], names["recipes"], settings),
            settings,
            out=out,
            budget=seconds,
            prefer=prefer,
            # What the command line could not say again is not put into its mouth.
            command=""
            if config is not None
            or set(options) - _OPTIONS
            or (isinstance(source, Dataset) and source.kind in IN_MEMORY)
            else command_line("compare", [shown], told, usual),
            store=store,
            progress=progress,
            clock=clock,
            timer=timer,
        )


def compare_candidates(
    source: Source,
    candidates: Sequence[Candidate],
    config: TrainConfig | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    budget: float = 600.0,
    prefer: str = "speed",
    command: str = "",
    store: FeatureStore | None = None,
    progress: Watched = True,
    clock: Clock = now,
    timer: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """Do what `compare` does for candidates that are given.

    Args:
        source: As in `compare`, as are the others that are not here.
        candidates: At least one.
        config: The split, the seed and the limits.
        out: As in `compare`.
        budget: In seconds, above 0.
        prefer: As in `compare`.
        command: The command that this is, for the record.
        store: As in `compare`.
        progress: Likewise.
        clock: Likewise.
        timer: Likewise.
    """
    check_choice("prefer", prefer, PREFERENCES)
    if not budget > 0:
        raise InputError("the budget must be more than nothing", got=f"{budget:g} seconds")
    config, store = config or TrainConfig(), store or FeatureStore()
    progress = progress_of(progress)
    started, start = clock(), timer()
    if out is not None:
        _check_folder(path_of(out, "the comparison folder"), source)
    dataset = read_dataset(source, config, cache=store.cache, progress=progress)
    folder = Path("comparisons", safe_name(dataset.name)) if out is None else Path(out)
    _check_folder(folder, source)
    split_of(dataset, config)  # what is wrong with the classes is better said at once
    dataset = with_near_duplicates(dataset, config, store=store, progress=progress)
    if config.near_duplicates == "ignore":
        # Else nobody has decoded them: photos that fail later would deal others into the test.
        dataset = dataset.verified(progress=progress)
    dataset = mark_series(dataset, candidates, store, progress)
    split = split_of(dataset, config)
    together = np.sort(np.concatenate([split.train, split.validation]))
    pool = replace(dataset, photos=dataset.records.take(together))
    context = TrialContext(pool, store, progress, config.seed, timer)
    labels, groups = pool.labels, content_groups(pool)

    def rows_of(trials: dict[str, Trial], reasons: dict[str, str]) -> list[Row]:
        return make_rows(candidates, trials, reasons, labels, groups)

    with alone(folder):
        found = run_trials(
            context,
            candidates,
            TrialStore(folder, fingerprint_of(pool)),
            rows_of,
            budget=budget,
        )
        rows = rows_of(found.trials, found.reasons)
        winner, verdict = choose(rows, prefer, candidates)
        chosen = next(candidate for candidate in candidates if candidate.name == winner["id"])
        # Another test, or other photos to watch a training by, is another run of the same photos.
        parts = [split.train.tolist(), split.validation.tolist(), split.test.tolist()]
        key = chosen.key(f"{fingerprint_of(dataset)} {parts}")
        before = read_earlier(folder)
        run, tested = folder / WINNER, list(before.get("tested", []))
        if before.get("run_key") == key and (run / RUN).is_file():
            fitted = Finished(Run.load(run), load_facts(run), Classifier.load(run))
        else:
            progress.say(f"Fitting {chosen.name} for good")
            shutil.rmtree(run, ignore_errors=True)
            selection = found.selections.get(chosen.name)
            job, result = fit_for_good(context, dataset, split, chosen, selection, verdict)
            fitted = finish(job, result, run, started=started, seconds=timer() - start)
            tested += [name for name in [chosen.name] if name not in tested]
        verdict = f"{verdict} {on_the_test(fitted.run.scores['test'])}"
        info = {
            "name": dataset.name,
            "started": started.isoformat(),
            "seconds": round(timer() - start, 2),
            "seed": config.seed,
            "budget": budget,
            "prefer": prefer,
            "command": command,
            "verdict": verdict,
            "winner": winner["id"],
            "run": WINNER,
            "run_key": key,
            "tested": tested,
            "folds": {
                "num_folds": NUM_FOLDS,
                "num_repeats": NUM_REPEATS,
                "num_photos": winner["num_photos"],
            },
            "test": TEST,
            "data": describe_data(dataset, split),
            "notes": left_out(dataset.dropped, dataset.skipped),
            "warnings": [*fitted.run.info["warnings"], *worn_out(tested)],
            "candidates": rows,
            **environment(),
        }
        write_comparison(folder, info)
        with progress.step("Writing the report", 1, "pages") as step:
            write_comparison_page(
                complete(info),
                fitted.facts,
                {photo.name: photo.read for photo in dataset.photos},
                folder / PAGE,
                classifier=fitted.classifier,
                store=store,
                progress=progress,
            )
            step.advance()
        return Comparison(folder, info, fitted.run)


def _names(what: str, given: Sequence[str | os.PathLike[str]]) -> list[str]:
    is_list = isinstance(given, (list, tuple))
    if not is_list or not all(isinstance(name, (str, os.PathLike)) for name in given):
        raise InputError(f"{what} can't be understood", expected="a list of names", got=repr(given))
    return [name if isinstance(name, str) else os.path.join(os.curdir, name) for name in given]


def _check_folder(folder: Path, source: Source) -> None:
    check_folder(folder)
    check_outside(folder, source)
