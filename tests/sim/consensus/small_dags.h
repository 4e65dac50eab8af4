// All DAGs of four validators up to six rounds, in classes that the commit rule cannot tell apart.
//
// The space. Round 1 has up to four vertices; each further vertex names n - f = 3 or 4 of the round
// before as parents, and weakly any vertices of older rounds. In every round any validator may be
// absent. (All rounds but the last therefore have three vertices or four.) Leaders of rounds 2 and
// 4 are whom the coin says; later ones are decided by votes of round 7, which is not here.
//
// What is merged, and why nothing is lost:
//
//   Names      The rule looks at parents, at weak links and at who leads a round; authors of
//              different rounds are not compared. So each round's authors may be renamed by
//              themselves, as long as its leader stays its leader: position 0 of an even round.
//              This is (S_4)^3 x (S_3)^3, and covers the coin's outcomes, too.
//   Past       What can be committed within six rounds is the past of the leaders of rounds 2 and
//   4;
//              paths, histories and the votes for round 2's leader lie in rounds 1 to 3 and in the
//              links of round 4's leader. All of this is kept as it is, up to names (`Past`).
//              Of weak links only those are kept that reach what is not reached otherwise.
//   Votes      Of a vertex of round 5 only matters whether it votes for round 4's leader.
//   Top        Of others of round 4, and of round 6, nothing is read but that they are there, and
//              what they leave unnamed: a vertex that nobody names may be the last to come. A class
//              is represented by a DAG that leaves unnamed what any member of it does (`Top`).
//
// That the merging is complete is counted: every class knows how many DAGs without weak links it
// has, and all together are as many as there are (`CountAll`, which knows no classes). That it is
// sound is tested: DAGs drawn from the whole space, and all of three rounds, do what their class's
// representative does.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <vector>

namespace sim::small {

inline constexpr std::size_t kParties = 4;
inline constexpr std::size_t kRounds = 6;     // Of the space.
inline constexpr std::size_t kRoundsMax = 8;  // Of a SmallDag.
inline constexpr int kQuorum = 3;

using Mask = std::uint8_t;  // Of positions in a round.

struct Node {
  bool present = false;
  Mask parents = 0;        // In the round before.
  std::uint16_t weak = 0;  // In the rounds before that: four bits a round, round 1 lowest.

  friend auto operator<=>(const Node&, const Node&) = default;
};

using Round = std::array<Node, kParties>;
using SmallDag = std::array<Round, kRoundsMax>;  // Round r at r - 1.
using Permutation = std::array<std::uint8_t, kParties>;

inline Mask Present(const Round& round) {
  Mask present = 0;
  for (std::size_t i = 0; i < kParties; ++i) present |= static_cast<Mask>(round[i].present << i);
  return present;
}

inline int Count(const Round& round) {
  return std::popcount(Present(round));
}

// The rounds that are not empty.
inline std::size_t Height(const SmallDag& dag) {
  std::size_t height = 0;
  while (height < kRoundsMax && Count(dag[height]) > 0) ++height;
  return height;
}

// Whatever the vertices `from` of round `round` reach in it and below: four bits a round.
inline std::uint32_t Reach(const SmallDag& dag, std::size_t round, Mask from) {
  std::uint32_t reached = std::uint32_t{from} << 4 * (round - 1);
  for (std::size_t r = round; r > 1; --r) {
    for (std::size_t i = 0; i < kParties; ++i) {
      if (!(reached >> (4 * (r - 1) + i) & 1)) continue;
      const Node& node = dag[r - 1][i];
      reached |= std::uint32_t{node.parents} << 4 * (r - 2) | node.weak;
    }
  }
  return reached;
}

// All sets of parents that a vertex above `below` may have.
inline std::vector<Mask> ParentSets(const Round& below) {
  std::vector<Mask> sets;
  for (Mask mask = 0; mask < 16; ++mask) {
    if (std::popcount(mask) >= kQuorum && (mask & ~Present(below)) == 0) sets.push_back(mask);
  }
  return sets;
}

constexpr std::uint64_t Power(std::uint64_t base, int exponent) {
  return exponent == 0 ? 1 : base * Power(base, exponent - 1);
}

constexpr std::uint64_t Choose(int n, int k) {
  return k == 0
             ? 1
             : Choose(n - 1, k - 1) * static_cast<std::uint64_t>(n) / static_cast<std::uint64_t>(k);
}

// The vertices above a round of `count` may choose among so many sets of parents.
constexpr std::uint64_t Choices(int count) {
  return count == 4 ? 5 : count == 3 ? 1 : 0;
}

// How many DAGs without weak links there are above a round of `count` vertices, `rounds` rounds or
// fewer; names and leaders given. CountAll: all of them.
constexpr std::uint64_t CountAbove(int count, std::size_t rounds) {
  std::uint64_t all = 1;
  for (int k = 1; rounds > 0 && k <= 4; ++k) {
    all += Choose(4, k) * Power(Choices(count), k) * CountAbove(k, rounds - 1);
  }
  return all;
}
constexpr std::uint64_t CountAll(std::size_t rounds) {
  std::uint64_t all = 1;
  for (int k = 1; k <= 4; ++k) all += Choose(4, k) * CountAbove(k, rounds - 1);
  return all;
}

// Rounds 1 to 3 and round 4's leader, the least of all namings: a class of pasts. In bits:
//   round 1: 4   round 2: parents 4 x 4   round 3, ascending: 4 x (named by the leader of round 4,
//   parents 4, weak 4)   that leader's weak links: 8
// The leader of round 4 is there if it names somebody.
using PastKey = std::uint64_t;

class Namings {
 public:
  Namings() {
    Permutation permutation = {0, 1, 2, 3};
    do {
      auto& map = all_.emplace_back();
      for (unsigned mask = 0; mask < 16; ++mask) {
        for (std::size_t i = 0; i < kParties; ++i) {
          if (mask >> i & 1) map.masks[mask] |= static_cast<Mask>(1 << permutation[i]);
        }
      }
      map.positions = permutation;
    } while (std::ranges::next_permutation(permutation).found);
  }

  PastKey Least(const SmallDag& dag) const {
    PastKey least = ~PastKey{0};
    for (const Map& first : all_) {
      for (const Map& second : all_) {
        if (second.positions[0] == 0) least = std::min(least, Pack(dag, first, second));
      }
    }
    return least;
  }

 private:
  struct Map {
    Permutation positions;
    std::array<Mask, 16> masks{};
  };

  static PastKey Pack(const SmallDag& dag, const Map& first, const Map& second) {
    PastKey key = first.masks[Present(dag[0])];
    std::array<Mask, kParties> round2{};
    for (std::size_t i = 0; i < kParties; ++i) {
      round2[second.positions[i]] = first.masks[dag[1][i].parents];
    }
    for (const Mask parents : round2) key = key << 4 | parents;
    const Node& leader = dag[3][0];
    std::array<std::uint16_t, kParties> round3{};
    for (std::size_t i = 0; i < kParties; ++i) {
      const Node& node = dag[2][i];
      round3[i] = static_cast<std::uint16_t>((leader.parents >> i & 1) << 8 |
                                             second.masks[node.parents] << 4 |
                                             first.masks[node.weak & 0xf]);
    }
    std::ranges::sort(round3);
    for (const std::uint16_t node : round3) key = key << 9 | node;
    return key << 8 | static_cast<PastKey>(second.masks[leader.weak >> 4 & 0xf] << 4) |
           first.masks[leader.weak & 0xf];
  }

  std::vector<Map> all_;
};

inline SmallDag Unpack(PastKey key) {
  SmallDag dag{};
  Node& leader = dag[3][0];
  leader.weak = static_cast<std::uint16_t>(key & 0xff);
  key >>= 8;
  for (std::size_t i = kParties; i-- > 0; key >>= 9) {
    leader.parents |= static_cast<Mask>((key >> 8 & 1) << i);
    const auto parents = static_cast<Mask>(key >> 4 & 0xf);
    dag[2][i] = {parents != 0, parents, static_cast<std::uint16_t>(key & 0xf)};
  }
  leader.present = leader.parents != 0;
  for (std::size_t i = kParties; i-- > 0; key >>= 4) {
    const auto parents = static_cast<Mask>(key & 0xf);
    dag[1][i] = {parents != 0, parents, 0};
  }
  for (std::size_t i = 0; i < kParties; ++i) dag[0][i].present = key >> i & 1;
  return dag;
}

// Every class of pasts, with the number of its members without weak links. A past is built round by
// round; each round is put on one representative of each class of what is below it.
class Pasts {
 public:
  using Weights = std::map<PastKey, std::uint64_t>;

  Pasts() {
    Weights below;
    for (unsigned mask = 0; mask < 16; ++mask) {
      SmallDag dag{};
      for (std::size_t i = 0; i < kParties; ++i) dag[0][i].present = mask >> i & 1;
      Add(below, dag, 1);
    }
    for (std::size_t round = 2; round <= 4; ++round) {
      Weights next;
      for (const auto& [key, weight] : below) Extend(next, key, weight, round);
      below = std::move(next);
    }
    all_ = std::move(below);
  }

  const Weights& all() const { return all_; }
  const Namings& namings() const { return namings_; }

 private:
  struct Choice {
    Node node;
    bool weak = false;
  };

  void Add(Weights& weights, const SmallDag& dag, std::uint64_t weight) const {
    weights[namings_.Least(dag)] += weight;
  }

  // What a vertex of `round` may be: absent, or with parents and weak links to what these do not
  // reach.
  static std::vector<Choice> ChoicesOf(const SmallDag& dag, std::size_t round) {
    std::vector<Choice> choices = {{}};
    const auto lower = static_cast<std::uint32_t>((1u << 4 * (round - 2)) - 1);
    for (const Mask parents : ParentSets(dag[round - 2])) {
      std::uint32_t there = 0;
      for (std::size_t r = 1; r < round - 1; ++r)
        there |= std::uint32_t{Present(dag[r - 1])} << 4 * (r - 1);
      const std::uint32_t unreached = there & lower & ~Reach(dag, round - 1, parents);
      for (std::uint32_t weak = unreached;; weak = (weak - 1) & unreached) {
        choices.push_back({{true, parents, static_cast<std::uint16_t>(weak)}, weak != 0});
        if (weak == 0) break;
      }
    }
    return choices;
  }

  void Extend(Weights& next, PastKey key, std::uint64_t weight, std::size_t round) const {
    SmallDag dag = Unpack(key);
    const std::vector<Choice> choices = ChoicesOf(dag, round);
    // Of round 4 the leader alone; in round 2 its place is marked; round 3 is unordered.
    const std::size_t positions = round == 4 ? 1 : kParties;
    const auto fill = [&](const auto& self, std::size_t i, std::size_t least, std::size_t equal,
                          std::uint64_t ways) -> void {
      if (i == positions) return Add(next, dag, ways);
      for (std::size_t k = round == 3 ? least : 0; k < choices.size(); ++k) {
        // 4! / (how often each is chosen)!: one more factor (i + 1) / (how often so far).
        const std::size_t now = round == 3 && i > 0 && k == least ? equal + 1 : 1;
        const std::uint64_t orders = round == 3 ? ways * (i + 1) / now : ways;
        dag[round - 1][i] = choices[k].node;
        self(self, i + 1, k, now, choices[k].weak ? 0 : orders);
      }
      dag[round - 1][i] = {};
    };
    fill(fill, 0, 0, 0, weight);
  }

  Namings namings_;
  Weights all_;
};

// What stands on a past: the others of round 4, round 5 and one vertex of round 6.
struct Top {
  int others = 0;   // Of round 4, besides its leader.
  int unnamed = 0;  // The position of round 3 that they leave out, where they may choose.
  int voters = 0;   // Of round 5.
  int silent = 0;   // Of round 5, not voting for the leader of round 4.
  int sixth = 0;    // 0: no round 6. 1: it leaves out a voter, if it may. 2: a silent vertex.

  friend auto operator<=>(const Top&, const Top&) = default;
};

inline SmallDag WithTop(SmallDag dag, const Top& top) {
  const auto without = [](const Round& round, int position) {
    const auto less = static_cast<Mask>(Present(round) & ~(1 << position));
    return std::popcount(less) >= kQuorum ? less : Present(round);
  };
  const Node leader = dag[3][0];
  const Node other = {true, leader.present ? leader.parents : without(dag[2], top.unnamed), 0};
  for (int i = 1; i <= top.others; ++i) dag[3][static_cast<std::size_t>(i)] = other;
  const Node voter = {true, without(dag[3], 3), 0};
  const Node silent = {true, without(dag[3], 0), 0};
  for (int i = 0; i < top.voters + top.silent; ++i) {
    dag[4][static_cast<std::size_t>(i)] = i < top.voters ? voter : silent;
  }
  if (top.sixth != 0) dag[5][0] = {true, without(dag[4], top.sixth == 1 ? 0 : 3), 0};
  return dag;
}

// Each top that `past` may have, and how many DAGs without weak links have it on one past.
template <class Visit>
void ForEachTop(const SmallDag& past, Visit visit) {
  visit(Top{}, std::uint64_t{1});
  if (Count(past[2]) < kQuorum) return;
  const bool led = past[3][0].present;
  const int unnamed_max = !led && Count(past[2]) == 4 ? 3 : 0;
  for (int others = 1; others <= 3; ++others) {
    const std::uint64_t fourth = Choose(3, others) * Power(Choices(Count(past[2])), others);
    const int count = others + led;
    for (int unnamed = 0; unnamed <= unnamed_max; ++unnamed) {
      const auto see = [&](int voters, int silent, int sixth, std::uint64_t ways) {
        visit(Top{others, unnamed, voters, silent, sixth}, unnamed == 0 ? fourth * ways : 0);
      };
      see(0, 0, 0, 1);
      if (count < kQuorum) continue;
      // Of the sets of parents above this round, how many contain the leader, and how many do not.
      const std::uint64_t voting = led ? (count == 4 ? 4 : 1) : 0;
      const std::uint64_t other = Choices(count) - voting;
      for (int voters = 0; voters <= (voting ? 4 : 0); ++voters) {
        for (int silent = 0; silent <= (other ? 4 - voters : 0); ++silent) {
          const int fifth = voters + silent;
          if (fifth == 0) continue;
          const std::uint64_t ways = Choose(4, fifth) * Choose(fifth, voters) *
                                     Power(voting, voters) * Power(other, silent);
          see(voters, silent, 0, ways);
          if (fifth < kQuorum) continue;
          // One to four vertices of round 6.
          const std::uint64_t sixth = CountAbove(fifth, 1) - 1;
          see(voters, silent, 1, ways * sixth);
          if (fifth == 4 && voters > 0 && silent > 0) see(voters, silent, 2, 0);
        }
      }
    }
  }
}

// The class of any DAG whose leaders are at position 0; its `unnamed` may be any.
inline std::pair<PastKey, Top> ClassOf(const SmallDag& dag, const Namings& namings) {
  SmallDag past{};
  std::copy_n(dag.begin(), 3, past.begin());
  past[3][0] = dag[3][0];
  const auto needed = [&](Node& node, std::size_t round) {
    if (node.present) {
      node.weak &= static_cast<std::uint16_t>(~Reach(past, round - 1, node.parents));
    }
  };
  for (Node& node : past[2]) needed(node, 3);
  needed(past[3][0], 4);
  Top top;
  for (std::size_t i = 1; i < kParties; ++i) top.others += dag[3][i].present;
  Mask silent = 0;
  for (std::size_t i = 0; i < kParties; ++i) {
    if (!dag[4][i].present) continue;
    const bool votes = dag[4][i].parents & 1;
    ++(votes ? top.voters : top.silent);
    if (!votes) silent |= static_cast<Mask>(1 << i);
  }
  if (Count(dag[5]) > 0) {
    Mask below = 0;
    for (const Node& node : dag[5]) below |= node.parents;
    const bool leaves_silent = (silent & ~below) != 0;
    top.sixth = leaves_silent && top.voters > 0 ? 2 : 1;
  }
  return {namings.Least(past), top};
}

}  // namespace sim::small
