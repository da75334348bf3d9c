"""avro_tools: Apache Avro's own command line program, in Java, and what it prints turned into Python's values.

The program is one jar from Maven Central, pinned by its hash and kept in build/downloads.
"""
import json
import subprocess

import downloads

VERSION = "1.12.0"
SHA256 = "f8e4d0d945852dc2f91c3bf88f7dcb8cabc00e0fc295bb92e893e54945e08085"
RUN_SECONDS = 60


def jar():
    """The program's path; it is fetched once (57 MB)."""
    return downloads.jar(f"org/apache/avro/avro-tools/{VERSION}/avro-tools-{VERSION}.jar", SHA256)


def run(*words):
    """What `avro-tools WORD...` prints."""
    done = subprocess.run(["java", *downloads.JAVA_OPTIONS, "-jar", jar(), *words], capture_output=True, timeout=RUN_SECONDS)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout.decode()


def count(file):
    """How many entries there are."""
    return int(run("count", file))


def read(file, schema):
    """The entries of a file that was written with this schema."""
    names = {}
    return [plain(schema, json.loads(line), names, "") for line in run("tojson", file).split("\n") if line]


def read_up_to_damage(file, schema, folder):
    """The entries before the first block that is damaged, by way of a repaired file in `folder`."""
    repaired = folder / "repaired.avro"
    run("repair", "-o", "prior", file, repaired)
    return read(repaired, schema)


def plain(schema, value, names, namespace):
    """A value of Avro's JSON encoding as Python has it: unions without the branch's name, fixed as bytes."""
    if isinstance(schema, list):
        return of_union(schema, value, names, namespace)
    if isinstance(schema, str):
        named = names.get(schema if "." in schema else f"{namespace}.{schema}")
        return plain(named, value, names, namespace) if named else value
    kind = schema["type"]
    if "name" in schema:
        name = full_name(schema, namespace)
        namespace = name.rpartition(".")[0]
        names[name] = {**schema, "name": name}
    if kind == "record":
        return {field["name"]: plain(field["type"], value[field["name"]], names, namespace) for field in schema["fields"]}
    if kind == "array":
        return [plain(schema["items"], item, names, namespace) for item in value]
    if kind == "map":
        return {key: plain(schema["values"], item, names, namespace) for key, item in value.items()}
    return value.encode("latin-1") if kind == "fixed" else value


def full_name(schema, namespace):
    name = schema["name"]
    return name if "." in name else f"{schema.get('namespace', namespace)}.{name}"


def of_union(branches, value, names, namespace):
    if value is None:
        assert "null" in branches
        return None
    (tag, inner), = value.items()
    for branch in branches:
        if tag in names_of(branch, names, namespace):
            return plain(branch, inner, names, namespace)
    raise AssertionError(f"{tag} is no branch of the union {branches}")


def names_of(branch, names, namespace):
    if isinstance(branch, str):
        return {branch, f"{namespace}.{branch}"} if f"{namespace}.{branch}" in names else {branch}
    return {full_name(branch, namespace)} if "name" in branch else {branch["type"]}
