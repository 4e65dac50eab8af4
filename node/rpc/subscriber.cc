#include "node/rpc/subscriber.h"

#include <deque>
#include <utility>  // Before asio, which forgets it.

#include <boost/asio/connect.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>

#include "node/rpc/address.h"
#include "node/rpc/json_rpc.h"

namespace node {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;
using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

// Reads all the time; what comes waits in `messages_`, since an answer may come behind events.
class Subscriber::Stream {
 public:
  Result<> Open(const std::string& text, std::chrono::milliseconds timeout) {
    const auto address = ParseAddress(text);
    if (!address) return tl::unexpected(address.error());
    where_ = text;
    tcp::resolver resolver(io_);
    const auto found = resolver.resolve(address->host, address->port, error_);
    if (error_) return Lost();
    error_ = asio::error::timed_out;
    auto& socket = beast::get_lowest_layer(stream_);
    socket.async_connect(found, [&](error_code error, const tcp::endpoint&) {
      error_ = error;
      if (error) return;
      error_ = asio::error::timed_out;
      stream_.async_handshake(text, "/", [&](error_code shaken) { error_ = shaken; });
    });
    io_.run_for(timeout);
    if (!io_.stopped()) {
      socket.close();
      io_.run();
      error_ = asio::error::timed_out;
    }
    if (error_) return Lost();
    socket.expires_never();
    stream_.read_message_max(kAnswerBytesMax);
    Read();
    return {};
  }

  Result<json> Call(const std::string& method, const json& params) {
    const int id = ++calls_;
    error_code error;
    stream_.write(asio::buffer(FormatJson(
                      {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}})),
                  error);
    if (error) error_ = error;
    for (std::size_t looked = 0;; ++looked) {
      if (!Await(looked + 1, kCallMsMax)) return tl::unexpected(Lost().error());
      const json& message = messages_[looked];
      if (message.value("id", json()) != id) continue;
      const json answer = message;
      messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(looked));
      if (!answer.contains("error")) return answer.value("result", json());
      return ErrorIn(answer["error"]);
    }
  }

  Result<json> Event(std::chrono::milliseconds timeout) {
    while (Await(1, timeout)) {
      json message = std::move(messages_.front());
      messages_.pop_front();
      if (message.value("method", "") != "event" || !message["params"].is_object()) continue;
      json params = std::move(message["params"]);
      if (params.contains("error")) return ErrorIn(params["error"]);
      return params;
    }
    return tl::unexpected(Lost().error());
  }

  bool is_open() const { return !error_; }

 private:
  void Read() {
    stream_.async_read(buffer_, [this](error_code error, std::size_t) {
      error_ = error;
      if (error) return;
      auto message = ParseJson(beast::buffers_to_string(buffer_.data()));
      buffer_.consume(buffer_.size());
      if (message && message->is_object()) messages_.push_back(*std::move(message));
      Read();
    });
  }

  // Until there are so many messages.
  bool Await(std::size_t count, std::chrono::milliseconds timeout) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    while (messages_.size() < count && !error_) {
      io_.restart();
      if (io_.run_one_until(end) == 0) break;
    }
    return messages_.size() >= count;
  }

  Result<> Lost() const {
    const auto& reason = stream_.reason();
    return Fail(ErrorCode::kUnavailable,
                where_ + ": " +
                    (!error_                  ? "nothing came in time"
                     : !reason.reason.empty() ? std::string(reason.reason.c_str())
                                              : error_.message()));
  }

  static tl::unexpected<proto::Error> ErrorIn(const json& error) {
    if (!error.is_object() || !error.contains("code") || !error["code"].is_number_integer()) {
      return Fail(ErrorCode::kCorrupt, "the validator's error has no code");
    }
    return Fail(FromRpcCode(error["code"].get<std::int64_t>()), error.value("message", ""));
  }

  asio::io_context io_{1};
  websocket::stream<beast::tcp_stream> stream_{io_};
  beast::flat_buffer buffer_;
  std::deque<json> messages_;
  error_code error_;
  std::string where_;
  int calls_ = 0;
};

Subscriber::Subscriber(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
Subscriber::Subscriber(Subscriber&&) noexcept = default;
Subscriber::~Subscriber() = default;

Result<Subscriber> Subscriber::Dial(const std::string& address, std::chrono::milliseconds timeout) {
  auto stream = std::make_unique<Stream>();
  if (auto opened = stream->Open(address, timeout); !opened) return tl::unexpected(opened.error());
  return Subscriber(std::move(stream));
}

Result<std::uint64_t> Subscriber::Subscribe(const std::string& method, const json& params) {
  const auto answer = stream_->Call("subscribe", {{"method", method}, {"params", params}});
  if (!answer) return tl::unexpected(answer.error());
  if (!answer->is_object() || !answer->contains("subscription") ||
      !(*answer)["subscription"].is_number_unsigned()) {
    return Fail(ErrorCode::kCorrupt, "the validator's answer names no subscription");
  }
  return (*answer)["subscription"].get<std::uint64_t>();
}

Result<json> Subscriber::Next(std::chrono::milliseconds timeout) {
  return stream_->Event(timeout);
}

bool Subscriber::is_open() const {
  return stream_->is_open();
}

}  // namespace node
