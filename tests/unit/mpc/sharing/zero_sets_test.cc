#include "mpc/sharing/zero_sets.h"

#include <bit>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mpc/field/fp.h"

namespace mpc {
namespace {

using proto::Committee;
using proto::PartyId;

// The rank of a matrix, by elimination.
std::size_t Rank(std::vector<std::vector<Fp>> rows) {
  std::size_t rank = 0;
  const std::size_t columns = rows.empty() ? 0 : rows[0].size();
  for (std::size_t column = 0; column < columns; ++column) {
    std::size_t pivot = rank;
    while (pivot < rows.size() && rows[pivot][column] == Fp()) ++pivot;
    if (pivot == rows.size()) continue;
    std::swap(rows[pivot], rows[rank]);
    const Fp inverse = rows[rank][column].Inverse();
    for (std::size_t i = rank + 1; i < rows.size(); ++i) {
      const Fp factor = rows[i][column] * inverse;
      for (std::size_t j = 0; j < columns; ++j) rows[i][j] -= factor * rows[rank][j];
    }
    ++rank;
  }
  return rank;
}

TEST(ZeroSets, SpanWhatIsHiddenFromAnyTParties) {
  for (const int parties : {4, 5, 7, 10, 13}) {
    const auto n = static_cast<std::uint16_t>(parties);
    const Committee committee(n);
    const std::size_t t = committee.max_faulty();
    std::size_t adversaries = 0;
    for (PartySet adversary = 0; adversary < PartySet{1} << n; ++adversary) {
      if (static_cast<std::size_t>(std::popcount(adversary)) != t) continue;
      ++adversaries;
      std::vector<std::vector<Fp>> hidden;  // Values of polynomials at all points.
      for (const PartySet zero_set : ZeroSets(committee)) {
        if ((zero_set & adversary) != 0) continue;
        hidden.emplace_back();
        for (std::uint16_t i = 0; i < n; ++i) {
          hidden.back().push_back(Fp(ZeroFactor(zero_set, n, PartyId{i})));
        }
      }
      // Of degree 2t, with t + 1 zeros: t dimensions.
      EXPECT_EQ(Rank(hidden), t) << "n = " << n << ", parties " << adversary;
    }
    EXPECT_GT(adversaries, 0u);
  }
}

TEST(ZeroSets, HaveTheirSizesAndAreFew) {
  const std::pair<std::uint16_t, std::size_t> counts[] = {
      {1, 0}, {4, 4}, {7, 17}, {10, 46}, {13, 120}};
  for (const auto& [n, count] : counts) {
    const Committee committee(n);
    EXPECT_EQ(ZeroSets(committee).size(), count) << n;
    for (const PartySet zero_set : ZeroSets(committee)) {
      EXPECT_EQ(std::popcount(zero_set), n - 2 * committee.max_faulty() + 1);
      for (std::uint16_t i = 0; i < n; ++i) {
        const bool member = (zero_set >> i & 1) != 0;
        EXPECT_EQ(ZeroFactor(zero_set, n, PartyId{i}) != 0, member);
      }
    }
  }
}

}  // namespace
}  // namespace mpc
