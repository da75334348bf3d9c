"""Goal: texts of the data sets are sentences that people wrote.

Method: the rules of prose.py and the formats of sources.py on small inputs.
"""

from datasets.prose import html_prose, is_prose, sentences, squeeze
from datasets.sources import LEXICOGRAPHER_FILES, long_descriptions, synopses, wordnet


class Lists:
    """Stands for Debian's archive, with files of our own."""

    def __init__(self, folder, files):
        self.folder = folder
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf8")

    def lists(self, ending):
        return [self.folder / ending.replace("*", "x")]

    def package(self, name):
        return self.folder / name


def test_is_prose__wants_words_and_few_signs():
    assert is_prose("a program that edits pictures")
    assert not is_prose("too short text")
    assert not is_prose("onlythreewordsaltogether are here")
    assert not is_prose("many numbers 1234567890 1234567890 in here")
    assert not is_prose("word " * 81)


def test_sentences__end_before_a_capital_letter():
    assert sentences("One is\nhere. Two is here! and on. (Three.)") == [
        "One is here.",
        "Two is here! and on.",
        "(Three.)",
    ]


def test_html_prose__leaves_out_code_and_menus():
    page = "<nav>menu</nav><p>A &amp; b</p><PRE>code\nmore</PRE><li>end<script>x</script>"
    assert squeeze(html_prose(page)) == "A & b end"


def test_descriptions__come_with_their_section(tmp_path):
    archive = Lists(
        tmp_path,
        {
            "binary-x_Packages": "Package: ed\nSection: editors\n\nPackage: no\nSection: x\n",
            "i18n_Translation-en": "Package: ed\nDescription-md5: 1\n"
            "Description-en: classic editor\n"
            " It edits. It is\n small.\n .\n Second one.\n\n"
            "Package: short\nDescription-en: has no long one\n\n"
            "Package: other\nDescription-en: unknown thing\n Long.\n",
        },
    )
    assert list(synopses(archive)) == [
        ("classic editor", "debian-synopsis", "editors"),
        ("unknown thing", "debian-synopsis", "unknown"),
    ]
    assert [text.text for text in long_descriptions(archive)] == [
        "It edits.",
        "It is small.",
        "Second one.",
        "Long.",
    ]


def test_wordnet__gives_definitions_and_examples(tmp_path):
    line = '00001740 03 n 01 living_thing 0 000 | a thing; "it lives"; "another"  \n'
    empty = {f"wordnet-base/usr/share/wordnet/data.{kind}": "" for kind in ("verb", "adj", "adv")}
    noun = {"wordnet-base/usr/share/wordnet/data.noun": "  1 licence | text\n" + line}
    assert list(wordnet(Lists(tmp_path, empty | noun))) == [
        ("living thing: a thing", "wordnet-gloss", "noun.Tops"),
        ("it lives", "wordnet-example", "noun.Tops"),
        ("another", "wordnet-example", "noun.Tops"),
    ]
    assert len(LEXICOGRAPHER_FILES) == 45
    assert LEXICOGRAPHER_FILES[44] == "adj.ppl"
