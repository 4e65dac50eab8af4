// The world's oracles, and what its client may do.

#include <algorithm>

#include "node/rpc/block_reader.h"
#include "proto/crypto/merkle.h"
#include "tests/sim/system/client.h"
#include "tests/sim/system/world.h"
#include "tests/sim/system/world_validator.h"

namespace sim {

using node::InferenceMessage;
using node::LedgerMachine;
using node::Service;
using proto::Bytes;
using proto::Digest;
using proto::PartyId;

// ---- oracles ------------------------------------------------------------------------------------

void World::CheckFaults(std::uint16_t i, const std::vector<proto::Fault>& faults) {
  if (IsLiar(i)) return;
  for (const proto::Fault& fault : faults) {
    if (IsLiar(Index(fault.party))) {
      blamed_.insert(fault.party);
    } else {
      Fail(genesis_.validators[i].name + " blames " + genesis_.validators[Index(fault.party)].name +
           " for kind " + std::to_string(static_cast<int>(fault.kind)));
    }
  }
}

void World::CheckBlocks(std::uint16_t i) {
  Validator& validator = *validators_[i];
  const node::Snapshot& latest = validator.machine->latest();
  // What is only now synced may have been lost before: it is checked again, and must be the same.
  if (latest.header().height == validator.checked) return;
  for (std::uint64_t height = validator.checked + 1; height <= latest.header().height; ++height) {
    const auto header = node::ReadHeader(validator.store, height);
    if (!header || !*header) return Fail("block " + std::to_string(height) + " cannot be read");
    const Digest digest = proto::BlockDigest(**header);
    if (blocks_.size() < height) blocks_.push_back(digest);
    if (blocks_[height - 1] != digest) {
      return Fail("honest validators differ in block " + std::to_string(height));
    }
  }
  validator.checked = latest.header().height;

  const proto::Totals totals = latest.totals();
  std::uint64_t money = totals.escrow + totals.fees + latest.account(client_->account()).balance;
  for (const proto::PublicKey& key : genesis_.keys()) money += latest.account(key).balance;
  money += totals.bonded + totals.unbonding;
  const std::uint64_t stakes = genesis_.validators.size() * genesis_.spec.stake_min;
  if (money != genesis_.spec.funded_balance + stakes) Fail("money is " + std::to_string(money));
}

void World::Once(std::string_view what, std::uint16_t i, std::uint64_t a, std::uint64_t b,
                 const Digest& digest) {
  const auto [said, first] = said_.emplace(std::tuple(std::string(what), i, a, b), digest);
  if (!first && said->second != digest) {
    Fail(genesis_.validators[i].name + " says two things: " + std::string(what) + " " +
         std::to_string(a) + " " + std::to_string(b));
  }
}

void World::CheckSaid(std::uint16_t i, const proto::dag::Message& message) {
  const auto* const header = std::get_if<proto::dag::Header>(&message);
  if (header && Index(header->author) == i) Once("header", i, header->round, 0, header->digest);
  if (const auto* const vote = std::get_if<proto::dag::Vote>(&message)) {
    Once("vote", i, vote->round, Index(vote->author), vote->header);
  }
}

void World::CheckSaid(std::uint16_t i, const InferenceMessage& message) {
  if (const auto* const session = std::get_if<proto::SessionMessage>(&message)) {
    if (const auto* const opening = std::get_if<proto::Opening>(session)) {
      const std::uint64_t receiver = opening->receiver ? Index(*opening->receiver) + 1u : 0;
      Once("opening", i, opening->request, receiver << 32 | opening->exchange,
           proto::MerkleRootOfBytes(opening->values));
    }
  }
  if (const auto* const attempt = std::get_if<proto::AttemptMessage>(&message)) {
    if (const auto* const vector = std::get_if<proto::LayerVector>(attempt)) {
      Once("vector", i, vector->attempt, vector->layer, proto::MerkleRootOfBytes(vector->values));
    }
  }
}

// ---- what the client may do ---------------------------------------------------------------------

bool World::Up(std::uint16_t i) const {
  return validators_[i]->machine != nullptr;
}

void World::SubmitFor(std::uint16_t i, const Bytes& transaction) {
  if (!Up(i)) return;
  // A refusal is no reason to give up: the validator may lag.
  OnLedger(i, [&](LedgerMachine& machine) { (void)machine.Submit(transaction); });
}

void World::UploadTo(std::uint16_t i, const Bytes& file) {
  if (!Up(i)) return;
  OnService(i, [&](Service& service) {
    auto step = service.AddFile(file, now_ * 1000);
    return step ? std::move(*step) : Service::Step();
  });
}

std::optional<std::vector<mpc::Fp>> World::MasksFrom(std::uint16_t i, std::uint64_t attempt) {
  if (!Up(i)) return std::nullopt;
  auto shares = validators_[i]->service->MaskShares(attempt);
  if (!shares) return std::nullopt;
  if (IsLiar(i) && !options_.adversary->TellMasks(PositionOf(i), *shares)) return std::nullopt;
  return std::move(*shares);
}

const std::optional<node::ProvenBlock>& World::ProvenBy(std::uint16_t i) const {
  return validators_[i]->machine->proven();
}

const node::KeyValueStore& World::StoreOf(std::uint16_t i) const {
  return validators_[i]->store;
}

const node::Snapshot& World::LedgerOf(std::uint16_t i) const {
  return validators_[i]->machine->latest();
}

}  // namespace sim
