"""Running text out of manuals and descriptions: sentences, and which of them are worth keeping."""

from __future__ import annotations

import html
import re

SHORTEST_CHARS, LONGEST_CHARS = 20, 400
FEWEST_WORDS = 4
LETTER_SHARE = 0.75

_WORD = re.compile(r"[A-Za-z]{2,}")
# White space behind the end of a sentence and before what may begin the next.
_BETWEEN_SENTENCES = re.compile(r"""(?<=[.!?;])\s+(?=[A-Z"'(])""")
_NO_PROSE = re.compile(r"<(script|style|pre|nav)\b.*?</\1>", re.I | re.S)
_BLOCK_TAG = re.compile(r"</?(?:br|dd|div|dt|h\d|li|p|section|table|td|tr|ul)\b[^>]*>", re.I)
_TAG = re.compile(r"<[^>]+>")


def squeeze(text: str) -> str:
    """`text` with each run of white space as one space, and none at the ends."""
    return " ".join(text.split())


def is_prose(text: str) -> bool:
    """20 to 400 characters, at least four words, at most a quarter digits and signs."""
    if not SHORTEST_CHARS <= len(text) <= LONGEST_CHARS or len(_WORD.findall(text)) < FEWEST_WORDS:
        return False
    letters = sum(character == " " or character.isalpha() for character in text)
    return letters >= LETTER_SHARE * len(text)


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, whatever its line breaks."""
    return _BETWEEN_SENTENCES.split(squeeze(paragraph))


def html_prose(page: str) -> str:
    """A page's text without scripts, code and menus; an empty line where a block begins or ends."""
    page = _NO_PROSE.sub("\n\n", page)
    page = _BLOCK_TAG.sub("\n\n", page)
    return html.unescape(_TAG.sub("", page)).replace("¶", " ")
