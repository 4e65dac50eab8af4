// The messages of a preprocessing attempt as checked values, and their codec.
//
// The decoder checks lengths, counts and orders against the limits below; what needs the plan or
// the committee's keys (how many values a layer has, signatures, shares) is checked by
// mpc/preprocessing. `values` keep the bytes received: they are hashed as they came.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "proto/attempt.h"
#include "proto/base/bytes.h"
#include "proto/committee.h"
#include "proto/crypto/coin.h"
#include "proto/crypto/signature.h"

namespace proto {

inline constexpr std::size_t kElementBytes = 16;
// 768 MiB: what the bulk channel carries in one message, less the rest of the message.
inline constexpr std::size_t kLayerBytesMax = std::size_t{768} << 20;
inline constexpr std::size_t kAttemptPartiesMax = 64;
inline constexpr std::size_t kAttemptLayersMax = 64;
inline constexpr std::size_t kOpeningElements = 3;
inline constexpr std::size_t kSetKeyBytes = 32;
inline constexpr std::size_t kSetKeysMax = 2 * 715;  // C(13, 4), and of the masks as many.

// A member's degree-2t message vector of a layer, for a king.
struct LayerVector {
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;
  Bytes values;
  Signature signature;
};

// The opened values c that the king interpolated from the vectors of n - t senders.
struct KingLayer {
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;
  Bytes values;
  std::vector<SignedRoot> senders;  // Strictly ascending by party.
};

// "I hold values with this root", for their king. The signature is over EchoDigest.
struct Echo {
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;
  PartyId king{};
  Digest root;
  Digest senders;
  Signature signature;
};

// Asks for the values of a fixed layer; of a layer that the answerer has not seen fixed, for
// whatever it can contribute to it.
struct FetchLayer {
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;
};

struct LayerValues {
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;
  Bytes values;
};

// A share of the coin that challenges the verification's step.
struct CoinShareMessage {
  std::uint64_t attempt = 0;
  std::uint32_t step = 0;
  CoinShare share;
};

// Shares of the last triple: kOpeningElements elements.
struct VerifyOpening {
  std::uint64_t attempt = 0;
  Bytes values;
  Signature signature;
};

// Once the attempt is dead: its keys of the sets that the sender is a member of, by set,
// kSetKeyBytes each; after those of a further segment the same of its bundle's masks.
struct KeyReveal {
  std::uint64_t attempt = 0;
  Bytes keys;
};

// The king's list of a fixed layer, as its certificate names it.
struct LayerSenders {
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;
  std::vector<SignedRoot> senders;  // Strictly ascending by party.
};

using AttemptMessage = std::variant<LayerVector, KingLayer, Echo, FetchLayer, LayerValues,
                                    CoinShareMessage, VerifyOpening, KeyReveal, LayerSenders>;

Bytes Encode(const AttemptMessage& message);
Result<AttemptMessage> DecodeAttemptMessage(ByteSpan bytes);

}  // namespace proto
