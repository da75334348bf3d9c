"""sift1m: SIFT descriptors of pictures in Debian's packages, 128 whole numbers 0 to 255, L2.

Pictures come from wallpaper packages and then from stellarium-data (landscapes and art of the sky),
in a fixed order, without near-duplicates, scaled down to 2,048 pixels. Of every ten the tenth gives
queries only, so that no query's own picture is in the base. Descriptors are OpenCV's, exact
duplicates dropped, drawn with a fixed seed. Packages are fetched one by one until there are enough.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from datasets.debian import Archive
from datasets.vector_set import SetKind, Vectors, VectorSet
from datasets.work import SEED, DataSetError, in_order, log

KIND = SetKind("sift1m", "l2", default_rows=1_000_000, most_queries=10_000)
DEFAULT_ROWS = KIND.default_rows
PACKAGES = (
    "sway-backgrounds",
    "lomiri-wallpapers-20.04",
    "lomiri-wallpapers-16.04",
    "ukui-wallpapers",
    "gnome-backgrounds",
    "mate-backgrounds",
    "plasma-workspace-wallpapers",
    "stellarium-data",
)
PICTURE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp"})
SMALLEST_FILE_BYTES = 60_000
SMALLEST_SIDE_PIXELS, LARGEST_SIDE_PIXELS = 300, 2_048
HASH_COLUMNS, HASH_ROWS = 9, 8  # 8 x 8 comparisons of neighbours
NEAR_DUPLICATE_BITS = 6
REDUCTION = 4  # of a picture's sides, when it is read for its hash
DIM_COUNT = 128
DESCRIPTORS_PER_PICTURE = 16_000
DESCRIPTORS_PER_QUERY_PICTURE = 4_000  # so that the queries come from several pictures
PICTURES_PER_GROUP = 10
CONTRAST_THRESHOLD = 0.004  # a tenth of OpenCV's: faint features count, too
SPARE_SHARE = 0.01  # descriptors beyond those needed: some are equal

Descriptors = npt.NDArray[np.uint8]


def make(out: Path, rows: int, workers: int) -> None:
    """Makes the set."""
    cv2.setNumThreads(1)  # the threads are ours, one for each picture
    vector_set = VectorSet(KIND, out, rows)
    if not vector_set.has_vectors():
        collection = Collection(vector_set, Archive(out / "apt"))
        collection.fill(workers)
        base = _draw(collection.base, rows)
        query = _draw(collection.query, vector_set.query_count)
        vector_set.save(base, query, collection.packages)
    vector_set.finish(workers)


class Collection:
    """Descriptors of pictures, group by group, until there are enough for base and queries."""

    def __init__(self, vector_set: VectorSet, archive: Archive) -> None:
        self.base: list[Descriptors] = []
        self.query: list[Descriptors] = []
        self.packages: set[str] = set()
        self._vector_set = vector_set
        self._archive = archive

    def fill(self, workers: int) -> None:
        """DataSetError if all pictures together are too few."""
        pictures = _distinct_pictures(self._archive)
        while not self._is_full():
            group = list(itertools.islice(pictures, PICTURES_PER_GROUP))
            if not group:
                raise DataSetError(
                    f"all pictures give {_count(self.base)} descriptors for the base and "
                    f"{_count(self.query)} for queries, too few for {self._vector_set.name}."
                )
            self.packages |= {self._relative(path).parts[0] for path in group}
            self._add(list(in_order(self._describe, group, workers)))
            log(f"{_count(self.base)} descriptors, {_count(self.query)} for queries")

    def _is_full(self) -> bool:
        share = 1 + SPARE_SHARE
        return (
            _count(self.base) >= self._vector_set.rows * share
            and _count(self.query) >= self._vector_set.query_count * share
        )

    def _add(self, found: list[Descriptors]) -> None:
        last = PICTURES_PER_GROUP - 1
        self.base += found[:last]
        self.query += [block[:DESCRIPTORS_PER_QUERY_PICTURE] for block in found[last:]]

    def _relative(self, path: Path) -> Path:
        return path.relative_to(self._archive.unpacked)

    def _describe(self, path: Path) -> Descriptors:
        key = f"sift {self._relative(path)}".encode()
        return self._vector_set.blocks.get(key, lambda: [_descriptors(path)])[0]


def _count(blocks: list[Descriptors]) -> int:
    return sum(len(block) for block in blocks)


def _distinct_pictures(archive: Archive) -> Iterator[Path]:
    """The pictures in a fixed order; packages are fetched on the way."""
    seen = np.zeros((0, HASH_ROWS * (HASH_COLUMNS - 1)), np.bool_)
    for package in PACKAGES:
        for path in _picture_files(archive.package(package)):
            bits = _difference_hash(path)
            if (
                bits is not None
                and not (np.count_nonzero(seen != bits, axis=1) <= NEAR_DUPLICATE_BITS).any()
            ):
                seen = np.vstack([seen, bits])
                yield path


def _picture_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        is_picture = path.suffix.lower() in PICTURE_ENDINGS and not path.is_symlink()
        if is_picture and path.is_file() and path.stat().st_size > SMALLEST_FILE_BYTES:
            yield path


def _difference_hash(path: Path) -> npt.NDArray[np.bool_] | None:
    """Of each point of a coarse grid: is it brighter than the one on its left? None: too small."""
    gray = cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_4)
    if gray is None or min(gray.shape) < SMALLEST_SIDE_PIXELS // REDUCTION:
        return None
    grid = cv2.resize(gray, (HASH_COLUMNS, HASH_ROWS), interpolation=cv2.INTER_AREA)
    brighter: npt.NDArray[np.bool_] = (grid[:, 1:] > grid[:, :-1]).ravel()
    return brighter


def _descriptors(path: Path) -> Descriptors:
    """uint8 [n, 128]; none if the picture is too small."""
    none = np.zeros((0, DIM_COUNT), np.uint8)
    gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if gray is None or min(gray.shape) < SMALLEST_SIDE_PIXELS:
        return none
    scale = LARGEST_SIDE_PIXELS / max(gray.shape)
    if scale < 1:
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    sift = cv2.SIFT_create(nfeatures=DESCRIPTORS_PER_PICTURE, contrastThreshold=CONTRAST_THRESHOLD)
    _, found = sift.detectAndCompute(gray, None)
    return none if found is None else found.astype(np.uint8)


def _draw(blocks: list[Descriptors], count: int) -> Vectors:
    """float32 [count, 128]: distinct descriptors in random but fixed order."""
    distinct = np.unique(np.concatenate(blocks), axis=0)
    if len(distinct) < count:
        raise DataSetError(
            f"only {len(distinct)} descriptors are distinct, {count} are needed. Raise SPARE_SHARE "
            "in sift1m.py."
        )
    order = np.random.default_rng(SEED).permutation(len(distinct))[:count]
    return distinct[order].astype(np.float32)
