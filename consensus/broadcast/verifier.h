// What can be said of a message without looking at the DAG: whether it is of this chain and epoch,
// well formed for this committee, and signed.
//
// Cost, in signature checks (about 35 us each): a header 1, and 1 for each block vote in it, and a
// DLEQ check (150 us) for a coin share; a vote 1; a certificate n - f, less an own vote in it, and
// 1 if its header is new. What a certificate vouches for (the header's shares and block votes) was
// checked by f + 1 honest voters and is not checked again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "consensus/config.h"
#include "consensus/step.h"

namespace consensus {

class Verifier {
 public:
  explicit Verifier(const Config& config) : config_(config) {}

  // What is wrong with it, or nothing. Headers once found right are remembered by digest.
  std::optional<proto::FaultKind> Check(const Header& header);
  std::optional<proto::FaultKind> Check(const Vote& vote);
  std::optional<proto::FaultKind> Check(const Certificate& certificate);

  // Made here: not checked again.
  void Trust(const Header& header);
  void Trust(const Certificate& certificate);
  void Trust(const Vote& own);

  // Forgets what is remembered of rounds up to `round`.
  void Collect(std::uint64_t round);

  std::uint64_t signature_checks() const { return signature_checks_; }
  std::uint64_t share_checks() const { return share_checks_; }

 private:
  bool IsMember(proto::PartyId party) const {
    return proto::Index(party) < config_.committee.size();
  }
  bool IsSigned(proto::PartyId by, const proto::Digest& digest, const proto::Signature& signature);
  bool IsWellFormed(const Header& header) const;
  bool IsKnown(const Header& header) const;
  bool IsKnown(const Certificate& certificate) const;
  bool IsOwnVote(const Header& header, proto::PartyId voter,
                 const proto::Signature& signature) const;

  const Config& config_;
  std::map<std::uint64_t, std::map<proto::Digest, proto::Signature>> headers_;
  // Assembled here, with these very votes: others may send the same vertex with worse ones.
  std::map<std::uint64_t, std::map<proto::Digest, decltype(Certificate::votes)>> certificates_;
  std::map<std::uint64_t, std::map<proto::Digest, proto::Signature>> own_votes_;
  std::uint64_t signature_checks_ = 0;
  std::uint64_t share_checks_ = 0;
};

}  // namespace consensus
