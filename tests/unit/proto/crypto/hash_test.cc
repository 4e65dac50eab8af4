#include "proto/crypto/hash.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace proto {
namespace {

// FIPS 180-2, appendix B.
TEST(Hash, Sha256AgreesWithItsStandard) {
  EXPECT_EQ(Sha256(AsBytes("abc")).hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256(AsBytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")).hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256(Bytes(1'000'000, 'a')).hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(Sha256({}).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

RC_GTEST_PROP(Hash, IsTheTaggedHashOfBip340, (const std::string& tag, const Bytes& bytes)) {
  const Digest name = Sha256(AsBytes(tag));
  Bytes all(name.bytes.begin(), name.bytes.end());
  all.insert(all.end(), name.bytes.begin(), name.bytes.end());
  all.insert(all.end(), bytes.begin(), bytes.end());
  RC_ASSERT(Hash(tag, {bytes}) == Sha256(all));
}

TEST(Hash, TagsSeparate) {
  EXPECT_NE(Hash("one", {AsBytes("abc")}), Hash("two", {AsBytes("abc")}));
  EXPECT_NE(Hash("one", {}), Hash("", {AsBytes("one")}));
}

TEST(Hash, PartsAreRawAndSizedPartsAreNot) {
  const auto sized = [](std::string_view one, std::string_view two) {
    return Hasher("tag").AddSized(AsBytes(one)).AddSized(AsBytes(two)).Finish();
  };
  EXPECT_EQ(Hash("tag", {AsBytes("ab"), AsBytes("c")}), Hash("tag", {AsBytes("a"), AsBytes("bc")}));
  EXPECT_NE(sized("ab", "c"), sized("a", "bc"));
  EXPECT_NE(sized("", "abc"), sized("abc", ""));
}

TEST(Hash, IntegersAreEightBytesLittleEndian) {
  const Bytes bytes = {8, 7, 6, 5, 4, 3, 2, 1};
  EXPECT_EQ(Hasher("tag").Add(std::uint64_t{0x0102030405060708}).Finish(), Hash("tag", {bytes}));
}

TEST(Hash, AHasherMovesWithWhatItWasGiven) {
  Hasher hasher("tag");
  hasher.Add(AsBytes("ab"));
  Hasher moved = std::move(hasher);
  EXPECT_EQ(moved.Add(AsBytes("c")).Finish(), Hash("tag", {AsBytes("abc")}));
}

TEST(HashDeathTest, FinishesOnce) {
  Hasher hasher("tag");
  hasher.Finish();
  EXPECT_DEATH(hasher.Finish(), "CHECK");
  EXPECT_DEATH(hasher.Add(std::uint64_t{1}), "CHECK");
}

}  // namespace
}  // namespace proto
