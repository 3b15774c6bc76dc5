"""What the nodes of a Ray cluster have, and what each worker may have of it.

A worker is on one node, with all that it needs: so what there is is counted node by node.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from photograft.core.errors import InputError
from photograft.core.text import count

#: Cores whose threads decode in one process: of more, most wait for the interpreter.
_CORES = 4
#: Processes that share an accelerator: each holds the network, and some 0.5 GB besides.
_SHARING = 4


@dataclass(frozen=True)
class Node:
    """A machine of a cluster.

    Attributes:
        cpus: Its cores.
        gpus: Its accelerators, as far as Ray knows of them.
        address: Where it is reached.
    """

    cpus: int
    gpus: int = 0
    address: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Node:
        """Return what Ray tells of a node."""
        there = told["Resources"]
        cpus, gpus = (int(there.get(kind, 0)) for kind in ("CPU", "GPU"))
        return cls(cpus, gpus, told["NodeManagerAddress"])


@dataclass(frozen=True)
class Part:
    """What each of several workers has.

    Attributes:
        size: How many workers.
        cores: Of each.
        gpus: Of each: a whole accelerator, a part of one, or 0 for none.
    """

    size: int
    cores: int
    gpus: float = 0.0


def nodes() -> list[Node]:
    """Return the nodes of the cluster that this process is connected to."""
    import ray

    return [Node.of(told) for told in ray.nodes() if told["Alive"]]


def apart(nodes: Sequence[Node], *, accelerated: bool) -> Part:
    """Return what workers have that work each for itself: as many of them as pay.

    One process can't decode as fast as an accelerator looks: where there are cores for it, several
    share one.

    Args:
        nodes: At least one.
        accelerated: Whether each worker needs an accelerator. Of those that Ray does not know of,
            such as Apple's, there is one.
    """
    if not accelerated:
        return Part(max(1, sum(node.cpus for node in nodes)), 1)
    equipped = [node for node in nodes if node.gpus]
    if not equipped:
        return Part(1, max(1, *(node.cpus for node in nodes)))
    sharing = min(_SHARING, *(max(1, node.cpus // node.gpus // _CORES) for node in equipped))
    cores = min(node.cpus // (node.gpus * sharing) for node in equipped)
    size = sum(node.gpus * sharing for node in equipped)
    return Part(size, max(1, cores), 1 / sharing)


def together(nodes: Sequence[Node], size: int, *, accelerated: bool) -> Part:
    """Return what workers have that train one network together: as much of each as all can have.

    Args:
        nodes: At least one.
        size: How many workers.
        accelerated: Whether each one needs an accelerator, where Ray knows of any.

    Raises:
        InputError: There is no room for so many.
    """
    gpus = 1 if accelerated and any(node.gpus for node in nodes) else 0

    def room(cores: int) -> int:
        """Return how many workers of so many cores there is room for."""
        own = (min(node.cpus // cores, node.gpus if gpus else node.cpus) for node in nodes)
        return sum(own)

    if room(1) < size:
        each = "a core and an accelerator" if gpus else "a core"
        raise InputError(
            f"the cluster ({count(len(nodes), 'machine')}) has room for "
            f"{count(room(1), 'worker')} with {each} each, too few for {count(size, 'worker')}",
            fix=f"Give --workers {room(1)}." if room(1) > 1 else "Leave --workers out.",
        )
    most = max(node.cpus for node in nodes)
    cores = next(cores for cores in range(most, 0, -1) if room(cores) >= size)
    return Part(size, cores, gpus)


def loopback(nodes: Sequence[Node]) -> str:
    """Return the interface that processes of a cluster talk over which nobody else may reach.

    Empty where it has other machines, or the system has no such interface.
    """
    if any(node.address != "127.0.0.1" for node in nodes):
        return ""
    there = {name for _, name in socket.if_nameindex()} if hasattr(socket, "if_nameindex") else ()
    return next((name for name in ("lo", "lo0") if name in there), "")
