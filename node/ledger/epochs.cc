#include "node/ledger/epochs.h"

#include <algorithm>
#include <string>

#include "node/ledger/attempts.h"
#include "node/ledger/key_ceremony.h"
#include "node/ledger/validators.h"
#include "proto/base/check.h"
#include "proto/crypto/dealing.h"

namespace node {

using proto::AttemptStatus;
using proto::EpochRecord;
using proto::PartyId;
using proto::PublicKey;
using proto::ReceiptCode;
using proto::Turn;
using proto::ValidatorSpec;

namespace {

proto::Committee CommitteeOf(const Turn& turn) {
  return proto::Committee(static_cast<std::uint16_t>(turn.validators.size()));
}

std::vector<PublicKey> KeysOf(const Turn& turn) {
  std::vector<PublicKey> keys;
  for (const ValidatorSpec& card : turn.validators) keys.push_back(card.key);
  return keys;
}

std::size_t ValidDealings(const Turn& turn) {
  return static_cast<std::size_t>(std::ranges::count_if(
      turn.dealings, [](const Turn::Dealt& dealt) { return !dealt.dealing.empty(); }));
}

// The candidates with the largest stake; of equal ones those that compute now, then by key.
std::vector<Candidate> NextMembers(const Block& block) {
  std::vector<Candidate> members = Candidates(block.state);
  if (members.size() < proto::kValidatorsMin) {
    members.clear();
    for (const ValidatorSpec& validator : block.epoch->record.validators) {
      const auto record =
          block.state.Get<proto::ValidatorRecord>(proto::ValidatorKey(validator.key));
      members.push_back({record.next ? *record.next : record.card, record.stake});
    }
  }
  const auto rank = [&](const Candidate& member) {
    const bool computes =
        block.epoch->computing && block.epoch->computing->Find(member.card.key).has_value();
    return std::pair(member.stake, computes);
  };
  std::ranges::stable_sort(members, std::ranges::greater{}, rank);
  if (members.size() > block.spec().validators_max) members.resize(block.spec().validators_max);
  return members;
}

void Decide(Block& block) {
  Turn turn;
  turn.epoch = block.epoch->record.number + 1;
  const std::vector<Candidate> members = NextMembers(block);
  std::vector<PublicKey> computing;
  for (const Candidate& member : members) {
    turn.validators.push_back(member.card);
    if (computing.size() < proto::ComputingSize(members.size())) {
      computing.push_back(member.card.key);
    }
  }
  std::ranges::sort(turn.validators, {}, &ValidatorSpec::key);
  std::ranges::sort(computing);
  for (std::uint16_t i = 0; i < turn.validators.size(); ++i) {
    if (std::ranges::binary_search(computing, turn.validators[i].key)) {
      turn.computing.push_back(PartyId{i});
    }
  }
  block.state.Put(proto::TurnKey(), turn);
  block.events.push_back(EpochDecided{turn.epoch});
}

// Bundles and attempts that no request has end with their epoch.
void ClosePools(Block& block) {
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  const auto active = block.state.Get<proto::Active>(proto::ActiveKey());
  for (const proto::Active::Entry& entry : active.entries) {
    const proto::Bytes key = proto::PoolKey(entry.model, entry.bucket);
    auto pool = block.state.Get<proto::Pool>(key);
    const auto close = [&](std::vector<std::uint64_t>& attempts, AttemptStatus status) {
      for (const std::uint64_t number : attempts) {
        auto attempt = block.state.Get<proto::AttemptRecord>(proto::AttemptKey(number));
        attempt.status = status;
        block.state.Put(proto::AttemptKey(number), attempt);
        block.events.push_back(AttemptDead{number});
        if (attempt.bundle != number) Burn(block, attempt.bundle);
      }
      attempts.clear();
    };
    close(pool.started, AttemptStatus::kBurnt);
    close(pool.ready, AttemptStatus::kBurnt);
    block.state.Put(key, pool);
  }
  totals.in_progress = 0;  // Dead ones whose culprits are not known hold no place any longer.
  block.state.Put(proto::TotalsKey(), totals);
}

}  // namespace

Outcome Execute(Block& block, const PublicKey& sender, const proto::DealCoinKey& payload) {
  auto turn = block.state.Get<Turn>(proto::TurnKey());
  if (payload.epoch != turn.epoch) {
    return payload.epoch > block.epoch->record.number
               ? No(ReceiptCode::kTooEarly, "that epoch is not decided")
               : No(ReceiptCode::kTooLate, "that epoch has its key");
  }
  const std::vector<PublicKey> keys = KeysOf(turn);
  const auto found = std::ranges::lower_bound(keys, sender);
  if (found == keys.end() || *found != sender) {
    return No(ReceiptCode::kNotValidator, "the sender is no member of the next epoch");
  }
  const auto dealer = static_cast<PartyId>(found - keys.begin());
  if (std::ranges::count(turn.dealings, dealer, &Turn::Dealt::dealer) > 0) {
    return No(ReceiptCode::kDuplicate, "the validator has dealt before");
  }
  const std::uint16_t threshold = CommitteeOf(turn).validity();
  if (ValidDealings(turn) >= threshold) {
    return No(ReceiptCode::kTooLate, "there are dealings enough");
  }
  const auto dealing = proto::DecodeDealing(payload.dealing);
  const auto context = proto::CoinDealingContext(block.chain.id, turn.epoch, sender);
  const bool valid =
      dealing && proto::VerifyDealing(context, keys, threshold, *dealing).has_value();
  turn.dealings.push_back({dealer, valid ? payload.dealing : proto::Bytes()});
  block.state.Put(proto::TurnKey(), turn);
  if (!valid) return No(ReceiptCode::kInvalid, "the dealing is not valid");
  return {};
}

Outcome Execute(Block& block, const PublicKey& sender, const proto::AcknowledgeKeys& payload) {
  const std::uint64_t number = block.epoch->record.number;
  if (payload.epoch > number) return No(ReceiptCode::kTooEarly, "that epoch has not begun");
  if (payload.epoch < number) return No(ReceiptCode::kTooLate, "that epoch is over");
  const auto& members = block.epoch->computing;
  const auto member = members ? members->Find(sender) : std::nullopt;
  if (!member) return No(ReceiptCode::kNotValidator, "the sender does not compute in this epoch");
  const proto::Bytes key = proto::EpochKeysKey(number);
  auto keys = block.state.Find<proto::EpochKeys>(key);
  if (!keys || keys->made) return No(ReceiptCode::kTooLate, "the epoch has its keys");
  auto ceremony = KeyCeremony::Decode(keys->ceremony);
  CHECK(ceremony.has_value());  // As it was written.
  if (Index(payload.author) >= ceremony->members()) {
    return No(ReceiptCode::kInvalid, "the author does not compute in this epoch");
  }
  if (!ceremony->Acknowledge(*member, {payload.author, payload.root})) {
    return No(ReceiptCode::kDuplicate, "the member has acknowledged this author before");
  }
  *keys = {ceremony->done(), ceremony->Encode()};
  block.state.Put(key, *keys);
  if (keys->made) {
    block.pools_changed = true;
    block.events.push_back(KeysMade{number});
  }
  return {};
}

std::optional<EpochRecord> TurnEpoch(Block& block, std::uint64_t height) {
  const EpochRecord& present = block.epoch->record;
  const auto turn = block.state.Get<Turn>(proto::TurnKey());
  if (turn.epoch == 0) {
    if (height - present.first_height + 1 >= block.spec().epoch_commits) Decide(block);
    return std::nullopt;
  }
  const std::uint16_t threshold = CommitteeOf(turn).validity();
  if (ValidDealings(turn) < threshold) return std::nullopt;
  std::vector<proto::Dealing> dealings;
  proto::Dealings kept;
  for (const Turn::Dealt& dealt : turn.dealings) {
    if (dealt.dealing.empty()) continue;
    dealings.push_back(*proto::DecodeDealing(dealt.dealing));
    kept.dealers.push_back(turn.validators[Index(dealt.dealer)].key);
    kept.dealings.push_back(dealt.dealing);
  }
  const auto coin = proto::CombineKeys(dealings, CommitteeOf(turn).size());
  if (!coin) {  // All dealers conspired: once more.
    Turn again = turn;
    again.dealings.clear();
    block.state.Put(proto::TurnKey(), again);
    return std::nullopt;
  }
  EpochRecord next;
  next.number = turn.epoch;
  next.first_height = height + 1;
  next.first_round = block.round;
  next.coin_threshold = threshold;
  next.validators = turn.validators;
  for (std::size_t i = 0; i < next.validators.size(); ++i) {
    next.validators[i].coin_key = coin->verification[i];
  }
  next.computing = turn.computing;
  SettleStakes(block, turn.validators);
  ClosePools(block);
  block.state.Put(proto::EpochKey(next.number), next);
  block.state.Put(proto::DealingsKey(next.number), kept);
  // The present one's are still needed where its last block is not yet signed.
  block.state.Put(proto::DealingsKey(present.number - 1), proto::Dealings{});
  if (!next.computing.empty()) {
    const KeyCeremony ceremony(static_cast<std::uint16_t>(next.computing.size()));
    block.state.Put(proto::EpochKeysKey(next.number), proto::EpochKeys{false, ceremony.Encode()});
  }
  block.state.Put(proto::TurnKey(), Turn{});
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  totals.epoch = next.number;
  block.state.Put(proto::TotalsKey(), totals);
  block.events.push_back(EpochEnded{present.number});
  return next;
}

proto::Result<proto::CoinSecret> EpochCoinSecret(const proto::Digest& chain, const Epoch& epoch,
                                                 const proto::Dealings& dealings,
                                                 const proto::SecretKey& key) {
  const auto self = epoch.validators.Find(key.public_key());
  CHECK(self.has_value());
  std::vector<proto::CoinSecret> shares;
  for (std::size_t i = 0; i < dealings.dealings.size(); ++i) {
    const auto dealing = proto::DecodeDealing(dealings.dealings[i]);
    CHECK(dealing.has_value());  // As when it was ordered.
    auto share = proto::OpenDealing(
        proto::CoinDealingContext(chain, epoch.record.number, dealings.dealers[i]),
        epoch.validators.keys, epoch.record.coin_threshold, *self, key, *dealing);
    if (!share) return tl::unexpected(share.error());
    shares.push_back(std::move(*share));
  }
  if (shares.empty()) {
    return proto::Fail(proto::ErrorCode::kCorrupt, "the epoch has no dealings any more");
  }
  return proto::CombineShares(shares);
}

}  // namespace node
