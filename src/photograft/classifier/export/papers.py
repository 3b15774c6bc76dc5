"""What lies beside an exported classifier for people: how it is run and served, an example."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from photograft.classifier.export.exporters import Exporter
from photograft.classifier.export.order import Order
from photograft.core.files import write_json
from photograft.core.text import listed

EXAMPLE, FACTS, README, SERVICE = (
    "example.py",
    "metadata.json",
    "README.md",
    "inference-service.yaml",
)

#: OpenVINO's model server is told so, as the example tells OpenVINO.
_PRECISELY = '--plugin_config={"INFERENCE_PRECISION_HINT": "f32"}'
_SERVICE_ROW = f"| `{SERVICE}` | serves it on Kubernetes with KServe |\n"
_IMPORTS = {
    "onnxruntime": "import onnxruntime",
    "openvino": "import openvino",
    "torch": "import torch",
}


def write_papers(folder: Path, exporter: Exporter, order: Order, facts: dict[str, Any]) -> None:
    """Write README, example, metadata and what KServe takes.

    Args:
        folder: That the model lies in.
        exporter: What wrote it.
        order: What was asked for.
        facts: From `metadata.describe`.
    """
    model = exporter.model.format(name=order.name)
    write_json(folder / FACTS, facts)
    is_triton = exporter.runtime == "onnxruntime"  # it reads a folder of models
    opening = _template(f"open_{exporter.runtime}.txt").rstrip().replace("@MODEL@", model)
    values = {
        "IMPORT": _IMPORTS[exporter.runtime],
        "OPEN": opening,
        "NAME": order.name,
        "MODEL": model,
        "VERSION": facts["photograft"],
        "CLASSES": listed(facts["classes"], 20),
        "NUM_CLASSES": str(len(facts["classes"])),
        "PACKAGES": f"numpy pillow {exporter.runtime}",
        "OOD_ROW": _ood_row(facts),
        "SIDE": str(2 * facts["decoding"]["at_least"]),
        "RULES": _rules(facts["rules"]),
        "SERVING": _template(f"serving_{exporter.runtime}.txt")
        .rstrip()
        .replace("@NAME@", order.name),
        "BACKBONE": facts["backbone"]["name"],
        "LICENCE": facts["licence"],
        "DIGEST": facts["digest"],
        "SERVICE_ROW": _SERVICE_ROW if exporter.served_as else "",
        "FORMAT": exporter.served_as,
        "STORAGE": "export" if is_triton else f"export/{order.name}",
        "HOLDS": f"{order.name}/1/" if is_triton else "1/",
        "ARGUMENTS": _arguments(exporter.runtime),
    }
    for name in (EXAMPLE, README, *([SERVICE] if exporter.served_as else [])):
        text = _template(f"{name}.txt")
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        (folder / name).write_text(text.rstrip() + "\n", encoding="utf-8")


def _template(name: str) -> str:
    home = resources.files("photograft").joinpath("classifier", "export", "templates", name)
    return home.read_text("utf-8")


def _ood_row(facts: dict[str, Any]) -> str:
    if not facts["rules"]["unknown"]:
        return ""
    return "| `ood_score` | float32 | (n,) | how unlike every class: higher is less like them |\n"


def _rules(rules: dict[str, Any]) -> str:
    found = []
    if rules["unknown"]:
        threshold = rules["unknown"]["ood_threshold"]
        found.append(f"- An `ood_score` of more than {threshold:.4f} is none of the classes.")
    found += [f"- {rule['sentence']}" for rule in rules["unsure"]]
    return "\n".join(found) or "This classifier can't tell what is unknown to it."


def _arguments(runtime: str) -> str:
    return f"      args:\n        - '{_PRECISELY}'" if runtime == "openvino" else ""
