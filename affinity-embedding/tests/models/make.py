"""Makes the two small models of the tests and their reference vectors, by transformers and torch.

    pip install torch transformers safetensors tokenizers
    python make.py [FOLDER of all-MiniLM-L6-v2]

With a folder it also writes the reference vectors of that model. The weights are random, from a fixed seed, and larger than a new model's, so that every part of the
network moves the vectors; the vectors are those of sentence-transformers: mean over the attention mask,
scaled to length 1.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

HERE = pathlib.Path(__file__).parent
WORDS = """the of and for in on with to a graph network theory farm farming organic sustainable fashion supply chain
learning deep people match partner music jazz data privacy energy solar wind city transport health care school
teacher cell protein gene world small complex""".split()
PIECES = ["##" + piece for piece in "s ing er ed al ity ly tion able ness".split()]
LETTERS = list("abcdefghijklmnopqrstuvwxyz0123456789.,!?-'") + ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS + PIECES + [l for l in LETTERS if l not in WORDS]

TEXTS = [
    "Organic farming",
    "The theory of complex networks",
    "",
    "jazz",
    "Privacy-preserving deep learning for health data, at school!",
    "Énergie solaire & WIND: café naïve",
    "蛋白质 protein",
    "zzz 🦊 unknown",
    "  spaces \t and\nlines ",
    "a sustainable supply chain for fashion and a city with transport powered by wind and solar energy, and more",
]


def make(name, seed, tokens_max, **sizes):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    config = BertConfig(vocab_size=len(VOCABULARY), hidden_act="gelu", attn_implementation="eager", **sizes)
    model = BertModel(config, add_pooling_layer=False).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            center, spread = (1.0, 0.3) if key.endswith("LayerNorm.weight") else (0.0, 0.3)
            parameter.copy_(center + spread * noise)
    tensors = {key: value.contiguous() for key, value in model.state_dict().items() if "position_ids" not in key}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    kept = "hidden_act hidden_size intermediate_size layer_norm_eps max_position_embeddings model_type"
    kept += " num_attention_heads num_hidden_layers type_vocab_size vocab_size"
    settings = {key: config.to_dict()[key] for key in kept.split()}
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": tokens_max}) + "\n")

    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # As the published file does: an encoder must not inherit these.
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=5)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)

    write_reference(model, tokenizer, tokens_max, folder / "reference.json")


def write_reference(model, tokenizer, tokens_max, path):
    tokenizer.enable_truncation(tokens_max)
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch(TEXTS)
    mask = torch.tensor([e.attention_mask for e in encodings])
    with torch.no_grad():
        hidden = model(torch.tensor([e.ids for e in encodings]), attention_mask=mask).last_hidden_state
    mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
    vectors = torch.nn.functional.normalize(mean)
    reference = [
        {"text": text, "tokens": int(count), "vector": [round(float(x), 7) for x in vector]}
        for text, count, vector in zip(TEXTS, mask.sum(1), vectors)
    ]
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in reference)
    path.write_text(f"[\n{lines}\n]\n")


make("tiny-32", 1, 24, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
     max_position_embeddings=40)
# Nothing here is a multiple of a register: 21 components, 3 heads of 7, and inner columns in more than one slice.
make("tiny-21", 2, 32, hidden_size=21, num_hidden_layers=1, num_attention_heads=3, intermediate_size=401,
     max_position_embeddings=32)

if len(sys.argv) > 1:
    published = pathlib.Path(sys.argv[1])
    model = BertModel.from_pretrained(published, add_pooling_layer=False, attn_implementation="eager").eval()
    tokenizer = Tokenizer.from_file(str(published / "tokenizer.json"))
    write_reference(model, tokenizer, 256, HERE / "all-MiniLM-L6-v2.json")
