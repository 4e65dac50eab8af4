#include "proto/committee.h"

#include <gtest/gtest.h>

namespace proto {
namespace {

TEST(Committee, ThresholdsKeepTheirPromises) {
  for (std::uint16_t n = 1; n < 1000; ++n) {
    const Committee committee(n);
    const int f = committee.max_faulty();
    EXPECT_GE(n, 3 * f + 1);
    EXPECT_LT(n, 3 * (f + 1) + 1);  // The largest such f.
    // Two quorums share an honest party; a quorum forms without the faulty; f + 1 have an honest
    // one.
    EXPECT_GT(2 * committee.quorum() - n, f);
    EXPECT_LE(committee.quorum(), n - f);
    EXPECT_EQ(committee.validity(), f + 1);
  }
}

TEST(CommitteeDeathTest, IsNotEmpty) {
  EXPECT_DEATH(Committee(0), "CHECK");
}

}  // namespace
}  // namespace proto
