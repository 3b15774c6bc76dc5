"""The OpenAPI document, held against the server by a tool that reads nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from server_helpers import RunningServer, serving

pytestmark = pytest.mark.usefixtures("warm_cache")

#: What is no photo fits the document, too: so that all that fits is accepted, is not asked.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance,unsupported_method,ignored_auth"
)


@pytest.mark.slow
@pytest.mark.parametrize("token", ["", "let me in"])
def test_every_answer_is_as_described(
    warm_cache: Path, run_path: Path, tmp_path: Path, token: str
) -> None:
    arguments = ["--checks", CHECKS, "--max-examples", "8", "--seed", "0"]
    arguments += ["--phases", "coverage,fuzzing", "--generation-database", "none"]
    if token:
        arguments += ["--header", f"Authorization: Bearer {token}"]
    options = ("--token", token) if token else ()
    with serving(warm_cache, f"m={run_path}", "--timeout", 2, *options) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-c", "from schemathesis.cli import schemathesis as s; s()"),
                *("run", f"http://{server.address}/openapi.json", *arguments),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
        )
    assert done.returncode == 0, done.stdout
    assert "Tested: 21" in done.stdout


def test_names_are_said_to_those_who_may_know(
    server: RunningServer, warm_cache: Path, run_path: Path
) -> None:
    assert "shapes" in json.dumps(server.ask("/openapi.json").json)
    with serving(warm_cache, f"shapes={run_path}", "--token", "x") as other:
        text = json.dumps(other.ask("/openapi.json").json)
        assert "shapes" not in text
        assert "401" in text
