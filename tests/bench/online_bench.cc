// What answering one text costs online: all members in this process, their messages encoded and
// decoded, on bundles from a trusted dealer. One JSON object a line; seconds are of one core.
//
//   online_bench [MODEL_FOLDER [TOKENS [N]]]      tests/models/sentiment, 32, 4

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "mpc/model/encoder_plan.h"
#include "mpc/model/load.h"
#include "mpc/model/tokenizer.h"
#include "mpc/online/session.h"
#include "mpc/plan/cost.h"
#include "tests/unit/mpc/dealer.h"

namespace mpc {
namespace {

constexpr std::size_t kCalibrationTexts = 60;

proto::Bytes Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "online_bench: cannot read %s\n", path.c_str());
    std::exit(1);
  }
  return proto::Bytes(std::istreambuf_iterator<char>(file), {});
}

double Now() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

void Print(const char* name, double value, const char* unit) {
  std::printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}\n", name, value, unit);
  std::fflush(stdout);
}

std::vector<std::vector<std::uint32_t>> CalibrationTexts(const std::string& path,
                                                         const Tokenizer& tokenizer,
                                                         std::uint32_t tokens) {
  std::vector<std::vector<std::uint32_t>> texts;
  std::ifstream file(path);
  for (std::string line; texts.size() < kCalibrationTexts && std::getline(file, line);) {
    auto ids = tokenizer.Encode(line);
    if (ids.size() <= tokens) texts.push_back(std::move(ids));
  }
  return texts;
}

template <class T>
T Need(proto::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "online_bench: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(*result);
}

void Run(const std::string& folder, std::uint32_t tokens, std::uint16_t n) {
  const proto::Bytes config = Read(folder + "/config.json");
  const proto::Bytes weights = Read(folder + "/model.safetensors");
  const proto::Bytes vocab = Read(folder + "/vocab.txt");
  const FloatModel model = Need(LoadFloatModel({config, {weights}}));
  const Tokenizer tokenizer = Need(Tokenizer::FromVocab(vocab));
  const auto texts = CalibrationTexts(folder + "/calibration.txt", tokenizer, tokens);
  const auto plan = std::make_shared<const Plan>(Need(CompileEncoder(model, tokens, texts)));

  Dealer dealer(n);
  const Cost cost = CountCost(*plan, dealer.committee());
  Print("rounds", cost.rounds, "rounds");
  Print("openings", static_cast<double>(cost.openings), "values");
  auto dealt = dealer.Deal(*plan);
  const auto masked = Need(
      MaskTokens(Need(PadText(texts[0], tokens, 0)), dealt.token_masks, plan->vocabulary_padded()));

  const double start = Now();
  std::vector<std::unique_ptr<Session>> sessions;
  std::deque<std::pair<proto::PartyId, std::pair<proto::Target, std::shared_ptr<proto::Bytes>>>>
      packets;
  std::vector<std::vector<Fp>> outputs(n);
  std::uint64_t bytes = 0;
  const auto carry = [&](std::uint16_t from, Session::Step step) {
    for (auto& [target, message] : step.messages) {
      packets.emplace_back(proto::PartyId{from},
                           std::pair(target, std::make_shared<proto::Bytes>(Encode(message))));
    }
    for (auto& output : step.outputs) {
      outputs[from] = std::move(output.output_shares);
      bytes += output.bytes_sent;
    }
  };
  for (std::uint16_t i = 0; i < n; ++i) {
    sessions.push_back(
        std::make_unique<Session>(dealer.context(i), plan, std::move(dealt.bundles[i]), 1, masked));
    carry(i, sessions[i]->Start());
  }
  while (!packets.empty()) {
    const auto [from, packet] = packets.front();
    packets.pop_front();
    for (std::uint16_t to = 0; to < n; ++to) {
      if (!packet.first.Includes(proto::PartyId{to})) continue;
      carry(to, sessions[to]->Handle(from, Need(proto::DecodeSessionMessage(*packet.second))));
    }
  }
  const double seconds = Now() - start;
  Print("online, all members", seconds, "CPU seconds");
  Print("online, a member", seconds / n, "CPU seconds");
  Print("bytes, all members", static_cast<double>(bytes), "bytes");

  const auto values = UnmaskOutput(dealer.Open(outputs), dealt.output_masks);
  const auto expected = model.Logits(texts[0]);
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double logit = static_cast<double>(values[i]) / std::exp2(plan->ops.back().frac);
    worst = std::max(worst, std::abs(logit - expected[i]));
  }
  Print("largest difference of a logit to the float model", worst, "");
}

}  // namespace
}  // namespace mpc

int main(int argc, char** argv) {
  const auto number = [&](int i, int otherwise) {
    return argc > i ? std::atoi(argv[i]) : otherwise;
  };
  mpc::Run(argc > 1 ? argv[1] : "tests/models/sentiment", static_cast<std::uint32_t>(number(2, 32)),
           static_cast<std::uint16_t>(number(3, 4)));
}
