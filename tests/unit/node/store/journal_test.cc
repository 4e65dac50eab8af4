// What the journal reads back after any damage to its end, or before it.

#include "node/store/journal.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <leveldb/env.h>

#include "node/store/checksum.h"
#include "tests/unit/node/store/scratch.h"

namespace node {
namespace {

namespace fs = std::filesystem;

using proto::Bytes;
using proto::ErrorCode;

constexpr std::uint8_t kRecords = 5;

TEST(Checksum, IsCrc32c) {
  EXPECT_EQ(Checksum(proto::AsBytes("123456789")), 0xe3069283u);  // RFC 3720 and its like.
  EXPECT_EQ(Checksum(Bytes(32, 0)), 0x8a9136aau);
  EXPECT_EQ(Checksum(Bytes(32, 0xff)), 0x62a8ab43u);
  Bytes bytes;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Checksum(bytes), ChecksumByTable(bytes));
    bytes.push_back(static_cast<std::uint8_t>(i * 37));
  }
}

class JournalTest : public testing::Test {
 protected:
  // Record i: key i with a value of 10 i bytes; the key before is erased.
  std::vector<KeyWrite> Writes(std::uint8_t i) const {
    return {{{i}, Bytes(std::size_t{10} * i, i)},
            {{static_cast<std::uint8_t>(i - 1)}, std::nullopt}};
  }
  // Records 1 to kRecords, each synced or only the first `synced`; where each began.
  std::vector<std::uint64_t> Write(std::uint8_t synced) {
    Journal journal(directory_, *leveldb::Env::Default(), true);
    EXPECT_TRUE(journal.Begin(1, 0));
    std::vector<std::uint64_t> starts;
    for (std::uint8_t i = 1; i <= kRecords; ++i) {
      starts.push_back(journal.end().offset);
      EXPECT_TRUE(journal.Append(Writes(i)));
      if (i <= synced) {
        EXPECT_TRUE(journal.Sync());
      }
    }
    starts.push_back(journal.end().offset);
    return starts;
  }
  // How many records come back, checked; or the error.
  proto::Result<std::uint64_t> Replay() const {
    const Journal journal(directory_, *leveldb::Env::Default(), true);
    std::uint8_t next = 1;
    const auto end = journal.Replay({}, [&](const auto& entries, const Position&) {
      const auto writes = Writes(next++);
      EXPECT_EQ(entries.size(), writes.size());
      for (std::size_t i = 0; i < entries.size(); ++i) {
        EXPECT_TRUE(std::ranges::equal(entries[i].key, writes[i].key));
        EXPECT_EQ(entries[i].value.has_value(), writes[i].value.has_value());
        if (!entries[i].value) continue;
        EXPECT_TRUE(std::ranges::equal(*entries[i].value, *writes[i].value));
      }
      return proto::Result<>();
    });
    if (!end) return tl::unexpected(end.error());
    EXPECT_EQ(end->number, next - 1u);
    return end->number;
  }
  std::string Path() const { return scratch_ / "journal/00000001.journal"; }

  const Scratch scratch_;
  const Directory directory_ = Directory::Hold(scratch_ / "journal").value();
};

TEST_F(JournalTest, EveryLengthGivesThePrefixThatIsWhole) {
  const auto starts = Write(kRecords);
  for (std::uint64_t size = starts.back();; --size) {
    fs::resize_file(Path(), size);
    const auto held = Replay();
    ASSERT_TRUE(held.has_value()) << size << ": " << held.error().message;
    const auto whole = std::ranges::upper_bound(starts, size) - starts.begin() - 1;
    EXPECT_EQ(*held, static_cast<std::uint64_t>(whole)) << size;
    if (size == 0) break;
  }
}

// Everything was synced: only the last record may pass for a torn one.
TEST_F(JournalTest, EveryDamagedByteIsFound) {
  const auto starts = Write(kRecords);
  for (std::uint64_t at = 0; at < starts.back(); ++at) {
    std::fstream file(Path(), std::ios::in | std::ios::out | std::ios::binary);
    const auto flip = [&] {
      file.seekg(static_cast<std::streamoff>(at));
      const int byte = file.get();
      file.seekp(static_cast<std::streamoff>(at));
      file.put(static_cast<char>(byte ^ (1 << (at % 8))));
      file.flush();
    };
    flip();
    const auto held = Replay();
    if (held.has_value()) {
      // A zero behind a record's values, or the last record.
      if (*held < kRecords) {
        EXPECT_EQ(*held, kRecords - 1u) << at;
        EXPECT_GE(at, starts[kRecords - 1]);
      }
    } else {
      EXPECT_EQ(held.error().code, ErrorCode::kCorrupt) << at;
    }
    flip();
  }
  EXPECT_EQ(Replay().value(), kRecords);
}

// Records that nothing was synced after may be lost in any order.
TEST_F(JournalTest, AHoleAmongUnsyncedRecordsEndsTheReplay) {
  constexpr std::uint8_t kSynced = 2;
  const auto starts = Write(kSynced);
  for (std::uint8_t i = 0; i < kRecords; ++i) {
    std::fstream file(Path(), std::ios::in | std::ios::out | std::ios::binary);
    const std::uint64_t values = starts[i + 1u] - 32;  // The last block of the record.
    Bytes kept(32);
    file.seekg(static_cast<std::streamoff>(values));
    file.read(reinterpret_cast<char*>(kept.data()), 32);
    const auto put = [&](const Bytes& bytes) {
      file.seekp(static_cast<std::streamoff>(values));
      file.write(reinterpret_cast<const char*>(bytes.data()), 32);
      file.flush();
    };
    put(Bytes(32, 0));
    const auto held = Replay();
    if (i < kSynced) {
      ASSERT_FALSE(held.has_value()) << int{i};
      EXPECT_EQ(held.error().code, ErrorCode::kCorrupt);
    } else {
      ASSERT_TRUE(held.has_value()) << held.error().message;
      EXPECT_EQ(*held, i);
    }
    put(kept);
  }
}

// Only the newest segment may end early.
TEST_F(JournalTest, ATornSegmentBeforeAnotherIsDamage) {
  Write(kRecords);
  {
    Journal journal(directory_, *leveldb::Env::Default(), true);
    ASSERT_TRUE(journal.Begin(2, kRecords));
    ASSERT_TRUE(journal.Append(Writes(kRecords + 1)));
  }
  EXPECT_EQ(Replay().value(), kRecords + 1u);
  fs::resize_file(Path(), fs::file_size(Path()) - 1);
  EXPECT_EQ(Replay().error().code, ErrorCode::kCorrupt);
  fs::remove(Path());  // Records 1 to kRecords are missing.
  EXPECT_EQ(Replay().error().code, ErrorCode::kCorrupt);
}

TEST_F(JournalTest, ValuesAreReadWhereTheyWereWrittenAndChecked) {
  Journal journal(directory_, *leveldb::Env::Default(), true);
  ASSERT_TRUE(journal.Begin(1, 0));
  const auto places = journal.Append(Writes(3)).value();
  EXPECT_EQ(journal.Read(places[0]).value(), Bytes(30, 3));
  Place wrong = places[0];
  ++wrong.checksum;
  EXPECT_EQ(journal.Read(wrong).error().code, ErrorCode::kCorrupt);
  wrong = places[0];
  ++wrong.offset;
  EXPECT_EQ(journal.Read(wrong).error().code, ErrorCode::kCorrupt);
  std::vector<Place> found;
  const auto visit = [&](proto::ByteSpan key, const Place& place) {
    EXPECT_EQ(Bytes(key.begin(), key.end()), Bytes{3});
    found.push_back(place);
  };
  EXPECT_TRUE(journal.ForEachPlace(1, 30, visit));
  EXPECT_EQ(found, std::vector<Place>{places[0]});
  EXPECT_TRUE(journal.ForEachPlace(1, 31, visit));
  EXPECT_EQ(found.size(), 1u);
}

}  // namespace
}  // namespace node
