"""Linear algebra on one thread: how long it holds, and that it is set back."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from photograft.core.blas import one_thread
from photograft.learning.head.basis import make_basis


def num_threads() -> set[int]:
    return {
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    with threadpool_limits(2, user_api="blas"):
        if num_threads() != {2}:
            pytest.skip("no library here whose threads can be told")
        yield


def test_it_holds_within_and_is_set_back() -> None:
    with one_thread():
        with one_thread():
            assert num_threads() == {1}
        assert num_threads() == {1}
    assert num_threads() == {2}


def test_it_is_set_back_after_an_error() -> None:
    @one_thread()
    def fail() -> None:
        assert num_threads() == {1}
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert num_threads() == {2}


def test_another_thread_within_changes_nothing() -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with one_thread():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    with one_thread():
        thread.start()
        assert entered.wait(10)
        assert num_threads() == {1}
    leave.set()  # the later of the two must not bring back what it found
    thread.join()
    assert num_threads() == {2}


def test_features_are_rotated_on_one_thread() -> None:
    features = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    seen = set()

    def read(rows: slice) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        seen.update(num_threads())
        return features[rows]

    make_basis(read, 30, 5)
    assert seen == {1}
