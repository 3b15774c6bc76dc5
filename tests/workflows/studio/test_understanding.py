"""What a project's latest run says of itself."""

from __future__ import annotations

import json

import pytest

import photograft
from photograft.core.errors import ClassifierError, UnknownNameError
from photograft.runs.run import Run
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.understanding import Understanding
from studio_helpers import ids_of


def test_nothing_is_trained(unlabelled: Project) -> None:
    found = Understanding(unlabelled, Jobs(unlabelled))
    assert found.run() is None
    assert found.facts() == {"state": "none"}
    for ask in (found.page, lambda: found.cell("a", "b")):
        with pytest.raises(ClassifierError, match="Train first"):
            ask()


def test_it_says_what_the_run_says(done: Project) -> None:
    understanding = Understanding(done, Jobs(done))
    found, run = understanding.facts(), Run.load(done.folder / "runs" / "quick-1")
    assert run.info["name"] == "doing"  # not "labels", as its table is called
    assert run.metrics is not None
    assert (found["state"], found["name"], found["part"]) == ("fresh", "quick-1", "test")
    assert found["accuracy"] == run.metrics.accuracy
    assert understanding.run() == {"name": "quick-1", "accuracy": run.metrics.accuracy}
    assert len(found["verdict"]) == 2
    assert found["class_names"] == ["circle", "square", "triangle"]
    assert sum(map(sum, found["matrix"])) == run.metrics.num_photos
    assert [row["num_photos"] for row in found["per_class"]] == run.info["data"]["class_counts"][
        "train"
    ]
    assert found["more_photos"], "the learning curve was measured"
    assert found["tried"]
    assert {"what", "score"} == set(found["tried"][0])
    assert understanding.page().read_bytes().startswith(b"<!")


def test_the_curve_goes_from_the_surest_to_all(done: Project) -> None:
    curve = Understanding(done, Jobs(done)).facts()["curve"]
    shares = [point["share"] for point in curve]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    thresholds = [point["threshold"] for point in curve]
    assert thresholds == sorted(thresholds, reverse=True)
    assert all(0 <= point["accuracy"] <= 1 for point in curve)


def test_cells_open_their_photos(done: Project) -> None:
    understanding = Understanding(done, Jobs(done))
    matrix = understanding.facts()["matrix"]
    names = ["circle", "square", "triangle"]
    for i, actual in enumerate(names):
        for j, predicted in enumerate(names):
            photos = understanding.cell(actual, predicted)["photos"]
            assert len(photos) == matrix[i][j]
            for photo in photos:
                assert done.row(photo["id"]).label == actual
    with pytest.raises(UnknownNameError, match="hexagon"):
        understanding.cell("hexagon", "circle")


def test_other_labels_make_it_stale(done: Project) -> None:
    understanding = Understanding(done, Jobs(done))
    done.label(ids_of(done, "0")[:1], "square")
    found = understanding.facts()
    assert found["state"] == "stale"
    assert found["more_photos"] == [], "of other labels"
    done.undo()
    assert understanding.facts()["state"] == "fresh"


def test_a_class_that_is_seldom_found_gets_a_word(done: Project) -> None:
    path = done.folder / "runs" / "quick-1" / "metrics.json"
    scores = json.loads(path.read_text("utf-8"))
    scores["test"]["classes"][1]["recall"] = 0.25
    path.write_text(json.dumps(scores), "utf-8")
    _, square, _ = Understanding(done, Jobs(done)).facts()["per_class"]
    assert square["advice"] == ("Found less often than the others (25.0%): look at its mistakes.")
    info = path.with_name("run.json")
    run = json.loads(info.read_text("utf-8"))
    run["data"]["class_counts"]["train"][1] = 3
    info.write_text(json.dumps(run), "utf-8")
    first, square, _ = Understanding(done, Jobs(done)).facts()["per_class"]
    assert "3 photos): more of it come first" in square["advice"]
    assert first["advice"] == ""


@pytest.mark.slow
def test_a_comparison_is_understood_by_its_winner(done: Project) -> None:
    """Also where nobody noted that it was done."""
    (done.folder / "jobs.json").unlink()
    out = done.folder / "runs" / "compare-1"
    photograft.compare(
        done.write_labels(),
        out=out,
        backbones=["efficientnet_lite0"],
        strategies=["features"],
        progress=False,
    )
    jobs = Jobs(done)
    assert jobs.run() == out / "run"
    found = Understanding(done, jobs).facts()
    assert (found["state"], found["name"]) == ("stale", "compare-1")
    assert found["tried"]
    assert all(row["score"].endswith("%") for row in found["tried"])
