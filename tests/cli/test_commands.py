"""Goal: help, version and mistakes are the same for every command; the manual says what the program does.

Method: the tables that `proximadb help --json` prints, against --help, against running the examples' first words,
and against the manual pages in man/.
"""
import json
import re
import subprocess

import pytest
from conftest import ROOT, run

HELP = json.loads(run("help", "--json").stdout)
COMMANDS = {command["name"]: command for command in HELP["commands"]}
VERSION = re.search(r'PROXIMADB_VERSION "(.*)"', (ROOT / "include/proximadb.h").read_text())[1]


# ---- help and mistakes ---------------------------------------------------------------------------


def test_commands__are_those_of_this_release():
    assert COMMANDS.keys() == {"serve", "inspect", "check", "import", "export", "backup", "restore", "version"}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands__have_help_with_an_example(name):
    shown = run(name, "--help")
    assert shown.returncode == 0 and shown.stderr == ""
    assert f"Usage: proximadb {name}" in shown.stdout
    assert f"Example:\n  proximadb {name}" in shown.stdout
    for flag in COMMANDS[name]["flags"]:
        assert f"--{flag['name']}" in shown.stdout
    assert run("help", name).stdout == shown.stdout


def test_commands__are_listed():
    shown = run("help")
    assert shown.returncode == 0
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command['summary'])}$", shown.stdout, re.M)
    bare = run()
    assert (bare.returncode, bare.stdout, bare.stderr) == (2, "", shown.stdout)


def test_commands__suggest_what_was_meant():
    mistaken = run("sevre")
    assert mistaken.returncode == 2
    assert mistaken.stderr == "proximadb: there is no command 'sevre'; did you mean 'serve'?\n"
    unknown = run("frobnicate")
    assert unknown.returncode == 2 and "'proximadb help' lists" in unknown.stderr


def test_commands__tell_the_version():
    assert run("version").stdout == run("--version").stdout == f"proximadb {VERSION}\n"
    assert json.loads(run("version", "--json").stdout) == {"kind": "version", "version": VERSION}


# ---- the manual ----------------------------------------------------------------------------------


def page(name):
    """A manual page's source, with roff's escapes taken out."""
    path = ROOT / f"man/{name}.1"
    return re.sub(r"\\f[BIRP]", "", path.read_text()).replace("\\-", "-").replace("\\&", "")


def section(text, title):
    found = re.search(rf"^\.SH {title}\n(.*?)(?=^\.SH|\Z)", text, re.M | re.S)
    assert found, f"there is no section {title}"
    return found[1]


def terms(text):
    """What stands behind each .TP, as (term, text)."""
    return [(found[1], found[2]) for found in re.finditer(r"^\.TP\n(.*)\n((?:(?!\.TP|\.SS|\.SH).*\n?)*)", text, re.M)]


def documented_flags(name):
    """{flag: (its argument or None, its text)}"""
    flags = {}
    for term, text in terms(section(page(f"proximadb-{name}"), "OPTIONS")):
        found = re.fullmatch(r'\.B[I]? --([a-z-]+)(?: "? ?([A-Z:]+)"?)?', term)
        assert found, f"'{term}' is no flag"
        flags[found[1]] = (found[2], text)
    return flags


@pytest.mark.parametrize("name", COMMANDS)
def test_manual__has_every_flag_and_no_other(name):
    documented = documented_flags(name)
    assert documented.pop("help")[0] is None
    real = {flag["name"]: flag for flag in COMMANDS[name]["flags"]}
    assert documented.keys() == real.keys()
    for flag, (argument, text) in documented.items():
        assert argument == real[flag]["argument"], flag
        default = re.search(r"[Dd]efault(?:s? is|:) ([^\s,;]+?)[.,;]?(?:\s|$)", text)
        assert (default[1] if default else None) == real[flag]["default"], flag


@pytest.mark.parametrize("name", COMMANDS)
def test_manual__has_every_exit_status_that_can_happen(name):
    documented = [term.split()[-1] for term, _ in terms(section(page(f"proximadb-{name}"), "EXIT STATUS"))]
    assert documented == sorted(set(documented))
    assert set(documented) <= {str(entry["status"]) for entry in HELP["exits"]}
    assert {"0", "1", "2"} <= set(documented)
    if name in ("check", "inspect", "backup", "restore"):
        assert {"3", "5"} <= set(documented)
    if name in ("check", "serve", "backup", "restore"):
        assert "4" in documented


def test_manual__has_the_overview():
    text = page("proximadb")
    assert {term.split()[-1].removesuffix("(1)").removeprefix("proximadb-").strip('" ')
            for term, _ in terms(section(text, "COMMANDS"))} >= COMMANDS.keys()
    exits = terms(section(text, "EXIT STATUS"))
    assert [term.split()[-1] for term, _ in exits] == [str(entry["status"]) for entry in HELP["exits"]]


def test_manual__has_a_page_for_each_command_and_no_other():
    names = {path.name for path in (ROOT / "man").glob("*.1")}
    assert names == {"proximadb.1"} | {f"proximadb-{name}.1" for name in COMMANDS}
    for name in names:
        text = (ROOT / "man" / name).read_text()
        assert f'"proximadb {VERSION}"' in text.splitlines()[0], f"{name} is of another version"
        assert section(text, "EXAMPLES") if name != "proximadb.1" else True


@pytest.mark.parametrize("path", sorted((ROOT / "man").glob("*.1")), ids=lambda path: path.name)
def test_manual__can_be_shown(path):
    shown = subprocess.run(["groff", "-man", "-Tutf8", "-ww", path], capture_output=True, text=True, timeout=60)
    assert (shown.returncode, shown.stderr) == (0, "")
