#!/usr/bin/env python3
"""Distils a BERT classifier to MPCFormer's Quad and 2Quad (docs/distil.md).

    distil.py TEACHER TEXTS OUT [--vocab FILE] [--hidden-steps N] [--answer-steps N]

TEACHER is a Hugging Face folder, TEXTS a sentence a line (what follows a tab is ignored: no labels
are needed), OUT the folder for the student. Needs torch and transformers; one core will do for
small models. `--evaluate FILE` (sentence TAB label) prints teacher's and student's accuracy.
"""
import argparse
import json
import math
import os
import random
import shutil

import torch
from safetensors.torch import save_file
from torch.nn import functional
from transformers import AutoConfig, BertForSequenceClassification, BertTokenizerFast


def forward(model, ids, mask, quad):
    """Hidden states (the embedding's and each layer's), attention outputs, logits."""
    bert = model.bert
    heads = model.config.num_attention_heads
    x = bert.embeddings(ids)
    states, attended = [x], []
    seen = mask[:, None, None, :]
    for layer in bert.encoder.layer:
        own = layer.attention.self
        q, k, v = (m(x).unflatten(-1, (heads, -1)).transpose(1, 2) for m in (own.query, own.key, own.value))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if quad:  # Padding's terms are left out of the sum.
            p = (scores + 5) ** 2 * seen
            p = p / p.sum(-1, keepdim=True)
        else:
            p = torch.softmax(scores.masked_fill(seen == 0, -math.inf), -1)
        mixed = (p @ v).transpose(1, 2).flatten(2)
        x = layer.attention.output.LayerNorm(layer.attention.output.dense(mixed) + x)
        attended.append(x)
        inner = layer.intermediate.dense(x)
        inner = 0.125 * inner**2 + 0.25 * inner + 0.5 if quad else functional.gelu(inner)
        x = layer.output.LayerNorm(layer.output.dense(inner) + x)
        states.append(x)
    return states, attended, model.classifier(torch.tanh(bert.pooler.dense(x[:, 0])))


def batches(texts, tokenizer, tokens, size, seed):
    order = random.Random(seed)
    while True:
        batch = tokenizer(order.sample(texts, size), padding=True, truncation=True, max_length=tokens,
                          return_tensors="pt")
        yield batch["input_ids"], batch["attention_mask"].float()


def near(got, want, mask):
    """Mean squared error over what is text."""
    error = sum(((g - w) ** 2).mean(-1) for g, w in zip(got, want))
    return (error * mask).sum() / mask.sum()


def train(teacher, student, source, steps, rate, by_answer):
    student.bert.embeddings.word_embeddings.requires_grad_(False)
    chosen = [p for p in student.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(chosen, lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=max(steps, 1),
                                                   pct_start=0.1)
    total = 0.0
    for step in range(1, steps + 1):
        ids, mask = next(source)
        with torch.no_grad():
            states, attended, logits = forward(teacher, ids, mask, quad=False)
        own_states, own_attended, own_logits = forward(student, ids, mask, quad=True)
        loss = near(own_states[1:], states[1:], mask) + near(own_attended, attended, mask)
        if by_answer:
            loss = 0.1 * loss + functional.kl_div(own_logits.log_softmax(-1), logits.softmax(-1),
                                                  reduction="batchmean")
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(chosen, 1.0)
        optimiser.step()
        schedule.step()
        total += loss.item()
        if step % 100 == 0:
            print(f"{'answers' if by_answer else 'hidden states'}: step {step} of {steps}, "
                  f"loss {total / 100:.4f}", flush=True)
            total = 0.0


def accuracy(model, rows, tokenizer, tokens, quad):
    right = 0
    for begin in range(0, len(rows), 64):
        part = rows[begin:begin + 64]
        batch = tokenizer([t for t, _ in part], padding=True, truncation=True, max_length=tokens,
                          return_tensors="pt")
        with torch.no_grad():
            logits = forward(model, batch["input_ids"], batch["attention_mask"].float(), quad)[2]
        right += sum(int(a) == b for a, (_, b) in zip(logits.argmax(-1), part))
    return right / len(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher")
    parser.add_argument("texts")
    parser.add_argument("out")
    parser.add_argument("--vocab", help="vocab.txt, where the teacher's folder has no tokenizer")
    parser.add_argument("--evaluate", help="sentence TAB label, a line each")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--hidden-steps", type=int, default=2000)
    parser.add_argument("--hidden-rate", type=float, default=5e-4)
    parser.add_argument("--answer-steps", type=int, default=2000)
    parser.add_argument("--answer-rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()

    torch.manual_seed(o.seed)
    config = AutoConfig.from_pretrained(o.teacher)
    if config.model_type != "bert" or config.hidden_act != "gelu":
        raise SystemExit("this script distils BERT classifiers with GELU")
    teacher = BertForSequenceClassification.from_pretrained(o.teacher).eval()
    student = BertForSequenceClassification.from_pretrained(o.teacher).eval()  # No dropout.
    # Where the vocabulary is given to the constructor, versions of transformers disagree on its name.
    tokenizer = BertTokenizerFast.from_pretrained(os.path.dirname(o.vocab) or "." if o.vocab else o.teacher)
    if len(tokenizer) < 100:
        raise SystemExit("no vocabulary was read: the folder needs vocab.txt or tokenizer.json")
    with open(o.texts, encoding="utf-8") as file:
        texts = [line.rstrip("\n").split("\t")[0] for line in file]
    texts = [text for text in texts if len(text.split()) >= 4]
    source = batches(texts, tokenizer, o.tokens, o.batch, o.seed)
    rows = []
    if o.evaluate:
        with open(o.evaluate, encoding="utf-8") as file:
            pairs = [line.rstrip("\n").rsplit("\t", 1) for line in file]
        rows = [(text, int(label)) for text, label in pairs if label.isdigit()]  # But for a heading.
        print(f"teacher {accuracy(teacher, rows, tokenizer, 512, False):.4f}, with Quad and 2Quad "
              f"in place {accuracy(student, rows, tokenizer, 512, True):.4f}", flush=True)
    train(teacher, student, source, o.hidden_steps, o.hidden_rate, by_answer=False)
    train(teacher, student, source, o.answer_steps, o.answer_rate, by_answer=True)
    if rows:
        print(f"student {accuracy(student, rows, tokenizer, 512, True):.4f}", flush=True)

    os.makedirs(o.out, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in student.state_dict().items()
               if not name.endswith("position_ids")}
    save_file(tensors, os.path.join(o.out, "model.safetensors"))
    with open(os.path.join(o.teacher, "config.json"), encoding="utf-8") as file:
        fields = json.load(file)
    fields.update({"hidden_act": "quad", "softmax_act": "2quad"})
    with open(os.path.join(o.out, "config.json"), "w", encoding="utf-8") as file:
        json.dump(fields, file, indent=1)
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "calibration.txt"):
        path = os.path.join(o.teacher, name)
        if os.path.exists(path):
            shutil.copy(path, o.out)
    if o.vocab:
        shutil.copy(o.vocab, os.path.join(o.out, "vocab.txt"))


if __name__ == "__main__":
    main()
