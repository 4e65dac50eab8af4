#include "node/rpc/provable.h"

#include <utility>

#include "node/ledger/prove.h"
#include "node/rpc/answers.h"
#include "node/rpc/block_reader.h"
#include "node/rpc/json.h"

namespace node {

using proto::Bytes;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

// Of an answer; a chain of more epochs has its links in `epoch_links` alone.
constexpr std::size_t kLinksBytesMax = std::size_t{2} << 20;

Result<Json> NoSuch(const std::string& method, const Params& params) {
  std::string sentence = "there is no such " + method;
  if (method == "model") sentence = "no model of this id is registered";
  for (const char* name : {"id", "number"}) {
    if (const auto number = params.Number(name)) {
      sentence = "there is no " + method + " " + std::to_string(*number);
    }
  }
  return Fail(ErrorCode::kNotFound, std::move(sentence));
}

Result<StoredBlock> BlockAt(const KeyValueStore& store, std::uint64_t height) {
  auto block = ReadBlock(store, height);
  if (!block) return tl::unexpected(block.error());
  if (*block) return std::move(**block);
  return Fail(ErrorCode::kNotFound,
              "there is no block " + std::to_string(height) + " here; blocks begin at 1");
}

}  // namespace

Result<Json> Provable::Call(const std::string& method, const Params& params) const {
  const auto prove = params.Flag("prove");
  if (!prove) return tl::unexpected(prove.error());
  if (*prove) return Proved(method, params);
  if (method == "block") return Block(params);
  if (method == "transaction") return Transaction(params);
  return Newest(method, params);
}

Result<Json> Provable::Newest(const std::string& method, const Params& params) const {
  auto answer = MakeAnswer(genesis_, method, params, SnapshotFacts(backend_.latest()));
  if (!answer) return answer;
  if (answer->is_null()) return NoSuch(method, params);
  const ServiceStatus service = backend_.service_status();
  const auto add_effort = [&](const auto& efforts) {
    const auto effort = efforts.find(params.Number("id").value_or(0));
    if (effort != efforts.end()) (*answer)["effort"] = ToJson(effort->second);
  };
  const auto add_files = [&](Json& model) {
    const auto id = proto::FromHex(model.value("id", ""));
    const auto digest = proto::Digest::From(id.value_or(Bytes()));
    const auto loaded = digest ? service.models.find(*digest) : service.models.end();
    model["files_here"] = loaded != service.models.end() && loaded->second;
  };
  if (method == "request") add_effort(service.requests);
  if (method == "attempt") add_effort(service.attempts);
  if (method == "model") add_files(*answer);
  if (method == "models") {
    for (Json& model : *answer) add_files(model);
  }
  return answer;
}

// The validators of the block's epoch.
proto::EpochRecord Provable::EpochOfHeight(std::uint64_t height) const {
  const Snapshot latest = backend_.latest();
  std::uint64_t number = latest.epoch()->record.number;
  while (number > proto::kFirstEpoch && latest.epoch(number)->first_height > height) --number;
  return *latest.epoch(number);
}

Result<Json> Provable::Block(const Params& params) const {
  const auto height = params.Number("height", backend_.latest().header().height);
  if (!height) return tl::unexpected(height.error());
  const auto block = BlockAt(backend_.store(), *height);
  if (!block) return tl::unexpected(block.error());
  Json out = ToJson(block->header);
  out["header"] = proto::ToHex(proto::EncodeBlockHeader(block->header));
  out["signatures"] = ToJson(ValidatorNames(EpochOfHeight(*height)), block->signatures);
  Json transactions = Json::array();
  for (std::size_t i = 0; i < block->transactions.size(); ++i) {
    Json entry = ToJson(block->receipts[i]);
    entry["bytes"] = block->transactions[i].size();
    transactions.push_back(std::move(entry));
  }
  out["transactions"] = std::move(transactions);
  return out;
}

Result<Json> Provable::Transaction(const Params& params) const {
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
      proto::CheckedTransaction::Check(backend_.chain(), genesis_.spec.transaction_bytes_max, bytes,
                                       genesis_.spec.opaque_transactions);
  if (checked.valid()) {
    out["payload"] = Summary(EpochOfHeight((*place)->height), checked.transaction());
  }
  return out;
}

Result<Json> Provable::Proved(const std::string& method, const Params& params) const {
  auto proof = ProofOf(method, params);
  if (!proof) return tl::unexpected(proof.error());
  auto links = LinksTo(proof->headers.back().height);
  if (!links) return tl::unexpected(links.error());
  proof->links = *std::move(links);
  // Its limits, before it is anybody's.
  if (const auto bytes = proto::EncodeProof(*proof); !bytes) {
    return tl::unexpected(bytes.error());
  }
  auto answer = MakeAnswer(genesis_, method, params, ClaimedFacts(*proof));
  if (!answer) return answer;
  return WithProof(method, params, *std::move(answer), *proof);
}

Result<proto::Proof> Provable::ProofOf(const std::string& method, const Params& params) const {
  const auto proven = backend_.proven();
  if (!proven) {
    return Fail(ErrorCode::kUnavailable,
                "no block was signed since this validator began; try again");
  }
  if (method == "block") {
    const auto height = params.Number("height", proven->header.height);
    if (!height) return tl::unexpected(height.error());
    auto block = BlockAt(backend_.store(), *height);
    if (!block) return tl::unexpected(block.error());
    auto proof = ProofOfBlock(*height);
    if (proof) AddReceipts(*proof, std::move(block->receipts));
    return proof;
  }
  if (method == "transaction") {
    const auto id = params.Digest("id");
    if (!id) return tl::unexpected(id.error());
    const auto place = FindTransaction(backend_.store(), *id);
    if (!place) return tl::unexpected(place.error());
    if (!*place) return Fail(ErrorCode::kNotFound, "the transaction is in no block here");
    const auto block = BlockAt(backend_.store(), (*place)->height);
    if (!block) return tl::unexpected(block.error());
    if ((*place)->index >= block->transactions.size()) {
      return Fail(ErrorCode::kCorrupt, "the block of this transaction is damaged in the store");
    }
    auto proof = ProofOfBlock((*place)->height);
    if (proof) AddTransaction(*proof, block->transactions, block->receipts, (*place)->index);
    return proof;
  }
  const SnapshotFacts facts(proven->snapshot);
  if (const auto answer = MakeAnswer(genesis_, method, params, facts); !answer) {
    return tl::unexpected(answer.error());
  }
  return ProveRecords(*proven, facts.asked());
}

Result<proto::Proof> Provable::ProofOfBlock(std::uint64_t height) const {
  std::vector<proto::BlockHeader> headers;
  while (headers.size() < proto::kProofHeadersMax) {
    const std::uint64_t at = height + headers.size();
    const auto header = ReadHeader(backend_.store(), at);
    if (!header) return tl::unexpected(header.error());
    if (!*header) break;
    headers.push_back(**header);
    auto signatures = ReadSignatures(backend_.store(), at);
    if (!signatures) return tl::unexpected(signatures.error());
    if (!signatures->empty()) return ProveBlock(std::move(headers), *std::move(signatures));
  }
  return Fail(ErrorCode::kUnavailable,
              "block " + std::to_string(height) + " is not yet signed here; try again");
}

// None when there are more than go with an answer: the client then needs `epoch_links` first.
Result<std::vector<proto::EpochLink>> Provable::LinksTo(std::uint64_t height) const {
  std::vector<proto::EpochLink> links;
  std::size_t size = 0;
  for (std::uint64_t epoch = proto::kFirstEpoch + 1; links.size() <= proto::kProofLinksMax;
       ++epoch) {
    const auto bytes = ReadLink(backend_.store(), epoch);
    if (!bytes) return tl::unexpected(bytes.error());
    if (!*bytes) return links;
    if ((size += (*bytes)->size()) > kLinksBytesMax) break;
    auto link = proto::DecodeLink(**bytes);
    if (!link) return tl::unexpected(link.error());
    if (link->header.height >= height) return links;
    links.push_back(*std::move(link));
  }
  return std::vector<proto::EpochLink>();
}

}  // namespace node
