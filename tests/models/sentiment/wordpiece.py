"""BERT's uncased tokenizer and a trainer for its WordPiece vocabulary.

Splitting follows Hugging Face's BertTokenizer (do_lower_case, strip_accents,
tokenize_chinese_chars): control characters go, CJK characters and punctuation stand alone, the
rest is lowered, stripped of accents and cut at white space; each word is then matched greedily,
longest piece first, and pieces that do not begin a word carry the prefix "##".
"""

import collections
import heapq
import string
import unicodedata

PAD, UNK, CLS, SEP, MASK = range(5)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MAX_WORD_CHARS = 100

# Blocks that BERT calls CJK: each of their characters is a word.
CJK = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
       (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]


def _is_punctuation(char):
    return char in string.punctuation or unicodedata.category(char).startswith("P")


def _is_control(char):
    return char in "\0\ufffd" or unicodedata.category(char).startswith("C")


def _is_cjk(char):
    return any(first <= ord(char) <= last for first, last in CJK)


def split_words(text):
    """Text -> lower-case words and punctuation marks, before the vocabulary is consulted."""
    clean = []
    for char in text:
        if char in " \t\n\r" or unicodedata.category(char) == "Zs":
            clean.append(" ")
        elif _is_cjk(char):
            clean.append(f" {char} ")
        elif not _is_control(char):
            clean.append(char)
    plain = unicodedata.normalize("NFD", "".join(clean).lower())
    spaced = []
    for char in plain:
        if _is_punctuation(char):
            spaced.append(f" {char} ")
        elif unicodedata.category(char) != "Mn":
            spaced.append(char)
    return "".join(spaced).split()


def match(word, pieces):
    """One word -> its pieces, greedily from the left; None where no piece fits."""
    found, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            piece = prefix + word[start:end]
            if piece in pieces:
                break
        else:
            return None
        found.append(piece)
        start = end
    return found


class Tokenizer:
    """Text -> ids, [CLS] first and [SEP] last."""

    def __init__(self, pieces):
        self.ids = {piece: i for i, piece in enumerate(pieces)}
        self._known = {}  # word -> ids, for the words met so far

    def __len__(self):
        return len(self.ids)

    def _word(self, word):
        if word not in self._known:
            found = match(word, self.ids) if len(word) <= MAX_WORD_CHARS else None
            self._known[word] = [self.ids[piece] for piece in found] if found else [UNK]
        return self._known[word]

    def encode(self, text, max_length):
        """At most max_length ids: a longer text loses its end, never its [SEP]."""
        ids = [i for word in split_words(text) for i in self._word(word)]
        return [CLS] + ids[:max_length - 2] + [SEP]


def _alphabet(words):
    """Pieces no vocabulary may lack: printable ASCII and every character met, in both forms.

    Punctuation always stands alone, so it needs no "##" form.
    """
    chars = set(string.ascii_lowercase + string.digits + string.punctuation)
    chars.update(char for word in words for char in word)
    return sorted(chars) + ["##" + char for char in sorted(chars) if not _is_punctuation(char)]


def _merges(counts, number):
    """The pieces made by merging the most frequent adjacent pair, `number` times (as in BPE)."""
    words = [([word[0]] + ["##" + char for char in word[1:]], n) for word, n in counts.items()]
    pairs = collections.Counter()
    where = collections.defaultdict(set)  # pair -> indices of words that may hold it
    for i, (pieces, n) in enumerate(words):
        for pair in zip(pieces, pieces[1:]):
            pairs[pair] += n
            where[pair].add(i)
    queue = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(queue)
    made = []
    while len(made) < number and queue:
        n, best = heapq.heappop(queue)
        if pairs[best] != -n:  # stale: another merge has changed this pair's count
            continue
        joined = best[0] + best[1][2:]
        made.append(joined)
        changed = set()
        for i in where.pop(best):
            pieces, n = words[i]
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] -= n
                changed.add(pair)
            at = 0
            while at < len(pieces) - 1:
                if (pieces[at], pieces[at + 1]) == best:
                    pieces[at:at + 2] = [joined]
                at += 1
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += n
                where[pair].add(i)
                changed.add(pair)
        for pair in changed:
            if pairs[pair] > 0:
                heapq.heappush(queue, (-pairs[pair], pair))
    return made


def train_vocabulary(counts, size):
    """The `size` pieces of a vocabulary for these words and counts: merge twice too many, keep the most used.

    Plain merging spends entries on fragments that longer pieces later hide. Dropping the pieces
    which greedy matching uses least, a fifth of the surplus at a time because each drop sends its
    words to other pieces, leaves room for more whole words.
    """
    fixed = SPECIAL + _alphabet(counts)
    chosen = dict.fromkeys(_merges(counts, 2 * (size - len(fixed))))
    for fixed_piece in fixed:
        chosen.pop(fixed_piece, None)
    surplus = len(fixed) + len(chosen) - size
    while surplus > 0:
        known = set(fixed) | set(chosen)
        used = collections.Counter()
        for word, n in counts.items():
            for piece in match(word, known):
                used[piece] += n
        drop = min(surplus, max(surplus // 5, 50))
        for piece in sorted(chosen, key=lambda piece: (used[piece], piece))[:drop]:
            del chosen[piece]
        surplus -= drop
    return fixed + sorted(chosen)
