"""Goal: the commands of docs/REST.md do what it says.
Method: they are run in order against a new server, and what they print is compared: JSON by value, but for what differs from
run to run.
"""
import json
import re
import subprocess

from conftest import ROOT

CHANGING = {"id": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "created_at": r"\d+", "timestamp": r"\d{13}"}


def commands():
    """(command, expected output) of each console block, in order."""
    text = (ROOT / "docs/REST.md").read_text()
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines(keepends=True)
            size = 1
            while lines[size - 1].rstrip().endswith("\\") or "".join(lines[:size]).count("'") % 2 == 1:
                size += 1
            yield "".join(lines[:size]), "".join(lines[size:])


def normal(text):
    """JSON as a value with what changes made equal; other text as it is."""
    def replace(pairs):
        return {key: key if key in CHANGING and re.fullmatch(CHANGING[key], str(value)) else value for key, value in pairs}
    try:
        return json.loads(text, object_pairs_hook=replace)
    except ValueError:
        return text.strip()


def test_rest_docs__shows_what_happens(engine_server):
    count = 0
    for command, expected in commands():
        here = command.replace("localhost:5678", engine_server.address)
        run = subprocess.run(["bash", "-c", here], capture_output=True, text=True, timeout=30)
        assert run.returncode == 0, command + run.stderr
        assert normal(run.stdout) == normal(expected), command
        count += 1
    assert count > 12


def test_rest_docs__has_every_route_and_code():
    text = (ROOT / "docs/REST.md").read_text()
    document = json.loads((ROOT / "docs/openapi.json").read_text())
    for path, operations in document["paths"].items():
        for method in set(operations) - {"parameters"}:
            short = path if path.count("/") < 4 else "…" + path.removeprefix("/v1/collections/{name}")
            listed = f"`{method.upper()} {short}" in text or f"`{short}`" in text
            assert listed, f"{method.upper()} {path} is not in docs/REST.md"
    for code in document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]:
        assert f"`{code}`" in text, f"{code} is not in docs/REST.md"
    statuses = {status for operations in document["paths"].values() for each in operations.values()
                if isinstance(each, dict) for status in each["responses"] if status >= "400"}
    for status in statuses:
        assert re.search(rf"^\| [0-9, ]*{status}[0-9, ]* \|", text, re.MULTILINE), f"{status} is not in docs/REST.md"
