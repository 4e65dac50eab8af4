// Blocks: the header that n - f validators sign, the receipts under it, and proofs of state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/result.h"

namespace proto {

// One commit makes one block.
struct BlockHeader {
  std::uint64_t height = 0;        // Genesis is block 0.
  Digest parent;                   // BlockDigest of the block below; zero for genesis.
  std::uint64_t round = 0;         // Of the committed leader: the ledger's only clock.
  std::uint64_t commit_index = 0;  // From 1; 0 for genesis.
  Digest leader;                   // The committed leader's certificate.
  Digest transactions_root;        // MerkleRoot over MerkleLeaf of each transaction's bytes.
  Digest receipts_root;            // MerkleRoot over ReceiptLeaf of each receipt.
  Digest state_root;               // After the block.
  Digest committee_hash;           // Who signs: CommitteeHash of the epoch.
  // CommitteeHash of the next epoch when this is the last block of its own; else zero.
  Digest next_committee_hash;

  bool operator==(const BlockHeader&) const = default;
};

Bytes EncodeBlockHeader(const BlockHeader& header);
Result<BlockHeader> DecodeBlockHeader(ByteSpan bytes);
Digest BlockDigest(const BlockHeader& header);

// What became of a transaction.
//   Done     it was executed.
//   Refused  it was not executed: no fee is paid, no nonce used, it may be ordered again. (What it
//            proves about a validator that signed it is kept all the same.)
//   Failed   its fee is paid and its nonce used, but what it asked for was not done.
enum class ReceiptCode : std::uint8_t {
  kDone = 1,
  // Refused.
  kMalformed,   // No transaction at all.
  kWrongChain,  // Made for another chain.
  kBadSignature,
  kBadNonce,       // Replayed, or ahead of the account.
  kNoFee,          // The sender cannot pay the fee.
  kNotValidator,   // A validator's payload from somebody else.
  kDuplicate,      // A validator's payload whose effect is there already.
  kTooEarly,       // A validator's payload that may be ordered again later.
  kTooLate,        // A validator's payload that came after the matter was decided.
  kContradiction,  // A validator's payload against an earlier one of its own.
  kNotFound,       // A validator's payload about what does not exist.
  kInvalid,        // A validator's payload that fails its own check.
  // Failed.
  kNoFunds,
  kNoModel,  // Unknown, or not yet active.
  kNoBucket,
  kNoRequest,
  kNotOwner,
  kWrongState,  // The request is not open, or has no bundle yet, or was submitted.
  kWrongLength,
  kTokenRange,
  kBadManifest,
  kModelExists,
  kLimit,         // A named limit of the chain is reached.
  kNoCommittee,   // The validators are not 3t + 1 in number, or more than 13.
  kBadRecipient,  // Not a public key.
  kBadValidator,  // The stake is too small, or the card invalid or another's.
};
inline constexpr ReceiptCode kReceiptCodeLast = ReceiptCode::kBadValidator;

// Done or failed, not refused.
constexpr bool IsExecuted(ReceiptCode code) {
  return code == ReceiptCode::kDone || code >= ReceiptCode::kNoFunds;
}
std::string_view ReceiptCodeName(ReceiptCode code);  // "no_funds", for interfaces.

struct Receipt {
  Digest transaction;  // Its id.
  ReceiptCode code{};
  Digest created_model;               // By RegisterModel; else zero.
  std::uint64_t created_request = 0;  // By OpenRequest; else zero.
  // For people, one sentence; not hashed, so that wording never forks the chain.
  std::string message;

  bool operator==(const Receipt&) const = default;
};

Bytes EncodeReceipt(const Receipt& receipt);  // Without the message.
Result<Receipt> DecodeReceipt(ByteSpan bytes);
Digest ReceiptLeaf(const Receipt& receipt);

// From the root to where a key's path ends: in a leaf, the key's own (it is present) or another's
// (it is absent), or in nothing (absent). See node/ledger/state_tree.h.
inline constexpr std::size_t kStatePathMax = 256;

struct StateProof {
  struct Leaf {
    Digest path;
    Digest value_hash;
    bool operator==(const Leaf&) const = default;
  };
  std::vector<Digest> siblings;  // From the root down.
  std::optional<Leaf> leaf;      // Where the path ends.

  bool operator==(const StateProof&) const = default;
};

Bytes EncodeStateProof(const StateProof& proof);
Result<StateProof> DecodeStateProof(ByteSpan bytes);

}  // namespace proto
