// waxseal bench mpc | inference: what the MPC engine costs, all members on this machine.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <malloc.h>
#include <time.h>

#include "mpc/field/gemm.h"
#include "mpc/plan/cost.h"
#include "mpc/plan/schedule.h"
#include "mpc/preprocessing/attempt.h"
#include "node/cli/bench_committee.h"
#include "node/cli/bench_works.h"
#include "node/cli/commands.h"
#include "proto/crypto/hash.h"
#include "proto/crypto/prg.h"

namespace node {
namespace {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;

struct BenchArguments {
  std::string work;
  std::string model;
  std::uint64_t size = 0;
  std::uint64_t seed = 1;
  std::uint32_t tokens = 128;
  std::uint16_t members = 4;
  std::uint32_t delay_ms = 0;
  std::uint32_t layers = 0;
  std::string directory;
  bool lie = false;
  bool count = false;
  bool json = false;
};

double ThreadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Share x weight multiply-adds a second of one core's time, in 10^9, on BERT-base's 128 x 768 x
// 768.
double GemmRate() {
  constexpr std::size_t kRows = 128, kSide = 768;
  proto::Prg prg(proto::Hasher("waxseal/bench").Finish().span(), proto::AsBytes("gemm"));
  std::vector<mpc::Fp> x(kRows * kSide), y(kRows * kSide);
  std::vector<std::int32_t> w(kSide * kSide);
  for (mpc::Fp& value : x) {
    value = mpc::Fp::FromUniform(mpc::UInt128{prg.U64()} << 64 | prg.U64());
  }
  for (std::int32_t& value : w) value = static_cast<std::int16_t>(prg.U64());
  double best = 0;
  for (int run = 0; run < 3; ++run) {
    const double begin = ThreadSeconds();
    mpc::AddProduct(x, w, kRows, kSide, kSide, y);
    best = std::max(best, 1e-9 * kRows * kSide * kSide / (ThreadSeconds() - begin));
  }
  return best;
}

struct Counts {
  std::uint64_t input_openings = 0;
  std::uint64_t online_openings = 0;
  std::uint64_t preprocessing_openings = 0;
  std::uint32_t rounds = 0;
  std::uint32_t exchanges = 0;  // Message delays of the rounds.
  std::uint32_t layers = 0;
  std::uint64_t online_bytes = 0;
  std::uint64_t preprocessing_bytes = 0;
  std::uint64_t memory_bytes = 0;  // About what a member will need, weights not counted.
  std::uint64_t weight_bytes = 0;  // Of the plan's constants, as they are stored.
};

// Bytes that a member holds at once for an opened value of an attempt: c, the shares, the slot;
// and for one of a round: vectors and tensors.
constexpr std::uint64_t kAttemptValueBytes = 60;
constexpr std::uint64_t kRoundValueBytes = 200;
constexpr std::uint64_t kWarmBytesMax = std::uint64_t{1} << 30;

Counts Count(const BenchWork& work, const proto::Committee& committee) {
  const mpc::Cost cost = mpc::CountCost(work.plan, committee);
  Counts counts;
  const auto rounds = mpc::OpeningRounds(work.plan);
  std::uint64_t widest = 0;
  for (std::size_t round = 0; round < rounds.size(); ++round) {
    std::uint64_t openings = 0;
    for (const mpc::TensorId id : rounds[round]) openings += work.plan.ops[id].size();
    if (round < work.input_rounds) {
      counts.input_openings += openings;
    } else {
      const mpc::OpeningCost opening = mpc::CostOfRound(work.plan, rounds[round], committee);
      counts.exchanges += opening.exchanges;
      counts.online_bytes += opening.bytes(committee);
    }
    widest = std::max(widest, openings);
  }
  std::uint64_t largest = 0;
  counts.online_openings = cost.openings - counts.input_openings;
  counts.rounds = cost.rounds - work.input_rounds;
  const std::size_t sets = mpc::ReplicatedSets(committee).count();
  for (const mpc::Segment& segment : mpc::CutPlan(work.plan, sets, mpc::kKeptValuesMax, 1)) {
    const mpc::Layers layers(work.plan, sets, segment);
    const std::uint64_t before = counts.preprocessing_openings;
    for (const std::size_t size : mpc::LayerSizes(layers)) {
      counts.preprocessing_openings += size;
      ++counts.layers;
    }
    counts.preprocessing_bytes += mpc::PreprocessingBytes(layers, committee);
    largest = std::max(largest, counts.preprocessing_openings - before);
  }
  counts.memory_bytes = kAttemptValueBytes * largest + kRoundValueBytes * widest;
  for (const mpc::Constant& constant : work.plan.constants) {
    counts.weight_bytes += constant.values.bytes().size();
  }
  return counts;
}

json CountsJson(const Counts& counts) {
  return {{"rounds", counts.rounds},
          {"exchanges", counts.exchanges},
          {"openings_online", counts.online_openings},
          {"openings_preprocessing", counts.preprocessing_openings},
          {"layers_preprocessing", counts.layers},
          {"openings_input", counts.input_openings},
          {"online_bytes", counts.online_bytes},
          {"preprocessing_bytes", counts.preprocessing_bytes},
          {"memory_forecast_bytes_per_party", counts.memory_bytes},
          {"weight_bytes", counts.weight_bytes}};
}

json FiguresJson(const CommitteeFigures& figures) {
  MemberFigures sum;
  std::uint64_t memory = 0;
  for (const MemberFigures& member : figures.members) {
    sum.cpu_preprocessing_s += member.cpu_preprocessing_s;
    sum.cpu_online_s += member.cpu_online_s;
    sum.preprocessing_bytes += member.preprocessing_bytes;
    sum.online_bytes += member.online_bytes;
    sum.input_bytes += member.input_bytes;
    memory = std::max(memory, member.memory_bytes);
  }
  return {{"online_s", figures.online_s},
          {"preprocessing_s", figures.preprocessing_s},
          {"total_s", figures.online_s + figures.preprocessing_s},
          {"online_bytes", sum.online_bytes},
          {"preprocessing_bytes", sum.preprocessing_bytes},
          {"total_bytes", sum.online_bytes + sum.preprocessing_bytes},
          {"input_bytes", sum.input_bytes},
          {"online_cpu_s", sum.cpu_online_s},
          {"preprocessing_cpu_s", sum.cpu_preprocessing_s},
          {"attempts", figures.attempts},
          {"segments", figures.segments},
          {"accused", figures.accused},
          {"memory_peak_bytes_per_party", memory}};
}

void Show(const json& result, bool as_json) {
  if (as_json) return PrintJson(result);
  for (const auto& [key, value] : result.items()) {
    std::printf("%-30s %s\n", key.c_str(), value.dump().c_str());
  }
}

double Difference(const std::vector<double>& values, const std::vector<double>& expected) {
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(values[i] - expected[i]));
  }
  return worst;
}

proto::Result<> Bench(const BenchArguments& arguments) {
  if (arguments.members < 4 || arguments.members > mpc::kReplicatedPartiesMax ||
      arguments.members % 3 != 1) {
    return Fail(ErrorCode::kInvalidArgument, "a committee has 4, 7, 10 or 13 members");
  }
  const proto::Committee committee(arguments.members);
  BenchOptions options{arguments.size, arguments.seed, 4, arguments.layers, arguments.directory};
  if (options.directory.empty()) {
    const char* const given = std::getenv("TMPDIR");
    options.directory = given == nullptr ? "/tmp" : given;
  }
  options.sets = static_cast<unsigned>(mpc::ReplicatedSets(committee).count());
  auto work = arguments.model.empty() ? MakeBenchWork(arguments.work, options)
                                      : MakeBenchModel(arguments.model, arguments.tokens, options);
  if (!work) return tl::unexpected(work.error());
  malloc_trim(0);  // What compiling took is not the members' memory.
  json result{{arguments.model.empty() ? "work" : "model", work->name}, {"n", arguments.members}};
  const Counts counts = Count(*work, committee);
  result.update(CountsJson(counts));
  const double leakage_bits = mpc::InferenceLeakageBits(work->plan, committee);
  result["leakage_bits"] = leakage_bits;
  if (leakage_bits < mpc::kLeakageBitsMin) {
    Show(result, arguments.json);
    return Fail(ErrorCode::kInvalidArgument, "an inference would leak more than 2^-40");
  }
  if (!arguments.count) {
    double worst = 0;
    const auto plan = std::make_shared<const mpc::Plan>(std::move(work->plan));
    CommitteeOptions committee_options{arguments.members, arguments.lie, 0, work->input_rounds};
    committee_options.warm_bytes = std::min(kWarmBytesMax, counts.memory_bytes);
    committee_options.directory = options.directory;
    const auto figures = RunCommittee(plan, work->ids, committee_options);
    if (!figures) return tl::unexpected(figures.error());
    result.update(FiguresJson(*figures));
    worst = Difference(figures->outputs, work->expected);
    if (arguments.delay_ms > 0) {
      CommitteeOptions slow = committee_options;
      slow.delay_ms = arguments.delay_ms;
      const auto slowed = RunCommittee(plan, work->ids, slow);
      if (!slowed) return tl::unexpected(slowed.error());
      worst = std::max(worst, Difference(slowed->outputs, work->expected));
      // What the counter says: every exchange waits once.
      const double forecast = figures->online_s + 1e-3 * arguments.delay_ms * counts.exchanges;
      result.update({{"delay_ms", arguments.delay_ms},
                     {"delayed_online_s", slowed->online_s},
                     {"forecast_online_s", forecast},
                     {"delayed_over_forecast", slowed->online_s / forecast},
                     {"delayed_preprocessing_s", slowed->preprocessing_s}});
    }
    result["error"] = worst;
    result["gemm_gmac_per_s"] = GemmRate();
    if (!(worst <= work->tolerance)) {
      Show(result, arguments.json);
      return Fail(ErrorCode::kCorrupt,
                  "the result differs from the float evaluation by " + std::to_string(worst));
    }
  }
  Show(result, arguments.json);
  return {};
}

void AddCommon(CLI::App& command, BenchArguments& arguments) {
  command.add_option("--n", arguments.members, "Members: 4, 7, 10 or 13");
  command.add_option("--seed", arguments.seed, "Of weights and inputs");
  command.add_option("--delay-ms", arguments.delay_ms,
                     "Runs again with this added to every message");
  command.add_flag("--lie", arguments.lie, "One member lies, in every vector that it sends");
  command.add_flag("--count", arguments.count, "Only counts, nothing is run");
  command.add_flag("--json", arguments.json, "One JSON object");
}

}  // namespace

void AddMpcBench(CLI::App& bench, Command& run) {
  static BenchArguments arguments;
  auto* mpc = bench.add_subcommand("mpc", "One function or product on secret values");
  mpc->add_option("--work", arguments.work, "gelu, softmax, matmul or products")->required();
  mpc->add_option("--size", arguments.size, "Elements or products");
  AddCommon(*mpc, arguments);
  mpc->callback([&run] { run = [] { return Bench(arguments); }; });
  auto* inference = bench.add_subcommand("inference", "A model of random weights on a secret text");
  inference
      ->add_option("--model", arguments.model,
                   "bert-base, bert-tiny, minilm, gpt2, llama-7b or a config.json")
      ->required();
  inference->add_option("--tokens", arguments.tokens, "Length of the text");
  inference->add_option("--layers", arguments.layers, "Of the model; else as many as it has");
  inference->add_option("--scratch", arguments.directory,
                        "Directory for the weights of a large model and for bundles; else TMPDIR");
  AddCommon(*inference, arguments);
  inference->callback([&run] { run = [] { return Bench(arguments); }; });
}

}  // namespace node
