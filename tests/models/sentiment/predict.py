"""Reads the stored model and labels sentences, one JSON object a line.

    predict.py SENTENCES [--model DIR]      (one sentence a line; DIR defaults to this folder)

Each line holds the sentence, its ids, its logits and its label: a reference for other programs
that run the same files.
"""

import argparse
import json
import pathlib

import torch

import bert
import wordpiece


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sentences", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    options = parser.parse_args()

    config = json.loads((options.model / "config.json").read_text())
    pieces = (options.model / "vocab.txt").read_text(encoding="utf-8").splitlines()
    tokenizer = wordpiece.Tokenizer(pieces)
    model = bert.load(config, options.model / "model.safetensors")
    for sentence in options.sentences.read_text(encoding="utf-8").splitlines():
        ids = tokenizer.encode(sentence, config["max_position_embeddings"])
        with torch.no_grad():
            logits = model(torch.tensor([ids]))[0].tolist()
        label = config["id2label"][str(max(range(len(logits)), key=logits.__getitem__))]
        print(json.dumps({"sentence": sentence, "ids": ids, "logits": logits, "label": label}))


if __name__ == "__main__":
    main()
