#include "node/ledger/light_client.h"

#include <set>
#include <string>

#include "node/ledger/state_tree.h"
#include "proto/checkpoint.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;

proto::Result<> VerifyHeader(const proto::Digest& chain, const proto::EpochRecord& epoch,
                             const proto::BlockHeader& header, Signatures signatures) {
  if (header.committee_hash != proto::CommitteeHash(epoch)) {
    return Fail(ErrorCode::kDenied, "the block is signed by another committee");
  }
  const proto::Committee committee = epoch.committee();
  const proto::Digest digest =
      proto::CheckpointDigest(chain, epoch.number, header.commit_index, proto::BlockDigest(header));
  std::set<proto::PartyId> signers;
  for (const auto& [party, signature] : signatures) {
    const std::string who = "party " + std::to_string(Index(party));
    if (Index(party) >= committee.size()) {
      return Fail(ErrorCode::kDenied, who + " is no validator");
    }
    if (!signers.insert(party).second) {
      return Fail(ErrorCode::kDenied, who + " has signed the block twice");
    }
    if (!proto::Verify(epoch.validators[Index(party)].key, digest, signature)) {
      return Fail(ErrorCode::kDenied, "the block's signature of " + who + " is not valid");
    }
  }
  if (signers.size() >= committee.quorum()) return {};
  return Fail(ErrorCode::kDenied, "the block has " + std::to_string(signers.size()) +
                                      " signatures and needs " +
                                      std::to_string(committee.quorum()));
}

namespace {

proto::Result<> RefuseLink(const proto::EpochLink& link, const std::string& what) {
  return Fail(ErrorCode::kDenied,
              "the link to epoch " + std::to_string(link.next.number) + " " + what);
}

}  // namespace

proto::Result<> VerifyLink(const proto::Digest& chain, const proto::EpochRecord& epoch,
                           const proto::EpochLink& link) {
  if (link.next.number != epoch.number + 1) return RefuseLink(link, "leaves out epochs");
  if (link.next.first_height != link.header.height + 1) return RefuseLink(link, "has a gap");
  if (link.header.next_committee_hash != proto::CommitteeHash(link.next)) {
    return RefuseLink(link, "names another committee");
  }
  return VerifyHeader(chain, epoch, link.header, link.signatures);
}

LightClient::LightClient(const proto::Genesis& genesis)
    : genesis_(genesis), chain_(proto::ChainId(genesis)), epochs_{proto::FirstEpoch(genesis)} {}

proto::Result<> LightClient::Follow(const proto::EpochLink& link) {
  if (const proto::EpochRecord* known = epoch(link.next.number)) {
    if (*known == link.next) return {};
    return RefuseLink(link, "leads to another committee than an earlier one");
  }
  if (auto verified = VerifyLink(chain_, epoch(), link); !verified) return verified;
  epochs_.push_back(link.next);
  return {};
}

const proto::EpochRecord* LightClient::epoch(std::uint64_t number) const {
  const bool is_here = number >= proto::kFirstEpoch && number < proto::kFirstEpoch + epochs_.size();
  return is_here ? &epochs_[number - proto::kFirstEpoch] : nullptr;
}

const proto::EpochRecord& LightClient::EpochOf(std::uint64_t height) const {
  auto after = epochs_.begin() + 1;
  while (after != epochs_.end() && after->first_height <= height) ++after;
  return *(after - 1);
}

proto::Result<> LightClient::VerifyHeader(const proto::BlockHeader& header,
                                          Signatures signatures) const {
  // The header's hash of its committee must agree.
  return node::VerifyHeader(chain_, EpochOf(header.height), header, signatures);
}

proto::Result<> VerifyState(const proto::Digest& state_root, proto::ByteSpan key,
                            const std::optional<proto::Bytes>& value,
                            const proto::StateProof& proof) {
  if (VerifyStateProof(state_root, key, value, proof)) return {};
  return Fail(ErrorCode::kDenied, "the proof does not lead from the record to the state's root");
}

proto::Result<> VerifyTransaction(const proto::BlockHeader& header, proto::ByteSpan transaction,
                                  const proto::MerkleProof& proof) {
  if (proto::VerifyMerkleProof(header.transactions_root, proto::MerkleLeaf(transaction), proof)) {
    return {};
  }
  return Fail(ErrorCode::kDenied, "the proof does not lead from the transaction to the block");
}

proto::Result<> VerifyReceipt(const proto::BlockHeader& header, const proto::Receipt& receipt,
                              const proto::MerkleProof& proof) {
  if (proto::VerifyMerkleProof(header.receipts_root, proto::ReceiptLeaf(receipt), proof)) return {};
  return Fail(ErrorCode::kDenied, "the proof does not lead from the receipt to the block");
}

}  // namespace node
