#include "proto/crypto/prg.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace proto {
namespace {

const Bytes kMaster(32, 0x11);

Bytes Read(Prg& prg, std::size_t size) {
  Bytes out(size, 0xcc);
  prg.Fill(out);
  return out;
}

Bytes Stream(std::size_t size) {
  Prg prg(kMaster, AsBytes("label"));
  return Read(prg, size);
}

RC_GTEST_PROP(Prg, TheStreamDoesNotDependOnHowItIsRead, ()) {
  const Bytes expected = Stream(40'000);
  Prg prg(kMaster, AsBytes("label"));
  Bytes read;
  while (read.size() < expected.size()) {
    const std::size_t left = expected.size() - read.size();
    const auto size = *rc::gen::elementOf(std::vector<std::size_t>{
        0, 1, 8, 15, 16, 17, 255, 256, 257, 4095, 4096, 4097, 9999, 16384, 16385});
    const Bytes part = Read(prg, std::min(size, left));
    read.insert(read.end(), part.begin(), part.end());
  }
  RC_ASSERT(read == expected);
}

RC_GTEST_PROP(Prg, SeekGoesToABlockFromAnywhere, ()) {
  const Bytes expected = Stream(60'000);
  Prg prg(kMaster, AsBytes("label"));
  for (int i = 0; i < 8; ++i) {
    const auto block = *rc::gen::inRange<std::size_t>(0, 2000);
    const auto size = *rc::gen::inRange<std::size_t>(0, 9000);
    prg.Seek(block);
    const auto from = expected.begin() + static_cast<std::ptrdiff_t>(16 * block);
    RC_ASSERT(Read(prg, size) == Bytes(from, from + static_cast<std::ptrdiff_t>(size)));
  }
}

TEST(Prg, SeeksBeyondThirtyTwoBits) {
  Prg prg(kMaster, AsBytes("label"));
  prg.Seek((std::uint64_t{1} << 32) - 2);
  const Bytes across = Read(prg, 64);
  prg.Seek(std::uint64_t{1} << 32);
  EXPECT_EQ(Read(prg, 32), Bytes(across.begin() + 32, across.end()));
  prg.Seek(0);
  EXPECT_NE(Read(prg, 32), Bytes(across.begin() + 32, across.end()));
}

TEST(Prg, KeysAndLabelsGiveStreamsOfTheirOwn) {
  Prg one(kMaster, AsBytes("label"));
  Prg same(kMaster, AsBytes("label"));
  Prg label(kMaster, AsBytes("label "));
  Prg key(Bytes(32, 0x12), AsBytes("label"));
  Prg none(kMaster, {});
  const Bytes stream = Read(one, 64);
  EXPECT_EQ(Read(same, 64), stream);
  EXPECT_NE(Read(label, 64), stream);
  EXPECT_NE(Read(key, 64), stream);
  EXPECT_NE(Read(none, 64), stream);
}

TEST(Prg, U64ReadsLittleEndian) {
  Prg prg(kMaster, AsBytes("label"));
  const Bytes stream = Stream(16);
  EXPECT_EQ(prg.U64(), GetU64(stream));
  EXPECT_EQ(prg.U64(), GetU64(ByteSpan(stream).subspan(8)));
}

TEST(Prg, MovesWithItsPosition) {
  Prg prg(kMaster, AsBytes("label"));
  Read(prg, 10);
  Prg moved = std::move(prg);
  const Bytes stream = Stream(30);
  EXPECT_EQ(Read(moved, 20), Bytes(stream.begin() + 10, stream.end()));
}

TEST(PrgDeathTest, AMasterKeyHasThirtyTwoBytes) {
  EXPECT_DEATH(Prg(Bytes(16, 1), {}), "CHECK");
}

}  // namespace
}  // namespace proto
