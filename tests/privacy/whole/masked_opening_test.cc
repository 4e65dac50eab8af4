// Openings that leak: under masks that are bounded integers. All runs with masks of few bits, the
// field and the code being the engine's own: the exact statistical distance of what a member sees,
// beside the bound that plans are charged with (LeakageBits).

#include <cmath>

#include <gtest/gtest.h>

#include "mpc/online/client.h"
#include "mpc/opening/masked.h"
#include "mpc/plan/plan.h"
#include "tests/privacy/enumerate.h"

namespace mpc::privacy {
namespace {

// The bound for one opened value.
double Bound(OpKind kind, unsigned bits, unsigned mask_bits) {
  Plan plan;
  Op input;
  input.kind = OpKind::kEmbed;
  input.rows = input.cols = 1;
  input.bits = static_cast<std::uint8_t>(bits);
  Op open = input;
  open.kind = kind;
  open.inputs = {0};
  open.digits = 1;
  open.digit_bits = static_cast<std::uint8_t>(bits);
  plan.ops = {input, open};
  return std::exp2(-LeakageBits(plan, mask_bits));
}

class MaskedOpening : public testing::TestWithParam<std::uint16_t> {
 protected:
  Distance Compare(unsigned mask_bits, const Protocol& protocol) const {
    return privacy::Compare(members_.KeysUnknownTo(GetParam()),
                            {{Purpose::kMask, std::uint64_t{1} << mask_bits}}, protocol);
  }
  // Everybody's share of y + offset + sum of r_A, as all see them.
  std::vector<std::vector<Fp>> Open(Fp y, unsigned shift, Fp scale, std::size_t count) const {
    const Shares shares = members_.Line(y, GetParam(), Fp(1234567), count);
    std::vector<std::vector<Fp>> opened;
    for (std::uint16_t i = 0; i < kMembers; ++i) {
      opened.push_back(
          members_.prss(i).BoundedShares({1, 1, 0, Purpose::kMask}, count, {shift}).front());
      for (std::size_t k = 0; k < count; ++k) {
        opened[i][k] = opened[i][k] * scale + shares[i][k] + Fp::FromSigned(kOpenOffset);
      }
    }
    return opened;
  }

  const Members members_;
};
INSTANTIATE_TEST_SUITE_P(Adversary, MaskedOpening, testing::Values(0, 3));

// A wire: |y| < 2^bits. The largest distance is that of the ends of the range.
TEST_P(MaskedOpening, OfAWireLeaksWhatThePlanIsChargedWith) {
  for (const auto& [bits, mask_bits] : {std::pair(1u, 3u), {1u, 4u}, {2u, 4u}, {3u, 4u}}) {
    const std::int64_t end = (std::int64_t{1} << bits) - 1;
    const auto protocol = ForEach(3, [&, end](int secret, std::size_t count) {
      return Open(Fp((secret - 1) * end), 0, Fp(1), count);
    });
    const Distance distance = Compare(mask_bits, protocol);
    // Twice the distance, times the runs: 2 * 2 end / 2^mask_bits of them.
    EXPECT_EQ(distance.difference << mask_bits, 4 * static_cast<std::uint64_t>(end) * distance.runs)
        << bits << " bits under " << mask_bits;
    EXPECT_LE(distance.value(), Bound(OpKind::kOpen, bits, mask_bits));
  }
}

// Bits of the parts above those that are dropped are replaced by random bits that nobody knows
// (mpc/preprocessing/series.h): it leaks as much as before, to the last digit.
TEST_P(MaskedOpening, UnderKnownBitsLeaksWhatThePartsWould) {
  constexpr unsigned kDrop = 1, kKnown = 2, kMaskBits = 4, kBits = 1;
  constexpr std::int64_t kEnd = (1 << kBits) - 1;
  const Label label{1, 1, 1, Purpose::kMask};
  const Protocol protocol = [&](std::size_t count) {
    Seen seen;
    seen.elements.resize(kMembers);
    for (int secret = 0; secret < 3; ++secret) {
      const Shares y = members_.Line(Fp((secret - 1) * kEnd), GetParam(), Fp(7654321), count);
      for (std::int64_t rho = 0; rho < 1 << kKnown; ++rho) {
        const Shares known = members_.Line(Fp(rho), GetParam(), Fp(1234567), count);
        seen.secret.insert(seen.secret.end(), count, secret);
        for (std::uint16_t i = 0; i < kMembers; ++i) {
          const auto parts =
              members_.prss(i).BoundedShares(label, count, {0, kDrop, kDrop + kKnown});
          for (std::size_t k = 0; k < count; ++k) {
            const Fp mask = parts[0][k] - Fp(1 << kDrop) * parts[1][k] +
                            Fp(1 << (kDrop + kKnown)) * parts[2][k] + Fp(1 << kDrop) * known[i][k];
            seen.elements[i].push_back(y[i][k] + mask + Fp::FromSigned(kOpenOffset));
          }
        }
      }
    }
    return seen;
  };
  const Distance distance = Compare(kMaskBits, protocol);
  EXPECT_EQ(distance.difference << kMaskBits, 4 * static_cast<std::uint64_t>(kEnd) * distance.runs);
  EXPECT_LE(distance.value(), Bound(OpKind::kOpen, kBits, kMaskBits));
}

// Without the part that the adversary does not know everything shows.
TEST_P(MaskedOpening, WithoutTheHiddenPartShowsEverything) {
  const auto protocol = ForEach(2, [&](int secret, std::size_t count) {
    auto opened = Open(Fp(secret), 0, Fp(1), count);
    Shares hidden = members_.Line(Fp(), GetParam(), Fp(), count);
    // What member j holds of the part that GetParam() does not know: r * f_A(j).
    for (SetIndex set = 0; set < members_.sets().count(); ++set) {
      if (members_.sets().Contains(set, proto::PartyId{GetParam()})) continue;
      const auto other = static_cast<std::uint16_t>((GetParam() + 1) % kMembers);
      const MaskParts parts = members_.prss(other).Bounded({1, 1, 0, Purpose::kMask}, count);
      for (std::uint16_t j = 0; j < kMembers; ++j) {
        for (std::size_t k = 0; k < count; ++k) {
          opened[j][k] -= Fp::FromUnsigned(parts.parts[set * count + k]) *
                          members_.sets().Factor(set, proto::PartyId{j});
        }
      }
    }
    return opened;
  });
  EXPECT_EQ(Compare(3, protocol).value(), 1.0);
}

// Comparison and lookup: y in [0, 2^k) under r + 2^k * sum of (r_A >> k), r uniform in [0, 2^k)
// (what mpc/preprocessing/one_hot adds up from bits: RandomBit says that they are uniform, and that
// their shares lie on a line of which the member's share is fixed).
TEST_P(MaskedOpening, UnderKnownDigitsLeaksWhatThePlanIsChargedWith) {
  for (const auto& [k, mask_bits] : {std::pair(1u, 3u), {2u, 3u}, {2u, 4u}}) {
    const std::int64_t size = std::int64_t{1} << k;
    const Protocol protocol = [&, bits = k](std::size_t count) {
      Seen seen;
      seen.elements.resize(kMembers);
      for (std::int64_t y = 0; y < size; ++y) {
        for (std::int64_t r = 0; r < size; ++r) {
          const auto opened = Open(Fp(y + r), bits, Fp(size), count);
          seen.secret.insert(seen.secret.end(), count, static_cast<int>(y));
          for (std::uint16_t i = 0; i < kMembers; ++i) {
            seen.elements[i].insert(seen.elements[i].end(), opened[i].begin(), opened[i].end());
          }
        }
      }
      return seen;
    };
    const Distance distance = Compare(mask_bits, protocol);
    EXPECT_EQ(distance.difference << mask_bits,
              2 * static_cast<std::uint64_t>(size - 1) * distance.runs)
        << k << " bits under " << mask_bits;
    EXPECT_LE(distance.value(), Bound(OpKind::kCompare, k, mask_bits));
  }
}

// What a client posts of a token: id + r modulo V', each number once for each token.
TEST(MaskedToken, IsUniform) {
  constexpr std::uint64_t kPadded = 16;
  std::map<std::uint32_t, std::map<std::uint32_t, int>> posted;  // By token.
  for (std::uint32_t id = 0; id < kPadded; ++id) {
    for (std::uint64_t r = 0; r < kPadded; ++r) {
      const auto masked =
          MaskTokens(std::vector{id}, std::vector{Fp(static_cast<std::int64_t>(r))}, kPadded);
      ASSERT_TRUE(masked.has_value());
      ++posted[id][masked->at(0)];
    }
    EXPECT_EQ(posted[id].size(), kPadded);
    EXPECT_EQ(posted[id], posted[0]);
  }
}

}  // namespace
}  // namespace mpc::privacy
