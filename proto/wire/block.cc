#include "proto/wire/block.h"

#include <array>

#include "proto/crypto/hash.h"
#include "proto/crypto/merkle.h"
#include "proto/wire/fields.h"

namespace proto {

void Fields(auto& io, Of<BlockHeader> auto& header) {
  io(header.height, header.parent, header.round, header.commit_index, header.leader,
     header.transactions_root, header.receipts_root, header.state_root, header.committee_hash,
     header.next_committee_hash);
}

void Fields(auto& io, Of<Receipt> auto& receipt) {
  io(receipt.transaction);
  io.Choice(receipt.code, kReceiptCodeLast);
  io(receipt.created_model, receipt.created_request);
}

void Fields(auto& io, Of<StateProof> auto& proof) {
  io.List(proof.siblings, kStatePathMax);
  io.Optional(proof.leaf, [&](auto& leaf) { io(leaf.path, leaf.value_hash); });
}

Bytes EncodeBlockHeader(const BlockHeader& header) {
  return EncodeFields(header);
}
Result<BlockHeader> DecodeBlockHeader(ByteSpan bytes) {
  return DecodeFields<BlockHeader>(bytes, "block header");
}
Digest BlockDigest(const BlockHeader& header) {
  return Hash("waxseal/block", {EncodeBlockHeader(header)});
}

Bytes EncodeReceipt(const Receipt& receipt) {
  return EncodeFields(receipt);
}
Result<Receipt> DecodeReceipt(ByteSpan bytes) {
  return DecodeFields<Receipt>(bytes, "receipt");
}
Digest ReceiptLeaf(const Receipt& receipt) {
  return MerkleLeaf(EncodeReceipt(receipt));
}

Bytes EncodeStateProof(const StateProof& proof) {
  return EncodeFields(proof);
}
Result<StateProof> DecodeStateProof(ByteSpan bytes) {
  return DecodeFields<StateProof>(bytes, "proof of state");
}

std::string_view ReceiptCodeName(ReceiptCode code) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(kReceiptCodeLast)> kNames{
      "done",          "malformed",     "wrong_chain",  "bad_signature", "bad_nonce",
      "no_fee",        "not_validator", "duplicate",    "too_early",     "too_late",
      "contradiction", "not_found",     "invalid",      "no_funds",      "no_model",
      "no_bucket",     "no_request",    "not_owner",    "wrong_state",   "wrong_length",
      "token_range",   "bad_manifest",  "model_exists", "limit",         "no_committee",
      "bad_recipient", "bad_validator"};
  const auto index = static_cast<std::size_t>(code);
  return index >= 1 && index <= kNames.size() ? kNames[index - 1] : "unknown";
}

}  // namespace proto
