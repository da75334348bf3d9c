"""Goal: our k-means serves a search as well as faiss's, in about its time, with lists of similar size.
Method: both cluster the same vectors into as many lists. For each query, the tenth of the lists that are nearest is
taken, and the share of its true 10 nearest neighbours that lie in them. Ours must be at least 0.95 of faiss's.
Times are printed, and are a condition only where PX_KMEANS_TIME is set.

    cmake --build BUILD --target kmeans_tool && PX_BUILD=BUILD pytest -s tests/interop/test_kmeans_faiss.py

The vectors are 20,000 real embeddings (embeddings.py), and as many in overlapping clusters of very different sizes.

PX_KMEANS_DATA   other ones instead, a prefix: PREFIX.base.npy, PREFIX.query.npy (float32, unit vectors) and
                 PREFIX.gt.npy (neighbours)
PX_KMEANS_LISTS  their numbers; default "50 200"
PX_KMEANS_TIME   the most that train and assign may take, as a multiple of faiss's time on one thread
"""
import os
import subprocess
import time
from pathlib import Path

import embeddings
import numpy
import pytest

faiss = pytest.importorskip("faiss")
ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("PX_BUILD", ROOT / "build/dev")).absolute() / "tests/kmeans_tool"
LISTS = [int(word) for word in os.environ.get("PX_KMEANS_LISTS", "50 200").split()]
NEIGHBOURS = 10
SEED = 7


def unit(rows):
    return (rows / numpy.linalg.norm(rows, axis=1, keepdims=True)).astype(numpy.float32)


def make_clusters(prefix):
    """Clusters whose sizes fall like 1/rank, so that lists of plain k-means differ much in size."""
    random = numpy.random.default_rng(SEED)
    count, queries, dims, clusters = 20000, 500, 64, 300
    weights = 1 / numpy.arange(1, clusters + 1)
    centres = random.normal(size=(clusters, dims))
    chosen = random.choice(clusters, count + queries, p=weights / weights.sum())
    rows = unit(centres[chosen] + 0.7 * random.normal(size=(count + queries, dims)))
    base, query = rows[queries:], rows[:queries]
    numpy.save(f"{prefix}.base.npy", base)
    numpy.save(f"{prefix}.query.npy", query)
    numpy.save(f"{prefix}.gt.npy", numpy.argsort(-(query @ base.T), axis=1)[:, :100].astype(numpy.int32))


@pytest.fixture(scope="session", params=["given"] if "PX_KMEANS_DATA" in os.environ else ["embeddings", "clusters"])
def prefix(request, tmp_path_factory):
    if not TOOL.exists():
        pytest.skip(f"{TOOL} is not built")
    if request.param == "given":
        return os.environ["PX_KMEANS_DATA"]
    if request.param == "embeddings":
        return embeddings.prefix()
    made = str(tmp_path_factory.mktemp("kmeans") / "clusters")
    make_clusters(made)
    return made


def measure(name, centroids, lists, query, truth, seconds):
    """The share of true neighbours in the nearest tenth of the lists; prints what else there is to know."""
    probed = max(1, len(centroids) // 10)
    nearest = numpy.argsort(-(query @ centroids.T), axis=1, kind="stable")[:, :probed]
    sizes = numpy.bincount(lists, minlength=len(centroids))
    share = numpy.mean([numpy.isin(lists[truth[q]], nearest[q]).mean() for q in range(len(query))])
    scanned = sizes[nearest].sum(axis=1).mean() / len(lists)
    print(f"{name:9} neighbours in {probed} of {len(centroids)} lists {share:.4f}, rows scanned {scanned:.4f}, "
          f"largest list {sizes.max() / sizes.mean():.2f} x mean, {seconds:.2f} s")
    return share, sizes


def run_faiss(base, count):
    faiss.omp_set_num_threads(1)
    begin = time.perf_counter()
    # The iterations that faiss gives an IVF index.
    means = faiss.Kmeans(base.shape[1], count, niter=10, spherical=True, seed=SEED)
    means.train(base)
    lists = means.index.search(base, 1)[1][:, 0]
    return means.centroids, lists, time.perf_counter() - begin


def run_ours(prefix, count, output):
    printed = subprocess.run([TOOL, f"{prefix}.base.npy", str(count), "cosine", str(SEED), output],
                             check=True, capture_output=True, text=True).stdout.split()
    assert printed[0::2] == ["train", "assign"]
    return (numpy.load(f"{output}.centroids.npy"), numpy.load(f"{output}.lists.npy").astype(numpy.int64),
            sum(float(word) for word in printed[1::2]))


@pytest.mark.parametrize("count", LISTS)
def test_kmeans__serves_searches_as_well_as_faiss(prefix, count, tmp_path):
    base, query = numpy.load(f"{prefix}.base.npy"), numpy.load(f"{prefix}.query.npy")[:1000]
    truth = numpy.load(f"{prefix}.gt.npy")[:len(query), :NEIGHBOURS]
    theirs = run_faiss(base, count)
    ours = run_ours(prefix, count, tmp_path / "ours")
    print()
    their_share, their_sizes = measure("faiss", *theirs[:2], query, truth, theirs[2])
    our_share, our_sizes = measure("proximadb", *ours[:2], query, truth, ours[2])
    assert our_share >= 0.95 * their_share
    assert our_sizes.max() <= max(their_sizes.max(), 2.5 * our_sizes.mean())
    if "PX_KMEANS_TIME" in os.environ:
        assert ours[2] <= float(os.environ["PX_KMEANS_TIME"]) * theirs[2]


def test_kmeans__assigns_rows_as_faiss_does(prefix, tmp_path):
    """To the same centroid, or to one that is as near."""
    base = numpy.load(f"{prefix}.base.npy")
    centroids, lists, _ = run_ours(prefix, LISTS[0], tmp_path / "ours")
    index = faiss.IndexFlatIP(base.shape[1])
    index.add(centroids)
    products, found = index.search(base, 1)
    assert numpy.allclose(numpy.linalg.norm(centroids, axis=1), 1, atol=1e-5)
    assert numpy.allclose((base * centroids[lists]).sum(axis=1), products[:, 0], atol=1e-5)
    assert (lists == found[:, 0]).mean() > 0.999
