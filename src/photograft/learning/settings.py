"""What a run was asked to do: the settings of learning, and those of every floor in one.

`TrainConfig` holds three parts of its own: `Preprocessing` (how photos are brought to the network),
`Augmentation` (random changes of training photos) and `Training` (the training loop).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from photograft.core import choices
from photograft.core.errors import InputError
from photograft.core.schema import Schema, check_choice, check_range
from photograft.features.settings import Augmentation, ExtractionSettings
from photograft.learning.outcome_settings import OutcomeSettings


@dataclass(frozen=True, repr=False, kw_only=True)
class Training(Schema):
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
        super().__post_init__()
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


#: Strategies that always run a training loop.
LOOPS = ("finetune", "scratch", "auto")

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


@dataclass(frozen=True, kw_only=True, repr=False)
class LearningSettings(Schema):
    """How a head, or a network, is fitted.

    Attributes:
        effort: How many looks at each photo are tried where no backbone is named: ``"quick"`` one,
            ``"standard"`` a second one, ``"thorough"`` more; see `photograft.learning.looks`. What
            is tried is kept only where it is better beyond noise.
        budget: Seconds to spend on these looks besides the first one, or in ``"auto"`` on the
            strategies besides the first; what has not been tried by then is left out. 0 for as many
            as it takes: the same photos then give the same classifier on a slow machine and on a
            fast one.
        strategy: How to learn: ``"features"`` (a frozen backbone, looked at once),
            ``"features+augment"`` (the same on several views of each photo), ``"finetune"`` (its
            top trained as well), ``"scratch"`` (a small network from random weights), or
            ``"auto"``: what does best on validation of all but the last.
        final: What the head of a frozen backbone is fitted on in the end: ``"all"`` photos that may
            be learned from, those of validation as well, or ``"train"``, the training photos.
            Either way, scores are of heads that had not seen what they are scored on.
        head: ``"logistic"`` regression, a linear ``"discriminant"``, ``"auto"`` (a blend of both,
            weighed by cross-validation), or an ``"mlp"``.
        hidden: Widths of the MLP's hidden layers; also those of trained networks' heads.
        dropout: Before the last layer of a trained head, in [0, 1).
        target_encoding: Of a trained head: ``"binary"`` (sigmoid and binary cross-entropy, two
            classes only), ``"sparse"`` or ``"categorical"`` (softmax and cross-entropy, of class
            indices or one-hot), or ``"auto"``.
        class_weight: ``"balanced"`` gives every class the same say, whatever its size.
        unfreeze: The part of the backbone that ``"finetune"`` trains: a number of blocks, the name
            of the lowest layer, ``"all"``, or ``"auto"``, its last quarter.
        head_first: Whether ``"finetune"`` begins with a head trained on the frozen backbone.
        head_training: The loop that trains an MLP head before ``"finetune"``; None for that of
            ``"features"``.
        views: Augmented views of each photo in ``"features+augment"`` and ``"finetune"``, computed
            once and stored; 0 for as many as the number of photos suggests, -1 to re-augment
            every epoch.
        test_views: ``"flip"`` averages over each photo and its mirror image in prediction.
        augmentation: Random changes of training photos; None for the strategy's own.
        training: The training loop; None for the strategy's own.
        compile: Whether ``torch.compile`` makes a faster network of the trained part: ``"on"``,
            ``"off"``, or ``"auto"``, where it is trained long enough on an NVIDIA GPU. Where it
            fails, the network is trained as it is.
        stream_above: Where the features of all training photos take more bytes than this, heads
            on them are fitted in passes over the store, and labels are not judged.

    Raises:
        InputError: A value is not one of those.
    """

    renamed: ClassVar[Mapping[str, str]] = {"coding": "target_encoding"}

    effort: str = "standard"
    budget: float = 0.0
    strategy: str = "features"
    final: str = "all"
    head: str = "auto"
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    target_encoding: str = "auto"
    class_weight: str = "none"
    unfreeze: str = "auto"
    head_first: bool = True
    head_training: Training | None = None
    views: int = 0
    test_views: str = "plain"
    augmentation: Augmentation | None = None
    training: Training | None = None
    compile: str = "auto"
    stream_above: int = choices.STREAM_ABOVE

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, words in (
            ("effort", choices.EFFORTS),
            ("final", choices.FINALS),
            ("strategy", choices.STRATEGIES),
            ("head", choices.HEADS),
            ("target_encoding", choices.TARGET_ENCODINGS),
            ("class_weight", choices.CLASS_WEIGHTS),
            ("test_views", choices.TEST_VIEWS),
            ("compile", choices.COMPILES),
        ):
            check_choice(name, getattr(self, name), words)
        check_range("budget", self.budget, 0, 1e6)
        check_range("dropout", self.dropout, 0, 0.99)
        check_range("views", self.views, -1, 100)
        check_range("stream_above", self.stream_above, 0, 10**15)
        for width in self.hidden:
            check_range("a width in hidden", width, 1, 65_536)

    @property
    def has_loop(self) -> bool:
        """Whether a training loop runs: not where a head is solved on a frozen backbone."""
        return trains_network(self) or self.head == "mlp"

    @property
    def loop(self) -> Training:
        """The training loop: the user's, or the strategy's own."""
        return self.training or DEFAULT_TRAINING.get(self.strategy, Training())


def trains_network(config: LearningSettings) -> bool:
    """Return whether a network is trained, or run by torch beside the training of a head."""
    anew = config.strategy == "features+augment" and config.views == -1
    return config.strategy in LOOPS or anew


@dataclass(frozen=True, repr=False, kw_only=True)
class TrainConfig(OutcomeSettings, ExtractionSettings, LearningSettings):
    """The settings of `photograft.train`: those of every floor, side by side, as plain JSON types.

    Each floor takes its own part and knows no other; `part` gives it. The attributes are described
    there:

    * `LearningSettings`: effort, budget, strategy, final, head, hidden, dropout, target_encoding,
      class_weight, unfreeze, head_first, head_training, views, test_views, augmentation, training,
      compile, stream_above
    * `BackboneSettings`: backbone, weights, layer, pooling, preprocessing
    * `ExecutionSettings`: engine, precision, device
    * `DataSettings`: validation, test, near_duplicates, group_by, corrections, new_class, seed,
      max_pixels, empty_classes
    * `OutcomeSettings`: keep, include_weights, track

    Raises:
        InputError: A value is not one of those.

    >>> TrainConfig(strategy="finetune", seed=1).part(LearningSettings).strategy
    'finetune'
    """

    @property
    def sets_aside(self) -> bool:
        """Whether photos are set aside for validation where the user does not say.

        Networks that are trained need them, to tell which epoch or which of two is better; a head
        that is solved on stored features is chosen by cross-validation. Nor are they learned from
        in the end where the user says so.
        """
        return self.has_loop or self.final == "train"
