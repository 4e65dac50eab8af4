"""BertForSequenceClassification in plain PyTorch, with Hugging Face's parameter names and file.

Batches hold sentences of one length, so there is no padding and no attention mask.
"""

import json
import math
import struct

import torch
from torch import nn
from torch.nn import functional

# Called as observe(name, values) on the values that a private evaluation must bound.
IGNORE = lambda name, values: None  # noqa: E731


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], hidden)
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], hidden)
        self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], hidden)
        self.LayerNorm = nn.LayerNorm(hidden, config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, ids, observe):
        total = (self.word_embeddings(ids) + self.position_embeddings.weight[:ids.shape[1]]
                 + self.token_type_embeddings.weight[0])
        observe("embeddings.variance", total.var(-1, unbiased=False))
        return self.dropout(self.LayerNorm(total))


class SelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(config["attention_probs_dropout_prob"])

    def _split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, observe):
        query, key, value = (self._split(f(x)) for f in (self.query, self.key, self.value))
        logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        observe("attention.logits", logits)
        observe("attention.centred", logits - logits.mean(-1, keepdim=True))
        weights = self.dropout(logits.softmax(-1))
        return (weights @ value).transpose(1, 2).flatten(-2)


class Output(nn.Module):
    """Dense, dropout, residual, LayerNorm: the end of both halves of a layer."""

    def __init__(self, config, width):
        super().__init__()
        self.dense = nn.Linear(width, config["hidden_size"])
        self.LayerNorm = nn.LayerNorm(config["hidden_size"], config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, x, residual, observe):
        total = self.dropout(self.dense(x)) + residual
        observe("variance", total.var(-1, unbiased=False))
        return self.LayerNorm(total)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = nn.ModuleDict({
            "self": SelfAttention(config), "output": Output(config, config["hidden_size"])})
        self.intermediate = nn.ModuleDict({
            "dense": nn.Linear(config["hidden_size"], config["intermediate_size"])})
        self.output = Output(config, config["intermediate_size"])

    def forward(self, x, observe):
        within = lambda part: lambda name, values: observe(f"{part}.{name}", values)  # noqa: E731
        mixed = self.attention["self"](x, observe)
        x = self.attention["output"](mixed, x, within("attention"))
        inner = self.intermediate["dense"](x)
        observe("gelu.input", inner)
        return self.output(functional.gelu(inner), x, within("output"))


class BertForSequenceClassification(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden = config["hidden_size"]
        self.bert = nn.ModuleDict({
            "embeddings": Embeddings(config),
            "encoder": nn.ModuleDict({"layer": nn.ModuleList(
                Layer(config) for _ in range(config["num_hidden_layers"]))}),
            "pooler": nn.ModuleDict({"dense": nn.Linear(hidden, hidden)})})
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])
        self.classifier = nn.Linear(hidden, config["num_labels"])
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif "LayerNorm" not in name:
                nn.init.normal_(parameter, std=config["initializer_range"])

    def forward(self, ids, observe=IGNORE):
        """ids: [batch, length] of sentences with one length -> logits [batch, num_labels]."""
        x = self.bert["embeddings"](ids, observe)
        for i, layer in enumerate(self.bert["encoder"]["layer"]):
            x = layer(x, lambda name, values, i=i: observe(f"layer{i}.{name}", values))
        pooled = self.bert["pooler"]["dense"](x[:, 0])
        observe("tanh.input", pooled)
        logits = self.classifier(self.dropout(pooled.tanh()))
        observe("logits", logits)
        return logits


def save(model, path):
    """Writes the parameters as float32 safetensors: length, JSON header, little-endian tensors."""
    header, chunks, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, tensor in model.state_dict().items():
        raw = tensor.detach().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(raw)]}
        chunks.append(raw)
        offset += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def load(config, path):
    """The model in the file `save` wrote, in evaluation mode; every name and shape must agree."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        raw = bytearray(file.read())
    header.pop("__metadata__")
    state = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        flat = torch.frombuffer(raw, dtype=torch.float32, offset=start, count=(end - start) // 4)
        state[name] = flat.reshape(entry["shape"]).clone()
    model = BertForSequenceClassification(config)
    model.load_state_dict(state)
    return model.eval()
