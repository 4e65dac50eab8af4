#include "node/cli/package.h"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <utility>

#include "mpc/model/compile.h"
#include "mpc/model/load.h"
#include "mpc/plan/plan.h"
#include "mpc/plan/schedule.h"
#include "mpc/preprocessing/attempt.h"
#include "mpc/sharing/replicated.h"
#include "node/cli/verify.h"
#include "node/loop/files.h"
#include "node/rpc/methods.h"
#include "proto/crypto/hash.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kModelBytesMax = std::size_t{4} << 30;
constexpr std::size_t kTextFileBytesMax = std::size_t{64} << 20;
constexpr std::chrono::seconds kActivationPatience{300};

std::vector<std::string> Lines(proto::ByteSpan bytes) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(proto::AsText(bytes))};
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

std::string BaseName(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

proto::PackageFile Describe(const std::string& name, const proto::Bytes& bytes) {
  return {name, proto::Sha256(bytes), bytes.size()};
}

}  // namespace

Result<LocalModel> ReadModel(const std::string& directory, const std::string& vocabulary,
                             const std::string& calibration) {
  const auto config = ReadFile(directory + "/config.json", kTextFileBytesMax);
  if (!config) return tl::unexpected(config.error());
  const auto weights = ReadFile(directory + "/model.safetensors", kModelBytesMax);
  if (!weights) return tl::unexpected(weights.error());
  auto vocab =
      ReadFile(vocabulary.empty() ? directory + "/vocab.txt" : vocabulary, kTextFileBytesMax);
  if (!vocab) {
    return Fail(vocab.error().code,
                vocab.error().message + "; name the tokenizer's vocab.txt with --vocab");
  }
  auto sentences = ReadFile(calibration.empty() ? directory + "/calibration.txt" : calibration,
                            kTextFileBytesMax);
  if (!sentences && !calibration.empty()) return tl::unexpected(sentences.error());
  const proto::Bytes calibration_bytes = sentences ? std::move(*sentences) : proto::Bytes();
  auto reference = mpc::LoadFloatModel({*config, {*weights}});
  if (!reference) return Fail(reference.error().code, directory + ": " + reference.error().message);
  auto tokenizer = mpc::Tokenizer::FromVocab(*vocab);
  if (!tokenizer) return tl::unexpected(tokenizer.error());
  if (tokenizer->size() > reference->config.vocab_size) {
    return Fail(ErrorCode::kInvalidArgument,
                directory + ": the tokenizer has " + std::to_string(tokenizer->size()) +
                    " pieces and the model only " + std::to_string(reference->config.vocab_size));
  }
  return LocalModel{BaseName(directory), std::move(*reference), std::move(*tokenizer),
                    std::move(*vocab), Lines(calibration_bytes)};
}

Result<Package> MakePackage(const LocalModel& model, const proto::Committee& committee,
                            const proto::PublicKey& owner, const PackageOptions& options,
                            const Progress& progress) {
  Package package;
  proto::Manifest& manifest = package.manifest;
  manifest.name = options.name.empty() ? model.name : options.name;
  manifest.owner = owner;
  std::vector<std::vector<std::uint32_t>> sentences;
  for (const std::string& line : model.calibration) {
    sentences.push_back(model.tokenizer.Encode(line));
  }
  const mpc::ReplicatedSets sets(committee);
  const unsigned mask_bits = sets.mask_bits();
  mpc::CompileOptions compile_options;
  compile_options.builder.sets = static_cast<unsigned>(sets.count());
  for (const std::uint32_t tokens : options.tokens) {
    progress("compiling " + manifest.name + " for " + std::to_string(tokens) + " tokens");
    const auto plan = mpc::Compile(model.reference, {tokens}, sentences, compile_options);
    if (!plan) return tl::unexpected(plan.error());
    if (auto fits = mpc::CheckPreprocessing(*plan, committee); !fits) {
      return tl::unexpected(fits.error());
    }
    Package::Cost cost;
    cost.tokens = tokens;
    cost.leakage_bits = mpc::LeakageBits(*plan, mask_bits);
    if (cost.leakage_bits < mpc::kLeakageBitsMin) {
      return Fail(ErrorCode::kInvalidArgument,
                  "the plan's openings would leak 2^-" + std::to_string(cost.leakage_bits) +
                      " of statistical distance, more than the 2^-40 that is allowed");
    }
    const auto rounds = mpc::OpeningRounds(*plan);
    cost.rounds = rounds.size();
    for (const auto& round : rounds) {
      for (const mpc::TensorId op : round) cost.openings += plan->ops[op].size();
    }
    package.costs.push_back(cost);

    proto::Bytes encoded = mpc::EncodePlan(*plan);
    proto::Bucket bucket;
    bucket.tokens = tokens;
    bucket.vocabulary_padded = static_cast<std::uint32_t>(plan->vocabulary_padded());
    bucket.plan_digest = proto::Sha256(encoded);
    bucket.outputs = static_cast<std::uint32_t>(plan->ops.back().size());
    bucket.output_frac = plan->ops.back().frac;
    bucket.labels = plan->labels;
    bucket.price = options.price;
    bucket.bundle_price = options.price / 2;
    bucket.pool_target = options.pool_target;
    bucket.layers = mpc::LayerCount(*plan, committee);
    manifest.architecture = plan->architecture;
    manifest.buckets.push_back(std::move(bucket));
    char name[32];  // Files ascend by name.
    std::snprintf(name, sizeof name, "plan-%05u.bin", tokens);
    manifest.files.push_back(Describe(name, encoded));
    package.files.push_back(std::move(encoded));
  }
  manifest.files.push_back(Describe("vocab.txt", model.vocabulary));
  manifest.tokenizer_digest = manifest.files.back().digest;
  package.files.push_back(model.vocabulary);
  if (auto fits = proto::CheckManifest(manifest); !fits) return tl::unexpected(fits.error());
  return package;
}

Result<proto::Digest> RegisterPackage(const Client& client, const Package& package,
                                      const Progress& progress) {
  const proto::Bytes manifest = proto::EncodeManifest(package.manifest);
  const proto::Digest id = proto::ModelId(manifest);
  if (client.Any("model", {{"id", id.hex()}})) {
    progress("model " + package.manifest.name + " is registered already");
  } else {
    progress("registering model " + package.manifest.name);
    const auto registered = client.Execute(proto::RegisterModel{manifest});
    if (!registered) return tl::unexpected(registered.error());
  }
  std::size_t served = 0;
  std::string reason;
  for (std::size_t v = 0;
       v < client.validators() && served < client.genesis().committee().validity(); ++v) {
    // The validator's ledger may be a moment behind the one that answered.
    const auto known =
        client.WaitFor("the registration at " + client.genesis().validators[v].name,
                       std::chrono::seconds(10), [&]() -> Result<std::optional<json>> {
                         auto model = client.At(v, "model", {{"id", id.hex()}});
                         if (model) return std::move(*model);
                         if (model.error().code == ErrorCode::kNotFound) return std::nullopt;
                         return tl::unexpected(model.error());
                       });
    bool whole = known.has_value();
    if (!known) reason = known.error().message;
    for (std::size_t f = 0; whole && f < package.files.size(); ++f) {
      const proto::Bytes& file = package.files[f];
      progress("sending " + package.manifest.files[f].name + " (" + std::to_string(file.size()) +
               " bytes) to " + client.genesis().validators[v].name);
      for (std::size_t offset = 0; whole && offset < file.size(); offset += kFilePartBytesMax) {
        const std::size_t size = std::min(kFilePartBytesMax, file.size() - offset);
        const auto sent =
            client.At(v, "upload_model_file",
                      {{"digest", package.manifest.files[f].digest.hex()},
                       {"size", file.size()},
                       {"offset", offset},
                       {"hex", proto::ToHex(proto::ByteSpan(file).subspan(offset, size))}});
        if (!sent) {
          reason = sent.error().message;
          whole = false;
        }
      }
    }
    served += whole ? 1 : 0;
  }
  if (served == 0) {
    return Fail(ErrorCode::kUnavailable, "no validator took the model's files: " + reason);
  }
  progress("waiting until n - f validators have the model");
  const proto::Bytes key = proto::ModelKey(id);
  // Under a signed block, since that is where clients look.
  const auto is_active = [&]() -> Result<std::optional<json>> {
    auto proof = client.Any("proof", {{"key", proto::ToHex(key)}});
    if (!proof) return tl::unexpected(proof.error());
    const auto model = VerifyRecord<proto::ModelRecord>(client.genesis(), key, *proof);
    if (!model || model->record.status != proto::ModelStatus::kActive) return std::nullopt;
    return std::move(*proof);
  };
  const auto active = client.WaitFor("the activation of model " + package.manifest.name,
                                     kActivationPatience, is_active);
  if (!active) return tl::unexpected(active.error());
  return id;
}

}  // namespace node
