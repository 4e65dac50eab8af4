// The bundle: what one inference of one plan consumes, one member's part.
//
// slots[op] holds the preprocessed shares of that operation, in this order:
//   kEmbed   one-hot: tokens x V' shares e(r)_k, then tokens shares of the token masks r
//   kOpen    size shares of r (the mask added before opening), then size shares of L
//   kCompare, kLookup   for each element of the input the one-hot vectors of its mask's digits, the
//            lowest first (2^digit_bits shares each), then a share of each element's mask R
//   kMul, kRowDot, kScores, kMix   size shares of the product of the masks
//   kSeries  size shares of L^2 if poly has degree 2 (else none); then for each harmonic k = 1..K
//            size shares of 2^phase_bits cos(k w L), then size shares of 2^phase_bits sin(k w L)
//   kOutput  size shares of mu
//   others   nothing
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "mpc/field/fp.h"
#include "mpc/plan/plan.h"
#include "mpc/preprocessing/layers.h"
#include "proto/base/shared_bytes.h"

namespace mpc {

// Where the slots of a bundle are that is too large for the memory.
class SlotStore {
 public:
  virtual ~SlotStore() = default;
  // Its shares, in place for as long as the store lives: a mapped file needs no copy.
  virtual std::span<const Fp> Slot(TensorId op) const = 0;
};

struct Bundle {
  std::uint64_t epoch = 0;
  std::uint64_t attempt = 0;
  proto::Digest plan;                  // PlanDigest
  std::vector<std::vector<Fp>> slots;  // By operation.
  // Gives a slot that is empty above when its turn comes, if there is one.
  std::shared_ptr<const SlotStore> store;

  std::span<const Fp> Slot(TensorId op) const {
    return slots[op].empty() && store ? store->Slot(op) : std::span(slots[op]);
  }
};

// The number of shares in an operation's slot.
std::size_t SlotSize(const Plan& plan, TensorId op);

// The slots that are there, with a checksum.
proto::Bytes EncodeBundle(const Bundle& bundle);
// What EncodeBundle made of the bundle of a segment, beginning at a multiple of 16 bytes, as
// vectors and mapped files do.
struct BundlePart {
  Segment segment;
  proto::SharedBytes bytes;
};
// A bundle whose slots stay where the parts' bytes are; of operations in none of the parts there is
// no slot. Its number is the first part's. kCorrupt when a part is damaged or another plan's.
proto::Result<Bundle> OpenBundle(const Plan& plan, std::span<const BundlePart> parts);

}  // namespace mpc
