#include "consensus/commit/tusk.h"

#include <algorithm>

#include "consensus/wave.h"
#include "proto/base/check.h"

namespace consensus {

std::vector<CertificatePtr> Tusk::Decide(const Dag& dag, const Leaders& leaders,
                                         std::uint64_t last) const {
  const auto find = [&](std::uint64_t round) -> CertificatePtr {
    const auto leader = leaders.Leader(round);
    return leader ? dag.Find(round, *leader) : nullptr;
  };
  const std::uint64_t first = std::max(last + kLeaderDistance, kFirstLeaderRound);
  // Ascending: data that come late can commit an older leader directly.
  for (std::uint64_t round = first; round < dag.highest_round(); round += kLeaderDistance) {
    CertificatePtr accepted = find(round);
    if (!accepted || dag.Votes(accepted->header.reference()) < committee_.validity()) continue;
    std::vector<CertificatePtr> chain = {accepted};
    for (std::uint64_t older = round - kLeaderDistance; older >= first; older -= kLeaderDistance) {
      // The votes rest on n - f vertices of each earlier round, each with its share of the coin.
      CHECK(leaders.Leader(older).has_value());
      const CertificatePtr candidate = find(older);
      if (candidate && dag.HasStrongPath(*accepted, candidate->header.reference())) {
        accepted = candidate;
        chain.push_back(candidate);
      }
    }
    std::reverse(chain.begin(), chain.end());
    return chain;
  }
  return {};
}

}  // namespace consensus
