"""Which process this is, of those that ``torchrun`` has started, by the variables that it sets."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Launch:
    """One of several processes that were started with the same command.

    Attributes:
        rank: Its number; 0 is the first, which leads.
        size: How many there are.
        local_rank: Its number among those on its machine.
        local_size: How many there are on it.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int

    def command(self) -> str:
        """Return what they were started with, in words where that is not known."""
        if self.local_size != self.size or Path(sys.argv[0]).name != "__main__.py":
            return "the same command"
        own = ["torchrun", "--nproc-per-node", str(self.size), "-m", "photograft", *sys.argv[1:]]
        return shlex.join(own)


def launched(variables: Mapping[str, str] | None = None) -> Launch | None:
    """Return which process this is; None where it is the only one.

    Args:
        variables: Of the environment; this process's own where not given.
    """
    variables = os.environ if variables is None else variables
    if not all(variables.get(name) for name in _NEEDED) or int(variables["WORLD_SIZE"]) < 2:
        return None
    return Launch(*(int(variables[name]) for name in _NEEDED[:4]))


def is_first() -> bool:
    """Return whether this is the process that says what there is to say."""
    launch = launched()
    return launch is None or launch.rank == 0
