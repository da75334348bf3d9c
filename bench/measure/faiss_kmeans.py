"""faiss's k-means as a program that is run by the peers' Python, with nothing else in the process.

    faiss_kmeans.py VECTORS.npy LIST_COUNT SEED OUTPUT THREADS

Writes and prints what bench_cluster does: OUTPUT.centroids.npy, OUTPUT.lists.npy, "train SECONDS",
"assign SECONDS". The sample is faiss's default, 256 rows for each list.
"""

from __future__ import annotations

import sys
import time

import faiss
import numpy as np

ITERATIONS = 10


def _main(vectors: str, list_count: str, seed: str, output: str, threads: str) -> None:
    base = np.load(vectors)
    faiss.omp_set_num_threads(int(threads))
    began = time.perf_counter()
    means = faiss.Kmeans(
        base.shape[1], int(list_count), niter=ITERATIONS, spherical=True, seed=int(seed)
    )
    means.train(base)
    trained = time.perf_counter()
    lists = means.index.search(base, 1)[1][:, 0]
    ended = time.perf_counter()
    np.save(f"{output}.centroids.npy", means.centroids)
    np.save(f"{output}.lists.npy", lists.astype(np.uint32))
    print(f"train {trained - began:.3f}\nassign {ended - trained:.3f}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
