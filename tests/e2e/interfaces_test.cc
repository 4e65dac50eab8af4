// The interfaces of real validators besides JSON-RPC: gRPC with stubs made from the schema, and
// subscriptions over a WebSocket.

#include <chrono>

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "node/rpc/answers.h"
#include "node/rpc/subscriber.h"
#include "proto/client.grpc.pb.h"
#include "proto/health.grpc.pb.h"
#include "tests/e2e/network.h"

namespace e2e {
namespace {

namespace v1 = waxseal::v1;
using nlohmann::json;
using std::chrono::seconds;

json ToJson(const google::protobuf::Value& value) {
  std::string text;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(value, &text).ok());
  return json::parse(text);
}

class Interfaces : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto network = Network::Start("", 1);
    ASSERT_TRUE(network) << network.error().message;
    network_ = std::move(*network);
  }
  static void TearDownTestSuite() { network_.reset(); }

  static std::string address(std::size_t i) {
    return network_->genesis().validators[i].rpc_address;
  }

  static std::unique_ptr<Network> network_;
};
std::unique_ptr<Network> Interfaces::network_;

TEST_F(Interfaces, GrpcAnswersAreProvedLikeOthers) {
  const auto channel = grpc::CreateChannel(address(1), grpc::InsecureChannelCredentials());
  const auto stub = v1::Validator::NewStub(channel);
  const auto patience = std::chrono::system_clock::now() + seconds(60);
  google::protobuf::Value value;
  {
    grpc::ClientContext context;
    context.set_deadline(patience);
    const auto status = stub->Status(&context, {}, &value);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(ToJson(value)["chain"], network_->client().chain().hex());
  }
  {
    grpc::ClientContext context;
    context.set_deadline(patience);
    v1::ModelsCall call;
    call.set_prove(true);
    const auto status = stub->Models(&context, call, &value);
    ASSERT_TRUE(status.ok()) << status.error_message();
    node::LightClient client(network_->genesis());
    const auto checked = node::VerifyAnswer(client, "models", json::object(), ToJson(value));
    ASSERT_TRUE(checked) << checked.error().message;
    EXPECT_EQ(checked->answer.size(), 1u);
  }
  {
    grpc::ClientContext context;
    context.set_deadline(patience);
    v1::RequestCall call;
    call.set_id(12345);
    EXPECT_EQ(stub->Request(&context, call, &value).error_code(), grpc::StatusCode::NOT_FOUND);
  }
  {
    grpc::ClientContext context;
    context.set_deadline(patience);
    grpc::health::v1::HealthCheckResponse health;
    ASSERT_TRUE(grpc::health::v1::Health::NewStub(channel)->Check(&context, {}, &health).ok());
    EXPECT_EQ(health.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  }
}

TEST_F(Interfaces, ASubscriberSeesBlocksTransactionsAndAnswers) {
  auto blocks = node::Subscriber::Dial(address(2));
  ASSERT_TRUE(blocks) << blocks.error().message;
  ASSERT_TRUE(blocks->Subscribe("block", {{"prove", true}}));
  auto others = node::Subscriber::Dial(address(3));
  ASSERT_TRUE(others) << others.error().message;
  const std::string owner = network_->client().key().public_key().hex();
  const auto accounts = others->Subscribe("account", {{"key", owner}});
  ASSERT_TRUE(accounts) << accounts.error().message;
  const auto request = others->Subscribe("request", {{"id", 1}});
  const auto progress = others->Subscribe("request_progress", {{"request", 1}});
  ASSERT_TRUE(request && progress);

  // Blocks one by one, each proved by n - f signatures.
  node::LightClient light(network_->genesis());
  std::uint64_t height = 0;
  for (int i = 0; i < 5; ++i) {
    const auto event = blocks->Next(seconds(60));
    ASSERT_TRUE(event) << event.error().message;
    const std::uint64_t next = (*event)["next"];
    const auto checked = node::VerifyAnswer(
        light, "block", (*event)["answer"]["question"]["params"], (*event)["answer"]);
    ASSERT_TRUE(checked) << checked.error().message;
    EXPECT_EQ(checked->answer["height"], next - 1);
    if (height != 0) {
      EXPECT_EQ(next - 1, height + 1);
    }
    height = next - 1;
  }

  const auto answer = network_->Ask("a warm and funny film");
  ASSERT_TRUE(answer) << answer.error().message;
  std::uint64_t nonce = 0;
  std::string status;
  std::size_t steps = 0;
  while (status != "completed" || steps == 0) {
    const auto event = others->Next(seconds(60));
    ASSERT_TRUE(event) << event.error().message << " at status " << status;
    const json& told = (*event)["answer"];
    if ((*event)["subscription"] == *accounts) {
      EXPECT_GE(told["nonce"], nonce);
      nonce = told["nonce"];
    } else if ((*event)["subscription"] == *request) {
      status = told["status"];
    } else {
      steps += told["steps"].size();
    }
  }
  EXPECT_GE(nonce, 2u);
  EXPECT_EQ(steps, 1u);

  // A transaction that is executed already, from a subscription made after it.
  const auto block = network_->client().Any("block", {{"height", height}});
  const auto found = network_->client().Any("request", {{"id", 1}});
  ASSERT_TRUE(block && found);
  std::uint64_t at = height;
  json transactions = json::array();
  while (transactions.empty()) {
    transactions = (*network_->client().Any("block", {{"height", ++at}}))["transactions"];
  }
  ASSERT_TRUE(others->Subscribe("transaction", {{"id", transactions[0]["transaction"]}}));
  while (true) {
    const auto event = others->Next(seconds(60));
    ASSERT_TRUE(event) << event.error().message;
    if ((*event)["method"] != "transaction") continue;
    EXPECT_EQ((*event)["answer"]["status"], "executed");
    break;
  }
}

}  // namespace
}  // namespace e2e
