// The interface's other protocols, on the port of JSON-RPC: gRPC with stubs made from the schema.

#include "node/rpc/grpc_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <future>
#include <set>
#include <thread>

#include <arpa/inet.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/rpc/client.h"
#include "node/rpc/client_schema.h"
#include "node/rpc/json_rpc.h"
#include "node/rpc/method_table.h"
#include "node/rpc/value_json.h"
#include "proto/client.grpc.pb.h"
#include "proto/health.grpc.pb.h"

namespace node {
namespace {

namespace v1 = waxseal::v1;
namespace health = grpc::health::v1;
using std::chrono::seconds;

constexpr std::uint64_t kLarge = (std::uint64_t{1} << 53) + 1;

class Grpc : public testing::Test {
 protected:
  void Start(const RpcLimits& limits = {}) {
    for (const MethodSpec& spec : MethodTable()) {
      rpc_.Add(spec,
               [this, name = spec.name](const Params& params) { return Answer(name, params); });
    }
    RpcHandlers handlers;
    handlers.call = [this](std::string_view body) { return rpc_.Handle(body); };
    handlers.invoke = [this](const std::string& method, const Json& params) {
      return rpc_.Call(method, params);
    };
    handlers.why_not_ready = [this]() -> std::optional<std::string> {
      if (ready_) return std::nullopt;
      return "catching up";
    };
    handlers.metrics = [] { return ""; };
    handlers.submit = [](std::string_view) { return HttpPage(); };
    handlers.blocks = [](std::string_view) { return HttpPage(); };
    server_ = std::make_unique<RpcServer>("127.0.0.1:0", handlers, limits);
    const auto started = server_->Start();
    ASSERT_TRUE(started.has_value()) << started.error().message;
    channel_ = Dial();
    stub_ = v1::Validator::NewStub(channel_);
  }
  void TearDown() override {
    release_ = true;
    if (server_) server_->Stop();
  }

  // Tells what it was asked, or fails as its parameter says.
  proto::Result<Json> Answer(const std::string& name, const Params& params) {
    if (name == "request" && *params.Number("id") < 6) {
      return proto::Fail(static_cast<proto::ErrorCode>(*params.Number("id")), "a sentence");
    }
    while (name == "params" && !release_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (name == "pool") return Json(std::string(filling_, 'x'));
    return Json{{"method", name}, {"params", params.Without("")}};
  }

  std::size_t filling_ = 0;
  std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }
  std::shared_ptr<grpc::Channel> Dial() const {
    grpc::ChannelArguments own;
    own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    own.SetMaxSendMessageSize(-1);
    return grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), own);
  }
  static void Patience(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + seconds(30));
  }
  grpc::Status Status(v1::Validator::Stub& stub) {
    grpc::ClientContext context;
    Patience(context);
    google::protobuf::Value value;
    return stub.Status(&context, {}, &value);
  }
  health::HealthCheckResponse Health(const std::string& service, grpc::StatusCode code) {
    grpc::ClientContext context;
    Patience(context);
    health::HealthCheckRequest request;
    request.set_service(service);
    health::HealthCheckResponse response;
    const auto status = health::Health::NewStub(channel_)->Check(&context, request, &response);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    return response;
  }
  // The server reflection protocol, its messages written by hand: nobody ships them.
  std::string Reflect(const std::string& request) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    Patience(context);
    grpc::CompletionQueue queue;
    const auto wait = [&] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    const auto stream = stub.PrepareCall(
        &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
    stream->StartCall(nullptr);
    EXPECT_TRUE(wait());
    const grpc::Slice slice(request);
    stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    EXPECT_TRUE(wait());
    grpc::ByteBuffer answer;
    stream->Read(&answer, nullptr);
    EXPECT_TRUE(wait());
    grpc::Slice bytes;
    EXPECT_TRUE(answer.DumpToSingleSlice(&bytes).ok());
    stream->WritesDone(nullptr);
    wait();
    grpc::Status status;
    stream->Finish(&status, nullptr);
    wait();
    return std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  }

  JsonRpc rpc_;
  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Validator::Stub> stub_;
  std::atomic<bool> ready_ = true;
  std::atomic<bool> release_ = false;
};

// The file that clients make their stubs of is the method table.
TEST(ClientSchema, IsTheMethodTable) {
  const std::string path = std::string(SOURCE_DIR) + "/proto/client.proto";
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string made = ClientSchema(MethodTable());
  if (text != made) std::ofstream("client.proto") << made;
  EXPECT_EQ(text, made) << "what it should be is written to client.proto, here";
}

TEST(ValueJson, IsExact) {
  const Json json = {
      {"a", {1, -2, 0.5, true, nullptr, "x"}}, {"b", {{"c", kExactMax}}}, {"d", kLarge}};
  google::protobuf::Value value;
  ToValue(json, value);
  std::string text;
  ASSERT_TRUE(google::protobuf::util::MessageToJsonString(value, &text).ok());
  Json expected = json;
  expected["d"] = std::to_string(kLarge);
  EXPECT_EQ(Json::parse(text), expected);
}

TEST_F(Grpc, CallsReachTheMethodsWithTheirParameters) {
  Start();
  grpc::ClientContext context;
  Patience(context);
  v1::MaskSharesCall call;
  call.set_request(kLarge);
  call.set_ephemeral_key(std::string(32, '\xab'));
  call.set_signature(std::string(64, '\1'));
  google::protobuf::Value value;
  const auto status = stub_->MaskShares(&context, call, &value);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const auto& fields = value.struct_value().fields();
  EXPECT_EQ(fields.at("method").string_value(), "mask_shares");
  const auto& params = fields.at("params").struct_value().fields();
  EXPECT_EQ(params.at("request").string_value(), std::to_string(kLarge));
  EXPECT_EQ(params.at("ephemeral_key").string_value().substr(0, 4), "abab");
}

TEST_F(Grpc, EveryMethodIsServed) {
  Start();
  release_ = true;
  grpc::GenericStub stub(channel_);
  for (const MethodSpec& spec : MethodTable()) {
    SCOPED_TRACE(spec.name);
    grpc::ClientContext context;
    Patience(context);
    const grpc::Slice nothing;
    grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/" + std::string(kClientService) + "/" + CallName(spec.name), {},
                   &request, &response, [&](grpc::Status status) { done.set_value(status); });
    const auto status = done.get_future().get();
    const bool needs = std::ranges::any_of(spec.params, &ParamSpec::required);
    EXPECT_EQ(status.error_code(),
              needs ? grpc::StatusCode::INVALID_ARGUMENT : grpc::StatusCode::OK)
        << status.error_message();
    if (needs) {
      EXPECT_NE(status.error_message().find("is missing"), std::string::npos);
    }
  }
}

TEST_F(Grpc, ErrorsAreThoseOfJsonRpc) {
  Start();
  const std::array codes = {
      grpc::StatusCode::INVALID_ARGUMENT, grpc::StatusCode::NOT_FOUND,
      grpc::StatusCode::UNAVAILABLE,      grpc::StatusCode::RESOURCE_EXHAUSTED,
      grpc::StatusCode::DATA_LOSS,        grpc::StatusCode::PERMISSION_DENIED};
  std::set<grpc::StatusCode> seen;
  for (std::uint64_t i = 0; i < codes.size(); ++i) {
    grpc::ClientContext context;
    Patience(context);
    v1::RequestCall call;
    call.set_id(i);
    google::protobuf::Value value;
    const auto status = stub_->Request(&context, call, &value);
    EXPECT_EQ(status.error_message(), "a sentence");
    seen.insert(status.error_code());
  }
  EXPECT_EQ(seen, std::set<grpc::StatusCode>(codes.begin(), codes.end()));
  grpc::ClientContext context;
  Patience(context);
  v1::TransactionCall call;
  call.set_id("short");
  google::protobuf::Value value;
  const auto status = stub_->Transaction(&context, call, &value);
  EXPECT_EQ(status.error_message(), "The parameter 'id' must be 32 bytes in hexadecimal digits.");
}

TEST_F(Grpc, TellsItsSchema) {
  Start();
  const std::string services = Reflect(std::string("\x3a\x00", 2));  // list_services
  EXPECT_NE(services.find(kClientService), std::string::npos);
  EXPECT_NE(services.find("grpc.health.v1.Health"), std::string::npos);
  // file_containing_symbol
  const std::string symbol(kClientService);
  const std::string file =
      Reflect("\x22" + std::string(1, static_cast<char>(symbol.size())) + symbol);
  EXPECT_NE(file.find("proto/client.proto"), std::string::npos);
  for (const MethodSpec& spec : MethodTable()) {
    EXPECT_NE(file.find(CallName(spec.name) + "Call"), std::string::npos) << spec.name;
  }
}

TEST_F(Grpc, TellsItsHealth) {
  Start();
  EXPECT_EQ(Health("", grpc::StatusCode::OK).status(), health::HealthCheckResponse::SERVING);
  ready_ = false;
  EXPECT_EQ(Health(std::string(kClientService), grpc::StatusCode::OK).status(),
            health::HealthCheckResponse::NOT_SERVING);
  Health("other", grpc::StatusCode::NOT_FOUND);
}

TEST_F(Grpc, SharesThePortAndTheLimits) {
  RpcLimits limits;
  limits.client.requests_per_second = 0.001;
  limits.client.burst = 5;
  Start(limits);
  EXPECT_TRUE(Status(*stub_).ok());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Get(address(), "/health")->status, 200);
  EXPECT_EQ(Get(address(), "/health")->status, 429);
  const auto refused = Status(*stub_);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(refused.error_message().find("too often"), std::string::npos);
}

// A connection that ends gives its place back.
TEST_F(Grpc, ConnectionsCount) {
  RpcLimits limits;
  limits.client.connections_max = 3;
  Start(limits);
  std::vector<std::shared_ptr<grpc::Channel>> channels = {channel_};
  for (int i = 0; i < 2; ++i) channels.push_back(Dial());
  for (const auto& channel : channels) {
    EXPECT_TRUE(Status(*v1::Validator::NewStub(channel)).ok());
  }
  EXPECT_EQ(Get(address(), "/health")->status, 429);
  channels.pop_back();  // Two are left.
  int status = 429;
  for (int i = 0; i < 200 && status == 429; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const auto answer = Get(address(), "/health");
    if (answer) status = answer->status;
  }
  EXPECT_EQ(status, 200);
  EXPECT_TRUE(Status(*stub_).ok());
}

// Calls whose answers are longer than gRPC's windows, and are not read.
TEST_F(Grpc, BoundsAnswersThatNobodyReads) {
  constexpr std::size_t kLong = 3'000'000;
  filling_ = kLong;
  RpcLimits limits;
  limits.client.kept_bytes_max = 2 * kLong + kLong / 2;
  Start(limits);
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  own.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // Its windows stay as they are.
  grpc::GenericStub stub(
      grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), own));
  grpc::CompletionQueue queue;
  const auto wait = [&] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  };
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 2; ++i) {
    Call& call = *calls.emplace_back(std::make_unique<Call>());
    Patience(call.context);
    call.stream =
        stub.PrepareCall(&call.context, "/" + std::string(kClientService) + "/Pool", &queue);
    call.stream->StartCall(nullptr);
    ASSERT_TRUE(wait());
    const grpc::Slice nothing("");
    call.stream->WriteLast(grpc::ByteBuffer(&nothing, 1), {}, nullptr);
    ASSERT_TRUE(wait());
    call.stream->ReadInitialMetadata(nullptr);  // The answer is under way.
    ASSERT_TRUE(wait());
  }
  const auto pool = [this] {
    grpc::ClientContext context;
    Patience(context);
    google::protobuf::Value value;
    return stub_->Pool(&context, {}, &value);
  };
  EXPECT_EQ(pool().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Status(*stub_).ok());  // What is short still comes.
  for (const auto& call : calls) call->context.TryCancel();
  grpc::Status status = pool();
  for (int i = 0; i < 200 && !status.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    status = pool();
  }
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (const auto& call : calls) {
    grpc::Status ended;
    call->stream->Finish(&ended, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
  }
}

TEST_F(Grpc, RefusesWhatIsTooLongOrNoCall) {
  Start();
  grpc::GenericStub stub(channel_);
  const auto call = [&](const std::string& method, const std::string& bytes) {
    grpc::ClientContext context;
    Patience(context);
    const grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, method, {}, &request, &response,
                   [&](grpc::Status status) { done.set_value(status); });
    return done.get_future().get();
  };
  const std::string service = "/" + std::string(kClientService);
  EXPECT_EQ(call(service + "/Status", "\x0a").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const auto unknown = call(service + "/Status", std::string("\x08\x01", 2));
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(unknown.error_message().find("a field that StatusCall does not have"),
            std::string::npos);
  EXPECT_EQ(call(service + "/SubmitTransaction", std::string(9 << 20, 'x')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(call(service + "/NoSuch", "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(call("/waxseal.wire.Peer/Control", "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(Status(*stub_).ok());
}

TEST_F(Grpc, HandlesCostlyCallsAndStopsWithThem) {
  Start();
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([this] {
      grpc::ClientContext context;
      Patience(context);
      google::protobuf::Value value;
      stub_->Params(&context, {}, &value);
    });
  }
  EXPECT_EQ(Get(address(), "/health")->status, 200);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::thread stop([this] { server_->Stop(); });
  release_ = true;
  stop.join();
  for (std::thread& caller : callers) caller.join();
}

// What begins like HTTP/2 and goes on as anything else costs its sender the connection.
TEST_F(Grpc, SurvivesGarbage) {
  Start();
  std::vector<int> sockets;
  for (int i = 0; i < 64; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(server_->port()));
    ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    bytes.resize(static_cast<std::size_t>(1 + i), static_cast<char>(i * 37));
    ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (i % 3 == 0) {
      ::close(fd);
    } else {
      sockets.push_back(fd);
    }
  }
  EXPECT_TRUE(Status(*stub_).ok());
  for (const int fd : sockets) ::close(fd);
  EXPECT_EQ(Get(address(), "/health")->status, 200);
}

}  // namespace
}  // namespace node
