// A block that n - f validators signed, and the state behind it.
#pragma once

#include <utility>
#include <vector>

#include "node/ledger/snapshot.h"
#include "proto/crypto/signature.h"

namespace node {

using BlockSignatures = std::vector<std::pair<proto::PartyId, proto::Signature>>;

struct ProvenBlock {
  proto::BlockHeader header;
  BlockSignatures signatures;
  Snapshot snapshot;
};

}  // namespace node
