"""The time to choose and fit the head, beside scikit-learn: ``python -m benchmarks.head``.

On drawn features (seeded): 5,000 photos, 1,280 wide, five classes. scikit-learn gets the penalties
that were tried here, and one repeat of five folds to our two. The blend is
of discriminants, too.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegressionCV
from sklearn.preprocessing import StandardScaler

from benchmarks.common import report
from photograft.backbones.registry import Layer
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.selection import Selection, select


def main() -> None:
    """Choose and fit both ways."""
    rng = np.random.default_rng(0)
    n, d, k = 5000, 1280, 5
    hidden = rng.normal(size=(n, d)).astype(np.float32)
    labels = (hidden[:, :60] @ rng.normal(size=(60, k)) + 2 * rng.gumbel(size=(n, k))).argmax(1)
    mixing = rng.normal(size=(d, d)) * np.linspace(1, 0.05, d)[:, None]
    features = hidden @ mixing.astype(np.float32)

    def gather(
        rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float32]:
        return features[np.ix_(rows, columns)]

    def ours(head: str) -> tuple[Selection, float]:
        start = time.perf_counter()
        selection = select(
            gather,
            labels,
            np.arange(n),
            [i.to_bytes(32, "big") for i in range(n)],
            backbone_layers=[Layer("last", d)],
            layers="last",
            head=head,
            balanced=False,
            seed=0,
        )
        fit_head(gather, selection, labels, balanced=False)
        return selection, time.perf_counter() - start

    selection, seconds = ours("logistic")
    _, blend_seconds = ours("auto")

    start = time.perf_counter()
    penalties = [1 / (n * point.strength) for point in selection.candidates[0].path]
    theirs = LogisticRegressionCV(
        Cs=penalties, cv=5, scoring="neg_log_loss", max_iter=1000, l1_ratios=(0,)
    )
    theirs.fit(StandardScaler().fit_transform(features), labels)
    sklearn_seconds = time.perf_counter() - start
    report(
        "head",
        num_photos=n,
        num_features=d,
        num_classes=k,
        num_penalties=len(penalties),
        seconds=seconds,
        blend_seconds=blend_seconds,
        sklearn_seconds=sklearn_seconds,
        sklearn_over_ours=sklearn_seconds / seconds,
    )


if __name__ == "__main__":
    main()
