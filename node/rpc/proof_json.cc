#include "node/rpc/proof_json.h"

#include <set>
#include <string>
#include <utility>

namespace node {

using nlohmann::json;
using proto::Bytes;
using proto::ErrorCode;
using proto::Result;

namespace {

json Hex(const std::vector<proto::Digest>& digests) {
  json list = json::array();
  for (const proto::Digest& digest : digests) list.push_back(digest.hex());
  return list;
}

// Reads an object whose fields are known; after the first fault all it gives is empty.
class Reader {
 public:
  Reader(const json& object, std::string where, std::string& fault)
      : object_(object), where_(std::move(where)), fault_(fault) {
    if (!object.is_object()) Refuse("", "is no object");
  }

  const json& Field(const char* name) {
    known_.insert(name);
    static const json kNull;
    if (!object_.is_object()) return kNull;
    const auto field = object_.find(name);
    if (field != object_.end()) return *field;
    Refuse(name, "is missing");
    return kNull;
  }
  bool Has(const char* name) {
    known_.insert(name);
    return object_.is_object() && object_.contains(name);
  }
  std::uint64_t Number(const char* name, std::uint64_t most) {
    const json& field = Field(name);
    if (field.is_number_unsigned() && field.get<std::uint64_t>() <= most) {
      return field.get<std::uint64_t>();
    }
    Refuse(name, "is no number up to " + std::to_string(most));
    return 0;
  }
  Bytes Hex(const char* name) { return HexOf(Field(name), name); }
  template <class T>
  T Fixed(const char* name) {
    return FixedOf<T>(Field(name), name);
  }
  template <class T, class Item>
  std::vector<T> List(const char* name, std::size_t count_max, Item item) {
    std::vector<T> list;
    const json& field = Field(name);
    if (!field.is_array() || field.size() > count_max) {
      Refuse(name, "is no list of at most " + std::to_string(count_max));
      return list;
    }
    for (const json& entry : field) list.push_back(item(entry, name));
    return list;
  }
  std::vector<proto::Digest> Digests(const char* name, std::size_t count_max) {
    return List<proto::Digest>(name, count_max, [this](const json& entry, const char* at) {
      return FixedOf<proto::Digest>(entry, at);
    });
  }
  template <class T>
  T Decoded(const json& entry, const char* name, Result<T> (*decode)(proto::ByteSpan)) {
    auto value = decode(HexOf(entry, name));
    if (value) return *std::move(value);
    Refuse(name, "does not decode: " + value.error().message);
    return T{};
  }
  // That there was no other field.
  void Finish() {
    if (!object_.is_object()) return;
    for (const auto& [name, value] : object_.items()) {
      if (!known_.count(name)) Refuse(name, "is unknown");
    }
  }
  void Refuse(const std::string& name, const std::string& why) {
    if (!fault_.empty()) return;
    const std::string at = where_ + (where_.empty() || name.empty() ? "" : ".") + name;
    fault_ = (at.empty() ? "it" : "its field " + at.substr(0, 64)) + " " + why;
  }

 private:
  Bytes HexOf(const json& entry, const char* name) {
    if (entry.is_string()) {
      if (auto bytes = proto::FromHex(entry.get_ref<const std::string&>())) {
        return *std::move(bytes);
      }
    }
    Refuse(name, "is not hexadecimal");
    return {};
  }
  template <class T>
  T FixedOf(const json& entry, const char* name) {
    const auto value = T::From(HexOf(entry, name));
    if (value) return *value;
    Refuse(name, "has the wrong length");
    return T{};
  }

  const json& object_;
  std::string where_;
  std::string& fault_;
  std::set<std::string> known_;
};

proto::Proof::Record RecordFrom(const json& entry, std::string& fault) {
  Reader in(entry, "records", fault);
  proto::Proof::Record record;
  record.key = in.Hex("key");
  if (!in.Field("value").is_null()) record.value = in.Hex("value");
  record.path.siblings = in.Digests("siblings", proto::kStatePathMax);
  if (const json& leaf = in.Field("leaf"); !leaf.is_null()) {
    Reader part(leaf, "records.leaf", fault);
    record.path.leaf = {part.Fixed<proto::Digest>("path"), part.Fixed<proto::Digest>("value_hash")};
    part.Finish();
  }
  in.Finish();
  return record;
}

proto::Proof::Transaction TransactionFrom(const json& entry, std::string& fault) {
  Reader in(entry, "transaction", fault);
  proto::Proof::Transaction transaction;
  transaction.bytes = in.Hex("bytes");
  transaction.receipt = in.Decoded(in.Field("receipt"), "receipt", proto::DecodeReceipt);
  transaction.index = in.Number("index", ~std::uint64_t{0});
  transaction.count = in.Number("count", ~std::uint64_t{0});
  transaction.path = in.Digests("path", proto::kProofMerkleMax);
  transaction.receipt_path = in.Digests("receipt_path", proto::kProofMerkleMax);
  in.Finish();
  return transaction;
}

}  // namespace

json ToJson(const proto::Proof& proof) {
  json links = json::array();
  for (const auto& link : proof.links) links.push_back(proto::ToHex(proto::EncodeLink(link)));
  json headers = json::array();
  for (const auto& header : proof.headers) {
    headers.push_back(proto::ToHex(proto::EncodeBlockHeader(header)));
  }
  json signatures = json::array();
  for (const auto& [party, signature] : proof.signatures) {
    signatures.push_back({{"party", Index(party)}, {"signature", proto::ToHex(signature.span())}});
  }
  json records = json::array();
  for (const auto& record : proof.records) {
    const auto& leaf = record.path.leaf;
    records.push_back(
        {{"key", proto::ToHex(record.key)},
         {"value", record.value ? json(proto::ToHex(*record.value)) : json()},
         {"siblings", Hex(record.path.siblings)},
         {"leaf", leaf ? json{{"path", leaf->path.hex()}, {"value_hash", leaf->value_hash.hex()}}
                       : json()}});
  }
  json out = {{"version", proto::kProofMark.back()},
              {"links", std::move(links)},
              {"headers", std::move(headers)},
              {"signatures", std::move(signatures)},
              {"records", std::move(records)}};
  if (const auto& part = proof.transaction) {
    out["transaction"] = {{"bytes", proto::ToHex(part->bytes)},
                          {"receipt", proto::ToHex(proto::EncodeReceipt(part->receipt))},
                          {"index", part->index},
                          {"count", part->count},
                          {"path", Hex(part->path)},
                          {"receipt_path", Hex(part->receipt_path)}};
  }
  if (proof.receipts) {
    json receipts = json::array();
    for (const auto& receipt : *proof.receipts) {
      receipts.push_back(proto::ToHex(proto::EncodeReceipt(receipt)));
    }
    out["receipts"] = std::move(receipts);
  }
  return out;
}

Result<proto::Proof> ProofFromJson(const json& object) {
  std::string fault;
  Reader in(object, "", fault);
  proto::Proof proof;
  if (in.Number("version", 255) != proto::kProofMark.back()) in.Refuse("version", "is unknown");
  proof.links = in.List<proto::EpochLink>("links", proto::kProofLinksMax,
                                          [&](const json& entry, const char* name) {
                                            return in.Decoded(entry, name, proto::DecodeLink);
                                          });
  proof.headers = in.List<proto::BlockHeader>(
      "headers", proto::kProofHeadersMax, [&](const json& entry, const char* name) {
        return in.Decoded(entry, name, proto::DecodeBlockHeader);
      });
  proof.signatures = in.List<std::pair<proto::PartyId, proto::Signature>>(
      "signatures", proto::kProofSignaturesMax, [&](const json& entry, const char* name) {
        Reader part(entry, name, fault);
        const auto party = static_cast<std::uint16_t>(part.Number("party", 0xffff));
        const auto signature = part.Fixed<proto::Signature>("signature");
        part.Finish();
        return std::pair(proto::PartyId{party}, signature);
      });
  proof.records = in.List<proto::Proof::Record>(
      "records", proto::kProofRecordsMax,
      [&](const json& entry, const char*) { return RecordFrom(entry, fault); });
  if (in.Has("transaction")) proof.transaction = TransactionFrom(in.Field("transaction"), fault);
  if (in.Has("receipts")) {
    proof.receipts = in.List<proto::Receipt>("receipts", proto::kProofReceiptsMax,
                                             [&](const json& entry, const char* name) {
                                               return in.Decoded(entry, name, proto::DecodeReceipt);
                                             });
  }
  in.Finish();
  if (fault.empty()) return proof;
  return proto::Fail(ErrorCode::kCorrupt, "this is no proof: " + fault);
}

}  // namespace node
