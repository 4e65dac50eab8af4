#include "node/cli/ask.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

#include "mpc/online/client.h"
#include "mpc/plan/evaluate.h"
#include "mpc/sharing/shamir.h"
#include "node/loop/key_file.h"
#include "node/rpc/client.h"
#include "node/rpc/methods.h"
#include "proto/crypto/ecies.h"
#include "proto/crypto/hash.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::PartyId;
using proto::Result;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kBundlePatience{1800};
// A submitted request never expires, and a long answer takes many rounds.
constexpr std::chrono::seconds kResultPatience{3600};
constexpr std::chrono::seconds kMaskPatience{60};
// Validators whose ledger has not reached the assignment yet say so.
constexpr int kMaskTriesMax = 20;
constexpr std::chrono::milliseconds kMaskPause{300};
// After the masks are decoded, how long the other validators may still answer to be checked.
constexpr std::chrono::milliseconds kMaskGrace{1000};

double Seconds(steady_clock::time_point from) {
  return std::chrono::duration<double>(steady_clock::now() - from).count();
}

// A fresh key that this one exchange is sealed to.
Result<proto::SecretKey> EphemeralKey() {
  return proto::SecretKey::From(Entropy(32));
}

struct Masks {
  std::vector<mpc::Fp> values;  // tokens of r, then outputs of mu.
  std::vector<std::string> wrong;
  std::vector<std::string> silent;
};

// One validator's answer: checked and opened.
Result<std::vector<mpc::Fp>> OpenShares(const Client& client, const Members& members, PartyId party,
                                        std::uint64_t request, const proto::SecretKey& ephemeral,
                                        std::size_t count, const json& answer) {
  const auto sealed = proto::FromHex(answer.value("sealed", ""));
  const auto signature = proto::FromHex(answer.value("signature", ""));
  const auto bad = [](const char* why) {
    return Fail(ErrorCode::kCorrupt, std::string("an answer is ") + why);
  };
  if (!sealed || !signature || signature->size() != 64) return bad("malformed");
  if (!proto::Verify(members.keys[Index(party)],
                     MaskAnswerDigest(client.chain(), request, ephemeral.public_key(), *sealed),
                     *proto::Signature::From(*signature))) {
    return bad("not signed by its validator");
  }
  const auto plain =
      proto::OpenSealed(ephemeral, MaskContext(client.chain(), request, party), *sealed);
  if (!plain) return tl::unexpected(plain.error());
  if (plain->size() != count * mpc::Fp::kBytes) return bad("of the wrong length");
  std::vector<mpc::Fp> shares;
  for (std::size_t i = 0; i < count; ++i) {
    const auto share = mpc::Fp::FromBytes(std::span<const std::uint8_t, mpc::Fp::kBytes>(
        plain->data() + i * mpc::Fp::kBytes, mpc::Fp::kBytes));
    if (!share) return bad("not made of field elements");
    shares.push_back(*share);
  }
  return shares;
}

// Answers of the validators as they come. Shared with the asking threads, which may outlive the
// question: a validator that never answers holds up nobody.
struct Gathering {
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::pair<PartyId, Result<json>>> answers;
};

std::shared_ptr<Gathering> AskAll(const std::vector<proto::ValidatorSpec>& members,
                                  const std::string& method, const json& params) {
  auto gathering = std::make_shared<Gathering>();
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::thread([gathering, i, method, params, address = members[i].rpc_address] {
      auto answer = Call(address, method, params);
      const std::lock_guard lock(gathering->mutex);
      gathering->answers.emplace_back(static_cast<PartyId>(i), std::move(answer));
      gathering->arrived.notify_one();
    }).detach();
  }
  return gathering;
}

Result<Masks> GatherMasks(const Client& client, std::uint64_t request, std::uint64_t attempt,
                          std::size_t count) {
  // The members of the epoch in which the bundle was made.
  const auto bundle = client.Any("attempt", {{"id", attempt}});
  if (!bundle) return tl::unexpected(bundle.error());
  const auto epoch = client.Epoch(bundle->value("epoch", proto::kFirstEpoch));
  if (!epoch) return tl::unexpected(epoch.error());
  if (epoch->computing.empty()) {
    return Fail(ErrorCode::kUnavailable, "nobody computes in the bundle's epoch");
  }
  const Members members(epoch->number, epoch->computing_keys());
  std::vector<proto::ValidatorSpec> validators;
  for (const PartyId party : epoch->computing) {
    validators.push_back(epoch->validators[Index(party)]);
  }
  const auto ephemeral = EphemeralKey();
  if (!ephemeral) return tl::unexpected(ephemeral.error());
  const auto signature =
      client.key().Sign(MaskQuestionDigest(client.chain(), request, ephemeral->public_key()));
  const auto gathering = AskAll(validators, "mask_shares",
                                {{"request", request},
                                 {"ephemeral_key", ephemeral->public_key().hex()},
                                 {"signature", proto::ToHex(signature.span())}});
  mpc::RobustDecoder decoder(members.committee, count);
  std::vector<bool> answered(validators.size());
  std::string reason = "no answer in time";
  auto deadline = steady_clock::now() + kMaskPatience;
  std::unique_lock lock(gathering->mutex);
  for (std::size_t seen = 0; seen < validators.size(); ++seen) {
    if (!gathering->arrived.wait_until(lock, deadline,
                                       [&] { return gathering->answers.size() > seen; })) {
      break;
    }
    const auto& [party, answer] = gathering->answers[seen];
    auto shares = answer ? OpenShares(client, members, party, request, *ephemeral, count, *answer)
                         : tl::unexpected(answer.error());
    if (!shares) {
      reason = shares.error().message;
      continue;
    }
    answered[Index(party)] = true;
    decoder.Add(party, std::move(*shares));
    if (decoder.decoded()) deadline = std::min(deadline, steady_clock::now() + kMaskGrace);
  }
  if (!decoder.decoded()) {
    return Fail(ErrorCode::kUnavailable,
                "too few validators gave good shares of the masks (" + reason + ")");
  }
  Masks masks;
  masks.values = decoder.values();
  for (const PartyId party : decoder.wrong()) masks.wrong.push_back(validators[Index(party)].name);
  for (std::size_t i = 0; i < validators.size(); ++i) {
    if (!answered[i]) masks.silent.push_back(validators[i].name);
  }
  return masks;
}

// A file of the packed tokenizer that holds numbers.
std::vector<std::uint32_t> Numbers(const mpc::TokenizerFiles& files, const char* name) {
  std::vector<std::uint32_t> numbers;
  const auto found = files.find(name);
  if (found == files.end()) return numbers;
  std::istringstream in{std::string(proto::AsText(found->second))};
  for (std::uint32_t number = 0; in >> number;) numbers.push_back(number);
  return numbers;
}

Result<std::optional<json>> WhenStatus(const Client& client, std::uint64_t request,
                                       const std::function<bool(const json&)>& wanted) {
  auto record = client.Any("request", {{"id", request}});
  if (!record) {
    // Its receipt was seen: a validator that does not know it yet lags.
    if (record.error().code == ErrorCode::kNotFound) return std::nullopt;
    return tl::unexpected(record.error());
  }
  if (record->value("status", "") == "expired") {
    return Fail(ErrorCode::kDenied, "request " + std::to_string(request) +
                                        " expired before the question was submitted; ask again");
  }
  if (!wanted(*record)) return std::nullopt;
  return std::move(*record);
}

}  // namespace

Result<FoundModel> FindModel(const Client& client, const std::string& model) {
  const auto models = client.Any("models", json::object());
  if (!models) return tl::unexpected(models.error());
  std::optional<proto::Digest> found;
  std::string names;
  for (const json& entry : *models) {
    names += (names.empty() ? "" : ", ") + entry.value("name", "");
  }
  for (const json& entry : *models) {
    const std::string id = entry.value("id", "");
    const std::string name = entry.value("name", "");
    if (id != model && name != model && !model.empty()) continue;
    if (found) {
      return Fail(ErrorCode::kInvalidArgument,
                  model.empty() ? "there are several models; name one with --model: " + names
                                : "several models are called " + model +
                                      "; name one by its id (see model list)");
    }
    const auto bytes = proto::FromHex(id);
    const auto digest = bytes ? proto::Digest::From(*bytes) : tl::unexpected(bytes.error());
    if (!digest) return tl::unexpected(digest.error());
    found = *digest;
  }
  if (!found) {
    return Fail(ErrorCode::kNotFound,
                names.empty() ? "no model is registered; register one with: waxseal model register"
                              : "there is no model " + model + "; there is: " + names);
  }
  // The record is read with a proof: the manifest says which tokenizer and labels to trust.
  const proto::Bytes key = proto::ModelKey(*found);
  const auto proved = client.Proved("record", {{"key", proto::ToHex(key)}});
  if (!proved) return tl::unexpected(proved.error());
  const auto record = proved->proven.Find<proto::ModelRecord>(key);
  if (!record) return tl::unexpected(record.error());
  if (!*record) {
    return Fail(ErrorCode::kUnavailable, "no signed block holds the model yet; try again");
  }
  auto manifest = proto::DecodeManifest((*record)->manifest);
  if (!manifest) return tl::unexpected(manifest.error());
  if ((*record)->status != proto::ModelStatus::kActive) {
    return Fail(
        ErrorCode::kUnavailable,
        "model " + manifest->name + " is not active yet: too few validators have its files");
  }
  return FoundModel{*found, std::move(*manifest)};
}

Result<proto::Bytes> FetchModelFile(const Client& client, const proto::Digest& digest) {
  proto::Bytes file;
  for (;;) {
    const auto part = client.Any("model_file", {{"digest", digest.hex()}, {"offset", file.size()}});
    if (!part) return tl::unexpected(part.error());
    const auto bytes = proto::FromHex(part->value("hex", ""));
    const auto size = part->value("size", std::uint64_t{0});
    if (!bytes || size > proto::kPackageBytesMax) {
      return Fail(ErrorCode::kCorrupt, "a validator sent a malformed part of a model file");
    }
    file.insert(file.end(), bytes->begin(), bytes->end());
    if (file.size() >= size || bytes->empty()) break;
  }
  if (proto::Sha256(file) != digest) {
    return Fail(ErrorCode::kCorrupt, "a model file from the validators does not have its hash");
  }
  return file;
}

Result<ServedModel> OpenModel(const Client& client, const std::string& model) {
  auto found = FindModel(client, model);
  if (!found) return tl::unexpected(found.error());
  const auto vocabulary = FetchModelFile(client, found->manifest.tokenizer_digest);
  if (!vocabulary) return tl::unexpected(vocabulary.error());
  auto files = mpc::UnpackTokenizer(*vocabulary);
  if (!files) return tl::unexpected(files.error());
  auto tokenizer = mpc::Tokenizer::From(*files);
  if (!tokenizer) return tl::unexpected(tokenizer.error());
  return ServedModel{std::move(*found), std::move(*files), std::move(*tokenizer)};
}

Result<Answer> Ask(const Client& client, const ServedModel& model, const std::string& text,
                   const Progress& progress) {
  const proto::Manifest& manifest = model.found.manifest;

  Answer answer;
  answer.architecture = manifest.architecture;
  answer.model = model.found.id.hex();
  answer.tokens = model.tokenizer.Encode(text);
  answer.text_tokens = answer.tokens.size();
  const auto bucket = std::ranges::find_if(
      manifest.buckets, [&](const proto::Bucket& b) { return b.tokens >= answer.tokens.size(); });
  if (answer.tokens.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the text has no tokens of this model");
  }
  if (bucket == manifest.buckets.end()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the text has " + std::to_string(answer.tokens.size()) + " tokens; model " +
                    manifest.name + " takes at most " +
                    std::to_string(manifest.buckets.back().tokens) + ", so shorten it");
  }
  // What fills it up stands after a text to be judged, and before one to be continued.
  const bool writes = answer.writes();
  const auto pads = Numbers(model.files, "pad");
  answer.tokens.insert(writes ? answer.tokens.begin() : answer.tokens.end(),
                       bucket->tokens - answer.text_tokens, pads.empty() ? 0 : pads.front());
  answer.labels = bucket->labels;

  progress("opening a request for " + std::to_string(bucket->tokens) + " tokens");
  const auto index = static_cast<std::uint32_t>(bucket - manifest.buckets.begin());
  const auto opened = client.Execute(proto::OpenRequest{model.found.id, index});
  if (!opened) return tl::unexpected(opened.error());
  answer.request = (*opened)["receipt"].value("request", std::uint64_t{0});

  auto start = steady_clock::now();
  progress("request " + std::to_string(answer.request) + " waits for a preprocessed bundle");
  const auto assigned = client.WaitFor(
      "a bundle for request " + std::to_string(answer.request), kBundlePatience, [&] {
        return WhenStatus(client, answer.request, [](const json& record) {
          return record.value("attempt", std::uint64_t{0}) != 0;
        });
      });
  if (!assigned) return tl::unexpected(assigned.error());
  answer.wait_seconds = Seconds(start);

  progress("fetching shares of the masks from the validators");
  const std::size_t mask_count = bucket->tokens + bucket->outputs;
  const auto attempt = assigned->value("attempt", std::uint64_t{0});
  auto masks = GatherMasks(client, answer.request, attempt, mask_count);
  for (int tries = 1; !masks && tries < kMaskTriesMax; ++tries) {
    progress(masks.error().message + "; trying again");
    std::this_thread::sleep_for(kMaskPause);
    masks = GatherMasks(client, answer.request, attempt, mask_count);
  }
  if (!masks) return tl::unexpected(masks.error());
  answer.wrong_masks = masks->wrong;
  answer.silent_masks = masks->silent;
  const std::span<const mpc::Fp> all = masks->values;
  auto masked =
      mpc::MaskTokens(answer.tokens, all.first(bucket->tokens), bucket->vocabulary_padded);
  if (!masked) return tl::unexpected(masked.error());
  answer.masked_tokens = std::move(*masked);

  start = steady_clock::now();
  progress("submitting " + std::to_string(bucket->tokens) + " masked tokens");
  const auto submitted =
      client.Execute(proto::SubmitInference{answer.request, answer.masked_tokens});
  if (!submitted) return tl::unexpected(submitted.error());

  progress("the validators compute on shares");
  std::optional<CheckedAnswer> proved;
  std::optional<proto::RequestRecord> record;
  const auto completed = client.WaitFor(
      "the proved result of request " + std::to_string(answer.request), kResultPatience,
      [&]() -> Result<std::optional<json>> {
        auto result = client.Proved("request", {{"id", answer.request}});
        if (!result) return tl::unexpected(result.error());
        auto held = result->proven.Find<proto::RequestRecord>(proto::RequestKey(answer.request));
        if (!held) return tl::unexpected(held.error());
        record = *std::move(held);
        if (!record || record->status != proto::RequestStatus::kCompleted) {
          return std::nullopt;  // Or not under a signed block yet.
        }
        proved = *std::move(result);
        return proved->answer;
      });
  if (!completed) return tl::unexpected(completed.error());
  answer.seconds = Seconds(start);
  answer.proof_height = proved->proven.header().height;
  answer.record = *completed;

  if (record->masked_tokens != answer.masked_tokens) {
    return Fail(ErrorCode::kDenied, "the ledger holds another submission than this client's");
  }
  if (record->output.size() != bucket->outputs) {
    return Fail(ErrorCode::kDenied, "the ledger's output has the wrong number of values");
  }
  std::vector<mpc::Fp> output;
  for (const auto& share : record->output) {
    const auto value = mpc::Fp::FromBytes(share);
    if (!value) return Fail(ErrorCode::kDenied, "the ledger's output is not of the field");
    output.push_back(*value);
  }
  const std::vector<std::uint32_t> ends = Numbers(model.files, "eos");
  auto values = mpc::UnmaskOutput(output, all.subspan(bucket->tokens));
  const auto real = [&](mpc::Int128 value) {
    return std::ldexp(static_cast<double>(value), -static_cast<int>(bucket->output_frac));
  };
  const std::vector<std::uint32_t> flags_by_bucket = Numbers(model.files, "flags");
  const std::size_t flags = index < flags_by_bucket.size() ? flags_by_bucket[index] : 0;
  if (flags >= values.size()) {
    return Fail(ErrorCode::kDenied, "the model's package speaks of more flags than outputs");
  }
  for (std::size_t i = values.size() - flags; i < values.size(); ++i) {
    answer.range_flags.push_back(real(values[i]));
  }
  answer.in_range = mpc::InRange(answer.range_flags);
  values.resize(values.size() - flags);
  for (auto value : values) {
    if (!writes) {
      answer.logits.push_back(real(value));
      continue;
    }
    value >>= bucket->output_frac;  // A number, and exact.
    if (value < 0 || value >= bucket->vocabulary_padded) {
      return Fail(ErrorCode::kCorrupt, "the answer holds what is no token");
    } else if (std::ranges::find(ends, static_cast<std::uint32_t>(value)) == ends.end()) {
      answer.written.push_back(static_cast<std::uint32_t>(value));
    } else {
      break;
    }
  }
  proto::SecureErase(masks->values.data(), masks->values.size() * sizeof(mpc::Fp));
  if (writes) answer.text = model.tokenizer.Decode(answer.written);
  if (answer.architecture.ends_with("-embedding-mean")) {
    for (double& value : answer.logits) value /= static_cast<double>(answer.text_tokens);
  }
  if (answer.labels.empty()) return answer;
  const auto best = std::ranges::max_element(answer.logits);
  answer.best = static_cast<std::size_t>(best - answer.logits.begin());
  double sum = 0;
  for (const double logit : answer.logits) sum += std::exp(logit - *best);
  for (const double logit : answer.logits) {
    answer.probabilities.push_back(std::exp(logit - *best) / sum);
  }
  return answer;
}

Result<Answer> Ask(const Client& client, const std::string& model, const std::string& text,
                   const Progress& progress) {
  const auto served = OpenModel(client, model);
  if (!served) return tl::unexpected(served.error());
  return Ask(client, *served, text, progress);
}

bool Answer::writes() const {
  return architecture.ends_with("-generator");
}

json ToJson(const Answer& answer) {
  json common = {{"request", answer.request},
                 {"model", answer.model},
                 {"text_tokens", answer.text_tokens},
                 {"padded_tokens", answer.tokens.size()},
                 {"proof_height", answer.proof_height},
                 {"in_range", answer.in_range},
                 {"range_flags", answer.range_flags},
                 {"seconds", answer.seconds},
                 {"wait_seconds", answer.wait_seconds},
                 {"wrong_mask_shares", answer.wrong_masks},
                 {"silent_mask_shares", answer.silent_masks},
                 {"named", answer.record.value("named", json::array())}};
  if (answer.writes()) {
    common["text"] = answer.text;
    common["tokens"] = answer.written;
    return common;
  }
  if (answer.labels.empty()) {
    common["embedding"] = answer.logits;
    return common;
  }
  json probabilities = json::object();
  for (std::size_t i = 0; i < answer.probabilities.size(); ++i) {
    probabilities[i < answer.labels.size() ? answer.labels[i] : std::to_string(i)] =
        answer.probabilities[i];
  }
  common["label"] =
      answer.best < answer.labels.size() ? answer.labels[answer.best] : std::to_string(answer.best);
  common["probabilities"] = probabilities;
  common["logits"] = answer.logits;
  return common;
}

}  // namespace node
