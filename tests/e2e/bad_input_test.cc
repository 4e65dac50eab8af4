// What a careless or hostile client sends to real validators: each gets a clear error, nothing
// crashes, and the network answers as before.

#include <array>
#include <cstdio>
#include <filesystem>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/cli/process.h"
#include "node/loop/files.h"
#include "node/loop/key_file.h"
#include "node/rpc/client.h"
#include "node/rpc/methods.h"
#include "tests/e2e/network.h"

namespace e2e {
namespace {

using nlohmann::json;

// What `text` is answered with when it is sent raw to host:port.
std::string SendRaw(const std::string& address, const std::string& text) {
  const auto colon = address.rfind(':');
  const int file = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  std::string answer;
  if (::connect(file, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    (void)!::write(file, text.data(), text.size());
    ::shutdown(file, SHUT_WR);
    std::array<char, 4096> part;
    for (ssize_t got; (got = ::read(file, part.data(), part.size())) > 0;) {
      answer.append(part.data(), static_cast<std::size_t>(got));
    }
  }
  ::close(file);
  return answer;
}

std::string Post(const std::string& address, const std::string& body) {
  return SendRaw(address, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                              std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
}

// Output and exit status of a command.
std::pair<std::string, int> Shell(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string output;
  std::array<char, 4096> part;
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) output += part.data();
  return {output, ::pclose(pipe)};
}

class BadInput : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = Network::Start("", 2);
    ASSERT_TRUE(started) << started.error().message;
    network_ = std::move(*started);
  }
  static void TearDownTestSuite() { network_.reset(); }

  void TearDown() override {
    for (std::size_t i = 0; i < network_->genesis().validators.size(); ++i) {
      EXPECT_TRUE(node::RunningValidator(network_->home(i))) << "validator " << i << " is gone";
    }
  }

  static const node::Client& client() { return network_->client(); }
  static const std::string& rpc() { return network_->genesis().validators[0].rpc_address; }

  // The client's transaction with the given nonce, signed by `key`.
  static proto::Bytes Signed(const proto::SecretKey& key, std::uint64_t nonce,
                             proto::Payload payload) {
    proto::Transaction transaction;
    transaction.chain = client().chain();
    transaction.sender = key.public_key();
    transaction.nonce = nonce;
    transaction.payload = std::move(payload);
    return proto::SignTransaction(key, std::move(transaction));
  }
  static std::string Refusal(const proto::Bytes& transaction) {
    const auto answer =
        node::Call(rpc(), "submit_transaction", {{"hex", proto::ToHex(transaction)}});
    return answer ? "" : answer.error().message;
  }
  static std::uint64_t Nonce(const proto::SecretKey& key) {
    const auto account = client().Any("account", {{"key", key.public_key().hex()}});
    return account ? account->value("nonce", std::uint64_t{0}) : 0;
  }
  // Executes and gives the error.
  static std::string Failure(const node::Client& by, proto::Payload payload) {
    const auto done = by.Execute(std::move(payload));
    return done ? "" : done.error().message;
  }
  static proto::SecretKey NewKey() { return std::move(*proto::SecretKey::From(node::Entropy(32))); }

  static std::unique_ptr<Network> network_;
};
std::unique_ptr<Network> BadInput::network_;

TEST_F(BadInput, MalformedJsonAndCalls) {
  EXPECT_NE(Post(rpc(), "{\"jsonrpc\":").find("-32700"), std::string::npos);
  EXPECT_NE(Post(rpc(), "\xff\xfe\x00garbage").find("-32700"), std::string::npos);
  EXPECT_NE(Post(rpc(), R"({"jsonrpc":"2.0","id":1,"method":"nothing"})").find("-32601"),
            std::string::npos);
  EXPECT_NE(Post(rpc(), R"({"jsonrpc":"2.0","id":1,"method":"block","params":{"height":"x"}})")
                .find("-32602"),
            std::string::npos);
  EXPECT_NE(Post(rpc(), R"({"jsonrpc":"2.0","id":1,"method":"submit_transaction",)"
                        R"("params":{"hex":"zz"}})")
                .find("-32602"),
            std::string::npos);
  SendRaw(rpc(), std::string(100'000, '\0'));
  SendRaw(network_->genesis().validators[0].peer_address, std::string(100'000, 'x'));
}

TEST_F(BadInput, Transactions) {
  const proto::SecretKey& key = client().key();
  const proto::SecretKey poor = NewKey();
  const proto::Transfer transfer{poor.public_key(), 1};

  EXPECT_NE(Refusal({1, 2, 3}), "");
  proto::Bytes forged = Signed(key, Nonce(key), transfer);
  forged.back() ^= 1;
  EXPECT_NE(Refusal(forged).find("sign"), std::string::npos) << Refusal(forged);
  EXPECT_NE(Refusal(Signed(poor, 0, proto::Transfer{key.public_key(), 1})), "");

  // A replay: executed once, then refused.
  const std::uint64_t nonce = Nonce(key);
  const proto::Bytes once = Signed(key, nonce, transfer);
  EXPECT_EQ(Failure(client(), transfer), "");
  EXPECT_NE(Refusal(once).find("nonce"), std::string::npos) << Refusal(once);

  EXPECT_NE(Failure(client(), proto::OpenRequest{proto::Digest{}, 0}), "");
  EXPECT_NE(Failure(client(), proto::SubmitInference{999'999, {1, 2, 3}}), "");
}

TEST_F(BadInput, RequestsOfOthersAndWrongSubmissions) {
  const auto model = node::FindModel(client(), "");
  ASSERT_TRUE(model) << model.error().message;
  const auto opened = client().Execute(proto::OpenRequest{model->id, 0});
  ASSERT_TRUE(opened) << opened.error().message;
  const auto request = (*opened)["receipt"].value("request", std::uint64_t{0});
  const auto assigned = client().WaitFor("a bundle", std::chrono::seconds(300),
                                         [&]() -> proto::Result<std::optional<json>> {
                                           auto record = client().Any("request", {{"id", request}});
                                           if (!record) return tl::unexpected(record.error());
                                           if (record->value("attempt", std::uint64_t{0}) == 0)
                                             return std::nullopt;
                                           return std::move(*record);
                                         });
  ASSERT_TRUE(assigned) << assigned.error().message;

  // Somebody else, with money.
  node::Client other(network_->genesis(), NewKey());
  ASSERT_EQ(Failure(client(), proto::Transfer{other.key().public_key(), 100'000}), "");
  const std::vector<std::uint32_t> tokens(Network::kTokens, 1);
  const std::string foreign = Failure(other, proto::SubmitInference{request, tokens});
  EXPECT_NE(foreign.find("opened by another account"), std::string::npos) << foreign;
  const proto::SecretKey ephemeral = NewKey();
  const auto signature =
      other.key().Sign(node::MaskQuestionDigest(client().chain(), request, ephemeral.public_key()));
  const auto masks = node::Call(rpc(), "mask_shares",
                                {{"request", request},
                                 {"ephemeral_key", ephemeral.public_key().hex()},
                                 {"signature", proto::ToHex(signature.span())}});
  ASSERT_FALSE(masks);
  EXPECT_EQ(masks.error().code, proto::ErrorCode::kDenied);

  EXPECT_NE(Failure(client(), proto::SubmitInference{request, {1, 2, 3}}), "");
  std::vector<std::uint32_t> out_of_range = tokens;
  out_of_range.back() = 1u << 20;
  EXPECT_NE(Failure(client(), proto::SubmitInference{request, out_of_range}), "");

  EXPECT_EQ(Failure(client(), proto::SubmitInference{request, tokens}), "");
  EXPECT_NE(Failure(client(), proto::SubmitInference{request, tokens}), "");  // A second one.

  const auto long_text = network_->Ask(
      "one two three four five six seven eight nine ten eleven "
      "twelve thirteen fourteen fifteen sixteen seventeen");
  ASSERT_FALSE(long_text);
  EXPECT_NE(long_text.error().message.find("shorten"), std::string::npos);
}

TEST_F(BadInput, Files) {
  namespace fs = std::filesystem;
  const fs::path copy = fs::path(network_->directory()) / "broken";
  fs::copy(SOURCE_DIR "/tests/models/sentiment", copy);
  fs::resize_file(copy / "model.safetensors", 1000);
  const auto truncated = node::ReadModel(copy, "", "");
  ASSERT_FALSE(truncated);
  fs::copy_file(SOURCE_DIR "/tests/models/sentiment/model.safetensors", copy / "model.safetensors",
                fs::copy_options::overwrite_existing);
  const std::string config =
      R"({"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "vocab_size": 10})";
  ASSERT_TRUE(node::WriteFile(copy / "config.json", proto::AsBytes(config)));
  const auto foreign = node::ReadModel(copy, "", "");
  ASSERT_FALSE(foreign);
  EXPECT_NE(foreign.error().message.find("BertForSequenceClassification"), std::string::npos)
      << foreign.error().message;
  const auto absent = node::ReadModel(network_->directory() + "/nowhere", "", "");
  EXPECT_FALSE(absent);
}

TEST_F(BadInput, OccupiedDirectoryAndPort) {
  const auto [same_home, status] =
      Shell(std::string(WAXSEAL_PROGRAM) + " start --home " + network_->home(0));
  EXPECT_NE(status, 0);
  EXPECT_NE(same_home.find("in use"), std::string::npos) << same_home;
  // Another data directory, but the port of the first validator.
  const std::string home = network_->directory() + "/second";
  std::filesystem::create_directories(home);
  for (const char* file : {"genesis.json", "keys.json", "node.toml"}) {
    std::filesystem::copy_file(network_->home(0) + "/" + file, home + "/" + file);
  }
  const auto [same_port, port_status] =
      Shell(std::string(WAXSEAL_PROGRAM) + " start --home " + home);
  EXPECT_NE(port_status, 0);
  EXPECT_NE(same_port.find(rpc().substr(rpc().find(':'))), std::string::npos) << same_port;
}

}  // namespace
}  // namespace e2e
