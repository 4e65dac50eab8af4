#include "node/cli/answer_watch.h"

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "node/rpc/subscriber.h"

namespace node {

using proto::ErrorCode;
using proto::PartyId;

namespace {

// So soon a thread notices that nobody waits any more.
constexpr std::chrono::milliseconds kLook{1000};
// Before a validator that gave no good answer is asked again.
constexpr std::chrono::milliseconds kPauseAfterError{1000};

}  // namespace

struct AnswerWatch::Shared {
  Shared(AnswerStream answer, std::size_t outputs, OnStep function)
      : stream(std::move(answer)), group(outputs), on_step(std::move(function)) {}

  std::mutex mutex;
  AnswerStream stream;
  const std::size_t group;
  const OnStep on_step;
  std::size_t given = 0;  // Outputs.
  bool stopped = false;
};

// What one validator computes, as it comes; false when no more is wanted.
bool AnswerWatch::Follow(Shared& shared, PartyId party, const std::string& address,
                         std::uint64_t request, std::uint32_t& next, std::uint32_t steps) {
  auto subscriber = Subscriber::Dial(address);
  bool good =
      subscriber &&
      subscriber->Subscribe("request_progress", {{"request", request}, {"from", next}}).has_value();
  while (good && next < steps) {
    const auto event = subscriber->Next(kLook);
    const std::lock_guard lock(shared.mutex);
    if (shared.stopped) return false;
    if (!event) {
      good = event.error().code == ErrorCode::kUnavailable && subscriber->is_open();
      continue;
    }
    good = shared.stream.Add(party, event->value("answer", nlohmann::json())).has_value();
    next = shared.stream.next_step(party);
    const auto decoded = shared.stream.decoded();
    for (; shared.given < decoded.size(); shared.given += shared.group) {
      shared.on_step(decoded.subspan(shared.given, shared.group));
    }
  }
  const std::lock_guard lock(shared.mutex);
  return !shared.stopped;
}

AnswerWatch::AnswerWatch(const Computing& computing, const proto::Digest& chain,
                         std::uint64_t request, std::uint32_t steps, std::size_t group,
                         OnStep on_step)
    : shared_(
          std::make_shared<Shared>(AnswerStream(computing.members, chain, request, steps, group),
                                   group, std::move(on_step))) {
  for (std::size_t i = 0; i < computing.validators.size(); ++i) {
    std::thread([shared = shared_, request, steps, party = static_cast<PartyId>(i),
                 address = computing.validators[i].rpc_address] {
      std::uint32_t next = 0;
      while (next < steps) {
        if (!Follow(*shared, party, address, request, next, steps)) return;
        std::this_thread::sleep_for(kPauseAfterError);
      }
    }).detach();
  }
}

AnswerWatch::~AnswerWatch() {
  Stop();
}

AnswerWatch::Seen AnswerWatch::Stop() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stopped = true;
  const auto decoded = shared_->stream.decoded().first(shared_->given);
  return {{decoded.begin(), decoded.end()}, shared_->stream.wrong()};
}

}  // namespace node
