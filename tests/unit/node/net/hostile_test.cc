// What strangers, impostors and Byzantine members try at the port, and that it does not help.

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "node/net/listener.h"
#include "proto/peer.grpc.pb.h"
#include "tests/unit/node/net/issue.h"
#include "tests/unit/node/net/support.h"

namespace node::test {
namespace {

namespace wire = waxseal::wire;

constexpr Channel kControl = Channel::kControl;
constexpr Channel kBulk = Channel::kBulk;
constexpr auto kGrace = std::chrono::milliseconds(500);  // Several redials.

// A client that speaks the wire's language under any identity it likes.
class Intruder {
 public:
  Intruder(const Member& victim, const TlsIdentity& identity) {
    grpc::SslCredentialsOptions options{victim.identity.certificate_pem, identity.key_pem,
                                        identity.certificate_pem};
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride(*CheckCertificate(victim.identity.certificate_pem));
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxSendMessageSize(-1);
    stub_ = wire::Peer::NewStub(
        grpc::CreateCustomChannel(At(victim.port), grpc::SslCredentials(options), arguments));
    context_.set_deadline(std::chrono::system_clock::now() + kPatience);
    stream_ = stub_->Control(&context_);
  }
  ~Intruder() {
    context_.TryCancel();
    if (!finished_) stream_->Finish();
  }

  bool Write(const std::string& data, std::uint64_t more) {
    wire::Frame frame;
    frame.set_data(data);
    frame.set_more(more);
    return stream_->Write(frame);
  }
  grpc::Status Finish() {
    wire::Nothing nothing;
    while (stream_->Read(&nothing)) {
    }
    finished_ = true;
    return stream_->Finish();
  }

 private:
  std::unique_ptr<wire::Peer::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<wire::Frame, wire::Nothing>> stream_;
  bool finished_ = false;
};

// A server in a member's place, that hangs up on whoever calls.
class Trap {
 public:
  Trap(int port, const TlsIdentity& identity) {
    grpc::SslServerCredentialsOptions options(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    options.pem_key_cert_pairs.push_back({identity.key_pem, identity.certificate_pem});
    grpc::ServerBuilder builder;
    builder.AddListeningPort(At(port), grpc::SslServerCredentials(options));
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    EXPECT_TRUE(server_);
  }
  ~Trap() { server_->Shutdown(std::chrono::system_clock::now()); }
  int calls() const { return service_.calls; }

 private:
  struct Service final : wire::Peer::Service {
    using Stream = grpc::ServerReaderWriter<wire::Nothing, wire::Frame>;
    grpc::Status Control(grpc::ServerContext*, Stream*) override {
      ++calls;
      return grpc::Status::OK;
    }
    std::atomic<int> calls{0};
  };
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

// Two members, of which the first runs; the second is whoever the test makes it.
class Hostile : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(host.network.Start().has_value()); }
  // It still serves the honest.
  void ExpectUnharmed() {
    Host peer(members, 1);
    ASSERT_TRUE(peer.network.Start().has_value());
    ASSERT_TRUE(peer.AwaitConnected(0, kControl));
    const std::size_t before = host.Messages(1, kControl).size();
    peer.Send(0, kControl, Pattern(1000, 9));
    ASSERT_TRUE(host.AwaitMessages(1, kControl, before + 1));
    EXPECT_EQ(host.Messages(1, kControl).back(), Pattern(1000, 9));
  }

  static Limits FastRedial() {
    Limits limits;
    limits.redial_ms_min = limits.redial_ms_max = std::chrono::milliseconds(50);
    return limits;
  }

  std::vector<Member> members = MakeMembers(3);
  Host host{members, 0, FastRedial()};
};

TEST_F(Hostile, TheRealMemberIsAccepted) {  // So that the refusals below mean something.
  Intruder member(members[0], members[1].identity);
  ASSERT_TRUE(member.Write("hello", 0));
  ASSERT_TRUE(host.AwaitMessages(1, kControl, 1));
  EXPECT_EQ(host.Messages(1, kControl)[0], Bytes({'h', 'e', 'l', 'l', 'o'}));
}

TEST_F(Hostile, StrangersAreRefused) {
  for (const TlsIdentity& identity :
       {*MakeTlsIdentity("stranger"), *MakeTlsIdentity("validator-1"), TlsIdentity{}}) {
    Intruder stranger(members[0], identity);
    stranger.Write("hello", 0);
    EXPECT_FALSE(stranger.Finish().ok());
  }
  EXPECT_TRUE(host.Messages(1, kControl).empty());
  EXPECT_FALSE(host.Status(1, kControl).incoming);
  ExpectUnharmed();
}

// A member issues a certificate in another's name with its own, pinned, key.
TEST_F(Hostile, AMemberCannotIssueAnothersCertificate) {
  const TlsIdentity fake = Issue({.name = "validator-1", .issuer = &members[2].identity});
  Intruder intruder(members[0], fake);
  intruder.Write("hello", 0);
  EXPECT_FALSE(intruder.Finish().ok());
  EXPECT_TRUE(host.Messages(1, kControl).empty());
  ExpectUnharmed();
}

TEST(HostileExpired, AnExpiredCertificateIsRefusedBothWays) {
  auto members = MakeMembers(2);
  members[1].identity = Issue({.name = "validator-1", .valid_seconds = -60});
  Host host(members, 0);
  ASSERT_TRUE(host.network.Start().has_value());
  Intruder late(members[0], members[1].identity);
  late.Write("hello", 0);
  EXPECT_FALSE(late.Finish().ok());
  const Trap trap(members[1].port, members[1].identity);
  std::this_thread::sleep_for(kGrace);
  EXPECT_EQ(trap.calls(), 0);
  EXPECT_TRUE(host.Messages(1, kControl).empty());
}

// Were a pinned certificate able to issue, the handshake would let the fake in: CheckCertificate
// keeps such a one out of the list, and the comparison of whole certificates out of the seat.
TEST(HostileAuthority, EvenAnAuthorityCannotSpeakForAnother) {
  auto members = MakeMembers(3);
  members[2].identity = Issue({.name = "validator-2", .constraints = "critical,CA:TRUE"});
  Host checked(members, 0);
  ASSERT_FALSE(checked.network.Start().has_value());

  std::map<PartyId, std::string> pinned;
  for (std::uint16_t i = 1; i < 3; ++i) {
    pinned.emplace(PartyId{i}, members[i].identity.certificate_pem);
  }
  std::atomic<int> messages = 0;
  Listener listener(members[0].identity, pinned, Limits{},
                    [&messages](PartyId, Channel, Bytes&) { return ++messages > 0; });
  ASSERT_TRUE(listener.Start(At(members[0].port)).has_value());
  listener.poller().Start();
  const TlsIdentity fake = Issue({.name = "validator-1", .issuer = &members[2].identity});
  Intruder intruder(members[0], fake);
  intruder.Write("hello", 0);
  const grpc::Status status = intruder.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << status.error_message();
  EXPECT_EQ(messages, 0);
}

// Another process answers at a member's address.
TEST_F(Hostile, ImpostorsAreNotTalkedTo) {
  const TlsIdentity stranger = *MakeTlsIdentity("validator-1");
  for (const TlsIdentity& identity :
       {stranger, members[2].identity,
        Issue({.name = "validator-1", .issuer = &members[2].identity}),
        Issue({.name = "validator-1", .issuer = &stranger})}) {
    const Trap trap(members[1].port, identity);
    std::this_thread::sleep_for(kGrace);
    EXPECT_EQ(trap.calls(), 0);
    EXPECT_NE(host.Status(1, kControl).last_error, "");
  }
  EXPECT_EQ(host.connected(1, kControl), 0);
  // The trap works: the member itself would be called. It hangs up at once, and is not called in
  // a tight loop for that.
  const Trap trap(members[1].port, members[1].identity);
  EXPECT_TRUE(Eventually([&trap] { return trap.calls() > 0; }));
  std::this_thread::sleep_for(kGrace);
  EXPECT_LE(trap.calls(), 20);
}

TEST_F(Hostile, AMembersWrongFramesEndItsStream) {
  const std::uint64_t limit = Limits{}.control.message_bytes_max;
  struct Attempt {
    std::vector<std::pair<std::string, std::uint64_t>> frames;
    grpc::StatusCode code;
  };
  const std::vector<Attempt> attempts{
      {{{"x", limit}}, grpc::StatusCode::INVALID_ARGUMENT},
      {{{"x", ~std::uint64_t{0}}}, grpc::StatusCode::INVALID_ARGUMENT},
      {{{"x", 5}, {"y", 5}}, grpc::StatusCode::INVALID_ARGUMENT},
      {{{"", 5}}, grpc::StatusCode::INVALID_ARGUMENT},
      {{{std::string(kFrameBytesMax + 2 * kFrameOverheadMax, 'x'), 0}},
       grpc::StatusCode::CANCELLED},  // gRPC's own limit ends the call.
  };
  for (const Attempt& attempt : attempts) {
    Intruder member(members[0], members[1].identity);
    for (const auto& [data, more] : attempt.frames) member.Write(data, more);
    const grpc::Status status = member.Finish();
    EXPECT_FALSE(status.ok());
    if (attempt.code == grpc::StatusCode::INVALID_ARGUMENT) {
      EXPECT_EQ(status.error_code(), attempt.code) << status.error_message();
    }
  }
  EXPECT_TRUE(host.Messages(1, kControl).empty());
  EXPECT_NE(host.Status(1, kControl).last_error, "");
  ExpectUnharmed();
}

// One seat a channel: a second stream replaces the first, more than one waiting are refused.
TEST_F(Hostile, AMemberOccupiesOneSeat) {
  host.Block();  // The first stream's message is held up.
  Intruder first(members[0], members[1].identity);
  ASSERT_TRUE(first.Write("1", 0));
  ASSERT_TRUE(host.AwaitOffer());
  Intruder second(members[0], members[1].identity);
  second.Write("2", 0);
  EXPECT_FALSE(first.Finish().ok());  // Cancelled by the second.
  for (int i = 0; i < 8; ++i) {
    Intruder third(members[0], members[1].identity);
    third.Write("3", 0);
    EXPECT_EQ(third.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  host.Unblock();
  ASSERT_TRUE(host.AwaitMessages(1, kControl, 2));
  EXPECT_EQ(host.Messages(1, kControl)[1], Bytes({'2'}));
}

TEST_F(Hostile, GarbageAtThePortIsHarmless) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<std::unique_ptr<Socket>> open;
  for (int i = 0; i < 200; ++i) {
    auto socket = std::make_unique<Socket>(members[0].port);
    ASSERT_TRUE(socket->Connect());
    Bytes bytes(random() % 2000);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    if (i % 4 == 0 && bytes.size() > 5) {  // A TLS handshake record's head, then nonsense.
      bytes[0] = 22;
      bytes[1] = 3;
      bytes[2] = 1;
    }
    socket->Write(bytes);
    if (i % 3 == 0) open.push_back(std::move(socket));  // Others hang up.
  }
  EXPECT_TRUE(host.Messages(1, kControl).empty());
  ExpectUnharmed();
}

// Half of them say nothing, half begin a handshake; all stay as long as they may.
TEST_F(Hostile, AFloodOfConnectionsKeepsNobodyOut) {
  Host early(members, 2, FastRedial());
  ASSERT_TRUE(early.network.Start().has_value());
  ASSERT_TRUE(early.AwaitConnected(0, kControl));
  std::vector<std::unique_ptr<Socket>> flood;
  const auto alive = [&flood] {
    return static_cast<std::size_t>(
        std::ranges::count_if(flood, [](const auto& socket) { return !socket->Ended(); }));
  };
  for (std::size_t i = 0; i < 4 * kStrangersMax; ++i) {
    auto socket = std::make_unique<Socket>();
    ASSERT_TRUE(socket->Connect(members[0].port));
    if (i % 2 == 0) socket->Write(Bytes{22, 3, 1, 2, 0, 1, 0});
    flood.push_back(std::move(socket));
  }
  EXPECT_TRUE(Eventually([&] { return alive() <= kStrangersMax; }));
  ExpectUnharmed();
  early.Send(0, kControl, Pattern(1000, 7));
  ASSERT_TRUE(host.AwaitMessages(2, kControl, 1));
  EXPECT_EQ(early.connected(0, kControl), 1);  // Its link was never cut.
}

}  // namespace
}  // namespace node::test
