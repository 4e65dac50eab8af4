// What one member of four sees, for all randomness and different secrets: histograms, compared.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "mpc/sharing/shamir.h"
#include "proto/base/check.h"
#include "tests/privacy/tape.h"

namespace mpc::privacy {

inline constexpr std::uint16_t kMembers = 4;
// Runs at a time; keeps vectors within tens of megabytes.
inline constexpr std::uint64_t kRunsAtOnce = 1 << 18;

using Shares = std::array<std::vector<Fp>, kMembers>;  // By party.

// The committee, and what its members compute, `count` runs side by side.
class Members {
 public:
  static constexpr std::uint64_t kEpoch = 1;
  static constexpr std::uint64_t kAttempt = 1;

  Members() : committee_(kMembers), sets_(committee_) {
    for (const ReplicatedKeys& keys :
         DealReplicatedKeys(sets_, proto::ByteSpan(ReplicatedKeys::Key{}))) {
      keys_.push_back(keys.ForAttempt(kEpoch, kAttempt));
    }
  }

  const ReplicatedSets& sets() const { return sets_; }
  // A copy, for those that take the keys as theirs.
  ReplicatedKeys KeysOf(std::uint16_t party) const {
    return std::move(*ReplicatedKeys::From(sets_, proto::PartyId{party}, keys_[party].keys()));
  }
  Prss prss(std::uint16_t party) const { return {sets_, keys_[party]}; }
  // Keys of the sets that the party is not in.
  std::vector<ReplicatedKeys::Key> KeysUnknownTo(std::uint16_t party) const {
    std::vector<ReplicatedKeys::Key> unknown;
    for (SetIndex set = 0; set < sets_.count(); ++set) {
      if (!sets_.Contains(set, proto::PartyId{party})) {
        unknown.push_back(*keys_[(party + 1) % kMembers].keys()[set]);
      }
    }
    return unknown;
  }
  // Everybody's share of `secret` on the line on which `party` has `share`.
  Shares Line(Fp secret, std::uint16_t party, Fp share, std::size_t count) const {
    const Fp slope = (share - secret) * Point(proto::PartyId{party}).Inverse();
    Shares shares;
    for (std::uint16_t i = 0; i < kMembers; ++i) {
      shares[i].assign(count, secret + slope * Point(proto::PartyId{i}));
    }
    return shares;
  }

 private:
  proto::Committee committee_;
  ReplicatedSets sets_;
  std::vector<ReplicatedKeys> keys_;
};

// Of `count` runs: which secret was hidden in each (-1: none that counts), and what the adversary
// sees besides its keys, one vector for each element it sees.
struct Seen {
  std::vector<int> secret;
  std::vector<std::vector<Fp>> elements;
};
using Protocol = std::function<Seen(std::size_t count)>;

// Twice the statistical distance between what is seen with one secret and another, the largest of
// all pairs, as a fraction: `difference` of `runs` (those with one secret).
struct Distance {
  std::uint64_t difference = 0;
  std::uint64_t runs = 0;
  double value() const { return static_cast<double>(difference) / 2 / static_cast<double>(runs); }
};

// Numbers for views, so that two are equal exactly if the views are.
class Views {
 public:
  std::uint64_t NumberOf(const Seen& seen, std::size_t run) {
    std::uint64_t packed = 1;  // Elements of four bits, while there is room for them.
    for (const auto& element : seen.elements) {
      const UInt128 value = element[run].value();
      if (value >= 16 || packed >> 56 != 0) return Numbered(seen, run);
      packed = packed << 4 | static_cast<std::uint64_t>(value);
    }
    return packed;
  }

 private:
  std::uint64_t Numbered(const Seen& seen, std::size_t run) {
    std::vector<UInt128> view;
    for (const auto& element : seen.elements) view.push_back(element[run].value());
    return known_.try_emplace(std::move(view), ~known_.size()).first->second;
  }
  std::map<std::vector<UInt128>, std::uint64_t> known_;
};

// How many entries of two sorted lists have no partner in the other.
inline std::uint64_t Unmatched(const std::vector<std::uint64_t>& a,
                               const std::vector<std::uint64_t>& b) {
  std::uint64_t unmatched = 0;
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (a[i] == b[j]) {
      ++i, ++j;
      continue;
    }
    ++unmatched;
    a[i] < b[j] ? ++i : ++j;
  }
  return unmatched + (a.size() - i) + (b.size() - j);
}

// Runs the protocol with all randomness. The adversary knows all keys but `hidden`; its view is
// what it sees under what it knows.
inline Distance Compare(const std::vector<ReplicatedKeys::Key>& hidden,
                        const std::map<Purpose, std::uint64_t>& radix, const Protocol& protocol) {
  Tape& tape = Tape::Get();
  tape.Begin(hidden, radix);
  (void)protocol(1);
  tape.EndRecording();
  CHECK(tape.runs() < std::uint64_t{1} << 32);
  const std::uint64_t step =
      std::max<std::uint64_t>(1, kRunsAtOnce / tape.hidden()) * tape.hidden();
  std::map<std::pair<int, int>, std::uint64_t> differences;
  std::map<int, std::uint64_t> runs;
  Views views;
  for (std::uint64_t base = 0; base < tape.runs(); base += step) {
    tape.Seek(base);
    const auto count = static_cast<std::size_t>(std::min(step, tape.runs() - base));
    const Seen seen = protocol(count);
    // A protocol that is given its secrets runs once for each: several blocks of `count`.
    CHECK(seen.secret.size() % count == 0);
    for (std::size_t first = 0; first < count; first += tape.hidden()) {
      std::map<int, std::vector<std::uint64_t>> seen_with;  // Under the same known randomness.
      for (std::size_t block = 0; block < seen.secret.size(); block += count) {
        for (std::size_t run = block + first; run < block + first + tape.hidden(); ++run) {
          if (seen.secret[run] < 0) continue;
          seen_with[seen.secret[run]].push_back(views.NumberOf(seen, run));
        }
      }
      for (auto& [secret, numbers] : seen_with) {
        std::ranges::sort(numbers);
        runs[secret] += numbers.size();
      }
      for (auto a = seen_with.begin(); a != seen_with.end(); ++a) {
        for (auto b = std::next(a); b != seen_with.end(); ++b) {
          differences[{a->first, b->first}] += Unmatched(a->second, b->second);
        }
      }
    }
  }
  CHECK(runs.size() > 1);
  Distance largest{0, runs.begin()->second};
  for (const auto& [secret, number] : runs) CHECK(number == largest.runs);  // As many with each.
  for (const auto& [pair, difference] : differences) {
    largest.difference = std::max(largest.difference, difference);
  }
  return largest;
}

// The protocol for each of the secrets, one after another.
inline Protocol ForEach(
    int secrets,
    std::function<std::vector<std::vector<Fp>>(int secret, std::size_t count)> protocol) {
  return [secrets, protocol = std::move(protocol)](std::size_t count) {
    Seen seen;
    for (int secret = 0; secret < secrets; ++secret) {
      seen.secret.insert(seen.secret.end(), count, secret);
      auto elements = protocol(secret, count);
      seen.elements.resize(elements.size());
      for (std::size_t i = 0; i < elements.size(); ++i) {
        seen.elements[i].insert(seen.elements[i].end(), elements[i].begin(), elements[i].end());
      }
    }
    return seen;
  };
}

}  // namespace mpc::privacy
