#include "node/rpc/connection.h"

#include <utility>  // Before asio, which forgets it.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "node/rpc/address.h"

namespace node {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::uint32_t kHeaderBytesMax = 8192;

}  // namespace

// Every operation is asynchronous, so that it can be given up when its time is over.
class Connection::Stream {
 public:
  Result<> Open(const std::string& text, std::chrono::milliseconds timeout) {
    const auto address = ParseAddress(text);
    if (!address) return tl::unexpected(address.error());
    host_ = address->host + ":" + address->port;
    tcp::resolver resolver(io_);
    error_code error;
    const auto found = resolver.resolve(address->host, address->port, error);
    if (!error) {
      error = asio::error::timed_out;
      stream_.async_connect(found,
                            [&](error_code result, const tcp::endpoint&) { error = result; });
      Run(timeout);
    }
    if (!error) stream_.socket().set_option(tcp::no_delay(true), error);
    if (!error) return {};
    return Fail(ErrorCode::kUnavailable, "cannot connect to " + text + ": " + error.message());
  }

  Result<HttpAnswer> Exchange(http::verb verb, const std::string& path, std::string body,
                              std::chrono::milliseconds timeout) {
    http::request<http::string_body> request(verb, path, 11);
    request.set(http::field::host, host_);
    request.keep_alive(true);
    request.body() = std::move(body);
    request.prepare_payload();
    http::response_parser<http::string_body> parser;
    parser.body_limit(kAnswerBytesMax);
    parser.header_limit(kHeaderBytesMax);
    error_code error = asio::error::timed_out;
    http::async_write(stream_, request, [&](error_code, std::size_t) {
      // A server that refuses may answer before it has read everything.
      http::async_read(stream_, buffer_, parser,
                       [&](error_code result, std::size_t) { error = result; });
    });
    Run(timeout);
    if (error) return Fail(ErrorCode::kUnavailable, host_ + " does not answer: " + error.message());
    keep_alive_ = parser.get().keep_alive();
    return HttpAnswer{static_cast<int>(parser.get().result_int()), std::move(parser.get().body())};
  }

  bool keep_alive() const { return keep_alive_; }

 private:
  // Afterwards no operation refers to the caller's frame any more.
  void Run(std::chrono::milliseconds timeout) {
    io_.restart();
    io_.run_for(timeout);
    if (io_.stopped()) return;
    stream_.close();
    io_.run();
  }

  asio::io_context io_{1};
  beast::tcp_stream stream_{io_};
  beast::flat_buffer buffer_;
  std::string host_;
  bool keep_alive_ = false;
};

Connection::Connection(std::string address) : address_(std::move(address)) {}
Connection::~Connection() = default;

Result<HttpAnswer> Connection::Perform(bool post, const std::string& path, std::string body,
                                       std::chrono::milliseconds timeout) {
  if (!stream_) {
    auto stream = std::make_unique<Stream>();
    if (auto opened = stream->Open(address_, timeout); !opened) {
      return tl::unexpected(opened.error());
    }
    stream_ = std::move(stream);
  }
  auto answer =
      stream_->Exchange(post ? http::verb::post : http::verb::get, path, std::move(body), timeout);
  if (!answer || !stream_->keep_alive()) stream_.reset();
  return answer;
}

Result<HttpAnswer> Connection::Get(const std::string& path, std::chrono::milliseconds timeout) {
  return Perform(false, path, "", timeout);
}

Result<HttpAnswer> Connection::Post(const std::string& path, std::string body,
                                    std::chrono::milliseconds timeout) {
  return Perform(true, path, std::move(body), timeout);
}

}  // namespace node
