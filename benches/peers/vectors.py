"""Nearest neighbors by hnswlib, faiss and usearch: a line of JSON in, a line of JSON out. See vectors/ of the bench."""

import importlib
import json
import sys


def versions(_):
    found = {}
    for name in ("numpy", "hnswlib", "faiss", "usearch"):
        try:
            found[name] = getattr(importlib.import_module(name), "__version__", "?")
        except ImportError as error:
            found[name] = f"not installed: {error}"
    return found


ANSWERS = {"versions": versions}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = ANSWERS[request["ask"]](request)
    except Exception as error:  # the peer's, to be shown in its row
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
