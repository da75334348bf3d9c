"""What an adapter of bench/ann is: an index of one library over one set of vectors.

A contender is built from a matrix into a folder and opened from that folder in another process, so
that no build has to be repeated. A search is one call with one query; what has to be made ready
for it, and what its answer is in row numbers, is outside of the time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
RowNumbers = npt.NDArray[np.int64]

K = 10  # rows that a search wants, everywhere


@dataclass(frozen=True)
class Shape:
    """What is known of a set before it is indexed."""

    rows: int
    dims: int
    metric: str  # "cosine" with rows of length 1, or "l2"


class Contender(ABC):
    """An index. Its class says what it is called and what makes it slower and better."""

    name: ClassVar[str]
    distribution: ClassVar[str]  # the package whose version stands in the report; "" is ours
    efforts: ClassVar[Sequence[Any]]  # of a search, from fast to thorough
    build_settings: ClassVar[dict[str, Any]] = {}  # what an index depends on
    saves_itself: ClassVar[bool] = False  # build() has written the index to the folder

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    @abstractmethod
    def build(self, base: Vectors, folder: Path, threads: int) -> None:
        """Indexes all rows; `folder` is empty and its own. This is timed."""

    def save(self, folder: Path) -> None:
        """Writes the index; not timed."""
        del folder

    @abstractmethod
    def open(self, folder: Path) -> None:
        """Makes a saved index ready to search, with one thread."""

    @abstractmethod
    def set_effort(self, effort: Any) -> None:
        """One of `efforts`, for the searches that follow."""

    def prepare(self, query: Vectors) -> Any:
        """What search() takes for a query [dims]; not timed."""
        return np.ascontiguousarray(query[None, :])

    @abstractmethod
    def search(self, query: Any) -> Any:
        """The nearest K rows of one query, as the library gives them. This is timed."""

    @abstractmethod
    def numbers(self, found: Any) -> RowNumbers:
        """Row numbers of what search() gave; not timed."""

    @abstractmethod
    def empty_call(self) -> Any:
        """The least that the library's binding can be asked, such as its row count."""

    def search_all(self, queries: Vectors) -> RowNumbers | None:
        """All queries in one call, as [queries, K]; None if the library has no such call."""
        del queries
        return None


def flat_numbers(found: Any) -> RowNumbers:
    """Row numbers of an array, whatever its shape and type."""
    return np.asarray(found).reshape(-1).astype(np.int64)
