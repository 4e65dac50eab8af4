// Replicated keys and what they give for free: pseudorandom secret sharing (Cramer, Damgard, Ishai,
// TCC 2005).
//
// For each set A of n - t parties one key is known to exactly A's members: C(n, t) keys, numbered
// in the lexicographic order of the sorted excluded sets. f_A is the polynomial of degree t that is
// 1 at 0 and 0 at the points of the parties outside A. A value v known in the clear to all of A is
// shared at no cost: member i holds v * f_A(i). The product g_A of x - j over the points j outside
// is f_A but for a constant, and small at all points: combinations of streams are of small
// integers.
//
// Sharings of zero of degree 2t need fewer. The polynomial q_S = x * (product of x - j over the
// points outside S) has degree 2t where S has t + 2 parties, and whoever is in S knows all keys of
// the sets that contain S; their hash is a key that nobody outside S knows. A sharing is hidden
// from a set T of t parties if the q_S of the sets S disjoint from T span the t dimensions that T's
// shares leave open. A family of few sets S does that for all T (zero_sets.h): 4, 17, 46, 120 for n
// = 4, 7, 10, 13, of which a member is in 3, 10, 25, 59 at most; t streams of each set A would be
// 3, 30, 252, 1980.
#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <vector>

#include "mpc/field/fp.h"
#include "proto/base/bytes.h"
#include "proto/committee.h"

namespace mpc {

using SetIndex = std::uint32_t;

// C(13, 4) = 715 keys; beyond that their number is no longer small.
inline constexpr std::size_t kReplicatedPartiesMax = 13;

// What a stream of shared randomness is for. No two uses of one bundle attempt share a label.
enum class Purpose : std::uint8_t {
  kMask,         // bounded-integer mask of an opening
  kProduct,      // r of a degree reduction
  kProductZero,  // its sharing of zero of degree 2t
  kBit,          // a random element whose square is opened
  kBitZero,
  kOutput,  // uniform mask of the output
  kVerify,  // the random triple of the verification
  kVerifyZero,
  kVerifyProduct,
  kNoise,  // the entries of a table that kNoise adds up
};

struct Label {
  std::uint64_t epoch = 0;
  std::uint64_t attempt = 0;
  std::uint32_t operation = 0;  // Plan node, or layer, as the purpose says.
  Purpose purpose{};
};

class ReplicatedSets {
 public:
  explicit ReplicatedSets(const proto::Committee& committee);

  std::size_t count() const { return excluded_.size(); }  // C(n, t)
  bool Contains(SetIndex set, proto::PartyId party) const;
  // f_A(i + 1) for party i.
  Fp Factor(SetIndex set, proto::PartyId party) const { return factors_[set][Index(party)]; }
  // g_A(i + 1), g_A = f_A g_A(0).
  std::int64_t SmallFactor(SetIndex set, proto::PartyId party) const {
    return small_factors_[set][Index(party)];
  }
  // common_multiple() * f_A(i + 1), an integer.
  std::int64_t ScaledFactor(SetIndex set, proto::PartyId party) const;
  std::int64_t common_multiple() const { return common_multiple_; }
  // W: bits of one part of a bounded-integer mask, 125 - ceil(log2 count).
  unsigned mask_bits() const { return mask_bits_; }
  const proto::Committee& committee() const { return committee_; }

 private:
  proto::Committee committee_;
  std::vector<std::vector<proto::PartyId>> excluded_;
  std::vector<std::vector<Fp>> factors_;
  std::vector<std::vector<std::int64_t>> small_factors_;
  std::vector<std::int64_t> at_zero_;  // g_A(0)
  std::int64_t common_multiple_ = 1;   // Of all g_A(0).
  unsigned mask_bits_;
};

// One party's replicated keys, of an epoch or of one attempt; erased on destruction.
class ReplicatedKeys {
 public:
  using Key = std::array<std::uint8_t, 32>;
  // keys[A] is present exactly when `party` is a member of A (kInvalidArgument otherwise).
  static proto::Result<ReplicatedKeys> From(const ReplicatedSets& sets, proto::PartyId party,
                                            std::vector<std::optional<Key>> keys);
  ReplicatedKeys(ReplicatedKeys&&) noexcept;
  ReplicatedKeys& operator=(ReplicatedKeys&&) noexcept;
  ~ReplicatedKeys();

  // The keys of one bundle attempt, each the hash of the epoch's key and the attempt's number: who
  // learns all of them learns nothing of the epoch's keys, nor of any other attempt's.
  ReplicatedKeys ForAttempt(std::uint64_t epoch, std::uint64_t attempt) const;

  proto::PartyId party() const { return party_; }
  const std::vector<std::optional<Key>>& keys() const { return keys_; }

 private:
  ReplicatedKeys() = default;
  proto::PartyId party_{};
  std::vector<std::optional<Key>> keys_;
};

// All keys of an epoch from a dealer's seed (32 bytes), for a genesis ceremony and for tests;
// element i is party i's.
std::vector<ReplicatedKeys> DealReplicatedKeys(const ReplicatedSets& sets, proto::ByteSpan seed);

// Parts of bounded-integer masks: parts[A * count + j] for the sets A this party is in, zero for
// the others.
struct MaskParts {
  std::vector<UInt128> parts;
  std::size_t count = 0;
};

class Prss {
 public:
  // Both outlive this.
  Prss(const ReplicatedSets& sets, const ReplicatedKeys& keys);
  Prss(Prss&&) noexcept = default;
  ~Prss();

  // [r], r uniform in F_p, degree t.
  std::vector<Fp> Random(const Label& label, std::size_t count) const;
  // <0>, degree 2t: sum over S of s_S q_S(x).
  std::vector<Fp> Zero(const Label& label, std::size_t count) const;
  // r = sum of r_A, r_A uniform in [0, 2^W): the parts this party knows.
  MaskParts Bounded(const Label& label, std::size_t count) const;
  // The degree-t sharing of sum over A of (parts_A >> shift), from the parts this party knows.
  std::vector<Fp> ShareOf(const MaskParts& parts, unsigned shift) const;
  // The same for several shifts, ascending, without keeping the parts: ShareOf(Bounded(label,
  // count), shift) each.
  std::vector<std::vector<Fp>> BoundedShares(const Label& label, std::size_t count,
                                             std::initializer_list<unsigned> shifts) const;
  // The same, added to what is there; all spans of AddBounded are equally long.
  void AddRandom(const Label& label, std::span<Fp> sum) const;
  void AddZero(const Label& label, std::span<Fp> sum) const;
  struct Shifted {
    unsigned shift;
    std::span<Fp> sum;
  };
  void AddBounded(const Label& label, std::initializer_list<Shifted> sums) const;
  void AddBounded(const Label& label, std::span<const Shifted> sums) const;

  const ReplicatedSets& sets() const { return sets_; }
  proto::PartyId party() const { return keys_.party(); }

 private:
  // What this party knows of a family of sharings: a key each, and its factor at this party's
  // point.
  struct Source {
    ReplicatedKeys::Key key;
    std::int64_t factor;
  };

  const ReplicatedSets& sets_;
  const ReplicatedKeys& keys_;
  std::vector<Source> uniform_;  // By g_A.
  std::vector<Source> bounded_;  // By f_A times the common multiple.
  std::vector<Source> zeros_;    // By q_S.
  Fp inverse_multiple_;
};

}  // namespace mpc
