// Each building block with all randomness it can have, for n = 4 and the field of seven elements:
// what a member sees is distributed alike, run for run, whatever the secrets are. The code is the
// engine's own (mpc/sharing, mpc/preprocessing), compiled over another field and fed by a tape.
//
// The adversary is one member (t = 1) and king: it sees its keys, its shares, every message vector.
// Its shares of the secrets are fixed; the secrets are not.

#include <gtest/gtest.h>

#include "mpc/preprocessing/claims.h"
#include "mpc/preprocessing/one_hot.h"
#include "mpc/preprocessing/reductions.h"
#include "mpc/sharing/batch.h"
#include "tests/privacy/enumerate.h"

namespace mpc::privacy {
namespace {

constexpr auto kPrime = static_cast<std::uint64_t>(Fp::kModulus);
using Elements = std::vector<std::vector<Fp>>;

Elements AsElements(const Shares& shares) {
  return {shares.begin(), shares.end()};
}

class Privacy : public testing::TestWithParam<std::uint16_t> {
 protected:
  std::uint16_t adversary() const { return GetParam(); }
  Distance Compare(std::map<Purpose, std::uint64_t> radix, const Protocol& protocol) const {
    return privacy::Compare(members_.KeysUnknownTo(adversary()), radix, protocol);
  }
  Shares Line(Fp secret, Fp own, std::size_t count) const {
    return members_.Line(secret, adversary(), own, count);
  }

  // One batch of products under a plan's kMul, as Reductions knows it.
  static Plan ProductPlan(std::size_t count) {
    Plan plan;
    Op op;
    op.kind = OpKind::kMul;
    op.rows = static_cast<std::uint32_t>(count);
    op.cols = 1;
    op.inputs = {0, 0};
    plan.ops = {Op{}, op};
    plan.ops[0] = op;
    plan.ops[0].kind = OpKind::kOpen;
    plan.ops[0].inputs = {0};
    return plan;
  }
  std::unique_ptr<Reductions> Member(std::uint16_t party, const Plan& plan) const {
    return std::make_unique<Reductions>(members_.sets(), members_.KeysOf(party), std::nullopt, plan,
                                        Members::kEpoch, Members::kAttempt,
                                        HoldersOf(members_.sets(), Members::kAttempt, {}));
  }

  const Members members_;
};
INSTANTIATE_TEST_SUITE_P(Adversary, Privacy, testing::Values(0, 3));

// [r], from keys alone: the member's share and keys say nothing of r.
TEST_P(Privacy, RandomSharing) {
  const auto protocol = [&](std::size_t count) {
    std::vector<Fp> r(count);
    std::vector<Fp> own;
    const Fp points[] = {Fp(1), Fp(2)};
    const auto at_zero = LagrangeCoefficients(points, Fp());
    for (const std::uint16_t i : {std::uint16_t{0}, std::uint16_t{1}}) {
      const auto shares = members_.prss(i).Random({1, 1, 0, Purpose::kProduct}, count);
      for (std::size_t k = 0; k < count; ++k) r[k] += at_zero[i] * shares[k];
    }
    Seen seen;
    for (const Fp value : r) seen.secret.push_back(static_cast<int>(value.value()));
    seen.elements = {members_.prss(adversary()).Random({1, 1, 0, Purpose::kProduct}, count)};
    return seen;
  };
  EXPECT_EQ(Compare({{Purpose::kProduct, kPrime}}, protocol).difference, 0u);
}

// An opening under a mask that is uniform in the field: of the result for the client, of a token.
// Everybody sees everybody's share of y + mu.
TEST_P(Privacy, OpeningUnderAUniformMask) {
  const auto protocol = [&](bool masked) {
    return ForEach(static_cast<int>(kPrime), [&, masked](int y, std::size_t count) {
      Shares shares = Line(Fp(y), Fp(3), count);
      for (std::uint16_t i = 0; masked && i < kMembers; ++i) {
        const auto mask = members_.prss(i).Random({1, 1, 0, Purpose::kOutput}, count);
        for (std::size_t k = 0; k < count; ++k) shares[i][k] += mask[k];
      }
      return AsElements(shares);
    });
  };
  EXPECT_EQ(Compare({{Purpose::kOutput, kPrime}}, protocol(true)).difference, 0u);
  EXPECT_GT(Compare({{Purpose::kOutput, kPrime}}, protocol(false)).difference, 0u);
}

// Two values opened as one batch: the member sees all shares of its y, and everybody's y.
TEST_P(Privacy, OpeningInBatches) {
  const std::pair<int, int> secrets[] = {{0, 0}, {3, 5}};
  const auto protocol = [&](bool masked) {
    return ForEach(2, [&, masked](int secret, std::size_t count) {
      const Shares first = Line(Fp(secrets[secret].first), Fp(3), count);
      const Shares second = Line(Fp(secrets[secret].second), Fp(1), count);
      Shares shares;  // Of both, one run of the batch after the other.
      for (std::uint16_t i = 0; i < kMembers; ++i) {
        shares[i] = first[i];
        shares[i].insert(shares[i].end(), second[i].begin(), second[i].end());
        if (!masked) continue;
        const auto mask = members_.prss(i).Random({1, 1, 0, Purpose::kOutput}, count);
        const auto other = members_.prss(i).Random({1, 1, 1, Purpose::kOutput}, count);
        for (std::size_t k = 0; k < count; ++k) shares[i][k] += mask[k];
        for (std::size_t k = 0; k < count; ++k) shares[i][count + k] += other[k];
      }
      const Fp points[] = {Fp(1), Fp(2)};
      const auto at_zero = LagrangeCoefficients(points, Fp());
      std::vector<Fp> values(2 * count);
      for (std::size_t k = 0; k < values.size(); ++k) {
        values[k] = at_zero[0] * shares[0][k] + at_zero[1] * shares[1][k];
      }
      const Batch batch(members_.sets().committee(), values.size());
      Elements seen;
      for (std::uint16_t i = 0; i < kMembers; ++i) {
        seen.push_back(batch.For(proto::PartyId{adversary()}, shares[i]));
        seen.push_back(batch.For(proto::PartyId{i}, values));
      }
      return seen;
    });
  };
  EXPECT_EQ(Compare({{Purpose::kOutput, kPrime}}, protocol(true)).difference, 0u);
  EXPECT_GT(Compare({{Purpose::kOutput, kPrime}}, protocol(false)).difference, 0u);
}

// A product [ab] through a king that keeps all four vectors: local products, Reductions::Hide.
TEST_P(Privacy, ProductThroughTheKing) {
  const std::pair<int, int> secrets[] = {{0, 0}, {3, 5}, {6, 2}};
  const Protocol protocol = [&](std::size_t count) {
    const Plan plan = ProductPlan(count);
    Shares hiding;  // Hide adds to the products; the same for all secrets.
    for (std::uint16_t i = 0; i < kMembers; ++i) {
      hiding[i].resize(count);
      Member(i, plan)->Hide(0, hiding[i]);
    }
    return ForEach(3, [&](int secret, std::size_t) {
      const Shares a = Line(Fp(secrets[secret].first), Fp(2), count);
      const Shares b = Line(Fp(secrets[secret].second), Fp(4), count);
      Shares vectors;
      for (std::uint16_t i = 0; i < kMembers; ++i) {
        vectors[i].resize(count);
        ComputeClaims({.a = {.values = a[i], .stride = {0, 0, 1}},
                       .b = {.values = b[i], .stride = {0, 0, 1}},
                       .extent = {1, 1, count}},
                      vectors[i]);
        for (std::size_t k = 0; k < count; ++k) vectors[i][k] += hiding[i][k];
      }
      return AsElements(vectors);
    })(count);
  };
  const auto p = kPrime;
  EXPECT_EQ(Compare({{Purpose::kProduct, p}, {Purpose::kProductZero, p}}, protocol).difference, 0u);
  // What either mask is for: without r the product shows, without the sharing of zero the factors.
  EXPECT_GT(Compare({{Purpose::kProductZero, p}}, protocol).difference, 0u);
  EXPECT_GT(Compare({{Purpose::kProduct, p}}, protocol).difference, 0u);
}

// A random bit: the king sees shares of a^2, which becomes public; the bit says which root a is.
TEST_P(Privacy, RandomBit) {
  const auto protocol = [&](std::size_t count) {
    Plan plan;
    plan.tokens = static_cast<std::uint32_t>(count);
    plan.digit_bits_high = 1;
    plan.ops.resize(1);
    plan.ops[0].kind = OpKind::kEmbed;
    plan.ops[0].rows = plan.tokens;
    plan.ops[0].cols = 1;
    Shares vectors;
    std::vector<std::unique_ptr<Reductions>> members;
    for (std::uint16_t i = 0; i < kMembers; ++i) {
      members.push_back(Member(i, plan));
      OneHotShares one_hot(*members[i], 0, {});
      vectors[i].resize(count);
      ComputeClaims(one_hot.Squares(), vectors[i]);
      members[i]->Hide(0, vectors[i]);
    }
    // What the king opens: the value at 0 of the polynomial of degree 2.
    const Fp points[] = {Fp(1), Fp(2), Fp(3)};
    const auto coefficients = LagrangeCoefficients(points, Fp());
    OpenedLayers opened{std::vector<Fp>(count)};
    for (std::size_t k = 0; k < count; ++k) {
      for (std::size_t i = 0; i < 3; ++i) opened[0][k] += coefficients[i] * vectors[i][k];
    }
    std::vector<std::vector<Fp>> bits;
    for (std::uint16_t i = 0; i < 2; ++i) {
      bits.push_back(OneHotShares(*members[i], 0, opened).Numbers());
    }
    const auto line = LagrangeCoefficients(std::span(points).first(2), Fp());
    Seen seen{{}, AsElements(vectors)};
    seen.elements.push_back(opened[0]);
    for (std::size_t k = 0; k < count; ++k) {
      const Fp bit = line[0] * bits[0][k] + line[1] * bits[1][k];
      const bool zero = opened[0][k] == Fp();  // One in p: no bit comes of it.
      CHECK(zero || bit == Fp() || bit == Fp(1));
      seen.secret.push_back(zero ? -1 : static_cast<int>(bit.value()));
    }
    return seen;
  };
  const auto p = kPrime;
  EXPECT_EQ(Compare({{Purpose::kBit, p}, {Purpose::kBitZero, p}}, protocol).difference, 0u);
  EXPECT_GT(Compare({{Purpose::kBit, p}}, protocol).difference, 0u);  // Shares of a show through.
}

// A product that is truncated: its mask is a bounded integer and may leak (tests/privacy/whole).
// The king's vectors show c, and no more than c: the distance is that of c alone, of two residues
// under a mask of four values.
TEST_P(Privacy, TruncatedProductShowsItsMaskedValueAlone) {
  constexpr std::uint64_t kPart = 4;
  const std::pair<int, int> secrets[] = {{1, 3}, {5, 6}, {2, 2}};  // Products 3, 2, 4.
  const auto protocol = ForEach(3, [&](int secret, std::size_t count) {
    const Shares a = Line(Fp(secrets[secret].first), Fp(2), count);
    const Shares b = Line(Fp(secrets[secret].second), Fp(4), count);
    Shares vectors;
    for (std::uint16_t i = 0; i < kMembers; ++i) {
      const Label label{1, 1, 0, Purpose::kProduct};
      const auto r = members_.prss(i).BoundedShares(label, count, {0}).front();
      const auto zero = members_.prss(i).Zero({1, 1, 0, Purpose::kProductZero}, count);
      for (std::size_t k = 0; k < count; ++k) {
        vectors[i].push_back(a[i][k] * b[i][k] + r[k] + zero[k]);
      }
    }
    return AsElements(vectors);
  });
  const Distance distance =
      Compare({{Purpose::kProduct, kPart}, {Purpose::kProductZero, kPrime}}, protocol);
  // Of 2 and 4: two values of four each have that the other has not.
  EXPECT_EQ(distance.difference * kPart, 2 * 2 * distance.runs);
}

}  // namespace
}  // namespace mpc::privacy
