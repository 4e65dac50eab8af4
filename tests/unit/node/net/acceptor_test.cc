// Floods of connections at the members' port.

#include "node/net/acceptor.h"

#include <algorithm>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <sys/resource.h>

#include "node/net/limits.h"
#include "tests/unit/node/net/support.h"

namespace node::test {
namespace {

class AcceptorTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto port = acceptor.Listen("127.0.0.1:0");
    ASSERT_TRUE(port.has_value());
    port_ = *port;
    acceptor.Start([this](int fd) {
      const std::lock_guard lock(mutex_);
      taken_.push_back(fd);
    });
  }
  void TearDown() override {
    acceptor.Stop();
    for (const int fd : taken_) ::close(fd);
  }

  // Connects, and waits until the acceptor has handed it on.
  Socket& Connect() {
    auto socket = std::make_unique<Socket>();
    EXPECT_TRUE(socket->Connect(port_));
    open_.push_back(std::move(socket));
    EXPECT_TRUE(Eventually([this] { return taken() == open_.size(); }));
    return *open_.back();
  }
  std::size_t taken() {
    const std::lock_guard lock(mutex_);
    return taken_.size();
  }
  std::string NameOf(const Socket& socket) {
    return "ipv4:127.0.0.1:" + std::to_string(socket.port());
  }
  std::size_t alive() {
    return static_cast<std::size_t>(
        std::ranges::count_if(open_, [](const auto& socket) { return !socket->Ended(); }));
  }

  Acceptor acceptor;
  int port_ = 0;
  std::vector<std::unique_ptr<Socket>> open_;

 private:
  std::mutex mutex_;
  std::vector<int> taken_;
};

TEST_F(AcceptorTest, OfStrangersTheNewestStay) {
  for (std::size_t i = 0; i < kStrangersMax + 5; ++i) Connect();
  EXPECT_EQ(alive(), kStrangersMax);
  for (std::size_t i = 0; i < open_.size(); ++i) EXPECT_EQ(open_[i]->Ended(), i < 5) << i;
}

TEST_F(AcceptorTest, AMemberStaysWhateverStrangersDo) {
  const Socket& member = Connect();
  acceptor.Identify(NameOf(member), PartyId{1});
  for (std::size_t i = 0; i < 2 * kStrangersMax; ++i) Connect();
  EXPECT_FALSE(member.Ended());
  EXPECT_EQ(alive(), kStrangersMax + 1);
}

TEST_F(AcceptorTest, OfAMembersTheNewestStay) {
  const Socket& other = Connect();
  acceptor.Identify(NameOf(other), PartyId{2});
  for (std::size_t i = 0; i < kConnectionsPerPeerMax + 3; ++i) {
    const Socket& member = Connect();
    acceptor.Identify(NameOf(member), PartyId{1});
    acceptor.Identify(NameOf(member), PartyId{2});  // It has a name already.
  }
  EXPECT_EQ(alive(), kConnectionsPerPeerMax + 1);
  EXPECT_FALSE(other.Ended());
  for (std::size_t i = 1; i < open_.size(); ++i) EXPECT_EQ(open_[i]->Ended(), i <= 3) << i;
}

// What else would make room has nothing: the connection waits, and is taken when there is some.
TEST_F(AcceptorTest, WithoutDescriptorsItWaits) {
  auto waiting = std::make_unique<Socket>();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit before = limit;
  limit.rlim_cur = 512;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::vector<int> fill;
  for (int fd = 0; (fd = ::fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0;) fill.push_back(fd);
  const bool connected = waiting->Connect(port_);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const std::size_t taken_then = taken();
  for (const int fd : fill) ::close(fd);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(connected);
  EXPECT_FALSE(fill.empty());
  EXPECT_EQ(taken_then, 0u);
  EXPECT_TRUE(Eventually([this] { return taken() == 1; }));
  EXPECT_FALSE(waiting->Ended());
}

TEST(Acceptor, SaysWhatCannotBeBound) {
  Acceptor first;
  const auto port = first.Listen("127.0.0.1:0");
  ASSERT_TRUE(port.has_value());
  for (const std::string& address :
       {At(*port), std::string("127.0.0.1"), std::string("192.0.2.1:1"), std::string("a b:1")}) {
    Acceptor second;
    const auto bound = second.Listen(address);
    ASSERT_FALSE(bound.has_value()) << address;
    EXPECT_EQ(bound.error().code, proto::ErrorCode::kUnavailable);
    EXPECT_NE(bound.error().message.find(address), std::string::npos) << bound.error().message;
  }
}

}  // namespace
}  // namespace node::test
