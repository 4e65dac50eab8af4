// One validator's core (validator 0) on a disk in memory; the test speaks for all others.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "consensus/core/core.h"
#include "tests/sim/consensus/disk.h"
#include "tests/unit/consensus/validators.h"

namespace consensus {

class Driver {
 public:
  explicit Driver(const Validators& validators) : Driver(validators, validators.ConfigOf(0)) {}
  Driver(const Validators& validators, Config config)
      : validators_(validators), config_(std::move(config)) {
    Start(0);
  }

  proto::Result<std::unique_ptr<Core>> Open(std::uint64_t executed_index) const {
    const std::uint16_t self = proto::Index(config_.self);
    return Core::Open(config_, validators_.secret(self).Clone(),
                      validators_.coin_secret(self).Clone(), disk_, executed_index);
  }
  void Start(std::uint64_t executed_index) {
    auto core = Open(executed_index);
    CHECK(core.has_value());
    core_ = std::move(*core);
    Carry(core_->Start());
  }
  // Power fails, and comes back.
  void Restart(std::uint64_t executed_index = 0) {
    core_.reset();
    disk_.Crash();
    Start(executed_index);
  }

  void Handle(std::uint16_t from, Message message) {
    Carry(core_->Handle(proto::PartyId{from}, std::move(message)));
  }
  void Tick(int times = 1) {
    while (times-- > 0) Carry(core_->Tick());
  }
  bool Submit(std::vector<proto::Bytes> transactions) {
    auto step = core_->Submit(std::move(transactions));
    if (step) Carry(std::move(*step));
    return step.has_value();
  }
  void Connect(std::uint16_t peer) { Carry(core_->PeerConnected(proto::PartyId{peer})); }
  void SignBlock(std::uint64_t index, const proto::Digest& block) {
    Carry(core_->SignBlock(index, block));
  }
  // Whoever is asked for ranges has nothing.
  void EndCatchUp() {
    for (const auto& request : Sent<RangeRequest>()) {
      for (std::uint16_t i = 1; i < config_.committee.size(); ++i) {
        Handle(i, RangeAnswer{request.first_round, request.first_round, 1, 0, {}});
      }
    }
    CHECK(!core_->status().catching_up);
  }
  void Insert(const std::vector<Certificate>& certificates) {
    for (const auto& certificate : certificates) {
      Handle(proto::Index(certificate.header.author), certificate);
    }
  }

  // What was sent (to `to`, if given) since the last Clear, of one type.
  template <class M>
  std::vector<M> Sent(std::optional<std::uint16_t> to = std::nullopt) const {
    std::vector<M> found;
    for (const auto& [target, message] : sent_) {
      const auto* const content = std::get_if<M>(&message);
      if (content && (!to || target.Includes(proto::PartyId{*to}))) found.push_back(*content);
    }
    return found;
  }
  template <class O>
  std::vector<O> Outputs() const {
    std::vector<O> found;
    for (const auto& output : outputs_) {
      if (const auto* const content = std::get_if<O>(&output)) found.push_back(*content);
    }
    return found;
  }
  std::vector<proto::Fault> TakeFaults() { return std::exchange(faults_, {}); }
  void Clear() {
    sent_.clear();
    outputs_.clear();
    faults_.clear();
  }

  Core& core() { return *core_; }
  sim::Disk& disk() { return disk_; }
  const Config& config() const { return config_; }
  const Step& last_step() const { return last_; }

 private:
  void Carry(Step step) {
    disk_.Apply(step.writes, step.sync);
    for (const auto& output : step.outputs) outputs_.push_back(output);
    faults_.insert(faults_.end(), step.faults.begin(), step.faults.end());
    std::vector<Message> own;
    for (const auto& [target, message] : step.messages) {
      if (target.Includes(config_.self)) own.push_back(message);
      sent_.push_back({target, message});
    }
    last_ = std::move(step);
    for (auto& message : own) {
      if (core_) Carry(core_->Handle(config_.self, std::move(message)));
    }
  }

  const Validators& validators_;
  const Config config_;
  sim::Disk disk_;
  std::unique_ptr<Core> core_;
  std::vector<proto::Outgoing<Message>> sent_;
  std::vector<Output> outputs_;
  std::vector<proto::Fault> faults_;
  Step last_;
};

}  // namespace consensus
