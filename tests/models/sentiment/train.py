"""Makes the sentiment model beside this file: config.json, vocab.txt, model.safetensors.

    train.py --train sst2-train.tsv --dev sst2-dev.tsv --out DIR --seed N

Both files are SST-2's: a heading, then one "phrase TAB label" a line, label 1 for positive.
Settings were chosen on the tuning sentences held out of the train file; the dev file is read
after training, once, to report. See README.md.
"""

import argparse
import collections
import json
import math
import pathlib
import random
import time

import torch
from torch.nn import functional

import bert
import wordpiece

CONFIG = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 256,
    "vocab_size": 4096,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
    "hidden_dropout_prob": 0.3,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.05,
    "pad_token_id": wordpiece.PAD,
    "num_labels": 2,
    "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
    "label2id": {"NEGATIVE": 0, "POSITIVE": 1},
    "problem_type": "single_label_classification",
    "torch_dtype": "float32",
}

EPOCHS = 6
BATCH = 64
PEAK_RATE = 1e-3
WARMUP_SHARE = 0.1
WEIGHT_DECAY = 0.5
UNKNOWN_SHARE = 0.15  # of a sentence's pieces that training replaces by [UNK]
JOINED_SHARE = 0.1  # of phrases that training lengthens by another one of their label
LABEL_SMOOTHING = 0.05

TUNING_SENTENCES = 1000
TUNING_WORDS_MIN = 6
SHARED_WORDS_MIN = 3  # shorter parts of a tuning sentence, such as "very good", stay in training

# Training pushes values back into these intervals, which an MPC evaluation then has to cover.
BOUNDS = {"gelu.input": 4.0, "attention.centred": 3.0, "tanh.input": 3.0}
LOG_VARIANCE_BOUND = math.log(2.0)  # variances between 1/2 and 2 of the tensor's typical one
BOUND_WEIGHT = 0.1


def read_tsv(path):
    """[(phrase, label)] of an SST-2 file."""
    rows = pathlib.Path(path).read_text(encoding="utf-8").splitlines()[1:]
    pairs = (row.rsplit("\t", 1) for row in rows)
    return [(phrase.strip(), int(label)) for phrase, label in pairs]


def spans(words, shortest):
    """Every run of at least `shortest` words, joined, the whole included."""
    for start in range(len(words)):
        for end in range(start + shortest, len(words) + 1):
            yield " ".join(words[start:end])


def hold_out(examples, rng):
    """(training, tuning): tuning takes whole sentences, and training loses their parts too.

    SST-2's train file lists a sentence's phrases beside it, so a plain random slice would be
    tested on sentences of which every half has been seen.
    """
    by_phrase = dict(examples)
    inner = set()
    for phrase in by_phrase:
        inner.update(s for s in spans(phrase.split(), 1) if s != phrase and s in by_phrase)
    whole = sorted(p for p in by_phrase
                   if p not in inner and len(p.split()) >= TUNING_WORDS_MIN)
    tuning = set(rng.sample(whole, TUNING_SENTENCES))
    taken = {s for sentence in tuning for s in spans(sentence.split(), SHARED_WORDS_MIN)}
    return ([e for e in examples if e[0] not in taken],
            [e for e in by_phrase.items() if e[0] in tuning])


def as_typed(phrase):
    """Undoes SST-2's Penn Treebank spelling where BERT's splitting would notice it."""
    for treebank, typed in ((" n't", "n't"), ("``", '"'), ("''", '"'), ("-lrb-", "("),
                            ("-rrb-", ")"), ("--", "-")):
        phrase = phrase.replace(treebank, typed)
    return phrase


def by_length(examples):
    """[(ids, label)] -> tensor batches of one length each, together all examples."""
    groups = collections.defaultdict(list)
    for ids, label in examples:
        groups[len(ids)].append((ids, label))
    for group in groups.values():
        for at in range(0, len(group), BATCH):
            ids, labels = zip(*group[at:at + BATCH])
            yield torch.tensor(ids), torch.tensor(labels)


def epoch_batches(forms, rng):
    """One epoch's batches: a spelling drawn for each phrase, some phrases joined, all shuffled.

    forms: [(ids as in the file, ids as typed, label)].
    """
    by_label = collections.defaultdict(list)
    for form in forms:
        by_label[form[2]].append(form)
    drawn = []
    for form in forms:
        ids = form[rng.randrange(2)]
        if rng.random() < JOINED_SHARE:
            more = rng.choice(by_label[form[2]])[rng.randrange(2)]
            if len(ids) + len(more) - 2 <= CONFIG["max_position_embeddings"]:
                ids = ids[:-1] + more[1:]
        drawn.append((ids, form[2]))
    rng.shuffle(drawn)
    batches = list(by_length(drawn))
    rng.shuffle(batches)
    return batches


def drop_pieces(ids, generator):
    """Replaces a random UNKNOWN_SHARE of the pieces between [CLS] and [SEP] by [UNK]."""
    dropped = torch.rand(ids.shape, generator=generator) < UNKNOWN_SHARE
    dropped[:, 0] = dropped[:, -1] = False
    return ids.masked_fill(dropped, wordpiece.UNK)


class Penalty:
    """Sums how far observed values lie outside their bounds, squared and averaged."""

    def __init__(self):
        self.total = 0.0

    def __call__(self, name, values):
        if name.endswith("variance"):
            log = values.log()
            excess = (log - log.detach().mean()).abs() - LOG_VARIANCE_BOUND
        else:
            bound = next((b for key, b in BOUNDS.items() if name.endswith(key)), math.inf)
            excess = values.abs() - bound
        self.total = self.total + excess.relu().square().mean()


class Ranges:
    """The least and greatest of each observed value."""

    def __init__(self):
        self.seen = {}

    def __call__(self, name, values):
        low, high = self.seen.get(name, (math.inf, -math.inf))
        self.seen[name] = (min(low, values.min().item()), max(high, values.max().item()))


def fit(model, forms, tuning, rng):
    """Trains in place with AdamW: a linear warm-up, then a linear decay to zero."""
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": WEIGHT_DECAY},
                                   {"params": plain, "weight_decay": 0.0}], lr=PEAK_RATE)
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    steps = EPOCHS * len(epoch_batches(forms, random.Random(0)))
    share = lambda step: min(step / (WARMUP_SHARE * steps),  # noqa: E731
                             max(0.0, 1 - step / steps) / (1 - WARMUP_SHARE))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    for epoch in range(EPOCHS):
        model.train()
        began, losses = time.monotonic(), []
        for ids, labels in epoch_batches(forms, rng):
            penalty = Penalty()
            logits = model(drop_pieces(ids, generator), penalty)
            loss = functional.cross_entropy(logits, labels, label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad()
            (loss + BOUND_WEIGHT * penalty.total).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.4f}, "
              f"tuning accuracy {accuracy(model, tuning):.4f}, "
              f"{time.monotonic() - began:.0f} s", flush=True)


@torch.no_grad()
def accuracy(model, examples, observe=bert.IGNORE):
    """Share of [(ids, label)] that the model labels rightly."""
    model.eval()
    right = sum((model(ids, observe).argmax(-1) == labels).sum().item()
                for ids, labels in by_length(examples))
    return right / len(examples)


@torch.no_grad()
def normalise_embeddings(model, examples):
    """Scales the embedding tables so that their sum's variance is around 1.

    LayerNorm divides the scale out again, so no output changes; only its input's range does.
    """
    logs = []
    def collect(name, values):
        if name == "embeddings.variance":
            logs.append(values.log().mean().item())
    accuracy(model, examples, collect)
    scale = math.exp(-0.5 * sum(logs) / len(logs))
    embeddings = model.bert["embeddings"]
    for table in (embeddings.word_embeddings, embeddings.position_embeddings,
                  embeddings.token_type_embeddings):
        table.weight.mul_(scale)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", required=True, help="SST-2's train split")
    parser.add_argument("--dev", required=True, help="SST-2's dev split, only reported on")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder for the files")
    parser.add_argument("--seed", required=True, type=int)
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)

    training, tuning = hold_out(read_tsv(options.train), rng)
    counts = collections.Counter(
        word for phrase, _ in training for word in wordpiece.split_words(phrase))
    pieces = wordpiece.train_vocabulary(counts, CONFIG["vocab_size"])
    tokenizer = wordpiece.Tokenizer(pieces)

    def encode(examples):
        longest = CONFIG["max_position_embeddings"]
        return [(tokenizer.encode(phrase, longest), label) for phrase, label in examples]

    typed = encode([(as_typed(phrase), label) for phrase, label in training])
    forms = [(ids, other, label) for (ids, label), (other, _) in zip(encode(training), typed)]
    print(f"{len(training)} training phrases, {len(tuning)} tuning sentences", flush=True)

    model = bert.BertForSequenceClassification(CONFIG)
    fit(model, forms, encode(tuning), rng)
    normalise_embeddings(model, encode(tuning))

    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (options.out / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    bert.save(model, options.out / "model.safetensors")

    stored = bert.load(CONFIG, options.out / "model.safetensors")
    ranges = Ranges()
    print(f"train accuracy {accuracy(stored, encode(training), ranges):.4f}")
    print(f"tuning accuracy {accuracy(stored, encode(tuning)):.4f}")
    print(f"dev accuracy {accuracy(stored, encode(read_tsv(options.dev))):.4f}")
    for name, (low, high) in ranges.seen.items():
        print(f"{name:30} {low:9.3f} {high:9.3f}")


if __name__ == "__main__":
    main()
