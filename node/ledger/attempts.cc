#include "node/ledger/attempts.h"

#include <algorithm>
#include <string>
#include <utility>

#include "node/ledger/validators.h"
#include "proto/attempt.h"

namespace node {

using proto::AttemptRecord;
using proto::AttemptStatus;
using proto::Digest;
using proto::PartyId;
using proto::ReceiptCode;

namespace {

// n - t distinct members' signatures (the codec saw to "distinct").
bool IsCertificate(const proto::Digest& chain, const Members& members,
                   const proto::LayerCertificate& certificate) {
  if (Index(certificate.king) >= members.committee.size()) return false;
  if (certificate.echoes.size() < members.committee.quorum()) return false;
  if (Index(certificate.echoes.back().first) >= members.committee.size()) return false;
  const proto::Digest digest =
      proto::EchoDigest(chain, members.epoch, certificate.attempt, certificate.layer,
                        certificate.king, certificate.root, certificate.senders);
  return std::ranges::all_of(certificate.echoes, [&](const auto& echo) {
    return proto::Verify(members.keys[Index(echo.first)], digest, echo.second);
  });
}

// The attempt's place among those in progress is free.
void Leave(Block& block) {
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  totals.in_progress -= 1;
  block.state.Put(proto::TotalsKey(), totals);
  block.pools_changed = true;
}

// Those with evidence against them, at most t: more would be more than can be faulty.
std::vector<PartyId> Excluded(const Block& block) {
  std::vector<PartyId> excluded;
  const Members& members = *block.epoch->computing;
  for (std::uint16_t i = 0; i < members.committee.size(); ++i) {
    if (excluded.size() == members.committee.max_faulty()) break;
    if (block.state.Get<proto::ValidatorRecord>(proto::ValidatorKey(members.keys[i])).evidence) {
      excluded.push_back(PartyId{i});
    }
  }
  return excluded;
}

// What signatures say of a finding; empty when there is no fault in it.
std::string Flaw(const Digest& chain, const Members& members, const AttemptRecord& record,
                 const proto::Finding& finding) {
  if (finding.layer >= record.layers.size()) return "the attempt has no such layer";
  if (finding.senders.size() != members.committee.quorum() ||
      proto::SendersDigest(finding.senders) != record.makers[finding.layer].senders) {
    return "the senders are not those of the layer's certificate";
  }
  proto::Place place{chain, members.epoch, finding.attempt, finding.layer, {}};
  for (std::uint32_t layer = 0; layer < finding.layer; ++layer) {
    place.transcript = proto::ExtendTranscript(place.transcript, layer, record.layers[layer]);
  }
  bool lied = false;
  for (std::size_t i = 0; i < finding.senders.size(); ++i) {
    const auto& [party, root, signature] = finding.senders[i];
    if (Index(party) >= members.committee.size() ||
        !proto::Verify(members.keys[Index(party)], proto::VectorDigest(place, root), signature)) {
      return "a sender did not sign its root";
    }
    lied = lied || root != finding.expected[i];
  }
  if (lied != (finding.expected_root == proto::Digest())) {
    return "the right values are named when no sender lied, and only then";
  }
  if (!lied && finding.expected_root == record.layers[finding.layer]) {
    return "the layer is what it had to be";
  }
  return {};
}

std::vector<proto::Culprit> CulpritsOf(const AttemptRecord& record, const proto::Finding& finding) {
  std::vector<proto::Culprit> culprits;
  for (std::size_t i = 0; i < finding.senders.size(); ++i) {
    if (finding.senders[i].root != finding.expected[i]) {
      culprits.push_back({finding.senders[i].party, proto::Lie::kVector});
    }
  }
  if (culprits.empty()) culprits.push_back({record.makers[finding.layer].king, proto::Lie::kLayer});
  return culprits;
}

bool IsLarge(const proto::Pool& pool) {
  return pool.terms.layers.size() > 1 || pool.terms.layers[0] > kLayersTogether;
}

bool LargeIsUnderWay(const Block& block, const proto::Active& active) {
  return std::ranges::any_of(active.entries, [&](const proto::Active::Entry& entry) {
    const auto pool = block.state.Get<proto::Pool>(proto::PoolKey(entry.model, entry.bucket));
    return IsLarge(pool) && !pool.started.empty();
  });
}

// A new attempt for a segment of a bundle; for segment 0, of a new bundle.
void Begin(Block& block, AttemptRecord record, proto::Pool& pool) {
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  const std::uint64_t number = ++totals.attempts;
  block.state.Put(proto::TotalsKey(), totals);
  if (record.segment == 0) {
    record.bundle = number;
  } else {
    auto bundle = block.state.Get<AttemptRecord>(proto::AttemptKey(record.bundle));
    bundle.parts.push_back(number);
    block.state.Put(proto::AttemptKey(record.bundle), bundle);
  }
  record.epoch = block.epoch->record.number;
  record.layers_needed = pool.terms.layers[record.segment];
  record.excluded = Excluded(block);
  pool.started.push_back(number);
  block.state.Put(proto::AttemptKey(number), record);
  block.events.push_back(AttemptStarted{number, record.model, record.bucket});
}

// A verdict. After a segment the next one takes its place; after the last the bundle is ready. A
// dead attempt leaves its pool, with all of its bundle, but keeps its place until its culprits are
// known.
void Finish(Block& block, std::uint64_t attempt, AttemptRecord& record, AttemptStatus status) {
  record.status = status;
  block.state.Put(proto::AttemptKey(attempt), record);
  const proto::Bytes key = proto::PoolKey(record.model, record.bucket);
  auto pool = block.state.Get<proto::Pool>(key);
  std::erase(pool.started, attempt);
  if (status == AttemptStatus::kDead) {
    block.events.push_back(AttemptDead{attempt});
    if (record.bundle != attempt) Burn(block, record.bundle);
  } else {
    block.events.push_back(AttemptCertified{attempt});
    if (record.segment + 1 < pool.terms.layers.size()) {
      AttemptRecord next;
      next.model = record.model;
      next.bucket = record.bucket;
      next.segment = record.segment + 1;
      next.bundle = record.bundle;
      Begin(block, std::move(next), pool);
    } else {
      Leave(block);
      pool.ready.push_back(record.bundle);
      AssignBundles(block, pool);
    }
  }
  block.state.Put(key, pool);
}

enum class Start : std::uint8_t { kUnwanted, kStarted, kWaits };

// Starts one attempt of the bucket if it has fewer than it wants, for requests that wait and, if
// `stock`, for the shelf too. A large one waits until it is alone.
Start StartOne(Block& block, const proto::Active::Entry& entry, bool stock) {
  const proto::Bytes key = proto::PoolKey(entry.model, entry.bucket);
  auto pool = block.state.Get<proto::Pool>(key);
  if (pool.terms.members != block.epoch->computing->committee.size()) return Start::kUnwanted;
  const std::uint64_t want = pool.waiting.size() + (stock ? pool.terms.pool_target : 0);
  if (pool.started.size() + pool.ready.size() >= want) return Start::kUnwanted;
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  if (IsLarge(pool) && totals.in_progress > 0) return Start::kWaits;
  totals.in_progress += 1;
  block.state.Put(proto::TotalsKey(), totals);
  AttemptRecord record;
  record.model = entry.model;
  record.bucket = entry.bucket;
  Begin(block, std::move(record), pool);
  block.state.Put(key, pool);
  return Start::kStarted;
}

}  // namespace

Outcome Execute(Block& block, PartyId, const proto::FixLayer& payload) {
  const proto::LayerCertificate& certificate = payload.certificate;
  const proto::Bytes key = proto::AttemptKey(certificate.attempt);
  auto record = block.state.Find<AttemptRecord>(key);
  if (!record) return No(ReceiptCode::kNotFound, "no such attempt was started");
  if (certificate.layer < record->layers.size()) {
    return record->layers[certificate.layer] == certificate.root
               ? No(ReceiptCode::kDuplicate, "the layer is fixed already")
               : No(ReceiptCode::kTooLate, "the layer is fixed already, to other values");
  }
  if (record->status != AttemptStatus::kStarted) {
    return No(ReceiptCode::kTooLate, "the attempt is not in progress");
  }
  if (certificate.layer >= record->layers_needed) {
    return No(ReceiptCode::kInvalid, "the attempt has no such layer");
  }
  if (certificate.layer > record->layers.size()) {
    return No(ReceiptCode::kTooEarly,
              "the next layer to fix is " + std::to_string(record->layers.size()));
  }
  if (!IsCertificate(block.chain.id, *block.members, certificate)) {
    return No(ReceiptCode::kInvalid, "the certificate has fewer than n - t valid echoes");
  }
  record->layers.push_back(certificate.root);
  record->makers.push_back({certificate.king, certificate.senders});
  record->transcript =
      proto::ExtendTranscript(record->transcript, certificate.layer, certificate.root);
  block.state.Put(key, *record);
  block.events.push_back(
      LayerFixed{certificate.attempt, certificate.layer, certificate.root, certificate.king});
  return {};
}

Outcome Execute(Block& block, PartyId sender, const proto::Verdict& payload) {
  const proto::Bytes key = proto::AttemptKey(payload.attempt);
  auto record = block.state.Find<AttemptRecord>(key);
  if (!record) return No(ReceiptCode::kNotFound, "no such attempt was started");
  const bool passed = std::ranges::count(record->pass, sender) > 0;
  const bool failed = std::ranges::count(record->fail, sender) > 0;
  if (passed || failed) {
    return passed == payload.pass
               ? No(ReceiptCode::kDuplicate, "the validator has voted so before")
               : No(ReceiptCode::kContradiction, "the validator voted otherwise");
  }
  if (record->status != AttemptStatus::kStarted) {
    return No(ReceiptCode::kTooLate, "the attempt is decided");
  }
  if (!payload.pass) {
    record->fail.push_back(sender);
    if (record->fail.size() >= block.members->committee.validity()) {
      Finish(block, payload.attempt, *record, AttemptStatus::kDead);
    } else {
      block.state.Put(key, *record);
    }
    return {};
  }
  if (record->layers.size() < record->layers_needed) {
    return No(ReceiptCode::kTooEarly, "not all layers are fixed");
  }
  if (payload.transcript != record->transcript) {
    return No(ReceiptCode::kInvalid, "the transcript is not that of the fixed layers");
  }
  record->pass.push_back(sender);
  if (record->pass.size() >= block.members->committee.quorum()) {
    Finish(block, payload.attempt, *record, AttemptStatus::kCertified);
  } else {
    block.state.Put(key, *record);
  }
  return {};
}

Outcome Execute(Block& block, PartyId sender, const proto::PostFinding& payload) {
  const proto::Finding& finding = payload.finding;
  const proto::Bytes key = proto::AttemptKey(finding.attempt);
  auto record = block.state.Find<AttemptRecord>(key);
  if (!record) return No(ReceiptCode::kNotFound, "no such attempt was started");
  if (record->status != AttemptStatus::kDead) {
    return No(ReceiptCode::kTooEarly, "the attempt is not dead");
  }
  const Digest digest = proto::FindingDigest(finding);
  const auto posted = std::ranges::find(record->findings, sender, &proto::PostedFinding::party);
  if (posted != record->findings.end()) {
    return posted->digest == digest
               ? No(ReceiptCode::kDuplicate, "the validator has posted this finding before")
               : No(ReceiptCode::kContradiction, "the validator has posted another finding");
  }
  if (!record->culprits.empty()) {
    return No(ReceiptCode::kTooLate, "the attempt's culprits are known");
  }
  if (std::string flaw = Flaw(block.chain.id, *block.members, *record, finding); !flaw.empty()) {
    return No(ReceiptCode::kInvalid, std::move(flaw));
  }
  record->findings.push_back({sender, digest});
  if (std::ranges::count(record->findings, digest, &proto::PostedFinding::digest) ==
      block.members->committee.validity()) {
    record->culprits = CulpritsOf(*record, finding);
    for (const auto& [party, lie] : record->culprits) {
      const proto::PublicKey& culprit = block.members->keys[Index(party)];
      const bool is_known = block.state.Get<proto::ValidatorRecord>(proto::ValidatorKey(culprit))
                                .evidence.has_value();
      if (!is_known) Slash(block, culprit, digest);
    }
    // Places were freed with the end of the attempt's epoch.
    if (record->epoch == block.epoch->record.number) Leave(block);
    block.events.push_back(AttemptBlamed{finding.attempt});
  }
  block.state.Put(key, *record);
  return {};
}

void AssignBundles(Block& block, proto::Pool& pool) {
  const std::size_t count = std::min(pool.ready.size(), pool.waiting.size());
  if (count == 0) return;
  auto opened = block.state.Get<proto::Opened>(proto::OpenedKey());
  for (std::size_t i = 0; i < count; ++i) {
    const proto::Bytes attempt_key = proto::AttemptKey(pool.ready[i]);
    const proto::Bytes request_key = proto::RequestKey(pool.waiting[i]);
    auto attempt = block.state.Get<AttemptRecord>(attempt_key);
    auto request = block.state.Get<proto::RequestRecord>(request_key);
    attempt.status = AttemptStatus::kAssigned;
    attempt.request = pool.waiting[i];
    request.attempt = pool.ready[i];
    request.deadline_round = block.round + block.spec().open_deadline_rounds;
    opened.entries.push_back({attempt.request, request.deadline_round});
    block.state.Put(attempt_key, attempt);
    block.state.Put(request_key, request);
    block.events.push_back(RequestAssigned{attempt.request, request.attempt, request.owner});
  }
  const auto used = static_cast<std::ptrdiff_t>(count);
  pool.ready.erase(pool.ready.begin(), pool.ready.begin() + used);
  pool.waiting.erase(pool.waiting.begin(), pool.waiting.begin() + used);
  block.state.Put(proto::OpenedKey(), opened);
  block.pools_changed = true;
}

void StartAttempts(Block& block) {
  if (!block.pools_changed || !block.Computes()) return;
  block.pools_changed = false;
  const std::uint64_t limit = block.spec().attempts_in_progress_max;
  const auto full = [&] {
    return block.state.Get<proto::Totals>(proto::TotalsKey()).in_progress >= limit;
  };
  if (full()) return;
  auto active = block.state.Get<proto::Active>(proto::ActiveKey());
  bool waits = LargeIsUnderWay(block, active);  // Or is the next to be started.
  for (const bool stock : {false, true}) {
    // Round robin from where the last one ended; done when nobody wants one more.
    for (std::size_t idle = 0; !waits && idle < active.entries.size() && !full();) {
      const std::size_t turn = active.next % active.entries.size();
      const Start start = StartOne(block, active.entries[turn], stock);
      waits = start == Start::kWaits || LargeIsUnderWay(block, active);
      if (start != Start::kWaits) active.next = static_cast<std::uint32_t>(turn + 1);
      idle = start == Start::kUnwanted ? idle + 1 : 0;
    }
  }
  block.state.Put(proto::ActiveKey(), active);
}

void Burn(Block& block, std::uint64_t bundle) {
  auto record = block.state.Get<AttemptRecord>(proto::AttemptKey(bundle));
  record.status = AttemptStatus::kBurnt;
  block.state.Put(proto::AttemptKey(bundle), record);
  block.events.push_back(AttemptDead{bundle});
}

}  // namespace node
