"""The words that settings choose from."""

from __future__ import annotations

STRATEGIES = ("features", "features+augment", "finetune", "scratch", "auto")
ENGINES = ("auto", "openvino", "onnxruntime", "torch")
PRECISIONS = ("auto", "bf16", "fp32", "int8")
DEVICES = ("auto", "cpu", "cuda", "mps", "tensorrt", "coreml", "directml", "gpu", "npu")
POOLINGS = ("avg", "flatten")
COMPILES = ("auto", "on", "off")
#: The cheapest first.
EFFORTS = ("quick", "standard", "thorough")
FINALS = ("all", "train")
#: Those that are solved, not trained.
LINEAR_HEADS = ("auto", "logistic", "discriminant")
HEADS = (*LINEAR_HEADS, "mlp")
TARGET_ENCODINGS = ("auto", "binary", "sparse", "categorical")
CLASS_WEIGHTS = ("none", "balanced")
WEIGHT_INCLUSIONS = ("auto", "always", "never")
TEST_VIEWS = ("plain", "flip")
KEEPS = ("better", "always")
FILL_MODES = ("nearest", "constant", "reflect", "wrap")
STATISTICS = ("none", "feature", "sample")
OPTIMIZERS = ("adamw", "adam", "rmsprop", "sgd")
SCHEDULES = ("constant", "cosine", "plateau")
MONITORS = ("none", "val_loss", "val_accuracy")
TRACKERS = ("tensorboard", "mlflow", "wandb")
EMPTY_CLASSES = ("error", "drop")
NEAR_DUPLICATES = ("group", "ignore")
EXPORT_FORMATS = ("onnx", "openvino", "torch", "web")
EXPORT_PRECISIONS = ("fp32", "fp16", "int8")

#: Bytes that the features of all training photos may take in memory, where settings don't say.
STREAM_ABOVE = 2_000_000_000
