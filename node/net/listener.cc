#include "node/net/listener.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include <grpcpp/grpcpp.h>

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
constexpr std::size_t kThreadsPerPeer = 16;  // Two a channel, and some that are being refused.

using Stream = grpc::ServerReaderWriter<wire::Nothing, wire::Frame>;

// Whoever links the library for reflection gives it to every server of the process.
class WithoutPlugins final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->clear();
  }
};

}  // namespace

class Listener::Service final : public wire::Peer::Service {
 public:
  Service(const std::map<proto::PartyId, std::string>& peers, const Limits& limits,
          OnMessage on_message)
      : limits_(limits), on_message_(std::move(on_message)) {
    for (const auto& [peer, pem] : peers) {
      CHECK(by_certificate_.emplace(pem, peer).second);
      for (const Channel channel : kChannels) seats_.try_emplace({peer, channel});
    }
  }

  grpc::Status Control(grpc::ServerContext* context, Stream* stream) override {
    return Receive(*context, *stream, Channel::kControl);
  }
  grpc::Status Bulk(grpc::ServerContext* context, Stream* stream) override {
    return Receive(*context, *stream, Channel::kBulk);
  }

  Status status(proto::PartyId peer, Channel channel) const {
    const std::lock_guard lock(mutex_);
    const Seat& seat = seats_.at({peer, channel});
    Status status = seat.status;
    status.up = seat.reading != nullptr;
    return status;
  }

 private:
  // The place of a peer's one stream of a channel.
  struct Seat {
    grpc::ServerContext* reading = nullptr;
    bool awaited = false;  // A newer stream waits for the seat.
    Status status;
  };

  std::optional<proto::PartyId> Identify(const grpc::ServerContext& context) const {
    const auto properties = context.auth_context()->FindPropertyValues("x509_pem_cert");
    if (properties.size() != 1) return std::nullopt;
    const auto found =
        by_certificate_.find(std::string_view(properties[0].data(), properties[0].size()));
    if (found == by_certificate_.end()) return std::nullopt;
    return found->second;
  }

  bool Take(Seat& seat, grpc::ServerContext& context) {
    std::unique_lock lock(mutex_);
    if (seat.awaited) return false;
    if (seat.reading) {
      seat.reading->TryCancel();
      seat.awaited = true;
      left_.wait(lock, [&seat] { return !seat.reading; });
      seat.awaited = false;
    }
    seat.reading = &context;
    return true;
  }

  // Leaves the seat however the reading ends, an exception of memory included.
  struct Seated {
    Service& service;
    Seat& seat;

    ~Seated() {
      const std::lock_guard lock(service.mutex_);
      seat.reading = nullptr;
      service.left_.notify_all();
    }
  };

  grpc::Status Receive(grpc::ServerContext& context, Stream& stream, Channel channel) {
    const auto peer = Identify(context);
    if (!peer) return {grpc::StatusCode::PERMISSION_DENIED, "This certificate is not pinned."};
    Seat& seat = seats_.at({*peer, channel});
    if (!Take(seat, context)) {
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "Another stream of yours is waiting already."};
    }
    const Seated seated{*this, seat};
    stream.SendInitialMetadata();  // To the peer: you are being read.
    const proto::Result<> read = Read(stream, *peer, channel, seat);
    if (read) return grpc::Status::OK;
    const std::lock_guard lock(mutex_);
    seat.status.last_error = read.error().message;
    return {grpc::StatusCode::INVALID_ARGUMENT, read.error().message};
  }

  // Until the stream ends, or its frames are wrong.
  proto::Result<> Read(Stream& stream, proto::PartyId peer, Channel channel, Seat& seat) {
    Assembler assembler(limits_.of(channel).message_bytes_max);
    wire::Frame frame;
    while (stream.Read(&frame)) {
      auto message = assembler.Add(proto::AsBytes(frame.data()), frame.more());
      if (!message) return tl::unexpected(message.error());
      if (!message->has_value()) continue;
      {
        const std::lock_guard lock(mutex_);
        seat.status.bytes_received += (*message)->size();
        seat.status.messages_received += 1;
      }
      on_message_(peer, channel, std::move(**message));
    }
    return {};
  }

  const Limits limits_;
  const OnMessage on_message_;
  std::map<std::string, proto::PartyId, std::less<>> by_certificate_;

  mutable std::mutex mutex_;
  std::condition_variable left_;
  std::map<std::pair<proto::PartyId, Channel>, Seat> seats_;  // Filled once: references stay.
};

struct Listener::Running {
  std::unique_ptr<grpc::Server> server;
};

Listener::Listener(TlsIdentity identity, std::map<proto::PartyId, std::string> peers,
                   const Limits& limits, OnMessage on_message)
    : identity_(std::move(identity)),
      peers_(std::move(peers)),
      service_(std::make_unique<Service>(peers_, limits, std::move(on_message))) {
  CHECK(!peers_.empty());  // Without a root gRPC would trust the system's authorities.
}

Listener::~Listener() {
  Stop();
}

proto::Result<> Listener::Start(const std::string& address) {
  CHECK(!running_);
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  for (const auto& [peer, pem] : peers_) options.pem_root_certs += pem;
  options.pem_key_cert_pairs.push_back({identity_.key_pem, identity_.certificate_pem});

  grpc::ServerBuilder builder;
  builder.SetOption(std::make_unique<WithoutPlugins>());
  builder.AddListeningPort(address, grpc::SslServerCredentials(options), &port_);
  builder.RegisterService(service_.get());
  builder.SetMaxReceiveMessageSize(static_cast<int>(kFrameBytesMax + kFrameOverheadMax));
  // A short compressed frame could stand for a long one.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // Else an occupied port goes unnoticed.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kDeadAfterMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kPingIntervalMsMin);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  grpc::ResourceQuota quota("waxseal-listener");
  quota.SetMaxThreads(static_cast<int>(kThreadsPerPeer * (peers_.size() + 1)));
  builder.SetResourceQuota(quota);

  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server || port_ == 0) {
    return proto::Fail(proto::ErrorCode::kUnavailable,
                       "Cannot listen for peers on " + address +
                           ": stop what uses the port, or configure an address of this machine "
                           "whose port is free.");
  }
  running_ = std::make_unique<Running>(Running{std::move(server)});
  return {};
}

void Listener::Stop() {
  if (!running_) return;
  running_->server->Shutdown(std::chrono::system_clock::now());
  running_.reset();
}

Listener::Status Listener::status(proto::PartyId peer, Channel channel) const {
  return service_->status(peer, channel);
}

}  // namespace node
