#include "node/rpc/websocket.h"

#include <atomic>
#include <thread>

#include <boost/asio/connect.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <gtest/gtest.h>

#include "node/rpc/client.h"
#include "node/rpc/json_rpc.h"

namespace node {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A client of which every wait is bounded.
class Client {
 public:
  explicit Client(int port) {
    tcp::endpoint to(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port));
    stream_.next_layer().socket().connect(to);
    websocket::response_type response;
    stream_.handshake(response, "x", "/", error);
    status = response.result_int();
  }
  void Send(const std::string& text) {
    stream_.text(true);
    stream_.write(asio::buffer(text), error);
  }
  void SendBinary(const std::string& bytes) {
    stream_.binary(true);
    stream_.write(asio::buffer(bytes), error);
  }
  // Null when nothing comes, or the server has closed: then `error` and reason() tell.
  Json Read(milliseconds patience = seconds(30)) {
    std::string text;
    auto buffer = asio::dynamic_buffer(text);
    error = asio::error::timed_out;
    stream_.async_read(buffer, [&](error_code result, std::size_t) { error = result; });
    io_.restart();
    io_.run_for(patience);
    if (!io_.stopped()) {
      stream_.next_layer().close();
      io_.run();
    }
    return error ? Json() : Json::parse(text);
  }
  Json Ask(const std::string& method, const Json& params) {
    Send(Json{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}}.dump());
    return Read();
  }
  websocket::close_reason reason() const { return stream_.reason(); }
  tcp::socket& socket() { return stream_.next_layer().socket(); }

  unsigned status = 0;
  error_code error;

 private:
  asio::io_context io_{1};
  websocket::stream<beast::tcp_stream> stream_{io_};
};

class WebSockets : public testing::Test {
 protected:
  void Start(const RpcLimits& limits = {}) {
    rpc_.Add({.name = "block", .params = {{"height", ParamType::kNumber, "", false}}},
             [this](const Params& params) -> proto::Result<Json> {
               const auto height = params.Number("height", height_);
               if (*height > height_) return proto::Fail(proto::ErrorCode::kNotFound, "none");
               return Json{{"height", *height}, {"filling", std::string(filling_, 'x')}};
             });
    rpc_.Add({.name = "account"}, [this](const Params&) -> proto::Result<Json> {
      return Json{{"balance", height_.load()}};
    });
    RpcHandlers handlers;
    handlers.call = [this](std::string_view body) { return rpc_.Handle(body); };
    handlers.invoke = [this](const std::string& method, const Json& params) {
      return rpc_.Call(method, params);
    };
    handlers.why_not_ready = [] { return std::nullopt; };
    handlers.metrics = [] { return ""; };
    handlers.submit = [](std::string_view) { return HttpPage(); };
    handlers.blocks = [](std::string_view) { return HttpPage(); };
    server_ = std::make_unique<RpcServer>("127.0.0.1:0", handlers, limits);
    ASSERT_TRUE(server_->Start().has_value());
  }
  void TearDown() override {
    if (server_) server_->Stop();
  }
  void Grow(std::uint64_t by = 1) {
    height_ += by;
    server_->Notify();
  }

  JsonRpc rpc_;
  std::unique_ptr<RpcServer> server_;
  std::atomic<std::uint64_t> height_ = 10;
  std::size_t filling_ = 0;
};

TEST_F(WebSockets, AnswerCallsAndTellEvents) {
  Start();
  Client client(server_->port());
  ASSERT_FALSE(client.error) << client.error.message();
  EXPECT_EQ(client.Ask("block", Json::object())["result"]["height"], 10);
  EXPECT_EQ(client.Ask("nothing", Json::object())["error"]["code"], -32601);
  EXPECT_EQ(client.Ask("subscribe", {{"method", "block"}})["result"]["subscription"], 1);
  EXPECT_EQ(client.Ask("subscribe", {{"method", "account"}})["method"], "event");  // Block 10.
  for (int i = 0; i < 2; ++i) client.Read();  // The answer, and the account.
  Grow(3);
  std::vector<Json> events;
  while (events.size() < 4) events.push_back(client.Read()["params"]);
  std::vector<std::uint64_t> heights;
  for (const Json& event : events) {
    if (event["subscription"] == 1) heights.push_back(event["answer"]["height"]);
    if (event["subscription"] == 2) {
      EXPECT_EQ(event["answer"]["balance"], 13);
    }
  }
  EXPECT_EQ(heights, (std::vector<std::uint64_t>{11, 12, 13}));
  EXPECT_EQ(client.Ask("unsubscribe", {{"subscription", 1}})["result"]["ended"], true);
  EXPECT_EQ(client.Ask("unsubscribe", {{"subscription", 1}})["error"]["code"], -32001);
  Grow();
  EXPECT_EQ(client.Read()["params"]["subscription"], 2);
}

TEST_F(WebSockets, SayWhatIsWrong) {
  Start();
  Client client(server_->port());
  const auto code = [&](const Json& params) {
    return client.Ask("subscribe", params)["error"]["code"];
  };
  EXPECT_EQ(code({{"method", "sync"}}), -32602);
  EXPECT_EQ(code({{"params", Json::object()}}), -32602);
  EXPECT_EQ(code({{"method", "block"}, {"params", 3}}), -32602);
  EXPECT_EQ(code({{"method", "block"}, {"params", {{"height", "x"}}}}), -32602);
  EXPECT_EQ(code({{"method", "account"}, {"params", {{"nothing", 1}}}}), -32602);
  client.Send("no json");
  EXPECT_EQ(client.Read()["error"]["code"], -32700);
  client.SendBinary("binary");
  EXPECT_TRUE(client.Read().is_null());
  EXPECT_EQ(client.reason().code, websocket::close_code::unknown_data);
  // Neither exists without a WebSocket.
  const auto plain =
      Call("127.0.0.1:" + std::to_string(server_->port()), "subscribe", {{"method", "block"}});
  EXPECT_FALSE(plain.has_value());
}

TEST_F(WebSockets, KeepTheirLimits) {
  RpcLimits limits;
  limits.websockets_max = 2;
  limits.websocket_message_bytes_max = 4096;
  Start(limits);
  Client first(server_->port());
  for (std::size_t i = 0; i < kSubscriptionsMax; ++i) {
    const Json answer = first.Ask("subscribe", {{"method", "block"}, {"params", {{"height", 99}}}});
    ASSERT_TRUE(answer.contains("result")) << answer;
  }
  EXPECT_EQ(first.Ask("subscribe", {{"method", "account"}})["error"]["code"], -32003);
  Client second(server_->port());
  Client third(server_->port());
  EXPECT_EQ(second.status, 101u);
  EXPECT_EQ(third.status, 503u);
  second.Send(std::string(5000, ' '));
  EXPECT_TRUE(second.Read().is_null());
  EXPECT_EQ(second.reason().code, websocket::close_code::too_big);
  EXPECT_FALSE(first.error);
}

TEST_F(WebSockets, WhoAsksTooOftenIsClosed) {
  RpcLimits limits;
  limits.client.requests_per_second = 0.001;
  limits.client.burst = 3;
  Start(limits);
  Client client(server_->port());
  EXPECT_TRUE(client.Ask("block", Json::object()).contains("result"));
  EXPECT_TRUE(client.Ask("block", Json::object()).contains("result"));
  EXPECT_TRUE(client.Ask("block", Json::object()).is_null());
  EXPECT_EQ(client.reason().code, websocket::close_code::policy_error);
  EXPECT_EQ(client.reason().reason, "You ask too often.");
}

// Who does not read costs the node one batch of events, for a while.
TEST_F(WebSockets, WhoDoesNotReadIsCut) {
  RpcLimits limits;
  limits.write_ms_max = milliseconds(300);
  limits.websockets_max = 1;
  filling_ = 1 << 20;
  Start(limits);
  Client client(server_->port());
  client.Send(R"({"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"method":"block"}})");
  bool free = false;
  for (int i = 0; i < 200 && !free; ++i) {
    Grow();
    std::this_thread::sleep_for(milliseconds(50));
    free = Client(server_->port()).status == 101;
  }
  EXPECT_TRUE(free);
}

TEST_F(WebSockets, AnswersBeyondWhatAClientMayLeaveUnreadEndIt) {
  RpcLimits limits;
  limits.client.kept_bytes_max = 100'000;
  filling_ = 60'000;
  Start(limits);
  Client client(server_->port());
  EXPECT_EQ(client.Ask("block", {{"height", 1}})["result"]["height"], 1);
  EXPECT_EQ(client.Ask("block", {{"height", 1}})["result"]["height"], 1);  // It was read.
  filling_ = 120'000;
  EXPECT_TRUE(client.Ask("block", {{"height", 1}}).is_null());
  EXPECT_EQ(client.reason().code, websocket::close_code::try_again_later);
}

TEST_F(WebSockets, WhoIsSilentIsCut) {
  RpcLimits limits;
  limits.idle_ms_max = milliseconds(300);
  limits.websockets_max = 1;
  Start(limits);
  Client silent(server_->port());  // It answers no ping, since it does not read.
  bool free = false;
  for (int i = 0; i < 200 && !free; ++i) {
    std::this_thread::sleep_for(milliseconds(50));
    free = Client(server_->port()).status == 101;
  }
  EXPECT_TRUE(free);
}

TEST_F(WebSockets, StopsWithThemOpen) {
  Start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<Client>(server_->port()));
    clients.back()->Ask("subscribe", {{"method", "block"}});
  }
  std::atomic<bool> over = false;
  std::thread notifier([&] {
    while (!over) Grow();
  });
  std::this_thread::sleep_for(milliseconds(50));
  server_->Stop();
  over = true;
  notifier.join();
}

}  // namespace
}  // namespace node
