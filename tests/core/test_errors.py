"""Messages of errors, whatever they pass on."""

from __future__ import annotations

from photograft.core.errors import InputError, WeightsError


def test_colours_of_messages_that_are_passed_on_are_left_out() -> None:
    """As torch puts them into what it says of a weight file."""
    said = "\x1b[31mWeights only load failed\x1b[0m. In \x1b[1;4mdocs\x1b]8;;https://a.b\x07 [1m]"
    for error in (InputError("bad file", got=said), WeightsError(f"bad file ({said})")):
        assert "\x1b" not in str(error)
        assert "Weights only load failed. In docs [1m]" in str(error)
