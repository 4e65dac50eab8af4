#include "proto/wire/sync.h"

#include <gtest/gtest.h>

namespace proto::sync {
namespace {

std::vector<Message> Samples() {
  BlockHeader header;
  header.height = 7;
  header.round = 12;
  header.commit_index = 7;
  header.leader.bytes[3] = 1;
  header.state_root.bytes[5] = 9;
  SnapshotOffer offer{header, {{PartyId{0}, {}}, {PartyId{2}, {}}}, 3};
  offer.signatures[1].second.bytes[9] = 4;
  ChunkAnswer answer{{7, 3, 5}, ChunkOutcome::kGiven, {}};
  answer.chunk.entries = {{{1, 2}, {3}}, {{4}, {}}};
  answer.chunk.siblings.resize(3);
  answer.chunk.leaf.emplace();
  return {WordQuery{1, 99},
          WordAnswer{1, 99, {5, 6, 7}},
          SnapshotQuery{},
          offer,
          ChunkQuery{7, 3, 5},
          answer,
          ChunkAnswer{{7, 0, 0}, ChunkOutcome::kGone, {}}};
}

TEST(SyncWire, RoundTrip) {
  for (const Message& message : Samples()) {
    const Bytes bytes = Encode(message);
    EXPECT_TRUE(IsSync(bytes));
    const auto decoded = DecodeMessage(bytes);
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    EXPECT_EQ(decoded->index(), message.index());
    EXPECT_EQ(Encode(*decoded), bytes);
  }
}

TEST(SyncWire, CutLengthenedAndForeignBytesAreRefused) {
  for (const Message& message : Samples()) {
    Bytes bytes = Encode(message);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(DecodeMessage(ByteSpan(bytes).first(size)).has_value());
    }
    bytes.push_back(0);
    EXPECT_FALSE(DecodeMessage(bytes).has_value());
  }
  EXPECT_FALSE(DecodeMessage(Bytes{0, 59}).has_value());
  EXPECT_FALSE(DecodeMessage(Bytes{0, 66}).has_value());
  EXPECT_FALSE(DecodeMessage(Bytes{10, 62}).has_value());
}

TEST(SyncWire, PlacesBeyondTheDepthAreRefused) {
  EXPECT_TRUE(DecodeMessage(Encode(ChunkQuery{1, 14, (1 << 14) - 1})).has_value());
  EXPECT_FALSE(DecodeMessage(Encode(ChunkQuery{1, 14, 1 << 14})).has_value());
  EXPECT_FALSE(DecodeMessage(Encode(ChunkQuery{1, 15, 0})).has_value());
  EXPECT_FALSE(DecodeMessage(Encode(ChunkQuery{1, 0, 1})).has_value());
  EXPECT_FALSE(DecodeMessage(Encode(ChunkAnswer{{1, 2, 4}, ChunkOutcome::kGone, {}})).has_value());
  EXPECT_FALSE(DecodeMessage(Encode(SnapshotOffer{{}, {}, 15})).has_value());
}

TEST(SyncWire, MessagesOfTheDagAreNotMistaken) {
  const Bytes dag = dag::Encode(dag::Message(dag::RangeRequest{5}));
  EXPECT_FALSE(IsSync(dag));
  EXPECT_FALSE(dag::DecodeMessage(Encode(SnapshotQuery{})).has_value());
}

}  // namespace
}  // namespace proto::sync
