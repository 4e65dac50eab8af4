// A network of real processes for one test: created in a temporary directory, stopped and removed
// at the end.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "node/cli/ask.h"
#include "node/cli/localnet.h"
#include "node/cli/package.h"

namespace e2e {

inline constexpr std::uint16_t kValidatorsMax = 7;

// Makes homes, genesis.json and client.key of validators, at most kValidatorsMax, in a directory.
using Create =
    std::function<proto::Result<proto::Genesis>(const std::string& directory, std::uint16_t port)>;
// As `localnet create`.
Create DealTo(std::uint16_t validators);

class Network {
 public:
  // Validators with the shipped model compiled for kTokens tokens. `misbehaviour`: how the
  // last one misbehaves (tests/e2e/adversary.cc); empty: not.
  static constexpr std::uint32_t kTokens = 16;
  static proto::Result<std::unique_ptr<Network>> Start(const std::string& misbehaviour,
                                                       std::uint32_t pool_target,
                                                       const Create& create = DealTo(4));
  // The same with another model.
  static proto::Result<std::unique_ptr<Network>> Start(const std::string& misbehaviour,
                                                       node::LocalModel model,
                                                       const node::PackageOptions& options,
                                                       const Create& create = DealTo(4));
  ~Network();

  const node::Client& client() const { return *client_; }
  const proto::Genesis& genesis() const { return genesis_; }
  const std::string& directory() const { return directory_; }
  std::string home(std::size_t validator) const { return node::HomeOf(directory_, validator); }

  proto::Result<node::Answer> Ask(const std::string& text) const;
  // The float model's logits of a text.
  std::vector<double> Expected(const std::string& text) const;
  // Largest difference of an answer's logits to them.
  double Error(const std::string& text, const node::Answer& answer) const;
  proto::Result<> Kill(std::size_t validator) const;
  proto::Result<> Restart(std::size_t validator) const;

 private:
  Network() = default;

  std::string directory_;
  proto::Genesis genesis_;
  std::optional<node::Client> client_;
  std::optional<node::LocalModel> model_;
};

}  // namespace e2e
