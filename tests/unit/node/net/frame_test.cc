#include "node/net/frame.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace node {
namespace {

using proto::Bytes;
using proto::ByteSpan;
using proto::ErrorCode;

constexpr std::size_t kLimit = 4 * kMiB;

// What arrives when `message` is cut and assembled; how many frames it took.
std::pair<Bytes, int> Carry(Assembler& assembler, const Bytes& message) {
  std::size_t offset = 0;
  for (int frames = 1;; ++frames) {
    const Cut cut = CutFrame(message.size(), offset);
    auto whole = assembler.Add(ByteSpan(message).subspan(offset, cut.size), cut.more);
    EXPECT_TRUE(whole.has_value());
    if (!whole) return {};
    offset += cut.size;
    EXPECT_EQ(whole->has_value(), cut.more == 0);
    if (cut.more == 0) return {**whole, frames};
  }
}

TEST(Frame, BoundarySizesArriveWhole) {
  Assembler assembler(kLimit);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, kMiB - 1, kMiB, kMiB + 1, 2 * kMiB, kLimit - 1, kLimit}) {
    const Bytes message(size, static_cast<std::uint8_t>(size * 7 + 1));
    const auto [arrived, frames] = Carry(assembler, message);
    EXPECT_EQ(arrived, message) << size;
    EXPECT_EQ(frames, size == 0 ? 1 : static_cast<int>((size + kMiB - 1) / kMiB)) << size;
  }
}

TEST(Frame, RefusesWhatExceedsTheLimitAtTheFirstFrame) {
  const Bytes data(10, 1);
  EXPECT_EQ(Assembler(kLimit).Add(data, kLimit - 9).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(Assembler(kLimit).Add(data, ~std::uint64_t{0}).error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(Assembler(kLimit).Add(data, kLimit - 10).has_value());
  EXPECT_EQ(Assembler(kLimit).Add(Bytes(kMiB + 1), 0).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(Assembler(5).Add(data, 0).error().code, ErrorCode::kExhausted);
}

TEST(Frame, RefusesFramesThatContradictEachOther) {
  const Bytes data(10, 1);
  for (const std::uint64_t more : {0, 5, 14, 16, 25}) {  // 25 - 10 = 15 is the truth.
    Assembler assembler(kLimit);
    ASSERT_TRUE(assembler.Add(data, 25).has_value());
    EXPECT_EQ(assembler.Add(data, more).error().code, ErrorCode::kCorrupt) << more;
  }
  EXPECT_EQ(Assembler(kLimit).Add({}, 5).error().code, ErrorCode::kCorrupt);
}

// Whatever the frames say, memory follows what came, and no message exceeds the limit.
RC_GTEST_PROP(Frame, SurvivesAnyFrames, ()) {
  Assembler assembler(100);
  std::size_t received = 0;
  const int frames = *rc::gen::inRange(0, 50);
  for (int i = 0; i < frames; ++i) {
    const auto data = *rc::gen::container<Bytes>(rc::gen::arbitrary<std::uint8_t>());
    const auto more = *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 120),
                                      rc::gen::arbitrary<std::uint64_t>());
    received += data.size();
    auto whole = assembler.Add(data, more);
    if (!whole) return;
    if (!whole->has_value()) continue;
    RC_ASSERT((*whole)->size() <= 100u);
    RC_ASSERT((*whole)->size() == received);
    received = 0;
  }
}

}  // namespace
}  // namespace node
