// eval: a model's answers beside the float model's, through a network or on this machine alone.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>

#include "mpc/model/compile.h"
#include "node/cli/ask.h"
#include "node/cli/commands.h"
#include "node/cli/eval_run.h"
#include "node/cli/evaluation.h"
#include "node/cli/package.h"
#include "node/loop/files.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kDataBytesMax = std::size_t{256} << 20;

struct EvalOptions {
  Access access;
  std::string model;
  std::string vocabulary;
  std::string sample;
  std::string data;
  std::size_t limit = 0;
  std::uint16_t validators = 4;
  bool local = false;
  std::string results;
  std::size_t parallel = 3;
  std::vector<std::string> approximations = {"exact"};
  bool as_json = false;
  PackageOptions package;
};

// A sentence a line; after a tab its label, a number.
std::vector<Example> ReadExamples(proto::ByteSpan bytes, std::size_t limit) {
  std::vector<Example> examples;
  for (const std::string& line : Lines(bytes)) {
    if (limit != 0 && examples.size() == limit) break;
    const std::size_t tab = line.rfind('\t');
    Example example{line.substr(0, tab), std::nullopt};
    if (tab != std::string::npos) {
      const std::string label = line.substr(tab + 1);
      const bool number = !label.empty() && label.size() < 6 &&
                          label.find_first_not_of("0123456789") == std::string::npos;
      if (!number) continue;  // A table's head.
      example.label = static_cast<std::uint32_t>(std::stoul(label));
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// What all approximations of one model are compared on.
struct Subject {
  const EvalOptions& options;
  LocalModel model;
  std::vector<Example> examples;
  std::optional<Client> client;  // None: on this machine alone.
  proto::Committee committee;
  proto::PublicKey owner;
  Progress progress;
};

Result<Subject> ReadSubject(const EvalOptions& options) {
  const auto data = ReadFile(options.data, kDataBytesMax);
  if (!data) return tl::unexpected(data.error());
  std::vector<Example> examples = ReadExamples(*data, options.limit);
  if (examples.empty()) {
    return Fail(ErrorCode::kInvalidArgument, options.data + ": no sentence in it");
  }
  auto model = ReadModel(options.model, options.vocabulary, options.sample);
  if (!model) return tl::unexpected(model.error());
  const Progress progress = options.as_json ? Progress([](const std::string&) {}) : SayProgress;
  if (options.local) {
    const auto nobody = proto::SecretKey::From(proto::Bytes(32, 1));
    if (!nobody) return tl::unexpected(nobody.error());
    return Subject{options,
                   std::move(*model),
                   examples,
                   std::nullopt,
                   proto::Committee(options.validators),
                   nobody->public_key(),
                   progress};
  }
  auto client = options.access.Open();
  if (!client) return tl::unexpected(client.error());
  const proto::Committee committee = client->genesis().committee();
  const proto::PublicKey owner = client->key().public_key();
  return Subject{options, std::move(*model), examples, std::move(*client), committee,
                 owner,   progress};
}

// One approximation of the model: its plans, and what became of the questions.
class Evaluation {
 public:
  Evaluation(const Subject& subject, Package package, std::optional<ServedModel> served)
      : subject_(subject), package_(std::move(package)), served_(std::move(served)) {
    for (const Example& example : subject.examples) {
      if (Fits(Encode(example).size())) fitting_.push_back(example);
    }
  }

  Result<json> Run(const std::string& results) {
    const EvalRun run{subject_.client ? subject_.options.parallel : 1, results,
                      [this](std::size_t index, const Example& example) {
                        return subject_.client ? AskNetwork(example) : AskHere(index, example);
                      },
                      [this](std::size_t index, const Reply& reply) { Count(index, reply); }};
    const auto start = steady_clock::now();
    const auto unanswered = node::Run(fitting_, run, subject_.progress);
    if (!unanswered) return tl::unexpected(unanswered.error());
    json result = ToJson(agreement_);
    const double texts = std::max<double>(1, static_cast<double>(agreement_.texts));
    result["approximation"] = subject_.options.package.approximation;
    result["through"] = subject_.client ? "network" : "fixed point";
    result["too_long"] = subject_.examples.size() - fitting_.size();
    result["unanswered"] = json::array();
    for (const Unanswered& one : *unanswered) {
      result["unanswered"].push_back({{"text", fitting_[one.index].text}, {"reason", one.reason}});
    }
    result["openings"] = static_cast<double>(openings_) / texts;
    result["online_bytes"] = static_cast<double>(online_bytes_) / texts;
    result["preprocessing_bytes"] = static_cast<double>(preprocessing_bytes_) / texts;
    result["rounds"] = static_cast<double>(rounds_) / texts;
    result["seconds"] = Median(seconds_);
    result["wait_seconds"] = Median(waits_);
    result["elapsed_seconds"] = std::chrono::duration<double>(steady_clock::now() - start).count();
    return result;
  }

 private:
  std::vector<std::uint32_t> Encode(const Example& example) const {
    return subject_.model.tokenizer.Encode(example.text);
  }
  // The plan that serves so many tokens, by its number.
  std::size_t PlanFor(std::size_t tokens) const {
    const auto found = std::ranges::find_if(
        package_.plans, [&](const mpc::Plan& plan) { return plan.tokens >= tokens; });
    return static_cast<std::size_t>(found - package_.plans.begin());
  }
  bool Fits(std::size_t tokens) const {
    return tokens > 0 && PlanFor(tokens) < package_.plans.size();
  }

  Result<Reply> AskHere(std::size_t index, const Example& example) const {
    const auto start = steady_clock::now();
    const std::vector<std::uint32_t> ids = Encode(example);
    mpc::FixedEvaluation got =
        EvaluateHere(subject_.model, package_.plans[PlanFor(ids.size())], ids,
                     static_cast<std::uint16_t>(subject_.committee.size()), index);
    Reply reply;
    reply.in_range = mpc::InRange(got.flags);
    reply.outputs = std::move(got.outputs);
    reply.seconds = std::chrono::duration<double>(steady_clock::now() - start).count();
    return reply;
  }

  Result<Reply> AskNetwork(const Example& example) const {
    const auto answer = Ask(*subject_.client, *served_, example.text, [](const std::string&) {});
    if (!answer) return tl::unexpected(answer.error());
    Reply reply;
    reply.seconds = answer->seconds;
    reply.wait_seconds = answer->wait_seconds;
    reply.in_range = answer->in_range;
    reply.outputs = answer->logits;
    for (const std::uint32_t token : answer->written) reply.outputs.push_back(token);
    if (answer->architecture.ends_with("-embedding-mean")) {
      for (double& value : reply.outputs) value *= static_cast<double>(answer->text_tokens);
    }
    return reply;
  }

  void Count(std::size_t index, const Reply& reply) {
    const std::vector<std::uint32_t> ids = Encode(fitting_[index]);
    const mpc::Cost& cost = package_.costs[PlanFor(ids.size())].counted;
    openings_ += cost.openings;
    online_bytes_ += cost.online_bytes;
    preprocessing_bytes_ += cost.preprocessing_bytes;
    rounds_ += cost.rounds;
    seconds_.push_back(reply.seconds);
    waits_.push_back(reply.wait_seconds);
    Compare(subject_.model, ids, fitting_[index].label, reply.outputs, reply.in_range, agreement_);
  }

  const Subject& subject_;
  Package package_;
  std::optional<ServedModel> served_;
  std::vector<Example> fitting_;
  Agreement agreement_;
  std::vector<double> seconds_, waits_;
  std::uint64_t openings_ = 0, online_bytes_ = 0, preprocessing_bytes_ = 0, rounds_ = 0;
};

Result<json> EvaluateOne(const Subject& subject, const std::string& results) {
  auto package = MakePackage(subject.model, subject.committee, subject.owner,
                             subject.options.package, subject.progress);
  if (!package) return tl::unexpected(package.error());
  std::optional<ServedModel> served;
  if (subject.client) {
    const auto id = RegisterPackage(*subject.client, *package, "", subject.progress);
    if (!id) return tl::unexpected(id.error());
    auto opened = OpenModel(*subject.client, id->hex());
    if (!opened) return tl::unexpected(opened.error());
    served.emplace(std::move(*opened));
  }
  return Evaluation(subject, std::move(*package), std::move(served)).Run(results);
}

Result<> RunEval(EvalOptions options) {
  const auto subject = ReadSubject(options);
  if (!subject) return tl::unexpected(subject.error());
  json table = json::array();
  for (const std::string& approximation : options.approximations) {
    options.package.approximation = approximation;
    const bool alone = options.approximations.size() == 1;
    auto row = EvaluateOne(*subject, alone || options.results.empty()
                                         ? options.results
                                         : options.results + "." + approximation);
    if (!row) return tl::unexpected(row.error());
    table.push_back(std::move(*row));
  }
  PrintJson(table.size() == 1 ? table[0] : table);
  return {};
}

}  // namespace

void AddEvalCommand(CLI::App& app, Command& run) {
  const auto options = std::make_shared<EvalOptions>();
  CLI::App* eval = app.add_subcommand(
      "eval", "Compare a model's private answers with the float model's, per text");
  options->access.AddTo(*eval);
  eval->add_option("--model", options->model, "The Hugging Face directory")->required();
  eval->add_option("--data", options->data, "A sentence a line, after a tab its label, a number")
      ->required();
  eval->add_option("--limit", options->limit, "Texts to take; else all");
  eval->add_option("--vocab", options->vocabulary, "The tokenizer's file");
  eval->add_option("--sample,--calibration", options->sample, "Text to measure value ranges on");
  eval->add_option("--tokens", options->package.tokens, "Lengths, comma separated")
      ->delimiter(',')
      ->capture_default_str();
  eval->add_option("--generate", options->package.generate, "Tokens of an answer")
      ->capture_default_str();
  eval->add_option("--weight-error", options->package.weight_error, "As of `model import`")
      ->capture_default_str();
  eval->add_option("--approximation", options->approximations,
                   "Comma separated: exact, puma, mpcformer; several give a table")
      ->delimiter(',')
      ->capture_default_str();
  eval->add_flag("--local", options->local,
                 "In the protocol's integers on this machine, without a network");
  eval->add_option("--validators", options->validators, "With --local: members of the committee")
      ->capture_default_str();
  eval->add_option("--results", options->results,
                   "A file that answers are added to; a run that finds it asks only the rest");
  eval->add_option("--parallel", options->parallel, "Questions under way at once, in a network")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  eval->add_flag("--json", options->as_json, "Print one JSON object and nothing else");
  eval->callback([&run, options] { run = [options] { return RunEval(*options); }; });
}

}  // namespace node
