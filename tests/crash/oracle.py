"""The history oracle: what a collection may hold after a crash, given what was sent to it and what was acknowledged.

Every write is one batch of the engine: rows that take values, or rows that are deleted. Versions put writes in order:
the n rows of a batch have consecutive ones, from `first_version` on. Of an acknowledged write the first version is
known. A write whose answer never came is *lost*: it happened as a whole or not at all, at a version nobody told, but
above every version that was known when it was sent. Every value is written by one write only, so a value that is
found tells which lost write happened, and where.

`History.look` judges what a scan found, and takes it as the truth from then on: a lost write that was not there must
never come, one that was there must stay. `History.judge_repeat` judges the answer to a write that was sent again.
"""
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional


class Violation(AssertionError):
    """A promise was broken."""


class Value(NamedTuple):
    """What a row holds. `vector` and `tag` are numbers from which the vector and the rest follow."""
    owner: int
    bucket: int
    vector: int
    tag: int


class Found(NamedTuple):
    """A row as it was read."""
    value: Value
    version: int


class Event(NamedTuple):
    """What a write did to one row: `value` None is a deletion."""
    version: int
    value: Optional[Value]


HAPPENED, NEVER, UNKNOWN = "happened", "never", "unknown"


@dataclass(eq=False)
class Write:
    """A batch. `effects` are in the batch's order, unless it is a deletion by filter."""
    effects: dict                               # id -> Value, or None for a deletion
    after: int = 0                              # versions up to this one were known when it was sent
    request: Any = None                         # to send it again
    first_version: Optional[int] = None         # once it is known
    verdict: str = UNKNOWN                      # of a lost one, after a look
    floor: int = 0                              # the collection's last version at that look

    @property
    def is_delete(self):
        return None in self.effects.values()

    @property
    def last_version(self):
        return self.first_version + len(self.effects) - 1


@dataclass
class History:
    """Of one collection. Externally serialised."""
    name: str
    settled: dict = field(default_factory=dict)     # id -> Found, at the last look
    floor: int = 0                                  # the last version at the last look
    top: int = 0                                    # the highest version known
    acknowledged: list = field(default_factory=list)    # writes since the last look
    lost: list = field(default_factory=list)            # likewise
    pending: list = field(default_factory=list)         # writes lost before the last look

    # ---- what was sent -----------------------------------------------------------------------------------------------

    def begin(self, effects):
        """A write that is about to be sent."""
        return Write(effects, self.top)

    def acknowledge(self, write, first_version):
        """It was answered. A deletion by filter that found nothing has no version."""
        if not write.effects:
            return
        if first_version <= write.after:
            raise Violation(f"{self.name}: a write got version {first_version}, when {write.after} was known before")
        write.first_version = first_version
        self.top = max(self.top, write.last_version)
        self.acknowledged.append(write)

    def lose(self, write):
        """Its answer did not come."""
        if write.effects:
            self.lost.append(write)

    # ---- what was found ----------------------------------------------------------------------------------------------

    def look(self, found, last_version):
        """Judges what a scan found (id -> Found). Raises Violation."""
        if last_version < self.top:
            raise Violation(f"{self.name}: the last version is {last_version}, and {self.top} was acknowledged")
        for write in self.lost:
            self._place(write, found, last_version)
        self._check_disjoint()
        seen_deletes = self._check_rows(found)
        for write in self.lost:
            self._decide(write, found, seen_deletes)
            write.floor = last_version
        self.settled, self.floor, self.top = dict(found), last_version, last_version
        self.pending, self.acknowledged, self.lost = self.lost, [], []

    def _place(self, write, found, last_version):
        """Learns a lost write's first version from the rows that show it."""
        for index, (name, value) in enumerate(write.effects.items()):
            if value is None or name not in found or found[name].value != value:
                continue
            first = found[name].version - index
            if write.first_version not in (None, first):
                raise Violation(f"{self.name}: rows of one lost write have versions that do not belong together: "
                                f"{found[name]} of '{name}' begins at {first}, others at {write.first_version}")
            write.first_version = first
        if write.first_version is not None and not (write.after < write.first_version
                                                    and write.last_version <= last_version):
            raise Violation(f"{self.name}: a lost write has versions {write.first_version} to {write.last_version}, "
                            f"not between {write.after} and {last_version}")

    def _check_disjoint(self):
        placed = [write for write in self.acknowledged + self.lost if write.first_version is not None]
        placed.sort(key=lambda write: write.first_version)
        for left, right in zip(placed, placed[1:]):
            if left.last_version >= right.first_version:
                raise Violation(f"{self.name}: two writes have version {right.first_version}")

    def _events(self):
        """id -> the last thing that is known to have happened to it."""
        events = {name: Event(row.version, row.value) for name, row in self.settled.items()}
        for write in self.acknowledged + self.lost:
            if write.first_version is None:
                continue
            for index, (name, value) in enumerate(write.effects.items()):
                version = write.first_version + index
                if name not in events or events[name].version < version:
                    events[name] = Event(version, value)
        return events

    def rows(self):
        """id -> Value of what must be there now, when no write is under way."""
        return {name: event.value for name, event in self._events().items() if event.value is not None}

    def _check_rows(self, found):
        """Every row is what the last known write made of it, or was deleted by a lost one; returns for each lost
        deletion that must have happened the bounds of its first version."""
        events = self._events()
        deletes = {}                # id -> lost deletions of it
        for write in self.lost:
            if write.is_delete:
                for name in write.effects:
                    deletes.setdefault(name, []).append(write)
        bounds = {}
        for name in {*events, *found}:
            expected = events.get(name, Event(0, None))
            row = found.get(name)
            if row == (expected.value, expected.version) or row is expected.value:
                continue            # the latter: both None
            causes = deletes.get(name, [])
            if row is not None or not causes:
                raise Violation(f"{self.name}: '{name}' is {row}, and should be {expected}")
            if len(causes) == 1:
                cause = causes[0]
                size = len(cause.effects)
                least = max(expected.version - size + 1, cause.after) + 1
                bounds[cause] = max(bounds.get(cause, 0), least)
        for write, least in bounds.items():
            self._check_delete(write, least, found)
        return bounds

    def _check_delete(self, write, least, found):
        """It happened, at `least` or later: what it named and is still there was written behind it."""
        for name in write.effects:
            if name in found and found[name].version <= least:
                raise Violation(f"{self.name}: a lost deletion is half visible: '{name}' of version "
                                f"{found[name].version} is there, another row of it, not written since, is not")

    def _decide(self, write, found, seen_deletes):
        """Whether a lost write happened, as far as its rows tell."""
        if write.first_version is not None or write in seen_deletes:
            write.verdict = HAPPENED
            return
        touched = {name for other in self.acknowledged + self.lost
                   if other is not write and (other.first_version is None or other.last_version > write.after)
                   for name in other.effects}
        for name, value in write.effects.items():
            shows_nothing = value is None and name not in found
            if name not in touched and not shows_nothing:
                write.verdict = NEVER       # nobody else can have hidden what it would have done
                return
        write.verdict = UNKNOWN

    # ---- what was sent again -----------------------------------------------------------------------------------------

    def judge_repeat(self, write, result):
        """Judges the answer to a lost write that was sent again after a look (row_count, first_version, repeated), and
        counts it as acknowledged if it happened only now."""
        if not write.effects:
            return
        if result.repeated:
            if write.verdict == NEVER:
                raise Violation(f"{self.name}: a write that did not happen is called a repeat: {result}")
            if write.first_version not in (None, result.first_version) or result.first_version > write.floor:
                raise Violation(f"{self.name}: a repeat is said to have had version {result.first_version}, it was "
                                f"{write.first_version}, at most {write.floor}")
            write.verdict = HAPPENED
            return
        if write.verdict == HAPPENED:
            raise Violation(f"{self.name}: a write that had happened was carried out again: {result}")
        write.after = self.top
        self.acknowledge(write, result.first_version)
