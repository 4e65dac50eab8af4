// Facts: what an answer about the ledger is made from. The same function over the facts of a
// snapshot and over those of a proof gives the same answer, or says what the proof leaves out: so
// whoever answers notes what was asked for and proves that, and whoever checks makes the answer
// again.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/wire/proof.h"
#include "proto/wire/records.h"

namespace node {

class Facts {
 public:
  virtual ~Facts() = default;

  // The block that the facts are of.
  virtual const proto::BlockHeader& header() const = 0;
  // A record of the block's state; none when there is no such record. kDenied when these facts
  // do not say.
  virtual proto::Result<std::optional<proto::Bytes>> Record(const proto::Bytes& key) const = 0;
  // One of the block's transactions with its receipt, and the receipts of all; null when these
  // facts do not say.
  virtual const proto::Proof::Transaction* transaction() const { return nullptr; }
  virtual const std::vector<proto::Receipt>* receipts() const { return nullptr; }

  template <class T>
  proto::Result<std::optional<T>> Find(const proto::Bytes& key) const {
    auto bytes = Record(key);
    if (!bytes) return tl::unexpected(bytes.error());
    if (!*bytes) return std::nullopt;
    auto record = proto::DecodeRecord<T>(**bytes);
    if (!record) return tl::unexpected(record.error());
    return std::optional<T>(*std::move(record));
  }
};

// What a proof says, whether it holds or not.
class ClaimedFacts : public Facts {
 public:
  explicit ClaimedFacts(proto::Proof proof) : proof_(std::move(proof)) {}

  const proto::Proof& proof() const { return proof_; }
  const proto::BlockHeader& header() const override { return proof_.headers.front(); }
  proto::Result<std::optional<proto::Bytes>> Record(const proto::Bytes& key) const override;
  const proto::Proof::Transaction* transaction() const override {
    return proof_.transaction ? &*proof_.transaction : nullptr;
  }
  const std::vector<proto::Receipt>* receipts() const override {
    return proof_.receipts ? &*proof_.receipts : nullptr;
  }

 private:
  proto::Proof proof_;
};

}  // namespace node
