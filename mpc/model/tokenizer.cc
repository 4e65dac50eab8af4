#include "mpc/model/tokenizer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "mpc/model/bpe.h"
#include "mpc/model/json.h"
#include "mpc/model/sentencepiece.h"
#include "mpc/model/tokenizer_json.h"
#include "mpc/model/wordpiece.h"

namespace mpc {

namespace {

using proto::Bytes;
using proto::ByteSpan;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using Model = std::shared_ptr<const TokenizerModel>;

constexpr std::string_view kMagic = "WXTOKEN1";
constexpr std::size_t kPackedFilesMax = 8;
constexpr std::size_t kFileNameMax = 64;

// For models without a tokenizer: ids in decimal, white space between them.
class Numbers final : public TokenizerModel {
 public:
  std::vector<std::uint32_t> Encode(std::string_view text) const override {
    std::vector<std::uint32_t> ids;
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at != end) {
      std::uint32_t id = 0;
      const auto [next, error] = std::from_chars(at, end, id);
      if (error == std::errc() && id < size()) ids.push_back(id);
      at = next == at ? at + 1 : next;
    }
    return ids;
  }
  std::string Decode(std::span<const std::uint32_t> ids) const override {
    std::string text;
    for (const std::uint32_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
    return text;
  }
  std::uint32_t size() const override { return kVocabularyPiecesMax; }
};

Result<Model> ReadVocabAndMerges(ByteSpan vocab_json, ByteSpan merges_txt,
                                 std::string_view family) {
  const auto bad = [](const std::string& what) { return Fail(ErrorCode::kInvalidArgument, what); };
  const nlohmann::json root = ParseJson(vocab_json);
  if (!root.is_object()) return bad("vocab.json: not a JSON object");
  Bpe::Vocabulary vocabulary;
  for (const auto& [piece, id] : root.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kVocabularyPiecesMax) {
      return bad("vocab.json: an id is no number below 2^20");
    }
    vocabulary.emplace(piece, id.get<std::uint32_t>());
  }
  Bpe::Merges merges;
  std::string_view rest = proto::AsText(merges_txt);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return bad("merges.txt: a line is no pair");
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  BpeOptions options;
  auto cutter = Cutter::From(kGpt2Pattern);
  if (!cutter) return tl::unexpected(cutter.error());
  options.cutters.push_back(std::move(*cutter));
  const auto id_of = [&](const char* name) -> std::optional<std::uint32_t> {
    const auto found = vocabulary.find(name);
    return found == vocabulary.end() ? std::nullopt : std::optional(found->second);
  };
  for (const char* name : {"<s>", "</s>", "<pad>", "<mask>", "<unk>", "<|endoftext|>"}) {
    if (const auto id = id_of(name)) options.special.push_back(*id);
  }
  if (family == "roberta") {
    if (!id_of("<s>") || !id_of("</s>")) return bad("vocab.json: no <s> and </s>");
    options.first = {*id_of("<s>")};
    options.last = {*id_of("</s>")};
    options.pad = id_of("<pad>");
  }
  auto bpe = Bpe::From(std::move(vocabulary), merges, std::move(options));
  if (!bpe) return tl::unexpected(bpe.error());
  return std::make_shared<const Bpe>(std::move(*bpe));
}

template <class Made>
Result<Model> Shared(Result<Made> made) {
  if (!made) return tl::unexpected(made.error());
  return std::make_shared<const Made>(std::move(*made));
}

// Of tokenizer_config.json; nothing where it says nothing.
std::optional<bool> Says(const nlohmann::json& settings, const char* name) {
  const nlohmann::json& value = JsonField(settings, name);
  return value.is_boolean() ? std::optional(value.get<bool>()) : std::nullopt;
}

Result<Model> Read(const TokenizerFiles& files) {
  const auto has = [&](const char* name) { return files.contains(name); };
  const auto family = files.find("family");
  const std::string kin = family == files.end() ? "" : std::string(proto::AsText(family->second));
  nlohmann::json settings;
  if (has("tokenizer_config.json")) {
    settings = ParseJson(files.at("tokenizer_config.json"));
    if (!settings.is_object()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "tokenizer_config.json: not a JSON object, nested too deeply or too large");
    }
  }
  if (has("tokenizer.model")) {
    return ParseSentencePiece(files.at("tokenizer.model"), kin,
                              {Says(settings, "add_bos_token").value_or(true),
                               Says(settings, "add_eos_token").value_or(false)});
  }
  if (has("tokenizer.json")) return ParseTokenizerJson(files.at("tokenizer.json"));
  if (has("vocab.txt")) {
    WordPieceOptions options;
    options.lowered = Says(settings, "do_lower_case").value_or(true);
    options.accents_stripped = Says(settings, "strip_accents").value_or(options.lowered);
    options.cjk_alone = Says(settings, "tokenize_chinese_chars").value_or(true);
    return Shared(WordPiece::FromVocab(files.at("vocab.txt"), options));
  }
  for (const auto& [vocab, merges] :
       {std::pair{"vocab.json", "merges.txt"}, std::pair{"encoder.json", "vocab.bpe"}}) {
    if (has(vocab) && has(merges)) {
      return ReadVocabAndMerges(files.at(vocab), files.at(merges), kin);
    }
  }
  for (const char* name : {"tok512.bin", "tokenizer.bin"}) {
    if (has(name)) return Shared(Bpe::FromScores(files.at(name)));
  }
  return std::make_shared<const Numbers>();
}

}  // namespace

std::vector<std::string> TokenizerFileNames() {
  return {"tokenizer.model", "tokenizer.json", "vocab.txt",  "vocab.json",   "merges.txt",
          "encoder.json",    "vocab.bpe",      "tok512.bin", "tokenizer.bin"};
}

Result<Tokenizer> Tokenizer::From(const TokenizerFiles& files) {
  auto model = Read(files);
  if (!model) return tl::unexpected(model.error());
  return Tokenizer(std::move(*model));
}

Result<Tokenizer> Tokenizer::FromVocab(ByteSpan vocab_txt) {
  return From({{"vocab.txt", Bytes(vocab_txt.begin(), vocab_txt.end())}});
}

std::vector<std::uint32_t> Tokenizer::Encode(std::string_view text) const {
  return model_->Encode(text.substr(0, kTextBytesMax));
}

Bytes PackTokenizer(const TokenizerFiles& files) {
  Bytes out(kMagic.begin(), kMagic.end());
  proto::PutU32(out, static_cast<std::uint32_t>(files.size()));
  for (const auto& [name, bytes] : files) {
    proto::PutU32(out, static_cast<std::uint32_t>(name.size()));
    out.insert(out.end(), name.begin(), name.end());
    proto::PutU32(out, static_cast<std::uint32_t>(bytes.size()));
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

Result<TokenizerFiles> UnpackTokenizer(ByteSpan bytes) {
  const auto bad = [] {
    return Fail(ErrorCode::kInvalidArgument, "a packed tokenizer is malformed");
  };
  TokenizerFiles files;
  if (bytes.size() < kMagic.size() + 4 || proto::AsText(bytes.first(kMagic.size())) != kMagic) {
    return bad();
  }
  const std::uint32_t count = proto::GetU32(bytes.subspan(kMagic.size()));
  bytes = bytes.subspan(kMagic.size() + 4);
  if (count > kPackedFilesMax) return bad();
  const auto take = [&](std::size_t most) -> std::optional<ByteSpan> {
    if (bytes.size() < 4) return std::nullopt;
    const std::uint32_t size = proto::GetU32(bytes);
    if (size > most || size > bytes.size() - 4) return std::nullopt;
    const ByteSpan taken = bytes.subspan(4, size);
    bytes = bytes.subspan(4 + size);
    return taken;
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto name = take(kFileNameMax);
    const auto file = name ? take(bytes.size()) : std::nullopt;
    if (!file) return bad();
    files.emplace(proto::AsText(*name), Bytes(file->begin(), file->end()));
  }
  if (!bytes.empty() || files.size() != count) return bad();
  return files;
}

}  // namespace mpc
