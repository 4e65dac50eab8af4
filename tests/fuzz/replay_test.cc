// Every target on its seeds, on the corpus, and on copies of them that are cut off or damaged: the
// doors of tests/fuzz in builds without libFuzzer.

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "node/loop/files.h"
#include "tests/fuzz/targets.h"

namespace fuzz {
namespace {

using proto::Bytes;

constexpr std::uint32_t kSeed = 7;

std::vector<Bytes> Corpus(const Target& target) {
  std::vector<Bytes> inputs = target.seeds();
  EXPECT_FALSE(inputs.empty());
  const std::string folder =
      std::string(SOURCE_DIR) + "/tests/fuzz/corpus/" + std::string(target.name);
  std::vector<std::string> files;
  if (std::filesystem::exists(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      files.push_back(entry.path().string());
    }
  }
  std::ranges::sort(files);
  for (const auto& file : files) inputs.push_back(node::ReadFile(file).value());
  return inputs;
}

class Replay : public testing::TestWithParam<std::size_t> {};

TEST_P(Replay, Returns) {
  const Target& target = Targets().at(GetParam());
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  // Machines and sockets take milliseconds an input.
  const bool slow = target.name == "dag" || target.name == "ledger" || target.name == "members" ||
                    target.name == "http";
  const int copies = slow ? 2 : 50;
  target.run({});
  for (const Bytes& input : Corpus(target)) {
    target.run(input);
    for (int i = 0; i < copies && !input.empty(); ++i) {
      Bytes damaged = input;
      for (int j = 0; j < 1 + i % 4; ++j) {
        damaged[random() % damaged.size()] = static_cast<std::uint8_t>(random());
      }
      target.run(damaged);
      damaged.resize(random() % damaged.size());
      target.run(damaged);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Replay, testing::Range(std::size_t{0}, Targets().size()),
                         [](const auto& each) { return std::string(Targets()[each.param].name); });

}  // namespace
}  // namespace fuzz
