// This node's own transactions on their way into the DAG: pending, then in a batch, then in a
// header, then ordered. Durable from Submit on; nothing is dropped before it is ordered.
//
// A batch goes into one header, and again into a later one when that header got no certificate, or
// fell below the gc round unordered.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "consensus/store/store.h"

namespace consensus {

class Payload {
 public:
  explicit Payload(Store& store) : store_(store) {}

  void Restore(Own own);

  // kInvalidArgument for an empty or too large transaction, kExhausted when too much is waiting;
  // then nothing is taken. The batches that became full are to be sent to everyone.
  proto::Result<std::vector<Transactions>> Submit(std::vector<proto::Bytes> transactions);
  // Makes batches of all that is pending.
  std::vector<Transactions> Seal();

  // What the header of `round` should carry. `is_certified(r)`: the own header of round r has its
  // certificate in the DAG.
  std::vector<BatchReference> Pick(std::uint64_t round,
                                   const std::function<bool(std::uint64_t)>& is_certified);
  // The header that carries it; durable before it is sent.
  void Propose(const Header& header);
  void Ordered(const proto::Digest& batch);

  const std::optional<Header>& header() const { return own_.header; }
  bool empty() const { return pending_.empty() && own_.batches.empty(); }

 private:
  void SealOne(std::vector<Transactions>& sealed);

  Store& store_;
  Own own_;
  // What Submit took, one entry for each stored record.
  std::deque<Transactions> pending_;
  std::size_t pending_bytes_ = 0;
};

}  // namespace consensus
