// A fifth validator joins a running network, and computes; one leaves and one changes its key. A
// private question is answered before and after, each time by other members with other keys.

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "node/cli/process.h"
#include "node/loop/files.h"
#include "node/rpc/client.h"
#include "tests/e2e/network.h"

namespace e2e {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr std::chrono::minutes kPatience{8};
const char* const kText = "a warm and funny film";

// devnet with epochs of some minutes when nothing happens.
proto::Result<proto::Genesis> DealShortEpochs(const std::string& directory, std::uint16_t port) {
  const auto text = node::ReadFile(SOURCE_DIR "/chain-spec/devnet.json");
  if (!text) return tl::unexpected(text.error());
  json spec = json::parse(proto::AsText(*text));
  spec["epoch_commits"] = 400;
  spec["stake_min"] = 1000;
  spec["unbonding_rounds"] = 50;
  const std::string path = directory + "-spec.json";
  const std::string document = spec.dump();
  if (auto written = node::WriteFile(path, proto::AsBytes(document)); !written) {
    return tl::unexpected(written.error());
  }
  node::NetworkOptions options;
  options.directory = directory;
  options.base_port = port;
  options.spec = path;
  auto genesis = node::CreateNetwork(options);
  std::remove(path.c_str());
  return genesis;
}

class Membership : public testing::Test {
 protected:
  void SetUp() override {
    auto network = Network::Start("", 1, DealShortEpochs);
    ASSERT_TRUE(network) << network.error().message;
    network_ = std::move(*network);
    joiner_ = network_->directory() + "/joiner";
    // Above the others' ports.
    for (const auto& validator : network_->genesis().validators) {
      const int port =
          std::atoi(validator.rpc_address.substr(validator.rpc_address.find(':') + 1).c_str());
      port_ = std::max(port_, port + 10);
    }
  }
  void TearDown() override {
    if (network_ && node::RunningValidator(joiner_)) {
      const auto stopped = node::StopValidator(joiner_);
      EXPECT_TRUE(stopped);
    }
  }

  std::string Rpc() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string Peer() const { return "127.0.0.1:" + std::to_string(port_ + 1); }
  int Run(const std::string& command) const {
    const std::string line = std::string(WAXSEAL_PROGRAM) + " " + command;
    return std::system(line.c_str());  // NOLINT
  }
  std::string Dir() const { return " --dir " + network_->directory(); }

  json StatusAt(const std::string& rpc) const {
    const auto status = node::Call(rpc, "status", json::object(), seconds(10));
    return status ? *status : json::object();
  }
  // Transfers of the client's keep the chain busy until `reached`.
  bool Until(const char* what, const std::function<bool()>& reached) const {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!reached()) {
      if (std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "waited in vain for " << what;
        return false;
      }
      network_->client().Refresh();
      const auto paid =
          network_->client().Execute(proto::Transfer{network_->genesis().validators[0].key, 1});
      if (!paid) std::this_thread::sleep_for(seconds(1));
    }
    return true;
  }
  void Asks() const {
    const auto answer = network_->Ask(kText);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_LT(network_->Error(kText, *answer), 0.02);
  }
  std::uint64_t Epoch() const {
    return StatusAt(network_->genesis().validators[2].rpc_address).value("epoch", 0u);
  }
  json List() const {
    const auto all = network_->client().Any("validators", json::object());
    return all ? *all : json::array();
  }

  std::unique_ptr<Network> network_;
  std::string joiner_;
  int port_ = 0;
};

TEST_F(Membership, OneJoinsOneLeavesOneChangesItsKeyAndQuestionsAreAnswered) {
  Asks();
  // With the largest stake: it will compute, and one that does now will not.
  ASSERT_EQ(Run("init --home " + joiner_ + " --name joiner --peer-address " + Peer() +
                " --rpc-address " + Rpc()),
            0);
  ASSERT_EQ(Run("validator join --home " + joiner_ + " --name joiner --peer " + Peer() + " --rpc " +
                Rpc() + " --stake 5000 --fund" + Dir()),
            0);
  ASSERT_TRUE(node::StartValidator(WAXSEAL_PROGRAM, joiner_));
  ASSERT_TRUE(Until("the joiner's votes", [&] {
    const json status = StatusAt(Rpc());
    return status.value("member", false) && status.value("computes", false) &&
           status["sync"].value("votes", false) && status.value("inference", "") == "on";
  }));
  EXPECT_GE(Epoch(), 2u);
  Asks();

  const std::size_t leaver = 0;
  const std::size_t changer = 1;
  const auto& founders = network_->genesis().validators;
  ASSERT_EQ(Run("validator leave --home " + network_->home(leaver) + Dir()), 0);
  ASSERT_EQ(Run("validator rotate --new-key --home " + network_->home(changer) + Dir()), 0);
  ASSERT_TRUE(network_->Kill(changer));
  const auto restarted = network_->Restart(changer);
  ASSERT_TRUE(restarted) << restarted.error().message;
  const auto before = Epoch();
  ASSERT_TRUE(Until("the next committee's keys", [&] {
    const json status = StatusAt(Rpc());
    return status.value("epoch", 0u) > before && status.value("inference", "") == "on" &&
           !StatusAt(founders[leaver].rpc_address).value("member", true);
  }));
  const json changed = StatusAt(founders[changer].rpc_address);
  EXPECT_TRUE(changed.value("member", false));
  EXPECT_NE(changed.value("public_key", ""), founders[changer].key.hex());
  EXPECT_EQ(StatusAt(Rpc()).value("validators", 0u), 4u);
  Asks();
}

}  // namespace
}  // namespace e2e
