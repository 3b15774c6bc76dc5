"""The account of a training's epochs: as words and as a table."""

from __future__ import annotations

import pytest

from photograft.learning.history import Epoch, History, smoothed


def epoch(number: int, *, validated: bool = True) -> Epoch:
    return Epoch(
        epoch=number,
        loss=1 / 3 / number,
        accuracy=0.625,
        val_loss=1 / 7 if validated else None,
        val_accuracy=0.75 if validated else None,
        learning_rate=1e-4 / 3,
        seconds=0.5,
    )


@pytest.mark.parametrize("validated", [True, False])
def test_table_there_and_back(validated: bool) -> None:
    history = History(tuple(epoch(i, validated=validated) for i in (1, 2, 3)), kept=2)
    text = history.to_csv()
    found = History.from_csv(text, kept=2)
    assert found.kept == 2
    for one, other in zip(found.epochs, history.epochs, strict=True):
        for name, value in vars(other).items():
            expected = value if value is None else pytest.approx(value, rel=1e-5)
            assert getattr(one, name) == expected, name
    assert History.from_csv(found.to_csv(), kept=2) == found
    assert text.splitlines()[0] == (
        "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"
    )
    assert len(text.splitlines()) == 4
    assert text.splitlines()[1].startswith("1,")


def test_table_that_a_spreadsheet_saved() -> None:
    history = History((epoch(1), epoch(2)), kept=2).rounded()
    text = history.to_csv().replace(",", ";").replace(".", ",")
    assert History.from_csv("\ufeff" + text.replace("\n", "\r\n"), kept=2) == history


def test_figures_have_six_digits() -> None:
    row = Epoch(**{**vars(epoch(3)), "seconds": 1.23456789, "learning_rate": 1.23456789e-7})
    cells = History((row,), 1).to_csv().splitlines()[1].split(",")
    assert cells == ["3", "0.111111", "0.625", "0.142857", "0.75", "1.23457e-07", "1.23457"]


def test_the_last_epoch_is_kept_where_nothing_is_said() -> None:
    history = History((epoch(1), epoch(2)), 1)
    assert History.from_csv(history.to_csv()).kept == 2


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "epoch,loss\n1,0.5\n",
        History((epoch(1),), 1).to_csv().replace("0.625", "half"),
        History((epoch(1),), 1).to_csv().replace("\n1,", "\n,"),
    ],
)
def test_other_tables_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no epoch|could not convert"):
        History.from_csv(text)


def test_words() -> None:
    assert epoch(1).line() == (
        "loss 0.3333 accuracy 0.625 | validation: loss 0.1429 accuracy 0.750"
    )
    assert epoch(1, validated=False).line() == "loss 0.3333 accuracy 0.625"


def test_smoothed() -> None:
    assert smoothed([], 0.9) == []
    assert smoothed([3.0, 1.0, 2.0], 0.0) == [3.0, 1.0, 2.0]
    assert smoothed([2.0, 4.0, 4.0], 0.25) == [2.0, 3.5, 3.875]
