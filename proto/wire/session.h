// The messages of an online session as checked values, and their codec.
//
// The decoder checks lengths against the limits below; what needs the plan or the committee's keys
// (how many values a round has, signatures) is checked by mpc/online. `values` keep the bytes
// received: they are hashed as they came.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "proto/base/bytes.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"

namespace proto {

inline constexpr std::size_t kOpeningBytesMax = std::size_t{768} << 20;
// Of two a round at most.
inline constexpr std::uint32_t kExchangesMax = 1 << 17;

// One member's vector of an exchange: shares of what a round opens, or a batch's shares or values.
struct Opening {
  std::uint64_t request = 0;
  std::uint32_t exchange = 0;
  std::uint32_t latest = 0;  // The sender's newest exchange: a hint, not signed.
  Bytes values;
  Signature signature;
  std::optional<PartyId> receiver = {};  // Who alone it is for, if not everybody.

  bool operator==(const Opening&) const = default;
};

// Asks for the openings from an exchange on that the receiver has sent already.
struct ResendOpenings {
  std::uint64_t request = 0;
  std::uint32_t from_exchange = 0;

  bool operator==(const ResendOpenings&) const = default;
};

// Asks how far the receiver is.
struct AskProgress {
  std::uint64_t request = 0;

  bool operator==(const AskProgress&) const = default;
};

// The answer: openings of that many exchanges were sent before this message.
struct Progress {
  std::uint64_t request = 0;
  std::uint32_t opened = 0;

  bool operator==(const Progress&) const = default;
};

using SessionMessage = std::variant<Opening, ResendOpenings, AskProgress, Progress>;

Bytes Encode(const SessionMessage& message);
Result<SessionMessage> DecodeSessionMessage(ByteSpan bytes);

}  // namespace proto
