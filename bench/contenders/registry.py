"""All contenders by name. An adapter's library is imported only when it is asked for."""

from __future__ import annotations

import importlib

from contenders.contender import Contender

PEERS = {
    "symphonyqg": "symphonyqg.SymphonyQg",
    "svs-lvq4x8": "svs_vamana.SvsVamana",
    "hnswlib": "hnswlib_hnsw.HnswlibHnsw",
    "faiss-ivfpqfs": "faiss_indexes.FaissIvf",
    "faiss-hnsw": "faiss_indexes.FaissHnsw",
    "usearch": "usearch_hnsw.UsearchHnsw",
    "zvec": "zvec_hnsw.ZvecHnsw",
    "qdrant-edge": "qdrant_edge_hnsw.QdrantEdgeHnsw",
    "symphonyqg-random": "symphonyqg.SymphonyQgRandom",
}
OURS = {
    "proximadb": "proximadb_graph.ProximaDbGraph",
    "proximadb-fast": "proximadb_graph.ProximaDbFast",
    "proximadb-ivf": "proximadb_ivf.ProximaDbIvf",
}
CONTENDERS = {**OURS, **PEERS}


def contender_class(name: str) -> type[Contender]:
    """By its name. KeyError if there is none, ImportError if its library is not installed."""
    module, _, class_name = CONTENDERS[name].partition(".")
    found: type[Contender] = getattr(importlib.import_module(f"contenders.{module}"), class_name)
    return found
