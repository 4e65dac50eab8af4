// The world's oracles.

#include <algorithm>

#include "node/ledger/light_client.h"
#include "node/rpc/block_reader.h"
#include "tests/sim/membership/world.h"
#include "tests/sim/membership/world_node.h"

namespace sim {

using node::LedgerMachine;
using proto::Digest;
using proto::PublicKey;

// ---- oracles ------------------------------------------------------------------------------------

void MembershipWorld::CheckBlocks(std::uint16_t i) {
  Node& node = *nodes_[i];
  const node::Snapshot& latest = node.machine->latest();
  for (std::uint64_t height = node.checked + 1; height <= latest.header().height; ++height) {
    const auto header = node::ReadHeader(node.store, height);
    if (!header || !*header) return Fail("block " + std::to_string(height) + " cannot be read");
    const Digest digest = proto::BlockDigest(**header);
    if (blocks_.size() >= height && blocks_[height - 1] != digest) {
      return Fail("nodes differ in block " + std::to_string(height));
    }
    if (blocks_.size() >= height) continue;
    if (blocks_.size() + 1 != height) return Fail("a snapshot of an unknown block");
    blocks_.push_back(digest);
    const auto block = node::ReadBlock(node.store, height);
    if (!block || !*block) return Fail("block " + std::to_string(height) + " cannot be read");
    for (const proto::Receipt& receipt : (*block)->receipts) {
      if (receipt.code == proto::ReceiptCode::kDone &&
          !executed_.insert(receipt.transaction).second) {
        return Fail("a transaction is executed twice");
      }
    }
  }
  node.checked = std::max(node.checked, latest.header().height);
  const auto signatures = node::ReadSignatures(node.store, latest.header().height);
  if (!signatures) return Fail(signatures.error().message);
  const auto& proven = node.machine->proven();
  if (!signatures->empty() && (!proven || proven->header != latest.header())) {
    Fail(node.name + " has n - f signatures on its newest block and does not know it");
  }
}

void MembershipWorld::CheckSaid(const LedgerMachine::Message& message, std::uint16_t i) {
  const node::Members& members = message.epoch->validators;
  const auto once = [&](const std::string& what, const PublicKey& key, std::uint64_t round,
                        std::uint64_t author, const Digest& digest) {
    const auto [said, first] =
        said_.emplace(std::tuple(what, key, members.epoch, round, author), digest);
    const std::size_t told = told_[{i, nodes_[i]->life, members.epoch}].size();
    if (first && !nodes_[i]->knows_more && told + 1 < members.committee.quorum()) {
      Fail(nodes_[i]->name + " speaks in epoch " + std::to_string(members.epoch) +
           " before it is sure of its words");
    }
    if (first || said->second == digest) return;
    Fail(nodes_[i]->name + " says two things in epoch " + std::to_string(members.epoch) + ": " +
         what + " of round " + std::to_string(round));
  };
  if (const auto* const header = std::get_if<proto::dag::Header>(&message.message)) {
    const PublicKey& author = members.keys[Index(header->author)];
    if (NodeOf(author) == i) once("header", author, header->round, 0, header->digest);
  }
  if (const auto* const vote = std::get_if<proto::dag::Vote>(&message.message)) {
    once("vote", members.keys[Index(vote->voter)], vote->round, Index(vote->author), vote->header);
  }
}

void MembershipWorld::CheckHistory(std::uint16_t i) {
  const Node& node = *nodes_[i];
  node::LightClient client(genesis_);
  const std::uint64_t newest = node.machine->epoch()->record.number;
  for (std::uint64_t number = proto::kFirstEpoch + 1; number <= newest; ++number) {
    const auto bytes = node::ReadLink(node.store, number);
    if (!bytes || !*bytes) {
      return Fail(node.name + " lacks the link to epoch " + std::to_string(number));
    }
    const auto link = proto::DecodeLink(**bytes);
    if (!link) return Fail(link.error().message);
    if (const auto followed = client.Follow(*link); !followed) {
      return Fail(node.name + ": " + followed.error().message);
    }
  }
  std::uint64_t believed = 0;
  std::optional<proto::BlockHeader> last;
  for (std::uint64_t height = 1; height <= node.machine->latest().header().height; ++height) {
    const auto header = node::ReadHeader(node.store, height);
    if (!header) return Fail(header.error().message);
    if (!*header) {  // Below a snapshot.
      last.reset();
      continue;
    }
    if (last && (*header)->parent != proto::BlockDigest(*last)) {
      return Fail(node.name + ": block " + std::to_string(height) + " has another parent");
    }
    last = **header;
    const auto signatures = node::ReadSignatures(node.store, height);
    if (!signatures) return Fail(signatures.error().message);
    if (signatures->empty()) continue;
    if (const auto valid = client.VerifyHeader(**header, *signatures); !valid) {
      return Fail(node.name + ": block " + std::to_string(height) + ": " + valid.error().message);
    }
    ++believed;
  }
  if (believed == 0) Fail(node.name + " has no signed block");
}

}  // namespace sim
