#include "node/rpc/json.h"

#include <string>

#include "proto/base/overloaded.h"

namespace node {

using nlohmann::json;

namespace {

std::string NameOf(const Names& names, proto::PartyId party) {
  return Index(party) < names.size() ? names[Index(party)] : std::to_string(Index(party));
}

json NamesOf(const Names& names, const std::vector<proto::PartyId>& parties) {
  json list = json::array();
  for (const proto::PartyId party : parties) list.push_back(NameOf(names, party));
  return list;
}

json Hex(const std::vector<proto::ShareBytes>& shares) {
  json list = json::array();
  for (const auto& share : shares) list.push_back(proto::ToHex(share));
  return list;
}

}  // namespace

json ToJson(const proto::BlockHeader& header) {
  return {{"height", header.height},
          {"digest", proto::BlockDigest(header).hex()},
          {"parent", header.parent.hex()},
          {"round", header.round},
          {"commit_index", header.commit_index},
          {"leader", header.leader.hex()},
          {"transactions_root", header.transactions_root.hex()},
          {"receipts_root", header.receipts_root.hex()},
          {"state_root", header.state_root.hex()},
          {"committee_hash", header.committee_hash.hex()},
          {"next_committee_hash", header.next_committee_hash.hex()}};
}

json ToJson(const proto::Receipt& receipt) {
  json out = {{"transaction", receipt.transaction.hex()},
              {"code", proto::ReceiptCodeName(receipt.code)},
              {"executed", proto::IsExecuted(receipt.code)}};
  if (!receipt.message.empty()) out["message"] = receipt.message;
  if (receipt.created_model != proto::Digest{}) out["model"] = receipt.created_model.hex();
  if (receipt.created_request != 0) out["request"] = receipt.created_request;
  return out;
}

Names ValidatorNames(const proto::EpochRecord& epoch) {
  Names names;
  for (const auto& validator : epoch.validators) names.push_back(validator.name);
  return names;
}

Names ComputingNames(const proto::EpochRecord& epoch) {
  Names names;
  for (const proto::PartyId party : epoch.computing) {
    names.push_back(epoch.validators[Index(party)].name);
  }
  return names;
}

json ToJson(const proto::EpochRecord& epoch) {
  json validators = json::array();
  for (const auto& validator : epoch.validators) {
    validators.push_back({{"name", validator.name},
                          {"key", validator.key.hex()},
                          {"peer_address", validator.peer_address},
                          {"rpc_address", validator.rpc_address}});
  }
  return {{"number", epoch.number},
          {"first_height", epoch.first_height},
          {"first_round", epoch.first_round},
          {"coin_threshold", epoch.coin_threshold},
          {"committee_hash", proto::CommitteeHash(epoch).hex()},
          {"validators", validators},
          {"computing", ComputingNames(epoch)}};
}

json ToJson(const proto::ValidatorRecord& record) {
  json out = {{"name", record.card.name},
              {"key", record.card.key.hex()},
              {"status", proto::Name(record.status)},
              {"stake", record.stake},
              {"peer_address", record.card.peer_address},
              {"rpc_address", record.card.rpc_address}};
  if (record.evidence) out["evidence"] = record.evidence->hex();
  if (record.next) out["next_key"] = record.next->key.hex();
  return out;
}

json ToJson(const proto::Account& account) {
  return {{"balance", account.balance}, {"nonce", account.nonce}};
}

json ToJson(const proto::Manifest& manifest) {
  json files = json::array();
  for (const auto& file : manifest.files) {
    files.push_back({{"name", file.name}, {"digest", file.digest.hex()}, {"size", file.size}});
  }
  json buckets = json::array();
  for (const auto& bucket : manifest.buckets) {
    buckets.push_back({{"tokens", bucket.tokens},
                       {"vocabulary_padded", bucket.vocabulary_padded},
                       {"plan_digest", bucket.plan_digest.hex()},
                       {"outputs", bucket.outputs},
                       {"output_frac", bucket.output_frac},
                       {"labels", bucket.labels},
                       {"price", bucket.price},
                       {"bundle_price", bucket.bundle_price},
                       {"pool_target", bucket.pool_target},
                       {"layers", bucket.layers},
                       {"segment_values", bucket.segment_values},
                       {"steps", bucket.steps}});
  }
  return {{"name", manifest.name},
          {"architecture", manifest.architecture},
          {"owner", manifest.owner.hex()},
          {"tokenizer_digest", manifest.tokenizer_digest.hex()},
          {"files", files},
          {"buckets", buckets}};
}

json ToJson(const Effort& effort) {
  json out = {{"bytes_sent", effort.bytes_sent}, {"rounds", effort.rounds}};
  out["done"] = effort.finished_us != 0;
  if (effort.finished_us != 0) {
    out["seconds"] = static_cast<double>(effort.finished_us - effort.started_us) / 1e6;
  }
  return out;
}

json ToJson(const Names& names, const BlockSignatures& signatures) {
  json out = json::object();
  for (const auto& [party, signature] : signatures) {
    out[NameOf(names, party)] = proto::ToHex(signature.span());
  }
  return out;
}

json ToJson(const Names& names, const proto::RequestRecord& record) {
  json attestations = json::object();
  for (const auto& attestation : record.attestations) {
    attestations[NameOf(names, attestation.party)] = attestation.transcript.hex();
  }
  json posts = json::object();
  for (const auto& post : record.posts) posts[NameOf(names, post.party)] = Hex(post.shares);
  json named = json::array();
  for (const auto& entry : record.named) {
    named.push_back(
        {{"party", NameOf(names, entry.party)}, {"misdeed", proto::Name(entry.misdeed)}});
  }
  return {{"owner", record.owner.hex()},
          {"model", record.model.hex()},
          {"bucket", record.bucket},
          {"status", proto::Name(record.status)},
          {"price", record.price},
          {"opened_round", record.opened_round},
          {"attempt", record.attempt},
          {"deadline_round", record.deadline_round},
          {"submitted_round", record.submitted_round},
          {"completed_round", record.completed_round},
          {"submission", record.submission.hex()},
          {"masked_tokens", record.masked_tokens},
          {"attestations", attestations},
          {"transcript", record.transcript.hex()},
          {"posts", posts},
          {"output", Hex(record.output)},
          {"until_end", record.until_end},
          {"steps", record.steps},
          {"named", named},
          {"charged", record.charged},
          {"paid", NamesOf(names, record.paid)}};
}

json ToJson(const Names& names, const proto::AttemptRecord& record) {
  json culprits = json::array();
  for (const auto& [party, lie] : record.culprits) {
    culprits.push_back({{"party", NameOf(names, party)}, {"lie", proto::Name(lie)}});
  }
  return {{"epoch", record.epoch},
          {"model", record.model.hex()},
          {"bucket", record.bucket},
          {"status", proto::Name(record.status)},
          {"bundle", record.bundle},
          {"segment", record.segment},
          {"parts", record.parts},
          {"layers_fixed", record.layers.size()},
          {"layers_needed", record.layers_needed},
          {"transcript", record.transcript.hex()},
          {"pass", NamesOf(names, record.pass)},
          {"fail", NamesOf(names, record.fail)},
          {"excluded", NamesOf(names, record.excluded)},
          {"culprits", std::move(culprits)},
          {"request", record.request}};
}

json Summary(const proto::EpochRecord& epoch, const proto::Transaction& transaction) {
  const Names names = ComputingNames(epoch);
  json out = std::visit(
      proto::Overloaded{
          [](const proto::Transfer& p) {
            return json{{"kind", "transfer"}, {"to", p.to.hex()}, {"amount", p.amount}};
          },
          [](const proto::RegisterModel& p) {
            return json{{"kind", "register_model"},
                        {"model", proto::ModelId(p.manifest).hex()},
                        {"bytes", p.manifest.size()}};
          },
          [](const proto::OpenRequest& p) {
            return json{{"kind", "open_request"}, {"model", p.model.hex()}, {"bucket", p.bucket}};
          },
          [](const proto::SubmitInference& p) {
            return json{{"kind", "submit_inference"},
                        {"request", p.request},
                        {"masked_tokens", p.masked_tokens},
                        {"until_end", p.until_end}};
          },
          [](const proto::ModelReady& p) {
            return json{{"kind", "model_ready"}, {"model", p.model.hex()}};
          },
          [&](const proto::FixLayer& p) {
            return json{{"kind", "fix_layer"},
                        {"attempt", p.certificate.attempt},
                        {"layer", p.certificate.layer},
                        {"king", NameOf(names, p.certificate.king)},
                        {"root", p.certificate.root.hex()}};
          },
          [](const proto::Verdict& p) {
            return json{{"kind", "verdict"}, {"attempt", p.attempt}, {"pass", p.pass}};
          },
          [&](const proto::Attest& p) {
            return json{{"kind", "attest"},
                        {"request", p.request},
                        {"transcript", p.transcript.hex()},
                        {"steps", p.steps},
                        {"accused", NamesOf(names, p.accused)}};
          },
          [&](const proto::PostOutput& p) {
            return json{{"kind", "post_output"},
                        {"request", p.request},
                        {"shares", Hex(p.shares)},
                        {"accused", NamesOf(names, p.accused)}};
          },
          [](const proto::Opaque& p) {
            return json{{"kind", "opaque"}, {"bytes", p.data.size()}};
          },
          [](const proto::PostFinding& p) {
            return json{{"kind", "post_finding"},
                        {"attempt", p.finding.attempt},
                        {"layer", p.finding.layer},
                        {"finding", proto::FindingDigest(p.finding).hex()}};
          },
          [](const proto::ReportEvidence& p) {
            return json{{"kind", "report_evidence"}, {"bytes", p.evidence.size()}};
          },
          [](const proto::JoinValidators& p) {
            return json{{"kind", "join_validators"}, {"name", p.card.name}, {"stake", p.stake}};
          },
          [](const proto::LeaveValidators&) {
            return json{{"kind", "leave_validators"}};
          },
          [](const proto::RotateValidator& p) {
            return json{{"kind", "rotate_validator"}, {"key", p.card.key.hex()}};
          },
          [](const proto::AcknowledgeKeys& p) {
            return json{{"kind", "acknowledge_keys"},
                        {"epoch", p.epoch},
                        {"author", Index(p.author)},
                        {"root", p.root.hex()}};
          },
          [](const proto::DealCoinKey& p) {
            return json{{"kind", "deal_coin_key"}, {"epoch", p.epoch}, {"bytes", p.dealing.size()}};
          },
      },
      transaction.payload);
  out["sender"] = transaction.sender.hex();
  for (const auto& validator : epoch.validators) {
    if (validator.key == transaction.sender) out["sender_name"] = validator.name;
  }
  if (!proto::IsValidatorPayload(transaction.payload)) out["nonce"] = transaction.nonce;
  return out;
}

json ToJson(const SyncStatus& sync) {
  json out = {{"votes", sync.votes},
              {"observing", sync.observing},
              {"catching_up", sync.catching_up},
              {"highest_round", sync.highest_round},
              {"snapshots_kept", sync.snapshots_kept}};
  if (!sync.why_not.empty()) out["why_not"] = sync.why_not;
  if (sync.download) {
    const DownloadStatus& download = *sync.download;
    out["snapshot"] = {{"height", download.height},
                       {"chunks_done", download.chunks_done},
                       {"chunks_total", download.chunks_total},
                       {"bytes", download.bytes},
                       {"bytes_per_second", download.bytes_per_second}};
    if (!download.why_not.empty()) out["snapshot"]["why_not"] = download.why_not;
  }
  return out;
}

}  // namespace node
