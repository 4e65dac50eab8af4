// A committee's online session under an adversary that chooses the order of delivery, lies, stays
// silent, replays, cuts connections, and kills honest members one after another.
//
// Who is killed or cut off loses what was under way to and from it, or a part of that; when it is
// back both ends learn that they are connected. What no death and no cut took arrives, once or,
// with Replay, more often.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "mpc/online/session.h"
#include "proto/base/check.h"
#include "tests/unit/mpc/dealer.h"

namespace mpc::sim {

class OnlineWorld {
 public:
  using Message = proto::SessionMessage;
  using Make = std::function<std::unique_ptr<Session>(std::uint16_t party)>;
  // Changes what a corrupt member sends to one party; false drops it.
  using Adversary = std::function<bool(std::uint16_t from, std::uint16_t to, Message& message)>;

  OnlineWorld(std::uint16_t n, std::uint64_t seed, Make make)
      : random_(seed), make_(std::move(make)), members_(n) {}

  void Silence(std::uint16_t party) { members_[party].silent = true; }
  void Corrupt(std::uint16_t party, Adversary adversary) {
    members_[party].adversary = std::move(adversary);
  }
  // Kills the member after so many deliveries; it starts again from its bundle after more.
  void Kill(std::uint16_t party, int after, int for_deliveries) {
    kills_.push_back({party, after, after + for_deliveries});
  }
  // Breaks the connection of two members, which comes back at once.
  void Cut(std::uint16_t a, std::uint16_t b, int after) { cuts_.push_back({a, b, after}); }
  void Replay() { replay_ = true; }

  // Until nothing is left to deliver.
  void Run() {
    for (std::uint16_t i = 0; i < members_.size(); ++i) StartMember(i);
    for (int now = 0;; ++now) {
      CHECK(now < kDeliveriesMax);
      CutConnections(now);
      KillAndRestart(now);
      // When nothing moves, who is dead comes back at once.
      for (std::uint16_t i = 0; packets_.empty() && i < members_.size(); ++i) Restart(i);
      if (packets_.empty()) return;
      const std::size_t choice = random_() % packets_.size();
      std::swap(packets_[choice], packets_.back());
      Packet packet = packets_.back();
      if (!replay_ || random_() % 4 != 0) packets_.pop_back();
      Member& to = members_[packet.to];
      if (!to.session) continue;
      ++deliveries_;
      Carry(packet.to, to.session->Handle(proto::PartyId{packet.from}, std::move(packet.message)));
    }
  }

  const std::optional<Session::Finished>& finished(std::uint16_t i) const {
    return members_[i].finished;
  }
  // For the report of a failure: how far everybody is.
  std::string rounds() const {
    std::string text;
    for (std::uint16_t i = 0; i < members_.size(); ++i) {
      const Member& member = members_[i];
      text += " " + std::to_string(i) + (faulty(i) ? " (faulty): " : ": ") +
              (member.finished  ? std::string("finished")
               : member.session ? std::to_string(member.session->round())
                                : std::string("down"));
    }
    return text;
  }
  bool faulty(std::uint16_t i) const { return members_[i].silent || members_[i].adversary; }
  std::uint64_t restarts() const { return restarts_; }
  std::uint64_t deliveries() const { return deliveries_; }
  std::uint64_t opened() const { return opened_; }
  std::uint64_t in_batches() const { return in_batches_; }  // Of them, those for one receiver.

 private:
  static constexpr int kDeliveriesMax = 1'000'000;
  struct Packet {
    std::uint16_t from;
    std::uint16_t to;
    Message message;
  };
  struct Member {
    bool silent = false;
    Adversary adversary;
    std::unique_ptr<Session> session;
    std::optional<Session::Finished> finished;
  };
  struct Death {
    std::uint16_t party;
    int at;
    int until;
  };

  void StartMember(std::uint16_t i) {
    if (members_[i].silent) return;
    members_[i].session = make_(i);
    if (members_[i].session) Carry(i, members_[i].session->Start());
  }

  void KillAndRestart(int now) {
    for (const Death& death : kills_) {
      if (now == death.at && members_[death.party].session) {
        members_[death.party].session.reset();
        Lose([&](const Packet& p) { return p.from == death.party || p.to == death.party; });
      }
      if (now == death.until) Restart(death.party);
    }
  }
  void Restart(std::uint16_t party) {
    if (members_[party].session || members_[party].silent) return;
    StartMember(party);
    ++restarts_;
    for (std::uint16_t i = 0; i < members_.size(); ++i) {
      if (i != party) Connect(i, party);
    }
  }
  void CutConnections(int now) {
    for (const auto& [a, b, at] : cuts_) {
      if (now != at) continue;
      Lose([&](const Packet& p) {
        return (p.from == a && p.to == b) || (p.from == b && p.to == a);
      });
      Connect(a, b);
    }
  }
  template <typename Predicate>
  void Lose(Predicate concerned) {
    const bool all = random_() % 2 == 0;
    std::erase_if(packets_, [&](const Packet& packet) {
      return concerned(packet) && (packet.from == packet.to || all || random_() % 2 == 0);
    });
  }
  void Connect(std::uint16_t a, std::uint16_t b) {
    if (!members_[a].session || !members_[b].session) return;
    Carry(a, members_[a].session->PeerConnected(proto::PartyId{b}));
    Carry(b, members_[b].session->PeerConnected(proto::PartyId{a}));
  }

  void Carry(std::uint16_t from, Session::Step step) {
    Member& member = members_[from];
    for (Session::Finished& finished : step.outputs) {
      if (member.finished) CHECK(member.finished->transcript == finished.transcript);
      member.finished = std::move(finished);
    }
    for (const proto::Fault& fault : step.faults) {
      CHECK(faulty(from) || faulty(Index(fault.party)));  // Nobody honest is ever blamed.
    }
    for (auto& [target, message] : step.messages) {
      for (std::uint16_t to = 0; to < members_.size(); ++to) {
        if (!target.Includes(proto::PartyId{to})) continue;
        Message changed = message;
        if (member.adversary && !member.adversary(from, to, changed)) continue;
        // What travels is bytes.
        auto decoded = proto::DecodeSessionMessage(proto::Encode(changed));
        if (!decoded) {
          CHECK(member.adversary);
          continue;
        }
        if (const auto* opening = std::get_if<proto::Opening>(&*decoded)) {
          opened_ += opening->values.size() / Fp::kBytes;
          if (opening->receiver) in_batches_ += opening->values.size() / Fp::kBytes;
        }
        packets_.push_back({from, to, std::move(*decoded)});
      }
    }
  }

  std::mt19937_64 random_;
  const Make make_;
  std::vector<Member> members_;
  std::vector<Packet> packets_;
  std::vector<Death> kills_;
  std::vector<std::tuple<std::uint16_t, std::uint16_t, int>> cuts_;
  bool replay_ = false;
  std::uint64_t restarts_ = 0;
  std::uint64_t deliveries_ = 0;
  std::uint64_t opened_ = 0;
  std::uint64_t in_batches_ = 0;
};

}  // namespace mpc::sim
