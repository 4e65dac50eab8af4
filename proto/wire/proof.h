// A proof that goes with an answer: a block that n - f validators signed, and what stands under it.
//
//   links          from genesis to the epoch that signs (proto/wire/epoch.h); none in the first
//   headers        of the block in question and of those after it, each the parent of the next, up
//                  to one that n - f validators signed; most often the block itself is signed
//   signatures     on the last header
//   records        of the block's state, present or absent, each with its way to the state's root
//   transaction    one of the block's, and its receipt, with their ways to the block's roots
//   receipts       all of the block's, in their order
//
// Every byte of it is bound by a hash or a signature (node/ledger/proof.h checks it); only which
// n - f of the signatures and which records went in was the maker's choice, and an absent record's
// proof serves every absent key of its corner of the tree. One encoding: it begins with the mark,
// has nothing left over, and its lists ascend.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/result.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"
#include "proto/wire/block.h"
#include "proto/wire/epoch.h"

namespace proto {

// The first bytes of an encoded proof; the last of them is the version of the form.
inline constexpr std::array<std::uint8_t, 4> kProofMark = {'W', 'X', 'P', 1};
inline constexpr std::size_t kProofBytesMax = std::size_t{16} << 20;
inline constexpr std::size_t kProofLinksMax = 4096;
inline constexpr std::size_t kProofHeadersMax = 64;
inline constexpr std::size_t kProofSignaturesMax = 128;
inline constexpr std::size_t kProofRecordsMax = 4096;
inline constexpr std::size_t kProofKeyBytesMax = 256;
inline constexpr std::size_t kProofReceiptsMax = 65536;
inline constexpr std::size_t kProofMerkleMax = 32;  // Levels of a block's trees.

struct Proof {
  struct Record {
    Bytes key;
    std::optional<Bytes> value;  // None: there is no such record.
    StateProof path;
    bool operator==(const Record&) const = default;
  };
  struct Transaction {
    Bytes bytes;
    Receipt receipt;  // Without its message, which no hash covers.
    std::uint64_t index = 0;
    std::uint64_t count = 0;  // Of the block's transactions.
    std::vector<Digest> path;
    std::vector<Digest> receipt_path;
    bool operator==(const Transaction&) const = default;
  };

  std::vector<EpochLink> links;      // Ascending by epoch.
  std::vector<BlockHeader> headers;  // At least one.
  BlockSignatures signatures;        // Ascending by party.
  std::vector<Record> records;       // Ascending by key.
  std::optional<Transaction> transaction;
  std::optional<std::vector<Receipt>> receipts;  // Without messages.

  bool operator==(const Proof&) const = default;
};

// Whether the bytes begin as a proof does.
bool IsProof(ByteSpan bytes);
// kExhausted when a limit above is passed.
Result<Bytes> EncodeProof(const Proof& proof);
Result<Proof> DecodeProof(ByteSpan bytes);

}  // namespace proto
