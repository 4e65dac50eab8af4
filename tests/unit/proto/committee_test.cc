// Thresholds follow from n, also where n is not 3f + 1: a quorum is n - f, not 2f + 1.

#include "proto/committee.h"

#include <gtest/gtest.h>

namespace proto {
namespace {

TEST(Committee, ThresholdsOfEverySize) {
  struct Row {
    std::uint16_t n, f, quorum, validity;
  };
  for (const Row& row : {Row{4, 1, 3, 2}, Row{5, 1, 4, 2}, Row{6, 1, 5, 2}, Row{7, 2, 5, 3},
                         Row{10, 3, 7, 4}, Row{13, 4, 9, 5}, Row{50, 16, 34, 17}}) {
    const Committee committee(row.n);
    EXPECT_EQ(committee.max_faulty(), row.f) << row.n;
    EXPECT_EQ(committee.quorum(), row.quorum) << row.n;
    EXPECT_EQ(committee.validity(), row.validity) << row.n;
  }
}

// Any two quorums share an honest party, and any quorum holds an honest majority of validity().
TEST(Committee, QuorumsIntersectInAnHonestParty) {
  for (std::uint16_t n = 1; n <= 100; ++n) {
    const Committee committee(n);
    EXPECT_GT(2 * committee.quorum() - n, committee.max_faulty()) << n;
    EXPECT_GE(committee.quorum() - committee.max_faulty(), committee.validity()) << n;
  }
}

}  // namespace
}  // namespace proto
