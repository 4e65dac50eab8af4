#include "node/rpc/server.h"

#include <array>
#include <exception>
#include <future>
#include <thread>
#include <utility>  // Before asio, which forgets it.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include "node/rpc/address.h"
#include "node/rpc/grpc_server.h"
#include "node/rpc/guest.h"
#include "node/rpc/json_rpc.h"
#include "node/rpc/websocket.h"
#include "proto/base/check.h"

namespace node {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kHandlerThreads = 2;
constexpr std::size_t kReadBufferMax = std::size_t{64} << 10;
constexpr std::chrono::milliseconds kAcceptPause{100};  // When there are no descriptors left.
constexpr std::chrono::milliseconds kLingerMsMax{2000};

// How HTTP/2 begins, as far as it takes to tell it from HTTP/1.1.
constexpr std::string_view kGreeting = "PRI ";

// Answers up to here are not counted against what a client may leave unread.
constexpr std::size_t kSmallAnswer = std::size_t{64} << 10;
constexpr char kJson[] = "application/json";
constexpr char kBlocks[] = "/blocks/";
constexpr char kText[] = "text/plain; version=0.0.4; charset=utf-8";

std::string NameOfPeer(const tcp::socket& socket) {
  error_code error;
  const auto address = socket.remote_endpoint(error).address();
  if (error) return "";  // Gone already.
  const auto name = [](const auto& bytes) {
    return Clients::NameOf(std::string(bytes.begin(), bytes.end()));
  };
  return address.is_v4() ? name(address.to_v4().to_bytes()) : name(address.to_v6().to_bytes());
}

std::string ErrorBody(const std::string& sentence) {
  return FormatJson({{"error", sentence}});
}

}  // namespace

// Everything of it happens on the I/O thread, but for what Compute() hands to the pool.
class RpcServer::Server : public RpcShared {
 public:
  Server(std::string where, RpcHandlers what, const RpcLimits& bounds)
      : RpcShared(std::move(what), bounds), address_(std::move(where)) {
    CHECK(handlers.call && handlers.invoke && handlers.why_not_ready && handlers.metrics);
    CHECK(handlers.submit && handlers.blocks);
  }

  proto::Result<> Start();
  void Stop();
  void Notify();
  int port() const { return port_; }

  GrpcServer grpc{*this};

 private:
  void Run();
  void Accept();
  void WakeGuests();

  const std::string address_;
  asio::executor_work_guard<asio::io_context::executor_type> serving_{io.get_executor()};
  tcp::acceptor acceptor_{io};
  asio::steady_timer accept_pause_{io};
  asio::steady_timer wake_pause_{io};
  std::atomic<bool> notified_ = false;
  int port_ = 0;
  std::thread thread_;
};

// One connection: header, body, answer, and again. A pending operation holds it alive. It may turn
// out to be gRPC's before its first request, and become a WebSocket with any.
class RpcServer::Session final : public Guest, public std::enable_shared_from_this<Session> {
 public:
  Session(Server& server, tcp::socket socket, Seat seat)
      : Guest(server, std::move(seat)),
        server_(server),
        stream_(std::move(socket)),
        greeting_timer_(server.io),
        buffer_(kReadBufferMax) {}

  void Greet();
  // `crowded`: by all together; else by this client.
  void Refuse(bool crowded);
  void Cut() override {
    closed_ = true;
    greeting_timer_.cancel();
    stream_.close();
  }

 private:
  using Parser = http::request_parser<http::string_body>;
  using Response = http::response<http::string_body>;

  void ReadHeader();
  void OnHeader(error_code error);
  void ReadBody();
  void Route();
  // `work` gives status and body, on the pool.
  void Compute(const char* type, std::function<std::pair<http::status, std::string>()> work) {
    ComputePage([type, work = std::move(work)] {
      auto [status, body] = work();
      return HttpPage{static_cast<int>(status), std::move(body), type};
    });
  }
  void ComputePage(std::function<HttpPage()> work);
  void Answer(http::status status, const char* type, std::string body);
  void AnswerLast(http::status status, const std::string& sentence) {
    keep_alive_ = false;
    Answer(status, kJson, ErrorBody(sentence));
  }
  void OnWritten(error_code error);
  void Linger();

  // Binds a continuation to this session's life.
  template <class... Arguments>
  auto Then(void (Session::*continuation)(error_code, Arguments...)) {
    return [self = shared_from_this(), continuation](error_code error, std::size_t) {
      (self.get()->*continuation)(error);
    };
  }

  Server& server_;
  beast::tcp_stream stream_;
  asio::steady_timer greeting_timer_;
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;  // A fresh one for each request.
  std::optional<Response> response_;
  std::optional<Clients::Room> body_;    // The request's, till it is answered.
  std::optional<Clients::Room> unread_;  // The answer, till it is written.
  bool keep_alive_ = false;
  bool closed_ = false;
};

// Looks at the first bytes without taking them: gRPC wants them all.
void RpcServer::Session::Greet() {
  error_code ignored;
  stream_.socket().non_blocking(true, ignored);
  stream_.socket().set_option(asio::socket_base::receive_low_watermark(kGreeting.size()), ignored);
  greeting_timer_.expires_after(server_.limits.idle_ms_max);
  greeting_timer_.async_wait([self = shared_from_this()](error_code cancelled) {
    if (!cancelled) self->Cut();
  });
  stream_.socket().async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code) {
    if (self->closed_) return;
    self->greeting_timer_.cancel();
    std::array<char, kGreeting.size()> first{};
    error_code error;
    auto& socket = self->stream_.socket();
    const std::size_t count = socket.receive(asio::buffer(first), tcp::socket::message_peek, error);
    if (!error && std::string_view(first.data(), count) == kGreeting) {
      const int fd = socket.release(error);
      if (!error) self->server_.grpc.Adopt(fd, std::move(self->seat_));
      return;
    }
    socket.set_option(asio::socket_base::receive_low_watermark(1), error);
    self->ReadHeader();
  });
}

void RpcServer::Session::ReadHeader() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(server_.limits.header_bytes_max));
  parser_->body_limit(server_.limits.body_bytes_max);
  stream_.expires_after(server_.limits.idle_ms_max);
  http::async_read_header(stream_, buffer_, *parser_, Then(&Session::OnHeader));
}

void RpcServer::Session::OnHeader(error_code error) {
  if (closed_) return;
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return AnswerLast(http::status::request_header_fields_too_large, "The header is too long.");
  }
  if (error == http::error::body_limit) {
    return AnswerLast(
        http::status::payload_too_large,
        "The body exceeds " + std::to_string(server_.limits.body_bytes_max) + " bytes.");
  }
  if (error == http::error::end_of_stream) return Linger();
  if (error.category() == make_error_code(http::error::bad_method).category()) {
    return AnswerLast(http::status::bad_request, "This is not an HTTP request.");
  }
  if (error) return;  // Gone, or too slow.

  keep_alive_ = parser_->get().keep_alive();
  if (!server_.clients.MayAsk(seat_.client(), std::chrono::steady_clock::now())) {
    return AnswerLast(http::status::too_many_requests, AsksTooOften(server_.limits));
  }
  const bool has_body = parser_->chunked() || parser_->content_length().value_or(0) > 0;
  if (parser_->get().method() != http::verb::post) {
    if (has_body) keep_alive_ = false;  // It stays unread.
    return Route();
  }
  body_ = server_.clients.Hold(seat_.client(), parser_->chunked()
                                                   ? server_.limits.body_bytes_max
                                                   : parser_->content_length().value_or(0));
  if (!body_) {
    return AnswerLast(http::status::service_unavailable, kTooMuchKept);
  }
  stream_.expires_after(server_.limits.read_ms_max);
  if (has_body && beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
    auto go_on = std::make_shared<http::response<http::empty_body>>(http::status::continue_, 11);
    http::async_write(stream_, *go_on,
                      [self = shared_from_this(), go_on](error_code failed, std::size_t) {
                        if (!failed && !self->closed_) self->ReadBody();
                      });
    return;
  }
  ReadBody();
}

void RpcServer::Session::ReadBody() {
  http::async_read(
      stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
        if (self->closed_) return;
        if (error == http::error::body_limit) {
          return self->AnswerLast(http::status::payload_too_large, "The body is too long.");
        }
        if (error.category() == make_error_code(http::error::bad_chunk).category()) {
          return self->AnswerLast(http::status::bad_request, "The body breaks off or is not HTTP.");
        }
        if (!error) self->Route();
      });
}

void RpcServer::Session::Route() {
  auto& request = parser_->get();
  const std::string target(request.target().substr(0, request.target().find('?')));
  const bool get = request.method() == http::verb::get;
  const bool post = request.method() == http::verb::post;
  stream_.expires_never();
  if (target == "/" && get && beast::websocket::is_upgrade(request)) {
    if (server_.websockets >= server_.limits.websockets_max) {
      return AnswerLast(http::status::service_unavailable,
                        "Too many WebSockets are open: try again later.");
    }
    return StartWebSocket(server_, std::move(seat_), stream_.release_socket(), parser_->release());
  }
  if (target == "/" && post) {
    return Compute(kJson, [this, body = std::move(request.body())] {
      std::string answer = server_.handlers.call(body);
      const auto status = answer.empty() ? http::status::no_content : http::status::ok;
      return std::pair(status, std::move(answer));
    });
  }
  if (target == "/transactions" && post) {
    return ComputePage(
        [this, body = std::move(request.body())] { return server_.handlers.submit(body); });
  }
  if (target.starts_with(kBlocks) && get) {
    return ComputePage([this, path = target.substr(std::string_view(kBlocks).size())] {
      return server_.handlers.blocks(path);
    });
  }
  if (target == "/health" && get) return Answer(http::status::ok, kJson, R"({"alive":true})");
  if (target == "/ready" && get) {
    return Compute(kJson, [this] {
      const auto reason = server_.handlers.why_not_ready();
      if (!reason) return std::pair(http::status::ok, std::string(R"({"ready":true})"));
      return std::pair(http::status::service_unavailable,
                       FormatJson({{"ready", false}, {"reason", *reason}}));
    });
  }
  if (target == "/metrics" && get) {
    return Compute(kText,
                   [this] { return std::pair(http::status::ok, server_.handlers.metrics()); });
  }
  const bool posted = target == "/" || target == "/transactions";
  const bool known = posted || target == "/health" || target == "/ready" || target == "/metrics" ||
                     target.starts_with(kBlocks);
  if (known) {
    return AnswerLast(
        http::status::method_not_allowed,
        posted ? "This is sent with POST: JSON-RPC calls to /, batches of transactions to "
                 "/transactions."
               : "This page is read with GET.");
  }
  AnswerLast(http::status::not_found,
             "There is nothing here: JSON-RPC is POST to /, the rest is /transactions, /blocks/, "
             "/health, /ready, /metrics.");
}

void RpcServer::Session::ComputePage(std::function<HttpPage()> work) {
  asio::post(*server_.pool, [self = shared_from_this(), work = std::move(work)]() mutable {
    HttpPage answer;
    try {
      if (!self->server_.stopping) answer = work();
    } catch (const std::exception&) {  // Out of memory, above all.
      answer = {500, ErrorBody("The node could not answer this; its log may tell more."), kJson};
    }
    work = nullptr;  // The request's body is no longer needed.
    asio::io_context& io = self->server_.io;
    asio::post(io, [self = std::move(self), answer = std::move(answer)]() mutable {
      self->Answer(static_cast<http::status>(answer.status), answer.type, std::move(answer.body));
    });
  });
}

void RpcServer::Session::Answer(http::status status, const char* type, std::string body) {
  if (closed_) return;
  parser_.reset();
  body_.reset();
  if (body.size() > kSmallAnswer) {
    unread_ = server_.clients.Hold(seat_.client(), body.size());
    if (!unread_) {
      status = http::status::service_unavailable;
      type = kJson;
      body = ErrorBody(kTooMuchKept);
    }
  }
  response_.emplace(status, 11);
  response_->keep_alive(keep_alive_);
  if (status != http::status::no_content) response_->set(http::field::content_type, type);
  response_->body() = std::move(body);
  response_->prepare_payload();
  stream_.expires_after(server_.limits.write_ms_max);
  http::async_write(stream_, *response_, Then(&Session::OnWritten));
}

void RpcServer::Session::OnWritten(error_code error) {
  unread_.reset();
  response_.reset();
  if (error || closed_) return;
  if (!keep_alive_) return Linger();
  ReadHeader();
}

// Reads on for a moment after the last answer: closing with unread bytes would make the kernel
// reset the connection, and the client lose that answer.
void RpcServer::Session::Linger() {
  error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  stream_.expires_after(kLingerMsMax);
  // The timer is set once and not moved by what still comes.
  auto discard = [self = shared_from_this()](auto&& again, error_code error, std::size_t) -> void {
    if (error || self->closed_) return;
    self->buffer_.clear();
    self->stream_.async_read_some(
        self->buffer_.prepare(kReadBufferMax),
        [again](error_code next, std::size_t bytes) { again(again, next, bytes); });
  };
  discard(discard, {}, 0);
}

void RpcServer::Session::Refuse(bool crowded) {
  if (crowded) {
    return AnswerLast(http::status::service_unavailable,
                      "Too many connections are open: try again later.");
  }
  AnswerLast(http::status::too_many_requests,
             "Your address has as many connections open as it may: close some, or use one again.");
}

proto::Result<> RpcServer::Server::Start() {
  CHECK(!thread_.joinable() && !stopping);
  const auto parsed = ParseAddress(address_);
  if (!parsed) return tl::unexpected(parsed.error());
  error_code error;
  const auto found =
      tcp::resolver(io).resolve(parsed->host, parsed->port, tcp::resolver::passive, error);
  if (!error) {
    const tcp::endpoint endpoint = *found.begin();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  }
  if (error) {
    error_code ignored;
    acceptor_.close(ignored);
    return proto::Fail(proto::ErrorCode::kUnavailable,
                       "Cannot listen for JSON-RPC on " + address_ + " (" + error.message() +
                           "): stop what uses the port, or configure another RPC address.");
  }
  port_ = acceptor_.local_endpoint(error).port();
  pool = std::make_unique<asio::thread_pool>(kHandlerThreads);
  grpc.Start();
  Accept();
  thread_ = std::thread([this] { Run(); });
  return {};
}

void RpcServer::Server::Run() {
  while (true) {
    try {
      io.run();
      return;
    } catch (const std::exception&) {
      // Out of memory: it cost the connection whose turn it was. The others go on.
    }
  }
}

void RpcServer::Server::Accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (!acceptor_.is_open()) return;
    if (error) {
      accept_pause_.expires_after(kAcceptPause);
      accept_pause_.async_wait([this](error_code cancelled) {
        if (!cancelled && acceptor_.is_open()) Accept();
      });
      return;
    }
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    std::string client = NameOfPeer(socket);
    const bool crowded = guests.size() - refusals >= limits.connections_max;
    const bool entered = !crowded && clients.Enter(client, std::chrono::steady_clock::now());
    if (entered || refusals < limits.refusals_max) {
      const auto session = std::make_shared<Session>(*this, std::move(socket),
                                                     Seat(*this, std::move(client), entered));
      if (entered) session->Greet();
      if (!entered) session->Refuse(crowded);
    }
    Accept();
  });
}

void RpcServer::Server::Stop() {
  if (!thread_.joinable()) return;
  std::promise<void> cut;
  asio::post(io, [this, &cut] {
    error_code ignored;
    acceptor_.close(ignored);
    accept_pause_.cancel();
    wake_pause_.cancel();
    for (Guest* guest : guests) guest->Cut();
    cut.set_value();
  });
  stopping = true;          // After the cut is queued: what is skipped has nobody left to answer.
  cut.get_future().wait();  // Nothing is handed to gRPC from here on.
  grpc.Stop();
  pool->join();  // Calls in progress end, those that wait are skipped; all post to the I/O thread.
  serving_.reset();
  thread_.join();  // When no session is left.
}

void RpcServer::Server::Notify() {
  if (subscriptions == 0 || notified_.exchange(true)) return;
  asio::post(io, [this] { WakeGuests(); });
}

// At once, and then not for a while.
void RpcServer::Server::WakeGuests() {
  if (stopping) return;
  if (wake_pause_.expiry() > std::chrono::steady_clock::now()) {
    wake_pause_.async_wait([this](error_code cancelled) {
      if (!cancelled) WakeGuests();
    });
    return;
  }
  notified_ = false;
  wake_pause_.expires_after(limits.wake_ms_min);
  for (Guest* guest : guests) guest->Wake();
}

RpcServer::RpcServer(std::string address, RpcHandlers handlers, const RpcLimits& limits)
    : server_(std::make_unique<Server>(std::move(address), std::move(handlers), limits)) {}

RpcServer::~RpcServer() {
  Stop();
}

proto::Result<> RpcServer::Start() {
  return server_->Start();
}

void RpcServer::Stop() {
  server_->Stop();
}

void RpcServer::Notify() {
  server_->Notify();
}

int RpcServer::port() const {
  return server_->port();
}

}  // namespace node
