#include "mpc/model/tokenizer_json.h"

#include <algorithm>

#include "mpc/model/bpe.h"
#include "mpc/model/json.h"
#include "mpc/model/unigram.h"
#include "mpc/model/wordpiece.h"

namespace mpc {

namespace {

using nlohmann::json;
using proto::Bytes;
using proto::Result;
using Model = std::shared_ptr<const TokenizerModel>;

constexpr char kSpaceMark[] = "\xe2\x96\x81";  // U+2581
constexpr std::size_t kStepsMax = 32;

tl::unexpected<proto::Error> Bad(const std::string& what) {
  return proto::Fail(proto::ErrorCode::kInvalidArgument, "tokenizer.json: " + what);
}

const json& Field(const json& from, const char* name) {
  return JsonField(from, name);
}
std::string Text(const json& value) {
  return value.is_string() ? value.get<std::string>() : "";
}
std::string TypeOf(const json& step) {
  return Text(Field(step, "type")).substr(0, 64);
}
bool Flag(const json& from, const char* name, bool otherwise) {
  const json& value = Field(from, name);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

// A step, or the steps of a Sequence; `list` is its field's name.
std::vector<json> Steps(const json& step, const char* list) {
  if (step.is_null()) return {};
  if (TypeOf(step) != "Sequence") return {step};
  std::vector<json> steps;
  for (const json& one : Field(step, list)) {
    if (steps.size() == kStepsMax) break;
    steps.push_back(one);
  }
  return steps;
}

Result<Bytes> FromBase64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  Bytes out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return Bad("a character that is not base64's");
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<std::uint8_t>(bits >> count));
  }
  return out;
}

// SentencePiece's normalisation, as transformers writes it: its map, then what is done about
// spaces. True if the step is one of these.
Result<bool> ReadSentencePieceStep(const json& step, BpeOptions& options) {
  const std::string type = TypeOf(step);
  const bool early = !options.normal && options.prepend.empty() && !options.spaces_marked;
  if (type == "Precompiled") {
    if (!early || options.right_stripped || options.runs_marked) {
      return Bad("normalizers in an unusual order");
    }
    const auto bytes = FromBase64(Text(Field(step, "precompiled_charsmap")));
    if (!bytes) return tl::unexpected(bytes.error());
    auto map = CharsMap::From(*bytes);
    if (!map) return tl::unexpected(map.error());
    options.charsmap = std::make_shared<const CharsMap>(std::move(*map));
    options.charsmap_of_graphemes = true;
  } else if (type == "Strip") {
    if (!early || options.runs_marked) return Bad("normalizers in an unusual order");
    options.left_stripped = Flag(step, "strip_left", false);
    options.right_stripped = Flag(step, "strip_right", false);
  } else if (type == "Replace" && Text(Field(Field(step, "pattern"), "Regex")) == " {2,}" &&
             Text(Field(step, "content")) == kSpaceMark) {
    if (!early) return Bad("normalizers in an unusual order");
    options.runs_marked = true;
  } else {
    return false;
  }
  return true;
}

Result<> ReadNormalizer(const json& normalizer, BpeOptions& options) {
  for (const json& step : Steps(normalizer, "normalizers")) {
    const auto read = ReadSentencePieceStep(step, options);
    if (!read) return tl::unexpected(read.error());
    if (*read) continue;
    const std::string type = TypeOf(step);
    if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
      if (options.normal || !options.prepend.empty()) return Bad("normalizers in an unusual order");
      options.normal = type == "NFC"    ? NormalForm::kNfc
                       : type == "NFD"  ? NormalForm::kNfd
                       : type == "NFKC" ? NormalForm::kNfkc
                                        : NormalForm::kNfkd;
    } else if (type == "Prepend") {
      options.prepend = Text(Field(step, "prepend"));
    } else if (type == "Replace" && Text(Field(Field(step, "pattern"), "String")) == " " &&
               Text(Field(step, "content")) == kSpaceMark) {
      options.spaces_marked = true;
    } else {
      return Bad("normalizer " + type +
                 " is not supported (supported: NFC, NFD, NFKC, NFKD, Precompiled, Strip, Prepend, "
                 "Replace of spaces)");
    }
  }
  return {};
}

Result<> ReadPreTokenizer(const json& pre, BpeOptions& options) {
  const auto cut = [&](std::string_view pattern) -> Result<> {
    auto cutter = Cutter::From(pattern);
    if (!cutter) return tl::unexpected(cutter.error());
    options.cutters.push_back(std::move(*cutter));
    return {};
  };
  for (const json& step : Steps(pre, "pretokenizers")) {
    const std::string type = TypeOf(step);
    if (type == "ByteLevel") {
      options.byte_level = true;
      options.prefix_space = Flag(step, "add_prefix_space", true);
      // Before each piece, then.
      if (options.prefix_space && !options.cutters.empty()) {
        return Bad("ByteLevel with add_prefix_space behind another pre-tokenizer is not supported");
      }
      if (!Flag(step, "use_regex", true)) continue;
      if (auto ok = cut(kGpt2Pattern); !ok) return ok;
    } else if (type == "Split" && Text(Field(step, "behavior")) == "Isolated" &&
               !Flag(step, "invert", false) && Field(Field(step, "pattern"), "Regex").is_string()) {
      if (auto ok = cut(Text(Field(Field(step, "pattern"), "Regex"))); !ok) return ok;
    } else if (type == "Digits") {
      if (auto ok = cut(Flag(step, "individual_digits", false) ? "\\p{N}" : "\\p{N}+"); !ok)
        return ok;
    } else if (type == "WhitespaceSplit" && options.cutters.empty()) {
      options.words_spaced = true;
    } else if (type == "Metaspace" && Text(Field(step, "replacement")) == kSpaceMark) {
      options.spaces_marked = true;
      const std::string scheme = Text(Field(step, "prepend_scheme"));
      options.prefix_space =
          scheme.empty() ? Flag(step, "add_prefix_space", true) : scheme != "never";
      // The first word is, for the reference, not the text's beginning where something was
      // stripped.
      if (options.left_stripped && scheme == "first") {
        return Bad("Strip at the left is not supported before Metaspace's first");
      }
      if (options.words_spaced && (scheme == "first" || !options.prefix_space)) {
        return Bad("WhitespaceSplit is supported where a mark goes before each word");
      }
      if (Flag(step, "split", true)) {
        if (auto ok = cut("\xe2\x96\x81[^\xe2\x96\x81]*"); !ok) return ok;
      }
    } else {
      return Bad("pre-tokenizer " + type +
                 " is not supported (supported: BertPreTokenizer, ByteLevel, Split isolated by a "
                 "pattern, Digits, WhitespaceSplit, Metaspace)");
    }
  }
  if (options.words_spaced && !options.spaces_marked) {
    return Bad("WhitespaceSplit is supported before Metaspace alone");
  }
  return {};
}

Result<> ReadPostProcessor(const json& post, const std::map<std::string, std::uint32_t>& specials,
                           BpeOptions& options) {
  const auto named = [&](const json& pair) -> std::vector<std::uint32_t> {
    if (!pair.is_array() || pair.size() != 2 || !pair[1].is_number_unsigned()) return {};
    return {pair[1].get<std::uint32_t>()};
  };
  for (const json& step : Steps(post, "processors")) {
    const std::string type = TypeOf(step);
    if (type == "ByteLevel") continue;
    if (type == "RobertaProcessing" || type == "BertProcessing") {
      options.first = named(Field(step, "cls"));
      options.last = named(Field(step, "sep"));
      // RobertaProcessing says again whether a space goes before the text, for offsets alone.
    } else if (type == "TemplateProcessing") {
      bool before = true;
      for (const json& part : Field(step, "single")) {
        if (part.contains("Sequence")) {
          before = false;
          continue;
        }
        const std::string name = Text(Field(Field(part, "SpecialToken"), "id"));
        const auto known = specials.find(name);
        if (known == specials.end())
          return Bad("the template names no token: " + name.substr(0, 64));
        (before ? options.first : options.last).push_back(known->second);
      }
    } else {
      return Bad("post-processor " + type +
                 " is not supported (supported: ByteLevel, RobertaProcessing, BertProcessing, "
                 "TemplateProcessing)");
    }
  }
  return {};
}

// BERT's, cased or not. What goes around a text is [CLS] and [SEP], in every one of its
// checkpoints.
Result<Model> ReadWordPiece(const json& model, const json& normalizer, const json& pre,
                            const json& post) {
  const json& longest = Field(model, "max_input_chars_per_word");
  if (TypeOf(normalizer) != "BertNormalizer" || TypeOf(pre) != "BertPreTokenizer" ||
      !Flag(normalizer, "clean_text", true) || Text(Field(model, "unk_token")) != "[UNK]" ||
      Text(Field(model, "continuing_subword_prefix")) != "##" ||
      (!longest.is_null() && longest != 100)) {
    return Bad("WordPiece other than BERT's is not supported");
  }
  if (TypeOf(post) != "TemplateProcessing" && TypeOf(post) != "BertProcessing") {
    return Bad("post-processor " + TypeOf(post) +
               " of WordPiece is not supported (supported: TemplateProcessing, BertProcessing)");
  }
  WordPieceOptions options;
  options.lowered = Flag(normalizer, "lowercase", true);
  options.accents_stripped = Flag(normalizer, "strip_accents", options.lowered);
  options.cjk_alone = Flag(normalizer, "handle_chinese_chars", true);
  std::vector<std::string> pieces;
  const json& vocabulary = Field(model, "vocab");
  if (!vocabulary.is_object()) return Bad("the vocabulary is no object");
  pieces.resize(vocabulary.size());
  for (const auto& [piece, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= pieces.size() ||
        !pieces[id.get<std::size_t>()].empty() || piece.find('\n') != std::string::npos) {
      return Bad("the vocabulary's ids are not 0, 1, 2, ..");
    }
    pieces[id.get<std::size_t>()] = piece;
  }
  std::string lines;
  for (const std::string& piece : pieces) lines += piece + "\n";
  auto made = WordPiece::FromVocab(proto::AsBytes(lines), options);
  if (!made) return tl::unexpected(made.error());
  return std::make_shared<const WordPiece>(std::move(*made));
}

Result<Model> ReadBpe(const json& model, BpeOptions options,
                      const std::map<std::string, std::uint32_t>& specials) {
  Bpe::Vocabulary vocabulary;
  const json& pieces = Field(model, "vocab");
  if (!pieces.is_object()) return Bad("the vocabulary is no object");
  for (const auto& [piece, id] : pieces.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kVocabularyPiecesMax) {
      return Bad("an id is no number below 2^20");
    }
    vocabulary.emplace(piece, id.get<std::uint32_t>());
  }
  for (const auto& [piece, id] : specials) vocabulary.emplace(piece, id);
  Bpe::Merges merges;
  for (const json& merge : Field(model, "merges")) {
    if (merge.is_array() && merge.size() == 2) {
      merges.emplace_back(Text(merge[0]), Text(merge[1]));
    } else {
      const std::string line = Text(merge);
      const std::size_t space = line.find(' ');
      if (space == std::string::npos) return Bad("a merge is no pair");
      merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    }
  }
  const json& unknown = Field(model, "unk_token");
  if (unknown.is_string()) {
    const auto found = vocabulary.find(Text(unknown));
    if (found != vocabulary.end()) options.unknown = found->second;
  }
  options.unknown_fused = Flag(model, "fuse_unk", false);
  options.whole_first = Flag(model, "ignore_merges", false);
  options.bytes_for_unknown = Flag(model, "byte_fallback", false);
  if (const json& dropout = Field(model, "dropout"); !dropout.is_null() && dropout != 0) {
    return Bad("BPE with dropout is not supported: it cuts a text at random");
  }
  if (!Text(Field(model, "continuing_subword_prefix")).empty() ||
      !Text(Field(model, "end_of_word_suffix")).empty()) {
    return Bad("BPE with affixes is not supported");
  }
  auto made = Bpe::From(std::move(vocabulary), merges, std::move(options));
  if (!made) return tl::unexpected(made.error());
  return std::make_shared<const Bpe>(std::move(*made));
}

Result<Model> ReadUnigram(const json& model, BpeOptions options) {
  std::vector<Unigram::Piece> pieces;
  for (const json& piece : Field(model, "vocab")) {
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number()) {
      return Bad("a piece has no text and score");
    }
    pieces.push_back({piece[0].get<std::string>(), piece[1].get<double>()});
  }
  const json& unknown = Field(model, "unk_id");
  if (unknown.is_number_unsigned()) options.unknown = unknown.get<std::uint32_t>();
  // A special token's name is text.
  std::vector<bool> text(pieces.size(), true);
  for (const std::uint32_t id : options.special) {
    if (id < text.size()) text[id] = false;
  }
  auto made = Unigram::From(std::move(pieces), Flag(model, "byte_fallback", false),
                            std::move(options), text);
  if (!made) return tl::unexpected(made.error());
  return std::make_shared<const Unigram>(std::move(*made));
}

}  // namespace

Result<Model> ParseTokenizerJson(proto::ByteSpan bytes) {
  const json root = ParseJson(bytes);
  if (!root.is_object()) return Bad("not a JSON object, nested too deeply or too large");
  const json& model = Field(root, "model");
  const json &normalizer = Field(root, "normalizer"), &pre = Field(root, "pre_tokenizer");
  const json& post = Field(root, "post_processor");
  std::string type = TypeOf(model);
  if (type.empty() && model.contains("merges")) type = "BPE";
  if (type == "WordPiece") return ReadWordPiece(model, normalizer, pre, post);
  if (type != "BPE" && type != "Unigram") {
    return Bad("model " + type + " is not supported (supported: WordPiece, BPE, Unigram)");
  }
  std::map<std::string, std::uint32_t> specials;
  BpeOptions options;
  options.byte_level = false;
  for (const json& token : Field(root, "added_tokens")) {
    const json& id = Field(token, "id");
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kVocabularyPiecesMax) {
      return Bad("an added token's id is no number below 2^20");
    }
    specials.emplace(Text(Field(token, "content")), id.get<std::uint32_t>());
    if (Flag(token, "special", false)) options.special.push_back(id.get<std::uint32_t>());
  }
  for (const char* name : {"[PAD]", "<pad>"}) {
    if (specials.contains(name)) options.pad = specials.at(name);
  }
  if (auto ok = ReadNormalizer(normalizer, options); !ok) return tl::unexpected(ok.error());
  if (auto ok = ReadPreTokenizer(pre, options); !ok) return tl::unexpected(ok.error());
  if (auto ok = ReadPostProcessor(post, specials, options); !ok) {
    return tl::unexpected(ok.error());
  }
  return type == "BPE" ? ReadBpe(model, std::move(options), specials)
                       : ReadUnigram(model, std::move(options));
}

}  // namespace mpc
