// Certificates and headers that wait for what they name: certificates of earlier rounds, batches.
//
// An item is parked with its needs, and given back when the last of them is supplied. A need is
// first asked for one tick after it arose (most are on their way), of the peer that sent the item;
// then every kRetryTicks of the next peer. Whatever a certified vertex names, f + 1 honest parties
// hold: so some peer answers.
//
// Bounded: one header an author (the newest), one certificate a (round, author), rounds up to
// kRoundsAheadMax above the highest known.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "consensus/config.h"
#include "consensus/dag/dag.h"
#include "consensus/step.h"

namespace consensus {

// A vertex's certificate, or a batch by its digest.
using Need = std::variant<Reference, proto::Digest>;

class Backlog {
 public:
  using Item = std::variant<CertificatePtr, Header>;

  explicit Backlog(const Config& config) : config_(config) {}

  // `needs` is not empty.
  void Park(Item item, proto::PartyId from, const std::vector<Need>& needs);
  // The certificate or batch of that digest is there: what now lacks nothing, certificates first,
  // by round.
  std::vector<Item> Supply(const proto::Digest& digest);

  // The parked certificate of that place, or null.
  CertificatePtr FindCertificate(std::uint64_t round, proto::PartyId author) const;
  bool IsNeeded(const proto::Digest& digest) const { return needs_.count(digest) == 1; }
  // The newest round of a parked certificate that needs this batch.
  std::optional<std::uint64_t> CertifiedNeed(const proto::Digest& batch) const;
  bool empty() const { return parked_.empty(); }
  std::size_t size() const { return parked_.size(); }

  // Drops the items of rounds up to `round`, and takes out the certificates that wait for vertices
  // of such rounds: their needs are to be seen anew.
  std::vector<CertificatePtr> Collect(std::uint64_t round);

  // Requests that are due. Without `tick` only those never made.
  void Ask(bool tick, Step& step);
  // What was asked of `peer` is lost with the link: due again at the next tick.
  void PeerConnected(proto::PartyId peer);

 private:
  // Certificates before headers, by place.
  struct Id {
    bool header = false;
    std::uint64_t round = 0;
    proto::PartyId author{};
    auto operator<=>(const Id&) const = default;
  };
  struct Parked {
    Item item;
    std::set<proto::Digest> missing;
  };
  struct Wanted {
    Need need;
    std::set<Id> by;
    proto::PartyId source{};  // Whom to ask first.
    std::uint32_t asked = 0;  // Times.
    std::uint32_t age = 0;    // Ticks since it arose or was last asked for.
  };

  static Id IdOf(const Item& item);
  static const Header& HeaderOf(const Item& item);
  void Remove(const Id& id);
  proto::PartyId PeerToAsk(const Wanted& wanted) const;

  const Config& config_;
  std::map<Id, Parked> parked_;
  std::map<proto::Digest, Wanted> needs_;
};

}  // namespace consensus
