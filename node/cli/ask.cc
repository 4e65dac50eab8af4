#include "node/cli/ask.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

#include "mpc/online/client.h"
#include "mpc/plan/evaluate.h"
#include "node/cli/answer_watch.h"
#include "node/cli/masks.h"
#include "proto/crypto/hash.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kBundlePatience{1800};
// A submitted request never expires, and a long answer takes many rounds.
constexpr std::chrono::seconds kResultPatience{3600};
// Validators whose ledger has not reached the assignment yet say so.
constexpr int kMaskTriesMax = 20;
constexpr std::chrono::milliseconds kMaskPause{300};

double Seconds(steady_clock::time_point from) {
  return std::chrono::duration<double>(steady_clock::now() - from).count();
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

namespace {

// One question on its way.
class Asking {
 public:
  Asking(const Client& client, const ServedModel& model, const Progress& progress,
         const AskOptions& options)
      : client_(client), model_(model), progress_(progress), options_(options) {}

  Result<Answer> Run(const std::string& text) {
    Result<> done = Encode(text);
    if (done) done = Open();
    if (done) done = FetchMasks();
    if (done) done = Submit();
    if (done) done = Await();
    if (done) done = Read();
    if (!masks_.values.empty()) {
      proto::SecureErase(masks_.values.data(), masks_.values.size() * sizeof(mpc::Fp));
    }
    if (!done) return tl::unexpected(done.error());
    return std::move(answer_);
  }

 private:
  const proto::Manifest& manifest() const { return model_.found.manifest; }
  const proto::Bucket& bucket() const { return manifest().buckets[bucket_]; }
  std::string Request() const { return "request " + std::to_string(answer_.request); }

  // The text as tokens of the smallest length that fits.
  Result<> Encode(const std::string& text) {
    answer_.architecture = manifest().architecture;
    answer_.model = model_.found.id.hex();
    answer_.tokens = model_.tokenizer.Encode(text);
    answer_.text_tokens = answer_.tokens.size();
    const auto bucket = std::ranges::find_if(manifest().buckets, [&](const proto::Bucket& b) {
      return b.tokens >= answer_.tokens.size();
    });
    if (answer_.tokens.empty()) {
      return Fail(ErrorCode::kInvalidArgument, "the text has no tokens of this model");
    }
    if (bucket == manifest().buckets.end()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "the text has " + std::to_string(answer_.tokens.size()) + " tokens; model " +
                      manifest().name + " takes at most " +
                      std::to_string(manifest().buckets.back().tokens) + ", so shorten it");
    }
    bucket_ = static_cast<std::uint32_t>(bucket - manifest().buckets.begin());
    // What fills it up stands after a text to be judged, and before one to be continued.
    const auto pads = Numbers(model_.files, "pad");
    answer_.tokens.insert(answer_.writes() ? answer_.tokens.begin() : answer_.tokens.end(),
                          bucket->tokens - answer_.text_tokens, pads.empty() ? 0 : pads.front());
    answer_.labels = bucket->labels;
    form_.steps = bucket->steps;
    form_.group = bucket->outputs / bucket->steps;
    form_.frac = bucket->output_frac;
    form_.vocabulary = bucket->vocabulary_padded;
    form_.ends = Numbers(model_.files, "eos");
    const std::vector<std::uint32_t> flags = Numbers(model_.files, "flags");
    form_.flags = bucket_ < flags.size() ? flags[bucket_] : 0;
    if (form_.flags >= form_.group) {
      return Fail(ErrorCode::kDenied, "the model's package speaks of more flags than outputs");
    }
    if (options_.until_end && (!answer_.writes() || form_.ends.empty())) {
      return Fail(
          ErrorCode::kInvalidArgument,
          "model " + manifest().name + " has no end token, so its answers cannot end early");
    }
    return {};
  }

  Result<> Open() {
    progress_("opening a request for " + std::to_string(bucket().tokens) + " tokens");
    const auto opened = client_.Execute(proto::OpenRequest{model_.found.id, bucket_});
    if (!opened) return tl::unexpected(opened.error());
    answer_.request = (*opened)["receipt"].value("request", std::uint64_t{0});
    const auto start = steady_clock::now();
    progress_(Request() + " waits for a preprocessed bundle");
    const auto assigned = client_.WaitFor("a bundle for " + Request(), kBundlePatience, [&] {
      return WhenStatus(client_, answer_.request, [](const json& record) {
        return record.value("attempt", std::uint64_t{0}) != 0;
      });
    });
    if (!assigned) return tl::unexpected(assigned.error());
    attempt_ = assigned->value("attempt", std::uint64_t{0});
    answer_.wait_seconds = Seconds(start);
    return {};
  }

  Result<> FetchMasks() {
    progress_("fetching shares of the masks from the validators");
    auto computing = WhoComputes(client_, attempt_);
    if (!computing) return tl::unexpected(computing.error());
    computing_ = std::move(*computing);
    const std::size_t count = bucket().tokens + bucket().outputs;
    auto masks = GatherMasks(client_, *computing_, answer_.request, count);
    for (int tries = 1; !masks && tries < kMaskTriesMax; ++tries) {
      progress_(masks.error().message + "; trying again");
      std::this_thread::sleep_for(kMaskPause);
      masks = GatherMasks(client_, *computing_, answer_.request, count);
    }
    if (!masks) return tl::unexpected(masks.error());
    masks_ = std::move(*masks);
    answer_.wrong_masks = masks_.wrong;
    answer_.silent_masks = masks_.silent;
    const auto split = masks_.values.begin() + bucket().tokens;
    form_.masks.assign(split, masks_.values.end());
    return {};
  }

  Result<> Submit() {
    const std::span<const mpc::Fp> all = masks_.values;
    auto masked =
        mpc::MaskTokens(answer_.tokens, all.first(bucket().tokens), bucket().vocabulary_padded);
    if (!masked) return tl::unexpected(masked.error());
    answer_.masked_tokens = std::move(*masked);
    start_ = steady_clock::now();
    progress_("submitting " + std::to_string(bucket().tokens) + " masked tokens");
    const auto submitted = client_.Execute(
        proto::SubmitInference{answer_.request, answer_.masked_tokens, options_.until_end});
    if (!submitted) return tl::unexpected(submitted.error());
    return {};
  }

  // Until the result is proved; meanwhile it is shown as it comes.
  Result<> Await() {
    progress_("the validators compute on shares");
    std::optional<AnswerWatch> watch;
    if (answer_.writes()) {
      text_.emplace(form_, model_.tokenizer, options_.on_token);
      if (options_.on_token) {
        // What cannot be read is left to the record, and to the error it gives.
        watch.emplace(*computing_, client_.chain(), answer_.request, form_.steps, form_.group,
                      [this](std::span<const mpc::Fp> masked) {
                        if (shown_whole_) shown_whole_ = text_->Take(masked).has_value();
                      });
      }
    }
    const auto completed = client_.WaitFor(
        "the proved result of " + Request(), kResultPatience, [&]() -> Result<std::optional<json>> {
          auto result = client_.Proved("request", {{"id", answer_.request}});
          if (!result) return tl::unexpected(result.error());
          auto held = result->proven.Find<proto::RequestRecord>(proto::RequestKey(answer_.request));
          if (!held) return tl::unexpected(held.error());
          if (!*held || (*held)->status != proto::RequestStatus::kCompleted) {
            return std::nullopt;  // Or not under a signed block yet.
          }
          record_ = **std::move(held);
          answer_.proof_height = result->proven.header().height;
          return std::move(result->answer);
        });
    if (watch) {
      AnswerWatch::Seen seen = watch->Stop();
      shown_ = std::move(seen.masked);
      for (const proto::PartyId party : seen.wrong) {
        answer_.wrong_steps.push_back(computing_->validators[Index(party)].name);
      }
    }
    if (!completed) return tl::unexpected(completed.error());
    answer_.seconds = Seconds(start_);
    answer_.record = *completed;
    return {};
  }

  Result<> Read() {
    if (record_.masked_tokens != answer_.masked_tokens || record_.until_end != options_.until_end) {
      return Fail(ErrorCode::kDenied, "the ledger holds another submission than this client's");
    }
    const bool early = record_.steps < form_.steps;
    if (record_.steps == 0 || record_.steps > form_.steps || (early && !options_.until_end) ||
        record_.output.size() != record_.steps * form_.group) {
      return Fail(ErrorCode::kDenied, "the ledger's output has the wrong number of values");
    }
    std::vector<mpc::Fp> output;
    for (const auto& share : record_.output) {
      const auto value = mpc::Fp::FromBytes(share);
      if (!value) return Fail(ErrorCode::kDenied, "the ledger's output is not of the field");
      output.push_back(*value);
    }
    if (shown_.size() > output.size() ||
        !std::equal(shown_.begin(), shown_.end(), output.begin())) {
      return Fail(ErrorCode::kDenied,
                  "the proved answer is not the one that was shown as it came: more validators lie "
                  "than the network allows for, so trust neither");
    }
    answer_.shown_early = shown_.size() / form_.group;
    answer_.steps = record_.steps;
    return answer_.writes() ? ReadText(output, early) : ReadNumbers(output);
  }

  Result<> ReadText(std::span<const mpc::Fp> output, bool early) {
    while (text_->steps() < record_.steps) {
      auto taken = text_->Take(output.subspan(text_->steps() * form_.group, form_.group));
      if (!taken) return taken;
    }
    if (!shown_whole_) return Fail(ErrorCode::kCorrupt, "the answer holds what is no token");
    if (early && !text_->ended()) {
      return Fail(ErrorCode::kDenied, "the answer stops before its end token");
    }
    answer_.written = text_->text().tokens();
    answer_.text = text_->text().text();
    answer_.text_rest = text_->text().Finish();
    answer_.range_flags = text_->flags();
    answer_.in_range = mpc::InRange(answer_.range_flags);
    return {};
  }

  Result<> ReadNumbers(std::span<const mpc::Fp> output) {
    for (const mpc::Int128 value : mpc::UnmaskOutput(output, form_.masks)) {
      answer_.logits.push_back(form_.Real(value));
    }
    const auto flags = answer_.logits.end() - static_cast<std::ptrdiff_t>(form_.flags);
    answer_.range_flags.assign(flags, answer_.logits.end());
    answer_.in_range = mpc::InRange(answer_.range_flags);
    answer_.logits.erase(flags, answer_.logits.end());
    if (answer_.architecture.ends_with("-embedding-mean")) {
      for (double& value : answer_.logits) value /= static_cast<double>(answer_.text_tokens);
    }
    if (answer_.labels.empty()) return {};
    const auto best = std::ranges::max_element(answer_.logits);
    answer_.best = static_cast<std::size_t>(best - answer_.logits.begin());
    double sum = 0;
    for (const double logit : answer_.logits) sum += std::exp(logit - *best);
    for (const double logit : answer_.logits) {
      answer_.probabilities.push_back(std::exp(logit - *best) / sum);
    }
    return {};
  }

  const Client& client_;
  const ServedModel& model_;
  const Progress& progress_;
  const AskOptions& options_;
  Answer answer_;
  std::uint32_t bucket_ = 0;
  AnswerForm form_;
  std::uint64_t attempt_ = 0;
  std::optional<Computing> computing_;
  Masks masks_;
  steady_clock::time_point start_;
  std::optional<AnswerText> text_;
  bool shown_whole_ = true;  // All that was decoded early could be read.
  std::vector<mpc::Fp> shown_;
  proto::RequestRecord record_;
};

}  // namespace

Result<Answer> Ask(const Client& client, const ServedModel& model, const std::string& text,
                   const Progress& progress, const AskOptions& options) {
  return Asking(client, model, progress, options).Run(text);
}

Result<Answer> Ask(const Client& client, const std::string& model, const std::string& text,
                   const Progress& progress, const AskOptions& options) {
  const auto served = OpenModel(client, model);
  if (!served) return tl::unexpected(served.error());
  return Ask(client, *served, text, progress, options);
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
                 {"charged", answer.record.value("charged", std::uint64_t{0})},
                 {"wait_seconds", answer.wait_seconds},
                 {"wrong_mask_shares", answer.wrong_masks},
                 {"silent_mask_shares", answer.silent_masks},
                 {"named", answer.record.value("named", json::array())}};
  if (answer.writes()) {
    common["text"] = answer.text;
    common["tokens"] = answer.written;
    common["steps"] = answer.steps;
    common["until_end"] = answer.record.value("until_end", false);
    common["shown_early"] = answer.shown_early;
    common["wrong_step_shares"] = answer.wrong_steps;
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
