"""Where texts come from. Each source yields (text, source, category) in a fixed order."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from datasets.debian import Archive
from datasets.prose import html_prose, sentences

WORDNET = "wordnet-base"
DICTIONARIES = ("gcide", "foldoc", "jargon")
MANUALS = ("apache2-doc", "cmake-doc", "git-doc", "linux-doc-6.1", "maxima-doc", "octave-doc")
LARGEST_MANUAL_FILE_BYTES = 3_000_000

# WordNet's lexicographer files by their number, from lexnames(5WN).
_NOUNS = """Tops act animal artifact attribute body cognition communication event feeling food group
    location motive object person phenomenon plant possession process quantity relation shape state
    substance time"""
_VERBS = """body change cognition communication competition consumption contact creation emotion
    motion perception possession social stative weather"""
LEXICOGRAPHER_FILES = (
    "adj.all",
    "adj.pert",
    "adv.all",
    *(f"noun.{name}" for name in _NOUNS.split()),
    *(f"verb.{name}" for name in _VERBS.split()),
    "adj.ppl",
)

_QUOTED = re.compile(r'"([^"]+)"')
_DICTIONARY_MARKS = re.compile(r"\[[^\]]*\]|[{}]")
_DICTIONARY_PARAGRAPH = re.compile(r"\n\s*\n|\n\s+(?=\d+\. )")
_PARAGRAPH = re.compile(r"\n\s*\n")
_MANUAL_FILE = re.compile(r"\.(html?|rst|txt|pod|info)(?:-\d+)?(?:\.gz)?$")
_TRANSLATED_PATH = re.compile(
    r"/translations/|/zh|/(?:fr|de|es|ja|ko|tr|da|pt-br)/|\.html\.(?:fr|de|es|ja|ko|tr|da|pt)"
)
_TRANSLATED_PAGE = re.compile(r'<html[^>]* lang="(?!en)')
_PAGE_HEAD_CHARS = 1_000


class Text(NamedTuple):
    """A text as it was found, not yet judged."""

    text: str
    source: str
    category: str


class _Description(NamedTuple):
    synopsis: str
    paragraphs: list[str]
    section: str


def synopses(archive: Archive) -> Iterator[Text]:
    """The one-line descriptions of Debian's packages; category: the package's section."""
    for description in _descriptions(archive):
        yield Text(description.synopsis, "debian-synopsis", description.section)


def long_descriptions(archive: Archive) -> Iterator[Text]:
    """The sentences of their long descriptions; category: likewise."""
    for description in _descriptions(archive):
        for paragraph in description.paragraphs:
            for sentence in sentences(paragraph):
                yield Text(sentence, "debian-description", description.section)


def wordnet(archive: Archive) -> Iterator[Text]:
    """WordNet's definitions as "word: definition", each followed by its examples.

    A line of data (wndb(5WN)) is: offset, number of the lexicographer file, kind, count of words,
    first word, ... | gloss, with examples in quotes at its end. Lines of the licence are indented.
    """
    folder = archive.package(WORDNET) / "usr/share/wordnet"
    for kind in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{kind}").read_text(encoding="utf8").splitlines():
            head, bar, gloss = line.partition(" | ")
            if line.startswith(" ") or not bar:
                continue
            _, file_number, _, _, word, *_ = head.split()
            category = LEXICOGRAPHER_FILES[int(file_number)]
            definition = gloss.partition('; "')[0]
            yield Text(f"{word.replace('_', ' ')}: {definition}", "wordnet-gloss", category)
            for example in _QUOTED.findall(gloss):
                yield Text(example, "wordnet-example", category)


def dictionaries(archive: Archive) -> Iterator[Text]:
    """The sentences of GCIDE, FOLDOC and the Jargon File; category: the dictionary."""
    for name in DICTIONARIES:
        folder = archive.package(f"dict-{name}") / "usr/share/dictd"
        text = _read_text(folder / f"{name}.dict.dz", is_packed=True)
        for paragraph in _DICTIONARY_PARAGRAPH.split(_DICTIONARY_MARKS.sub(" ", text)):
            for sentence in sentences(paragraph):
                yield Text(sentence, f"dict-{name}", name)


def manuals(archive: Archive) -> Iterator[Text]:
    """The sentences of manuals in English, but those with mail addresses; category: the package."""
    for package in MANUALS:
        folder = archive.package(package)
        for path in sorted(folder.rglob("*")):
            if _TRANSLATED_PATH.search(f"/{path.relative_to(folder)}") or not path.is_file():
                continue
            for paragraph in _PARAGRAPH.split(_manual_text(path)):
                for sentence in sentences(paragraph):
                    if "@" not in sentence:
                        yield Text(sentence, "doc", package)


def _fields(stanza: str) -> dict[str, list[str]]:
    """A stanza of apt's lists: field -> its lines, those that go on with a space among them."""
    fields: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in stanza.split("\n"):
        if line.startswith(" "):
            lines.append(line)
        elif line:
            name, _, value = line.partition(": ")
            lines = fields.setdefault(name, [])
            lines.append(value)
    return fields


def _sections(archive: Archive) -> dict[str, str]:
    """Package -> the section of the archive that it belongs to."""
    sections: dict[str, str] = {}
    package = ""
    for path in archive.lists("binary-*_Packages"):
        with path.open(encoding="utf8") as lines:
            for line in lines:
                if line.startswith("Package: "):
                    package = line.partition(": ")[2].strip()
                elif line.startswith("Section: "):
                    sections[package] = line.partition(": ")[2].strip()
    return sections


def _descriptions(archive: Archive) -> Iterator[_Description]:
    """The English descriptions of all packages that have a long one."""
    sections = _sections(archive)
    for path in archive.lists("i18n_Translation-en"):
        for stanza in path.read_text(encoding="utf8").split("\n\n"):
            fields = _fields(stanza)
            synopsis, *more = fields.get("Description-en", [""])
            if more:
                section = sections.get(fields["Package"][0], "unknown")
                yield _Description(synopsis, "\n".join(more).split("\n .\n"), section)


def _read_text(path: Path, is_packed: bool) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if is_packed else content).decode("utf8", "replace")


def _manual_text(path: Path) -> str:
    """The prose of one file of a manual; empty where the file has none that is of use."""
    kind = _MANUAL_FILE.search(path.name)
    if kind is None or path.is_symlink() or path.stat().st_size > LARGEST_MANUAL_FILE_BYTES:
        return ""
    text = _read_text(path, path.suffix == ".gz")
    if not kind[1].startswith("htm"):
        return text
    return "" if _TRANSLATED_PAGE.search(text[:_PAGE_HEAD_CHARS]) else html_prose(text)
