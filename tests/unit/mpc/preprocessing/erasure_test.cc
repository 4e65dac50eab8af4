// Keys end with the objects that hold them: afterwards no page of this process has a key of the
// epoch or of an attempt, nor one that a sharing of zero was made with.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/mpc/every_kind_plan.h"
#include "tests/unit/mpc/preprocessing/world.h"

namespace mpc {
namespace {

using Key = ReplicatedKeys::Key;

// Keys without keeping them: what is kept differs in every bit.
Key Hidden(Key key) {
  for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(~byte);
  return key;
}

// How often any of the keys lies somewhere in this process's writable memory.
std::size_t Copies(const std::vector<Key>& hidden) {
  std::vector<std::vector<const Key*>> by_start(1 << 16);
  for (const Key& key : hidden) {
    by_start[static_cast<std::size_t>(key[0]) << 8 | key[1]].push_back(&key);
  }
  std::FILE* const maps = std::fopen("/proc/self/maps", "r");
  const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  EXPECT_TRUE(maps != nullptr && memory >= 0);
  std::size_t copies = 0;
  std::vector<std::uint8_t> page(std::size_t{1} << 20);
  char line[512];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long long begin = 0, end = 0;
    char rights[8] = {};
    if (std::sscanf(line, "%llx-%llx %7s", &begin, &end, rights) != 3 || rights[1] != 'w') continue;
    const std::size_t overlap = sizeof(Key) - 1;
    for (unsigned long long at = begin; at < end; at += page.size() - overlap) {
      const std::size_t size = std::min<unsigned long long>(page.size(), end - at);
      const ::ssize_t got = ::pread(memory, page.data(), size, static_cast<::off_t>(at));
      for (std::size_t i = 0; got > 0 && i + sizeof(Key) <= static_cast<std::size_t>(got); ++i) {
        const std::uint8_t* const here = page.data() + i;
        const auto start = static_cast<std::size_t>(static_cast<std::uint8_t>(~here[0])) << 8 |
                           static_cast<std::uint8_t>(~here[1]);
        for (const Key* key : by_start[start]) {
          const bool equal = std::equal(key->begin(), key->end(), here, [](auto a, auto b) {
            return a == static_cast<std::uint8_t>(~b);
          });
          copies += equal ? 1 : 0;
        }
      }
    }
  }
  std::fclose(maps);
  ::close(memory);
  return copies;
}

TEST(Erasure, NoKeyOutlivesItsHolder) {
  constexpr std::uint64_t kAttempt = 4;
  std::vector<Key> hidden;
  const auto hide = [&](const ReplicatedKeys& keys) {
    for (const auto& key : keys.keys()) {
      if (key) hidden.push_back(Hidden(*key));
    }
  };
  {
    auto dealer = std::make_unique<Dealer>(4, 31);
    const auto plan = std::make_shared<const Plan>(EveryKindPlan());
    for (std::uint16_t i = 0; i < 4; ++i) {
      const PartyContext& context = dealer->context(i);
      hide(*context.replicated);
      hide(context.replicated->ForAttempt(context.epoch, kAttempt));
    }
    World world(*dealer, plan, kAttempt, 31);
    world.Run();
    ASSERT_TRUE(world.certified());
    EXPECT_GT(Copies(hidden), hidden.size() / 2);  // They are found while they are there.
  }
  EXPECT_EQ(Copies(hidden), 0u);
}

}  // namespace
}  // namespace mpc
