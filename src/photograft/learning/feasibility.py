"""Whether what the settings of learning ask for can run here, told before a photo is looked at."""

from __future__ import annotations

from photograft.backbones.joined import is_more_than_one
from photograft.backbones.onnx_files.record import is_file_name
from photograft.core.errors import InputError
from photograft.core.optional import need_torch
from photograft.learning.settings import LOOPS, TrainConfig, trains_network


def can_be_trained(backbone: str) -> bool:
    """Return whether a backbone's name is that of one network that may be trained."""
    return not is_file_name(backbone) and not is_more_than_one(backbone)


def check_can_run(config: TrainConfig) -> None:
    """Make sure that what the settings ask for can run here, before a photo is looked at.

    Raises:
        InputError: It takes torch, which is not installed, would train an ONNX file, or asks for
            int8, or several looks, of what learns in a loop.
    """
    if is_file_name(config.backbone) and trains_network(config):
        raise InputError(
            f"{config.backbone} is an ONNX file, which can't be trained",
            expected="the strategy features, or features+augment with stored views",
            got=config.strategy,
            fix="To fine-tune the same network, name it as timm does, with --weights FILE.",
        )
    if is_more_than_one(config.backbone) and (config.has_loop or config.precision == "int8"):
        raise InputError(
            f"{config.backbone} is several looks, which are for a frozen network and a linear head",
            expected="the strategy features, or features+augment with stored views; not int8",
            got=f"the strategy {config.strategy}, the head {config.head}, {config.precision}",
            fix="Name one network with --backbone.",
        )
    if config.precision == "int8" and config.has_loop:
        raise InputError(
            "int8 is for a frozen network and a linear head",
            expected="the strategy features, or features+augment with views that are stored",
            got=f"the strategy {config.strategy}, the head {config.head}",
            fix="Leave --precision out.",
        )
    if config.strategy in LOOPS:
        need_torch(f"the strategy {config.strategy}")
    elif config.head == "mlp":
        need_torch(f"the head {config.head}")
    elif config.has_loop:
        need_torch("augmenting anew in every epoch")
    elif (
        config.strategy == "features+augment"
        and config.augmentation is not None
        and config.augmentation.rand_augment
    ):
        need_torch("the augmentation rand_augment")
