#include "mpc/model/sentencepiece.h"

#include <bit>
#include <optional>
#include <utility>

#include "mpc/model/unigram.h"

namespace mpc {

namespace {

using proto::ByteSpan;
using proto::Result;
using Model = std::shared_ptr<const TokenizerModel>;

tl::unexpected<proto::Error> Bad(const std::string& what) {
  return proto::Fail(proto::ErrorCode::kInvalidArgument, "tokenizer.model: " + what);
}

// The fields of a message in Protocol Buffers' wire format.
class Fields {
 public:
  explicit Fields(ByteSpan bytes) : rest_(bytes) {}

  struct Field {
    std::uint64_t number = 0;
    std::uint64_t value = 0;  // A varint, or 32 or 64 bits.
    ByteSpan bytes;           // Of a length-delimited one.
  };
  // Nothing at the end, or after malformed bytes, when ok() is false.
  std::optional<Field> Next() {
    if (rest_.empty() || !ok_) return std::nullopt;
    const std::uint64_t key = Varint();
    Field field{key >> 3, 0, {}};
    switch (key & 7) {
      case 0:
        field.value = Varint();
        break;
      case 1:
        Take(8);
        break;
      case 2:
        field.bytes = Take(Varint());
        break;
      case 5: {
        const ByteSpan raw = Take(4);
        if (!raw.empty()) field.value = proto::GetU32(raw);
        break;
      }
      default:
        ok_ = false;
    }
    return ok_ ? std::optional(field) : std::nullopt;
  }
  bool ok() const { return ok_; }

 private:
  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const std::uint8_t byte = rest_[0];
      rest_ = rest_.subspan(1);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  ByteSpan Take(std::uint64_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const ByteSpan taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  ByteSpan rest_;
  bool ok_ = true;
};

// Of ModelProto.SentencePiece.Type.
enum class Kind : std::uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct Contents {
  std::vector<Unigram::Piece> pieces;
  std::vector<Kind> kinds;
  std::uint64_t model_type = 1;  // 1 Unigram, 2 BPE.
  bool byte_fallback = false;
  std::int64_t begin = 1, end = 2;
  bool dummy_prefix = true, collapse = true, escape = true, suffix = false;
  ByteSpan charsmap;
};

bool ReadPiece(ByteSpan bytes, Contents& contents) {
  Unigram::Piece piece;
  Kind kind = Kind::kNormal;
  Fields fields(bytes);
  while (const auto field = fields.Next()) {
    if (field->number == 1) piece.text = proto::AsText(field->bytes);
    if (field->number == 2) {
      piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field->value));
    }
    if (field->number == 3) kind = static_cast<Kind>(field->value);
  }
  contents.pieces.push_back(std::move(piece));
  contents.kinds.push_back(kind);
  return fields.ok() && contents.pieces.size() <= kVocabularyPiecesMax;
}

bool ReadTrainer(ByteSpan bytes, Contents& contents) {
  Fields fields(bytes);
  while (const auto field = fields.Next()) {
    const auto id = static_cast<std::int32_t>(field->value);  // -1: none.
    if (field->number == 3) contents.model_type = field->value;
    if (field->number == 24) contents.suffix = field->value != 0;
    if (field->number == 35) contents.byte_fallback = field->value != 0;
    if (field->number == 41) contents.begin = id;
    if (field->number == 42) contents.end = id;
  }
  return fields.ok();
}

bool ReadNormalizer(ByteSpan bytes, Contents& contents) {
  Fields fields(bytes);
  while (const auto field = fields.Next()) {
    if (field->number == 2) contents.charsmap = field->bytes;
    if (field->number == 3) contents.dummy_prefix = field->value != 0;
    if (field->number == 4) contents.collapse = field->value != 0;
    if (field->number == 5) contents.escape = field->value != 0;
  }
  return fields.ok();
}

Result<Contents> ReadContents(ByteSpan bytes) {
  Contents contents;
  Fields fields(bytes);
  while (const auto field = fields.Next()) {
    bool ok = true;
    if (field->number == 1) ok = ReadPiece(field->bytes, contents);
    if (field->number == 2) ok = ReadTrainer(field->bytes, contents);
    if (field->number == 3) ok = ReadNormalizer(field->bytes, contents);
    if (!ok) return Bad("malformed, or more than 2^20 pieces");
  }
  if (!fields.ok() || contents.pieces.empty()) return Bad("no SentencePiece model");
  if (contents.model_type != 1 && contents.model_type != 2) {
    return Bad("a model that is neither Unigram nor BPE is not supported");
  }
  if (!contents.escape || contents.suffix) {
    return Bad("spaces other than as U+2581 before words are not supported");
  }
  return contents;
}

// XLM-RoBERTa's ids: <s>, <pad>, </s> and <unk> come first, the file's other pieces are one later.
class Shifted final : public TokenizerModel {
 public:
  static constexpr std::uint32_t kBegin = 0, kPad = 1, kEnd = 2, kUnknown = 3;

  Shifted(Model model, std::uint32_t unknown) : model_(std::move(model)), unknown_(unknown) {}

  std::vector<std::uint32_t> Encode(std::string_view text) const override {
    std::vector<std::uint32_t> ids = {kBegin};
    for (const std::uint32_t id : model_->Encode(text)) {
      ids.push_back(id == unknown_ ? kUnknown : id + 1);
    }
    ids.push_back(kEnd);
    return ids;
  }
  std::string Decode(std::span<const std::uint32_t> ids) const override {
    std::vector<std::uint32_t> inner;
    for (const std::uint32_t id : ids) {
      if (id > kUnknown) inner.push_back(id - 1);
    }
    return model_->Decode(inner);
  }
  std::uint32_t size() const override { return model_->size() + 2; }  // And its mask token.
  std::optional<std::uint32_t> pad() const override { return kPad; }

 private:
  const Model model_;
  const std::uint32_t unknown_;
};

}  // namespace

Result<Model> ParseSentencePiece(ByteSpan bytes, std::string_view family,
                                 const SentencePieceEnds& ends) {
  auto contents = ReadContents(bytes);
  if (!contents) return tl::unexpected(contents.error());
  auto map = CharsMap::From(contents->charsmap);
  if (!map) return tl::unexpected(map.error());
  BpeOptions options;
  options.byte_level = false;
  options.charsmap = std::make_shared<const CharsMap>(std::move(*map));
  options.spaces_collapsed = contents->collapse;
  if (contents->dummy_prefix) options.prepend = " ";
  options.spaces_marked = true;
  options.unknown_fused = true;
  std::vector<bool> text(contents->pieces.size());
  for (std::uint32_t id = 0; id < contents->pieces.size(); ++id) {
    const Kind kind = contents->kinds[id];
    text[id] = kind == Kind::kNormal || kind == Kind::kUserDefined;
    if (kind == Kind::kUnknown) options.unknown = id;
    if (kind == Kind::kUnknown || kind == Kind::kControl) options.special.push_back(id);
  }
  if (!options.unknown) return Bad("no unknown piece");
  const std::uint32_t unknown = *options.unknown;
  const bool shifted = family == "roberta";
  const auto around = [&](bool wanted, std::int64_t id) -> std::vector<std::uint32_t> {
    const bool there = id >= 0 && static_cast<std::uint64_t>(id) < contents->pieces.size();
    if (shifted || !wanted || !there) return {};
    return {static_cast<std::uint32_t>(id)};
  };
  options.first = around(ends.begin, contents->begin);
  options.last = around(ends.end, contents->end);
  Model model;
  if (contents->model_type == 1) {
    auto unigram = Unigram::From(std::move(contents->pieces), contents->byte_fallback,
                                 std::move(options), text);
    if (!unigram) return tl::unexpected(unigram.error());
    model = std::make_shared<const Unigram>(std::move(*unigram));
  } else {
    auto bpe = Bpe::FromScoredPieces(contents->pieces, text, std::move(options));
    if (!bpe) return tl::unexpected(bpe.error());
    model = std::make_shared<const Bpe>(std::move(*bpe));
  }
  if (shifted) model = std::make_shared<const Shifted>(std::move(model), unknown);
  return model;
}

}  // namespace mpc
