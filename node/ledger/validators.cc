#include "node/ledger/validators.h"

#include <algorithm>
#include <string>

#include "node/ledger/accounts.h"

namespace node {

using proto::PublicKey;
using proto::ReceiptCode;
using proto::Staking;
using proto::Totals;
using proto::ValidatorRecord;
using proto::ValidatorSpec;
using proto::ValidatorStatus;

namespace {

bool IsCandidate(const ValidatorRecord& record) {
  return record.status == ValidatorStatus::kBonded && !record.evidence;
}

// The card that the validator will have.
const ValidatorSpec& Coming(const ValidatorRecord& record) {
  return record.next ? *record.next : record.card;
}

// Why no validator but `self` may have this card; null if it may.
const char* WhyTaken(const StateView& state, const PublicKey& self, const ValidatorSpec& card) {
  const auto staking = state.Get<Staking>(proto::StakingKey());
  for (const PublicKey& key : staking.bonded) {
    if (key == self) continue;
    const auto record = state.Get<ValidatorRecord>(proto::ValidatorKey(key));
    for (const ValidatorSpec* other : {&record.card, &Coming(record)}) {
      if (other->key == card.key) return "another validator has this key";
      if (other->name == card.name) return "another validator has this name";
      if (other->certificate == card.certificate) return "another validator has this certificate";
      if (other->peer_address == card.peer_address) return "another validator has this address";
    }
  }
  return nullptr;
}

Outcome CheckCard(const StateView& state, const PublicKey& self, const ValidatorSpec& card) {
  if (const auto checked = proto::CheckValidatorSpec(card); !checked) {
    return No(ReceiptCode::kBadValidator, checked.error().message);
  }
  if (const char* reason = WhyTaken(state, self, card)) {
    return No(ReceiptCode::kBadValidator, reason);
  }
  return {};
}

void AddBonded(StateView& state, const PublicKey& key) {
  auto staking = state.Get<Staking>(proto::StakingKey());
  const auto place = std::ranges::lower_bound(staking.bonded, key);
  if (place == staking.bonded.end() || *place != key) staking.bonded.insert(place, key);
  state.Put(proto::StakingKey(), staking);
}

// No member now, nor of the epoch that is decided.
bool IsIdle(const Block& block, const PublicKey& key) {
  if (block.epoch->validators.Find(key)) return false;
  const auto turn = block.state.Get<proto::Turn>(proto::TurnKey());
  return std::ranges::count(turn.validators, key, &ValidatorSpec::key) == 0;
}

// The change is off, unless the next epoch is decided with it: a member's record stands under the
// key that its committee knows.
void DropChange(const Block& block, ValidatorRecord& record) {
  const auto turn = block.state.Get<proto::Turn>(proto::TurnKey());
  if (record.next && std::ranges::count(turn.validators, *record.next) == 0) record.next.reset();
}

// The card takes its place; under another key, the stake moves there.
void Rotate(Block& block, ValidatorRecord record) {
  const PublicKey old_key = record.card.key;
  record.card = *record.next;
  record.next.reset();
  if (record.card.key != old_key) {
    ValidatorRecord old = record;
    old.card = block.state.Get<ValidatorRecord>(proto::ValidatorKey(old_key)).card;
    old.status = ValidatorStatus::kLeft;
    old.stake = 0;
    old.successor = record.card.key;
    block.state.Put(proto::ValidatorKey(old_key), old);
    auto staking = block.state.Get<Staking>(proto::StakingKey());
    std::erase(staking.bonded, old_key);
    block.state.Put(proto::StakingKey(), staking);
    AddBonded(block.state, record.card.key);
  }
  block.state.Put(proto::ValidatorKey(record.card.key), record);
}

}  // namespace

Outcome Execute(Block& block, const PublicKey& sender, const proto::JoinValidators& payload) {
  if (payload.card.key != sender) {
    return No(ReceiptCode::kBadValidator, "the card's key is not the sender's");
  }
  auto record = block.state.Find<ValidatorRecord>(proto::ValidatorKey(sender));
  if (record && (record->evidence || record->successor)) {
    return No(ReceiptCode::kWrongState, record->evidence ? "there is evidence against this key"
                                                         : "this key was changed for another");
  }
  if (record && record->status == ValidatorStatus::kLeaving) {
    return No(ReceiptCode::kWrongState, "the validator is leaving; join again when it has left");
  }
  const bool is_new = !record || record->status == ValidatorStatus::kLeft;
  if (is_new) {
    if (auto checked = CheckCard(block.state, sender, payload.card);
        checked.code != ReceiptCode::kDone) {
      return checked;
    }
    const auto staking = block.state.Get<Staking>(proto::StakingKey());
    if (staking.bonded.size() >= proto::kStakersMax) {
      return No(ReceiptCode::kLimit, "there are as many validators with stake as there may be");
    }
    record = ValidatorRecord{payload.card, ValidatorStatus::kBonded, 0, {}, {}, {}};
    record->card.coin_key = {};
  }
  if (payload.stake == 0 || record->stake + payload.stake < block.spec().stake_min) {
    return No(ReceiptCode::kBadValidator,
              "a validator's stake is at least " + std::to_string(block.spec().stake_min));
  }
  if (record->stake + payload.stake > proto::kStakeMax) {
    return No(ReceiptCode::kLimit, "a stake is at most " + std::to_string(proto::kStakeMax));
  }
  const std::uint64_t balance = GetAccount(block.state, sender).balance;
  if (balance < payload.stake) {
    return No(ReceiptCode::kNoFunds, "the account has " + std::to_string(balance) +
                                         " after the fee and the stake is " +
                                         std::to_string(payload.stake));
  }
  Debit(block.state, sender, payload.stake);
  record->stake += payload.stake;
  block.state.Put(proto::ValidatorKey(sender), *record);
  AddBonded(block.state, sender);
  auto totals = block.state.Get<Totals>(proto::TotalsKey());
  totals.bonded += payload.stake;
  block.state.Put(proto::TotalsKey(), totals);
  return {};
}

Outcome Execute(Block& block, const PublicKey& sender, const proto::LeaveValidators&) {
  auto record = block.state.Find<ValidatorRecord>(proto::ValidatorKey(sender));
  if (!record || record->status != ValidatorStatus::kBonded) {
    return No(ReceiptCode::kWrongState, "the sender has no bonded stake");
  }
  if (Candidates(block.state).size() <= proto::kValidatorsMin) {
    return No(ReceiptCode::kLimit, "fewer than 4 validators would stay");
  }
  const auto staking = block.state.Get<Staking>(proto::StakingKey());
  if (staking.unbonding.size() + proto::kStakersMax >= proto::kUnbondingMax) {
    return No(ReceiptCode::kLimit, "too many stakes are on their way out; try again later");
  }
  record->status = ValidatorStatus::kLeaving;
  DropChange(block, *record);
  block.state.Put(proto::ValidatorKey(sender), *record);
  return {};
}

Outcome Execute(Block& block, const PublicKey& sender, const proto::RotateValidator& payload) {
  auto record = block.state.Find<ValidatorRecord>(proto::ValidatorKey(sender));
  if (!record || !IsCandidate(*record)) {
    return No(ReceiptCode::kWrongState, "the sender has no bonded stake");
  }
  const PublicKey& key = payload.card.key;
  if (key != sender && block.state.Has(proto::ValidatorKey(key))) {
    return No(ReceiptCode::kBadValidator, "the new key was a validator's before");
  }
  if (auto checked = CheckCard(block.state, sender, payload.card);
      checked.code != ReceiptCode::kDone) {
    return checked;
  }
  if (!proto::Verify(key, proto::RotationDigest(block.chain.id, sender, key), payload.consent)) {
    return No(ReceiptCode::kBadValidator, "the new key did not sign the change");
  }
  const auto turn = block.state.Get<proto::Turn>(proto::TurnKey());
  if (record->next &&
      std::ranges::count(turn.validators, record->next->key, &ValidatorSpec::key) > 0) {
    return No(ReceiptCode::kWrongState, "an earlier change is under way; try again next epoch");
  }
  record->next = payload.card;
  record->next->coin_key = {};
  if (IsIdle(block, sender)) {
    Rotate(block, std::move(*record));
  } else {
    block.state.Put(proto::ValidatorKey(sender), *record);
  }
  return {};
}

void Slash(Block& block, const PublicKey& key, const proto::Digest& evidence) {
  auto staking = block.state.Get<Staking>(proto::StakingKey());
  auto totals = block.state.Get<Totals>(proto::TotalsKey());
  std::optional<PublicKey> owner = key;
  while (owner) {
    const proto::Bytes record_key = proto::ValidatorKey(*owner);
    auto record = block.state.Get<ValidatorRecord>(record_key);
    if (!record.evidence) record.evidence = evidence;
    if (record.status == ValidatorStatus::kBonded) record.status = ValidatorStatus::kLeaving;
    totals.bonded -= record.stake;
    block.fees += record.stake;
    record.stake = 0;
    DropChange(block, record);
    block.state.Put(record_key, record);
    for (auto& entry : staking.unbonding) {
      if (entry.key != *owner) continue;
      totals.unbonding -= entry.amount;
      block.fees += entry.amount;
      entry.amount = 0;
    }
    owner = record.successor;
  }
  std::erase_if(staking.unbonding, [](const auto& entry) { return entry.amount == 0; });
  block.state.Put(proto::StakingKey(), staking);
  block.state.Put(proto::TotalsKey(), totals);
}

void ReleaseStakes(Block& block) {
  auto staking = block.state.Get<Staking>(proto::StakingKey());
  const auto due = std::ranges::partition_point(
      staking.unbonding, [&](const auto& entry) { return entry.release_round <= block.round; });
  if (due == staking.unbonding.begin()) return;
  auto totals = block.state.Get<Totals>(proto::TotalsKey());
  for (auto entry = staking.unbonding.begin(); entry != due; ++entry) {
    Credit(block.state, entry->key, entry->amount);
    totals.unbonding -= entry->amount;
  }
  staking.unbonding.erase(staking.unbonding.begin(), due);
  block.state.Put(proto::StakingKey(), staking);
  block.state.Put(proto::TotalsKey(), totals);
}

std::vector<Candidate> Candidates(const StateView& state) {
  std::vector<Candidate> candidates;
  for (const PublicKey& key : state.Get<Staking>(proto::StakingKey()).bonded) {
    const auto record = state.Get<ValidatorRecord>(proto::ValidatorKey(key));
    if (IsCandidate(record)) candidates.push_back({Coming(record), record.stake});
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return a.stake != b.stake ? a.stake > b.stake : a.card.key < b.card.key;
  });
  return candidates;
}

void SettleStakes(Block& block, const std::vector<ValidatorSpec>& next) {
  const auto is_next = [&](const ValidatorSpec& card) {
    return std::ranges::count(next, card.key, &ValidatorSpec::key) > 0;
  };
  for (const PublicKey& key : block.state.Get<Staking>(proto::StakingKey()).bonded) {
    auto record = block.state.Get<ValidatorRecord>(proto::ValidatorKey(key));
    // A change that came after the next epoch was decided waits for the one after.
    const bool changes =
        record.next && (std::ranges::count(next, *record.next) > 0 || !is_next(record.card));
    if (changes) {
      Rotate(block, std::move(record));
      continue;
    }
    if (record.status != ValidatorStatus::kLeaving || is_next(record.card)) continue;
    auto staking = block.state.Get<Staking>(proto::StakingKey());
    auto totals = block.state.Get<Totals>(proto::TotalsKey());
    if (record.stake > 0) {
      staking.unbonding.push_back({key, record.stake, block.round + block.spec().unbonding_rounds});
    }
    std::erase(staking.bonded, key);
    totals.bonded -= record.stake;
    totals.unbonding += record.stake;
    record.stake = 0;
    record.status = ValidatorStatus::kLeft;
    block.state.Put(proto::StakingKey(), staking);
    block.state.Put(proto::TotalsKey(), totals);
    block.state.Put(proto::ValidatorKey(key), record);
  }
}

}  // namespace node
