#include "node/rpc/grpc_server.h"

#include <chrono>
#include <map>
#include <mutex>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/rpc/client_schema.h"
#include "node/rpc/method_table.h"
#include "node/rpc/value_json.h"
#include "proto/base/check.h"
#include "proto/client.pb.h"
#include "proto/health.grpc.pb.h"

namespace node {
namespace {

namespace asio = boost::asio;
namespace health = grpc::health::v1;
using google::protobuf::Message;
using proto::ErrorCode;

// How often adopted connections are looked at: so long may a closed one keep its place.
constexpr std::chrono::milliseconds kSweepPause{500};
constexpr int kHandshakeMs = 10'000;
constexpr int kAliveMs =
    30'000;  // A silent client is probed after this, and given up after as long.
constexpr int kPingIntervalMsMin = 1000;
constexpr char kSocketName[] = "fd:";  // How gRPC calls the peer of an adopted socket.

grpc::StatusCode ToStatusCode(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case ErrorCode::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case ErrorCode::kUnavailable:
      return grpc::StatusCode::UNAVAILABLE;
    case ErrorCode::kExhausted:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case ErrorCode::kCorrupt:
      return grpc::StatusCode::DATA_LOSS;
    case ErrorCode::kDenied:
      return grpc::StatusCode::PERMISSION_DENIED;
  }
  return grpc::StatusCode::INTERNAL;
}

grpc::Status ToStatus(const proto::Error& error) {
  return {ToStatusCode(error.code), error.message};
}

// Reflection for this server alone: the library would give it to each server of the process, and
// the validators' own links have nothing to tell.
class WithReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->clear();
    plugins->push_back(std::make_unique<grpc::reflection::ProtoServerReflectionPlugin>());
  }
};

}  // namespace

// Adopted sockets, by their number, for the calls that come from them.
struct GrpcServer::State {
  explicit State(RpcShared& shared) : sweep_timer(shared.io) {}

  // Of the client that a call comes from; nothing when its connection is closed already.
  std::optional<std::string> ClientOf(const std::string& peer) {
    const std::lock_guard lock(mutex);
    if (!peer.starts_with(kSocketName)) return std::nullopt;
    const auto found = sockets.find(peer.substr(sizeof kSocketName - 1));
    if (found == sockets.end()) return std::nullopt;
    return ClientOf(*found->second);
  }
  static const std::string& ClientOf(const Adopted& guest);
  // Whether a call that comes from `peer` may be made now.
  grpc::Status Admit(RpcShared& shared, const std::string& peer) {
    const auto client = ClientOf(peer);
    if (!client) return {grpc::StatusCode::UNAVAILABLE, "The connection is closed."};
    if (shared.clients.MayAsk(*client, std::chrono::steady_clock::now())) return {};
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, AsksTooOften(shared.limits)};
  }

  std::unique_ptr<Service> service;
  std::unique_ptr<Health> health;
  std::unique_ptr<grpc::Server> server;
  std::mutex mutex;
  std::map<std::string, const Adopted*> sockets;  // By number.
  std::vector<std::unique_ptr<Adopted>> adopted;
  asio::steady_timer sweep_timer;
};

// A second handle on the socket tells when gRPC has closed it: both ways are shut down then.
class GrpcServer::Adopted final : public Guest {
 public:
  Adopted(RpcShared& shared, Seat seat, State& state, int fd)
      : Guest(shared, std::move(seat)),
        state_(state),
        number_(std::to_string(fd)),
        handle_(::fcntl(fd, F_DUPFD_CLOEXEC, 0)) {
    const std::lock_guard lock(state_.mutex);
    state_.sockets[number_] = this;
  }
  ~Adopted() override {
    {
      // Unless gRPC has closed it and its number is another's by now.
      const std::lock_guard lock(state_.mutex);
      if (state_.sockets[number_] == this) state_.sockets.erase(number_);
    }
    Cut();
    if (handle_ >= 0) ::close(handle_);
  }

  bool works() const { return handle_ >= 0; }
  // gRPC notices.
  void Cut() override {
    if (handle_ >= 0) ::shutdown(handle_, SHUT_RDWR);
  }
  bool IsClosed() const {
    pollfd socket{handle_, 0, 0};
    return ::poll(&socket, 1, 0) != 0;  // Hung up, or an error: what is told unasked.
  }
  const std::string& client() const { return seat_.client(); }

 private:
  State& state_;
  const std::string number_;
  const int handle_;
};

const std::string& GrpcServer::State::ClientOf(const Adopted& guest) {
  return guest.client();
}

// The end of a call: tells when its answer has left, and its client's room for it is free again.
class GrpcServer::Reply final : public grpc::ServerUnaryReactor {
 public:
  bool Hold(Clients& clients, const std::string& client, std::size_t bytes) {
    unread_ = clients.Hold(client, bytes);
    return unread_.has_value();
  }
  void OnDone() override { delete this; }

 private:
  std::optional<Clients::Room> unread_;
};

// Made from the method table: generated code would need each method written once more.
class GrpcServer::Service final : public grpc::Service {
 public:
  Service(RpcShared& shared, State& state) : shared_(shared), state_(state) {
    const auto* file = waxseal::v1::StatusCall::descriptor()->file();
    const auto* service = file->FindServiceByName("Validator");
    CHECK(service != nullptr && service->full_name() == kClientService);
    names_.reserve(MethodTable().size());  // gRPC keeps pointers to them.
    for (const MethodSpec& spec : MethodTable()) {
      const std::string call = CallName(spec.name);
      const auto* method = service->FindMethodByName(call);
      CHECK(method != nullptr);
      const Message* form =
          google::protobuf::MessageFactory::generated_factory()->GetPrototype(method->input_type());
      names_.push_back("/" + std::string(kClientService) + "/" + call);
      AddMethod(new grpc::internal::RpcServiceMethod(
          names_.back().c_str(), grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
      MarkMethodRawCallback(
          static_cast<int>(names_.size()) - 1,
          new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
              [this, &spec, form](grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
                return Answer(spec, *form, *context, *request, *response);
              }));
    }
  }

 private:
  grpc::ServerUnaryReactor* Answer(const MethodSpec& spec, const Message& form,
                                   grpc::CallbackServerContext& context,
                                   const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
    Reply* const reactor = new Reply;  // Deletes itself.
    if (const auto admitted = state_.Admit(shared_, context.peer()); !admitted.ok()) {
      reactor->Finish(admitted);
    } else {
      asio::post(*shared_.pool, [this, &spec, &form, &context, &request, &response, reactor] {
        grpc::Status status;
        try {
          status = Run(spec, form, context, request, response, *reactor);
        } catch (const std::exception&) {  // Out of memory, above all.
          status = {grpc::StatusCode::UNAVAILABLE,
                    "The node could not answer this; its log may tell more."};
        }
        reactor->Finish(status);
      });
    }
    return reactor;
  }

  grpc::Status Run(const MethodSpec& spec, const Message& form,
                   const grpc::CallbackServerContext& context, const grpc::ByteBuffer& request,
                   grpc::ByteBuffer& response, Reply& reply) {
    if (shared_.stopping || context.IsCancelled()) return grpc::Status::CANCELLED;
    const std::unique_ptr<Message> call(form.New());
    grpc::ByteBuffer bytes(request);
    if (!grpc::GenericDeserialize<grpc::ProtoBufferReader, Message>(&bytes, call.get()).ok()) {
      return {grpc::StatusCode::INVALID_ARGUMENT,
              "The call is no " + form.GetDescriptor()->name() + "."};
    }
    const auto params = ParamsOf(*call);
    if (!params) return ToStatus(params.error());
    const auto answer = shared_.handlers.invoke(spec.name, *params);
    if (!answer) return ToStatus(answer.error());
    google::protobuf::Value value;
    ToValue(*answer, value);
    bool own = false;
    auto status = grpc::GenericSerialize<grpc::ProtoBufferWriter, Message>(value, &response, &own);
    const auto client = state_.ClientOf(context.peer());
    if (!status.ok()) return status;
    if (client && reply.Hold(shared_.clients, *client, response.Length())) return status;
    response.Clear();
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, kTooMuchKept};
  }

  RpcShared& shared_;
  State& state_;
  std::vector<std::string> names_;
};

// Serving when /ready is 200. Watching is refused, which clients take for serving: they see by
// their calls how it goes on.
class GrpcServer::Health final : public health::Health::CallbackService {
 public:
  Health(RpcShared& shared, State& state) : shared_(shared), state_(state) {}

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const health::HealthCheckRequest* request,
                                  health::HealthCheckResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    if (!request->service().empty() && request->service() != kClientService) {
      reactor->Finish({grpc::StatusCode::NOT_FOUND, "There is no such service here."});
      return reactor;
    }
    if (const auto admitted = state_.Admit(shared_, context->peer()); !admitted.ok()) {
      reactor->Finish(admitted);
      return reactor;
    }
    asio::post(*shared_.pool, [this, response, reactor] {
      const bool ready = !shared_.stopping && !shared_.handlers.why_not_ready();
      response->set_status(ready ? health::HealthCheckResponse::SERVING
                                 : health::HealthCheckResponse::NOT_SERVING);
      reactor->Finish(grpc::Status::OK);
    });
    return reactor;
  }

 private:
  RpcShared& shared_;
  State& state_;
};

GrpcServer::GrpcServer(RpcShared& shared, const GrpcLimits& limits)
    : shared_(shared), limits_(limits), state_(std::make_unique<State>(shared)) {}

GrpcServer::~GrpcServer() {
  Stop();
}

void GrpcServer::Start() {
  CHECK(!state_->server);
  state_->service = std::make_unique<Service>(shared_, *state_);
  state_->health = std::make_unique<Health>(shared_, *state_);
  grpc::ServerBuilder builder;
  builder.SetOption(std::make_unique<WithReflection>());
  builder.RegisterService(state_->service.get());
  builder.RegisterService(state_->health.get());
  builder.SetMaxReceiveMessageSize(limits_.call_bytes_max);
  // A short compressed call could stand for a long one.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);  // Of reflection.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits_.calls_per_connection_max);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, limits_.metadata_bytes_max);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                             static_cast<int>(shared_.limits.idle_ms_max.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kAliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kAliveMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kPingIntervalMsMin);
  grpc::ResourceQuota quota("waxseal-interface");
  quota.Resize(limits_.memory_max);
  quota.SetMaxThreads(limits_.reflection_threads_max);
  builder.SetResourceQuota(quota);
  state_->server = builder.BuildAndStart();
  CHECK(state_->server != nullptr);  // It binds nothing.
}

void GrpcServer::Adopt(int fd, Seat seat) {
  auto guest = std::make_unique<Adopted>(shared_, std::move(seat), *state_, fd);
  if (!guest->works() || ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
    ::close(fd);
    return;
  }
  grpc::AddInsecureChannelFromFd(state_->server.get(), fd);
  state_->adopted.push_back(std::move(guest));
  if (state_->adopted.size() == 1) Sweep();
}

void GrpcServer::Sweep() {
  std::erase_if(state_->adopted, [](const auto& guest) { return guest->IsClosed(); });
  if (state_->adopted.empty() || shared_.stopping) return;
  state_->sweep_timer.expires_after(kSweepPause);
  state_->sweep_timer.async_wait([this](boost::system::error_code error) {
    if (!error) Sweep();
  });
}

void GrpcServer::Stop() {
  if (!state_->server) return;
  asio::post(shared_.io, [this] { state_->sweep_timer.cancel(); });
  state_->server->Shutdown(std::chrono::system_clock::now());
  state_->server.reset();
}

}  // namespace node
