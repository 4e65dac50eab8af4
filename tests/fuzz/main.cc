// libFuzzer's entry to one target: FUZZ_TARGET, given by the build.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "proto/base/check.h"
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Target* const target = [] {
    const auto& all = fuzz::Targets();
    const auto found = std::ranges::find(all, FUZZ_TARGET, &fuzz::Target::name);
    CHECK(found != all.end());
    return &*found;
  }();
  target->run({data, size});
  return 0;
}
