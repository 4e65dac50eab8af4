#include "node/ledger/evidence.h"

#include "node/ledger/validators.h"
#include "proto/crypto/hash.h"
#include "proto/wire/evidence.h"

namespace node {

using proto::ReceiptCode;

namespace {

// Whose words the evidence is about.
const Members* Accused(Block& block, const proto::dag::EvidenceScope& scope) {
  if (scope.attempt) {
    const auto attempt = block.state.Find<proto::AttemptRecord>(proto::AttemptKey(*scope.attempt));
    return attempt ? &*block.EpochAt(attempt->epoch).computing : nullptr;
  }
  const bool is_past =
      *scope.epoch >= proto::kFirstEpoch && *scope.epoch <= block.epoch->record.number;
  return is_past ? &block.EpochAt(*scope.epoch).validators : nullptr;
}

}  // namespace

Outcome Execute(Block& block, proto::PartyId, const proto::ReportEvidence& payload) {
  const auto scope = proto::dag::ScopeOf(payload.evidence);
  if (!scope) return No(ReceiptCode::kInvalid, scope.error().message);
  const Members* const accused = Accused(block, *scope);
  if (accused == nullptr) {
    return No(ReceiptCode::kInvalid, "the evidence is of no epoch or attempt of this chain");
  }
  const auto offender =
      proto::dag::VerifyEvidence(payload.evidence, block.chain.id, accused->epoch, accused->keys);
  if (!offender) return No(ReceiptCode::kInvalid, offender.error().message);
  const proto::PublicKey& key = accused->keys[Index(*offender)];
  if (block.state.Get<proto::ValidatorRecord>(proto::ValidatorKey(key)).evidence) {
    return No(ReceiptCode::kDuplicate, "there is evidence against this validator already");
  }
  Slash(block, key, proto::Hash("waxseal/evidence", {payload.evidence}));
  return {};
}

}  // namespace node
