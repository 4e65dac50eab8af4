#include "node/rpc/answers.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "node/rpc/json.h"
#include "node/rpc/method_table.h"
#include "node/rpc/proof_json.h"

namespace node {

using proto::Bytes;
using proto::Digest;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

// What an answer is made in: the chain and the facts. A record that cannot be had ends the making;
// Need() keeps the error, and the answer is that.
class Making {
 public:
  Making(const proto::Genesis& genesis, const Facts& facts) : genesis_(genesis), facts_(facts) {}

  Result<Json> Account(const Params& params) {
    const auto bytes = params.HexOf("key", 32);
    if (!bytes) return tl::unexpected(bytes.error());
    const auto key = proto::AccountKey(*proto::PublicKey::From(*bytes));
    return ToJson(Find<proto::Account>(key).value_or(proto::Account{}));
  }

  Result<Json> ChainParams(const Params&) {
    return Json{{"chain", proto::ChainId(genesis_).hex()},
                {"spec", Json::parse(proto::FormatChainSpec(genesis_.spec))}};
  }

  Result<Json> Model(const Params& params) {
    const auto id = params.Digest("id");
    if (!id) return tl::unexpected(id.error());
    return ModelJson(*id);
  }

  Result<Json> Models(const Params&) {
    Json out = Json::array();
    for (const Digest& id : ModelIds()) out.push_back(ModelJson(id));
    return out;
  }

  Result<Json> Request(const Params& params) {
    const auto id = params.Number("id");
    if (!id) return tl::unexpected(id.error());
    const auto record = Find<proto::RequestRecord>(proto::RequestKey(*id));
    return record ? ToJson(NamesAt(record->attempt), *record) : Json();
  }

  Result<Json> Attempt(const Params& params) {
    const auto id = params.Number("id");
    if (!id) return tl::unexpected(id.error());
    const auto record = Find<proto::AttemptRecord>(proto::AttemptKey(*id));
    return record ? ToJson(NamesAt(*id), *record) : Json();
  }

  Result<Json> Pool(const Params&) {
    Json out = Json::array();
    for (const Digest& id : ModelIds()) {
      const auto record = Find<proto::ModelRecord>(proto::ModelKey(id));
      const auto manifest = record ? proto::DecodeManifest(record->manifest)
                                   : Fail(ErrorCode::kNotFound, "no such model");
      if (!manifest) continue;
      for (std::uint32_t bucket = 0; bucket < manifest->buckets.size(); ++bucket) {
        out.push_back(PoolJson(id, *manifest, bucket));
      }
    }
    return out;
  }

  Result<Json> Epoch(const Params& params) {
    const auto number = params.Number("number", 0);
    if (!number) return tl::unexpected(number.error());
    const auto record = EpochAt(params.has("number") ? *number : Totals().epoch);
    return record ? ToJson(*record) : Json();
  }

  Result<Json> Validators(const Params&) {
    const auto epoch = EpochAt(Totals().epoch);
    const auto turn = Find<proto::Turn>(proto::TurnKey()).value_or(proto::Turn{});
    const auto staking = Find<proto::Staking>(proto::StakingKey()).value_or(proto::Staking{});
    const auto among = [](const auto& list, const proto::PublicKey& key) {
      return std::ranges::count(list, key, &proto::ValidatorSpec::key) > 0;
    };
    Json out = Json::array();
    for (const proto::PublicKey& key : staking.bonded) {
      const auto record = Find<proto::ValidatorRecord>(proto::ValidatorKey(key));
      if (!record) continue;
      Json entry = ToJson(*record);
      entry["member"] = epoch && among(epoch->validators, record->card.key);
      if (turn.epoch != 0) {
        entry["next_member"] =
            among(turn.validators, record->next ? record->next->key : record->card.key);
      }
      out.push_back(std::move(entry));
    }
    return out;
  }

  Result<Json> Record(const Params& params) {
    const auto key = params.Hex("key", proto::kProofKeyBytesMax);
    if (!key) return tl::unexpected(key.error());
    const auto value = Need(facts_.Record(*key));
    return Json{{"key", proto::ToHex(*key)},
                {"value", value ? Json(proto::ToHex(*value)) : Json()}};
  }

  Result<Json> Block(const Params& params) {
    const auto height = params.Number("height", facts_.header().height);
    if (!height) return tl::unexpected(height.error());
    if (*height != facts_.header().height) return Other("block");
    if (facts_.receipts() == nullptr) return Unsaid("receipts");
    Json out = ToJson(facts_.header());
    out["header"] = proto::ToHex(proto::EncodeBlockHeader(facts_.header()));
    Json transactions = Json::array();
    for (const auto& receipt : *facts_.receipts()) transactions.push_back(ToJson(receipt));
    out["transactions"] = std::move(transactions);
    return out;
  }

  Result<Json> Transaction(const Params& params) {
    const auto id = params.Digest("id");
    if (!id) return tl::unexpected(id.error());
    const auto* part = facts_.transaction();
    if (part == nullptr) return Unsaid("transaction");
    const auto checked = proto::CheckedTransaction::Check(
        proto::ChainId(genesis_), genesis_.spec.transaction_bytes_max, part->bytes,
        genesis_.spec.opaque_transactions);
    if (checked.id() != *id || part->receipt.transaction != *id) return Other("transaction");
    Json out = {{"id", id->hex()},
                {"status", "executed"},
                {"height", facts_.header().height},
                {"index", part->index},
                {"receipt", ToJson(part->receipt)},
                {"bytes", part->bytes.size()},
                {"hex", proto::ToHex(part->bytes)}};
    // The names of parties are the state's, of which this block's proof says nothing.
    if (checked.valid()) out["payload"] = Summary(proto::EpochRecord{}, checked.transaction());
    return out;
  }

  // Why the answer cannot be made; none when it can.
  const std::optional<proto::Error>& error() const { return error_; }

 private:
  static Result<Json> Other(const std::string& what) {
    return Fail(ErrorCode::kDenied, "the proof is of another " + what + " than was asked for");
  }
  static Result<Json> Unsaid(const std::string& what) {
    return Fail(ErrorCode::kDenied, "the proof says nothing of the " + what);
  }

  template <class T>
  std::optional<T> Need(Result<std::optional<T>> found) {
    if (found) return *std::move(found);
    if (!error_) error_ = found.error();
    return std::nullopt;
  }
  template <class T>
  std::optional<T> Find(const Bytes& key) {
    return Need(facts_.Find<T>(key));
  }

  proto::Totals Totals() {
    return Find<proto::Totals>(proto::TotalsKey()).value_or(proto::Totals{});
  }
  std::optional<proto::EpochRecord> EpochAt(std::uint64_t number) {
    return Find<proto::EpochRecord>(proto::EpochKey(number));
  }
  // Of the members that made the attempt.
  Names NamesAt(std::uint64_t attempt) {
    const auto record = Find<proto::AttemptRecord>(proto::AttemptKey(attempt));
    const auto epoch = record ? EpochAt(record->epoch) : std::nullopt;
    return epoch ? ComputingNames(*epoch) : Names();
  }

  // In the order of registration.
  std::vector<Digest> ModelIds() {
    std::vector<Digest> ids;
    const std::uint64_t count = std::min<std::uint64_t>(Totals().models, proto::kModelsMax);
    for (std::uint64_t number = 1; number <= count; ++number) {
      const auto id = Need(facts_.Record(proto::ModelNumberKey(number)));
      const auto digest = Digest::From(id.value_or(Bytes()));
      if (digest) ids.push_back(*digest);
    }
    return ids;
  }
  Json ModelJson(const Digest& id) {
    const auto record = Find<proto::ModelRecord>(proto::ModelKey(id));
    if (!record) return nullptr;
    const auto manifest = proto::DecodeManifest(record->manifest);
    Json out = manifest ? ToJson(*manifest) : Json::object();
    out["id"] = id.hex();
    out["status"] = proto::Name(record->status);
    return out;
  }
  Json PoolJson(const Digest& id, const proto::Manifest& manifest, std::uint32_t bucket) {
    const auto pool = Find<proto::Pool>(proto::PoolKey(id, bucket)).value_or(proto::Pool{});
    Json started = Json::array();
    const std::vector<std::uint32_t>& layers = manifest.buckets[bucket].layers;
    const std::uint64_t needed = std::accumulate(layers.begin(), layers.end(), std::uint64_t{0});
    for (const std::uint64_t attempt : pool.started) {
      // Of the whole bundle, of which the attempt prepares a segment.
      const auto progress = Find<proto::AttemptRecord>(proto::AttemptKey(attempt));
      std::uint64_t fixed = progress ? progress->layers.size() : 0;
      for (std::uint32_t i = 0; progress && i < progress->segment; ++i) fixed += layers[i];
      started.push_back({{"attempt", attempt}, {"layers_fixed", fixed}, {"layers_needed", needed}});
    }
    return {{"model", id.hex()},
            {"name", manifest.name},
            {"bucket", bucket},
            {"tokens", manifest.buckets[bucket].tokens},
            {"target", manifest.buckets[bucket].pool_target},
            {"ready", pool.ready.size()},
            {"waiting", pool.waiting.size()},
            {"started", std::move(started)}};
  }

  const proto::Genesis& genesis_;
  const Facts& facts_;
  std::optional<proto::Error> error_;
};

using Maker = Result<Json> (Making::*)(const Params&);
const std::map<std::string, Maker, std::less<>> kMakers = {
    {"account", &Making::Account},
    {"attempt", &Making::Attempt},
    {"block", &Making::Block},
    {"epoch", &Making::Epoch},
    {"model", &Making::Model},
    {"models", &Making::Models},
    {"params", &Making::ChainParams},
    {"pool", &Making::Pool},
    {"record", &Making::Record},
    {"request", &Making::Request},
    {"transaction", &Making::Transaction},
    {"validators", &Making::Validators},
};

Result<Json> Field(const Json& object, const char* name) {
  if (object.is_object()) {
    const auto field = object.find(name);
    if (field != object.end()) return *field;
  }
  return Fail(ErrorCode::kCorrupt, std::string("the answer has no field ") + name);
}

}  // namespace

Result<Json> MakeAnswer(const proto::Genesis& genesis, const std::string& method,
                        const Params& params, const Facts& facts) {
  const auto maker = kMakers.find(method);
  if (maker == kMakers.end()) {
    return Fail(ErrorCode::kInvalidArgument, "the method '" + method + "' has no proofs");
  }
  Making making(genesis, facts);
  auto answer = (making.*maker->second)(params);
  if (making.error()) return tl::unexpected(*making.error());
  return answer;
}

Json WithProof(const std::string& method, const Params& params, Json answer,
               const proto::Proof& proof) {
  return {{"question", {{"method", method}, {"params", params.Without("prove")}}},
          {"answer", std::move(answer)},
          {"height", proof.headers.front().height},
          {"proof", ToJson(proof)}};
}

Result<CheckedAnswer> VerifyAnswer(LightClient& client, const std::string& method,
                                   const Json& params, const Json& given) {
  const MethodSpec* spec = FindMethod(method);
  if (spec == nullptr || !spec->provable) {
    return Fail(ErrorCode::kInvalidArgument,
                "the method '" + method.substr(0, 64) + "' has no proofs");
  }
  if (!params.is_structured()) {
    return Fail(ErrorCode::kInvalidArgument, "the params are an object or an array");
  }
  const auto read = Params::From(params, spec->params);
  if (!read) return tl::unexpected(read.error());
  const auto form = Field(given, "proof");
  if (!form) return tl::unexpected(form.error());
  const auto proof = ProofFromJson(*form);
  if (!proof) return tl::unexpected(proof.error());
  const auto bytes = proto::EncodeProof(*proof);
  if (!bytes) return tl::unexpected(bytes.error());
  auto proven = VerifyProof(client, *bytes);
  if (!proven) return tl::unexpected(proven.error());
  auto answer = MakeAnswer(client.genesis(), method, *read, *proven);
  if (!answer) return tl::unexpected(answer.error());
  const auto claimed = Field(given, "answer");
  if (!claimed) return tl::unexpected(claimed.error());
  if (*claimed != *answer) {
    return Fail(ErrorCode::kDenied, "the answer is not what the proof says: that is " +
                                        FormatJson(*answer).substr(0, 512));
  }
  const auto height = Field(given, "height");
  if (!height) return tl::unexpected(height.error());
  if (*height != proven->header().height) {
    return Fail(ErrorCode::kDenied, "the answer is of block " +
                                        std::to_string(proven->header().height) +
                                        ", and not of the one it names");
  }
  return CheckedAnswer{method, params, *std::move(answer), *std::move(proven)};
}

Result<CheckedAnswer> VerifyAnswer(LightClient& client, const Json& given) {
  const auto question = Field(given, "question");
  if (!question) return tl::unexpected(question.error());
  const auto method = Field(*question, "method");
  if (!method) return tl::unexpected(method.error());
  const auto params = Field(*question, "params");
  if (!params) return tl::unexpected(params.error());
  if (!method->is_string()) return Fail(ErrorCode::kCorrupt, "the question names no method");
  return VerifyAnswer(client, method->get<std::string>(), *params, given);
}

}  // namespace node
