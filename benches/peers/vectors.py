"""Nearest neighbors by hnswlib, faiss and usearch: a line of JSON in, a line of JSON out. See vectors/ of the bench.

Times are seconds of processor time on one thread; `found` are the neighbors of every query, so that the bench checks them.
"""

import importlib
import json
import os
import sys
import time

built = {}


def versions(_):
    found = {}
    for name in ("numpy", "hnswlib", "faiss", "usearch"):
        try:
            importlib.import_module(name)
            package = {"faiss": "faiss-cpu"}.get(name, name)
            found[name] = importlib.import_module("importlib.metadata").version(package)
        except ImportError as error:
            found[name] = f"not installed: {error}"
    return found


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def index_of(library, dimension, count, links_max, build_beam):
    """How to fill, and how to search: (add(base), search(queries, limit, beam) -> labels)."""
    import numpy

    if library == "hnswlib":
        import hnswlib

        index = hnswlib.Index(space="ip", dim=dimension)
        index.init_index(max_elements=count, M=links_max, ef_construction=build_beam, random_seed=7)
        index.set_num_threads(1)

        def search(queries, limit, beam):
            index.set_ef(beam)
            return index.knn_query(queries, k=limit)[0]

        return index.add_items, search
    if library == "faiss":
        import faiss

        faiss.omp_set_num_threads(1)
        index = faiss.IndexHNSWFlat(dimension, links_max, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = build_beam

        def search(queries, limit, beam):
            index.hnsw.efSearch = beam
            return index.search(queries, limit)[1]

        return index.add, search
    if library == "usearch":
        from usearch.index import Index

        index = Index(ndim=dimension, metric="ip", dtype="f32", connectivity=links_max, expansion_add=build_beam)

        def search(queries, limit, beam):
            index.expansion_search = beam
            return index.search(queries, limit, threads=1).keys

        return lambda base: index.add(numpy.arange(len(base)), base, threads=1), search
    raise ValueError(library)


def build(request):
    import numpy

    def rows(name):
        numbers = numpy.fromfile(os.path.join(request["folder"], name), dtype=numpy.float32)
        return numbers.reshape(-1, request["dimension"])

    base, queries = rows("base.f32"), rows("queries.f32")
    built.clear()  # one index at a time
    before = resident_bytes()
    start = time.process_time()
    parameters = (request["dimension"], len(base), request["links_max"], request["build_beam"])
    add, search = index_of(request["library"], *parameters)
    add(base)
    seconds = time.process_time() - start
    built[request["library"]] = (search, queries, resident_bytes() - before)
    return {"seconds": seconds}


def search(request):
    find, queries, _ = built[request["library"]]
    start = time.process_time()
    found = find(queries, request["limit"], request["beam"])
    seconds = time.process_time() - start
    return {"seconds": seconds, "found": [[int(node) for node in row if node >= 0] for row in found]}


def bytes_used(request):
    return {"bytes": built[request["library"]][2]}


ANSWERS = {"versions": versions, "build": build, "search": search, "bytes": bytes_used}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = ANSWERS[request["ask"]](request)
    except Exception as error:  # the peer's, to be shown in its row
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
