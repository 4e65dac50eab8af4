#include "mpc/model/encoder_plan.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "mpc/model/tokenizer.h"
#include "mpc/plan/cost.h"
#include "mpc/plan/evaluate.h"
#include "mpc/plan/schedule.h"
#include "tests/unit/mpc/model/files.h"
#include "tests/unit/mpc/model/small_model.h"

namespace mpc {
namespace {

using Ids = std::vector<std::uint32_t>;

FloatModel SmallModel() {
  const SmallModelFiles small;
  return LoadFloatModel(small.files()).value();
}

// [CLS], every word alone and in pairs, [SEP].
std::vector<Ids> SmallTexts() {
  std::vector<Ids> texts;
  for (std::uint32_t a = 4; a < 11; ++a) {
    texts.push_back({2, a, 3});
    texts.push_back({2, a, 14 - a, 3});
    texts.push_back({2, a, 4, 14 - a, 5 + a % 6, 3});
  }
  return texts;
}

double WorstDifference(const FloatModel& model, const Plan& plan, const std::vector<Ids>& texts) {
  double worst = 0;
  for (const Ids& ids : texts) {
    const auto exact = model.Logits(ids);
    const Ids padded = PadText(ids, plan.tokens, 0).value();
    const auto fixed = EvaluateFixed(plan, padded, ids.size());
    EXPECT_TRUE(fixed.excesses.empty());
    for (std::size_t l = 0; l < exact.size(); ++l) {
      worst = std::max(worst, std::abs(fixed.outputs[l] - exact[l]));
    }
  }
  return worst;
}

std::size_t Label(const std::vector<double>& logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

TEST(BertPlan, ComputesTheModelOnTextsOfEveryLength) {
  const FloatModel model = SmallModel();
  const auto plan = CompileEncoder(model, 6, SmallTexts());
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_TRUE(Validate(*plan));
  // Other texts than the calibration's, of 2 to 6 tokens.
  std::vector<Ids> texts = {{2, 3}};
  for (std::uint32_t a = 4; a < 11; ++a) {
    texts.push_back({2, a, a, 3});
    texts.push_back({2, 9, a, 7, 3});
    texts.push_back({2, a, 10, 8, a, 3});
  }
  EXPECT_LT(WorstDifference(model, *plan, texts), 0.02);
}

TEST(BertPlan, CostsAndLeaksAsPromised) {
  const auto plan = CompileEncoder(SmallModel(), 6, SmallTexts()).value();
  // Embedding 4 rounds, two layers of at most 40, pooler 1, range flags 2.
  EXPECT_LE(OpeningRounds(plan).size(), 4u + 2 * 40 + 1 + 2);
  for (const int size : {4, 7, 10, 13}) {
    EXPECT_GT(CountCost(plan, proto::Committee(static_cast<std::uint16_t>(size))).leakage_bits,
              kLeakageBitsMin);
  }
  EXPECT_GE(plan.ops.back().frac, 16);
  for (const Constant& constant : plan.constants) {
    for (const std::int32_t value : constant.values.ToVector()) EXPECT_LT(std::abs(value), 1 << 21);
  }
  // The last layer's queries, and all after them, are of [CLS] alone.
  EXPECT_EQ(plan.ops.back().rows, 3u + plan.flags);
}

TEST(BertPlan, EqualModelsGiveEqualPlans) {
  const auto digest = [](std::uint32_t tokens) {
    return PlanDigest(EncodePlan(CompileEncoder(SmallModel(), tokens, SmallTexts()).value()));
  };
  const proto::Digest five = digest(5);
  EXPECT_EQ(five, digest(5));
  EXPECT_NE(five, digest(6));
}

TEST(BertPlan, RefusesWhatItCannotCompile) {
  const FloatModel model = SmallModel();
  EXPECT_FALSE(CompileEncoder(model, 1, SmallTexts()));
  EXPECT_FALSE(CompileEncoder(model, 7, SmallTexts()));  // Positions end at 6.
  EXPECT_FALSE(CompileEncoder(model, 6, {}));
  EXPECT_FALSE(CompileEncoder(model, 6, {{2}}));
  EXPECT_FALSE(CompileEncoder(model, 6, {{2, 11, 3}}));
  // Openings too narrow for the values.
  CompileOptions narrow;
  narrow.builder.open_bits_max = 30;
  const auto plan = CompileEncoder(model, 6, SmallTexts(), narrow);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().message.find("fit"), std::string::npos) << plan.error().message;
}

TEST(BertPlan, RefusesWeightsBeyondReason) {
  const auto compile = [](const std::function<void(FloatModel&)>& spoil) {
    FloatModel model = SmallModel();
    spoil(model);
    const auto plan = CompileEncoder(model, 6, SmallTexts());
    EXPECT_FALSE(plan);
    return plan ? "" : plan.error().message;
  };
  const float huge = 3e38f;
  const std::pair<const char*, std::function<void(FloatModel&)>> cases[] = {
      {"words", [&](FloatModel& m) { m.words[9 * 8] = huge; }},
      {"words that are all equal",
       [&](FloatModel& m) {
         m.words.assign(m.words.size(), 0);
         m.positions.assign(m.positions.size(), 0);
       }},
      {"gamma", [&](FloatModel& m) { m.embeddings_norm.gamma[2] = huge; }},
      {"beta", [&](FloatModel& m) { m.layers[0].attention_norm.beta[2] = -huge; }},
      {"query", [&](FloatModel& m) { m.layers[1].query.weight[5] = 1e6f; }},
      {"key bias", [&](FloatModel& m) { m.layers[0].key.bias[5] = huge; }},
      {"intermediate", [&](FloatModel& m) { m.layers[0].intermediate.weight[0] = 1e5f; }},
      {"output", [&](FloatModel& m) { m.layers[0].output.weight[0] = huge; }},
      {"pooler", [&](FloatModel& m) { m.pooler.weight[0] = 1e9f; }},
      {"classifier", [&](FloatModel& m) { m.classifier.bias[0] = huge; }},
  };
  for (const auto& [what, spoil] : cases) {
    EXPECT_TRUE(compile(spoil).starts_with("compiling the model: ")) << what;
  }
}

TEST(BertPlan, PadsOnlyTextsThatFit) {
  EXPECT_EQ(PadText({2, 5, 3}, 5, 0).value(), (Ids{2, 5, 3, 0, 0}));
  EXPECT_EQ(PadText({2, 3}, 2, 0).value(), (Ids{2, 3}));
  const auto longer = PadText({2, 5, 3}, 2, 0);
  ASSERT_FALSE(longer);
  EXPECT_NE(longer.error().message.find("3 tokens"), std::string::npos);
}

// Lines of a text file; of a .tsv what stands before the tab, without the heading.
std::vector<std::string> Lines(const proto::Bytes& bytes, bool tsv) {
  std::vector<std::string> lines(1);
  for (const std::uint8_t byte : bytes) {
    if (byte == '\n') {
      lines.emplace_back();
    } else {
      lines.back().push_back(static_cast<char>(byte));
    }
  }
  if (lines.back().empty()) lines.pop_back();
  if (!tsv) return lines;
  lines.erase(lines.begin());
  for (std::string& line : lines) line = line.substr(0, line.rfind('\t'));
  return lines;
}

void ExpectAgreement(const FloatModel& model, const Tokenizer& tokenizer,
                     const std::vector<std::string>& calibration,
                     const std::vector<std::string>& texts, std::uint32_t tokens) {
  std::vector<Ids> samples;
  for (const std::string& text : calibration) samples.push_back(tokenizer.Encode(text));
  CompileOptions options;
  options.texts_max = 80;
  const auto plan = CompileEncoder(model, tokens, samples, options);
  ASSERT_TRUE(plan) << plan.error().message;
  double worst = 0;
  for (const std::string& text : texts) {
    const Ids ids = tokenizer.Encode(text);
    if (ids.size() > tokens) continue;
    const auto exact = model.Logits(ids);
    const Ids padded = PadText(ids, tokens, tokenizer.pad().value_or(0)).value();
    const auto fixed = EvaluateFixed(*plan, padded, ids.size());
    EXPECT_TRUE(fixed.excesses.empty()) << text;
    if (std::abs(exact[0] - exact[1]) > 0.04) {
      EXPECT_EQ(Label(fixed.outputs), Label(exact)) << text;
    }
    for (std::size_t l = 0; l < exact.size(); ++l) {
      worst = std::max(worst, std::abs(fixed.outputs[l] - exact[l]));
    }
  }
  EXPECT_LT(worst, 0.02);
}

TEST(BertPlan, TheShippedModelKeepsItsLogits) {
  const std::string folder = std::string(SOURCE_DIR) + "/tests/models/sentiment/";
  const auto config = ReadFile(folder + "config.json");
  const auto weights = ReadFile(folder + "model.safetensors");
  const auto vocab = ReadFile(folder + "vocab.txt");
  const auto calibration = ReadFile(folder + "calibration.txt");
  ASSERT_TRUE(config && weights && vocab && calibration) << folder;
  ExpectAgreement(LoadFloatModel({*config, {*weights}}).value(),
                  Tokenizer::FromVocab(*vocab).value(), Lines(*calibration, false),
                  {"a wonderful, moving film", "Dull.", "not bad at all, but not good either",
                   "the best thing about this mess is that it ends after ninety minutes",
                   "I would watch it again and again and again with all of my friends!"},
                  32);
}

TEST(BertPlan, ATrainedModelKeepsItsLogits) {
  const auto config = ReadData("models/bert-tiny-sst2/config.json");
  const auto weights = ReadData("models/bert-tiny-sst2/model.safetensors");
  const auto vocab = ReadData("tokenizers/bert/vocab.txt");
  const auto train = ReadData("text/sst2-train.tsv");
  const auto dev = ReadData("text/sst2-dev.tsv");
  if (!config || !weights || !vocab || !train || !dev) {
    GTEST_SKIP() << "needs models/bert-tiny-sst2, tokenizers/bert and text under WAXSEAL_DATA";
  }
  const std::vector<std::string> all = Lines(*train, true);
  std::vector<std::string> calibration;
  for (std::size_t i = 0; i < all.size(); i += 701) calibration.push_back(all[i]);
  std::vector<std::string> texts = Lines(*dev, true);
  texts.resize(25);
  ExpectAgreement(LoadFloatModel({*config, {*weights}}).value(),
                  Tokenizer::FromVocab(*vocab).value(), calibration, texts, 32);
}

}  // namespace
}  // namespace mpc
