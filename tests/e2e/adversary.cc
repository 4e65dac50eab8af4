// A validator that misbehaves, as a process: waxseal_adversary start --home HOME, with the way it
// does in the file HOME/misbehaviour: opening, output, masks, steps, batches, or silent. It holds
// one honest validator's keys and runs the honest code; what leaves it is altered and signed anew,
// or, of batches of preprocessing, computed from other keys. The product has no such switch.

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "mpc/online/session.h"
#include "node/loop/config.h"
#include "node/loop/files.h"
#include "node/loop/host.h"
#include "proto/crypto/merkle.h"

namespace {

using node::Host;
using proto::Result;

// Another canonical field element: the lowest bit is turned.
void Spoil(proto::Bytes& values) {
  for (std::size_t i = 0; i + 16 <= values.size(); i += 16) values[i] ^= 1;
}

class Adversary final : public Host {
 public:
  explicit Adversary(Identity identity)
      : Host(Altered(std::move(identity))),
        key_(node::ReadKeyFile(config().Path("keys.json"))->validator.Clone()),
        way_(Way(config())) {}

  Result<std::vector<mpc::Fp>> MaskShares(std::uint64_t attempt) override {
    auto shares = Host::MaskShares(attempt);
    if (shares && way_ == "masks") {
      for (mpc::Fp& share : *shares) share += mpc::Fp(1);
    }
    return shares;
  }

  std::vector<node::AnswerStep> AnswerSteps(std::uint64_t request, std::uint64_t from,
                                            std::size_t count) const override {
    auto steps = Host::AnswerSteps(request, from, count);
    if (way_ != "steps") return steps;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      Spoil(steps[i].shares);
      steps[i].signature = key_.Sign(node::AnswerStepDigest(
          chain(), request, static_cast<std::uint32_t>(from + i), steps[i].shares));
    }
    return steps;
  }

 protected:
  node::Service::Step BeforeSending(node::Service::Step step) override {
    if (way_ == "silent") {
      step.messages.clear();
      step.outputs.clear();
    }
    if (way_ == "opening") {
      for (auto& [target, message] : step.messages) SpoilOpening(message);
    }
    if (way_ == "output") {
      for (proto::Payload& payload : step.outputs) {
        if (auto* post = std::get_if<proto::PostOutput>(&payload)) post->shares.front()[0] ^= 1;
      }
    }
    return step;
  }

 private:
  static std::string Way(const node::Config& config) {
    const auto bytes = node::ReadFile(config.Path("misbehaviour"));
    return bytes ? std::string(proto::AsText(*bytes)) : "";
  }

  // With other MPC keys than the others all its vectors are wrong, and properly signed.
  static Identity Altered(Identity identity) {
    if (Way(identity.config) != "batches") return identity;
    for (auto& key : identity.keys.replicated) {
      if (key) (*key)[0] ^= 1;
    }
    return identity;
  }

  void SpoilOpening(node::InferenceMessage& message) const {
    auto* session = std::get_if<proto::SessionMessage>(&message);
    auto* opening = session == nullptr ? nullptr : std::get_if<proto::Opening>(session);
    if (opening == nullptr) return;
    Spoil(opening->values);
    opening->signature =
        key_.Sign(mpc::OpeningDigest(chain(), *opening, proto::MerkleRootOfBytes(opening->values)));
  }

  const proto::SecretKey key_;
  const std::string way_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const auto config = node::ReadConfig(argv[3]);
  if (!config) return 1;
  auto host = Host::OpenAs<Adversary>(*config);
  if (!host) {
    std::fprintf(stderr, "%s\n", host.error().message.c_str());
    return 1;
  }
  if (auto started = (*host)->Start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return 1;
  }
  int signal = 0;
  sigwait(&signals, &signal);
  (*host)->Stop();
  return 0;
}
