#include "tests/fuzz/targets.h"

#include <algorithm>
#include <iterator>

namespace fuzz {

proto::Bytes AsSeed(std::string_view text) {
  const proto::ByteSpan bytes = proto::AsBytes(text);
  return {bytes.begin(), bytes.end()};
}

std::uint8_t Script::Byte() {
  const proto::ByteSpan one = Take(1);
  return one.empty() ? 0 : one[0];
}

std::uint64_t Script::Number() {
  std::uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number |= std::uint64_t{Byte()} << (8 * i);
  return number;
}

std::uint64_t Script::Below(std::uint64_t bound) {
  std::uint64_t number = Byte();
  if (bound > 256) number |= std::uint64_t{Byte()} << 8;
  return number % bound;
}

proto::ByteSpan Script::Take(std::size_t size) {
  const proto::ByteSpan taken = rest_.first(std::min(size, rest_.size()));
  rest_ = rest_.subspan(taken.size());
  return taken;
}

const std::vector<Target>& Targets() {
  static const std::vector<Target> targets = [] {
    std::vector<Target> all;
    for (const auto& group :
         {WireTargets(), EpochTargets(), InterfaceTargets(), ModelTargets(), MachineTargets()}) {
      std::ranges::copy(group, std::back_inserter(all));
    }
    return all;
  }();
  return targets;
}

}  // namespace fuzz
