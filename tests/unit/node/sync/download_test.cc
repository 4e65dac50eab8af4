// A snapshot of many chunks comes over whatever peers do.

#include "node/sync/download.h"

#include <deque>
#include <functional>

#include <gtest/gtest.h>

#include "tests/unit/node/sync/state_of_many_chunks.h"

namespace node::test {
namespace {

using proto::sync::ChunkAnswer;
using proto::sync::ChunkOutcome;
using proto::sync::ChunkQuery;
using proto::sync::SnapshotOffer;
using proto::sync::SnapshotQuery;
using proto::sync::StateChunk;

constexpr std::uint8_t kDepth = 4;
constexpr std::uint16_t kChunks = 1u << kDepth;

const StateTree& Tree() {
  static const StateTree tree = ManyChunksTree();
  return tree;
}

// One download, its disk, and peers that answer at once, in order.
class DownloadOfManyChunks : public testing::Test {
 protected:
  // What a peer answers instead; none: it is silent.
  using Change = std::function<std::optional<ChunkAnswer>(PartyId peer, ChunkAnswer honest)>;

  DownloadOfManyChunks() : block_(chunks_.BlockAt(7, Tree())), server_(kRetainRounds) {
    server_.Add(block_);
  }

  void Begin(std::optional<DownloadRecord> record = std::nullopt) {
    download_.emplace(chunks_.NewDownload(std::move(record), now_ms_));
    Take(download_->Start());
  }
  void Take(Download::Step step) {
    if (step.clear) staged_.clear();
    for (KeyWrite& write : step.writes) {
      if (write.key == DownloadKey()) {
        record_ = std::move(write.value);
      } else if (write.key.size() > 2 && write.key[1] == StagedPrefix()[1]) {
        ASSERT_TRUE(staged_.emplace(write.key, std::move(*write.value)).second) << "staged twice";
      }
    }
    for (auto& message : step.messages) {
      asked_.emplace_back(message.target.party.value(), message.message);
    }
    for (const proto::Fault& fault : step.faults) faults_[fault.party].push_back(fault.kind);
    for (std::string& note : step.notes) notes_.push_back(std::move(note));
  }
  // The peers answer, until all is here or `answers` chunks were given.
  void Run(std::size_t answers = ~std::size_t{0}, const Change& change = {}) {
    while (!asked_.empty() && answers > 0) {
      auto [peer, question] = std::move(asked_.front());
      asked_.pop_front();
      server_.Beat();  // Its quota is for another test.
      if (std::holds_alternative<SnapshotQuery>(question)) {
        Take(download_->On(peer, *server_.Offer(chunks_.key()), now_ms_));
        continue;
      }
      auto answer = server_.Answer(chunks_.key(), std::get<ChunkQuery>(question));
      if (change) answer = change(peer, *std::move(answer));
      if (!answer) continue;
      --answers;
      Take(download_->On(peer, *std::move(answer), now_ms_));
    }
  }
  void Beat(std::uint64_t later_ms) {
    now_ms_ += later_ms;
    Take(download_->Beat(now_ms_));
  }
  // Everything of the state is on the disk, and nothing else.
  void ExpectWhole() const {
    ASSERT_TRUE(download_->complete());
    std::vector<KeyWrite> entries;
    for (const auto& [key, value] : staged_) {
      entries.push_back({Bytes(key.begin() + 2, key.end()), value});
    }
    EXPECT_EQ(entries.size(), kEntries);
    EXPECT_EQ(StateTree().Apply(entries).root(), block_.header.state_root);
    EXPECT_EQ(download_->status().chunks_done, download_->status().chunks_total);
  }

  ManyChunks chunks_;
  ProvenBlock block_;
  SnapshotServer server_;
  std::uint64_t now_ms_ = 0;
  std::optional<Download> download_;
  std::deque<std::pair<PartyId, proto::sync::Message>> asked_;
  std::map<Bytes, Bytes> staged_;
  std::optional<Bytes> record_;
  std::map<PartyId, std::vector<proto::FaultKind>> faults_;
  std::vector<std::string> notes_;
};

TEST_F(DownloadOfManyChunks, ComesWhole) {
  Begin();
  Run();
  EXPECT_EQ(download_->status().chunks_total, kChunks);
  ExpectWhole();
  EXPECT_TRUE(faults_.empty());
  EXPECT_GE(notes_.size(), 11u) << "a line for each tenth";
}

TEST_F(DownloadOfManyChunks, GoesOnWhereItWasAfterARestart) {
  Begin();
  for (std::size_t done = 1; !download_->complete(); ++done) {
    Run(1);
    EXPECT_EQ(download_->status().chunks_done, done);
    // The process ends; what is staged, and the record, are on disk.
    asked_.clear();
    auto record = DecodeDownloadRecord(*record_);
    ASSERT_TRUE(record.has_value());
    const std::size_t staged = staged_.size();
    Begin(*std::move(record));
    EXPECT_EQ(download_->status().chunks_done, done);
    EXPECT_EQ(staged_.size(), staged);
    for (const auto& [peer, question] : asked_) {
      EXPECT_TRUE(std::holds_alternative<ChunkQuery>(question)) << "the block is chosen already";
    }
  }
  ExpectWhole();
}

// For each chunk, one peer that lies about it, in one way after another.
TEST_F(DownloadOfManyChunks, ALyingPeerForEveryChunkIsNamedAndLeftOut) {
  const std::vector<std::function<void(StateChunk&)>> lies = {
      [](StateChunk& c) { c.entries.pop_back(); },
      [](StateChunk& c) { c.entries.erase(c.entries.begin()); },
      [](StateChunk& c) { c.entries.push_back(c.entries.back()); },
      [](StateChunk& c) { c.entries.insert(c.entries.begin(), c.entries.front()); },
      [](StateChunk& c) { std::swap(c.entries.front(), c.entries.back()); },
      [](StateChunk& c) { c.entries.front().second.front() ^= 1; },
      [](StateChunk& c) { c.entries.front().second.pop_back(); },
      [](StateChunk& c) { c.entries.front().first.push_back(0); },
      [](StateChunk& c) { c.entries.clear(); },
      [](StateChunk& c) { c.siblings.pop_back(); },
      [](StateChunk& c) { c.siblings.push_back(c.siblings.back()); },
      [](StateChunk& c) { std::swap(c.siblings.front(), c.siblings.back()); },
      [](StateChunk& c) { c.siblings.front().bytes[0] ^= 1; },
      [](StateChunk& c) {
        c.leaf = {{}, {}};
      },
      [](StateChunk& c) { c = *Tree().Chunk(kDepth, 9, proto::sync::kChunkBytesMax); },
  };
  for (std::uint16_t chunk = 0; chunk < kChunks; ++chunk) {
    SCOPED_TRACE("chunk " + std::to_string(chunk));
    staged_.clear();
    faults_.clear();
    asked_.clear();
    std::optional<PartyId> liar;
    Begin();
    Run(~std::size_t{0}, [&](PartyId peer, ChunkAnswer answer) -> std::optional<ChunkAnswer> {
      if (answer.query.index == chunk && !liar) {
        liar = peer;
        const auto& lie = lies[chunk % lies.size()];
        lie(answer.chunk);
      }
      return answer;
    });
    ExpectWhole();
    ASSERT_TRUE(liar.has_value());
    ASSERT_EQ(faults_.size(), 1u);
    EXPECT_EQ(faults_.begin()->first, *liar);
    EXPECT_EQ(faults_.begin()->second,
              std::vector<proto::FaultKind>{proto::FaultKind::kInconsistent});
  }
}

// f liars, each about all it is asked: what they were asked for comes from the others.
TEST_F(DownloadOfManyChunks, ALiarAboutEverythingDelaysNothingElse) {
  Begin();
  Run(~std::size_t{0}, [&](PartyId peer, ChunkAnswer answer) -> std::optional<ChunkAnswer> {
    if (peer == PartyId{1} && !answer.chunk.entries.empty()) {
      answer.chunk.entries.front().second.front() ^= 1;
    }
    return answer;
  });
  ExpectWhole();
  ASSERT_EQ(faults_.size(), 1u);
  EXPECT_EQ(faults_[PartyId{1}].size(), 1u) << "named once";
}

TEST_F(DownloadOfManyChunks, ASilentPeersChunksAreAskedOfOthers) {
  Begin();
  const auto silent = [](PartyId peer, ChunkAnswer answer) -> std::optional<ChunkAnswer> {
    if (peer == PartyId{0}) return std::nullopt;
    return answer;
  };
  Run(~std::size_t{0}, silent);
  EXPECT_FALSE(download_->complete());
  const std::uint32_t before = download_->status().chunks_done;
  EXPECT_GE(before, kChunks - kChunksAskedPerPeerMax);
  Beat(kChunkPatienceMs - 1);
  EXPECT_TRUE(asked_.empty()) << "it has its time";
  Beat(1);
  for (const auto& [peer, question] : asked_) EXPECT_NE(peer, PartyId{0});
  Run(~std::size_t{0}, silent);
  ExpectWhole();
  EXPECT_TRUE(faults_.empty()) << "slow is no fault";
}

TEST_F(DownloadOfManyChunks, WhatWasNotAskedForIsNotTaken) {
  Begin();
  Run(3);
  const std::size_t staged = staged_.size();
  const auto quiet = [&](const Download::Step& step) {
    EXPECT_TRUE(step.writes.empty() && step.faults.empty() && step.messages.empty());
  };
  const auto right = [&](std::uint16_t index) { return ChunkQuery{7, kDepth, index}; };
  const auto answer = [&](const ChunkQuery& query) {
    server_.Beat();
    return *server_.Answer(chunks_.key(), query);
  };
  // A chunk that is here already, again; one that another was asked for; of another height, depth;
  // beyond the last.
  quiet(download_->On(PartyId{0}, answer(right(0)), now_ms_));
  auto question = std::get<ChunkQuery>(asked_.front().second);
  const auto other = static_cast<PartyId>((Index(asked_.front().first) + 1) % 3);
  quiet(download_->On(other, answer(question), now_ms_));
  ChunkAnswer wrong = answer(question);
  wrong.query.height = 8;
  quiet(download_->On(asked_.front().first, wrong, now_ms_));
  wrong = answer(question);
  wrong.query.depth = kDepth - 1;
  quiet(download_->On(asked_.front().first, wrong, now_ms_));
  wrong = answer(question);
  wrong.query.index = 40;
  quiet(download_->On(asked_.front().first, wrong, now_ms_));
  EXPECT_EQ(staged_.size(), staged);
  Run();
  ExpectWhole();
}

TEST_F(DownloadOfManyChunks, FindsAnotherWhenTheSnapshotIsGone) {
  Begin();
  Run(10);
  const ProvenBlock later = chunks_.BlockAt(20, Tree());
  server_.Add(later);
  int gone = 0;
  Run(~std::size_t{0}, [&](PartyId, ChunkAnswer answer) -> std::optional<ChunkAnswer> {
    if (answer.query.height == 7) {
      ++gone;
      return ChunkAnswer{answer.query, ChunkOutcome::kGone, {}};
    }
    return answer;
  });
  EXPECT_GE(gone, 2);
  EXPECT_EQ(download_->record()->header.height, 20u);
  ExpectWhole();
  EXPECT_TRUE(faults_.empty());
}

// A liar offers a true block, newer than all others', and gives nothing of its state: once where
// the others' offers are here in time, and once where one of them is not.
TEST_F(DownloadOfManyChunks, AnOfferThatNobodyKeepsIsNotWaitedForAgain) {
  const PartyId liar{2};
  const ProvenBlock bait = chunks_.BlockAt(50, Tree());
  const SnapshotOffer baited{bait.header, bait.signatures, 0};
  const auto offer = [&](PartyId peer) {
    server_.Beat();
    Take(download_->On(peer, peer == liar ? baited : *server_.Offer(chunks_.key()), now_ms_));
  };
  const auto silent = [&](PartyId peer, ChunkAnswer answer) -> std::optional<ChunkAnswer> {
    if (peer == liar) return std::nullopt;
    return answer;
  };
  Begin();
  for (const PartyId peer : {liar, PartyId{0}, PartyId{1}}) offer(peer);
  asked_.erase(asked_.begin(), asked_.begin() + 3);
  EXPECT_EQ(download_->record()->header.height, 7u) << "what an honest peer has";
  Run(~std::size_t{0}, silent);
  Beat(kChunkPatienceMs);
  Run(~std::size_t{0}, silent);
  ExpectWhole();

  asked_.clear();
  staged_.clear();
  Begin();
  asked_.clear();
  for (const PartyId peer : {liar, PartyId{0}}) offer(peer);
  Beat(kOfferPatienceMs);
  EXPECT_EQ(download_->record()->header.height, 50u) << "it may be true";
  asked_.clear();
  Beat(kChunkPatienceMs);
  Run(2);
  ASSERT_FALSE(download_->record().has_value()) << "the others do not have it";
  asked_.clear();
  for (const PartyId peer : {liar, PartyId{0}}) offer(peer);
  Beat(kOfferPatienceMs);
  EXPECT_EQ(download_->record()->header.height, 7u) << "not from the liar again";
  Run(~std::size_t{0}, silent);
  Beat(kChunkPatienceMs);
  Run(~std::size_t{0}, silent);
  ExpectWhole();
  EXPECT_TRUE(faults_.empty()) << "nothing proves a lie";
}

TEST_F(DownloadOfManyChunks, OneLiarCannotMakeItCutDeeper) {
  Begin();
  Run(~std::size_t{0}, [&](PartyId peer, ChunkAnswer answer) -> std::optional<ChunkAnswer> {
    if (peer == PartyId{2}) return ChunkAnswer{answer.query, ChunkOutcome::kTooLarge, {}};
    return answer;
  });
  ExpectWhole();
  EXPECT_EQ(download_->record()->depth, kDepth);
}

TEST_F(DownloadOfManyChunks, TwoFindAChunkTooLargeAndItIsCutDeeper) {
  Begin();
  Run(~std::size_t{0}, [&](PartyId, ChunkAnswer answer) -> std::optional<ChunkAnswer> {
    if (answer.query.depth < kDepth + 2)
      return ChunkAnswer{answer.query, ChunkOutcome::kTooLarge, {}};
    return answer;
  });
  ExpectWhole();
  EXPECT_EQ(download_->record()->depth, kDepth + 2);
}

TEST_F(DownloadOfManyChunks, FalseOffersAreRefused) {
  const auto offer = [&] {
    server_.Beat();
    return *server_.Offer(chunks_.key());
  };
  const std::vector<std::function<void(SnapshotOffer&)>> lies = {
      [](SnapshotOffer& o) { o.header.state_root.bytes[0] ^= 1; },
      [](SnapshotOffer& o) { o.header.height += 1; },
      [](SnapshotOffer& o) { o.signatures.pop_back(); },
      [](SnapshotOffer& o) { o.signatures[0] = o.signatures[1]; },
      [](SnapshotOffer& o) { o.signatures[0].second.bytes[5] ^= 1; },
      [](SnapshotOffer& o) { o.signatures[2].first = PartyId{9}; },
  };
  for (std::size_t i = 0; i < lies.size(); ++i) {
    faults_.clear();
    asked_.clear();
    Begin();
    SnapshotOffer bad = offer();
    lies[i](bad);
    Take(download_->On(PartyId{0}, bad, now_ms_));
    EXPECT_EQ(faults_[PartyId{0}].size(), 1u) << "lie " << i;
    EXPECT_FALSE(download_->record().has_value());
    // The others' offers do; the liar is not asked.
    Take(download_->On(PartyId{1}, offer(), now_ms_));
    Take(download_->On(PartyId{2}, offer(), now_ms_));
    ASSERT_TRUE(download_->record().has_value());
    std::erase_if(asked_,
                  [](const auto& q) { return std::holds_alternative<SnapshotQuery>(q.second); });
    for (const auto& [peer, question] : asked_) EXPECT_NE(peer, PartyId{0});
  }
}

TEST_F(DownloadOfManyChunks, ADamagedRecordIsNoRecord) {
  Begin();
  Run(5);
  const Bytes good = *record_;
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeDownloadRecord(proto::ByteSpan(good).first(size)).has_value());
  }
  auto record = *DecodeDownloadRecord(good);
  record.done.push_back(0);
  EXPECT_FALSE(DecodeDownloadRecord(Encode(record)).has_value());
  record = *DecodeDownloadRecord(good);
  record.depth = 15;
  EXPECT_FALSE(DecodeDownloadRecord(Encode(record)).has_value());
}

}  // namespace
}  // namespace node::test
