"""Messages of errors, whatever they pass on."""

from __future__ import annotations

import pickle

import pytest

from photograft.core.errors import ImageError, InputError, UnknownNameError, WeightsError


def test_colours_of_messages_that_are_passed_on_are_left_out() -> None:
    """As torch puts them into what it says of a weight file."""
    said = "\x1b[31mWeights only load failed\x1b[0m. In \x1b[1;4mdocs\x1b]8;;https://a.b\x07 [1m]"
    for error in (InputError("bad file", got=said), WeightsError(f"bad file ({said})")):
        assert "\x1b" not in str(error)
        assert "Weights only load failed. In docs [1m]" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        InputError("bad file", got="nothing", fix="Go."),
        ImageError("truncated", "at 7"),
        UnknownNameError("backbone", "mobil", ["mobile"], fix="See the list."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_other_processes_are_the_same_here(error: InputError) -> None:
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is type(error)
    assert (str(found), found.what) == (str(error), error.what)
