"""A server's start, its end, and classifiers that change under it."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import photograft
import system_helpers as system
from server_helpers import RunningServer, children_of, serving

pytestmark = pytest.mark.usefixtures("warm_cache")


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_said_at_the_start(server: RunningServer) -> None:
    first, rule, *lines = server.said
    assert first.startswith("shapes: 3 classes, version ")
    assert rule.startswith("  unknown: an OOD score of more than ")
    assert lines[0] == f"Serving at http://{server.address}; stop with Ctrl-C"
    assert lines[-1].endswith(f"http://{server.address}/predict")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_finished(
    warm_cache: Path, run_path: Path, photo: bytes, number: int
) -> None:
    """Half of a photo has come: the rest may come, and is answered; nobody else is."""
    with serving(warm_cache, run_path) as server:
        head = (
            f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
            f"Content-Length: {len(photo)}\r\n\r\n"
        )
        with socket.create_connection((server.host, server.port), timeout=30) as connection:
            connection.sendall(head.encode() + photo[:100])
            time.sleep(0.3)
            server.process.send_signal(number)
            wait_until(lambda: not accepts(server))
            connection.sendall(photo[100:])
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert json.loads(answer.split(b"\r\n\r\n")[1])["predictions"][0]["label"] == "square"
        out, err = server.process.communicate(timeout=30)
    assert (server.process.returncode, err) == (0, "")
    assert out == "Stopped: what was under way has been answered.\n"


def accepts(server: RunningServer) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection((server.host, server.port), timeout=1).close()
        return True
    return False


def test_no_process_is_left_behind(warm_cache: Path, run_path: Path, photo: bytes) -> None:
    with serving(warm_cache, run_path) as server:
        assert server.send_photo(photo).status == 200
        decoders = children_of(server.process.pid)
        assert decoders
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(map(is_running, decoders)))


def is_running(number: int) -> bool:
    """Whether a process has not ended; one that nobody has taken notice of has no command."""
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{number}/cmdline").read_bytes())
    return False


def test_a_changed_folder_is_swapped_without_dropping_a_request(
    warm_cache: Path, run_path: Path, photos: Path, photo: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(run_path / "classifier", folder)
    other = photograft.train(
        photos, out=tmp_path / "other", seed=7, layer="blocks.6", progress=False
    )
    with serving(warm_cache, f"m={folder}") as server:
        first = server.send_photo(photo).json["digest"]
        statuses: list[int] = []
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                statuses.append(server.send_photo(photo).status)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        # Half written, it is left alone.
        shutil.copy(other.path / "classifier" / "classifier.json", folder / "classifier.json")
        wait_until(lambda: 'failed_loads_total{classifier="m"} 1' in metrics(server))
        assert server.send_photo(photo).json["digest"] == first
        shutil.copytree(other.path / "classifier", folder, dirs_exist_ok=True)
        wait_until(lambda: server.send_photo(photo).json["digest"] != first)
        done.set()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200}
        assert 'photograft_loads_total{classifier="m"} 2' in metrics(server)
        # Gone, it goes on answering.
        shutil.rmtree(folder)
        time.sleep(1.5)
        assert server.send_photo(photo).status == 200
        assert server.stop()[0] == 0


def metrics(server: RunningServer) -> str:
    return server.ask("/metrics").body.decode()


def test_several_classifiers(warm_cache: Path, run_path: Path, photo: bytes) -> None:
    with serving(warm_cache, f"a={run_path}", f"b={run_path}", "--min-accuracy", "0.9") as server:
        assert server.ask("/v2/models").json == {"models": ["a", "b"]}
        assert server.send_photo(photo, "/predict/b").json["classifier"] == "b"
        reply = server.send_photo(photo)
        assert (reply.status, "one of a, b" in reply.detail) == (400, True)


def test_nothing_of_a_photo_stays(
    warm_cache: Path, run_path: Path, photo: bytes, tmp_path: Path
) -> None:
    """Neither on the disk nor in the log, which says a digest."""
    env = {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    with serving(warm_cache, run_path, "--log", env=env) as server:
        before = system.snapshot(warm_cache)
        assert server.send_photo(photo + b"secret").status == 200
        assert server.ask("/v2/secret?secret=1", headers={"User-Agent": "secret"}).status == 404
        assert system.snapshot(warm_cache) == before
        assert list(tmp_path.iterdir()) == []
        code, out, err = server.stop()
    assert code == 0
    assert "secret" not in out + err
    assert "127.0.0.1" not in err
    lines = [line.split(" ", 2)[2] for line in err.splitlines()]
    assert [line.split()[:2] for line in lines] == [["predict", "200"], ["none", "404"]]


def test_a_port_that_is_taken(
    server: RunningServer, run_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = system.invoke(capsys, "serve", run_path, "--port", server.port)
    system.assert_one_line(result, f"port {server.port}", "is taken", "--port")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "there is no nowhere"),
        (["RUN", "--host", "no such host"], "there is no address"),
        (["RUN", "--host", "203.0.113.1"], "can't be listened on"),
        (["RUN", "--token", " "], "the token is empty"),
        (["RUN", "RUN"], "would both be called"),
        (["RUN", "--timeout", "0"], "timeout must be more than 0"),
        (["RUN", "--keep", "2"], "keep"),
    ],
)
def test_what_cannot_be_served(
    run_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    given = [str(run_path) if argument == "RUN" else argument for argument in arguments]
    result = system.invoke(capsys, "serve", "--port", "0", *given)
    assert result.code == 2, result
    assert said in result.err
    assert result.err.count("\n") == 1


def test_without_the_extra(run_path: Path, tmp_path: Path) -> None:
    for package in ("starlette", "uvicorn"):
        code = f"""
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == {package!r} else find(name, *more)
from photograft.interfaces.cli.main import run
sys.exit(run(["serve", {str(run_path)!r}]))
"""
        done = subprocess.run(
            [*system.command()[:1], "-c", code], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 2
        assert f"the server needs {package}, which is not installed" in done.stderr
        assert "pip install 'photograft[serve]'" in done.stderr
