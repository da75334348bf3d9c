"""Debian's package lists and packages, fetched with apt-get into a folder; nothing is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from datasets.work import DataSetError, log, run_tool

SUITE = "bookworm"
NEEDS = "Debian 12 (bookworm) with 'main' among apt's sources and its mirror within reach"


class Archive:
    """Debian's main archive through apt-get, with lists, cache and packages below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unpacked = folder / "unpacked"

    @property
    def unpacked(self) -> Path:
        """The folder that holds a folder for each package, called name_version_architecture."""
        return self._unpacked

    def lists(self, ending: str) -> list[Path]:
        """The files among apt's lists of the suite's main archive whose names end so."""
        files = sorted(self._fetch_lists().glob(f"*_{SUITE}_main_{ending}"))
        if not files:
            raise DataSetError(f"apt's lists have no {SUITE} main archive; the sets need {NEEDS}.")
        return files

    def package(self, name: str) -> Path:
        """The folder of a package's files; fetched and unpacked once."""
        found = self._find(name)
        if found is None:
            log(f"fetching the Debian package {name}")
            self._fetch_package(name)
            found = self._find(name)
        if found is None:
            raise DataSetError(f"apt-get fetched no package '{name}'.")
        return found

    def fetched(self, names: Iterator[str] | list[str]) -> list[str]:
        """name_version_architecture of those of `names` that have been fetched."""
        return [found.name for found in map(self._find, names) if found is not None]

    def _find(self, name: str) -> Path | None:
        return next(self._unpacked.glob(f"{name}_*"), None)

    def _apt_get(self, *words: str) -> list[str]:
        """apt-get with lists and cache of our own, as plain text and with English descriptions."""
        settings = {
            "Dir::State::Lists": self._folder / "lists",
            "Dir::Cache": self._folder / "cache",
            "Acquire::Languages": "en",
            "Acquire::GzipIndexes": "false",
            "APT::Update::Error-Mode": "any",
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        return ["apt-get", *options, *words]

    def _fetch_lists(self) -> Path:
        lists, complete = self._folder / "lists", self._folder / "lists-complete"
        if not complete.exists():
            log("fetching Debian's package lists (20 MB)")
            for needed in (lists / "partial", self._folder / "cache/archives/partial"):
                needed.mkdir(parents=True, exist_ok=True)
            run_tool(self._apt_get("update"), self._folder, f"The sets need {NEEDS}.")
            complete.touch()
        return lists

    def _fetch_package(self, name: str) -> None:
        self._fetch_lists()
        self._unpacked.mkdir(exist_ok=True)
        hint = f"If the lists are old, remove {self._folder / 'lists-complete'} and run it again."
        run_tool(self._apt_get("download", name), self._folder, hint)
        archive = next(self._folder.glob(f"{name}_*.deb"))
        partial = self._unpacked / f"partial.{archive.stem}"
        shutil.rmtree(partial, ignore_errors=True)
        run_tool(["dpkg-deb", "-x", archive, partial], self._folder, "It is part of dpkg.")
        partial.rename(self._unpacked / archive.stem)
        archive.unlink()
