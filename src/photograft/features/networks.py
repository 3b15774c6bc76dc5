"""What opens a frozen network wherever it is sent: picklable, and nothing open in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photograft.backbones.engines import Engine
from photograft.backbones.networks import Network, is_prepared, open_network
from photograft.backbones.registry import Backbone
from photograft.backbones.weights import locate_weights
from photograft.core.progress import Progress, Silent
from photograft.core.store import default_cache_dir
from photograft.features.looks import JoinedNetwork, join_networks


class SendableNetwork:
    """Opens a network, in whichever process it is called."""

    def __call__(self) -> JoinedNetwork:
        """Return the network, opened."""
        raise NotImplementedError

    @property
    def device(self) -> str:
        """What it runs on; see `Engine`."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Do here what is done once, so that it is found where the network is opened."""


@dataclass(frozen=True)
class StoredNetwork(SendableNetwork):
    """Opens the network of one look, prepared once in the store.

    Attributes:
        backbone: Its record.
        path: Its weight file; None for random weights.
        engine: What runs it.
        folder: Where it is kept, prepared.
        progress: Told where it has to be prepared; left behind where it is sent.
    """

    backbone: Backbone
    path: Path | None
    engine: Engine
    folder: Path
    progress: Progress = field(default_factory=Silent, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredNetwork, (self.backbone, self.path, self.engine, self.folder)

    def __call__(self) -> Network:
        """Return the network, opened; see `open_network` for what it raises."""
        path = self.path
        if path is not None and not path.exists():  # another machine has it elsewhere
            path = locate_weights(self.backbone, default_cache_dir())[1]
        if not is_prepared(self.backbone, path, self.engine, self.folder):
            self.progress.say(
                f"Preparing {self.backbone.name} for {self.engine.name}: some seconds, once"
            )
        return open_network(self.backbone, path, self.engine, self.folder)

    @property
    def device(self) -> str:
        """What it runs on."""
        return self.engine.device

    def prepare(self) -> None:
        """Keep it prepared, and find out whether the engine can run it."""
        if self.engine.name != "torch":
            self()


@dataclass(frozen=True)
class JoinedStoredNetwork(SendableNetwork):
    """Opens the networks of all looks.

    Attributes:
        backbone: The record of all looks.
        parts: Of each look.
    """

    backbone: Backbone
    parts: tuple[StoredNetwork, ...]

    def __call__(self) -> JoinedNetwork:
        """Return them, opened."""
        return join_networks(self.backbone, [part() for part in self.parts])

    @property
    def device(self) -> str:
        """What they run on."""
        return self.parts[0].device

    def prepare(self) -> None:
        """Keep each prepared."""
        for part in self.parts:
            part.prepare()
