"""What a training run was asked to do, as plain data.

`TrainConfig` holds three parts of its own: `Preprocessing` (how photos are brought to the network),
`Augmentation` (random changes of training photos) and `Training` (the training loop).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from photograft.core import choices
from photograft.core.errors import InputError
from photograft.core.schema import Plain, check_choice, check_range

#: The backbone that needs no download: its weights come with the installation.
DEFAULT_BACKBONE = "efficientnet_lite0"


@dataclass(frozen=True, kw_only=True)
class Preprocessing(Plain):
    """How photos are brought to the network, where not as the backbone's record says.

    Training, validation, test and prediction all do the same.

    Attributes:
        input_size: Side of the square input in pixels; 0 for the backbone's own.
        crop_mode: ``"squash"`` or ``"center"``; empty for the backbone's own.
        interpolation: ``"nearest"``, ``"bilinear"``, ``"bicubic"``,
            ``"lanczos"``; empty likewise.
        rescale: Pixels in [0, 255] are multiplied by this and nothing else, such as 1 / 255; 0 for
            the backbone's own mean and standard deviation.
        center: Subtract a mean: ``"feature"`` that of each channel over the training photos,
            ``"sample"`` that of each photo.
        standardize: Divide by a standard deviation, likewise.
        zca_whitening: Whiten pixels over the training photos (Krizhevsky, 2009); small inputs only.
    """

    input_size: int = 0
    crop_mode: str = ""
    interpolation: str = ""
    rescale: float = 0.0
    center: str = "none"
    standardize: str = "none"
    zca_whitening: bool = False

    def __post_init__(self) -> None:
        check_choice("crop_mode", self.crop_mode, ("", "squash", "center"))
        check_choice(
            "interpolation", self.interpolation, ("", "nearest", "bilinear", "bicubic", "lanczos")
        )
        check_choice("center", self.center, choices.STATISTICS)
        check_choice("standardize", self.standardize, choices.STATISTICS)
        if self.input_size:
            check_range("input_size", self.input_size, 8, 4096)
        check_range("rescale", self.rescale, 0, 1e6)


@dataclass(frozen=True, kw_only=True)
class Augmentation(Plain):
    """Random changes of training photos; validation and test photos are never changed.

    The names are those of Keras's ImageDataGenerator where it has them. Each number is the most
    that a photo is changed by; zero leaves that out.

    Attributes:
        rotation: Degrees, to either side.
        width_shift: Share of the width, to either side.
        height_shift: Share of the height, up or down.
        shear: Degrees, to either side.
        zoom: The size is multiplied by a factor from ``1 - zoom`` to ``1 + zoom``.
        keep_aspect: Zoom width and height by the same factor.
        brightness: Pixels are multiplied by a factor from ``1 - brightness`` to
            ``1 + brightness``.
        channel_shift: Added to each channel, of 255, to either side.
        horizontal_flip: Mirror half of the photos left to right.
        vertical_flip: Mirror half of the photos top to bottom.
        fill_mode: What stands where a photo was moved away: the ``"nearest"`` pixel, a
            ``"constant"``, or the photo itself by ``"reflect"`` or ``"wrap"``.
        fill_value: The constant, in [0, 255].
        min_crop: A random crop of at least this share of the area, resized (random resized
            crop); 0 for none.
        rand_augment: Operations of RandAugment per photo (Cubuk et al., 2020, arXiv:1909.13719).
        rand_augment_magnitude: Their strength, 0 to 30.
        function: ``"module:name"`` of a function of one's own, called last: it takes a photo, uint8
            of shape ``(height, width, 3)``, and a ``numpy.random.Generator``, and returns a photo.
    """

    rotation: float = 0.0
    width_shift: float = 0.0
    height_shift: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    keep_aspect: bool = False
    brightness: float = 0.0
    channel_shift: float = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    fill_mode: str = "nearest"
    fill_value: float = 0.0
    min_crop: float = 0.0
    rand_augment: int = 0
    rand_augment_magnitude: int = 9
    function: str = ""

    def __post_init__(self) -> None:
        check_choice("fill_mode", self.fill_mode, choices.FILL_MODES)
        for name, most in (
            ("rotation", 180),
            ("width_shift", 1),
            ("height_shift", 1),
            ("shear", 80),
            ("zoom", 0.95),
            ("brightness", 1),
            ("channel_shift", 255),
            ("fill_value", 255),
            ("min_crop", 1),
            ("rand_augment", 14),
            ("rand_augment_magnitude", 30),
        ):
            check_range(name, getattr(self, name), 0, most)
        if self.function and not all(self.function.partition(":")):
            raise InputError(
                "that can't be a function of one's own",
                expected="module:name, such as my_photos:add_rain",
                got=self.function,
            )

    @property
    def changes(self) -> bool:
        """Whether anything is changed at all."""
        same = {"fill_mode", "fill_value", "keep_aspect", "rand_augment_magnitude"}
        return any(value for name, value in vars(self).items() if name not in same)


@dataclass(frozen=True, kw_only=True)
class Training(Plain):
    """The training loop. A strategy that runs one has defaults of its own: `DEFAULT_TRAINING`.

    Attributes:
        epochs: Passes over the training photos.
        batch_size: Photos per step.
        steps_per_epoch: Steps that make an epoch; 0 for as many as go over all photos once.
        accumulate: Steps whose gradients are summed up before the weights change.
        optimizer: ``"adamw"``, ``"adam"``, ``"rmsprop"`` or ``"sgd"`` (with momentum 0.9).
        learning_rate: Of the head and of the uppermost layers.
        layer_decay: Each block below learns by this factor more slowly, in (0, 1].
        weight_decay: Decoupled for AdamW, else added to the gradient; norms and biases bear none.
        schedule: The learning rate over time: ``"constant"``, ``"cosine"`` down to zero, or
            ``"plateau"``: a tenth of it after three epochs without a better validation loss.
        warmup: Share of the steps in which the learning rate rises from zero.
        clip_norm: Gradients longer than this are shortened to it; 0 for never.
        label_smoothing: Share of the target that is spread over all classes (Szegedy et al.,
            2016, arXiv:1512.00567).
        mixup: Parameter of the beta distribution that photos are mixed by (Zhang et al., 2018,
            arXiv:1710.09412); 0 for none.
        ema_decay: Of a moving average of the weights per step, which then is the result; 0 for
            none.
        monitor: The epoch whose weights are kept: the best by ``"val_loss"`` or
            ``"val_accuracy"``; ``"none"``: the last.
        patience: Stop after so many epochs that were no better; 0 for never.
        freeze_batch_norm: Leave statistics and parameters of batch normalisation as they are.
    """

    epochs: int = 30
    batch_size: int = 32
    steps_per_epoch: int = 0
    accumulate: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    layer_decay: float = 1.0
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.0
    clip_norm: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    ema_decay: float = 0.0
    monitor: str = "none"
    patience: int = 0
    freeze_batch_norm: bool = True

    def __post_init__(self) -> None:
        check_choice("optimizer", self.optimizer, choices.OPTIMIZERS)
        check_choice("schedule", self.schedule, choices.SCHEDULES)
        check_choice("monitor", self.monitor, choices.MONITORS)
        for name, least, most in (
            ("epochs", 1, 100_000),
            ("batch_size", 1, 65_536),
            ("steps_per_epoch", 0, 1_000_000),
            ("accumulate", 1, 65_536),
            ("learning_rate", 0, 100),
            ("layer_decay", 1e-3, 1),
            ("weight_decay", 0, 100),
            ("warmup", 0, 1),
            ("clip_norm", 0, 1e9),
            ("label_smoothing", 0, 0.99),
            ("mixup", 0, 100),
            ("ema_decay", 0, 0.99999),
            ("patience", 0, 100_000),
        ):
            check_range(name, getattr(self, name), least, most)
        if self.patience and self.monitor == "none":
            raise InputError(
                "patience needs something to watch", expected="monitor val_loss or val_accuracy"
            )


#: What a strategy trains with where the user does not say.
DEFAULT_TRAINING = {
    "features": Training(
        epochs=60,
        batch_size=64,
        learning_rate=1e-3,
        weight_decay=0.05,
        schedule="cosine",
        warmup=0.05,
        monitor="val_loss",
    ),
    "features+augment": Training(
        epochs=30,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.05,
        schedule="cosine",
        warmup=0.05,
        monitor="val_loss",
    ),
    "finetune": Training(
        epochs=6,
        batch_size=32,
        learning_rate=1e-4,
        layer_decay=0.85,
        weight_decay=0.05,
        schedule="cosine",
        warmup=0.1,
        clip_norm=1.0,
        ema_decay=0.98,
    ),
    "scratch": Training(
        epochs=60,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.05,
        schedule="cosine",
        warmup=0.05,
        clip_norm=1.0,
        monitor="val_loss",
        freeze_batch_norm=False,
    ),
}
DEFAULT_TRAINING["auto"] = DEFAULT_TRAINING["finetune"]

#: Mild changes that leave nearly every kind of photo what it is.
DEFAULT_AUGMENTATION = Augmentation(
    rotation=10, horizontal_flip=True, min_crop=0.6, brightness=0.1, fill_mode="reflect"
)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Plain):
    """The settings of `photograft.train`. All are plain JSON types.

    Attributes:
        strategy: How to learn: ``"features"`` (a frozen backbone, looked at once),
            ``"features+augment"`` (the same on several views of each photo), ``"finetune"`` (its
            top trained as well), ``"scratch"`` (a small network from random weights), or
            ``"auto"``: what does best on validation of all but the last.
        backbone: Name of an embedded backbone or of any timm model, or a small network in writing,
            such as ``"convnet:c32 p c64 p"``. ``"auto"`` is `DEFAULT_BACKBONE`; for ``"scratch"``,
            a small network for the photos' size and number.
        weights: ``"pretrained"``, ``"random"``, or the path of a local weight file.
        engine: What runs a frozen backbone: ``"openvino"``, ``"torch"``, or ``"auto"``, the
            fastest that is installed.
        precision: ``"auto"`` (what this machine does fastest), ``"bf16"`` or ``"fp32"``.
        device: ``"auto"`` (an accelerator where there is one), ``"cpu"``, ``"cuda"`` or ``"mps"``.
        layer: Which depths of the backbone the head sees: ``"last"``, ``"joined"`` (last and
            earlier ones), names with commas between, or ``"auto"``, chosen by cross-validation.
        pooling: ``"avg"`` averages a feature map over its places, ``"flatten"`` keeps them all.
        head: ``"logistic"`` regression, or an ``"mlp"``.
        hidden: Widths of the MLP's hidden layers; also those of trained networks' heads.
        dropout: Before the last layer of a trained head, in [0, 1).
        coding: Of the targets of a trained head: ``"binary"`` (sigmoid and binary cross-entropy,
            two classes only), ``"sparse"`` or ``"categorical"`` (softmax and cross-entropy, of
            class indices or one-hot), or ``"auto"``.
        class_weight: ``"balanced"`` gives every class the same say, whatever its size.
        unfreeze: The part of the backbone that ``"finetune"`` trains: a number of blocks, the name
            of the lowest layer, ``"all"``, or ``"auto"``, its last quarter.
        head_first: Whether ``"finetune"`` begins with a head trained on the frozen backbone.
        head_training: The loop that trains an MLP head before ``"finetune"``; None for that of
            ``"features"``.
        keep: Whether a fine-tuned classifier is kept only where it is ``"better"`` than the frozen
            one beyond noise on validation, or ``"always"``.
        views: Augmented views of each photo in ``"features+augment"`` and ``"finetune"``, computed
            once and stored; 0 for as many as the number of photos suggests, -1 for new ones in
            every epoch.
        test_views: ``"flip"`` averages over each photo and its mirror image in prediction.
        validation: Share of the photos for validation where the source gives no split, in [0, 0.5].
        test: Likewise for the test.
        near_duplicates: Photos that are nearly the same are kept on one side of every split and
            fold that is made here (``"group"``), or not looked for (``"ignore"``).
        group_by: A regular expression; photos in whose names it finds the same are kept together,
            too.
        corrections: A CSV file with the user's word on photos; see `photograft.data.corrections`.
        seed: Decides the split, the folds, and all that is random in training.
        max_pixels: Photos with more pixels than this are skipped.
        include_weights: Whether the saved classifier carries the backbone's weights:
            ``"always"``, ``"never"``, or ``"auto"`` (unless they come with the installation).
        track: The experiment tracker that is told of the training: ``"tensorboard"``, ``"mlflow"``,
            ``"wandb"``, or empty for none.
        preprocessing: How photos are brought to the network, where not as its record says.
        augmentation: Random changes of training photos; None for the strategy's own.
        training: The training loop; None for the strategy's own.

    Raises:
        InputError: A value is not one of those.
    """

    strategy: str = "features"
    backbone: str = "auto"
    weights: str = "pretrained"
    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    layer: str = "auto"
    pooling: str = "avg"
    head: str = "logistic"
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    coding: str = "auto"
    class_weight: str = "none"
    unfreeze: str = "auto"
    head_first: bool = True
    head_training: Training | None = None
    keep: str = "better"
    views: int = 0
    test_views: str = "plain"
    validation: float = 0.15
    test: float = 0.15
    near_duplicates: str = "group"
    group_by: str = ""
    corrections: str = ""
    seed: int = 0
    max_pixels: int = 100_000_000
    include_weights: str = "auto"
    track: str = ""
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    augmentation: Augmentation | None = None
    training: Training | None = None

    def __post_init__(self) -> None:
        for name, words in (
            ("strategy", choices.STRATEGIES),
            ("engine", choices.ENGINES),
            ("precision", choices.PRECISIONS),
            ("device", choices.DEVICES),
            ("pooling", choices.POOLINGS),
            ("head", choices.HEADS),
            ("coding", choices.CODINGS),
            ("class_weight", choices.CLASS_WEIGHTS),
            ("test_views", choices.TEST_VIEWS),
            ("keep", choices.KEEPS),
            ("include_weights", choices.WEIGHT_INCLUSIONS),
            ("track", ("", *choices.TRACKERS)),
            ("near_duplicates", choices.NEAR_DUPLICATES),
        ):
            check_choice(name, getattr(self, name), words)
        for name in ("validation", "test"):
            share = getattr(self, name)
            if not 0 <= share <= 0.5:
                raise InputError(
                    f"{name} is a share of the photos", expected="0 to 0.5", got=f"{share:g}"
                )
        if not 0 <= self.seed < 2**32:
            raise InputError(
                "that can't be a seed", expected=f"0 to {2**32 - 1:,}", got=str(self.seed)
            )
        if self.max_pixels < 1:
            raise InputError("max_pixels must be at least 1", got=str(self.max_pixels))
        check_range("dropout", self.dropout, 0, 0.99)
        check_range("views", self.views, -1, 100)
        for width in self.hidden:
            check_range("a width in hidden", width, 1, 65_536)

    @property
    def loop(self) -> Training:
        """The training loop: the user's, or the strategy's own."""
        return self.training or DEFAULT_TRAINING[self.strategy]
