"""Work on Ray: what every executor owes, actors that are killed, two nodes, and nothing left."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pyarrow.parquet
import pytest

from executor_helpers import (
    NEEDS_RAY,
    Deadly,
    Dividing,
    Killed,
    Slow,
    Squares,
    Unloadable,
    Unsendable,
    Where,
    listening,
    results,
)
from photograft.core.errors import InputError
from photograft.core.executors.ray_cluster import OnRay

SQUARES = {i: i * i for i in range(60)}

pytestmark = NEEDS_RAY


KILLED = """
import os, pathlib, re, signal, socket, sys
from executor_helpers import Killed, Squares, results
from photograft.core.errors import InputError
from photograft.core.executors.ray_cluster import OnRay
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    nobody = f"127.0.0.1:{free.getsockname()[1]}"
    for address, words in (
        ("auto", r"no Ray cluster here \\(.*--ray local"),
        (nobody, f"no Ray cluster at {nobody} .*Connection refused"),
        ("nonsense", "no Ray cluster at nonsense .*an address is HOST:PORT"),
    ):
        try:  # said at once, where Ray itself would wait for minutes
            OnRay(address)
        except InputError as error:
            assert re.search(words, str(error)), error
        else:
            raise AssertionError(address)
executor = OnRay("local")
work = Killed(Squares(), pathlib.Path(sys.argv[1]), seed=3, kills=1)
print(results(executor, work, range(3)), executor._folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def python(code: str, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own: a process is in one cluster at a time."""
    environment = {name: v for name, v in os.environ.items() if name != "RAY_ADDRESS"}
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        own = {"PYTHONPATH": os.pathsep.join(sys.path), "RAY_TMPDIR": folder}
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={**environment, **own},
            capture_output=True,
            text=True,
            timeout=timeout,
        )


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """A process that looked for a cluster in vain, started one, lost a worker, and was killed."""
    return python(KILLED, str(tmp_path_factory.mktemp("killed")))


def test_each_thing_once(on_ray: OnRay) -> None:
    assert results(on_ray, Squares(), range(60)) == SQUARES
    assert results(on_ray, Squares(), []) == {}


def test_what_the_work_raises_ends_it(on_ray: OnRay) -> None:
    with pytest.raises(ZeroDivisionError):
        results(on_ray, Dividing(0), range(60))


def test_what_cannot_be_sent_is_said(on_ray: OnRay) -> None:
    with pytest.raises(InputError, match=r"can't be handed to other processes \(cannot pickle"):
        results(on_ray, Unsendable(), range(60))
    with pytest.raises(InputError, match=r"can't be handed to other processes \(cannot pickle"):
        results(on_ray, Squares(), [threading.Lock()])
    assert results(on_ray, Squares(), [2]) == {0: 4}


def test_what_is_wrong_where_the_work_is_opened_is_raised(on_ray: OnRay) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        results(on_ray, Unloadable(), range(60))


def test_it_is_done_elsewhere_on_a_core_each(on_ray: OnRay) -> None:
    places = set(results(on_ray, Where(), range(60), 1).values())
    assert os.getpid() not in {process for process, _ in places}
    assert {cores for _, cores in places} == {1}


def test_one_that_dies_costs_its_batch(on_ray: OnRay, tmp_path: Path) -> None:
    work = Killed(Slow(), tmp_path, seed=1, kills=3)
    assert results(on_ray, work, range(200)) == {i: i for i in range(200)}
    assert len([*tmp_path.iterdir()]) == 3


def test_what_ends_each_worker_is_told_by_itself(on_ray: OnRay, tmp_path: Path) -> None:
    work = Deadly(frozenset({13}), tmp_path / "log")
    assert results(on_ray, work, range(60)) == {**SQUARES, 13: None}


def test_nobody_else_can_reach_it(on_ray: OnRay) -> None:
    """Nor is there a dashboard, and nothing is reported."""
    results(on_ray, Squares(), [1])
    import ray

    assert {node["NodeManagerAddress"] for node in ray.nodes()} == {"127.0.0.1"}
    if sys.platform == "linux":
        own = _descendants(os.getpid())
        assert own
        assert set(listening(own)) <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert not ray._private.worker._global_node.webui_url  # type: ignore[attr-defined, unused-ignore]


def test_work_for_accelerators_and_other_work_in_turn(
    killed: subprocess.CompletedProcess[str],
) -> None:
    """Those that wait hold no cores that others need; of a cluster that was killed before, once
    another one has started, nothing is left.
    """
    answer, _, folder = killed.stdout.strip().rpartition(" ")
    assert answer == "{0: 0, 1: 1, 2: 4}", killed.stderr
    assert killed.stderr == ""  # none of Ray's own words
    assert Path(folder).name.startswith("photograft-ray-")
    code = """
from executor_helpers import Squares
from photograft.core.executors.base import Dealing
from photograft.core.executors.ray_cluster import OnRay
executor = OnRay("local")
for accelerated in (False, True, False):
    done = executor.run(Squares(), range(20), Dealing(4, accelerated=accelerated))
    print(sum(sum(one.result) for one in done), flush=True)
executor.close()
"""
    done = python(code)
    assert done.stdout.split() == ["2470"] * 3, done.stderr[-2000:]
    assert not Path(folder).exists()


def test_two_nodes() -> None:
    code = """
import warnings
warnings.simplefilter("ignore")
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
other = cluster.add_node(num_cpus=1)
from executor_helpers import Slow
from photograft.core.executors.base import Dealing
from photograft.core.executors.ray_cluster import OnRay
executor = OnRay(cluster.address)
places, found = [], []
for done in executor.run(Slow(), range(1200), Dealing(2)):
    found += done.result
    places.append(done.place)
    if other and len(set(places)) == 2:
        cluster.remove_node(other, allow_graceful=False)
        other = None
print(sorted(found) == [*range(1200)], len(set(places)), all(places), flush=True)
executor.close()
cluster.shutdown()
"""
    done = python(code)
    assert done.stdout.splitlines()[-1:] == ["True 2 True"], done.stderr[-2000:]


def test_ray_data_takes_a_featurizer(warm_cache: Path, photos: Path, tmp_path: Path) -> None:
    """The snippet of the page."""
    del warm_cache
    page = (Path(__file__).parents[3] / "docs" / "ray.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"<!-- needs ray -->\n```python\n(.*?)```", page, re.DOTALL)
    shutil.copytree(photos, tmp_path / "photos")
    before = f"""
import os, warnings
warnings.simplefilter("ignore")
os.chdir({str(tmp_path)!r})
from photograft.features import Featurizer
"""
    done = python(before + code, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    table = pyarrow.parquet.read_table(tmp_path / "features")
    assert sorted(table.column_names) == ["error", "features", "path"]
    assert table.num_rows == len([*photos.glob("*/*")])
    assert set(table["error"].to_pylist()) == {""}


def _descendants(process: int) -> set[str]:
    children: dict[str, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        children.setdefault(parent, []).append(path.parent.name)
    found, waiting = set(), [str(process)]
    while waiting:
        own = children.get(waiting.pop(), [])
        found |= set(own)
        waiting += own
    return found


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'photograft\[ray\]'"):
        OnRay("local")
