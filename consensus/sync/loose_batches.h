// Batches that came before anything certified names them. A peer's share is bounded: beyond it the
// peer's own oldest batch goes, and is asked for again should a header name it.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "consensus/config.h"
#include "consensus/step.h"

namespace consensus {

class LooseBatches {
 public:
  void Add(proto::PartyId from, Transactions batch);
  const Transactions* Find(const proto::Digest& digest) const;
  std::optional<Transactions> Take(const proto::Digest& digest);

 private:
  struct Quota {
    std::deque<proto::Digest> arrived;  // Oldest first.
    std::size_t bytes = 0;
  };
  struct Held {
    proto::PartyId from;
    Transactions batch;
  };

  std::map<proto::Digest, Held> held_;
  std::map<proto::PartyId, Quota> quotas_;
};

}  // namespace consensus
