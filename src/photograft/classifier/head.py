"""The head: from a backbone's features to probabilities, linear or with hidden layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.blas import one_thread


@dataclass(frozen=True)
class Head:
    """Affine layers with ReLU between them; a standardisation of features is folded in.

    Attributes:
        weights: Of each layer, float32, shape ``(inputs, outputs)``.
        biases: Of each layer, float32, shape ``(outputs,)``.
        activation: ``"softmax"``, one output a class, or ``"sigmoid"``: one output, the log-odds of
            the second of two classes.
    """

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    activation: str = "softmax"

    def __repr__(self) -> str:
        widths = [len(self.weights[0]), *(len(bias) for bias in self.biases)]
        return f"Head({' -> '.join(map(str, widths))}, {self.activation})"

    @one_thread()
    def logits(self, features: Floats) -> npt.NDArray[np.float64]:
        """Return logits, shape ``(n, num_classes)``, for features of shape ``(n, d)``."""
        x = features.astype(np.float64)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (np.maximum(x, 0) if i else x) @ weight.astype(np.float64) + bias
        return np.concatenate([np.zeros_like(x), x], axis=1) if self.activation == "sigmoid" else x

    def gradient(self, features: Floats, direction: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return how fast logits, weighed and added up, grow with each feature of one photo.

        Args:
            features: Shape ``(d,)``.
            direction: The weight of each class's logit, shape ``(num_classes,)``.

        Returns:
            Float32, shape ``(d,)``.
        """
        inputs = [features.astype(np.float64)]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs.append(np.maximum(inputs[-1] @ weight.astype(np.float64) + bias, 0))
        slope = direction[1:] if self.activation == "sigmoid" else direction
        for i, weight in reversed(list(enumerate(self.weights))):
            slope = weight.astype(np.float64) @ slope
            if i:
                slope = slope * (inputs[i] > 0)
        return slope.astype(np.float32)

    def predict_proba(self, features: Floats) -> Floats:
        """Return probabilities, float32, shape ``(n, num_classes)``, rows summing to 1."""
        z = self.logits(features)
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        return z.astype(np.float32)

    @property
    def num_params(self) -> int:
        """Weights and biases, counted."""
        return sum(part.size for part in (*self.weights, *self.biases))

    def tensors(self) -> dict[str, Floats]:
        """Return the layers by name, for a file: ``weight`` and ``bias`` are the last one's."""
        last = len(self.weights) - 1
        found = {}
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            prefix = "" if i == last else f"hidden.{i}."
            found[f"{prefix}weight"] = np.ascontiguousarray(weight)
            found[f"{prefix}bias"] = np.ascontiguousarray(bias)
        return found

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Floats], activation: str) -> Self:
        """Return the head that `tensors` gave.

        Raises:
            KeyError: A tensor is missing.
        """
        count = (sum(name.startswith("hidden.") for name in tensors) + 1) // 2
        prefixes = [*(f"hidden.{i}." for i in range(count)), ""]
        return cls(
            tuple(tensors[f"{prefix}weight"] for prefix in prefixes),
            tuple(tensors[f"{prefix}bias"] for prefix in prefixes),
            activation,
        )
