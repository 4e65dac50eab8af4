#include "node/net/network.h"

#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/node/net/support.h"

namespace node::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Channel kControl = Channel::kControl;
constexpr Channel kBulk = Channel::kBulk;

TEST(Network, CarriesMessagesOfEverySizeBetweenAll) {
  const auto members = MakeMembers(3);
  std::vector<std::unique_ptr<Host>> hosts;
  for (std::uint16_t i = 0; i < 3; ++i) hosts.push_back(std::make_unique<Host>(members, i));
  for (const auto& host : hosts) ASSERT_TRUE(host->network.Start().has_value());

  const std::vector<std::size_t> sizes{0, 1, kMiB - 1, kMiB, kMiB + 1, 3 * kMiB + 17};
  for (std::uint16_t from = 0; from < 3; ++from) {
    for (std::uint16_t to = 0; to < 3; ++to) {
      if (from == to) continue;
      for (const Channel channel : kChannels) {
        ASSERT_TRUE(hosts[from]->AwaitConnected(to, channel));
        for (const std::size_t size : sizes) {
          hosts[from]->Send(to, channel, Pattern(size, from * 3u + to));
        }
      }
    }
  }
  for (std::uint16_t from = 0; from < 3; ++from) {
    for (std::uint16_t to = 0; to < 3; ++to) {
      if (from == to) continue;
      for (const Channel channel : kChannels) {
        ASSERT_TRUE(hosts[to]->AwaitMessages(from, channel, sizes.size()));
        const auto messages = hosts[to]->Messages(from, channel);
        ASSERT_EQ(messages.size(), sizes.size());
        for (std::size_t i = 0; i < sizes.size(); ++i) {
          EXPECT_EQ(messages[i], Pattern(sizes[i], from * 3u + to)) << i;
        }
      }
    }
  }
}

TEST(Network, CarriesLargeMessagesInOrderAndCountsThem) {
  const auto members = MakeMembers(2);
  Host a(members, 0);
  Host b(members, 1);
  ASSERT_TRUE(a.network.Start().has_value());
  ASSERT_TRUE(b.network.Start().has_value());
  ASSERT_TRUE(a.AwaitConnected(1, kBulk));
  constexpr std::size_t kSize = 20'000'000;
  constexpr std::size_t kCount = 4;
  for (std::uint32_t i = 0; i < kCount; ++i) a.Send(1, kBulk, Pattern(kSize, i));
  ASSERT_TRUE(b.AwaitMessages(0, kBulk, kCount));
  const auto messages = b.Messages(0, kBulk);
  for (std::uint32_t i = 0; i < kCount; ++i) EXPECT_TRUE(messages[i] == Pattern(kSize, i)) << i;

  EXPECT_TRUE(Eventually([&] { return a.Status(1, kBulk).messages_sent == kCount; }));
  const ChannelStatus sent = a.Status(1, kBulk);
  EXPECT_EQ(sent.bytes_sent, kCount * kSize);
  EXPECT_EQ(sent.bytes_queued, 0u);
  EXPECT_TRUE(sent.outgoing);
  EXPECT_EQ(sent.last_error, "");
  const ChannelStatus received = b.Status(0, kBulk);
  EXPECT_EQ(received.bytes_received, kCount * kSize);
  EXPECT_EQ(received.messages_received, kCount);
  EXPECT_TRUE(received.incoming);
  EXPECT_EQ(b.Status(0, kControl).bytes_received, 0u);
}

TEST(Network, FindsAPeerAgainThatRestarts) {
  const auto members = MakeMembers(2);
  Host a(members, 0);
  auto b = std::make_unique<Host>(members, 1);
  ASSERT_TRUE(a.network.Start().has_value());  // Before the peer is there.
  ASSERT_TRUE(b->network.Start().has_value());
  for (int round = 1; round <= 3; ++round) {
    for (const Channel channel : kChannels) {
      ASSERT_TRUE(a.AwaitConnected(1, channel, round)) << round;
      a.Send(1, channel, Pattern(100, static_cast<std::uint32_t>(round)));
      ASSERT_TRUE(b->AwaitMessages(0, channel, 1)) << round;
      EXPECT_EQ(b->Messages(0, channel)[0], Pattern(100, static_cast<std::uint32_t>(round)));
    }
    if (round == 3) break;
    b.reset();
    for (const Channel channel : kChannels) {
      ASSERT_TRUE(a.AwaitDisconnected(1, channel, round)) << round;
      EXPECT_NE(a.Status(1, channel).last_error, "");
      a.Send(1, channel, Pattern(5, 5));  // Dropped, never to arrive.
    }
    b = std::make_unique<Host>(members, 1);
    ASSERT_TRUE(b->network.Start().has_value());
  }
  EXPECT_EQ(a.Status(1, kControl).connections, 3u);
}

// A peer that does not read loses its stream, not our memory; once it reads, it is told so.
TEST(Network, DropsAPeerThatReadsTooSlowly) {
  const auto members = MakeMembers(2);
  Limits limits;
  limits.bulk = {4 * kMiB, 8 * kMiB};
  Host a(members, 0, limits);
  Host b(members, 1, limits);
  ASSERT_TRUE(a.network.Start().has_value());
  ASSERT_TRUE(b.network.Start().has_value());
  ASSERT_TRUE(a.AwaitConnected(1, kBulk));
  ASSERT_TRUE(a.AwaitConnected(1, kControl));
  b.Block();
  std::uint64_t queued_max = 0;
  EXPECT_TRUE(Eventually([&] {
    a.Send(1, kBulk, Pattern(2 * kMiB, 1));
    queued_max = std::max(queued_max, a.Status(1, kBulk).bytes_queued);
    return a.connected(1, kBulk) >= 1 && !a.Status(1, kBulk).outgoing;
  }));
  EXPECT_LE(queued_max, limits.bulk.queue_bytes_max);
  ASSERT_TRUE(a.AwaitDisconnected(1, kBulk));
  EXPECT_EQ(a.Status(1, kBulk).last_error, "The peer reads too slowly: its queue is full.");
  EXPECT_TRUE(a.Status(1, kControl).outgoing);  // The other channel lives on.

  const std::size_t before = b.Messages(0, kBulk).size();
  b.Unblock();
  ASSERT_TRUE(a.AwaitConnected(1, kBulk, 2));
  a.Send(1, kBulk, Pattern(7, 7));
  ASSERT_TRUE(b.Await([&] { return true; }));
  EXPECT_TRUE(Eventually([&] {
    const auto messages = b.Messages(0, kBulk);
    return messages.size() > before && messages.back() == Pattern(7, 7);
  }));
}

// Messages without bytes take room too.
TEST(Network, BoundsTheNumberOfWaitingMessages) {
  const auto members = MakeMembers(2);
  Limits limits;
  limits.control = {1024, 100 * kQueueOverheadPerMessage};
  Host a(members, 0, limits);
  Host b(members, 1, limits);
  ASSERT_TRUE(a.network.Start().has_value());
  ASSERT_TRUE(b.network.Start().has_value());
  ASSERT_TRUE(a.AwaitConnected(1, kControl));
  b.Block();
  EXPECT_TRUE(Eventually([&] {
    for (int i = 0; i < 100'000; ++i) a.Send(1, kControl, {});
    return a.Status(1, kControl).last_error != "";
  }));
}

TEST(Network, SaysWhichAddressIsOccupied) {
  const auto members = MakeMembers(2);
  Socket other(members[0].port);
  ASSERT_TRUE(other.Listen());
  Host a(members, 0);
  const auto started = a.network.Start();
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().code, proto::ErrorCode::kUnavailable);
  EXPECT_NE(started.error().message.find(At(members[0].port)), std::string::npos)
      << started.error().message;
}

TEST(Network, TwoNodesDoNotShareAPort) {
  const auto members = MakeMembers(2);
  Host a(members, 0);
  Host again(members, 0);
  ASSERT_TRUE(a.network.Start().has_value());
  EXPECT_FALSE(again.network.Start().has_value());
}

TEST(Network, RefusesUnsoundPeersByName) {
  const auto members = MakeMembers(3);
  const auto start = [&](std::vector<PeerInfo> peers) {
    Host host(members, 0, std::move(peers));
    const auto started = host.network.Start();
    return started ? std::string("started") : started.error().message;
  };
  auto peers = Host::Infos(members, 0);
  peers[1].signature.bytes[5] ^= 1;
  EXPECT_EQ(start(peers), "Peer 2 (" + At(members[2].port) +
                              "): The validator's key did not sign its certificate.");
  peers = Host::Infos(members, 0);
  peers[0].certificate_pem = "nothing";
  EXPECT_NE(start(peers).find("Peer 1"), std::string::npos);
  peers = Host::Infos(members, 0);  // A certificate of another member, properly signed.
  peers[1].certificate_pem = peers[0].certificate_pem;
  peers[1].signature = members[2].key.Sign(proto::CertificateDigest(peers[0].certificate_pem));
  EXPECT_NE(start(peers).find("Peer 2"), std::string::npos);
  EXPECT_NE(start(peers).find("same certificate"), std::string::npos);
}

// Whatever the links are doing: dialling nobody, a port that never answers, or sending at full
// speed.
TEST(Network, StopsPromptly) {
  auto members = MakeMembers(4);
  Socket mute;
  ASSERT_TRUE(mute.Listen());  // Accepts in the kernel, and says nothing.
  members[2].port = mute.port();
  auto a = std::make_unique<Host>(members, 0);
  auto b = std::make_unique<Host>(members, 1);
  ASSERT_TRUE(a->network.Start().has_value());
  ASSERT_TRUE(b->network.Start().has_value());
  ASSERT_TRUE(a->AwaitConnected(1, kBulk));
  for (int i = 0; i < 10; ++i) a->Send(1, kBulk, Pattern(20 * kMiB, 1));
  for (Host* host : {a.get(), b.get()}) {
    const auto start = Clock::now();
    host->network.Stop();
    EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
    host->network.Stop();  // Again, harmless.
  }
  a->Send(1, kBulk, {});  // After the end: dropped.
}

TEST(Network, AloneItHasNothingToDo) {
  const auto members = MakeMembers(1);
  Host a(members, 0);
  EXPECT_TRUE(a.network.Start().has_value());
  EXPECT_TRUE(a.network.peers().empty());
}

}  // namespace
}  // namespace node::test
