#include "node/rpc/client.h"

#include <utility>  // Before asio, which forgets it.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "node/rpc/address.h"
#include "node/rpc/json_rpc.h"

namespace node {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

constexpr std::size_t kReadBufferMax = std::size_t{64} << 10;
constexpr std::uint32_t kHeaderBytesMax = 8192;

// One request and its answer, as a chain of operations that each start the next.
class Exchange {
 public:
  Exchange(Address address, http::request<http::string_body> request)
      : address_(std::move(address)), request_(std::move(request)) {
    parser_.body_limit(kAnswerBytesMax);
    parser_.header_limit(kHeaderBytesMax);
  }

  // Whether the answer is there before the time is over; else error() says why not.
  bool Run(std::chrono::milliseconds timeout) {
    resolver_.async_resolve(address_.host, address_.port,
                            [this](error_code error, const tcp::resolver::results_type& found) {
                              if (Failed(error)) return;
                              stream_.async_connect(
                                  found, [this](error_code failed, const tcp::endpoint&) {
                                    if (!Failed(failed)) Write();
                                  });
                            });
    io_.run_for(timeout);
    return done_;
  }
  const error_code& error() const { return error_; }
  HttpAnswer Take() {
    auto& answer = parser_.get();
    return {static_cast<int>(answer.result_int()), std::move(answer.body())};
  }

 private:
  bool Failed(error_code error) {
    error_ = error;
    return static_cast<bool>(error);
  }
  void Write() {
    http::async_write(stream_, request_, [this](error_code error, std::size_t) {
      // A server that refuses the request may close before it has read it: its answer counts.
      static_cast<void>(error);
      Read();
    });
  }
  void Read() {
    http::async_read(stream_, buffer_, parser_,
                     [this](error_code error, std::size_t) { done_ = !Failed(error); });
  }

  const Address address_;
  const http::request<http::string_body> request_;
  asio::io_context io_{1};
  tcp::resolver resolver_{io_};
  beast::tcp_stream stream_{io_};
  beast::flat_buffer buffer_{kReadBufferMax};
  http::response_parser<http::string_body> parser_;
  error_code error_;  // None while waiting.
  bool done_ = false;
};

Result<HttpAnswer> Perform(const std::string& address, http::verb verb, const std::string& path,
                           std::string body, std::chrono::milliseconds timeout) {
  auto parsed = ParseAddress(address);
  if (!parsed) return tl::unexpected(parsed.error());
  http::request<http::string_body> request(verb, path, 11);
  request.set(http::field::host, parsed->host + ":" + parsed->port);
  request.set(http::field::content_type, "application/json");
  request.keep_alive(false);
  request.body() = std::move(body);
  request.prepare_payload();
  Exchange exchange(std::move(*parsed), std::move(request));
  if (exchange.Run(timeout)) return exchange.Take();
  return Fail(
      ErrorCode::kUnavailable,
      "The node at " + address + " does not answer (" +
          (exchange.error() ? exchange.error().message()
                            : "nothing came within " + std::to_string(timeout.count()) + " ms") +
          "): check that it runs and that the address is its RPC address.");
}

}  // namespace

Result<HttpAnswer> Get(const std::string& address, const std::string& path,
                       std::chrono::milliseconds timeout) {
  return Perform(address, http::verb::get, path, "", timeout);
}

Result<nlohmann::json> Call(const std::string& address, const std::string& method,
                            const nlohmann::json& params, std::chrono::milliseconds timeout) {
  constexpr int kId = 1;
  const Json request{{"jsonrpc", "2.0"}, {"method", method}, {"params", params}, {"id", kId}};
  const auto answer = Perform(address, http::verb::post, "/", FormatJson(request), timeout);
  if (!answer) return tl::unexpected(answer.error());
  const auto corrupt = [&](const std::string& reason) {
    return Fail(ErrorCode::kCorrupt,
                "The node at " + address + " does not speak JSON-RPC: " + reason);
  };
  auto json = ParseJson(answer->body);
  if (answer->status != 200) {
    const bool explained =
        json && json->is_object() && json->contains("error") && (*json)["error"].is_string();
    return Fail(ErrorCode::kUnavailable,
                "The node at " + address + " refuses with HTTP status " +
                    std::to_string(answer->status) +
                    (explained ? ": " + (*json)["error"].get<std::string>() : "."));
  }
  if (!json) return corrupt(json.error().message);
  if (!json->is_object() || json->value("id", Json()) != kId) {
    return corrupt("its answer is not to this call.");
  }
  if (const auto error = json->find("error"); error != json->end()) {
    if (!error->is_object() || !error->contains("code") || !(*error)["code"].is_number_integer() ||
        !error->contains("message") || !(*error)["message"].is_string()) {
      return corrupt("its error has no code and message.");
    }
    return Fail(FromRpcCode((*error)["code"].get<std::int64_t>()),
                (*error)["message"].get<std::string>());
  }
  if (!json->contains("result")) return corrupt("its answer has no result.");
  return std::move((*json)["result"]);
}

}  // namespace node
