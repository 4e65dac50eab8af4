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
#include "node/rpc/method_table.h"
#include "node/rpc/metrics.h"
#include "node/rpc/provable.h"
#include "proto/base/check.h"
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
  explicit Methods(Backend& backend)
      : backend_(backend), genesis_(backend.genesis()), provable_(backend) {}

  // A function for each method of the table, no more and no less.
  void AddTo(JsonRpc& rpc) {
    using Method = Result<Json> (Methods::*)(const Params&);
    const std::map<std::string, Method> own = {{"status", &Methods::Status},
                                               {"submit_transaction", &Methods::SubmitTransaction},
                                               {"mask_shares", &Methods::MaskShares},
                                               {"request_progress", &Methods::RequestProgress},
                                               {"model_file", &Methods::ModelFile},
                                               {"upload_model_file", &Methods::UploadModelFile},
                                               {"peers", &Methods::Peers},
                                               {"epoch_links", &Methods::EpochLinks},
                                               {"block_page", &Methods::Blocks},
                                               {"sync", &Methods::Sync}};
    std::size_t added = 0;
    for (const MethodSpec& spec : MethodTable()) {
      if (spec.provable) {
        rpc.Add(spec, [this, name = spec.name](const Params& params) {
          return provable_.Call(name, params);
        });
        continue;
      }
      const auto method = own.find(spec.name);
      CHECK(method != own.end());
      rpc.Add(spec, [this, member = method->second](const Params& params) {
        return (this->*member)(params);
      });
      ++added;
    }
    CHECK(added == own.size());
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

  Result<Json> SubmitTransaction(const Params& params) {
    auto bytes = params.Hex("hex", genesis_.spec.transaction_bytes_max);
    if (!bytes) return tl::unexpected(bytes.error());
    const auto id = backend_.Submit(std::move(*bytes));
    if (!id) return tl::unexpected(id.error());
    return Json{{"id", id->hex()}};
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

  // For anybody: it is what the ledger will hold, a little earlier.
  Result<Json> RequestProgress(const Params& params) {
    const auto request = params.Number("request");
    const auto from = params.Number("from", 0);
    if (!request) return tl::unexpected(request.error());
    if (!from) return tl::unexpected(from.error());
    if (!backend_.latest().request(*request)) {
      return Fail(ErrorCode::kNotFound, "there is no request " + std::to_string(*request));
    }
    Json steps = Json::array();
    for (const AnswerStep& step : backend_.AnswerSteps(*request, *from, kAnswerStepsMax)) {
      steps.push_back({{"shares", proto::ToHex(step.shares)},
                       {"signature", proto::ToHex(step.signature.span())}});
    }
    return Json{{"steps", std::move(steps)}};
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
    const auto part = bytes->span().subspan(static_cast<std::size_t>(*offset));
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
  const Provable provable_;
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
  handlers.invoke = [methods, rpc](const std::string& method, const Json& params) {
    return rpc->Call(method, params);
  };
  handlers.why_not_ready = [&backend] { return backend.why_not_ready(); };
  handlers.metrics = [&backend] { return Metrics(backend); };
  handlers.submit = [&backend](std::string_view body) { return SubmitBatch(backend, body); };
  handlers.blocks = [&backend](std::string_view path) { return BlockPage(backend, path); };
  return handlers;
}

}  // namespace node
