#include "proto/wire/block.h"

#include <array>

#include "proto/crypto/hash.h"
#include "proto/crypto/merkle.h"
#include "proto/wire/fields.h"

namespace proto {

Bytes EncodeBlockHeader(const BlockHeader& header) {
  FieldWriter out;
  out.U64(header.height);
  out.Name(header.parent);
  out.U64(header.round);
  out.U64(header.commit_index);
  out.Name(header.leader);
  out.Name(header.transactions_root);
  out.Name(header.receipts_root);
  out.Name(header.state_root);
  out.Name(header.committee_hash);
  return out.Take();
}

Result<BlockHeader> DecodeBlockHeader(ByteSpan bytes) {
  FieldReader in(bytes);
  BlockHeader header;
  header.height = in.U64();
  header.parent = in.Name();
  header.round = in.U64();
  header.commit_index = in.U64();
  header.leader = in.Name();
  header.transactions_root = in.Name();
  header.receipts_root = in.Name();
  header.state_root = in.Name();
  header.committee_hash = in.Name();
  if (auto done = in.Finish("block header"); !done) return tl::unexpected(done.error());
  return header;
}

Digest BlockDigest(const BlockHeader& header) {
  return Hash("waxseal/block", {EncodeBlockHeader(header)});
}

std::string_view ReceiptCodeName(ReceiptCode code) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(kReceiptCodeLast)> kNames{
      "done",          "malformed",    "wrong_chain", "bad_signature", "bad_nonce",     "no_fee",
      "not_validator", "duplicate",    "too_early",   "too_late",      "contradiction", "not_found",
      "invalid",       "no_funds",     "no_model",    "no_bucket",     "no_request",    "not_owner",
      "wrong_state",   "wrong_length", "token_range", "bad_manifest",  "model_exists",  "limit",
      "no_committee",  "bad_recipient"};
  const auto index = static_cast<std::size_t>(code);
  return index >= 1 && index <= kNames.size() ? kNames[index - 1] : "unknown";
}

Bytes EncodeReceipt(const Receipt& receipt) {
  FieldWriter out;
  out.Name(receipt.transaction);
  out.U8(static_cast<std::uint8_t>(receipt.code));
  out.Name(receipt.created_model);
  out.U64(receipt.created_request);
  return out.Take();
}

Result<Receipt> DecodeReceipt(ByteSpan bytes) {
  FieldReader in(bytes);
  Receipt receipt;
  receipt.transaction = in.Name();
  receipt.code = in.Choice(kReceiptCodeLast);
  receipt.created_model = in.Name();
  receipt.created_request = in.U64();
  if (auto done = in.Finish("receipt"); !done) return tl::unexpected(done.error());
  return receipt;
}

Digest ReceiptLeaf(const Receipt& receipt) {
  return MerkleLeaf(EncodeReceipt(receipt));
}

Bytes EncodeStateProof(const StateProof& proof) {
  FieldWriter out;
  out.Each(proof.siblings, [&](const Digest& sibling) { out.Name(sibling); });
  out.Bool(proof.leaf.has_value());
  if (proof.leaf) {
    out.Name(proof.leaf->path);
    out.Name(proof.leaf->value_hash);
  }
  return out.Take();
}

Result<StateProof> DecodeStateProof(ByteSpan bytes) {
  FieldReader in(bytes);
  StateProof proof;
  proof.siblings = in.Each(kStatePathMax, [&] { return in.Name(); });
  if (in.Bool()) {
    proof.leaf.emplace();
    proof.leaf->path = in.Name();
    proof.leaf->value_hash = in.Name();
  }
  if (auto done = in.Finish("proof of state"); !done) return tl::unexpected(done.error());
  return proof;
}

}  // namespace proto
