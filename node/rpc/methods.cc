#include "node/rpc/methods.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "node/rpc/block_page.h"
#include "node/rpc/block_reader.h"
#include "node/rpc/json.h"
#include "node/rpc/json_rpc.h"
#include "node/rpc/metrics.h"
#include "proto/crypto/ecies.h"
#include "proto/crypto/hash.h"
#include "proto/wire/consensus.h"

namespace node {

using proto::Bytes;
using proto::Digest;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kStateKeyBytesMax = 256;
constexpr std::size_t kRefusalsShownMax = 64;
constexpr std::size_t kSyncQuestionBytesMax = 64;
constexpr std::size_t kLinksMax = 64;  // In one answer.

// Assembles model files from the parts their vendors send; only files that a registered model
// names, in order, within a budget.
class Uploads {
 public:
  // The whole file once the last part is here.
  Result<std::optional<Bytes>> Add(const Digest& digest, std::uint64_t size, std::uint64_t offset,
                                   const Bytes& part) {
    const std::lock_guard lock(mutex_);
    if (offset == 0) Drop(digest);
    Bytes& file = files_[digest];
    if (offset != file.size() || part.size() > size - offset) {
      const std::size_t expected = file.size();
      if (expected == 0) files_.erase(digest);
      return Fail(ErrorCode::kInvalidArgument,
                  "the next part of this file begins at offset " + std::to_string(expected));
    }
    if (used_ + part.size() > kUploadBytesMax) {
      Drop(digest);
      return Fail(ErrorCode::kExhausted, "too many model files are under way; try again later");
    }
    used_ += part.size();
    file.insert(file.end(), part.begin(), part.end());
    if (file.size() < size) return std::nullopt;
    Bytes whole = std::move(file);
    used_ -= whole.size();
    files_.erase(digest);
    return whole;
  }

 private:
  void Drop(const Digest& digest) {
    const auto it = files_.find(digest);
    if (it == files_.end()) return;
    used_ -= it->second.size();
    files_.erase(it);
  }

  std::mutex mutex_;
  std::map<Digest, Bytes> files_;
  std::size_t used_ = 0;
};

class Methods {
 public:
  explicit Methods(Backend& backend) : backend_(backend), genesis_(backend.genesis()) {}

  void AddTo(JsonRpc& rpc) {
    const auto add = [&](std::string name, std::vector<std::string> parameters, auto member) {
      rpc.Add(std::move(name), std::move(parameters),
              [this, member](const Params& params) { return (this->*member)(params); });
    };
    add("status", {}, &Methods::Status);
    add("block", {"height"}, &Methods::Block);
    add("transaction", {"id"}, &Methods::Transaction);
    add("submit_transaction", {"hex"}, &Methods::SubmitTransaction);
    add("account", {"key"}, &Methods::Account);
    add("models", {}, &Methods::Models);
    add("model", {"id"}, &Methods::Model);
    add("request", {"id"}, &Methods::Request);
    add("attempt", {"id"}, &Methods::Attempt);
    add("pool", {}, &Methods::Pool);
    add("result", {"id"}, &Methods::ResultWithProof);
    add("proof", {"key"}, &Methods::Proof);
    add("mask_shares", {"request", "ephemeral_key", "signature"}, &Methods::MaskShares);
    add("model_file", {"digest", "offset"}, &Methods::ModelFile);
    add("upload_model_file", {"digest", "size", "offset", "hex"}, &Methods::UploadModelFile);
    add("peers", {}, &Methods::Peers);
    add("epoch", {"number"}, &Methods::EpochRecord);
    add("epoch_links", {"from"}, &Methods::EpochLinks);
    add("validators", {}, &Methods::Validators);
    add("block_page", {"height", "epoch"}, &Methods::Blocks);
    add("sync", {"message"}, &Methods::Sync);
  }

 private:
  Result<Json> Status(const Params&) {
    const Snapshot latest = backend_.latest();
    const auto proven = backend_.proven();
    const Epoch& epoch = *latest.epoch();
    const auto self = epoch.validators.Find(backend_.key());
    const auto record = latest.validator(backend_.key());
    std::size_t up = 0;
    for (const PeerLink& peer : backend_.peers()) up += peer.up ? 1 : 0;
    const auto why = backend_.why_not_ready();
    const std::uint64_t done = latest.header().height + 1 - epoch.record.first_height;
    const std::uint64_t commits = genesis_.spec.epoch_commits;
    Json out = {{"chain", backend_.chain().hex()},
                {"chain_name", genesis_.spec.name},
                {"validator", self ? epoch.record.validators[Index(*self)].name
                                   : (record ? record->card.name : "observer")},
                {"public_key", backend_.key().hex()},
                {"member", self.has_value()},
                {"computes", epoch.computing && epoch.computing->Find(backend_.key())},
                {"stake", record ? record->stake : 0},
                {"stake_status", record ? Json(proto::Name(record->status)) : Json("none")},
                {"epoch", epoch.record.number},
                {"epoch_commits_left", done < commits ? commits - done : 0},
                {"next_epoch_decided", latest.turn().epoch != 0},
                {"inference", latest.computes() ? "on"
                              : epoch.computing ? "paused: the members who compute make their keys"
                                                : "paused: nobody computes in this epoch"},
                {"validators", epoch.record.validators.size()},
                {"height", latest.header().height},
                {"round", latest.header().round},
                {"proven_height", proven ? proven->header.height : 0},
                {"state_root", latest.header().state_root.hex()},
                {"peers_connected", up},
                {"sync", ToJson(backend_.sync_status())},
                {"ready", !why}};
    if (why) out["why_not_ready"] = *why;
    return out;
  }

  Result<Json> EpochRecord(const Params& params) {
    const Snapshot latest = backend_.latest();
    const auto number = params.Number("number", latest.epoch()->record.number);
    if (!number) return tl::unexpected(number.error());
    const auto epoch = latest.epoch(*number);
    if (!epoch) return Fail(ErrorCode::kNotFound, "there is no epoch " + std::to_string(*number));
    return ToJson(*epoch);
  }

  Result<Json> Validators(const Params&) {
    const Snapshot latest = backend_.latest();
    const proto::Turn turn = latest.turn();
    Json out = Json::array();
    for (const proto::ValidatorRecord& record : latest.validators()) {
      Json entry = ToJson(record);
      entry["member"] = latest.epoch()->validators.Find(record.card.key).has_value();
      if (turn.epoch != 0) {
        const proto::PublicKey& key = record.next ? record.next->key : record.card.key;
        entry["next_member"] =
            std::ranges::count(turn.validators, key, &proto::ValidatorSpec::key) > 0;
      }
      out.push_back(std::move(entry));
    }
    return out;
  }

  // The links by which a client that trusts `epoch` reaches the newest that is proved here.
  Result<Json> Links(std::uint64_t epoch) {
    Json links = Json::array();
    while (links.size() < kLinksMax) {
      const auto link = ReadLink(backend_.store(), ++epoch);
      if (!link) return tl::unexpected(link.error());
      if (!*link) break;
      links.push_back(proto::ToHex(**link));
    }
    return links;
  }

  Result<Json> EpochLinks(const Params& params) {
    const auto from = params.Number("from", proto::kFirstEpoch);
    if (!from) return tl::unexpected(from.error());
    return Links(*from);
  }

  Result<Json> Blocks(const Params& params) {
    const auto height = params.Number("height");
    const auto epoch = params.Number("epoch");
    if (!height) return tl::unexpected(height.error());
    if (!epoch) return tl::unexpected(epoch.error());
    const auto page = ReadPage(backend_.store(), *height, *epoch);
    if (!page) return tl::unexpected(page.error());
    return Json{{"page", proto::ToHex(EncodePage(*page))}};
  }

  Result<Json> Sync(const Params& params) {
    const auto message = params.Hex("message", kSyncQuestionBytesMax);
    if (!message) return tl::unexpected(message.error());
    auto question = proto::sync::DecodeMessage(*message);
    if (!question) return tl::unexpected(question.error());
    const auto answer = backend_.SyncAnswer(std::move(*question));
    if (!answer) return Fail(ErrorCode::kUnavailable, "no snapshot now; ask again");
    return Json{{"message", proto::ToHex(proto::sync::Encode(*answer))}};
  }

  proto::EpochRecord EpochOfHeight(std::uint64_t height) {
    const Snapshot latest = backend_.latest();
    std::uint64_t number = latest.epoch()->record.number;
    while (number > proto::kFirstEpoch && latest.epoch(number)->first_height > height) --number;
    return *latest.epoch(number);
  }

  // Of the members that made the attempt.
  Names NamesAt(std::uint64_t attempt) {
    const Snapshot latest = backend_.latest();
    const auto record = latest.attempt(attempt);
    const auto epoch = record ? latest.epoch(record->epoch) : std::nullopt;
    return epoch ? ComputingNames(*epoch) : Names();
  }

  Result<Json> Block(const Params& params) {
    const auto height = params.Number("height", backend_.latest().header().height);
    if (!height) return tl::unexpected(height.error());
    const auto block = ReadBlock(backend_.store(), *height);
    if (!block) return tl::unexpected(block.error());
    if (!*block) {
      return Fail(ErrorCode::kNotFound,
                  "there is no block " + std::to_string(*height) + " yet; blocks begin at 1");
    }
    Json out = ToJson((*block)->header);
    out["header"] = proto::ToHex(proto::EncodeBlockHeader((*block)->header));
    const auto epoch = EpochOfHeight(*height);
    out["signatures"] = ToJson(ValidatorNames(epoch), (*block)->signatures);
    Json transactions = Json::array();
    for (std::size_t i = 0; i < (*block)->transactions.size(); ++i) {
      Json entry = ToJson((*block)->receipts[i]);
      entry["bytes"] = (*block)->transactions[i].size();
      transactions.push_back(std::move(entry));
    }
    out["transactions"] = std::move(transactions);
    return out;
  }

  Result<Json> Transaction(const Params& params) {
    const auto id = params.Digest("id");
    if (!id) return tl::unexpected(id.error());
    const auto place = FindTransaction(backend_.store(), *id);
    if (!place) return tl::unexpected(place.error());
    if (!*place) return Json{{"id", id->hex()}, {"status", "unknown"}};
    const auto block = ReadBlock(backend_.store(), (*place)->height);
    if (!block) return tl::unexpected(block.error());
    if (!*block || (*place)->index >= (*block)->transactions.size()) {
      return Fail(ErrorCode::kCorrupt, "the block of this transaction is not in the store");
    }
    const Bytes& bytes = (*block)->transactions[(*place)->index];
    Json out = {{"id", id->hex()},
                {"status", "executed"},
                {"height", (*place)->height},
                {"index", (*place)->index},
                {"receipt", ToJson((*block)->receipts[(*place)->index])},
                {"bytes", bytes.size()},
                {"hex", proto::ToHex(bytes)}};
    const auto checked =
        proto::CheckedTransaction::Check(backend_.chain(), genesis_.spec.transaction_bytes_max,
                                         bytes, genesis_.spec.opaque_transactions);
    if (checked.valid())
      out["payload"] = Summary(EpochOfHeight((*place)->height), checked.transaction());
    return out;
  }

  Result<Json> SubmitTransaction(const Params& params) {
    auto bytes = params.Hex("hex", genesis_.spec.transaction_bytes_max);
    if (!bytes) return tl::unexpected(bytes.error());
    const auto id = backend_.Submit(std::move(*bytes));
    if (!id) return tl::unexpected(id.error());
    return Json{{"id", id->hex()}};
  }

  Result<Json> Account(const Params& params) {
    const auto bytes = params.HexOf("key", 32);
    if (!bytes) return tl::unexpected(bytes.error());
    const proto::PublicKey key = *proto::PublicKey::From(*bytes);
    return ToJson(backend_.latest().account(key));
  }

  Json ModelJson(const Digest& id, const proto::ModelRecord& record) {
    const auto manifest = proto::DecodeManifest(record.manifest);
    Json out = manifest ? ToJson(*manifest) : Json::object();
    out["id"] = id.hex();
    out["status"] = proto::Name(record.status);
    const ServiceStatus service = backend_.service_status();
    const auto loaded = service.models.find(id);
    out["files_here"] = loaded != service.models.end() && loaded->second;
    return out;
  }

  Result<Json> Models(const Params&) {
    const Snapshot latest = backend_.latest();
    Json out = Json::array();
    for (const Digest& id : latest.models(1, proto::kModelsMax)) {
      if (const auto record = latest.model(id)) out.push_back(ModelJson(id, *record));
    }
    return out;
  }

  Result<Json> Model(const Params& params) {
    const auto id = params.Digest("id");
    if (!id) return tl::unexpected(id.error());
    const auto record = backend_.latest().model(*id);
    if (!record) return Fail(ErrorCode::kNotFound, "no model of this id is registered");
    return ModelJson(*id, *record);
  }

  Result<Json> Request(const Params& params) {
    const auto id = params.Number("id");
    if (!id) return tl::unexpected(id.error());
    const auto record = backend_.latest().request(*id);
    if (!record) return Fail(ErrorCode::kNotFound, "there is no request " + std::to_string(*id));
    Json out = ToJson(NamesAt(record->attempt), *record);
    const ServiceStatus service = backend_.service_status();
    if (const auto effort = service.requests.find(*id); effort != service.requests.end()) {
      out["effort"] = ToJson(effort->second);
    }
    return out;
  }

  Result<Json> Attempt(const Params& params) {
    const auto id = params.Number("id");
    if (!id) return tl::unexpected(id.error());
    const auto record = backend_.latest().attempt(*id);
    if (!record) return Fail(ErrorCode::kNotFound, "there is no attempt " + std::to_string(*id));
    Json out = ToJson(NamesAt(*id), *record);
    const ServiceStatus service = backend_.service_status();
    if (const auto effort = service.attempts.find(*id); effort != service.attempts.end()) {
      out["effort"] = ToJson(effort->second);
    }
    return out;
  }

  Result<Json> Pool(const Params&) {
    const Snapshot latest = backend_.latest();
    Json out = Json::array();
    for (const Digest& id : latest.models(1, proto::kModelsMax)) {
      const auto record = latest.model(id);
      const auto manifest = record ? proto::DecodeManifest(record->manifest)
                                   : Fail(ErrorCode::kNotFound, "no such model");
      if (!manifest) continue;
      for (std::uint32_t bucket = 0; bucket < manifest->buckets.size(); ++bucket) {
        const auto pool = latest.pool(id, bucket).value_or(proto::Pool{});
        Json started = Json::array();
        for (const std::uint64_t attempt : pool.started) {
          const auto progress = latest.attempt(attempt);
          started.push_back({{"attempt", attempt},
                             {"layers_fixed", progress ? progress->layers.size() : 0},
                             {"layers_needed", manifest->buckets[bucket].layers}});
        }
        out.push_back({{"model", id.hex()},
                       {"name", manifest->name},
                       {"bucket", bucket},
                       {"tokens", manifest->buckets[bucket].tokens},
                       {"target", manifest->buckets[bucket].pool_target},
                       {"ready", pool.ready.size()},
                       {"waiting", pool.waiting.size()},
                       {"started", std::move(started)}});
      }
    }
    return out;
  }

  Result<Json> Proven(proto::ByteSpan key) {
    const auto proven = backend_.proven();
    if (!proven) return Fail(ErrorCode::kUnavailable, "no block is signed yet; try again");
    const auto value = proven->snapshot.Get(key);
    const auto links = Links(proto::kFirstEpoch);
    if (!links) return tl::unexpected(links.error());
    return Json{{"key", proto::ToHex(key)},
                {"value", value ? Json(proto::ToHex(*value)) : Json(nullptr)},
                {"height", proven->header.height},
                {"header", proto::ToHex(proto::EncodeBlockHeader(proven->header))},
                {"signatures", proto::ToHex(EncodeSignatures(proven->signatures))},
                {"proof", proto::ToHex(proto::EncodeStateProof(proven->snapshot.Prove(key)))},
                {"links", *links}};
  }

  Result<Json> ResultWithProof(const Params& params) {
    const auto id = params.Number("id");
    if (!id) return tl::unexpected(id.error());
    auto out = Proven(proto::RequestKey(*id));
    if (!out) return out;
    const auto record = backend_.proven()->snapshot.request(*id);
    if (!record) {
      return Fail(ErrorCode::kNotFound, "no signed block holds request " + std::to_string(*id));
    }
    (*out)["record"] = ToJson(NamesAt(record->attempt), *record);
    return out;
  }

  Result<Json> Proof(const Params& params) {
    const auto key = params.Hex("key", kStateKeyBytesMax);
    if (!key) return tl::unexpected(key.error());
    return Proven(*key);
  }

  Result<Json> MaskShares(const Params& params) {
    const auto request = params.Number("request");
    const auto ephemeral_bytes = params.HexOf("ephemeral_key", 32);
    const auto signature_bytes = params.HexOf("signature", 64);
    if (!request) return tl::unexpected(request.error());
    if (!ephemeral_bytes) return tl::unexpected(ephemeral_bytes.error());
    if (!signature_bytes) return tl::unexpected(signature_bytes.error());
    const proto::PublicKey ephemeral = *proto::PublicKey::From(*ephemeral_bytes);
    if (!ephemeral.OnCurve()) {
      return Fail(ErrorCode::kInvalidArgument, "the ephemeral key is no public key");
    }
    const auto record = backend_.latest().request(*request);
    if (!record) {
      return Fail(ErrorCode::kNotFound, "there is no request " + std::to_string(*request));
    }
    if (!proto::Verify(record->owner, MaskQuestionDigest(backend_.chain(), *request, ephemeral),
                       *proto::Signature::From(*signature_bytes))) {
      return Fail(ErrorCode::kDenied, "only the owner of request " + std::to_string(*request) +
                                          " is given its masks; the signature is not the owner's");
    }
    if (record->attempt == 0) {
      return Fail(ErrorCode::kUnavailable, "the request waits for a bundle; try again");
    }
    if (record->status == proto::RequestStatus::kCompleted ||
        record->status == proto::RequestStatus::kExpired) {
      return Fail(ErrorCode::kDenied, "the request has ended and its masks are erased");
    }
    auto shares = backend_.MaskShares(record->attempt);
    if (!shares) return tl::unexpected(shares.error());
    Bytes plain(shares->size() * mpc::Fp::kBytes);
    for (std::size_t i = 0; i < shares->size(); ++i) {
      (*shares)[i].ToBytes(std::span<std::uint8_t, mpc::Fp::kBytes>(
          plain.data() + i * mpc::Fp::kBytes, mpc::Fp::kBytes));
    }
    const auto attempt = backend_.latest().attempt(record->attempt);
    const proto::EpochRecord epoch = *backend_.latest().epoch(attempt->epoch);
    const auto member = Epoch(epoch).computing->Find(backend_.key());
    if (!member) return Fail(ErrorCode::kDenied, "this validator is no member of the request");
    const proto::PartyId self = *member;
    const Bytes sealed = proto::Seal(ephemeral, MaskContext(backend_.chain(), *request, self),
                                     plain, backend_.Entropy(32));
    proto::SecureErase(plain.data(), plain.size());
    proto::SecureErase(shares->data(), shares->size() * sizeof(mpc::Fp));
    const proto::Signature signature = backend_.Sign(
        epoch.number, MaskAnswerDigest(backend_.chain(), *request, ephemeral, sealed));
    return Json{{"party", Index(self)},
                {"attempt", record->attempt},
                {"sealed", proto::ToHex(sealed)},
                {"signature", proto::ToHex(signature.span())}};
  }

  // The size that a registered model's manifest gives the file.
  std::optional<std::uint64_t> NamedSize(const Digest& digest) {
    const Snapshot latest = backend_.latest();
    for (const Digest& id : latest.models(1, proto::kModelsMax)) {
      const auto record = latest.model(id);
      const auto manifest = record ? proto::DecodeManifest(record->manifest)
                                   : Fail(ErrorCode::kNotFound, "no such model");
      if (!manifest) continue;
      const auto file = std::ranges::find(manifest->files, digest, &proto::PackageFile::digest);
      if (file != manifest->files.end()) return file->size;
    }
    return std::nullopt;
  }

  Result<Json> ModelFile(const Params& params) {
    const auto digest = params.Digest("digest");
    const auto offset = params.Number("offset", 0);
    if (!digest) return tl::unexpected(digest.error());
    if (!offset) return tl::unexpected(offset.error());
    if (!NamedSize(*digest)) {
      return Fail(ErrorCode::kNotFound, "no registered model has a file of this hash");
    }
    const auto bytes = backend_.ReadModelFile(*digest);
    if (!bytes) return Fail(bytes.error().code, "the file has not reached this validator yet");
    if (*offset > bytes->size()) {
      return Fail(ErrorCode::kInvalidArgument, "the offset is beyond the file's end");
    }
    const auto part = proto::ByteSpan(*bytes).subspan(static_cast<std::size_t>(*offset));
    return Json{{"size", bytes->size()},
                {"offset", *offset},
                {"hex", proto::ToHex(part.first(std::min(part.size(), kFilePartBytesMax)))}};
  }

  Result<Json> UploadModelFile(const Params& params) {
    const auto digest = params.Digest("digest");
    const auto size = params.Number("size");
    const auto offset = params.Number("offset");
    const auto part = params.Hex("hex", kFilePartBytesMax);
    if (!digest) return tl::unexpected(digest.error());
    if (!size) return tl::unexpected(size.error());
    if (!offset) return tl::unexpected(offset.error());
    if (!part) return tl::unexpected(part.error());
    const auto named = NamedSize(*digest);
    if (!named || *named != *size || *offset > *size) {
      return Fail(ErrorCode::kDenied,
                  "no registered model has a file of this hash and size; register the model first");
    }
    auto whole = uploads_.Add(*digest, *size, *offset, *part);
    if (!whole) return tl::unexpected(whole.error());
    if (!*whole) return Json{{"received", *offset + part->size()}, {"done", false}};
    if (proto::Sha256(**whole) != *digest) {
      return Fail(ErrorCode::kInvalidArgument, "the file does not have the hash it was sent under");
    }
    if (auto added = backend_.AddModelFile(std::move(**whole)); !added) {
      return tl::unexpected(added.error());
    }
    return Json{{"received", *size}, {"done", true}};
  }

  Result<Json> Peers(const Params&) {
    Json out = Json::array();
    for (const PeerLink& peer : backend_.peers()) {
      Json entry = {{"validator", peer.name},
                    {"address", peer.address},
                    {"connected", peer.up},
                    {"bytes_sent", peer.bytes_sent},
                    {"bytes_received", peer.bytes_received}};
      if (!peer.last_error.empty()) entry["last_error"] = peer.last_error;
      out.push_back(std::move(entry));
    }
    return out;
  }

  Backend& backend_;
  const proto::Genesis& genesis_;
  Uploads uploads_;
};

// Answers in the order of the batch: {"accepted": N, "refused": [{"index": I, "message": ...}]},
// the first kRefusalsShownMax refusals. 200 when all are in, 429 when the node has too much
// waiting.
HttpPage SubmitBatch(Backend& backend, std::string_view body) {
  const auto failure = [](const proto::Error& error) {
    const int status =
        error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kCorrupt ? 400
        : error.code == ErrorCode::kExhausted                                          ? 429
                                                                                       : 503;
    return HttpPage{status, FormatJson({{"error", error.message}})};
  };
  auto batch = proto::dag::DecodeBatch(proto::AsBytes(body));
  if (!batch) return failure(batch.error());
  const auto answers = backend.SubmitAll(std::move(batch->transactions));
  if (!answers) return failure(answers.error());
  std::size_t accepted = 0;
  bool exhausted = false;
  Json refused = Json::array();
  for (std::size_t i = 0; i < answers->size(); ++i) {
    const auto& answer = (*answers)[i];
    if (answer) {
      ++accepted;
      continue;
    }
    exhausted |= answer.error().code == ErrorCode::kExhausted;
    if (refused.size() >= kRefusalsShownMax) continue;
    refused.push_back({{"index", i}, {"message", answer.error().message}});
  }
  Json out = {{"accepted", accepted}, {"refused", std::move(refused)}};
  return {exhausted ? 429 : 200, FormatJson(out)};
}

}  // namespace

RpcHandlers MakeHandlers(Backend& backend) {
  const auto methods = std::make_shared<Methods>(backend);
  const auto rpc = std::make_shared<JsonRpc>();
  methods->AddTo(*rpc);
  RpcHandlers handlers;
  handlers.call = [methods, rpc](std::string_view body) { return rpc->Handle(body); };
  handlers.why_not_ready = [&backend] { return backend.why_not_ready(); };
  handlers.metrics = [&backend] { return Metrics(backend); };
  handlers.submit = [&backend](std::string_view body) { return SubmitBatch(backend, body); };
  handlers.blocks = [&backend](std::string_view path) { return BlockPage(backend, path); };
  return handlers;
}

}  // namespace node
