// Batch reconstruction: t + 1 sharings of degree t are opened with 2 n (n - 1) elements, where all
// to all each of them takes n (n - 1).
//
// A group's t + 1 values are read as P(1) .. P(t + 1) of one polynomial of degree t, and member j
// answers for y_j = P(j), j = 1 .. n. (So the first t + 1 members answer for the values
// themselves.)
//
//   shares   everybody sends member j their share of y_j, a public combination of shares of the
//            group; from t + 1 + t that agree member j decodes y_j (RobustDecoder)
//   values   member j sends y_j to all; from t + 1 + t of them that agree everybody decodes P,
//            hence the group
//
// Guarantee, with t of n >= 3t + 1 members faulty: both steps are online error correction at degree
// t, so each ends with the n - t honest members' messages, its result does not depend on which
// messages came, and a wrong element's author is known: who sent a wrong share in the first step,
// who sent a wrong y_j in the second (an honest member decodes the right one).
//
// Privacy: what a member sees is a function of what all to all shows everybody, the polynomials of
// all the group's sharings: f_y_j is a combination of them. Nothing is opened that was not before.
//
// A vector of values is cut into t + 1 runs of equal length; group g has the g-th of each. The last
// run may be shorter: what is missing counts as zero and is not sent.
//
// Papers: Damgard and Nielsen 2007 (the combination); Beerliova-Trubiniova and Hirt 2008 (with
// error correction); HoneyBadgerMPC, Lu et al. 2019 (with online error correction, asynchronous).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mpc/sharing/shamir.h"
#include "proto/committee.h"

namespace mpc {

class Batch {
 public:
  // Of `size` values or shares.
  Batch(const proto::Committee& committee, std::size_t size);

  std::size_t size() const { return size_; }
  std::size_t groups() const { return groups_; }  // Elements of one vector of either step.
  // A member's y of each group from the values, or a share of it from shares of them.
  std::vector<Fp> For(proto::PartyId member, std::span<const Fp> values) const;
  // Of the first step at its receiver, and of the second; the latter's values are size() ones and
  // the zeros that were not sent.
  RobustDecoder SharesDecoder() const { return RobustDecoder(committee_, groups_); }
  RobustDecoder ValuesDecoder() const;

 private:
  proto::Committee committee_;
  std::size_t size_;
  std::size_t groups_;
};

// What opening so many values takes, each way.
struct OpeningCost {
  std::uint64_t elements = 0;   // From each member to each other one.
  std::uint32_t exchanges = 0;  // Vectors from each to each, one after the other: message delays.

  // Of all members together.
  std::uint64_t bytes(const proto::Committee& committee) const {
    return elements * committee.size() * (committee.size() - 1u) * Fp::kBytes;
  }
};

// Batches are worth a further message delay where they save each member that many bytes: a
// millisecond of a link of one gigabit a second, which is as long as a message takes between
// machines of one region, and several times what the n further signatures cost. From about
// 4,100 values on at n = 7, 1,820 at n = 10, 1,140 at n = 13; at n = 4 nothing is ever saved.
inline constexpr std::uint64_t kBatchSavingMin = 128 << 10;

// The rule that all members follow; a function of its arguments alone.
bool OpensInBatches(const proto::Committee& committee, std::size_t size,
                    std::uint64_t saving_min = kBatchSavingMin);
OpeningCost CostOfOpening(const proto::Committee& committee, std::size_t size,
                          std::uint64_t saving_min = kBatchSavingMin);

}  // namespace mpc
