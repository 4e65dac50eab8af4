// Four machines make a network without a dealer, and it answers a private question.

#include "node/cli/genesis.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <sys/wait.h>

#include "node/cli/process.h"
#include "node/loop/files.h"
#include "node/loop/key_file.h"
#include "tests/e2e/network.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;

struct Output {
  std::string text;
  int status = -1;
};

Output Waxseal(const std::string& arguments) {
  std::FILE* pipe = ::popen((WAXSEAL_PROGRAM " " + arguments + " 2>&1").c_str(), "r");
  Output output;
  std::array<char, 4096> part;
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) output.text += part.data();
  output.status = WEXITSTATUS(::pclose(pipe));
  return output;
}

// `genesis join` of some homes at one time.
std::vector<Output> Join(const std::vector<std::string>& homes, const std::string& proposal,
                         int patience) {
  std::vector<Output> outputs(homes.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < homes.size(); ++i) {
    threads.emplace_back([&, i] {
      outputs[i] = Waxseal("genesis join --home " + homes[i] + " --proposal " + proposal +
                           " --patience " + std::to_string(patience));
    });
  }
  for (std::thread& thread : threads) thread.join();
  return outputs;
}

unsigned ModeOf(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

proto::Result<proto::Genesis> HoldCeremony(const std::string& directory, std::uint16_t port) {
  std::vector<std::string> homes;
  std::string create = "genesis create --spec " SOURCE_DIR "/chain-spec/devnet.json";
  for (int i = 0; i < 4; ++i) {
    homes.push_back(directory + "/home" + std::to_string(i));
    const std::string peer = " --peer-address 127.0.0.1:" + std::to_string(port + 10 * i + 1);
    const std::string rpc = " --rpc-address 127.0.0.1:" + std::to_string(port + 10 * i);
    const Output init =
        Waxseal("init --home " + homes.back() + " --name city" + std::to_string(i) + peer + rpc);
    EXPECT_EQ(init.status, 0) << init.text;
    create += " --card " + homes.back() + "/validator.json";
  }
  const Output key = Waxseal("keys new " + directory + "/client.key");
  EXPECT_EQ(key.status, 0);
  const std::string proposal = directory + "/proposal.json";
  const Output created =
      Waxseal(create + " --fund " + key.text.substr(0, 64) + " --out " + proposal);
  EXPECT_EQ(created.status, 0) << created.text;

  // One stays away: the others name it, and nothing is left behind.
  for (const Output& output : Join({homes[0], homes[1], homes[3]}, proposal, 2)) {
    EXPECT_NE(output.status, 0);
    EXPECT_NE(output.text.find("city2"), std::string::npos) << output.text;
  }
  for (const std::string& home : homes) {
    EXPECT_FALSE(node::ReadKeyFile(home + "/keys.json")->coin);
    EXPECT_FALSE(node::FileExists(home + "/genesis.json"));
    EXPECT_FALSE(node::FileExists(home + "/keys.json.pending"));
  }
  // Another proposal is refused.
  auto other = node::ReadFile(proposal);
  std::string text(proto::AsText(*other));
  text.replace(text.find("devnet"), 6, "betnet");
  EXPECT_TRUE(node::WriteFile(directory + "/other.json", proto::AsBytes(text)));
  Output disagreeing;
  std::thread first([&] { disagreeing = Join({homes[0]}, proposal, 5)[0]; });
  const Output second = Join({homes[1]}, directory + "/other.json", 5)[0];
  first.join();
  EXPECT_NE((disagreeing.text + second.text).find("joined with another proposal"),
            std::string::npos)
      << disagreeing.text << second.text;

  for (const Output& output : Join(homes, proposal, 60)) {
    EXPECT_EQ(output.status, 0) << output.text;
    EXPECT_NE(output.text.find("all 4 validators signed"), std::string::npos) << output.text;
  }
  auto genesis = node::ReadGenesis(homes[0] + "/genesis.json");
  if (!genesis) return genesis;
  const auto bytes = node::ReadFile(homes[0] + "/genesis.json");
  for (const std::string& home : homes) {
    EXPECT_EQ(*node::ReadFile(home + "/genesis.json"), *bytes);
    EXPECT_EQ(ModeOf(home + "/keys.json"), 0600u);
    // One file holds secrets: it can be locked, and nothing else need be.
    for (const auto& file : fs::directory_iterator(home)) {
      const auto content = node::ReadFile(file.path());
      const bool secret = proto::AsText(*content).find("PRIVATE") != std::string_view::npos ||
                          proto::AsText(*content).find("secret") != std::string_view::npos;
      EXPECT_EQ(secret, file.path().filename() == "keys.json") << file.path();
    }
    EXPECT_FALSE(node::FileExists(home + "/keys.json.pending"));
    const auto keys = node::ReadKeyFile(home + "/keys.json");
    if (!keys) return tl::unexpected(keys.error());
    // Homes in the order of the document, as the other commands expect them.
    for (std::size_t i = 0; i < 4; ++i) {
      if (genesis->validators[i].key != keys->validator.public_key()) continue;
      fs::rename(home, node::HomeOf(directory, i));
    }
  }
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string home = node::HomeOf(directory, i);
    const Output check = Waxseal("genesis check " + home + "/genesis.json --signatures " + home +
                                 "/genesis.signatures.json");
    EXPECT_EQ(check.status, 0) << check.text;
  }
  // A complete ceremony is not held again.
  fs::copy_file(node::HomeOf(directory, 0) + "/genesis.json", directory + "/genesis.json");
  return genesis;
}

TEST(GenesisCeremony, FourMachinesMakeANetworkThatAnswers) {
  const auto network = Network::Start("", 1, HoldCeremony);
  ASSERT_TRUE(network) << network.error().message;
  const std::string text = "a warm and funny film";
  const auto answer = (*network)->Ask(text);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_LT((*network)->Error(text, *answer), 0.02);

  // What holds keys leaves no trace of its memory: no core, not readable by the same user.
  for (std::size_t i = 0; i < 4; ++i) {
    const auto pid = node::RunningValidator((*network)->home(i));
    ASSERT_TRUE(pid);
    std::string limits(proto::AsText(*node::ReadFile("/proc/" + std::to_string(*pid) + "/limits")));
    const auto line = limits.find("Max core file size");
    ASSERT_NE(line, std::string::npos);
    const std::string core = limits.substr(line, limits.find('\n', line) - line);
    EXPECT_NE(core.find(" 0                    0 "), std::string::npos) << core;
    const auto log = node::ReadFile((*network)->home(i) + "/log");
    ASSERT_TRUE(log);
    // Every secret in the key file is a run of 64 digits; none is in the log.
    const auto keys = node::ReadFile((*network)->home(i) + "/keys.json");
    ASSERT_TRUE(keys);
    const nlohmann::json document = nlohmann::json::parse(proto::AsText(*keys));
    std::vector<std::string> secrets{document["validator_secret_key"], document["coin_secret"]};
    for (const auto& key : document["replicated_keys"]) {
      if (key.is_string()) secrets.push_back(key);
    }
    EXPECT_EQ(secrets.size(), 5u);
    for (const std::string& secret : secrets) {
      EXPECT_EQ(secret.size(), 64u);
      EXPECT_EQ(proto::AsText(*log).find(secret), std::string_view::npos);
    }
  }
}

}  // namespace
}  // namespace e2e
