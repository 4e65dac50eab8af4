#include "tests/e2e/network.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include "node/cli/commands.h"
#include "node/cli/process.h"
#include "node/loop/files.h"
#include "node/loop/key_file.h"

namespace e2e {

using node::SayProgress;
using proto::Result;

namespace {

// Tests run side by side: each process begins its search elsewhere.
std::uint16_t BasePort() {
  return node::FreeBasePort(static_cast<std::uint16_t>(10'000 + (::getpid() % 200) * 100),
                            kValidatorsMax);
}

}  // namespace

Create DealTo(std::uint16_t validators) {
  return [validators](const std::string& directory, std::uint16_t port) {
    node::NetworkOptions options;
    options.directory = directory;
    options.validators = validators;
    options.base_port = port;
    options.spec = SOURCE_DIR "/chain-spec/devnet.json";
    return node::CreateNetwork(options);
  };
}

Result<std::unique_ptr<Network>> Network::Start(const std::string& misbehaviour,
                                                std::uint32_t pool_target, const Create& create) {
  auto model = node::ReadModel(SOURCE_DIR "/tests/models/sentiment", "", "");
  if (!model) return tl::unexpected(model.error());
  node::PackageOptions options;
  options.tokens = {kTokens};
  options.pool_target = pool_target;
  return Start(misbehaviour, std::move(*model), options, create);
}

Result<std::unique_ptr<Network>> Network::Start(const std::string& misbehaviour,
                                                node::LocalModel model,
                                                const node::PackageOptions& options,
                                                const Create& create) {
  std::unique_ptr<Network> network(new Network());
  std::string name = std::filesystem::temp_directory_path() / "waxseal-e2e-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    return proto::Fail(proto::ErrorCode::kUnavailable, "cannot make " + name);
  }
  network->directory_ = name;
  auto genesis = create(name, BasePort());
  if (!genesis) return tl::unexpected(genesis.error());
  network->genesis_ = std::move(*genesis);
  const std::size_t last = network->genesis_.validators.size() - 1;
  for (std::size_t i = 0; i <= last; ++i) {
    const bool misbehaves = i == last && !misbehaviour.empty();
    if (misbehaves) {
      if (auto written =
              node::WriteFile(network->home(i) + "/misbehaviour", proto::AsBytes(misbehaviour));
          !written) {
        return tl::unexpected(written.error());
      }
    }
    const auto pid =
        node::StartValidator(misbehaves ? ADVERSARY_PROGRAM : WAXSEAL_PROGRAM, network->home(i));
    if (!pid) return tl::unexpected(pid.error());
  }
  for (std::size_t i = 0; i <= last; ++i) {
    if (auto ready = node::WaitReady(name, network->genesis_, i, std::chrono::seconds(60));
        !ready) {
      return tl::unexpected(ready.error());
    }
  }
  auto key = node::ReadSecretKey(name + "/client.key");
  if (!key) return tl::unexpected(key.error());
  network->client_.emplace(network->genesis_, std::move(*key));
  network->model_ = std::move(model);
  const auto package =
      node::MakePackage(*network->model_, network->genesis_.committee(),
                        network->client_->key().public_key(), options, SayProgress);
  if (!package) return tl::unexpected(package.error());
  const auto id = node::RegisterPackage(*network->client_, *package, "", SayProgress);
  if (!id) return tl::unexpected(id.error());
  return network;
}

Network::~Network() {
  if (const auto stopped = node::StopNetwork(directory_, genesis_); !stopped) {
    SayProgress(stopped.error().message);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Result<node::Answer> Network::Ask(const std::string& text) const {
  return node::Ask(*client_, "", text, SayProgress);
}

std::vector<double> Network::Expected(const std::string& text) const {
  return model_->reference.Logits(model_->tokenizer.Encode(text));
}

double Network::Error(const std::string& text, const node::Answer& answer) const {
  const std::vector<double> expected = Expected(text);
  double error = expected.size() == answer.logits.size() ? 0 : 1e9;
  for (std::size_t i = 0; i < std::min(expected.size(), answer.logits.size()); ++i) {
    error = std::max(error, std::abs(expected[i] - answer.logits[i]));
  }
  return error;
}

Result<> Network::Kill(std::size_t validator) const {
  return node::KillValidator(home(validator));
}

Result<> Network::Restart(std::size_t validator) const {
  const auto pid = node::StartValidator(WAXSEAL_PROGRAM, home(validator));
  if (!pid) return tl::unexpected(pid.error());
  return node::WaitReady(directory_, genesis_, validator, std::chrono::seconds(60));
}

}  // namespace e2e
