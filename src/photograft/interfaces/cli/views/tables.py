"""The tables that the command line prints, drawn with Rich."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from photograft.core.store import FeatureStore
from photograft.core.text import count, layers_text, size
from photograft.interfaces.cli.views.account import print_whole, show_notes, show_skipped
from photograft.runs.folder import CLASSIFIER
from photograft.runs.run import Run
from photograft.workflows.evaluate import Evaluated
from photograft.workflows.settings import Recipe
from photograft.workflows.types import Backbone

_MAX_ROWS = 30


def show_scores(console: Console, title: str, parts: Mapping[str, dict[str, Any] | None]) -> None:
    """Print the scores of one or more parts side by side."""
    shown = {name: scores for name, scores in parts.items() if scores}
    if not shown:
        return
    table = Table(title=escape(title))
    table.add_column("", overflow="fold")
    for name, scores in shown.items():
        table.add_column(f"{name} ({count(scores['num_photos'], 'photo')})", justify="right")

    def row(label: str, cell: Any) -> None:
        table.add_row(label, *(cell(scores) for scores in shown.values()))

    row("accuracy", lambda s: f"[bold]{s['accuracy']:.1%}[/]")
    row("  95% interval", lambda s: "{:.1%} to {:.1%}".format(*s["accuracy_interval"]))
    row("  always the commonest class", lambda s: f"{s['baseline_accuracy']:.1%}")
    if any(s["top_5_accuracy"] is not None for s in shown.values()):
        row("among the top 5", lambda s: f"{s['top_5_accuracy']:.1%}")
    row("macro-F1", lambda s: f"{s['macro_f1']:.3f}")
    row("log loss", lambda s: f"{s['log_loss']:.3f}")
    row("expected calibration error", lambda s: f"{s['expected_calibration_error']:.3f}")
    console.print(table)


def show_classes(console: Console, title: str, scores: dict[str, Any]) -> None:
    """Print precision, recall, F1 and support of every class, the worst first where many."""
    rows = scores["classes"]
    if len(rows) > _MAX_ROWS:
        rows = sorted(rows, key=lambda r: (r["f1"] is None, r["f1"]))[:_MAX_ROWS]
        title += f", the {_MAX_ROWS} worst"
    table = Table(title=escape(title))
    for name in ("class", "precision", "recall", "F1", "photos"):
        table.add_column(name, justify="left" if name == "class" else "right", overflow="fold")
    for r in rows:
        cells = ("–" if r[k] is None else f"{r[k]:.3f}" for k in ("precision", "recall", "f1"))
        table.add_row(escape(r["name"]), *cells, f"{r['support']:,}")
    console.print(table)


def show_evaluated(console: Console, found: Evaluated) -> None:
    """Print scores on labelled photos: the figures that count first, with what to know of them."""
    parts = {name: part.to_json() for name, part in found.parts().items()}
    show_scores(console, found.dataset.name, parts)
    if found.scores:
        show_classes(console, "by class", found.scores.to_json())
    show_asked(console, found.asked)
    for warning in found.warnings:
        console.print(f"Warning: {warning}", style="bold yellow", markup=False, highlight=False)


def show_asked(console: Console, asked: dict[str, Any]) -> None:
    """Print how photos fare by the rules that were asked for; see `evaluate.Evaluated`."""
    answered, sets = asked.get("answered"), asked.get("sets")
    lines = []
    if answered:
        share, (low, high) = answered["share"], answered["share_interval"]
        line = (
            f"Answered from a confidence of {answered['confidence']:.4f} on: {share:.1%} of the "
            f"photos (95% interval {low:.1%} to {high:.1%})"
        )
        if answered["accuracy"] is not None:
            least, most = answered["accuracy_interval"]
            line += f", {answered['accuracy']:.1%} of them right ({least:.1%} to {most:.1%})"
        lines.append(line)
    if sets:
        low, high = sets["interval"]
        lines.append(
            f"Sets of classes: {sets['coverage']:.1%} hold the right one (95% interval {low:.1%} "
            f"to {high:.1%}), {sets['mean_size']:.2f} classes on average"
        )
    for line in lines:
        console.print(line, markup=False, highlight=False)


def show_run(console: Console, run: Run) -> None:
    """Print a finished run: its data, scores, warnings, where it lies, and what to do next."""
    data = run.info["data"]
    show_notes(console, data["notes"])
    show_skipped(console, data["skipped"])
    parts = {name: run.scores[name] for name in ("validation", "test")}
    show_scores(console, run.info["name"], parts)
    shown = "test" if parts["test"] else "validation"
    scores = parts[shown]
    if scores:
        show_classes(console, f"by class, on {shown}", scores)
    _show_origin(console, run)
    sure = run.info.get("certainty") or {}
    for found in sure.get("abstaining", []):
        console.print(found["sentence"], markup=False, highlight=False)
    for warning in run.info["warnings"]:
        console.print(f"Warning: {warning}", style="bold yellow", markup=False, highlight=False)
    lines = [f"Run:        {run.path}", f"Classifier: {run.path / CLASSIFIER}"]
    lines += [f"Picture:    {picture}" for picture in run.pictures]
    report = run.report
    if report.is_file():  # runs of older versions have none
        lines.append(f"Report:     {report}")
    if run.info.get("tracked"):  # of a run that was just trained
        lines.append(f"Tracked:    {run.info['tracked']}")
    lines.append(f"Next:       photograft predict {quoted(run.path)} PHOTOS...")
    for line in lines:
        print_whole(console, line)


def _show_origin(console: Console, run: Run) -> None:
    """Print what was learned how, what the strategy says, and a recipe's published figures."""
    info = run.info
    chosen, engine, params = layers_text(info["layers"]), info["engine"], info["params"]
    lines = [
        f"{info['strategy']}: {info['backbone']['name']}, {chosen}; run by "
        f"{engine['name']} in {engine['precision']}"
    ]
    if params:
        lines.append(f"{params['total']:,} parameters, {params['trained']:,} of them trained here")
    lines += info["notes"]
    recipe = info["recipe"]
    if recipe:
        lines.append(f"{recipe['id']}, {recipe['title']}:")
        lines += [f"  published {name}: {value}" for name, value in recipe["reference"].items()]
        lines += [
            f"  here {part}_accuracy: {run.scores[part]['accuracy']:.3f}"
            for part in ("validation", "test")
            if run.scores[part]
        ]
    for line in lines:
        console.print(line, markup=False, highlight=False)


def show_recipes(console: Console, recipes: Sequence[Recipe]) -> None:
    """Print recipes with the accuracy that was published, by where they are from."""
    width = max(len(recipe.title) for recipe in recipes)
    source = ""
    for recipe in recipes:
        if recipe.source != source:
            source = recipe.source
            console.print(f"From {source}", style="bold", highlight=False)
        known = recipe.accuracy
        published = f"{known[1]:.3f} on {known[0]}" if known else ""
        line = f"  {recipe.id}  {recipe.title:<{width}}  {published}".rstrip()
        print_whole(console, line)


def show_subset(console: Console, out: Path, counts: dict[str, dict[str, int]]) -> None:
    """Print how many photos were copied."""
    table = Table(title="photos copied")
    table.add_column("class", overflow="fold")
    parts = {name: row for name, row in counts.items() if name != "skipped"}
    for part in parts:
        table.add_column(part, justify="right", overflow="fold")
    for name in dict.fromkeys(name for row in parts.values() for name in row):
        table.add_row(escape(name), *(f"{row.get(name, 0):,}" for row in parts.values()))
    console.print(table)
    show_skipped(console, counts["skipped"])
    print_whole(console, f"Photos: {out}")
    print_whole(console, f"Next:   photograft train {quoted(out)}")


def show_backbones(console: Console, backbones: list[Backbone]) -> None:
    """Print backbone records."""
    table = Table(title="backbones that come with the installation")
    for name in ("name", "input", "features", "parameters", "licence"):
        table.add_column(
            name, justify="left" if name in ("name", "licence") else "right", overflow="fold"
        )
    for b in backbones:
        height, width = b.input_size
        last = b.layers[-1].num_features
        table.add_row(
            b.name,
            f"{height} × {width}",
            f"{last:,} (joined {b.num_features:,})",
            f"{b.num_params / 1e6:.1f} M",
            b.licence,
        )
    console.print(table)


def show_cache(console: Console, store: FeatureStore) -> None:
    """Print what the feature store holds."""
    rows = store.usage()
    table = Table(title="feature store")
    for name in ("backbone, engine, precision", "photos", "segments", "largest", "size"):
        table.add_column(
            name, justify="left" if name.startswith("back") else "right", overflow="fold"
        )
    for usage in rows:
        table.add_row(
            escape(usage.title),
            f"{usage.num_photos:,}",
            f"{usage.num_segments:,}",
            size(usage.largest_bytes),
            size(usage.num_bytes),
        )
    table.add_row(
        "all",
        f"{sum(u.num_photos for u in rows):,}",
        f"{sum(u.num_segments for u in rows):,}",
        size(max((u.largest_bytes for u in rows), default=0)),
        size(sum(u.num_bytes for u in rows)),
        style="bold",
    )
    console.print(table)
    networks = sum(u.network_bytes for u in rows)
    if networks:
        console.print(f"{size(networks)} of it converted networks")
    limit = size(store.max_bytes)
    console.print(f"in {store.root}; limit {limit}", markup=False, soft_wrap=True)
    number, num_bytes = store.unfinished()
    if number:
        console.print(
            f"and {count(number, 'interrupted training')}, {size(num_bytes)}: the same "
            "command goes on from there, `photograft cache clear` drops them",
        )


def quoted(path: Path) -> str:
    """Return a path as it is typed into a shell."""
    return shlex.quote(str(path))
