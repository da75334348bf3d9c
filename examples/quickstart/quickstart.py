"""Real texts in, durable rows on disk, right answers out: a tour of ProximaDB in one program.

It takes the descriptions of some thousand Debian packages, embeds them with all-MiniLM-L6-v2 on the CPU,
inserts them into a server that it starts, answers questions, kills the server with SIGKILL, starts it again
and shows that the answers are the same. What it made is kept below build/quickstart and used again.
"""
import argparse
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import embedding
import numpy as np

import proximadb

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build/quickstart"
LOG = WORK / "server.log"
SERVER = ROOT / "build/release/proximadb"
COLLECTION = "packages"
FEWEST_ROWS = 5_000
OWN_QUESTIONS = [
    "a program to edit photographs",
    "keep my passwords safe",
    "learn to touch-type",
]


def stop(message):
    """Ends the program with a sentence for a person and status 1."""
    sys.exit(f"quickstart: {message}")


def say(message):
    print(message, flush=True)


# ---- texts ---------------------------------------------------------------------------------------


def package_descriptions():
    """(package, section, description) of the packages that apt knows; no package or text twice."""
    try:
        listing = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        stop(f"apt-cache does not give Debian's package list ({error}). Run: apt-get update")
    found, seen = [], set()
    for stanza in listing.decode("utf8", "replace").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Section|Description(?:-en)?): (.*)$", stanza, re.M))
        text = fields.get("Description-en") or fields.get("Description", "")
        package = fields.get("Package", "")
        if len(text) >= 20 and package and not seen & {package, text}:
            seen |= {package, text}
            found.append((package, fields.get("Section", "unknown"), text))
    return found


def choose_texts(row_count):
    """The same texts each time as long as Debian's list is the same."""
    found = package_descriptions()
    if len(found) < row_count:
        stop(f"apt knows only {len(found)} descriptions, {row_count} are needed. Run: apt-get update")
    chosen = np.random.default_rng(7).permutation(len(found))[:row_count]
    return [found[row] for row in chosen]


# ---- the server ----------------------------------------------------------------------------------


class Server:
    """`proximadb serve` as a child process on a port of this machine."""

    def __init__(self, data, port):
        self.data = data
        self.port = port
        self.process = None

    def start(self):
        """Returns when clients may come. If the port is taken, any other is."""
        if not self._start(self.port):
            say(f"      port {self.port} is taken by another program; taking a free one")
            if not self._start(0):
                stop(f"this machine has no free port; {LOG.relative_to(ROOT)} says more")

    def _start(self, port):
        with LOG.open("a") as log:
            self.process = subprocess.Popen(
                [str(SERVER), "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{port}"],
                stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()      # it is there when the server is ready
        if line.startswith("listening on "):
            self.port = int(line.rsplit(":", 1)[1])
            return True
        self.process.wait()
        if "cannot listen" in last_lines(LOG, 1):
            return False
        return stop(f"the server did not start:\n{last_lines(LOG)}")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)


def last_lines(path, count=5):
    return "\n".join(Path(path).read_text(errors="replace").splitlines()[-count:])


# ---- rows and questions --------------------------------------------------------------------------


def fill(client, texts, embedder, key_file):
    """Inserts the texts, unless an earlier run has done that."""
    key = embedding.key_of([" ".join(text) for text in texts])
    known = {info.name: info for info in client.list_collections()}
    if COLLECTION in known and key_file.exists() and key_file.read_text() == key \
            and client.count(COLLECTION) == len(texts):
        say(f"      {len(texts):,} rows are there already")
        return
    vectors = embedder.embed_cached([text for _, _, text in texts], WORK / "vectors.npy",
                                    Progress("embedding"))
    if COLLECTION in known:                        # of other texts, or half of these
        client.delete_collection(COLLECTION)
    client.create_collection(COLLECTION, dimension=embedding.DIMENSION, metric="cosine",
                             filterable={"section": "string"})
    began = time.monotonic()
    client.insert(COLLECTION, vectors, ids=[package for package, _, _ in texts],
                  metadata=[{"section": section} for _, section, _ in texts],
                  documents=[text for _, _, text in texts], progress=Progress("inserting"))
    say(f"      {len(texts):,} rows are on the device, {time.monotonic() - began:.2f} s")
    key_file.write_text(key)


class Progress:
    """Shows how far something is: on one line of a terminal, or a line for each tenth elsewhere."""

    def __init__(self, what):
        self.what = what
        self.shown_tenths = 0

    def __call__(self, done, total):
        tenths = done * 10 // total
        line = f"      {self.what} {done:,} of {total:,}"
        if sys.stdout.isatty():
            print(f"\r{line}", end="\n" if done == total else "", flush=True)
        elif tenths > self.shown_tenths:
            say(line)
        self.shown_tenths = tenths


def answer(client, embedder, question):
    """The five nearest texts."""
    # Exact, so that the answers are the same whether the index is built yet or not.
    return client.search(COLLECTION, embedder.embed([question])[0], k=5, exact=True)


def show(question, hits):
    say(f"\n  {question}")
    for hit in hits:
        say(f"    {hit.score:.3f}  {hit.id:<28.28} {hit.document[:70]}")


def read_question():
    """What is typed; empty at its end."""
    try:
        return input("\n  > ").strip()
    except EOFError:
        return ""


def ask(client, embedder, given):
    """Answers the given questions, or those that are typed, or three of its own. Returns all answers."""
    answers = {}
    if given or not sys.stdin.isatty():
        for question in given or OWN_QUESTIONS:
            answers[question] = answer(client, embedder, question)
            show(question, answers[question])
        return answers
    say("      Type what you look for; an empty line goes on.")
    while question := read_question():
        answers[question] = answer(client, embedder, question)
        show(question, answers[question])
    return answers or ask(client, embedder, OWN_QUESTIONS)


def run(options):
    WORK.mkdir(parents=True, exist_ok=True)
    data = WORK / f"data-{options.rows}"
    server = Server(data, options.port)
    try:
        say(f"1/5  {options.rows:,} descriptions of Debian packages")
        texts = choose_texts(options.rows)
        say("2/5  all-MiniLM-L6-v2 on this CPU")
        embedder = embedding.Embedder(WORK)
        say(f"3/5  the server, with its data in {data.relative_to(ROOT)}")
        server.start()
        say(f"      listening on {server.address}")
        with proximadb.ProximaDBClient(server.address) as client:
            fill(client, texts, embedder, data.with_suffix(".key"))
            say("4/5  questions")
            answers = ask(client, embedder, options.questions)
        say("\n5/5  kill -9, start again, ask again")
        server.kill()
        began = time.monotonic()
        server.start()
        with proximadb.ProximaDBClient(server.address) as client:
            again = {question: answer(client, embedder, question) for question in answers}
            seconds = time.monotonic() - began
            rows = client.count(COLLECTION)
        if again != answers or rows != options.rows:
            stop("the answers differ from those before the kill. That is a bug: please report it.")
        for question, hits in again.items():
            show(question, hits)
        say(f"\n      {rows:,} rows and the same answers as before, {seconds:.2f} s after the kill")
        say(f"\nTo go on: {SERVER.relative_to(ROOT)} serve --data {data.relative_to(ROOT)}")
        return 0
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(prog="./quickstart", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", help="what to look for; otherwise you are asked")
    parser.add_argument("--rows", type=int, default=6_000,
                        help="how many texts, 5,000 or more (default 6,000)")
    parser.add_argument("--port", type=int, default=5678,
                        help="where the server listens (default 5678, or a free one if that is taken)")
    options = parser.parse_args()
    if options.rows < FEWEST_ROWS:
        parser.error(f"--rows must be {FEWEST_ROWS:,} or more")
    if not 0 <= options.port <= 65535:
        parser.error("--port must be 0 to 65535")
    if not SERVER.exists():
        stop(f"{SERVER} is missing; run ./quickstart, which builds it")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # so that the server is stopped, too
    try:
        return run(options)
    except proximadb.ProximaDBError as error:
        return stop(f"the server says: {error}")
    except (KeyboardInterrupt, EOFError):
        return stop("stopped")


if __name__ == "__main__":
    sys.exit(main())
