"""The settings: what is let in, what is said of the rest, and that JSON keeps all of them."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from photograft import TrainConfig
from photograft.backbones.settings import DEFAULT_BACKBONE, Preprocessing
from photograft.core import choices
from photograft.core.errors import InputError, UnknownNameError
from photograft.core.schema import Schema, check_choice, check_range
from photograft.data.settings import DataSettings
from photograft.features.settings import DEFAULT_AUGMENTATION, Augmentation
from photograft.learning.settings import DEFAULT_TRAINING, Training
from photograft.learning.strategies import registry

KINDS = (TrainConfig, Preprocessing, Augmentation, Training)


def refusal(kind: type[Schema], settings: dict[str, Any]) -> str:
    """What is said of settings that are not let in."""
    with pytest.raises(InputError) as caught:
        kind(**settings)
    return str(caught.value)


def through_json(settings: Schema) -> Any:
    """Settings as JSON and back."""
    return type(settings).from_json(json.loads(json.dumps(settings.to_json(), allow_nan=False)))


# --- all settings at another value than their default

OTHER_PREPROCESSING = Preprocessing(
    input_size=180,
    crop_mode="center",
    interpolation="lanczos",
    rescale=1 / 255,
    center="feature",
    standardize="sample",
    zca_whitening=True,
)
OTHER_AUGMENTATION = Augmentation(
    rotation=40.0,
    width_shift=0.2,
    height_shift=0.1,
    shear=11.5,
    zoom=0.3,
    keep_aspect=True,
    brightness=0.4,
    channel_shift=12.0,
    horizontal_flip=True,
    vertical_flip=True,
    fill_mode="wrap",
    fill_value=127.0,
    min_crop=0.5,
    rand_augment=2,
    rand_augment_magnitude=7,
    function="my_photos:add_rain",
)
OTHER_TRAINING = Training(
    epochs=7,
    batch_size=20,
    steps_per_epoch=100,
    accumulate=3,
    optimizer="rmsprop",
    learning_rate=2e-5,
    layer_decay=0.7,
    weight_decay=0.01,
    schedule="plateau",
    warmup=0.3,
    clip_norm=2.0,
    label_smoothing=0.2,
    mixup=0.4,
    ema_decay=0.99,
    monitor="val_accuracy",
    patience=5,
    freeze_batch_norm=False,
)
OTHER_CONFIG = TrainConfig(
    effort="thorough",
    compile="on",
    budget=300.0,
    strategy="finetune",
    final="train",
    backbone="convnet:c32 p c64 p",
    weights="/tmp/weights.h5",
    engine="torch",
    precision="bf16",
    device="cpu",
    layer="blocks.3,last",
    pooling="flatten",
    head="mlp",
    hidden=(256, 64),
    dropout=0.5,
    target_encoding="binary",
    class_weight="balanced",
    unfreeze="block5_conv1",
    head_first=False,
    head_training=OTHER_TRAINING,
    keep="always",
    views=-1,
    test_views="flip",
    stream_above=3,
    validation=0.2,
    test=0.0,
    near_duplicates="ignore",
    empty_classes="drop",
    group_by=r"nest(\d+)",
    corrections="corrections.csv",
    new_class=("bird",),
    seed=7,
    max_pixels=1000,
    include_weights="never",
    track="mlflow",
    preprocessing=OTHER_PREPROCESSING,
    augmentation=OTHER_AUGMENTATION,
    training=dataclasses.replace(OTHER_TRAINING, epochs=3),
)
OTHERS = (OTHER_CONFIG, OTHER_PREPROCESSING, OTHER_AUGMENTATION, OTHER_TRAINING)


class TestJson:
    def test_the_others_differ_in_every_setting(self) -> None:
        """Else a setting that is lost on the way would not show."""
        for other in OTHERS:
            for name, value in vars(type(other)()).items():
                assert getattr(other, name) != value, name

    @pytest.mark.parametrize("settings", OTHERS, ids=lambda s: type(s).__name__)
    def test_every_setting_comes_back(self, settings: Schema) -> None:
        again = through_json(settings)
        assert again == settings
        for name, value in vars(settings).items():
            assert type(getattr(again, name)) is type(value), name

    @pytest.mark.parametrize("kind", KINDS)
    def test_defaults_come_back(self, kind: type[Schema]) -> None:
        assert through_json(kind()) == kind()
        assert kind.from_json({}) == kind()

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_setting_is_in_it(self, kind: Any) -> None:
        assert set(kind().to_json()) == {field.name for field in dataclasses.fields(kind)}

    def test_what_is_left_out_is_as_by_default(self) -> None:
        """In the parts as well: a file need not repeat what it does not change."""
        found = TrainConfig.from_json({"seed": 3, "training": {"epochs": 2}})
        assert found == TrainConfig(seed=3, training=Training(epochs=2))

    def test_none_is_let_in_where_a_strategy_has_its_own(self) -> None:
        found = TrainConfig.from_json(
            {"training": None, "augmentation": None, "head_training": None}
        )
        assert found == TrainConfig()

    def test_a_whole_number_may_stand_for_another(self) -> None:
        """TOML and people write 40 for 40.0."""
        found = Augmentation.from_json({"rotation": 40})
        assert found.rotation == 40
        assert isinstance(found.rotation, float)
        assert TrainConfig.from_json({"hidden": [128, 64]}).hidden == (128, 64)

    @pytest.mark.parametrize(
        ("kind", "data", "message"),
        [
            (TrainConfig, {"seed": "1"}, "the setting seed is of another type; expected int"),
            (TrainConfig, {"seed": 1.0}, "seed is of another type; expected int, got 1.0"),
            (TrainConfig, {"seed": True}, "seed is of another type; expected int, got True"),
            (TrainConfig, {"seed": None}, "seed is of another type; expected int, got None"),
            (TrainConfig, {"backbone": 3}, "backbone is of another type; expected str, got 3"),
            (TrainConfig, {"head_first": 1}, "head_first is of another type; expected bool"),
            (TrainConfig, {"validation": "0.1"}, "validation is of another type; expected float"),
            (TrainConfig, {"validation": False}, "expected float, got False"),
            (TrainConfig, {"hidden": 64}, "hidden is of another type"),
            (TrainConfig, {"hidden": "64"}, "hidden is of another type"),
            (TrainConfig, {"hidden": [64, 1.5]}, "hidden is of another type; expected int"),
            (TrainConfig, {"preprocessing": None}, "preprocessing is of another type"),
            (TrainConfig, {"preprocessing": 224}, "expected Preprocessing, got 224"),
            (TrainConfig, {"training": [1]}, "expected Training, got [1]"),
            (TrainConfig, {"training": {"epochs": "2"}}, "epochs is of another type; expected int"),
            (Augmentation, {"rotation": "20"}, "rotation is of another type; expected float"),
            (Augmentation, {"horizontal_flip": 1}, "horizontal_flip is of another type"),
        ],
    )
    def test_other_types_are_refused(
        self, kind: type[Schema], data: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InputError) as caught:
            kind.from_json(data)
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({"layers": "last"}, "there is no setting named 'layers'. Did you mean layer"),
            ({"seeds": 1}, "Did you mean seed"),
            ({"Seed": 1}, "no setting named 'Seed'. Did you mean seed"),
            ({"training": {"epoch": 2}}, "no setting named 'epoch'. Did you mean epochs"),
            ({"augmentation": {"zom": 1}}, "no setting named 'zom'. Did you mean zoom"),
            ({"preprocessing": {"size": 9}}, "no setting named 'size'"),
            ({"zzz": 1}, "there is no setting named 'zzz'"),
            ({"loop": {}}, "there is no setting named 'loop'"),
        ],
    )
    def test_unknown_names_are_refused(self, data: dict[str, Any], message: str) -> None:
        with pytest.raises(UnknownNameError) as caught:
            TrainConfig.from_json(data)
        assert message in str(caught.value)

    def test_values_are_checked(self) -> None:
        with pytest.raises(InputError, match="epochs can't be 0"):
            TrainConfig.from_json({"training": {"epochs": 0}})


# --- what is let in


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (TrainConfig, {"precision": "bf16"}),
        *((TrainConfig, {"strategy": name}) for name in choices.STRATEGIES),
        *((TrainConfig, {"layer": name}) for name in ("auto", "last", "joined", "blocks.4,last")),
        (TrainConfig, {"class_weight": "balanced"}),
        (TrainConfig, {"include_weights": "never"}),
        (TrainConfig, {"validation": 0, "test": 0.5}),
        (TrainConfig, {"seed": 0}),
        (TrainConfig, {"seed": 2**32 - 1}),
        (TrainConfig, {"max_pixels": 1}),
        (TrainConfig, {"dropout": 0.99}),
        (TrainConfig, {"views": -1}),
        (TrainConfig, {"views": 100}),
        (TrainConfig, {"hidden": (1, 65_536)}),
        (Preprocessing, {"input_size": 0}),
        (Preprocessing, {"input_size": 8}),
        (Preprocessing, {"input_size": 4096}),
        (Augmentation, {"rotation": 180, "shear": 80, "zoom": 0.95}),
        (Augmentation, {"width_shift": 1, "height_shift": 1, "brightness": 1, "min_crop": 1}),
        (Augmentation, {"function": "package.module:name"}),
        (Training, {"patience": 3, "monitor": "val_loss"}),
        (Training, {"learning_rate": 0, "layer_decay": 1e-3, "warmup": 1}),
    ],
)
def test_allowed(kind: type[Schema], settings: dict[str, Any]) -> None:
    made = kind(**settings)
    assert {name: getattr(made, name) for name in settings} == settings


#: Every setting of a choice of words, and its choices; empty stands for the backbone's own.
CHOICES: list[tuple[type[Schema], str, tuple[str, ...]]] = [
    (TrainConfig, "effort", choices.EFFORTS),
    (TrainConfig, "compile", choices.COMPILES),
    (TrainConfig, "strategy", choices.STRATEGIES),
    (TrainConfig, "final", choices.FINALS),
    (TrainConfig, "engine", choices.ENGINES),
    (TrainConfig, "precision", choices.PRECISIONS),
    (TrainConfig, "device", choices.DEVICES),
    (TrainConfig, "pooling", choices.POOLINGS),
    (TrainConfig, "head", choices.HEADS),
    (TrainConfig, "target_encoding", choices.TARGET_ENCODINGS),
    (TrainConfig, "class_weight", choices.CLASS_WEIGHTS),
    (TrainConfig, "test_views", choices.TEST_VIEWS),
    (TrainConfig, "keep", choices.KEEPS),
    (TrainConfig, "include_weights", choices.WEIGHT_INCLUSIONS),
    (TrainConfig, "track", ("", *choices.TRACKERS)),
    (TrainConfig, "near_duplicates", choices.NEAR_DUPLICATES),
    (TrainConfig, "empty_classes", choices.EMPTY_CLASSES),
    (Preprocessing, "crop_mode", ("", "squash", "center")),
    (Preprocessing, "interpolation", ("", "nearest", "bilinear", "bicubic", "lanczos")),
    (Preprocessing, "center", choices.STATISTICS),
    (Preprocessing, "standardize", choices.STATISTICS),
    (Augmentation, "fill_mode", choices.FILL_MODES),
    (Training, "optimizer", choices.OPTIMIZERS),
    (Training, "schedule", choices.SCHEDULES),
    (Training, "monitor", choices.MONITORS),
]


@pytest.mark.parametrize(("kind", "name", "choices"), CHOICES)
def test_choices(kind: type[Schema], name: str, choices: tuple[str, ...]) -> None:
    for choice in choices:
        assert getattr(kind(**{name: choice}), name) == choice
    *others, last = (repr(choice) for choice in choices if choice)
    expected = f"{', '.join(others)} or {last}"
    assert refusal(kind, {name: "sepia"}) == f"{name} can't be 'sepia'; expected {expected}"
    if "" not in choices:
        assert refusal(kind, {name: ""}).startswith(f"{name} can't be ''")


#: Every setting of a range, its ends, and a step beyond them.
RANGES: list[tuple[type[Schema], str, float, float]] = [
    (TrainConfig, "budget", 0, 1e6),
    (TrainConfig, "dropout", 0, 0.99),
    (TrainConfig, "views", -1, 100),
    (TrainConfig, "stream_above", 0, 10**15),
    (Preprocessing, "rescale", 0, 1e6),
    (Augmentation, "rotation", 0, 180),
    (Augmentation, "width_shift", 0, 1),
    (Augmentation, "height_shift", 0, 1),
    (Augmentation, "shear", 0, 80),
    (Augmentation, "zoom", 0, 0.95),
    (Augmentation, "brightness", 0, 1),
    (Augmentation, "channel_shift", 0, 255),
    (Augmentation, "fill_value", 0, 255),
    (Augmentation, "min_crop", 0, 1),
    (Augmentation, "rand_augment", 0, 14),
    (Augmentation, "rand_augment_magnitude", 0, 30),
    (Training, "epochs", 1, 100_000),
    (Training, "batch_size", 1, 65_536),
    (Training, "steps_per_epoch", 0, 1_000_000),
    (Training, "accumulate", 1, 65_536),
    (Training, "learning_rate", 0, 100),
    (Training, "layer_decay", 1e-3, 1),
    (Training, "weight_decay", 0, 100),
    (Training, "warmup", 0, 1),
    (Training, "clip_norm", 0, 1e9),
    (Training, "label_smoothing", 0, 0.99),
    (Training, "mixup", 0, 100),
    (Training, "ema_decay", 0, 0.99999),
    (Training, "patience", 0, 100_000),
]


@pytest.mark.parametrize(("kind", "name", "least", "most"), RANGES)
def test_ranges(kind: type[Schema], name: str, least: float, most: float) -> None:
    needed = {"monitor": "val_loss"} if name == "patience" else {}
    for value in (least, most):
        assert getattr(kind(**needed, **{name: value}), name) == value
    beyond: list[float] = [math.nextafter(least, -math.inf), math.nextafter(most, math.inf)]
    if isinstance(getattr(kind(), name), int):  # of which there are no others
        beyond = [int(least) - 1, int(most) + 1]
    else:
        beyond.append(math.nan)
    for value in beyond:
        message = refusal(kind, {**needed, name: value})
        assert message.startswith(f"{name} can't be ")
        assert message.endswith(f"; expected a number from {least:g} to {most:g}")


def test_every_number_and_every_choice_has_its_test() -> None:
    """A new setting has to be put on one of the lists above, or of those that are free."""
    free = {
        (TrainConfig, name) for name in ("backbone", "weights", "layer", "unfreeze", "head_first")
    }
    others = {
        *((TrainConfig, name) for name in ("hidden", "validation", "test", "seed", "max_pixels")),
        *((TrainConfig, name) for name in ("group_by", "corrections", "new_class")),
        *((TrainConfig, f) for f in ("preprocessing", "augmentation", "training")),
        (TrainConfig, "head_training"),
        (Preprocessing, "input_size"),
        (Preprocessing, "zca_whitening"),
        *((Augmentation, f) for f in ("keep_aspect", "horizontal_flip", "vertical_flip")),
        (Augmentation, "function"),
        (Training, "freeze_batch_norm"),
    }
    listed = {(kind, name) for kind, name, *_ in (*CHOICES, *RANGES)}
    present = {(kind, name) for kind in KINDS for name in vars(kind())}
    assert present == listed | free | others


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (
            TrainConfig,
            {"precision": "fp16"},
            "precision can't be 'fp16'; expected 'auto', 'bf16', 'fp32' or 'int8'",
        ),
        (TrainConfig, {"class_weight": ""}, "class_weight can't be ''"),
        (TrainConfig, {"include_weights": "yes"}, "include_weights can't be 'yes'"),
        (
            TrainConfig,
            {"validation": -0.1},
            "validation is a share of the photos; expected 0 to 0.5, got -0.1",
        ),
        (TrainConfig, {"validation": 0.51}, "got 0.51"),
        (
            TrainConfig,
            {"test": 15},
            "test is a share of the photos; expected 0 to 0.5, got 15",
        ),
        (TrainConfig, {"test": float("nan")}, "got nan"),
        (TrainConfig, {"seed": -1}, "that can't be a seed; expected 0 to 4,294,967,295, got -1"),
        (TrainConfig, {"seed": 2**32}, "got 4294967296"),
        (TrainConfig, {"max_pixels": 0}, "max_pixels must be a whole number, at least 1; got 0"),
        (TrainConfig, {"hidden": (64, 0)}, "a width in hidden can't be 0; expected a number from"),
        (TrainConfig, {"hidden": (65_537,)}, "a width in hidden can't be 65537"),
        (Preprocessing, {"input_size": 7}, "input_size can't be 7; expected a number from 8"),
        (Preprocessing, {"input_size": -8}, "input_size can't be -8"),
        (Preprocessing, {"input_size": 4097}, "input_size can't be 4097"),
        (Augmentation, {"function": "add_rain"}, "expected module:name, such as my_photos:add"),
        (Augmentation, {"function": ":add_rain"}, "got :add_rain"),
        (Augmentation, {"function": "my_photos:"}, "got my_photos:"),
        (Training, {"patience": 3}, "patience needs something to watch; expected monitor val_"),
    ],
)
def test_refused(kind: type[Schema], settings: dict[str, Any], message: str) -> None:
    assert message in refusal(kind, settings)


@pytest.mark.parametrize("settings", [kind() for kind in KINDS], ids=lambda s: type(s).__name__)
def test_settings_do_not_change(settings: Any) -> None:
    for field in dataclasses.fields(settings):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings, field.name, 1)


def test_check_choice_and_check_range() -> None:
    check_choice("colour", "", ("", "red"))
    check_range("width", 3, 3, 3)
    with pytest.raises(InputError, match=r"^colour can't be 'blue'; expected 'red'$"):
        check_choice("colour", "blue", ("", "red"))
    with pytest.raises(InputError, match=r"^width can't be 1e\+06; expected a number from 3 to 4"):
        check_range("width", 1e6, 3, 4)


# --- defaults


def test_defaults() -> None:
    made = TrainConfig()
    assert (made.strategy, made.backbone, made.weights) == ("features", "auto", "pretrained")
    assert DEFAULT_BACKBONE == "efficientnet_lite0"
    assert (made.validation, made.test, made.seed) == (None, 0.15, 0)
    assert made.preprocessing == Preprocessing()
    assert (made.training, made.augmentation, made.head_training) == (None, None, None)


def test_every_strategy_has_a_module_and_a_training_loop() -> None:
    assert tuple(registry.REGISTRY) == choices.STRATEGIES
    assert set(DEFAULT_TRAINING) == set(choices.STRATEGIES)


@pytest.mark.parametrize("strategy", choices.STRATEGIES)
def test_the_loop_is_the_strategys_own_where_the_user_does_not_say(strategy: str) -> None:
    assert TrainConfig(strategy=strategy).loop is DEFAULT_TRAINING[strategy]
    own = Training(epochs=1)
    assert TrainConfig(strategy=strategy, training=own).loop is own


def test_default_loops_are_sensible() -> None:
    for name, loop in DEFAULT_TRAINING.items():
        assert through_json(loop) == loop
        assert loop.schedule == "cosine"
        # Statistics of batches are learnt only by a network that has none yet.
        assert loop.freeze_batch_norm == (name != "scratch")
    assert DEFAULT_TRAINING["finetune"].learning_rate < DEFAULT_TRAINING["scratch"].learning_rate


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (Augmentation(), False),
        (DEFAULT_AUGMENTATION, True),
        (Augmentation(fill_mode="wrap", fill_value=9, keep_aspect=True), False),
        (Augmentation(rand_augment_magnitude=20), False),
        (Augmentation(rotation=1), True),
        (Augmentation(horizontal_flip=True), True),
        (Augmentation(min_crop=0.9), True),
        (Augmentation(rand_augment=1), True),
        (Augmentation(function="a:b"), True),
    ],
)
def test_whether_augmentation_changes_anything(settings: Augmentation, changes: bool) -> None:
    assert settings.changes is changes


@pytest.mark.parametrize(
    ("changes", "sets_aside"),
    [
        ({}, False),
        ({"strategy": "features+augment"}, False),
        ({"strategy": "features+augment", "views": -1}, True),
        ({"head": "mlp"}, True),
        ({"strategy": "finetune"}, True),
        ({"strategy": "scratch"}, True),
        ({"strategy": "auto"}, True),
        ({"final": "train"}, True),
    ],
)
def test_photos_are_set_aside_where_a_loop_needs_them(
    changes: dict[str, object], sets_aside: bool
) -> None:
    config = TrainConfig(**changes)  # type: ignore[arg-type]
    assert config.validation is None
    assert config.sets_aside == sets_aside
    assert config.part(DataSettings).sets_aside
