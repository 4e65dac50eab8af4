#include "node/rpc/websocket.h"

#include <chrono>
#include <deque>
#include <exception>
#include <map>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket.hpp>

#include "node/rpc/json_rpc.h"
#include "node/rpc/subscription.h"

namespace node {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

// The subscriptions of one connection and the calls that make and end them.
class Subscriptions {
 public:
  explicit Subscriptions(RpcShared& shared) : shared_(shared) {
    rpc_.Add({.name = "subscribe",
              .params = {{"method", ParamType::kText}, {"params", ParamType::kParams, "", false}}},
             [this](const Params& params) { return Subscribe(params); });
    rpc_.Add({.name = "unsubscribe", .params = {{"subscription", ParamType::kNumber}}},
             [this](const Params& params) { return Unsubscribe(params); });
  }
  Subscriptions(const Subscriptions&) = delete;
  ~Subscriptions() { shared_.subscriptions -= all_.size(); }

  std::string Answer(const std::string& text) {
    const auto request = ParseJson(text);
    const bool is_own =
        request && request->is_object() && request->contains("method") &&
        ((*request)["method"] == "subscribe" || (*request)["method"] == "unsubscribe");
    return is_own ? rpc_.Handle(text) : shared_.handlers.call(text);
  }

  bool empty() const { return all_.empty(); }

  // Appends what is new; whether there is more.
  bool Tell(std::deque<std::string>& out) {
    std::size_t bytes = 0;
    bool more = false;
    // In turn, so that none waits for ever behind another that has much to tell.
    auto turn = all_.upper_bound(last_);
    for (std::size_t i = all_.size(); i > 0; --i) {
      if (bytes > kEventBytesMax) return true;
      if (turn == all_.end()) turn = all_.begin();
      auto news = turn->second.Next(shared_.handlers.invoke);
      last_ = turn->first;
      more |= news.more;
      for (Json& event : news.events) bytes += Put(out, std::move(event));
      if (!news.end) {
        ++turn;
        continue;
      }
      Put(out, {{"error",
                 {{"code", static_cast<int>(ToRpcCode(news.end->code))},
                  {"message", news.end->message}}}});
      turn = all_.erase(turn);
      shared_.subscriptions -= 1;
    }
    return more;
  }

 private:
  std::size_t Put(std::deque<std::string>& out, Json params) {
    params["subscription"] = last_;
    out.push_back(
        FormatJson({{"jsonrpc", "2.0"}, {"method", "event"}, {"params", std::move(params)}}));
    return out.back().size();
  }

  Result<Json> Subscribe(const Params& params) {
    if (all_.size() >= kSubscriptionsMax) {
      return Fail(ErrorCode::kExhausted, "A connection has at most " +
                                             std::to_string(kSubscriptionsMax) + " subscriptions.");
    }
    const auto method = params.Text("method", kIdBytesMax);
    if (!method) return tl::unexpected(method.error());
    Json given = params.Without("method");
    auto made = Subscription::Make(
        *method, given.contains("params") ? std::move(given["params"]) : Json::object(),
        shared_.handlers.invoke);
    if (!made) return tl::unexpected(made.error());
    all_.emplace(++newest_, *std::move(made));
    shared_.subscriptions += 1;
    return Json{{"subscription", newest_}};
  }

  Result<Json> Unsubscribe(const Params& params) {
    const auto number = params.Number("subscription");
    if (!number) return tl::unexpected(number.error());
    if (all_.erase(*number) == 0) {
      return Fail(ErrorCode::kNotFound,
                  "There is no subscription " + std::to_string(*number) + " here.");
    }
    shared_.subscriptions -= 1;
    return Json{{"ended", true}};
  }

  RpcShared& shared_;
  JsonRpc rpc_;
  std::map<std::uint64_t, Subscription> all_;
  std::uint64_t newest_ = 0;
  std::uint64_t last_ = 0;  // Whose turn it was.
};

class WebSocket final : public Guest, public std::enable_shared_from_this<WebSocket> {
 public:
  WebSocket(RpcShared& shared, Seat seat, tcp::socket socket)
      : Guest(shared, std::move(seat)),
        stream_(std::move(socket)),
        write_timer_(shared.io),
        subscriptions_(shared) {
    shared_.websockets += 1;
  }
  ~WebSocket() override { shared_.websockets -= 1; }

  void Accept(const http::request<http::string_body>& request) {
    beast::get_lowest_layer(stream_).expires_never();
    websocket::stream_base::timeout timeout{};
    timeout.handshake_timeout = shared_.limits.write_ms_max;
    timeout.idle_timeout = shared_.limits.idle_ms_max;
    timeout.keep_alive_pings = true;
    stream_.set_option(timeout);
    stream_.read_message_max(shared_.limits.websocket_message_bytes_max);
    stream_.async_accept(request, [self = shared_from_this()](error_code error) {
      if (!error && !self->closed_) self->Read();
    });
  }

  void Cut() override {
    if (std::exchange(closed_, true)) return;
    write_timer_.cancel();
    beast::get_lowest_layer(stream_).close();
  }

  void Wake() override {
    dirty_ = true;
    Work();
  }

 private:
  void Read() {
    stream_.async_read(buffer_, [self = shared_from_this()](error_code error, std::size_t) {
      if (self->closed_) return;
      if (error) return self->Cut();  // What was too long Beast has told the client.
      self->OnMessage();
    });
  }

  void OnMessage() {
    if (!shared_.clients.MayAsk(seat_.client(), std::chrono::steady_clock::now())) {
      return Close(websocket::close_code::policy_error, "You ask too often.");
    }
    if (!stream_.got_text()) {
      return Close(websocket::close_code::unknown_data, "Messages are JSON text.");
    }
    message_ = beast::buffers_to_string(buffer_.data());
    buffer_.consume(buffer_.size());
    Work();
  }

  // At most one job on the pool for a connection: the subscriptions are its own while it runs.
  void Work() {
    if (closed_ || busy_ || !out_.empty()) return;
    if (!message_ && (!dirty_ || subscriptions_.empty())) return;
    busy_ = true;
    answers_ = message_.has_value();
    if (!answers_) dirty_ = false;
    asio::post(*shared_.pool, [self = shared_from_this(),
                               message = std::exchange(message_, std::nullopt)]() mutable {
      std::deque<std::string> out;
      bool more = false;
      bool failed = false;
      try {
        if (self->shared_.stopping) {
          failed = true;
        } else if (message) {
          std::string answer = self->subscriptions_.Answer(*message);
          if (!answer.empty()) out.push_back(std::move(answer));
          more = true;  // There may be a new subscription.
        } else {
          more = self->subscriptions_.Tell(out);
        }
      } catch (const std::exception&) {  // Out of memory, above all.
        failed = true;
      }
      asio::io_context& io = self->shared_.io;
      asio::post(io, [self = std::move(self), out = std::move(out), more, failed]() mutable {
        self->OnWorked(std::move(out), more, failed);
      });
    });
  }

  void OnWorked(std::deque<std::string> out, bool more, bool failed) {
    busy_ = false;
    if (closed_) return;
    if (failed) return Cut();
    dirty_ |= more;
    std::size_t bytes = 0;
    for (const std::string& text : out) bytes += text.size();
    if (bytes > 0) {
      unread_ = shared_.clients.Hold(seat_.client(), bytes);
      if (!unread_) return Close(websocket::close_code::try_again_later, kTooMuchKept);
      out_ = std::move(out);
      Write();
      return;
    }
    OnWritten();
  }

  void Write() {
    write_timer_.expires_after(shared_.limits.write_ms_max);
    write_timer_.async_wait([self = shared_from_this()](error_code cancelled) {
      if (!cancelled) self->Cut();
    });
    stream_.text(true);
    stream_.async_write(asio::buffer(out_.front()),
                        [self = shared_from_this()](error_code error, std::size_t) {
                          if (self->closed_) return;
                          self->write_timer_.cancel();
                          if (error) return self->Cut();
                          self->out_.pop_front();
                          if (!self->out_.empty()) return self->Write();
                          self->OnWritten();
                        });
  }

  void OnWritten() {
    unread_.reset();
    if (std::exchange(answers_, false)) Read();
    Work();
  }

  void Close(websocket::close_code code, const char* reason) {
    stream_.async_close({code, reason}, [self = shared_from_this()](error_code) { self->Cut(); });
  }

  websocket::stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
  asio::steady_timer write_timer_;
  Subscriptions subscriptions_;         // The job's, while there is one.
  std::optional<std::string> message_;  // Read, and not yet at work.
  std::deque<std::string> out_;
  std::optional<Clients::Room> unread_;  // What is in out_, till it is written.
  bool busy_ = false;
  bool dirty_ = false;
  bool answers_ = false;  // What is under way answers a message: the next may be read then.
  bool closed_ = false;
};

}  // namespace

void StartWebSocket(RpcShared& shared, Seat seat, tcp::socket socket,
                    http::request<http::string_body> request) {
  std::make_shared<WebSocket>(shared, std::move(seat), std::move(socket))->Accept(request);
}

}  // namespace node
