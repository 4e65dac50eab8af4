#include "proto/wire/records.h"

#include "proto/wire/fields.h"
#include "proto/wire/validator_fields.h"

namespace proto {
namespace {

Bytes Key(std::string_view prefix, ByteSpan name = {}) {
  Bytes key(prefix.begin(), prefix.end());
  key.insert(key.end(), name.begin(), name.end());
  return key;
}

// Big-endian.
void Append(Bytes& key, std::uint64_t number, int size) {
  for (int i = size - 1; i >= 0; --i) key.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
}

Bytes NumberedKey(std::string_view prefix, std::uint64_t number, int size = 8) {
  Bytes key = Key(prefix);
  Append(key, number, size);
  return key;
}

}  // namespace

Bytes AccountKey(const PublicKey& account) {
  return Key("account/", account.span());
}
Bytes ValidatorKey(const PublicKey& validator) {
  return Key("validator/", validator.span());
}
Bytes EpochKey(std::uint64_t number) {
  return NumberedKey("epoch/", number);
}
Bytes DealingsKey(std::uint64_t epoch) {
  return NumberedKey("dealings/", epoch);
}
Bytes EpochKeysKey(std::uint64_t epoch) {
  return NumberedKey("keys/", epoch);
}
Bytes StakingKey() {
  return Key("staking");
}
Bytes TurnKey() {
  return Key("turn");
}
Bytes ModelKey(const Digest& model) {
  return Key("model/", model.span());
}
Bytes ModelNumberKey(std::uint64_t number) {
  return NumberedKey("model-number/", number);
}
Bytes AttemptKey(std::uint64_t attempt) {
  return NumberedKey("attempt/", attempt);
}
Bytes RequestKey(std::uint64_t request) {
  return NumberedKey("request/", request);
}
Bytes PoolKey(const Digest& model, std::uint32_t bucket) {
  Bytes key = Key("pool/", model.span());
  Append(key, bucket, 4);
  return key;
}
Bytes TotalsKey() {
  return Key("totals");
}
Bytes ActiveKey() {
  return Key("active");
}
Bytes OpenedKey() {
  return Key("opened");
}

std::string_view Name(ValidatorStatus status) {
  switch (status) {
    case ValidatorStatus::kBonded:
      return "bonded";
    case ValidatorStatus::kLeaving:
      return "leaving";
    case ValidatorStatus::kLeft:
      return "left";
  }
  return "unknown";
}

std::string_view Name(ModelStatus status) {
  switch (status) {
    case ModelStatus::kRegistered:
      return "registered";
    case ModelStatus::kActive:
      return "active";
  }
  return "unknown";
}

std::string_view Name(Lie lie) {
  switch (lie) {
    case Lie::kVector:
      return "wrong vector";
    case Lie::kLayer:
      return "wrong layer";
  }
  return "unknown";
}

std::string_view Name(AttemptStatus status) {
  switch (status) {
    case AttemptStatus::kStarted:
      return "started";
    case AttemptStatus::kDead:
      return "dead";
    case AttemptStatus::kCertified:
      return "certified";
    case AttemptStatus::kAssigned:
      return "assigned";
    case AttemptStatus::kUsed:
      return "used";
    case AttemptStatus::kBurnt:
      return "burnt";
  }
  return "unknown";
}

std::string_view Name(RequestStatus status) {
  switch (status) {
    case RequestStatus::kOpened:
      return "opened";
    case RequestStatus::kSubmitted:
      return "submitted";
    case RequestStatus::kComputed:
      return "computed";
    case RequestStatus::kCompleted:
      return "completed";
    case RequestStatus::kExpired:
      return "expired";
  }
  return "unknown";
}

std::string_view Name(Misdeed misdeed) {
  switch (misdeed) {
    case Misdeed::kAccused:
      return "accused";
    case Misdeed::kOtherTranscript:
      return "other_transcript";
    case Misdeed::kWrongShare:
      return "wrong_share";
    case Misdeed::kEquivocation:
      return "equivocation";
  }
  return "unknown";
}

void Fields(auto& io, Of<Account> auto& record) {
  io(record.balance, record.nonce);
}

void Fields(auto& io, Of<ValidatorRecord> auto& record) {
  Fields(io, record.card);
  io.Choice(record.status, ValidatorStatus::kLeft);
  io(record.stake);
  io.Optional(record.evidence, [&](auto& evidence) { io(evidence); });
  io.Optional(record.next, [&](auto& card) { Fields(io, card); });
  io.Optional(record.successor, [&](auto& key) { io(key); });
}

void Fields(auto& io, Of<Staking> auto& record) {
  io.List(record.bonded, kStakersMax);
  io.Ascending(record.bonded);
  io.List(record.unbonding, kUnbondingMax,
          [&](auto& entry) { io(entry.key, entry.amount, entry.release_round); });
}

void Fields(auto& io, Of<Turn> auto& record) {
  io(record.epoch);
  io.List(record.validators, kValidatorsMax, [&](auto& card) { Fields(io, card); });
  io.List(record.computing, kComputingMax);
  io.List(record.dealings, kValidatorsMax, [&](auto& dealt) {
    io(dealt.dealer);
    io.Sized(dealt.dealing, kDealingBytesMax);
  });
}

void Fields(auto& io, Of<Dealings> auto& record) {
  io.List(record.dealers, kValidatorsMax);
  io.List(record.dealings, kValidatorsMax,
          [&](auto& dealing) { io.Sized(dealing, kDealingBytesMax); });
}

void Fields(auto& io, Of<EpochKeys> auto& record) {
  io(record.made);
  io.Sized(record.ceremony, kKeyCeremonyBytesMax);
}

void Fields(auto& io, Of<ModelRecord> auto& record) {
  io(record.number);
  io.Choice(record.status, ModelStatus::kActive);
  io.Sized(record.manifest, kManifestBytesMax);
  io.List(record.ready, kModelReadyMax);
}

void Fields(auto& io, Of<AttemptRecord> auto& record) {
  io(record.epoch, record.model, record.bucket);
  io.Choice(record.status, AttemptStatus::kBurnt);
  io(record.segment, record.bundle);
  io.List(record.parts, kSegmentsMax);
  io(record.layers_needed);
  io.List(record.layers, kLayersMax);
  io(record.transcript);
  io.List(record.pass, kCommitteeMax);
  io.List(record.fail, kCommitteeMax);
  io(record.request);
  io.List(record.makers, kLayersMax, [&](auto& maker) { io(maker.king, maker.senders); });
  io.List(record.excluded, kCommitteeMax);
  io.List(record.findings, kCommitteeMax,
          [&](auto& finding) { io(finding.party, finding.digest); });
  io.List(record.culprits, kCommitteeMax, [&](auto& culprit) {
    io(culprit.party);
    io.Choice(culprit.lie, Lie::kLayer);
  });
}

void Fields(auto& io, Of<Pool> auto& record) {
  io(record.terms.members, record.terms.tokens, record.terms.vocabulary_padded,
     record.terms.outputs, record.terms.pool_target, record.terms.price, record.terms.bundle_price,
     record.terms.steps);
  io.List(record.terms.layers, kSegmentsMax);
  io.List(record.started, kAttemptsInProgressMax);
  io.List(record.ready, kPoolBundlesMax);
  io.List(record.waiting, kWaitingMax);
}

void Fields(auto& io, Of<RequestRecord> auto& record) {
  io(record.owner, record.model, record.bucket);
  io.Choice(record.status, RequestStatus::kExpired);
  io(record.price, record.opened_round, record.attempt, record.deadline_round,
     record.submitted_round, record.completed_round, record.submission);
  io.List(record.masked_tokens, kTokensMax);
  io.List(record.attestations, kCommitteeMax, [&](auto& attestation) {
    io(attestation.party, attestation.transcript, attestation.steps);
  });
  io(record.transcript);
  io.List(record.posts, kCommitteeMax, [&](auto& post) {
    io(post.party);
    io.List(post.shares, kOutputsMax);
  });
  io.List(record.output, kOutputsMax);
  io.List(record.accusations, std::size_t{kCommitteeMax} * kCommitteeMax,
          [&](auto& accusation) { io(accusation.accuser, accusation.accused); });
  io.Ascending(record.accusations);
  io.List(record.named, kCommitteeMax * static_cast<std::size_t>(kMisdeedLast), [&](auto& named) {
    io(named.party);
    io.Choice(named.misdeed, kMisdeedLast);
  });
  io.Ascending(record.named);
  io.List(record.paid, kCommitteeMax);
  io(record.until_end, record.steps, record.charged);
}

void Fields(auto& io, Of<Totals> auto& record) {
  io(record.models, record.attempts, record.requests, record.in_progress, record.opened,
     record.escrow, record.fees, record.bonded, record.unbonding, record.epoch);
}

void Fields(auto& io, Of<Active> auto& record) {
  io.List(record.entries, kModelsMax * kBucketsMax,
          [&](auto& entry) { io(entry.model, entry.bucket); });
  io(record.next);
}

void Fields(auto& io, Of<Opened> auto& record) {
  io.List(record.entries, kOpenedMax,
          [&](auto& entry) { io(entry.request, entry.deadline_round); });
}

Bytes Encode(const Account& record) {
  return EncodeFields(record);
}
template <>
Result<Account> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<Account>(bytes, "account");
}

Bytes Encode(const ValidatorRecord& record) {
  return EncodeFields(record);
}
template <>
Result<ValidatorRecord> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<ValidatorRecord>(bytes, "validator");
}

Bytes Encode(const Staking& record) {
  return EncodeFields(record);
}
template <>
Result<Staking> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<Staking>(bytes, "record of stakes");
}

Bytes Encode(const Turn& record) {
  return EncodeFields(record);
}
template <>
Result<Turn> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<Turn>(bytes, "turn of epochs");
}

Bytes Encode(const Dealings& record) {
  return EncodeFields(record);
}
template <>
Result<Dealings> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<Dealings>(bytes, "list of dealings");
}

Bytes Encode(const EpochKeys& record) {
  return EncodeFields(record);
}
template <>
Result<EpochKeys> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<EpochKeys>(bytes, "record of an epoch's keys");
}

Bytes Encode(const EpochRecord& record) {
  return EncodeEpoch(record);
}
template <>
Result<EpochRecord> DecodeRecord(ByteSpan bytes) {
  return DecodeEpoch(bytes);
}

Bytes Encode(const ModelRecord& record) {
  return EncodeFields(record);
}
template <>
Result<ModelRecord> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<ModelRecord>(bytes, "model");
}

Bytes Encode(const AttemptRecord& record) {
  return EncodeFields(record);
}
template <>
Result<AttemptRecord> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<AttemptRecord>(bytes, "attempt");
}

Bytes Encode(const Pool& record) {
  return EncodeFields(record);
}
template <>
Result<Pool> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<Pool>(bytes, "pool");
}

Bytes Encode(const RequestRecord& record) {
  return EncodeFields(record);
}
template <>
Result<RequestRecord> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<RequestRecord>(bytes, "request");
}

Bytes Encode(const Totals& record) {
  return EncodeFields(record);
}
template <>
Result<Totals> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<Totals>(bytes, "totals record");
}

Bytes Encode(const Active& record) {
  return EncodeFields(record);
}
template <>
Result<Active> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<Active>(bytes, "list of active buckets");
}

Bytes Encode(const Opened& record) {
  return EncodeFields(record);
}
template <>
Result<Opened> DecodeRecord(ByteSpan bytes) {
  return DecodeFields<Opened>(bytes, "list of opened requests");
}

}  // namespace proto
