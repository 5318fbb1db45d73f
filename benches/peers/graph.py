"""Shared trends and personalized PageRank by scipy, implicit, scikit-network and Neo4j: a line of JSON in, a line of JSON out.

See graph/ of the bench. Times are seconds of processor time on one thread.
"""

import importlib.metadata
import json
import os
import sys
import time

import numpy

graph = {}


def versions(_):
    found = {}
    for package in ("scipy", "implicit", "scikit-network", "neo4j"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError as error:
            found[package] = f"not installed: {error}"
    return found


def load(request):
    """Members by trends and its transpose, and all nodes by all nodes."""
    import scipy.sparse

    def numbers(name, of):
        return numpy.fromfile(os.path.join(request["folder"], name), dtype=of)

    members, trends, each, places = (request[name] for name in ("members", "trends", "each", "places"))
    ranks, sides = numbers("affinities.u32", numpy.uint32).astype(numpy.int32), numbers("sides.u32", numpy.uint32)
    starts = numpy.arange(members + 1, dtype=numpy.int32) * each
    ones = numpy.ones(len(ranks), dtype=numpy.float32)
    graph["trends_of"] = scipy.sparse.csr_matrix((ones, ranks, starts), shape=(members, trends))
    graph["members_of"] = graph["trends_of"].T.tocsr()
    sides = sides.reshape(-1, 2)
    from_place = numpy.concatenate([numpy.repeat(numpy.arange(members), each), sides[:, 0]])
    to_place = numpy.concatenate([ranks + members, sides[:, 1]])
    both = (numpy.ones(2 * len(from_place)),
            (numpy.concatenate([from_place, to_place]), numpy.concatenate([to_place, from_place])))
    graph["all"] = scipy.sparse.csr_matrix(both, shape=(places, places))
    return {}


def best(members, counts, member, limit, least):
    """The `limit` best, ties by number, without the member itself."""
    kept = (counts >= least) & (members != member)
    members, counts = members[kept], counts[kept]
    if len(counts) > limit:
        # Everyone who ties with the last one: which of them stays is a question of numbers.
        kept = counts >= -numpy.partition(-counts, limit - 1)[limit - 1]
        members, counts = members[kept], counts[kept]
    order = numpy.lexsort((members, -counts))[:limit]
    return [[int(members[place]), int(counts[place])] for place in order]


def shared_scipy(member, limit, least):
    row = graph["trends_of"][member] @ graph["members_of"]
    return best(row.indices, row.data, member, limit, least)


def shared_implicit(member, limit, least):
    # A scorer adds up rows of a square matrix: those of the trends, with the members as its columns.
    trends = graph["trends_of"]
    first, end = trends.indptr[member], trends.indptr[member + 1]
    rows = trends.indices[first:end] + numpy.int32(trends.shape[0])
    pointers = numpy.array([0, len(rows)], dtype=numpy.int32)
    ones = numpy.ones(len(rows))
    members, counts = graph["scorer"].recommend(pointers, rows, ones, K=limit + 1, remove_own_likes=False)
    return best(members, counts, member, limit, least)


def prepare_implicit():
    import scipy.sparse
    from implicit.nearest_neighbours import NearestNeighboursScorer

    members_of = graph["members_of"]
    members, trends = members_of.shape[1], members_of.shape[0]
    starts = numpy.concatenate([numpy.zeros(members, dtype=numpy.int32), members_of.indptr])
    square = (members_of.data.astype(numpy.float64), members_of.indices, starts)
    graph["scorer"] = NearestNeighboursScorer(scipy.sparse.csr_matrix(square, shape=(members + trends,) * 2))


def shared(request):
    find = {"scipy": shared_scipy, "implicit": shared_implicit}[request["library"]]
    if request["library"] == "implicit" and "scorer" not in graph:
        prepare_implicit()
    start = time.process_time()
    found = [find(member, request["limit"], request["least"]) for member in request["queries"]]
    return {"seconds": time.process_time() - start, "found": found}


def page_rank(request):
    from sknetwork.ranking import PageRank

    start = time.process_time()
    for member in request["queries"]:
        walk = PageRank(damping_factor=request["damping"], n_iter=request["iterations"])
        scores = walk.fit_predict(graph["all"], weights={member: 1})
    seconds = time.process_time() - start
    numpy.asarray(scores, dtype=numpy.float64).tofile(os.path.join(request["folder"], "scores.f64"))
    return {"seconds": seconds}


QUERY_1 = """
MATCH (m1:Member {id: $member_id})-[:HAS_AFFINITY_WITH]-(t:Trend)-[:HAS_AFFINITY_WITH]-(m2:Member)
WHERE m1 <> m2
WITH m2, collect(t) as shared_trends, count(t) as affinity_count
WHERE affinity_count >= 3
RETURN m2, shared_trends, affinity_count
ORDER BY affinity_count DESC
LIMIT 20
"""


def neo4j(request):
    from neo4j import GraphDatabase

    if "driver" not in graph:
        graph["driver"] = GraphDatabase.driver(f"bolt://127.0.0.1:{request['port']}")
    found = []
    with graph["driver"].session() as session:
        start = time.perf_counter()
        for member in request["queries"]:
            rows = list(session.run(QUERY_1, member_id=member))
            found.append([[row["m2"]["id"], row["affinity_count"]] for row in rows])
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "found": found}


ANSWERS = {"versions": versions, "load": load, "shared": shared, "page_rank": page_rank, "neo4j": neo4j}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = ANSWERS[request["ask"]](request)
    except Exception as error:  # the peer's, to be shown in its row
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
