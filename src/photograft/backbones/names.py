"""timm's names of networks, read from its source.

Importing timm, and torch with it, takes seconds: too long for saying that a name is misspelt, or
that weights can't be fetched.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from photograft.backbones.registry import EMBEDDED
from photograft.core.errors import UnknownNameError

_MODEL = re.compile(r"^@register_model\s*\ndef (\w+)", re.MULTILINE)
#: A key of a table, of weights, as ``'resnet50.a1_in1k': _cfg(…)``, or of names of before: the
#: model, the tag, whether it is the usual one, and what is said of it.
_KEY = re.compile(r"""['"](\w+)(?:\.([\w-]+))?(\*?)['"]\s*:(?:\s*\w+\(([^()]*))?""")
#: What is said of weights that lie in timm's own place, in the usual file.
_AT_HOME, _ODD_FILE = "hf_hub_id='timm/'", "hf_hub_filename"
#: Fewer models than this are not timm's: its source is written in another way than was thought.
_LEAST = 100


@dataclass(frozen=True)
class TimmNames:
    """The names in timm's source.

    Attributes:
        models: Of the models, without tags.
        keys: All that may be a model, those of before among them.
        tags: All tags of weights.
        tagged: Models with a tag.
        addresses: Where the pretrained weights of a name, tagged or not, are in timm's own
            repositories: the model with its tag; lacks those that lie elsewhere.
    """

    models: frozenset[str]
    keys: frozenset[str]
    tags: frozenset[str]
    tagged: frozenset[str]
    addresses: dict[str, str]

    @property
    def are_known(self) -> bool:
        """Whether they were found at all."""
        return len(self.models) >= _LEAST


def check_name(name: str) -> None:
    """Make sure that a backbone's name may be one, without importing timm.

    Raises:
        UnknownNameError: timm has no such model.
    """
    known = timm_names()
    architecture, dot, tag = name.partition(".")
    is_one = architecture in known.keys and (not dot or tag in known.tags)
    if known.are_known and not is_one:
        raise unknown_backbone(name, [*EMBEDDED, *sorted(known.models), *sorted(known.tagged)])


def unknown_backbone(name: str, known: list[str]) -> UnknownNameError:
    """Return what is to be said of a name that is none of those known."""
    fix = "`photograft backbones --search TEXT` lists all names."
    return UnknownNameError("backbone", name, known, fix=fix)


@functools.cache
def timm_names() -> TimmNames:
    """Return the names in the source of the timm that is installed; none where it is not."""
    models: set[str] = set()
    keys: set[str] = set()
    tags: set[str] = set()
    addresses: dict[str, str] = {}
    tagged: set[str] = set()
    spec = importlib.util.find_spec("timm")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder, "models").rglob("*.py")):
            text = path.read_text(encoding="utf-8", errors="replace")
            models.update(_MODEL.findall(text))
            for model, tag, is_usual, said in _KEY.findall(text):
                keys.add(model)
                if not tag:
                    continue
                name = f"{model}.{tag}"
                address = name if _AT_HOME in said and _ODD_FILE not in said else ""
                if is_usual or model not in addresses:
                    addresses[model] = address
                addresses[name] = address
                tags.add(tag)
                tagged.add(name)
    return TimmNames(
        models=frozenset(models),
        keys=frozenset(keys | models),
        tags=frozenset(tags),
        tagged=frozenset(tagged),
        addresses={name: address for name, address in addresses.items() if address},
    )
