#include "node/rpc/clients.h"

#include <gtest/gtest.h>

namespace node {
namespace {

using std::chrono::milliseconds;

const Clients::Time kStart{};

TEST(Clients, CountsTheConnectionsOfEach) {
  Clients clients({.connections_max = 2});
  EXPECT_TRUE(clients.Enter("a", kStart));
  EXPECT_TRUE(clients.Enter("a", kStart));
  EXPECT_FALSE(clients.Enter("a", kStart));
  EXPECT_TRUE(clients.Enter("b", kStart));
  clients.Leave("a");
  EXPECT_TRUE(clients.Enter("a", kStart));
}

TEST(Clients, LetsEachAskAtItsRateAndABurstAfterAPause) {
  Clients clients({.requests_per_second = 10, .burst = 3});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(clients.MayAsk("a", kStart));
  EXPECT_FALSE(clients.MayAsk("a", kStart));
  EXPECT_TRUE(clients.MayAsk("b", kStart));
  EXPECT_FALSE(clients.MayAsk("a", kStart + milliseconds(90)));
  EXPECT_TRUE(clients.MayAsk("a", kStart + milliseconds(190)));
  EXPECT_FALSE(clients.MayAsk("a", kStart + milliseconds(200)));
  const auto later = kStart + std::chrono::hours(1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(clients.MayAsk("a", later));
  EXPECT_FALSE(clients.MayAsk("a", later));
}

// An attacker has 2^64 addresses of one network, which are one client here.
TEST(Clients, AnIpv6NetworkIsOneClient) {
  const std::string network("\x20\x01\x0d\xb8\x00\x01\x00\x02", 8);
  EXPECT_EQ(Clients::NameOf(network + "hostpart"), Clients::NameOf(network + "anotherh"));
  EXPECT_NE(Clients::NameOf("\x0a\x01\x01\x01"), Clients::NameOf("\x0a\x01\x01\x02"));
}

TEST(Clients, ForgetsThoseThatLeftRatherThanGrow) {
  Clients clients({});
  EXPECT_TRUE(clients.Enter("stays", kStart));
  for (std::size_t i = 0; i < 2 * kClientsMax; ++i) {
    EXPECT_TRUE(clients.MayAsk(std::to_string(i), kStart));
    ASSERT_LE(clients.size(), kClientsMax);
  }
  clients.Leave("stays");
}

TEST(Clients, BoundsWhatIsKeptForEachAndAll) {
  ClientLimits limits;
  limits.kept_bytes_max = 10;
  limits.all_kept_bytes_max = 15;
  Clients clients(limits);
  for (const char* client : {"a", "b"}) EXPECT_TRUE(clients.Enter(client, kStart));
  auto first = clients.Hold("a", 7);
  EXPECT_TRUE(first);
  EXPECT_FALSE(clients.Hold("a", 4));
  const auto second = clients.Hold("b", 8);
  EXPECT_TRUE(second);
  EXPECT_FALSE(clients.Hold("b", 1));  // All have.
  clients.Leave("a");
  first.reset();  // Also of one that has left.
  first = clients.Hold("b", 2);
  EXPECT_TRUE(first);
  EXPECT_FALSE(clients.Hold("b", 1));
  EXPECT_FALSE(clients.Hold("stranger", 1));
  clients.Leave("b");
}

}  // namespace
}  // namespace node
