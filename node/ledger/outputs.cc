#include "node/ledger/outputs.h"

#include <algorithm>
#include <optional>
#include <string>

#include "mpc/sharing/shamir.h"
#include "node/ledger/accounts.h"

namespace node {

using proto::Misdeed;
using proto::PartyId;
using proto::ReceiptCode;
using proto::RequestRecord;
using proto::RequestStatus;

namespace {

template <class T>
void InsertSorted(std::vector<T>& list, const T& value) {
  const auto place = std::ranges::lower_bound(list, value);
  if (place == list.end() || *place != value) list.insert(place, value);
}

bool IsNamed(const RequestRecord& record, PartyId party) {
  return std::ranges::count(record.named, party, &proto::NamedParty::party) > 0;
}

void NameParty(RequestRecord& record, PartyId party, Misdeed misdeed) {
  InsertSorted(record.named, proto::NamedParty{party, misdeed});
}

// t + 1 accusers hold an honest one.
void Accuse(const Block& block, RequestRecord& record, PartyId accuser,
            const std::vector<PartyId>& accused) {
  for (const PartyId party : accused) {
    InsertSorted(record.accusations, proto::Accusation{accuser, party});
    const auto accusers =
        std::ranges::count(record.accusations, party, &proto::Accusation::accused);
    if (accusers >= block.members->committee.validity())
      NameParty(record, party, Misdeed::kAccused);
  }
}

bool AreMembers(const Block& block, const std::vector<PartyId>& ascending) {
  return ascending.empty() || Index(ascending.back()) < block.members->committee.size();
}

std::optional<std::vector<mpc::Fp>> ReadShares(const std::vector<proto::ShareBytes>& bytes) {
  std::vector<mpc::Fp> shares;
  shares.reserve(bytes.size());
  for (const proto::ShareBytes& share : bytes) {
    const auto value = mpc::Fp::FromBytes(share);
    if (!value) return std::nullopt;
    shares.push_back(*value);
  }
  return shares;
}

bool Agrees(const proto::Attestation& attestation, const proto::Digest& transcript,
            std::uint32_t steps) {
  return attestation.transcript == transcript && attestation.steps == steps;
}

// The bundle's price, and of the rest the part of the steps that were computed.
std::uint64_t ChargeFor(const RequestRecord& record, const proto::BucketTerms& terms) {
  const std::uint64_t rest = record.price - terms.bundle_price;
  return terms.bundle_price + rest / terms.steps * record.steps +
         rest % terms.steps * record.steps / terms.steps;
}

void Complete(Block& block, std::uint64_t number, RequestRecord& record,
              const proto::BucketTerms& terms) {
  std::vector<PartyId> earners;
  for (const proto::Attestation& attestation : record.attestations) {
    if (Agrees(attestation, record.transcript, record.steps) &&
        !IsNamed(record, attestation.party)) {
      earners.push_back(attestation.party);
    }
  }
  record.charged = ChargeFor(record, terms);
  record.paid = PayMembers(block, record.charged, earners);
  if (record.charged < record.price) {
    Credit(block.state, record.owner, record.price - record.charged);
  }
  record.status = RequestStatus::kCompleted;
  record.completed_round = block.round;
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  totals.escrow -= record.price;
  block.state.Put(proto::TotalsKey(), totals);
  auto attempt = block.state.Get<proto::AttemptRecord>(proto::AttemptKey(record.attempt));
  attempt.status = proto::AttemptStatus::kUsed;
  block.state.Put(proto::AttemptKey(record.attempt), attempt);
  block.events.push_back(RequestCompleted{number, record.attempt});
}

std::size_t OutputsOf(const RequestRecord& record, const proto::BucketTerms& terms) {
  return std::size_t{terms.outputs} / terms.steps * record.steps;
}

// Decodes what is posted, names who is off, and completes the request when all of it is decoded.
// Posts are added in the ledger's order, so that one decoded before stays as it is.
void Decode(Block& block, std::uint64_t number, RequestRecord& record,
            const proto::BucketTerms& terms) {
  mpc::RobustDecoder decoder(block.members->committee, OutputsOf(record, terms));
  for (const proto::OutputPost& post : record.posts) {
    auto shares = ReadShares(post.shares);
    CHECK(shares.has_value());  // As when it was posted.
    decoder.Add(post.party, *std::move(shares));
  }
  if (!decoder.decoded()) return;
  for (const PartyId party : decoder.wrong()) NameParty(record, party, Misdeed::kWrongShare);
  if (record.status == RequestStatus::kCompleted) return;
  for (const mpc::Fp value : decoder.values()) value.ToBytes(record.output.emplace_back());
  Complete(block, number, record, terms);
}

}  // namespace

Outcome Execute(Block& block, PartyId sender, const proto::Attest& payload) {
  const proto::Bytes key = proto::RequestKey(payload.request);
  auto record = block.state.Find<RequestRecord>(key);
  if (!record) return No(ReceiptCode::kNotFound, "no such request was opened");
  if (record->status == RequestStatus::kExpired) {
    return No(ReceiptCode::kTooLate, "the request has expired");
  }
  if (record->status == RequestStatus::kOpened) {
    return No(ReceiptCode::kTooEarly, "the request is not submitted");
  }
  if (!AreMembers(block, payload.accused)) {
    return No(ReceiptCode::kInvalid, "an accused party is no member of the committee");
  }
  const auto pool = block.state.Get<proto::Pool>(proto::PoolKey(record->model, record->bucket));
  if (payload.steps > pool.terms.steps ||
      (payload.steps < pool.terms.steps && !record->until_end)) {
    return No(ReceiptCode::kInvalid, "the answer has not that many steps");
  }
  for (const proto::Attestation& earlier : record->attestations) {
    if (earlier.party != sender) continue;
    if (Agrees(earlier, payload.transcript, payload.steps)) {
      return No(ReceiptCode::kDuplicate, "the validator has attested this before");
    }
    NameParty(*record, sender, Misdeed::kEquivocation);
    block.state.Put(key, *record);
    return No(ReceiptCode::kContradiction, "the validator has attested another transcript");
  }
  record->attestations.push_back({sender, payload.transcript, payload.steps});
  Accuse(block, *record, sender, payload.accused);
  if (record->status == RequestStatus::kSubmitted) {
    const auto equal = std::ranges::count_if(record->attestations, [&](const auto& attestation) {
      return Agrees(attestation, payload.transcript, payload.steps);
    });
    if (equal >= block.members->committee.quorum()) {
      record->status = RequestStatus::kComputed;
      record->transcript = payload.transcript;
      record->steps = payload.steps;
      block.events.push_back(RequestComputed{payload.request, payload.transcript});
    }
  }
  if (record->status != RequestStatus::kSubmitted) {
    for (const proto::Attestation& attestation : record->attestations) {
      if (!Agrees(attestation, record->transcript, record->steps)) {
        NameParty(*record, attestation.party, Misdeed::kOtherTranscript);
      }
    }
  }
  block.state.Put(key, *record);
  return {};
}

Outcome Execute(Block& block, PartyId sender, const proto::PostOutput& payload) {
  const proto::Bytes key = proto::RequestKey(payload.request);
  auto record = block.state.Find<RequestRecord>(key);
  if (!record) return No(ReceiptCode::kNotFound, "no such request was opened");
  if (record->status == RequestStatus::kExpired) {
    return No(ReceiptCode::kTooLate, "the request has expired");
  }
  if (record->status < RequestStatus::kComputed) {
    return No(ReceiptCode::kTooEarly,
              "output shares are accepted only after n - t equal attestations");
  }
  if (!AreMembers(block, payload.accused)) {
    return No(ReceiptCode::kInvalid, "an accused party is no member of the committee");
  }
  for (const proto::OutputPost& earlier : record->posts) {
    if (earlier.party != sender) continue;
    if (earlier.shares == payload.shares) {
      return No(ReceiptCode::kDuplicate, "the validator has posted these shares before");
    }
    NameParty(*record, sender, Misdeed::kEquivocation);
    block.state.Put(key, *record);
    return No(ReceiptCode::kContradiction, "the validator has posted other shares before");
  }
  const auto pool = block.state.Get<proto::Pool>(proto::PoolKey(record->model, record->bucket));
  const std::size_t outputs = OutputsOf(*record, pool.terms);
  if (payload.shares.size() != outputs || !ReadShares(payload.shares)) {
    NameParty(*record, sender, Misdeed::kWrongShare);
    block.state.Put(key, *record);
    return No(ReceiptCode::kInvalid,
              "the post is not " + std::to_string(outputs) + " field elements");
  }
  Accuse(block, *record, sender, payload.accused);
  record->posts.push_back({sender, payload.shares});
  Decode(block, payload.request, *record, pool.terms);
  block.state.Put(key, *record);
  return {};
}

}  // namespace node
