// How close a compiled plan comes to its model.
//
//   plan_accuracy MODEL_FOLDER TEXTS.tsv [--vocab vocab.txt] [--calibration FILE] [--tokens N]
//                 [--limit N] [--skip N] [--margin X] [--sets N] [--ops]
//
// Compiles the model for N tokens with the calibration file (default: calibration.txt beside the
// model; of a .tsv the first column), then runs the fixed-point evaluator with simulated truncation
// noise over the texts and prints how many labels agree with the float model's and the largest
// difference of a logit; then what the plan costs.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "mpc/model/encoder_plan.h"
#include "mpc/model/load.h"
#include "mpc/model/tokenizer.h"
#include "mpc/plan/cost.h"
#include "mpc/plan/evaluate.h"

namespace {

using mpc::FloatModel;
using mpc::Plan;
using Clock = std::chrono::steady_clock;

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "plan_accuracy: %s\n", message.c_str());
  std::exit(1);
}

proto::Bytes Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Die("cannot read " + path);
  return proto::Bytes(std::istreambuf_iterator<char>(file), {});
}

template <class T>
T Need(proto::Result<T> result) {
  if (!result) Die(result.error().message);
  return std::move(*result);
}

// The sentences of a file: a line each; of a .tsv what stands before the last tab, without heading.
std::vector<std::string> Sentences(const std::string& path) {
  std::ifstream file(path);
  if (!file) Die("cannot read " + path);
  const bool tsv = path.ends_with(".tsv");
  std::vector<std::string> lines;
  std::string line;
  if (tsv) std::getline(file, line);
  while (std::getline(file, line)) {
    lines.push_back(tsv ? line.substr(0, line.rfind('\t')) : line);
  }
  return lines;
}

std::size_t Label(const std::vector<double>& logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  std::vector<std::string> places;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--ops") {
      options[argument] = "yes";
    } else if (argument.starts_with("--") && i + 1 < argc) {
      options[argument] = argv[++i];
    } else {
      places.push_back(argument);
    }
  }
  if (places.size() != 2) Die("usage: plan_accuracy MODEL_FOLDER TEXTS.tsv [options]");
  const auto option = [&](const std::string& name, const std::string& otherwise) {
    const auto found = options.find(name);
    return found == options.end() ? otherwise : found->second;
  };
  const auto number = [&](const char* name, const char* otherwise) {
    return static_cast<std::uint32_t>(std::stoul(option(name, otherwise)));
  };
  const std::string folder = places[0] + "/";
  const proto::Bytes config = Read(folder + "config.json");
  const proto::Bytes weights = Read(folder + "model.safetensors");
  const proto::Bytes vocab = Read(option("--vocab", folder + "vocab.txt"));
  const FloatModel model = Need(mpc::LoadFloatModel({config, {weights}}));
  const auto tokenizer = Need(mpc::Tokenizer::FromVocab(vocab));
  const std::uint32_t tokens = number("--tokens", "64");

  std::vector<std::vector<std::uint32_t>> calibration;
  for (const std::string& text : Sentences(option("--calibration", folder + "calibration.txt"))) {
    calibration.push_back(tokenizer.Encode(text));
  }
  mpc::CompileOptions compile;
  compile.builder.margin = std::stod(option("--margin", "1.5"));
  compile.gelu_error = std::stod(option("--gelu", "2e-3"));
  compile.exp_error = std::stod(option("--exp", "3e-4"));
  compile.inverse_error = std::stod(option("--inverse", "1e-4"));
  compile.exponent_max = std::stod(option("--exponent", "7"));
  compile.builder.sets = number("--sets", "4");
  auto start = Clock::now();
  const Plan plan = Need(mpc::CompileEncoder(model, tokens, calibration, compile));
  std::printf("compiled in %.1f s: %zu operations, %zu bytes\n", Seconds(start), plan.ops.size(),
              mpc::EncodePlan(plan).size());
  if (options.contains("--ops")) {
    for (std::size_t i = 0; i < plan.ops.size(); ++i) {
      const mpc::Op& op = plan.ops[i];
      std::printf("%4zu kind %2d [%u x %u] frac %d bits %d %s\n", i, static_cast<int>(op.kind),
                  op.rows, op.cols, op.frac, op.bits, op.name.c_str());
    }
  }
  for (const std::uint16_t size : std::initializer_list<std::uint16_t>{4, 7, 10, 13}) {
    const mpc::Cost cost = mpc::CountCost(plan, proto::Committee(size));
    std::printf(
        "n = %2d: %llu openings in %u rounds, %.1f MB online; %llu products in %zu layers, "
        "%.1f MB; bundle %.1f MB; leaks 2^-%.1f\n",
        size, static_cast<unsigned long long>(cost.openings), cost.rounds,
        static_cast<double>(cost.online_bytes) / 1e6,
        static_cast<unsigned long long>(cost.products_total), cost.products.size(),
        static_cast<double>(cost.preprocessing_bytes) / 1e6,
        static_cast<double>(cost.bundle_bytes) / 1e6, cost.leakage_bits);
  }

  std::vector<std::string> texts = Sentences(places[1]);
  const std::size_t skip = number("--skip", "0"), limit = number("--limit", "1000000");
  std::size_t count = 0, agree = 0, excesses = 0;
  double worst = 0, worst_float = 0, sum = 0;
  start = Clock::now();
  for (std::size_t i = skip; i < texts.size() && count < limit; ++i) {
    const auto ids = tokenizer.Encode(texts[i]);
    if (ids.size() > tokens) continue;
    const auto padded = Need(mpc::PadText(ids, tokens, tokenizer.pad().value_or(0)));
    const auto exact = model.Logits(ids);
    const auto real = mpc::EvaluateFloat(plan, padded);
    const auto fixed = mpc::EvaluateFixed(plan, padded, i, compile.builder.sets);
    double difference = 0;
    for (std::size_t l = 0; l < exact.size(); ++l) {
      difference = std::max(difference, std::abs(fixed.outputs[l] - exact[l]));
      worst_float = std::max(worst_float, std::abs(real[l] - exact[l]));
    }
    if (difference > worst) {
      std::printf("  %.4f  %zu tokens: %s\n", difference, ids.size(), texts[i].c_str());
    }
    for (const mpc::Excess& excess : fixed.excesses) {
      std::printf("  operation %u (%s) reaches %.1f bits of %d: %s\n", excess.op,
                  plan.ops[excess.op].name.c_str(), excess.bits, plan.ops[excess.op].bits,
                  texts[i].c_str());
      ++excesses;
    }
    worst = std::max(worst, difference);
    sum += difference;
    agree += Label(fixed.outputs) == Label(exact) ? 1 : 0;
    ++count;
  }
  std::printf(
      "%zu texts of at most %u tokens in %.1f s: labels agree %.2f%%, worst difference of a "
      "logit %.4f (mean of texts %.4f, without rounding %.4f), %zu bounds exceeded\n",
      count, tokens, Seconds(start),
      100.0 * static_cast<double>(agree) / static_cast<double>(std::max<std::size_t>(count, 1)),
      worst, sum / static_cast<double>(std::max<std::size_t>(count, 1)), worst_float, excesses);
  return 0;
}
