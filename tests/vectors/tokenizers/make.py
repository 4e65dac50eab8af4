#!/usr/bin/env python3
"""Writes what the reference tokenizers (Python's `tokenizers` and `sentencepiece`) make of mixed text.

    make.py OUT_DIRECTORY [LINES] [DATA_DIRECTORY]

OUT/NAME.tsv holds a line of text in hexadecimal bytes (they need not be UTF-8; the references get them
with errors="replace"), a tab, and its ids. Small models are trained here on mpc/model/sample.txt and
written beside it; those of DATA_DIRECTORY (tokenizers/gpt2, tokenizers/bert) are used where given.
"""
import io
import os
import random
import sys
import tempfile
import unicodedata

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
SAMPLE = open(os.path.join(ROOT, "mpc", "model", "sample.txt"), encoding="utf-8").read().splitlines()

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "     ", ".,;:!?'\"()-_/@#$%^&*",
    "\u00e0\u00e9\u00ef\u00f1\u00f6\u00fc\u00df\u00c5\u00d8\u0107\u0142\u017e", "\u4e2d\u6587\u65e5\u672c\u8a9e\u6f22\u5b57\u3042\u3044\u30c6\u30b9\u30c8\ud55c\uad6d\uc5b4",
    "\U0001f600\U0001f680\U0001f44d\U0001f1e9\U0001f1ea\u2764\ufe0f\u200d\U0001f469", "\u0391\u03a3\u03c3\u03c2\u0416\u0438\u0627\u0644\u05e9\u0939\u093f",
    "\u2e48\u09fd\u166d\ua9bd\u1734\u1885\U0001fbf7\u32ff\U0001e900\U0002b820\u2581\u0130\u05e9\u05c1\u0e2a\u0e27\u0e31",
    "\t\n\r\x00\x01\x07\x1b\x7f\x85\u00a0\u2003\u2028\u3000\ufeff\u200b", "\u0301\u0308\u0327", "\u00bd\u2167\u2460\ufb01\uff21\u00b2\u2122",
]
RULES = {"bpe": "identity", "unigram": "nmt_nfkc", "plain": "identity"}
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", " 's", "  "]


def lines(count, seed=1):
    rng = random.Random(seed)
    out = []
    for i in range(count):
        kind = rng.randrange(5)
        if kind == 0:
            text = rng.choice(SAMPLE).encode()
        elif kind == 1:
            words = rng.choice(SAMPLE).split(" ")
            for _ in range(rng.randrange(1, 4)):
                words.insert(rng.randrange(len(words) + 1),
                             "".join(rng.choice(rng.choice(ALPHABETS)) for _ in range(rng.randrange(1, 8))))
            text = " ".join(words).encode()
        elif kind == 2:
            text = "".join(rng.choice(rng.choice(ALPHABETS)) for _ in range(rng.randrange(0, 40))).encode()
        elif kind == 3:
            text = "".join(rng.choice(["don", "we", "I", "can", "\u00e9", "7", "\n"]) + rng.choice(CONTRACTIONS)
                           for _ in range(rng.randrange(1, 8))).encode()
        else:
            text = bytearray(rng.choice(SAMPLE).encode())
            for _ in range(rng.randrange(1, 5)):
                text.insert(rng.randrange(len(text) + 1), rng.randrange(128, 256))
            text = bytes(text)
        out.append(text)
    return out


def write(path, texts, encode):
    with open(path, "w") as out:
        for text in texts:
            ids = encode(text.decode("utf-8", "replace"))
            out.write(text.hex() + "\t" + " ".join(map(str, ids)) + "\n")


def charsmap():
    """SentencePiece's precompiled form of what NFKC and capitals' folding do to a few characters."""
    rules = {unicodedata.normalize("NFD", c): c.lower() for c in ALPHABETS[5]}
    for c in "".join(ALPHABETS[:6] + ALPHABETS[-1:]) + "\u3000\u00a0\u2003\u0130":
        rules[c] = unicodedata.normalize("NFKC", c).lower()
    rules = {key: value for key, value in rules.items() if key != value}
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as table:
        for key, value in sorted(rules.items()):
            hexed = [" ".join("%X" % ord(c) for c in text) for text in (key, value)]
            table.write(hexed[0] + "\t" + hexed[1] + "\n")
        table.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SAMPLE), model_writer=model, vocab_size=300, minloglevel=2,
            normalization_rule_tsv=table.name)
    spec = sentencepiece_model_pb2.ModelProto()
    spec.ParseFromString(model.getvalue())
    return spec.normalizer_spec.precompiled_charsmap


def train_json(kind):
    if kind == "bytes":
        t = tokenizers.Tokenizer(models.BPE())
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        t.decoder = decoders.ByteLevel()
        t.train_from_iterator(SAMPLE, trainers.BpeTrainer(
            vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    elif kind == "bytes-split":  # As LLaMA 3 and Qwen2 cut.
        t = tokenizers.Tokenizer(models.BPE())
        t.normalizer = normalizers.NFC()
        pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                   r"|\s*[\r\n]+|\s+(?!\S)|\s+")
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        t.train_from_iterator(SAMPLE, trainers.BpeTrainer(
            vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    elif kind == "cased":
        t = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
        t.normalizer = normalizers.BertNormalizer(lowercase=False)
        t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        t.train_from_iterator(SAMPLE, trainers.WordPieceTrainer(
            vocab_size=400, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False))
        t.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    elif kind == "digits":  # As SmolLM's: each digit by itself.
        t = tokenizers.Tokenizer(models.BPE())
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
        t.train_from_iterator(SAMPLE, trainers.BpeTrainer(
            vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    elif kind == "precompiled":  # As transformers writes XLM-RoBERTa's.
        t = tokenizers.Tokenizer(models.Unigram())
        t.normalizer = normalizers.Precompiled(charsmap())
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
        t.train_from_iterator(SAMPLE, trainers.UnigramTrainer(
            vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>",
            show_progress=False))
        t.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    elif kind == "fallback":  # As LLaMA 2's: byte fallback, marked spaces.
        t = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
        specials = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
        t.train_from_iterator(SAMPLE, trainers.BpeTrainer(vocab_size=600, special_tokens=specials,
                                                          show_progress=False))
        t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        # The byte pieces are pieces, not tokens that a text can name.
        import json
        root = json.loads(t.to_str())
        root["added_tokens"] = root["added_tokens"][:3]
        t = tokenizers.Tokenizer.from_str(json.dumps(root))
    else:
        t = tokenizers.Tokenizer(models.Unigram())
        t.normalizer = normalizers.NFKC()
        t.pre_tokenizer = pre_tokenizers.Metaspace()
        t.train_from_iterator(SAMPLE, trainers.UnigramTrainer(
            vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>",
            show_progress=False))
        t.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return t


def main():
    out = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    texts = lines(count)
    for kind in ["bytes", "bytes-split", "cased", "digits", "fallback", "precompiled", "unigram"]:
        path = os.path.join(out, kind + ".json")
        if not os.path.exists(path):
            train_json(kind).save(path, pretty=False)
        t = tokenizers.Tokenizer.from_file(path)
        write(os.path.join(out, kind + ".tsv"), texts, lambda s: t.encode(s).ids)
    for kind in ["bpe", "unigram", "plain"]:
        path = os.path.join(out, "sp-" + kind + ".model")
        if not os.path.exists(path):
            model = io.BytesIO()
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(SAMPLE), model_writer=model,
                model_type="bpe" if kind == "bpe" else "unigram", vocab_size=350 if kind == "plain" else 360,
                byte_fallback=kind == "bpe", character_coverage=1.0, minloglevel=2,
                add_dummy_prefix=kind != "plain", normalization_rule_name=RULES[kind])
            open(path, "wb").write(model.getvalue())
        sp = sentencepiece.SentencePieceProcessor(model_file=path)
        write(os.path.join(out, "sp-" + kind + ".tsv"), texts, lambda s: [sp.bos_id()] + sp.encode(s))
    if len(sys.argv) > 3:
        for kind in ["gpt2", "bert"]:
            t = tokenizers.Tokenizer.from_file(os.path.join(sys.argv[3], "tokenizers", kind, "tokenizer.json"))
            t.no_truncation()
            t.no_padding()
            write(os.path.join(out, kind + ".tsv"), texts, lambda s: t.encode(s).ids)


main()
