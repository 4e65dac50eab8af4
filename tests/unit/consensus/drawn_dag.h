// DAGs drawn by hand or at random, without keys: certificates that the pure rules cannot tell from
// real ones.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "consensus/commit/commit_rule.h"
#include "consensus/dag/dag.h"
#include "proto/crypto/hash.h"

namespace consensus {

using Authors = std::vector<std::uint16_t>;
using Place = std::pair<std::uint64_t, std::uint16_t>;  // Round, author.

inline Reference At(std::uint64_t round, std::uint16_t author) {
  return {round, proto::PartyId{author},
          proto::Hasher("test/vertex").Add(round).Add(std::uint64_t{author}).Finish()};
}

inline CertificatePtr Draw(std::uint64_t round, std::uint16_t author, const Authors& parents,
                           const std::vector<Place>& weak = {}) {
  auto certificate = std::make_shared<Certificate>();
  Header& header = certificate->header;
  header.round = round;
  header.author = proto::PartyId{author};
  header.digest = At(round, author).digest;
  for (const std::uint16_t parent : parents) header.parents.push_back(At(round - 1, parent));
  for (const auto& [weak_round, weak_author] : weak) {
    header.weak.push_back(At(weak_round, weak_author));
  }
  return certificate;
}

class DrawnLeaders : public Leaders {
 public:
  explicit DrawnLeaders(std::map<std::uint64_t, std::uint16_t> leaders)
      : leaders_(std::move(leaders)) {}
  std::optional<proto::PartyId> Leader(std::uint64_t round) const override {
    const auto it = leaders_.find(round);
    if (it == leaders_.end()) return std::nullopt;
    return proto::PartyId{it->second};
  }

 private:
  std::map<std::uint64_t, std::uint16_t> leaders_;
};

// A whole random DAG: every round with at least a quorum of authors, each with a random quorum (or
// more) of parents and now and then a weak link.
inline std::vector<CertificatePtr> DrawRandomDag(const proto::Committee& committee,
                                                 std::uint64_t rounds, std::mt19937_64& random) {
  std::vector<CertificatePtr> vertices;
  Authors previous;
  std::vector<Place> older;
  const auto some = [&](Authors from, std::size_t least) {
    std::shuffle(from.begin(), from.end(), random);
    from.resize(least + random() % (from.size() - least + 1));
    std::sort(from.begin(), from.end());
    return from;
  };
  Authors everyone;
  for (std::uint16_t i = 0; i < committee.size(); ++i) everyone.push_back(i);
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    const Authors authors = some(everyone, committee.quorum());
    for (const std::uint16_t author : authors) {
      const Authors parents = round == 1 ? Authors{} : some(previous, committee.quorum());
      std::vector<Place> weak;
      if (!older.empty() && random() % 3 == 0) weak.push_back(older[random() % older.size()]);
      vertices.push_back(Draw(round, author, parents, weak));
    }
    for (const std::uint16_t author : previous) older.emplace_back(round - 1, author);
    previous = authors;
  }
  return vertices;
}

}  // namespace consensus
