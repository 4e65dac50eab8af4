#include "node/rpc/server.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/rpc/client.h"
#include "node/rpc/json_rpc.h"

namespace node {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A TCP connection to the server, with every wait bounded.
class Wire {
 public:
  explicit Wire(int port, const char* from = "127.0.0.1") : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(AF_INET, from, &address.sin_addr), 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  Wire(const Wire&) = delete;
  ~Wire() { ::close(fd_); }

  // Whatever the server takes of it.
  void Write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void EndWriting() { ::shutdown(fd_, SHUT_WR); }
  // Until `mark` has come, the server hangs up, or the time is over.
  std::string Read(std::string_view mark = "\r\n\r\n", milliseconds patience = seconds(30)) {
    const auto end = Clock::now() + patience;
    std::string text;
    while (text.find(mark) == std::string::npos) {
      const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now()).count();
      pollfd waiting{fd_, POLLIN, 0};
      if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) != 1) return text;
      char buffer[4096];
      const ssize_t count = ::recv(fd_, buffer, sizeof buffer, 0);
      if (count <= 0) {
        closed = true;
        return text;
      }
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }
  bool ReadToEnd(milliseconds patience) {
    Read("no such text", patience);
    return closed;
  }
  bool closed = false;

 private:
  int fd_;
};

std::string Post(std::string_view body, std::string_view more = "") {
  return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more) + "\r\n" + std::string(body);
}

constexpr char kEchoCall[] = R"({"jsonrpc":"2.0","method":"echo","params":["hello"],"id":1})";

class Rpc : public testing::Test {
 protected:
  void Start(const RpcLimits& limits = {}) {
    rpc_.Add({.name = "echo", .params = {{"text", ParamType::kText}}},
             [](const Params& params) -> proto::Result<Json> {
               const auto text = params.Text("text", std::size_t{8} << 20);
               if (!text) return tl::unexpected(text.error());
               return Json(*text);
             });
    rpc_.Add({.name = "long", .params = {{"size", ParamType::kNumber}}},
             [](const Params& params) -> proto::Result<Json> {
               const auto size = params.Number("size");
               if (!size) return tl::unexpected(size.error());
               return Json(std::string(*size, 'x'));
             });
    rpc_.Add({.name = "wait"}, [this](const Params&) -> proto::Result<Json> {
      std::unique_lock lock(mutex_);
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return released_; });
      return Json("done");
    });
    server_ = std::make_unique<RpcServer>(
        "127.0.0.1:0",
        RpcHandlers{.call = [this](std::string_view body) { return rpc_.Handle(body); },
                    .invoke = [this](const std::string& method,
                                     const Json& params) { return rpc_.Call(method, params); },
                    .why_not_ready = [this]() -> std::optional<std::string> {
                      if (ready_) return std::nullopt;
                      return "catching up: 3 \"blocks\" behind";
                    },
                    .metrics = [] { return std::string("waxseal_height 7\n"); },
                    .submit =
                        [](std::string_view body) {
                          return HttpPage{200, std::to_string(body.size())};
                        },
                    .blocks =
                        [](std::string_view path) {
                          return HttpPage{404, std::string(path), "application/octet-stream"};
                        }},
        limits);
    const auto started = server_->Start();
    ASSERT_TRUE(started.has_value()) << started.error().message;
  }
  void TearDown() override {
    Release();
    if (server_) server_->Stop();
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  void AwaitWaiting(int count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, seconds(10), [&] { return waiting_ >= count; }));
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }
  void ExpectAlive() {
    const auto result = Call(address(), "echo", Json::array({"alive"}), seconds(10));
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(*result, "alive");
  }

  JsonRpc rpc_;
  std::unique_ptr<RpcServer> server_;
  std::atomic<bool> ready_ = true;
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool released_ = false;
};

TEST_F(Rpc, CallsAndTheirErrorsReachTheClient) {
  Start();
  ExpectAlive();
  const std::string large(7'000'000, 'x');
  EXPECT_EQ(Call(address(), "echo", {{"text", large}}).value(), large);
  const auto unknown = Call(address(), "no", Json::object());
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().message, "There is no method 'no'.");
  EXPECT_EQ(unknown.error().code, proto::ErrorCode::kInvalidArgument);
  const auto wrong = Call(address(), "echo", Json::object());
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().message, "The parameter 'text' is missing.");
  const auto huge = Call(address(), "echo", {{"text", std::string(9'000'000, 'x')}});
  ASSERT_FALSE(huge.has_value());
  EXPECT_NE(huge.error().message.find("413: The body exceeds 8388608 bytes."), std::string::npos)
      << huge.error().message;
}

TEST_F(Rpc, ShowsHealthReadinessAndMetrics) {
  Start();
  EXPECT_EQ(Get(address(), "/health")->status, 200);
  EXPECT_EQ(Json::parse(Get(address(), "/ready")->body), Json({{"ready", true}}));
  ready_ = false;
  const auto unready = Get(address(), "/ready?verbose=1");
  EXPECT_EQ(unready->status, 503);
  EXPECT_EQ(Json::parse(unready->body)["reason"], "catching up: 3 \"blocks\" behind");
  EXPECT_EQ(Get(address(), "/metrics")->body, "waxseal_height 7\n");
  EXPECT_EQ(Get(address(), "/nothing")->status, 404);
  EXPECT_EQ(Get(address(), "/")->status, 405);
}

TEST_F(Rpc, KeepsConnectionsForFurtherCalls) {
  Start();
  Wire wire(server_->port());
  for (int i = 0; i < 5; ++i) {
    wire.Write(Post(kEchoCall));
    EXPECT_NE(wire.Read("hello").find("200 OK"), std::string::npos);
  }
  wire.Write(Post(kEchoCall) + Post(kEchoCall));  // Pipelined.
  std::string both = wire.Read("hello");
  if (both.find("hello") == both.rfind("hello")) both += wire.Read("hello");
  EXPECT_NE(both.find("hello"), both.rfind("hello"));
  wire.Write(Post(R"({"jsonrpc":"2.0","method":"echo","params":["x"]})"));  // A notification.
  EXPECT_NE(wire.Read().find("204 No Content"), std::string::npos);
  wire.Write(Post(kEchoCall, "Connection: close\r\n"));
  EXPECT_NE(wire.Read("hello").find("200 OK"), std::string::npos);
  EXPECT_TRUE(wire.ReadToEnd(seconds(10)));
}

TEST_F(Rpc, TakesChunkedAndExpectedBodies) {
  Start();
  Wire chunked(server_->port());
  const std::string body(kEchoCall);
  chunked.Write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" +
                body.substr(0, 5) + "\r\n");
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", body.size() - 5);
  chunked.Write(size + body.substr(5) + "\r\n0\r\n\r\n");
  EXPECT_NE(chunked.Read("hello").find("200 OK"), std::string::npos);

  Wire careful(server_->port());
  const std::string request = Post(kEchoCall, "Expect: 100-continue\r\n");
  careful.Write(request.substr(0, request.size() - body.size()));
  EXPECT_NE(careful.Read().find("100 Continue"), std::string::npos);
  careful.Write(body);
  EXPECT_NE(careful.Read("hello").find("200 OK"), std::string::npos);
}

TEST_F(Rpc, RefusesWhatIsTooLongOrNoHttp) {
  Start();
  const auto answer = [this](const std::string& request) {
    Wire wire(server_->port());
    wire.Write(request);
    wire.EndWriting();
    std::string text = wire.Read();
    return text.substr(0, text.find("\r\n"));
  };
  EXPECT_EQ(answer("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8388609\r\n\r\n"),
            "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(answer("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(answer("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(answer("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort"),
            "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(answer("GET / HTTP/1.1\r\nX: " + std::string(10000, 'x') + "\r\n\r\n"),
            "HTTP/1.1 431 Request Header Fields Too Large");
  EXPECT_EQ(answer("\x16\x03\x01 hello\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(answer("DELETE / HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
  EXPECT_EQ(answer("POST /health HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
            "HTTP/1.1 405 Method Not Allowed");
  ExpectAlive();
}

TEST_F(Rpc, AChunkedBodyEndsAtTheLimit) {
  RpcLimits limits;
  limits.body_bytes_max = 100'000;
  Start(limits);
  Wire wire(server_->port());
  wire.Write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 5; ++i) wire.Write("8000\r\n" + std::string(0x8000, 'x') + "\r\n");
  EXPECT_NE(wire.Read().find("413"), std::string::npos);
  ExpectAlive();
}

TEST_F(Rpc, HangsUpOnSlowClients) {
  RpcLimits limits;
  limits.idle_ms_max = limits.read_ms_max = milliseconds(300);
  Start(limits);
  Wire silent(server_->port());
  Wire header(server_->port());
  header.Write("POST / HTTP/1.1\r\nHos");
  Wire body(server_->port());
  body.Write("POST / HTTP/1.1\r\nContent-Length: 50\r\n\r\nabc");
  const auto start = Clock::now();
  EXPECT_TRUE(silent.ReadToEnd(seconds(10)));
  EXPECT_TRUE(header.ReadToEnd(seconds(10)));
  EXPECT_TRUE(body.ReadToEnd(seconds(10)));
  EXPECT_GE(Clock::now() - start, milliseconds(200));
  ExpectAlive();
}

// A client that asks for much and does not read.
TEST_F(Rpc, HangsUpOnClientsThatDoNotRead) {
  RpcLimits limits;
  limits.write_ms_max = milliseconds(300);
  limits.connections_max = 1;
  limits.refusals_max = 0;
  Start(limits);
  Wire wire(server_->port());
  const std::string call = Json{
      {"jsonrpc", "2.0"},
      {"method", "echo"},
      {"params", {std::string(4'000'000, 'x')}},
      {"id", 1}}.dump();
  for (int i = 0; i < 4; ++i) wire.Write(Post(call));
  // Its place becomes free, although it keeps the connection.
  const auto end = Clock::now() + seconds(30);
  bool served = false;
  while (Clock::now() < end && !served) {
    served = Get(address(), "/health", seconds(1)).has_value();
    if (!served) std::this_thread::sleep_for(milliseconds(50));
  }
  EXPECT_TRUE(served);
}

// Clients that ask for much and do not read: others' answers, and small ones, still come.
TEST_F(Rpc, BoundsAnswersThatNobodyReads) {
  constexpr std::size_t kLong = 7'500'000;  // More than the kernel takes for a connection.
  RpcLimits limits;
  limits.client.kept_bytes_max = 2 * kLong;
  Start(limits);
  const std::string call =
      Json{{"jsonrpc", "2.0"}, {"method", "long"}, {"params", {kLong}}, {"id", 1}}.dump();
  auto reader = std::make_unique<Wire>(server_->port());
  reader->Write(Post(call));
  EXPECT_NE(reader->Read().find("200 OK"), std::string::npos);  // Its beginning, and no more.
  Wire second(server_->port());
  second.Write(Post(call));
  EXPECT_NE(second.Read("}").find("Too much waits for you"), std::string::npos);
  second.Write(Post(kEchoCall));
  EXPECT_NE(second.Read("hello").find("200 OK"), std::string::npos);
  Wire other(server_->port(), "127.0.0.2");
  other.Write(Post(call));
  EXPECT_NE(other.Read().find("200 OK"), std::string::npos);
  reader.reset();  // What it did not read is room again.
  const auto end = Clock::now() + seconds(30);
  std::string answer;
  while (Clock::now() < end && answer.find("200 OK") == std::string::npos) {
    second.Write(Post(call));
    answer = second.Read();
    if (answer.find("200 OK") == std::string::npos) answer += second.Read("}");
  }
  EXPECT_NE(answer.find("200 OK"), std::string::npos);
}

TEST_F(Rpc, BoundsTheConnections) {
  RpcLimits limits;
  limits.connections_max = 4;
  limits.refusals_max = 2;
  Start(limits);
  std::vector<std::unique_ptr<Wire>> wires;
  for (int i = 0; i < 4; ++i) {
    wires.push_back(std::make_unique<Wire>(server_->port()));
    wires.back()->Write("GET /health HTTP/1.1\r\n\r\n");
    EXPECT_NE(wires.back()->Read("alive").find("200 OK"), std::string::npos);
  }
  const auto fifth = Get(address(), "/health");
  ASSERT_TRUE(fifth.has_value()) << fifth.error().message;
  EXPECT_EQ(fifth->status, 503);
  const auto call = Call(address(), "echo", Json::array({"x"}));
  ASSERT_FALSE(call.has_value());
  EXPECT_NE(call.error().message.find("Too many connections are open"), std::string::npos);
  wires.clear();
  const auto end = Clock::now() + seconds(30);
  while (Clock::now() < end && Get(address(), "/health").value_or(HttpAnswer{}).status != 200) {
    std::this_thread::sleep_for(milliseconds(20));
  }
  ExpectAlive();
}

TEST_F(Rpc, BoundsTheBytesUnderWay) {
  RpcLimits limits;
  limits.body_bytes_max = 1'000'000;
  limits.client.kept_bytes_max = 1'500'000;
  Start(limits);
  Wire first(server_->port());
  first.Write("POST / HTTP/1.1\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_NE(first.Read().find("100 Continue"), std::string::npos);
  Wire second(server_->port());
  second.Write("POST / HTTP/1.1\r\nContent-Length: 600000\r\n\r\n");
  EXPECT_NE(second.Read().find("503"), std::string::npos);
  ExpectAlive();                             // Small ones fit,
  Wire other(server_->port(), "127.0.0.2");  // and those of others.
  other.Write("POST / HTTP/1.1\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_NE(other.Read().find("100 Continue"), std::string::npos);
  first.Write(std::string(1'000'000, '['));
  EXPECT_NE(first.Read("-32700").find("200 OK"), std::string::npos);
  Wire third(server_->port());
  third.Write("POST / HTTP/1.1\r\nContent-Length: 600000\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_NE(third.Read().find("100 Continue"), std::string::npos);
}

TEST_F(Rpc, CostlyCallsDoNotHideTheNodesHealth) {
  Start();
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back(
        [this] { EXPECT_EQ(Call(address(), "wait", Json::object()).value_or("none"), "done"); });
  }
  AwaitWaiting(2);  // Both handler threads are taken.
  EXPECT_EQ(Get(address(), "/health", seconds(30))->status, 200);
  EXPECT_FALSE(Call(address(), "echo", Json::array({"x"}), milliseconds(200)).has_value());
  Release();
  for (auto& caller : callers) caller.join();
  ExpectAlive();
}

TEST_F(Rpc, StopsPromptlyWhateverIsUnderWay) {
  Start();
  Wire idle(server_->port());
  Wire half(server_->port());
  half.Write("POST / HTTP/1.1\r\nContent-Length: 50\r\n\r\nabc");
  std::vector<std::thread> callers;
  for (int i = 0; i < 20; ++i) {
    callers.emplace_back([this] { (void)Call(address(), "wait", Json::object()); });
  }
  AwaitWaiting(2);
  std::thread releaser([this] {
    std::this_thread::sleep_for(milliseconds(100));
    Release();
  });
  const auto start = Clock::now();
  server_->Stop();
  EXPECT_LT(Clock::now() - start, seconds(10));
  EXPECT_EQ(waiting_, 2);  // What had not begun was skipped.
  releaser.join();
  for (auto& caller : callers) caller.join();
  server_->Stop();  // Again, harmless.
}

constexpr char kHealth[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(Rpc, OneClientTakesNotAllPlaces) {
  RpcLimits limits;
  limits.client.connections_max = 2;
  Start(limits);
  Wire first(server_->port());
  Wire second(server_->port());
  for (Wire* wire : {&first, &second}) {
    wire->Write(kHealth);
    EXPECT_NE(wire->Read("alive").find("200 OK"), std::string::npos);
  }
  Wire third(server_->port());
  EXPECT_NE(third.Read("close some").find("429"), std::string::npos);
  Wire other(server_->port(), "127.0.0.2");  // Another address is another client.
  other.Write(kHealth);
  EXPECT_NE(other.Read("alive").find("200 OK"), std::string::npos);
}

TEST_F(Rpc, OneClientAsksNotWithoutEnd) {
  RpcLimits limits;
  limits.client.requests_per_second = 0.001;
  limits.client.burst = 3;
  Start(limits);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get(address(), "/health")->status, 200);
  const auto refused = Get(address(), "/health");
  EXPECT_EQ(refused->status, 429);
  EXPECT_NE(refused->body.find("too often"), std::string::npos);
  Wire other(server_->port(), "127.0.0.2");
  other.Write(kHealth);
  EXPECT_NE(other.Read("alive").find("200 OK"), std::string::npos);
}

TEST_F(Rpc, SaysWhichAddressIsOccupied) {
  Start();
  const RpcHandlers handlers{[](std::string_view) { return ""; },
                             [](const std::string&, const Json&) { return Json(); },
                             [] { return std::nullopt; },
                             [] { return ""; },
                             [](std::string_view) { return HttpPage(); },
                             [](std::string_view) { return HttpPage(); }};
  const auto second = RpcServer(address(), handlers).Start();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, proto::ErrorCode::kUnavailable);
  EXPECT_EQ(second.error().message,
            "Cannot listen for JSON-RPC on " + address() +
                " (Address already in use): stop what uses the port, or configure another RPC "
                "address.");
  EXPECT_FALSE(RpcServer("nonsense", handlers).Start().has_value());
  EXPECT_FALSE(RpcServer("192.0.2.1:80", handlers).Start().has_value());  // Not ours.
}

TEST_F(Rpc, SurvivesGarbage) {
  Start();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string good = Post(kEchoCall);
  std::vector<std::unique_ptr<Wire>> open;
  for (int i = 0; i < 300; ++i) {
    auto wire = std::make_unique<Wire>(server_->port());
    std::string bytes;
    if (i % 3 == 0) {  // Noise.
      bytes.resize(random() % 3000);
      for (char& byte : bytes) byte = static_cast<char>(random());
    } else if (i % 3 == 1) {  // A request that breaks off.
      bytes = good.substr(0, random() % good.size());
    } else {  // A request with damage.
      bytes = good;
      for (int edit = 0; edit < 5; ++edit)
        bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    wire->Write(bytes);
    if (i % 2 == 0) wire->EndWriting();
    if (i % 5 == 0) open.push_back(std::move(wire));
  }
  ExpectAlive();
  Wire nested(server_->port());
  nested.Write(Post(std::string(1'000'000, '[')));
  EXPECT_NE(nested.Read("nested too deeply").find("-32700"), std::string::npos);
}

TEST(RpcClient, SaysWhyThereIsNoAnswer) {
  const auto message = [](const proto::Result<Json>& result) {
    return result ? std::string("answered") : result.error().message;
  };
  EXPECT_NE(message(Call("127.0.0.1:1", "status", Json::object())).find("Connection refused"),
            std::string::npos);
  EXPECT_NE(message(Call("nowhere", "status", Json::object())).find("not an address"),
            std::string::npos);
  const int mute = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(mute, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(mute, 1), 0);
  ASSERT_EQ(::getsockname(mute, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string where = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  EXPECT_EQ(message(Call(where, "status", Json::object(), milliseconds(200))),
            "The node at " + where +
                " does not answer (nothing came within 200 ms): check that it runs and that the "
                "address is its RPC address.");
  ::close(mute);
}

// A node that lies about the protocol gets a clear refusal, not our trust.
TEST(RpcClient, RefusesAnswersThatAreNone) {
  std::string answer;
  RpcServer server("127.0.0.1:0", {[&answer](std::string_view) { return answer; },
                                   [](const std::string&, const Json&) { return Json(); },
                                   [] { return std::nullopt; }, [] { return ""; },
                                   [](std::string_view) { return HttpPage(); },
                                   [](std::string_view) { return HttpPage(); }});
  ASSERT_TRUE(server.Start().has_value());
  const std::string address = "127.0.0.1:" + std::to_string(server.port());
  for (const std::string wrong :
       {"", "nonsense", "[]", "{}", R"({"id":2,"result":1})", R"({"id":1})",
        R"({"id":1,"error":3})", R"({"id":1,"error":{"code":"x","message":"y"}})",
        R"({"id":1,"error":{"code":1}})", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}) {
    answer = wrong;
    EXPECT_FALSE(Call(address, "status", Json::object()).has_value()) << wrong;
  }
  answer = R"({"jsonrpc":"2.0","id":1,"result":[1]})";
  EXPECT_EQ(Call(address, "status", Json::object()).value(), Json::array({1}));
}

}  // namespace
}  // namespace node
