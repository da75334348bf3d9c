"""downloads: programs of others that no package manager of ours brings, each pinned by its hash and kept in build/downloads."""
import functools
import hashlib
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/downloads"
MAVEN = "https://repo1.maven.org/maven2"
FETCH_SECONDS = 120
# A start of the virtual machine is most of the work of a small program.
JAVA_OPTIONS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]


@functools.cache
def jar(path, sha256):
    """A file of Maven Central as a path here; it is fetched once."""
    file = FOLDER / Path(path).name
    if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
        FOLDER.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"partial.{os.getpid()}.{file.name}")
        with urllib.request.urlopen(f"{MAVEN}/{path}", timeout=FETCH_SECONDS) as answer, partial.open("wb") as out:
            shutil.copyfileobj(answer, out)
        found = hashlib.sha256(partial.read_bytes()).hexdigest()
        assert found == sha256, f"{path} has the hash {found}"
        partial.replace(file)
    return file


@functools.cache
def java_classes(program, class_path):
    """The folder of a compiled program: as a source it would be compiled at every start, which takes as long as all it does."""
    folder = ROOT / "build/java" / program.stem
    stamp = folder / ".compiled"
    key = hashlib.sha256(program.read_bytes() + class_path.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != key:
        subprocess.run(["javac", "-d", folder, "-cp", class_path, program], check=True, capture_output=True,
                       timeout=FETCH_SECONDS)
        stamp.write_text(key)
    return folder


@functools.cache
def node_folder(programs):
    """A folder with the programs of that one, and the packages of its package-lock.json, which has their hashes."""
    folder = ROOT / "build/node" / programs.name
    folder.mkdir(parents=True, exist_ok=True)
    lock = (programs / "package-lock.json").read_bytes()
    for file in programs.iterdir():
        if file.suffix in (".json", ".mjs"):
            shutil.copy(file, folder)
    stamp = folder / ".installed"
    if not stamp.exists() or stamp.read_bytes() != lock:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True, capture_output=True,
                       timeout=FETCH_SECONDS)
        stamp.write_bytes(lock)
    return folder
