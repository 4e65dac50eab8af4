#include "node/ledger/evidence.h"

#include "proto/crypto/hash.h"
#include "proto/wire/evidence.h"

namespace node {

using proto::ReceiptCode;

Outcome Execute(Block& block, proto::PartyId, const proto::ReportEvidence& payload) {
  const auto offender =
      proto::dag::VerifyEvidence(payload.evidence, block.chain.id, proto::kEpoch, block.chain.keys);
  if (!offender) return No(ReceiptCode::kInvalid, offender.error().message);
  const proto::Bytes key = proto::ValidatorKey(*offender);
  auto record = block.state.Get<proto::ValidatorRecord>(key);
  if (record.evidence) {
    return No(ReceiptCode::kDuplicate, "there is evidence against this validator already");
  }
  record.evidence = proto::Hash("waxseal/evidence", {payload.evidence});
  block.state.Put(key, record);
  return {};
}

}  // namespace node
