#include "node/cli/package.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "mpc/plan/plan.h"
#include "mpc/preprocessing/attempt.h"
#include "mpc/sharing/replicated.h"
#include "node/loop/files.h"
#include "node/rpc/methods.h"
#include "node/store/mapped_file.h"
#include "node/store/shared_files.h"
#include "proto/crypto/hash.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::chrono::seconds kActivationPatience{300};
constexpr char kPackageFile[] = "package.json";
constexpr unsigned kPhaseBitsMin = 16;

unsigned LargestPhaseBits(const mpc::Plan& plan) {
  unsigned bits = 0;
  for (const mpc::Op& op : plan.ops) bits = std::max<unsigned>(bits, op.series.phase_bits);
  return bits;
}

// Compiles with as many bits of the preprocessed phases as their products may have in this
// committee: the more sets a mask is the sum of, the more products of phases, and each product
// leaks four times more for each bit. `values`: of a segment of it.
Result<mpc::Plan> CompileFor(const proto::Committee& committee, const mpc::FloatModel& model,
                             const mpc::Length& length,
                             const std::vector<std::vector<std::uint32_t>>& sentences,
                             mpc::CompileOptions options, std::uint64_t values) {
  for (;;) {
    auto plan = mpc::Compile(model, length, sentences, options);
    if (!plan) return plan;
    const double lacking = mpc::kLeakageBitsMin - mpc::InferenceLeakageBits(*plan, committee);
    const unsigned bits = LargestPhaseBits(*plan);
    const auto fewer = static_cast<unsigned>(std::ceil(std::max(lacking, 0.0) / 2));
    if (fewer == 0 || bits < kPhaseBitsMin + fewer) {
      if (auto fits = mpc::CheckPreprocessing(*plan, committee, values); !fits) {
        return tl::unexpected(fits.error());
      }
      return plan;
    }
    options.builder.phase_bits_max = bits - fewer;
  }
}

proto::PackageFile Describe(const std::string& name, const proto::SharedBytes& bytes) {
  return {name, proto::Sha256(bytes.span()), bytes.size()};
}

std::string ScratchOf(const PackageOptions& options) {
  if (!options.scratch.empty()) return options.scratch;
  const char* const given = std::getenv("TMPDIR");
  return given == nullptr ? "/tmp" : given;
}

// The plan's bytes in a file without a name, and the plan as they hold it.
Result<proto::SharedBytes> Encoded(mpc::Plan& plan, const std::string& directory) {
  auto file = ScratchFile::Make(directory);
  if (!file) return tl::unexpected(file.error());
  Result<> written;
  mpc::EncodePlan(plan, [&](proto::ByteSpan piece) {
    if (written) written = file->Append(piece);
  });
  if (!written) return tl::unexpected(written.error());
  auto bytes = file->Map();
  if (!bytes) return bytes;
  auto decoded = mpc::DecodePlan(*bytes);
  if (!decoded) return tl::unexpected(decoded.error());
  plan = std::move(*decoded);
  return bytes;
}

}  // namespace

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
  mpc::CompileOptions compile_options;
  compile_options.builder.sets = static_cast<unsigned>(mpc::ReplicatedSets(committee).count());
  std::string flags;  // How many of a step's outputs are range flags, by bucket.
  const auto approximation = mpc::ParseApproximation(options.approximation);
  if (!approximation) return tl::unexpected(approximation.error());
  compile_options.approximation = *approximation;
  compile_options.temperature = options.temperature;
  if (!(options.weight_error >= 0 && options.weight_error <= 1)) {
    return Fail(ErrorCode::kInvalidArgument, "the weights' error must be from 0 to 1");
  }
  compile_options.weight_error = compile_options.builder.byte_error = options.weight_error;
  compile_options.builder.weight_error =
      std::min(options.weight_error, mpc::BuilderOptions{}.weight_error);
  if (!model.doubt.empty()) progress(model.doubt);
  const std::string scratch = ScratchOf(options);
  for (const std::uint32_t tokens : options.tokens) {
    progress("compiling " + manifest.name + " for " + std::to_string(tokens) + " tokens");
    auto weights = ScratchFile::Make(scratch);
    if (!weights) return tl::unexpected(weights.error());
    compile_options.builder.keep = [&weights](proto::ByteSpan bytes) {
      return weights->Keep(bytes);
    };
    auto plan = CompileFor(committee, model.reference, {tokens, options.generate}, sentences,
                           compile_options, options.segment_values);
    if (!plan) return tl::unexpected(plan.error());
    Package::Cost cost;
    cost.tokens = tokens;
    cost.leakage_bits = mpc::InferenceLeakageBits(*plan, committee);
    cost.counted = mpc::CountCost(*plan, committee);
    package.costs.push_back(cost);

    auto encoded = Encoded(*plan, scratch);
    if (!encoded) return tl::unexpected(encoded.error());
    proto::Bucket bucket;
    bucket.tokens = tokens;
    bucket.vocabulary_padded = static_cast<std::uint32_t>(plan->vocabulary_padded());
    bucket.outputs = static_cast<std::uint32_t>(plan->ops.back().size());
    bucket.output_frac = plan->ops.back().frac;
    flags += std::to_string(plan->flags) + " ";
    bucket.labels = plan->labels;
    bucket.steps = plan->steps;
    bucket.price = options.price;
    bucket.bundle_price = options.price / 2;
    bucket.pool_target = options.pool_target;
    bucket.segment_values = options.segment_values;
    bucket.layers = mpc::SegmentLayers(*plan, committee, bucket.segment_values);
    package.plans.push_back(std::move(*plan));
    manifest.architecture = package.plans.back().architecture;
    char name[32];  // Files ascend by name.
    std::snprintf(name, sizeof name, "plan-%05u.bin", tokens);
    manifest.files.push_back(Describe(name, *encoded));
    bucket.plan_digest = manifest.files.back().digest;
    manifest.buckets.push_back(std::move(bucket));
    package.files.push_back(std::move(*encoded));
  }
  mpc::TokenizerFiles tokenizer_files = model.tokenizer_files;
  tokenizer_files["flags"] = {flags.begin(), flags.end()};
  proto::SharedBytes tokenizer(mpc::PackTokenizer(tokenizer_files));
  manifest.files.push_back(Describe("tokenizer.bin", tokenizer));
  manifest.tokenizer_digest = manifest.files.back().digest;
  package.files.push_back(std::move(tokenizer));
  if (auto fits = proto::CheckManifest(manifest); !fits) return tl::unexpected(fits.error());
  return package;
}

Result<> WritePackage(const Package& package, const std::string& directory) {
  if (auto made = MakeDirectories(directory); !made) return made;
  const proto::Manifest& manifest = package.manifest;
  json buckets = json::array();
  for (const proto::Bucket& bucket : manifest.buckets) {
    buckets.push_back({{"tokens", bucket.tokens},
                       {"vocabulary_padded", bucket.vocabulary_padded},
                       {"outputs", bucket.outputs},
                       {"output_frac", bucket.output_frac},
                       {"labels", bucket.labels},
                       {"price", bucket.price},
                       {"bundle_price", bucket.bundle_price},
                       {"steps", bucket.steps},
                       {"pool_target", bucket.pool_target},
                       {"layers", bucket.layers},
                       {"segment_values", bucket.segment_values}});
  }
  json files = json::array();
  for (std::size_t i = 0; i < package.files.size(); ++i) {
    const std::string& name = manifest.files[i].name;
    files.push_back(name);
    if (auto ok = WriteFile(directory + "/" + name, package.files[i].span()); !ok) return ok;
  }
  const json root = {{"name", manifest.name},
                     {"architecture", manifest.architecture},
                     {"files", files},
                     {"buckets", buckets}};
  return WriteFile(directory + "/" + kPackageFile, proto::AsBytes(root.dump(2) + "\n"));
}

bool IsPackage(const std::string& directory) {
  return FileExists(directory + "/" + kPackageFile);
}

// The plans come first, one a bucket, then the tokenizer; as MakePackage writes them.
Result<Package> ReadPackage(const std::string& directory, const proto::PublicKey& owner) {
  const auto bad = [&](const std::string& what) {
    return Fail(ErrorCode::kInvalidArgument, directory + "/" + kPackageFile + ": " + what);
  };
  const auto bytes = ReadFile(directory + "/" + kPackageFile, proto::kManifestBytesMax * 4);
  if (!bytes) return tl::unexpected(bytes.error());
  const json root = json::parse(proto::AsText(*bytes), nullptr, false);
  if (!root.is_object() || !root.contains("files") || !root.contains("buckets")) {
    return bad("names no files and buckets");
  }
  Package package;
  proto::Manifest& manifest = package.manifest;
  manifest.owner = owner;
  const auto text = [&](const char* name) {
    const auto found = root.find(name);
    return found != root.end() && found->is_string() ? found->get<std::string>() : "";
  };
  manifest.name = text("name");
  manifest.architecture = text("architecture");
  for (const json& entry : root["files"]) {
    const std::string name = entry.is_string() ? entry.get<std::string>() : "";
    if (name.empty() || name.find('/') != std::string::npos) return bad("a file's name is no name");
    auto file = MapFile(directory + "/" + name);
    if (!file) return tl::unexpected(file.error());
    manifest.files.push_back(Describe(name, *file));
    package.files.push_back(std::move(*file));
  }
  if (manifest.files.size() != root["buckets"].size() + 1) return bad("not a plan a bucket");
  manifest.tokenizer_digest = manifest.files.back().digest;
  for (const json& entry : root["buckets"]) {
    if (!entry.is_object()) return bad("a bucket is no object");
    proto::Bucket bucket;
    const auto number = [&](const char* name) {
      const auto found = entry.find(name);
      return found != entry.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
    };
    bucket.tokens = static_cast<std::uint32_t>(number("tokens"));
    bucket.vocabulary_padded = static_cast<std::uint32_t>(number("vocabulary_padded"));
    bucket.plan_digest = manifest.files[manifest.buckets.size()].digest;
    bucket.outputs = static_cast<std::uint32_t>(number("outputs"));
    bucket.output_frac = static_cast<std::uint32_t>(number("output_frac"));
    for (const json& label : entry.value("labels", json::array())) {
      bucket.labels.push_back(label.is_string() ? label.get<std::string>() : "");
    }
    bucket.price = number("price");
    bucket.bundle_price = number("bundle_price");
    bucket.pool_target = static_cast<std::uint32_t>(number("pool_target"));
    for (const json& layers : entry.value("layers", json::array())) {
      bucket.layers.push_back(layers.is_number_unsigned() ? layers.get<std::uint32_t>() : 0);
    }
    bucket.segment_values = number("segment_values");
    bucket.steps = static_cast<std::uint32_t>(number("steps"));
    manifest.buckets.push_back(std::move(bucket));
  }
  if (auto fits = proto::CheckManifest(manifest); !fits) return tl::unexpected(fits.error());
  return package;
}

Result<> CheckPlans(const Package& package, const proto::Committee& committee) {
  for (std::size_t i = 0; i < package.manifest.buckets.size(); ++i) {
    const auto plan = mpc::DecodePlan(package.files[i]);
    auto fits =
        plan ? mpc::CheckPreprocessing(*plan, committee, package.manifest.buckets[i].segment_values)
             : Result<>(tl::unexpected(plan.error()));
    if (!fits) {
      return Fail(fits.error().code, "the plan for " +
                                         std::to_string(package.manifest.buckets[i].tokens) +
                                         " tokens is refused: " + fits.error().message);
    }
  }
  return {};
}

Result<proto::Digest> RegisterPackage(const Client& client, const Package& package,
                                      const std::string& models, const Progress& progress) {
  if (auto fits = CheckPlans(package, client.epoch().committee()); !fits) {
    return tl::unexpected(fits.error());
  }
  for (std::size_t i = 0; !models.empty() && i < package.files.size(); ++i) {
    if (auto placed = SharedFiles::Place(models, package.files[i].span()); !placed) {
      return tl::unexpected(placed.error());
    }
  }
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
       models.empty() && v < client.validators() && served < client.epoch().committee().validity();
       ++v) {
    // The validator's ledger may be a moment behind the one that answered.
    const auto known =
        client.WaitFor("the registration at " + client.epoch().validators[v].name,
                       std::chrono::seconds(10), [&]() -> Result<std::optional<json>> {
                         auto model = client.At(v, "model", {{"id", id.hex()}});
                         if (model) return std::move(*model);
                         if (model.error().code == ErrorCode::kNotFound) return std::nullopt;
                         return tl::unexpected(model.error());
                       });
    bool whole = known.has_value();
    if (!known) reason = known.error().message;
    for (std::size_t f = 0; whole && f < package.files.size(); ++f) {
      const proto::ByteSpan file = package.files[f].span();
      progress("sending " + package.manifest.files[f].name + " (" + std::to_string(file.size()) +
               " bytes) to " + client.epoch().validators[v].name);
      for (std::size_t offset = 0; whole && offset < file.size(); offset += kFilePartBytesMax) {
        const std::size_t size = std::min(kFilePartBytesMax, file.size() - offset);
        const auto sent = client.At(v, "upload_model_file",
                                    {{"digest", package.manifest.files[f].digest.hex()},
                                     {"size", file.size()},
                                     {"offset", offset},
                                     {"hex", proto::ToHex(file.subspan(offset, size))}});
        if (!sent) {
          reason = sent.error().message;
          whole = false;
        }
      }
    }
    served += whole ? 1 : 0;
  }
  if (served == 0 && models.empty()) {
    return Fail(ErrorCode::kUnavailable, "no validator took the model's files: " + reason);
  }
  progress("waiting until n - f validators have the model");
  const proto::Bytes key = proto::ModelKey(id);
  // Under a signed block, since that is where clients look.
  const auto is_active = [&]() -> Result<std::optional<json>> {
    auto proved = client.Proved("record", {{"key", proto::ToHex(key)}});
    if (!proved) return tl::unexpected(proved.error());
    const auto model = proved->proven.Find<proto::ModelRecord>(key);
    if (!model) return tl::unexpected(model.error());
    if (!*model || (*model)->status != proto::ModelStatus::kActive) return std::nullopt;
    return std::move(proved->answer);
  };
  const auto active = client.WaitFor("the activation of model " + package.manifest.name,
                                     kActivationPatience, is_active);
  if (!active) return tl::unexpected(active.error());
  return id;
}

}  // namespace node
