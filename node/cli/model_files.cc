#include "node/cli/model_files.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>
#include <utility>

#include "mpc/model/compile.h"
#include "mpc/model/json.h"
#include "mpc/model/load.h"
#include "node/cli/commands.h"
#include "node/loop/files.h"
#include "node/store/mapped_file.h"

namespace node {

using nlohmann::json;
using proto::Bytes;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

// From here on a model stays in its files, a matrix in memory at a time.
constexpr std::size_t kLargeBytes = std::size_t{1} << 30;
constexpr std::size_t kTextFileBytesMax = std::size_t{64} << 20;
constexpr std::size_t kSettingsBytesMax = std::size_t{4} << 20;
constexpr std::size_t kShardsMax = 256;
constexpr char kShippedSample[] = "mpc/model/sample.txt";

Bytes Text(const std::string& text) {
  return {text.begin(), text.end()};
}

std::string BaseName(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// A pipe or a device in a stranger's directory would be waited for, or read without end.
Result<Bytes> ReadPlainFile(const std::string& path, std::size_t bytes_max) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return Fail(ErrorCode::kInvalidArgument, path + " is no file");
  }
  return ReadFile(path, bytes_max);
}

// The shards that an index names, each once, in the order of their names.
Result<std::vector<std::string>> ShardNames(proto::ByteSpan index) {
  const auto bad = [](const std::string& what) {
    return Fail(ErrorCode::kInvalidArgument, "model.safetensors.index.json: " + what);
  };
  const json root = mpc::ParseJson(index);
  const json& map = mpc::JsonField(root, "weight_map");
  if (!map.is_object()) return bad("has no weight_map");
  std::set<std::string> names;
  for (const auto& [tensor, file] : map.items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name.find('/') != std::string::npos || !name.ends_with(".safetensors")) {
      return bad("a shard's name is no file's in this directory");
    }
    names.insert(name);
    if (names.size() > kShardsMax) return bad("names more than 256 shards");
  }
  if (names.empty()) return bad("names no shard");
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<proto::SharedBytes>> MapWeights(const std::string& directory) {
  std::vector<std::string> names = {"model.safetensors"};
  if (!FileExists(directory + "/" + names[0]) &&
      FileExists(directory + "/model.safetensors.index.json")) {
    const auto index =
        ReadPlainFile(directory + "/model.safetensors.index.json", kTextFileBytesMax);
    if (!index) return tl::unexpected(index.error());
    auto shards = ShardNames(*index);
    if (!shards) return tl::unexpected(shards.error());
    names = std::move(*shards);
  }
  if (!FileExists(directory + "/" + names[0])) {
    for (const char* const pickled : {"/pytorch_model.bin", "/pytorch_model.bin.index.json"}) {
      if (!FileExists(directory + pickled)) continue;
      return Fail(ErrorCode::kNotFound,
                  directory + pickled +
                      " is a program that makes weights and is not read; save the model anew, as "
                      "safetensors");
    }
  }
  std::vector<proto::SharedBytes> files;
  for (const std::string& name : names) {
    auto file = MapFile(directory + "/" + name);
    if (!file) return tl::unexpected(file.error());
    files.push_back(std::move(*file));
  }
  return files;
}

Result<json> ReadJson(const std::string& path) {
  const auto bytes = ReadPlainFile(path, kSettingsBytesMax);
  if (!bytes) return tl::unexpected(bytes.error());
  json root = mpc::ParseJson(*bytes);
  if (root.is_discarded()) {
    return Fail(ErrorCode::kInvalidArgument, path + ": not JSON, nested too deeply or too large");
  }
  return root;
}

// sentence-transformers' list of what a text goes through.
Result<> CheckModules(const std::string& directory) {
  const std::string path = directory + "/modules.json";
  if (!FileExists(path)) return {};
  const auto modules = ReadJson(path);
  if (!modules) return tl::unexpected(modules.error());
  for (const json& module : *modules) {
    const json& type = mpc::JsonField(module, "type");
    const std::string full = type.is_string() ? type.get<std::string>().substr(0, 128) : "";
    const std::string name = full.substr(full.rfind('.') + 1);
    if (name != "Transformer" && name != "Pooling" && name != "Normalize") {
      return Fail(ErrorCode::kInvalidArgument,
                  path + ": module " + full +
                      " is not supported (supported: Transformer, Pooling, Normalize)");
    }
  }
  return {};
}

// sentence-transformers says how token vectors become the sentence's.
Result<> ReadPooling(const std::string& directory, mpc::FloatModel& model) {
  if (model.config.task != mpc::Task::kEmbed) return {};
  if (auto known = CheckModules(directory); !known) return known;
  const std::string path = directory + "/1_Pooling/config.json";
  if (!FileExists(path)) return {};
  const auto pooling = ReadJson(path);
  if (!pooling) return tl::unexpected(pooling.error());
  std::set<std::string> modes;
  for (const auto& [name, value] : pooling->items()) {
    if (name.starts_with("pooling_mode_") && value == json(true)) modes.insert(name);
  }
  if (modes == std::set<std::string>{"pooling_mode_mean_tokens"}) {
    model.config.pooling = mpc::Pooling::kMean;
  } else if (modes == std::set<std::string>{"pooling_mode_cls_token"}) {
    model.config.pooling = mpc::Pooling::kFirst;
  } else {
    return Fail(ErrorCode::kInvalidArgument,
                path + ": this pooling is not supported (supported: mean tokens, first token)");
  }
  return {};
}

Result<mpc::TokenizerFiles> ReadTokenizer(const std::string& directory,
                                          const std::string& vocabulary) {
  mpc::TokenizerFiles files;
  const auto read = [&](const std::string& name, const std::string& path) -> Result<> {
    auto bytes = ReadPlainFile(path, kTextFileBytesMax);
    if (!bytes) return tl::unexpected(bytes.error());
    files.emplace(name, std::move(*bytes));
    return {};
  };
  // Whether WordPiece is cased and what goes around a text stands beside these, not in them.
  const auto read_settings = [&](const std::string& beside) -> Result<> {
    const std::string path = beside.substr(0, beside.rfind('/') + 1) + "tokenizer_config.json";
    if (!files.contains("vocab.txt") && !files.contains("tokenizer.model")) return {};
    return FileExists(path) ? read("tokenizer_config.json", path) : Result<>();
  };
  if (!vocabulary.empty()) {
    const std::string name = BaseName(vocabulary);
    const auto known = mpc::TokenizerFileNames();
    const bool as_named = std::ranges::find(known, name) != known.end();
    const char* const kind = name.ends_with(".model") ? "tokenizer.model" : "vocab.txt";
    if (auto ok = read(as_named ? name : kind, vocabulary); !ok) return tl::unexpected(ok.error());
    if (auto ok = read_settings(vocabulary); !ok) return tl::unexpected(ok.error());
    return files;
  }
  // XLM-RoBERTa's has a name of its own, and so have the models that took its vocabulary.
  if (const std::string path = directory + "/sentencepiece.bpe.model"; FileExists(path)) {
    if (auto ok = read("tokenizer.model", path); !ok) return tl::unexpected(ok.error());
    files.emplace("family", Text("roberta"));
    return files;
  }
  // What one of them says suffices: the first of each.
  const std::vector<std::vector<std::string>> choices = {{"tokenizer.model"},
                                                         {"tokenizer.json"},
                                                         {"vocab.txt"},
                                                         {"vocab.json", "merges.txt"},
                                                         {"encoder.json", "vocab.bpe"},
                                                         {"tok512.bin"},
                                                         {"tokenizer.bin"}};
  for (const auto& choice : choices) {
    if (!std::ranges::all_of(
            choice, [&](const std::string& name) { return FileExists(directory + "/" + name); })) {
      continue;
    }
    for (const std::string& name : choice) {
      if (auto ok = read(name, directory + "/" + name); !ok) return tl::unexpected(ok.error());
    }
    if (auto ok = read_settings(directory + "/"); !ok) return tl::unexpected(ok.error());
    break;
  }
  return files;
}

}  // namespace

std::vector<std::string> Lines(proto::ByteSpan bytes) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(proto::AsText(bytes))};
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

Result<LocalModel> ReadModel(const std::string& directory, const std::string& vocabulary,
                             const std::string& sample) {
  const auto in_directory = [&](const proto::Error& error) {
    return Fail(error.code, directory + ": " + error.message);
  };
  const auto config = ReadPlainFile(directory + "/config.json", kTextFileBytesMax);
  if (!config) return tl::unexpected(config.error());
  // Before the weights are read: what is not supported is said at once.
  if (const auto parsed = mpc::ParseConfig(*config); !parsed) return in_directory(parsed.error());
  auto weights = MapWeights(directory);
  if (!weights) return tl::unexpected(weights.error());
  mpc::ModelFiles model_files{*config, {}};
  std::size_t size = 0;
  for (const proto::SharedBytes& file : *weights) {
    model_files.safetensors.push_back(file.span());
    size += file.size();
  }
  model_files.leave = size >= kLargeBytes;
  auto reference = mpc::LoadFloatModel(model_files);
  if (!reference) return in_directory(reference.error());
  if (auto pooling = ReadPooling(directory, *reference); !pooling) {
    return tl::unexpected(pooling.error());
  }
  auto files = ReadTokenizer(directory, vocabulary);
  if (!files) return tl::unexpected(files.error());
  mpc::ModelConfig& c = reference->config;
  if (files->empty() && !c.decoder()) {
    return Fail(ErrorCode::kNotFound,
                directory + ": no tokenizer; name its vocab.txt or tokenizer.json with --vocab");
  }
  const bool numbers = files->empty();
  const char* const family = c.family == mpc::Family::kRoberta ? "roberta"
                             : c.family == mpc::Family::kGpt2  ? "gpt2"
                             : c.llama()                       ? "llama"
                                                               : "bert";
  files->emplace("family", Text(family));
  std::string ends;
  for (const std::uint32_t id : c.eos_token_ids) ends += std::to_string(id) + " ";
  files->emplace("eos", Text(ends));
  auto tokenizer = mpc::Tokenizer::From(*files);
  if (!tokenizer) return in_directory(tokenizer.error());
  if (!numbers && tokenizer->size() > c.vocab_size) {
    return Fail(ErrorCode::kInvalidArgument,
                directory + ": the tokenizer has " + std::to_string(tokenizer->size()) +
                    " pieces and the model only " + std::to_string(c.vocab_size));
  }
  // Of an encoder the pad is what is left out of everything: it must be no text's.
  if (!c.decoder()) c.pad_token_id = tokenizer->pad().value_or(c.pad_token_id);
  files->emplace("pad", Text(std::to_string(mpc::PadToken(c))));
  std::string doubt;
  if (!numbers && tokenizer->size() < c.vocab_size - c.vocab_size / 8) {
    doubt = directory + ": the tokenizer has only " + std::to_string(tokenizer->size()) +
            " pieces and the model " + std::to_string(c.vocab_size) +
            "; is its file whole, and this model's?";
  }
  std::string text = sample;
  if (text.empty() && FileExists(directory + "/calibration.txt")) {
    text = directory + "/calibration.txt";
  }
  if (text.empty() && numbers) {
    return Fail(ErrorCode::kNotFound, directory +
                                          ": a model without a tokenizer needs sample texts of "
                                          "its tokens' numbers: name them with --sample");
  }
  if (text.empty()) text = ShippedPath(kShippedSample);
  const auto sentences =
      sample.empty() ? ReadPlainFile(text, kTextFileBytesMax) : ReadFile(text, kTextFileBytesMax);
  if (!sentences) return tl::unexpected(sentences.error());
  return LocalModel{BaseName(directory),   std::move(*weights), std::move(*reference),
                    std::move(*tokenizer), std::move(*files),   Lines(*sentences),
                    std::move(doubt)};
}

}  // namespace node
