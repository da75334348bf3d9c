#!/usr/bin/env python3
"""check: holds the rules of docs/STYLE.md that a machine can hold, of sources and of documents.

    tools/check.py [ROOT]

Prints one line per breach, `path:line: rule: what`, and ends with status 1 if there is any. A breach
that must stand for a while is listed in tools/check-known.txt as `path rule`; an entry that no longer
matches a breach is itself a breach, so that list only ever shrinks.
"""
import re
import sys
from pathlib import Path

LINE_LIMIT = {".c": 800, ".h": 300}
FUNCTION_LINE_LIMIT = 70
COLUMN_LIMIT = 100
NESTING_LIMIT = 5           # the function's own level and four more
PARAMETER_LIMIT = 6         # reterr, which every fallible function ends with, is not counted

BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atof|alloca|system|rand|setjmp|longjmp)\s*\(")
# The engine's files are reached through struct px_fs alone; src/os is where that table is filled in.
FILE_CALLS = re.compile(r"(?<![\w>.])(open|openat|creat|fopen|rename|unlink|mkdir|rmdir|fsync|fdatasync|ftruncate|pwritev?|preadv?|mmap|munmap|opendir|stat|lstat|fstat|truncate)\s*\(")
FILE_CALL_FOLDERS = {"os", "cli", "server"}
INCLUDE = re.compile(r'#\s*include\s+["<]([^">]+)[">]')

# Documents: links, and paths in `code`. A path with a placeholder (FOLDER, {name}, x.c) names no file.
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED_PATH = re.compile(r"`((?:bench|cmake|docs|examples|include|proto|schemas|sdk|src|tests|tools)/[\w./*{},-]*)[^`]*`")
PLACEHOLDER = re.compile(r"FOLDER|MODULE|NAME|\{\w+\}|(?:^|[/_])x\.|…")
MUTEX = re.compile(r"^\s*(?:static\s+)?pthread_(?:mutex|rwlock)_t\s+(\w+)", re.M)
SUITE = re.compile(r'^    Suite\("(?!build)([\w-]+)"', re.M)


def headings(path):
    """The anchors of a document's headings, as GitHub and GitLab make them."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def expand_braces(name):
    """a{b,c}d as abd, acd."""
    found = re.search(r"\{([^{}]*)\}", name)
    if not found:
        return [name]
    return [one for choice in found[1].split(",")
            for one in expand_braces(name[:found.start()] + choice + name[found.end():])]


class Rules:
    """What tools/layers.txt says."""

    def __init__(self, root):
        self.allowed = {}           # folder -> folders it may include, itself among them
        self.external = {}          # header -> folders that may include it
        for raw in (root / "tools/layers.txt").read_text().splitlines():
            line = raw.split("#")[0].strip()
            if not line:
                continue
            left, right = (part.split() for part in line.split(":"))
            if left[0] == "extern":
                self.external.update(dict.fromkeys(left[1:], right))
                continue
            for name in right:
                if name not in self.allowed:
                    sys.exit(f"tools/layers.txt: {left[0]} names {name}, which does not stand above it")
            self.allowed[left[0]] = {*right, left[0]}


class Check:
    def __init__(self, root):
        self.root = root
        self.rules = Rules(root)
        self.breaches = []          # (key, printed line)
        self.seen_names = {}

    def report(self, path, line, rule, text):
        name = path.relative_to(self.root)
        self.breaches.append((f"{name} {rule}", f"{name}:{line}: {rule}: {text}"))

    def source_file(self, path):
        lines = path.read_text().splitlines()
        folder = path.relative_to(self.root / "src").parts[0]
        if folder not in self.rules.allowed:
            self.report(path, 1, "layer", f"src/{folder} is not in tools/layers.txt")
            return
        self.includes(path, folder, lines)
        self.text(path, lines)
        self.functions(path, lines)
        self.calls(path, folder, lines)
        self.companions(path, folder, lines)

    def includes(self, path, folder, lines):
        own = path.with_suffix(".h")
        includes = [(number, found[1], "<" in line) for number, line in enumerate(lines, 1)
                    if (found := INCLUDE.match(line))]
        if path.suffix == ".c" and own.exists() and includes:
            own_name = own.relative_to(self.root / "src").as_posix()
            if includes[0][1] != own_name:
                self.report(path, includes[0][0], "own-header-first", includes[0][1])
        for number, target, is_external in includes:
            other = target.split("/")[0]
            if is_external:
                if folder not in self.rules.external.get(target, [folder]):
                    owners = " ".join(self.rules.external[target])
                    self.report(path, number, "extern-header", f"{target} belongs to {owners}")
            elif "/" not in target:
                self.report(path, number, "include-from-src", f'"{target}" needs its folder')
            elif other not in self.rules.allowed[folder]:
                self.report(path, number, "layer", f"{folder} may not include {target}")
            elif target.endswith("_internal.h") and other != folder:
                self.report(path, number, "internal-header", target)

    def text(self, path, lines):
        if len(lines) > LINE_LIMIT.get(path.suffix, 10**6):
            self.report(path, len(lines), "file-length", f"{len(lines)} lines")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMN_LIMIT:
                self.report(path, number, "columns", str(len(line)))
            if "\t" in line or line.rstrip() != line:
                self.report(path, number, "whitespace", "tab or trailing space")
            if re.search(r"(?<!:)//(?! *clang)", re.sub(r'"[^"]*"', '""', line)) and "/*" not in line:
                if not line.lstrip().startswith("*"):
                    self.report(path, number, "comment-style", "/* */ comments only")
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                self.report(path, number, "todo", "an open end belongs into an issue")

    def functions(self, path, lines):
        """Length, nesting and parameters of functions, whose braces stand in the first column."""
        opened = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                opened = number
                self.parameters(path, number, lines)
            elif line == "}" and opened:
                length = number - opened - 1
                if length > FUNCTION_LINE_LIMIT:
                    self.report(path, opened, "function-length", f"{length} lines")
                opened = None
            elif opened and line.rstrip().endswith("{"):
                depth = (len(line) - len(line.lstrip())) // 4 + 1
                if depth > NESTING_LIMIT:
                    self.report(path, number, "nesting", f"{depth - 1} levels")

    def parameters(self, path, number, lines):
        first = number - 2
        while first > 0 and not re.match(r"[A-Za-z_]", lines[first]):
            first -= 1
        head = " ".join(lines[first:number - 1])
        found = re.search(r"\((.*)\)", head)
        if not found:
            return
        if "nghttp2_session *session" in found[1]:
            return              # a callback, whose parameters nghttp2 prescribes
        count = re.sub(r"\([^()]*\)", "", found[1]).count(",") + 1
        if "reterr" in found[1]:
            count -= 1
        if count > PARAMETER_LIMIT:
            self.report(path, number, "parameters", f"{count}; use an options struct")

    def calls(self, path, folder, lines):
        for number, line in enumerate(lines, 1):
            code = re.sub(r'"(\\.|[^"\\])*"', '""', re.sub(r"/\*.*?\*/", "", line))
            if code.lstrip().startswith(("*", "/*")):
                continue
            if found := BANNED.search(code):
                self.report(path, number, "banned-function", found[1])
            if folder not in FILE_CALL_FOLDERS and (found := FILE_CALLS.search(code)):
                self.report(path, number, "file-call", f"{found[1]} belongs behind struct px_fs")

    def companions(self, path, folder, lines):
        other = self.seen_names.setdefault(path.name, path)
        if other != path:
            self.report(path, 1, "unique-file-name", f"also {other.relative_to(self.root)}")
        if path.suffix == ".h":
            if not lines or not lines[0].startswith("/*"):
                self.report(path, 1, "header-essay", "a header opens with what it is for")
        elif folder != "cli" and path.with_suffix(".h").exists():
            tests = [f"tests/{label}/test_{path.stem}.c" for label in ("unit", "simd", "fault")]
            if not any((self.root / test).exists() for test in tests):
                self.report(path, 1, "unit-test", f"{tests[0]} is missing")

    def folders(self):
        for folder in sorted((self.root / "src").iterdir()):
            readme = folder / "README.md"
            modules = {path.stem.removesuffix("_internal") for path in folder.glob("*.[ch]")}
            if modules and not readme.exists():
                self.report(readme, 1, "folder-readme", "purpose, reading order, locks")
                continue
            text = readme.read_text() if modules else "locks"
            for name in sorted(modules):
                if not re.search(rf"`{name}(_internal)?[.`]", text):
                    self.report(readme, 1, "folder-readme", f"{name} has no place in the reading order")
            if not re.search("locks?\\b", text, re.I):
                self.report(readme, 1, "folder-readme", "not a word about locks")

    def documents(self):
        for path in sorted(self.root.rglob("*.md")):
            if path.relative_to(self.root).parts[0] == "build":
                continue
            in_block = False
            for number, line in enumerate(path.read_text().splitlines(), 1):
                in_block ^= line.startswith("```")
                if not in_block:
                    self.links(path, number, line)
                    self.named_paths(path, number, line)

    def links(self, path, number, line):
        for target in LINK.findall(line):
            if re.match(r"\w+:", target):
                continue
            name, _, anchor = target.partition("#")
            other = (path.parent / name).resolve() if name else path
            if not other.exists():
                self.report(path, number, "link", f"{target} leads nowhere")
            elif anchor and anchor not in headings(other):
                self.report(path, number, "link", f"{name or 'this file'} has no heading for #{anchor}")

    def named_paths(self, path, number, line):
        for name in NAMED_PATH.findall(line):
            name = name.rstrip(".,-")
            if PLACEHOLDER.search(name):
                continue
            for one in expand_braces(name):     # below the root, or below the document's own folder
                if not any(any(folder.glob(one.rstrip("/"))) for folder in (self.root, path.parent)):
                    self.report(path, number, "named-path", f"{one} is not there")

    def described(self):
        """What has to be told of in a document: every lock, every schema, every test suite."""
        locks = self.root / "docs/LOCKS.md"
        for path in sorted((self.root / "src").rglob("*.[ch]")):
            file = path.relative_to(self.root / "src").as_posix()
            for name in MUTEX.findall(path.read_text()):
                if not re.search(rf"\b{name}`.*`{file}`", locks.read_text()):
                    self.report(locks, 1, "lock", f"{name} of {file} has no row")
        schemas = self.root / "docs/format/avro.md"
        for path in sorted((self.root / "schemas").glob("*.avsc")):
            name = path.stem.split(".")[-1]
            if not re.search(rf"^### {name}$|^`{name}` is the schema of", schemas.read_text(), re.M):
                self.report(schemas, 1, "schema", f"{path.name} is not described")
        testing = self.root / "docs/TESTING.md"
        for name in SUITE.findall((self.root / "tools/run_suites.py").read_text()):
            if f"`{name}`" not in testing.read_text():
                self.report(testing, 1, "suite", f"{name} is not told of")

    def run(self):
        for path in sorted((self.root / "src").rglob("*.[ch]")):
            self.source_file(path)
        self.folders()
        self.documents()
        self.described()
        known_file = self.root / "tools/check-known.txt"
        known = set(known_file.read_text().splitlines()) if known_file.exists() else set()
        keys = {key for key, _ in self.breaches}
        printed = [line for key, line in self.breaches if key not in known]
        printed += [f"tools/check-known.txt: '{key}' is no longer needed" for key in sorted(known - keys)]
        print("\n".join(printed) if printed else "tools/check.py: nothing found")
        return 1 if printed else 0


if __name__ == "__main__":
    sys.exit(Check(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()).run())
