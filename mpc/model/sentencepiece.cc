#include "mpc/model/sentencepiece.h"

#include <sentencepiece_processor.h>

#include "mpc/model/unicode.h"

namespace mpc {

namespace {

class SentencePiece final : public TokenizerModel {
 public:
  static constexpr std::uint32_t kBegin = 0, kPad = 1, kEnd = 2, kUnknown = 3;  // XLM-RoBERTa's.

  explicit SentencePiece(bool shifted) : shifted_(shifted) {}

  bool Load(std::string_view bytes) {
    return processor_.LoadFromSerializedProto({bytes.data(), bytes.size()}).ok();
  }
  std::vector<std::uint32_t> Encode(std::string_view text) const override {
    std::vector<int> pieces;
    const std::string clean = ReplaceBadUtf8(text);
    if (!processor_.Encode({clean.data(), clean.size()}, &pieces).ok()) pieces.clear();
    std::vector<std::uint32_t> ids;
    if (shifted_) {
      ids.push_back(kBegin);
    } else if (processor_.bos_id() >= 0) {
      ids.push_back(static_cast<std::uint32_t>(processor_.bos_id()));
    }
    for (const int piece : pieces) {
      if (!shifted_) {
        ids.push_back(static_cast<std::uint32_t>(piece));
      } else {
        ids.push_back(piece == processor_.unk_id() ? kUnknown
                                                   : static_cast<std::uint32_t>(piece) + 1);
      }
    }
    if (shifted_) ids.push_back(kEnd);
    return ids;
  }
  std::string Decode(std::span<const std::uint32_t> ids) const override {
    std::vector<int> pieces;
    for (const std::uint32_t id : ids) {
      if (id >= size() || (shifted_ && id <= kUnknown)) continue;
      pieces.push_back(static_cast<int>(shifted_ ? id - 1 : id));
    }
    std::string text;
    return processor_.Decode(pieces, &text).ok() ? text : "";
  }
  std::uint32_t size() const override {
    // XLM-RoBERTa: one for the shift, one for its mask token at the end.
    return static_cast<std::uint32_t>(processor_.GetPieceSize()) + (shifted_ ? 2 : 0);
  }
  std::uint32_t pad() const override { return shifted_ ? kPad : 0; }

 private:
  sentencepiece::SentencePieceProcessor processor_;
  const bool shifted_;
};

}  // namespace

proto::Result<std::shared_ptr<const TokenizerModel>> ParseSentencePiece(proto::ByteSpan bytes,
                                                                        std::string_view family) {
  auto model = std::make_shared<SentencePiece>(family == "roberta");
  if (!model->Load(proto::AsText(bytes)) || model->size() > kVocabularyPiecesMax) {
    return proto::Fail(proto::ErrorCode::kInvalidArgument,
                       "tokenizer.model: the SentencePiece library does not read it");
  }
  return model;
}

}  // namespace mpc
