// An epoch: the validators that order and sign its blocks. Each block's header names its epoch's
// record by hash; the last header of an epoch also names the next one's. So whoever trusts one
// epoch's keys follows the chain through all later ones with a signed header each.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/result.h"
#include "proto/committee.h"
#include "proto/spec.h"
#include "proto/wire/block.h"

namespace proto {

inline constexpr std::uint64_t kFirstEpoch = 1;
// The largest committee that computes: C(13, 4) = 715 replicated keys.
inline constexpr std::uint16_t kComputingMax = 13;

struct EpochRecord {
  std::uint64_t number = kFirstEpoch;
  std::uint64_t first_height = 1;  // Of its first block; commit indices are heights.
  std::uint64_t first_round = 0;   // The ledger's round when it began: its DAG's rounds are added.
  std::uint16_t coin_threshold = 0;
  std::vector<ValidatorSpec> validators;  // Ascending by key: a party's id is its index.
  // Who computes, ascending; in MPC a party's id is its index here. Empty while there are no keys.
  std::vector<PartyId> computing;

  Committee committee() const { return Committee(static_cast<std::uint16_t>(validators.size())); }
  CoinPublicKey coin_key() const;
  std::vector<PublicKey> keys() const;
  std::vector<PublicKey> computing_keys() const;

  bool operator==(const EpochRecord&) const = default;
};

// The coin's key by the numbers that its parties have in MPC.
CoinPublicKey ComputingCoin(const EpochRecord& epoch);
EpochRecord FirstEpoch(const Genesis& genesis);
// As many as can compute: 3t + 1 of n and at most kComputingMax; none of more than 27, where their
// n - t shares would not make the coin.
std::uint16_t ComputingSize(std::size_t validators);

Bytes EncodeEpoch(const EpochRecord& epoch);
// kCorrupt for anything but the canonical bytes of a record whose validators ascend, that has a
// coin key for each and a threshold from f + 1 to n - f.
Result<EpochRecord> DecodeEpoch(ByteSpan bytes);
// What headers name an epoch by.
Digest CommitteeHash(const EpochRecord& epoch);

using BlockSignatures = std::vector<std::pair<PartyId, Signature>>;
inline constexpr std::size_t kEpochBytesMax = kValidatorsMax * (kCertificateBytesMax + 1024);
inline constexpr std::size_t kLinkBytesMax = kEpochBytesMax + (std::size_t{1} << 14);

// The step from an epoch to the next: its last header, n - f signatures on it, and the record that
// the header names.
struct EpochLink {
  BlockHeader header;
  BlockSignatures signatures;
  EpochRecord next;
  bool operator==(const EpochLink&) const = default;
};
Bytes EncodeLink(const EpochLink& link);
Result<EpochLink> DecodeLink(ByteSpan bytes);

}  // namespace proto
