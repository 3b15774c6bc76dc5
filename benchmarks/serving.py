"""The server beside what it is made of: ``python -m benchmarks.serving RUN FOLDER``.

RUN is a trained run, FOLDER holds photos; they are brought to 500 x 375 first, as JPEGs. All
figures are ratios within one run on one machine, whose cores the clients share with the server:

- one client's median time, over that of decoding and the network alone, in this process;
- the rate of 16 clients, over that of ``photograft predict`` on the same photos;
- the 99th percentile over the median, with requests that arrive at random at 0.7 of that rate;
- seconds from the start of the command until it answers.
"""

from __future__ import annotations

import argparse
import http.client
import io
import itertools
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import photograft, report
from benchmarks.server import Server, started
from photograft import Classifier
from photograft.core.store import default_cache_dir
from photograft.data.inputs import files_in
from photograft.features.preprocessing import prepare

_SIZE = (500, 375)
_CLIENTS = 16
#: Seconds between two photos that are timed one by one.
_REST = 0.02


def photos_of(folder: Path) -> list[bytes]:
    """Return a folder's photos, each as a JPEG of 500 x 375."""
    found = []
    for path in files_in(str(folder)):
        data = io.BytesIO()
        with Image.open(path) as image:
            image.convert("RGB").resize(_SIZE).save(data, "JPEG", quality=90)
        found.append(data.getvalue())
    return found


class Client:
    """Asks on one connection that is kept."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=60)

    def ask(self, photo: bytes) -> float:
        """Send a photo and return the seconds until its answer was read."""
        began = time.perf_counter()
        self._connection.request("POST", "/predict", photo, {"Content-Type": "image/jpeg"})
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(body.decode())
        return time.perf_counter() - began


def bare(classifier: Classifier) -> Callable[[bytes], float]:
    """Return what decodes a photo and runs the network on it, and tells the seconds."""
    network = classifier.network()

    def ask(photo: bytes) -> float:
        began = time.perf_counter()
        network(prepare(photo, classifier.backbone)[None])
        return time.perf_counter() - began

    return ask


def in_turn(
    asks: Sequence[Callable[[bytes], float]], photos: Sequence[bytes], count: int
) -> list[list[float]]:
    """Return the seconds that each took for so many photos; they take turns."""
    for photo in photos[:10]:
        for ask in asks:
            ask(photo)
    chosen = list(itertools.islice(itertools.cycle(photos), count))

    def rested(ask: Callable[[bytes], float], photo: bytes) -> float:
        # The engine's threads look for more work for a while, and would take the other's cores.
        time.sleep(_REST)
        return ask(photo)

    rows = [[rested(ask, photo) for ask in asks] for photo in chosen]
    return [list(column) for column in zip(*rows, strict=True)]


def rate(server: Server, photos: Sequence[bytes], seconds: float) -> float:
    """Return the photos a second that so many clients are answered together."""
    end = time.perf_counter() + seconds
    counts = [0] * _CLIENTS

    def work(number: int) -> None:
        client, mine = Client(server), itertools.cycle(photos[number::_CLIENTS])
        while time.perf_counter() < end:
            client.ask(next(mine))
            counts[number] += 1

    began = time.perf_counter()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def under_load(
    server: Server, photos: Sequence[bytes], per_second: float, seconds: float
) -> list[float]:
    """Return the seconds from when each photo was due until its answer, at random times."""
    chance = random.Random(0)
    local = threading.local()
    begin = time.perf_counter() + 0.2

    def ask(due: float, photo: bytes) -> float:
        if not hasattr(local, "client"):
            local.client = Client(server)
        time.sleep(max(due - time.perf_counter(), 0))
        local.client.ask(photo)
        return time.perf_counter() - due

    dues, due = [], begin
    while due < begin + seconds:
        due += chance.expovariate(per_second)
        dues.append(due)
    with ThreadPoolExecutor(64) as threads:
        return list(threads.map(ask, dues, itertools.cycle(photos)))


def predict_rate(run: Path, photos: Sequence[bytes], folder: Path, times: int) -> float:
    """Return the photos a second of ``photograft predict``, without its start."""
    whole, one = folder / "photos", folder / "one"
    for place, some in ((whole, photos), (one, photos[:1])):
        place.mkdir()
        for i, photo in enumerate(some):
            (place / f"{i:05}.jpg").write_bytes(photo)
    seconds = []
    for place in (whole, one):
        inputs = [str(place)] * (times if place == whole else 1)
        output = str(folder / "answers.csv")
        ended = photograft("predict", str(run), *inputs, "-o", output, cache=default_cache_dir())
        seconds.append(ended.seconds)
    return (len(photos) * times - 1) / (seconds[0] - seconds[1])


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=15.0, help="Of each load.")
    options = parser.parse_args()
    photos = photos_of(options.folder)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts = []
        for _ in range(3):
            with started(folder, options.run) as server:
                starts.append(server.seconds_to_ready)
        with started(folder, options.run) as server:
            classifier = Classifier.load(options.run)
            alone = in_turn([Client(server).ask, bare(classifier)], photos, 300)
        predicted = predict_rate(options.run, photos, folder, 8)
        with started(folder, options.run) as server:
            rate(server, photos, 2)
            together = rate(server, photos, options.seconds)
            loaded = under_load(server, photos, 0.7 * together, options.seconds)
    times = [float(np.percentile(loaded, share)) for share in (50, 99)]
    report(
        "serving",
        num_photos=len(photos),
        seconds_to_ready=statistics.median(starts),
        one_client_ms=1000 * statistics.median(alone[0]),
        bare_ms=1000 * statistics.median(alone[1]),
        one_client_over_bare=statistics.median(alone[0]) / statistics.median(alone[1]),
        predict_per_second=predicted,
        clients_per_second=together,
        clients_over_predict=together / predicted,
        loaded_per_second=0.7 * together,
        loaded_p50_ms=1000 * times[0],
        loaded_p99_ms=1000 * times[1],
        loaded_p99_over_p50=times[1] / times[0],
    )


if __name__ == "__main__":
    main()
