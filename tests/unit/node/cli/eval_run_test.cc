#include "node/cli/eval_run.h"

#include <filesystem>

#include <gtest/gtest.h>

namespace node {
namespace {

// Answers to texts that are not UTF-8 are kept in a file of JSON, and found there again.
TEST(EvalRun, KeepsAnswersToBrokenTexts) {
  const std::vector<Example> examples = {{"bad \xff\xc0 text", std::nullopt},
                                         {"good text", std::nullopt}};
  const std::string file = testing::TempDir() + "waxseal-eval-run.jsonl";
  for (const std::string& kept : {std::string(), file}) {
    std::filesystem::remove(file);
    int asked = 0;
    double sum = 0;
    const EvalRun run{1, kept,
                      [&](std::size_t index, const Example&) -> proto::Result<Reply> {
                        ++asked;
                        Reply reply;
                        reply.outputs = {static_cast<double>(index) + 1};
                        return reply;
                      },
                      [&](std::size_t, const Reply& reply) { sum += reply.outputs[0]; }};
    for (int time = 0; time < 2; ++time) {
      sum = 0;
      const auto unanswered = node::Run(examples, run, [](const std::string&) {});
      ASSERT_TRUE(unanswered) << unanswered.error().message;
      EXPECT_TRUE(unanswered->empty());
      EXPECT_EQ(sum, 3);
    }
    EXPECT_EQ(asked, kept.empty() ? 4 : 2);
  }
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace node
