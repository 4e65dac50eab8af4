// What a builder keeps of its calibration texts.

#include "mpc/model/builder.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "mpc/model/select.h"
#include "tests/unit/mpc/model/table_head.h"

namespace mpc {
namespace {

constexpr std::uint32_t kTokens = 4, kWidth = 8, kWords = 64;

Plan Head() {
  return TableHead(kTokens, kWords, 3);
}

std::vector<PlanBuilder::Text> Texts(std::uint32_t count) {
  std::vector<PlanBuilder::Text> texts(count);
  for (std::uint32_t t = 0; t < count; ++t) {
    for (std::uint32_t i = 0; i < kTokens; ++i) texts[t].push_back((t * kTokens + i) % kWords);
  }
  return texts;
}

std::vector<double> Table() {
  std::vector<double> table(kWords * kWidth);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<double>(i / kWidth) / 64;
  return table;
}

// A comparison of each value takes a hundred times its room, whatever is given up for it.
TEST(Builder, GivesUpTextsRatherThanMemory) {
  constexpr std::size_t kElements = kTokens * kWidth;
  for (const std::size_t room : {std::size_t{1}, 100 * kElements, 100000 * kElements}) {
    BuilderOptions options;
    options.values_max = room;
    PlanBuilder b(Head(), Texts(16), options);
    const TensorId words = b.Embed(Table(), kWidth, 16, "words");
    const TensorId x = b.Open(words, 16, "x");
    TensorId sum = b.Reshape(x, kElements, 1, "column");
    for (int i = 0; i < 50; ++i) {
      const TensorId bit = Sign(b, sum, "sign");
      sum = b.Add(sum, 1, bit, 0, 0, 16, "sum");
      b.KeepOnly({words, x, sum});
    }
    const std::size_t left = b.texts().size();
    EXPECT_EQ(left, room == 1 ? 1u : room < 1000 * kElements ? 2u : 16u);
    for (std::size_t t = 0; t < left; ++t) {
      // What is left belongs together, and spreads over all.
      EXPECT_EQ(b.texts()[t], Texts(16)[t * 16 / left]);
      const auto values = b.Values(x, t), summed = b.Values(sum, t);
      for (std::size_t i = 0; i < kElements; ++i) {
        EXPECT_EQ(values[i], b.texts()[t][i / kWidth] / 64.0);
        EXPECT_EQ(summed[i], values[i]);
      }
    }
    b.Output(sum, "result");
    EXPECT_TRUE(b.Finish().has_value());
  }
}

}  // namespace
}  // namespace mpc
