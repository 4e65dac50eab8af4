#!/usr/bin/env python3
"""Writes a LLaMA checkpoint of random bfloat16 weights, in shards, as Hugging Face does.

  make_checkpoint.py DIR [HIDDEN LAYERS VOCABULARY [SHARDS]]

For measuring what an import takes:
  /usr/bin/time -v ./waxseal model import DIR --sample DIR/sample.txt --tokens 8 --generate 1 --out PACKAGE
"""

import json
import math
import os
import random
import statistics
import struct
import sys

PIECE = 1 << 20  # Values written at a time.


def shapes(hidden, inner, layers, vocabulary):
    yield "model.embed_tokens.weight", (vocabulary, hidden), 0.03
    for i in range(layers):
        name = f"model.layers.{i}."
        yield name + "input_layernorm.weight", (hidden,), None
        for part in "qkvo":
            yield name + f"self_attn.{part}_proj.weight", (hidden, hidden), hidden**-0.5
        yield name + "post_attention_layernorm.weight", (hidden,), None
        for part in ("gate", "up"):
            yield name + f"mlp.{part}_proj.weight", (inner, hidden), hidden**-0.5
        yield name + "mlp.down_proj.weight", (hidden, inner), inner**-0.5 / 2
    yield "model.norm.weight", (hidden,), None
    yield "lm_head.weight", (vocabulary, hidden), 4 * hidden**-0.5


def bfloat16(values):
    """Low and high bytes of 256 values, as tables."""
    raw = [struct.pack("<f", value) for value in values]
    return bytes(r[2] for r in raw), bytes(r[3] for r in raw)


def write_values(file, count, tables, draw):
    """Each of 256 values as likely as the others."""
    for begin in range(0, count, PIECE):
        bytes_ = draw.randbytes(min(PIECE, count - begin))
        out = bytearray(2 * len(bytes_))
        out[0::2] = bytes_.translate(tables[0])
        out[1::2] = bytes_.translate(tables[1])
        file.write(out)


def write_shard(path, tensors, draw):
    normal = [statistics.NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)]
    header, end = {}, 0
    for name, shape, _ in tensors:
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, shape, deviation in tensors:
            values = [1.0] * 256 if deviation is None else [deviation * v for v in normal]
            write_values(file, math.prod(shape), bfloat16(values), draw)


def main():
    directory = sys.argv[1]
    hidden, layers, vocabulary, shards = [
        int(a) for a in sys.argv[2:] + ["2048", "12", "32000", "4"][len(sys.argv) - 2 :]
    ]
    inner = hidden * 8 // 3
    draw = random.Random(1)
    tensors = list(shapes(hidden, inner, layers, vocabulary))
    os.makedirs(directory, exist_ok=True)
    index = {}
    for i in range(shards):
        name = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        part = tensors[i * len(tensors) // shards : (i + 1) * len(tensors) // shards]
        write_shard(os.path.join(directory, name), part, draw)
        index.update({tensor: name for tensor, _, _ in part})
    with open(os.path.join(directory, "model.safetensors.index.json"), "w") as file:
        json.dump({"weight_map": index}, file)
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(
            {
                "architectures": ["LlamaForCausalLM"],
                "model_type": "llama",
                "hidden_act": "silu",
                "hidden_size": hidden,
                "intermediate_size": inner,
                "num_hidden_layers": layers,
                "num_attention_heads": hidden // 128,
                "max_position_embeddings": 2048,
                "rms_norm_eps": 1e-6,
                "vocab_size": vocabulary,
                "tie_word_embeddings": False,
                "eos_token_id": 2,
            },
            file,
        )
    with open(os.path.join(directory, "sample.txt"), "w") as file:
        for line in range(8):
            file.write(" ".join(str(draw.randrange(3, vocabulary)) for _ in range(12)) + "\n")


if __name__ == "__main__":
    main()
