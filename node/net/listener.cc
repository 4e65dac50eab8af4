#include "node/net/listener.h"

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "node/net/acceptor.h"
#include "node/net/frame.h"
#include "proto/base/check.h"
#include "proto/peer.grpc.pb.h"

namespace node {
namespace {

namespace wire = waxseal::wire;

constexpr int kHandshakeMs = 10000;
constexpr int kKeepAliveMs = 10000;
constexpr int kDeadAfterMs = 20000;
constexpr int kPingIntervalMsMin = 1000;
constexpr int kStreamsPerConnection = 4;
constexpr int kMetadataBytesMax = 8192;
constexpr std::size_t kCallsPerPeer = 16;  // Two a channel, and some that are being refused.

// Whoever links the library for reflection gives it to every server of the process.
class WithoutPlugins final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->clear();
  }
};

}  // namespace

// The streams that there are. But for status() the poller's thread has all of it.
class Listener::Streams {
 public:
  // The place of a peer's one stream of a channel.
  struct Seat {
    Call* reading = nullptr;
    Call* waiting = nullptr;  // A newer stream that waits for the seat.
    Status status;            // Under the mutex.
  };

  Streams(const std::map<proto::PartyId, std::string>& peers, const Limits& bounds, OnMessage offer)
      : limits(bounds),
        on_message(std::move(offer)),
        calls_max_(kCallsPerPeer * (peers.size() + 1)) {
    for (const auto& [peer, pem] : peers) {
      CHECK(by_certificate_.emplace(pem, peer).second);
      for (const Channel channel : kChannels) seats_.try_emplace({peer, channel});
    }
  }

  void Start(grpc::ServerCompletionQueue& queue, Poller& poller) {
    queue_ = &queue;
    poller_ = &poller;
    for (const Channel channel : kChannels) Expect(channel);
  }
  // Streams end by themselves, once the server ends their calls; which may have gone before.
  void Stop() { stopping_ = true; }
  void AwaitEnd() {
    auto end = ended_.get_future();
    poller_->Post([this] {
      awaited_ = true;
      if (calls_.empty()) ended_.set_value();
    });
    end.wait();
  }
  bool stopping() const { return stopping_; }

  // Who is refused then is not even told why: a peer may not read that.
  bool crowded() const { return calls_.size() > calls_max_ / 2; }
  void Expect(Channel channel);
  void Delete(Call* call);

  std::optional<proto::PartyId> Identify(const grpc::ServerContext& context) const {
    const auto properties = context.auth_context()->FindPropertyValues("x509_pem_cert");
    if (properties.size() != 1) return std::nullopt;
    const auto found =
        by_certificate_.find(std::string_view(properties[0].data(), properties[0].size()));
    if (found == by_certificate_.end()) return std::nullopt;
    return found->second;
  }
  Seat& seat(proto::PartyId peer, Channel channel) { return seats_.at({peer, channel}); }

  Status status(proto::PartyId peer, Channel channel) const {
    const std::lock_guard lock(mutex_);
    return seats_.at({peer, channel}).status;
  }
  template <class Change>
  void ChangeStatus(Seat& seat, Change change) {
    const std::lock_guard lock(mutex_);
    change(seat.status);
  }

  wire::Peer::AsyncService service;
  Acceptor acceptor;
  const Limits limits;
  const OnMessage on_message;
  grpc::ServerCompletionQueue& queue() { return *queue_; }
  Poller& poller() { return *poller_; }

 private:
  const std::size_t calls_max_;
  std::map<std::string, proto::PartyId, std::less<>> by_certificate_;
  grpc::ServerCompletionQueue* queue_ = nullptr;
  Poller* poller_ = nullptr;
  std::atomic<bool> stopping_ = false;
  bool awaited_ = false;  // The end of the last call is.
  std::promise<void> ended_;
  std::map<Call*, std::unique_ptr<Call>> calls_;
  std::vector<Channel> unexpected_;  // Of these no stream is accepted until some call has ended.

  mutable std::mutex mutex_;
  std::map<std::pair<proto::PartyId, Channel>, Seat> seats_;  // Filled once: references stay.
};

// One stream, or the place for one. One operation is under way at a time; none while the stream
// waits for its seat or its message to be taken.
class Listener::Call {
 public:
  Call(Streams& streams, Channel channel)
      : streams_(streams),
        channel_(channel),
        assembler_(streams.limits.of(channel).message_bytes_max) {
    if (channel == Channel::kControl) {
      streams.service.RequestControl(&context_, &stream_, &streams.queue(), &streams.queue(),
                                     &arrived_);
    } else {
      streams.service.RequestBulk(&context_, &stream_, &streams.queue(), &streams.queue(),
                                  &arrived_);
    }
  }

 private:
  void OnArrived(bool ok) {
    if (!ok) return streams_.Delete(this);  // The server has ended.
    streams_.Expect(channel_);
    const auto peer = streams_.Identify(context_);
    if (!peer) {
      return Refuse({grpc::StatusCode::PERMISSION_DENIED, "This certificate is not pinned."});
    }
    peer_ = *peer;
    streams_.acceptor.Identify(context_.peer(), peer_);
    Streams::Seat& seat = streams_.seat(peer_, channel_);
    if (seat.waiting) {
      return Refuse(
          {grpc::StatusCode::RESOURCE_EXHAUSTED, "Another stream of yours is waiting already."});
    }
    if (!seat.reading) return Sit(seat);
    seat.waiting = this;
    seat.reading->context_.TryCancel();
  }

  void Sit(Streams::Seat& seat) {
    seat_ = &seat;
    seat.reading = this;
    streams_.ChangeStatus(seat, [](Status& status) { status.up = true; });
    stream_.SendInitialMetadata(&accepted_);  // To the peer: you are being read.
  }

  void Read(bool ok) {
    if (!ok) return Leave(grpc::Status::OK);
    stream_.Read(&frame_, &read_);
  }

  void OnRead(bool ok) {
    if (!ok) return Leave(grpc::Status::OK);
    proto::Result<std::optional<proto::Bytes>> message;
    try {
      message = assembler_.Add(proto::AsBytes(frame_.data()), frame_.more());
    } catch (const std::bad_alloc&) {
      message = proto::Fail(proto::ErrorCode::kExhausted, "There is no memory for the message.");
    }
    if (!message) {
      const std::string& why = message.error().message;
      streams_.ChangeStatus(*seat_, [&](Status& status) { status.last_error = why; });
      return Leave({grpc::StatusCode::INVALID_ARGUMENT, why});
    }
    if (!message->has_value()) return Read(true);
    message_ = std::move(**message);
    Deliver();
  }

  void Deliver() {
    if (streams_.stopping()) return Leave(grpc::Status::OK);
    const std::size_t size = message_.size();
    if (!streams_.on_message(peer_, channel_, message_)) {
      streams_.poller().After(kOfferAgainMs, [this] { Deliver(); });
      return;
    }
    message_.clear();
    streams_.ChangeStatus(*seat_, [&](Status& status) {
      status.bytes_received += size;
      status.messages_received += 1;
    });
    Read(true);
  }

  void Leave(const grpc::Status& status) {
    Streams::Seat& seat = *seat_;
    seat.reading = nullptr;
    streams_.ChangeStatus(seat, [](Status& of_seat) { of_seat.up = false; });
    Finish(status);
    if (Call* const next = std::exchange(seat.waiting, nullptr)) next->Sit(seat);
  }

  void Refuse(const grpc::Status& status) {
    if (streams_.crowded()) context_.TryCancel();
    Finish(status);
  }

  void Finish(const grpc::Status& status) { stream_.Finish(status, &finished_); }

  Streams& streams_;
  const Channel channel_;
  proto::PartyId peer_{};
  Streams::Seat* seat_ = nullptr;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<wire::Nothing, wire::Frame> stream_{&context_};
  wire::Frame frame_;
  Assembler assembler_;
  proto::Bytes message_;  // Offered, not yet taken.
  Poller::Tag arrived_ = [this](bool ok) { OnArrived(ok); };
  Poller::Tag accepted_ = [this](bool ok) { Read(ok); };
  Poller::Tag read_ = [this](bool ok) { OnRead(ok); };
  Poller::Tag finished_ = [this](bool) { streams_.Delete(this); };
};

void Listener::Streams::Expect(Channel channel) {
  if (stopping_) return;
  if (calls_.size() >= calls_max_) return unexpected_.push_back(channel);
  auto call = std::make_unique<Call>(*this, channel);
  Call* const key = call.get();
  calls_.emplace(key, std::move(call));
}

void Listener::Streams::Delete(Call* call) {
  calls_.erase(call);  // Its tag runs: it is not touched any more.
  for (const Channel channel : std::exchange(unexpected_, {})) Expect(channel);
  if (calls_.empty() && awaited_) ended_.set_value();
}

struct Listener::Running {
  std::unique_ptr<grpc::Server> server;
  Poller poller;
};

Listener::Listener(TlsIdentity identity, std::map<proto::PartyId, std::string> peers,
                   const Limits& limits, OnMessage on_message)
    : identity_(std::move(identity)),
      peers_(std::move(peers)),
      streams_(std::make_unique<Streams>(peers_, limits, std::move(on_message))) {
  CHECK(!peers_.empty());  // Without a root gRPC would trust the system's authorities.
}

Listener::~Listener() {
  Stop();
}

proto::Result<> Listener::Start(const std::string& address) {
  CHECK(!running_);
  const auto port = streams_->acceptor.Listen(address);
  if (!port) return tl::unexpected(port.error());
  port_ = *port;
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  for (const auto& [peer, pem] : peers_) options.pem_root_certs += pem;
  options.pem_key_cert_pairs.push_back({identity_.key_pem, identity_.certificate_pem});

  grpc::ServerBuilder builder;
  builder.SetOption(std::make_unique<WithoutPlugins>());
  std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor> connections =
      builder.experimental().AddExternalConnectionAcceptor(
          grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
          grpc::SslServerCredentials(options));
  builder.RegisterService(&streams_->service);
  builder.SetMaxReceiveMessageSize(static_cast<int>(kFrameBytesMax + kFrameOverheadMax));
  // A short compressed frame could stand for a long one.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kDeadAfterMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kPingIntervalMsMin);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  auto queue = builder.AddCompletionQueue();
  grpc::ServerCompletionQueue& calls = *queue;

  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  CHECK(server != nullptr);  // It binds nothing.
  running_.reset(new Running{std::move(server), Poller(std::move(queue))});
  streams_->Start(calls, running_->poller);
  streams_->acceptor.Start([connections](int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = fd;
    connections->HandleNewConnection(&connection);
  });
  return {};
}

Poller& Listener::poller() {
  CHECK(running_ != nullptr);
  return running_->poller;
}

void Listener::Stop() {
  if (!running_) return;
  streams_->Stop();
  streams_->acceptor.Stop();
  running_->server->Shutdown(std::chrono::system_clock::now());
  streams_->AwaitEnd();
  running_->poller.Stop();
  running_.reset();
}

Listener::Status Listener::status(proto::PartyId peer, Channel channel) const {
  return streams_->status(peer, channel);
}

}  // namespace node
