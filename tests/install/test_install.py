"""Goal: an installed copy is complete, and a program of somebody else builds and runs with it alone.

Method: `cmake --install` into a folder, which is then moved; programs are built against it with pkg-config and with
find_package, shared and static; nm tells what the library exports. PX_BUILD says which build is installed.
"""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("PX_BUILD", "build/dev")).resolve()
CONSUMER = ROOT / "tests/install/consumer"
PROGRAMS = [CONSUMER / "ten_lines.c", ROOT / "examples/embedded/nearest.c"]
VERSION = re.search(r'PROXIMADB_VERSION "(.*)"', (ROOT / "include/proximadb.h").read_text())[1]
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*words, **settings):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=300, **settings)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    """The installed copy, at a place that it was not installed to."""
    folder = tmp_path_factory.mktemp("install")
    run("cmake", "--build", BUILD, "--target", "libproximadb", "libproximadb_static", "proximadb")
    run("cmake", "--install", BUILD, "--prefix", folder / "first")
    return (folder / "first").rename(folder / "moved")


@pytest.fixture(scope="session")
def library(prefix):
    [folder] = {path.parent for path in prefix.rglob("libproximadb.so")}
    return folder


@pytest.fixture
def package_path(library):
    return {**os.environ, "PKG_CONFIG_PATH": str(library / "pkgconfig"), "LD_LIBRARY_PATH": str(library)}


def check_programs(folder, names, environment, tmp_path):
    """Runs what was built: ten_lines opens a folder, nearest finds the nearest rows, twice."""
    ten_lines, nearest = (folder / name for name in names)
    assert run(ten_lines, tmp_path / "ten", env=environment) == f"proximadb {VERSION}\n"
    assert (tmp_path / "ten/proximadb.json").exists()
    for _ in range(2):
        found = run(nearest, tmp_path / "data", env=environment)
        assert [line.split()[1] for line in found.splitlines()] == ["apple", "pear"]


# ---- what is there -------------------------------------------------------------------------------


def test_install__is_complete(prefix, library):
    names = {path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if not path.is_dir()}
    lib = library.relative_to(prefix).as_posix()
    major = VERSION.split(".")[0]
    expected = {"bin/proximadb", "include/proximadb.h", "lib/systemd/system/proximadb.service",
                f"{lib}/libproximadb.a", f"{lib}/libproximadb.so", f"{lib}/libproximadb.so.{major}",
                f"{lib}/libproximadb.so.{VERSION}", f"{lib}/pkgconfig/proximadb.pc",
                f"{lib}/cmake/proximadb/proximadb-config.cmake",
                f"{lib}/cmake/proximadb/proximadb-config-version.cmake",
                f"{lib}/cmake/proximadb/proximadb-targets.cmake",
                *(f"share/man/man1/{page.name}" for page in (ROOT / "man").glob("*.1"))}
    build_type = {name for name in names if re.fullmatch(rf"{lib}/cmake/proximadb/proximadb-targets-\w+\.cmake", name)}
    assert names == expected | build_type and len(build_type) == 1


def test_install__names_no_place_of_the_build(prefix):
    for path in prefix.rglob("*"):
        if path.suffix in (".cmake", ".pc", ".h", ".service"):
            text = path.read_text()
            assert str(ROOT) not in text and str(BUILD) not in text, path


def test_install__runs(prefix):
    assert run(prefix / "bin/proximadb", "version") == f"proximadb {VERSION}\n"
    needed = run("readelf", "-d", prefix / "bin/proximadb")
    assert "libproximadb" not in needed and "RUNPATH" not in needed     # the one file runs alone


# ---- what is exported ----------------------------------------------------------------------------


def declared_functions():
    header = re.sub(r"/\*.*?\*/", "", (ROOT / "include/proximadb.h").read_text(), flags=re.S)
    return set(re.findall(r"PROXIMADB_API[^;(]*?\b(proximadb_\w+)\(", header))


def test_install__exports_the_header_and_nothing_else(library):
    listing = run("nm", "-D", "--defined-only", "--format=posix", library / f"libproximadb.so.{VERSION}")
    exported = {line.split()[0].split("@")[0] for line in listing.splitlines()}
    assert exported == declared_functions()
    assert all(name.startswith("proximadb_") for name in exported) and len(exported) > 20


def test_install__has_a_soname(library):
    dynamic = run("readelf", "-d", library / "libproximadb.so")
    assert re.search(r"SONAME.*\[libproximadb\.so\.\d+\]", dynamic)
    assert "RUNPATH" not in dynamic


@pytest.mark.parametrize("compiler, language", [("cc", "c"), ("c++", "c++")])
def test_install__has_a_header_that_stands_alone(prefix, compiler, language):
    run(compiler, "-x", language, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
        prefix / "include/proximadb.h")


# ---- what can be built with it -------------------------------------------------------------------


def test_install__works_with_pkg_config(package_path, tmp_path):
    assert run("pkg-config", "--modversion", "proximadb", env=package_path).strip() == VERSION
    flags = run("pkg-config", "--cflags", "--libs", "proximadb", env=package_path).split()
    for program in PROGRAMS:
        run("cc", *WARNINGS, program, *flags, "-o", tmp_path / program.stem)
    check_programs(tmp_path, ["ten_lines", "nearest"], package_path, tmp_path)


def test_install__works_with_pkg_config_statically(library, package_path, tmp_path):
    flags = run("pkg-config", "--cflags", "--libs", "--static", "proximadb", env=package_path).split()
    flags = [str(library / "libproximadb.a") if flag == "-lproximadb" else flag for flag in flags]
    for program in PROGRAMS:
        run("cc", *WARNINGS, program, *flags, "-o", tmp_path / program.stem)
    assert "libproximadb" not in run("readelf", "-d", tmp_path / "nearest")
    check_programs(tmp_path, ["ten_lines", "nearest"], os.environ, tmp_path)


def test_install__works_with_find_package(prefix, tmp_path):
    build = tmp_path / "build"
    run("cmake", "-S", CONSUMER, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DPROGRAMS={';'.join(map(str, PROGRAMS))}")
    run("cmake", "--build", build)
    check_programs(build, ["ten_lines", "nearest"], os.environ, tmp_path)
    check_programs(build, ["ten_lines_static", "nearest_static"], os.environ, tmp_path)
    assert "libproximadb" not in run("readelf", "-d", build / "nearest_static")


def test_install__refuses_another_version(prefix, tmp_path):
    text = (CONSUMER / "CMakeLists.txt").read_text().replace("proximadb 0.1 ", "proximadb 0.99 ")
    (tmp_path / "CMakeLists.txt").write_text(text)
    done = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode != 0 and "0.99" in done.stderr


# ---- the service ---------------------------------------------------------------------------------


def test_install__has_a_service_that_starts_what_there_is(prefix, tmp_path):
    """Its command, with its environment, gets as far as the folder."""
    unit = (prefix / "lib/systemd/system/proximadb.service").read_text()
    [command] = re.findall(r"^ExecStart=proximadb (.*)$", unit, re.M)
    variables = dict(pair.split("=", 1) for pair in re.findall(r"^Environment=(.*)$", unit, re.M))
    flags = {flag["variable"] for entry in json.loads(run(prefix / "bin/proximadb", "help", "--json"))["commands"]
             for flag in entry["flags"]}
    assert variables.keys() <= flags
    variables["PROXIMADB_DATA"] = str(tmp_path / "none/data")
    done = subprocess.run([prefix / "bin/proximadb", *command.split()], env={**os.environ, **variables},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and str(tmp_path / "none") in done.stderr


def test_install__has_a_service_that_systemd_understands(prefix, tmp_path):
    unit = tmp_path / "proximadb.service"
    text = (prefix / "lib/systemd/system/proximadb.service").read_text()
    unit.write_text(text.replace("ExecStart=proximadb", f"ExecStart={prefix}/bin/proximadb"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    told = [line for line in done.stderr.splitlines() if "proximadb" in line]
    assert done.returncode == 0 and not told, done.stderr
