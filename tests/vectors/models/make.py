#!/usr/bin/env python3
"""Random checkpoints of every architecture in the real file formats, and what they answer.

    make.py OUT_DIRECTORY

A checkpoint is a directory: config.json, model.safetensors (or two shards and their index) and
expected.json, [[ids, outputs], ...]: logits, a sentence's vector, or the next token's logits. The
forward passes below are NumPy's, written from the papers and Hugging Face's names, and share nothing
with the C++ that they check.
"""
import json
import math
import os
import struct
import sys

import numpy as np

V, H, L, A, I, P = 24, 16, 2, 4, 28, 20


def write_safetensors(path, tensors, dtype):
    header, blobs, at = {}, [], 0
    for name, x in tensors.items():
        if dtype == "F32":
            blob = x.astype("<f4").tobytes()
        elif dtype == "F16":
            blob = x.astype("<f2").tobytes()
        else:  # BF16: the upper half of a float32.
            blob = (x.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": dtype, "shape": list(x.shape), "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def rounded(x, dtype):
    if dtype == "F16":
        return x.astype("<f2").astype(np.float64)
    if dtype == "BF16":
        return ((x.astype("<f4").view("<u4") >> 16) << 16).astype("<u4").view("<f4").astype(np.float64)
    return x.astype("<f4").astype(np.float64)


class Random:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.tensors = {}

    def weight(self, name, *shape, scale=None):
        scale = scale if scale is not None else 1.2 / math.sqrt(shape[-1])
        self.tensors[name] = self.rng.normal(0, scale, shape)

    def linear(self, name, out, into, bias=True):
        self.weight(name + ".weight", out, into)
        if bias:
            self.weight(name + ".bias", out, scale=0.1)

    def norm(self, name, bias=True, size=H):
        self.tensors[name + ".weight"] = 1 + self.rng.normal(0, 0.2, size)
        if bias:
            self.weight(name + ".bias", size, scale=0.1)


def layer_norm(x, w, b, eps):
    m = x.mean(-1, keepdims=True)
    return (x - m) / np.sqrt(((x - m) ** 2).mean(-1, keepdims=True) + eps) * w + b


def rms_norm(x, w, eps):
    return x / np.sqrt((x ** 2).mean(-1, keepdims=True) + eps) * w


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


erf = np.vectorize(math.erf)
gelu = lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2)))
gelu_new = lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
silu = lambda x: x / (1 + np.exp(-x))


def attention(q, k, v, heads, causal):
    t, d = len(q), q.shape[1] // heads
    out = []
    for h in range(heads):
        g = h // (heads // (k.shape[1] // d))
        s = q[:, h * d:(h + 1) * d] @ k[:, g * d:(g + 1) * d].T / math.sqrt(d)
        if causal:
            s = np.where(np.tril(np.ones((t, t))) > 0, s, -np.inf)
        out.append(softmax(s) @ v[:, g * d:(g + 1) * d])
    return np.concatenate(out, 1)


def bert(w, ids, names, positions, segments, eps, act):
    n = names
    lin = lambda x, name: x @ w[name + ".weight"].T + w[name + ".bias"]
    ln = lambda x, name: layer_norm(x, w[name + ".weight"], w[name + ".bias"], eps)
    x = w[n["words"]][ids] + w[n["positions"]][positions]
    if segments:
        x = x + w[segments][0]
    x = ln(x, n["norm"])
    for i in range(L):
        p = n["layer"] % i
        a = attention(lin(x, p + n["q"]), lin(x, p + n["k"]), lin(x, p + n["v"]), A, False)
        x = ln(x + lin(a, p + n["o"]), p + n["ln1"])
        x = ln(x + lin(act(lin(x, p + n["up"])), p + n["down"]), p + n["ln2"])
    return x, lin


def bert_names(prefix):
    return {"words": prefix + "embeddings.word_embeddings.weight",
            "positions": prefix + "embeddings.position_embeddings.weight",
            "norm": prefix + "embeddings.LayerNorm", "layer": prefix + "encoder.layer.%d.",
            "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
            "o": "attention.output.dense", "ln1": "attention.output.LayerNorm", "up": "intermediate.dense",
            "down": "output.dense", "ln2": "output.LayerNorm"}


def distil_names(prefix):
    return {"words": prefix + "embeddings.word_embeddings.weight",
            "positions": prefix + "embeddings.position_embeddings.weight",
            "norm": prefix + "embeddings.LayerNorm", "layer": prefix + "transformer.layer.%d.",
            "q": "attention.q_lin", "k": "attention.k_lin", "v": "attention.v_lin", "o": "attention.out_lin",
            "ln1": "sa_layer_norm", "up": "ffn.lin1", "down": "ffn.lin2", "ln2": "output_layer_norm"}


def encoder_tensors(r, n, positions, types):
    r.weight(n["words"], V, H, scale=0.5)
    r.weight(n["positions"], positions, H, scale=0.5)
    if types:
        r.weight(n["positions"].replace("position_", "token_type_"), types, H, scale=0.2)
    r.norm(n["norm"])
    for i in range(L):
        p = n["layer"] % i
        for part in "qkvo":
            r.linear(p + n[part], H, H)
        r.linear(p + n["up"], I, H)
        r.linear(p + n["down"], H, I)
        r.norm(p + n["ln1"])
        r.norm(p + n["ln2"])


def rope_frequencies(d, theta, scaling, original):
    f = theta ** (-np.arange(0, d, 2) / d)
    scale = 1.0
    if not scaling:
        return f, scale
    kind, factor = scaling["rope_type"], scaling["factor"]
    if kind == "linear":
        f = f / factor
    elif kind == "llama3":
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        old = scaling["original_max_position_embeddings"]
        out = []
        for x in f:
            wave = 2 * math.pi / x
            if wave < old / high:
                out.append(x)
            elif wave > old / low:
                out.append(x / factor)
            else:
                s = (old / wave - low) / (high - low)
                out.append((1 - s) * x / factor + s * x)
        f = np.array(out)
    elif kind == "yarn":
        old = scaling["original_max_position_embeddings"]
        dim = lambda turns: d * math.log(old / (turns * 2 * math.pi)) / (2 * math.log(theta))
        low, high = max(math.floor(dim(32)), 0), min(math.ceil(dim(1)), d - 1)
        if low == high:
            high += 0.001
        ramp = np.clip((np.arange(d // 2) - low) / (high - low), 0, 1)
        f = f / factor * ramp + f * (1 - ramp)
        scale = 0.1 * math.log(factor) + 1
    return f, scale


def rotate(x, d, f, scale):
    t = len(x)
    angle = np.outer(np.arange(t), f)
    cos = np.concatenate([np.cos(angle), np.cos(angle)], 1) * scale
    sin = np.concatenate([np.sin(angle), np.sin(angle)], 1) * scale
    out = []
    for h in range(x.shape[1] // d):
        y = x[:, h * d:(h + 1) * d]
        half = np.concatenate([-y[:, d // 2:], y[:, :d // 2]], 1)
        out.append(y * cos + half * sin)
    return np.concatenate(out, 1)


def save(out, name, config, tensors, dtype, answer, texts, shards=False, drop=()):
    path = os.path.join(out, name)
    os.makedirs(path, exist_ok=True)
    json.dump(config, open(os.path.join(path, "config.json"), "w"), indent=1)
    w = {k: rounded(x, dtype) for k, x in tensors.items()}
    kept = {k: x for k, x in tensors.items() if k not in drop}
    if shards:
        names = sorted(kept)
        cut = len(names) // 2
        index = {}
        for number, part in enumerate([names[:cut], names[cut:]], 1):
            file = "model-%05d-of-00002.safetensors" % number
            write_safetensors(os.path.join(path, file), {k: kept[k] for k in part}, dtype)
            index.update({k: file for k in part})
        json.dump({"metadata": {}, "weight_map": index},
                  open(os.path.join(path, "model.safetensors.index.json"), "w"))
    else:
        write_safetensors(os.path.join(path, "model.safetensors"), kept, dtype)
    expected = [[ids, [round(float(y), 7) for y in answer(w, ids)]] for ids in texts]
    json.dump(expected, open(os.path.join(path, "expected.json"), "w"))


def main():
    out = sys.argv[1]
    texts = [[2, 5, 9, 3], [2, 17, 3], [2, 23, 22, 21, 20, 4, 8, 3]]
    common = {"vocab_size": V, "hidden_size": H, "num_hidden_layers": L, "num_attention_heads": A,
              "intermediate_size": I, "max_position_embeddings": P, "num_labels": 3}

    for name, architecture, mode in [("bert", "BertForSequenceClassification", "classify"),
                                     ("bert-mean", "BertModel", "mean"), ("bert-first", "BertModel", "first")]:
        r = Random(1)
        n = bert_names("bert." if mode == "classify" else "")
        encoder_tensors(r, n, P, 2)
        prefix = "bert." if mode == "classify" else ""
        r.linear(prefix + "pooler.dense", H, H)
        if mode == "classify":
            r.linear("classifier", 3, H)
        act = "gelu" if mode == "classify" else "gelu_new"

        def answer(w, ids, n=n, mode=mode):
            x, lin = bert(w, ids, n, np.arange(len(ids)), n["positions"].replace("position_", "token_type_"),
                          1e-12, gelu if mode == "classify" else gelu_new)
            if mode == "classify":
                return lin(np.tanh(lin(x[0], "bert.pooler.dense")), "classifier")
            return x.mean(0) if mode == "mean" else x[0]

        save(out, name, dict(common, architectures=[architecture], type_vocab_size=2, hidden_act=act,
                             layer_norm_eps=1e-12), r.tensors, "F32", answer, texts)
        if mode != "classify":
            os.makedirs(os.path.join(out, name, "1_Pooling"), exist_ok=True)
            json.dump({"pooling_mode_cls_token": mode == "first", "pooling_mode_mean_tokens": mode == "mean"},
                      open(os.path.join(out, name, "1_Pooling", "config.json"), "w"))

    r = Random(2)
    n = bert_names("roberta.")
    encoder_tensors(r, n, P + 2, 1)
    r.linear("classifier.dense", H, H)
    r.linear("classifier.out_proj", 3, H)

    def roberta(w, ids):
        x, lin = bert(w, ids, n, np.arange(len(ids)) + 2, n["positions"].replace("position_", "token_type_"),
                      1e-5, gelu)
        return lin(np.tanh(lin(x[0], "classifier.dense")), "classifier.out_proj")

    save(out, "roberta", dict(common, architectures=["RobertaForSequenceClassification"], type_vocab_size=1,
                              max_position_embeddings=P + 2, pad_token_id=1, layer_norm_eps=1e-5,
                              hidden_act="gelu"), r.tensors, "F16", roberta, texts)

    r = Random(3)
    d = distil_names("distilbert.")
    encoder_tensors(r, d, P, 0)
    r.linear("pre_classifier", H, H)
    r.linear("classifier", 3, H)

    def distil(w, ids):
        x, lin = bert(w, ids, d, np.arange(len(ids)), None, 1e-12, gelu)
        return lin(np.maximum(lin(x[0], "pre_classifier"), 0), "classifier")

    save(out, "distilbert", {"architectures": ["DistilBertForSequenceClassification"], "vocab_size": V, "dim": H,
                             "n_layers": L, "n_heads": A, "hidden_dim": I, "max_position_embeddings": P,
                             "num_labels": 3, "activation": "gelu"}, r.tensors, "F32", distil, texts)

    r = Random(4)
    r.weight("transformer.wte.weight", V, H, scale=0.5)
    r.weight("transformer.wpe.weight", P, H, scale=0.3)
    for i in range(L):
        p = "transformer.h.%d." % i
        r.norm(p + "ln_1")
        r.norm(p + "ln_2")
        for part, into, width in [("attn.c_attn", H, 3 * H), ("attn.c_proj", H, H), ("mlp.c_fc", H, I),
                                  ("mlp.c_proj", I, H)]:
            r.weight(p + part + ".weight", into, width, scale=1 / math.sqrt(into))
            r.weight(p + part + ".bias", width, scale=0.1)
    r.norm("transformer.ln_f")

    def gpt2(w, ids):
        lin = lambda x, name: x @ w[name + ".weight"] + w[name + ".bias"]
        ln = lambda x, name: layer_norm(x, w[name + ".weight"], w[name + ".bias"], 1e-5)
        x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][:len(ids)]
        for i in range(L):
            p = "transformer.h.%d." % i
            q, k, v = np.split(lin(ln(x, p + "ln_1"), p + "attn.c_attn"), 3, axis=1)
            x = x + lin(attention(q, k, v, A, True), p + "attn.c_proj")
            x = x + lin(gelu_new(lin(ln(x, p + "ln_2"), p + "mlp.c_fc")), p + "mlp.c_proj")
        return ln(x, "transformer.ln_f")[-1] @ w["transformer.wte.weight"].T

    save(out, "gpt2", {"architectures": ["GPT2LMHeadModel"], "vocab_size": V, "n_embd": H, "n_layer": L,
                       "n_head": A, "n_inner": I, "n_positions": P, "layer_norm_epsilon": 1e-5,
                       "activation_function": "gelu_new"}, r.tensors, "F32", gpt2, texts)

    variants = [
        ("llama", "LlamaForCausalLM", dict(num_key_value_heads=2, tie_word_embeddings=True, rope_theta=500.0,
         rope_scaling={"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                       "original_max_position_embeddings": 16}), False, "F32", 4),
        ("mistral", "MistralForCausalLM", dict(num_key_value_heads=1, head_dim=6, sliding_window=P), False,
         "BF16", 6),
        ("qwen2", "Qwen2ForCausalLM", dict(num_key_value_heads=4, rope_theta=1000.0, use_sliding_window=False,
         rope_scaling={"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16}), True, "F16", 4),
        ("llama-linear", "LlamaForCausalLM", dict(attention_bias=True, mlp_bias=True,
         rope_scaling={"rope_type": "linear", "factor": 2.0}), True, "F32", 4),
    ]
    for number, (name, architecture, extra, bias, dtype, width) in enumerate(variants):
        r = Random(10 + number)
        kv = extra.get("num_key_value_heads", A)
        more = bool(extra.get("attention_bias"))
        r.weight("model.embed_tokens.weight", V, H, scale=0.5)
        for i in range(L):
            p = "model.layers.%d." % i
            r.norm(p + "input_layernorm", False)
            r.norm(p + "post_attention_layernorm", False)
            r.linear(p + "self_attn.q_proj", A * width, H, bias)
            r.linear(p + "self_attn.k_proj", kv * width, H, bias)
            r.linear(p + "self_attn.v_proj", kv * width, H, bias)
            r.linear(p + "self_attn.o_proj", H, A * width, more)
            for part in ["gate", "up"]:
                r.linear(p + "mlp.%s_proj" % part, I, H, more)
            r.linear(p + "mlp.down_proj", H, I, more)
        r.norm("model.norm", False)
        tied = extra.get("tie_word_embeddings", False)
        if not tied:
            r.weight("lm_head.weight", V, H)

        def llama(w, ids, kv=kv, width=width, extra=extra, tied=tied):
            lin = lambda x, n: x @ w[n + ".weight"].T + w.get(n + ".bias", 0)
            f, scale = rope_frequencies(width, extra.get("rope_theta", 10000.0), extra.get("rope_scaling"), P)
            x = w["model.embed_tokens.weight"][ids]
            for i in range(L):
                p = "model.layers.%d." % i
                y = rms_norm(x, w[p + "input_layernorm.weight"], 1e-5)
                q = rotate(lin(y, p + "self_attn.q_proj"), width, f, scale)
                k = rotate(lin(y, p + "self_attn.k_proj"), width, f, scale)
                a = attention(q, k, lin(y, p + "self_attn.v_proj"), A, True)
                x = x + lin(a, p + "self_attn.o_proj")
                y = rms_norm(x, w[p + "post_attention_layernorm.weight"], 1e-5)
                x = x + lin(silu(lin(y, p + "mlp.gate_proj")) * lin(y, p + "mlp.up_proj"), p + "mlp.down_proj")
            head = w["model.embed_tokens.weight"] if tied else w["lm_head.weight"]
            return rms_norm(x, w["model.norm.weight"], 1e-5)[-1] @ head.T

        config = {"architectures": [architecture], "vocab_size": V, "hidden_size": H, "num_hidden_layers": L,
                  "num_attention_heads": A, "intermediate_size": I, "max_position_embeddings": P,
                  "rms_norm_eps": 1e-5, "hidden_act": "silu", "eos_token_id": 3}
        save(out, name, dict(config, **extra), r.tensors, dtype, llama, texts, shards=name == "qwen2")


main()
