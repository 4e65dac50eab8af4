// What the machines of a genesis ceremony tell each other, and its bytes. Who says it is known from
// the connection; what must convince third parties is signed besides.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"

namespace node::genesis {

inline constexpr std::size_t kReasonBytesMax = 400;

// Round 1, to everyone, again whenever another is heard: here for this proposal. The session begins
// for who heard all parties list the same nonces, so that none of them is of a process long gone.
struct Opening {
  proto::Digest proposal;
  proto::Digest nonce;                 // Fresh with the process.
  std::vector<proto::Digest> nonces;   // Heard so far, by party; zero where none.
  std::uint64_t version = 0;           // The later counts.
  std::optional<proto::Digest> chain;  // Of a document this machine signed before it was stopped.

  bool operator==(const Opening&) const = default;
};

// Round 2, to everyone: hashes of what will be shown.
struct Commitment {
  proto::Digest dealing;             // DealingDigest
  proto::PublicKey ephemeral;        // Parts for the author are sealed to it.
  std::vector<proto::Digest> parts;  // By set that holds the author.
  proto::Signature signature;        // Of CommitmentDigest.

  bool operator==(const Commitment&) const = default;
};

// Round 3, to everyone: the commitments heard, by party.
struct Echo {
  std::vector<proto::Digest> commitments;  // CommitmentDigest
  std::vector<proto::Signature> signatures;

  bool operator==(const Echo&) const = default;
};

// Round 4, to everyone: the dealing.
struct Showing {
  proto::Bytes dealing;  // EncodeDealing

  bool operator==(const Showing&) const = default;
};

// Round 4, to one member: the parts of sets that hold author and recipient.
struct SealedParts {
  proto::Bytes sealed;

  bool operator==(const SealedParts&) const = default;
};

// Round 5, to everyone: this is the genesis document's chain.
struct Agreement {
  proto::Digest chain;
  proto::Signature signature;  // Of AgreementDigest(chain).

  bool operator==(const Agreement&) const = default;
};

// At the end, to everyone: all signatures, by party. Completes whom a liar left out.
struct Certificate {
  proto::Digest chain;
  std::vector<proto::Signature> signatures;

  bool operator==(const Certificate&) const = default;
};

// Instead of any of them: the author gives up, and why.
struct Refusal {
  proto::Digest session;
  std::string reason;  // One printable line.

  bool operator==(const Refusal&) const = default;
};

using Message =
    std::variant<Opening, Commitment, Echo, Showing, SealedParts, Agreement, Certificate, Refusal>;

proto::Digest CommitmentDigest(const proto::Digest& session, proto::PartyId author,
                               const Commitment& commitment);
proto::Digest DealingDigest(const proto::Digest& session, proto::PartyId author,
                            proto::ByteSpan dealing);
proto::Digest AgreementDigest(const proto::Digest& chain);

proto::Bytes Encode(const Message& message);
// kInvalidArgument unless the bytes are Encode's of a message within the limits of any ceremony;
// that the counts fit this one is the ceremony's to check.
proto::Result<Message> Decode(proto::ByteSpan bytes);

}  // namespace node::genesis
