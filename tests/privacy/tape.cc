#include "tests/privacy/tape.h"

#include <algorithm>
#include <span>

#include "proto/base/check.h"
#include "proto/crypto/prg.h"

namespace mpc::privacy {
namespace {

// Where a PRSS label (mpc/sharing/replicated.cc) says what it is for.
constexpr std::size_t kPurposeAt = 4 + 8 + 8 + 4;

}  // namespace

void Tape::Begin(std::vector<ReplicatedKeys::Key> hidden, std::map<Purpose, std::uint64_t> radix) {
  hidden_keys_.clear();
  for (const auto& key : hidden) hidden_keys_.emplace_back(key.begin(), key.end());
  radix_ = std::move(radix);
  places_.clear();
  streams_.clear();
  recording_ = true;
  base_ = 0;
}

void Tape::EndRecording() {
  recording_ = false;
  runs_ = 1;
  for (const bool hidden : {true, false}) {
    for (Stream& stream : streams_) {
      if (stream.hidden != hidden || stream.radix < 2) continue;
      stream.stride = runs_;
      runs_ *= stream.radix;
    }
    if (hidden) hidden_runs_ = runs_;
  }
}

std::size_t Tape::Open(const std::string& key, const std::string& label) {
  const auto [place, added] = places_.try_emplace(key + label, streams_.size());
  if (!added) return place->second;
  CHECK(recording_ && label.size() > kPurposeAt);  // What is drawn depends on nothing.
  const auto radix = radix_.find(static_cast<Purpose>(label[kPurposeAt]));
  streams_.push_back({std::ranges::find(hidden_keys_, key) != hidden_keys_.end(),
                      radix == radix_.end() ? 1 : radix->second, 0});
  return place->second;
}

void Tape::Read(std::size_t stream, std::uint64_t position, std::span<UInt128> words) const {
  const auto& [hidden, radix, stride] = streams_[stream];
  if (stride == 0) {
    std::ranges::fill(words, UInt128{0});
    return;
  }
  std::uint64_t digit = (base_ + position) / stride % radix;
  std::uint64_t left = stride - (base_ + position) % stride;
  for (UInt128& word : words) {
    word = digit;
    if (--left > 0) continue;
    left = stride;
    digit = digit + 1 == radix ? 0 : digit + 1;
  }
}

}  // namespace mpc::privacy

namespace proto {

struct Prg::State {
  std::size_t stream;
  std::uint64_t position = 0;
};

Prg::Prg(ByteSpan master, ByteSpan label)
    : state_(std::make_unique<State>(mpc::privacy::Tape::Get().Open(
          {master.begin(), master.end()}, {label.begin(), label.end()}))) {}
Prg::Prg(Prg&&) noexcept = default;
Prg& Prg::operator=(Prg&&) noexcept = default;
Prg::~Prg() = default;

void Prg::Fill(std::span<std::uint8_t> out) {
  // Its callers read whole words into arrays of them.
  CHECK(out.size() % sizeof(mpc::UInt128) == 0);
  const std::span words(reinterpret_cast<mpc::UInt128*>(out.data()),
                        out.size() / sizeof(mpc::UInt128));
  mpc::privacy::Tape::Get().Read(state_->stream, state_->position, words);
  state_->position += words.size();
}
void Prg::Seek(std::uint64_t) {
  CHECK(false);
}
std::uint64_t Prg::U64() {
  CHECK(false);
}

}  // namespace proto
