// Small DAGs (small_dags.h) under names, as validators see them: the implementation beside the
// definition, in every view and with everything last that may be (exhaustive_test.cc argues why
// this covers all orders).
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "consensus/commit/sequencer.h"
#include "consensus/commit/tusk.h"
#include "proto/crypto/hash.h"
#include "tests/sim/consensus/reference.h"
#include "tests/sim/consensus/small_dags.h"

namespace sim {

using Commits = std::vector<ReferenceCommit>;

inline const proto::Committee kFour(small::kParties);

// Whose leaders are known: the bits are waves, round 2's lowest.
struct Coins {
  unsigned waves = 0;

  bool Known(std::uint64_t round) const {
    return consensus::IsLeaderRound(round) && waves >> (round / 2 - 1) & 1;
  }
};

class DrawnLeaders : public consensus::Leaders {
 public:
  using All = std::array<proto::PartyId, small::kRoundsMax + 1>;
  explicit DrawnLeaders(const All& all) : all_(all) {}
  Coins coins;
  std::optional<proto::PartyId> Leader(std::uint64_t round) const override {
    return coins.Known(round) ? std::optional(all_[round]) : std::nullopt;
  }

 private:
  const All& all_;
};

// A DAG under names: the real structures and the definition's.
class Case {
 public:
  Case(const small::SmallDag& dag, std::uint32_t gc_depth, std::mt19937_64& random)
      : gc_depth_(gc_depth) {
    std::array<std::array<std::uint16_t, small::kParties>, small::kRoundsMax + 1> names{};
    std::uint32_t named = 0;
    for (const auto& round : dag) counts_.push_back(small::Count(round));
    for (std::size_t r = small::kRoundsMax; r >= 1; --r) {
      names[r] = {0, 1, 2, 3};
      std::ranges::shuffle(names[r], random);
      leaders_[r] = proto::PartyId{names[r][0]};
    }
    std::vector<std::size_t> bits;
    for (std::size_t r = 1; r <= small::kRoundsMax; ++r) {
      for (std::size_t i = 0; i < small::kParties; ++i) {
        const small::Node& node = dag[r - 1][i];
        if (!node.present) continue;
        auto certificate = std::make_shared<consensus::Certificate>();
        consensus::Header& header = certificate->header;
        const consensus::Reference self = At(r, names[r][i]);
        header.round = r;
        header.author = self.author;
        header.digest = self.digest;
        const std::uint32_t parents = r > 1 ? std::uint32_t{node.parents} << 4 * (r - 2) : 0;
        named |= parents | node.weak;
        for (std::size_t k = 0; k < small::kParties * (r - 1); ++k) {
          const consensus::Reference link =
              At(k / small::kParties + 1, names[k / small::kParties + 1][k % small::kParties]);
          if (parents >> k & 1) header.parents.push_back(link);
          if (node.weak >> k & 1) header.weak.push_back(link);
        }
        std::ranges::sort(header.parents);
        std::ranges::sort(header.weak);
        whole_.Add({self, header.parents, header.weak, {}});
        bits.push_back(small::kParties * (r - 1) + i);
        vertices_.push_back(std::move(certificate));
      }
    }
    for (std::size_t k = 0; k < bits.size(); ++k) {
      if (!(named >> bits[k] & 1)) maximal_.push_back(k);
    }
  }

  const std::vector<std::size_t>& maximal() const { return maximal_; }
  std::size_t none() const { return vertices_.size(); }  // No vertex.
  // Whether some view of this DAG knows just these coins.
  bool Possible(Coins coins) const {
    for (std::uint64_t wave = 2; wave + 2 <= counts_.size(); wave += 2) {
      if (!coins.Known(wave) && counts_[wave + 1] >= kFour.quorum()) return false;
    }
    return true;
  }

  Commits Expected(Coins coins) const {
    return whole_.Order(
        [&](std::uint64_t round) {
          return coins.Known(round) ? std::optional(leaders_[round]) : std::nullopt;
        },
        gc_depth_);
  }

  // All but vertex `last`, with the coins `before`; then `last`; then the other coins; then again.
  Commits Deliver(std::size_t last, std::optional<Coins> before, Coins after) const {
    consensus::Dag dag(kFour);
    consensus::Sequencer sequencer(std::make_unique<consensus::Tusk>(kFour), gc_depth_, 0, 0);
    DrawnLeaders leaders(leaders_);
    Commits commits;
    const auto advance = [&](Coins coins) {
      leaders.coins = coins;
      for (const auto& ordered : sequencer.Advance(dag, leaders)) {
        auto& commit = commits.emplace_back();
        commit.leader = ordered.leader->header.reference();
        for (const auto& vertex : ordered.vertices) {
          commit.vertices.push_back(vertex->header.reference());
        }
      }
    };
    for (std::size_t i = 0; i < vertices_.size(); ++i) {
      if (i != last) dag.Insert(vertices_[i]);
    }
    if (before) advance(*before);
    if (last < vertices_.size() && vertices_[last]->header.round > dag.gc_round()) {
      dag.Insert(vertices_[last]);
    }
    advance(after);
    advance(after);
    return commits;
  }

 private:
  static const consensus::Reference& At(std::size_t round, std::uint16_t author) {
    static const auto references = [] {
      std::array<std::array<consensus::Reference, small::kParties>, small::kRoundsMax + 1> all{};
      for (std::uint64_t r = 1; r <= small::kRoundsMax; ++r) {
        for (std::uint16_t i = 0; i < small::kParties; ++i) {
          all[r][i] = {r, proto::PartyId{i},
                       proto::Hasher("test/vertex").Add(r).Add(std::uint64_t{i}).Finish()};
        }
      }
      return all;
    }();
    return references[round][author];
  }

  const std::uint32_t gc_depth_;
  std::vector<int> counts_;
  std::vector<consensus::CertificatePtr> vertices_;  // Ascending by round.
  std::vector<std::size_t> maximal_;
  WholeDag whole_{kFour};
  DrawnLeaders::All leaders_{};
};

inline bool Equal(const Commits& a, const Commits& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.leader == y.leader && x.vertices == y.vertices;
  });
}

// Of all views of `dag`: how many deliveries end with other commits than the definition's.
struct Tally {
  std::uint64_t dags = 0;
  std::uint64_t committing = 0;  // Views.
  std::uint64_t deliveries = 0;
  std::uint64_t wrong = 0;
};

// With the coins of the first `waves` waves, known or not.
inline void Visit(const Case& drawn, unsigned waves, Tally& tally) {
  ++tally.dags;
  for (unsigned known = 0; known < 1u << waves; ++known) {
    const Coins coins{known};
    if (!drawn.Possible(coins)) continue;
    const Commits expected = drawn.Expected(coins);
    tally.committing += !expected.empty();
    const auto check = [&](std::size_t last, std::optional<Coins> before) {
      ++tally.deliveries;
      tally.wrong += !Equal(drawn.Deliver(last, before, coins), expected);
    };
    check(drawn.none(), std::nullopt);
    for (const std::size_t last : drawn.maximal()) check(last, coins);
    for (unsigned wave = 0; wave < waves; ++wave) {
      const Coins before{known & ~(1u << wave)};
      if (before.waves != known && drawn.Possible(before)) check(drawn.none(), before);
    }
  }
}

}  // namespace sim
