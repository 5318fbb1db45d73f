"""Embeds the lines of a file by onnxruntime and by affinity-embedding in turns, and compares vectors and speed.

    pip install onnxruntime onnx safetensors tokenizers
    cargo build --release -p affinity-embedding --example encode
    python benches/peers/embedding.py MODEL_FOLDER TEXTS [PATH of the example, default target/release/examples/encode]

Both get two threads and the same texts. onnxruntime runs the graph that its own optimizer makes of a BERT encoder
(fused attention, normalization and GELU), built here from the folder's weights, in batches of 32 texts of similar
length, as sentence-transformers does; tokenizing is in both times. CPU time is what counts on a machine that does
other work as well.
"""

import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer

ROUNDS = 3
BATCH_TEXTS = 32
MICROSOFT = "com.microsoft"


class Graph:
    """Nodes and weights under made-up names."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, values):
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float32), name))
        return name

    def node(self, kind, inputs, outputs=1, domain=MICROSOFT, **attributes):
        names = [f"node{len(self.nodes)}_{place}" for place in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names


def bert(folder):
    """The encoder of a folder, from token ids and mask to the last layer, as a serialized ONNX model."""
    config = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    epsilon, graph = config["layer_norm_eps"], Graph()

    def norm(name):
        return [graph.weight(tensors[f"{name}.LayerNorm.{part}"]) for part in ("weight", "bias")]

    def product(rows, name):
        matrix = graph.weight(tensors[f"{name}.weight"].T)
        return graph.node("MatMul", [rows, matrix], domain=""), graph.weight(tensors[f"{name}.bias"])

    tables = [graph.weight(tensors[f"embeddings.{kind}_embeddings.weight"]) for kind in ("word", "position", "token_type")]
    inputs = ["ids", "types", *tables, *norm("embeddings"), "mask"]
    hidden, lengths = graph.node("EmbedLayerNormalization", inputs, outputs=2, epsilon=epsilon)
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        matrix = graph.weight(np.concatenate([tensors[f"{part}.weight"].T for part in parts], axis=1))
        bias = graph.weight(np.concatenate([tensors[f"{part}.bias"] for part in parts]))
        context = graph.node("Attention", [hidden, matrix, bias, lengths], num_heads=config["num_attention_heads"])
        rows, bias = product(context, f"{name}.attention.output.dense")
        inputs = [rows, hidden, *norm(f"{name}.attention.output"), bias]
        hidden = graph.node("SkipLayerNormalization", inputs, epsilon=epsilon)
        inner = graph.node("BiasGelu", [*product(hidden, f"{name}.intermediate.dense")])
        rows, bias = product(inner, f"{name}.output.dense")
        hidden = graph.node("SkipLayerNormalization", [rows, hidden, *norm(f"{name}.output"), bias], epsilon=epsilon)
    graph.nodes.append(helper.make_node("Identity", [hidden], ["last"]))
    ids = [helper.make_tensor_value_info(name, TensorProto.INT32, ["text", "token"]) for name in ("ids", "types", "mask")]
    last = helper.make_tensor_value_info("last", TensorProto.FLOAT, ["text", "token", config["hidden_size"]])
    made = helper.make_graph(graph.nodes, "bert", ids, [last], graph.weights)
    versions = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(made, opset_imports=versions, ir_version=8).SerializeToString()


def session(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    # Waiting threads that spin would count as CPU time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(bert(folder), options, providers=["CPUExecutionProvider"])


def encode(model, tokenizer, texts):
    tokens = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    order = sorted(range(len(texts)), key=lambda text: len(tokens[text]))
    vectors = [None] * len(texts)
    for first in range(0, len(order), BATCH_TEXTS):
        batch = order[first : first + BATCH_TEXTS]
        length = max(len(tokens[text]) for text in batch)
        ids = np.array([tokens[text] + [0] * (length - len(tokens[text])) for text in batch], dtype=np.int32)
        mask = np.array([[1] * len(tokens[text]) + [0] * (length - len(tokens[text])) for text in batch], dtype=np.int32)
        last = model.run(None, {"ids": ids, "types": np.zeros_like(ids), "mask": mask})[0]
        means = (last * mask[:, :, None]).sum(axis=1)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        for text, mean in zip(batch, means):
            vectors[text] = mean
    return np.array(vectors)


def cpu_seconds(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


folder, texts_path = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
example = sys.argv[3] if len(sys.argv) > 3 else "target/release/examples/encode"
texts = texts_path.read_text().splitlines()
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.enable_truncation(256)
tokenizer.no_padding()
model = session(folder)
encode(model, tokenizer, texts[:BATCH_TEXTS])

# What starting and reading the model cost: onnxruntime's is not counted either.
with tempfile.TemporaryDirectory() as scratch:
    nothing, out = pathlib.Path(scratch) / "nothing", pathlib.Path(scratch) / "vectors"
    nothing.write_text("")
    environment = {**os.environ, "RAYON_NUM_THREADS": "2"}
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        began, began_cpu = time.perf_counter(), cpu_seconds(resource.RUSAGE_SELF)
        expected = encode(model, tokenizer, texts)
        theirs = cpu_seconds(resource.RUSAGE_SELF) - began_cpu
        print(f"onnxruntime {onnxruntime.__version__}: {len(texts) / (time.perf_counter() - began):.1f} texts/s, "
              f"{theirs / len(texts) * 1e3:.2f} ms of CPU a text")
        spent = []
        for path in (nothing, texts_path):
            began_cpu = cpu_seconds(resource.RUSAGE_CHILDREN)
            said = subprocess.run([example, folder, path, out], env=environment, check=True, capture_output=True, text=True)
            spent.append(cpu_seconds(resource.RUSAGE_CHILDREN) - began_cpu)
        ours = spent[1] - spent[0]
        print(f"affinity-embedding: {said.stdout.strip()}, {ours / len(texts) * 1e3:.2f} ms of CPU a text")
        best = [min(best[0], theirs), min(best[1], ours)]
    got = np.fromfile(out, dtype="<f4").reshape(len(texts), -1)
print(f"{best[0] / best[1]:.2f} of onnxruntime's throughput per CPU second; "
      f"largest difference of a component {np.abs(got - expected).max():.1e}")
