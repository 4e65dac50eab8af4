#include "node/ledger/light_client.h"

#include <set>
#include <string>

#include "node/ledger/state_tree.h"
#include "proto/checkpoint.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;

proto::Result<> VerifyHeader(
    const proto::Genesis& genesis, const proto::BlockHeader& header,
    std::span<const std::pair<proto::PartyId, proto::Signature>> signatures) {
  if (header.committee_hash != proto::CommitteeHash(genesis)) {
    return Fail(ErrorCode::kDenied, "the block is signed by another committee");
  }
  const proto::Committee committee = genesis.committee();
  const proto::Digest digest = proto::CheckpointDigest(
      proto::ChainId(genesis), proto::kEpoch, header.commit_index, proto::BlockDigest(header));
  std::set<proto::PartyId> signers;
  for (const auto& [party, signature] : signatures) {
    const std::string who = "party " + std::to_string(Index(party));
    if (Index(party) >= committee.size()) {
      return Fail(ErrorCode::kDenied, who + " is no validator");
    }
    if (!signers.insert(party).second) {
      return Fail(ErrorCode::kDenied, who + " has signed the block twice");
    }
    if (!proto::Verify(genesis.validators[Index(party)].key, digest, signature)) {
      return Fail(ErrorCode::kDenied, "the block's signature of " + who + " is not valid");
    }
  }
  if (signers.size() >= committee.quorum()) return {};
  return Fail(ErrorCode::kDenied, "the block has " + std::to_string(signers.size()) +
                                      " signatures and needs " +
                                      std::to_string(committee.quorum()));
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
