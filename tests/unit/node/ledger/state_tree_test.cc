// The Merkle state against a naive model: a plain map, and a root computed from all of its entries.

#include "node/ledger/state_tree.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "proto/crypto/hash.h"

namespace node {
namespace {

using proto::Bytes;
using proto::Digest;
using proto::Hash;

using Map = std::map<Bytes, Bytes>;

Bytes Key(std::uint64_t number) {
  Bytes key;
  proto::PutU64(key, number);
  return key;
}

// The definition, read literally: entries by path, split by their bits.
struct Entry {
  Digest path;
  Digest hash;
};

Digest NaiveRoot(const std::vector<Entry>& entries, std::size_t depth) {
  if (entries.empty()) return {};
  if (entries.size() == 1) return entries[0].hash;
  std::vector<Entry> left;
  std::vector<Entry> right;
  for (const Entry& entry : entries) {
    const bool bit = (entry.path.bytes[depth / 8] >> (7 - depth % 8)) & 1;
    (bit ? right : left).push_back(entry);
  }
  return Hash("waxseal/state/inner",
              {NaiveRoot(left, depth + 1).span(), NaiveRoot(right, depth + 1).span()});
}

Digest NaiveRoot(const Map& map) {
  std::vector<Entry> entries;
  for (const auto& [key, value] : map) {
    const Digest path = Hash("waxseal/state/key", {key});
    const Digest value_hash = Hash("waxseal/state/value", {value});
    entries.push_back({path, Hash("waxseal/state/leaf", {path.span(), value_hash.span()})});
  }
  return NaiveRoot(entries, 0);
}

TEST(StateTree, OfNothingHasTheZeroRoot) {
  const StateTree tree;
  EXPECT_EQ(tree.root(), Digest{});
  EXPECT_EQ(tree.Get(Key(1)), nullptr);
  EXPECT_TRUE(VerifyStateProof(tree.root(), Key(1), std::nullopt, tree.Prove(Key(1))));
  EXPECT_FALSE(VerifyStateProof(tree.root(), Key(1), Bytes{1}, tree.Prove(Key(1))));
}

TEST(StateTree, AgreesWithTheDefinitionUnderRandomWrites) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    StateTree tree;
    Map map;
    std::vector<std::pair<StateTree, Map>> history;
    for (int step = 0; step < 30; ++step) {
      std::map<Bytes, std::optional<Bytes>> batch;
      for (std::uint64_t i = random() % 12; i > 0; --i) {
        std::optional<Bytes> value;
        if (random() % 3 != 0) value = Key(random());
        batch[Key(random() % 40)] = value;
      }
      std::vector<KeyWrite> writes;
      for (const auto& [key, value] : batch) {
        writes.push_back({key, value});
        if (value) {
          map[key] = *value;
        } else {
          map.erase(key);
        }
      }
      std::ranges::shuffle(writes, random);
      tree = tree.Apply(writes);
      history.emplace_back(tree, map);
      ASSERT_EQ(tree.root(), NaiveRoot(map));
    }
    // Old versions stay what they were.
    for (const auto& [old_tree, old_map] : history) {
      ASSERT_EQ(old_tree.root(), NaiveRoot(old_map));
      for (std::uint64_t i = 0; i < 40; ++i) {
        const auto found = old_map.find(Key(i));
        const Bytes* value = old_tree.Get(Key(i));
        ASSERT_EQ(value != nullptr, found != old_map.end());
        std::optional<Bytes> expected;
        if (value != nullptr) {
          ASSERT_EQ(*value, found->second);
          expected = *value;
        }
        const auto proof = old_tree.Prove(Key(i));
        ASSERT_TRUE(VerifyStateProof(old_tree.root(), Key(i), expected, proof));
        // Neither the opposite nor another value can be shown.
        ASSERT_FALSE(VerifyStateProof(old_tree.root(), Key(i),
                                      expected ? std::nullopt : std::optional(Bytes{1}), proof));
        ASSERT_FALSE(VerifyStateProof(old_tree.root(), Key(i), Bytes{1, 2, 3}, proof));
      }
    }
  }
}

TEST(StateTree, TheRootDoesNotDependOnTheOrderOfWrites) {
  Map map;
  std::vector<KeyWrite> writes;
  for (std::uint64_t i = 0; i < 200; ++i) writes.push_back({Key(i), Key(i * i)});
  const StateTree at_once = StateTree().Apply(writes);
  std::mt19937_64 random(7);
  std::ranges::shuffle(writes, random);
  StateTree one_by_one;
  for (const KeyWrite& write : writes) one_by_one = one_by_one.Apply({write});
  EXPECT_EQ(one_by_one.root(), at_once.root());
  // Taking back all but one leaves the tree of that one.
  for (std::size_t i = 1; i < writes.size(); ++i) {
    one_by_one = one_by_one.Apply({{writes[i].key, std::nullopt}});
  }
  EXPECT_EQ(one_by_one.root(), StateTree().Apply({writes[0]}).root());
}

TEST(StateTree, NoTamperedProofHolds) {
  std::vector<KeyWrite> writes;
  for (std::uint64_t i = 0; i < 64; ++i) writes.push_back({Key(i), Key(i + 1)});
  const StateTree tree = StateTree().Apply(writes);
  for (const std::uint64_t number : {5u, 1000u, 1001u}) {
    const bool present = number < 64;
    const auto value = present ? std::optional(Key(number + 1)) : std::nullopt;
    const auto good = tree.Prove(Key(number));
    ASSERT_TRUE(VerifyStateProof(tree.root(), Key(number), value, good));
    const auto holds = [&](const proto::StateProof& proof) {
      return VerifyStateProof(tree.root(), Key(number), value, proof);
    };
    EXPECT_FALSE(VerifyStateProof(tree.root(), Key(number + 1), value, good));
    EXPECT_FALSE(VerifyStateProof(Digest{}, Key(number), value, good));
    for (std::size_t i = 0; i < good.siblings.size(); ++i) {
      for (std::size_t byte = 0; byte < 32; ++byte) {
        proto::StateProof bad = good;
        bad.siblings[i].bytes[byte] ^= 0x40;
        EXPECT_FALSE(holds(bad));
      }
      proto::StateProof bad = good;
      bad.siblings.erase(bad.siblings.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_FALSE(holds(bad));
    }
    proto::StateProof bad = good;
    bad.siblings.push_back({});
    EXPECT_FALSE(holds(bad));
    bad.siblings.assign(257, {});
    EXPECT_FALSE(holds(bad));
    bad = good;
    if (good.leaf) {
      bad.leaf.reset();
      EXPECT_FALSE(holds(bad));
      bad = good;
      bad.leaf->path.bytes[31] ^= 1;
      EXPECT_FALSE(holds(bad));
      bad = good;
      bad.leaf->value_hash.bytes[0] ^= 1;
      EXPECT_FALSE(holds(bad));
    } else {
      bad.leaf = {Hash("waxseal/state/key", {Key(number)}), {}};
      EXPECT_FALSE(holds(bad));
    }
  }
}

// An inner node shown as a leaf, or another's leaf where the paths part, proves no absence.
TEST(StateTree, AbsenceCannotBeShownForAPresentKey) {
  std::vector<KeyWrite> writes;
  for (std::uint64_t i = 0; i < 64; ++i) writes.push_back({Key(i), Key(i)});
  const StateTree tree = StateTree().Apply(writes);
  for (std::uint64_t key = 0; key < 64; ++key) {
    for (std::uint64_t other = 0; other < 64; ++other) {
      EXPECT_FALSE(VerifyStateProof(tree.root(), Key(key), std::nullopt, tree.Prove(Key(other))));
    }
    auto proof = tree.Prove(Key(key));
    for (; !proof.siblings.empty(); proof.siblings.pop_back()) {
      EXPECT_FALSE(VerifyStateProof(tree.root(), Key(key), std::nullopt, proof));
    }
  }
}

}  // namespace
}  // namespace node
