// What strangers, impostors and Byzantine members try at the port, and that it does not help.

#include <atomic>
#include <csignal>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "node/net/frame.h"
#include "node/net/listener.h"
#include "tests/unit/node/net/issue.h"
#include "tests/unit/node/net/support.h"

namespace node::test {
namespace {

constexpr Channel kControl = Channel::kControl;
constexpr Channel kBulk = Channel::kBulk;
constexpr auto kGrace = std::chrono::milliseconds(500);  // Several redials.

// OpenSSL that shows any certificate, and believes every other end.
class Tls {
 public:
  Tls(const SSL_METHOD* method, const TlsIdentity& identity) : context_(SSL_CTX_new(method)) {
    std::signal(SIGPIPE, SIG_IGN);
    if (identity.certificate_pem.empty()) return;
    const std::string& pem = identity.certificate_pem;
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    EXPECT_EQ(SSL_CTX_use_certificate(context_, certificate), 1);
    X509_free(certificate);
    while (X509* issuer = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) {
      SSL_CTX_add_extra_chain_cert(context_, issuer);
    }
    BIO_free(bio);
    bio = BIO_new_mem_buf(identity.key_pem.data(), static_cast<int>(identity.key_pem.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context_, key), 1);
    EVP_PKEY_free(key);
    BIO_free(bio);
  }
  ~Tls() { SSL_CTX_free(context_); }
  Tls(const Tls&) = delete;
  SSL* Open(int socket) const {
    SSL* const ssl = SSL_new(context_);
    SSL_set_fd(ssl, socket);
    return ssl;
  }

 private:
  SSL_CTX* const context_;
};

// A client that speaks the wire's language under any identity it likes.
class Intruder {
 public:
  Intruder(const Member& victim, const TlsIdentity& identity, std::uint8_t channel = 0)
      : tls_(TLS_client_method(), identity), socket_(victim.port) {
    EXPECT_TRUE(socket_.Connect());
    const timeval patience{kPatience.count(), 0};
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssl_ = tls_.Open(socket_.fd());
    if (SSL_connect(ssl_) == 1) Write({channel});
  }
  ~Intruder() { SSL_free(ssl_); }

  bool Write(const Bytes& bytes) {
    return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
  }
  bool Say(const std::string& message) {
    const auto length = LengthOf(message.size());
    Bytes bytes(length.begin(), length.end());
    bytes.insert(bytes.end(), message.begin(), message.end());
    return Write(bytes);
  }
  // The other end said that it reads. Waits for that, or for the end.
  bool IsRead() {
    std::uint8_t byte = 0;
    return SSL_read(ssl_, &byte, 1) == 1 && byte == 1;
  }
  // Waits for it.
  bool IsCut() {
    std::uint8_t byte = 0;
    while (SSL_read(ssl_, &byte, 1) == 1) {
    }
    return errno != EAGAIN && errno != EWOULDBLOCK;
  }

 private:
  const Tls tls_;
  Socket socket_;
  SSL* ssl_;
};

// A server in a member's place, that hangs up on whoever calls.
class Trap {
 public:
  Trap(int port, const TlsIdentity& identity) : tls_(TLS_server_method(), identity), socket_(port) {
    EXPECT_TRUE(socket_.Listen());
    thread_ = std::thread([this] { Run(); });
  }
  ~Trap() {
    ::shutdown(socket_.fd(), SHUT_RDWR);
    thread_.join();
  }
  int calls() const { return calls_; }

 private:
  void Run() {
    for (int caller = 0; (caller = ::accept(socket_.fd(), nullptr, nullptr)) >= 0;) {
      SSL* const ssl = tls_.Open(caller);
      std::uint8_t channel = 0;
      calls_ += SSL_accept(ssl) == 1 && SSL_read(ssl, &channel, 1) == 1 && channel == 0;
      SSL_free(ssl);
      ::close(caller);
    }
  }

  const Tls tls_;
  Socket socket_;
  std::atomic<int> calls_{0};
  std::thread thread_;
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
  ASSERT_TRUE(member.Say("hello"));
  ASSERT_TRUE(member.IsRead());
  ASSERT_TRUE(host.AwaitMessages(1, kControl, 1));
  EXPECT_EQ(host.Messages(1, kControl)[0], Bytes({'h', 'e', 'l', 'l', 'o'}));
}

TEST_F(Hostile, StrangersAreRefused) {
  for (const TlsIdentity& identity :
       {*MakeTlsIdentity("stranger"), *MakeTlsIdentity("validator-1"), TlsIdentity{}}) {
    Intruder stranger(members[0], identity);
    stranger.Say("hello");
    EXPECT_FALSE(stranger.IsRead());
  }
  EXPECT_TRUE(host.Messages(1, kControl).empty());
  EXPECT_FALSE(host.Status(1, kControl).incoming);
  ExpectUnharmed();
}

// A member issues a certificate in another's name with its own, pinned, key.
TEST_F(Hostile, AMemberCannotIssueAnothersCertificate) {
  const TlsIdentity fake = Issue({.name = "validator-1", .issuer = &members[2].identity});
  Intruder intruder(members[0], fake);
  intruder.Say("hello");
  EXPECT_FALSE(intruder.IsRead());
  EXPECT_TRUE(host.Messages(1, kControl).empty());
  ExpectUnharmed();
}

TEST(HostileExpired, AnExpiredCertificateIsRefusedBothWays) {
  auto members = MakeMembers(2);
  members[1].identity = Issue({.name = "validator-1", .valid_seconds = -60});
  Host host(members, 0);
  ASSERT_TRUE(host.network.Start().has_value());
  Intruder late(members[0], members[1].identity);
  late.Say("hello");
  EXPECT_FALSE(late.IsRead());
  const Trap trap(members[1].port, members[1].identity);
  std::this_thread::sleep_for(kGrace);
  EXPECT_EQ(trap.calls(), 0);
  EXPECT_TRUE(host.Messages(1, kControl).empty());
}

// CheckCertificate keeps a certificate that can issue others out of the list, and the comparison of
// whole certificates keeps out what it issued.
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
                    [&messages](PartyId, Channel, Bytes) { ++messages; });
  ASSERT_TRUE(listener.Start(At(members[0].port)).has_value());
  const TlsIdentity fake = Issue({.name = "validator-1", .issuer = &members[2].identity});
  Intruder intruder(members[0], fake);
  intruder.Say("hello");
  EXPECT_FALSE(intruder.IsRead());
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

TEST_F(Hostile, AMembersWrongStreamIsCut) {
  for (const std::uint64_t size : {Limits{}.control.message_bytes_max + 1, ~std::size_t{0}}) {
    Intruder member(members[0], members[1].identity);
    ASSERT_TRUE(member.IsRead());
    const auto length = LengthOf(size);
    member.Write({length.begin(), length.end()});
    EXPECT_TRUE(member.IsCut());
    EXPECT_TRUE(Eventually([&] { return host.Status(1, kControl).last_error != ""; }));
  }
  Intruder nowhere(members[0], members[1].identity, 2);  // There is no such channel.
  EXPECT_FALSE(nowhere.IsRead());
  EXPECT_TRUE(host.Messages(1, kControl).empty());
  ExpectUnharmed();
}

// One seat a channel: a second stream replaces the first, more than one waiting are refused.
TEST_F(Hostile, AMemberOccupiesOneSeat) {
  host.Block();  // The first stream's reader is held up.
  Intruder first(members[0], members[1].identity);
  ASSERT_TRUE(first.Say("1"));
  ASSERT_TRUE(host.AwaitMessages(1, kControl, 1));
  Intruder second(members[0], members[1].identity);
  second.Say("2");
  EXPECT_TRUE(first.IsCut());  // By the second.
  for (int i = 0; i < 8; ++i) {
    Intruder third(members[0], members[1].identity);
    third.Say("3");
    EXPECT_FALSE(third.IsRead());
  }
  host.Unblock();
  ASSERT_TRUE(host.AwaitMessages(1, kControl, 2));
  EXPECT_EQ(host.Messages(1, kControl)[1], Bytes({'2'}));
}

// Whoever connects and says nothing makes room for the next, long before its time is over.
TEST_F(Hostile, AFloodOfGuestsHoldsNobodyUp) {
  std::vector<std::unique_ptr<Socket>> guests;
  for (std::size_t i = 0; i < kGuestsMax + 20; ++i) {
    guests.push_back(std::make_unique<Socket>(members[0].port));
    ASSERT_TRUE(guests.back()->Connect());
  }
  const auto start = std::chrono::steady_clock::now();
  ExpectUnharmed();
  host.network.Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, kGuestPatience);
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

}  // namespace
}  // namespace node::test
