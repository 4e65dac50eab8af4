// To whom a client speaks: against validators that answer, refuse or are not there.

#include "node/cli/client.h"

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "node/rpc/server.h"
#include "tests/unit/node/ledger/long_chain.h"

namespace node {
namespace {

using nlohmann::json;

// Takes every transaction, and says that it is executed.
class Validator {
 public:
  Validator() : server_("127.0.0.1:0", Handlers()) { EXPECT_TRUE(server_.Start()); }

  std::string address() const { return "127.0.0.1:" + std::to_string(server_.port()); }
  int submissions() const { return submissions_; }
  void Stop() { server_.Stop(); }

  std::vector<std::string> links;  // To the second epoch and on.

 private:
  RpcHandlers Handlers() {
    RpcHandlers handlers;
    handlers.call = [this](std::string_view body) { return Answer(body); };
    handlers.invoke = [](const std::string&, const json&) { return json(); };
    handlers.why_not_ready = [] { return std::nullopt; };
    handlers.metrics = [] { return std::string(); };
    handlers.submit = [](std::string_view) { return HttpPage{}; };
    handlers.blocks = [](std::string_view) { return HttpPage{}; };
    return handlers;
  }
  std::string Answer(std::string_view body) {
    const json request = json::parse(body);
    json result;
    if (request["method"] == "epoch_links") {  // Three a time.
      result = json::array();
      for (std::size_t i = request["params"]["from"].get<std::size_t>() - proto::kFirstEpoch;
           i < links.size() && result.size() < 3; ++i) {
        result.push_back(links[i]);
      }
    }
    if (request["method"] == "account") result = {{"nonce", 7}};
    if (request["method"] == "submit_transaction") {
      ++submissions_;
      result = {{"id", "ab"}};
    }
    if (request["method"] == "transaction") {
      result = {{"status", "executed"}, {"receipt", {{"code", "done"}}}};
    }
    return json{{"jsonrpc", "2.0"}, {"id", request["id"]}, {"result", result}}.dump();
  }

  std::atomic<int> submissions_ = 0;
  RpcServer server_;
};

class ClientTest : public testing::Test {
 protected:
  Client MakeClient() {
    proto::Genesis genesis;
    for (const Validator& validator : validators_) {
      proto::ValidatorSpec& spec = genesis.validators.emplace_back();
      spec.rpc_address = validator.address();
    }
    return Client(std::move(genesis), *proto::SecretKey::From(proto::Bytes(32, 1)));
  }
  int Reached() const {
    int reached = 0;
    for (const Validator& validator : validators_) reached += validator.submissions() > 0;
    return reached;
  }

  std::array<Validator, 4> validators_;
};

// One may be silent, starved or hostile: of f + 1 one is honest.
TEST_F(ClientTest, ATransactionGoesToFPlusOneValidators) {
  EXPECT_TRUE(MakeClient().Execute(proto::Transfer{{}, 1}));
  EXPECT_EQ(Reached(), 2);
}

TEST_F(ClientTest, WhoDoesNotAnswerIsReplacedByTheNext) {
  const Client client = MakeClient();
  validators_[0].Stop();
  validators_[2].Stop();
  EXPECT_TRUE(client.Execute(proto::Transfer{{}, 1}));
  EXPECT_EQ(validators_[1].submissions(), 1);
  EXPECT_EQ(validators_[3].submissions(), 1);
}

// What a proof of a chain of very many epochs leaves out.
TEST_F(ClientTest, FollowsAllLinksOfAValidatorAndNoFalseOne) {
  const test::World world;
  const auto links = test::LinksOf(world, 8);
  for (const auto& link : links) {
    validators_[0].links.push_back(proto::ToHex(proto::EncodeLink(link)));
  }
  LightClient client(world.genesis);
  const auto followed = FollowLinks(client, validators_[0].address());
  ASSERT_TRUE(followed.has_value()) << followed.error().message;
  EXPECT_EQ(*followed, links);
  EXPECT_EQ(client.epoch(), links.back().next);
  EXPECT_TRUE(FollowLinks(client, validators_[0].address())->empty()) << "it has them";

  validators_[1].links = validators_[0].links;
  std::swap(validators_[1].links[4], validators_[1].links[5]);
  LightClient another(world.genesis);
  EXPECT_FALSE(FollowLinks(another, validators_[1].address()).has_value());
  EXPECT_EQ(another.epoch().number, 5u) << "up to the false one";
}

}  // namespace
}  // namespace node
