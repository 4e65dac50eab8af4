// Preprocessing without a network, for tests: everybody's messages are opened at once, and what the
// bundles hide is compared with what a dealer computes in the clear.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mpc/functions/trig.h"
#include "mpc/preprocessing/compression.h"
#include "mpc/preprocessing/preprocessor.h"
#include "tests/unit/mpc/dealer.h"

namespace mpc {

// The value at 0 of the polynomials of degree 2t through the given parties' vectors.
inline std::vector<Fp> InterpolateAtZero(const std::vector<std::vector<Fp>>& vectors,
                                         const std::vector<std::uint16_t>& parties) {
  std::vector<Fp> points;
  for (const std::uint16_t party : parties) points.push_back(Point(proto::PartyId{party}));
  const std::vector<Fp> coefficients = LagrangeCoefficients(points, Fp());
  std::vector<Fp> values(vectors[parties[0]].size());
  for (std::size_t k = 0; k < parties.size(); ++k) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] += coefficients[k] * vectors[parties[k]][i];
    }
  }
  return values;
}

// All members of one attempt, in one place.
class Openings {
 public:
  Openings(const Dealer& dealer, const Plan& plan, std::uint64_t attempt,
           const Segment& segment = {})
      : dealer_(dealer), attempt_(attempt) {
    for (std::uint16_t i = 0; i < dealer.committee().size(); ++i) {
      members_.push_back(std::make_unique<Preprocessor>(dealer.context(i), plan, attempt, segment));
    }
    opened_.resize(layers().depth());
  }

  const Layers& layers() const { return members_[0]->layers(); }
  const Preprocessor& member(std::uint16_t i) const { return *members_[i]; }
  std::uint16_t size() const { return dealer_.committee().size(); }
  OpenedLayers& opened() { return opened_; }

  std::vector<std::vector<Fp>> Messages(std::uint32_t layer) const {
    std::vector<std::vector<Fp>> messages;
    for (const auto& member : members_) messages.push_back(member->Message(layer, opened_));
    return messages;
  }
  // The first and the last 2t + 1 parties must open the same: the degree is 2t, not more.
  std::vector<Fp> Open(const std::vector<std::vector<Fp>>& messages) const {
    std::vector<std::uint16_t> first;
    std::vector<std::uint16_t> last;
    for (std::uint16_t i = 0; i < dealer_.committee().quorum(); ++i) {
      first.push_back(i);
      last.push_back(static_cast<std::uint16_t>(size() - 1 - i));
    }
    const std::vector<Fp> values = InterpolateAtZero(messages, first);
    EXPECT_EQ(values, InterpolateAtZero(messages, last));
    return values;
  }
  void OpenAll() {
    for (std::uint32_t layer = 0; layer < layers().depth(); ++layer) {
      opened_[layer] = Open(Messages(layer));
    }
  }
  std::vector<Bundle> Bundles(const proto::Digest& plan) const {
    std::vector<Bundle> bundles;
    for (const auto& member : members_) bundles.push_back(member->MakeBundle(plan, opened_));
    return bundles;
  }

  // Runs the verification on opened(); `lie(step, values)` may change what a step opens. `known`
  // replaces the first challenge. Whether the triple is a product.
  template <class Lie>
  bool Verify(Lie lie, std::uint64_t coin_seed = 1) const {
    const auto coin = [&](std::size_t step) {
      return proto::Hasher("test coin").Add(coin_seed).Add(std::uint64_t{step}).Finish();
    };
    std::vector<std::unique_ptr<Compression>> compressions;
    for (std::uint16_t i = 0; i < size(); ++i) {
      compressions.push_back(std::make_unique<Compression>(dealer_.context(i), attempt_,
                                                           *members_[i], opened_, coin(0)));
    }
    const std::vector<std::size_t> sizes = CompressionSizes(layers().pairs());
    for (std::size_t step = 0; step < sizes.size(); ++step) {
      std::vector<std::vector<Fp>> messages;
      for (const auto& compression : compressions) messages.push_back(compression->Message());
      std::vector<Fp> values = Open(messages);
      EXPECT_EQ(values.size(), sizes[step]);
      lie(step, values);
      for (const auto& compression : compressions) compression->Fold(values, coin(step + 1));
    }
    std::vector<std::vector<Fp>> shares;
    for (const auto& compression : compressions) {
      const auto triple = compression->Triple();
      shares.emplace_back(triple.begin(), triple.end());
    }
    const std::vector<Fp> triple = dealer_.Open(shares);
    return triple[0] * triple[1] == triple[2];
  }
  bool Verify() const {
    return Verify([](std::size_t, std::vector<Fp>&) {});
  }

 private:
  const Dealer& dealer_;
  const std::uint64_t attempt_;
  std::vector<std::unique_ptr<Preprocessor>> members_;
  OpenedLayers opened_;
};

// What the shares of some parties (2t + 1 at least, the others' vectors empty) hide.
inline std::vector<Fp> Reveal(const proto::Committee& committee,
                              const std::vector<std::vector<Fp>>& shares) {
  std::size_t size = 0;
  for (const auto& vector : shares) size = std::max(size, vector.size());
  RobustDecoder decoder(committee, size);
  for (std::uint16_t i = 0; i < shares.size(); ++i) {
    if (!shares[i].empty()) decoder.Add(proto::PartyId{i}, shares[i]);
  }
  if (size == 0) return {};
  CHECK(decoder.decoded() && decoder.wrong().empty());
  return decoder.values();
}

// Masks with known bits are not the dealer's: an opening's r is the wire's L, shifted, and what is
// dropped of the parts.
inline void ExpectOpeningMask(const std::vector<Fp>& values, unsigned drop, std::size_t sets) {
  const std::size_t size = values.size() / 2;
  const Fp shift = Fp::FromUnsigned(UInt128{1} << drop);
  for (std::size_t i = 0; i < size; ++i) {
    const UInt128 low = (values[i] - values[size + i] * shift).value();
    EXPECT_LT(low, UInt128{sets} << drop);
    EXPECT_GT(values[size + i].value(), UInt128{1} << 64);
    EXPECT_LT(values[size + i].value(), UInt128{1} << (126 - drop));
  }
}

// A series' slot for the masks L.
inline void ExpectPhases(const Op& op, const std::vector<Fp>& masks, const std::vector<Fp>& values,
                         Int128 error_max) {
  auto value = values.begin();
  if (op.series.poly.size() > 2) {
    for (const Fp mask : masks) EXPECT_EQ(*value++, mask * mask);
  }
  for (std::size_t k = 1; k <= op.series.cosine.size(); ++k) {
    for (const auto part : {&CosSin::cos, &CosSin::sin}) {
      for (const Fp mask : masks) {
        const Int128 multiple = mask.ToSigned() * static_cast<Int128>(k);
        const CosSin phase = IntegerCosSin(multiple, op.series.period, op.series.phase_bits);
        const Int128 error = (*value++ - Fp(phase.*part)).ToSigned();
        EXPECT_LE(error < 0 ? -error : error, error_max) << "harmonic " << k;
      }
    }
  }
}

// Bundles of one attempt (those of absent parties without slots) against the dealer's, which
// derives the same masks from the same keys and multiplies them in the clear.
inline void ExpectRightBundles(Dealer& dealer, const Plan& plan, const std::vector<Bundle>& bundles,
                               std::uint64_t attempt, Int128 phase_error_max) {
  const Dealer::Dealt dealt = dealer.Deal(plan, attempt);
  const Layers layers(plan, dealer.sets().count());
  std::map<TensorId, std::vector<Fp>> known_bits;  // L of wires.
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    const Op& op = plan.ops[id];
    SCOPED_TRACE("operation " + std::to_string(id) + " of kind " +
                 std::to_string(static_cast<int>(op.kind)));
    std::vector<std::vector<Fp>> shares;
    std::vector<std::vector<Fp>> expected_shares;
    for (const Bundle& bundle : bundles) {
      shares.push_back(bundle.slots.empty() ? std::vector<Fp>{} : bundle.slots[id]);
    }
    for (const Bundle& bundle : dealt.bundles) expected_shares.push_back(bundle.slots[id]);
    const std::vector<Fp> values = Reveal(dealer.committee(), shares);
    const std::vector<Fp> expected = Reveal(dealer.committee(), expected_shares);
    ASSERT_EQ(values.size(), SlotSize(plan, id));
    if (layers.SeriesOf(id) != kNone) {
      ExpectOpeningMask(values, op.drop, dealer.sets().count());
      known_bits[id].assign(values.begin() + static_cast<std::ptrdiff_t>(op.size()), values.end());
      continue;
    }
    if (layers.of(id).bits > 0) {
      ExpectPhases(op, known_bits.at(op.inputs[0]), values, phase_error_max);
      continue;
    }
    switch (op.kind) {
      case OpKind::kEmbed: {
        const std::size_t padded = plan.vocabulary_padded();
        for (std::size_t i = 0; i < plan.tokens; ++i) {
          const Fp r = values[plan.tokens * padded + i];
          ASSERT_LT(r.value(), padded);
          for (std::size_t k = 0; k < padded; ++k) {
            EXPECT_EQ(values[i * padded + k], Fp(r.value() == k ? 1 : 0));
          }
        }
        break;
      }
      case OpKind::kOutput:
        for (const Fp mask : values) EXPECT_GT(mask.value(), UInt128{1} << 64);  // Uniform in F_p.
        break;
      case OpKind::kSeries:
        for (std::size_t i = 0; i < values.size(); ++i) {
          const bool square = op.series.poly.size() > 2 && i < op.size();
          const Int128 error = (values[i] - expected[i]).ToSigned();
          EXPECT_LE(error < 0 ? -error : error, square ? 0 : phase_error_max);
        }
        break;
      default:
        EXPECT_EQ(values, expected);
    }
  }
}

}  // namespace mpc
