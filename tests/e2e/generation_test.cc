// A text that a model writes is seen as it comes, while a validator gives wrong shares of it, and
// ends where it may.

#include <cstdio>

#include <gtest/gtest.h>

#include "node/cli/commands.h"
#include "node/loop/files.h"
#include "tests/e2e/network.h"

namespace e2e {
namespace {

using node::SayProgress;

constexpr std::uint32_t kGenerated = 6;
constexpr std::uint32_t kEnd = 18;
constexpr char kPrompt[] = "6 13";

// A random GPT-2 of 24 tokens, which are written as numbers.
proto::Result<node::LocalModel> RandomModel() {
  std::string sample;
  for (unsigned i = 0; i < 24; ++i) {
    for (const unsigned id : {i, i * 5 + 1, i * 7 + 3, i * 11, 23 - i}) {
      sample += std::to_string(id % 24) + " ";
    }
    sample += "\n";
  }
  const std::string file = testing::TempDir() + "waxseal-e2e-sample.txt";
  if (auto written = node::WriteFile(file, proto::AsBytes(sample)); !written) {
    return tl::unexpected(written.error());
  }
  auto model = node::ReadModel(SOURCE_DIR "/tests/vectors/models/gpt2", "", file);
  std::remove(file.c_str());
  if (!model) return model;
  model->reference.config.eos_token_ids = {kEnd};
  const std::string ends = std::to_string(kEnd);
  model->tokenizer_files["eos"] = {ends.begin(), ends.end()};
  return model;
}

TEST(Generation, IsSeenAsItComesAndEndsWhereItMay) {
  auto model = RandomModel();
  ASSERT_TRUE(model) << model.error().message;
  const auto want =
      mpc::ContinueGreedily(model->reference, model->tokenizer.Encode(kPrompt), kGenerated);
  const auto end = std::ranges::find(want.ids, kEnd);
  ASSERT_EQ(end - want.ids.begin(), 4);  // And one more would follow.
  const std::vector<std::uint32_t> tokens(want.ids.begin(), end);

  node::PackageOptions options;
  options.tokens = {2};
  options.generate = kGenerated;
  options.pool_target = 1;
  const auto network = Network::Start("steps", std::move(*model), options);
  ASSERT_TRUE(network) << network.error().message;
  const node::Client& client = (*network)->client();
  const std::string liar = (*network)->genesis().validators.back().name;

  for (const bool until_end : {true, false}) {
    SCOPED_TRACE(until_end ? "until the end" : "whole");
    std::vector<std::uint32_t> seen;
    std::string text;
    std::size_t before_the_end = 0;
    node::AskOptions ask;
    ask.until_end = until_end;
    ask.on_token = [&](const node::Written& token) {
      EXPECT_EQ(token.step, seen.size());
      seen.push_back(token.token);
      text += token.text;
      const auto record = client.Any("request", {{"id", until_end ? 1 : 2}});
      if (record && record->value("status", "") == "submitted") ++before_the_end;
    };
    const auto answer = node::Ask(client, "", kPrompt, SayProgress, ask);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->request, until_end ? 1u : 2u);
    EXPECT_EQ(answer->written, tokens);
    EXPECT_EQ(seen, tokens);
    EXPECT_EQ(text, answer->text);
    EXPECT_GE(before_the_end, 2u);  // Nothing was attested yet.
    EXPECT_GE(answer->shown_early, before_the_end);
    EXPECT_EQ(answer->wrong_steps, std::vector<std::string>{liar});
    EXPECT_TRUE(answer->in_range);
    EXPECT_EQ(answer->steps, until_end ? tokens.size() + 1 : kGenerated);
    const auto price = answer->record.value("price", std::uint64_t{0});
    const auto charged = answer->record.value("charged", std::uint64_t{0});
    EXPECT_EQ(charged, until_end ? price / 2 + price / 2 * 5 / 6 : price);
  }
}

}  // namespace
}  // namespace e2e
