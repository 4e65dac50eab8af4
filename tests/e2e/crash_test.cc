// kill -9 of one validator after another, at random moments, while questions are asked: all are
// answered, all right, and whoever was killed catches up. What is secret is in the key files alone.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "node/loop/files.h"
#include "node/loop/key_file.h"
#include "tests/e2e/network.h"

namespace e2e {
namespace {

const char* const kTexts[] = {"a warm and funny film", "dull, long and badly acted",
                              "i would see it again", "the jokes fall flat",
                              "a masterpiece of its kind"};

// A validator's secrets are in its key file and nowhere else: not in its log, nor with its data.
void ExpectKeptSecret(const std::string& home) {
  constexpr std::size_t kFileBytesMax = std::size_t{64} << 20;
  const auto keys = node::ReadKeyFile(home + "/keys.json");
  ASSERT_TRUE(keys) << keys.error().message;
  std::vector<proto::Bytes> secrets;
  const auto add = [&](proto::ByteSpan secret) {
    secrets.emplace_back(secret.begin(), secret.end());
  };
  add(keys->validator.secret_bytes());
  add(keys->coin->secret_bytes());
  for (const auto& key : keys->replicated) {
    if (key) add(*key);
  }
  EXPECT_EQ(secrets.size(), 2u + 3u);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(home)) {
    if (!entry.is_regular_file() || entry.path().filename() == "keys.json") continue;
    const auto bytes = node::ReadFile(entry.path().string(), kFileBytesMax);
    if (!bytes && !entry.exists()) continue;  // Of an attempt that is over now.
    ASSERT_TRUE(bytes) << entry.path() << ": " << bytes.error().message;
    ++files;
    for (const proto::Bytes& secret : secrets) {
      const std::string_view text = proto::AsText(*bytes);
      EXPECT_EQ(text.find(proto::AsText(secret)), text.npos) << entry.path();
      EXPECT_EQ(text.find(proto::ToHex(secret)), text.npos) << entry.path();
    }
  }
  EXPECT_GT(files, 3u);
}

TEST(Crash, KilledValidatorsCostNoAnswer) {
  const char* requested = std::getenv("WAXSEAL_CRASH_REQUESTS");
  const int requests = requested != nullptr ? std::atoi(requested) : 3;
  const char* given = std::getenv("WAXSEAL_SEED");
  const auto seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  SCOPED_TRACE("WAXSEAL_SEED=" + std::to_string(seed));
  const auto network = Network::Start("", 1);
  ASSERT_TRUE(network) << network.error().message;
  std::mt19937_64 random(seed);
  std::atomic<bool> done = false;
  std::atomic<int> kills = 0;
  std::string trouble;
  std::thread killer([&] {
    while (!done) {
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 4000));
      const std::size_t victim = random() % (*network)->genesis().validators.size();
      if (auto killed = (*network)->Kill(victim); !killed) trouble = killed.error().message;
      ++kills;
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 1500));
      if (auto restarted = (*network)->Restart(victim); !restarted) {
        trouble = restarted.error().message;
        return;
      }
    }
  });
  for (int i = 0; i < requests; ++i) {
    const std::string text = kTexts[i % std::size(kTexts)];
    const auto answer = (*network)->Ask(text);
    EXPECT_TRUE(answer) << (answer ? "" : answer.error().message);
    if (answer) {
      EXPECT_LT((*network)->Error(text, *answer), 0.02);
    }
  }
  done = true;
  killer.join();
  EXPECT_EQ(trouble, "");
  EXPECT_GT(kills, 0);
  for (std::size_t i = 0; i < (*network)->genesis().validators.size(); ++i) {
    ExpectKeptSecret((*network)->home(i));
  }
}

}  // namespace
}  // namespace e2e
